"""Many fits by compiled functions: a loop in C (src/_minpack/many.c), which calls no Python and needs no GIL.

Each fit ends as `least_squares` ends it. What that takes Python for, to say why a fit could not start or to look at a
Jacobian in doubt, is done here, one fit at a time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .._curve.data import Data
from .._errors import InputTypeError, OptionError, PyminpackError, ShapeError
from .._iteration.fit import CALLS_TO_COMPARE, LevenbergMarquardt
from .._minpack import find_jacobian_error, fit_each
from .._model.arrays import DOUBLE, Array, Indices, Mask
from .._model.compiled import CompiledJacobian, CompiledResiduals, require_roles
from .._report.info import LEAST_SQUARES_LIMIT, Status, message_for
from .._report.statistics import LEAST_ROUNDINGS, covariance_of_fit
from .inputs import Inputs
from .pool import RECORD
from .task import FACTOR, LARGE, STATUSES, Answer, can_be_fitted, no_answer, put

# Of many.c:
_IS_DONE, _IS_HELD, _GOES_ALONE = range(3)


@dataclass
class CompiledTask:
    """What is to be done for the fits of a chunk.

    Attributes
    ----------
    fun, jac : CompiledResiduals, CompiledJacobian or None
        The functions.
    x, y, sigma, mask, start : ndarray or None
        The data of the fits, one row each but for x and sigma where they are shared, and where they start. Without x,
        a row of y is all that a function gets, and m residuals come of it.
    has_own_x, in_loop : bool
        Whether each fit has its own x; whether the loop in C can make fits at all.
    order : int
        Of the differences; 0 with a Jacobian.
    loss : tuple of int and float
        Number and scale of a robust loss; 0 for none.
    bounds, tolerances, limit, limit_of_all, absolute_sigma
        Options of all fits; the second limit is that of a look at the end.
    options : dict
        The same options, and others, as `LevenbergMarquardt` takes them.
    halted : ndarray of int32
        Not 0 once nobody waits for the answers any more.
    """

    fun: CompiledResiduals
    jac: CompiledJacobian | None
    x: Array | None
    y: Array
    sigma: Array | None
    mask: Mask | None
    start: Array
    has_own_x: bool
    in_loop: bool
    order: int
    loss: tuple[int, float]
    bounds: tuple[Array, Array]
    tolerances: tuple[float, float, float]
    limit: int
    limit_of_all: int
    absolute_sigma: bool
    options: dict[str, Any]
    halted: Indices


def no_variables(ydata: npt.ArrayLike) -> Array:
    """What stands for xdata where a function gets nothing but a row of ydata."""
    return np.empty((0, *np.shape(ydata)[-1:]))


def choices_for(f: Any, jac: Any, inputs: Inputs, has_x: bool) -> dict[str, Any]:
    """What a task has of the functions; raises where they cannot be used for many fits, or not for these data."""
    require_roles(f, jac)
    if inputs.is_complex:
        raise InputTypeError(
            "ydata are complex, and compiled residuals get real numbers: pass rows with both parts, and xdata=None"
        )
    if not isinstance(f, CompiledResiduals):
        raise InputTypeError("jac is compiled, and f is not: both must be, or jac a function jac(x, a, b, ...)")
    _require_no_data("f", f)
    if has_x and f.m != inputs.m:
        raise ShapeError(f"f gives m = {f.m} residuals, and each row of ydata has {inputs.m} points")
    if not has_x and not (inputs.mask is None and inputs.sigma is None):
        raise OptionError(
            "without xdata a row of ydata need not hold points, and mask and sigma are those of points: leave both to "
            "the function, or give xdata"
        )
    if jac is None or isinstance(jac, str):
        if jac == "cs":
            raise OptionError("jac is 'cs', and compiled residuals compute with real numbers; take '3-point'")
        return {"fun": f, "jac": None, "order": 2 if jac == "3-point" else 1}
    if not isinstance(jac, CompiledJacobian):
        raise InputTypeError("f is compiled, and jac is not: give a compiled_jacobian, '2-point' or '3-point'")
    _require_no_data("jac", jac)
    if (jac.m, jac.n) != (f.m, inputs.n):
        raise ShapeError(
            f"the compiled Jacobian has m = {jac.m}, n = {jac.n}, and each fit has {f.m} residuals and {inputs.n} "
            "parameters"
        )
    return {"fun": f, "jac": jac, "order": 0}


def _require_no_data(name: str, function: CompiledResiduals | CompiledJacobian) -> None:
    if not function.takes_data:
        raise InputTypeError(
            f"{name} is MINPACK's fcn, which gets no data; for many fits write it with the signature 'residuals'"
        )
    if function.has_data:
        raise InputTypeError(
            f"{name} has data of its own, and each fit gives it others: leave data out where you make {function!r}"
        )


def limit_of_all(limit: int, maxfev: Any, n: int) -> int:
    """Evaluations at most, those of the comparison of a Jacobian included: a limit of ours leaves room for these."""
    return limit + (CALLS_TO_COMPARE * (1 + n) if maxfev is None else 0)


def run_compiled(task: CompiledTask) -> Answer:
    """Make all fits of a chunk."""
    points = np.full(len(task.y), task.fun.m) if task.mask is None else np.count_nonzero(~task.mask, axis=1)
    answer = no_answer(task.start, points)
    weights = None
    if task.sigma is not None:
        with np.errstate(all="ignore"):
            weights = 1 / task.sigma
    low, high = task.bounds
    if task.in_loop:
        can_start = (points >= task.start.shape[1]) & np.isfinite(task.start).all(axis=1)
        can_start &= ((task.start >= low) & (task.start <= high)).all(axis=1)
        if task.x is not None:
            can_start &= can_be_fitted(task.x, task.y, weights, task.mask, task.has_own_x)
        _run_in_loop(task, weights, can_start, answer)
    for i in np.flatnonzero(answer.alone):
        if task.halted[0]:
            break
        _run_alone(task, int(i), None if weights is None else np.broadcast_to(weights, task.y.shape)[i], answer)
    return answer


def _run_in_loop(task: CompiledTask, weights: Array | None, can_start: Mask, answer: Answer) -> None:
    """The fits that may start, as far as C can make them."""
    count, n = task.start.shape
    records = _records_for(task, count, n)
    fates = np.where(can_start, _IS_DONE, _GOES_ALONE).astype(np.int32)
    x = task.x
    if x is not None:
        x = x.reshape(count, -1) if task.has_own_x else x.ravel()
    is_boxed = bool(np.isfinite(task.bounds).any())
    r, ipvt, free = np.empty((count, n, n)), np.empty((count, n), np.int32), np.empty((count, n), np.int32)
    fit_each(
        (task.fun._code, None if task.jac is None else task.jac._code),
        (x, task.y, weights, task.mask),
        task.bounds if is_boxed else (None, None),
        (answer.x, records, fates, answer.cov),
        (r, ipvt, free) if is_boxed else (None, None, None),
        task.loss,
        task.absolute_sigma,
        task.limit_of_all,
        LEAST_ROUNDINGS,
        task.halted,
    )
    _take_ends(task, records.view(RECORD)[:, 0], fates, answer)
    for i in np.flatnonzero(fates == _IS_HELD):
        _take_held(task, records[i], (r[i], ipvt[i]), free[i] != 0, int(i), answer)


def _records_for(task: CompiledTask, count: int, n: int) -> Array:
    """The records of fits before they begin, as begin() of machine.c fills them."""
    record = np.zeros(1, RECORD)
    record["ftol"], record["xtol"], record["gtol"] = task.tolerances
    record["factor"], record["precision"], record["precision_known"] = FACTOR, DOUBLE, task.order != 1
    record["n"], record["maxfev"], record["mode"] = n, task.limit, 1
    record["restarts"] = record["certifies"] = record["nfev"] = record["calls"] = 1
    record["boxed"] = np.isfinite(task.bounds).any()
    record["differences"], record["given"], record["accelerates"] = task.order, task.order == 0, -1
    return np.tile(record.view(np.float64), (count, 1))


def _take_ends(task: CompiledTask, named: Any, fates: Indices, answer: Answer) -> None:
    """The ends of the fits that C has made, but for what is in the answer already."""
    made = np.flatnonzero(fates != _GOES_ALONE)
    answer.alone[made], answer.nfev[made] = False, named["nfev"][made]
    answer.cost[made] = 0.5 * named["fnorm"][made] ** 2
    answer.stderr[made] = _standard_errors(answer.cov[made])
    has_stopped = fates[made] < 0
    answer.status[made] = np.where(has_stopped, Status.STOPPED, STATUSES[np.where(has_stopped, 0, named["info"][made])])
    answer.alone[made[_have_lost_variances(answer, made)]] = True
    for i in made[answer.status[made] <= 0].tolist():
        number = int(fates[i] if fates[i] < 0 else named["info"][i])
        answer.messages[i] = message_for(number, *task.tolerances, task.limit, LEAST_SQUARES_LIMIT)


def _standard_errors(cov: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1)))


def _have_lost_variances(answer: Answer, made: npt.NDArray[np.intp]) -> Mask:
    """Whether a variance has left the range of numbers where its root would not."""
    errors = answer.stderr[made]
    is_tiny = (errors < 1 / LARGE) & (answer.cost[made] > 0)[:, np.newaxis]
    is_large = np.isinf(errors) & ((answer.cost[made] > LARGE)[:, np.newaxis] | (np.abs(answer.x[made]) > LARGE))
    return np.asarray((answer.status[made] > 0) & (is_tiny | is_large).any(axis=1))


def _take_held(
    task: CompiledTask, record: Array, factor: tuple[Array, Indices], free: Mask, i: int, answer: Answer
) -> None:
    """What is left to say of a fit that has ended with parameters held at bounds."""
    named = record.view(RECORD)[0]
    m = int(named["m"])
    dof = answer.dof[i] = m - np.count_nonzero(free)
    if answer.status[i] <= 0:
        return
    sigma = 1.0 if task.absolute_sigma else named["fnorm"] / np.sqrt(dof) if dof > 0 else np.nan
    error = find_jacobian_error(record)
    known = covariance_of_fit(factor, m, sigma, error, np.zeros(free.size, bool), free)
    answer.cov[i], answer.stderr[i] = known.cov, known.stderr


# ------------------------------------------------------------------------------------ alone


def _run_alone(task: CompiledTask, i: int, weights: Array | None, answer: Answer) -> None:
    """One fit as `least_squares` makes it; an error of its data is its own."""
    m, n = task.fun.m, task.start.shape[1]
    data = y = task.y[i]
    try:
        if task.x is not None:
            x, sigma = task.x[i] if task.has_own_x else task.x, None
            if task.sigma is not None:
                sigma = np.broadcast_to(task.sigma, task.y.shape)[i]
            if task.mask is not None:
                kept = ~task.mask[i]
                x, y = x[..., kept], y[kept]
                sigma, weights = (None if row is None else row[kept] for row in (sigma, weights))
            m = y.size
            Data(x, y, sigma, None, None)
            data = np.concatenate([x.ravel(), y])
        data = data.copy()
        if m < n:
            raise ShapeError(
                f"there are M = {m} residuals for N = {n} parameters; a fit needs at least as many residuals as "
                "parameters"
            )
        fun: Any = task.fun.with_data(data, m)
        jac: Any = task.options["jac"] if task.jac is None else task.jac.with_data(data, m)
        if weights is not None:
            fun, jac = _weighted(fun, weights), jac if isinstance(jac, str) else _weighted(jac, weights[:, np.newaxis])
        result = LevenbergMarquardt(fun, task.start[i], **{**task.options, "jac": jac}).run()
    except PyminpackError as error:
        answer.messages[i] = str(error)
        return
    put(result, i, task.absolute_sigma, answer)


def _weighted(function: Any, weights: Array) -> Any:
    """What a function gives, in units of the errors of the data."""
    return lambda p: function(p) * weights
