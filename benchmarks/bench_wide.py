"""Problems of several hundred parameters and more: the kernels beside LAPACK and the original, and a whole fit.

Run by hand: OPENBLAS_NUM_THREADS=1 python benchmarks/bench_wide.py
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when the library is loaded: before NumPy

import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import scipy.linalg.lapack
import scipy.optimize

import pyminpack
from pyminpack import _minpack
from ratio import Ratio, side_by_side

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import original

Pair = tuple[Callable[[], object], Callable[[], object]]


def damped_system(n: int) -> Pair:
    """`qrsolv` here, and that of libminpack1."""
    rng = np.random.default_rng(n)
    r = np.ascontiguousarray(np.linalg.qr(rng.standard_normal((n, n)))[1].T)
    arguments = (r, np.arange(1, n + 1, dtype=np.int32), 0.7 + rng.random(n), rng.standard_normal(n))
    return partial(_minpack.qrsolv, *arguments), partial(original.qrsolv, *arguments)


def factorization(m: int, n: int) -> Pair:
    """`lm_factor`, which gives R, the pivots and Qᵀf; and LAPACK's dgeqp3 and dormqr."""
    a = np.asfortranarray(np.random.default_rng(n).standard_normal((m, n)))
    f = np.ones(m)
    size = int(scipy.linalg.lapack.dgeqp3(a, lwork=-1)[3][0])

    def theirs() -> None:
        qr, _, tau, _, _ = scipy.linalg.lapack.dgeqp3(a, lwork=size)
        scipy.linalg.lapack.dormqr("L", "T", qr, tau, f[:, np.newaxis], 32)

    return partial(_minpack.lm_factor, a.T, f), theirs


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


CASES = {
    "qrsolv, n = 500, to the original": (partial(damped_system, 500), 0.4),
    "qrsolv, n = 1000, to the original": (partial(damped_system, 1000), 0.4),
    "factorization, 1000 x 1000, to dgeqp3": (partial(factorization, 1000, 1000), 2.5),
    "tanh layer, 2000 x 500, to SciPy": (partial(tanh_layer, 2000, 100, 3, 10), 0.45),
}
NEED_THE_ORIGINAL = ("to the original",)


def main() -> None:
    """Print one line a case."""
    warnings.simplefilter("ignore")
    print(f"{'case':42}{'ratio':>8}{'goal':>8}{'ours':>12}{'theirs':>12}")
    for name, (make, goal) in CASES.items():
        if original.LIBRARY is None and name.endswith(NEED_THE_ORIGINAL):
            print(f"{name:42}   no libminpack1 here")
            continue
        ratio: Ratio = side_by_side(*make(), rounds=7)
        print(f"{name:42}{ratio.median:8.3f}{goal:8.2f}{ratio.ours * 1e3:9.2f} ms{ratio.theirs * 1e3:9.2f} ms")


if __name__ == "__main__":
    main()
