"""The function that is fitted, as `least_squares` calls it: residuals of the free parameters, in double precision."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, ShapeError
from .arrays import DOUBLE, FLOAT64, Array, as_real_view, describe, describe_not_finite, precision_of, size_error
from .compiled import require_no_arguments

_NEVER: Final = float("inf")


class OutOfTimeError(Exception):
    """The time that a fit was given is over."""


class Call:
    """A function and what it takes beside x; travels to workers."""

    def __init__(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._function, self._args, self._kwargs = function, args, kwargs
        require_no_arguments((function,), args or kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Call":
        return self  # the function and its arguments are the user's

    @property
    def positional(self) -> tuple[Any, tuple[Any, ...]]:
        """A function that takes no named arguments, and its others."""
        return partial(self._function, **self._kwargs) if self._kwargs else self._function, self._args

    def __call__(self, x: npt.NDArray[Any]) -> Any:
        if self._kwargs:
            return self._function(x, *self._args, **self._kwargs)
        return self._function(x, *self._args)


class Timed:
    """A function that isn't called any more once the time is over."""

    def __init__(self, model: "Model", function: Any) -> None:
        self._model, self._function = model, function

    def __call__(self, x: Array, *args: Any) -> Any:
        self._model.require_time()
        return self._function(x, *args)


class Model:
    """Residuals of the free parameters.

    Attributes
    ----------
    call : Call
        The user's function of all the parameters.
    template : ndarray of shape (n,)
        All the parameters at the start; those that are not free stay so.
    free : ndarray of int or None
        Which of the parameters are free; None where all are.
    deadline : float
        When to stop, by the monotonic clock.
    m : int
        Number of residuals; 0 before the first call.
    precision : float
        Relative spacing of the numbers that the first residuals came in.
    """

    def __init__(self, call: Call, start: Array, free: npt.NDArray[np.intp] | None) -> None:
        self.call, self.template, self.free = call, start, free
        self.deadline = _NEVER
        self.m = 0
        self.precision = 0.0

    def whole(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All the parameters, given the free ones; a new array."""
        if self.free is None:
            return x.copy()
        whole = self.template.astype(x.dtype)
        whole[self.free] = x
        return whole

    def is_late(self) -> bool:
        """Whether the time is over."""
        return self.deadline < _NEVER and monotonic() >= self.deadline

    def require_time(self) -> None:
        """Raise where the time is over."""
        if self.is_late():
            raise OutOfTimeError

    def convert(self, result: Any, m: int, x: Array, calls: int) -> Array:
        """For the core: residuals that are no plain float64 vector of m numbers."""
        view = as_real_view(result, "fun", "residuals")
        if view.size != m:
            raise size_error("fun", view.size, m, calls, self.whole(x))
        with np.errstate(over="ignore"):
            return np.array(view.ravel(), dtype=np.float64)

    def first(self, x: Array, function: Callable[..., Any]) -> Array:
        """Residuals at the start, or a refusal; `function` gives them, with the positional arguments."""
        result = function(self.whole(x), *self.call.positional[1])
        if type(result) is np.ndarray and result.dtype is FLOAT64 and result.ndim == 1:
            self.m, self.precision = result.size, DOUBLE
            f: Array = result.copy()
        else:
            view = as_real_view(result, "fun", "residuals")
            self.m, self.precision = view.size, precision_of(view)
            f = self.convert(view, self.m, x, 1)
        if f.size < x.size:
            raise ShapeError(
                f"fun gave M = {f.size} residuals for N = {x.size} free parameters; a fit needs at least as many "
                "residuals as parameters: add data, or fix some of the parameters"
            )
        return f

    def refuse_values(self, f: Array, x: Array) -> None:
        """Raise where residuals at the start are not finite, naming the first."""
        if not np.isfinite(f).all():
            raise InputValueError(
                f"{describe_not_finite(f, 'x0')}; a fit needs a start where fun is finite "
                f"(x0 = {describe(self.whole(x))})"
            )
