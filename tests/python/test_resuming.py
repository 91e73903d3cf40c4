"""Fits that are interrupted, pickled or watched: the very steps of a fit that nobody disturbs."""

import contextlib
import gc
import pickle
import sys
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checks import assert_same_result
from measures import growth
from models import START, TALL_START, Oops, Raising, T, Y, both, jacobian, nothing, residuals, tall
from problems.mgh import runs
from pyminpack import InputTypeError, LevenbergMarquardt, ShapeError, least_squares

DOUBLE, SINGLE = (float(np.finfo(kind).eps) for kind in (np.float64, np.float32))


def jacobian_as_lists(x: np.ndarray) -> Any:
    return jacobian(x).tolist()


def on_base(x: np.ndarray) -> np.ndarray:
    return residuals(x[1:]) + x[0] - 1


def in_float32(x: np.ndarray) -> np.ndarray:
    return residuals(x).astype(np.float32)


def half_responding(x: np.ndarray) -> np.ndarray:
    return np.append(x[:1] - 3, 1.0)


def of_line(x: np.ndarray, t: np.ndarray, *, y: np.ndarray) -> np.ndarray:
    return np.exp(x[0]) + x[1] * t - y


def in_single(x: np.ndarray) -> np.ndarray:
    """A model that computes in single precision and doesn't say so."""
    return residuals(x.astype(np.float32)).astype(np.float32).astype(float)


def deaf(x: np.ndarray) -> np.ndarray:
    """Residuals that feel no step of double precision."""
    return residuals(x.astype(np.float32).astype(float))


def walled(x: np.ndarray) -> np.ndarray:
    """NaN beyond a wall, on the far side of which the minimum is not."""
    return np.full(20, np.nan) if x[1] > 1.45 else residuals(x)


def rough(x: np.ndarray) -> np.ndarray:
    """Differences by double precision's steps are nothing but what makes it so."""
    return residuals(x) + 1e-7 * np.sin(1e9 * x[0] + 1e9 * x[1] + T)


BARD = next(run.problem for run in runs() if run.problem.name == "bard-15x3-start10")


def bard(x: np.ndarray) -> np.ndarray:
    return BARD.residuals(x)


def bard_jacobian(x: np.ndarray) -> np.ndarray:
    return BARD.jacobian(x)


ROUGH_START = np.random.default_rng(2).uniform(0.5, 3, 2)  # where no step by such differences is accepted
KINDS: dict[str, dict[str, Any]] = {
    "differences": {},
    "central differences": {"jac": "3-point"},
    "complex steps": {"jac": "cs"},
    "Jacobian": {"jac": jacobian},
    "Jacobian with the residuals": {"fun": both, "jac": True},
    "Jacobian of lists": {"jac": jacobian_as_lists},
    "bounds that hold": {"bounds": ([0, 0], [2.2, 2])},
    "bounds and Jacobian": {"bounds": ([0, 0], [2.2, 2]), "jac": jacobian},
    "steps": {"diff_step": [-1e-4, 1e-5]},
    "scaled": {"x_scale": [3.0, 0.2]},
    "fixed": {"fun": on_base, "x0": [1.0, 1, 1], "fixed": [True, False, False]},
    "loss": {"loss": "soft_l1", "f_scale": 0.03},
    "loss and Jacobian": {"loss": "cauchy", "f_scale": 0.03, "jac": jacobian},
    "arguments": {"fun": of_line, "args": (T,), "kwargs": {"y": Y}},
    "float32": {"fun": in_float32},
    "hidden float32": {"fun": in_single},
    "deaf": {"fun": deaf},
    "wall": {"fun": walled, "x0": [1.0, -1.0]},
    "misleading differences": {"fun": rough, "x0": ROUGH_START},
    "misleading differences within bounds": {"fun": rough, "x0": ROUGH_START, "bounds": (-9, 9)},
    "parameter without response": {"fun": half_responding},
    "restarts": {"fun": bard, "x0": BARD.start},
    "restarts, Jacobian": {"fun": bard, "jac": bard_jacobian, "x0": BARD.start},
    "accelerated": {"accel": True},
    "accelerated, Jacobian": {"accel": True, "jac": jacobian},
    "accelerated, Jacobian with the residuals": {"accel": True, "fun": both, "jac": True},
    "accelerated within bounds": {"accel": True, "bounds": ([0, 0], [2.2, 2]), "jac": jacobian},
    "accelerated, loss": {"accel": True, "loss": "soft_l1", "f_scale": 0.03, "jac": jacobian},
    "accelerated, restarts": {"accel": True, "fun": bard, "jac": bard_jacobian, "x0": BARD.start},
    "accelerated, tall": {"accel": True, "fun": tall, "x0": TALL_START},
    "tall": {"fun": tall, "x0": TALL_START},
    "tall within bounds": {"fun": tall, "x0": TALL_START, "bounds": (-1, 2.2)},
}
KINDS = {name: {"fun": residuals, "x0": START, **options} for name, options in KINDS.items()}
each_kind = pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)


# ---------------------------------------------------------------------------------------------------- interrupted fits

INTERRUPTIONS = [
    pytest.param(options, name, id=f"{kind}, in {name}")
    for kind, options in KINDS.items()
    for name in ("fun", "jac")
    if callable(options.get(name))
]


@pytest.mark.parametrize(("options", "name"), INTERRUPTIONS)
def test_fit_that_is_interrupted_goes_on_to_the_same_end(options: dict[str, Any], name: str) -> None:
    """At any call: x and the residuals are of one point, nothing else is called, and the end is as without it."""
    counted = Raising(options[name])
    whole = LevenbergMarquardt(**{**options, name: counted})
    while whole.is_running:
        whole.step()
    last, end = counted.calls, whole.result()
    assert last > 2
    first = 1 + (name == "fun")
    calls = [*range(first, min(last, 60) + 1), *range(61, last + 1, 7)]  # each of the first, and some of many more
    for call in calls:
        noted = Raising(options[name], call, KeyboardInterrupt if call % 2 else Oops)
        fit = LevenbergMarquardt(**{**options, name: noted})
        with pytest.raises(noted.error, match=f"call {call}") as caught:
            fit.run()
        assert traceback.extract_tb(caught.tb)[-1].name == "__call__"
        assert noted.calls == call
        assert fit.is_running
        at_x = LevenbergMarquardt(**{**options, "x0": fit.x})
        np.testing.assert_array_equal(fit.fun, at_x.fun)
        assert fit.cost == at_x.cost
        assert_same_result(fit.run(), end)


def test_interrupted_fit_has_come_down() -> None:
    """The steps before the exception are not lost, and until it goes on the fit counts as stopped."""
    fit = LevenbergMarquardt(Raising(residuals, 9), START)
    with pytest.raises(Oops):
        fit.run()
    assert fit.nit > 0
    assert fit.cost < 0.5 * (residuals(START) ** 2).sum()
    assert fit.result().status == -2
    assert fit.run().success


@each_kind
@pytest.mark.parametrize("travels", [False, True], ids=["stays", "pickled"])
def test_run_goes_on_from_any_step(options: dict[str, Any], travels: bool) -> None:
    whole = LevenbergMarquardt(**options)
    end = whole.run()
    for steps in range(min(whole.nit, 30) + 1):
        fit = LevenbergMarquardt(**options)
        for _ in range(steps):
            fit.step()
        if travels:
            fit = pickle.loads(pickle.dumps(fit))
        assert_same_result(fit.run(), end)
        assert fit.x_scale.tobytes() == whole.x_scale.tobytes()


# -------------------------------------------------------------------------------------------- options that only watch


WATCHED: dict[str, dict[str, Any]] = {
    "callback": {"callback": nothing},
    "timeout": {"timeout": 1e6},
    "callback and timeout": {"callback": nothing, "timeout": 1e6},
    "limit": {"max_nfev": 10**6},
    "nothing fixed": {"fixed": [False, False]},
    "infinite bounds": {"bounds": (-np.inf, np.inf)},
    "far bounds": {"bounds": (-1e9, 1e9)},
    "workers": {"workers": map},
    "linear loss": {"loss": "linear"},
}


@pytest.mark.parametrize("jac", ["2-point", "3-point", jacobian], ids=["2-point", "3-point", "jac"])
@pytest.mark.parametrize("options", WATCHED.values(), ids=WATCHED)
def test_options_that_only_watch_change_no_call(options: dict[str, Any], jac: Any) -> None:
    """Neither where functions are called, nor how often, nor what comes of it."""
    plain, watched = Raising(residuals), Raising(residuals)
    end = least_squares(plain, START, jac)
    assert_same_result(least_squares(watched, START, jac, **options), end)
    assert watched.points == plain.points


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_fixed_parameters_cost_nothing_and_change_no_step(jac: Any) -> None:
    plain, fixing = Raising(residuals), Raising(lambda x: residuals(x[[0, 2]]))
    end = least_squares(plain, START, jac)
    fit = least_squares(fixing, [1.0, 7.0, 1.0], jac, fixed=[False, True, False])
    assert fixing.calls == plain.calls
    np.testing.assert_array_equal(fit.x, [end.x[0], 7, end.x[1]])
    assert [fit[name] for name in ("cost", "nfev", "njev", "nit", "status", "message")] == [
        end[name] for name in ("cost", "nfev", "njev", "nit", "status", "message")
    ]


def test_workers_are_told_the_points_of_the_core() -> None:
    """In another order than one after the other, as several of them may answer."""

    def backwards(function: Callable, items: Any) -> list[Any]:
        return [function(item) for item in reversed(items)][::-1]

    for options in ({}, {"bounds": (0, 2.2)}, {"x0": ROUGH_START, "fun": rough}, {"fun": in_single}):
        for jac in ("2-point", "3-point"):
            alone, together = Raising(options.get("fun", residuals)), Raising(options.get("fun", residuals))
            given: dict[str, Any] = {"x0": START, "jac": jac, **options}
            end = least_squares(**{**given, "fun": alone})
            assert_same_result(least_squares(**{**given, "fun": together}, workers=backwards), end)
            assert sorted(together.points) == sorted(alone.points)


# ------------------------------------------------------------------------------------------------ what was found stays


@pytest.mark.parametrize("kind", ["hidden float32", "deaf"])
def test_exception_does_not_keep_single_precision_from_being_found_out(kind: str) -> None:
    """The evaluation that tries it raises; it used to count as made."""
    fit = LevenbergMarquardt(**{**KINDS[kind], "fun": Raising(KINDS[kind]["fun"], 4)})
    with pytest.raises(Oops):
        fit.run()
    assert (fit._fit.precision, fit._fit.precision_known) == (DOUBLE, 0)
    result = fit.run()
    assert (fit._fit.precision, fit._fit.precision_known) == (SINGLE, 1)
    assert result.nit > 1


def test_differences_that_mislead_are_told_from_a_minimum_at_the_start() -> None:
    for kind in ("misleading differences", "misleading differences within bounds"):
        fit = LevenbergMarquardt(**KINDS[kind])
        assert fit.run().nit > 1
        assert fit._fit.precision == SINGLE


# ------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("name", ["fun", "jac"])
def test_exception_leaves_nothing_behind(name: str) -> None:
    """Arguments, functions and what was found so far have no owner but the fit."""
    functions = {"fun": Raising(lambda x, _: residuals(x)), "jac": Raising(lambda x, _: jacobian(x))}
    functions[name].at = 5
    argument = np.ones(3)
    fit = LevenbergMarquardt(**functions, x0=START, args=(argument,))  # type: ignore[arg-type]
    held = [*functions.values(), argument]
    before = [sys.getrefcount(item) for item in held]
    with pytest.raises(Oops):
        fit.run()
    gc.collect()
    assert [sys.getrefcount(item) for item in held] == before
    result = fit.run()
    references = [weakref.ref(thing) for thing in (fit, argument, result.jac, *functions.values())]
    del fit, result, functions, argument, held
    gc.collect()
    assert all(reference() is None for reference in references)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc tells how much memory a process takes")
@pytest.mark.parametrize("ends", ["well", "in fun", "in jac", "by a length", "by a shape", "stopped"])
@pytest.mark.parametrize("options", [{}, {"bounds": (0, 2.2)}, {"loss": "huber"}], ids=str)
def test_fits_leave_nothing_behind(ends: str, options: Any) -> None:
    def job() -> None:
        fun: Any = Raising(residuals, 6 if ends == "in fun" else 0)
        jac: Any = Raising(jacobian, 3) if ends == "in jac" else "2-point"
        if ends == "by a length":
            fun = Changing(residuals, 6, lambda f: f[1:])
        if ends == "by a shape":
            jac = Changing(jacobian, 3, np.transpose)
        fit = LevenbergMarquardt(fun, START, jac, **options)
        with contextlib.suppress(Oops, ValueError):
            fit.run()
        if ends == "stopped":
            fit.stop()

    grown = growth(job, 1500)  # three times the blocks that are allowed, if one is lost in each
    assert not grown.is_a_leak, grown


# --------------------------------------------------------------------------------------------- results that turn wrong


class Changing(Raising):
    """A function whose result is another from one of its calls on."""

    def __init__(self, function: Callable, at: int, change: Callable[[Any], Any]) -> None:
        super().__init__(lambda x: change(function(x)) if self.calls >= self.first else function(x))
        self.first = at


def last_call(name: str, **options: Any) -> int:
    """Of one of its functions that a fit makes on its way."""
    counted = Raising({"fun": residuals, "jac": jacobian}[name])
    fit = LevenbergMarquardt(**{"fun": residuals, "x0": START, **options, name: counted})
    while fit.is_running:
        fit.step()
    return counted.calls


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, 2.2)], ids=["free", "boxed"])
@pytest.mark.parametrize("jac", ["2-point", "3-point", jacobian], ids=["2-point", "3-point", "jac"])
@pytest.mark.parametrize("change", [lambda f: f[:-1], lambda f: np.append(f, 0), lambda f: f[:-1].tolist()])
def test_number_of_residuals_that_changes_is_told(change: Callable, jac: Any, bounds: Any) -> None:
    """At any call, with its number and its x."""
    for call in range(2, last_call("fun", jac=jac, bounds=bounds) + 1):
        fun = Changing(residuals, call, change)
        with pytest.raises(ShapeError) as caught:
            LevenbergMarquardt(fun, START, jac, bounds).run()
        assert f"fun gave {len(change(Y))} residuals on call {call}, at x = [" in str(caught.value)
        assert f"and {Y.size} on the first" in str(caught.value)
        told = str(caught.value).partition("x = [")[2].partition("]")[0]
        x = np.frombuffer(fun.points[-1])
        np.testing.assert_allclose([float(value) for value in told.split(",")], x, rtol=1e-5)
        assert fun.calls == call


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (np.transpose, ShapeError, r"jac gave a Jacobian of shape \(2, 20\) .*need \(20, 2\).*jacobian.T"),
        (lambda j: j[1:], ShapeError, r"of shape \(19, 2\) at x = \[.*need \(20, 2\)"),
        (np.ravel, ShapeError, r"of shape \(40,\)"),
        (lambda j: j[:, :, np.newaxis], ShapeError, r"of shape \(20, 2, 1\)"),
        (lambda j: j + 1j, InputTypeError, "jac gave.*complex"),
        (lambda j: None, InputTypeError, "jac gave.*None"),
        (lambda j: j > 0, InputTypeError, "jac gave.*bool"),
        (lambda j: "J", InputTypeError, "jac gave"),
    ],
)
def test_jacobian_that_turns_wrong_is_told(change: Callable, error: Any, message: str) -> None:
    for call in range(1, last_call("jac") + 1):
        jac = Changing(jacobian, call, change)
        with pytest.raises(error, match=message):
            LevenbergMarquardt(residuals, START, jac).run()
        assert jac.calls == call


@pytest.mark.parametrize(
    "change", [lambda f: f + 1j, lambda f: None, lambda f: f > 0, lambda f: "f", lambda f: [f, f[1:]]]
)
def test_residuals_that_turn_wrong_are_told(change: Callable) -> None:
    for call in range(2, last_call("fun") + 1):
        fun = Changing(residuals, call, change)
        with pytest.raises((InputTypeError, ShapeError, ValueError), match=r"fun gave|inhomogeneous"):
            LevenbergMarquardt(fun, START).run()
        assert fun.calls == call
