"""`leastsq_blocks`: what it costs beside the user's functions and the factorizations, and what two threads gain.

Run by hand, on idle cores: python benchmarks/bench_blocks.py [case ...]

Overhead is the time of a fit over that of the user's functions and of as many factorizations of the whole Jacobian,
measured by bench_factor.py. Its times are those of this thread on a processor; gains are by the clock on the wall.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads are to be ours alone

import ctypes
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from bench_factor import solver_seconds
from models import add_peaks, fill_peaks_jacobian, peaks_truth
from pyminpack import leastsq, leastsq_blocks
from ratio import choose, print_row, seconds

from c_library import library  # isort: skip  (models opens the way to it)


class Stopwatch:
    """A function, and the time spent in it."""

    def __init__(self, function: Callable[..., np.ndarray]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: object) -> np.ndarray:
        """Call it."""
        begin = time.thread_time()
        result = self.function(*args)
        self.seconds += time.thread_time() - begin
        return result


class Peaks:
    """A sum of Gaussian peaks; the Jacobian in C's order, or as NumPy fills it fastest."""

    def __init__(self, m: int, n: int, rows: int, order: str) -> None:
        self.m, self.n, self.order = m, n, order
        truth = peaks_truth(n // 3)
        t = np.linspace(0, 1, m)
        y = self.residuals(truth, (t, np.zeros(m))) + 0.01 * np.sin(1e4 * t)
        self.start = truth * 1.1
        self.blocks = [(t[i : i + rows], y[i : i + rows]) for i in range(0, m, rows)]

    def residuals(self, x: np.ndarray, block: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Model less data."""
        t, y = block
        total = -y
        add_peaks(x, t, total)
        return total

    def jacobian(self, x: np.ndarray, block: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Its derivatives."""
        t, _ = block
        result = np.empty((t.size, self.n), order=self.order)
        fill_peaks_jacobian(x, t, result.T)
        return result

    def factorization(self) -> float:
        """Seconds for the Jacobian of all rows."""
        jac = np.random.default_rng(0).standard_normal((self.m, self.n) if self.order == "C" else (self.n, self.m))
        return solver_seconds(leastsq, jac, np.cos(np.arange(self.m)), col_deriv=self.order == "F")


def overhead(problem: Peaks, with_jac: bool, rounds: int = 3) -> float:
    """The median of the time of a fit over that of the user's functions and the factorizations."""
    ratios = []
    for _ in range(rounds):
        func, jac = Stopwatch(problem.residuals), Stopwatch(problem.jacobian)
        before = problem.factorization()
        begin = time.thread_time()
        fit = leastsq_blocks(func, problem.start, problem.blocks, jac=jac if with_jac else None, maxfev=30)
        elapsed = time.thread_time() - begin
        factorizations = fit.njev * (before + problem.factorization()) / 2
        ratios.append(elapsed / (func.seconds + jac.seconds + factorizations))
    return statistics.median(ratios)


class Decay:
    """An exponential with residuals and Jacobian in C, by ctypes, which releases the GIL."""

    def __init__(self, m: int, rows: int) -> None:
        t = np.linspace(0, 4, m)
        y = 2.5 * np.exp(-1.3 * t) + 0.05 * np.cos(7e3 * t)
        self.start = np.array([1.0, 1.0])
        self.blocks = [np.concatenate([t[i : i + rows], y[i : i + rows]]) for i in range(0, m, rows)]

    def _fill(self, function: Any, x: np.ndarray, block: np.ndarray, result: np.ndarray) -> np.ndarray:
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, result, block)]
        function(block.size // 2, x.size, *pointers)
        return result

    def residuals(self, x: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Model less data."""
        return self._fill(library().residuals, x, block, np.empty(block.size // 2))

    def jacobian(self, x: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Its derivatives."""
        return self._fill(library().jacobian_rows, x, block, np.empty((block.size // 2, 2)))


def gains_of_two_threads(problem: Peaks | Decay, rounds: int = 5) -> list[float]:
    """The medians of one thread's time over that of two: of a fit, and of the user's functions by themselves."""

    def fit(pool: ThreadPoolExecutor) -> None:
        leastsq_blocks(problem.residuals, problem.start, problem.blocks, jac=problem.jacobian, map=pool.map)

    def functions(pool: ThreadPoolExecutor) -> None:
        for _ in range(5):
            list(pool.map(evaluate, problem.blocks))

    def evaluate(block: Any) -> None:
        problem.residuals(problem.start, block)
        problem.jacobian(problem.start, block)

    wall = partial(seconds, clock=time.perf_counter)
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        ratios = [
            [wall(partial(task, one)) / wall(partial(task, two)) for task in (fit, functions)] for _ in range(rounds)
        ]
    return [statistics.median(column) for column in zip(*ratios, strict=True)]


CASES = {
    "1000000 x 9, blocks of 100000, F": partial(Peaks, 10**6, 9, 100_000, "F"),
    "1000000 x 9, blocks of 100000, C": partial(Peaks, 10**6, 9, 100_000, "C"),
    "1000000 x 9, blocks of 10000, F": partial(Peaks, 10**6, 9, 10_000, "F"),
    "400000 x 30, blocks of 50000, F": partial(Peaks, 400_000, 30, 50_000, "F"),
    "400000 x 30, blocks of 50000, C": partial(Peaks, 400_000, 30, 50_000, "C"),
    "C functions, 4000000 x 2, blocks of 100000": partial(Decay, 4 * 10**6, 100_000),
}


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    print_row("overhead, and what two threads gain", "jac", "differences", "goal", "gain", "goal", "functions'")
    for name, make in cases.items():
        problem = make()
        fit, functions = gains_of_two_threads(problem)
        costs = [overhead(problem, given) for given in (True, False)] if isinstance(problem, Peaks) else [None, None]
        print_row(name, *costs, 1.15, fit, 1.7, functions)


if __name__ == "__main__":
    main()
