"""`compiled_residuals` and `compiled_jacobian`: functions that are machine code already.

The Fortran core calls them with no Python in between.
"""

from typing import Any, Literal

import numpy as np

from ._errors import InputTypeError, InputValueError
from ._model.compiled import CompiledJacobian, CompiledResiduals
from ._model.pointers import Pointer, function_pointer, matches, place_of_data

_TYPES = {
    "residuals": "int (int, int, double *, double *, void *)",
    "minpack": "void (int *, int *, double *, double *, int *)",
    "jacobian": "int (int, int, double *, double *, void *)",
}
_SIGNATURES = ("residuals", "minpack")
_MOST = int(np.iinfo(np.intc).max)


def compiled_residuals(
    function: Any, m: int, *, data: Any = None, signature: Literal["residuals", "minpack"] | None = None
) -> CompiledResiduals:
    """Make residuals from a function that is machine code already.

    The Fortran core calls the function directly. Where the Jacobian is compiled, too, or taken by differences, the
    GIL is released for the whole fit, so that several threads can fit in parallel; the function must allow that.

    Parameters
    ----------
    function : object
        A numba ``cfunc``, a ctypes function, a cffi function pointer, a PyCapsule (of Cython's
        ``__pyx_capi__``, of f2py's ``_cpointer``), a ``scipy.LowLevelCallable``, or an integer address.
    m : int
        Number of residuals, at least 1 and no more than a C int holds.
    data : ndarray, bytes, bytearray, int, ctypes or cffi pointer, capsule, optional
        What the function gets as its argument `data`. Of an array and of bytes, which are kept alive, it gets the
        address of the first element; of anything else, the address itself. The default is a null pointer. An array
        must be contiguous, in C's order, and hold float64. One of bytes (``uint8``) or of a structured dtype is passed
        as it is, too: numbers of another type are declared so by ``data.view(numpy.uint8)``. The function must not
        write to read-only arrays, nor to `bytes`.
    signature : {'residuals', 'minpack'}, optional
        The type of the function in C. ``'residuals'`` is ::

            int residuals(int m, int n, const double *x, double *fvec, void *data)

        where a return value other than 0 stops the fit. ``'minpack'`` is MINPACK's own ::

            void fcn(int *m, int *n, double *x, double *fvec, int *iflag)

        where a negative `iflag` stops the fit. The default is the type that `function` declares; integer addresses,
        capsules without a name and ctypes functions without `argtypes` declare none, and need a signature.

    Returns
    -------
    CompiledResiduals
        Takes the place of `func` in `leastsq` and of `fun` in `least_squares`. Python can call it, too.

    Raises
    ------
    InputTypeError
        A TypeError: `function`, `m` or `data` is of another kind, the type of `function` is not that of `signature`,
        or `function` declares no type and there is no `signature`.
    InputValueError
        A ValueError: `function` is a null pointer, `m` is out of its range, `data` is an array that is empty, masked or
        not contiguous in C's order, an address is none, or `signature` is unknown.

    Notes
    -----
    The function cannot raise. numba prints what its functions raise, and returns 0. So the first and the last residual
    are NaN before each call: where the function has not overwritten them, they count as residuals that are not finite.
    """
    _require_sizes(m=m)
    pointer = function_pointer(function)
    kind = signature or _declared_signature(pointer.ctype)
    if kind not in _SIGNATURES:
        raise InputValueError(f"signature is {kind!r}; it can be 'residuals' or 'minpack'")
    _require_type(pointer.ctype, kind)
    if kind == "minpack" and data is not None:
        raise InputValueError("MINPACK's fcn takes no data; use the signature 'residuals' for that")
    return CompiledResiduals(pointer.address, *_data_for(function, pointer, data), kind, m)


def compiled_jacobian(
    function: Any, m: int, n: int, *, data: Any = None, layout: Literal["C", "F"] = "C"
) -> CompiledJacobian:
    """Make a Jacobian from a function that is machine code already.

    Parameters
    ----------
    function : object
        As for `compiled_residuals`; its type in C is ::

            int jacobian(int m, int n, const double *x, double *fjac, void *data)

        where a return value other than 0 stops the fit.
    m, n : int
        Number of residuals and of parameters, at least 1 each and no more than a C int holds.
    data : ndarray, bytes, bytearray, int, ctypes or cffi pointer, capsule, optional
        As for `compiled_residuals`.
    layout : {'C', 'F'}, optional
        Where the function stores the derivative of residual i with respect to parameter j: at ``fjac[i*n + j]`` ('C',
        the default) or at ``fjac[j*m + i]`` ('F', which saves a transposition).

    Returns
    -------
    CompiledJacobian
        Takes the place of `Dfun` in `leastsq` and of `jac` in `least_squares`. Python can call it, too.

    Raises
    ------
    InputTypeError
        A TypeError: `function`, `m`, `n` or `data` is of another kind, or the type of `function` is another.
    InputValueError
        A ValueError: `function` is a null pointer, `m` or `n` is out of its range, `data` is an array that is empty,
        masked or not contiguous in C's order, an address is none, or `layout` is unknown.
    """
    _require_sizes(m=m, n=n)
    if layout not in ("C", "F"):
        raise InputValueError(f"layout is {layout!r}; it can be 'C' or 'F'")
    pointer = function_pointer(function)
    _require_type(pointer.ctype, "jacobian")
    return CompiledJacobian(pointer.address, *_data_for(function, pointer, data), layout, m, n)


def _declared_signature(ctype: str | None) -> str:
    """The signature of residuals that a declared C type has."""
    if ctype is None:
        raise InputTypeError(
            "this function does not declare its type: pass signature='residuals' for "
            f"{_TYPES['residuals']}, or signature='minpack' for {_TYPES['minpack']}"
        )
    for signature in _SIGNATURES:
        if matches(ctype, _TYPES[signature]):
            return signature
    wanted = " or ".join(_TYPES[signature] for signature in _SIGNATURES)
    raise InputTypeError(f"the function is of type {ctype}, and must be {wanted}")


def _require_type(ctype: str | None, kind: str) -> None:
    if ctype is not None and not matches(ctype, _TYPES[kind]):
        raise InputTypeError(f"the function is of type {ctype}, and must be {_TYPES[kind]}")


def _data_for(function: Any, pointer: Pointer, data: Any) -> tuple[int, tuple[Any, ...]]:
    """The address of a function's data, and all that must live as long as the function may be called."""
    address, kept = (pointer.data, None) if data is None else place_of_data(data)
    return address, (function, kept)


def _require_sizes(**sizes: Any) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise InputTypeError(f"{name} must be an integer, not {type(size).__name__}")
        if not 1 <= size <= _MOST:
            raise InputValueError(f"{name} is {size}; it must be at least 1 and, as a C int, at most {_MOST}")
