"""What is computed from one block, wherever it lies: the norm of its residuals, or the triangle of its Jacobian.

Everything here travels to the workers of a map-like engine and back, by pickle where they are other processes.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._derivatives.factor import augmented_triangle
from .._errors import InputValueError, ShapeError
from .._minpack import enorm, fold, forward_steps
from .._model.arrays import (
    DOUBLE,
    FLOAT64,
    Array,
    Indices,
    NotFinite,
    as_real_view,
    describe,
    find_not_finite,
    precision_of,
    with_jacobian_shape,
)
from .._report.record import Record

# Entries of an array that are looked at, to see whether someone changes it. The golden ratio spreads them evenly, and
# over all columns of a table. With fewer, a change of some entries alone is noticed less often.
_WATCHED: Final = np.arange(256) * (math.sqrt(1.25) - 0.5) % 1


class Norm(Record):
    """The norm of a block's residuals."""

    rows: int
    norm: float  # NaN or Inf where a residual is


class Triangle(Record):
    """The triangle of a block's Jacobian and residuals."""

    rows: int
    norm: float  # of the residuals
    triangle: Array  # R of order n + 1, where [J f] = Q R
    not_finite: NotFinite | None
    precision: float  # relative error of the residuals, as far as their dtype tells


class Round(Record):
    """What a round of careful differences says of a block: see minpack/derivatives/careful.f90."""

    rows: int
    measures: Array  # change, bend, rise and tilt in each row, for each parameter
    triangle: Array | None  # R of order n + 1, where all parameters were looked at
    not_finite: NotFinite | None  # among the residuals at x


class _Task(Record):
    """A function of one block, at a point x."""

    func: Callable[..., Any]
    args: tuple[Any, ...]
    x: Array

    def residuals(self, index: int, block: Any, x: Array) -> npt.NDArray[Any]:
        """Residuals in one dimension, of any precision; perhaps an array of the user's."""
        result: Any = self.func(x, block, *self.args)
        if type(result) is not np.ndarray or result.dtype is not FLOAT64:
            result = as_real_view(result, f"func, for block {index},", "residuals")
        flat: npt.NDArray[Any] = result.ravel()
        return flat

    def _differences(self, index: int, block: Any, f: Array, values: Array, chosen: Any = None) -> Array:
        """What residuals change by where a parameter takes another value, in a row for each parameter."""
        chosen = range(self.x.size) if chosen is None else chosen
        rows = np.empty((len(chosen), f.size))
        for i, j in enumerate(chosen):
            point = self.x.copy()
            point[j] = values[j]
            there = self.residuals(index, block, point)
            if there.size != f.size:
                raise size_error(index, there.size, f.size, self.x)
            with np.errstate(all="ignore"):
                np.subtract(there, f, out=rows[i])
        return rows


class NormPass(_Task):
    """The norm of a block's residuals."""

    def compute(self, index: int, block: Any) -> Norm:
        f = _as_double(self.residuals(index, block, self.x.copy()))
        return Norm(rows=f.size, norm=enorm(f))


class TrianglePass(_Task):
    """The triangle of a block's Jacobian and residuals."""

    jac: Callable[..., Any] | None
    epsfcn: float | None  # relative error of the residuals; None: that of their dtype
    is_first: bool  # whether this is the first pass

    def compute(self, index: int, block: Any) -> Triangle:
        before = sample_of(block) if self.is_first else b""
        given = self.residuals(index, block, self.x.copy())
        precision = precision_of(given) if self.epsfcn is None else max(self.epsfcn, DOUBLE)
        with np.errstate(all="ignore"):
            f = np.array(given, dtype=np.float64)  # a copy, because func may use its array again
        if self.jac is None:
            points, steps = self._forward_steps(precision)
            columns: npt.NDArray[Any] = self._differences(index, block, f, points)
        else:
            steps, columns = np.ones(self.x.size), self._given_jacobian(index, block, f.size).T
        with np.errstate(all="ignore"):
            triangle = augmented_triangle(columns, f)
            triangle[:, :-1] /= steps
            not_finite = None if np.isfinite(triangle).all() else _find_not_finite(columns, f)
        if self.is_first and sample_of(block) != before:
            self._require_same_residuals(index, block, f)
        return Triangle(rows=f.size, norm=enorm(f), triangle=triangle, not_finite=not_finite, precision=precision)

    def _forward_steps(self, precision: float) -> tuple[Array, Array]:
        """For each parameter a value beside its own, and the length of the step, as MINPACK has it."""
        eta = np.full_like(self.x, np.sqrt(precision))
        endless = np.full_like(self.x, np.inf)
        _, points, steps = forward_steps(self.x, np.zeros_like(self.x), eta, -endless, endless)
        return points, steps

    def _require_same_residuals(self, index: int, block: Any, f: Array) -> None:
        """Raise where func gives other residuals than f now, because it or jac has changed the block.

        A block that a function uses as scratch, or repairs once and for all, does no harm.
        """
        again = self.residuals(index, block, self.x.copy())
        if not np.array_equal(_as_double(again), f, equal_nan=True):
            raise InputValueError(
                f"func or jac changes block {index} in place: func gave other residuals when it was called again at "
                "the same x; let it change a copy"
            )

    def _given_jacobian(self, index: int, block: Any, m: int) -> npt.NDArray[Any]:
        """The Jacobian by `jac`, of shape (m, n), where it lies and in any order and precision."""
        assert self.jac is not None
        source = f"jac, for block {index},"
        jacobian = as_real_view(self.jac(self.x.copy(), block, *self.args), source, "a Jacobian")
        return with_jacobian_shape(jacobian, m, self.x.size, self.x, source)


class RoundPass(_Task):
    """A round of careful differences: residuals on either side of x."""

    chosen: Indices  # the parameters, from 0
    near: Array  # their values on one side, and on the other
    far: Array

    def compute(self, index: int, block: Any) -> Round:
        f = np.array(_as_double(self.residuals(index, block, self.x.copy())))
        near = self._differences(index, block, f, self.near, self.chosen)
        far = self._differences(index, block, f, self.far, self.chosen)
        with np.errstate(all="ignore"):
            to_near, to_far = (self.near - self.x)[self.chosen], (self.far - self.x)[self.chosen]
            change, bend = near - far, near + far
            one, other = (np.einsum("ij,ij->i", way, way + 2 * f) for way in (near, far))
            norms = [np.array([enorm(row) for row in rows]) for rows in (change, bend)]
            measures = np.column_stack([*norms, one + other, one - other])
            triangle = None
            if self.chosen.size == self.x.size:
                ratio = to_far / to_near  # the derivative at x of the parabola through the three
                columns = (near * ratio[:, np.newaxis] - far / ratio[:, np.newaxis]) / (to_far - to_near)[:, np.newaxis]
                triangle = augmented_triangle(columns, f)
            is_finite = np.isfinite(f).all() and (triangle is None or np.isfinite(triangle).all())
        not_finite = None if is_finite else _find_not_finite(near if triangle is None else columns, f)
        return Round(rows=f.size, measures=measures, triangle=triangle, not_finite=not_finite)


def size_error(index: int, size: int, before: int, x: Array) -> ShapeError:
    """The error for a block whose number of residuals has changed."""
    return ShapeError(
        f"func gave {size} residuals for block {index} near x = {describe(x)}, and {before} before; their number must "
        "stay the same during a fit"
    )


def fold_triangle(other: Array, triangle: Array) -> Array:
    """The triangle of all blocks up to one, from that block's triangle and the triangle of the blocks before it."""
    return fold(np.ascontiguousarray(other.T), triangle)


def _find_not_finite(columns: npt.NDArray[Any], f: Array) -> NotFinite:
    """Why a block's triangle is not finite: the first residual, else the first derivative, else the largest one."""
    bad = np.flatnonzero(~np.isfinite(f))
    if bad.size:
        return NotFinite(bad.size, int(bad[0]), None, float(f[bad[0]]))
    return find_not_finite(columns.T)


def _as_double(f: npt.NDArray[Any]) -> Array:
    """Residuals in double precision, without a copy where they are."""
    if f.dtype is FLOAT64:
        return f
    with np.errstate(all="ignore"):
        return f.astype(np.float64)


def sample_of(value: Any) -> bytes:
    """Some entries of an array, or of each array in a tuple, a list or a dict; of anything else, nothing."""
    if isinstance(value, np.ndarray):
        array = value.view(np.ndarray)  # subclasses index in ways of their own
        return array.flat[(_WATCHED * array.size).astype(np.intp)].tobytes() if array.size else b""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return b"".join(sample_of(item) for item in value if isinstance(item, np.ndarray))
    return b""
