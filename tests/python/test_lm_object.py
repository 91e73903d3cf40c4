"""LevenbergMarquardt: steps in the caller's hands, the same iterates however they are taken."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import block_models
from models import both, jacobian, residuals
from problems.mgh import Run, runs
from pyminpack import InputValueError, LevenbergMarquardt, OptionError, ShapeError, least_squares

OPTIONS = {
    "plain": {},
    "jacobian": {"jac": jacobian},
    "together": {"jac": True, "fun": both},
    "bounds": {"bounds": ([0, 0], [2.2, 2])},
    "loss": {"loss": "huber", "f_scale": 0.02},
    "scaled": {"x_scale": [2.0, 0.5], "jac": "3-point"},
    "fixed": {"fixed": [True, False], "jac": "cs"},
}
each_kind = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def begin(options: dict[str, Any]) -> LevenbergMarquardt:
    return LevenbergMarquardt(**{"fun": residuals, "x0": [1.0, 1.0], **options})


def whole(options: dict[str, Any]) -> Any:
    return least_squares(**{"fun": residuals, "x0": [1.0, 1.0], **options})


def assert_same(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.fun, other.fun)
    assert (one.cost, one.status, one.nfev, one.nit) == (other.cost, other.status, other.nfev, other.nit)


@each_kind
def test_stepping_through_is_the_fit(options: dict[str, Any]) -> None:
    fit = begin(options)
    steps = 0
    while fit.is_running:
        before = fit.nit
        state = fit.step()
        steps += fit.nit - before
        assert state.nit == fit.nit == steps
    assert steps > 2
    assert_same(fit.result(), whole(options))


@each_kind
def test_pickled_between_steps_it_goes_on_to_the_same_bits(options: dict[str, Any]) -> None:
    fit = begin(options)
    while fit.is_running:
        fit.step()
        fit = pickle.loads(pickle.dumps(fit))
    assert_same(fit.result(), whole(options))


@each_kind
def test_looking_at_the_result_on_the_way_changes_nothing(options: dict[str, Any]) -> None:
    fit = begin(options)
    for state in fit:
        so_far = fit.result()
        np.testing.assert_array_equal(so_far.x, state.x)
        assert (so_far.status, so_far.success) in ((-2, False), (fit.result().status, fit.result().status > 0))
        assert fit.x.flags.owndata
        fit.x[:] = fit.fun[:] = np.nan  # copies
        state.x[:] = state.fun[:] = np.nan
    assert_same(fit.result(), whole(options))


@pytest.mark.parametrize("run", runs()[::5], ids=lambda run: run.problem.name)
def test_resumed_problems_of_the_table_end_where_the_core_does(run: Run) -> None:
    problem = run.problem
    fit = LevenbergMarquardt(problem.residuals, problem.start, problem.jacobian)
    for _ in fit:
        break
    for _ in fit:
        pass
    assert_same(fit.result(), least_squares(problem.residuals, problem.start, problem.jacobian))


def test_fit_resumes_in_another_process() -> None:
    options: dict[str, Any] = {"fun": block_models.decay, "x0": block_models.START, "args": (range(0, 200),)}
    fit = LevenbergMarquardt(**options)
    fit.step()
    code = (
        "import pickle, sys; fit = pickle.load(sys.stdin.buffer); states = list(fit);"
        "sys.stdout.buffer.write(pickle.dumps(fit.result()))"
    )
    command = [sys.executable, "-c", code]
    here = Path(__file__).parents[1]
    out = subprocess.run(command, input=pickle.dumps(fit), capture_output=True, check=True, cwd=here).stdout
    assert_same(pickle.loads(out), least_squares(**options))


@pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])
def test_step_before_a_restart_is_one_step_and_of_one_point(given: bool) -> None:
    """A step that would have ended the fit, but for a restart, came back with the next x and its own residuals."""
    problem = next(run.problem for run in runs() if run.problem.name.startswith("osborne-1"))
    options: dict[str, Any] = {"jac": problem.jacobian} if given else {}
    fit = LevenbergMarquardt(problem.residuals, -10.0 * problem.start, max_nfev=60, **options)
    steps = 0
    with np.errstate(over="ignore"):
        while fit.is_running:
            fit.step()
            steps += 1
            assert fit.nit <= steps
            np.testing.assert_array_equal(fit.fun, problem.residuals(fit.x))
        whole = LevenbergMarquardt(problem.residuals, -10.0 * problem.start, max_nfev=60, **options).run()
    assert_same(fit.result(), whole)


def test_state_tells_of_the_step() -> None:
    fit = begin({})
    first, second = fit.step(), fit.step()
    assert (first.nit, second.nit) == (1, 2)
    assert second.cost < first.cost == pytest.approx(0.5 * (first.fun**2).sum())
    np.testing.assert_array_equal(first.fun, residuals(first.x))
    assert second.nfev > first.nfev >= 2
    assert second.njev == first.njev + 1 == 2
    assert first.step_norm > 0
    assert 0 < second.grad_norm <= 1
    assert first.damping >= 0


def test_scaling_can_be_changed_on_the_way() -> None:
    fit = begin({})
    fit.step()
    own = fit.x_scale
    assert own.shape == (2,)
    fit.x_scale = [2.0, 1.0]
    np.testing.assert_array_equal(fit.x_scale, [2.0, 1.0])
    x = fit.x
    fit.step()
    assert not np.array_equal(fit.x, x)
    np.testing.assert_array_equal(fit.x_scale, [2.0, 1.0])
    fit.x_scale = "jac"
    for _ in fit:
        pass
    np.testing.assert_allclose(fit.x, least_squares(residuals, [1, 1]).x, rtol=1e-6)
    with pytest.raises(InputValueError, match="ended"):
        fit.x_scale = "jac"


def valley(x: np.ndarray) -> np.ndarray:
    """Rosenbrock's, where the step bound decides on the way."""
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def valley_jacobian(x: np.ndarray) -> np.ndarray:
    return np.array([[-20 * x[0], 10], [-1, 0]])


VALLEYS = {
    "plain": {},
    "bounds": {"bounds": ([-2, -1], [0.9, 2])},
    "loss": {"loss": "soft_l1"},
    "fixed": {"fixed": [False, False, True], "fun": lambda x: valley(x[:2]) + x[2], "x0": [-1.2, 1.0, 0.1],
              "jac": lambda x: np.hstack([valley_jacobian(x), np.ones((2, 1))])},
}  # fmt: skip
each_valley = pytest.mark.parametrize("options", VALLEYS.values(), ids=VALLEYS.keys())


def begin_valley(options: dict[str, Any], **others: Any) -> LevenbergMarquardt:
    return LevenbergMarquardt(**{"fun": valley, "x0": [-1.2, 1.0], "jac": valley_jacobian, **options, **others})


def after(steps: int, options: dict[str, Any]) -> LevenbergMarquardt:
    fit = begin_valley(options)
    for _ in range(steps):
        fit.step()
    return fit


@pytest.mark.parametrize("steps", [0, 1, 4])
@each_valley
def test_fit_goes_on_as_one_that_begins_there_with_the_new_scaling(options: dict[str, Any], steps: int) -> None:
    sizes = np.array([0.02, 3.0, 1.0])[: len(options.get("x0", "ab"))]
    for scaling in (sizes, "jac", None, 0.3):
        fit, unchanged = after(steps, options), after(steps, options)
        nfev = fit.nfev
        fit.x_scale = scaling
        other = begin_valley(options, x0=fit.x, x_scale=scaling)
        pairs = np.array([(fit.x, other.x) for _ in zip(fit, other, strict=True)])
        np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
        assert (fit.nit - steps, fit.nfev - nfev) == (other.nit, other.nfev - 1)
        assert (fit.cost, fit.result().status) == (other.cost, other.result().status)
        if scaling is sizes:
            way = np.array([state.x for state in unchanged])
            assert not np.array_equal(way, pairs[:, 0])
            free = ~np.isnan(fit.x_scale)
            np.testing.assert_allclose(fit.x_scale[free], sizes[free], rtol=1e-15)  # the user's never change


def test_new_sizes_measure_the_next_step() -> None:
    fit, sizes = after(2, {}), np.array([0.02, 3.0])
    x = fit.x
    fit.x_scale = sizes
    state = fit.step()
    assert state.step_norm == pytest.approx(np.linalg.norm((fit.x - x) / sizes), rel=1e-12)


def test_sizes_are_neither_the_callers_array_nor_given_away() -> None:
    """Whatever becomes of these afterwards, the fit goes on with what it was told."""
    sizes = np.array([0.02, 3.0])
    fits = [after(2, {}), after(2, {}), begin_valley({}, x_scale=sizes)]
    told = [fits[1].x_scale, fits[0].x_scale]
    fits[1].x_scale = sizes
    fits[0].x_scale = [0.02, 3.0]
    twin = begin_valley({}, x_scale=[0.02, 3.0])
    np.testing.assert_array_equal(sizes, [0.02, 3.0])
    told += [fit.x_scale for fit in fits[1:]]
    for array in (sizes, *told):
        array[:] = np.nan
    for fit in (*fits, twin):
        np.testing.assert_allclose(fit.x_scale, [0.02, 3.0], rtol=1e-15)
        list(fit)
    assert np.isnan(sizes).all()  # and the fit has not written to it
    assert_same(fits[1].result(), fits[0].result())
    assert_same(fits[2].result(), twin.result())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (0, r"x_scale\[0\] is 0"),
        ([1, -2.0], r"x_scale\[1\] is -2"),
        ([np.nan, 1], r"x_scale\[0\] is nan"),
        ([1, np.inf], r"x_scale\[1\] is inf"),
        ([1e-310, 1], r"x_scale\[0\] is 1e-310"),
        ([1, 2, 3], r"x_scale has shape \(3,\)"),
        ([[1, 2]], r"x_scale has shape \(1, 2\)"),
        ([], r"x_scale has shape \(0,\)"),
        ("jacobian", "x_scale"),
        ([1, None], "x_scale"),
        ([1, 2j], "x_scale"),
        (True, "x_scale"),
    ],
    ids=repr,
)
def test_wrong_sizes_are_refused_and_change_nothing(wrong: Any, told: str) -> None:
    fit, twin = after(2, {}), after(2, {})
    before = fit.x_scale
    with pytest.raises((OptionError, ShapeError), match=told):
        fit.x_scale = wrong
    np.testing.assert_array_equal(fit.x_scale, before)
    list(fit)
    list(twin)
    assert_same(fit.result(), twin.result())
    assert fit.njev == twin.njev


def test_scale_of_fixed_parameters_is_nan() -> None:
    fit = begin({"fixed": [True, False]})
    fit.step()
    assert np.isnan(fit.x_scale).tolist() == [True, False]
    fit.x_scale = fit.x_scale
    assert fit.run().success


def test_scale_set_before_the_first_step_is_that_of_the_constructor() -> None:
    for jac in ("2-point", valley_jacobian):
        fit = begin_valley({"jac": jac})
        fit.x_scale = [0.02, 3.0]
        assert_same(fit.run(), begin_valley({"jac": jac, "x_scale": [0.02, 3.0]}).run())


def test_stopped_fit_says_so() -> None:
    fit = begin({})
    fit.step()
    fit.stop()
    assert not fit.is_running
    assert list(fit) == []
    result = fit.result()
    assert (result.status, result.success, result.nit) == (-2, False, 1)


def test_steps_after_the_end_do_nothing() -> None:
    fit = begin({})
    states = list(fit)
    nfev = fit.nfev
    assert fit.step().nit == states[-1].nit
    assert fit.nfev == nfev
    assert fit.result().success
    assert fit.result().njev == fit.njev


def test_repr_says_how_far_it_is() -> None:
    fit = begin({})
    assert repr(fit).startswith("<LevenbergMarquardt, 0 steps, cost ")
    assert "running" in repr(fit)
    fit.run()
    assert "Converged" in repr(fit)


def test_result_in_the_middle_of_a_fit_is_not_the_fits_own() -> None:
    fit, twin = begin({}), begin({})
    fit.step()
    twin.step()
    fit.result().fun[:] = 0
    np.testing.assert_array_equal(fit.fun, twin.fun)
    assert_same(fit.run(), twin.run())
