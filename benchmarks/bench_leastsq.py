"""`leastsq` against SciPy's, in one run: overhead a call, small fits, and the standard problems as they are.

Run by hand: python benchmarks/bench_leastsq.py
"""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.optimize

import pyminpack
from ratio import side_by_side

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from problems import mgh


def decay(full_output: bool) -> tuple:
    """Y = a exp(-b x), 20 points, 2 parameters, residuals in NumPy."""
    t = np.linspace(0, 4, 20)
    y = 2.5 * np.exp(-1.3 * t) + 0.05 * np.cos(7 * t)
    start = np.array([1.0, 1.0])

    def residuals(x: np.ndarray) -> np.ndarray:
        return x[0] * np.exp(-x[1] * t) - y

    return _pair(residuals, start, full_output=full_output)


def constant(n: int, value: float = 1.0, full_output: bool = False) -> tuple:
    """Residuals that cost nothing and never change: what is left is overhead."""
    fixed = np.full(n, value)

    def residuals(x: np.ndarray) -> np.ndarray:
        return fixed

    return _pair(residuals, np.ones(n), full_output=full_output)


def standard(name: str) -> tuple:
    """One of the standard problems from its standard start, with its Jacobian."""
    run = next(run for run in mgh.runs() if run.problem.name == name)
    problem = run.problem
    return _pair(problem.residuals, problem.start, Dfun=problem.jacobian, full_output=True)


def _pair(func: object, start: np.ndarray, **options: object) -> tuple:
    return (
        lambda: pyminpack.leastsq(func, start, **options),
        lambda: scipy.optimize.leastsq(func, start, **options),
    )


CASES = {
    "decay, 20 x 2": (decay(False), 0.82),
    "decay, 20 x 2, full_output": (decay(True), 0.75),
    "constant residuals, 4 x 4": (constant(4), 0.6),
    "constant residuals, 4 x 4, full_output": (constant(4, full_output=True), 0.6),
    "residuals of zero, 4 x 4": (constant(4, value=0.0), 0.6),
    "constant residuals, 60 x 60": (constant(60), 0.8),
    "constant residuals, 60 x 60, full_output": (constant(60, full_output=True), 0.8),
    "residuals of zero, 60 x 60": (constant(60, value=0.0), 0.8),
    "brown-almost-linear 40 x 40": (standard("brown-almost-linear-40x40-start1"), None),
    "osborne-2 65 x 11": (standard("osborne-2-65x11-start1"), None),
}


def import_seconds(statement: str, rounds: int = 15) -> float:
    """The shortest time that a fresh interpreter takes over a statement, its own start left out."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    return min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    )


def main() -> None:
    """Print one line a case."""
    warnings.simplefilter("ignore")
    print(f"{'case':42}{'ratio':>8}{'goal':>8}{'ours':>12}{'SciPy':>12}")
    for name, ((ours, theirs), goal) in CASES.items():
        ratio = side_by_side(ours, theirs)
        target = f"{goal:8.2f}" if goal else f"{'':8}"
        print(f"{name:42}{ratio.median:8.3f}{target}{ratio.ours * 1e6:9.2f} µs{ratio.theirs * 1e6:9.2f} µs")
    numpy, ours = import_seconds("import numpy"), import_seconds("import numpy, pyminpack")
    print(f"import pyminpack after NumPy: {1e3 * (ours - numpy):.1f} ms more (goal: 15)")


if __name__ == "__main__":
    main()
