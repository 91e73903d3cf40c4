"""Ctrl-C at a chosen place: between any two lines, or any two bytecodes, of the package's own Python code."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

import pyminpack

_PACKAGE = str(Path(pyminpack.__file__).parent)
_VISITS = 2
_SHARES = 20


class Places:
    """Counts the places that a job comes to, and raises KeyboardInterrupt at one of them.

    A place is a line that is about to run, or a function that is about to return, on its first two visits. In a round
    of `tools/fuzz` it may be any bytecode that is about to run, too, and each round takes another twentieth of them.
    The bytecode behind a call comes before the result is stored: so there is a place right behind each return of a
    routine of the core.

    Attributes
    ----------
    where : str
        File and line of the one that raised last.
    """

    def __init__(self, number: int | None = None) -> None:
        self._by_bytecode = number is not None
        self._first, self._stride = (1, 1) if number is None else (1 + number % _SHARES, _SHARES)
        self._chosen = self._count = 0
        self._visits: Counter[Any] = Counter()
        self.where = ""

    def interrupt_each(self, job: Callable[[], Any]) -> Iterator[None]:
        """Do the job, interrupted at one place after the other; give way after each."""
        assert self._run(job, 0)
        for k in range(self._first, self._count + 1, self._stride):
            assert not self._run(job, k), f"the interrupt at {self.where} was lost"
            yield

    def _run(self, job: Callable[[], Any], interrupt_at: int) -> bool:
        """Run the job, with Ctrl-C at this place, counted from 1; whether it came through all the same."""
        self._count, self._chosen = 0, interrupt_at
        self._visits.clear()
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            job()
        except KeyboardInterrupt:
            return False
        finally:
            sys.settrace(before)
        return True

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        frame.f_trace_opcodes = self._by_bytecode
        return self._look

    def _look(self, frame: FrameType, event: str, arg: Any) -> Any:
        place = frame.f_code, frame.f_lasti, event
        self._visits[place] += 1
        # A generator that is dropped half-way is closed where Python loses every exception, a real Ctrl-C, too.
        is_closed = event == "return" and frame.f_code.co_flags & CO_GENERATOR
        if event != "exception" and not is_closed and self._visits[place] <= _VISITS:
            self._count += 1
            if self._count == self._chosen:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} ({event})"
                raise KeyboardInterrupt
        return self._look
