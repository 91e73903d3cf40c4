"""One factorization of a tall Jacobian, with Qᵀf: blocks folded into a triangle, beside LAPACK and SciPy's solver.

Run by hand, for some or all of the cases: python benchmarks/bench_factor.py [MxN ...]

What is timed, on one thread, in turns:

- ours: the Jacobian, as (m, n) in C's order or (n, m), is packed block by block, folded, and pivoted (lm_pivot).
- LAPACK: dgeqp3 on a Jacobian in Fortran's order, and dormqr on f; their workspaces are asked for, and the matrix
  is restored, outside the clock.
- SciPy: leastsq over residuals and Jacobians that are there already. The residuals shrink by the same factor at every
  call, so that each step is accepted and followed by a Jacobian; a fit of some more calls less a fit of fewer is
  the solver's time for that many Jacobians (copied into its own array, factored, a step found), without a fit's
  beginning and end.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import scipy.linalg.lapack
import scipy.optimize

from pyminpack import _minpack

# m, n and the goals: ours over SciPy's solver, ours over LAPACK.
CASES = {
    "1000000x10": (1_000_000, 10, 0.30, 0.60),
    "1000000x30": (1_000_000, 30, 0.25, 0.45),
    "100000x30": (100_000, 30, None, None),
    "2000x500": (2_000, 500, None, None),
}
SHRINK = 0.9


def seconds(call: Callable[[], object]) -> float:
    """What one call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def folded(fjac: np.ndarray, by_rows: int, f: np.ndarray) -> Callable[[], tuple]:
    """Our factorization."""
    n = fjac.shape[1 if by_rows else 0]
    rows = _minpack.block_rows(n)

    def factor() -> tuple:
        t = _minpack.fold_jacobian(fjac, by_rows, f, np.zeros((n + 1, n + 1)), rows)
        return _minpack.lm_pivot(t)

    return factor


def lapack_seconds(jac_t: np.ndarray, scratch: np.ndarray, f: np.ndarray) -> float:
    """dgeqp3 and dormqr, in place."""
    lapack = scipy.linalg.lapack
    scratch[:] = jac_t
    side = f[:, np.newaxis].copy(order="F")
    lwork = int(lapack.dgeqp3(scratch[:, :64].T, lwork=-1)[3][0])
    lwork_side = int(lapack.dormqr("L", "T", scratch.T, np.zeros(len(scratch)), side, -1)[1][0])

    def factor() -> None:
        qr, _, tau, _, _ = lapack.dgeqp3(scratch.T, lwork=lwork, overwrite_a=True)
        lapack.dormqr("L", "T", qr, tau, side, lwork_side, overwrite_c=True)

    return seconds(factor)


def scipy_seconds(jac_t: np.ndarray, residuals: list[np.ndarray]) -> float:
    """The solver's time for one Jacobian."""
    n = len(jac_t)

    def fit(maxfev: int) -> tuple[float, int]:
        supply = iter(residuals)
        begin = time.perf_counter()
        _, _, infodict, *_ = scipy.optimize.leastsq(
            lambda x: next(supply), np.ones(n), Dfun=lambda x: jac_t, col_deriv=True, full_output=True,
            maxfev=maxfev, ftol=0, xtol=0,
        )  # fmt: skip
        return time.perf_counter() - begin, infodict["njev"]

    few, many = fit(2), fit(5)
    return (many[0] - few[0]) / (many[1] - few[1])


def compare(m: int, n: int, rounds: int) -> dict[str, list[float]]:
    """Times of each, round by round."""
    rng = np.random.default_rng(1)
    jac_t = rng.normal(size=(n, m))
    jac = np.ascontiguousarray(jac_t.T)
    f = rng.normal(size=m)
    residuals = [f * SHRINK**i for i in range(8)]  # some are asked for before the solver begins
    scratch = np.empty_like(jac_t)
    by_rows, by_columns = folded(jac, 1, f), folded(jac_t, 0, f)
    times: dict[str, list[float]] = {"(m, n)": [], "(n, m)": [], "LAPACK": [], "SciPy": []}
    for _ in range(rounds):
        times["(m, n)"].append(seconds(by_rows))
        times["(n, m)"].append(seconds(by_columns))
        times["LAPACK"].append(lapack_seconds(jac_t, scratch, f))
        times["SciPy"].append(scipy_seconds(jac_t, residuals))
    return times


def main() -> None:
    """Print two lines a case: the Jacobian by rows and by columns."""
    warnings.simplefilter("ignore")
    print(f"kernel {_minpack.kernel()} of {', '.join(_minpack.kernels())}")
    print(f"{'case':24}{'of SciPy':>10}{'goal':>6}{'of LAPACK':>11}{'goal':>6}{'ours':>11}{'LAPACK':>11}{'SciPy':>11}")
    for name in sys.argv[1:] or CASES:
        m, n, scipy_goal, lapack_goal = CASES[name]
        times = compare(m, n, rounds=5 if m * n > 1e7 else 11)
        for layout in ("(m, n)", "(n, m)"):
            ratios = [
                statistics.median(ours / theirs for ours, theirs in zip(times[layout], times[other], strict=True))
                for other in ("SciPy", "LAPACK")
            ]
            typical = "".join(
                f"{1e3 * statistics.median(times[which]):8.2f} ms" for which in (layout, "LAPACK", "SciPy")
            )
            print(
                f"{name + ' as ' + layout:24}{ratios[0]:10.3f}{scipy_goal or '':>6}"
                f"{ratios[1]:11.3f}{lapack_goal or '':>6}{typical}"
            )


if __name__ == "__main__":
    main()
