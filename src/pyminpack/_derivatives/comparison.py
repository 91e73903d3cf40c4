"""A Jacobian beside differences of the residuals: what `check_jacobian` prints, and a fit uses in part.

Central differences decide. Each entry has an uncertainty: what curvature may do to it, which the next longer step
shows, and what the noise of the residuals may do, which differences of high order show.
"""

from collections.abc import Callable
from math import factorial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._minpack import enorm
from .._model.arrays import Array, Mask

# docs/constants.md has the experiment that shows what each of these numbers does.

# Steps of the central differences, relative to the size of the parameter. The shortest is near the third root of the
# rounding error of double precision, the longest near that of single precision: the best steps for smooth functions.
_STEPS: Final = tuple(2e-3 / 8**k for k in range(4))
# The noise is estimated from differences of high order between seven points on a line, at these distances relative to
# the sizes of the parameters. At such distances, neighbours differ by more than single precision rounds away, and third
# differences of a smooth function are below rounding. There are two lines, because rounding can be regular along one.
_NOISE_STEPS: Final = (1.0e-6, 2.3e-6)
_NOISE_POINTS: Final = range(-3, 4)
_NOISE_ORDERS: Final = (3, 4, 5)
# The uncertainty of a difference of two residuals, in standard deviations of the noise.
_NOISE_DEVIATIONS: Final = 4
# An entry is wrong only where it differs by more than this times its estimated uncertainty.
_SAFETY: Final = 4
# A column of differences decides nothing where its uncertainty is larger than this, relative to its length.
_UNCERTAIN: Final = 0.1


class Neighbourhood:
    """The residuals near one point, their noise, and their derivatives at the point.

    Attributes
    ----------
    x, first : ndarray of shape (n,), (m,)
        The point, and the residuals there.
    sizes : ndarray of shape (n,)
        Sizes of the parameters, which steps are relative to.
    """

    def __init__(
        self,
        fun: Callable[[Array], Array],
        x: Array,
        first: Array,
        sizes: Array,
        precision: float,
    ) -> None:
        """`fun` gives the m residuals at a point; `precision` is the spacing of the numbers that they came in."""
        self._fun = fun
        self.x, self.first, self.sizes = x, first, sizes
        self._noise = self._measure_noise(precision)

    def _measure_noise(self, precision: float) -> Array:
        """The noise of each residual; relative to its size, at least that of all residuals together.

        A single residual may look smooth by chance. Without this minimum, 26 right Jacobians of NIST's models in single
        precision were called wrong at 324 points, with it none.
        """
        noise = np.zeros_like(self.first)
        for line, step in enumerate(_NOISE_STEPS):
            noise = np.fmax(noise, self._noise_along(step, line))
        noise[~np.isfinite(noise)] = 0
        norm = enorm(self.first)
        relative = enorm(noise) / norm if norm > 0 else 0.0
        return np.maximum(noise, max(precision, relative) * np.abs(self.first))

    def _noise_along(self, step: float, line: int) -> Array:
        """The noise along a line, from differences of high order (Moré and Wild (2011), section 3)."""
        direction = np.cos(np.arange(self.x.size) + line)  # has no symmetry that the residuals might have
        shift = step * self.sizes * direction
        points = [self.x + k * shift for k in _NOISE_POINTS]
        values = [self._fun(point) if k else self.first for k, point in zip(_NOISE_POINTS, points, strict=True)]
        noise = np.zeros_like(self.first)
        with np.errstate(invalid="ignore", over="ignore"):
            table = np.stack(values)
            for order in range(1, max(_NOISE_ORDERS) + 1):
                table = np.diff(table, axis=0)
                if order in _NOISE_ORDERS:
                    share = factorial(order) ** 2 / factorial(2 * order)
                    noise = np.fmax(noise, np.sqrt(share * np.mean(table**2, axis=0)))
        return noise

    def differentiate(self, given: Array, otherwise: float) -> tuple[Array, Array]:
        """The Jacobian by central differences, and the uncertainty of each entry.

        Longer steps come first. Where these leave a column uncertain, and the parameter is smaller than `otherwise`, so
        do steps relative to that.
        """
        differences, errors = np.empty_like(given), np.empty_like(given)
        for j, size in enumerate(self.sizes.tolist()):
            differences[:, j], errors[:, j] = self._column(j, size)
            if size < otherwise and is_uncertain(errors[:, j], given[:, j], differences[:, j]):
                others, their_errors = self._column(j, otherwise)
                better = their_errors < errors[:, j]
                differences[better, j], errors[better, j] = others[better], their_errors[better]
        return differences, errors

    def _column(self, j: int, size: float) -> tuple[Array, Array]:
        """Derivatives with respect to one parameter, each with the step of the smallest uncertainty."""
        best, error = np.zeros_like(self.first), np.full_like(self.first, np.inf)
        before = np.full_like(self.first, np.nan)
        for step in _STEPS:
            ahead, behind = self.x.copy(), self.x.copy()
            ahead[j] += step * size
            behind[j] -= step * size
            width = ahead[j] - behind[j]
            there, back = self._fun(ahead), self._fun(behind)
            with np.errstate(invalid="ignore", over="ignore"):
                slope = (there - back) / width
                its_error = np.abs(slope - before) + _NOISE_DEVIATIONS * self._noise / width
                better = its_error < error
            best[better], error[better] = slope[better], its_error[better]
            before = slope
        return best, error


def length(column: Array) -> float:
    """The norm of a column of a matrix."""
    return enorm(np.ascontiguousarray(column))


def is_uncertain(error: Array, given: Array, difference: Array) -> bool:
    """Whether a column of differences is too uncertain to decide about a column of the Jacobian."""
    return not length(error) <= _UNCERTAIN * max(length(given), length(difference))


class Agreement:
    """Whether columns agree with differences."""

    def __init__(self, differences: Array, uncertainties: Array, rtol: float, *, of_column: bool = False) -> None:
        """An entry may be off by `rtol`, relative to its own size, or to the largest of its column."""
        self._differences = differences
        self._allowed = _SAFETY * uncertainties
        self._rtol, self._of_column = rtol, of_column

    def disagrees(self, given: Array, columns: Any = slice(None)) -> Mask:
        """Which entries of these columns are wrong."""
        right = self._differences[:, columns]
        sizes = np.maximum(np.abs(given), np.abs(right))
        if self._of_column:
            sizes = sizes.max(axis=0)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(given - right) > self._allowed[:, columns] + self._rtol * sizes)

    def fits(self, column: Array, j: int) -> bool:
        """Whether a column agrees with the differences for parameter j."""
        return not self.disagrees(column, j).any()


def worst(given: Array, differences: Array, wrong: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """The wrong entry with the largest error relative to its column; where none is wrong, of all entries."""
    largest = np.maximum(np.abs(given), np.abs(differences)).max(axis=0)
    error = np.abs(given - differences) / np.where(largest > 0, largest, 1.0)
    if wrong.any():
        error = np.where(wrong, error, -1.0)
    row, parameter = np.unravel_index(int(error.argmax()), error.shape)
    return int(row), int(parameter)
