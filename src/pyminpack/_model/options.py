"""The options of `least_squares`, converted, or refused with a reason."""

import os
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, OptionError, ShapeError
from .arrays import Array, _as_real, _as_tolerance, as_count, describe


def refuse_foreign(method: Any, tr_solver: Any, tr_options: Any, jac_sparsity: Any) -> None:
    """Refuse what SciPy's other methods take."""
    if not (isinstance(method, str) and method == "lm"):
        raise OptionError(
            f"method is {method!r}; there is 'lm' alone, Levenberg-Marquardt, which takes bounds and losses, too: "
            "leave method out"
        )
    for name, value in (("tr_solver", tr_solver), ("tr_options", tr_options or None), ("jac_sparsity", jac_sparsity)):
        if value is not None:
            raise OptionError(f"{name} is of use to SciPy's 'trf' and 'dogbox' alone; leave it at None")


def as_tolerances(ftol: Any, xtol: Any, gtol: Any) -> tuple[float, float, float]:
    """Tolerances; None switches a test off, as 0 does."""
    if type(ftol) is type(xtol) is type(gtol) is float and ftol >= 0 and xtol >= 0 and gtol >= 0:
        return ftol, xtol, gtol
    named = (("ftol", ftol), ("xtol", xtol), ("gtol", gtol))
    tolerances = [0.0 if value is None else _as_tolerance(name, value) for name, value in named]
    return tolerances[0], tolerances[1], tolerances[2]


def as_limit(max_nfev: Any, n: int) -> int:
    """How many evaluations there may be."""
    if max_nfev is None:
        return 100 * n
    wanted = "it must be a whole number above 0, or None"
    limit = _as_real("max_nfev", max_nfev, wanted)
    if not limit >= 1 or (limit < np.inf and limit != int(limit)):
        raise OptionError(f"max_nfev is {max_nfev!r}; {wanted}")
    return as_count(limit)


def as_positive(name: str, value: Any, wanted: str) -> float:
    """A positive and finite number."""
    number = _as_real(name, value, wanted)
    if not 0 < number < np.inf:
        raise OptionError(f"{name} is {value!r}; {wanted}")
    return number


def as_typical(x_scale: Any, n: int, free: npt.NDArray[np.intp] | None) -> Array | None:
    """Sizes of the parameters; None where they are to be found by the Jacobian. Those of fixed ones don't matter."""
    if x_scale is None or (isinstance(x_scale, str) and x_scale == "jac"):
        return None
    if isinstance(x_scale, str):
        raise OptionError(f"x_scale is {x_scale!r}; it can be 'jac', None, or sizes of the parameters")
    typical = _as_vector("x_scale", x_scale, n)
    if free is not None:
        typical[np.setdiff1d(np.arange(n), free)] = 1
    with np.errstate(divide="ignore", over="ignore"):
        bad = np.flatnonzero(~((typical > 0) & np.isfinite(typical) & np.isfinite(1 / typical)))
    if bad.size:
        raise OptionError(
            f"x_scale[{bad[0]}] is {typical[bad[0]]}; the sizes of parameters, and 1 over them, are positive and finite"
        )
    return typical


def as_steps(diff_step: Any, n: int) -> Array | None:
    """Relative steps of differences."""
    if diff_step is None:
        return None
    steps = _as_vector("diff_step", diff_step, n)
    bad = np.flatnonzero(~((steps != 0) & np.isfinite(steps)))
    if bad.size:
        raise OptionError(f"diff_step[{bad[0]}] is {steps[bad[0]]}; relative steps are finite and not 0")
    return steps


def as_bounds(bounds: Any, start: Array) -> tuple[Array, Array] | None:
    """Lower and upper bounds; None where there is none that could matter."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = bounds.lb, bounds.ub
    try:
        lower, upper = bounds
    except (TypeError, ValueError) as error:
        raise OptionError(f"bounds is {bounds!r}; it must be a pair of lower and upper bounds") from error
    if type(lower) is float and type(upper) is float and lower == -np.inf and upper == np.inf:
        return None
    low, high = _as_vector("the lower bound", lower, start.size), _as_vector("the upper bound", upper, start.size)
    crossed = np.flatnonzero(~(low <= high))
    if crossed.size:
        j = crossed[0]
        raise OptionError(f"bounds of x[{j}] are {low[j]} and {high[j]}; the lower one must not be above the upper")
    outside = np.flatnonzero((start < low) | (start > high))
    if outside.size:
        j = outside[0]
        raise InputValueError(
            f"x0[{j}] is {start[j]}, outside its bounds {low[j]} and {high[j]}; a fit starts from within "
            f"(x0 = {describe(start)})"
        )
    return None if (np.isneginf(low) & np.isposinf(high)).all() else (low, high)


def free_of(fixed: Any, bounds: tuple[Array, Array] | None, n: int) -> npt.NDArray[np.intp] | None:
    """Which parameters are free; None where all are."""
    held = np.zeros(n, bool)
    if fixed is not None:
        held = np.array(fixed)
        if held.dtype.kind != "b":
            raise OptionError(f"fixed is a mask: it must hold True and False, not {held.dtype}")
        if held.shape != (n,):
            raise ShapeError(f"fixed has shape {held.shape}; {n} parameters need a mask of shape {(n,)}")
    if bounds is not None:
        held = held | (bounds[0] == bounds[1])
    if held.all():
        raise OptionError("every parameter is fixed: there is nothing to fit")
    return np.flatnonzero(~held) if held.any() else None


def as_workers(workers: Any) -> Any:
    """A number of threads, or a map-like callable, or None for neither."""
    if workers is None or callable(workers):
        return workers
    if isinstance(workers, int | np.integer) and not isinstance(workers, bool) and (workers > 0 or workers == -1):
        return os.cpu_count() if workers == -1 else int(workers)
    raise OptionError(f"workers is {workers!r}; it must be a number of threads, -1 for all, or a map-like callable")


def as_arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Further arguments of the user's functions."""
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InputTypeError(f"kwargs must be a dict of named arguments, not a {type(kwargs).__name__}")
    return tuple(args) if isinstance(args, tuple | list) else (args,), dict(kwargs or {})


def as_timeout(timeout: Any) -> float | None:
    """Seconds, or None for no limit."""
    if timeout is None or timeout == np.inf:
        return None
    return as_positive("timeout", timeout, "it must be a positive number of seconds, or None")


def as_callback(callback: Any) -> Callable[[Any], Any] | None:
    """A callback as a function of the state, whichever of SciPy's forms it has: it may take the parameters alone."""
    if callback is None:
        return None
    if not callable(callback):
        raise InputTypeError(f"callback is of type {type(callback).__name__}, and must be a function, or None")
    function: Callable[..., Any] = callback
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):  # some builtins don't tell
        return function
    by_name = parameters.get("intermediate_result")
    if by_name is not None and by_name.kind is not Parameter.POSITIONAL_ONLY:
        return lambda state: function(intermediate_result=state)
    if list(parameters)[:1] in (["x"], ["xk"]):
        return lambda state: function(state.x)
    return function


def _as_vector(name: str, value: Any, n: int) -> Array:
    """One number for each parameter, or one for all."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise OptionError(f"{name} must hold real numbers, not {array.dtype}")
    if array.shape not in ((), (n,)):
        raise ShapeError(f"{name} has shape {array.shape}; {n} parameters need a number, or shape {(n,)}")
    return np.array(np.broadcast_to(array, (n,)), dtype=np.float64)
