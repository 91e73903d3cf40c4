"""What `help` shows of the arguments of a function."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def without_types(function: _Function) -> _Function:
    """Have `help` show names and defaults alone; the docstring has the types, in words.

    Written out, those of `least_squares` are a page. Type checkers read the source, and `__annotations__` stay.
    """
    signature = inspect.signature(function)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    shown = signature.replace(parameters=bare, return_annotation=signature.empty)
    vars(function)["__signature__"] = shown
    return function
