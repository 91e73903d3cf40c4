"""Where residuals are evaluated for differences, and what comes of them."""

from typing import Any

import numpy as np
import pytest

import original
from models import START, T, Y, jacobian
from pyminpack import _minpack, least_squares, leastsq

DOUBLE = float(np.finfo(float).eps)


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

        leastsq(noting("leastsq"), x0, full_output=True)
        least_squares(noting("least_squares"), x0, max_nfev=2)
        least_squares(noting("far"), x0, max_nfev=2, bounds=(-1e300, 1e300))
        assert asked["least_squares"][:5] == asked["leastsq"][:5]
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
        assert fit.success or (x0[0] == 0 and width < 1e-15)  # where no residual follows a parameter
        assert np.all((low <= fit.x) & (fit.x <= high))
        assert fit.jac is not None
        if x0[0] == 0 and jac != "cs":
            continue  # steps relative to a parameter of no more than the box: rounding swallows them
        largest = np.abs(jacobian(fit.x)).max()
        np.testing.assert_allclose(fit.jac, jacobian(fit.x), rtol=0, atol=(1e-4 + 3e-15 / width) * largest)


# ---------------------------------------------------------------------------------------------- central differences


def central(x0: Any, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where residuals x² + 1 are evaluated for the first Jacobian, and its diagonal."""
    points: list[np.ndarray] = []

    def fun(x: np.ndarray) -> np.ndarray:
        points.append(x.copy())
        return x * x + 1

    fit = least_squares(fun, x0, "3-point", (low, high), max_nfev=1)
    assert fit.jac is not None
    return np.array(points[1:]), np.diag(fit.jac)


def test_central_steps_go_either_way_and_turn_at_bounds() -> None:
    """Both to the side that has room, where one of them would leave; the cube root of ε of the size of a parameter."""
    x0, h = [2.0, -3.0, 0.0, 1.0, 1.0], DOUBLE ** (1 / 3)
    points, slopes = central(x0, [-9, -9, -9, 1, -9], [9, 9, 9, 9, 1])
    ways = np.array([[2, -2], [3, -3], [1, -1], [1, 2], [-1, -2]]) * h
    for j, (near, far) in enumerate(points.reshape(5, 2, 5)):
        np.testing.assert_array_equal(np.delete([near, far], j, axis=1), [np.delete(x0, j)] * 2)
        np.testing.assert_allclose([near[j] - x0[j], far[j] - x0[j]], ways[j], rtol=1e-9)
    np.testing.assert_allclose(slopes, 2 * np.array(x0), atol=1e-10)  # exact but for rounding: a parabola


@pytest.mark.parametrize("ulps", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("at", ["low", "middle", "high"])
def test_central_differences_in_boxes_of_a_few_numbers(ulps: int, at: str) -> None:
    """The second of two points may be x itself, or the first once more: no division by 0, and nothing outside."""
    x0 = 1.0 + ulps * DOUBLE if at == "high" else 1.0 + (ulps // 2) * DOUBLE if at == "middle" else 1.0
    points, slopes = central([x0], [1.0], [1.0 + ulps * DOUBLE])
    assert np.all((points >= 1) & (points <= 1 + ulps * DOUBLE))
    assert np.any(points != x0)
    assert slopes == pytest.approx(2, rel=1e-12)  # x² + 1 is linear in such a box, its spacing twice that of x


def test_central_differences_of_a_cubic_are_better_than_forward_ones() -> None:
    def cubic(x: np.ndarray) -> np.ndarray:
        return x**3 - 20

    errors = []
    for jac in ("2-point", "3-point"):
        fit = least_squares(cubic, [2.0], jac, max_nfev=1)  # type: ignore[arg-type]
        assert fit.jac is not None
        errors.append(abs(fit.jac[0, 0] - 12))
    assert errors[1] < 1e-9 < errors[0]
