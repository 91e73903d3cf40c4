"""The function that is fitted, as `least_squares` calls it: residuals of the free parameters, in double precision."""

from functools import partial
from time import monotonic
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, ShapeError
from .arrays import DOUBLE, FLOAT64, Array, as_real_view, describe, precision_of
from .compiled import CompiledJacobian, CompiledResiduals

_NEVER: Final = float("inf")


class OutOfTimeError(Exception):
    """The time that a fit was given is over."""


class Call:
    """A function and what it takes beside x; travels to workers."""

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._function, self._args, self._kwargs = function, args, kwargs
        if isinstance(function, CompiledResiduals | CompiledJacobian) and (args or kwargs):
            raise InputTypeError("compiled functions take no args: give them data instead")

    @property
    def positional(self) -> tuple[Any, tuple[Any, ...]]:
        """A function that takes no named arguments, and its others."""
        return partial(self._function, **self._kwargs) if self._kwargs else self._function, self._args

    def __call__(self, x: npt.NDArray[Any]) -> Any:
        if self._kwargs:
            return self._function(x, *self._args, **self._kwargs)
        return self._function(x, *self._args)


class Model:
    """Residuals, and how often they were asked for.

    Attributes
    ----------
    call : Call
        The user's function of all the parameters.
    free : ndarray of int or None
        Which of the parameters are free; None where all are.
    gives_jacobian : bool
        Whether the function gives the Jacobian, too; then the last one is kept in `given`.
    deadline : float
        When to stop, by the monotonic clock.
    nfev, calls : int
        How often residuals were asked for: by the iteration, and by differences too.
    m : int
        Number of residuals; 0 before the first call.
    precision : float
        Relative spacing of the numbers that the first residuals came in.
    """

    def __init__(self, call: Call, start: Array, free: npt.NDArray[np.intp] | None, gives_jacobian: bool) -> None:
        self.call, self.free, self.gives_jacobian = call, free, gives_jacobian
        self._template = start
        self.given: Any = None
        self.deadline = _NEVER
        self.m = self.nfev = self.calls = 0
        self.precision = 0.0

    def whole(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All the parameters, given the free ones; a new array."""
        if self.free is None:
            return x.copy()
        whole = self._template.astype(x.dtype)
        whole[self.free] = x
        return whole

    def require_time(self) -> None:
        """Raise where the time is over."""
        if self.deadline < _NEVER and monotonic() >= self.deadline:
            raise OutOfTimeError

    def residuals(self, x: Array) -> Array:
        """At the free parameters x, in one dimension: a new array."""
        if self.deadline < _NEVER:
            self.require_time()
        self.nfev += 1
        result = self.call(self.whole(x))
        if self.gives_jacobian:
            if not isinstance(result, tuple) or len(result) != 2:
                raise InputTypeError(
                    f"fun gave a {type(result).__name__} where jac=True needs a tuple of residuals and Jacobian"
                )
            result, self.given = result
        return self.as_residuals(result, x)

    def convert(self, result: Any, m: int, x: Array, calls: int) -> Array:
        """For a driver of the core: residuals that are no plain float64 vector."""
        self.calls = calls - 1
        return self.as_residuals(result, x)

    def as_residuals(self, result: Any, x: npt.NDArray[Any]) -> Array:
        """What the function gave at x, as double precision numbers of its own."""
        if self.m == 0 and type(result) is np.ndarray and result.dtype is FLOAT64:
            self.m, self.precision = result.size, DOUBLE
        if self._is_plain(result):
            self.calls += 1
            plain: Array = result.copy()
            return plain
        with np.errstate(over="ignore"):
            return np.array(self.as_view(result, x), dtype=np.float64)

    def as_view(self, result: Any, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the function gave at x, in one dimension but otherwise as it is."""
        self.calls += 1
        if self._is_plain(result):
            plain: Array = result
            return plain
        if self.gives_jacobian and isinstance(result, tuple):
            result = result[0]
        view = as_real_view(result, "fun", "residuals")
        if self.m == 0:
            self.m, self.precision = view.size, precision_of(view)
        if view.size != self.m:
            raise ShapeError(
                f"fun gave {view.size} residuals on call {self.calls}, at x = {describe(self.whole(x))}, and {self.m} "
                "on the first; their number must stay the same during a fit"
            )
        return view.ravel()

    def _is_plain(self, result: Any) -> bool:
        return type(result) is np.ndarray and result.dtype is FLOAT64 and result.ndim == 1 and result.size == self.m > 0

    def first(self, x: Array) -> Array:
        """Residuals at the start, or a refusal."""
        f = self.residuals(x)
        if f.size < x.size:
            raise ShapeError(
                f"fun gave M = {f.size} residuals for N = {x.size} free parameters; a fit needs at least as many "
                "residuals as parameters: add data, or fix some of the parameters"
            )
        if not np.isfinite(f).all():
            bad = np.flatnonzero(~np.isfinite(f))
            raise InputValueError(
                f"{bad.size} of {f.size} residuals at x0 are not finite, the first is residual {bad[0]} "
                f"({f[bad[0]]}); a fit needs a start where fun is finite (x0 = {describe(self.whole(x))})"
            )
        return f
