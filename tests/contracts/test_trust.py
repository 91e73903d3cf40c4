"""A success of `least_squares` is one, where MINPACK's tests are met at ends that are none, and differences mislead."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import START, jacobian, residuals
from pyminpack import least_squares

U = np.linspace(-5, 5, 80)
NOISE = 0.01 * np.random.default_rng(5).normal(size=80)


def peak_at(origin: float) -> Callable[[np.ndarray], np.ndarray]:
    """A peak whose location is measured from far away."""
    t, y = origin + U, 1.3 * np.exp(-0.5 * ((U - 0.4) / 1.1) ** 2) + NOISE
    return lambda x: x[0] * np.exp(-0.5 * ((t - x[1]) / x[2]) ** 2) - y


@pytest.mark.parametrize("widths", [1e4, 1e6, 1e7])
def test_location_many_widths_from_0(widths: float) -> None:
    """The answer of the same data in shifted units."""
    near = least_squares(peak_at(0.0), [1.0, 0.0, 1.5])
    far = least_squares(peak_at(widths), [1.0, widths, 1.5])
    assert near.success
    assert not far.success or far.cost < near.cost * (1 + 1e-5)
    assert far.cost < near.cost * (1 + 1e-3)


@pytest.mark.parametrize("size", [1e10, 1e12])
def test_start_far_below_the_data(size: float) -> None:
    """The start came back as a success: differences are lost in numbers as large as the data."""
    i = np.arange(40.0)
    y = size * (1 + 1e-7 * i) + 1e-9 * size * np.random.default_rng(2).normal(size=40)
    (_, rss, *_) = np.linalg.lstsq(np.stack([np.ones(40), i], axis=1), y, rcond=None)
    fit = least_squares(lambda x: x[0] + x[1] * i - y, [1.0, 1.0])
    assert not fit.success or 2 * fit.cost < rss[0] * 1.001


@pytest.mark.parametrize("tiny", [1e-16, -1e-20, 1e-100])
@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_parameter_that_starts_next_to_0(tiny: float, jac: Any) -> None:
    """It never moved, and its column of zeros counted as converged."""
    t = np.linspace(0, 4, 25)
    y = 1.7 * np.exp(-0.9 * t) + 0.4
    fit = least_squares(lambda x: x[0] * np.exp(-x[1] * t) + x[2] - y, [1.0, 1.0, tiny], jac)
    assert fit.success
    np.testing.assert_allclose(fit.x, [1.7, 0.9, 0.4], rtol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_standard_errors_where_a_parameter_is_0_at_the_solution(seed: int) -> None:
    """Differences relative to it are nothing but rounding there: errors were off by 5 % to 200 %."""
    t = np.linspace(-1, 1, 20)
    a, y = np.stack([np.ones(20), t**2], axis=1), 2 + 1e-3 * t**3
    rng = np.random.default_rng(seed)
    fit = least_squares(lambda x: a @ x - y, rng.normal(size=2) * 10 ** rng.uniform(-2, 2, 2))
    variance = np.linalg.lstsq(a, y, rcond=None)[1][0] / 18
    assert fit.success
    np.testing.assert_allclose(fit.stderr, np.sqrt(np.diag(np.linalg.inv(a.T @ a)) * variance), rtol=0.01)


@pytest.mark.parametrize("size", [1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_start_at_0_of_a_parameter_that_is_small_by_nature(size: float, jac: Any) -> None:
    p = np.geomspace(0.1, 10, 14) / size
    q = 2.1 * size * p / (1 + size * p) * (1 + 0.01 * np.random.default_rng(4).normal(size=14))
    fit = least_squares(lambda x: x[0] * x[1] * p / (1 + x[1] * p) - q, [1.0, 0.0], jac)
    right = least_squares(lambda x: x[0] * x[1] * size * p / (1 + x[1] * size * p) - q, [1.0, 0.8])
    assert not fit.success or fit.cost < right.cost * 1.001
    if jac == "2-point" and size > 1e-12:
        assert fit.x[1] == pytest.approx(right.x[1] * size, rel=1e-3)


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("seed", range(6))
def test_residuals_with_noise_of_their_own(noise: float, seed: int) -> None:
    """Right within what the noise allows, or no success."""
    rng = np.random.default_rng(seed)
    best = least_squares(residuals, START).cost
    fit = least_squares(lambda x: residuals(x) + noise * rng.standard_normal(20), START)
    assert not fit.success or 0.5 * np.sum(residuals(fit.x) ** 2) < 1.5 * best + 100 * noise**2 * 20


def test_model_in_counts() -> None:
    t = np.arange(0, 60.0)
    counts = np.round(300 + 1500 * (1 - np.exp(-t / 9)) + 2 * np.random.default_rng(3).normal(size=60))

    def model(x: np.ndarray) -> np.ndarray:
        return x[0] + x[1] * (1 - np.exp(-t / x[2]))

    smooth = least_squares(lambda x: model(x) - counts, [280.0, 1600.0, 11.0])
    rounded = least_squares(lambda x: np.round(model(x)) - counts, [280.0, 1600.0, 11.0])
    assert smooth.success
    assert not rounded.success or np.sum((model(rounded.x) - counts) ** 2) < 2.4 * smooth.cost


def test_plateau_is_no_success() -> None:
    """BoxBOD's kind: the rate runs to where the exponential is 0 at all points, and nothing responds to it."""
    t = np.array([1.0, 2, 3, 5, 7, 10])
    y = np.array([109.0, 149, 149, 191, 213, 224])
    with np.errstate(over="ignore"):
        fit = least_squares(lambda x: x[0] * (1 - np.exp(-x[1] * t)) - y, [1.0, 1.0])
    assert not fit.success or 2 * fit.cost < 1169


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("jac", ["2-point", "3-point", "given"])
def test_successes_have_a_small_offset_in_all_units(unit: float, jac: Any) -> None:
    given: Any = (lambda x: unit * jacobian(x)) if jac == "given" else jac
    fit = least_squares(lambda x: unit * residuals(x), START, given)
    assert fit.success
    assert 0 <= fit.offset <= 1e-3
    np.testing.assert_allclose(fit.x, least_squares(residuals, START, jacobian).x, rtol=1e-7)


def test_offset_is_nan_for_fits_that_are_stopped() -> None:
    assert np.isnan(least_squares(residuals, START, callback=lambda state: True).offset)


@pytest.mark.parametrize("height", [1e6, 1e10, 1e100])
@pytest.mark.parametrize("options", [{}, {"jac": "3-point"}, {"bounds": (-5, 5)}, {"loss": "soft_l1"}], ids=str)
def test_wall_of_large_numbers(height: float, options: dict[str, Any]) -> None:
    """There is no minimum. A column across the wall was so long that all residuals counted as its rounding."""

    def walled(x: np.ndarray) -> np.ndarray:
        if x[0] + x[1] > 1:
            return np.full(3, height)
        return np.array([x[0] - 2, x[1] - 0.2, 0.1 * (x[0] - x[1])])

    fit = least_squares(walled, [0.0, 0.0], **options)
    assert not fit.success
    assert fit.cost < 1
