"""Processor time of the first use of the package after NumPy's import, each time in a fresh interpreter.

It is that of the main thread: the threads that NumPy's OpenBLAS has started spin for some milliseconds, on whatever
processor is idle.

Run by hand: python benchmarks/bench_import.py [case ...]
"""

import statistics
import subprocess
import sys

from ratio import choose, duration, print_row

ROUNDS = 25
GOAL = 12e-3
CASES = {
    "import": "import pyminpack",
    "leastsq": "from pyminpack import leastsq; leastsq(lambda x: x - 1, [0.0, 0.0])",
    "least_squares": "from pyminpack import least_squares; least_squares(lambda x: x - 1, [0.0, 0.0])",
    "curve_fit": "from pyminpack import curve_fit; curve_fit(lambda x, a: a*x, [1.0, 2.0], [1.0, 3.0], [1.0])",
}


def import_seconds(statement: str) -> float:
    """Time a statement in a fresh interpreter that has imported NumPy."""
    code = f"import time, numpy; t = time.thread_time(); {statement}; print(time.thread_time() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    times = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, statement in cases.items():
            times[name].append(import_seconds(statement))
    print_row("first use, after NumPy's import", "median", "goal", "shortest", "longest")
    for name, values in times.items():
        print_row(name, *map(duration, (statistics.median(values), GOAL, min(values), max(values))))


if __name__ == "__main__":
    main()
