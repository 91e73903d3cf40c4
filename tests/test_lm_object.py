"""LevenbergMarquardt: steps in the caller's hands, the same iterates however they are taken."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from block_models import START, decay
from problems.mgh import Run, runs
from pyminpack import InputValueError, LevenbergMarquardt, least_squares

T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)


def residuals(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * T) - Y


def jacobian(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-x[1] * T)
    return np.stack([decay, -x[0] * T * decay], axis=1)


def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return residuals(x), jacobian(x)


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
    options: dict[str, Any] = {"fun": decay, "x0": START, "args": (range(0, 200),)}
    fit = LevenbergMarquardt(**options)
    fit.step()
    code = (
        "import pickle, sys; fit = pickle.load(sys.stdin.buffer); states = list(fit);"
        "sys.stdout.buffer.write(pickle.dumps(fit.result()))"
    )
    command = [sys.executable, "-c", code]
    here = Path(__file__).parent
    out = subprocess.run(command, input=pickle.dumps(fit), capture_output=True, check=True, cwd=here).stdout
    assert_same(pickle.loads(out), least_squares(**options))


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


def test_scale_of_fixed_parameters_is_nan() -> None:
    fit = begin({"fixed": [True, False]})
    fit.step()
    assert np.isnan(fit.x_scale).tolist() == [True, False]


def test_stopped_fit_says_so() -> None:
    fit = begin({})
    fit.step()
    fit.stop()
    assert not fit.is_running
    assert list(fit) == []
    result = fit.result()
    assert (result.status, result.success, result.nit) == (-2, False, 1)
    assert result.cov is not None


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
