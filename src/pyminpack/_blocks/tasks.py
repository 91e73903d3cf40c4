"""What is done with one block, wherever it lies: its norm, or the triangle of its Jacobian.

Everything here travels to the workers of a map-like engine and back, by pickle where those are other processes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .. import _minpack
from .._errors import ShapeError
from .._model.arrays import DOUBLE, FLOAT64, Array, as_real_view, describe, precision_of

SINGLE: Final = float(np.finfo(np.float32).eps)
NOTE: Final = "leastsq_blocks: "

# Numbers of a Jacobian that are brought into order at a time where it is neither rows nor columns of doubles: 0.5 MB.
_PIECE: Final = 65536
# Rows that are looked at, evenly spread, to learn whether differences are felt: so many of the first block, half as
# many of the second, a third of the third, but no fewer than the second number.
_SAMPLE: Final = 1000
_LEAST_SAMPLE: Final = 20
# A change of a residual by this many of its own rounding errors, or less, may be nothing but rounding.
_DROWNED: Final = 16 * DOUBLE
# A parameter nearer to zero than this may be one that means zero.
NEAR_ZERO: Final = 1e-7


@dataclass(frozen=True)
class Norm:
    """What a block's residuals amount to."""

    index: int  # of the block
    rows: int
    norm: float  # NaN or Inf where a residual is


@dataclass(frozen=True)
class NotFinite:
    """Values of a block that aren't finite."""

    count: int
    row: int  # of the first
    parameter: int  # of the first; -1 where it is a residual
    value: float


@dataclass(frozen=True)
class Felt:
    """How the residuals of a block, or of all, respond to the step in each parameter: counts over some rows.

    Residuals that are computed in single precision somewhere don't respond to steps of double precision, but for
    those that lay near to a rounding boundary, which change by the spacing of single precision numbers.
    """

    still: npt.NDArray[np.int64]  # rows that don't change
    spacings: npt.NDArray[np.int64]  # rows that change by a power of two
    others: npt.NDArray[np.int64]  # the rest
    large: npt.NDArray[np.bool_]  # whether one of `spacings` is more than double precision would explain

    def __or__(self, other: "Felt") -> "Felt":
        """The counts of two blocks together."""
        return Felt(
            self.still + other.still,
            self.spacings + other.spacings,
            self.others + other.others,
            self.large | other.large,
        )

    def unfelt(self) -> npt.NDArray[np.bool_]:
        """For which parameters the step is lost, or looks as if it were rounded to single precision."""
        lost = self.spacings == 0
        coarse = self.large & (self.still > self.spacings)
        unfelt: npt.NDArray[np.bool_] = (self.others == 0) & (lost | coarse)
        return unfelt


@dataclass(frozen=True)
class Triangle:
    """What a block's Jacobian and residuals amount to."""

    index: int  # of the block
    rows: int
    triangle: Array  # of order n + 1: R, where [J f] = Q R
    not_finite: NotFinite | None
    felt: Felt | None  # where that was asked for, and a difference was taken in double precision


@dataclass(frozen=True)
class _Pass:
    """A call for each block: `func`, and at which x."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    x: Array

    def __call__(self, item: tuple[int, Any]) -> Any:
        index, block = item
        try:
            return self.work(index, block)
        except StopIteration as error:  # which would pass for the end of the blocks
            raise RuntimeError(f"func or jac raised StopIteration for block {index}") from error
        except Exception as error:
            error.add_note(f"{NOTE}this was block {index}, at x = {describe(self.x)}")
            raise

    def work(self, index: int, block: Any) -> Any:
        raise NotImplementedError

    def residuals(self, index: int, block: Any, x: Array) -> npt.NDArray[Any]:
        """In one dimension, of whatever precision; perhaps the caller's own array."""
        result: Any = self.func(x, block, *self.args)
        if type(result) is not np.ndarray or result.dtype is not FLOAT64:
            result = as_real_view(result, f"func, for block {index},", "residuals")
        flat: npt.NDArray[Any] = result.ravel()
        return flat


@dataclass(frozen=True)
class NormPass(_Pass):
    """The norm of a block's residuals."""

    def work(self, index: int, block: Any) -> Norm:
        f = _as_double(self.residuals(index, block, self.x.copy()))
        return Norm(index, f.size, _minpack.enorm(f))


@dataclass(frozen=True)
class TrianglePass(_Pass):
    """The triangle of a block's Jacobian and residuals."""

    jac: Callable[..., Any] | None
    epsfcn: float | None  # relative error of the residuals; None: that of the dtype they come in
    typical: Array  # the sizes of the parameters that differences are relative to
    look: int  # whether differences are felt is looked at in every so many-th block; 0: in none

    def work(self, index: int, block: Any) -> Triangle:
        given = self.residuals(index, block, self.x.copy())
        f = np.array(given, dtype=np.float64)  # its own: func may use its array again
        felt = None
        steps = None
        if self.jac is not None:
            columns = self._given_jacobian(index, block, f.size).T
        else:
            precision = precision_of(given) if self.epsfcn is None else max(self.epsfcn, DOUBLE)
            steps = np.maximum(np.sqrt(precision) * self.typical, np.finfo(np.float64).tiny)
            columns = self._differences(index, block, f, steps)
            if self.look and index % self.look == 0:
                felt = self._felt(columns, f, precision, max(_LEAST_SAMPLE, _SAMPLE // (index // self.look + 1)))
        triangle = fold_rows(columns, f)
        if steps is not None:
            with np.errstate(over="ignore"):
                triangle[:, :-1] /= steps
        not_finite = None if np.isfinite(triangle).all() else _find_not_finite(columns, f)
        return Triangle(index, f.size, triangle, not_finite, felt)

    def _given_jacobian(self, index: int, block: Any, m: int) -> npt.NDArray[Any]:
        """From `jac`, of shape (m, n), where it lies and in whatever order and precision."""
        assert self.jac is not None
        n = self.x.size
        jacobian = as_real_view(self.jac(self.x.copy(), block, *self.args), f"jac, for block {index},", "a Jacobian")
        if jacobian.shape == (m, n):
            return jacobian
        if jacobian.size == m * n and (m == 0 or (jacobian.ndim < 2 and 1 in (m, n))):
            return jacobian.reshape(m, n)
        hint = "; it is transposed: give jacobian.T, which copies nothing" if jacobian.shape == (n, m) else ""
        raise ShapeError(
            f"jac gave a Jacobian of shape {jacobian.shape} for block {index} at x = {describe(self.x)}, where {m} "
            f"residuals and {n} parameters need {(m, n)}, derivatives across the rows{hint}"
        )

    def _differences(self, index: int, block: Any, f: Array, steps: Array) -> Array:
        """F(x + h e_j) - F(x), the j-th row for the j-th parameter."""
        columns = np.empty((self.x.size, f.size))
        for j, step in enumerate(steps):
            beside = self.x.copy()
            beside[j] += step
            moved = self.residuals(index, block, beside)
            if moved.size != f.size:
                raise length_error(index, moved.size, f.size, self.x)
            with np.errstate(invalid="ignore", over="ignore"):
                np.subtract(moved, f, out=columns[j])
        return columns

    def _felt(self, columns: Array, f: Array, precision: float, sample: int) -> Felt:
        """How a sample of the rows responds; all of them as they should where that isn't for us to find out."""
        n, m = columns.shape
        if precision > DOUBLE:
            return Felt(np.zeros(n, int), np.zeros(n, int), np.full(n, m), np.zeros(n, bool))
        every = slice(None, None, max(1, m // sample))
        change, f = np.abs(columns[:, every]), np.abs(f[every])
        change[(change.max(axis=1, initial=0) <= _DROWNED * f.max(initial=0)) & (np.abs(self.x) < NEAR_ZERO)] = 0
        still = change == 0
        mantissa, _ = np.frexp(change)
        spacing = ~still & (np.minimum(mantissa - 0.5, 1 - mantissa) <= 1e-6)
        others = (~still & ~spacing).sum(axis=1)
        for j in np.flatnonzero(still.all(axis=1)):
            others[j] = np.abs(self.x[j]) >= NEAR_ZERO and columns[j].any()
        large = (spacing & (change >= 0.25 * SINGLE * f)).any(axis=1)
        return Felt(still.sum(axis=1), spacing.sum(axis=1), others, large)


def length_error(index: int, size: int, before: int, x: Array) -> ShapeError:
    """For a block that has another number of residuals than it had."""
    return ShapeError(
        f"func gave {size} residuals for block {index} near x = {describe(x)}, and {before} before; their number must "
        "stay the same during a fit"
    )


def fold_rows(columns: npt.NDArray[Any], f: Array) -> Array:
    """The triangle of [J f], where columns is Jᵀ: where it lies if it is rows or columns of doubles, else by pieces."""
    n, m = columns.shape
    triangle = np.zeros((n + 1, n + 1))
    height = _minpack.block_rows(n)
    if columns.dtype is FLOAT64 and columns.flags.c_contiguous:
        return _minpack.fold_jacobian(columns, 0, f, triangle, height)
    if columns.dtype is FLOAT64 and columns.flags.f_contiguous:
        return _minpack.fold_jacobian(columns.T, 1, f, triangle, height)
    step = max(height, _PIECE // n)
    for begin in range(0, m, step):
        rows = slice(begin, begin + step)
        with np.errstate(over="ignore"):
            piece = np.ascontiguousarray(columns[:, rows], dtype=np.float64)
        triangle = _minpack.fold_jacobian(piece, 0, f[rows], triangle, height)
    return triangle


def fold_triangle(other: Array, triangle: Array) -> Array:
    """The triangle of two triangles, the second that of the blocks before."""
    return _minpack.fold(np.ascontiguousarray(other.T), triangle)


def _find_not_finite(columns: npt.NDArray[Any], f: Array) -> NotFinite:
    """Where a block's triangle went wrong: residuals first, then derivatives; the largest if all are finite."""
    bad = np.flatnonzero(~np.isfinite(f))
    if bad.size:
        return NotFinite(bad.size, int(bad[0]), -1, float(f[bad[0]]))
    rows, parameters = np.nonzero(~np.isfinite(columns.T))
    if not rows.size:
        place = np.unravel_index(np.abs(columns.T).argmax(), columns.T.shape)
        rows, parameters = (np.atleast_1d(i) for i in place)
    i, j = int(rows[0]), int(parameters[0])
    return NotFinite(rows.size, i, j, float(columns[j, i]))


def _as_double(f: npt.NDArray[Any]) -> Array:
    """The same residuals in double precision, without a copy where they are."""
    if f.dtype is FLOAT64:
        return f
    with np.errstate(over="ignore"):
        return f.astype(np.float64)
