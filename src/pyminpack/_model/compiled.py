"""Residuals and Jacobians that are compiled functions, and what a fit hands to the core in their place.

`_compiled.py` makes them for users.
"""

from typing import Any, Literal, NoReturn, Self

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, ShapeError
from .._minpack import evaluate_compiled, is_plain, machine_code
from .arrays import Array, as_parameters, describe

_CONVENTIONS = {"residuals": 0, "minpack": 1, "jacobian C": 2, "jacobian F": 3}  # as src/_minpack/callable.h has them


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


class Compiled:
    """What residuals and Jacobians have in common.

    Nothing of them can be changed, so that sizes stay those of the function. Like a function, each is its own copy; its
    address means nothing in another process.
    """

    __slots__ = ("_code", "_making")
    _code: object  # what the core calls
    _making: tuple[int, int, object, str]  # addresses of function and data, what they need, and the convention

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def has_data(self) -> bool:
        """Whether the function gets data of its own."""
        return self._making[1] != 0

    @property
    def takes_data(self) -> bool:
        """Whether the function can get data at all: MINPACK's fcn can't."""
        return self._making[3] != "minpack"

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{name} of {self!r} cannot be changed; make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} of {self!r} cannot be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise InputTypeError(
            f"cannot pickle {self!r}: its machine code is at an address of this process; pass the Python function that "
            "makes it, and call that in the other process"
        )


class CompiledResiduals(Compiled):
    """Residuals by a compiled function; made by `compiled_residuals`.

    Attributes
    ----------
    m : int
        Number of residuals.
    """

    __slots__ = ("_zeros",)
    _zeros: Array  # tells the core how many residuals there are

    def __init__(self, address: int, data: int, kept: object, convention: str, m: int) -> None:
        zeros = np.zeros(m)
        zeros.flags.writeable = False
        code = machine_code(address, data, _CONVENTIONS[convention], m, 0, kept)
        super().__init__(_code=code, _zeros=zeros, _making=(address, data, kept, convention))

    def with_data(self, data: Array, m: int) -> "CompiledResiduals":
        """The same function with other data, which are kept alive, and so many residuals."""
        address, _, kept, convention = self._making
        return CompiledResiduals(address, data.ctypes.data, (kept, data), convention, m)

    @property
    def m(self) -> int:
        """Number of residuals."""
        return self._zeros.size

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Evaluate the residuals at x: a new array of shape (m,)."""
        return _evaluate(self._code, x, np.empty(self.m))

    def __repr__(self) -> str:
        return f"<compiled residuals, m = {self.m}>"


class CompiledJacobian(Compiled):
    """A Jacobian by a compiled function; made by `compiled_jacobian`.

    Attributes
    ----------
    m, n : int
        Number of residuals and of parameters.
    layout : {'C', 'F'}
        Whether the function fills rows or columns.
    """

    __slots__ = ("_layout", "_m", "_n")
    _layout: Literal["C", "F"]
    _m: int
    _n: int

    def __init__(self, address: int, data: int, kept: object, layout: Literal["C", "F"], m: int, n: int) -> None:
        code = machine_code(address, data, _CONVENTIONS[f"jacobian {layout}"], m, n, kept)
        super().__init__(_code=code, _layout=layout, _m=int(m), _n=int(n), _making=(address, data, kept, layout))

    def with_data(self, data: Array, m: int) -> "CompiledJacobian":
        """The same function with other data, which are kept alive, and so many residuals."""
        address, _, kept, _ = self._making
        return CompiledJacobian(address, data.ctypes.data, (kept, data), self._layout, m, self._n)

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
        return _evaluate(self._code, x, np.empty((self.m, self.n), order=self.layout))

    def __repr__(self) -> str:
        return f"<compiled Jacobian, m = {self.m}, n = {self.n}, layout {self.layout!r}>"


def _evaluate(code: object, x: Any, result: Array) -> Array:
    if np.iscomplexobj(x):
        raise InputTypeError(
            "x is complex, and a compiled function computes with real numbers; take differences in the place of "
            "complex steps: jac='3-point'"
        )
    at = x if is_plain(x) else as_parameters(x, "x")
    status = evaluate_compiled(code, at, result)
    if status:
        raise AskedToStopError(status, at)
    return result


def require_no_arguments(functions: tuple[Any, ...], args: Any) -> None:
    """Raise where a compiled function is given arguments beside x."""
    if args and any(isinstance(function, CompiledResiduals | CompiledJacobian) for function in functions):
        raise InputTypeError("compiled functions take no args: give them data instead")


def require_roles(func: Any, jac: Any) -> None:
    """Raise where a compiled Jacobian is given for the residuals, or compiled residuals for the Jacobian."""
    if isinstance(func, CompiledJacobian):
        raise InputTypeError(f"{func!r} is given for the residuals, which compiled_residuals makes")
    if isinstance(jac, CompiledResiduals):
        raise InputTypeError(f"{jac!r} are given for the Jacobian, which compiled_jacobian makes")


def prepare(func: Any, jac: Any, start: Array, args: tuple[Any, ...]) -> tuple[Any, Any, Array]:
    """What the core is to call where func or jac is compiled, and the residuals at the start.

    The core itself evaluates compiled residuals at the start: an array of zeros tells it how many there are. They are
    evaluated here where there are no parameters, because then there is nothing to fit.
    """
    require_roles(func, jac)
    require_no_arguments((func, jac), args)
    first: Array
    if type(func) is CompiledResiduals and start.size > 0:
        func, first, m = func._code, func._zeros, func.m
    else:
        first = func(start.copy())
        m = np.size(first)
    if type(jac) is CompiledJacobian:
        if (jac.m, jac.n) != (m, start.size):
            raise ShapeError(
                f"the compiled Jacobian has m = {jac.m}, n = {jac.n}, and the fit {m} residuals and "
                f"{start.size} parameters"
            )
        jac = jac._code
    return func, jac, first
