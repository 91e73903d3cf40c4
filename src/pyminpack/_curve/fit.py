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
from .convergence import Convergence, convergence_of
from .curvature import Curvature, curvature_of
from .data import as_independent
from .fitted import FittedCurve
from .pictures.convergence import plot_convergence
from .pictures.curve import plot_fit
from .pictures.diagnostics import plot_diagnostics
from .pictures.profiles import numbers_of, plot_pair, plot_profiles
from .progress import counting
from .quantiles import two_sided
from .regions.contour import Contour, contour_of, joint_half_width
from .regions.profile import Profile, profile_of
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
    runs : Runs
        Runs of residuals of the same sign: their `number`, how many are `expected`, and the `p_value` of so few.
    log_likelihood, aic, aicc, bic : float
        The largest likelihood of normal errors, and information criteria, in which the variance of the data counts as a
        parameter unless `absolute_sigma` gives it.
    """

    # ------------------------------------------------------------------------------------ uncertainty

    def interval(
        self, level: float = 0.95, method: Literal["wald", "profile"] = "wald", progress: bool = False
    ) -> Array:
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
        progress : bool, optional
            Whether a bar of tqdm counts the parameters of which there is a profile; the default is False.

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
        free = np.flatnonzero(~self.result._fixed).tolist()
        with counting(progress, len(free), "parameters") as tick:
            for j in free:
                ends[j] = self._profile(j).interval(half)
                tick()
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

    def contour(self, a: str | int, b: str | int, level: float = 0.95) -> Contour:
        """The joint confidence region of two parameters, the others fitted anew at each point of its edge.

        Within it the sum of squares, minimized over all other parameters, has grown by no more than 2 variances times
        the quantile of F; with a linear model it is Wald's ellipse.

        Parameters
        ----------
        a, b : str or int
            The parameters.
        level : float, optional
            The confidence level of both together; the default is 0.95.

        Returns
        -------
        Contour
            ``points`` of shape (k, 2), a curve that can be drawn; open, with inf, where the data set no limit. It takes
            some twenty fits, and the profiles of both parameters as many; curved regions take up to seventy.
        """
        pair = self._number(a), self._number(b)
        if pair[0] == pair[1] or self.result._fixed[list(pair)].any():
            raise OptionError(f"{shown(a)} and {shown(b)} must be two different parameters that are not fixed")
        self._half_width(level)  # refuses what is no level
        key = *pair, float(level)
        if key not in self._contours:
            self._contours[key] = contour_of(self, *pair, level)
        return self._contours[key]

    @computed_once
    def _contours(self) -> dict[tuple[int, int, float], Contour]:
        return {}

    def _joint_half_width(self, level: float) -> float:
        """How many standard errors the joint region of two parameters reaches, by the linear model."""
        return joint_half_width(self, level)

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
        progress: bool = False,
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
        progress : bool, optional
            Whether a bar of tqdm counts the fits; the default is False.

        Returns
        -------
        Bootstrap
            ``x``, of shape (number of fits that converged, n), ``failed``, ``stderr`` and ``interval(level)``.
        """
        return bootstrap_of(self, n, kind, seed, progress)

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

    @computed_once
    def convergence(self) -> Convergence:
        """How the fit went from its start to the minimum: parameters, cost, step and offset, step by step.

        A fit keeps nothing of that. So it is made once more, from the same start, at the first use.
        """
        return convergence_of(self)

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

    def plot_profile(self, level: float = 0.95, names: Any = None, ax: Any = None, progress: bool = False) -> Any:
        """A picture of the profiles of the parameters, and of the joint region of each pair.

        On the diagonal there are the profiles with the ends of their intervals. Below it are the regions of pairs, with
        Wald's ellipse, and the traces: the best value of one parameter where the other is held. Where the model is
        linear, profiles and traces are straight lines, and the regions are the ellipses.

        Parameters
        ----------
        level : float, optional
            Of the intervals, and of the regions; the default is 0.95.
        names : str or sequence of str or int, optional
            The parameters. The default is all that are not fixed; k of them take some ``10*k + 12*k*(k - 1)`` fits.
        ax : array of matplotlib.axes.Axes, optional
            Where to draw: ``k*k`` of them, row by row. The default is a new figure.
        progress : bool, optional
            Whether a bar of tqdm counts the panels; the default is False.

        Returns
        -------
        matplotlib.figure.Figure
        """
        k = len(numbers_of(self, names))
        with counting(progress, k * (k + 1) // 2, "panels") as tick:
            return plot_profiles(self, level, names, ax, tick)

    def plot_contour(self, a: str | int, b: str | int, level: float = 0.95, ax: Any = None) -> Any:
        """A picture of the joint region of two parameters, with Wald's ellipse and the traces of their profiles.

        Parameters
        ----------
        a, b : str or int
            The parameters, to the right and upward.
        level : float, optional
            The confidence level of both together; the default is 0.95.
        ax : matplotlib.axes.Axes, optional
            Where to draw. The default is a new figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return plot_pair(self, self._number(a), self._number(b), level, ax)

    def plot_diagnostics(self, ax: Any = None) -> Any:
        """A picture of the residuals, each in units of its own standard error.

        Against the curve: a trend or a fan tells of a wrong curve, or of wrong errors. Their distribution beside the
        normal one, with a band in which each is with 95 %. Their leverage, with lines of equal Cook's distance; points
        beyond 0.5 have their number. Their order, with the number of `runs` of signs.

        Parameters
        ----------
        ax : array of matplotlib.axes.Axes, optional
            Where to draw: four of them. The default is a new figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return plot_diagnostics(self, ax)

    def plot_convergence(self, ax: Any = None) -> Any:
        """A picture of the way to the minimum: what the cost had still to fall by, offset and step; see `convergence`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. The default is a new figure.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return plot_convergence(self, ax)

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
