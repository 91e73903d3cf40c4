"""Parameters, residuals and Jacobians of any kind as float64 arrays, or an error that says what is wrong with them."""

from math import isfinite
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, ShapeError
from .._minpack import enorm

Array: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int32]
Mask: TypeAlias = npt.NDArray[np.bool_]

FLOAT64: Final = np.dtype(np.float64)
DOUBLE: Final = float(np.finfo(np.float64).eps)
SINGLE: Final = float(np.finfo(np.float32).eps)
_MOST_NAMES: Final = 12  # parameters that a message names one by one; only the message changes with it
_LONGEST: Final = 120  # characters of a value that a message shows; likewise


def describe(x: npt.ArrayLike) -> str:
    """Parameters as text for a message."""
    return np.array2string(np.asarray(x), threshold=12, edgeitems=4, separator=", ")


def shown(value: Any) -> str:
    """A value of any kind as one line of text for a message, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # repr is the object's own, and may fail; what the message says is more important
        text = f"of type {type(value).__name__}"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def named(parameters: list[int] | tuple[int, ...]) -> str:
    """The numbers of some parameters as text for a message: ``x[0], x[3]``."""
    names = ", ".join(f"x[{j}]" for j in parameters[:_MOST_NAMES])
    return names + (f" and {len(parameters) - _MOST_NAMES} more" if len(parameters) > _MOST_NAMES else "")


# ------------------------------------------------------------------------------------ arguments


def as_array(value: Any, has: str, is_a: str, advice: str) -> npt.NDArray[Any]:
    """A value as an array of any dtype, without a copy where it is one.

    Parameters
    ----------
    value : object
        What the user, or a function of the user's, gave.
    has, is_a : str
        Beginnings of messages: ``"x0 has"`` and ``"x0 is"``, or ``"func gave"`` for both.
    advice : str
        What to do about masked values.

    Raises
    ------
    InputValueError
        Values are masked.
    ShapeError
        The value is a list of lists of different lengths.
    """
    # Only masked arrays have a mask. To ask numpy.ma about any other would import it, which takes longer than a fit.
    if isinstance(value, np.ndarray) and hasattr(value, "mask") and np.ma.is_masked(value):
        count = np.count_nonzero(np.ma.getmaskarray(value))
        raise InputValueError(f"{has} {count} masked value{'s' if count > 1 else ''}; {advice}")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{is_a} a {type(value).__name__} that cannot become an array: {error}") from error


def as_parameters(x0: Any, name: str = "x0") -> Array:
    """Parameters as a new array of floats, in one dimension."""
    array = as_array(x0, f"{name} has", f"{name} is", "every parameter needs a value to start from")
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
    """Numbers such as Fraction or Decimal as floats; neither text nor None."""
    numbers_as_floats = np.empty(array.size)
    for i, item in enumerate(array.flat):
        if item is None or isinstance(item, (str, bytes)):
            raise InputTypeError(f"{name} must hold real numbers, not None or text: {name}[{i}] is {item!r}")
        try:
            numbers_as_floats[i] = float(item)
        except OverflowError as error:
            raise InputValueError(f"{name}[{i}] is larger than any float") from error
        except Exception as error:  # the conversion is the object's own
            raise InputTypeError(f"{name} must hold real numbers: {name}[{i}] is a {type(item).__name__}") from error
    return numbers_as_floats


def is_finite(values: npt.NDArray[Any]) -> bool:
    """Whether there is neither NaN nor Inf among numbers."""
    # By their norm, which takes a tenth of the time where they are few; it may overflow where they are finite.
    if values.dtype is FLOAT64 and values.ndim == 1 and isfinite(enorm(values)):
        return True
    return bool(np.isfinite(values).all())


def require_finite(values: Array, name: str, purpose: str) -> None:
    """Raise where parameters hold NaN or Inf."""
    if not is_finite(values):
        bad = np.flatnonzero(~np.isfinite(values))
        raise InputValueError(
            f"{name}[{bad[0]}] is {values[bad[0]]}; every parameter needs a finite value {purpose} "
            f"({name} = {describe(values)})"
        )


def require_finite_start(start: Array) -> None:
    """Raise where the start holds NaN or Inf."""
    require_finite(start, "x0", "to start from")


# ----------------------------------------------------------------- what the user's functions give


def as_residuals(result: Any, m: int | None, x: Array, calls: int) -> Array:
    """Residuals as a new contiguous array of m values, or of any number of values where m is None."""
    array = _as_real_array(result, "func", "residuals")
    if m is not None and array.size != m:
        raise size_error("func", array.size, m, calls, x)
    return array


def size_error(source: str, size: int, m: int, calls: int, x: npt.ArrayLike) -> ShapeError:
    """The error for a number of residuals, on call number `calls`, that differs from that of the first call."""
    return ShapeError(
        f"{source} gave {size} residuals on call {calls}, at x = {describe(x)}, and {m} on the first; their number "
        "must stay the same"
    )


def as_jacobian(result: Any, m: int, n: int, col_deriv: int, x: Array) -> Array:
    """A Jacobian as a new contiguous array of shape (m, n), or (n, m) with col_deriv."""
    array = _as_real_array(result, "Dfun", "a Jacobian")
    return with_jacobian_shape(
        array, m, n, x, "Dfun", cure=f"pass col_deriv={not col_deriv}", col_deriv=bool(col_deriv)
    )


def with_jacobian_shape(
    array: npt.NDArray[Any],
    m: int,
    n: int,
    x: npt.ArrayLike,
    source: str,
    *,
    cure: str = "give jacobian.T, which copies nothing",
    col_deriv: bool = False,
) -> npt.NDArray[Any]:
    """A view of a Jacobian with shape (m, n), or (n, m) with col_deriv.

    A single row or column may come without its second dimension; an empty Jacobian may have any shape.

    Raises
    ------
    ShapeError
        The shape is another. The message names `source` and both shapes, and where the Jacobian is transposed says so
        and offers the `cure`.
    """
    shape = (n, m) if col_deriv else (m, n)
    if array.shape == shape:
        return array
    if array.size == m * n and (m == 0 or (array.ndim < 2 and 1 in shape)):
        return array.reshape(shape)
    direction = "down the columns" if col_deriv else "across the rows"
    hint = f"; it is transposed: {cure}" if array.shape == shape[::-1] else ""
    raise ShapeError(
        f"{source} gave a Jacobian of shape {array.shape} at x = {describe(x)}, where {m} residuals and {n} "
        f"parameters need {shape}, derivatives {direction}{hint}"
    )


def _as_real_array(result: Any, source: str, what: str) -> Array:
    """What a callback gave, as a new array."""
    with np.errstate(over="ignore"):
        return np.array(as_real_view(result, source, what), dtype=np.float64, order="C")


def as_real_view(result: Any, source: str, what: str) -> npt.NDArray[Any]:
    """What a callback gave, as an array of real numbers of any precision; without a copy where it is one."""
    if result is None:
        raise InputTypeError(f"{source} gave None where {what} should be; has it lost its return statement?")
    advice = "leave those points out, or fill them with what they should count as"
    array = as_array(result, f"{source} gave", f"{source} gave", advice)
    _require_real(array.dtype, type(result).__name__, source)
    return array


def _require_real(dtype: np.dtype[Any], kind_of_result: str, source: str) -> None:
    """Raise for any dtype but floating point and int64, in which a difference has not wrapped round unnoticed."""
    if dtype.kind == "f" or (dtype.kind == "i" and dtype.itemsize == 8):
        return
    advice = {
        "c": "give the real and imaginary parts as residuals of their own: z.view(float)",
        "b": "give numbers: astype(float)",
        "i": "a difference of small integers wraps round unnoticed: compute with floats, astype(float) first",
        "u": "a difference of unsigned integers wraps round unnoticed: compute with floats, astype(float) first",
        "O": "give an array of floats (a sparse matrix: toarray(); a list of arrays: numpy.concatenate)",
    }.get(dtype.kind, "give an array of floats")
    wanted = "floats" if dtype.kind in "iu" else "real numbers"
    raise InputTypeError(f"{source} gave a {kind_of_result} of dtype {dtype}, not {wanted}; {advice}")


def precision_of(result: Any) -> float:
    """The relative spacing of the numbers that residuals came in, but at least that of float64."""
    dtype = np.asarray(result).dtype
    return max(DOUBLE, float(np.finfo(dtype).eps)) if dtype.kind == "f" else DOUBLE


# ------------------------------------------------------------------------- values that are not finite


def describe_not_finite(f: Array, where: str) -> str:
    """Why residuals cannot be used, as text for a message: how many are not finite, and the first of them."""
    bad = np.flatnonzero(~np.isfinite(f))
    if not bad.size:
        return f"the norm of the residuals at {where} overflows"
    what = f"{bad.size} of {f.size} residuals at {where} are not finite, the first is residual {bad[0]} ({f[bad[0]]})"
    is_data = bad.size < f.size and np.isnan(f[bad]).all()  # parameters seldom spoil some residuals alone
    return f"{what}, perhaps because of NaN in the data: leave such points out" if is_data else what


class NotFinite:
    """Values that are not finite; where all are finite, but a norm overflows, the largest one.

    Attributes
    ----------
    count : int
        How many they are; 0 where all are finite.
    row : int
        Residual of the first one, or of the largest one where all are finite.
    parameter : int or None
        Its parameter; None where it is a residual, not a derivative.
    value : float
        The value itself.
    """

    __slots__ = ("count", "parameter", "row", "value")

    def __init__(self, count: int, row: int, parameter: int | None, value: float) -> None:
        self.count, self.row, self.parameter, self.value = count, row, parameter, value

    def describe(self, parameter: int | None = None, block: int | None = None) -> str:
        """What is wrong with a Jacobian, as text for a message; parameter is the number among free and fixed ones."""
        what = "values that are too large, the largest"
        if self.count:
            what = f"{self.count} {'value that is' if self.count == 1 else 'values that are'} not finite, the first"
        number = self.parameter if parameter is None else parameter
        place = "" if block is None else f" of block {block}"
        return f"{what} for parameter x[{number}] in residual {self.row} ({self.value}){place}"


def find_not_finite(jacobian: npt.NDArray[Any]) -> NotFinite:
    """The first entry of a Jacobian, row by row, that is not finite, or the largest one."""
    bad = ~np.isfinite(jacobian)
    place = bad.argmax() if bad.any() else np.abs(jacobian).argmax()
    row, parameter = (int(index) for index in np.unravel_index(int(place), jacobian.shape))
    return NotFinite(int(np.count_nonzero(bad)), row, parameter, float(jacobian[row, parameter]))
