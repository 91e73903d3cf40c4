"""Models that broadcast, data of many fits to them, and the single fits that those have to agree with."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from problems import strd
from pyminpack import CurveFit, CurveFits, PyminpackError, UnidentifiableWarning, curve_fit, curve_fit_many

Array = NDArray[np.float64]

X = np.linspace(0, 29, 30)
T = np.linspace(0, 4, 20)
GRID = np.stack([axis.ravel() for axis in np.meshgrid(np.arange(9.0), np.arange(9.0))])


def peak(x: Array, height: Any, centre: Any, width: Any, base: Any) -> Array:
    return height * np.exp(-0.5 * ((x - centre) / width) ** 2) + base


def peak_jacobian(x: Array, height: Any, centre: Any, width: Any, base: Any) -> Array:
    z = (x - centre) / width
    bell = np.exp(-0.5 * z**2)
    return np.stack([bell, height * bell * z / width, height * bell * z**2 / width, np.ones_like(bell)], axis=-1)


def spot(x: Array, height: Any, left: Any, top: Any, width: Any) -> Array:
    return height * np.exp(-0.5 * ((x[0] - left) ** 2 + (x[1] - top) ** 2) / width**2)


def decay(t: Array, a: Any, b: Any) -> Array:
    return a * np.exp(-b * t)


def peaks(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Data of peaks, and starts beside their parameters."""
    rng = np.random.default_rng(seed)
    low, high = [5, 12, 3, 0.5], [15, 18, 6, 2]
    truth = rng.uniform(low, high, (count, 4))
    y = peak(X[:, np.newaxis], *truth.T).T + rng.normal(0, 0.3, (count, X.size))
    return y, truth * rng.uniform(0.8, 1.2, truth.shape)


def answers_of(y: Any, starts: Any, jac: Any = None) -> tuple[Any, ...]:
    """Fits of peaks as the arrays that libraries take; processes import it from here."""
    with np.errstate(all="ignore"):
        fits = curve_fit_many(peak, X, y, starts, jac=jac)
    return fits.x, fits.stderr, fits.cov, fits.cost, fits.status


def decays(count: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    truth = rng.uniform([1, 0.3], [4, 2], (count, 2))
    return decay(T[:, np.newaxis], *truth.T).T + rng.normal(0, 0.05, (count, T.size))


def require_same(fits: CurveFits, i: Any, f: Any, x: Any, y: Any, p0: Any, **options: Any) -> None:
    """Insist that one of many fits has come to what `curve_fit` comes to alone.

    Both end where their offset is at most some 1e-7, at points that are so far apart at most, in units of the standard
    errors; Jacobians by differences err by as much. Which of the tests for convergence was met first, rounding decides
    where two are met by a hair.
    """
    alone = fit_alone(f, x, y, p0, **options)
    if isinstance(alone, PyminpackError):
        result = getattr(alone, "result", None)
        assert fits.status[i] == (-11 if result is None else result.status)
        assert fits.message(i) == (str(alone) if result is None else result.message)
        if result is not None:
            np.testing.assert_array_equal(fits.x[i], result.x)
        assert np.isnan(fits.cov[i]).all()
        return
    assert fits.success[i]
    close = 1e-9 * abs(alone.x) + 5e-6 * np.nan_to_num(alone.stderr, nan=0, posinf=0)
    assert (abs(fits.x[i] - alone.x) <= close).all()
    np.testing.assert_allclose(fits.stderr[i], alone.stderr, rtol=1e-6)
    np.testing.assert_allclose(fits.cost[i], alone.result.cost, rtol=1e-9, atol=1e-20)
    assert fits.dof[i] == alone.dof


def fit_alone(f: Any, x: Any, y: Any, p0: Any, **options: Any) -> CurveFit | PyminpackError:
    """A fit, or why there is none; many fits warn of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnidentifiableWarning)
        try:
            return curve_fit(f, x, y, p0, **options)
        except PyminpackError as error:
            return error


def strd_model(name: str) -> Any:
    """The model of a data set of NIST's, written so that it broadcasts."""
    if name in ("Kirby2", "Hahn1", "Thurber"):
        return _rational
    if name == "Nelson":
        return lambda x, b1, b2, b3: b1 - b2 * x[0] * np.exp(-b3 * x[1])
    return lambda x, *b: strd.FORMULAS[name](b, x)[0]


def _rational(x: Array, *b: Any) -> Array:
    degree = len(b) // 2
    above = below = 0.0
    for numerator, denominator in zip(b[degree::-1], [*b[:degree:-1], 1.0], strict=True):
        above, below = above * x + numerator, below * x + denominator
    return above / below
