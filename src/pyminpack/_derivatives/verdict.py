"""Whether the Jacobian that a fit has ended with can be trusted."""

from math import isfinite
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .._minpack import enorm
from .._model.arrays import DOUBLE, Array
from .comparison import NOISE_CALLS, STEPS, Agreement, Box, Neighbourhood, inside, length, worst

# docs/constants.md has the experiment that shows what each of these numbers does.

# A point is not stationary where the residuals make a larger cosine with a column of the Jacobian, and a step along it
# is longer than this fraction of x: ftol, at its default, is met where steps gain no more than the square of 1e-4, and
# residuals that are nothing but rounding make any angle.
_STATIONARY: Final = 1e-3
_NO_STEP: Final = 1e-8
# Derivatives that differ by this fraction of the largest in their column are different ones; a change of the residuals
# that is off by this one is reason enough to look.
_DISAGREEMENT: Final = 1e-3
SUSPICIOUS: Final = 1e-4
# How far to go, relative to the sizes of parameters, to see whether residuals change as the Jacobian says: rounding and
# curvature are then both far below what is suspicious.
_BESIDE: Final = 1e-6
# Where that disagrees, a step that is shorter by this factor tells whether it is curvature: its error falls by as much.
SHORTER: Final = 1 / 16
# A parameter is no smaller than this fraction of what would weigh as much as all together; where entries are to be
# compared, of the second.
_LEAST_WEIGHT: Final = 0.1
_LEAST_SIZE: Final = 1e-3
_LEAST_COLUMN: Final = 1e-6  # of the longest: parameters of shorter ones are not moved any farther
_BY_ROUNDING: Final = 100  # differences may differ from one another by this times what rounding explains
_STEPS_AT_THE_END: Final = STEPS[-2:]  # the others are for points that need not lie next to where the fit has been


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


def scale_by(norms: Array, otherwise: Array) -> Array:
    """Scale factors of the parameters by the lengths of the Jacobian's columns; others for columns of zeros."""
    scale: Array = np.where(norms > 0, np.maximum(norms, _LEAST_COLUMN * norms.max()), otherwise)
    return scale


def calls_to_compare(n: int) -> int:
    """Evaluations that `find_disagreement` takes for n parameters."""
    return NOISE_CALLS + 2 * len(_STEPS_AT_THE_END) * n


def point_beside(x: Array, start: Array, scale: Array, box: Box | None, precision: float) -> Array:
    """A point that shows whether a Jacobian is right, no farther away than the fit has been.

    A parameter goes back towards its start, or where it is still there away from 0, lest it leave where the residuals
    are defined; all by unlike amounts, lest errors make up for one another. Where numbers overflow, there is no such
    point, and it is not finite.
    """
    root = np.sqrt(max(precision, DOUBLE))
    unlike = 1 - 0.5 * np.modf(0.618 * np.arange(x.size))[0]
    with np.errstate(all="ignore"):
        sizes = _sizes(x, scale)
        lengths = max(_BESIDE, root) * unlike * np.maximum(np.abs(x), _LEAST_WEIGHT * sizes)
        farthest = max(enorm(scale * (x - start)), root * enorm(scale * np.maximum(np.abs(x), sizes)))
        lengths *= min(1.0, farthest / (enorm(scale * lengths) or 1.0))
        point: Array = x + np.copysign(lengths, np.where(start == x, x, start - x))
        if box is not None:
            low, high = box
            point = np.where((point > high) | (point < low), 2 * x - point, point)
    return inside(point, box)


def error_along(
    f: Array, rows: Array, step: Array, change: Array, jacobian: Array, norms: Array, precision: float
) -> float:
    """How far a step changes the residuals f otherwise than the Jacobian says, beyond their rounding.

    It is relative to how much it might change them; 0 where they aren't finite, which says nothing. With a robust loss,
    `rows` are the factors of the Jacobian's rows.
    """
    with np.errstate(all="ignore"):
        change = change * rows
        error = enorm(change - jacobian @ step) - 100 * max(precision, DOUBLE) * enorm(f)
        reference = max(float(np.abs(step) @ norms), enorm(change))
    return error / reference if isfinite(error) and error > 0 else 0.0


def neighbourhood_sizes(x: Array, scale: Array) -> Array:
    """Sizes of the parameters for differences at the end of a fit."""
    with np.errstate(all="ignore"):
        sizes: Array = np.maximum(np.abs(x), _LEAST_SIZE * _sizes(x, scale))
    return sizes


def _sizes(x: Array, scale: Array) -> Array:
    """Changes of the parameters that weigh as much as all of them together."""
    sizes: Array = (enorm(scale * x) or 1.0) / scale
    return sizes


def find_disagreement(
    beside: Neighbourhood, jacobian: Array, weighted: Array, rows: Array, box: Box | None, precision: float
) -> Disagreement | None:
    """Compare a Jacobian with differences of every parameter; None where there is nothing against it.

    With a robust loss, `rows` are the factors of the Jacobian's rows, and `weighted` are the residuals that go with it.
    """
    rows = rows[:, np.newaxis]
    plain, doubts = beside.differentiate(jacobian, _STEPS_AT_THE_END)
    with np.errstate(all="ignore"):
        differences, uncertainties = plain * rows, doubts * rows
        # The error of a residual beside another one says as much of that one, which may have come out right by chance.
        uncertainties = np.maximum(uncertainties, np.sqrt(np.mean(uncertainties**2, axis=0)))
    wrong = Agreement(differences, uncertainties, _DISAGREEMENT, of_column=True).disagrees(jacobian)
    # At poles, kinks and in coarse residuals differences are no evidence: they differ by more than rounding explains.
    rounding = _BY_ROUNDING * precision * length(beside.first * rows[:, 0]) / (_STEPS_AT_THE_END[-1] * beside.sizes)
    for j in np.flatnonzero(wrong.any(axis=0)):
        if length(uncertainties[:, j]) > max(0.5 * length(differences[:, j]), rounding[j]):
            wrong[:, j] = False
    if not wrong.any():
        return None
    row, column = at = worst(jacobian, differences, wrong)
    is_stationary = _is_stationary(beside.x, weighted, beside.sizes, differences, uncertainties, box)
    return Disagreement(row, column, float(jacobian[at]), float(differences[at]), is_stationary)


def _is_stationary(x: Array, f: Array, sizes: Array, jacobian: Array, uncertainties: Array, box: Box | None) -> bool:
    """Whether a point is a minimum by a Jacobian, as far as its uncertainties let it say so."""
    norm = enorm(f)
    gradient = jacobian.T @ f
    norms = np.sqrt(np.einsum("ij,ij->j", jacobian, jacobian))
    moves = moves_of(x, gradient, box) & (norms > 0)
    with np.errstate(all="ignore"):
        cosines = np.abs(gradient[moves]) / norms[moves] / max(norm, np.finfo(float).tiny)
        steps = cosines * norm / norms[moves] / np.maximum(np.abs(x[moves]), sizes[moves])
    return not bool(np.any((cosines > _STATIONARY) & (steps > _NO_STEP)))
