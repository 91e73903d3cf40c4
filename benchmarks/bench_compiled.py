"""Compiled residuals beside SciPy, packages for Numba and a C program on the original MINPACK; what two threads gain.

Run by hand: python benchmarks/bench_compiled.py [case ...]

NumbaMinpack and cminpack-numba are in the dependency group `comparison-compiled`. NumbaMinpack 0.1.3 builds with
today's CMake where the environment has CMAKE_POLICY_VERSION_MINIMUM=3.5. Both take arrays alone, so that a list is made
an array in the call that is timed.
"""

import math
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from models import STARTS, T, Y, decay
from pyminpack import compiled_residuals, leastsq
from ratio import HEAD, Call, Ratio, choose, from_pairs, print_row, seconds, side_by_side

from c_library import library  # isort: skip  (models opens the way to it)

HERE = Path(__file__).resolve().parent
DATA = np.concatenate([T, Y])
COMPILED = compiled_residuals(library().residuals, T.size, data=DATA, signature="residuals")


def scipy_fit(start: object) -> Call:
    """The decay by SciPy, with residuals in NumPy."""
    import scipy.optimize

    return partial(scipy.optimize.leastsq, decay, start)


def numba_minpack_fit(start: object) -> Call:
    """The decay by NumbaMinpack's lmdif, called from Python."""
    import numba
    from NumbaMinpack import lmdif, minpack_sig

    @numba.cfunc(minpack_sig)
    def residuals(x, fvec, data):
        values = numba.carray(data, (40,), numba.float64)
        for i in range(20):
            fvec[i] = x[0] * math.exp(-x[1] * values[i]) - values[20 + i]

    if isinstance(start, list):
        return lambda: lmdif(residuals.address, np.array(start), 20, DATA)
    return lambda: lmdif(residuals.address, start, 20, DATA)


def cminpack_numba_fit(start: object) -> Call:
    """The decay by cminpack-numba's lmdif1, called from Python."""
    import numba
    from cminpack_numba import CminpackSignature, lmdif1

    @numba.cfunc(CminpackSignature.lmdif(numba.types.CPointer(numba.float64)))
    def residuals(data, m, n, x, fvec, iflag):
        values = numba.carray(data, (40,), numba.float64)
        for i in range(20):
            fvec[i] = x[0] * math.exp(-x[1] * values[i]) - values[20 + i]
        return 0

    if isinstance(start, list):
        return lambda: lmdif1(residuals.address, 20, np.array(start), 1.49012e-8, DATA)
    return lambda: lmdif1(residuals.address, 20, start, 1.49012e-8, DATA)


def against(name: str, make: Callable[[object], Call], goal: float | None) -> None:
    """Print our time over another's, from both kinds of start."""
    for kind, start in STARTS.items():
        try:
            theirs = make(start)
        except ImportError as error:
            print_row(f"{name}, {kind}", f"  skipped: {error}")
        else:
            print_row(f"{name}, {kind}", *side_by_side(partial(leastsq, COMPILED, start), theirs).cells(goal))


def c_ratio(rounds: int = 15, fits: int = 20_000) -> Ratio | None:
    """Our time beside that of benchmarks/decay.c on an installed original MINPACK; None where that does not link."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "decay"
        compiler = ["cc", "-O2", "-o", program, HERE / "decay.c", "-lminpack", "-lm"]
        if subprocess.run(compiler, capture_output=True, check=False).returncode:
            return None
        ours = partial(leastsq, COMPILED, STARTS["array"])
        pairs = []
        for _ in range(rounds):
            printed = subprocess.run([program, str(fits)], capture_output=True, check=True).stdout
            pairs.append((seconds(ours, fits), 1e-6 * float(printed)))
    return from_pairs(pairs)


def against_c(goal: float) -> None:
    """Print our time over that of the original MINPACK."""
    name, ratio = "original MINPACK from C, array", c_ratio()
    if ratio is None:
        print_row(name, "  skipped: it does not link here (Debian: minpack-dev)")
    else:
        print_row(name, *ratio.cells(goal))


def fit_peaks(fits: int) -> None:
    """Fit a Gaussian peak, 30 points and 4 parameters, many times."""
    t = np.linspace(-3, 3, 30)
    data = np.concatenate([t, 2 * np.exp(-0.5 * ((t - 0.3) / 0.8) ** 2) + 0.5 + 0.02 * np.cos(9 * t)])
    func = compiled_residuals(library().peak, t.size, data=data, signature="residuals")
    start = np.array([1.0, 0.0, 1.0, 0.0])
    for _ in range(fits):
        leastsq(func, start)


def in_threads(count: int, fits: int) -> None:
    """Share the fits between threads."""
    threads = [threading.Thread(target=fit_peaks, args=(fits // count,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def two_threads(goal: float, rounds: int = 7, fits: int = 60_000) -> None:
    """Print the time of one thread over that of two that share the fits, by the clock on the wall; 2 is the most."""
    pairs = [
        tuple(seconds(partial(in_threads, count, fits), clock=time.perf_counter) for count in (1, 2))
        for _ in range(rounds)
    ]
    print_row("one thread over two, peak 30 x 4", *from_pairs(pairs).cells(goal))
    print_row("  the best of the rounds", max(one / two for one, two in pairs))


CASES = {
    "scipy": partial(against, "SciPy, residuals in NumPy", scipy_fit, 0.11),
    "numbaminpack": partial(against, "NumbaMinpack from Python", numba_minpack_fit, 1.0),
    "cminpack-numba": partial(against, "cminpack-numba from Python", cminpack_numba_fit, None),
    "c": partial(against_c, 1.7),
    "threads": partial(two_threads, 1.8),
}


def main() -> None:
    """Print a row for each comparison."""
    cases = choose(__doc__, CASES)
    print_row("decay 20 x 2, beside", *HEAD)
    for run in cases.values():
        run()


if __name__ == "__main__":
    main()
