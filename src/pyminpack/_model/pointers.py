"""Addresses and C types of compiled functions, and addresses of their data, in whatever object they come.

numba, cffi and SciPy are never imported: where an object of theirs is given, they are imported already.
"""

import re
import sys
from typing import Any, Final, NamedTuple
from weakref import ref

import numpy as np

from .._errors import InputTypeError, InputValueError

_LAST_ADDRESS: Final = 2 ** (8 * np.dtype(np.uintp).itemsize) - 1


class Pointer(NamedTuple):
    """Address of a function, its C type where the object declares one, and the address of its data, or 0."""

    address: int
    ctype: str | None
    data: int = 0


def function_pointer(function: Any) -> Pointer:
    """Address and type of the compiled function in an object."""
    pointer = _find(function)
    if pointer.address == 0:
        raise InputValueError(f"the function is a null pointer: {function!r}")
    return pointer


def place_of_data(data: Any) -> tuple[int, Any]:
    """The address that a compiled function gets as its `data`, and what keeps the memory there."""
    if isinstance(data, int) and not isinstance(data, bool):
        return _as_address("data", data), None
    if isinstance(data, bytes | bytearray) and data:
        data = np.frombuffer(data, np.uint8)
    if isinstance(data, np.ndarray):
        _require_readable(data)
        # NumPy resizes no array that has a weak reference, so that the address stays right.
        return int(data.__array_interface__["data"][0]), (data, ref(data))
    if _is_capsule(data):
        return _read_capsule(data)[0], data
    if _is_cffi(data):
        return _cffi_address(data), data
    if _is_ctypes(data):
        return _ctypes_address(data), data
    raise InputTypeError(
        f"data is a {type(data).__name__}; it can be a contiguous array (of a list or a table: "
        "numpy.array(data, dtype=float)), bytes that are not empty, an integer address, a ctypes or cffi pointer, or a "
        "capsule"
    )


def _require_readable(data: np.ndarray[Any, Any]) -> None:
    """Raise where machine code would see other numbers in an array than those that it holds."""
    dtype = data.dtype
    if hasattr(data, "mask") and np.ma.is_masked(data):  # numpy.ma takes long to import
        raise InputValueError("data is a masked array, and a compiled function sees no mask; pass data.compressed()")
    if dtype.hasobject:
        raise InputTypeError(f"data is an array of {dtype}, which holds objects of Python's; pass data.astype(float)")
    if not (dtype == np.float64 or dtype == np.uint8 or dtype.kind == "V"):
        raise InputTypeError(
            f"data is an array of {dtype}, and the function is taken to read float64; pass data.astype(float), or, if "
            f"it reads {dtype}, data.view(numpy.uint8)"
        )
    if data.nbytes == 0:
        raise InputValueError("data is an empty array; leave it out where the function reads none")
    if not data.flags.c_contiguous:
        by_columns = ", or data.T if the function reads columns" if data.flags.f_contiguous else ""
        order = "in Fortran's order" if by_columns else "not contiguous"
        raise InputValueError(f"data is an array that is {order}: pass numpy.ascontiguousarray(data){by_columns}")
    if not data.flags.aligned:
        raise InputValueError("data is an array whose numbers are not aligned in memory; pass data.copy()")


def _as_address(name: str, number: int) -> int:
    if not 0 <= number <= _LAST_ADDRESS:
        raise InputValueError(f"{name} is {number}, which is no address")
    return number


def _find(function: Any) -> Pointer:
    if isinstance(function, int) and not isinstance(function, bool):
        return Pointer(_as_address("function", function), None)
    if _is_capsule(function):
        address, name, context = _read_capsule(function)
        return Pointer(address, name, context)
    if type(function).__name__ == "LowLevelCallable":
        inner, data = _find(function.function), function.user_data
        return Pointer(inner.address, function.signature, 0 if data is None else place_of_data(data)[0])
    if type(function).__module__.startswith("numba."):
        ctype = _numba_type(function)
        return Pointer(function.address, ctype)
    if _is_cffi(function):
        return Pointer(_cffi_address(function), _cffi_type(function))
    if _is_ctypes(function):
        return Pointer(_ctypes_address(function), _ctypes_type(function))
    raise InputTypeError(
        f"a {type(function).__name__} is no compiled function; give a numba cfunc, a ctypes or cffi function "
        "pointer, a capsule, a scipy.LowLevelCallable, or an integer address"
    )


def _is_capsule(thing: Any) -> bool:
    return type(thing).__name__ == "PyCapsule"


def _read_capsule(capsule: Any) -> tuple[int, str | None, int]:
    """The address that a capsule holds, its name or None, and the address of its context."""
    import ctypes

    def ask(what: str, kind: Any, *more: Any) -> Any:
        types: tuple[Any, ...] = (ctypes.py_object, *[ctypes.c_char_p] * len(more))
        return ctypes.PYFUNCTYPE(kind, *types)((f"PyCapsule_Get{what}", ctypes.pythonapi))(capsule, *more)

    name = ask("Name", ctypes.c_char_p)
    address, context = ask("Pointer", ctypes.c_void_p, name), ask("Context", ctypes.c_void_p)
    return address, None if name is None else name.decode(errors="replace"), context or 0


def _numba_type(function: Any) -> str:
    """The type of a numba cfunc, written as in C."""
    if not hasattr(function, "address") or not hasattr(function, "_sig"):
        raise InputTypeError(
            f"a numba {type(function).__name__} has no address; decorate the function with numba.cfunc instead of "
            "numba.njit"
        )
    signature = function._sig
    args = ", ".join(map(_c_name, signature.args))
    return f"{_c_name(signature.return_type)} ({args})"


def _c_name(numba_type: Any) -> str:
    """The name in C of a numba type."""
    name = re.sub(r"CPointer\((\w+)\)", r"\1*", str(numba_type))
    for numba_name, c_name in (("float64", "double"), ("int32", "int"), ("none", "void")):
        name = name.replace(numba_name, c_name)
    return name


def _is_cffi(thing: Any) -> bool:
    backend = sys.modules.get("_cffi_backend")
    return backend is not None and isinstance(thing, backend.FFI.CData)


def _cffi_address(thing: Any) -> int:
    ffi = sys.modules["_cffi_backend"].FFI()
    kind = ffi.typeof(thing).kind
    if kind not in ("pointer", "function", "array"):
        raise InputTypeError(f"a cffi {ffi.typeof(thing).cname} is no pointer")
    return int(ffi.cast("intptr_t", thing))


def _cffi_type(thing: Any) -> str | None:
    """The type of a cffi function; None of a ``void *``."""
    ctype = sys.modules["_cffi_backend"].FFI().typeof(thing)
    if ctype.kind == "function":
        args = [arg.cname for arg in ctype.args] + ["..."] * ctype.ellipsis
        return f"{ctype.result.cname} ({', '.join(args)})"
    if ctype.cname != "void *":
        raise InputTypeError(f"a cffi {ctype.cname} is data, not a function; give ffi.addressof(library, name)")
    return None


def _is_ctypes(thing: Any) -> bool:
    library = sys.modules.get("_ctypes")
    if library is None:
        return False
    kinds = (library.CFuncPtr, library._Pointer, library.Structure, library.Union, library.Array, library._SimpleCData)
    return isinstance(thing, kinds)


def _ctypes_address(thing: Any) -> int:
    import ctypes

    if isinstance(thing, (ctypes.Structure, ctypes.Union, ctypes.Array)):
        return ctypes.addressof(thing)
    try:
        return ctypes.cast(thing, ctypes.c_void_p).value or 0
    except (ctypes.ArgumentError, TypeError):
        raise InputTypeError(f"a ctypes {type(thing).__name__} is no pointer") from None


def _ctypes_type(function: Any) -> str | None:
    """The type of a ctypes function, written as in C; None where it declares no arguments, and of a ``c_void_p``."""
    import ctypes

    functions: Any = (sys.modules["_ctypes"].CFuncPtr, ctypes.c_void_p)
    if not isinstance(function, functions):
        raise InputTypeError(
            f"a ctypes {type(function).__name__} is data, not a function; give a function of a library"
        )
    names: dict[Any, str] = {ctypes.c_int: "int", None: "void", ctypes.c_void_p: "void *"}
    names |= {ctypes.POINTER(ctypes.c_double): "double *", ctypes.POINTER(ctypes.c_int): "int *"}
    if getattr(function, "argtypes", None) is None:
        return None
    args = ", ".join(names.get(arg, getattr(arg, "__name__", "?")) for arg in function.argtypes)
    return f"{names.get(function.restype, getattr(function.restype, '__name__', '?'))} ({args})"


def matches(declared: str, wanted: str) -> bool:
    """Whether two C types agree; qualifiers and names do not count, and a declared ``void *`` is any pointer."""
    ours, theirs = _parts(wanted), _parts(declared)
    if len(ours) != len(theirs):
        return False
    return all(
        their == our or (their == "void*" and our.endswith("*")) for our, their in zip(ours, theirs, strict=True)
    )


def _parts(ctype: str) -> list[str]:
    """Types of the result and the arguments of a C function type, without qualifiers, names and blanks."""
    found = re.fullmatch(r"\s*([^()]+?)\s*(?:\(\s*\*\s*\w*\s*\))?\s*\(([^()]*)\)\s*", ctype)
    if found is None:
        return [ctype]
    parts = [found[1], *found[2].split(",")]
    parts = [re.sub(r"\b(const|restrict|volatile)\b", " ", part) for part in parts]
    return [re.sub(r"\s+", "", re.sub(r"(\*\s*|\b(?:int|double)\s+)\w+\s*$", r"\1", part)) for part in parts]
