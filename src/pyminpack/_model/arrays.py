"""Parameters, residuals and Jacobians, of whatever kind they come, as float64 arrays or a clear refusal."""

import numbers
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, OptionError, ShapeError

Array: TypeAlias = npt.NDArray[np.float64]

FLOAT64 = np.dtype(np.float64)
DOUBLE = float(np.finfo(np.float64).eps)
_MOST_CALLS = int(np.iinfo(np.intc).max)


def describe(x: npt.ArrayLike) -> str:
    """Parameters as they should stand in a message."""
    return np.array2string(np.asarray(x), threshold=12, edgeitems=4, separator=", ")


def as_parameters(x0: Any, name: str = "x0") -> Array:
    """The parameters as a new 1-D array of floats, or a refusal that says what is wrong with them."""
    if isinstance(x0, np.ma.MaskedArray) and np.ma.is_masked(x0):
        raise InputValueError(f"{name} has masked elements; every parameter needs a value to start from")
    try:
        array = np.asarray(x0)
    except ValueError as error:
        raise ShapeError(f"{name} is no array of parameters: {error}") from error
    if array.dtype is FLOAT64:
        return array.flatten()
    if array.dtype.kind == "O":
        array = _from_objects(array, name)
    if array.dtype.kind not in "fiub":
        hint = "; fit its real and imaginary parts as two parameters" if array.dtype.kind == "c" else ""
        raise InputTypeError(f"{name} must hold real numbers, not {array.dtype}{hint}")
    with np.errstate(over="ignore"):
        return array.astype(np.float64).ravel()


def _from_objects(array: npt.NDArray[Any], name: str) -> Array:
    """Numbers such as Fraction or Decimal as floats; no text, no None."""
    numbers_as_floats = np.empty(array.size)
    for i, item in enumerate(array.flat):
        if item is None or isinstance(item, (str, bytes)):
            raise InputTypeError(f"{name} must hold real numbers, not None or text: {name}[{i}] is {item!r}")
        try:
            numbers_as_floats[i] = float(item)
        except OverflowError as error:
            raise InputValueError(f"{name}[{i}] is larger than any float") from error
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"{name} must hold real numbers: {name}[{i}] is a {type(item).__name__}") from error
    return numbers_as_floats


def require_finite_start(start: Array) -> None:
    """Refuse a start that holds NaN or Inf."""
    if not np.isfinite(start).all():
        bad = np.flatnonzero(~np.isfinite(start))
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
    """What a callback gave, as an array of its own."""
    with np.errstate(over="ignore"):
        return np.array(as_real_view(result, source, what), dtype=np.float64, order="C")


def as_real_view(result: Any, source: str, what: str) -> npt.NDArray[Any]:
    """What a callback gave, as it is where that's an array of real numbers of any precision; or a refusal."""
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
        raise ShapeError(f"{source} gave a {type(result).__name__} that is no array: {error}") from error
    _require_real(array.dtype, type(result).__name__, source)
    return array


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
    if isinstance(diag, np.ma.MaskedArray) and np.ma.is_masked(diag):
        raise OptionError("diag has masked elements; every parameter needs a scale factor")
    try:
        scale = np.asarray(diag)
    except ValueError as error:
        raise ShapeError(f"diag is no array of scale factors: {error}") from error
    if scale.dtype.kind not in "fiu":
        raise OptionError(f"diag must hold real numbers, not {scale.dtype}")
    if scale.shape != (n,):
        raise ShapeError(f"diag has shape {scale.shape}; {n} parameters need one scale factor each, shape {(n,)}")
    scale = scale.astype(np.float64)
    bad = np.flatnonzero(~((scale > 0) & np.isfinite(scale)))
    if bad.size:
        raise OptionError(f"diag[{bad[0]}] is {scale[bad[0]]}; scale factors must be positive and finite")
    return scale


def as_count(maxfev: Any) -> int:
    """A limit on evaluations as a C int; more than that is no limit."""
    wanted = "it must be a whole number"
    limit = _as_real("maxfev", maxfev, wanted)
    if limit != limit or (abs(limit) != np.inf and limit != int(limit)):
        raise _out_of_range("maxfev", maxfev, wanted)
    return int(max(-1, min(limit, _MOST_CALLS)))


def as_options(
    ftol: Any, xtol: Any, gtol: Any, factor: Any, epsfcn: Any
) -> tuple[float, float, float, float, float | None]:
    """Tolerances, factor and epsfcn as floats within their ranges."""
    wanted = "the first step bound must be a positive and finite number"
    bound = _as_real("factor", factor, wanted)
    if not 0 < bound < np.inf:
        raise _out_of_range("factor", factor, wanted)
    precision = None
    if epsfcn is not None:
        wanted = "it must be the relative error of the residuals, or None"
        precision = _as_real("epsfcn", epsfcn, wanted)
        if not abs(precision) < np.inf:
            raise _out_of_range("epsfcn", epsfcn, wanted)
    return _as_tolerance("ftol", ftol), _as_tolerance("xtol", xtol), _as_tolerance("gtol", gtol), bound, precision


def as_number(name: str, value: Any, wanted: str, below: float = np.inf) -> float:
    """A number from 0 to less than a limit, as a float."""
    number = _as_real(name, value, wanted)
    if not 0 <= number < below:
        raise _out_of_range(name, value, wanted)
    return number


def _as_tolerance(name: str, value: Any) -> float:
    wanted = "a tolerance must be a number, 0 or more"
    tolerance = _as_real(name, value, wanted)
    if not tolerance >= 0:
        raise _out_of_range(name, value, wanted)
    return tolerance


def _as_real(name: str, value: Any, wanted: str) -> float:
    """One real number as a float: of any kind of number, or an array without dimensions."""
    is_scalar_array = isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "fiu"
    if is_scalar_array or isinstance(value, numbers.Real):
        return float(value)
    raise _out_of_range(name, value, wanted)


def _out_of_range(name: str, value: Any, wanted: str) -> OptionError:
    return OptionError(f"{name} is {value!r}; {wanted}")
