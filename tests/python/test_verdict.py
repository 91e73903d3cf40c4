"""Jacobians that are wrong are found out at the end of a fit, right ones are never accused."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from models import START, T, Y, jacobian, residuals
from problems.mgh import Run, runs
from pyminpack import LevenbergMarquardt, least_squares
from pyminpack._derivatives.verdict import moves_of
from pyminpack._iteration.machine import CODES
from pyminpack._model.losses import Robust, as_loss

INF = np.inf
BOX = (np.array([0.5, -INF]), np.array([INF, 2.0]))


@dataclass(frozen=True)
class Found:
    """What a message says of a wrong Jacobian."""

    column: int
    row: int
    given: float
    by_differences: float


def judged(fun: Callable, jac: Callable, x: Any, box: Any = None, loss: str = "linear") -> Found | None:
    """What a fit that has ended at x, and has never been elsewhere, says of a Jacobian."""
    bounds = (-INF, INF) if box is None else box
    fit = LevenbergMarquardt(fun, x, jac, bounds, loss=loss, f_scale=0.3)
    fit._fit.info, fit._fit.stage = CODES["info_maxfev"], CODES["is_over"]
    told = re.search(
        r"worst for parameter x\[(\d+)\] in residual (\d+): (\S+), where differences give (\S+?)[.,;:]?(?: |$)",
        fit.result().message,
    )
    return told and Found(*map(int, told.groups()[:2]), *map(float, told.groups()[2:]))


# ------------------------------------------------------------------------------------------------ wrong ones are found


def with_wrong_entry(j: np.ndarray, row: int, column: int) -> np.ndarray:
    j[row, column] += 0.3 * np.abs(j[:, column]).max()
    return j


def with_wrong_sign(j: np.ndarray, row: int, column: int) -> np.ndarray:
    j[row, column] *= -1
    return j


def scaled(factor: float) -> Callable:
    def change(j: np.ndarray, row: int, column: int) -> np.ndarray:
        j[:, column] *= factor
        return j

    return change


POINTS = ([1.0, 1.0], [2.5264709720, 1.3177346294], [0.7, -0.2], [5.0, 1.9])
each_setting = pytest.mark.parametrize(
    ("box", "loss"), [(None, "linear"), (BOX, "linear"), (None, "huber"), (None, "cauchy"), (BOX, "soft_l1")]
)


@each_setting
@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("change", [with_wrong_entry, with_wrong_sign])
def test_wrong_entries_are_found_where_they_are(change: Callable, x: Any, box: Any, loss: str) -> None:
    for row in range(1, 11, 3):
        for column in (0, 1):
            found = judged(residuals, lambda x, at=(row, column): change(jacobian(x), *at), x, box, loss)
            assert found is not None, (row, column)
            assert (found.row, found.column) == (row, column)
            weight = 1.0 if loss == "linear" else Robust(as_loss(loss), 0.3).correct(residuals(np.array(x)))[1][row]
            assert found.by_differences == pytest.approx(weight * jacobian(np.array(x))[row, column], rel=2e-5)
            assert found.given == pytest.approx(
                weight * change(jacobian(np.array(x)), row, column)[row, column], rel=1e-5
            )


@each_setting
@pytest.mark.parametrize("x", POINTS)
@pytest.mark.parametrize("factor", [0.0, -1.0, 1.01, 0.5, 1e3, 1e-6])
def test_wrong_columns_are_found(factor: float, x: Any, box: Any, loss: str) -> None:
    for column in (0, 1):
        found = judged(residuals, lambda x, j=column: scaled(factor)(jacobian(x), 0, j), x, box, loss)
        assert found is not None
        assert found.column == column
        assert found.given == pytest.approx(factor * found.by_differences, rel=1e-5, abs=1e-8)
        size = np.abs(jacobian(np.array(x))[:, column])
        if loss == "linear":
            assert size[found.row] > 0.9 * size.max()  # where it shows most


@each_setting
@pytest.mark.parametrize("x", POINTS)
def test_a_wrong_scale_of_all_is_found(x: Any, box: Any, loss: str) -> None:
    for factor in (-1, 2, 0.9, 1 + 3e-3):
        assert judged(residuals, lambda x, k=factor: k * jacobian(x), x, box, loss) is not None


def rosenbrock(x: np.ndarray) -> np.ndarray:
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def transposed(x: np.ndarray) -> np.ndarray:
    return np.array([[-20 * x[0], -1.0], [10.0, 0.0]])


@pytest.mark.parametrize("box", [None, (np.full(2, -3.0), np.full(2, 4.0))])
def test_a_square_jacobian_that_is_transposed_is_found(box: Any) -> None:
    found = judged(rosenbrock, transposed, [-1.2, 1.0], box)
    assert found is not None
    assert (found.row, found.column) in ((0, 1), (1, 0))
    fit = least_squares(rosenbrock, [-1.2, 1.0], transposed)
    assert not fit.success
    assert "Jacobian disagrees with differences of fun" in fit.message


@np.errstate(all="ignore")
def test_a_jacobian_that_says_nothing_of_a_parameter_at_zero_is_found() -> None:
    for x in ([1.0, 0.0], [0.0, 1.0]):
        for column in (0, 1):
            found = judged(residuals, lambda x, j=column: scaled(-1.0)(jacobian(x), 0, j), x)
            if np.any(jacobian(np.array(x))[:, column]):
                assert found is not None
                assert found.column == column


@pytest.mark.parametrize("start", [0.0, 0.5, 1.0])
def test_a_wrong_sign_that_drives_a_parameter_to_its_bound_at_0_is_found(start: float) -> None:
    """It used to pass as a minimum there: all that was taken for noise was relative to a parameter of 0."""
    for jac in (lambda x: scaled(-1.0)(jacobian(x), 0, 0), lambda x: -jacobian(x)):
        fit = least_squares(residuals, [start, 1.0], jac, bounds=(0, [10, 10]))
        assert fit.status == -7
        assert "Jacobian disagrees" in fit.message


def test_claims_of_an_effect_that_there_is_not_are_found() -> None:
    """Rounding is all that differences see of the second parameter."""
    for effect in (0.0, 1e-13, 1e-10):

        def fun(x: np.ndarray, effect: float = effect) -> np.ndarray:
            return residuals(np.array([x[0], 1.0])) + effect * x[1]

        found = judged(fun, lambda x: np.stack([np.exp(-T), np.cos(T)], axis=1), [1.3, 0.7])
        assert found is not None
        assert found.column == 1


def test_claims_of_an_effect_that_rounding_nearly_hides_are_found() -> None:
    """Differences that rounding eats are nothing erratic."""

    def fun(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] + 3, x[0] + 4 + 1e-9 * x[1]])

    found = judged(fun, lambda x: np.array([[1.0, 0], [1, 1]]), [1.0, 0.7])
    assert found is not None
    assert (found.row, found.column) == (1, 1)


@pytest.mark.parametrize("signs", [[1, 1], [1, -1]], ids=["alike", "in turn"])
def test_columns_that_are_wrong_alike_are_found(signs: Any) -> None:
    """As much in one as in the other, where parameters are equal."""
    slopes = np.array([[1.0, 1.0], [2.0, 2.0]]) * signs
    assert judged(lambda x: slopes @ x - 5, lambda x: 2 * slopes, [1.0, 1.0]) is not None


def test_wrong_by_less_than_a_thousandth_of_the_column_is_right_enough() -> None:
    for size, is_found in ((5e-4, False), (2e-3, True)):
        wrong = lambda x, size=size: jacobian(x) * (1 + size * np.array([1, 0]))  # noqa: E731
        assert (judged(residuals, wrong, START) is not None) == is_found


def test_what_is_told_is_where_it_is_worst() -> None:
    """Relative to the column; the number of a parameter is that among all, fixed ones included."""

    def jac(x: np.ndarray) -> np.ndarray:
        j = np.insert(jacobian(x[1:]), 0, 1.0, axis=1)
        j[4, 2] *= -1
        j[2, 1] *= 1.01
        return j

    fit = least_squares(lambda x: x[0] + residuals(x[1:]), [0.0, 2.5, 1.3], jac, fixed=[True, False, False])
    slope = jac(fit.x)[4, 2]
    assert f"worst for parameter x[2] in residual 4: {slope:.6g}, where differences give {-slope:.6g}." in fit.message


# ------------------------------------------------------------------------------------------------ whether it matters


def test_a_minimum_by_differences_keeps_its_status() -> None:
    """A wrong Jacobian may all the same lead to the right point; the message tells, and the fit has succeeded."""
    fit = least_squares(lambda x: x - [3.0, 5.0], [1.0, 1.0], lambda x: np.array([[1.02, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(fit.x, [3, 5], rtol=1e-6)
    assert fit.success
    assert "worst for parameter x[0] in residual 0: 1.02, where differences give 1;" in fit.message


def test_a_minimum_at_a_bound_keeps_its_status() -> None:
    wrong = np.array([[1.0, 0.0], [0.0, 1.02]])
    fit = least_squares(lambda x: x - [3.0, 5.0], [1.0, 1.0], lambda x: wrong, bounds=(-9, [2, 9]))
    np.testing.assert_allclose(fit.x, [2, 5], rtol=1e-6)
    assert fit.success
    assert "worst for parameter x[1]" in fit.message


def test_a_minimum_of_a_robust_loss_keeps_its_status() -> None:
    """Columns in another unit change nothing of where the minimum is."""
    outliers = np.where(np.arange(20) % 6 == 2, 1.0, 0.0)
    fit = least_squares(
        lambda x: residuals(x) - outliers, START, lambda x: jacobian(x) * [1.02, 1], loss="soft_l1", f_scale=0.1
    )
    assert fit.success
    assert "worst for parameter x[0]" in fit.message


def test_no_minimum_by_differences_is_no_success() -> None:
    fit = least_squares(residuals, START, lambda x: -jacobian(x))
    assert (fit.status, fit.success) == (-7, False)


def test_fits_that_were_stopped_are_not_judged() -> None:
    """Those at the limit of evaluations are, unless it is the caller's: wrong Jacobians often end there."""
    wrong = lambda x: -jacobian(x)  # noqa: E731
    assert least_squares(residuals, START, wrong).status == -7
    assert least_squares(residuals, START, wrong, max_nfev=2).status == 0
    stopped = least_squares(residuals, START, lambda x: 1.5 * jacobian(x), callback=lambda state: True)
    assert stopped.status == -2
    assert "disagrees" not in stopped.message


def test_gradient_that_pushes_against_a_bound_does_not_count() -> None:
    box = np.array([0.0, 0.0, 0.0, -INF]), np.array([1.0, 1.0, 1.0, INF])
    x, gradient = np.array([0.0, 1.0, 0.0, 5.0]), np.array([1.0, -1.0, -1.0, 1.0])
    assert moves_of(x, gradient, box).tolist() == [False, False, True, True]
    assert moves_of(x, -gradient, box).tolist() == [True, True, False, True]


# -------------------------------------------------------------------------------------------- right ones aren't accused


def points_of(run: Run) -> list[np.ndarray]:
    rng = np.random.default_rng(run.number)
    start = run.problem.start
    beside = [start * rng.uniform(0.5, 1.5, start.size) + size * rng.standard_normal(start.size) for size in (0, 0.1)]
    return [start, *beside]


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.problem.name)
def test_right_jacobians_of_the_table_are_not_accused(run: Run) -> None:
    problem = run.problem
    for x in points_of(run):
        if not np.isfinite(problem.residuals(x)).all():
            continue
        for limit in (1, 3, 40):
            for options in ({}, {"loss": "cauchy"}, {"bounds": (x - 1, x + 1)}):
                fit = least_squares(problem.residuals, x, problem.jacobian, max_nfev=limit, **options)
                assert "disagrees" not in fit.message
                assert fit.status != -7


def pole(x: np.ndarray) -> np.ndarray:
    return np.array([1 / (x[0] - 1) - x[1], x[0] * x[1] - 1, x[1] - 2])


def pole_jacobian(x: np.ndarray) -> np.ndarray:
    return np.array([[-1 / (x[0] - 1) ** 2, -1], [x[1], x[0]], [0, 1]])


def cancels(size: float) -> tuple[Callable, Callable]:
    def fun(x: np.ndarray) -> np.ndarray:
        return x[0] * T + (size * (1 + T) - size * T * x[1]) - size - np.cos(3 * T)

    return fun, lambda x: np.stack([T, -size * T], axis=1)


def waves(frequency: float) -> tuple[Callable, Callable]:
    def jac(x: np.ndarray) -> np.ndarray:
        slope = np.cos(frequency * x[0] * T + x[1])
        return np.stack([frequency * T * slope, slope], axis=1)

    return lambda x: np.sin(frequency * x[0] * T + x[1]) - Y, jac


def fast(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-1e10 * x[1] * T) - Y


def fast_jacobian(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-1e10 * x[1] * T)
    return np.stack([decay, -1e10 * x[0] * T * decay], axis=1)


def kink(x: np.ndarray) -> np.ndarray:
    return np.abs(x[0] - T) + x[1] - Y


def kink_jacobian(x: np.ndarray) -> np.ndarray:
    return np.stack([np.sign(x[0] - T), np.ones(20)], axis=1)


def single(x: np.ndarray) -> np.ndarray:
    a, b = x.astype(np.float32)
    return a * np.exp(-b * T.astype(np.float32)) - Y.astype(np.float32)


def in_units(unit: float) -> tuple[Callable, Callable]:
    return lambda x: unit * residuals(x), lambda x: unit * jacobian(x)


NEAR = [sign * 10.0**-k for k in range(1, 14) for sign in (1, -1)]
RIGHT: dict[str, tuple[Callable, Callable, list[list[float]]]] = {
    "near a pole": (pole, pole_jacobian, [[1 + d, 1] for d in NEAR]),
    "cancellation": (*cancels(1e10), [[1, 1], [0.5, 1], [1, 1 + 1e-9], [1, 2], [1e-5, 1], [-1, 1]]),
    "more cancellation": (*cancels(1e12), [[1, 1], [0.5, 1], [1, 1 + 1e-9], [1, 2], [1e-5, 1]]),
    "waves": (*waves(1e4), [[1, 1], [0.1, 0], [3, 4]]),
    "short waves": (*waves(1e6), [[1, 1], [0.1, 0], [3, 4]]),
    "tiny values": (fast, fast_jacobian, [[1, d] for d in (0, 1e-30, 1e-20, 1e-13, 1e-10, 1e-9)]),
    "tiny amplitudes": (residuals, jacobian, [[d, 1] for d in (0, 1e-300, 1e-30, 1e-20, 1e-13, 1e-10, 1e-9, 1e-6)]),
    "kink": (kink, kink_jacobian, [[T[3], 1], [T[3] + 1e-9, 1], [1, 0], [2, 3]]),
    "single precision": (single, jacobian, [[1, 1], [2.5, 1.3], [1e-9, 1]]),
    "large units": (*in_units(1e100), [[1, 1], [2.5, 1.3], [1e-9, 1]]),
    "small units": (*in_units(1e-100), [[1, 1], [2.5, 1.3], [1e-9, 1]]),
}


@np.errstate(all="ignore")
@pytest.mark.parametrize(("fun", "jac", "points"), RIGHT.values(), ids=RIGHT)
def test_right_jacobians_of_hard_functions_are_not_accused(fun: Callable, jac: Callable, points: Any) -> None:
    """Poles nearer than steps of differences are, and waves shorter than these, once made them look wrong."""
    for point in points:
        x = np.array(point, float)
        for options in ({}, {"loss": "soft_l1"}, {"bounds": (x - 1, x + 1)}):
            for limit in (1, 2, 5, None):
                try:
                    fit = least_squares(fun, x, jac, max_nfev=limit, **options)
                except ValueError:
                    continue  # the cost overflows
                assert "disagrees" not in fit.message, (x, options, limit)


@pytest.mark.parametrize("noise", [1e-14, 1e-10, 1e-8, 1e-6, 1e-5, 1e-3])
def test_noise_is_no_disagreement(noise: float) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)

        def fun(x: np.ndarray, rng: Any = rng) -> np.ndarray:
            return residuals(x) + noise * rng.standard_normal(20)

        fit = least_squares(fun, rng.uniform(0.5, 2, 2), jacobian)
        assert "disagrees" not in fit.message, seed


# ------------------------------------------------------------------------------------------------ complex steps, costs


def test_complex_steps_of_a_function_that_takes_the_real_part_are_found_out() -> None:
    fit = least_squares(lambda x: x[0] * np.exp(-x[1].real * T) - Y, START, "cs")
    assert not fit.success
    assert "worst for parameter x[1]" in fit.message
    right = least_squares(residuals, START, "cs")
    assert right.success
    assert "disagrees" not in right.message


def test_differences_are_not_compared_with_themselves() -> None:
    for jac in ("2-point", "3-point"):
        calls = 0

        def fun(x: np.ndarray) -> np.ndarray:
            nonlocal calls
            calls += 1
            return residuals(x)

        fit = least_squares(fun, START, jac)  # type: ignore[arg-type]
        assert calls <= fit.nfev + (2 if jac == "2-point" else 4) * fit.njev + 2 * 4


@pytest.mark.parametrize("options", [{}, {"bounds": (0, 2.2)}, {"loss": "cauchy"}, {"fixed": [True, False]}])
@pytest.mark.parametrize("jac", [jacobian, True, "cs"])
def test_right_jacobians_cost_one_evaluation(jac: Any, options: Any) -> None:
    points = []

    def fun(x: np.ndarray) -> Any:
        points.append(x.copy())
        return (residuals(x), jacobian(x)) if jac is True else residuals(x)

    fit = least_squares(fun, START, jac, **options)
    for_complex_steps = (1 if "fixed" in options else 2) * fit.njev if jac == "cs" else 0
    assert len(points) == fit.nfev + for_complex_steps
    assert fit.nfev == 1 + least_squares(fun, START, jac, **options, check_jac=False).nfev
    if "bounds" in options:
        assert np.all(np.real(points) <= 2.2)


def test_rounding_is_no_reason_to_look_further() -> None:
    """Residuals so large that it is more of their change than a wrong Jacobian would be."""
    calls = 0

    def fun(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return residuals(x) + 1e8

    fit = LevenbergMarquardt(fun, START, jacobian)
    fit._fit.info, fit._fit.stage = CODES["info_maxfev"], CODES["is_over"]
    assert calls + 2 == fit.result().nfev == 3


def test_jacobian_at_an_exact_solution_is_not_judged() -> None:
    """It ends the fit whatever it is."""
    calls = 0

    def fun(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return x - 1.0

    fit = least_squares(fun, START, lambda x: 7 * np.eye(2))
    assert (fit.success, calls) == (True, 1)


# ---------------------------------------------------------------------------------------------- found by reviews


@pytest.mark.parametrize("low", [0.0, 1e-12], ids=str)
def test_a_wrong_sign_is_found_where_a_bound_next_to_0_holds(low: float) -> None:
    """Noise was relative to the parameter, however small."""
    t = np.linspace(0, 4, 20)
    slopes, y = np.stack([10 + 0 * t, t], axis=1), 30 + 2 * t + np.cos(5 * t)
    fit = least_squares(lambda x: slopes @ x - y, [1, 1.2], lambda x: slopes * [1, -1], bounds=(low, 10))
    assert fit.status == -7


@pytest.mark.parametrize("x_scale", [None, 1.0])
def test_a_wrong_sign_is_found_in_a_column_that_is_short(x_scale: Any) -> None:
    """Beside one of 1e5 times its length, with sizes of the user's."""
    t = np.linspace(0, 4, 20)
    slopes = np.stack([1e5 + 0 * t, t], axis=1)
    y = slopes @ [3, 2] + np.cos(5 * t)
    fit = least_squares(lambda x: slopes @ x - y, [1, 1.0], lambda x: slopes * [1, -1], x_scale=x_scale)
    assert fit.status == -7


def test_exceptions_beside_the_solution_come_out_and_do_not_lose_it() -> None:
    """The comparison evaluates fun where the fit had no need to."""

    def fun(x: np.ndarray) -> np.ndarray:
        if ended:
            raise ZeroDivisionError
        return np.array([x[0] - 3, 10 * (x[1] - 1e-8) * (1 + x[0]), x[0] - 3.1, x[0] - 2.9])

    def jac(x: np.ndarray) -> np.ndarray:
        return np.array([[1, 0], [10 * (x[1] - 1e-8), 10 * (1 + x[0])], [1, 0], [1, 0]])

    ended = False
    fit = LevenbergMarquardt(fun, [2.0, 2e-8], jac)
    while fit.is_running:
        fit.step()
    ended = True
    with pytest.raises(ZeroDivisionError):
        fit.result()
    result = fit.result()
    assert result.success
    assert "not be compared" in result.message
    np.testing.assert_allclose(result.x, [3, 1e-8], rtol=1e-6)


@pytest.mark.parametrize("digits", range(2, 9))
def test_right_jacobians_of_rounded_residuals_are_not_accused(digits: int) -> None:
    t = np.linspace(0, 4, 40)
    y = 2.5 * np.exp(-1.3 * t) + 0.01 * np.cos(9 * t)

    def jac(x: np.ndarray) -> np.ndarray:
        decay = np.exp(-x[1] * t)
        return np.stack([decay, -x[0] * t * decay], axis=1)

    fit = least_squares(lambda x: (x[0] * np.exp(-x[1] * t) - y).round(digits), [1.0, 1.0], jac)
    assert "disagrees" not in fit.message


def test_the_comparison_is_made_once() -> None:
    calls = 0

    def counted(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return residuals(x)

    fit = LevenbergMarquardt(counted, START, lambda x: -jacobian(x))
    first = fit.run()
    made = calls
    assert fit.result().message == first.message
    assert calls == made
