"""One factorization of a Jacobian, with Qᵀf and a step, beside LAPACK's and SciPy's solver.

Run by hand: python benchmarks/bench_factor.py [case ...]

What is timed, on one thread, in turns:

- ours and SciPy's: `leastsq` over residuals and Jacobians that are there already. The residuals shrink by the same
  factor at every call, so that each step is accepted and followed by a Jacobian; a fit of some more calls less a fit of
  fewer is the solver's time for that many Jacobians, without the beginning and the end of a fit. Our Jacobian lies in
  memory as (m, n) or as (n, m), SciPy's as it likes it best, (n, m).
- LAPACK's: dgeqp3 on a Jacobian in Fortran's order, and dormqr on f, without a step.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # dgeqp3 on one thread, as ours

import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg.lapack
import scipy.optimize

import pyminpack
from ratio import choose, duration, print_row, seconds

# m, n and the goals: ours over SciPy's solver, ours over LAPACK.
CASES = {
    "1000000x10": (1_000_000, 10, 0.30, 0.60),
    "1000000x30": (1_000_000, 30, 0.25, 0.45),
    "100000x30": (100_000, 30, None, None),
    "2000x500": (2_000, 500, None, None),
    "1000x1000": (1_000, 1_000, None, 2.5),
}
# A Gauss-Newton step then gains so large a part of what it promises that none is refused or shortened.
SHRINK = 0.5
FEW, MANY = 2, 5


def solver_seconds(leastsq: Callable[..., Any], jac: np.ndarray, f: np.ndarray, col_deriv: bool) -> float:
    """The solver's time for one Jacobian."""
    n = jac.shape[0 if col_deriv else 1]
    residuals = [f * SHRINK**i for i in range(MANY + 3)]  # some are asked for before the solver begins
    start = np.ones(n)
    options = {"Dfun": lambda x: jac, "col_deriv": col_deriv, "full_output": True, "ftol": 0, "xtol": 0}
    jacobians = {}

    def fit(maxfev: int) -> None:
        supply = iter(residuals)
        jacobians[maxfev] = leastsq(lambda x: next(supply), start, maxfev=maxfev, **options)[2]["njev"]

    few, many = seconds(lambda: fit(FEW)), seconds(lambda: fit(MANY))
    return (many - few) / (jacobians[MANY] - jacobians[FEW])


def lapack_seconds(jac_t: np.ndarray, f: np.ndarray) -> float:
    """dgeqp3 and dormqr, in place; copies and workspaces are made outside the clock."""
    lapack = scipy.linalg.lapack
    scratch, side = jac_t.copy(), f[:, np.newaxis].copy(order="F")
    lwork = int(lapack.dgeqp3(scratch[:, :64].T, lwork=-1)[3][0])
    lwork_side = int(lapack.dormqr("L", "T", scratch.T, np.zeros(len(scratch)), side, -1)[1][0])

    def factor() -> None:
        qr, _, tau, _, _ = lapack.dgeqp3(scratch.T, lwork=lwork, overwrite_a=True)
        lapack.dormqr("L", "T", qr, tau, side, lwork_side, overwrite_c=True)

    return seconds(factor)


def compare(m: int, n: int, rounds: int) -> dict[str, list[float]]:
    """Times of each, round by round."""
    rng = np.random.default_rng(1)
    jac_t, f = rng.normal(size=(n, m)), rng.normal(size=m)
    jac = np.ascontiguousarray(jac_t.T)
    measures = {
        "(m, n)": lambda: solver_seconds(pyminpack.leastsq, jac, f, False),
        "(n, m)": lambda: solver_seconds(pyminpack.leastsq, jac_t, f, True),
        "LAPACK": lambda: lapack_seconds(jac_t, f),
        "SciPy": lambda: solver_seconds(scipy.optimize.leastsq, jac_t, f, True),
    }
    times: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            times[name].append(measure())
    return times


def main() -> None:
    """Print two rows a case: the Jacobian by rows and by columns."""
    cases = choose(__doc__, CASES)
    warnings.simplefilter("ignore")
    print_row("a Jacobian as", "of SciPy", "goal", "of LAPACK", "goal", "ours", "SciPy", "LAPACK")
    for name, (m, n, *goals) in cases.items():
        times = compare(m, n, rounds=5 if m * n > 1e7 else 11)
        for layout in ("(m, n)", "(n, m)"):
            cells: list[float | str | None] = []
            for other, goal in zip(("SciPy", "LAPACK"), goals, strict=True):
                cells += [statistics.median(a / b for a, b in zip(times[layout], times[other], strict=True)), goal]
            typical = (duration(statistics.median(times[which])) for which in (layout, "SciPy", "LAPACK"))
            print_row(f"{name} as {layout}", *cells, *typical)


if __name__ == "__main__":
    main()
