"""Problems of several hundred parameters and more: `qrsolv` beside the original's, and a whole fit beside SciPy's.

Run by hand: python benchmarks/bench_wide.py [case ...]
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when the library is loaded: before NumPy

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.optimize

import models  # noqa: F401  (opens the way to `original`)
import pyminpack
from ratio import HEAD, Call, choose, print_row, side_by_side

import original  # isort: skip

from pyminpack import _minpack  # isort: skip  (no public function solves a damped system by itself)

Pair = tuple[Call, Call]


def damped_system(n: int) -> Pair:
    """`qrsolv` here, and that of libminpack1."""
    rng = np.random.default_rng(n)
    r = np.ascontiguousarray(np.linalg.qr(rng.standard_normal((n, n)))[1].T)
    arguments = (r, np.arange(1, n + 1, dtype=np.int32), 0.7 + rng.random(n), rng.standard_normal(n))
    return partial(_minpack.qrsolv, *arguments), partial(original.qrsolv, *arguments)


def tanh_layer(points: int, units: int, inputs: int, calls: int) -> Pair:
    """Fit a layer of tanh units, its inputs' weights, thresholds and outputs' weights being the parameters."""
    rng = np.random.default_rng(units)
    place = rng.uniform(-1, 1, (points, inputs))
    target = np.sin(3 * place[:, 0]) * np.cos(2 * place[:, 1]) + place[:, 2] ** 2
    start = 0.5 * rng.standard_normal((inputs + 2, units)).ravel()

    def layer(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = x.reshape(inputs + 2, units)
        return weights[-1], np.tanh(place @ weights[:inputs] + weights[inputs])

    def residuals(x: np.ndarray) -> np.ndarray:
        out, state = layer(x)
        return state @ out - target

    def jacobian(x: np.ndarray) -> np.ndarray:
        out, state = layer(x)
        jac = np.empty((inputs + 2, units, points))
        jac[-1] = state.T
        jac[inputs] = ((1 - state**2) * out).T
        jac[:inputs] = jac[inputs] * place.T[:, np.newaxis]
        return jac.reshape(-1, points)

    options = {"Dfun": jacobian, "col_deriv": True, "full_output": True, "maxfev": calls}
    return tuple(
        partial(leastsq, residuals, start, **options) for leastsq in (pyminpack.leastsq, scipy.optimize.leastsq)
    )


CASES: dict[str, tuple[Callable[[], Pair], float]] = {
    "qrsolv 500": (partial(damped_system, 500), 0.4),
    "qrsolv 1000": (partial(damped_system, 1000), 0.4),
    "tanh layer 2000 x 500": (partial(tanh_layer, 2000, 100, 3, 10), 0.45),
}


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    warnings.simplefilter("ignore")
    print_row("qrsolv beside the original, fit beside SciPy", *HEAD)
    for name, (make, goal) in cases.items():
        if original.LIBRARY is None and name.startswith("qrsolv"):
            print_row(name, "  skipped: no libminpack1 here")
        else:
            print_row(name, *side_by_side(*make(), rounds=7).cells(goal))


if __name__ == "__main__":
    main()
