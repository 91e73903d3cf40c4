"""Whether a success is one: where fits end, judged by a second method that has the exact Jacobian (tests/judge.py).

Run by hand: python benchmarks/bench_trust.py [--quick] [--json FILE] [--against FILE] [table ...]
         or: python benchmarks/bench_trust.py --show 17

Other packages take part where they are installed, each with its defaults: those of the dependency groups `reference`
and `comparison` (python -m pip install --group comparison). MINUIT's tolerance is in units of the standard errors: it
never means to find six digits. ODRPACK calls a fit no success where it finds a Jacobian that is given questionable.

Columns: 'true' are successes at a local minimum, 'false' those at a point that is none, 'none' ends that are not
called a success. 'unsettled' are successes from where the judge finds no way down, although the exact Jacobian promises
one: a parameter runs to infinity, or two terms have become one. 'known' are ends at a known minimum, whatever they are
called; 'offset>.01' are successes whose offset by the exact Jacobian is above 0.01; 'calls' are all calls of the
function, those for differences included. 'accused' are fits whose message says that the Jacobian is wrong.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import solvers
import trust_tables
from trust_tables import TABLES, Job, Row

Cell = tuple[str, Callable[[list[Row]], object]]


def count(truths: Iterable[bool]) -> int:
    """How many are true."""
    return sum(map(bool, truths))


# ------------------------------------------------------------------------------------------ columns

FITS: Cell = ("fits", len)
TRUE: Cell = ("true", lambda rows: count(r.is_true for r in rows))
FALSE: Cell = ("false", lambda rows: count(r.is_false for r in rows))
FALSE_PERCENT: Cell = ("false %", lambda rows: f"{100 * count(r.is_false for r in rows) / len(rows):.2f}")
UNSETTLED: Cell = ("unsettled", lambda rows: count(r.is_unsettled for r in rows))
NONE: Cell = ("none", lambda rows: count(not r.success for r in rows))
KNOWN: Cell = ("known", lambda rows: count(r.is_known for r in rows))
DIGITS: Cell = ("6 digits", lambda rows: count(r.digits >= 6 for r in rows))
OFFSET: Cell = ("offset>.01", lambda rows: count(r.success and r.offset > 0.01 for r in rows))
CALLS: Cell = ("calls", lambda rows: sum(r.calls for r in rows))
MEDIAN: Cell = ("median", lambda rows: f"{statistics.median(r.calls for r in rows):g}")
ACCUSED: Cell = ("accused", lambda rows: count("accuses" in r.status for r in rows))
JACOBIANS: Cell = ("Jacobians", lambda rows: sum(r.jac_calls for r in rows))

TITLES: dict[str, tuple[str, list[Cell]]] = {
    "nist": ("NIST StRD", [FITS, DIGITS, KNOWN, TRUE, FALSE, UNSETTLED, NONE, CALLS, MEDIAN, JACOBIANS]),
    "starts": ("NIST StRD", [FITS, DIGITS, KNOWN, TRUE, FALSE, UNSETTLED, NONE, OFFSET, CALLS, MEDIAN]),
    "random": ("Fits drawn at random", [FITS, TRUE, FALSE, FALSE_PERCENT, UNSETTLED, NONE, KNOWN, CALLS, MEDIAN]),
    "wrong": ("Wrong Jacobians", [FITS, ACCUSED, TRUE, FALSE, UNSETTLED, NONE, CALLS, MEDIAN, JACOBIANS]),
    "mgh": ("The 53 runs of MINPACK's driver", [FITS, KNOWN, TRUE, FALSE, UNSETTLED, NONE, CALLS, MEDIAN]),
    "boxed": ("The runs within bounds", [FITS, TRUE, FALSE, UNSETTLED, NONE, CALLS, MEDIAN, JACOBIANS]),
}


def by_solver(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each group and solver, with a name."""
    for group in dict.fromkeys(r.group for r in rows):
        for solver in solvers.ALL:
            if some := [r for r in rows if (r.group, r.solver) == (group, solver)]:
                yield f"{group}: {solver}", some


def print_line(name: str, *cells: object) -> None:
    """Print a line of a table, or its head."""
    print(f"{name:42}" + "".join(f"{cell!s:>11}" for cell in cells), flush=True)


def report(table: str, rows: list[Row]) -> None:
    """Print a table."""
    title, columns = TITLES[table]
    print()
    print_line(title, *(name for name, _ in columns))
    for name, some in by_solver(rows):
        print_line(name, *(value(some) for _, value in columns))
    if table == "random":
        report_traits(rows)
    if table == "boxed":
        report_as_good(rows)


def report_traits(rows: list[Row]) -> None:
    """Print which fits have the false successes of this package."""
    ours = [name for name in solvers.OURS if any(r.solver == name for r in rows)]
    print()
    print_line("False successes of fits, by their traits", *(name.removeprefix("least_squares ") for name in ours))
    for trait in sorted({trait for r in rows for trait in r.traits.split(", ")}):
        some = {name: [r for r in rows if r.solver == name and trait in r.traits.split(", ")] for name in ours}
        print_line(trait, *(f"{count(r.is_false for r in s)} of {len(s)}" for s in some.values()))


def report_as_good(rows: list[Row]) -> None:
    """Print in how many cases the cost is as good as the better of SciPy's two."""
    costs: dict[str, dict[str, Row]] = {}
    for r in rows:
        costs.setdefault(r.problem, {})[r.solver] = r
    ours, *theirs = solvers.EXACT
    if not all(name in next(iter(costs.values())) for name in theirs):
        return
    worse = [name for name, fits in costs.items() if fits[ours].rss > bar(fits[name] for name in theirs)]
    print(f"as good as the better of SciPy's two: {1 - len(worse) / len(costs):.3f}; worse: {', '.join(worse)}")


def bar(fits: Iterable[Row]) -> float:
    """The sum of squares that is as good as the better of these; zero counts as 1e-20 of what it was at the start."""
    fits = list(fits)
    return min(r.rss for r in fits) * (1 + 1e-8) + 1e-20 * min(fits[0].rss_at_start, 1.0)


def report_worst(rows: list[Row], most: int) -> None:
    """Print false successes of this package, the worst first."""
    false = [r for r in rows if r.is_false and r.solver in solvers.OURS]
    for r in sorted(false, key=lambda r: -r.ratio)[:most]:
        print(f"  {r.solver} [{r.group}], {r.problem}: status {r.status}, ", end="")
        print(f"cost ratio {r.ratio:.7g}, offset {r.offset:.2g}, excess {r.excess:.2g}")
        print(f"    from {r.start}\n    to   {r.end}")


def compare(rows: list[Row], before: list[Row]) -> None:
    """Print what is different from another run: false successes gained and lost, true ones, and calls."""
    old = {key(r): r for r in before}
    pairs = [(old[key(r)], r) for r in rows if key(r) in old]
    print()
    print_line("Against the other run", "fits", "new false", "mended", "lost true", "new true", "calls")
    for table, group, solver in dict.fromkeys(key(r)[:3] for _, r in pairs):
        some = [(a, b) for a, b in pairs if key(b)[:3] == (table, group, solver)]
        ratio = sum(b.calls for _, b in some) / max(sum(a.calls for a, _ in some), 1)
        print_line(
            f"{table}, {group}: {solver}",
            len(some),
            count(b.is_false and not a.is_false for a, b in some),
            count(a.is_false and not b.is_false for a, b in some),
            count(a.is_true and not b.is_true for a, b in some),
            count(b.is_true and not a.is_true for a, b in some),
            f"{ratio:.3f}",
        )
    for a, b in pairs:
        if (b.is_false and not a.is_false) or (a.is_true and not b.is_true):
            print(f"  {b.table}, {b.group}: {b.solver}, {b.problem}: {word(a)} before, {word(b)} now")


def key(r: Row) -> tuple[str, str, str, str]:
    """What makes a fit the same in two runs."""
    return r.table, r.group, r.solver, r.problem


def word(r: Row) -> str:
    """How a fit ended."""
    kinds = {"true": r.is_true, "false": r.is_false, "unsettled": r.is_unsettled, "no success": not r.success}
    return f"{next(kind for kind, is_so in kinds.items() if is_so)} (status {r.status}, ratio {r.ratio:.4g})"


def show(name: str) -> None:
    """Print everything about the fits of one problem, which is called by its name or its number."""
    found = [job for jobs in TABLES.values() for job in jobs(False) if name in (job.problem, *job.problem.split()[1:])]
    for job in found:
        posed = job.pose(*job.arguments)
        if job.solver == found[0].solver:
            print(f"{job.table}, {job.group}: {job.problem}, {posed.traits}")
            print(f"  start {posed.task.start}, bounds {posed.task.bounds}")
            if posed.inner is not None:
                fit = trust_tables.drawn(*job.arguments[-1:])
                print(f"  unit {fit.unit}, origin {fit.origin}, residual unit {fit.residual_unit}")
                print(f"  inner: truth {fit.draw.truth}, start {fit.inner(fit.start)}, least {posed.least}")
        r = trust_tables.fit(job)
        end = np.array(r.end)
        print(f"  {job.solver}: {word(r)}, {r.calls} calls, offset {r.offset:.3g}, excess {r.excess:.3g}")
        print(f"    {end if posed.inner is None else posed.inner(end)}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="*", help=f"the tables to make (default: all): {', '.join(TABLES)}")
    parser.add_argument("--quick", action="store_true", help="fit a sample only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what is known of each fit to a file")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with such a file")
    parser.add_argument("--worst", type=int, default=10, help="how many false successes to print of each table")
    parser.add_argument("--show", metavar="NAME", help="print everything about one problem, by its name or seed")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    if chosen.show is not None:
        show(chosen.show)
        return
    if unknown := [name for name in chosen.table if name not in TABLES]:
        parser.error(f"no table is called {unknown[0]!r}; there are: {', '.join(TABLES)}")
    everything: list[Row] = []
    with ProcessPoolExecutor(chosen.processes) as pool:
        for table in chosen.table or TABLES:
            jobs: list[Job] = list(TABLES[table](chosen.quick))
            rows = list(pool.map(trust_tables.fit, jobs, chunksize=8))
            report(table, rows)
            report_worst(rows, chosen.worst)
            everything += rows
    if chosen.json:
        chosen.json.write_text(json.dumps([vars(r) for r in everything], indent=0))
    if chosen.against:
        compare(everything, [Row(**fields) for fields in json.loads(chosen.against.read_text())])


if __name__ == "__main__":
    main()
