"""The driver of least_squares in the core: the Python loop's very iterates, interrupted, compiled or resumed."""

import contextlib
import gc
import pickle
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from c_library import library
from problems.mgh import Run, runs
from pyminpack import (
    InputTypeError,
    LevenbergMarquardt,
    ShapeError,
    _minpack,
    compiled_jacobian,
    compiled_residuals,
    least_squares,
    leastsq,
)

T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
START = np.array([1.0, 1.0])


def residuals(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * T) - Y


def jacobian(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-x[1] * T)
    return np.stack([decay, -x[0] * T * decay], axis=1)


def nothing(_: Any) -> None:
    pass


# ------------------------------------------------------------------------------------------ the Python loop's iterates


@dataclass
class Fit:
    """A fit that notes, in order, where its functions are called, as bytes."""

    options: dict[str, Any]
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def noting(self, name: str) -> Any:
        function = self.options.get(name)
        if not callable(function):
            return function

        def noted(x: np.ndarray, *args: Any, **kwargs: Any) -> Any:
            self.asked.append((name, x.tobytes()))
            return function(x, *args, **kwargs)

        return noted

    @property
    def arguments(self) -> dict[str, Any]:
        functions = {name: self.noting(name) for name in ("fun", "jac") if name in self.options}
        return {"x0": START, **self.options, **functions}


def as_told(state: Any) -> list[Any]:
    """All of a state, to the bit."""
    return [value.tobytes() if isinstance(value, np.ndarray) else repr(value) for value in vars_of(state)]


def vars_of(state: Any) -> list[Any]:
    names = ("nit", "x", "fun", "cost", "nfev", "njev", "damping", "step_norm", "grad_norm")
    return [getattr(state, name) for name in names]


def assert_same_result(one: Any, other: Any) -> None:
    names = ("x", "cost", "fun", "jac", "grad", "optimality", "active_mask", "nfev", "njev", "nit", "status", "message")
    for name in names:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def assert_same_end(fit: LevenbergMarquardt, other: LevenbergMarquardt) -> None:
    assert as_told(fit.state) == as_told(other.state)
    assert_same_result(fit.result(), other.result())


class Pole:
    """Residuals that are NaN beyond a wall, on the far side of which the minimum is not."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.full(20, np.nan) if x[1] > 1.45 else residuals(x)


def in_single(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float32)
    return x[0] * np.exp(-x[1] * T.astype(np.float32)) - Y.astype(np.float32)


def by_rows_of_float32(x: np.ndarray) -> np.ndarray:
    return jacobian(x).astype(np.float32)


def of_line(x: np.ndarray, t: np.ndarray, *, y: np.ndarray) -> np.ndarray:
    return np.exp(x[0]) + x[1] * t - y


KINDS: dict[str, dict[str, Any]] = {
    "differences": {},
    "far": {"x0": [9.0, 7.0]},
    "bounds that hold": {"bounds": ([0, 0], [2.2, 2])},
    "start on a bound": {"x0": [2.2, 0.0], "bounds": ([0, 0], [2.2, 2])},
    "one bound": {"x0": [1.0, 1.5], "bounds": ([-np.inf, 1.4], np.inf)},
    "bounds and Jacobian": {"bounds": ([0, 0], [2.2, 2]), "jac": jacobian},
    "steps": {"diff_step": 1e-4},
    "steps backwards": {"diff_step": [-1e-4, 1e-5]},
    "steps backwards at a bound": {"diff_step": -1e-4, "x0": [0.0, 1.0], "bounds": ([0, 0], [2.2, 2])},
    "scaled": {"x_scale": [3.0, 0.2]},
    "scaled Jacobian": {"x_scale": [3.0, 0.2], "jac": jacobian},
    "scaled within bounds": {"x_scale": [3.0, 0.2], "bounds": ([0, 0], [2.2, 2])},
    "arguments": {"fun": of_line, "args": (T,), "kwargs": {"y": Y}},
    "jac": {"jac": jacobian},
    "jac in Fortran's order": {"jac": lambda x: np.asfortranarray(jacobian(x))},
    "jac of float32": {"jac": by_rows_of_float32},
    "jac of lists": {"jac": lambda x: jacobian(x).tolist()},
    "jac strided": {"jac": lambda x: np.repeat(jacobian(x), 3, axis=1)[:, ::3]},
    "residuals of lists": {"fun": lambda x: residuals(x).tolist()},
    "float32": {"fun": in_single},
    "float32 within bounds": {"fun": in_single, "bounds": ([0, 0], [2.2, 2])},
    "hidden float32": {"fun": lambda x: in_single(x).astype(float)},
    "hidden float32 within bounds": {"fun": lambda x: in_single(x).astype(float), "bounds": ([0, 0], [2.2, 2])},
    "lost in differences": {"fun": lambda x: np.round(residuals(x) * 1e7) / 1e7},
    "unfelt": {"fun": lambda x: residuals(x.astype(np.float32).astype(float))},
    "wall": {"fun": Pole(), "x0": [1.0, -1.0]},
    "wall, Jacobian": {"fun": Pole(), "x0": [1.0, -1.0], "jac": jacobian},
    "wall that holds": {"fun": lambda x: np.where(x[0] > 1.5, np.nan, residuals(x))},
    "exact start": {"fun": lambda x: np.append(x - START, 0.0)},
    "exact start, Jacobian": {"fun": lambda x: x - START, "jac": lambda x: np.eye(2)},
    "exact at a bound": {"fun": lambda x: x - START, "bounds": (1, 2)},
    "no response": {"fun": lambda x: np.ones(3)},
    "one parameter without response": {"fun": lambda x: np.append(x[:1] - 3, 1.0)},
    "Jacobian not finite": {"jac": lambda x: jacobian(x) * (1 if x[0] < 1.5 else np.nan)},
    "no tolerance": {"ftol": None, "xtol": None, "gtol": None, "max_nfev": 60},
    "near zero": {"fun": lambda x: np.array([x[0] - 3, x[1] - 5, x[0] * x[1] - 15]), "x0": [1e-20, 1.0]},
}
KINDS = {name: {"fun": residuals, **options} for name, options in KINDS.items()}
each_kind = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


def assert_driver_is_the_loop(options: dict[str, Any]) -> None:
    by_driver, by_loop = Fit(options), Fit(options)
    driven, looped = LevenbergMarquardt(**by_driver.arguments), LevenbergMarquardt(**by_loop.arguments)
    driven._drive()
    assert driven._has_driver
    assert not driven.is_running
    for _ in looped:
        pass
    results = driven.result(), looped.result()
    assert as_told(driven.state) == as_told(looped.state)
    assert_same_result(*results)
    assert by_driver.asked == by_loop.asked
    assert driven.x_scale.tobytes() == looped.x_scale.tobytes()
    assert driven._model.calls == looped._model.calls


@each_kind
def test_the_driver_takes_the_steps_of_the_loop(options: dict[str, Any]) -> None:
    assert_driver_is_the_loop(options)
    for limit in (1, 2, 3):
        assert_driver_is_the_loop({**options, "max_nfev": limit})


def boxed(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Bounds round the start of a problem, on one side near."""
    near, far = (factor * np.maximum(1, np.abs(run.problem.start)) for factor in (0.125, 4.0))
    turn = np.arange(run.problem.n) % 2
    return run.problem.start - np.where(turn, near, far), run.problem.start + np.where(turn, far, near)


@pytest.mark.parametrize("bounds", [False, True], ids=["free", "boxed"])
@pytest.mark.parametrize("jac", ["2-point", "given"])
@pytest.mark.parametrize("run", runs()[::2], ids=lambda run: run.problem.name)
def test_the_driver_takes_the_steps_of_the_loop_over_the_table(run: Run, jac: str, bounds: bool) -> None:
    problem = run.problem
    options = {"fun": problem.residuals, "x0": problem.start, "jac": problem.jacobian if jac == "given" else jac}
    if bounds:
        options["bounds"] = boxed(run)
    assert_driver_is_the_loop({**options, "max_nfev": 300})


@each_kind
@pytest.mark.parametrize("travels", [False, True], ids=["stays", "pickled"])
def test_run_goes_on_from_any_step(options: dict[str, Any], travels: bool) -> None:
    whole = LevenbergMarquardt(**{"x0": START, **options})
    end = whole.run()
    for steps in range(whole.nit + 1):
        fit = LevenbergMarquardt(**{"x0": START, **options})
        for _ in range(steps):
            fit.step()
        if travels and is_sent(options):
            fit = pickle.loads(pickle.dumps(fit))
        assert_same_result(fit.run(), end)
        assert as_told(fit.state) == as_told(whole.state)


def is_sent(options: dict[str, Any]) -> bool:
    """Whether pickle takes all of it."""
    return not any(getattr(function, "__name__", "") == "<lambda>" for function in options.values())


# ---------------------------------------------------------------------------------------------------- interrupted fits


class Oops(Exception):  # noqa: N818 - anything may be raised
    pass


class Raising:
    """A function that raises at one of its calls."""

    def __init__(self, function: Callable, at: int, error: type[BaseException] = Oops) -> None:
        self.function, self.at, self.error, self.calls = function, at, error, 0

    def __call__(self, x: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise self.error(f"call {self.calls}")
        return self.function(x, *args, **kwargs)


INTERRUPTED = {
    **{name: KINDS[name] for name in (
        "differences", "bounds that hold", "steps", "scaled", "arguments", "jac", "bounds and Jacobian", "jac of lists",
        "float32", "hidden float32", "unfelt", "lost in differences", "wall", "near zero", "one parameter without response",
    )},
    "Bard's": {"fun": runs()[16].problem.residuals, "x0": runs()[16].problem.start},
}  # fmt: skip


INTERRUPTIONS = [
    pytest.param(options, name, id=f"{kind}, in {name}")
    for kind, options in INTERRUPTED.items()
    for name in ("fun", "jac")
    if name in options
]
either_way = pytest.mark.parametrize("driver", [True, False], ids=["driver", "loop"])


def begin(driver: bool = True, **options: Any) -> LevenbergMarquardt:
    """A fit that the driver makes, or the Python loop."""
    fit = LevenbergMarquardt(**{"fun": residuals, "x0": START, **options})
    fit._has_driver = driver
    return fit


@either_way
@pytest.mark.parametrize(("options", "name"), INTERRUPTIONS)
def test_fit_that_is_interrupted_goes_on_to_the_same_end(options: dict[str, Any], name: str, driver: bool) -> None:
    counted = Raising(options[name], 0)
    end = begin(**{**options, name: counted}).run()
    assert counted.calls > 3
    for call in range(1 + (name == "fun"), counted.calls + 1):
        error = KeyboardInterrupt if call % 2 else Oops
        fit = begin(driver, **{**options, name: Raising(options[name], call, error)})
        with pytest.raises(error, match=f"call {call}") as caught:
            fit.run()
        assert traceback.extract_tb(caught.tb)[-1].name == "__call__"
        resumed = fit.run()
        np.testing.assert_array_equal(resumed.x, end.x, err_msg=str(call))
        np.testing.assert_array_equal(resumed.fun, end.fun)
        np.testing.assert_array_equal(resumed.jac, end.jac)
        assert (resumed.status, resumed.nit, resumed.message) == (end.status, end.nit, end.message)
        assert resumed.nfev - end.nfev in (0, 1)  # the one that raised


@either_way
def test_exception_does_not_end_a_fit(driver: bool) -> None:
    """It used to, in the driver, as if the function had asked to stop."""
    fit = begin(driver, fun=Raising(residuals, 9))
    with pytest.raises(Oops):
        fit.run()
    assert fit.is_running
    assert 0 < fit.nit
    assert fit.cost < 0.5 * (residuals(START) ** 2).sum()
    np.testing.assert_array_equal(fit.fun, residuals(fit.x))
    assert fit.result().status == -2
    assert fit.run().success


@either_way
def test_exception_at_the_end_does_not_keep_a_fit_from_going_on(driver: bool) -> None:
    """A fit whose last test was met used to count as ended although nothing had looked at its Jacobian there."""
    options = KINDS["near zero"]
    counted = Raising(options["fun"], 0)
    end = begin(**{**options, "fun": counted}).run()
    states = []
    for call in range(2, counted.calls + 1):
        fit = begin(driver, **{**options, "fun": Raising(options["fun"], call)})
        with pytest.raises(Oops):
            fit.run()
        states.append(fit._iteration.is_running)
        assert fit.is_running or call == counted.calls
        np.testing.assert_array_equal(fit.run().x, end.x)
    assert not all(states)


@either_way
@pytest.mark.parametrize("kind", ["hidden float32", "unfelt", "lost in differences"])
def test_exception_does_not_keep_single_precision_from_being_found_out(kind: str, driver: bool) -> None:
    """The driver used to hold it for tried when the evaluation that tries it had raised."""
    fit = begin(driver, **{**KINDS[kind], "fun": Raising(KINDS[kind]["fun"], 4)})
    with pytest.raises(Oops):
        fit.run()
    fit.run()
    assert fit._source.precision == np.finfo(np.float32).eps
    assert fit.nit > 1
