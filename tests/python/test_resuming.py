"""The driver of least_squares in the core: the Python loop's very iterates, interrupted, compiled or resumed."""

import contextlib
import gc
import pickle
import sys
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from test_memory import STATM, growth

from problems.mgh import Run, runs
from pyminpack import (
    InputTypeError,
    LevenbergMarquardt,
    ShapeError,
    _minpack,
    least_squares,
)
from pyminpack._iteration.machine import CONTROL

T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
START = np.array([1.0, 1.0])
DOUBLE = float(np.finfo(float).eps)


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


def rough(x: np.ndarray) -> np.ndarray:
    """Differences by double precision's steps are nothing but what makes it so."""
    return residuals(x) + 1e-7 * np.sin(1e9 * x[0] + 1e9 * x[1] + T)


def tall(x: np.ndarray) -> np.ndarray:
    """So many residuals that the Jacobian is factored by blocks."""
    t = np.linspace(0, 4, 3000)
    return x[0] * np.exp(-x[1] * t) - 2.5 * np.exp(-1.3 * t) - 0.05 * np.cos(70 * t)


def products(x: np.ndarray) -> np.ndarray:
    return np.array([x[0] - 3, x[1] - 5, x[0] * x[1] - 15])


ROUGH_START = np.random.default_rng(2).uniform(0.5, 3, 2)  # where no step by such differences is accepted
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
    "misleading differences": {"fun": rough, "x0": ROUGH_START},
    "misleading differences within bounds": {"fun": rough, "x0": ROUGH_START, "bounds": (-9, 9)},
    "misleading differences, the caller's steps": {"fun": rough, "x0": ROUGH_START, "diff_step": DOUBLE**0.5},
    "tall": {"fun": tall},
    "tall within bounds": {"fun": tall, "bounds": (0, 2.2)},
    "kink": {"fun": lambda x: 1 + 10 * np.abs(x - START)},
    "kink of float32": {"fun": lambda x: (1 + 10 * np.abs(x - START)).astype(np.float32)},
    "near zero": {"fun": products, "x0": [1e-20, 1.0]},
    "near zero, beside NaN": {"fun": lambda x: products(x) + (0 if x[1] <= 5 + 1e-9 else np.nan), "x0": [1e-20, 1.0]},
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
        assert fit._model.calls == whole._model.calls


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


BARD = next(run.problem for run in runs() if run.problem.name == "bard-15x3-start10")
INTERRUPTED = {
    **{name: KINDS[name] for name in (
        "differences", "bounds that hold", "steps", "scaled", "arguments", "jac", "bounds and Jacobian", "jac of lists",
        "float32", "hidden float32", "unfelt", "lost in differences", "wall", "near zero",
        "misleading differences", "near zero, beside NaN",
        "one parameter without response",
    )},
    "at infinity": {"fun": BARD.residuals, "x0": BARD.start},
    "at infinity, jac": {"fun": BARD.residuals, "jac": BARD.jacobian, "x0": BARD.start},
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


def test_differences_that_mislead_are_told_from_a_minimum_at_the_start() -> None:
    """In the driver and in the loop, but not where steps are the caller's."""
    for kind in ("misleading differences", "misleading differences within bounds"):
        for driver in (True, False):
            fit = begin(driver, **KINDS[kind])
            assert fit.run().nit > 1
            assert fit._source.precision == np.finfo(np.float32).eps
            assert fit._source.tried
    assert begin(**KINDS["misleading differences, the caller's steps"]).run().nit == 0


@either_way
@pytest.mark.parametrize(("options", "name"), INTERRUPTIONS)
def test_fit_that_is_interrupted_goes_on_to_the_same_end(options: dict[str, Any], name: str, driver: bool) -> None:
    counted = Raising(options[name], 0)
    end = begin(**{**options, name: counted}).run()
    assert counted.calls > 3
    nfev = []
    # What fun is called for after the end, where there is a Jacobian, is beside x: an exception there means nothing.
    last = end.nfev if name == "fun" and callable(options.get("jac")) else counted.calls
    for call in range(1 + (name == "fun"), last + 1):
        error = KeyboardInterrupt if call % 2 else Oops
        noted = Raising(options[name], call, error)
        fit = begin(driver, **{**options, name: noted})
        with pytest.raises(error, match=f"call {call}") as caught:
            fit.run()
        assert traceback.extract_tb(caught.tb)[-1].name == "__call__"
        assert noted.calls == call  # nothing is called with an exception on its way
        resumed = fit.run()
        np.testing.assert_array_equal(resumed.x, end.x, err_msg=str(call))
        np.testing.assert_array_equal(resumed.fun, end.fun)
        np.testing.assert_array_equal(resumed.jac, end.jac)
        assert (resumed.status, resumed.nit, resumed.message) == (end.status, end.nit, end.message)
        nfev.append(resumed.nfev)
    in_trials = sum(count - end.nfev for count in nfev)  # the one that raised counts, too
    assert set(nfev) <= {end.nfev, end.nfev + 1}
    assert in_trials == (end.nfev - 1 if name == "fun" else 0)


@either_way
def test_exception_does_not_end_a_fit(driver: bool) -> None:
    """It used to, in the driver, as if the function had asked to stop."""
    fit = begin(driver, fun=Raising(residuals, 9))
    with pytest.raises(Oops):
        fit.run()
    assert fit.is_running
    assert fit.nit > 0
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


def test_exception_leaves_nothing_behind() -> None:
    """Arguments, functions and what was found so far have no owner but the fit."""
    for name in ("fun", "jac"):
        functions = {"fun": Raising(lambda x, _: residuals(x), 0), "jac": Raising(lambda x, _: jacobian(x), 0)}
        functions[name].at = 5
        argument = np.ones(3)
        fit = begin(**functions, args=(argument,))
        held = [*functions.values(), argument]
        before = [sys.getrefcount(item) for item in held]
        with pytest.raises(Oops):
            fit.run()
        gc.collect()
        assert [sys.getrefcount(item) for item in held] == before
        references = [
            weakref.ref(array) for array in (fit._f, fit._iteration.x, fit._iteration.state, fit._iteration.r)
        ]
        fit.run()
        del fit
        gc.collect()
        assert all(reference() is None for reference in references)


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="/proc tells how much memory a process takes, and isn't here")
@pytest.mark.parametrize("ends", ["well", "in fun", "in jac", "by a length", "by a shape", "stopped"])
@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, 2.2)], ids=["free", "boxed"])
def test_fits_leave_nothing_behind(ends: str, bounds: Any) -> None:
    def job() -> None:
        fun: Any = Raising(residuals, 6 if ends == "in fun" else 0)
        jac: Any = Raising(jacobian, 3) if ends == "in jac" else "2-point"
        if ends == "by a length":
            fun = Changing(residuals, 6, lambda f: f[1:])
        if ends == "by a shape":
            jac = Changing(jacobian, 3, np.transpose)
        fit = begin(fun=fun, jac=jac, bounds=bounds)
        with contextlib.suppress(Oops, ValueError):
            fit.run()
        if ends == "stopped":
            fit.stop()

    grown = growth(job, 4000)
    assert not grown.is_a_leak, grown


# --------------------------------------------------------------------------------------------- results that turn wrong


class Changing:
    """A function whose result is another from one of its calls on."""

    def __init__(self, function: Callable, at: int, change: Callable[[Any], Any]) -> None:
        self.function, self.at, self.change = function, at, change
        self.points: list[np.ndarray] = []

    def __call__(self, x: np.ndarray) -> Any:
        self.points.append(x.copy())
        result = self.function(x)
        return self.change(result) if len(self.points) >= self.at else result


def calls_of(name: str, **options: Any) -> int:
    """How many calls a fit makes of one of its functions."""
    counted = Raising({"fun": residuals, "jac": jacobian}[name], 0)
    fit = begin(**{**options, name: counted})
    fit._drive()
    return counted.calls


@either_way
@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, 2.2)], ids=["free", "boxed"])
@pytest.mark.parametrize("jac", ["2-point", jacobian], ids=["differences", "jac"])
@pytest.mark.parametrize("change", [lambda f: f[:-1], lambda f: np.append(f, 0), lambda f: f[:-1].tolist()])
def test_number_of_residuals_that_changes_is_told(change: Callable, jac: Any, bounds: Any, driver: bool) -> None:
    for call in range(2, calls_of("fun", jac=jac, bounds=bounds) + 1):
        fun = Changing(residuals, call, change)
        fit = begin(driver, fun=fun, jac=jac, bounds=bounds)
        with pytest.raises(ShapeError) as caught:
            fit.run()
        size = len(change(Y))
        x = np.array2string(fun.points[-1], separator=", ", precision=6)
        assert f"fun gave {size} residuals on call {call}, at x = [" in str(caught.value)
        assert f"and {Y.size} on the first" in str(caught.value)
        told = str(caught.value).partition("x = [")[2].partition("]")[0]
        np.testing.assert_allclose([float(value) for value in told.split(",")], fun.points[-1], rtol=1e-5, err_msg=x)
        assert len(fun.points) == call


@either_way
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (np.transpose, ShapeError, r"jac gave a Jacobian of shape \(2, 20\) .*need \(20, 2\).*jacobian.T"),
        (lambda j: j[1:], ShapeError, r"of shape \(19, 2\) at x = \[.*need \(20, 2\)"),
        (lambda j: j[:, :1], ShapeError, r"of shape \(20, 1\)"),
        (np.ravel, ShapeError, r"of shape \(40,\)"),
        (lambda j: j[:, :, np.newaxis], ShapeError, r"of shape \(20, 2, 1\)"),
        (lambda j: j + 1j, InputTypeError, "jac gave.*complex"),
        (lambda j: None, InputTypeError, "jac gave.*None"),
        (lambda j: j > 0, InputTypeError, "jac gave.*bool"),
        (lambda j: "J", InputTypeError, "jac gave"),
    ],
)
def test_jacobian_that_turns_wrong_is_told(change: Callable, error: Any, message: str, driver: bool) -> None:
    for call in range(1, calls_of("jac", jac=jacobian) + 1):
        jac = Changing(jacobian, call, change)
        fit = begin(driver, jac=jac)
        with pytest.raises(error, match=message):
            fit.run()
        assert len(jac.points) == call


@either_way
@pytest.mark.parametrize(
    "change", [lambda f: f + 1j, lambda f: None, lambda f: f > 0, lambda f: "f", lambda f: [f, f[1:]]]
)
def test_residuals_that_turn_wrong_are_told(change: Callable, driver: bool) -> None:
    for call in range(2, calls_of("fun") + 1):
        fun = Changing(residuals, call, change)
        with pytest.raises((InputTypeError, ShapeError, ValueError), match=r"fun gave|inhomogeneous"):
            begin(driver, fun=fun).run()
        assert len(fun.points) == call


# --------------------------------------------------------------------------------------------------- the bare function


def fit_box(found: list[Any] | None = None, **changes: Any) -> list[Any]:
    """fit_box as it stands in the module, with what a test changes; what it tells."""
    found = [] if found is None else found
    x, f = START.copy(), residuals(START)
    control = np.array([(1e-8, 1e-8, 1e-8, 100.0, 100, 1)], CONTROL).view(np.float64)
    arguments = {
        "fun": residuals, "jac": None, "args": (), "as_residuals": None, "as_jacobian": None, "x": x, "fvec": f,
        "control": control, "state": _minpack.lm_begin(_minpack.enorm(f)), "diag": np.ones(2), "lower": None,
        "upper": None, "typical": None, "eta": None, "source": (np.finfo(float).eps, True, True, 0.0),
        "counts": (1, 0, 0, 1), **changes,
    }  # fmt: skip
    _minpack.fit_box(*arguments.values(), found)
    return found


def test_arguments_of_a_fit_stay_as_they_are() -> None:
    x, f, diag = START.copy(), residuals(START), np.ones(2)
    state, typical = _minpack.lm_begin(_minpack.enorm(f)), np.zeros(2)
    given = {"x": x, "fvec": f, "diag": diag, "state": state, "typical": typical}
    copies = {name: array.copy() for name, array in given.items()}
    ((where, *_),) = fit_box(**given)
    np.testing.assert_allclose(where[0], least_squares(residuals, START).x, rtol=1e-6)
    for name, array in given.items():
        np.testing.assert_array_equal(array, copies[name], err_msg=name)


@pytest.mark.parametrize(
    "changes",
    [
        {"x": np.ones(3)},
        {"x": np.ones((2, 1))},
        {"x": np.ones(2, np.float32)},
        {"x": np.ones(0)},
        {"x": np.ones(21)},
        {"fvec": np.ones(1)},
        {"fvec": [1.0, 2.0]},
        {"control": np.ones(4)},
        {"state": np.ones(9)},
        {"diag": np.ones(1)},
        {"diag": np.ones(4)[::2]},
        {"lower": np.zeros(2)},
        {"upper": np.zeros(2)},
        {"lower": np.zeros(3), "upper": np.ones(3)},
        {"lower": np.zeros(2), "upper": np.ones(1)},
        {"typical": np.zeros(1)},
        {"eta": np.ones(3)},
    ],
    ids=lambda changes: ", ".join(f"{name} {np.shape(value)}" for name, value in changes.items()),
)
def test_arguments_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="fit_box: arguments that don't fit"):
        fit_box(**changes)


def test_what_was_found_is_told_where_a_function_raises() -> None:
    found: list[Any] = []
    fun = Raising(residuals, 8)
    with pytest.raises(Oops):
        fit_box(found, fun=fun)
    ((where, _, _, _, source, counts, current, status),) = found
    assert status < 0
    assert counts[2] == 2
    np.testing.assert_array_equal(where[1], residuals(where[0]))
    assert source == (np.finfo(float).eps, True, True, 0.0)
    assert current is False
