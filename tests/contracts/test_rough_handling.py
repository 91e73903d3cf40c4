"""Fits that are used twice at once, from within their own function, copied; arrays that are reused and changed."""

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import START, Y, both, jacobian, residuals
from pyminpack import InputValueError, InUseError, LevenbergMarquardt, PyminpackError, least_squares, leastsq

BEST = least_squares(residuals, START, jacobian)
LONG_T = np.linspace(0, 4, 600)  # so that the Jacobian is factored by blocks, where it lies
LONG_Y = 2.5 * np.exp(-1.3 * LONG_T) + 0.01 * np.cos(9 * LONG_T)


def long_residuals(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * LONG_T) - LONG_Y


def long_jacobian(x: np.ndarray) -> np.ndarray:
    damping = np.exp(-x[1] * LONG_T)
    return np.stack([damping, -x[0] * LONG_T * damping], axis=1)


# ------------------------------------------------------------------------------- one fit, asked twice at once


def rescale(fit: LevenbergMarquardt) -> None:
    fit.x_scale = 2.0


USES: dict[str, Callable[[LevenbergMarquardt], Any]] = {
    "step": LevenbergMarquardt.step,
    "run": LevenbergMarquardt.run,
    "result": LevenbergMarquardt.result,
    "iterate": lambda fit: list(fit),
    "rescale": rescale,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("jac", ["2-point", "cs", jacobian, True], ids=["2-point", "cs", "given", "both"])
def test_a_fit_that_its_own_function_uses(use: Callable, jac: Any) -> None:
    """It took steps within a step, or ran on for ever."""
    fits: list[LevenbergMarquardt] = []

    def fun(x: np.ndarray) -> Any:
        if fits:
            use(fits[0])
        return both(x) if jac is True else residuals(x)

    fit = LevenbergMarquardt(fun, START, jac)
    fits.append(fit)
    with pytest.raises(InUseError, match="under way"):
        fit.step()
    fits.clear()
    assert fit.run().success
    np.testing.assert_allclose(fit.x, BEST.x, rtol=1e-6)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_fit_that_another_thread_uses(use: Callable) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def fun(x: np.ndarray) -> np.ndarray:
        if threading.current_thread() is not main:
            entered.set()
            go_on.wait(60)
        return residuals(x)

    main = threading.current_thread()
    fit, ends = LevenbergMarquardt(fun, START), []
    thread = threading.Thread(target=lambda: ends.append(fit.run()))
    thread.start()
    assert entered.wait(60)
    with pytest.raises(InUseError, match="thread"):
        use(fit)
    go_on.set()
    thread.join(60)
    assert ends[0].success
    np.testing.assert_allclose(ends[0].x, BEST.x, rtol=1e-6)
    np.testing.assert_array_equal(ends[0].fun, residuals(ends[0].x))


def test_what_a_fit_can_be_asked_from_within_its_function() -> None:
    def fun(x: np.ndarray) -> np.ndarray:
        for fit in fits:
            np.testing.assert_array_equal(fit.fun, residuals(fit.x))
            states.append((fit.nit, fit.cost, fit.is_running, repr(fit), fit.state.nit))
            copies.append(pickle.loads(pickle.dumps(fit.x)))
        return residuals(x)

    fits: list[LevenbergMarquardt] = []
    states: list[Any] = []
    copies: list[np.ndarray] = []
    fit = LevenbergMarquardt(fun, START)
    fits.append(fit)
    fit.run()
    assert states
    costs = [cost for _, cost, *_ in states]
    assert costs == sorted(costs, reverse=True)


# ------------------------------------------------------------------------------------------- copies


@pytest.mark.parametrize("jac", ["2-point", "cs", jacobian, True], ids=["2-point", "cs", "given", "both"])
@pytest.mark.parametrize("options", [{}, {"loss": "cauchy"}, {"bounds": (0, 2.2)}, {"fixed": [True, False]}])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_is_a_fit_of_its_own(jac: Any, options: dict[str, Any], how: Callable) -> None:
    function = both if jac is True else residuals
    alone = LevenbergMarquardt(function, START, jac, **options).run()
    fit = LevenbergMarquardt(function, START, jac, **options)
    fit.step()
    before = fit.x, fit.fun, fit.nit, fit.nfev
    other = how(fit)
    end = other.run()
    np.testing.assert_array_equal(fit.x, before[0])
    np.testing.assert_array_equal(fit.fun, before[1])
    assert (fit.nit, fit.nfev) == before[2:]
    for result in (end, fit.run()):
        np.testing.assert_array_equal(result.x, alone.x)
        np.testing.assert_array_equal(result.jac, alone.jac)
        assert (result.status, result.nit, result.njev) == (alone.status, alone.nit, alone.njev)


def test_a_copy_keeps_no_time_limit_of_the_other() -> None:
    fit = LevenbergMarquardt(residuals, START)
    other = copy.copy(fit)
    fit.stop_at(0.0)
    assert fit.run().status == -3
    assert other.run().success


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_changing_a_result_changes_no_fit(long: bool, given: bool) -> None:
    """Every array of it, the Jacobian of a large one included, of which there is no copy."""
    function, derivatives = (long_residuals, long_jacobian) if long else (residuals, jacobian)
    fit = LevenbergMarquardt(function, START, derivatives if given else "2-point")
    first, right = fit.run(), least_squares(function, START, derivatives if given else "2-point")
    for name in ("x", "fun", "jac", "grad", "cov", "stderr", "correlation", "active_mask", "unidentifiable"):
        getattr(first, name)[...] = 7
    second = fit.result()
    for name in ("x", "fun", "jac", "grad", "cov", "stderr"):
        np.testing.assert_array_equal(getattr(second, name), getattr(right, name))


# ------------------------------------------------------------------------------------------- arrays that are used again


MAPS: dict[str, Any] = {
    "a list": lambda function, points: [function(point) for point in points],
    "map": map,
    "a generator": lambda function, points: (function(point) for point in points),
}


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
@pytest.mark.parametrize("workers", MAPS.values(), ids=MAPS)
def test_workers_and_a_function_that_fills_one_buffer(jac: Any, workers: Any) -> None:
    """A list map gave the last answer at all points, and the fit ended where it began, as a success."""
    buffers = {kind: np.empty(len(Y), kind) for kind in (float, complex)}

    def fun(x: np.ndarray) -> np.ndarray:
        buffer = buffers[complex if np.iscomplexobj(x) else float]
        buffer[:] = residuals(x)
        return buffer

    np.testing.assert_array_equal(
        least_squares(fun, START, jac, workers=workers).x, least_squares(residuals, START, jac).x
    )


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_threads_and_a_function_that_fills_one_buffer(jac: Any) -> None:
    buffer = np.empty(len(Y))

    def fun(x: np.ndarray) -> np.ndarray:
        buffer[:] = residuals(x)
        return buffer

    with pytest.raises(InputValueError, match="same array"):
        least_squares(fun, START, jac, workers=2)


def backwards(function: Callable, points: Any) -> list[Any]:
    return [function(point) for point in points][::-1]


def twice(function: Callable, points: Any) -> list[Any]:
    answers = [function(point) for point in points]
    return [answers[0]] * len(answers)


def fewer(function: Callable, points: Any) -> list[Any]:
    return [function(point) for point in points][:-1]


@pytest.mark.parametrize("workers", [backwards, twice, fewer])
@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_workers_that_lose_double_or_reorder_answers(workers: Callable, jac: Any) -> None:
    with pytest.raises(PyminpackError, match="workers gave"):
        least_squares(residuals, START, jac, workers=workers)


@pytest.mark.parametrize("options", [{}, {"loss": "cauchy"}, {"fixed": [True, False]}, {"bounds": (0, 2.2)}])
def test_a_function_that_fills_both_of_its_arrays_again(options: dict[str, Any]) -> None:
    f, j = np.empty(len(Y)), np.empty((len(Y), 2))

    def fun(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f[:], j[:] = both(x)
        return f, j

    used, right = least_squares(fun, START, True, **options), least_squares(both, START, True, **options)
    np.testing.assert_array_equal(used.x, right.x)
    np.testing.assert_array_equal(used.jac, right.jac)
    assert (used.status, used.message) == (right.status, right.message)


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("options", [{}, {"loss": "cauchy"}, {"gtol": 1e-3}, {"check_jac": True}, {"ftol": 1e-3}])
@pytest.mark.parametrize("long", [False, True])
def test_a_jacobian_whose_memory_the_function_uses(wrong: bool, options: dict[str, Any], long: bool) -> None:
    """It was accused, and returned as it wasn't."""
    function, derivatives = (long_residuals, long_jacobian) if long else (residuals, jacobian)
    memory = np.empty_like(derivatives(START))

    def fun(x: np.ndarray) -> np.ndarray:
        memory[:] = 1e3
        return function(x)

    def jac(x: np.ndarray) -> np.ndarray:
        memory[:] = derivatives(x) * [1, -1 if wrong else 1]
        return memory

    used = least_squares(fun, START, jac, **options)
    right = least_squares(function, START, lambda x: jac(x).copy(), **options)
    np.testing.assert_array_equal(used.x, right.x)
    np.testing.assert_array_equal(used.jac, right.jac)
    np.testing.assert_array_equal(used.stderr, right.stderr)
    assert (used.status, used.message) == (right.status, right.message)


def test_leastsq_with_a_jacobian_whose_memory_the_function_uses() -> None:
    for function, derivatives in ((residuals, jacobian), (long_residuals, long_jacobian)):
        memory = np.empty_like(derivatives(START))

        def fun(x: np.ndarray, function: Callable = function, memory: np.ndarray = memory) -> np.ndarray:
            memory[:] = 1e3
            return function(x)

        def jac(x: np.ndarray, derivatives: Callable = derivatives, memory: np.ndarray = memory) -> np.ndarray:
            memory[:] = derivatives(x)
            return memory

        used, right = (leastsq(f, START, Dfun=j, full_output=True) for f, j in ((fun, jac), (function, derivatives)))
        np.testing.assert_array_equal(used[0], right[0])
        np.testing.assert_array_equal(used[1], right[1])
        np.testing.assert_array_equal(used[2]["fvec"], right[2]["fvec"])


def test_a_loss_that_writes_into_what_it_gets() -> None:
    def cauchy(z: np.ndarray) -> np.ndarray:
        return np.stack([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])

    def spoils(z: np.ndarray) -> np.ndarray:
        answer = cauchy(z)
        z[:] = -1
        return answer

    used, right = (least_squares(residuals, START, loss=loss, f_scale=0.1) for loss in (spoils, cauchy))
    np.testing.assert_array_equal(used.x, right.x)
    np.testing.assert_array_equal(used.jac, right.jac)


# ------------------------------------------------------------------------------- exceptions, after the end too


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, StopIteration, GeneratorExit, MemoryError])
@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", jacobian, True])
def test_exceptions_come_out_as_raised_whenever_they_are(kind: type[BaseException], jac: Any) -> None:
    """At every call, those after convergence included; and the fit goes on from there to where it would have ended."""
    function = both if jac is True else residuals
    calls, at = 0, 10**9

    def fun(x: np.ndarray) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise kind("once")
        return function(x)

    right = LevenbergMarquardt(fun, START, jac).run()
    for at in range(1, calls + 1):
        calls = 0
        if at == 1:
            with pytest.raises(kind, match="once"):
                LevenbergMarquardt(fun, START, jac)
            continue
        fit = LevenbergMarquardt(fun, START, jac)
        with pytest.raises(kind, match="once"):
            fit.run()
        np.testing.assert_array_equal(fit.fun, residuals(fit.x))
        end = fit.run()
        np.testing.assert_array_equal(end.x, right.x)
        assert end.status == right.status


def test_a_stop_iteration_of_the_functions_does_not_end_a_loop_in_silence() -> None:
    def fun(x: np.ndarray) -> np.ndarray:
        if ended:
            raise StopIteration("mine")
        return residuals(x)

    ended = False
    fit = LevenbergMarquardt(fun, START)
    ended = True
    with pytest.raises(PyminpackError, match="StopIteration") as caught:
        list(fit)
    assert isinstance(caught.value.__cause__, StopIteration)
    with pytest.raises(StopIteration, match="mine"):
        fit.step()
    with pytest.raises(StopIteration, match="mine"):
        fit.run()


def test_a_jacobian_that_is_not_finite_at_the_end_takes_the_place_of_none() -> None:
    """The function is defined up to the solution, and a difference beyond it is not."""

    def fun(x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.array([np.sqrt(2.0 - x[0]) + 1, x[0] - 1.9, x[1] - 1])

    for jac in ("2-point", "3-point"):
        fit = LevenbergMarquardt(fun, [1.5, 0.0], jac)  # type: ignore[arg-type]
        end = fit.run()
        if end.success:
            assert end.jac is not None
            assert np.isfinite(end.jac).all()
            assert np.isfinite(end.stderr).all()


def test_a_given_jacobian_that_is_not_finite_at_the_end() -> None:
    calls = 0

    def jac(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return jacobian(x) if calls < BEST.njev else np.full((len(Y), 2), np.nan)

    end = least_squares(residuals, START, jac)
    assert end.success
    assert end.jac is not None
    assert np.isfinite(end.jac).all()
    assert end.stderr is not None
    np.testing.assert_allclose(end.stderr, BEST.stderr, rtol=1e-3)
    assert "not finite" in end.message


def test_a_large_jacobian_that_is_not_finite_can_be_asked_for_again() -> None:
    fit = LevenbergMarquardt(long_residuals, START, lambda x: np.full((len(LONG_T), 2), np.nan))
    first, second = fit.run(), fit.run()
    assert first.status == second.status == -4
    assert first.message == second.message
