"""Points where residuals bend and have no slope: a minimum there is one, and a start there costs little."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import T, Y
from pyminpack import least_squares, leastsq

AXES = 12.0, 3.0
POINTS = np.array([[20.0, -7.0], [-1.0, 9.0], [4.0, 4.5], [-16.0, -0.5]])


def distance(point: np.ndarray, number: int, angle_unit: float, unit: float) -> Callable[[np.ndarray], np.ndarray]:
    """How far a point of an ellipse, given by its angle, is from another point; so many times."""

    def residuals(x: np.ndarray) -> np.ndarray:
        angle = x[0] / angle_unit
        away = np.hypot(point[0] - AXES[0] * np.cos(angle), point[1] - AXES[1] * np.sin(angle))
        return np.full(number, unit * away)

    return residuals


def ends(residuals: Callable[[np.ndarray], np.ndarray], x0: Any) -> list[tuple[bool, np.ndarray]]:
    """Whether several ways call it a success, and x."""
    x, *_, ier = leastsq(residuals, x0, full_output=True)
    fits = [least_squares(residuals, x0, **options) for options in ({}, {"jac": "3-point"}, {"accel": True})]  # type: ignore[call-overload]
    return [(ier in (1, 2, 3, 4), x), *((fit.success, fit.x) for fit in fits)]


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(("angle_unit", "unit"), [(1.0, 1.0), (1e6, 1e-9)])
@pytest.mark.parametrize("point", POINTS)
def test_the_nearest_point_of_a_curve_is_found(point: np.ndarray, angle_unit: float, unit: float, number: int) -> None:
    """Steps that were found where there was a slope are too short to see that there is none: they are found again."""
    residuals = distance(point, number, angle_unit, unit)
    angles = np.linspace(-np.pi, np.pi, 200_001)
    start = np.arctan2(point[1], point[0]) * angle_unit
    for success, x in ends(residuals, [start]):
        at = np.angle(np.exp(1j * x[0] / angle_unit))
        near = angles[np.abs(angles - at) < 0.3]
        away = [residuals(np.array([angle * angle_unit]))[0] for angle in near]
        assert success
        assert abs(near[np.argmin(away)] - at) < 1e-4


@pytest.mark.parametrize("start", [np.pi / 2, 0.36, -0.3, -0.9])
@pytest.mark.parametrize("highest", [1.0, 1.6])
def test_a_bound_that_is_a_sine_s(highest: float, start: float) -> None:
    """As lmfit and others have bounds.

    Residuals that a parameter doesn't change at once are not rounded ones; and where steps are found again for one
    parameter, the derivatives of the others are taken, too.
    """

    def rate(u: float) -> float:
        return 0.2 + (np.sin(u) + 1) / 2 * (highest - 0.2)

    calls = 0

    def residuals(u: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return u[0] * np.exp(-rate(u[1]) * T) - Y

    best = least_squares(lambda x: x[0] * np.exp(-x[1] * T) - Y, [1, 0.9], bounds=([-np.inf, 0.2], [np.inf, highest]))
    for success, u in ends(residuals, [1, start]):
        assert success
        assert abs(rate(u[1]) - best.x[1]) < 1e-6
    assert calls < 4 * 120


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_steps_of_the_caller_s_don_t_excuse_an_end_that_is_none(jac: Any) -> None:
    """From a bound as above the tolerances are met at an offset of 3."""

    def residuals(u: np.ndarray) -> np.ndarray:
        return u[0] * np.exp(-(0.2 + 0.7 * (np.sin(u[1]) + 1)) * T) - Y

    for step in (1.5e-8, 1e-6, 1e-4):
        fit = least_squares(residuals, [1, np.pi / 2], jac, diff_step=step)
        assert not fit.success or fit.offset <= 1e-3
