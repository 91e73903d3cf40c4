"""From a fit by `least_squares` to SciPy's tuple of `curve_fit`."""

from math import inf
from typing import Any, Final

import numpy as np

from .._errors import UnidentifiableWarning, warn_user
from .._minpack import lm_factor
from .._model.arrays import Array
from .._report.info import Info, Status
from .._report.least_squares import LeastSquaresResult
from .._report.statistics import unscaled_covariance, warn_of_unidentifiable
from .fit import CurveFit
from .model import Curve

# `ier` of MINPACK, which SciPy's curve_fit gives without bounds.
_IER_OF: Final = {
    Status.FTOL: int(Info.FTOL),
    Status.XTOL: int(Info.XTOL),
    Status.FTOL_AND_XTOL: int(Info.FTOL_AND_XTOL),
    Status.GTOL: int(Info.GTOL),
}


def make_fit(
    result: LeastSquaresResult,
    nfev: int,
    curve: Curve,
    *,
    names: tuple[str, ...] | None,
    start: Array,
    start_cost: float,
    absolute_sigma: bool,
    options: dict[str, Any],
    full_output: bool,
    like_minpack: bool,
) -> CurveFit:
    """The tuple, with a warning where there is no covariance."""
    popt = result.x.copy()
    known = {
        "result": result,
        "start": start,
        "start_cost": start_cost,
        "absolute_sigma": absolute_sigma,
        "nfev": nfev,
        "_curve": curve,
        "_given_names": names,
        "_options": options,
    }
    pcov, problem = _scipy_covariance(result, absolute_sigma)
    items: tuple[Any, ...] = (popt, pcov)
    if full_output:
        ier = _IER_OF[Status(result.status)] if like_minpack else result.status
        items = (popt, pcov, _infodict(result, nfev), result.message, ier)
    curve_fit = CurveFit(items)
    curve_fit.__dict__.update(known)
    if problem:
        _warn_of(curve_fit, problem)
    return curve_fit


def _scipy_covariance(result: LeastSquaresResult, absolute_sigma: bool) -> tuple[Array, str]:
    """The covariance as SciPy has it, and why there is none: "singular" or "dof"."""
    n, m = result.x.size, result.fun.size
    factor = result._factor
    inverse = None if factor is None else unscaled_covariance(*factor, m, result._jacobian_error)
    if factor is None or inverse is None:
        return np.full((n, n), inf), "singular"
    of_free = len(factor[1])
    if not absolute_sigma:
        if m <= of_free:
            return np.full((n, n), inf), "dof"
        inverse *= 2 * result.cost / (m - of_free)
    if of_free == n:
        return inverse, ""
    pcov = np.zeros((n, n))
    pcov[np.ix_(~result._fixed, ~result._fixed)] = inverse
    return pcov, ""


def _warn_of(fit: CurveFit, problem: str) -> None:
    """Say why there is no covariance."""
    result, known = fit.result, fit._statistics
    if problem == "dof":
        warn_user(
            f"there are as many free parameters as residuals, {fit.m}: the residuals do not tell the errors of the "
            "data, and the covariance of the parameters is inf (give sigma, with absolute_sigma=True)",
            UnidentifiableWarning,
        )
    elif known.unidentifiable.any():
        free = int(np.count_nonzero(result._free))
        warn_of_unidentifiable(
            known.unidentifiable, known.rank, free, lambda numbers: ", ".join(fit.names[j] for j in numbers)
        )
    else:
        warn_user(
            "the covariance of the parameters is inf: the Jacobian is singular where all parameters are free, those at "
            "a bound included (fit.cov is without these)",
            UnidentifiableWarning,
        )


def _infodict(result: LeastSquaresResult, nfev: int) -> dict[str, Any]:
    """What SciPy tells of the fit: `fjac` is of the Jacobian at the minimum."""
    infodict: dict[str, Any] = {"fvec": result.fun.copy(), "nfev": nfev, "njev": result.njev}
    jacobian = None if result.jac is None else result.jac[:, ~result._fixed]
    if jacobian is not None and np.isfinite(jacobian).all():
        fjac, ipvt, qtf, _ = lm_factor(np.array(jacobian.T, order="C"), result.fun)
        infodict |= {"fjac": fjac, "ipvt": ipvt - 1, "qtf": qtf}
    return infodict
