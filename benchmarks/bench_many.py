"""`curve_fit_many` beside loops over single fits: SciPy's `leastsq`, and a C program on the original MINPACK.

Peaks on a line (30 points, 4 parameters) and in a plane (15 x 15 points, 5 parameters), with noise, from starts that
are off by up to a fifth; tolerances 1.49e-8. Times are microseconds a fit, the shortest of some rounds that take turns.
Models are NumPy's, or compiled from the C that the C program calls. That program needs a C compiler and an installed
MINPACK (Debian: minpack-dev).

Run by hand: python benchmarks/bench_many.py [case ...]
"""

import ctypes
import os
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pyminpack import compiled_jacobian, compiled_residuals, curve_fit_many
from ratio import choose, print_row

HERE = Path(__file__).resolve().parent
TOLERANCES = {"ftol": 1.49012e-8, "xtol": 1.49012e-8, "gtol": None}
GRID = np.stack([axis.ravel() for axis in np.meshgrid(np.arange(15.0), np.arange(15.0))])
LINE = np.arange(30.0)


def line(x: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """A peak on a line."""
    return a * np.exp(-0.5 * ((x - b) / c) ** 2) + d


def line_jacobian(x: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Its derivatives."""
    z = (x - b) / c
    bell = np.exp(-0.5 * z * z)
    by_b = (a / c) * bell * z
    return _stacked(bell, by_b, by_b * z, np.ones_like(bell))


def _stacked(*columns: Any) -> Any:
    return np.stack(columns, axis=1)


def plane(x: Any, a: Any, b: Any, c: Any, s: Any, d: Any) -> Any:
    """A peak in a plane."""
    return a * np.exp(-((x[0] - b) ** 2 + (x[1] - c) ** 2) / (2 * s * s)) + d


def plane_jacobian(x: Any, a: Any, b: Any, c: Any, s: Any, d: Any) -> Any:
    """Its derivatives."""
    u, v = (x[0] - b) / s, (x[1] - c) / s
    square = u * u + v * v
    bell = np.exp(-0.5 * square)
    scaled = (a / s) * bell
    return _stacked(bell, scaled * u, scaled * v, scaled * square, np.ones_like(bell))


class Peaks:
    """Data of many peaks, and starts."""

    def __init__(self, f: Any, jac: Any, x: Any, low: Any, high: Any, count: int) -> None:
        rng = np.random.default_rng(1)
        self.f, self.jac, self.x, self.count = f, jac, x, count
        truth = rng.uniform(low, high, (count, len(low)))
        noise = rng.normal(0, 0.3, (count, x.shape[-1]))
        self.y = f(x[..., np.newaxis], *truth.T).T + noise
        self.starts = truth * rng.uniform(0.8, 1.2, truth.shape)

    def ours(self, with_jacobian: bool, workers: int = 1) -> Callable[[], Any]:
        """All of them at once."""
        return self._call(self.f, self.jac if with_jacobian else None, workers)

    def compiled(self, with_jacobian: bool, workers: int = 1) -> Callable[[], Any]:
        """The same by compiled functions."""
        functions, m, n = library("peaks.c"), self.y.shape[1], self.starts.shape[1]
        name = self.f.__name__
        f = compiled_residuals(functions[f"{name}_residuals"], m, signature="residuals")
        jac = compiled_jacobian(functions[f"{name}_jacobian"], m, n, layout="F")
        return self._call(f, jac if with_jacobian else None, workers)

    def _call(self, f: Any, jac: Any, workers: int) -> Callable[[], Any]:
        return lambda: curve_fit_many(f, self.x, self.y, self.starts, jac=jac, workers=workers, **TOLERANCES)


def of_line(count: int = 20000) -> Peaks:
    """Peaks on a line."""
    return Peaks(line, line_jacobian, LINE, [5, 12, 3, 0.5], [15, 18, 6, 2], count)


def of_plane(count: int = 3000) -> Peaks:
    """Peaks in a plane."""
    return Peaks(plane, plane_jacobian, GRID, [5, 6, 6, 2, 0.5], [15, 9, 9, 3, 2], count)


def by_scipy(peaks: Peaks, count: int) -> float:
    """Seconds a fit of a loop over SciPy's leastsq."""
    from scipy.optimize import leastsq

    f, x = peaks.f, peaks.x
    begin = time.thread_time()
    for y, start in zip(peaks.y[:count], peaks.starts[:count], strict=True):
        leastsq(lambda p, y=y: f(x, *p) - y, start)
    return (time.thread_time() - begin) / count


def library(source: str, *more: str) -> Any:
    """C functions, built; None where that fails."""
    target = Path(tempfile.mkdtemp()) / "many.so"
    command = ["cc", "-O3", "-shared", "-fPIC", "-o", str(target), str(HERE / source), *more, "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ctypes.CDLL(str(target))


def original() -> Any:
    """The C program; None where it cannot be built."""
    built = library("original/many.c", "-lminpack")
    if built is None:
        return None
    built.fit_all.restype = ctypes.c_double
    return built.fit_all


def by_c(fit_all: Any, peaks: Peaks, with_jacobian: bool) -> float:
    """Seconds a fit of the C program."""
    x, y, p = np.ascontiguousarray(peaks.x), np.ascontiguousarray(peaks.y), peaks.starts.copy()
    arrays = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, y, p)]
    return fit_all(int(with_jacobian), *y.shape[:1], y.shape[1], p.shape[1], *arrays) / len(y)


def seconds(call: Callable[[], Any], clock: Callable[[], float] = time.thread_time) -> float:
    """Time one call."""
    begin = clock()
    call()
    return clock() - begin


def beside(make: Callable[[], Peaks], rounds: int = 5) -> None:
    """Print times and ratios of one kind of peak."""
    peaks, fit_all = make(), original()
    names = ("scipy", "lmdif", "lmder", "ours", "ours, jac", "compiled", "compiled, jac")
    rows: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        rows["ours"].append(seconds(peaks.ours(False)) / peaks.count)
        rows["ours, jac"].append(seconds(peaks.ours(True)) / peaks.count)
        rows["compiled"].append(seconds(peaks.compiled(False)) / peaks.count)
        rows["compiled, jac"].append(seconds(peaks.compiled(True)) / peaks.count)
        if fit_all is not None:
            rows["lmdif"].append(by_c(fit_all, peaks, False))
            rows["lmder"].append(by_c(fit_all, peaks, True))
        try:
            rows["scipy"].append(by_scipy(peaks, 300))
        except ImportError:
            continue
    best = {name: min(times) for name, times in rows.items() if times}
    for name, each in best.items():
        ratios = [each / best[other] if other in best else None for other in ("scipy", "lmdif", "lmder")]
        print_row(f"  {name}", 1e6 * each, *ratios)
    fits = peaks.ours(False)()
    print(f"  made alone: {fits.alone.mean():.4%}; successes: {fits.success.mean():.4%}")


def threads(make: Callable[[], Peaks], is_compiled: bool = False, rounds: int = 5) -> None:
    """Print how much faster two threads are, by the clock on the wall."""
    peaks = make()
    call = peaks.compiled if is_compiled else peaks.ours
    one, two = call(False), call(False, 2)
    pairs = [(seconds(one, time.perf_counter), seconds(two, time.perf_counter)) for _ in range(rounds)]
    print_row(
        "  two threads, times one", min(a for a, _ in pairs) / min(b for _, b in pairs), f"{os.cpu_count()} cores"
    )


def memory() -> None:
    """Print what a call takes at most beyond data and result."""
    for count in (20000, 40000):
        peaks = of_line(count)
        tracemalloc.start()
        fits = peaks.ours(False)()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        kept = sum(getattr(fits, name).nbytes for name in ("x", "cov", "cost", "dof", "nfev", "status", "alone"))
        print_row(f"  {count} fits, MB beyond the result", (most - kept) / 1e6)


def large(count: int, points: int) -> None:
    """Print how long one call takes for very many peaks, standard errors included."""
    peaks = Peaks(line, line_jacobian, np.linspace(0, 29, points), [5, 12, 3, 0.5], [15, 18, 6, 2], count)
    for with_jacobian in (False, True):
        call = peaks.ours(with_jacobian)
        taken = seconds(lambda call=call: call().stderr)
        print_row("  with jac, s" if with_jacobian else "  by differences, s", taken)


CASES: dict[str, Callable[[], None]] = {
    "line": lambda: beside(of_line),
    "plane": lambda: beside(of_plane),
    "threads, line": lambda: threads(of_line),
    "threads, plane": lambda: threads(of_plane),
    "threads, line, compiled": lambda: threads(of_line, True),
    "threads, plane, compiled": lambda: threads(of_plane, True),
    "memory": memory,
    "cube, 160 000 of 140 points": lambda: large(160000, 140),
    "a million": lambda: large(1000000, 30),
}


def main() -> None:
    """Print a table for each case."""
    for name, run in choose(__doc__, CASES).items():
        print_row(name, "µs a fit", "of scipy", "of lmdif", "of lmder")
        run()


if __name__ == "__main__":
    main()
