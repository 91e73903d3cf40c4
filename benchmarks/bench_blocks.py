"""`leastsq_blocks`: what it costs beside the user's functions and the factorizations, and what two threads gain.

Run by hand, on idle cores: python benchmarks/bench_blocks.py
"""

import ctypes
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pyminpack import _minpack, leastsq_blocks

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from c_library import library

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
        rows = _minpack.block_rows(self.n)
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


class Decay:
    """An exponential with residuals and Jacobian in C, by ctypes, which releases the GIL."""

    def __init__(self, m: int, rows: int) -> None:
        self.library = library()
        t = np.linspace(0, 4, m)
        y = 2.5 * np.exp(-1.3 * t) + 0.05 * np.cos(7e3 * t)
        self.start = np.array([1.0, 1.0])
        self.blocks = [np.concatenate([t[i : i + rows], y[i : i + rows]]) for i in range(0, m, rows)]

    def _fill(self, function: Callable, x: np.ndarray, block: np.ndarray, result: np.ndarray) -> np.ndarray:
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, result, block)]
        function(block.size // 2, x.size, *pointers)
        return result

    def residuals(self, x: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Model less data."""
        return self._fill(self.library.residuals, x, block, np.empty(block.size // 2))

    def jacobian(self, x: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Its derivatives."""
        return self._fill(self.library.jacobian_rows, x, block, np.empty((block.size // 2, 2)))


def gains_of_two_threads(problem: Peaks | Decay, rounds: int = 5) -> tuple[float, float]:
    """The medians of one thread's time over that of two: of a fit, and of the user's functions by themselves."""

    def fit(pool: ThreadPoolExecutor) -> None:
        leastsq_blocks(problem.residuals, problem.start, problem.blocks, jac=problem.jacobian, map=pool.map)

    def functions(pool: ThreadPoolExecutor) -> None:
        for _ in range(5):
            list(pool.map(evaluate, problem.blocks))

    def evaluate(block: object) -> None:
        problem.residuals(problem.start, block)
        problem.jacobian(problem.start, block)

    ratios: tuple[list[float], list[float]] = ([], [])
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        for _ in range(rounds):
            for task, gains in zip((fit, functions), ratios, strict=True):
                gains.append(wall_seconds(task, one) / wall_seconds(task, two))
    return statistics.median(ratios[0]), statistics.median(ratios[1])


def wall_seconds(task: Callable[[ThreadPoolExecutor], None], pool: ThreadPoolExecutor) -> float:
    """What a task takes by the clock on the wall."""
    begin = time.perf_counter()
    task(pool)
    return time.perf_counter() - begin


def main() -> None:
    """Print one line a case."""
    print(f"{'':34}{'overhead':>22}{'two threads gain':>24}")
    print(f"{'':34}{'jac':>11}{'differences':>13}{'fit':>8}{'functions alone':>18}")
    print(f"{'goal':34}{'<= 1.15':>11}{'<= 1.15':>13}{'>= 1.7':>8}")
    for m, n, rows, order in (
        (10**6, 9, 100_000, "F"),
        (10**6, 9, 100_000, "C"),
        (10**6, 9, 10_000, "F"),
        (400_000, 30, 50_000, "F"),
        (400_000, 30, 50_000, "C"),
    ):
        problem = Peaks(m, n, rows, order)
        fit, functions = gains_of_two_threads(problem)
        print(
            f"NumPy, {m} x {n}, {rows} rows, {order}".ljust(34)
            + f"{overhead(problem, True):11.3f}{overhead(problem, False):13.3f}{fit:8.2f}{functions:18.2f}",
            flush=True,
        )
    if library() is not None:
        fit, functions = gains_of_two_threads(Decay(4 * 10**6, 100_000))
        print(f"{'C, 4000000 x 2, 100000 rows':58}{fit:8.2f}{functions:18.2f}")


if __name__ == "__main__":
    main()
