"""What a fit ended with: its message, its covariance, the report that `leastsq` gives of it."""

from math import isfinite
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import _minpack
from .._errors import InputTypeError, InputValueError, ShapeError
from .._model.arrays import DOUBLE, Array, describe

Indices: TypeAlias = npt.NDArray[np.int32]
Report: TypeAlias = tuple[Array, Array | None, dict[str, Any], str, int]

# Values of `info`, as minpack/minpack_info.f90 has them.
SUCCESS = frozenset({1, 2, 3, 4})
GTOL = 4
MAXFEV = 5
GTOL_TOO_SMALL = 8
_RESIDUALS_NOT_FINITE = 9
JACOBIAN_NOT_FINITE = 10

# {0} to {3} stand for ftol, xtol, gtol and maxfev.
_REDUCTION = "the relative reduction of the sum of squares, actual and predicted, is at most ftol = {0:.3g}"
_STEP = "the relative size of the step is at most xtol = {1:.3g}"
_MESSAGES = {
    1: f"Converged: {_REDUCTION}.",
    2: f"Converged: {_STEP}.",
    3: f"Converged: {_REDUCTION}, and {_STEP}.",
    4: "Converged: the cosine of the angle between the residuals and every column of the Jacobian is at most "
    "gtol = {2:.3g}.",
    5: "Stopped before convergence: the maxfev = {3} calls of func are used up.",
    6: "Stopped: ftol = {0:.3g} is too small; rounding allows no further reduction of the sum of squares.",
    7: "Stopped: xtol = {1:.3g} is too small, or residuals that are not finite block the way; no step that "
    "rounding can tell from zero improves the fit.",
    8: "Stopped: gtol = {2:.3g} is too small; the residuals are orthogonal to the columns of the Jacobian to "
    "machine precision.",
}
NO_RESPONSE = (
    "Stopped: the Jacobian is zero. No residual responds to a small change of any parameter, so nothing tells "
    "whether this point is a minimum."
)
_STOPPED = "Stopped by the compiled function, which asked for it with {0}; x is the best point met."
# Of 6000 Jacobians of two or three rows with columns that depend on one another, as many roundings as rows took 23 for
# independent ones, ten none. From four rows on there was no difference.
_FEWEST_ROUNDINGS: Final = 10
_NO_PARAMETERS = "x0 is empty: there are no parameters to fit."


def message_for(info: int, ftol: float, xtol: float, gtol: float, maxfev: int) -> str:
    """Why a fit ended, in words."""
    if info < 0:
        return _STOPPED.format(-info)
    return _MESSAGES[info].format(ftol, xtol, gtol, maxfev)


def report(
    x: Array,
    fvec: Array,
    info: int,
    nfev: int,
    njev: int | None,
    fjac: Array,
    ipvt: Indices,
    qtf: Array,
    message: str,
) -> Report:
    """What `leastsq` returns with full_output; takes over the arrays."""
    n, m = fjac.shape
    cov_x = covariance(fjac[:, :n], ipvt, m) if info in SUCCESS else None
    ipvt -= 1
    infodict = {"fvec": fvec, "nfev": nfev, "fjac": fjac, "ipvt": ipvt, "qtf": qtf}
    if njev is not None:
        infodict["njev"] = njev
    return x, cov_x, infodict, message, info


def rank_tolerance(m: int, n: int, noise: float = 0.0) -> float:
    """What sine of the angle between columns counts as zero, in a Jacobian of m rows and n columns.

    The relative error of a column: its own, the noise of differences for instance, but no less than that of the
    factorization, for which max(m, n) roundings are the customary estimate (`numpy.linalg.matrix_rank` has it, too).
    minpack/column_rank.f90 says why an error of each column is what counts.
    """
    return max(noise, max(m, n, _FEWEST_ROUNDINGS) * DOUBLE)


def rank_of(r: Array, m: int) -> int:
    """How many columns of a Jacobian of m rows are independent beyond rounding, by its Rᵀ."""
    return _minpack.column_rank(r, rank_tolerance(m, r.shape[0]))


def covariance(r: Array, ipvt: Indices, m: int) -> Array | None:
    """(JᵀJ)⁻¹ where the columns of J, of m rows, are independent beyond rounding; by its Rᵀ and P."""
    if rank_of(r, m) < len(ipvt):
        return None
    cov_x = _minpack.covar(r, ipvt, 0.0)
    return cov_x if isfinite(sum(cov_x.diagonal().tolist())) else None


def report_without_fit(start: Array, first: Array, full_output: bool) -> Report:
    """Refuse fewer residuals than parameters; with no parameter at all, report the residuals alone."""
    n, m = start.size, first.size
    if n > 0:
        raise ShapeError(
            f"func gave M = {m} residuals for N = {n} parameters; a fit needs at least as many residuals as "
            "parameters: add data, or fix some of the parameters"
        )
    if not full_output:
        raise InputTypeError(_NO_PARAMETERS)
    infodict = {
        "fvec": first.copy(),
        "nfev": 1,
        "fjac": np.empty((0, m)),
        "ipvt": np.empty(0, dtype=np.int32),
        "qtf": np.empty(0),
    }
    return start.copy(), None, infodict, _NO_PARAMETERS, 0


def refuse_values(info: int, x: Array, fvec: Array, fjac: Array, source: str) -> NoReturn:
    """Raise for residuals or a Jacobian that are not finite, naming the first offender."""
    if info == _RESIDUALS_NOT_FINITE:
        bad = np.flatnonzero(~np.isfinite(fvec))
        what = (
            f"{bad.size} of {fvec.size} residuals at x0 are not finite, the first is residual {bad[0]} ({fvec[bad[0]]})"
            if bad.size
            else "the norm of the residuals at x0 overflows"
        )
        raise InputValueError(f"{what}; a fit needs a start where func is finite (x0 = {describe(x)})")
    if info == JACOBIAN_NOT_FINITE:
        parameters, rows = np.nonzero(~np.isfinite(fjac))
        if not rows.size:
            parameters, rows = (np.atleast_1d(i) for i in np.unravel_index(np.abs(fjac).argmax(), fjac.shape))
        j, i = parameters[0], rows[0]
        how = "by differences of func" if source == "func" else f"from {source}"
        raise InputValueError(
            f"the Jacobian {how} has {rows.size} values that are not finite or too large, the first for parameter "
            f"x[{j}] in residual {i} ({fjac[j, i]}), at x = {describe(x)}"
        )
    raise InputValueError(f"MINPACK refused its input (info = {info}) at x = {describe(x)}")
