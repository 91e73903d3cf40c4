"""The user's functions run under their caller's NumPy error state and context variables, whatever the options."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest

from models import START, jacobian, residuals
from pyminpack import LevenbergMarquardt, check_jacobian, least_squares, leastsq

MARK: ContextVar[str] = ContextVar("MARK", default="lost")
STATE = {"divide": "ignore", "over": "raise", "under": "ignore", "invalid": "print"}  # nobody's default


class Seen:
    """A function that notes the state that it runs in."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.states = function, set[tuple[Any, ...]]()

    def __call__(self, x: Any, *more: Any) -> Any:
        self.states.add((MARK.get(), *sorted(np.geterr().items())))
        return self.function(x, *more)


def square_loss(z: np.ndarray) -> np.ndarray:
    return np.stack([z, np.ones_like(z), np.zeros_like(z)])


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "central differences": {"jac": "3-point"},
    "complex steps": {"jac": "cs"},
    "complex steps by threads": {"jac": "cs", "workers": 2},
    "a Jacobian": {"jac": jacobian},
    "every parameter compared": {"jac": jacobian, "check_jac": True},
    "a wrong Jacobian": {"jac": lambda x: -jacobian(x)},
    "bounds": {"bounds": (0, 2.2)},
    "a loss": {"loss": "cauchy"},
    "a loss of the user's": {"loss": Seen(square_loss)},
    "a callback": {"callback": Seen(lambda intermediate_result: None)},
    "fixed": {"fixed": [True, False]},
    "timeout": {"timeout": 1e6},
    "kwargs": {"kwargs": {}},
    "threads": {"workers": 2},
    "a list map": {"workers": lambda function, points: [function(point) for point in points]},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("way", ["at once", "step by step"])
def test_functions_run_in_the_state_of_their_caller(options: dict[str, Any], way: str) -> None:
    fun, options = Seen(residuals), dict(options)
    watched = [fun, *(value for value in options.values() if isinstance(value, Seen))]
    given = options.get("jac")
    if callable(given):
        options["jac"] = jac = Seen(given)
        watched.append(jac)
    for function in watched:
        function.states.clear()
    token = MARK.set("kept")
    try:
        with np.errstate(**STATE):  # type: ignore[call-overload]
            if way == "at once" or options.keys() & {"callback", "timeout"}:
                least_squares(fun, START, **options)
            else:
                for _ in LevenbergMarquardt(fun, START, **options):
                    pass
            assert np.geterr() == STATE
    finally:
        MARK.reset(token)
    for function in watched:
        assert function.states == {("kept", *sorted(STATE.items()))}


def test_functions_run_in_the_state_of_their_caller_in_the_threads_of_a_pool() -> None:
    fun = Seen(residuals)
    token = MARK.set("kept")
    try:
        with ThreadPoolExecutor(2) as pool, np.errstate(**STATE):  # type: ignore[call-overload]
            least_squares(fun, START, workers=pool.map)
    finally:
        MARK.reset(token)
    assert fun.states == {("kept", *sorted(STATE.items()))}


def test_functions_of_leastsq_and_check_jacobian_do_too() -> None:
    fun, jac = Seen(residuals), Seen(jacobian)
    token = MARK.set("kept")
    try:
        with np.errstate(**STATE):  # type: ignore[call-overload]
            leastsq(fun, START)
            leastsq(fun, START, Dfun=jac, full_output=True)
            check_jacobian(fun, jac, [1.1, 0.9])
    finally:
        MARK.reset(token)
    assert fun.states == jac.states == {("kept", *sorted(STATE.items()))}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_arithmetic_of_our_own_raises_nothing(options: dict[str, Any]) -> None:
    def scaled(size: float) -> Callable[[np.ndarray], np.ndarray]:
        def fun(x: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                return np.asarray(residuals(x) * size)

        return fun

    with np.errstate(all="raise", under="ignore"):
        if "loss" not in options:  # of which the cost overflows
            least_squares(scaled(1e200), START * 1.5, **options)
        least_squares(scaled(1e-200), START * 1.5, **options)
