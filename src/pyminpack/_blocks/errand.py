"""What travels to the workers of a map-like engine, and what they answer."""

from _thread import get_ident
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Final, NamedTuple
from weakref import ref

import numpy as np

from .._errors import InputValueError
from .._model.arrays import describe
from .._report.record import Record
from .tasks import Norm, NormPass, Round, RoundPass, Triangle, TrianglePass, sample_of

NOTE: Final = "leastsq_blocks: "


class Caller:
    """The state in which the caller's own thread computes, to be had in other threads and processes as well.

    NumPy keeps its error state in a context variable. Other processes get the error state alone, because context
    variables cannot be pickled.
    """

    def __init__(self) -> None:
        self._thread, self._context = get_ident(), copy_context()
        # What NumPy calls or logs to does not travel: a worker keeps its own way for these kinds of errors.
        self._errors = {kind: how for kind, how in np.geterr().items() if how not in ("call", "log")}

    def __reduce__(self) -> tuple[Any, ...]:
        return _CallerElsewhere, (self._errors,)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function gives in the caller's state."""
        if get_ident() == self._thread:
            return function(*args)
        context: Context = self._context.copy()  # two threads cannot be within the same one
        return context.run(function, *args)


class _CallerElsewhere:
    """A caller who is in another process."""

    def __init__(self, errors: dict[str, Any]) -> None:
        self._errors = errors

    def __reduce__(self) -> tuple[Any, ...]:
        return _CallerElsewhere, (self._errors,)

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        with np.errstate(**self._errors):
            return function(*args)


class Unshared:
    """A function of the user's, which must not give the same array to two threads and fill it anew for each.

    One thread would read the array while another one fills it. An array that stays as it is may be given to all.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function, self._name = function, name
        self._thread = get_ident()
        self._given: dict[int, tuple[int, Any, bytes]] = {}  # by the array's id: thread, the array, some of its entries

    def __reduce__(self) -> tuple[Any, ...]:
        return Unshared, (self._function, self._name)

    def __call__(self, *args: Any) -> Any:
        result = self._function(*args)
        if type(result) is np.ndarray and (thread := get_ident()) != self._thread:
            sample = sample_of(result)
            before = self._given.get(id(result))
            if before is not None and before[0] != thread and before[1]() is result and before[2] != sample:
                raise InputValueError(
                    f"{self._name} gave the same array to two threads, and filled it anew in between: one of them "
                    "would read what the other writes; let it make a new array for each call"
                )
            self._given[id(result)] = thread, ref(result), sample
        return result


class Answer(NamedTuple):
    """What comes of one block."""

    number: int  # of the pass
    block: int  # its number
    content: Norm | Round | Triangle | StopIteration


class Errand(Record):
    """The function of one pass that `map` gets: what is to be computed, for whom, and in which pass."""

    task: NormPass | RoundPass | TrianglePass
    caller: Caller
    number: int  # of the pass

    def __call__(self, item: tuple[int, Any]) -> Answer:
        index, block = item
        try:
            content = self.caller.run(self.task.compute, index, block)
        except Exception as error:
            error.add_note(f"{NOTE}this was block {index}, at x = {describe(self.task.x)}")
            if not isinstance(error, StopIteration):
                raise
            content = error  # if it were raised, map would take it for the end of the blocks
        return Answer(self.number, index, content)
