"""Parameters, residuals and Jacobians, of whatever kind they come, as float64 arrays or a clear refusal."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._exceptions import InputTypeError, InputValueError, ShapeError

Array: TypeAlias = npt.NDArray[np.float64]

FLOAT64 = np.dtype(np.float64)
DOUBLE = float(np.finfo(np.float64).eps)


def describe(x: npt.ArrayLike) -> str:
    """Parameters as they should stand in a message."""
    return np.array2string(np.asarray(x), threshold=12, edgeitems=4, separator=", ")


def as_parameters(x0: Any) -> Array:
    """The start as a new 1-D array, or a refusal that says what is wrong with it."""
    if np.ma.is_masked(x0):
        raise InputValueError("x0 has masked elements; every parameter needs a value to start from")
    array = np.asarray(x0)
    if array.dtype.kind == "O":
        array = _from_objects(array)
    if array.dtype.kind not in "fiub":
        hint = "; fit its real and imaginary parts as two parameters" if array.dtype.kind == "c" else ""
        raise InputTypeError(f"x0 must hold real numbers, not {array.dtype}{hint}")
    start = array.astype(np.float64).ravel()
    require_finite_start(start)
    return start


def _from_objects(array: npt.NDArray[Any]) -> Array:
    """Numbers such as Fraction or Decimal as floats; no text, no None."""
    if any(item is None or isinstance(item, (str, bytes)) for item in array.flat):
        raise InputTypeError("x0 must hold real numbers, not None or text")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"x0 must hold real numbers: {error}") from error


def require_finite_start(start: Array) -> None:
    """Refuse a start that holds NaN or Inf."""
    bad = np.flatnonzero(~np.isfinite(start))
    if bad.size:
        raise InputValueError(
            f"x0[{bad[0]}] is {start[bad[0]]}; every parameter needs a finite value to start from "
            f"(x0 = {describe(start)})"
        )


def as_residuals(result: Any, m: int | None, x: Array, calls: int) -> Array:
    """Residuals as a contiguous array of m values (any number of them where m is None)."""
    array = _as_real_array(result, "func", "residuals")
    if m is not None and array.size != m:
        raise ShapeError(
            f"func gave {array.size} residuals on call {calls}, at x = {describe(x)}, and {m} on the first; "
            "their number must stay the same during a fit"
        )
    return array


def as_jacobian(result: Any, m: int, n: int, col_deriv: int, x: Array) -> Array:
    """A Jacobian as an array of shape (m, n), or (n, m) with col_deriv."""
    array = _as_real_array(result, "Dfun", "a Jacobian")
    shape, other = ((n, m), (m, n)) if col_deriv else ((m, n), (n, m))
    if array.shape == shape:
        return array
    if array.ndim < 2 and array.size == m * n and 1 in shape:
        return array.reshape(shape)
    where = "derivatives down the columns" if col_deriv else "derivatives across the rows"
    hint = ""
    if array.shape == other:
        hint = f"; it is transposed: pass col_deriv={not col_deriv}"
    raise ShapeError(
        f"Dfun gave a Jacobian of shape {array.shape} at x = {describe(x)}, where {m} residuals and {n} "
        f"parameters with {where} (col_deriv={bool(col_deriv)}) need {shape}{hint}"
    )


def _as_real_array(result: Any, source: str, what: str) -> Array:
    if result is None:
        raise InputTypeError(f"{source} gave None where {what} should be; has it lost its return statement?")
    if np.ma.is_masked(result):
        count = np.count_nonzero(np.ma.getmaskarray(result))
        raise InputValueError(
            f"{source} gave {count} masked values; leave those points out, or fill them with what they should count as"
        )
    try:
        array = np.asarray(result)
    except ValueError as error:
        raise InputTypeError(f"{source} gave a {type(result).__name__} that is no array: {error}") from error
    _require_real(array.dtype, type(result).__name__, source)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float64).reshape(array.shape)


def _require_real(dtype: np.dtype[Any], kind_of_result: str, source: str) -> None:
    """Refuse what isn't floating point, but for plain int64, which can't have wrapped unnoticed."""
    if dtype.kind == "f" or (dtype.kind == "i" and dtype.itemsize == 8):
        return
    advice = {
        "c": "give the real and imaginary parts as residuals of their own: z.view(float)",
        "b": "give numbers: astype(float)",
        "i": "a difference of small integers wraps round unnoticed: compute with floats, astype(float) first",
        "u": "a difference of unsigned integers wraps round unnoticed: compute with floats, astype(float) first",
        "O": "give an array of floats (a sparse matrix: toarray(); a list of arrays: numpy.concatenate)",
    }.get(dtype.kind, "give an array of floats")
    raise InputTypeError(f"{source} gave a {kind_of_result} of dtype {dtype}, not real numbers; {advice}")


def precision_of(result: Any) -> float:
    """The relative spacing of the numbers that residuals came in, never finer than float64's."""
    dtype = np.asarray(result).dtype
    return max(DOUBLE, float(np.finfo(dtype).eps)) if dtype.kind == "f" else DOUBLE


def as_scale(diag: Any, n: int) -> Array:
    """Scale factors of n parameters as a float64 array."""
    scale = np.asarray(diag, dtype=np.float64)
    if scale.shape != (n,):
        raise ShapeError(f"diag has shape {scale.shape}; {n} parameters need one scale factor each, shape {(n,)}")
    bad = np.flatnonzero(~((scale > 0) & np.isfinite(scale)))
    if bad.size:
        raise InputValueError(f"diag[{bad[0]}] is {scale[bad[0]]}; scale factors must be positive and finite")
    return scale


def require_in_range(**options: float) -> None:
    """Refuse a negative tolerance or maxfev, or a factor that isn't positive."""
    for name, value in options.items():
        if name == "factor" and not 0 < value < np.inf:
            raise InputValueError(f"factor is {value}; the first step bound must be positive and finite")
        if name == "maxfev" and not value >= 0:
            raise InputValueError(f"maxfev is {value}; it must be positive, or 0 for the default")
        if not value >= 0:
            raise InputValueError(f"{name} is {value}; a tolerance must be 0 or more")
