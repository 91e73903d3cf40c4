"""The judge of fits' ends, where the answers are known, and the fits drawn at random that it judges."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from judge import EPS, TOLERANCE, Landscape, judge, rounding
from problems.drawn import FAMILIES, drawn
from problems.mgh import problem, runs
from problems.strd import load, names

FREE = np.array([-np.inf, np.inf])


def landscape(
    residuals: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[np.ndarray], np.ndarray],
    n: int,
    bounds: Any = FREE,
    floor: float = 0.0,
) -> Landscape:
    def noise(x: np.ndarray) -> np.ndarray:
        return rounding(EPS, residuals(x), jacobian(x), x)

    lower, upper = (np.broadcast_to(bound, n).astype(float) for bound in bounds)
    return Landscape(residuals, jacobian, lower, upper, noise, noise, np.ones(n), floor)


# ------------------------------------------------------------------------------------------ known answers

RNG = np.random.default_rng(5)
MATRIX = RNG.standard_normal((30, 4)) * [1, 1e-9, 1e9, 1]
DATA = RNG.standard_normal(30)
SOLUTION = np.linalg.lstsq(MATRIX / [1, 1e-9, 1e9, 1], DATA)[0] / [1, 1e-9, 1e9, 1]
LINEAR = landscape(lambda x: MATRIX @ x - DATA, lambda x: MATRIX, 4)


def at_offset(offset: float, direction: int) -> np.ndarray:
    """The solution of the linear problem, moved by so much of the confidence region's radius."""
    _, s, vt = np.linalg.svd(MATRIX / np.linalg.norm(MATRIX, axis=0), full_matrices=False)
    rest = np.linalg.norm(MATRIX @ SOLUTION - DATA)
    length = offset * np.sqrt(4) * rest / np.sqrt(30 - 4)
    return SOLUTION + length * vt[direction] / s[direction] / np.linalg.norm(MATRIX, axis=0)


@pytest.mark.parametrize("direction", range(4))
@pytest.mark.parametrize("part", [0.0, 0.1, 0.9, 1.1, 10, 1e4])
def test_offset_of_a_linear_problem_is_the_distance_from_its_solution(part: float, direction: int) -> None:
    verdict = judge(LINEAR, at_offset(part * TOLERANCE, direction))
    assert verdict.is_minimum == (part < 1)
    assert verdict.offset == pytest.approx(part * TOLERANCE, rel=1e-6, abs=1e-9)
    assert verdict.excess == pytest.approx(part * TOLERANCE, rel=1e-3, abs=1e-7)
    assert verdict.ratio == pytest.approx(1 + (part * TOLERANCE) ** 2 * 4 / 26, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in names() if name != "Lanczos1"])
def test_certified_parameters_are_a_minimum_and_those_a_tenth_of_an_error_away_are_none(name: str) -> None:
    data = load(name)
    land = landscape(data.residuals, data.jacobian, data.certified.size)
    at_certified = judge(land, data.certified)
    assert at_certified.is_minimum
    assert at_certified.is_settled
    for j, error in enumerate(data.certified_se):
        moved = data.certified.copy()
        moved[j] += error / 10
        verdict = judge(land, moved)
        assert not verdict.is_minimum, j
        assert verdict.ratio > 1, j
    assert not judge(land, data.starts[0]).is_minimum


def test_eleven_digits_are_too_few_for_the_minimum_of_lanczos1() -> None:
    """Its standard errors are in the 14th digit. The way down ends at the certified sum of squares."""
    data = load("Lanczos1")
    land = landscape(data.residuals, data.jacobian, 6)
    verdict = judge(land, data.certified)
    assert not verdict.is_minimum
    assert verdict.rss / verdict.ratio == pytest.approx(data.rss, rel=0.01)
    assert verdict.minimum is not None
    assert judge(land, verdict.minimum).is_minimum


def test_known_points_of_the_53_runs() -> None:
    for name, x, is_minimum in (
        ("rosenbrock", [1.0, 1.0], True),
        ("rosenbrock", [-1.0, 1.0], False),
        ("freudenstein-roth", [5.0, 4.0], True),
        ("freudenstein-roth", [(53 - 4 * 22**0.5) / 3, (2 - 22**0.5) / 3], True),  # a local one
        ("freudenstein-roth", [11.4, -0.9], False),
        ("box-3d", [1.0, 10.0, 1.0], True),
        ("powell-singular", [-1e-6, 1e-7, 1e-7, 1e-7], True),
        ("powell-singular", [1e-2] * 4, False),
    ):
        case = next(run.case for run in runs() if run.case.name == name)
        p = problem(case)
        assert judge(landscape(p.residuals, p.jacobian, p.n, floor=1e-10), np.array(x)).is_minimum == is_minimum, name


def test_stationary_points_from_which_a_way_leads_down_are_no_minima() -> None:
    """A maximum of the residuals' norm, and a parameter whose sign does not matter, at 0."""
    double_well = landscape(lambda x: np.array([x[0] ** 2 - 1, 0.1]), lambda x: np.array([[2 * x[0]], [0.0]]), 1)
    assert not judge(double_well, np.zeros(1)).is_minimum
    assert judge(double_well, np.ones(1)).is_minimum
    assert judge(double_well, -np.ones(1)).is_minimum


def test_parameter_that_does_not_matter_leaves_a_minimum_one() -> None:
    land = landscape(lambda x: np.array([x[0] - 1, 0.5, 0.5]), lambda x: np.eye(3, 2) * [1, 0], 2)
    assert judge(land, np.array([1.0, 7.0])).is_minimum
    assert not judge(land, np.array([2.0, 7.0])).is_minimum


def test_plateau_is_no_minimum() -> None:
    """Far out nothing responds to BoxBOD's rate, or by 1e-50."""
    data = load("BoxBOD")
    land = landscape(data.residuals, data.jacobian, 2)
    for rate in (20.0, 111.0, 5000.0):
        assert not judge(land, np.array([np.mean(data.y), rate])).is_minimum, rate


S = np.linspace(0.2, 5, 40)


def test_term_of_next_to_no_size_is_no_minimum() -> None:
    """Nothing responds to the center and width of a rise of 1e-16.

    Steps that are short for these would leave its height where it is.
    """
    fit = drawn(69)
    assert fit.family == "logistic"
    land = landscape(fit.inner_residuals, fit.inner_jacobian, 4)
    verdict = judge(land, np.array([-1e-16, 0.694, 0.228, np.mean(fit.data)]))
    assert not verdict.is_minimum
    assert verdict.ratio > 100


def test_two_terms_that_became_one_are_a_saddle_or_unsettled() -> None:
    """The best single decay as the sum of two parts, of the same sign or of opposite ones."""
    data = np.exp(-0.5 * S) + np.exp(-2 * S) + 1e-3 * np.cos(9 * S)

    def residuals(x: np.ndarray) -> np.ndarray:
        return x[0] * np.exp(-x[1] * S) + x[2] * np.exp(-x[3] * S) - data

    def jacobian(x: np.ndarray) -> np.ndarray:
        first, second = np.exp(-x[1] * S), np.exp(-x[3] * S)
        return np.column_stack([first, -x[0] * S * first, second, -x[2] * S * second])

    def alone(x: np.ndarray) -> np.ndarray:
        return np.append(x, [0.0, 1.0])

    single = landscape(lambda x: residuals(alone(x)), lambda x: jacobian(alone(x))[:, :2], 2)
    amplitude, rate = judge(single, np.array([2.0, 1.0])).minimum
    double = landscape(residuals, jacobian, 4)
    for part in (0.4, 3.0):
        verdict = judge(double, np.array([part * amplitude, rate + 1e-7, (1 - part) * amplitude, rate - 1e-7]))
        assert verdict.is_minimum == (part > 1)
        assert verdict.is_settled == (part < 1)


def test_parameter_that_runs_to_infinity_is_unsettled() -> None:
    """Of a tanh(b s), which bends the other way than the data: the straight line, b = 0, is the best."""

    def jacobian(x: np.ndarray) -> np.ndarray:
        rise = np.tanh(x[1] * S)
        return np.column_stack([rise, x[0] * S * (1 - rise**2)])

    data = S + 0.02 * S**2 + 0.01 * np.cos(9 * S)
    slope = (S @ data) / (S @ S)
    land = landscape(lambda x: x[0] * np.tanh(x[1] * S) - data, jacobian, 2)
    verdict = judge(land, np.array([1e4 * slope, 1e-4]))
    assert verdict.is_minimum
    assert not verdict.is_settled


@pytest.mark.parametrize("x", [[np.nan, 1.0], [np.inf, 1.0], [1.0, -1e6]])
def test_point_without_finite_residuals_is_no_minimum(x: list[float]) -> None:
    data = load("Misra1a")
    assert not judge(landscape(data.residuals, data.jacobian, 2), np.array(x)).is_minimum


def test_bounds_hold_what_pushes_against_them() -> None:
    """f = (x - (3, -4), 1): within the box, the minimum is at its corner (1, 0)."""

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] - 3, x[1] + 4, 1.0])

    land = landscape(residuals, lambda x: np.eye(3, 2), 2, ([0.0, 0.0], [1.0, 1.0]))
    verdict = judge(land, np.array([1.0, 0.0]))
    assert verdict.is_minimum
    assert verdict.offset == 0
    for x in ([0.0, 0.0], [1.0, 1.0], [0.5, 0.0]):
        verdict = judge(land, np.array(x))
        assert not verdict.is_minimum
        np.testing.assert_array_equal(verdict.minimum, [1, 0])


def test_noise_of_the_model_excuses_what_it_hides_and_no_more() -> None:
    def noise(size: float) -> Callable[[np.ndarray], np.ndarray]:
        return lambda x: np.full(3, size)

    zeros = np.zeros(1)
    for size, is_minimum in ((1e-3, True), (1e-5, False)):
        land = Landscape(
            lambda x: np.array([x[0], 0.0, 1e-9]),
            lambda x: np.eye(3, 1),
            zeros - np.inf,
            zeros + np.inf,
            noise(size),
            noise(0.0),
            zeros + 1,
        )
        assert judge(land, zeros + 1e-3).is_minimum == is_minimum


# ------------------------------------------------------------------------------------------ fits drawn at random

SEEDS = range(0, 240)


@pytest.mark.parametrize("family", FAMILIES)
def test_jacobians_of_drawn_fits_are_exact(family: str) -> None:
    """By complex steps, which know no cancellation."""
    for seed in SEEDS:
        fit = drawn(seed)
        if fit.family == family:
            u = fit.draw.truth
            steps = 1e-30j * np.eye(u.size)
            exact = np.column_stack([fit.draw.curve(fit.draw.s, u + step)[0].imag * 1e30 for step in steps])
            lengths = np.linalg.norm(exact, axis=0)
            np.testing.assert_allclose(fit.inner_jacobian(u) / lengths, exact / lengths, rtol=1e-10, atol=1e-13)


def test_drawn_fits_in_the_users_units_are_the_inner_ones() -> None:
    for seed in SEEDS:
        fit = drawn(seed)
        size = fit.residual_unit * np.max(np.abs(fit.inner_model(fit.inner(fit.start))) + np.abs(fit.data))
        rounded = 1e-4 if fit.single else 1e-15
        inner = fit.residual_unit * fit.inner_residuals(fit.inner(fit.start))
        np.testing.assert_allclose(fit.residuals(fit.start), inner, rtol=0, atol=rounded * size)
        assert np.all((fit.lower <= fit.start) & (fit.start <= fit.upper))
        assert np.all(np.isfinite(fit.residuals(fit.start)))


def test_drawn_fits_are_reproducible_and_of_the_promised_kinds() -> None:
    fits = [drawn(seed) for seed in range(1200)]
    np.testing.assert_array_equal(drawn(17).start, fits[17].start)
    np.testing.assert_array_equal(drawn(17).data, fits[17].data)
    for share, kind in (
        (1 / 2, [fit.residual_unit != 1 for fit in fits]),
        (1 / 3, [fit.is_bounded for fit in fits]),
        (1 / 8, [fit.single for fit in fits]),
        (1 / 3, [fit.from_0 for fit in fits]),
        (0.15, [bool(np.any(fit.draw.truth == 0)) for fit in fits]),
    ):
        assert np.mean(kind) == pytest.approx(share, abs=0.04)
    assert {fit.family for fit in fits} == set(FAMILIES)


def test_parameters_of_the_data_lead_to_a_minimum() -> None:
    """Which is below what they themselves give, as it should be with noise."""
    for seed in SEEDS:
        fit = drawn(seed)
        if not fit.is_bounded:
            land = landscape(fit.inner_residuals, fit.inner_jacobian, fit.unit.size, floor=1e-8)
            verdict = judge(land, fit.draw.truth)
            assert verdict.minimum is not None
            assert judge(land, verdict.minimum).is_minimum, seed
            assert verdict.ratio >= 1
