"""A model of one data set, called for many at once by broadcasting; whether that gives the same is found out first."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, ShapeError
from .._model.arrays import FLOAT64, Array, shown

Rows: TypeAlias = Sequence[Array]

# Values by broadcasting and one by one may differ by rounding, which the terms of a model amplify: by this, relative to
# the largest. A model that mixes data sets is off by far more.
_AGREEMENT: Final = 1e-6
_ADVICE: Final = (
    "write it with NumPy's functions, which take arrays: np.where in the place of if, np.exp in that of math.exp, sums "
    "over the points along axis 0; or let fits be made one at a time, with broadcast='try'"
)


class CannotBroadcastError(InputTypeError):
    """The model cannot be called for many data sets at once."""


class ManyModel:
    """The model ``f(x, a, b, ...)`` and its derivatives, called for w fits with parameters of shape (w,).

    The points come first: x has the shape (m, 1), or (m, w) where each fit has its own, with the variables before them.
    Where data are complex, each point has two rows of values, the real part and the imaginary one.
    """

    def __init__(self, f: Callable[..., Any], jac: Callable[..., Any] | None, is_complex: bool) -> None:
        self.f, self.jac, self.is_complex = f, jac, is_complex
        self._is_spread = False  # whether the model gets x for each fit, where a column would do
        self._layout: Callable[[npt.NDArray[Any], int, int, int], npt.NDArray[Any]] | None = None

    def values(self, x: Array, rows: Rows, m: int) -> Array:
        """The model for m residuals, of shape (m, w)."""
        if self.is_complex:
            return _in_parts(self._complex_values(x, rows, m // 2))
        return _as_values(self.f(self._spread(x, rows), *rows), m, len(rows[0]))

    def _complex_values(self, x: Array, rows: Rows, m: int) -> npt.NDArray[Any]:
        value = np.asarray(self.f(self._spread(x, rows), *rows))
        if value.dtype.kind not in "fiubc":
            raise InputTypeError(f"f gave {shown(value)}, of dtype {value.dtype}; it must give numbers")
        return np.broadcast_to(value, (m, len(rows[0])))

    def derivatives(self, x: Array, rows: Rows, m: int) -> tuple[Array, int, int, int]:
        """Its derivatives in one dimension; and how far those for two points, two parameters and two fits are apart."""
        assert self.jac is not None
        assert self._layout is not None
        n, w = len(rows), len(rows[0])
        value = np.asarray(self.jac(self._spread(x, rows, always=True), *rows))
        if self.is_complex:
            value = _in_parts(self._layout(value, n, m // 2, w))
            found = value
        else:
            value = np.ascontiguousarray(value, dtype=np.float64)
            found = self._layout(value, n, m, w)
        by_column, by_point, by_fit = (step // 8 for step in found.strides)
        return value.reshape(-1), by_point, by_column, by_fit

    def _spread(self, x: Array, rows: Rows, always: bool = False) -> Array:
        """What the model gets as x, which it must not change."""
        w = len(rows[0])
        if (self._is_spread or always) and x.shape[-1] != w:
            return np.broadcast_to(x, (*x.shape[:-1], w))
        if x.flags.writeable:
            x = x.view()
            x.flags.writeable = False
        return x

    # ------------------------------------------------------------------------------------ at first

    def settle(self, x: Array, points: Array, ours: Callable[[int], Any]) -> bool:
        """Find out how the model is to be called, given parameters (w, n); whether it computes in double precision.

        ``ours(i)`` is x as `curve_fit` gives it to the model for the i-th of these fits.
        """
        # Copies: a function may use the memory of its result again.
        single = [np.array(self.f(ours(i), *p)) for i, p in enumerate(points)]
        m = x.shape[-2]
        rows = list(np.ascontiguousarray(points.T))
        failure = "its values are not those of one call for each"
        for self._is_spread in (False, True):
            try:
                value = (self._complex_values if self.is_complex else self.values)(x, [row.copy() for row in rows], m)
            except (TypeError, ValueError, IndexError) as error:
                failure = f"{type(error).__name__}: {error}"
                continue
            if all(_agree(value[:, i], np.broadcast_to(one, (m,))) for i, one in enumerate(map(_flat, single))):
                break
        else:
            raise CannotBroadcastError(f"f cannot be called for many fits at once ({failure}); {_ADVICE}")
        if self.jac is not None:
            self._settle_layout(x, points, ours)
        return single[0].dtype not in (np.float16, np.float32, np.complex64)

    def _settle_layout(self, x: Array, points: Array, ours: Callable[[int], Any]) -> None:
        w, n = points.shape
        m = x.shape[-2]
        assert self.jac is not None
        single = [np.array(self.jac(ours(i), *p)) for i, p in enumerate(points)]
        if single[0].shape != (m, n):
            raise ShapeError(f"jac gave an array of shape {single[0].shape} for one fit; it must have {(m, n)}")
        rows = list(np.ascontiguousarray(points.T))
        try:
            value = np.asarray(self.jac(self._spread(x, rows, always=True), *[row.copy() for row in rows]))
        except (TypeError, ValueError, IndexError) as error:
            failure = f"{type(error).__name__}: {error}"
            raise CannotBroadcastError(f"jac cannot be called for many fits at once ({failure}); {_ADVICE}") from error
        for layout in _LAYOUTS:
            if value.size == n * m * w:
                found = layout(value, n, m, w)
                if found.shape == (n, m, w) and all(_agree(found[:, :, i].T, single[i]) for i in range(w)):
                    self._layout = layout
                    return
        raise CannotBroadcastError(
            f"jac cannot be called for many fits at once: of {w} fits, {m} points and {n} parameters it gave an array "
            f"of shape {value.shape}, which has not the derivatives of each; stack them along a new axis, as np.stack "
            f"does; {_ADVICE}"
        )


# How the derivatives of many fits may lie, given how one function lays out those of one: stacked along the last axis or
# the second, transposed, or side by side as np.column_stack has them.
_LAYOUTS: Final[tuple[Callable[[npt.NDArray[Any], int, int, int], npt.NDArray[Any]], ...]] = (
    lambda value, n, m, w: np.moveaxis(value, -1, 0),
    lambda value, n, m, w: np.swapaxes(value, 0, 1) if value.ndim == 3 else value.reshape(m, n, w).swapaxes(0, 1),
    lambda value, n, m, w: np.transpose(value, (2, 1, 0)) if value.ndim == 3 else value,
)


def _flat(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values of one fit in one dimension; a single one stands for all."""
    return value.ravel() if value.ndim else value


def _as_values(value: Any, m: int, w: int) -> Array:
    """What a model gave, as floats of shape (m, w)."""
    if type(value) is np.ndarray and value.dtype is FLOAT64 and value.shape == (m, w) and value.flags.c_contiguous:
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise InputTypeError(f"f gave {shown(value)}, of dtype {array.dtype}; it must give real numbers")
    if array.shape != (m, w):
        array = np.broadcast_to(array, (m, w))
    return np.ascontiguousarray(array, dtype=np.float64)


def _in_parts(values: npt.NDArray[Any]) -> Array:
    """Complex values of shape (..., m, w) as real ones (..., 2 m, w), as curve_fit has them."""
    *before, m, w = values.shape
    return np.stack([values.real, values.imag], axis=-2).reshape(*before, 2 * m, w).astype(np.float64, copy=False)


def _agree(many: npt.NDArray[Any], one: npt.NDArray[Any]) -> bool:
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(one), initial=0.0, where=np.isfinite(one))
        return bool(np.allclose(many, one, rtol=_AGREEMENT, atol=_AGREEMENT * largest, equal_nan=True))
