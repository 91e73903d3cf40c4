"""What least_squares calls after each step, in all the forms it may have; and options that are forgiving."""

import functools
from typing import Any

import numpy as np
import pytest

from models import START, residuals
from pyminpack import InputTypeError, LeastSquaresState, OptionError, least_squares

FIT = least_squares(residuals, START, callback=lambda state: None)


class Recorder:
    """Notes what it is called with, and answers."""

    def __init__(self, answer: Any = None) -> None:
        self.seen: list[Any] = []
        self.answer = answer

    def of_state(self, state: Any) -> Any:
        self.seen.append(state)
        return self.answer

    def of_any_name(self, whatever: Any) -> Any:
        return self.of_state(whatever)

    def of_result(self, intermediate_result: Any) -> Any:
        return self.of_state(intermediate_result)

    def by_keyword(self, *, intermediate_result: Any) -> Any:
        return self.of_state(intermediate_result)

    def of_x(self, x: Any) -> Any:
        return self.of_state(x)

    def of_xk(self, xk: Any, more: Any = None) -> Any:
        assert more is None
        return self.of_state(xk)

    def of_state_named_second(self, state: Any, x: Any = None) -> Any:
        assert x is None
        return self.of_state(state)

    def of_all(self, *args: Any) -> Any:
        (state,) = args
        return self.of_state(state)

    __call__ = of_state


class TakesX(Recorder):
    def __call__(self, x: Any) -> Any:
        return self.of_state(x)


WITH_STATE = [
    "of_state", "of_any_name", "of_result", "by_keyword", "of_state_named_second", "of_all", "__call__",
]  # fmt: skip


@pytest.mark.parametrize("name", WITH_STATE)
def test_callbacks_get_the_state(name: str) -> None:
    recorder = Recorder()
    fit = least_squares(residuals, START, callback=getattr(recorder, name))
    assert all(type(state) is LeastSquaresState for state in recorder.seen)
    assert [state.nit for state in recorder.seen] == list(range(1, fit.nit + 1))
    np.testing.assert_array_equal(recorder.seen[-1].x, fit.x)


@pytest.mark.parametrize("name", ["of_x", "of_xk"])
def test_callbacks_of_x_get_the_parameters(name: str) -> None:
    recorder = Recorder()
    fit = least_squares(residuals, START, callback=getattr(recorder, name))
    assert len(recorder.seen) == fit.nit
    assert all(type(x) is np.ndarray for x in recorder.seen)
    np.testing.assert_array_equal(recorder.seen[-1], fit.x)


def test_callable_objects_and_partials_are_taken_by_their_signature() -> None:
    recorder = TakesX()
    least_squares(residuals, START, callback=recorder)
    assert type(recorder.seen[0]) is np.ndarray
    recorder = Recorder()
    least_squares(residuals, START, callback=recorder)
    assert type(recorder.seen[0]) is LeastSquaresState
    recorder = Recorder()
    least_squares(residuals, START, callback=functools.partial(recorder.of_xk, more=None))
    assert type(recorder.seen[0]) is np.ndarray

    def two(first: list[Any], state: Any) -> None:
        first.append(state)

    seen: list[Any] = []
    least_squares(residuals, START, callback=functools.partial(two, seen))
    assert type(seen[0]) is LeastSquaresState


def test_builtins_are_taken() -> None:
    seen: list[Any] = []
    for callback in (seen.append, {}.get, id, np.shape, type):  # the last one tells no signature
        least_squares(residuals, START, callback=callback)
    assert type(seen[0]) is LeastSquaresState


def test_what_is_no_function_is_refused() -> None:
    for callback in (1, "print", [print]):
        with pytest.raises(InputTypeError, match=f"callback is of type {type(callback).__name__}"):
            least_squares(residuals, START, callback=callback)  # type: ignore[arg-type]


def test_the_state_can_be_asked_by_key() -> None:
    recorder = Recorder()
    least_squares(residuals, START, callback=recorder)
    state = recorder.seen[-1]
    for name in ("nit", "x", "fun", "cost", "nfev", "njev", "damping", "step_norm", "grad_norm"):
        np.testing.assert_array_equal(state[name], getattr(state, name))
    for name in ("nothing", "__class__", "_x"):
        with pytest.raises(KeyError):
            state[name]


def test_arrays_of_the_state_are_the_callbacks_own() -> None:
    def spoil(state: LeastSquaresState) -> None:
        state.x[:] = np.nan
        state.fun[:] = np.nan

    def spoil_x(x: np.ndarray) -> None:
        x[:] = np.nan

    for callback in (spoil, spoil_x):
        np.testing.assert_array_equal(least_squares(residuals, START, callback=callback).x, FIT.x)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ stopping


def raises(_: Any) -> None:
    raise StopIteration


@pytest.mark.parametrize("stop", [raises, lambda state: True, lambda state: np.True_, lambda x: True])
def test_fits_are_stopped(stop: Any) -> None:
    fit = least_squares(residuals, START, callback=stop)
    assert (fit.status, fit.success, fit.nit) == (-2, False, 1)
    assert "Stopped by the callback" in fit.message


@pytest.mark.parametrize(
    "answer", [None, False, np.False_, 0, 1, 1.0, "stop", [True], np.array(True), np.array([1, 2])]
)
def test_other_answers_do_not_stop(answer: Any) -> None:
    fit = least_squares(residuals, START, callback=lambda state: answer)
    assert (fit.status, fit.nit) == (FIT.status, FIT.nit)


@pytest.mark.parametrize("answer", [True, np.True_, StopIteration])
def test_stopping_on_the_step_that_converges_leaves_it_converged(answer: Any) -> None:
    def stop(state: LeastSquaresState) -> Any:
        if state.nit < FIT.nit:
            return None
        if answer is StopIteration:
            raise StopIteration
        return answer

    fit = least_squares(residuals, START, callback=stop)
    assert (fit.status, fit.success, fit.nit, fit.message) == (FIT.status, True, FIT.nit, FIT.message)
    np.testing.assert_array_equal(fit.x, FIT.x)


def test_other_exceptions_come_out() -> None:
    def broken(state: LeastSquaresState) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        least_squares(residuals, START, callback=broken)


def test_stop_iteration_of_the_function_comes_out() -> None:
    def fun(x: np.ndarray) -> np.ndarray:
        if x[0] != 1:
            raise StopIteration("mine")
        return residuals(x)

    for options in ({}, {"callback": lambda state: None}, {"jac": "3-point"}, {"workers": 2}):
        with pytest.raises(StopIteration, match="mine"):
            least_squares(fun, START, **options)


# ---------------------------------------------------------------------------------------------- args, verbose, timeout


@pytest.mark.parametrize("args", [(2.0, 3.0), [2.0, 3.0]], ids=["tuple", "list"])
def test_args_may_be_a_list(args: Any) -> None:
    fit = least_squares(lambda x, a, b: x - [a, b], START, args=args)
    np.testing.assert_allclose(fit.x, [2, 3])


@pytest.mark.parametrize("args", [np.array([2.0, 3.0]), {"a": 1}, "text", 5, None])
def test_other_args_stand_for_themselves(args: Any) -> None:
    seen = []
    least_squares(lambda x, *more: (seen.append(more), x)[1], START, args=args)
    assert len(seen[0]) == 1
    assert seen[0][0] is args


@pytest.mark.parametrize("verbose", [True, 1, 1.0])
def test_verbose_true_is_1(verbose: Any, capsys: Any) -> None:
    fit = least_squares(residuals, START, verbose=verbose)
    out = capsys.readouterr().out
    assert fit.message in out
    assert f"{fit.nit} steps, {fit.nfev} evaluations" in out
    assert "step norm" not in out
    least_squares(residuals, START, verbose=False)  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""


def test_infinite_timeout_is_none() -> None:
    for timeout in (None, np.inf, float("inf")):
        np.testing.assert_array_equal(least_squares(residuals, START, timeout=timeout).x, FIT.x)
    for bad in (0, -1, np.nan, -np.inf):
        with pytest.raises(OptionError, match="timeout"):
            least_squares(residuals, START, timeout=bad)


def test_a_positional_argument_of_scipys_name_is_taken() -> None:
    states = []

    def keep(intermediate_result: Any, /) -> None:
        states.append(intermediate_result)

    assert least_squares(residuals, START, callback=keep).nit == len(states)
