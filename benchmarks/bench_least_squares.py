"""`least_squares` beside SciPy's: a small fit without and with bounds, a tall one in time and peak memory.

Run by hand: python benchmarks/bench_least_squares.py [small] [tall]

The small one is an exponential at 20 points with 2 parameters, Jacobians by differences, against `method='lm'` without
bounds and `method='trf'` with them. The tall one has 1 000 000 residuals and 10 parameters, peaks on a level, and its
Jacobian in an array that is filled again at every call ("reused") or in a new one ("new"), each fit in a fresh process,
against `method='lm'`. Memory is what the fit adds to the data that are there before, the Jacobian included.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threaded BLAS spins on a busy machine

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bench_tall import Peaks, peak_memory
from ratio import side_by_side

GOALS = {"lm": 0.20, "trf": 0.25}
TALL_GOALS = (0.50, 0.40)  # of time and memory
ROWS, PEAKS = 1_000_000, 3

# ------------------------------------------------------------------------------------ small


T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "no bounds": ("lm", {}),
    "bounds out of reach": ("trf", {"bounds": ([0, 0], [10, 10])}),
    "a bound that holds": ("trf", {"bounds": ([0, 0], [2, 10])}),
}


def residuals(x: np.ndarray) -> np.ndarray:
    """The exponential."""
    return x[0] * np.exp(-x[1] * T) - Y


def small() -> None:
    """Print one line a case."""
    from scipy.optimize import least_squares as theirs

    from pyminpack import least_squares as ours

    def fit(solver: Callable[..., Any], method: str, options: dict[str, Any]) -> Callable[[], Any]:
        return lambda: solver(residuals, [1.0, 1.0], method=method, **options)

    print(f"{'20 x 2':22}{'against':>8}{'time':>7}{'goal':>6}{'ours':>9}{'SciPy':>9}   us, cost above SciPy's")
    for name, (method, options) in SMALL.items():
        fits = fit(ours, "lm", options), fit(theirs, method, options)
        ratio = side_by_side(*fits)
        above = fits[0]().cost / fits[1]().cost - 1
        print(
            f"{name:22}{method:>8}{ratio.median:7.3f}{GOALS[method]:>6}{1e6 * ratio.ours:9.1f}{1e6 * ratio.theirs:9.1f}"
            f"   {above:.0e}"
        )


# ------------------------------------------------------------------------------------- tall


class PeaksOnLevel:
    """A sum of peaks on a level; the Jacobian is of shape (m, n)."""

    def __init__(self, m: int, peaks: int, reused: bool) -> None:
        self.peaks = Peaks(m, peaks)
        self.peaks.y += 0.1
        self.peaks.jac = np.empty((3 * peaks + 1, m))
        self.reused = reused
        self.truth = np.append(self.peaks.truth, 0.1)
        self.start = np.append(self.peaks.start, 0.2)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """The residuals at x."""
        values = self.peaks.residuals(x[:-1])
        values += x[-1]
        return values if self.reused else values.copy()

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """The Jacobian at x."""
        if not self.reused:
            self.peaks.jac = np.empty(self.peaks.jac.shape)
        jac = self.peaks.jacobian(x[:-1])
        jac[-1] = 1
        return jac.T


def tall_fit(solver: str, way: str) -> dict[str, float]:
    """One fit, in this process."""
    if solver == "ours":
        from pyminpack import least_squares
    else:
        from scipy.optimize import least_squares
    problem = PeaksOnLevel(ROWS, PEAKS, way == "reused")
    memory, begin = peak_memory(), time.perf_counter()
    result = least_squares(problem.residuals, problem.start, jac=problem.jacobian, method="lm")
    seconds = time.perf_counter() - begin
    return {
        "seconds": seconds,
        "memory": peak_memory() - memory,
        "share": problem.peaks.seconds / seconds,
        "nfev": result.nfev,
        "njev": result.njev or 0,
        "error": float(np.abs(result.x - problem.truth).max()),
    }


def fresh(solver: str, way: str) -> dict[str, float]:
    """One fit, in a process of its own."""
    command = [sys.executable, __file__, "--fit", solver, way]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def tall() -> None:
    """Print one line a case."""
    print(f"{ROWS} x {3 * PEAKS + 1}   time  goal  memory  goal     ours    SciPy  its model  MB")
    for way in ("reused", "new"):
        pairs = [(fresh("ours", way), fresh("scipy", way)) for _ in range(3)]
        ratio = {
            key: statistics.median(ours[key] / theirs[key] for ours, theirs in pairs) for key in ("seconds", "memory")
        }
        ours, theirs = pairs[-1]
        print(
            f"{way:12}{ratio['seconds']:7.3f}{TALL_GOALS[0]:6}{ratio['memory']:8.3f}{TALL_GOALS[1]:6}"
            f"{ours['seconds']:7.2f} s{theirs['seconds']:7.2f} s{theirs['share']:10.0%}"
            f"  {ours['memory'] / 1e6:.0f}, {theirs['memory'] / 1e6:.0f}"
            f"  nfev {ours['nfev']}, {theirs['nfev']}; largest error {ours['error']:.1e}, {theirs['error']:.1e}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fit"]:
        print(json.dumps(tall_fit(*sys.argv[2:4])))
    else:
        for part in sys.argv[1:] or ["small", "tall"]:
            {"small": small, "tall": tall}[part]()
