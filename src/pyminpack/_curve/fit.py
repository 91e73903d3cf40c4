"""`CurveFit`: SciPy's tuple, that knows the whole fit."""

from collections.abc import Callable, Mapping
from math import inf, log, nan, pi, sqrt
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, OptionError
from .._iteration.fit import LevenbergMarquardt
from .._model.arrays import DOUBLE, Array, shown
from .._model.losses import Robust, as_loss
from .._report.least_squares import LeastSquaresResult
from .._report.record import Record, computed_once
from .._report.statistics import Covariance, covariance_of_fit
from .._report.text import Text
from .comparison import Comparison, compare_fits
from .curvature import Curvature, curvature_of
from .data import as_independent
from .model import Curve, what_can_be_pickled
from .parameters import names_of
from .plots import plot_fit, plot_profile
from .profile import Profile, profile_of
from .quantiles import chi2_tails, two_sided
from .report import as_html, as_text, in_short
from .uncertainty import (
    Bootstrap,
    Derived,
    band_of,
    bootstrap_of,
    covariance_by_residuals,
    derived_of,
    gradient_of,
)


class CurveParameter(Record):
    """One parameter of a fit.

    Attributes
    ----------
    name : str
        Its name.
    value, stderr : float
        The value at the minimum and its standard error: 0 where it is fixed, inf where the data leave it open, NaN
        where it is held at a bound or nothing is known.
    start : float
        Where the fit started.
    fixed : bool
        Whether it kept its start.
    at_bound : {None, 'lower', 'upper'}
        The bound that it lies on.
    identifiable : bool
        Whether the data determine it.
    """

    name: str
    value: float
    stderr: float
    start: float
    fixed: bool
    at_bound: Literal["lower", "upper"] | None
    identifiable: bool

    def __float__(self) -> float:
        return self.value


class CurveFit(tuple[Array, Array, *tuple[Any, ...]]):
    """What `curve_fit` returns: ``popt, pcov`` or ``popt, pcov, infodict, mesg, ier``, and the whole fit.

    Attributes
    ----------
    popt, pcov : ndarray
        The parameters and their covariance as SciPy has it: with inf everywhere if any parameter is not determined, and
        without regard to bounds. `cov` tells these cases apart.
    names : tuple of str
        Names of the parameters.
    params : mapping
        ``fit.params["a"]`` has `value`, `stderr`, `start`, `fixed`, `at_bound` and `identifiable`.
    x, start : ndarray of shape (n,)
        The parameters at the minimum, and where the fit started.
    start_cost : float
        The cost there.
    cov, stderr, correlation : ndarray
        Covariance, standard errors and correlations of the parameters. Where a parameter is not determined its
        variance is inf and its covariances are NaN. A fixed parameter is a constant. A parameter that is held at a
        bound has NaN; the errors of the others are as if it were fixed there.
    absolute_sigma : bool
        Whether sigma are the errors of the data. Otherwise they are relative, and the residuals tell their size.
    result : LeastSquaresResult
        The fit by `least_squares`, with status, message, Jacobian and `offset`.
    nfev : int
        How often the model was evaluated, differences included.
    residuals : ndarray
        Data minus model, in the shape and units of the data.
    fitted : ndarray
        The model at the data.
    m : int
        Number of residuals; a complex number has two.
    chi2 : float
        The sum of squares of the residuals in units of `sigma`; with a robust loss twice the cost.
    dof : int
        Degrees of freedom: residuals minus free parameters.
    reduced_chi2 : float
        ``chi2/dof``; NaN without degrees of freedom.
    p_value : float
        The probability of a larger chi-squared if the model is right and sigma are the errors of the data; NaN without
        `absolute_sigma`.
    r_squared : float
        1 minus the sum of squares over that of the data around their weighted mean.
    log_likelihood, aic, aicc, bic : float
        The largest likelihood of normal errors, and information criteria, in which the variance of the data counts as a
        parameter unless `absolute_sigma` gives it.
    """

    result: LeastSquaresResult
    start: Array
    start_cost: float
    absolute_sigma: bool
    nfev: int
    _curve: Curve
    _given_names: tuple[str, ...] | None
    _options: dict[str, Any]

    @property
    def popt(self) -> Array:
        """The parameters, as SciPy gives them."""
        return self[0]

    @property
    def pcov(self) -> Array:
        """The covariance, as SciPy gives it."""
        return self[1]

    def __getnewargs__(self) -> tuple[tuple[Any, ...]]:
        return (tuple(self),)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: self.__dict__[name] for name in CurveFit.__annotations__}  # all else can be computed again
        state["_given_names"] = self.names  # which the model tells, and that may stay behind
        state["_options"] = what_can_be_pickled(self._options)
        return state

    # ------------------------------------------------------------------------------------ parameters

    @computed_once
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self._given_names or names_of(self._curve.require_model(), self.x.size)

    @computed_once
    def params(self) -> Mapping[str, CurveParameter]:
        """The parameters by name."""
        known, result = self._statistics, self.result
        sides: tuple[Literal["lower", "upper"] | None, ...] = (None, "upper", "lower")
        return MappingProxyType(
            {
                name: CurveParameter(
                    name=name,
                    value=float(result.x[j]),
                    stderr=float(known.stderr[j]),
                    start=float(self.start[j]),
                    fixed=bool(result._fixed[j]),
                    at_bound=None if result._fixed[j] else sides[result.active_mask[j]],
                    identifiable=not known.unidentifiable[j],
                )
                for j, name in enumerate(self.names)
            }
        )

    @property
    def x(self) -> Array:
        """The parameters at the minimum."""
        return self.result.x

    @computed_once
    def _statistics(self) -> Covariance:
        result = self.result
        if not self.absolute_sigma:
            return result._statistics
        return covariance_of_fit(result._factor, self.m, 1.0, result._jacobian_error, result._fixed, result._free)

    @property
    def cov(self) -> Array:
        """Covariance of the parameters."""
        return self._statistics.cov

    @property
    def stderr(self) -> Array:
        """Standard errors of the parameters."""
        return self._statistics.stderr

    @property
    def correlation(self) -> Array:
        """Correlations of the parameters."""
        return self._statistics.correlation

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """Which parameters are neither fixed nor held at a bound."""
        return self.result._free

    # ------------------------------------------------------------------------------------ data

    @computed_once
    def residuals(self) -> npt.NDArray[Any]:
        """Data minus model, in the shape and units of the data."""
        data, r = self._curve.data, self.result.fun
        if data.y.dtype.kind == "c":
            r = np.ascontiguousarray(r).view(np.complex128)
        shape = data.y.shape if r.size == data.y.size else r.shape
        return -data.unwhiten(r.reshape(shape))

    @property
    def fitted(self) -> npt.NDArray[Any]:
        """The model at the data."""
        return np.asarray(self._curve.data.y - self.residuals)

    # ------------------------------------------------------------------------------------ goodness of fit

    @property
    def m(self) -> int:
        """Number of residuals."""
        return self.result.fun.size

    @property
    def dof(self) -> int:
        """Degrees of freedom."""
        return self.result.dof

    @property
    def chi2(self) -> float:
        """The sum of squares of the residuals in units of sigma."""
        return 2 * self.result.cost

    @property
    def reduced_chi2(self) -> float:
        """chi2/dof."""
        return self.result.reduced_chi2

    @property
    def p_value(self) -> float:
        """The probability of a larger chi-squared; NaN where the errors of the data are not known."""
        known = self.absolute_sigma and self.dof > 0
        return chi2_tails(self.chi2, self.dof)[1] if known else nan

    @property
    def r_squared(self) -> float:
        """1 minus the sum of squares over that of the data around their weighted mean; NaN where these do not vary."""
        total = self._around_mean
        return 1 - self.chi2 / total if total > 0 else nan

    @computed_once
    def _around_mean(self) -> float:
        """The weighted sum of squares of the data around their mean."""
        y, one = self._whitened_data, self._whitened_one
        mean = np.vdot(one, y) / np.vdot(one, one)
        return float(np.sum(np.abs(y - mean * one) ** 2))

    @property
    def _whitened_data(self) -> npt.NDArray[Any]:
        data = self._curve.data
        return data.whiten(data.y).ravel()

    @property
    def _whitened_one(self) -> npt.NDArray[Any]:
        """A constant, in units of the errors of the data."""
        data = self._curve.data
        return data.whiten(np.ones(data.y.shape)).ravel()

    @computed_once
    def contains_constant(self) -> bool:
        """Whether a constant can be added to the curve by changing the parameters: only then does R² mean something."""
        jacobian, one = self._free_jacobian, self._whitened_one
        if jacobian is None or self._curve.data.y.dtype.kind == "c" or one.size != self.m:
            return False
        coefficients = np.linalg.lstsq(jacobian, one, rcond=None)[0]
        left = np.linalg.norm(one - jacobian @ coefficients)
        # By so much the error of the Jacobian moves the sum of its columns; a given one counts as good differences do.
        error = max(self.result._jacobian_error, sqrt(DOUBLE))
        return bool(left <= error * (abs(coefficients) @ np.linalg.norm(jacobian, axis=0)))

    @property
    def log_likelihood(self) -> float:
        """The largest logarithm of the likelihood of normal errors."""
        m, chi2 = self.m, self.chi2
        scale = 1.0 if self.absolute_sigma else chi2 / m
        quadratic = chi2 / scale if scale > 0 else 0.0
        spread = log(scale) if scale > 0 else -inf
        return -0.5 * (m * (log(2 * pi) + spread) + quadratic) - self._curve.data.log_det

    @property
    def _counted(self) -> int:
        """Parameters of the likelihood."""
        return int(np.count_nonzero(self.free)) + (not self.absolute_sigma)

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return 2 * self._counted - 2 * self.log_likelihood

    @property
    def aicc(self) -> float:
        """Akaike's criterion, corrected for few data; inf where they are too few."""
        k = self._counted
        left = self.m - k - 1
        return self.aic + 2 * k * (k + 1) / left if left > 0 else inf

    @property
    def bic(self) -> float:
        """Schwarz's information criterion."""
        return self._counted * log(self.m) - 2 * self.log_likelihood

    # ------------------------------------------------------------------------------------ uncertainty

    def interval(self, level: float = 0.95, method: Literal["wald", "profile"] = "wald") -> Array:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        level : float, optional
            The confidence level; the default is 0.95.
        method : {'wald', 'profile'}, optional
            'wald', the default: ``x ± t*stderr``, right where the model is nearly linear within them. 'profile': where
            the sum of squares, minimized over all other parameters, has grown by so much; asymmetric, and with infinite
            ends where the data set no limit. It takes three to ten fits for each parameter. An end that is not found is
            NaN, with a warning.

        Returns
        -------
        ndarray of shape (n, 2)
            Lower and upper ends. Those of fixed parameters are their values.
        """
        half = self._half_width(level)
        if method == "wald":
            stderr = half * self.stderr
            return np.column_stack([self.x - stderr, self.x + stderr])
        if method != "profile":
            raise OptionError(f"method is {shown(method)}; it can be 'wald' or 'profile'")
        ends = np.column_stack([self.x, self.x])
        for j in np.flatnonzero(~self.result._fixed):
            ends[j] = self._profile(int(j)).interval(half)
        return ends

    def profile(self, name: str | int, level: float = 0.99) -> Profile:
        """The profile of one parameter: the best fits with it held at other values.

        Parameters
        ----------
        name : str or int
            The parameter.
        level : float, optional
            How far it reaches; the default is 0.99.

        Returns
        -------
        Profile
            ``values`` of the parameter, ``tau``, which is the signed root of how far the sum of squares has grown, in
            units of the variance, and ``x``, the fits.
        """
        profile = self._profile(self._number(name))
        profile.interval(self._half_width(level))
        return profile

    @computed_once
    def _profiles(self) -> dict[int, Profile]:
        return {}

    def _profile(self, j: int) -> Profile:
        """The profile of a parameter, as far as it is known; it goes on from there."""
        if j not in self._profiles:
            self._profiles[j] = profile_of(self, j)
        return self._profiles[j]

    def _half_width(self, level: float) -> float:
        """How many standard errors an interval reaches to each side."""
        if not 0 < level < 1:
            raise OptionError(f"level is {shown(level)}; it must be between 0 and 1, as 0.95")
        return two_sided(level, self._dof_of_errors) if self._dof_of_errors > 0 else nan

    @property
    def _dof_of_errors(self) -> float:
        """The degrees of freedom of the variance: infinitely many where it is known."""
        return inf if self.absolute_sigma else self.dof

    @property
    def _variance(self) -> float:
        """The variance of residuals in units of sigma."""
        return 1.0 if self.absolute_sigma else self.reduced_chi2

    def predict(self, x: Any) -> npt.NDArray[Any]:
        """The curve at any x, given as `curve_fit` takes it."""
        return self._curve.values(as_independent(x), self.x)

    def band(
        self,
        x: Any,
        level: float = 0.95,
        kind: Literal["confidence", "prediction"] = "confidence",
        simultaneous: bool = False,
        sigma: npt.ArrayLike | None = None,
    ) -> tuple[Array, Array]:
        """A band around the curve, by the linear model.

        Parameters
        ----------
        x : object
            Where, as `curve_fit` takes it.
        level : float, optional
            The confidence level; the default is 0.95.
        kind : {'confidence', 'prediction'}, optional
            For the curve itself, the default, or for a further measurement.
        simultaneous : bool, optional
            Whether the whole curve lies in the band with this probability (Scheffé), or the curve at each x by itself,
            the default.
        sigma : array_like, optional
            Standard errors of further measurements, relative to those of the data. The default is that of the data if
            they have one for all.

        Returns
        -------
        lower, upper : ndarray
        """
        return band_of(self, x, level, kind, simultaneous, sigma)

    def gradient(self, x: Any) -> Array:
        """The derivatives of the curve at any x by the parameters, of shape (number of points, n)."""
        return gradient_of(self, as_independent(x))

    def derived(self, quantity: str | Callable[[Any], Any]) -> Derived:
        """The value and the standard error of a quantity derived from the parameters (delta method).

        Parameters
        ----------
        quantity : str or callable
            An expression by name, as ``"log(2)/k"``, or a function of the parameters: ``lambda p: np.log(2)/p["k"]``,
            or ``p.k``, or by number. An expression is evaluated by Python: take none from strangers.

        Returns
        -------
        Derived
            A tuple of value and standard error.
        """
        return derived_of(self, quantity)

    def bootstrap(
        self,
        n: int = 1000,
        kind: Literal["residuals", "pairs", "wild"] = "residuals",
        seed: "int | np.random.Generator | None" = None,  # numpy.random takes long to import
    ) -> Bootstrap:
        """Fits to data drawn anew.

        Parameters
        ----------
        n : int, optional
            How many; the default is 1000.
        kind : {'residuals', 'pairs', 'wild'}, optional
            'residuals', the default: the curve, and residuals drawn from all, scaled for their leverage. 'pairs':
            points drawn from all. 'wild': the curve, and each residual with a random sign, where errors differ from
            point to point.
        seed : int or Generator, optional
            For the same draws again.

        Returns
        -------
        Bootstrap
            ``x``, of shape (number of fits that converged, n), ``failed``, ``stderr`` and ``interval(level)``.
        """
        return bootstrap_of(self, n, kind, seed)

    def robust_cov(self, kind: Literal["HC0", "HC1", "HC2", "HC3"] = "HC3") -> Array:
        """The covariance of the parameters where the errors of the data differ in an unknown way (White 1980).

        'HC0' has the squares of the residuals; 'HC1' scales them by m/dof; 'HC2' and 'HC3' divide each by 1 minus its
        leverage, or by the square of that (MacKinnon and White 1985).
        """
        return covariance_by_residuals(self, kind)

    @computed_once
    def leverage(self) -> Array:
        """How much each residual determines its own fit: the diagonal of the hat matrix."""
        jacobian = self._free_jacobian
        if jacobian is None:
            return np.full(self.m, nan)
        q = np.linalg.qr(jacobian)[0]
        return np.asarray(np.sum(q * q, axis=1))

    @computed_once
    def studentized_residuals(self) -> Array:
        """Data minus model, each in units of its own standard error."""
        left = np.clip(1 - self.leverage, 0, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            return -self.result.fun / np.sqrt(left * self._variance)

    @computed_once
    def cooks_distance(self) -> Array:
        """How far the fit would move without each of the residuals (Cook 1977)."""
        h, k = self.leverage, max(1, int(np.count_nonzero(self.free)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.studentized_residuals**2 * h / ((1 - h) * k)

    @computed_once
    def curvature(self) -> Curvature:
        """How far the linear model can be trusted: curvatures, bias and skewness of the parameters.

        It takes ``2*k**2`` evaluations of the model for k free parameters, at the first use.
        """
        self._curve.require_model()
        return curvature_of(self)

    def compare(self, other: "CurveFit") -> Comparison:
        """Compare two fits to the same data, one of which may be a special case of the other.

        Parameters
        ----------
        other : CurveFit
            A fit of another model, or with other parameters fixed, with the same `sigma`.

        Returns
        -------
        Comparison
            The F test of the larger model, which holds where the smaller one is nested in it, and the difference of
            AICc.
        """
        return compare_fits(self, other)

    def as_ufloats(self) -> dict[str, Any]:
        """The parameters as correlated numbers of the package `uncertainties`, by name."""
        from uncertainties import correlated_values

        if not np.isfinite(self.cov).all():
            raise InputValueError("the covariance is not finite: fix what the data do not determine")
        return dict(zip(self.names, correlated_values(self.x, self.cov, tags=list(self.names)), strict=True))

    # ------------------------------------------------------------------------------------ pictures

    @property
    def errors_of_data(self) -> npt.NDArray[Any] | None:
        """Standard errors of the data in their own units, scaled by the residuals unless `absolute_sigma`.

        None without `sigma`, where the residuals alone tell them.
        """
        data = self._curve.data
        if data.sigma is None and data.root is None:
            return None
        relative = data.sigma if data.root is None else np.sqrt(np.sum(data.root**2, axis=1)).reshape(data.y.shape)
        return np.broadcast_to(np.asarray(relative) * np.sqrt(self._variance), data.y.shape)

    def plot(self, ax: Any = None, level: float = 0.95, grid: npt.ArrayLike | None = None) -> Any:
        """A picture: the data with their errors, the curve and its band; below them the residuals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw data and curve; without the residuals, then. The default is a new figure.
        level : float, optional
            Of the band; the default is 0.95.
        grid : array_like, optional
            Where to draw the curve. The default is a fine grid over the data.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return plot_fit(self, ax, level, grid)

    def plot_profile(self, level: float = 0.95) -> Any:
        """A picture of the profile of each parameter, with the ends of its interval.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return plot_profile(self, level)

    # ------------------------------------------------------------------------------------ what others need

    @computed_once
    def _free_jacobian(self) -> Array | None:
        """The columns of the Jacobian for free parameters."""
        jacobian = self.result.jac
        return None if jacobian is None or not np.isfinite(jacobian).all() else jacobian[:, self.free]

    def _number(self, name: str | int) -> int:
        """The number of a parameter."""
        if isinstance(name, str):
            if name not in self.names:
                raise OptionError(f"there is no parameter {name!r}; they are {', '.join(self.names)}")
            return self.names.index(name)
        return range(self.x.size)[name]

    @computed_once
    def _loss(self) -> Robust | None:
        """The robust loss; None for least squares."""
        kind = as_loss(self._options.get("loss", "linear"))
        return None if kind is None else Robust(kind, float(self._options.get("f_scale", 1.0)))

    def _refit(self, start: Array, fixed: npt.NDArray[np.bool_], residuals: Any = None, jac: Any = None) -> Any:
        """Another fit with the same options."""
        options = dict(self._options)
        if jac is not None:
            options["jac"] = jac
        return LevenbergMarquardt(residuals or self._curve.for_core(), start, fixed=fixed, **options).run()

    # ------------------------------------------------------------------------------------ as text

    def __repr__(self) -> str:
        return in_short(self)

    def __str__(self) -> str:
        return as_text(self)

    def report(self) -> Text:
        """The report: a verdict, a table of the parameters, what the errors come from, and how good the fit is."""
        return Text(as_text(self))

    def _repr_html_(self) -> str:
        return as_html(self)
