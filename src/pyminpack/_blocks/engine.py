"""Passes over the blocks, by a map-like engine or by threads."""

import builtins
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from .._errors import InputTypeError, OptionError, ShapeError
from .._model.arrays import Array
from .._report.blocks import BlocksProgress
from .errand import NOTE, Answer, Caller, Errand
from .items import CountedBlocks, numbered
from .tasks import NormPass, RoundPass, TrianglePass, size_error

Kind: TypeAlias = Literal["Jacobian", "residuals"]
Map: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

_ONE_FOR_EACH: Final = "map(function, items) must give function(item), or a future of it, once for each item"


class Threads:
    """A map by a number of threads, which reads few blocks ahead, because each block that is read takes memory."""

    def __init__(self, number: int, halt: Callable[[], None] | None = None) -> None:
        """`halt` is called when no answer is awaited any more, before the threads end, which may be asked to hurry."""
        self._number, self._halt = number, halt

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        from concurrent.futures import Future, ThreadPoolExecutor  # it takes 4 ms to import

        pool = ThreadPoolExecutor(self._number)
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) == 2 * self._number:  # each thread finds its next block while the oldest is awaited
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            if self._halt is not None:
                self._halt()
            pool.shutdown(cancel_futures=True)


def as_map(map: Any) -> Map:
    """A map-like callable; a number means so many threads."""
    if callable(map):
        engine: Map = map
        return engine
    if isinstance(map, int | np.integer) and not isinstance(map, bool) and map > 0:
        return builtins.map if map == 1 else Threads(int(map))
    hint = ": pass its method map" if callable(getattr(map, "map", None)) else ""
    raise OptionError(
        f"map is {map!r}; it must be a number of threads, 1 or more, or a function like the built-in map{hint}"
    )


class Passes:
    """Passes over the blocks, which give the answer for each block, checked, in the order of the blocks."""

    def __init__(self, blocks: Iterable[Any], map: Map, progress: Callable[[BlocksProgress], Any] | None) -> None:
        self._blocks, self._map, self._progress = blocks, map, progress
        self._rows: list[int] = []  # number of residuals of each block, from the first pass
        self._done = 0  # passes

    @property
    def blocks(self) -> int:
        """Number of blocks; known after the first pass."""
        return len(self._rows)

    @property
    def m(self) -> int:
        """Number of residuals in all blocks; known after the first pass."""
        return sum(self._rows)

    def go(
        self,
        task: NormPass | RoundPass | TrianglePass,
        take: Callable[[int, Any], None],
        kind: Kind,
        so_far: tuple[int, float, int],
    ) -> None:
        """Give each block's number and its answer to `take`; so_far are iteration, cost and number of evaluations."""
        items = numbered(self._blocks)
        expected = self.blocks if self._done else len(items) if isinstance(items, CountedBlocks) else None
        early: dict[int, Any] = {}
        done = 0
        finished = False
        results: Any = None
        try:
            results = self._map(Errand(task=task, caller=Caller(), number=self._done), items)
            for answer in self._answers(results):
                if answer.block < done or answer.block in early:
                    raise ShapeError(f"map gave two answers for block {answer.block}; {_ONE_FOR_EACH}")
                if isinstance(answer.content, StopIteration):
                    raise answer.content
                early[answer.block] = answer.content
                while done in early:
                    content = early.pop(done)
                    self._check_rows(done, content.rows, task.x)
                    take(done, content)
                    done += 1
                    if self._progress is not None:
                        iteration, cost, nfev = so_far
                        self._progress(
                            BlocksProgress(
                                iteration=iteration, cost=cost, nfev=nfev, kind=kind, blocks_done=done, blocks=expected
                            )
                        )
            finished = True
        finally:
            if not finished:
                _cancel(results)
        answers = done + len(early)
        there = items.count(answers + 1)
        if expected not in (None, there) and there <= answers:
            before = "before" if self._done else "by its length"
            raise ShapeError(
                f"blocks gave {there} blocks, and had {expected} {before}; it must give the same blocks in each pass: "
                "its __iter__ must begin anew each time"
            )
        if early or answers != there:
            number = there if expected is None else expected
            raise ShapeError(
                f"map gave {answers} answers for {number} blocks, and none for block {done}; {_ONE_FOR_EACH}"
            )
        self._done += 1

    def _answers(self, results: Any) -> Iterator[Answer]:
        """The answers of this pass in the order in which `map` gives them; where it gives futures, their results."""
        try:
            iterator = iter(results)
        except TypeError as error:
            raise InputTypeError(
                f"map gave a value of type {type(results).__name__}, which is not iterable; {_ONE_FOR_EACH}"
            ) from error
        count = 0
        try:
            for result in iterator:
                answer = result.result() if hasattr(result, "result") else result
                self._require_answer(answer)
                yield answer
                count += 1
        except Exception as error:
            if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{NOTE}{count} blocks were done; the next was block {count}")
            raise

    def _require_answer(self, answer: Any) -> None:
        if not isinstance(answer, Answer):
            raise InputTypeError(
                f"map gave a value of type {type(answer).__name__}, no result of its function; {_ONE_FOR_EACH}"
            )
        if answer.number != self._done:
            raise ShapeError(f"map gave an answer of an earlier pass, for block {answer.block}; {_ONE_FOR_EACH}")

    def _check_rows(self, index: int, rows: int, x: Array) -> None:
        if self._done == 0:
            self._rows.append(rows)
        elif index >= len(self._rows):
            raise ShapeError(f"blocks has more than {len(self._rows)} blocks now, and had {len(self._rows)} before")
        elif rows != self._rows[index]:
            raise size_error(index, rows, self._rows[index], x)


def _cancel(results: Any) -> None:
    """Cancel the work that the engine has not begun, where it allows that."""
    with suppress(Exception):
        if hasattr(results, "close"):  # a generator, as executors give it
            results.close()
        elif isinstance(results, list):
            for future in results:
                if hasattr(future, "cancel"):
                    future.cancel()
