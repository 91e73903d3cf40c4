"""Whatever can be called can be fitted; how often it is called, where, and with what arguments."""

import functools
import operator
import weakref
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest

from checks import assert_same_fit, fit
from models import EXACT_T, EXACT_Y, START, Recorder, decay, decay_jacobian, decay_of, decay_of_jacobian
from problems.mgh import Run, runs
from problems.strd import load
from pyminpack import leastsq

BY_DIFFERENCES = fit(decay)
BY_JACOBIAN = fit(decay, Dfun=decay_jacobian)


# ---------------------------------------------------------------------------- kinds of callables


class Model:
    """Callables of many kinds around one function of x."""

    def __init__(self, func: Callable) -> None:
        self.func = func

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.func(x)

    def method(self, x: np.ndarray) -> np.ndarray:
        return self.func(x)

    def stepwise(self) -> Iterator[Any]:
        x = yield
        while True:
            x = yield self.func(x)


class ModelWithSlots:
    __slots__ = ("func",)

    def __init__(self, func: Callable) -> None:
        self.func = func

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.func(x)


def as_class(func: Callable) -> type:
    return type("Residuals", (), {"__new__": lambda cls, x: func(x)})


def as_class_method(func: Callable) -> Callable:
    return type("Residuals", (), {"given": classmethod(lambda cls, x: func(x))}).given


def as_static_method(func: Callable) -> Callable:
    return type("Residuals", (), {"given": staticmethod(lambda x: func(x))})().given


def as_generator(func: Callable) -> Callable:
    generator = Model(func).stepwise()
    next(generator)
    return generator.send


def decorated(func: Callable) -> Callable:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


def with_defaults(func: Callable) -> Callable:
    def given(x: np.ndarray, times: np.ndarray = EXACT_T, *, unit: float = 1.0, **rest: Any) -> np.ndarray:
        assert times is EXACT_T
        assert (unit, rest) == (1.0, {})
        return func(x)

    return given


def with_any_number_of_arguments(func: Callable) -> Callable:
    def given(*args: Any) -> np.ndarray:
        assert len(args) == 1
        return func(*args)

    return given


def positional_only(func: Callable) -> Callable:
    def given(x: np.ndarray, /) -> np.ndarray:
        return func(x)

    return given


KINDS: dict[str, Callable[[Callable], Callable]] = {
    "function": lambda func: func,
    "lambda": lambda func: lambda x: func(x),
    "partial": lambda func: functools.partial(lambda first, x: func(x), None),
    "partial with keywords": lambda func: functools.partial(lambda x, unit: func(x), unit=1.0),
    "bound method": lambda func: Model(func).method,
    "instance": Model,
    "instance with slots": ModelWithSlots,
    "class": as_class,
    "class method": as_class_method,
    "static method": as_static_method,
    "staticmethod object": staticmethod,
    "generator's send": as_generator,
    "decorated": decorated,
    "singledispatch": functools.singledispatch,
    "defaults and keywords": with_defaults,
    "any number of arguments": with_any_number_of_arguments,
    "positional only": positional_only,
    "method wrapper": lambda func: Model(func).__call__,
    "weak proxy": lambda func: weakref.proxy(func),
    "mock": lambda func: mock.Mock(side_effect=func),
    "magic mock": lambda func: mock.MagicMock(side_effect=func),
    "vectorize with a signature": lambda func: np.vectorize(func, signature="(n)->(m)"),
}
KINDS_FOR_JACOBIANS = {**KINDS, "vectorize with a signature": lambda f: np.vectorize(f, signature="(n)->(m,n)")}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_residuals_from_any_kind_of_callable(kind: Callable) -> None:
    assert_same_fit(fit(kind(decay)), BY_DIFFERENCES)


@pytest.mark.parametrize("kind", KINDS_FOR_JACOBIANS.values(), ids=KINDS_FOR_JACOBIANS)
def test_jacobian_from_any_kind_of_callable(kind: Callable) -> None:
    assert_same_fit(fit(decay, Dfun=kind(decay_jacobian)), BY_JACOBIAN)


@pytest.mark.parametrize(
    ("func", "answer"),
    [
        pytest.param(np.sin, 0, id="ufunc"),
        pytest.param(np.arctan, 0, id="another ufunc"),
        pytest.param(np.vectorize(lambda value: value - 3), 3, id="vectorize"),
        pytest.param(np.polynomial.Polynomial([-3.0, 1.0]), 3, id="polynomial"),
        pytest.param(np.asarray, 0, id="builtin"),
        pytest.param(operator.neg, 0, id="operator"),
        pytest.param(operator.itemgetter(slice(None)), 0, id="itemgetter"),
        pytest.param(operator.methodcaller("copy"), 0, id="methodcaller"),
        pytest.param(np.ndarray.copy, 0, id="method descriptor"),
        pytest.param(np.array([3.0, 3.0]).__sub__, 3, id="slot wrapper"),
        pytest.param(functools.partial(np.subtract, 3.0), 3, id="partial of a ufunc"),
        pytest.param(functools.partial(operator.add, -3.0), 3, id="partial of a builtin"),
    ],
)
def test_callables_written_in_c(func: Callable, answer: float) -> None:
    np.testing.assert_allclose(fit(func, [0.2, -0.1])[0], answer, atol=1e-7)


Data = namedtuple("Data", "times data")


@pytest.mark.parametrize(
    ("func", "args"),
    [
        pytest.param(decay_of, (EXACT_T, EXACT_Y), id="tuple"),
        pytest.param(decay_of, Data(EXACT_T, EXACT_Y), id="named tuple"),
        pytest.param(lambda x, *args: decay_of(x, *args), (EXACT_T, EXACT_Y), id="tuple for *args"),
        pytest.param(lambda x, given: decay_of(x, *given), [EXACT_T, EXACT_Y], id="list"),
        pytest.param(lambda x, given: decay_of(x, *given), ((EXACT_T, EXACT_Y),), id="tuple in a tuple"),
        pytest.param(lambda x, data: decay_of(x, EXACT_T, data), EXACT_Y, id="array"),
        pytest.param(lambda x, unit: decay_of(x, EXACT_T, unit * EXACT_Y), 1.0, id="number"),
        pytest.param(lambda x, nothing: decay(x) if nothing is None else None, None, id="None"),
        pytest.param(lambda x, given: decay_of(x, **given), {"times": EXACT_T, "data": EXACT_Y}, id="dictionary"),
        pytest.param(decay, (), id="empty"),
        pytest.param(lambda x, *args: decay(x) if args == tuple(range(40)) else None, tuple(range(40)), id="many"),
    ],
)
def test_further_arguments(func: Callable, args: Any) -> None:
    assert_same_fit(fit(func, args=args), BY_DIFFERENCES)


def decay_jacobian_star(x: np.ndarray, *args: Any) -> np.ndarray:
    return decay_of_jacobian(x, *args)


class ModelWithData:
    def residuals(self, x: np.ndarray, times: np.ndarray, data: np.ndarray) -> np.ndarray:
        return decay_of(x, times, data)

    def jacobian(self, x: np.ndarray, times: np.ndarray, data: np.ndarray) -> np.ndarray:
        return decay_of_jacobian(x, times, data)

    __call__ = jacobian


@pytest.mark.parametrize(
    "jacobian",
    [
        pytest.param(decay_of_jacobian, id="function"),
        pytest.param(lambda x, times, data: decay_of_jacobian(x, times, data), id="lambda"),
        pytest.param(decay_jacobian_star, id="*args"),
        pytest.param(ModelWithData().jacobian, id="bound method"),
        pytest.param(ModelWithData(), id="instance"),
        pytest.param(functools.partial(lambda first, *rest: decay_of_jacobian(*rest), None), id="partial"),
    ],
)
def test_further_arguments_go_to_dfun_too(jacobian: Callable) -> None:
    assert_same_fit(fit(ModelWithData().residuals, args=(EXACT_T, EXACT_Y), Dfun=jacobian), BY_JACOBIAN)


def test_further_arguments_are_passed_as_they_are() -> None:
    given = (object(), [1, 2], EXACT_T)

    def residuals(x: np.ndarray, *args: Any) -> np.ndarray:
        assert all(a is b for a, b in zip(args, given, strict=True))
        return decay(x)

    fit(residuals, args=given)


# --------------------------------------------------------------------------------- counting


RUNS = pytest.mark.parametrize("run", runs(), ids=lambda run: run.problem.name)


@RUNS
def test_nfev_is_the_number_of_calls(run: Run) -> None:
    func = Recorder(run.problem.residuals)
    infodict = leastsq(func, run.problem.start, full_output=True)[2]
    assert infodict["nfev"] == len(func.at)
    assert "njev" not in infodict


@RUNS
def test_nfev_and_njev_are_the_numbers_of_calls(run: Run) -> None:
    func, jacobian = Recorder(run.problem.residuals), Recorder(run.problem.jacobian)
    infodict = leastsq(func, run.problem.start, Dfun=jacobian, full_output=True)[2]
    assert (infodict["nfev"], infodict["njev"]) == (len(func.at), len(jacobian.at))


def test_nfev_counts_calls_whose_residuals_were_not_finite() -> None:
    mgh17 = load("MGH17")
    func = Recorder(mgh17.residuals)
    infodict = leastsq(func, mgh17.starts[0], full_output=True)[2]
    assert not all(np.isfinite(mgh17.residuals(x)).all() for x in func.at)
    assert infodict["nfev"] == len(func.at)


def test_first_calls_are_x0_and_the_differences() -> None:
    func = Recorder(decay)
    fit(func)
    np.testing.assert_array_equal(func.at[0], START)
    step = np.sqrt(np.finfo(float).eps)
    np.testing.assert_array_equal(func.at[1:3], [[1 + step, 1], [1, 1 + step]])
    assert np.linalg.norm(func.at[3] - START) > 0.01


def test_no_point_is_evaluated_twice() -> None:
    func, jacobian = Recorder(decay), Recorder(decay_jacobian)
    fit(func, Dfun=jacobian)
    for calls in (func.at, jacobian.at):
        assert len({x.tobytes() for x in calls}) == len(calls)
