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
from .._minpack import enorm, fold
from .._model.arrays import (
    DOUBLE,
    FLOAT64,
    SINGLE,
    Array,
    Mask,
    NotFinite,
    as_real_view,
    describe,
    find_not_finite,
    precision_of,
    with_jacobian_shape,
)
from .._report.record import Record
from .._report.statistics import error_of_forward_differences

# docs/constants.md has the experiment that shows what each of these numbers does: very little.

# Rows of a block, evenly spread, from which its response to the steps of differences is judged: _SAMPLE rows of the
# first sampled block, half as many of the second, a third of the third and so on, but at least _LEAST_SAMPLE.
_SAMPLE: Final = 1000
_LEAST_SAMPLE: Final = 20
# Where no residual changes by more than this times the largest one, rounding alone may have changed it.
_ROUNDING: Final = 16 * DOUBLE
# Parameters that are smaller than this may stand for zero, and a step relative to them may be too short.
NEAR_ZERO: Final = 1e-7
# A change is a power of two, and so perhaps a spacing of single precision numbers, where its mantissa is no farther
# from one than this: differences of double precision numbers round by less.
_MANTISSA_TOLERANCE: Final = 1e-6
# Double precision does not explain a power of two that is at least this times the residual.
_LEAST_SPACING: Final = 0.25 * SINGLE
# Entries of an array that are looked at, to see whether someone changes it. The golden ratio spreads them evenly, and
# over all columns of a table. With fewer, a change of some entries alone is noticed less often.
_WATCHED: Final = np.arange(256) * (math.sqrt(1.25) - 0.5) % 1


class Norm(Record):
    """The norm of a block's residuals."""

    rows: int
    norm: float  # NaN or Inf where a residual is


class StepResponse(Record):
    """How residuals respond to the step of a difference in each parameter, by counts over some rows.

    Residuals that are computed in single precision do not change with steps that are meant for double precision, except
    for those next to a rounding boundary, which change by the spacing of single precision numbers: a power of two.
    """

    unchanged: npt.NDArray[np.int64]  # rows that do not change
    by_power_of_two: npt.NDArray[np.int64]  # rows that change by a power of two
    otherwise: npt.NDArray[np.int64]  # all other rows
    beyond_rounding: Mask  # whether double precision does not explain one of these powers of two

    def __or__(self, other: "StepResponse") -> "StepResponse":
        """The counts over two blocks together."""
        return StepResponse(
            unchanged=self.unchanged + other.unchanged,
            by_power_of_two=self.by_power_of_two + other.by_power_of_two,
            otherwise=self.otherwise + other.otherwise,
            beyond_rounding=self.beyond_rounding | other.beyond_rounding,
        )

    def too_short(self) -> Mask:
        """For which parameters no residual responds, or the response looks rounded to single precision."""
        is_lost = self.by_power_of_two == 0
        is_coarse = self.beyond_rounding & (self.unchanged > self.by_power_of_two)
        too_short: Mask = (self.otherwise == 0) & (is_lost | is_coarse)
        return too_short


class Triangle(Record):
    """The triangle of a block's Jacobian and residuals."""

    rows: int
    triangle: Array  # R of order n + 1, where [J f] = Q R
    not_finite: NotFinite | None
    response: StepResponse | None  # where the block is sampled, and differences were taken
    jacobian_error: float  # relative


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


class NormPass(_Task):
    """The norm of a block's residuals."""

    def compute(self, index: int, block: Any) -> Norm:
        f = _as_double(self.residuals(index, block, self.x.copy()))
        return Norm(rows=f.size, norm=enorm(f))


class TrianglePass(_Task):
    """The triangle of a block's Jacobian and residuals."""

    jac: Callable[..., Any] | None
    epsfcn: float | None  # relative error of the residuals; None: that of their dtype
    typical: Array  # sizes of the parameters, which steps of differences are relative to
    sampled_every: int  # the response to steps is judged from every so many-th block; 0: from none
    is_first: bool  # whether this is the first pass

    def compute(self, index: int, block: Any) -> Triangle:
        before = sample_of(block) if self.is_first else b""
        given = self.residuals(index, block, self.x.copy())
        precision = precision_of(given) if self.epsfcn is None else max(self.epsfcn, DOUBLE)
        steps: Array | None = None
        with np.errstate(all="ignore"):
            f = np.array(given, dtype=np.float64)  # a copy, because func may use its array again
            if self.jac is None:
                steps = np.maximum(np.sqrt(precision) * self.typical, np.finfo(np.float64).tiny)
        if steps is None:
            columns = self._given_jacobian(index, block, f.size).T
        else:
            columns = self._differences(index, block, f, steps)
        with np.errstate(all="ignore"):
            triangle = augmented_triangle(columns, f)
            response = None
            if steps is not None:
                triangle[:, :-1] /= steps
                if self.sampled_every and index % self.sampled_every == 0:
                    sample = max(_LEAST_SAMPLE, _SAMPLE // (index // self.sampled_every + 1))
                    response = self._response(columns, f, precision, sample)
            not_finite = None if np.isfinite(triangle).all() else _find_not_finite(columns, f)
        if self.is_first and sample_of(block) != before:
            self._require_same_residuals(index, block, f)
        error = 0.0 if steps is None else error_of_forward_differences(precision)
        return Triangle(rows=f.size, triangle=triangle, not_finite=not_finite, response=response, jacobian_error=error)

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

    def _differences(self, index: int, block: Any, f: Array, steps: Array) -> Array:
        """F(x + h e_j) - F(x) in row j, for each parameter j."""
        columns = np.empty((self.x.size, f.size))
        for j, step in enumerate(steps):
            point = self.x.copy()
            point[j] = float(self.x[j]) + float(step)
            there = self.residuals(index, block, point)
            if there.size != f.size:
                raise size_error(index, there.size, f.size, self.x)
            with np.errstate(all="ignore"):
                np.subtract(there, f, out=columns[j])
        return columns

    def _response(self, columns: Array, f: Array, precision: float, sample: int) -> StepResponse:
        """The response of some rows; where the precision of the residuals is known, every response is right."""
        n, m = columns.shape
        if precision > DOUBLE:
            none = np.zeros(n, int)
            return StepResponse(
                unchanged=none, by_power_of_two=none, otherwise=np.full(n, m), beyond_rounding=np.zeros(n, bool)
            )
        every = slice(None, None, max(1, m // sample))
        change, f = np.abs(columns[:, every]), np.abs(f[every])
        change[(change.max(axis=1, initial=0) <= _ROUNDING * f.max(initial=0)) & (np.abs(self.x) < NEAR_ZERO)] = 0
        unchanged = change == 0
        mantissa, _ = np.frexp(change)
        is_power = ~unchanged & (np.minimum(mantissa - 0.5, 1 - mantissa) <= _MANTISSA_TOLERANCE)
        otherwise = (~unchanged & ~is_power).sum(axis=1)
        for j in np.flatnonzero(unchanged.all(axis=1)):  # perhaps rows outside of the sample change
            otherwise[j] = np.abs(self.x[j]) >= NEAR_ZERO and columns[j].any()
        beyond_rounding = (is_power & (change >= _LEAST_SPACING * f)).any(axis=1)
        return StepResponse(
            unchanged=unchanged.sum(axis=1),
            by_power_of_two=is_power.sum(axis=1),
            otherwise=otherwise,
            beyond_rounding=beyond_rounding,
        )


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
