"""Whether the Jacobian that a fit has ended with can be trusted."""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .._minpack import enorm
from .._model.arrays import DOUBLE, Array
from .comparison import Agreement, worst

Box: TypeAlias = tuple[Array, Array]

# docs/constants.md has the experiment that shows what each of these numbers does.

# Derivatives that differ by this fraction of the largest in their column are different ones; a change of the residuals
# that is off by this one is reason enough to look.
_DISAGREEMENT: Final = 1e-3
_SUSPICIOUS: Final = 1e-4
# How far to go, relative to the sizes of parameters, to see whether residuals change as the Jacobian says: rounding and
# curvature are then both far below what is suspicious.
_BESIDE: Final = 1e-6
# A parameter's size is no less than this fraction of what changes the residuals by as much as they were at the start,
# but no more than this times its own; those that then weigh less than this fraction of the others are left to `afar`.
_LEAST_WEIGHT: Final = 0.1
_FARTHEST: Final = 1e3
_LEAST_SHARE: Final = 1e-3
# Where that disagrees, a step that is shorter by this factor tells curvature, whose part falls by as much.
_SHORTER: Final = 1 / 16
_ROUNDINGS: Final = 10  # of the residuals: a change is no larger where nothing has changed
# Steps of parameters that the Jacobian says nothing of, relative to the parameters: one may begin at 1e-100.
_AFAR: Final = (1e-6, 1.0, 1e12, 1e40, 1e120)


class Disagreement(NamedTuple):
    """Where a Jacobian is not what differences make of the residuals, at its worst."""

    row: int
    column: int
    given: float
    by_differences: float


def moves_of(x: Array, gradient: Array, box: Box) -> npt.NDArray[np.bool_]:
    """Which parameters the gradient doesn't push against a bound."""
    low, high = box
    moves: npt.NDArray[np.bool_] = ~((x <= low) & (gradient > 0) | (x >= high) & (gradient < 0))
    return moves


class Surroundings:
    """Where to look whether residuals change as a Jacobian says, in whatever units.

    Attributes
    ----------
    leaves_any : bool
        Whether there are parameters of which the Jacobian says nothing, or next to nothing.

    Notes
    -----
    A parameter's size is its own, or how far the fit has moved it; but no more than what changes the residuals by as
    much as they were at the start, as the Jacobian has it, and not much less.
    """

    def __init__(self, x: Array, start: Array, norms: Array, highest: float, box: Box | None, precision: float) -> None:
        """`norms` are those of the Jacobian's columns, `highest` is that of the residuals at the start."""
        self.x, self._norms, self._box = x, norms, box
        self._precision = max(precision, DOUBLE)
        with np.errstate(all="ignore"):
            natural = highest / norms
            own = np.maximum(np.abs(x), np.abs(x - start))
            least = np.minimum(_LEAST_WEIGHT * natural, _FARTHEST * own)
            sizes = np.where(own > 0, np.minimum(np.maximum(own, least), natural), natural)
            # Rounding of the residuals and of the parameter, and curvature, are then alike.
            balanced = np.sqrt(self._precision * np.maximum(natural, np.abs(x)) * sizes)
            lengths = np.maximum(_BESIDE * sizes, balanced)
            weights = np.nan_to_num(lengths * norms, nan=0.0, posinf=0.0)
        is_felt = (weights > _LEAST_SHARE * weights.max()) & (lengths > _ROUNDINGS * DOUBLE * np.abs(x))
        self._lengths, self._unfelt = np.where(is_felt, lengths, 0.0), ~is_felt
        self.leaves_any = bool(self._unfelt.any())
        self._own = np.where(own > 0, own, 1.0)
        # A parameter goes back towards its start, or where it is still there away from 0, lest it leave where the
        # residuals are defined.
        self._ways = np.where(start == x, x, start - x)

    def beside(self) -> Array:
        """A point that shows whether a Jacobian is right, as far as residuals should feel it.

        Parameters go by unlike amounts, lest errors make up for one another.
        """
        unlike = 1 - 0.5 * np.modf(0.618 * np.arange(self.x.size))[0]
        return self._inside(unlike * self._lengths)

    def afar(self) -> Iterator[Array]:
        """Points ever farther away along the parameters that the Jacobian says nothing of, all at once."""
        before = self.x
        for length in _AFAR if self.leaves_any else ():
            with np.errstate(all="ignore"):
                point = self._inside(np.where(self._unfelt, length * self._own, 0.0))
            if np.isfinite(point).all() and not np.array_equal(point, before):
                yield point
            before = point

    def _inside(self, lengths: Array) -> Array:
        """So far from x; on the other side where it is out of the bounds, or where both are, at the farther bound."""
        step = np.copysign(lengths, self._ways)
        if self._box is None:
            return self.x + step
        to_low, to_high = (bound - self.x for bound in self._box)
        step = np.where((step < to_low) | (step > to_high), -step, step)
        farthest = np.where(to_high >= -to_low, to_high, to_low)
        step = np.where((step < to_low) | (step > to_high), farthest, step)
        return np.clip(self.x + step, *self._box)

    def shorter(self, step: Array) -> Array:
        """A point on the way of a step."""
        point = self.x + _SHORTER * step
        return point if self._box is None else np.clip(point, *self._box)

    def agrees(self, error: Array, step: Array, change: Array) -> bool:
        """Whether residuals change along a step as the Jacobian says."""
        with np.errstate(all="ignore"):
            return enorm(error) <= _SUSPICIOUS * max(enorm(step * self._norms), enorm(change))

    def is_rounding(self, change: Array, f: Array) -> bool:
        """Whether a change of the residuals f is nothing but their rounding."""
        return enorm(change) <= _ROUNDINGS * self._precision * enorm(f)

    def agrees_but_for_curvature(self, error: Array, shorter_error: Array, step: Array, change: Array) -> bool:
        """Whether an error is small but for its part of second order, which a shorter step shows."""
        with np.errstate(all="ignore"):
            of_first_order = (shorter_error / _SHORTER - _SHORTER * error) / (1 - _SHORTER)
        return self.agrees(of_first_order, step, change)


def find_disagreement(
    jacobian: Array, differences: Array, others: Array, errors: Array, rows: Array
) -> Disagreement | None:
    """Compare a Jacobian with differences, whose columns have errors of these lengths; None where nothing is wrong.

    The others are by longer steps. With a robust loss, `rows` are the factors of the Jacobian's rows.
    """
    with np.errstate(all="ignore"):
        change = np.abs(differences - others)
        # The error of a residual beside another says as much of that one, which may have come out right by chance.
        change = np.maximum(change, np.sqrt(np.mean(change**2, axis=0)))
        uncertainties = np.fmax(rows[:, np.newaxis] * errors, np.where(np.isfinite(change), change, 0.0))
        wrong = Agreement(differences, uncertainties, _DISAGREEMENT, of_column=True).disagrees(jacobian)
    if not wrong.any():
        return None
    row, column = at = worst(jacobian, differences, wrong)
    return Disagreement(row, column, float(jacobian[at]), float(differences[at]))
