"""Whether the Jacobian that a fit has ended with can be trusted."""

from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .._minpack import begin, enorm, solve
from .._model.arrays import DOUBLE, Array
from .._model.function import Model
from .._model.losses import Robust

Box: TypeAlias = tuple[Array, Array]

# A point is not stationary where the residuals make a larger cosine with a column of the Jacobian, and a step along it
# is longer than this fraction of x: ftol, at its default, is met where steps gain no more than the square of 1e-4, and
# residuals that are nothing but rounding make any angle.
_STATIONARY: Final = 1e-3
_NO_STEP: Final = 1e-8
# Derivatives that differ by this fraction of the largest in their column are different ones; less than that of a column
# is reason enough to look.
_DISAGREEMENT: Final = 1e-3
_SUSPICIOUS: Final = 1e-4
# How far to go, relative to the sizes of parameters, to see whether residuals change as the Jacobian says: rounding and
# curvature are then both far below what is suspicious. A parameter is no smaller than this fraction of what would weigh
# as much as all together; where entries are to be compared, of this one.
_BESIDE: Final = 1e-6
_LEAST_WEIGHT: Final = 0.1
_LEAST_SIZE: Final = 1e-3
_LEAST_COLUMN: Final = 1e-6  # of the longest: parameters of shorter ones are not moved any farther
_SHORTER: Final = DOUBLE ** (-1 / 6)  # how much shorter than steps of central differences one-sided ones are


class Disagreement(NamedTuple):
    """Where a Jacobian is not what differences make of the residuals, at its worst."""

    row: int
    column: int
    given: float
    by_differences: float
    is_stationary: bool  # whether differences say that the point is a minimum


def moves_of(x: Array, gradient: Array, box: Box | None) -> npt.NDArray[np.bool_]:
    """Which parameters the gradient doesn't push against a bound."""
    if box is None:
        return np.ones(gradient.size, bool)
    low, high = box
    moves: npt.NDArray[np.bool_] = ~((x <= low) & (gradient > 0) | (x >= high) & (gradient < 0))
    return moves


class Beside:
    """The residuals beside a point: their values, and differences of them."""

    def __init__(self, model: Model, fun: Any, box: Box | None, x: Array, f: Array) -> None:
        """`fun` is as the core calls it: a function of all the parameters, or a compiled one."""
        self._model, self._fun, self._box, self._x, self._f = model, fun, box, x, f

    def change(self, point: Array) -> Array:
        """By how much the residuals at a point differ from those at x."""
        model = self._model
        change = model.convert(model.call(model.whole(point)), model.m, point, 0)
        change -= self._f
        return change

    def differences(self, order: int, typical: Array) -> Array:
        """The Jacobian at x by forward (1) or central differences (2); `typical` are least sizes of the parameters."""
        model, kept = self._model, [None]
        options = (0.0, 0.0, 0.0, 1.0), 1, None, self._box or (None, None), typical, None, model.precision, True, order
        memory = begin(self._x, self._f, enorm(self._f), *options)
        _, args = model.call.positional
        problem = (self._fun, None, args, model.convert, None, None, None, None)
        solve(memory, (*problem, None if model.free is None else model.template, model.free), 0, kept)
        jacobian: Any = kept[0]
        return np.asarray(jacobian)

    def inside(self, point: Array) -> Array:
        """A point, by steps in the other direction where it is outside the bounds, or clipped."""
        if self._box is None:
            return point
        low, high = self._box
        turned = np.where((point > high) | (point < low), 2 * self._x - point, point)
        return np.clip(turned, low, high)


def find_disagreement(
    beside: Beside,
    precision: float,
    box: Box | None,
    robust: Robust | None,
    x: Array,
    f: Array,
    jacobian: Array,
    norms: Array,
    scale: Array,
) -> Disagreement | None:
    """Compare a Jacobian with differences, after one evaluation that shows whether there is reason to.

    `norms` are the lengths of the Jacobian's columns, `scale` the scale factors, to go by for columns of zeros.
    """
    sizes = _sizes(x, np.where(norms > 0, np.maximum(norms, _LEAST_COLUMN * norms.max()), scale))
    typical = _LEAST_SIZE * sizes
    weighted, rows = (f, np.ones(1)) if robust is None else robust.correct(f)
    rows = rows[:, np.newaxis]
    if not _is_suspicious(beside, x, f, rows, sizes, jacobian, norms):
        return None
    one_sided, central = beside.differences(1, typical), beside.differences(2, typical)
    with np.errstate(all="ignore"):
        one_sided, central = one_sided * rows, central * rows
        noise = rows * (4 * np.abs(f).max() * precision ** (2 / 3) / np.maximum(np.abs(x), typical))
        excess = _excess(jacobian, one_sided, central, noise)
    for j in np.flatnonzero(~central.any(axis=0) & ~one_sided.any(axis=0) & jacobian.any(axis=0)):
        if _has_effect(beside, x, rows, j, typical[j], jacobian[:, j]):
            excess[:, j] = 0
    row, column = (int(index) for index in np.unravel_index(np.argmax(excess), excess.shape))
    if not excess[row, column] > 0:
        return None
    with np.errstate(all="ignore"):
        stationary = _is_stationary(x, weighted, sizes, central, box)
    at = row, column
    return Disagreement(row, column, float(jacobian[at]), float(central[at]), stationary)


def _sizes(x: Array, weights: Array) -> Array:
    """Changes of the parameters that weigh as much as all of them together."""
    sizes: Array = (enorm(weights * x) or 1.0) / weights
    return sizes


def _excess(jacobian: Array, one_sided: Array, central: Array, noise: Array) -> Array:
    """By how much more a Jacobian differs from differences than these do from one another, relative to its columns."""
    largest = np.maximum(np.abs(jacobian).max(axis=0), np.abs(central).max(axis=0))
    spread = np.abs(one_sided - central)  # steps of two lengths differ at poles and kinks, and by noise
    uncertainty = 2 * np.maximum(spread, np.sqrt(np.mean(spread**2, axis=0)))
    excess = np.abs(jacobian - central) - _DISAGREEMENT * largest - uncertainty - noise
    # At poles, kinks and in coarse residuals differences are no evidence: they differ by more than rounding explains.
    widest, by_differences = spread.max(axis=0), np.maximum(np.abs(one_sided), np.abs(central)).max(axis=0)
    rounding = noise.max(axis=0) * _SHORTER
    excess[:, widest > np.maximum(0.5 * by_differences, rounding)] = 0
    excess[~np.isfinite(excess)] = 0
    relative: Array = excess / np.where(largest > 0, largest, 1)
    return relative


def _has_effect(beside: Beside, x: Array, rows: Array, j: np.intp, typical: float, column: Array) -> bool:
    """Whether a parameter has an effect that rounding hides from differences: a tenth at least of what its column says.

    A step is tried that is as much longer as it can be for a column to say anything.
    """
    point = x.copy()
    point[j] += np.copysign(_LEAST_WEIGHT * max(abs(x[j]), typical), x[j])
    point = beside.inside(point)
    change = beside.change(point) * rows[:, 0]
    return enorm(change) > 0.1 * enorm(column) * abs(float(point[j] - x[j]))


def _is_suspicious(
    beside: Beside, x: Array, f: Array, rows: Array, sizes: Array, jacobian: Array, norms: Array
) -> bool:
    """Whether a small change of all the parameters changes the residuals otherwise than the Jacobian says."""
    # Away from 0, lest x leave where the residuals are defined; by unlike amounts, lest errors make up for one another.
    unlike = 1 - 0.5 * np.modf(0.618 * np.arange(x.size))[0]
    lengths = np.copysign(_BESIDE * unlike * np.maximum(np.abs(x), _LEAST_WEIGHT * sizes), x)
    point = beside.inside(x + lengths)
    change = beside.change(point)
    step = point - x
    with np.errstate(all="ignore"):
        change = change * rows[:, 0]
        error = enorm(change - jacobian @ step)
        reference = float(np.abs(step) @ norms)
    noise = 100 * DOUBLE * enorm(f)
    return isfinite(error) and error > _SUSPICIOUS * max(reference, enorm(change)) + noise


def _is_stationary(x: Array, f: Array, sizes: Array, jacobian: Array, box: Box | None) -> bool:
    norm = enorm(f)
    gradient = jacobian.T @ f
    norms = np.sqrt(np.einsum("ij,ij->j", jacobian, jacobian))
    moves = moves_of(x, gradient, box) & (norms > 0)
    cosines = np.abs(gradient[moves]) / norms[moves] / max(norm, np.finfo(float).tiny)
    steps = cosines * norm / norms[moves] / np.maximum(np.abs(x[moves]), sizes[moves])
    return not bool(np.any((cosines > _STATIONARY) & (steps > _NO_STEP)))
