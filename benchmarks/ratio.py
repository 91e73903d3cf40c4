"""Times of two callables measured in turns, so that a busy machine disturbs both alike; and tables of the results.

Times are those that this thread spends on a processor, unless said otherwise: on a busy machine, time by the clock on
the wall contains the work of others.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Call = Callable[[], object]
Clock = Callable[[], float]
HEAD = ("ratio", "goal", "quartiles", "ours", "theirs")


@dataclass(frozen=True)
class Ratio:
    """The times of one callable relative to those of another.

    Attributes
    ----------
    ours, theirs : float
        The shortest time of each, in seconds a call.
    ratios : tuple of float
        In each round, our time over theirs.
    """

    ours: float
    theirs: float
    ratios: Sequence[float]

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.ratios)

    def cells(self, goal: float | None) -> tuple[float | str | None, ...]:
        """The cells of a row under `HEAD`."""
        return self.median, goal, quartiles(self.ratios), duration(self.ours), duration(self.theirs)


def seconds(call: Call, number: int = 1, clock: Clock = time.thread_time) -> float:
    """Time a call: the mean of `number` of them."""
    begin = clock()
    for _ in range(number):
        call()
    return (clock() - begin) / number


def side_by_side(
    ours: Call, theirs: Call, rounds: int = 101, length: float = 0.008, clock: Clock = time.thread_time
) -> Ratio:
    """Time two callables in turns, each for about `length` seconds a round."""
    ours()
    number = 1
    if seconds(theirs, clock=clock) < length:
        number = max(1, int(length / max(seconds(theirs, 3, clock), 1e-9)))
    return from_pairs([(seconds(ours, number, clock), seconds(theirs, number, clock)) for _ in range(rounds)])


def from_pairs(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """Compare times that were measured in pairs: ours and theirs."""
    ours, theirs = zip(*pairs, strict=True)
    return Ratio(min(ours), min(theirs), [a / b for a, b in pairs])


def duration(value: float) -> str:
    """Write seconds in the unit that fits."""
    unit, size = next((pair for pair in (("s", 1.0), ("ms", 1e-3)) if value >= pair[1]), ("µs", 1e-6))
    return f"{value / size:.2f} {unit}"


def quartiles(values: Sequence[float]) -> str:
    """Write the first and the third quartile: how wide the values spread."""
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return f"{first:.3f}-{third:.3f}"


def print_row(name: str, *cells: float | str | None) -> None:
    """Print a row of a table, or its head; None is an empty cell."""
    texts = ["" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"{name:44}" + "".join(f" {text:>13}" for text in texts), flush=True)


def choose(description: str | None, cases: dict[str, Any]) -> dict[str, Any]:
    """Read from the command line which cases to run: all, where none is named."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = "; ".join(cases)
    parser.add_argument("case", nargs="*", help=f"the cases to run (default: all of them): {listed}")
    chosen = parser.parse_args().case or list(cases)
    if unknown := [name for name in chosen if name not in cases]:
        parser.error(f"no case is called {unknown[0]!r}; there are: {listed}")
    return {name: cases[name] for name in chosen}
