"""Whether the Jacobian that a fit has ended with can be trusted."""

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .._minpack import agrees_beside, enorm, lengths_beside, point_beside
from .._model.arrays import DOUBLE, Array
from .comparison import Agreement, worst

Box: TypeAlias = tuple[Array, Array]

# docs/constants.md has the experiment that shows what each of these numbers does.

# Derivatives that differ by this fraction of the largest in their column are different ones.
_DISAGREEMENT: Final = 1e-3
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
    """

    def __init__(self, x: Array, start: Array, norms: Array, highest: float, box: Box | None, precision: float) -> None:
        """`norms` are those of the Jacobian's columns, `highest` is that of the residuals at the start."""
        self.x, self._start, self._norms = x, start, norms
        self._box = (np.full_like(x, -np.inf), np.full_like(x, np.inf)) if box is None else box
        self._precision = max(precision, DOUBLE)
        self._lengths = lengths_beside(x, start, norms, highest, self._precision)
        self._unfelt = self._lengths == 0
        self.leaves_any = bool(self._unfelt.any())

    def beside(self) -> Array:
        """A point that shows whether a Jacobian is right, as far as residuals should feel it."""
        return point_beside(self.x, self._start, self._lengths, True, *self._box)

    def afar(self) -> Iterator[Array]:
        """Points ever farther away along the parameters that the Jacobian says nothing of, all at once."""
        before = self.x
        own = np.maximum(np.abs(self.x), np.abs(self.x - self._start))
        own = np.where(own > 0, own, 1.0)
        for length in _AFAR if self.leaves_any else ():
            with np.errstate(all="ignore"):
                lengths = np.where(self._unfelt, length * own, 0.0)
            point = point_beside(self.x, self._start, lengths, False, *self._box)
            if np.isfinite(point).all() and not np.array_equal(point, before):
                yield point
            before = point

    def shorter(self, step: Array) -> Array:
        """A point on the way of a step."""
        return np.clip(self.x + _SHORTER * step, *self._box)

    def agrees(self, error: Array, step: Array, change: Array) -> bool:
        """Whether residuals change along a step as the Jacobian says."""
        return bool(agrees_beside(error, step, self._norms, change))

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
