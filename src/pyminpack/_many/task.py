"""The fits of a chunk: in the pool to their ends, which are made sure of there; and alone where that takes more."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from .._curve.data import Data
from .._curve.finish import finish
from .._curve.model import Curve
from .._errors import PyminpackError
from .._iteration.fit import LevenbergMarquardt
from .._minpack import covariance_many
from .._model.arrays import DOUBLE, Array, Indices, Mask
from .._report.info import STATUS_OF, Info
from .._report.least_squares import LeastSquaresResult
from .._report.statistics import Covariance, covariance_of_fit
from .model import ManyModel
from .pool import GOES_ALONE, IS_DONE, RECORD, Fits, ManyData, Pool

# A fit that cannot start; `least_squares` has no number for it, as it raises an exception.
NOT_STARTED: Final = -11

# With larger tolerances least_squares makes not sure of an end (fine_tolerance of minpack/iteration/certify.f90).
_FINE: Final = 1e-4
# Parameters from which on a fit goes alone: the arithmetic of one then takes longer than the calls of its function, and
# scratch of a block of fits leaves the nearest cache.
_MOST_PARAMETERS: Final = 24
FACTOR: Final = 100.0  # as in least_squares
# Norms of residuals and columns of the Jacobian from which on a fit goes alone, and from the inverse on downwards: the
# pool squares them, and variances have the fourth powers, which stay within the range of numbers.
LARGE: Final = 1e70


@dataclass
class Task:
    """What is to be done for the fits of a chunk; it can be pickled where the functions can.

    Attributes
    ----------
    model : ManyModel
        The model and its derivatives.
    x, y, sigma, mask, start : ndarray or None
        The data of the fits, one row each but for x and sigma where they are shared, and where they start.
    has_own_x, in_pool : bool
        Whether each fit has its own x; whether fits can advance together at all.
    width : int
        How many fits advance together.
    bounds, tolerances, limit, absolute_sigma, loss
        Options of all fits.
    options : dict
        The same options, and others, as `LevenbergMarquardt` takes them.
    """

    model: ManyModel
    x: Array
    y: Array
    sigma: Array | None
    mask: Mask | None
    start: Array
    has_own_x: bool
    in_pool: bool
    width: int
    bounds: tuple[Array, Array]
    tolerances: tuple[float, float, float]
    limit: int
    absolute_sigma: bool
    loss: tuple[int, float]
    options: dict[str, Any]


@dataclass
class Answer:
    """What has become of the fits of a chunk, one row each."""

    x: Array
    cov: Array
    stderr: Array
    cost: Array
    dof: Indices
    nfev: Indices
    status: Indices
    alone: Mask
    messages: dict[int, str]


def no_answer(start: Array, residuals: Any) -> Answer:
    """What is said of fits that have not begun; each has so many residuals."""
    count, n = start.shape
    return Answer(
        x=start.copy(),
        cov=np.full((count, n, n), np.nan),
        stderr=np.full((count, n), np.nan),
        cost=np.full(count, np.nan),
        dof=(residuals - n).astype(np.int32),
        nfev=np.zeros(count, np.int32),
        status=np.full(count, NOT_STARTED, np.int32),
        alone=np.ones(count, bool),
        messages={},
    )


def run_task(task: Task) -> Answer:
    """Make all fits of a chunk."""
    count, n = task.start.shape
    points = np.full(count, task.y.shape[1]) if task.mask is None else np.count_nonzero(~task.mask, axis=1)
    points = points * (2 if task.model.is_complex else 1)  # residuals
    answer = no_answer(task.start, points)
    if task.in_pool and n <= _MOST_PARAMETERS and max(task.tolerances[:2]) <= _FINE:
        _run_together(task, points, answer)
    for i in np.flatnonzero(answer.alone):
        _run_alone(task, int(i), answer)
    return answer


# ------------------------------------------------------------------------------------ together


def _run_together(task: Task, points: Any, answer: Answer) -> None:
    """The fits that can advance together, until their ends are certain."""
    data, can_start = _data_of(task, points)
    fits = _fits_of(task, points)
    queue = np.flatnonzero(can_start).astype(np.int32)
    Pool(task.model, data, task.bounds, fits, queue, task.width, task.loss).run()
    named = fits.named
    done = np.flatnonzero((fits.fates == IS_DONE) & _are_of_usual_size(fits))
    if done.size == 0:
        return
    norms = named["fnorm"][done]
    answer.x[done], answer.nfev[done], answer.alone[done] = fits.x[done], named["nfev"][done], False
    answer.cost[done] = 0.5 * norms * norms
    answer.status[done] = STATUSES[named["claim"][done]]
    variances = np.ones(done.size)
    if not task.absolute_sigma:
        with np.errstate(divide="ignore", invalid="ignore"):
            variances = norms * norms / np.where(answer.dof[done] > 0, answer.dof[done], np.nan)
    cov = covariance_many(task.start.shape[1], fits.r[done], variances)
    answer.cov[done], answer.stderr[done] = cov, np.sqrt(np.diagonal(cov, axis1=1, axis2=2))


def _are_of_usual_size(fits: Fits) -> Mask:
    """Whether the squares of all norms, and variances, are within the range of numbers."""
    n = fits.x.shape[1]
    largest = np.maximum.reduceat(np.abs(fits.r), np.arange(n) * np.arange(1, n + 1) // 2, axis=1)  # of each column
    sizes = np.column_stack([largest, fits.named["fnorm"]])
    usual: Mask = np.all((sizes == 0) | ((sizes > 1 / LARGE) & (sizes < LARGE)), axis=1)
    return usual


def _data_of(task: Task, points: Any) -> tuple[ManyData, Mask]:
    """The data as the pool has them, and which fits can start there."""
    n = task.start.shape[1]
    low, high = task.bounds
    can_start: Mask = (points >= n) & ((task.start > low) & (task.start < high)).all(axis=1)
    y, weights = task.y, None
    if task.mask is not None or task.sigma is not None:
        with np.errstate(all="ignore"):
            weights = np.broadcast_to(1.0 if task.sigma is None else 1 / task.sigma, y.shape)
    can_start &= can_be_fitted(task.x, y, weights, task.mask, task.has_own_x)
    if task.mask is not None:
        assert weights is not None
        y, weights = np.where(task.mask, 0.0, y), np.where(task.mask, 0.0, weights)
    x = task.x if task.has_own_x else task.x[..., np.newaxis]
    if task.model.is_complex:
        y = np.ascontiguousarray(y).view(np.float64)  # real and imaginary parts side by side
        weights = None if weights is None else np.repeat(weights, 2, axis=1)
    weights = None if weights is None else np.ascontiguousarray(weights)
    return ManyData(np.ascontiguousarray(x), np.ascontiguousarray(y), weights, task.has_own_x), can_start


def can_be_fitted(x: Array, y: Array, weights: Array | None, mask: Mask | None, has_own_x: bool) -> Mask:
    """Whose data are finite, with weights above 0, where they are not masked: curve_fit refuses others."""
    is_good = np.isfinite(y)
    if weights is not None:
        is_good &= np.isfinite(weights) & (weights > 0)
    # Of x, all variables of a point.
    is_good &= np.all(np.isfinite(x), axis=tuple(range(int(has_own_x), x.ndim - 1)))
    if mask is not None:
        is_good |= mask
    return np.asarray(is_good.all(axis=1))


def _fits_of(task: Task, points: Any) -> Fits:
    """The fits before they start."""
    count, n = task.start.shape
    record = np.zeros(1, RECORD)
    record["ftol"], record["xtol"], record["gtol"] = task.tolerances
    record["factor"], record["precision"], record["precision_known"] = FACTOR, DOUBLE, 1
    record["n"], record["maxfev"], record["mode"] = n, task.limit, 1
    record["certifies"] = record["restarts"] = 1
    record["differences"] = record["order"] = int(task.model.jac is None)
    record["given"] = int(task.model.jac is not None)
    records = np.tile(record.view(np.float64), (count, 1))
    records.view(RECORD)["m"] = points[:, np.newaxis]
    return Fits(
        x=task.start.copy(),
        records=records,
        r=np.zeros((count, n * (n + 1) // 2)),
        fates=np.full(count, GOES_ALONE, np.int32),
    )


STATUSES: Final = np.full(max(map(int, Info)) + 1, NOT_STARTED, np.int32)
for _info, _status in STATUS_OF.items():
    STATUSES[_info] = _status


# ------------------------------------------------------------------------------------ alone


def _run_alone(task: Task, i: int, answer: Answer) -> None:
    """One fit as `curve_fit` makes it; an error of its data is its own."""
    x = task.x[i] if task.has_own_x else task.x
    y, sigma = task.y[i], None if task.sigma is None else np.broadcast_to(task.sigma, task.y.shape)[i]
    if task.mask is not None:
        kept = ~task.mask[i]
        x, y = x[..., kept], y[kept]
        sigma = None if sigma is None else sigma[kept]
    jac = task.model.jac
    try:
        curve = Curve(task.model.f, Data(x, y, sigma, None, None), jac, False)
        options = dict(task.options) if jac is None else {**task.options, "jac": curve.jacobian}
        result = LevenbergMarquardt(curve.for_core(), task.start[i], **options).run()
        if result.success:
            result = finish(result, curve, None, options)[0]
    except PyminpackError as error:
        answer.messages[i] = str(error)
        return
    put(result, i, task.absolute_sigma, answer)


def put(result: LeastSquaresResult, i: int, absolute_sigma: bool, answer: Answer) -> None:
    """What has become of one fit."""
    if result.success:
        known = _covariance_of(result, absolute_sigma)
        answer.cov[i], answer.stderr[i] = known.cov, known.stderr
    answer.x[i], answer.nfev[i], answer.cost[i], answer.status[i] = result.x, result.nfev, result.cost, result.status
    answer.dof[i], answer.messages[i] = result.dof, result.message


def _covariance_of(result: LeastSquaresResult, absolute_sigma: bool) -> Covariance:
    """The covariance, with no warning where it is infinite."""
    if not absolute_sigma:
        return result._statistics
    known = result._factor, result.fun.size, 1.0, result._jacobian_error, result._fixed, result._free
    return covariance_of_fit(*known)
