"""Options of the fits as numbers and arrays within their ranges, or an error that names the option."""

import os
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, OptionError, PyminpackError, ShapeError
from .arrays import Array, Mask, as_array, describe, shown

_MOST_CALLS: Final = int(np.iinfo(np.intc).max)

# ------------------------------------------------------------------------------------ numbers and flags


def _scalar(value: Any) -> Any:
    """What an array without dimensions holds; any other value itself."""
    return value[()] if isinstance(value, np.ndarray) and value.shape == () else value


def _is_number(value: Any, kind: type) -> bool:
    """Whether a value is of a kind of the module `numbers`, where flags and spans of time pass for integers."""
    return isinstance(value, kind) and not isinstance(value, bool | np.timedelta64)


def as_real(name: str, value: Any, wanted: str) -> float:
    """One real number as a float, but not NaN: of any kind of number, or an array without dimensions."""
    if type(value) is float and value == value:
        return value  # to ask whether it is a number of some kind takes ten times as long
    scalar = _scalar(value)
    if not _is_number(scalar, Real):
        raise _out_of_range(name, value, wanted)
    try:
        number = float(scalar)
    except OverflowError as error:
        raise OptionError(f"{name} is larger than any float; {wanted}") from error
    if number != number:
        raise _out_of_range(name, value, wanted)
    return number


def as_number(name: str, value: Any, wanted: str, below: float = np.inf) -> float:
    """A number that is at least 0 and less than a limit."""
    number = as_real(name, value, wanted)
    if not 0 <= number < below:
        raise _out_of_range(name, value, wanted)
    return number


def as_positive(name: str, value: Any, wanted: str) -> float:
    """A positive and finite number."""
    number = as_real(name, value, wanted)
    if not 0 < number < np.inf:
        raise _out_of_range(name, value, wanted)
    return number


def _as_tolerance(name: str, value: Any) -> float:
    """A number that is at least 0; infinite is allowed."""
    wanted = "a tolerance must be a number, 0 or more"
    tolerance = as_real(name, value, wanted)
    if not tolerance >= 0:
        raise _out_of_range(name, value, wanted)
    return tolerance


def as_count(maxfev: Any) -> int:
    """A limit on evaluations as a C int; a larger number than fits into one is no limit."""
    wanted = "it must be a whole number"
    limit = as_real("maxfev", maxfev, wanted)
    if not _is_whole(limit):
        raise _out_of_range("maxfev", maxfev, wanted)
    return int(max(-1, min(limit, _MOST_CALLS)))


def as_limit(max_nfev: Any, n: int, is_given: bool) -> int:
    """The number of evaluations after which `least_squares` stops.

    With a given Jacobian those count that accelerated steps take, which are two for each step.
    """
    if max_nfev is None:
        return (200 if is_given else 100) * n
    wanted = "it must be a whole number above 0, or None"
    limit = as_real("max_nfev", max_nfev, wanted)
    if not limit >= 1 or not _is_whole(limit):
        raise _out_of_range("max_nfev", max_nfev, wanted)
    return as_count(limit)


def _is_whole(number: float) -> bool:
    """Whether a number is an integer or infinite."""
    return abs(number) == np.inf or number % 1 == 0


def _out_of_range(name: str, value: Any, wanted: str) -> OptionError:
    return OptionError(f"{name} is {shown(value)}; {wanted}")


def as_flag(name: str, value: Any) -> bool:
    """True or False; a whole number may stand for them, as in C."""
    if value is True or value is False:
        return bool(value)
    scalar = _scalar(value)
    if isinstance(scalar, bool | np.bool_) or _is_number(scalar, Integral):
        return bool(scalar)
    raise _out_of_range(name, value, "it must be True or False")


def as_verbosity(verbose: Any) -> int:
    """How much is printed: 0, 1 or 2."""
    scalar = _scalar(verbose)
    if isinstance(scalar, bool) or (_is_number(scalar, Real) and scalar in (0, 1, 2)):
        return int(scalar)
    raise _out_of_range("verbose", verbose, "it can be 0, 1 or 2")


# ------------------------------------------------------------------------------------ vectors


def _as_vector(name: str, value: Any, n: int, *, broadcast: bool = True) -> Array:
    """One number for each parameter as a new array; with `broadcast`, one number may stand for all."""
    array = as_array(value, f"{name} has", f"{name} is", "every parameter needs a value")
    if array.dtype.kind not in "fiu":
        raise OptionError(f"{name} must hold real numbers, not {array.dtype}")
    if array.shape != (n,) and not (broadcast and array.shape == ()):
        wanted = f"a number, or an array of shape {(n,)}" if broadcast else f"one number each, shape {(n,)}"
        raise ShapeError(f"{name} has shape {array.shape}; {n} parameters need {wanted}")
    return np.array(np.broadcast_to(array, (n,)), dtype=np.float64)


def _require_each(good: Mask, name: str, values: Array, wanted: str) -> None:
    """Raise where the value for any parameter is not good, naming the first."""
    if not good.all():
        j = int(good.argmin())
        raise OptionError(f"{name}[{j}] is {values[j]}; {wanted}")


def as_scale(diag: Any, n: int) -> Array:
    """Scale factors of n parameters."""
    scale = _as_vector("diag", diag, n, broadcast=False)
    _require_each((scale > 0) & np.isfinite(scale), "diag", scale, "scale factors must be positive and finite")
    return scale


def as_typical(x_scale: Any, n: int, free: npt.NDArray[np.intp] | None) -> Array | None:
    """Typical sizes of the parameters, those of fixed ones 1; None where the Jacobian determines the scaling."""
    if x_scale is None or (isinstance(x_scale, str) and x_scale == "jac"):
        return None
    if isinstance(x_scale, str):
        raise _out_of_range("x_scale", x_scale, "it can be 'jac', None, or sizes of the parameters")
    typical = _as_vector("x_scale", x_scale, n)
    if free is not None:
        typical[np.setdiff1d(np.arange(n), free)] = 1
    with np.errstate(divide="ignore", over="ignore"):
        good = (typical > 0) & np.isfinite(typical) & np.isfinite(1 / typical)
    _require_each(good, "x_scale", typical, "the sizes of parameters, and 1 over them, must be positive and finite")
    return typical


def as_steps(diff_step: Any, n: int) -> Array | None:
    """Relative steps of differences; None where there are no given ones."""
    if diff_step is None:
        return None
    steps = _as_vector("diff_step", diff_step, n)
    _require_each((steps != 0) & np.isfinite(steps), "diff_step", steps, "relative steps must be finite and not 0")
    return steps


def as_bounds(bounds: Any, start: Array, name: str = "x0") -> tuple[Array, Array] | None:
    """Lower and upper bounds; None where all are infinite. `name` is what the user calls the start."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = bounds.lb, bounds.ub
    try:
        lower, upper = bounds
    except (TypeError, ValueError) as error:
        wanted = f"it must be a pair of lower and upper bounds{_hint_at_pairs(bounds, start)}"
        raise _out_of_range("bounds", bounds, wanted) from error
    if type(lower) is float and type(upper) is float and lower == -np.inf and upper == np.inf:
        return None
    try:
        low, high = _as_vector("bounds[0]", lower, start.size), _as_vector("bounds[1]", upper, start.size)
    except PyminpackError as error:
        raise type(error)(f"{error}; bounds is (lower, upper){_hint_at_pairs(bounds, start)}") from None
    crossed = np.flatnonzero(~(low <= high))
    if crossed.size:
        j = crossed[0]
        raise OptionError(
            f"bounds of x[{j}] are {low[j]} and {high[j]}; the lower one must not be above the upper"
            f"{_hint_at_pairs(bounds, start)}"
        )
    outside = np.flatnonzero((start < low) | (start > high))
    if outside.size:
        j = outside[0]
        raise InputValueError(
            f"{name}[{j}] is {start[j]}, outside its bounds {low[j]} and {high[j]}; a fit starts from within "
            f"({name} = {describe(start)}){_hint_at_pairs(bounds, start)}"
        )
    return None if (np.isneginf(low) & np.isposinf(high)).all() else (low, high)


def _hint_at_pairs(bounds: Any, start: Array) -> str:
    """What to do where bounds that cannot be used hold a pair for each parameter; x0 is then within the pairs."""
    hint = (
        "; it seems to have a pair for each parameter: give the lower bounds, then the upper ones, as zip(*bounds) does"
    )
    try:
        pairs = np.array([[-np.inf if low is None else low, np.inf if high is None else high] for low, high in bounds])
    except (TypeError, ValueError):
        return ""
    if pairs.dtype.kind not in "fiu" or pairs.shape != (start.size, 2):
        return ""
    return hint if ((pairs[:, 0] <= start) & (start <= pairs[:, 1])).all() else ""


def free_of(fixed: Any, bounds: tuple[Array, Array] | None, n: int) -> npt.NDArray[np.intp] | None:
    """Numbers of the parameters that are neither fixed nor between equal bounds; None where all are free."""
    if fixed is None and bounds is None:
        return None
    held = np.zeros(n, bool)
    if fixed is not None:
        held = as_array(fixed, "fixed has", "fixed is", "every parameter is either fixed or not")
        if held.dtype.kind != "b":
            raise OptionError(f"fixed is a mask: it must hold True and False, not {held.dtype}")
        if held.shape != (n,):
            raise ShapeError(f"fixed has shape {held.shape}; {n} parameters need a mask of shape {(n,)}")
    if bounds is not None:
        held = held | (bounds[0] == bounds[1])
    if held.all():
        raise OptionError("every parameter is fixed: there is nothing to fit")
    return np.flatnonzero(~held) if held.any() else None


# ------------------------------------------------------------------------------------ options of leastsq


def as_options(
    ftol: Any, xtol: Any, gtol: Any, factor: Any, epsfcn: Any
) -> tuple[float, float, float, float, float | None]:
    """Tolerances, factor and epsfcn of `leastsq`."""
    bound = as_positive("factor", factor, "the first step bound must be a positive and finite number")
    precision = None
    if epsfcn is not None:
        wanted = "it must be the relative error of the residuals, or None"
        precision = as_real("epsfcn", epsfcn, wanted)
        if abs(precision) == np.inf:
            raise _out_of_range("epsfcn", epsfcn, wanted)
    return _as_tolerance("ftol", ftol), _as_tolerance("xtol", xtol), _as_tolerance("gtol", gtol), bound, precision


# ------------------------------------------------------------------------------------ options of least_squares


def as_method(method: Any, tr_solver: Any, tr_options: Any, jac_sparsity: Any) -> str:
    """What there is to say of options that choose among SciPy's methods; "" for nothing.

    They are taken, so that programs written for SciPy run unchanged, and there is one method all the same.
    """
    if not (isinstance(method, str) and method in ("lm", "trf", "dogbox")):
        raise OptionError(
            f"method is {shown(method)}; the only method is 'lm', Levenberg-Marquardt, which here takes bounds and "
            "losses, too, and stands in for SciPy's 'trf' and 'dogbox': leave method out"
        )
    if tr_solver is not None and not (isinstance(tr_solver, str) and tr_solver in ("exact", "lsmr")):
        raise _out_of_range("tr_solver", tr_solver, "it can be None, or 'exact' or 'lsmr', which change nothing")
    if tr_options is not None and not _has_names(tr_options):
        raise _out_of_range("tr_options", tr_options, "it can be None, or a dict of options, which change nothing")
    if jac_sparsity is not None and len(getattr(jac_sparsity, "shape", ())) != 2:
        raise _out_of_range("jac_sparsity", jac_sparsity, "it can be None, or a matrix, which changes nothing")
    given = [] if method == "lm" else [f"method={method!r}"]
    given += [] if tr_solver is None else ["tr_solver"]
    given += ["tr_options"] if tr_options else []  # SciPy's default is an empty dict
    given += [] if jac_sparsity is None else ["jac_sparsity"]
    if not given:
        return ""
    return (
        f"{', '.join(given)} {'changes' if len(given) == 1 else 'change'} nothing: the fit is made by the method of "
        "Levenberg and Marquardt, which here takes bounds and losses, and a dense Jacobian"
    )


def as_tolerances(ftol: Any, xtol: Any, gtol: Any) -> tuple[float, float, float]:
    """Tolerances; None disables a test, as 0 does."""
    if type(ftol) is type(xtol) is type(gtol) is float and ftol >= 0 and xtol >= 0 and gtol >= 0:
        return ftol, xtol, gtol
    options = (("ftol", ftol), ("xtol", xtol), ("gtol", gtol))
    tolerances = [0.0 if value is None else _as_tolerance(name, value) for name, value in options]
    return tolerances[0], tolerances[1], tolerances[2]


def as_workers(workers: Any) -> Any:
    """A number of threads, a map-like callable, or None."""
    if workers is None or callable(workers):
        return workers
    count = _scalar(workers)
    if _is_number(count, Integral) and (count > 0 or count == -1):
        return os.cpu_count() if count == -1 else int(count)
    raise _out_of_range("workers", workers, "it must be a number of threads, -1 for all, or a map-like callable")


def as_arguments(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Further arguments of the user's functions, positional and by name."""
    if kwargs is not None and not _has_names(kwargs):
        raise InputTypeError(f"kwargs is {shown(kwargs)}; it must be a dict of named arguments, or None")
    return tuple(args) if isinstance(args, tuple | list) else (args,), dict(kwargs or {})


def _has_names(value: Any) -> bool:
    """Whether a value is a dict whose keys are names."""
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def as_choice(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """One of some values, by identity."""
    for choice in choices:
        if value is choice:
            return value
    raise _out_of_range(name, value, f"it can be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}")


def as_timeout(timeout: Any) -> float | None:
    """Seconds; None for no limit."""
    if timeout is None:
        return None
    wanted = "it must be a positive number of seconds, or None"
    seconds = as_real("timeout", timeout, wanted)
    return None if seconds == np.inf else as_positive("timeout", seconds, wanted)


def not_a_function(name: str, value: Any, wanted: str) -> InputTypeError:
    """The error for what cannot be called."""
    return InputTypeError(
        f"{name} is of type {type(value).__name__}, which is not callable: {shown(value)}; it must be {wanted}"
    )


def as_callback(callback: Any) -> Callable[[Any], Any] | None:
    """A callback as a function of the state.

    As in SciPy, a callback whose argument is named `intermediate_result` gets the state by that name, and one whose
    first argument is named `x` or `xk` gets the parameters alone.
    """
    if callback is None:
        return None
    if not callable(callback):
        raise not_a_function("callback", callback, "a function of the state, or None")
    function: Callable[..., Any] = callback
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):  # some builtins have no signature
        return function
    by_name = parameters.get("intermediate_result")
    if by_name is not None and by_name.kind is not Parameter.POSITIONAL_ONLY:
        return lambda state: function(intermediate_result=state)
    if list(parameters)[:1] in (["x"], ["xk"]):
        return lambda state: function(state.x)
    return function
