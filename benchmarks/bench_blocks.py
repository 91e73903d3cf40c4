"""`leastsq_blocks`: what it costs beside the user's functions and the factorizations, and what two threads gain.

Run by hand, on idle cores: python benchmarks/bench_blocks.py
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pyminpack import _minpack, leastsq_blocks

Block = tuple[np.ndarray, np.ndarray]


# Time of this thread on a processor: what others do on a busy machine is not in it.
clock = time.thread_time


class Stopwatch:
    """A function, and the time spent in it."""

    def __init__(self, function: Callable) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: object) -> np.ndarray:
        """Call it."""
        begin = clock()
        result = self.function(*args)
        self.seconds += clock() - begin
        return result


class Peaks:
    """A sum of Gaussian peaks, three parameters each; the Jacobian in C's order, or as NumPy fills it fastest."""

    def __init__(self, m: int, n: int, rows: int, order: str) -> None:
        self.m, self.n, self.order = m, n, order
        self.peaks = n // 3
        middles = (np.arange(self.peaks) + 0.5) / self.peaks
        truth = np.concatenate([np.ones(self.peaks), middles, np.full(self.peaks, 0.3 / self.peaks)])
        t = np.linspace(0, 1, m)
        y = self.residuals(truth, (t, np.zeros(m))) + 0.01 * np.sin(1e4 * t)
        self.start = truth * 1.1
        self.blocks: list[Block] = [(t[i : i + rows], y[i : i + rows]) for i in range(0, m, rows)]

    def residuals(self, x: np.ndarray, block: Block) -> np.ndarray:
        """Model less data."""
        t, y = block
        total = -y
        for height, middle, width in x.reshape(3, self.peaks).T:
            total += height * np.exp(-(((t - middle) / width) ** 2))
        return total

    def jacobian(self, x: np.ndarray, block: Block) -> np.ndarray:
        """Its derivatives."""
        t, _ = block
        result = np.empty((t.size, self.n), order=self.order)
        for k, (height, middle, width) in enumerate(x.reshape(3, self.peaks).T):
            u = (t - middle) / width
            shape = np.exp(-(u**2))
            result[:, k] = shape
            shape *= u
            shape *= 2 * height / width
            result[:, k + self.peaks] = shape
            shape *= u
            result[:, k + 2 * self.peaks] = shape
        return result

    def factorization(self) -> float:
        """Seconds that the core takes over the Jacobian of all blocks, one after the other."""
        order = "F" if self.order == "F" else "C"
        t, y = self.blocks[0]
        block = np.zeros((t.size, self.n), order=order) + np.random.default_rng(0).standard_normal((t.size, 1))
        rows = _minpack.fold_rows(self.n)
        triangle = np.zeros((self.n + 1, self.n + 1))
        begin = clock()
        for _ in self.blocks:
            triangle = _minpack.fold_jacobian(block.T if order == "F" else block, order == "C", y, triangle, rows)
        return clock() - begin


def overhead(problem: Peaks, with_jac: bool, rounds: int = 3) -> float:
    """The median of the time of a fit over that of the user's functions and the factorizations."""
    ratios = []
    for _ in range(rounds):
        func, jac = Stopwatch(problem.residuals), Stopwatch(problem.jacobian)
        before = problem.factorization()
        begin = clock()
        fit = leastsq_blocks(func, problem.start, problem.blocks, jac=jac if with_jac else None, maxfev=30)
        seconds = clock() - begin
        factorizations = fit.njev * (before + problem.factorization()) / 2
        ratios.append(seconds / (func.seconds + jac.seconds + factorizations))
    return statistics.median(ratios)


def gain_of_two_threads(problem: Peaks, rounds: int = 3) -> float:
    """The median of one thread's time over that of two."""
    ratios = []
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        for _ in range(rounds):
            times = []
            for pool in (one, two):
                begin = time.perf_counter()
                leastsq_blocks(problem.residuals, problem.start, problem.blocks, jac=problem.jacobian, map=pool.map)
                times.append(time.perf_counter() - begin)
            ratios.append(times[0] / times[1])
    return statistics.median(ratios)


def main() -> None:
    """Print one line a case."""
    print(f"{'m':>9}{'n':>4}{'rows':>8} order  overhead, with jac   by differences   two threads")
    print(f"{'goal':>21} {'<= 1.15':>27}{'<= 1.15':>17}{'>= 1.7':>14}")
    for m, n, rows, order in (
        (10**6, 9, 100_000, "F"),
        (10**6, 9, 100_000, "C"),
        (10**6, 9, 10_000, "F"),
        (400_000, 30, 50_000, "F"),
        (400_000, 30, 50_000, "C"),
    ):
        problem = Peaks(m, n, rows, order)
        print(
            f"{m:>9}{n:>4}{rows:>8}   {order} {overhead(problem, True):21.3f}{overhead(problem, False):17.3f}"
            f"{gain_of_two_threads(problem):14.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
