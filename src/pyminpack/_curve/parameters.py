"""Parameters by name: their names, and options that are given by name, as the arrays that `least_squares` takes."""

from collections.abc import Callable, Mapping
from inspect import CO_VARARGS, Parameter, signature
from types import FunctionType
from typing import Any

import numpy as np

from .._errors import InputTypeError, InputValueError, OptionError, ShapeError
from .._minpack import as_start
from .._model.arrays import Array, as_parameters, require_finite, shown
from .._model.options import as_bounds

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def names_of(f: Callable[..., Any], count: int | None) -> tuple[str, ...]:
    """The names of the parameters of a model ``f(x, a, b, ...)``, by its signature.

    With a count there are so many, and those that the signature does not name are numbered. Without one there are as
    many as the signature names.
    """
    arguments, rest = _arguments_of(f)
    named = arguments[1:]
    if count is None:
        if not named:
            raise InputValueError(
                "the number of parameters cannot be told from the signature of f: give p0, a start for each parameter, "
                "or write f as f(x, a, b, ...)"
            )
        return tuple(named)
    more = [f"{rest}[{j}]" for j in range(count - len(named))]
    return tuple((named + more)[:count])


def variable_of(f: Callable[..., Any]) -> str:
    """The name of the independent variable of a model, by its signature."""
    arguments, _ = _arguments_of(f)
    return arguments[0] if arguments else "x"


def _arguments_of(f: Callable[..., Any]) -> tuple[list[str], str]:
    """The names of the positional arguments of a function, and of the one that takes all others."""
    if isinstance(f, FunctionType) and not f.__dict__:
        # A signature takes as long as ten evaluations, and here it has nothing else to look at.
        code = f.__code__
        names = code.co_varnames[code.co_argcount + code.co_kwonlyargcount :]
        return list(code.co_varnames[: code.co_argcount]), names[0] if code.co_flags & CO_VARARGS else "p"
    try:
        arguments = list(signature(f).parameters.values())
    except (TypeError, ValueError):  # some builtins have no signature
        arguments = []
    rest = next((argument.name for argument in arguments if argument.kind == Parameter.VAR_POSITIONAL), "p")
    return [argument.name for argument in arguments if argument.kind in _POSITIONAL], rest


def as_names(names: Any, count: int | None) -> tuple[str, ...]:
    """Names that the caller gives, one for each parameter."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise OptionError(f"names is {shown(names)}; it must hold a name for each parameter")
    given = tuple(names)
    if len(set(given)) < len(given):
        raise OptionError(f"names is {shown(names)}; each parameter needs a name of its own")
    if count is not None and len(given) != count:
        raise ShapeError(f"names has {len(given)} names, and p0 has {count} parameters")
    return given


class ByName:
    """Options of parameters, given by name or as SciPy has them.

    Parameters
    ----------
    names : callable
        ``names()`` gives the names. They are asked for only where an option is given by name: to look at a signature
        takes as long as some evaluations.
    n : int
        Number of parameters.
    """

    def __init__(self, names: Callable[[], tuple[str, ...]], n: int) -> None:
        self._names, self.n = names, n

    def require_known(self, option: str, given: Any) -> None:
        """Raise for names that no parameter has."""
        names = self._names()
        unknown = [name for name in given if name not in names]
        if unknown:
            raise OptionError(f"{option} has {shown(unknown[0])}, and the parameters are {', '.join(names)}")

    def vector(self, option: str, value: Any, *, missing: float | None = None) -> Any:
        """An option with a number for each parameter; other forms than a mapping as they are."""
        if not isinstance(value, Mapping):
            return value
        self.require_known(option, value)
        numbers = []
        for name in self._names():
            if name not in value and missing is None:
                raise OptionError(f"{option} has nothing for {name!r}; give a number for each parameter")
            numbers.append(value.get(name, missing))
        return numbers

    def bounds(self, value: Any) -> Any:
        """Bounds as a pair of lower and upper ones."""
        if not isinstance(value, Mapping):
            return value
        self.require_known("bounds", value)
        low, high = np.full(self.n, -np.inf), np.full(self.n, np.inf)
        for j, name in enumerate(self._names()):
            if name not in value:
                continue
            try:
                lower, upper = value[name]
            except (TypeError, ValueError):
                raise OptionError(
                    f"bounds of {name!r} is {shown(value[name])}; it must be a pair (lower, upper), with None for none"
                ) from None
            low[j] = -np.inf if lower is None else lower
            high[j] = np.inf if upper is None else upper
        return low, high

    def fixed(self, value: Any, start: Array, given: set[int]) -> Any:
        """Which parameters are fixed, as a mask; sets the start values that come with them.

        `given` are the parameters of which the caller has given the start: no other can be fixed.
        """
        if value is None:
            return None
        if isinstance(value, str):
            value = {value}
        if isinstance(value, Mapping):
            self.require_known("fixed", value)
            held = {name: what for name, what in value.items() if what is not False}
            for j, name in enumerate(self._names()):
                if name in held and held[name] is not True:
                    start[j] = as_parameters(held[name], f"fixed[{name!r}]").item()
                    given.add(j)
        elif isinstance(value, set | frozenset | list | tuple) and value and all(isinstance(v, str) for v in value):
            self.require_known("fixed", value)
            held = dict.fromkeys(value, True)
        else:
            return value
        for j, name in enumerate(self._names()):
            if name in held and j not in given:
                raise OptionError(
                    f"fixed has {name!r}, which has no start: give it in p0, or as fixed={{{name!r}: value}}"
                )
        return np.array([name in held for name in self._names()])


def feasible_start(bounds: Any, n: int) -> Array:
    """Where a fit starts that is given no start: 1 for each parameter, or within its bounds."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        bounds = bounds.lb, bounds.ub
    start = np.ones(n)
    try:
        low, high = (np.broadcast_to(np.asarray(side, dtype=float), (n,)) for side in bounds)
    except (TypeError, ValueError):
        as_bounds(bounds, start)  # which says what is wrong with them
        raise
    both, below, above = np.isfinite(low) & np.isfinite(high), np.isfinite(low), np.isfinite(high)
    start[below] = low[below] + 1
    start[above] = high[above] - 1
    start[both] = 0.5 * low[both] + 0.5 * high[both]
    return start


def start_in_order(p0: Any) -> Array | None:
    """The start where p0 has a number for each parameter; None where it gives them by name, or where there is none."""
    if p0 is None or isinstance(p0, Mapping):
        return None
    start: Array | None = as_start(p0)
    if start is None:
        start = as_parameters(p0, "p0")
        require_finite(start, "p0", "to start from")
    if start.size == 0:
        raise InputTypeError("p0 is empty: there are no parameters to fit")
    return start


def start_by_name(p0: Any, by_name: ByName, bounds: Any) -> tuple[Array, set[int]]:
    """The start, and of which parameters the caller has given it."""
    start, given = feasible_start(bounds, by_name.n), set()
    if p0 is not None:
        by_name.require_known("p0", p0)
        for j, name in enumerate(by_name._names()):
            if name in p0:
                start[j] = as_parameters(p0[name], f"p0[{name!r}]").item()
                given.add(j)
    return start, given
