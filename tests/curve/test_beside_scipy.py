"""SciPy's answers of `curve_fit`, for every combination of its options."""

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

from models import T, Y
from pyminpack import UnidentifiableWarning, curve_fit

pytestmark = [
    pytest.mark.scipy,
    pytest.mark.filterwarnings("ignore:method=.*Levenberg:UserWarning"),
]

SIGMA = 0.05 + 0.01 * np.arange(T.size)
COVARIANCE = np.diag(SIGMA**2) + 0.001
SIGMAS = {"none": None, "scalar": 0.3, "vector": SIGMA, "matrix": COVARIANCE}
BOUNDS = {
    "none": (-np.inf, np.inf),
    "idle": ([0, 0], [10, 10]),
    "active": ([0, 0], [2.0, 10]),
}
POLICIES = {"none": None, "raise": "raise", "omit": "omit"}


def decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a * np.exp(-b * x)


def decay_jacobian(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return np.stack([np.exp(-b * x), -a * x * np.exp(-b * x)], axis=1)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_combination_has_scipys_answer(sigma: str, bounds: str, policy: str) -> None:
    import scipy.optimize

    x, y = T.copy(), Y.copy()
    if policy != "none":
        x[2], y[[5, 7]] = np.nan, np.nan
    for absolute, full, method in itertools.product((False, True), (False, True), (None, "lm", "trf", "dogbox")):
        options: dict[str, Any] = {
            "p0": [1, 1],
            "sigma": SIGMAS[sigma],
            "absolute_sigma": absolute,
            "bounds": BOUNDS[bounds],
            "nan_policy": POLICIES[policy],
            "full_output": full,
            "method": method,
            "jac": decay_jacobian if absolute == full else None,
        }
        theirs_options = options
        if sigma == "scalar":  # with which SciPy does not take a Jacobian
            theirs_options = {**options, "sigma": np.full(T.size, SIGMAS["scalar"])}
        try:
            theirs = scipy.optimize.curve_fit(decay, x, y, **theirs_options, xtol=1e-12, ftol=1e-12)
        except ValueError:
            with pytest.raises(ValueError, match=r"nan|leave method out"):
                curve_fit(decay, x, y, **options)
            continue
        ours = curve_fit(decay, x, y, **options)
        assert len(ours) == len(theirs)
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=5e-6)
        if full:
            np.testing.assert_allclose(ours[2]["fvec"], theirs[2]["fvec"], rtol=1e-5, atol=1e-6)
            assert set(theirs[2]) <= set(ours[2])
            assert isinstance(ours[3], str)
            assert ours[4] in (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((T, np.r_[Y[:-1], np.nan]), {}),
        ((np.r_[T[:-1], np.inf], Y), {}),
        (([], []), {}),
        ((T, Y), {"sigma": np.ones(3)}),
        ((T, Y), {"sigma": -np.eye(T.size)}),
        ((T, Y), {"nan_policy": "propagate"}),
        ((T, Y), {"nan_policy": "other"}),
        ((T, Y), {"method": "other"}),
        ((T, Y), {"method": "lm", "bounds": (0, 9)}),
        ((T, Y), {"bounds": (2, 1)}),
        ((T, Y), {"p0": [5, 5], "bounds": (0, 1)}),
        ((T, Y), {"args": ()}),
        ((T[:1], Y[:1]), {"maxfev": 1}),
        ((T, Y), {"maxfev": 1}),
        ((T[:2], Y[:2]), {"p0": [1, 1, 1]}),
    ],
)
def test_errors_have_scipys_base_types(arguments: Any, options: Any) -> None:
    import scipy.optimize

    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever SciPy raises
        scipy.optimize.curve_fit(decay, *arguments, **options)
    with pytest.raises(Exception) as ours:  # noqa: PT011
        curve_fit(decay, *arguments, **options)
    assert isinstance(ours.value, theirs.type), (ours.value, theirs.value)


def test_covariance_is_inf_where_scipys_is() -> None:
    import scipy.optimize

    for f, x, y in (
        (lambda x, a, b: a * x, T, Y),
        (lambda x, a, b: a + b * x, T[:2], Y[:2]),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", scipy.optimize.OptimizeWarning)
            theirs = scipy.optimize.curve_fit(f, x, y)
        with pytest.warns(UnidentifiableWarning):
            ours = curve_fit(f, x, y)
        np.testing.assert_array_equal(ours[1], theirs[1])
