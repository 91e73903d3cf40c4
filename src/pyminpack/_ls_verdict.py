"""What a factorization of the Jacobian says of a point, and whether the Jacobian itself can be trusted."""

from math import isfinite
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._block_passes import fold_rows
from ._convert import DOUBLE, Array
from ._iteration import Indices
from ._jacobians import CentralDifferences, ForwardDifferences
from ._losses import Robust
from ._model import Model

# Rᵀ, P, the first n entries of Qᵀf, and the norms of the Jacobian's columns.
Factor: TypeAlias = tuple[Array, Indices, Array, Array]
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
# curvature are then both far below what is suspicious. Parameters that are nearly 0 count for some of their weight.
_BESIDE: Final = 1e-6
_LEAST_WEIGHT: Final = 0.1


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


def find_disagreement(
    model: Model,
    box: Box | None,
    robust: Robust | None,
    x: Array,
    f: Array,
    sizes: Array,
    jacobian: Array,
    norms: Array,
) -> Disagreement | None:
    """Compare a Jacobian with differences, after one evaluation that shows whether there is reason to.

    `sizes` are those that changes of the parameters are measured in, ‖D x‖ over the scale factors; `norms` the lengths
    of the Jacobian's columns.
    """
    forward = ForwardDifferences(model, box, None, None, None)
    with np.errstate(all="ignore"):
        weighted, rows = (f, None) if robust is None else robust.correct(f)
        if not _is_suspicious(forward, x, f, rows, sizes, jacobian, norms):
            return None
        one_sided, central = forward.at(x, f), CentralDifferences(model, box, None, None, None).at(x, f)
        noise = 4 * np.abs(f).max() * max(model.precision, DOUBLE) ** (2 / 3) / np.where(x == 0, 1, np.abs(x))
        if rows is not None:
            one_sided, central, noise = (by * rows[:, np.newaxis] for by in (one_sided, central, noise))
        excess = _excess(jacobian, one_sided, central, noise)
        i, j = (int(index) for index in np.unravel_index(np.argmax(excess), excess.shape))
        if not excess[i, j] > 0:
            return None
        stationary = _is_stationary(x, weighted, sizes, central, box)
    return Disagreement(i, j, float(jacobian[i, j]), float(central[i, j]), stationary)


def _excess(jacobian: Array, one_sided: Array, central: Array, noise: Array) -> Array:
    """By how much more a Jacobian differs from differences than these do from one another, relative to its columns."""
    largest = np.maximum(np.abs(jacobian).max(axis=0), np.abs(central).max(axis=0))
    spread = np.abs(one_sided - central)  # steps of two lengths differ at poles and kinks, and by noise
    uncertainty = 2 * np.maximum(spread, np.sqrt(np.mean(spread**2, axis=0)))
    excess = np.abs(jacobian - central) - _DISAGREEMENT * largest - uncertainty - noise
    erratic = spread > 0.5 * np.maximum(np.abs(one_sided), np.abs(central)).max(axis=0)
    excess[erratic | ~np.isfinite(excess)] = 0
    relative: Array = excess / np.where(largest > 0, largest, 1)
    return relative


def _is_suspicious(
    forward: ForwardDifferences, x: Array, f: Array, rows: Array | None, sizes: Array, jacobian: Array, norms: Array
) -> bool:
    """Whether a small change of all the parameters changes the residuals otherwise than the Jacobian says."""
    lengths = _BESIDE * np.maximum(np.abs(x), _LEAST_WEIGHT * sizes)
    lengths[1::2] *= -0.7  # lest columns that are wrong alike make up for one another
    point = forward.inside(x, x + lengths)
    change = forward.changes([point], f)[0]
    step = point - x
    predicted = jacobian @ step
    if rows is not None:
        change *= rows
    reference = float(np.abs(step) @ norms)
    error = _minpack.enorm(change - predicted)
    noise = 100 * DOUBLE * _minpack.enorm(f)
    return isfinite(error) and error > _SUSPICIOUS * max(reference, _minpack.enorm(change)) + noise


def _is_stationary(x: Array, f: Array, sizes: Array, jacobian: Array, box: Box | None) -> bool:
    norm = _minpack.enorm(f)
    gradient = jacobian.T @ f
    norms = np.sqrt(np.einsum("ij,ij->j", jacobian, jacobian))
    moves = moves_of(x, gradient, box) & (norms > 0)
    cosines = np.abs(gradient[moves]) / norms[moves] / max(norm, np.finfo(float).tiny)
    steps = cosines * norm / norms[moves] / np.maximum(np.abs(x[moves]), sizes[moves])
    return not bool(np.any((cosines > _STATIONARY) & (steps > _NO_STEP)))


def factorize(jacobian: npt.NDArray[Any], f: Array) -> Factor:
    """The factorization as leastsq has it of a Jacobian of this size."""
    if _minpack.blocks_pay(*jacobian.shape):
        return _minpack.lm_pivot(fold_rows(jacobian.T, f))
    return _minpack.lm_factor(jacobian.T, f)
