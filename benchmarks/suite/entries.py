"""What `./tools/bench` times: the cases of the single benchmarks, each beside SciPy and whichever peers are here."""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threads spin on a busy machine, and would work outside the clock

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize

import bench_compiled
import bench_curve_fit
import bench_import
import bench_least_squares
import bench_leastsq
import bench_wide
import pyminpack
import solvers
from bench_blocks import Peaks
from models import STARTS, T, Y, add_peaks, decay, peaks_truth
from ratio import Call, Clock, Ratio, from_pairs, side_by_side
from solvers import Solver, Task

Peers = dict[str, Call]


@dataclass(frozen=True)
class Effort:
    """How much to measure: rounds, the seconds that a round is to last, and whether large problems are left out."""

    rounds: int
    length: float
    is_quick: bool

    def few(self) -> int:
        """Rounds for what takes long."""
        return max(3, self.rounds // 7)


FULL, QUICK = Effort(51, 0.008, False), Effort(15, 0.004, True)


@dataclass(frozen=True)
class Entry:
    """A fit that is timed, and a function that times it beside each peer that is here."""

    section: str
    name: str
    measure: Callable[[Effort], dict[str, Ratio]]


def beside(ours: Call, peers: Peers, effort: Effort) -> dict[str, Ratio]:
    """Time a fit beside each peer, in turns."""
    return {name: side_by_side(ours, theirs, effort.rounds, effort.length) for name, theirs in peers.items()}


def long_fits(
    make: Callable[[], tuple[Call, Call]], effort: Effort, clock: Clock = time.thread_time
) -> dict[str, Ratio]:
    """Time a fit that takes long beside SciPy's; it is made for that alone."""
    ours, theirs = make()
    return {"SciPy": side_by_side(ours, theirs, effort.few(), effort.length, clock)}


def beside_scipy(section: str, cases: dict[str, Any]) -> Iterator[Entry]:
    """The cases of a single benchmark whose pairs are ours and SciPy's."""
    for name, ((ours, theirs), _) in cases.items():
        yield Entry(section, name, partial(beside, ours, {"SciPy": theirs}))


# ------------------------------------------------------------------------------------------ small fits


def by_peers(section: str, name: str, ours: Call, others: dict[str, Solver]) -> Entry:
    """The decay from a list, beside packages of another make."""
    task = Task(decay, STARTS["list"])
    peers = {peer: partial(solve, task, decay, None) for peer, solve in others.items() if solvers.installed(peer)}
    return Entry(section, name, partial(beside, ours, peers))


def leastsq_entries(_: Effort) -> Iterator[Entry]:
    """`leastsq`: arrays, lists, lambdas, `full_output`; other packages."""
    yield from beside_scipy("leastsq", bench_leastsq.CASES)
    ours = partial(pyminpack.leastsq, decay, STARTS["list"])
    yield by_peers("leastsq", "decay 20 x 2, list, others", ours, solvers.OTHERS)


def least_squares_entries(_: Effort) -> Iterator[Entry]:
    """`least_squares`: no bounds, bounds out of reach, a bound that holds."""
    yield from beside_scipy("least_squares", {name: (pair, None) for name, pair in bench_least_squares.CASES.items()})
    ours = partial(pyminpack.least_squares, decay, STARTS["list"])
    yield by_peers("least_squares", "no bounds, list, others", ours, solvers.OTHERS)


def lmfit_model() -> Peers:
    """The decay as a model of lmfit's, where it is installed."""
    if not solvers.installed("lmfit"):
        return {}
    from lmfit import Model

    model = Model(bench_curve_fit.decay)
    return {"lmfit": partial(model.fit, Y, x=T, a=1.0, b=1.0)}


def curve_fit_entries(_: Effort) -> Iterator[Entry]:
    """`curve_fit`: with and without sigma, bounds, a Jacobian; lmfit's models."""
    yield from beside_scipy("curve_fit", {name: case for name, case in bench_curve_fit.CASES.items() if case[1]})
    ours = partial(pyminpack.curve_fit, bench_curve_fit.decay, T, Y, bench_curve_fit.START)
    yield Entry("curve_fit", "decay 20 x 2, others", partial(beside, ours, lmfit_model()))


# ------------------------------------------------------------------------------------------ large fits


def tall(m: int, given: bool) -> tuple[Call, Call]:
    """Three peaks on a level, 10 parameters, from a list; as a user writes it, on whole arrays."""
    t = np.linspace(0, 1, m)
    truth = np.append(peaks_truth(3), 0.2)

    def model(x: np.ndarray) -> np.ndarray:
        total = np.full(m, x[-1])
        add_peaks(np.asarray(x[:-1]), t, total)
        return total

    def jacobian(x: np.ndarray) -> np.ndarray:
        columns = []
        for height, center, width in np.reshape(x[:-1], (3, 3)):
            u = (t - center) / width
            shape = np.exp(-0.5 * u**2)
            columns += [shape, height * shape * u / width, height * shape * u**2 / width]
        return np.stack([*columns, np.ones(m)], axis=1)

    y = model(truth) + 0.01 * np.random.default_rng(0).standard_normal(m)
    start = (truth * 1.02).tolist()
    options = {"Dfun": jacobian} if given else {}
    return tuple(
        partial(leastsq, lambda x: model(x) - y, start, full_output=True, **options)
        for leastsq in (pyminpack.leastsq, scipy.optimize.leastsq)
    )


def tall_entries(effort: Effort) -> Iterator[Entry]:
    """A hundred thousand residuals, and a million."""
    for m in (100_000,) if effort.is_quick else (100_000, 1_000_000):
        for given, word in ((True, "jac"), (False, "differences")):
            yield Entry("tall", f"{m} x 10, {word}", partial(long_fits, partial(tall, m, given)))


def wide_entries(effort: Effort) -> Iterator[Entry]:
    """Hundreds of parameters."""
    for units in (60,) if effort.is_quick else (60, 100):
        make = partial(bench_wide.tanh_layer, 1200, units, 3, 10)
        yield Entry("wide", f"tanh layer 1200 x {5 * units}, jac", partial(long_fits, make))


def blocks(m: int, pool: ThreadPoolExecutor) -> tuple[Call, Call]:
    """Three peaks in blocks of 50 000 rows by two threads, and all rows by SciPy."""
    peaks = Peaks(m, 9, 50_000, "F")
    whole = tuple(np.concatenate(column) for column in zip(*peaks.blocks, strict=True))
    ours = partial(
        pyminpack.leastsq_blocks, peaks.residuals, peaks.start, peaks.blocks, jac=peaks.jacobian, map=pool.map
    )
    theirs = partial(
        scipy.optimize.leastsq,
        lambda x: peaks.residuals(x, whole),
        peaks.start,
        Dfun=lambda x: peaks.jacobian(x, whole).T,
        col_deriv=True,
    )
    return ours, theirs


def measure_blocks(m: int, effort: Effort) -> dict[str, Ratio]:
    """Blocks in two threads, by the clock on the wall."""
    with ThreadPoolExecutor(2) as pool:
        return long_fits(partial(blocks, m, pool), effort, time.perf_counter)


def blocks_entries(effort: Effort) -> Iterator[Entry]:
    """`leastsq_blocks` in two threads beside SciPy on all rows at once."""
    m = 200_000 if effort.is_quick else 1_000_000
    yield Entry("blocks", f"{m} x 9, two threads", partial(measure_blocks, m))


# ------------------------------------------------------------------------------------------ compiled, import


def measure_compiled(start: Any, effort: Effort) -> dict[str, Ratio]:
    """Residuals in C beside residuals in NumPy, and beside what Numba compiles."""
    makers = {
        "SciPy": bench_compiled.scipy_fit,
        "NumbaMinpack": bench_compiled.numba_minpack_fit,
        "cminpack-numba": bench_compiled.cminpack_numba_fit,
    }
    peers = {}
    for name, make in makers.items():
        try:
            peers[name] = make(start)
        except ImportError:
            continue
    return beside(partial(pyminpack.leastsq, bench_compiled.COMPILED, start), peers, effort)


def measure_c(effort: Effort) -> dict[str, Ratio]:
    """Residuals in C beside a C program on the original MINPACK, where that is installed."""
    ratio = bench_compiled.c_ratio(effort.few(), 5_000 if effort.is_quick else 20_000)
    return {} if ratio is None else {"MINPACK from C": ratio}


def compiled_entries(_: Effort) -> Iterator[Entry]:
    """Compiled residuals."""
    for kind, start in STARTS.items():
        yield Entry("compiled", f"decay 20 x 2, {kind}", partial(measure_compiled, start))
    yield Entry("compiled", "decay 20 x 2, array, C", measure_c)


def measure_import(ours: str, theirs: str, effort: Effort) -> dict[str, Ratio]:
    """Two statements in fresh interpreters that have imported NumPy."""
    seconds = bench_import.import_seconds
    return {"SciPy": from_pairs([(seconds(ours), seconds(theirs)) for _ in range(effort.few())])}


def import_entries(_: Effort) -> Iterator[Entry]:
    """The import, and the import with a first fit."""
    for name, statement in bench_import.CASES.items():
        theirs = statement.replace("import pyminpack", "import scipy.optimize").replace("pyminpack", "scipy.optimize")
        yield Entry("import", name, partial(measure_import, statement, theirs))


SECTIONS: dict[str, Callable[[Effort], Iterator[Entry]]] = {
    "leastsq": leastsq_entries,
    "least_squares": least_squares_entries,
    "curve_fit": curve_fit_entries,
    "compiled": compiled_entries,
    "tall": tall_entries,
    "wide": wide_entries,
    "blocks": blocks_entries,
    "import": import_entries,
}
