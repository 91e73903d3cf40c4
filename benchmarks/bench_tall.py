"""Whole fits of tall problems, beside SciPy's: time, and peak memory in a fresh process each.

Run by hand: python benchmarks/bench_tall.py [MxPEAKS ...]

A sum of Gaussian peaks, three parameters each, with its Jacobian by columns (col_deriv) in an array that is filled
again at every call. Memory is what the fit adds to the data that are there before, the Jacobian included.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threaded BLAS spins on a busy machine

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

CASES = ["1000000x10", "1000000x3", "100000x10"]
GOALS = {"1000000x10": (0.50, 0.55)}
CHUNK = 8192  # rows that the model works on at a time, so that its temporaries stay in cache


class Peaks:
    """A sum of peaks; times what is spent in it."""

    def __init__(self, m: int, peaks: int) -> None:
        rng = np.random.default_rng(0)
        centers = (np.arange(peaks) + 0.5) / peaks
        self.truth = np.column_stack([1 + 0.3 * np.arange(peaks) % 1, centers, np.full(peaks, 0.3 / peaks)]).ravel()
        self.start = self.truth * (1 + 0.02 * rng.normal(size=3 * peaks))
        self.t = np.linspace(0, 1, m)
        self.seconds = 0.0
        self.values = np.empty(m)
        self.jac = np.empty((3 * peaks, m))
        self.y = np.zeros(m)
        self.y = self.residuals(self.truth).copy()
        for rows in self.chunks():
            self.y[rows] += 0.01 * rng.normal(size=self.y[rows].size)
        self.seconds = 0.0

    def chunks(self) -> Iterator[slice]:
        """Rows, some at a time."""
        for begin in range(0, self.t.size, CHUNK):
            yield slice(begin, begin + CHUNK)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """The residuals at x."""
        begin = time.perf_counter()
        for rows in self.chunks():
            values = -self.y[rows]
            for height, center, width in x.reshape(-1, 3):
                values += height * np.exp(-0.5 * ((self.t[rows] - center) / width) ** 2)
            self.values[rows] = values
        self.seconds += time.perf_counter() - begin
        return self.values

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """The Jacobian at x, of shape (N, M)."""
        begin = time.perf_counter()
        for rows in self.chunks():
            for i, (height, center, width) in enumerate(x.reshape(-1, 3)):
                u = (self.t[rows] - center) / width
                self.jac[3 * i, rows] = np.exp(-0.5 * u * u)
                self.jac[3 * i + 1, rows] = self.jac[3 * i, rows] * u * (height / width)
                self.jac[3 * i + 2, rows] = self.jac[3 * i + 1, rows] * u
        self.seconds += time.perf_counter() - begin
        return self.jac


def peak_memory() -> int:
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fit(solver: str, m: int, peaks: int) -> dict[str, float]:
    """One fit, in this process."""
    if solver == "ours":
        from pyminpack import leastsq
    else:
        from scipy.optimize import leastsq
    problem = Peaks(m, peaks)
    memory, begin = peak_memory(), time.perf_counter()
    x, _, infodict, _, ier = leastsq(
        problem.residuals, problem.start, Dfun=problem.jacobian, col_deriv=True, full_output=True
    )
    seconds = time.perf_counter() - begin
    return {
        "seconds": seconds,
        "memory": peak_memory() - memory,
        "share": problem.seconds / seconds,
        "nfev": infodict["nfev"],
        "njev": infodict["njev"],
        "ier": ier,
        "error": float(np.abs(x - problem.truth).max()),
    }


def fresh(solver: str, case: str) -> dict[str, float]:
    """One fit, in a process of its own."""
    out = subprocess.run([sys.executable, __file__, "--fit", solver, case], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def main() -> None:
    """Print one line a case."""
    print(f"{'M x peaks':12}{'time':>7}{'goal':>6}{'memory':>8}{'goal':>6}{'ours':>9}{'SciPy':>9}{'its model':>10}  MB")
    for case in sys.argv[1:] or CASES:
        pairs = [(fresh("ours", case), fresh("scipy", case)) for _ in range(3)]
        ratio = {
            key: statistics.median(ours[key] / theirs[key] for ours, theirs in pairs) for key in ("seconds", "memory")
        }
        ours, theirs = pairs[-1]
        goals = GOALS.get(case, ("", ""))
        print(
            f"{case:12}{ratio['seconds']:7.3f}{goals[0]:>6}{ratio['memory']:8.3f}{goals[1]:>6}"
            f"{ours['seconds']:7.2f} s{theirs['seconds']:7.2f} s{theirs['share']:10.0%}"
            f"  {ours['memory'] / 1e6:.0f}, {theirs['memory'] / 1e6:.0f}"
            f"  nfev {ours['nfev']}, {theirs['nfev']}; largest error {ours['error']:.1e}, {theirs['error']:.1e}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fit"]:
        rows, peaks = map(int, sys.argv[3].split("x"))
        print(json.dumps(fit(sys.argv[2], rows, peaks)))
    else:
        main()
