"""What compiled functions and their data may be: taken where machine code reads what was meant, or refused by name."""

import ctypes
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from c_library import DATA, c_function, c_jacobian, c_residuals, needs_compiler
from models import START, jacobian, residuals
from pyminpack import (
    InputTypeError,
    InputValueError,
    compiled_jacobian,
    compiled_residuals,
    least_squares,
    leastsq,
)

pytestmark = needs_compiler

DOUBLE_P = ctypes.POINTER(ctypes.c_double)
INT_P = ctypes.POINTER(ctypes.c_int)
needs_cffi = pytest.mark.skipif(importlib.util.find_spec("cffi") is None, reason="cffi is not installed")
needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")


def made_with(data: Any) -> list[Any]:
    return [c_residuals(data), c_jacobian(data=data)]


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


# ------------------------------------------------------------------------------------------------ data

STRUCTURED = np.zeros(20, [("t", "f8"), ("y", "f8")])
TAKEN = {
    "read-only": lambda: read_only(DATA.copy()),
    "rows": lambda: DATA.reshape(2, 20),
    "one row of another array": lambda: np.stack([DATA, DATA])[1],
    "its bytes": lambda: DATA.view(np.uint8),
    "bytes": DATA.tobytes,
    "bytearray": lambda: bytearray(DATA.tobytes()),
    "structured": lambda: DATA.view([("t", "f8", 20), ("y", "f8", 20)]),
    "void": lambda: DATA.view("V320"),
    "matrix of one row": lambda: np.asfortranarray(DATA[None, :]),
    "masked array without masked values": lambda: np.ma.array(DATA),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_data_that_are_read_as_they_are(kind: str) -> None:
    data: Any = TAKEN[kind]()
    fun, jac = made_with(data)
    np.testing.assert_allclose(fun(START), residuals(START), rtol=1e-15)
    np.testing.assert_allclose(jac(START), jacobian(START), rtol=1e-15)


def test_an_array_without_dimensions_is_one_number() -> None:
    seen: list[float] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p)

    def fill(m: int, n: int, x: Any, fvec: Any, data: Any) -> int:
        seen.append(ctypes.c_double.from_address(data).value)
        fvec[0] = 0.0
        return 0

    compiled_residuals(kind(fill), 1, data=np.array(2.5))([1.0])
    assert seen == [2.5]


def unaligned() -> np.ndarray:
    return np.zeros(40 * 8 + 1, np.uint8)[1:].view(float)


OF_ANOTHER_TYPE: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "float32": (lambda: DATA.astype("f4"), ["float32", "data.astype(float)", "data.view(numpy.uint8)"]),
    "int64": (lambda: DATA.astype(int), ["int64", "data.astype(float)"]),
    "int8": (lambda: DATA.astype("i1"), ["int8", "data.astype(float)"]),
    "complex": (lambda: DATA + 0j, ["complex128", "data.astype(float)"]),
    "bool": (lambda: DATA > 1, ["bool", "data.astype(float)"]),
    "long double": (lambda: DATA.astype("g"), ["data.astype(float)"]),
    "other byte order": (lambda: DATA.astype(">f8"), [">f8", "data.astype(float)"]),
    "object": (lambda: DATA.astype(object), ["objects of Python's", "data.astype(float)"]),
    "structured with objects": (lambda: np.zeros(3, [("a", "f8"), ("b", "O")]), ["objects of Python's"]),
    "text": (lambda: DATA.astype("S8"), ["|S8", "data.astype(float)"]),
    "list": (DATA.tolist, ["data is a list", "numpy.array(data, dtype=float)"]),
    "tuple": (lambda: tuple(DATA), ["data is a tuple"]),
    "number": (lambda: np.float64(1), ["data is a float64"]),
    "flag": (lambda: True, ["data is a bool"]),
    "view of memory": (lambda: DATA.data, ["data is a memoryview"]),
    "no bytes": (lambda: b"", ["data is a bytes", "not empty"]),
    "ctypes number": (lambda: ctypes.c_double(1), ["c_double is no pointer"]),
}
NOT_AS_THEY_LIE: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "Fortran's order": (lambda: np.asfortranarray(DATA.reshape(2, 20)), ["Fortran's order", "or data.T if"]),
    "every second one": (lambda: np.repeat(DATA, 2)[::2], ["not contiguous", "numpy.ascontiguousarray(data)"]),
    "backwards": (lambda: DATA[::-1], ["not contiguous"]),
    "one number, repeated": (lambda: np.broadcast_to(1.0, (40,)), ["not contiguous"]),
    "empty": (lambda: np.empty(0), ["empty"]),
    "empty fields": (lambda: np.empty(3, "V0"), ["empty"]),
    "masked": (lambda: np.ma.masked_greater(DATA, 2), ["masked", "data.compressed()"]),
    "unaligned": (unaligned, ["not aligned", "data.copy()"]),
    "negative address": (lambda: -8, ["data is -8", "no address"]),
    "address beyond all memory": (lambda: 2**64, ["data is 18446744073709551616", "no address"]),
}


@pytest.mark.parametrize(
    ("error", "make", "words"),
    [
        pytest.param(error, *case, id=kind)
        for error, cases in ((InputTypeError, OF_ANOTHER_TYPE), (InputValueError, NOT_AS_THEY_LIE))
        for kind, case in cases.items()
    ],
)
def test_data_that_would_be_read_as_other_numbers(error: Any, make: Callable[[], Any], words: list[str]) -> None:
    """Regression: arrays of float32 or integers, and transposed ones, were read as float64, row by row."""
    for compiled in (c_residuals, lambda data: c_jacobian(data=data)):
        with pytest.raises(error) as refused:
            compiled(make())
        assert type(refused.value) is error
        for word in words:
            assert word in str(refused.value)


# ------------------------------------------------------------------------------------------- functions


def ctypes_function(result: Any, *args: Any) -> Any:
    return ctypes.CFUNCTYPE(result, *args)(ctypes.cast(c_function("residuals"), ctypes.c_void_p).value)


WRONG_TYPES = {
    "an argument less": lambda: ctypes_function(ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P),
    "an argument more": lambda: ctypes_function(
        ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p, ctypes.c_int
    ),
    "long sizes": lambda: ctypes_function(
        ctypes.c_int, ctypes.c_long, ctypes.c_long, DOUBLE_P, DOUBLE_P, ctypes.c_void_p
    ),
    "float32": lambda: ctypes_function(
        ctypes.c_int, ctypes.c_int, ctypes.c_int, *[ctypes.POINTER(ctypes.c_float)] * 2, ctypes.c_void_p
    ),
    "a double comes back": lambda: ctypes_function(
        ctypes.c_double, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p
    ),
    "nothing comes back": lambda: ctypes_function(
        None, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p
    ),
}


def refused_as_both(function: Any, error: Any, words: str, **options: Any) -> None:
    with pytest.raises(error, match=words):
        compiled_residuals(function, 20, **options)
    with pytest.raises(error, match=words):
        compiled_jacobian(function, 20, 2)


@pytest.mark.parametrize("kind", WRONG_TYPES)
def test_functions_that_declare_another_type(kind: str) -> None:
    for options in ({}, {"signature": "residuals"}):
        refused_as_both(WRONG_TYPES[kind](), InputTypeError, "is of type .*, and must be int", **options)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: (ctypes.c_double * 40)(*DATA), "c_double_Array_40 is data, not a function"),
        (lambda: DATA.ctypes.data_as(DOUBLE_P), "LP_c_double is data, not a function"),
        (lambda: ctypes.c_int(1), "is data, not a function|no pointer"),
        (lambda: ctypes.c_char_p(b"text"), "c_char_p is data, not a function"),
        (lambda: DATA, "a ndarray is no compiled function"),
        (lambda: b"text", "a bytes is no compiled function"),
        (c_residuals, "a CompiledResiduals is no compiled function"),
        (lambda: c_residuals()._code, "a machine_code is no compiled function"),
    ],
)
def test_data_in_the_place_of_a_function(function: Any, words: str) -> None:
    """Regression: the core jumped into the array."""
    refused_as_both(function(), InputTypeError, words, signature="residuals")


@pytest.mark.parametrize("address", [-1, 2**64, pytest.param(10**400, id="huge")])
def test_addresses_that_are_none(address: int) -> None:
    """Regression: struct.error."""
    refused_as_both(address, InputValueError, "function is -?[0-9]+, which is no address", signature="residuals")


def test_a_void_pointer_of_ctypes_is_an_address() -> None:
    pointer = ctypes.cast(c_function("residuals"), ctypes.c_void_p)
    np.testing.assert_array_equal(
        compiled_residuals(pointer, 20, data=DATA, signature="residuals")(START), c_residuals()(START)
    )
    with pytest.raises(InputTypeError, match="does not declare its type"):
        compiled_residuals(pointer, 20)


def test_residuals_and_jacobian_in_each_others_places() -> None:
    """Regression: the entries of the Jacobian were fitted; residuals passed for a Jacobian of one parameter."""
    fun, jac = c_residuals(), c_jacobian()
    for fit, name in ((leastsq, "Dfun"), (least_squares, "jac")):
        for given in ({}, {name: jac}, {name: jacobian}):
            with pytest.raises(InputTypeError, match="is given for the residuals, which compiled_residuals makes"):
                fit(jac, START, **given)
        for func in (fun, residuals):
            with pytest.raises(InputTypeError, match="are given for the Jacobian, which compiled_jacobian makes"):
                fit(func, START[:1], **{name: fun})


@needs_cffi
def test_pointers_of_cffi() -> None:
    import cffi

    ffi = cffi.FFI()
    address = ctypes.cast(c_function("residuals"), ctypes.c_void_p).value
    right = "int(*)(int, int, const double *, double *, void *)"
    for kind, options in ((right, {}), ("void *", {"signature": "residuals"})):
        fun = compiled_residuals(ffi.cast(kind, address), 20, data=ffi.from_buffer(DATA), **options)
        np.testing.assert_array_equal(fun(START), c_residuals()(START))
    for kind in ("double *", "int(**)(int)"):
        refused_as_both(ffi.cast(kind, address), InputTypeError, "is data, not a function", signature="residuals")
    refused_as_both(ffi.new("double[3]"), InputTypeError, "is data, not a function", signature="residuals")
    refused_as_both(ffi.cast("long", address), InputTypeError, "is no pointer", signature="residuals")
    for kind in (
        "int(*)(int, int, double *, double *)",
        "int(*)(int, int, float *, float *, void *)",
        "int(*)(long, long, double *, double *, void *)",
        "double(*)(int, int, double *, double *, void *)",
        "int(*)(int, int, double *, double *, void *, ...)",
    ):
        refused_as_both(ffi.cast(kind, address), InputTypeError, "is of type", signature="residuals")


@needs_numba
@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("int32(int32, int32, CPointer(float64), CPointer(float64))", lambda m, n, x, f: 0),
        ("int32(int32, int32, CPointer(float32), CPointer(float32), voidptr)", lambda m, n, x, f, d: 0),
        ("int64(int64, int64, CPointer(float64), CPointer(float64), voidptr)", lambda m, n, x, f, d: 0),
        ("void(int32, int32, CPointer(float64), CPointer(float64), voidptr)", lambda m, n, x, f, d: None),
        ("float64(float64[:])", lambda x: x[0]),
    ],
)
def test_numba_functions_of_another_type(kind: str, function: Any) -> None:
    import numba

    refused_as_both(numba.cfunc(kind)(function), InputTypeError, "is of type")


@pytest.mark.parametrize("name", [b"", b"numpy.core._ATTR", b"int (int, int)", b"\xff\xfe", b"int residuals"])
def test_capsules_of_another_type(name: bytes) -> None:
    """A name that is no text ended in a UnicodeDecodeError."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    capsule = new(ctypes.cast(c_function("residuals"), ctypes.c_void_p).value, name, None)
    refused_as_both(capsule, InputTypeError, "is of type")


# ----------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("size", [0, -1, 2**31, np.int64(2**40), pytest.param(10**400, id="huge")])
@pytest.mark.parametrize("name", ["m", "n"])
def test_sizes_that_no_c_int_holds(name: str, size: Any) -> None:
    """Regression: struct.error, or an OverflowError."""
    words = f"{name} is .*; it must be at least 1 and, as a C int, at most 2147483647"
    with pytest.raises(InputValueError, match=words):
        compiled_jacobian(c_function("jacobian_rows"), **{"m": 20, "n": 2, name: size})
    if name == "m":
        with pytest.raises(InputValueError, match=words):
            compiled_residuals(c_function("residuals"), size, signature="residuals")
