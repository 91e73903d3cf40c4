"""Residuals and Jacobians that are compiled functions, and what a fit hands to the core in their place.

`_compiled.py` makes them for users.
"""

import struct
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, ShapeError
from .._minpack import evaluate_compiled
from .arrays import Array, describe

# Calling conventions, as src/_minpack/callable.h numbers them, and how it lays out a compiled function.
_CONVENTIONS = {"residuals": 0, "minpack": 1, "jacobian C": 2, "jacobian F": 3}
_LAYOUT = struct.Struct("PPiii0P")


class AskedToStopError(InputValueError):
    """A compiled function has asked to stop.

    Attributes
    ----------
    status : int
        What it returned, as a negative number.
    """

    def __init__(self, status: int, x: Array) -> None:
        super().__init__(f"the compiled function asked to stop, with {-status}, at x = {describe(x)}")
        self.status = status


class _Compiled:
    """What residuals and Jacobians have in common: an address, which means nothing in another process."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {self!r}: it is at an address of this process; make it anew in the other one")


class CompiledResiduals(_Compiled):
    """Residuals by a compiled function; made by `compiled_residuals`.

    Attributes
    ----------
    m : int
        Number of residuals.
    """

    __slots__ = ("_kept", "_packed", "_zeros")

    def __init__(self, address: int, data: int, convention: str, m: int, kept: tuple[Any, ...]) -> None:
        self._packed = _LAYOUT.pack(address, data, _CONVENTIONS[convention], m, 0)
        self._kept = kept  # the function and its data, which must live as long as this object
        self._zeros = np.zeros(m)  # tells the core how many residuals there are; never written to

    @property
    def m(self) -> int:
        """Number of residuals."""
        return self._zeros.size

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Evaluate the residuals at x: a new array of shape (m,)."""
        return _evaluate(self._packed, x, np.empty(self.m))

    def __repr__(self) -> str:
        return f"<compiled residuals, m = {self.m}>"


class CompiledJacobian(_Compiled):
    """A Jacobian by a compiled function; made by `compiled_jacobian`.

    Attributes
    ----------
    m, n : int
        Number of residuals and of parameters.
    layout : {'C', 'F'}
        Whether the function fills rows or columns.
    """

    __slots__ = ("_kept", "_layout", "_m", "_n", "_packed")

    def __init__(
        self, address: int, data: int, layout: Literal["C", "F"], m: int, n: int, kept: tuple[Any, ...]
    ) -> None:
        self._packed = _LAYOUT.pack(address, data, _CONVENTIONS[f"jacobian {layout}"], m, n)
        self._kept = kept
        self._layout, self._m, self._n = layout, int(m), int(n)

    @property
    def m(self) -> int:
        """Number of residuals."""
        return self._m

    @property
    def n(self) -> int:
        """Number of parameters."""
        return self._n

    @property
    def layout(self) -> Literal["C", "F"]:
        """Whether the function fills rows or columns."""
        return self._layout

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Evaluate the Jacobian at x: a new array of shape (m, n)."""
        if np.size(x) != self.n:
            raise ShapeError(f"this Jacobian has n = {self.n} parameters, and x has {np.size(x)}")
        return _evaluate(self._packed, x, np.empty((self.m, self.n), order=self.layout))

    def __repr__(self) -> str:
        return f"<compiled Jacobian, m = {self.m}, n = {self.n}, layout {self.layout!r}>"


def _evaluate(packed: bytes, x: npt.ArrayLike, result: Array) -> Array:
    at = np.ascontiguousarray(x, dtype=np.float64).ravel()
    status = evaluate_compiled(packed, at, result)
    if status:
        raise AskedToStopError(status, at)
    return result


def require_no_arguments(functions: tuple[Any, ...], args: Any) -> None:
    """Raise where a compiled function is given arguments beside x."""
    if args and any(isinstance(function, CompiledResiduals | CompiledJacobian) for function in functions):
        raise InputTypeError("compiled functions take no args: give them data instead")


def prepare(func: Any, jac: Any, start: Array, args: tuple[Any, ...]) -> tuple[Any, Any, Array]:
    """What the core is to call where func or jac is compiled, and the residuals at the start.

    The core itself evaluates compiled residuals at the start: an array of zeros tells it how many there are. They are
    evaluated here where there are no parameters, because then there is nothing to fit.
    """
    require_no_arguments((func, jac), args)
    first: Array
    if type(func) is CompiledResiduals and start.size > 0:
        func, first, m = func._packed, func._zeros, func.m
    else:
        first = func(start.copy())
        m = np.size(first)
    if type(jac) is CompiledJacobian:
        if (jac.m, jac.n) != (m, start.size):
            raise ShapeError(
                f"the compiled Jacobian has m = {jac.m}, n = {jac.n}, and the fit {m} residuals and "
                f"{start.size} parameters"
            )
        jac = jac._packed
    return func, jac, first
