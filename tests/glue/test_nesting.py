"""Fits inside of the functions that other fits call, and inside of theirs."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from checks import assert_same_fit, fit
from models import ANSWER, EXACT_T, EXACT_Y, START, Oops, Recorder, decay, decay_jacobian
from pyminpack import leastsq

BY_DIFFERENCES = fit(decay)
BY_JACOBIAN = fit(decay, Dfun=decay_jacobian)


def amplitude(rate: float, **options: Any) -> float:
    """Fit the amplitude alone, for a given rate: 9 residuals and 1 parameter."""
    shape = np.exp(-rate * EXACT_T)
    return fit(lambda a: a[0] * shape - EXACT_Y, [1.0], **options)[0][0]


def test_fit_inside_of_func() -> None:
    rate = fit(lambda x: decay(np.array([amplitude(x[0]), x[0]])), [1.0])[0][0]
    np.testing.assert_allclose([amplitude(rate), rate], ANSWER, rtol=1e-6)


def test_fits_inside_of_fits_inside_of_fits() -> None:
    """Each level has sizes of its own: 9 x 1 inside of 10 x 1 inside of 3 x 2."""

    def rate(offset: float) -> float:
        def residuals(x: np.ndarray) -> np.ndarray:
            return np.append(decay(np.array([amplitude(x[0]), x[0]])), 0.0) + offset

        return fit(residuals, [1.0])[0][0]

    x = fit(lambda x: np.array([x[0] - rate(0.0), x[1] - 2, x[0] + x[1] - rate(0.0) - 2]), START)[0]
    np.testing.assert_allclose(x, [ANSWER[1], 2], rtol=1e-6)


def test_fit_inside_of_a_fit_changes_nothing_in_the_outer_one() -> None:
    """Neither its own differences nor its Jacobian nor the argument that it is at."""

    def residuals(x: np.ndarray) -> np.ndarray:
        before = x.copy()
        fit(lambda a: np.array([a[0] - 1, a[1] - 2, a[2] - 3, 0.0]), [0.0, 0.0, 0.0])
        np.testing.assert_array_equal(x, before)
        return decay(x)

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


def test_fit_inside_of_dfun() -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        fit(lambda a: a - 1, np.zeros(4), Dfun=lambda a: np.eye(4))
        return decay_jacobian(x)

    assert_same_fit(fit(decay, Dfun=jacobian), BY_JACOBIAN)


def test_fit_of_a_function_inside_of_a_fit_of_the_same_function() -> None:
    inside = False

    def residuals(x: np.ndarray) -> np.ndarray:
        nonlocal inside
        if not inside:
            inside = True
            assert_same_fit(fit(residuals), BY_DIFFERENCES)
            inside = False
        return decay(x)

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


def failing(x: np.ndarray, call: int = 3) -> Callable:
    calls = itertools.count(1)

    def residuals(a: np.ndarray) -> np.ndarray:
        if next(calls) == call:
            raise Oops(float(x[0]))
        return a - 1

    return residuals


@pytest.mark.parametrize("call", [1, 2, 3])
def test_fit_inside_that_fails_can_be_caught(call: int) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        with pytest.raises(Oops):
            leastsq(failing(x, call), np.zeros(4))
        return decay(x)

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


def test_fit_inside_that_fails_stops_the_outer_one() -> None:
    calls = Recorder(lambda x: decay(x) if len(calls.at) < 4 else leastsq(failing(x), np.zeros(4)))
    with pytest.raises(Oops) as caught:
        leastsq(calls, START)
    assert caught.value.args == (calls.at[3][0],)
    assert len(calls.at) == 4


def test_fit_while_a_result_is_converted() -> None:
    class Lazy:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x.copy()

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
            fit(lambda a: a - 1, np.zeros(4))
            return decay(self.x)

    assert_same_fit(fit(Lazy), BY_DIFFERENCES)
