"""Residuals and Jacobians that are machine code already: called by the Fortran core with no Python between."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._errors import InputTypeError, InputValueError, ShapeError
from ._model.arrays import Array
from ._model.pointers import data_address, function_pointer, matches

_TYPES = {
    "residuals": "int (int, int, double *, double *, void *)",
    "minpack": "void (int *, int *, double *, double *, int *)",
    "jacobian": "int (int, int, double *, double *, void *)",
}
# As in _compiled.h.
_CONVENTIONS = {"residuals": 0, "minpack": 1, "jacobian C": 2, "jacobian F": 3}


class AskedToStopError(InputValueError):
    """A compiled function has asked to stop.

    Attributes
    ----------
    status : int
        With what, as a negative number.
    """

    def __init__(self, status: int, x: Array) -> None:
        super().__init__(f"the compiled function asked to stop, with {-status}, at x = {x}")
        self.status = status


class CompiledResiduals:
    """Residuals by a compiled function; made by `compiled_residuals`.

    Attributes
    ----------
    m : int
        Number of residuals.
    """

    __slots__ = ("_capsule", "_kept", "_shape", "m")

    def __init__(self, capsule: Any, m: int, kept: tuple[Any, ...]) -> None:
        self._capsule = capsule
        self._kept = kept  # the function and its data live as long as this object
        self._shape = np.zeros(m)  # tells the core how many residuals there are; never written to
        self.m = m

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Evaluate the residuals at x: a new array of shape (m,)."""
        return _evaluate(self._capsule, x, np.empty(self.m))

    def __repr__(self) -> str:
        return f"<compiled residuals, m = {self.m}>"


class CompiledJacobian:
    """A Jacobian by a compiled function; made by `compiled_jacobian`.

    Attributes
    ----------
    m, n : int
        Number of residuals and of parameters.
    layout : {'C', 'F'}
        Whether the function fills rows or columns.
    """

    __slots__ = ("_capsule", "_kept", "layout", "m", "n")

    def __init__(self, capsule: Any, m: int, n: int, layout: str, kept: tuple[Any, ...]) -> None:
        self._capsule = capsule
        self._kept = kept
        self.m = m
        self.n = n
        self.layout = layout

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Evaluate the Jacobian at x: a new array of shape (m, n)."""
        result = np.empty((self.m, self.n), order="C" if self.layout == "C" else "F")
        if np.size(x) != self.n:
            raise ShapeError(f"this Jacobian has n = {self.n} parameters, and x has {np.size(x)}")
        return _evaluate(self._capsule, x, result)

    def __repr__(self) -> str:
        return f"<compiled Jacobian, m = {self.m}, n = {self.n}, layout {self.layout!r}>"


def compiled_residuals(
    function: Any, m: int, *, data: Any = None, signature: Literal["residuals", "minpack"] | None = None
) -> CompiledResiduals:
    """Make residuals of a function that is machine code already.

    A fit calls it straight from the Fortran core: no Python frame, and where the Jacobian is compiled too, or
    by differences, the GIL is released for the whole fit. Several threads then fit in parallel; the function
    must be safe for that.

    Parameters
    ----------
    function : object
        A numba ``cfunc``, a ctypes function, a cffi function pointer, a PyCapsule (of Cython's
        ``__pyx_capi__``, of f2py's ``_cpointer``), a ``scipy.LowLevelCallable``, or an integer address.
    m : int
        Number of residuals, > 0.
    data : ndarray, int, ctypes or cffi pointer, capsule, optional
        What the function gets for `data`: the address of an array's buffer, which must be contiguous and is
        kept alive, or the address that is given.
    signature : {'residuals', 'minpack'}, optional
        What the function looks like from C. ``'residuals'`` is ::

            int residuals(int m, int n, const double *x, double *fvec, void *data)

        where anything but 0 stops the fit. ``'minpack'`` is MINPACK's own ::

            void fcn(int *m, int *n, double *x, double *fvec, int *iflag)

        where a negative `iflag` does. Needed where `function` does not say what it takes: integer addresses,
        capsules without a name, ctypes functions without `argtypes`.

    Returns
    -------
    CompiledResiduals
        To be passed as `func`; callable from Python, too.

    Raises
    ------
    InputTypeError
        A TypeError: `function` or `data` is of another kind, its type is not that of `signature`, or neither
        says what it takes.
    InputValueError
        A ValueError: a null pointer, `m` below 1, `data` that is not contiguous.
    """
    _require_positive(m=m)
    pointer = function_pointer(function)
    kind = signature or _declared_kind(pointer.ctype, ("residuals", "minpack"))
    if kind not in ("residuals", "minpack"):
        raise InputValueError(f"signature is {kind!r}; it can be 'residuals' or 'minpack'")
    _require_type(pointer.ctype, kind)
    if kind == "minpack" and data is not None:
        raise InputValueError("MINPACK's fcn takes no data; use the signature 'residuals' for that")
    capsule = _minpack.make_compiled(pointer.address, data_address(data) or pointer.data, _CONVENTIONS[kind], m, 0)
    return CompiledResiduals(capsule, m, (function, data))


def compiled_jacobian(
    function: Any, m: int, n: int, *, data: Any = None, layout: Literal["C", "F"] = "C"
) -> CompiledJacobian:
    """Make a Jacobian of a function that is machine code already.

    Parameters
    ----------
    function : object
        As for `compiled_residuals`; from C it is ::

            int jacobian(int m, int n, const double *x, double *fjac, void *data)

        where anything but 0 stops the fit.
    m, n : int
        Number of residuals and of parameters, > 0.
    data : ndarray, int, ctypes or cffi pointer, capsule, optional
        As for `compiled_residuals`.
    layout : {'C', 'F'}, optional
        The derivative of residual i by parameter j goes to ``fjac[i*n + j]`` ('C', the default) or to
        ``fjac[j*m + i]`` ('F', which spares a transposition).

    Returns
    -------
    CompiledJacobian
        To be passed as `Dfun`; callable from Python, too.

    Raises
    ------
    InputTypeError, InputValueError
        As `compiled_residuals` does.
    """
    _require_positive(m=m, n=n)
    if layout not in ("C", "F"):
        raise InputValueError(f"layout is {layout!r}; it can be 'C' or 'F'")
    pointer = function_pointer(function)
    _require_type(pointer.ctype, "jacobian")
    address = data_address(data) or pointer.data
    capsule = _minpack.make_compiled(pointer.address, address, _CONVENTIONS[f"jacobian {layout}"], m, n)
    return CompiledJacobian(capsule, m, n, layout, (function, data))


def _declared_kind(ctype: str | None, kinds: tuple[str, ...]) -> str:
    """Which kind of function a declared C type is."""
    if ctype is None:
        raise InputTypeError(
            "this function does not say what it takes: pass signature='residuals' for "
            f"{_TYPES['residuals']}, or signature='minpack' for {_TYPES['minpack']}"
        )
    for kind in kinds:
        if matches(ctype, _TYPES[kind]):
            return kind
    wanted = " or ".join(_TYPES[kind] for kind in kinds)
    raise InputTypeError(f"the function is of type {ctype}, and must be {wanted}")


def _require_type(ctype: str | None, kind: str) -> None:
    if ctype is not None and not matches(ctype, _TYPES[kind]):
        raise InputTypeError(f"the function is of type {ctype}, and must be {_TYPES[kind]}")


def _require_positive(**sizes: Any) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise InputTypeError(f"{name} must be an integer, not {type(size).__name__}")
        if size < 1:
            raise InputValueError(f"{name} is {size}; it must be at least 1")


def _evaluate(capsule: Any, x: npt.ArrayLike, result: Array) -> Array:
    at = np.ascontiguousarray(x, dtype=np.float64).ravel()
    status = _minpack.evaluate_compiled(capsule, at, result)
    if status:
        raise AskedToStopError(status, at)
    return result


def prepare(func: Any, jac: Any, start: Array, args: tuple[Any, ...]) -> tuple[Any, Any, Array]:
    """What the core is to call where func or jac is compiled, and residuals at the start.

    Compiled residuals are left for the core to compute: as many zeros stand for them. Where there are no
    parameters, and so nothing to fit, they are computed here.
    """
    if args:
        raise InputTypeError("compiled functions take no args: give them data instead")
    first: Array
    if type(func) is CompiledResiduals and start.size > 0:
        func, first, m = func._capsule, func._shape, func.m
    else:
        first = func(start.copy())
        m = np.size(first)
    if type(jac) is CompiledJacobian:
        if (jac.m, jac.n) != (m, start.size):
            raise ShapeError(
                f"the compiled Jacobian has m = {jac.m}, n = {jac.n}, and the fit {m} residuals and "
                f"{start.size} parameters"
            )
        jac = jac._capsule
    return func, jac, first
