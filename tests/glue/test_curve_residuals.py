"""What the core computes of a model's values, beside the same in Python: curve_fit's way to the model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyminpack import curve_fit, least_squares

X = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * X) + 0.05 * np.cos(7 * X)
SIGMA = 0.05 + 0.01 * X
START = [1.0, 1.0]


def decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a * np.exp(-b * x)


class Array(np.ndarray):
    """A kind of array that NumPy's functions keep."""


def kept(f: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A model that gives the same array at each call, and fails where another hand has changed it."""
    values = np.zeros(X.size)
    last = values.copy()

    def model(x: np.ndarray, *p: float) -> np.ndarray:
        assert np.array_equal(values, last)
        values[:] = last[:] = f(x, *p)
        return values

    return model


def read_only(x: np.ndarray, *p: float) -> np.ndarray:
    values = decay(x, *p)
    values.setflags(write=False)
    return values


VIEWED = kept(decay)
# Each gives the values of `decay`.
MODELS: dict[str, Callable[..., Any]] = {
    "an array": decay,
    "an array that is kept": kept(decay),
    "a view of an array that is kept": lambda x, *p: VIEWED(x, *p)[:],
    "every other number": lambda x, *p: np.repeat(decay(x, *p), 2)[::2],
    "read-only": read_only,
    "a row": lambda x, *p: decay(x, *p)[np.newaxis],
    "in the other byte order": lambda x, *p: decay(x, *p).astype(">f8"),
    "a list": lambda x, *p: decay(x, *p).tolist(),
    "a class of its own": lambda x, *p: decay(x, *p).view(Array),
}
SIGMAS = {"no sigma": None, "one sigma": 0.05, "a sigma each": SIGMA}


@pytest.mark.parametrize("sigma", SIGMAS.values(), ids=SIGMAS)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_residuals_are_those_of_python_to_the_bit(model: Callable[..., Any], sigma: Any) -> None:
    weights = 1.0 if sigma is None else 1.0 / np.asarray(sigma)
    by_hand = least_squares(lambda p: (decay(X, *p) - Y) * weights, START)
    x, y = X.copy(), Y.copy()
    fit = curve_fit(model, x, y, START, sigma)
    np.testing.assert_array_equal(fit.x, by_hand.x)
    np.testing.assert_array_equal(fit.result.fun, by_hand.fun)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize("n", [1, 14, 15, 40])
def test_any_number_of_parameters(n: int) -> None:
    x = np.cos(np.outer(np.arange(n), np.linspace(0, 3, 3 * n)))
    y = x.sum(0) + 0.01 * np.sin(5 * np.arange(3 * n))
    by_hand = least_squares(lambda p: p @ x - y, np.ones(n))
    fit = curve_fit(lambda x, *p: np.array(p) @ x, x, y, np.ones(n))
    np.testing.assert_array_equal(fit.x, by_hand.x)


def test_a_model_gets_numpys_numbers() -> None:
    """As in SciPy: a float of Python's would raise where it is divided by 0."""
    kinds = set()

    def model(x: np.ndarray, a: Any) -> np.ndarray:
        kinds.add(type(a))
        return a * x

    curve_fit(model, X, Y, [1.0])
    assert kinds == {np.float64}


def test_exceptions_of_a_model_come_out() -> None:
    def model(x: np.ndarray, a: float) -> np.ndarray:
        if a != 1:
            raise KeyError("mine")
        return a * x

    with pytest.raises(KeyError, match="mine"):
        curve_fit(model, X, Y, [1.0])
