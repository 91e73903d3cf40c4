"""Whole fits of tall problems beside SciPy's: time, and peak memory, each fit in a fresh process.

Run by hand: python benchmarks/bench_tall.py [case ...]

The model is a sum of Gaussian peaks, three parameters each, with a Jacobian that lies in memory by columns, in an array
that is filled again at every call ("reused") or in a new one ("new"). Memory is what the fit adds to the data that are
there before, the Jacobian included.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threaded BLAS spins on a busy machine

import importlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from models import add_peaks, fill_peaks_jacobian, peaks_truth
from ratio import choose, duration, print_row

CHUNK = 8192  # rows that the model works on at a time, so that its temporaries stay in cache
ROUNDS = 3
# The function that fits, m, number of peaks, arrays; the goals for time and memory.
CASES = {
    "leastsq 1000000 x 30": ("leastsq", 1_000_000, 10, "reused", 0.50, 0.55),
    "leastsq 1000000 x 9": ("leastsq", 1_000_000, 3, "reused", None, None),
    "leastsq 100000 x 30": ("leastsq", 100_000, 10, "reused", None, None),
    "least_squares 1000000 x 9, reused": ("least_squares", 1_000_000, 3, "reused", 0.50, 0.40),
    "least_squares 1000000 x 9, new": ("least_squares", 1_000_000, 3, "new", 0.50, 0.40),
}


class Peaks:
    """A sum of peaks; times what is spent in it."""

    def __init__(self, m: int, peaks: int, arrays: str) -> None:
        rng = np.random.default_rng(0)
        self.truth = peaks_truth(peaks)
        self.start = self.truth * (1 + 0.02 * rng.normal(size=3 * peaks))
        self.t = np.linspace(0, 1, m)
        self.values, self.jac_t = np.empty(m), np.empty((3 * peaks, m))
        self.y = np.zeros(m)
        self.arrays, self.seconds = "reused", 0.0
        self.y = self.residuals(self.truth).copy()
        for rows in self.chunks():
            self.y[rows] += 0.01 * rng.normal(size=self.y[rows].size)
        self.arrays, self.seconds = arrays, 0.0

    def chunks(self) -> Iterator[slice]:
        """Rows, some at a time."""
        for begin in range(0, self.t.size, CHUNK):
            yield slice(begin, begin + CHUNK)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """The residuals at x."""
        begin = time.perf_counter()
        values = self.values if self.arrays == "reused" else np.empty(self.t.size)
        for rows in self.chunks():
            np.negative(self.y[rows], out=values[rows])
            add_peaks(x, self.t[rows], values[rows])
        self.seconds += time.perf_counter() - begin
        return values

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """The Jacobian at x, of shape (m, n)."""
        begin = time.perf_counter()
        if self.arrays == "new":
            self.jac_t = np.empty(self.jac_t.shape)
        for rows in self.chunks():
            fill_peaks_jacobian(x, self.t[rows], self.jac_t[:, rows])
        self.seconds += time.perf_counter() - begin
        return self.jac_t.T


def peak_memory() -> int:
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fit(package: str, entry: str, m: int, peaks: int, arrays: str) -> dict[str, float]:
    """One fit, in this process."""
    solve = getattr(importlib.import_module(package), entry)
    problem = Peaks(m, peaks, arrays)
    memory, begin = peak_memory(), time.perf_counter()
    if entry == "leastsq":
        columns = {"Dfun": lambda x: problem.jacobian(x).T, "col_deriv": True}
        x, _, info, *_ = solve(problem.residuals, problem.start, full_output=True, **columns)
        nfev = info["nfev"]
    else:
        result = solve(problem.residuals, problem.start, jac=problem.jacobian, method="lm")
        x, nfev = result.x, result.nfev
    return {
        "seconds": time.perf_counter() - begin,
        "memory": peak_memory() - memory,
        "model": problem.seconds,
        "nfev": nfev,
        "error": float(np.abs(x - problem.truth).max()),
    }


def fresh(package: str, *case: object) -> dict[str, float]:
    """One fit, in a process of its own."""
    command = [sys.executable, __file__, "--fit", package, *map(str, case)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    units = "model: SciPy's time in the model; MB, nfev: ours, SciPy's"
    print_row(units, "time", "goal", "memory", "goal", "ours", "SciPy", "model", "MB", "nfev", "error", "SciPy's")
    for name, (*case, time_goal, memory_goal) in cases.items():
        pairs = [(fresh("pyminpack", *case), fresh("scipy.optimize", *case)) for _ in range(ROUNDS)]
        elapsed, memory = (
            statistics.median(ours[key] / theirs[key] for ours, theirs in pairs) for key in ("seconds", "memory")
        )
        ours, theirs = pairs[-1]
        print_row(
            name, elapsed, time_goal, memory, memory_goal,
            *map(duration, (ours["seconds"], theirs["seconds"], theirs["model"])),
            f"{ours['memory'] / 1e6:.0f}, {theirs['memory'] / 1e6:.0f}", f"{ours['nfev']}, {theirs['nfev']}",
            f"{ours['error']:.1e}", f"{theirs['error']:.1e}",
        )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fit"]:
        package, entry, m, peaks, arrays = sys.argv[2:]
        print(json.dumps(fit(package, entry, int(m), int(peaks), arrays)))
    else:
        main()
