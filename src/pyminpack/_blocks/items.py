"""What a user gives for `blocks`: refused with a hint where it would not do, else as items for `map`."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from .._errors import InputTypeError


class NumberedBlocks:
    """The blocks of one pass as items for `map`, each with its number; a block is read only when `map` asks for it."""

    def __init__(self, blocks: Iterable[Any]) -> None:
        self.blocks = blocks
        self._number: int | None = None  # of blocks; known once they were read to the end

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        number = 0
        for number, block in enumerate(self.blocks, 1):
            yield number - 1, block
        self._number = number

    def count(self, enough: int) -> int:
        """How many blocks there were for `map` to read; where it did not come to their end, they are counted anew."""
        if self._number is None:
            self._number = sum(1 for _ in islice(self.blocks, enough))
        return self._number


class CountedBlocks(NumberedBlocks):
    """Blocks that have a length."""

    def __len__(self) -> int:
        return len(self.blocks)  # type: ignore[arg-type]

    def count(self, enough: int) -> int:
        """How many blocks there were for `map` to read; where it did not come to their end, what their length says."""
        return len(self) if self._number is None else self._number


def numbered(blocks: Iterable[Any]) -> NumberedBlocks:
    """The blocks as items for one pass."""
    return CountedBlocks(blocks) if hasattr(blocks, "__len__") else NumberedBlocks(blocks)


def as_blocks(blocks: Any) -> Iterable[Any]:
    """The blocks that a user gives, where they can be gone through again and again, and are meant as blocks.

    Raises
    ------
    InputTypeError
        They allow one pass only, are no blocks at all, or are data that someone has forgotten to cut into blocks.
    """
    what = f"blocks is of type {type(blocks).__name__}"
    if isinstance(blocks, str | bytes | bytearray):
        raise InputTypeError(f"{what}; give a list of blocks, such as names of files")
    if isinstance(blocks, Mapping):
        raise InputTypeError(
            f"{what}, from which a fit would take the keys; give list(blocks.values()) if its values are the blocks, "
            "list(blocks) if its keys are"
        )
    if hasattr(blocks, "to_numpy"):  # of pandas, Polars and their like
        raise InputTypeError(
            f"{what}, a table or a column of one; give a list of slices of its rows: "
            "[blocks.iloc[i : i + 1000] for i in range(0, len(blocks), 1000)]"
        )
    if len(getattr(blocks, "shape", ())) > 1 or getattr(getattr(blocks, "dtype", None), "names", None):
        raise InputTypeError(
            f"{what} and shape {tuple(blocks.shape)}, and each of its rows would be a block; give list(blocks) if that "
            "is meant, else a list of slices: [blocks[i : i + 1000] for i in range(0, len(blocks), 1000)]"
        )
    try:
        iterator = iter(blocks)
    except TypeError as error:
        raise InputTypeError(f"{what}, which is not iterable: {error}; give a list of blocks") from error
    if iterator is blocks:
        raise InputTypeError(
            f"{what}, used up after one pass, and a fit takes many: give a list, or an object whose __iter__ begins "
            "anew each time"
        )
    return blocks  # type: ignore[no-any-return]
