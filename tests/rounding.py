"""Which of the standard runs end as they do because of rounding: those that end otherwise with the residuals in another
order."""

from functools import cache
from typing import NamedTuple

import numpy as np

from problems.mgh import Run
from pyminpack import _minpack

ORDERS = 10


class Ending(NamedTuple):
    """How a run ends on the classic path, and where."""

    info: int
    nfev: int
    x: np.ndarray
    norm: float


def fit(run: Run, order: np.ndarray, by_differences: bool = False) -> Ending:
    """A run with its residuals in this order, by lmdif or lmder."""
    problem = run.problem
    start, most = np.array(problem.start, float), problem.n + 1
    first = problem.residuals(start)[order]

    def residuals(x: np.ndarray) -> np.ndarray:
        return problem.residuals(x)[order]

    tolerances = (1.49012e-8, 1.49012e-8, 0.0)
    if by_differences:
        ended = _minpack.lmdif(residuals, start, first, *tolerances, 200 * most, 0.0, np.empty(0), 100.0)
    else:
        ended = _minpack.lmder(
            residuals, lambda x: problem.jacobian(x)[order], start, first, False, *tolerances, 100 * most,
            np.empty(0), 100.0,
        )  # fmt: skip
    return Ending(ended[2], ended[3], ended[0], float(np.linalg.norm(ended[1])))


@cache
def endings(run: Run, by_differences: bool = False) -> list[Ending]:
    """The endings of a run for some orders of its residuals, their own first."""
    rng = np.random.default_rng(0)
    m = run.problem.m
    orders = [np.arange(m), np.arange(m)[::-1], *(rng.permutation(m) for _ in range(ORDERS - 2))]
    return [fit(run, order, by_differences) for order in orders]


def agree(endings: list[Ending]) -> bool:
    """Whether a run ends alike in every order: by info and nfev, and at the same point.

    One whose residuals vanish to the last bit is taken out: it is by rounding that nothing is left of them.
    """
    first, *others = endings
    return first.norm > 0 and all(
        (other.info, other.nfev) == (first.info, first.nfev) and np.allclose(other.x, first.x, rtol=1e-9, atol=1e-12)
        for other in others
    )
