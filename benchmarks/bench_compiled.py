"""Compiled residuals, side by side with SciPy, NumbaMinpack and a C program on the original MINPACK.

Run by hand: python benchmarks/bench_compiled.py
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pyminpack import compiled_residuals, leastsq
from ratio import side_by_side

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from c_library import library  # noqa: E402

T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
DATA = np.concatenate([T, Y])
START = np.array([1.0, 1.0])
COMPILED = compiled_residuals(library().residuals, 20, data=DATA, signature="residuals")


def ours() -> object:
    """One fit of the decay, from Python."""
    return leastsq(COMPILED, START)


def scipy_fit() -> Callable[[], object]:
    """Give the same by SciPy, with residuals in NumPy."""
    import scipy.optimize

    return lambda: scipy.optimize.leastsq(lambda x: x[0] * np.exp(-x[1] * T) - Y, START)


def numba_minpack_fit() -> Callable[[], object]:
    """Give the same by NumbaMinpack's lmdif, called from Python."""
    import math

    import numba
    from NumbaMinpack import lmdif, minpack_sig

    @numba.cfunc(minpack_sig)
    def residuals(x, fvec, data):
        values = numba.carray(data, (40,), numba.float64)
        for i in range(20):
            fvec[i] = x[0] * math.exp(-x[1] * values[i]) - values[20 + i]

    return lambda: lmdif(residuals.address, START, 20, DATA)


def report_against(name: str, make: Callable[[], Callable[[], object]], goal: float) -> None:
    """Print our time over another's; or that the other isn't here."""
    try:
        theirs = make()
    except ImportError as error:
        print(f"{name:34} skipped: {error}")
        return
    ratio = side_by_side(ours, theirs)
    print(f"{name:34}{ratio.median:8.3f}{goal:8.2f}{ratio.ours * 1e6:9.2f} µs{ratio.theirs * 1e6:9.2f} µs")


def report_against_c(goal: float, rounds: int = 15) -> None:
    """Print our time over that of benchmarks/decay.c on an installed original MINPACK."""
    program = Path(tempfile.mkdtemp()) / "decay"
    built = subprocess.run(
        ["cc", "-O2", "-o", program, HERE / "decay.c", "-lminpack", "-lm"], capture_output=True, check=False
    )
    if built.returncode:
        print("C, original MINPACK                skipped: it does not link here (Debian: minpack-dev)")
        return
    pairs = []
    for _ in range(rounds):
        theirs = float(subprocess.run([program, "20000"], capture_output=True, check=True).stdout)
        begin = time.perf_counter()
        for _ in range(20000):
            ours()
        pairs.append((1e6 * (time.perf_counter() - begin) / 20000, theirs))
    median = statistics.median(a / b for a, b in pairs)
    us, them = (min(column) for column in zip(*pairs, strict=True))
    print(f"{'C, original MINPACK':34}{median:8.3f}{goal:8.2f}{us:9.2f} µs{them:9.2f} µs")


def peaks(fits: int) -> Callable[[], None]:
    """Give the task of so many fits of a Gaussian peak, 30 points and 4 parameters."""
    t = np.linspace(-3, 3, 30)
    data = np.concatenate([t, 2 * np.exp(-0.5 * ((t - 0.3) / 0.8) ** 2) + 0.5 + 0.02 * np.cos(9 * t)])
    func = compiled_residuals(library().peak, 30, data=data, signature="residuals")
    start = np.array([1.0, 0.0, 1.0, 0.0])

    def task() -> None:
        for _ in range(fits):
            leastsq(func, start)

    return task


def seconds(tasks: list[Callable[[], None]]) -> float:
    """Time tasks in threads of their own."""
    threads = [threading.Thread(target=task) for task in tasks]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def main() -> None:
    """Print one line a comparison."""
    print(f"{'decay, 20 x 2, against':34}{'ratio':>8}{'goal':>8}{'ours':>12}{'theirs':>12}")
    report_against("SciPy, residuals in NumPy", scipy_fit, 0.12)
    report_against("NumbaMinpack from Python", numba_minpack_fit, 1.0)
    report_against_c(1.7)
    fits = 50_000
    pairs = [(seconds([peaks(2 * fits)]), seconds([peaks(fits), peaks(fits)])) for _ in range(5)]
    print(f"{'two threads against one, peaks':34}{statistics.median(a / b for a, b in pairs):8.2f}{1.8:8.2f}")


if __name__ == "__main__":
    main()
