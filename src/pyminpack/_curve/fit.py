"""`CurveFit`: SciPy's tuple, that knows the whole fit."""

from collections.abc import Callable
from math import nan
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, OptionError
from .._model.arrays import Array, shown
from .._report.record import computed_once
from .._report.text import Text
from .comparison import Comparison, compare_fits
from .curvature import Curvature, curvature_of
from .data import as_independent
from .fitted import FittedCurve
from .plots import plot_fit, plot_profile
from .profile import Profile, profile_of
from .quantiles import two_sided
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


class CurveFit(FittedCurve):
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
            ends where the data set no limit. It takes some ten fits for each parameter.

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
