"""A success is one, whichever function fits: troubles of numbers at every door.

Each trouble is a fit whose least sum of squares is known by another way. A fit may come there, or say that it has not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pyminpack import LevenbergMarquardt, least_squares, leastsq, leastsq_blocks

T = np.linspace(0, 4, 60)
U = np.linspace(-5, 5, 60)
NOISE = 0.01 * np.random.default_rng(3).normal(size=60)
EVERY = slice(None)
Rows = slice


@dataclass(frozen=True, eq=False)
class Trouble:
    """Residuals of some rows, a start, and a start from which the same data are fitted without trouble.

    Attributes
    ----------
    residuals, easy : callable
        ``residuals(x, rows)``; `easy` is what the judge fits, from `easy_start`.
    jacobian : callable or None
        ``jacobian(x, rows)``.
    must : bool
        Whether each door has to come to the minimum, and may not just say that it has not.
    """

    residuals: Callable[..., np.ndarray]
    start: list[float]
    easy: Callable[[np.ndarray], np.ndarray]
    easy_start: list[float]
    jacobian: Callable[..., np.ndarray] | None = None
    must: bool = True


def peak(u: np.ndarray, x: Any) -> np.ndarray:
    return x[0] * np.exp(-0.5 * ((u - x[1]) / x[2]) ** 2)


def peak_jacobian(u: np.ndarray, x: Any) -> np.ndarray:
    z = (u - x[1]) / x[2]
    bell = np.exp(-0.5 * z**2)
    return np.column_stack([bell, x[0] * bell * z / x[2], x[0] * bell * z**2 / x[2]])


def far_from_0(origin: float) -> Trouble:
    y, at = peak(U, [3.0, 0.4, 1.2]) + NOISE, origin + U
    return Trouble(
        lambda x, rows=EVERY: peak(at[rows], x) - y[rows],
        [2.0, origin + 1.0, 1.0],
        lambda x: peak(at - origin, x) - y,
        [2.0, 1.0, 1.0],
        lambda x, rows=EVERY: peak_jacobian(at[rows], x),
    )


def far_below_the_data(size: float) -> Trouble:
    y = size * (2.0 + 0.3 * T + NOISE)
    return Trouble(
        lambda x, rows=EVERY: x[0] + x[1] * T[rows] - y[rows],
        [1.0, 1.0],
        lambda x: size * (x[0] + x[1] * T) - y,
        [1.0, 1.0],
        lambda x, rows=EVERY: np.column_stack([np.ones(T[rows].size), T[rows]]),
    )


def next_to_0(tiny: float) -> Trouble:
    y = 2.5 * np.exp(-1.3 * T) + 0.7 + NOISE
    return Trouble(
        lambda x, rows=EVERY: x[0] * np.exp(-x[1] * T[rows]) + x[2] - y[rows],
        [1.0, 0.5, tiny],
        lambda x: x[0] * np.exp(-x[1] * T) + x[2] - y,
        [2.0, 1.0, 0.5],
    )


def small_by_nature(size: float) -> Trouble:
    y = 100 * np.exp(-1.3 * T) + NOISE
    return Trouble(
        lambda x, rows=EVERY: x[0] * np.exp(-x[1] / size * T[rows]) - y[rows],
        [90.0, 0.0],
        lambda x: x[0] * np.exp(-x[1] * T) - y,
        [90.0, 1.0],
        must=False,
    )


def in_counts() -> Trouble:
    y = np.round(512 + 2900 * (1 - np.exp(-1.3 * T)))
    return Trouble(
        lambda x, rows=EVERY: np.round(x[0] + x[1] * (1 - np.exp(-x[2] * T[rows]))) - y[rows],
        [500.0, 3000.0, 1.1],
        lambda x: x[0] + x[1] * (1 - np.exp(-x[2] * T)) - y,
        [500.0, 3000.0, 1.1],
        must=False,
    )


def shaken(noise: float) -> Trouble:
    random = np.random.default_rng(1)
    y = 2.5 * np.exp(-1.3 * T) + NOISE

    def residuals(x: np.ndarray, rows: Rows = EVERY) -> np.ndarray:
        return x[0] * np.exp(-x[1] * T[rows]) - y[rows] + noise * random.standard_normal(T[rows].size)

    return Trouble(residuals, [1.0, 1.0], lambda x: x[0] * np.exp(-x[1] * T) - y, [1.0, 1.0], must=False)


def bowl(height: float) -> Trouble:
    """At its minimum the Jacobian is 0."""

    def residuals(x: np.ndarray, rows: Rows = EVERY) -> np.ndarray:
        return np.concatenate([np.full(59, height), x**2 + height])[rows]

    def jacobian(x: np.ndarray, rows: Rows = EVERY) -> np.ndarray:
        return np.concatenate([np.zeros(59), 2 * x])[rows, np.newaxis]

    return Trouble(residuals, [2.0], lambda x: residuals(np.zeros(1)), [1.0], jacobian)


def off_the_data() -> Trouble:
    y = peak(U, [3.0, 0.4, 1.2]) + NOISE
    return Trouble(
        lambda x, rows=EVERY: peak(U[rows], x) - y[rows],
        [2.0, 300.0, 1.0],
        lambda x: peak(U, x) - y,
        [2.0, 1.0, 1.0],
        lambda x, rows=EVERY: peak_jacobian(U[rows], x),
        must=False,
    )


def beyond_a_plateau(
    curve: Callable[[np.ndarray, Any], np.ndarray],
    jacobian: Callable[[np.ndarray, Any], np.ndarray],
    truth: list[float],
    start: list[float],
    units: list[float],
) -> Trouble:
    """From the start a step that is too long lowers the sum of squares, where a parameter no longer matters."""
    unit, t = np.array(units), np.linspace(0.1, 5, 60)
    y = curve(t, truth) + NOISE
    return Trouble(
        lambda x, rows=EVERY: curve(t[rows], x / unit) - y[rows],
        list(unit * start),
        lambda x: curve(t, x) - y,
        truth,
        lambda x, rows=EVERY: jacobian(t[rows], x / unit) / unit,
    )


def saturation(*units: float) -> Trouble:
    """BoxBOD's kind."""
    return beyond_a_plateau(
        lambda t, x: x[0] * (1 - np.exp(-x[1] * t)),
        lambda t, x: np.column_stack([1 - np.exp(-x[1] * t), x[0] * t * np.exp(-x[1] * t)]),
        [0.9, 1.4],
        [2e-3, 3.4],
        list(units),
    )


def growth(*units: float) -> Trouble:
    """Gompertz's curve."""

    def jacobian(t: np.ndarray, x: Any) -> np.ndarray:
        late = np.exp(-x[2] * t)
        share = np.exp(-x[1] * late)
        return np.column_stack([share, -x[0] * share * late, x[0] * share * x[1] * t * late])

    return beyond_a_plateau(
        lambda t, x: x[0] * np.exp(-x[1] * np.exp(-x[2] * t)),
        jacobian,
        [0.75, 3.6, 1.06],
        [0.0027, 0.13, 0.376],
        list(units),
    )


def lifetimes(*units: float) -> Trouble:
    """Weibull's distribution, times a size."""

    def jacobian(t: np.ndarray, x: Any) -> np.ndarray:
        power = (x[1] * t) ** x[2]
        left = np.exp(-power)
        by_shape = x[0] * left * power * np.log(x[1] * t)
        return np.column_stack([1 - left, x[0] * left * power * x[2] / x[1], by_shape])

    return beyond_a_plateau(
        lambda t, x: x[0] * (1 - np.exp(-((x[1] * t) ** x[2]))),
        jacobian,
        [1.56, 0.336, 2.6],
        [0.021, 0.49, 0.19],
        list(units),
    )


TROUBLES: dict[str, Callable[[], Trouble]] = {
    "A, 1e4": lambda: far_from_0(1e4),
    "A, 1e6": lambda: far_from_0(1e6),
    "B, 1e10": lambda: far_below_the_data(1e10),
    "B, 1e12": lambda: far_below_the_data(1e12),
    "C, 1e-16": lambda: next_to_0(1e-16),
    "C, -1e-30": lambda: next_to_0(-1e-30),
    "E, 1e-9": lambda: small_by_nature(1e-9),
    "E, 1e-15": lambda: small_by_nature(1e-15),
    "G": in_counts,
    "N, 1e-6": lambda: shaken(1e-6),
    "N, 1e-4": lambda: shaken(1e-4),
    "Z, 1": lambda: bowl(1.0),
    "Z, 1e-5": lambda: bowl(1e-5),
    "plateau": off_the_data,
    "saturation": lambda: saturation(1.0, 1.0),
    "saturation in other units": lambda: saturation(3e7, 2e-9),
    "growth": lambda: growth(1.0, 1.0, 1.0),
    "growth in other units": lambda: growth(1e-6, 4.0, 1e9),
    "lifetimes": lambda: lifetimes(1.0, 1.0, 1.0),
}


@dataclass(frozen=True)
class End:
    success: bool
    x: np.ndarray


def by_leastsq(trouble: Trouble, given: Any) -> End:
    x, _, _, _, ier = leastsq(trouble.residuals, trouble.start, Dfun=given, full_output=True)
    return End(ier in (1, 2, 3, 4), x)


def by_blocks(trouble: Trouble, given: Any) -> End:
    blocks = [slice(0, 25), slice(25, 60)]
    fit = leastsq_blocks(trouble.residuals, trouble.start, blocks, jac=given)
    return End(fit.success, fit.x)


def by_steps(trouble: Trouble, given: Any) -> End:
    fit = LevenbergMarquardt(trouble.residuals, trouble.start, given or "2-point")
    for _ in fit:
        pass
    result = fit.result()
    return End(result.success, result.x)


def by_least_squares(**options: Any) -> Callable[[Trouble, Any], End]:
    def run(trouble: Trouble, given: Any) -> End:
        fit = least_squares(trouble.residuals, trouble.start, **({"jac": given} if given else {}) | options)
        return End(fit.success, fit.x)

    return run


DOORS: dict[str, Callable[[Trouble, Any], End]] = {
    "leastsq": by_leastsq,
    "leastsq_blocks": by_blocks,
    "LevenbergMarquardt": by_steps,
    "least_squares": by_least_squares(),
    "bounds": by_least_squares(bounds=(-1e15, 1e15)),
    "accel": by_least_squares(accel=True),
}


def slack_of(name: str) -> float:
    """How far above the least sum of squares an end may be: rounding and noise of the model allow no less."""
    return 1.2 if name[0] in "GN" else 1 + 1e-5


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow of a model far away
@pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", TROUBLES)
def test_success_is_one(name: str, door: str, given: bool) -> None:
    trouble = TROUBLES[name]()
    if given and trouble.jacobian is None:
        pytest.skip("a Jacobian would know more than the trouble")
    end = DOORS[door](trouble, trouble.jacobian if given else None)
    judge = least_squares(trouble.easy, trouble.easy_start)
    reached = np.sum(trouble.residuals(end.x) ** 2)
    assert end.success or not trouble.must
    assert not end.success or reached <= 2 * judge.cost * slack_of(name)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])
@pytest.mark.parametrize("kind", [saturation, growth, lifetimes])
def test_a_flat_edge_of_the_bounds_is_no_minimum(kind: Callable[..., Trouble], given: bool) -> None:
    """No step within the bounds changes anything, where without bounds one does: this was called a success."""
    trouble = kind(*[1.0] * (2 if kind is saturation else 3))
    end = by_least_squares(bounds=(0, 1e6))(trouble, trouble.jacobian if given else None)
    assert end.success
    judge = least_squares(trouble.easy, trouble.easy_start)
    assert np.sum(trouble.residuals(end.x) ** 2) <= 2 * judge.cost * slack_of(kind.__name__)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", TROUBLES)
def test_success_by_central_differences_is_one(name: str) -> None:
    trouble = TROUBLES[name]()
    end = by_least_squares(jac="3-point")(trouble, None)
    judge = least_squares(trouble.easy, trouble.easy_start)
    assert not end.success or np.sum(trouble.residuals(end.x) ** 2) <= 2 * judge.cost * slack_of(name)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])
@pytest.mark.parametrize("door", DOORS)
def test_a_peak_that_has_run_away_is_no_success(door: str, given: bool) -> None:
    """From a height of 1 to counts of up to 1e12, widths of 1e10 were reached, and called converged."""
    random = np.random.default_rng(3)
    ends = []
    for _ in range(24):
        size, x = 10 ** random.uniform(4, 12), random.uniform([2, -1, 0.8], [4, 1, 1.5])
        y = size * (peak(U, x) + NOISE)
        trouble = Trouble(
            lambda x, rows=EVERY, y=y: peak(U[rows], x) - y[rows],
            [1.0, *(x[1:] * random.uniform(0.8, 1.2, 2))],
            lambda x, y=y: peak(U, x) - y,
            [size * x[0], *x[1:]],
            lambda x, rows=EVERY: peak_jacobian(U[rows], x),
        )
        end = DOORS[door](trouble, trouble.jacobian if given else None)
        least = 2 * least_squares(trouble.easy, trouble.easy_start).cost
        assert not end.success or np.sum(trouble.residuals(end.x) ** 2) <= least * (1 + 1e-5)
        ends.append(end.success)
    assert any(ends)


@pytest.mark.parametrize("noise", [1e-7, 1e-5])
def test_noise_is_told(noise: float) -> None:
    trouble = shaken(noise)
    fit = least_squares(trouble.residuals, trouble.start)
    assert noise / 3 <= fit.noise <= 10 * noise
    assert fit.steps.shape == (2,)
    smooth = least_squares(trouble.easy, trouble.start)
    assert smooth.noise <= 1e-15
    assert np.all((smooth.steps > 1e-7) & (smooth.steps < 0.1))
    straight = far_below_the_data(1.0)
    known = least_squares(straight.residuals, straight.start, straight.jacobian)
    assert np.isnan(known.noise)
    assert np.isnan(known.steps).all()


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_noise_of_residuals_that_never_bend_is_not_known(value: float) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        return np.full(5, 1.0 if np.all(x == 1) else value)

    assert np.isnan(least_squares(residuals, [1.0, 1.0]).noise)
