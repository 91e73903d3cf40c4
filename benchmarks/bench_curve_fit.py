"""`curve_fit` beside SciPy's: a small fit, with options; and what is asked of a fit afterwards, in units of it.

The model is evaluated more often than by SciPy, since an end is looked at before it counts as a success. "by
evaluation" is the same fit with a model that takes a millisecond: there nothing else counts.

Run by hand: python benchmarks/bench_curve_fit.py [case ...]
"""

import time
import warnings
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize

import pyminpack
from models import T, Y
from ratio import HEAD, Call, choose, print_row, side_by_side

START = [1.0, 1.0]
SIGMA = np.full(T.size, 0.05)


def decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """A decay: 20 points, 2 parameters."""
    return a * np.exp(-b * x)


def decay_jacobian(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """Its derivatives."""
    shape = np.exp(-b * x)
    return np.stack([shape, -a * x * shape], axis=1)


def slow_decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    """The decay, by a model that takes a millisecond."""
    end = time.thread_time() + 1e-3
    while time.thread_time() < end:
        pass
    return decay(x, a, b)


def pair(f: Any = decay, p0: Any = START, data: Any = (T, Y), **options: Any) -> tuple[Call, Call]:
    """The same fit by both."""
    return tuple(
        partial(curve_fit, f, *data, p0, **options) for curve_fit in (pyminpack.curve_fit, scipy.optimize.curve_fit)
    )


def afterwards(ask: Any) -> tuple[Call, Call]:
    """What is asked of a fit, beside the fit itself."""

    def asked() -> None:
        ask(pyminpack.curve_fit(decay, T, Y, START))

    return asked, partial(pyminpack.curve_fit, decay, T, Y, START)


CASES = {
    "decay 20 x 2": (pair(), 0.5),
    "data in lists": (pair(data=(T.tolist(), Y.tolist())), 0.5),
    "start from the signature": (pair(p0=None), 0.5),
    "sigma": (pair(sigma=SIGMA, absolute_sigma=True), 0.5),
    "bounds": (pair(bounds=(0, 10)), 0.5),
    "jac": (pair(jac=decay_jacobian), 0.5),
    "full_output": (pair(full_output=True), 0.5),
    "by evaluation": (pair(slow_decay), None),
    "with a report, in fits": (afterwards(str), None),
    "with intervals by profile, in fits": (afterwards(lambda fit: fit.interval(method="profile")), None),
}


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    warnings.simplefilter("ignore")
    print_row("curve_fit beside SciPy's", *HEAD)
    for name, (fits, goal) in cases.items():
        print_row(name, *side_by_side(*fits).cells(goal))


if __name__ == "__main__":
    main()
