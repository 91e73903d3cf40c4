"""Why a fit ended: the codes of MINPACK, of `least_squares`, and their messages."""

from enum import IntEnum
from functools import lru_cache
from typing import Final

from .._minpack import codes

_CODES: Final = codes()


class Info(IntEnum):
    """Why a driver of MINPACK ended: `info` in the Fortran (minpack/base/codes.def), `ier` in Python.

    A negative number is what a compiled function returned to stop the fit.
    """

    RUNNING = _CODES["info_running"]
    IMPROPER_INPUT = _CODES["info_improper_input"]
    FTOL = _CODES["info_ftol"]
    XTOL = _CODES["info_xtol"]
    FTOL_AND_XTOL = _CODES["info_ftol_and_xtol"]
    GTOL = _CODES["info_gtol"]
    MAXFEV = _CODES["info_maxfev"]
    FTOL_TOO_SMALL = _CODES["info_ftol_too_small"]
    XTOL_TOO_SMALL = _CODES["info_xtol_too_small"]
    GTOL_TOO_SMALL = _CODES["info_gtol_too_small"]
    RESIDUALS_NOT_FINITE = _CODES["info_residuals_not_finite"]
    JACOBIAN_NOT_FINITE = _CODES["info_jacobian_not_finite"]
    UNCERTAIN = _CODES["info_uncertain"]
    NO_MINIMUM = _CODES["info_no_minimum"]
    RUNAWAY = _CODES["info_runaway"]


class Status(IntEnum):
    """Why a fit by `least_squares` ended.

    SciPy's numbers where SciPy has the case. SciPy's -1, improper input, is an exception here; what SciPy has no
    number for has a negative one.
    """

    RUNAWAY = -10
    NO_MINIMUM = -9
    UNCERTAIN = -8
    WRONG_JACOBIAN = -7
    NO_RESPONSE = -6
    ROUNDING = -5
    JACOBIAN_NOT_FINITE = -4
    TIMEOUT = -3
    STOPPED = -2
    MAX_NFEV = 0
    GTOL = 1
    FTOL = 2
    XTOL = 3
    FTOL_AND_XTOL = 4


SUCCESS: Final = frozenset({Info.FTOL, Info.XTOL, Info.FTOL_AND_XTOL, Info.GTOL})

STATUS_OF: Final = {
    Info.FTOL: Status.FTOL,
    Info.XTOL: Status.XTOL,
    Info.FTOL_AND_XTOL: Status.FTOL_AND_XTOL,
    Info.GTOL: Status.GTOL,
    Info.MAXFEV: Status.MAX_NFEV,
    Info.FTOL_TOO_SMALL: Status.ROUNDING,
    Info.XTOL_TOO_SMALL: Status.ROUNDING,
    Info.GTOL_TOO_SMALL: Status.ROUNDING,
    Info.JACOBIAN_NOT_FINITE: Status.JACOBIAN_NOT_FINITE,
    Info.UNCERTAIN: Status.UNCERTAIN,
    Info.NO_MINIMUM: Status.NO_MINIMUM,
    Info.RUNAWAY: Status.RUNAWAY,
}

# What `leastsq` says where MINPACK has no number.
IER_OF: Final[dict[int, int]] = {
    Info.UNCERTAIN: int(Info.GTOL_TOO_SMALL),
    Info.RUNAWAY: int(Info.GTOL_TOO_SMALL),
    Info.NO_MINIMUM: int(Info.XTOL_TOO_SMALL),
}


def page_on(status: Status) -> str:
    """Where to read on about a status; `tests/codebase/test_docs.py` sees to it that there is such a section."""
    return f"See docs/convergence.md#status-{status.name.lower().replace('_', '-')}."


# The limit on evaluations, as each function calls it.
LEASTSQ_LIMIT: Final = "maxfev = {} calls of func"
BLOCKS_LIMIT: Final = "maxfev = {} passes over the blocks"
LEAST_SQUARES_LIMIT: Final = "max_nfev = {} evaluations of fun"

_REDUCTION: Final = "the relative reduction of the sum of squares, actual and predicted, is at most ftol = {ftol:.3g}"
_STEP: Final = "the relative size of the step is at most xtol = {xtol:.3g}"
_MESSAGES: Final = {
    Info.FTOL: f"Converged: {_REDUCTION}.",
    Info.XTOL: f"Converged: {_STEP}.",
    Info.FTOL_AND_XTOL: f"Converged: {_REDUCTION}, and {_STEP}.",
    Info.GTOL: "Converged: the cosine of the angle between the residuals and every column of the Jacobian is at most "
    "gtol = {gtol:.3g}.",
    Info.MAXFEV: "Stopped before convergence: the {limit} are used up. Go on from x, or raise the limit. "
    + page_on(Status.MAX_NFEV),
    Info.FTOL_TOO_SMALL: "Stopped: ftol = {ftol:.3g} is too small; rounding allows no further reduction of the sum of "
    "squares. Raise ftol. " + page_on(Status.ROUNDING),
    Info.XTOL_TOO_SMALL: "Stopped: xtol = {xtol:.3g} is too small, or residuals that are not finite block the way; no "
    "step that changes x by more than rounding improves the fit. Raise xtol, or keep x from there. "
    + page_on(Status.ROUNDING),
    Info.GTOL_TOO_SMALL: "Stopped: gtol = {gtol:.3g} is too small; the residuals are orthogonal to the columns of the "
    "Jacobian to machine precision. Raise gtol. " + page_on(Status.ROUNDING),
    Info.UNCERTAIN: "Stopped: the tests for convergence are met, but differences by any step are too uncertain to tell "
    "whether this is a minimum: the residuals are noisy, rounded or jump, or a parameter hardly changes them. Give a "
    "Jacobian, smoother residuals, or steps longer than the noise (diff_step; epsfcn in leastsq). "
    + page_on(Status.UNCERTAIN),
    Info.RUNAWAY: "Stopped: a parameter has run to where the residuals no longer follow it, so that the model has "
    "become a simpler one. Start nearer, give bounds, or fit the simpler model. " + page_on(Status.RUNAWAY),
    Info.NO_MINIMUM: "Stopped: the tests for convergence are met, but this is no minimum, and no step that was tried "
    "improves the fit. Either residuals jump, or are not finite nearby, or x holds too few digits of a parameter: "
    "subtract its size from it, and from the data. " + page_on(Status.NO_MINIMUM),
}
_STOPPED_BY_COMPILED: Final = "Stopped by the compiled function, which returned {}; x is the best point found."

NO_RESPONSE: Final = (
    "Stopped: the Jacobian is zero. No residual responds to a small change of any parameter, so that this point may "
    "or may not be a minimum: start elsewhere, or take longer steps (diff_step; epsfcn in leastsq). "
    + page_on(Status.NO_RESPONSE)
)
WRONG_JACOBIAN: Final = (
    "Stopped: the Jacobian disagrees with differences of fun, {}. Correct it (check_jacobian shows where it is wrong), "
    "or leave it to differences. " + page_on(Status.WRONG_JACOBIAN)
)
REPLACED_JACOBIAN: Final = (
    " By differences: where the Jacobian that was given saw an end there was no minimum. check_jacobian shows whether "
    "it is wrong."
)
JACOBIAN_NOT_FINITE: Final = (
    "Stopped: the Jacobian has {}; x is the best point found. Mend it there, or keep x away by bounds. "
    + page_on(Status.JACOBIAN_NOT_FINITE)
)
STOPPED: Final = "Stopped by the callback, or by the caller who steps through the fit; x is the best point found."
TIMEOUT: Final = (
    "Stopped before convergence: the timeout is over; x is the best point found. Go on from there, or give more time. "
    + page_on(Status.TIMEOUT)
)


@lru_cache  # writing a message takes longer than a small fit's arithmetic
def message_for(info: int, ftol: float, xtol: float, gtol: float, maxfev: int, limit: str = LEASTSQ_LIMIT) -> str:
    """Why a fit ended, in words."""
    if info < 0:
        return _STOPPED_BY_COMPILED.format(-info)
    return _MESSAGES[Info(info)].format(ftol=ftol, xtol=xtol, gtol=gtol, limit=limit.format(maxfev))
