"""A fit that goes back from a plateau (retreat.f90): x is the best point found all the while, whoever stops it."""

import ctypes
import time
from copy import copy
from typing import Any

import numpy as np
import pytest

from contracts.test_ends import saturation
from pyminpack import LevenbergMarquardt, compiled_residuals, least_squares, leastsq, leastsq_blocks

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow of the model far away

TROUBLE = saturation(1.0, 1.0)
OPTIONS: dict[str, dict[str, Any]] = {
    "differences": {},
    "accel": {"accel": True},
    "central": {"jac": "3-point"},
    "bounds": {"bounds": (0, 1e9)},
    "complex steps": {"jac": "cs"},
    "jac": {"jac": TROUBLE.jacobian},
    "loss": {"loss": "soft_l1", "f_scale": 1e3},
    "fixed": {"fixed": [False, False, True]},
}


def residuals(x: Any) -> Any:
    return TROUBLE.residuals(x[:2])


def problem(options: dict[str, Any]) -> tuple[Any, list[float], dict[str, Any]]:
    is_of_three = "fixed" in options
    return (residuals, [*TROUBLE.start, 7.0], options) if is_of_three else (TROUBLE.residuals, TROUBLE.start, options)


def cost_at(x: Any, options: dict[str, Any]) -> float:
    """What is minimized, by the function of a fit that has made no step."""
    fun, _, _ = problem(options)
    kinds = {name: value for name, value in options.items() if name in ("loss", "f_scale")}
    return LevenbergMarquardt(fun, x, **kinds).cost


@pytest.fixture(scope="module", params=OPTIONS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return OPTIONS[request.param]


@pytest.fixture(scope="module")
def trace(options: dict[str, Any]) -> list[Any]:
    """The states after each step, and the result."""
    fun, start, more = problem(options)
    fit = LevenbergMarquardt(fun, start, **more)
    return [*fit, fit.result()]


def test_cost_never_rises(options: dict[str, Any], trace: list[Any]) -> None:
    """It rose from 4886 to 93191 for BoxBOD, and x with it."""
    *states, end = trace
    costs = np.array([state.cost for state in states])
    assert np.all(np.diff(costs) <= 0)
    assert end.success
    assert end.cost < 0.01 * costs[0]
    assert end.nit == states[-1].nit
    for state in states:
        assert state.cost == pytest.approx(cost_at(state.x, options), rel=1e-12)
        np.testing.assert_array_equal(state.fun, problem(options)[0](state.x))


def test_some_of_these_go_back() -> None:
    """Else the tests here would show nothing."""
    waits = 0
    for more in OPTIONS.values():
        fun, start, _ = problem(more)
        costs = np.array([state.cost for state in LevenbergMarquardt(fun, start, **more)])
        waits += bool(np.any(np.diff(costs[: np.argmin(costs)]) == 0))
    assert waits >= len(OPTIONS) // 2


def test_stopped_anywhere_x_is_the_best_point(options: dict[str, Any], trace: list[Any]) -> None:
    fun, start, more = problem(options)
    for count, state in enumerate(trace[:-1], 1):
        fit = LevenbergMarquardt(fun, start, **more)
        for _ in range(count):
            fit.step()
        going_on = copy(fit)
        stopped = fit.result()
        assert stopped.cost == state.cost
        np.testing.assert_array_equal(stopped.x, state.x)
        np.testing.assert_array_equal(stopped.fun, state.fun)
        assert stopped.success == (not going_on.is_running)
        for one in (fit, going_on):  # the look at it changes nothing
            end = one.run()
            np.testing.assert_array_equal(end.x, trace[-1].x)
            assert (end.nit, end.status) == (trace[-1].nit, trace[-1].status)


def test_stopped_anywhere_the_jacobian_is_that_at_x(trace: list[Any]) -> None:
    *states, _ = trace
    for state in states[::3]:
        fit = least_squares(TROUBLE.residuals, TROUBLE.start, callback=lambda now, wanted=state.nit: now.nit >= wanted)
        np.testing.assert_allclose(fit.jac, TROUBLE.jacobian(fit.x), rtol=1e-4, atol=1e-6)


def test_callback_gets_what_is_returned(options: dict[str, Any], trace: list[Any]) -> None:
    fun, start, more = problem(options)
    for state in trace[:-1:2]:
        fit = least_squares(fun, start, callback=lambda now, wanted=state.nit: now.nit >= wanted, **more)
        np.testing.assert_array_equal(fit.x, state.x)
        assert fit.cost == state.cost


def test_out_of_time_x_is_the_best_point(options: dict[str, Any], trace: list[Any]) -> None:
    """No evaluation is made for that."""
    fun, start, more = problem(options)
    for count, state in enumerate(trace[:-2], 1):
        fit = LevenbergMarquardt(fun, start, **more)
        for _ in range(count):
            fit.step()
        if not fit.is_running:
            break
        fit.stop_at(time.monotonic() - 1)
        late = fit.run()
        assert late.status == -3 or late.success  # the last steps only make more certain
        assert (late.cost, late.nfev) == (state.cost, fit.nfev)
        np.testing.assert_array_equal(late.x, state.x)
        np.testing.assert_array_equal(late.fun, state.fun)


class Breaks:
    """The residuals, which raise at one call, and what the best of all calls was."""

    def __init__(self, at: int) -> None:
        self.at, self.calls, self.best = at, 0, np.inf

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise RuntimeError("broken")
        return TROUBLE.residuals(x)


def test_after_an_exception_x_is_the_best_point(trace: list[Any]) -> None:
    whole = LevenbergMarquardt(Breaks(0), TROUBLE.start)
    costs = {state.nit: state.cost for state in whole}
    for at in range(4, whole.calls, 5):
        fit = LevenbergMarquardt(Breaks(at), TROUBLE.start)
        with pytest.raises(RuntimeError, match="broken"):
            fit.run()
        assert fit.cost == costs.get(fit.nit, fit.cost)
        assert fit.cost == cost_at(fit.x, {})
        np.testing.assert_array_equal(fit.fun, TROUBLE.residuals(fit.x))
        np.testing.assert_array_equal(fit.run().x, whole.result().x)


def test_a_new_scaling_begins_at_the_best_point() -> None:
    fit = LevenbergMarquardt(TROUBLE.residuals, TROUBLE.start)
    best = np.inf
    while fit.is_running:
        state = fit.step()
        assert state.cost <= best
        if state.cost == best and fit.is_running:
            break
        best = state.cost
    fit.x_scale = [1.0, 1.0]
    np.testing.assert_array_equal(fit.x, state.x)
    assert fit.step().cost <= best


def test_limit_within_the_second_try_leaves_the_better_end() -> None:
    """The fit returns to its first end, within the limit, as long as the second is no better."""
    need = least_squares(TROUBLE.residuals, TROUBLE.start).nfev
    costs = []
    for limit in range(need - 30, need, 3):
        early = least_squares(TROUBLE.residuals, TROUBLE.start, max_nfev=limit)
        assert early.nfev <= limit
        assert not early.success
        assert early.jac is not None
        np.testing.assert_allclose(early.jac, TROUBLE.jacobian(early.x), rtol=1e-4, atol=1e-6)
        costs.append(early.cost)
    assert np.all(np.diff(costs) <= 1e-8 * costs[0])


# ------------------------------------------------------------------------------------ leastsq and blocks


def test_a_compiled_function_that_stops_leastsq_leaves_the_best_point() -> None:
    left = [0]

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, *[ctypes.POINTER(ctypes.c_double)] * 2, ctypes.c_void_p)
    def code(m: int, n: int, x: Any, f: Any, data: Any) -> int:
        values = TROUBLE.residuals(np.ctypeslib.as_array(x, (n,)))
        np.ctypeslib.as_array(f, (m,))[:] = values
        left[0] -= 1
        return -3 if left[0] == 0 else 0

    m = TROUBLE.residuals(np.array(TROUBLE.start)).size
    func = compiled_residuals(code, m, signature="residuals")
    left[0] = -1
    whole = leastsq(func, TROUBLE.start, full_output=True)
    calls = -1 - left[0]
    sums = []
    for stop in range(3, calls):
        left[0] = stop
        x, _, infodict, _, ier = leastsq(func, TROUBLE.start, full_output=True)
        assert ier < 0 or stop >= calls - 1
        np.testing.assert_array_equal(infodict["fvec"], TROUBLE.residuals(x))
        sums.append(np.sum(infodict["fvec"] ** 2))
    assert np.all(np.diff(sums) <= 0)
    assert sums[-1] == pytest.approx(np.sum(whole[2]["fvec"] ** 2), rel=1e-6)


def in_blocks(x: np.ndarray, block: slice) -> np.ndarray:
    return TROUBLE.residuals(x)[block]


@pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])
def test_blocks_stopped_anywhere_have_the_best_point(given: bool) -> None:
    blocks = [slice(0, 3), slice(3, None)]
    jac = (lambda x, block: TROUBLE.jacobian(x)[block]) if given else None
    states: list[Any] = []
    end = leastsq_blocks(in_blocks, TROUBLE.start, blocks, jac=jac, callback=states.append)
    costs = np.array([state.cost for state in states])
    assert end.success
    assert np.all(np.diff(costs) <= 0)
    for state in states:
        stopped = leastsq_blocks(
            in_blocks, TROUBLE.start, blocks, jac=jac, callback=lambda now, n=state.iteration: now.iteration >= n
        )
        assert stopped.cost == state.cost == pytest.approx(0.5 * np.sum(TROUBLE.residuals(stopped.x) ** 2), rel=1e-12)
        np.testing.assert_array_equal(stopped.x, state.x)
