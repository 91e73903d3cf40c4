"""`leastsq` beside SciPy's: small fits, what a call costs by itself, and two standard problems.

Run by hand: python benchmarks/bench_leastsq.py [case ...]
"""

import warnings
from functools import partial

import numpy as np
import scipy.optimize

import pyminpack
from models import STARTS, T, Y, decay
from problems import mgh
from ratio import HEAD, Call, choose, print_row, side_by_side


def pair(*args: object, **options: object) -> tuple[Call, Call]:
    """The same fit by both."""
    return tuple(partial(leastsq, *args, **options) for leastsq in (pyminpack.leastsq, scipy.optimize.leastsq))


def constant(n: int, value: float = 1.0, full_output: bool = False) -> tuple[Call, Call]:
    """Residuals that cost nothing and never change: only what `leastsq` itself costs is left."""
    fixed = np.full(n, value)
    return pair(lambda x: fixed, np.ones(n), full_output=full_output)


def standard(name: str) -> tuple[Call, Call]:
    """One of the standard problems from its standard start, with its Jacobian."""
    problem = next(run for run in mgh.runs() if run.problem.name == name).problem
    return pair(problem.residuals, problem.start, Dfun=problem.jacobian, full_output=True)


CASES = {
    "decay 20 x 2, lambda, list": (pair(lambda x: x[0] * np.exp(-x[1] * T) - Y, STARTS["list"]), 0.80),
    "decay 20 x 2, array": (pair(decay, STARTS["array"]), 0.80),
    "decay 20 x 2, list": (pair(decay, STARTS["list"]), 0.80),
    "decay 20 x 2, array, full_output": (pair(decay, STARTS["array"], full_output=True), 0.72),
    "decay 20 x 2, list, full_output": (pair(decay, STARTS["list"], full_output=True), 0.72),
    "constant 4 x 4": (constant(4), 0.57),
    "constant 4 x 4, full_output": (constant(4, full_output=True), 0.57),
    "zero 4 x 4": (constant(4, value=0.0), 0.57),
    "constant 60 x 60": (constant(60), 0.70),
    "constant 60 x 60, full_output": (constant(60, full_output=True), 0.70),
    "zero 60 x 60": (constant(60, value=0.0), 0.70),
    "brown-almost-linear 40 x 40": (standard("brown-almost-linear-40x40-start1"), None),
    "osborne-2 65 x 11": (standard("osborne-2-65x11-start1"), None),
}


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    warnings.simplefilter("ignore")
    print_row("leastsq beside SciPy's", *HEAD)
    for name, (fits, goal) in cases.items():
        print_row(name, *side_by_side(*fits).cells(goal))


if __name__ == "__main__":
    main()
