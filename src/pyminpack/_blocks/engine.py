"""Passes over the blocks through a map-like engine."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from .._errors import InputTypeError, ShapeError
from .._model.arrays import Array
from .._report.blocks import BlocksProgress
from .tasks import NOTE, Norm, NormPass, Triangle, TrianglePass, length_error

Kind: TypeAlias = Literal["Jacobian", "residuals"]
Map: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class NumberedBlocks:
    """The blocks as the items of `map`, each with its index: no more of them at a time than `map` wants."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return enumerate(self.blocks)

    @staticmethod
    def of(blocks: Any) -> "NumberedBlocks":
        if isinstance(blocks, (str, bytes)):
            raise InputTypeError(f"blocks is a {type(blocks).__name__}; give a list of blocks, such as names of files")
        try:
            once = iter(blocks) is blocks
        except TypeError as error:
            raise InputTypeError(
                f"blocks is a {type(blocks).__name__}, which can't be gone through: {error}"
            ) from error
        if once:
            raise InputTypeError(
                f"blocks is a {type(blocks).__name__}, used up after one pass, and a fit takes many: give a list, or "
                "an object whose __iter__ begins anew each time"
            )
        return CountedBlocks(blocks) if hasattr(blocks, "__len__") else NumberedBlocks(blocks)


class CountedBlocks(NumberedBlocks):
    """Blocks that say how many they are."""

    def __len__(self) -> int:
        return len(self.blocks)  # type: ignore[arg-type]


class Passes:
    """Passes over the blocks: each block's answer, checked, in the order of the blocks."""

    def __init__(self, items: NumberedBlocks, map: Map, progress: Callable[[BlocksProgress], Any] | None) -> None:
        self._items, self._map, self._progress = items, map, progress
        self._rows: list[int] = []  # of each block, as the first pass found them
        self._is_first = True

    @property
    def blocks(self) -> int:
        """How many they are; after the first pass."""
        return len(self._rows)

    @property
    def m(self) -> int:
        """How many residuals they have in all; after the first pass."""
        return sum(self._rows)

    @property
    def spread(self) -> int:
        """Of how many blocks one is to be looked at, to have seen ten blocks and a thousand rows, or all there are."""
        return max(1, min(self.blocks // 10, self.m // 1000))

    def go(
        self, task: NormPass | TrianglePass, take: Callable[[Any], None], kind: Kind, so_far: tuple[int, float, int]
    ) -> None:
        """Give each block's answer to `take`; so_far are the iteration, the cost and the passes."""
        total = self._count()
        early: dict[int, Any] = {}
        done = 0
        finished = False
        results: Any = None
        try:
            results = self._map(task, self._items)
            for answer in self._answers(results):
                early[answer.index] = answer
                while done in early:
                    answer = early.pop(done)
                    self._check_rows(answer, task.x)
                    take(answer)
                    done += 1
                    if self._progress is not None:
                        iteration, cost, nfev = so_far
                        self._progress(
                            BlocksProgress(
                                iteration=iteration, cost=cost, nfev=nfev, kind=kind, blocks_done=done, blocks=total
                            )
                        )
            finished = True
        finally:
            if not finished:
                _abandon(results)
        if early or total not in (None, done):
            raise ShapeError(
                f"map gave {done + len(early)} answers, where there are {total or 'other'} blocks; it must give one "
                "for each, and blocks must stay the same during a fit"
            )
        self._is_first = False

    def _count(self) -> int | None:
        if not self._is_first:
            return self.blocks
        return len(self._items) if isinstance(self._items, CountedBlocks) else None

    def _answers(self, results: Any) -> Iterator[Any]:
        """The answers of `map` in the order in which they come, out of their futures where they are in some."""
        came = 0
        try:
            for result in results:
                answer = result.result() if hasattr(result, "result") else result
                _require_answer(answer)
                yield answer
                came += 1
        except Exception as error:
            if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{NOTE}{came} blocks had been answered for; the next was block {came}")
            raise

    def _check_rows(self, answer: Norm | Triangle, x: Array) -> None:
        if self._is_first:
            self._rows.append(answer.rows)
        elif answer.index >= len(self._rows):
            raise ShapeError(f"blocks has more than {len(self._rows)} blocks now, and had so many before")
        elif answer.rows != self._rows[answer.index]:
            raise length_error(answer.index, answer.rows, self._rows[answer.index], x)


def _abandon(results: Any) -> None:
    """Tell the engine that nobody waits any more, where it can be told."""
    with suppress(Exception):
        if hasattr(results, "close"):  # a generator, as executors give it: it cancels what hasn't begun
            results.close()
        elif isinstance(results, list):
            for future in results:
                if hasattr(future, "cancel"):
                    future.cancel()


def _require_answer(answer: Any) -> None:
    if not isinstance(answer, (Norm, Triangle)):
        raise InputTypeError(
            f"map gave a {type(answer).__name__} that isn't what it was to compute; it must be as the built-in map: "
            "map(function, items) gives function(item) for each item, or futures of them"
        )
