"""Passes over the blocks, by a map-like engine."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

from .._errors import InputTypeError, ShapeError
from .._model.arrays import Array
from .._report.blocks import BlocksProgress
from .tasks import NOTE, Norm, NormPass, Triangle, TrianglePass, size_error

Kind: TypeAlias = Literal["Jacobian", "residuals"]
Map: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

# A pass samples about this many blocks, or as many as have this many rows together, whichever are more. The numbers
# decide how much time the sample takes, and hardly anything else: see docs/constants.md.
_SAMPLED_BLOCKS: Final = 10
_SAMPLED_ROWS: Final = 1000


class NumberedBlocks:
    """The blocks as items for `map`, each with its index; a block is read only when `map` asks for it."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return enumerate(self.blocks)

    @staticmethod
    def of(blocks: Any) -> "NumberedBlocks":
        """The blocks that a user gives; those that allow one pass only, or are no blocks at all, are refused."""
        if isinstance(blocks, (str, bytes)):
            raise InputTypeError(f"blocks is a {type(blocks).__name__}; give a list of blocks, such as names of files")
        try:
            allows_one_pass = iter(blocks) is blocks
        except TypeError as error:
            raise InputTypeError(f"blocks is a {type(blocks).__name__}, which is not iterable: {error}") from error
        if allows_one_pass:
            raise InputTypeError(
                f"blocks is a {type(blocks).__name__}, used up after one pass, and a fit takes many: give a list, or "
                "an object whose __iter__ begins anew each time"
            )
        return CountedBlocks(blocks) if hasattr(blocks, "__len__") else NumberedBlocks(blocks)


class CountedBlocks(NumberedBlocks):
    """Blocks whose number is known."""

    def __len__(self) -> int:
        return len(self.blocks)  # type: ignore[arg-type]


class Passes:
    """Passes over the blocks, which give the answer for each block, checked, in the order of the blocks."""

    def __init__(self, items: NumberedBlocks, map: Map, progress: Callable[[BlocksProgress], Any] | None) -> None:
        self._items, self._map, self._progress = items, map, progress
        self._rows: list[int] = []  # number of residuals of each block, from the first pass
        self._is_first = True

    @property
    def blocks(self) -> int:
        """Number of blocks; known after the first pass."""
        return len(self._rows)

    @property
    def m(self) -> int:
        """Number of residuals in all blocks; known after the first pass."""
        return sum(self._rows)

    @property
    def sampled_every(self) -> int:
        """One in how many blocks is sampled for the response of its residuals to steps."""
        return max(1, min(self.blocks // _SAMPLED_BLOCKS, self.m // _SAMPLED_ROWS))

    def go(
        self, task: NormPass | TrianglePass, take: Callable[[Any], None], kind: Kind, so_far: tuple[int, float, int]
    ) -> None:
        """Give the answer for each block to `take`; so_far are the iteration, the cost and the number of passes."""
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
                _cancel(results)
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
        """The answers in the order in which `map` gives them; where it gives futures, their results."""
        count = 0
        try:
            for result in results:
                answer = result.result() if hasattr(result, "result") else result
                _require_answer(answer)
                yield answer
                count += 1
        except Exception as error:
            if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
                error.add_note(f"{NOTE}{count} blocks were done; the next was block {count}")
            raise

    def _check_rows(self, answer: Norm | Triangle, x: Array) -> None:
        if self._is_first:
            self._rows.append(answer.rows)
        elif answer.index >= len(self._rows):
            raise ShapeError(f"blocks has more than {len(self._rows)} blocks now, and had {len(self._rows)} before")
        elif answer.rows != self._rows[answer.index]:
            raise size_error(answer.index, answer.rows, self._rows[answer.index], x)


def _cancel(results: Any) -> None:
    """Cancel the work that the engine has not begun, where it allows that."""
    with suppress(Exception):
        if hasattr(results, "close"):  # a generator, as executors give it
            results.close()
        elif isinstance(results, list):
            for future in results:
                if hasattr(future, "cancel"):
                    future.cancel()


def _require_answer(answer: Any) -> None:
    if not isinstance(answer, (Norm, Triangle)):
        raise InputTypeError(
            f"map gave a {type(answer).__name__} that is not the result of its function; it must do as the built-in "
            "map: map(function, items) gives function(item) for each item, or futures of them"
        )
