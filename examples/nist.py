"""Fit NIST's reference data sets and hold the results against the certified values.

Each model comes with its analytic Jacobian, each fit starts from the further of NIST's two starting points.
"""

import sys
import time
from pathlib import Path

import numpy as np

from pyminpack import leastsq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from problems.strd import StrdDataset, correct_digits, load

HEADINGS = ("parameter", "std. error", "certified", "cert. error", "digits", "of error")
DATASETS = ("Misra1a", "Thurber", "Hahn1", "Eckerle4")


def fit(data: StrdDataset) -> tuple[np.ndarray, np.ndarray, str]:
    """Parameters, their standard errors, and why the fit ended."""
    problem = data.problem(1)
    b, cov, info, message, ier = leastsq(
        problem.residuals, problem.start, Dfun=problem.jacobian, full_output=True, ftol=1e-14, xtol=1e-14
    )
    if cov is None or ier not in (1, 2, 3, 4):
        sys.exit(f"{data.name} did not converge: {message}")
    variance = info["fvec"] @ info["fvec"] / (problem.m - problem.n)
    return b, np.sqrt(variance * np.diag(cov)), message


def show(data: StrdDataset) -> None:
    """Print one data set's table."""
    b, stderr, message = fit(data)
    print(f"\n{data.name}: {data.description}; {len(data.y)} points, {b.size} parameters")
    print(f"  {data.formula}")
    print(f"  {message}")
    print(
        f"  {'':4}{'parameter':>18}{'std. error':>14}{'certified':>20}{'cert. error':>16}{'digits':>8}{'of error':>10}"
    )
    rows = zip(
        b,
        stderr,
        data.certified,
        data.certified_se,
        correct_digits(b, data.certified),
        correct_digits(stderr, data.certified_se),
        strict=True,
    )
    for number, (value, error, certified, certified_error, digits, error_digits) in enumerate(rows, 1):
        print(
            f"  b{number:<3}{value:18.10e}{error:14.5e}{certified:20.10e}{certified_error:16.7e}"
            f"{digits:8.1f}{error_digits:10.1f}"
        )


def fits_a_second(seconds: float = 0.5) -> float:
    """How many fits of a decay, 20 points and 2 parameters, by differences, this machine does in a second."""
    t = np.linspace(0, 4, 20)
    y = 2.5 * np.exp(-1.3 * t) + 0.05 * np.cos(7 * t)

    def residuals(x: np.ndarray) -> np.ndarray:
        return x[0] * np.exp(-x[1] * t) - y

    start = np.array([1.0, 1.0])
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        leastsq(residuals, start)
        count += 1
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    for name in DATASETS:
        show(load(name))
    print(f"\n{fits_a_second():,.0f} fits a second of y = a exp(-b t), 20 points, 2 parameters")
