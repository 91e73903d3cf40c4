"""Where forward differences evaluate residuals, and least sizes of parameters next to 0."""

from typing import Any

import numpy as np
import pytest

import original
from pyminpack import (
    LevenbergMarquardt,
    _minpack,
    least_squares,
    leastsq,
)

T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
START = np.array([1.0, 1.0])
DOUBLE = float(np.finfo(float).eps)


def residuals(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * T) - Y


def jacobian(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-x[1] * T)
    return np.stack([decay, -x[0] * T * decay], axis=1)


def nothing(_: Any) -> None:
    pass


def test_steps_without_bounds_are_those_of_leastsq() -> None:
    """Which are MINPACK's, as other tests show; on call 2 and the following, one a parameter."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        x0 = rng.standard_normal(4) * 10.0 ** rng.integers(-12, 12, 4)
        x0[rng.random(4) < 0.2] = 0
        asked: dict[str, list[bytes]] = {"leastsq": [], "least_squares": [], "far": []}

        def noting(name: str, asked: dict[str, list[bytes]] = asked) -> Any:
            def note(x: np.ndarray) -> np.ndarray:
                asked[name].append(x.tobytes())
                return np.append(np.tanh(x), 1.0)

            return note

        leastsq(noting("leastsq"), x0)
        least_squares(noting("least_squares"), x0, max_nfev=2)
        least_squares(noting("far"), x0, max_nfev=2, bounds=(-1e300, 1e300))
        assert asked["least_squares"][:6] == asked["leastsq"][:6]
        assert asked["far"][:5] == asked["leastsq"][:5]


@pytest.mark.original
def test_steps_without_bounds_are_those_of_the_original() -> None:
    """With a precision above both, as the original's machine precision is rounded up."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        x0 = rng.standard_normal(4) * 10.0 ** rng.integers(-12, 12, 4)
        x0[rng.random(4) < 0.2] = 0
        asked: list[bytes] = []

        def note(x: np.ndarray, asked: list[bytes] = asked) -> np.ndarray:
            asked.append(x.tobytes())
            return np.append(np.tanh(x), 1.0)

        original.lmdif(note, x0, note(x0), 1e-8, 1e-8, 0.0, 6, 1e-12, np.empty(0), 100.0)
        beside = steps(x0, eta=1e-6)[1]
        expected = [np.where(np.arange(4) == j, beside, x0).tobytes() for j in range(4)]
        assert asked[1:5] == expected


ETA = np.finfo(float).eps ** 0.5


def steps(x: Any, low: Any = -np.inf, high: Any = np.inf, typical: Any = 0.0, eta: Any = ETA) -> tuple[Any, Any, Any]:
    x = np.asarray(x, float)
    broadcast = (np.broadcast_to(np.asarray(v, float), x.shape).copy() for v in (typical, eta, low, high))
    return _minpack.forward_steps(x, *broadcast)


def test_steps_are_relative_to_sizes() -> None:
    sizes, beside, lengths = steps([4.0, -4.0, 0.0, 1e-20, 1e-320], typical=[0, 0, 0, 2, 0])
    np.testing.assert_array_equal(sizes, [4, 4, 1, 2, 1e-320])
    np.testing.assert_array_equal(lengths, [4 * ETA, 4 * ETA, ETA, 2 * ETA, ETA * 1e-320 or ETA])
    np.testing.assert_array_equal(beside, np.array([4.0, -4.0, 0.0, 1e-20, 1e-320]) + lengths)
    assert steps([1e-323])[2] == ETA  # the product with its size underflows
    _, beside, lengths = steps([4.0], eta=-0.25)
    assert (beside, lengths) == ([3.0], [-1.0])


def test_steps_turn_at_bounds() -> None:
    sizes, beside, lengths = steps(
        [1.0, 1.0, 1.0, 1.0], low=[-9, 1, -9, 1], high=[1, 9, 1.25, 2], eta=[0.25, -0.25, 0.25, -1.0]
    )
    np.testing.assert_array_equal(sizes, 1)
    np.testing.assert_array_equal(beside, [0.75, 1.25, 1.25, 2.0])
    np.testing.assert_array_equal(lengths, [-0.25, 0.25, 0.25, 1.0])


def test_steps_in_boxes_too_small_go_to_the_farther_bound() -> None:
    _, beside, lengths = steps([1.0, 1.0, 1.0], low=[0.875, 0.9375, 0.9375], high=[1.0625, 1.125, 1.0625], eta=0.5)
    np.testing.assert_array_equal(beside, [0.875, 1.125, 1.0625])
    np.testing.assert_array_equal(lengths, [-0.125, 0.125, 0.0625])


def test_steps_never_leave_the_bounds() -> None:
    rng = np.random.default_rng(1)
    for _ in range(3000):
        n = 4
        size = 10.0 ** rng.integers(-30, 30, n)
        low, high = np.sort(rng.standard_normal((2, n)) * size, axis=0)
        high = np.where(rng.random(n) < 0.3, np.nextafter(low, np.inf), high)
        low, high = np.where(rng.random(n) < 0.2, -np.inf, low), np.where(rng.random(n) < 0.2, np.inf, high)
        x = np.clip(rng.standard_normal(n) * size, low, high)
        eta = rng.choice([ETA, -ETA, 1e-3, -0.5, 1.0], n)
        _, beside, lengths = steps(x, low, high, rng.choice([0.0, 1.0, 1e5], n), eta)
        assert np.all((low <= beside) & (beside <= high))
        assert np.all(lengths != 0)
        assert np.all((beside != x) | (np.abs(lengths) < 1e-15 * np.abs(x)))


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
@pytest.mark.parametrize("width", [1e-3, 1e-8, 1e-12, 2e-16])
def test_fits_in_tiny_boxes_stay_inside(width: float, jac: Any) -> None:
    """Central differences used to divide by zero in a box of two or three numbers."""
    rng = np.random.default_rng(2)
    for x0 in (START, START * [1, -1], np.array([0.0, 1.0])):
        low, high = x0 - width * rng.integers(0, 2, 2), x0 + width
        high = np.maximum(high, np.nextafter(x0, np.inf))
        outside = []

        def watched(x: np.ndarray, low: Any = low, high: Any = high, outside: Any = outside) -> np.ndarray:
            if not np.all((low <= x.real) & (x.real <= high)):
                outside.append(x)
            return x[0] * np.exp(-x[1] * T) - Y

        fit = least_squares(watched, x0, jac, (low, high))
        assert not outside
        assert fit.success
        assert np.all((low <= fit.x) & (fit.x <= high))
        assert fit.jac is not None
        largest = np.abs(jacobian(fit.x)).max()
        np.testing.assert_allclose(fit.jac, jacobian(fit.x), rtol=0, atol=(1e-4 + 3e-15 / width) * largest)
        np.testing.assert_array_equal(fit.x, least_squares(watched, x0, jac, (low, high), callback=nothing).x)


def test_floors_are_set_where_differences_are_lost_in_rounding() -> None:
    """A tenth of what would change the residuals by all their length, for these parameters alone."""
    x, diag, typical = np.array([3.0, 1e-9, 4.0]), np.array([1.0, 1e3, 1.0]), np.zeros(3)
    assert _minpack.set_floors(x, diag, 5.0, typical) == 1
    np.testing.assert_allclose(typical, [0, 5e-4, 0])
    assert _minpack.set_floors(x, diag, 5.0, typical) == 0  # which is enough
    np.testing.assert_allclose(typical, [0, 5e-4, 0])


@pytest.mark.parametrize(
    ("x", "fnorm"), [([3.0, 4.0], 5.0), ([3.0, 0.0], 3.0), ([0.0, 0.0], 0.0), ([3.0, 5e-5], 3.0)], ids=str
)
def test_no_floors_are_set_where_none_are_needed(x: Any, fnorm: float) -> None:
    """Steps from 0 itself are long already."""
    typical = np.zeros(2)
    assert _minpack.set_floors(np.array(x), np.ones(2), fnorm, typical) == 0
    np.testing.assert_array_equal(typical, 0)


def test_floors_keep_larger_sizes() -> None:
    typical = np.array([7.0, 0.0])
    assert _minpack.set_floors(np.array([1e-9, 1e-9]), np.ones(2), 5.0, typical) == 1
    np.testing.assert_allclose(typical, [7.0, 0.5])


def test_floors_leave_steps_of_the_users_alone() -> None:
    fit = LevenbergMarquardt(lambda x: [x[0] - 3, x[1] - 5, x[0] * x[1] - 15], [1e-9, 1.0], diff_step=1e-4)
    fit.run()
    assert fit._source.typical is None  # type: ignore[attr-defined]
