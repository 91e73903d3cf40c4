"""Two callables timed side by side, in turns, so that a busy machine disturbs both alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Times of one callable relative to another's, in seconds a call.

    Attributes
    ----------
    ours, theirs : float
        The shortest time of each.
    median : float
        The median over rounds of our time over theirs in the same round.
    """

    ours: float
    theirs: float
    median: float


def _time(call: Callable[[], object], number: int) -> float:
    begin = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - begin) / number


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 41, seconds: float = 0.02
) -> Ratio:
    """Time two callables in turns, each for about `seconds` a round."""
    number = max(1, int(seconds / max(_time(theirs, 3), 1e-9)))
    pairs = [(_time(ours, number), _time(theirs, number)) for _ in range(rounds)]
    return Ratio(
        ours=min(pair[0] for pair in pairs),
        theirs=min(pair[1] for pair in pairs),
        median=statistics.median(pair[0] / pair[1] for pair in pairs),
    )
