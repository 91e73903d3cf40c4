"""Whatever can be called can be fitted, whatever it does with its arguments and whatever it keeps."""

import ctypes
import functools
import itertools
import operator
import shutil
import subprocess
import sys
import threading
import weakref
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from checks import SUCCESS, assert_same_fit, fit
from models import ANSWER, EXACT_T, EXACT_Y, START, Oops, Recorder, decay, decay_jacobian, decay_of, decay_of_jacobian
from problems.mgh import Run, runs
from problems.strd import load
from pyminpack import _minpack, leastsq

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


# ---------------------------------------------------------------- callbacks that touch their arguments


def fill(x: np.ndarray) -> None:
    x[:] = np.nan


def retype(x: np.ndarray) -> None:
    x.dtype = np.int64


def swap_bytes(x: np.ndarray) -> None:
    x.dtype = ">f8"


def reshape(x: np.ndarray) -> None:
    x.shape = (2, 1)


def grow(x: np.ndarray) -> None:
    x.resize(50, refcheck=False)


def shrink(x: np.ndarray) -> None:
    x.resize(1, refcheck=False)


def add_dimension(x: np.ndarray) -> None:
    x.resize((1, 2), refcheck=False)


def freeze(x: np.ndarray) -> None:
    x.setflags(write=False)


KEPT: list[Any] = []


def keep(x: np.ndarray) -> None:
    KEPT.append(x)


def keep_view(x: np.ndarray) -> None:
    KEPT.append(x[1:])


def keep_memoryview(x: np.ndarray) -> None:
    KEPT.append(memoryview(x))


def keep_weakref(x: np.ndarray) -> None:
    KEPT.append(weakref.ref(x))


def keep_weakref_and_fill(x: np.ndarray) -> None:
    KEPT.append(weakref.ref(x))
    x[:] = 1e300


def keep_in_a_cycle(x: np.ndarray) -> None:
    cycle: list[Any] = [x]
    cycle.append(cycle)


TOUCHES = (fill, retype, swap_bytes, reshape, grow, shrink, add_dimension, freeze, keep, keep_view, keep_memoryview,
           keep_weakref, keep_weakref_and_fill, keep_in_a_cycle)  # fmt: skip


def assert_as_new(x: np.ndarray) -> None:
    """Whatever became of the arrays of earlier calls."""
    assert type(x) is np.ndarray
    assert (x.shape, x.dtype) == ((2,), np.float64)
    assert x.flags.owndata
    assert x.flags.carray


def touching(func: Callable, touch: Callable, every: int = 1) -> Callable:
    """Compute first, then do something to the argument array, on every so many calls."""
    calls = itertools.count()

    def given(x: np.ndarray) -> np.ndarray:
        assert_as_new(x)
        result = func(x)
        if next(calls) % every == 0:
            touch(x)
        return result

    return given


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    KEPT.clear()
    yield
    KEPT.clear()


# NumPy is about to forbid some of these changes, and warns.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("every", [1, 2, 3])
def test_what_func_does_to_its_argument_changes_nothing(touch: Callable, every: int) -> None:
    start = np.array(START)
    assert_same_fit(fit(touching(decay, touch, every), start), BY_DIFFERENCES)
    np.testing.assert_array_equal(start, START)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("every", [1, 2])
def test_what_dfun_does_to_its_argument_changes_nothing(touch: Callable, every: int) -> None:
    start = np.array(START)
    func, jacobian = touching(decay, touch, 3), touching(decay_jacobian, touch, every)
    assert_same_fit(fit(func, start, Dfun=jacobian), BY_JACOBIAN)
    np.testing.assert_array_equal(start, START)


class Keeper:
    """A function that keeps its argument arrays, and copies of them to compare with later."""

    def __init__(self, func: Callable) -> None:
        self.func = func
        self.arrays: list[np.ndarray] = []
        self.copies: list[np.ndarray] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.arrays.append(x)
        self.copies.append(x.copy())
        return self.func(x)


def assert_arguments_stand_alone(arrays: list[np.ndarray], copies: list[np.ndarray]) -> None:
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert type(array) is np.ndarray
        assert array.dtype == np.float64
        assert array.shape == copy.shape
        assert array.base is None
        assert array.flags.owndata
        assert array.flags.carray
    assert len({array.ctypes.data for array in arrays}) == len(arrays)


def test_arguments_that_func_keeps_stay_as_they_were() -> None:
    func, start = Keeper(decay), np.array(START)
    fit(func, start)
    assert_arguments_stand_alone([start, *func.arrays], [np.array(START), *func.copies])


def test_arguments_that_func_and_dfun_keep_stay_as_they_were() -> None:
    func, jacobian, start = Keeper(decay), Keeper(decay_jacobian), np.array(START)
    fit(func, start, Dfun=jacobian)
    assert_arguments_stand_alone(
        [start, *func.arrays, *jacobian.arrays], [np.array(START), *func.copies, *jacobian.copies]
    )


def test_arguments_kept_now_and_then_stay_as_they_were() -> None:
    """An array that nobody holds is used again; one that somebody came to hold must not be."""
    arrays, copies, calls = [], [], itertools.count()

    def residuals(x: np.ndarray) -> np.ndarray:
        if next(calls) % 3 == 1:
            arrays.append(x)
            copies.append(x.copy())
        return decay(x)

    fit(residuals)
    assert len(arrays) > 3
    assert_arguments_stand_alone(arrays, copies)


def test_weak_references_to_arguments_end_with_the_call() -> None:
    """Rather than come to refer to the argument of another one."""
    seen: list[weakref.ref] = []

    def residuals(x: np.ndarray) -> np.ndarray:
        assert not any(reference() is not None for reference in seen)
        seen.append(weakref.ref(x))
        return decay(x)

    fit(residuals)
    assert len(seen) > 3
    assert not any(reference() is not None for reference in seen)


# -------------------------------------------------------------------- callbacks that reuse their results


def test_func_may_give_the_same_array_every_time() -> None:
    buffer = np.empty(EXACT_T.size)

    def residuals(x: np.ndarray) -> np.ndarray:
        buffer[:] = decay(x)
        return buffer

    result = fit(residuals)
    assert_same_fit(result, BY_DIFFERENCES)
    buffer[:] = 77
    assert_same_fit(result, BY_DIFFERENCES)


@pytest.mark.parametrize("col_deriv", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dfun_may_give_the_same_array_every_time(order: str, col_deriv: bool) -> None:
    buffer = np.empty((2, EXACT_T.size) if col_deriv else (EXACT_T.size, 2), order=order)

    def jacobian(x: np.ndarray) -> np.ndarray:
        buffer[:] = decay_jacobian(x).T if col_deriv else decay_jacobian(x)
        return buffer

    result = fit(decay, Dfun=jacobian, col_deriv=col_deriv)
    assert_same_fit(result, BY_JACOBIAN)
    buffer[:] = 77
    assert_same_fit(result, BY_JACOBIAN)


def test_func_may_change_a_result_later() -> None:
    """The array of one call is overwritten during the next, when the residuals were long taken."""
    results: list[np.ndarray] = []

    def residuals(x: np.ndarray) -> np.ndarray:
        for result in results:
            result[:] = np.nan
        results.append(decay(x))
        return results[-1]

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


@pytest.mark.parametrize("start", [[7.0, -5.0], [3.0, 3.0]])
def test_func_may_give_its_own_argument(start: list[float]) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        x -= 3
        return x

    np.testing.assert_allclose(fit(residuals, start)[0], 3, atol=1e-7)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[:2],
        lambda x: x.reshape(3, 1),
        lambda x: x[np.newaxis],
        lambda x: np.broadcast_to(x, (2, 3)),
    ],
    ids=["reversed", "first two", "column", "row", "repeated"],
)
def test_func_may_give_a_view_of_its_own_argument(view: Callable) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        x -= [3, 4, 5]
        return view(x)

    size = view(np.zeros(3)).size
    x0 = [1.0, 2.0, 3.0]
    if size < 3:
        with pytest.raises(TypeError, match="M = 2 residuals for N = 3"):
            leastsq(residuals, x0)
    else:
        np.testing.assert_allclose(fit(residuals, x0)[0], [3, 4, 5], atol=1e-7)


def test_dfun_may_give_its_own_argument() -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x

    np.testing.assert_allclose(fit(lambda x: x**2 - 4, [5.0], Dfun=jacobian)[0], 2)


# -------------------------------------------------------------------------- layouts of results


def unaligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    result = raw[1:].view(np.float64).reshape(array.shape)
    result[:] = array
    assert not result.flags.aligned
    return result


def read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def spread(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 3, axis=-1)[..., ::3]


def backward(array: np.ndarray) -> np.ndarray:
    return array[::-1].copy()[::-1]


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "unaligned": unaligned,
    "unaligned and read-only": lambda array: read_only(unaligned(array)),
    "read-only": read_only,
    "spread": spread,
    "backward": backward,
    "backward and spread": lambda array: backward(spread(array)),
    "big-endian": lambda array: array.astype(">f8"),
    "big-endian, spread": lambda array: spread(array.astype(">f8")),
    "Fortran order": np.asfortranarray,
    "long double": lambda array: array.astype(np.longdouble),
    "subclass": lambda array: array.view(type("Labelled", (np.ndarray,), {})),
    "another float64 dtype": lambda array: array.astype(np.dtype("f8", metadata={"unit": "m"})),
    "column of a record": lambda array: array.astype([("value", float), ("flag", bool)])["value"],
    "memory map": lambda array: array.view(np.memmap),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_residuals_of_any_layout(layout: Callable) -> None:
    assert_same_fit(fit(lambda x: layout(decay(x))), BY_DIFFERENCES)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobians_of_any_layout(layout: Callable, col_deriv: bool) -> None:
    def jacobian(x: np.ndarray) -> Any:
        return layout(decay_jacobian(x).T.copy() if col_deriv else decay_jacobian(x))

    assert_same_fit(fit(decay, Dfun=jacobian, col_deriv=col_deriv), BY_JACOBIAN)


@pytest.mark.parametrize("m", [511, 512, 513, 1025])
@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, backward, spread], ids=["C", "F", "back", "spread"])
@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobians_with_more_rows_than_are_copied_at_once(m: int, layout: Callable, col_deriv: bool) -> None:
    """The first step solves a linear problem, unless a row or a column is out of its place."""
    rows = np.arange(m)
    design = np.column_stack([np.cos(rows), np.cos(rows**2), np.sqrt(rows)])
    data = np.sin(7 * rows)
    given = layout(design.T.copy() if col_deriv else design)
    func = Recorder(lambda x: design @ x - data)
    fit(func, np.zeros(3), Dfun=lambda x: given, col_deriv=col_deriv)
    np.testing.assert_allclose(func.at[1], np.linalg.lstsq(design, data, rcond=None)[0], rtol=1e-9)


def test_jacobian_of_repeated_memory() -> None:
    x = fit(lambda x: x[0] - np.arange(5.0), [1.0], Dfun=lambda x: np.broadcast_to(1.0, (5, 1)))[0]
    np.testing.assert_allclose(x, 2)


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


@pytest.mark.parametrize("kind", ["array", "list", "read-only"])
def test_x0_stays_as_it_is(kind: str) -> None:
    start: Any = np.array(START)
    start.setflags(write=kind != "read-only")
    if kind == "list":
        start = start.tolist()
    x = fit(touching(decay, fill), start)[0]
    np.testing.assert_array_equal(start, START)
    assert not np.shares_memory(x, start)


@pytest.mark.parametrize("shape", [(2,), (2, 1)], ids=str)
def test_func_may_change_the_array_that_was_x0(shape: tuple[int, ...]) -> None:
    """The caller's own, which the fit has copied: say, to keep the best point there."""
    start = np.ones(shape)

    def residuals(x: np.ndarray) -> np.ndarray:
        start[:] += 1
        return decay(x)

    func = Recorder(residuals)
    result = fit(func, start)
    np.testing.assert_array_equal(func.at[1:3], [[1 + 2.0**-26, 1], [1, 1 + 2.0**-26]])
    assert_same_fit(result, BY_DIFFERENCES)


# ------------------------------------------------------------------------------- fits inside of fits


def amplitude(rate: float, **options: Any) -> float:
    """Fit the amplitude alone, for a given rate: 9 residuals and 1 parameter."""
    shape = np.exp(-rate * EXACT_T)
    return fit(lambda a: a[0] * shape - EXACT_Y, [1.0], **options)[0][0]


def test_fit_inside_of_func() -> None:
    rate = fit(lambda x: decay(np.array([amplitude(x[0]), x[0]])), [1.0])[0][0]
    np.testing.assert_allclose([amplitude(rate), rate], ANSWER, rtol=1e-6)


def test_fits_inside_of_fits_inside_of_fits() -> None:
    """Each level has sizes of its own: 9 x 1 inside of 10 x 1 inside of 3 x 2."""

    def rate(offset: float) -> float:
        def residuals(x: np.ndarray) -> np.ndarray:
            return np.append(decay(np.array([amplitude(x[0]), x[0]])), 0.0) + offset

        return fit(residuals, [1.0])[0][0]

    x = fit(lambda x: np.array([x[0] - rate(0.0), x[1] - 2, x[0] + x[1] - rate(0.0) - 2]), START)[0]
    np.testing.assert_allclose(x, [ANSWER[1], 2], rtol=1e-6)


def test_fit_inside_of_a_fit_changes_nothing_in_the_outer_one() -> None:
    """Neither its own differences nor its Jacobian nor the argument that it is at."""

    def residuals(x: np.ndarray) -> np.ndarray:
        before = x.copy()
        fit(lambda a: np.array([a[0] - 1, a[1] - 2, a[2] - 3, 0.0]), [0.0, 0.0, 0.0])
        np.testing.assert_array_equal(x, before)
        return decay(x)

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


def test_fit_inside_of_dfun() -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        fit(lambda a: a - 1, np.zeros(4), Dfun=lambda a: np.eye(4))
        return decay_jacobian(x)

    assert_same_fit(fit(decay, Dfun=jacobian), BY_JACOBIAN)


def test_fit_of_a_function_inside_of_a_fit_of_the_same_function() -> None:
    inside = False

    def residuals(x: np.ndarray) -> np.ndarray:
        nonlocal inside
        if not inside:
            inside = True
            assert_same_fit(fit(residuals), BY_DIFFERENCES)
            inside = False
        return decay(x)

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


def failing(x: np.ndarray, call: int = 3) -> Callable:
    calls = itertools.count(1)

    def residuals(a: np.ndarray) -> np.ndarray:
        if next(calls) == call:
            raise Oops(float(x[0]))
        return a - 1

    return residuals


@pytest.mark.parametrize("call", [1, 2, 3])
def test_fit_inside_that_fails_can_be_caught(call: int) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        with pytest.raises(Oops):
            leastsq(failing(x, call), np.zeros(4))
        return decay(x)

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


def test_fit_inside_that_fails_stops_the_outer_one() -> None:
    calls = Recorder(lambda x: decay(x) if len(calls.at) < 4 else leastsq(failing(x), np.zeros(4)))
    with pytest.raises(Oops) as caught:
        leastsq(calls, START)
    assert caught.value.args == (calls.at[3][0],)
    assert len(calls.at) == 4


def test_fit_while_a_result_is_converted() -> None:
    class Lazy:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x.copy()

        def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
            fit(lambda a: a - 1, np.zeros(4))
            return decay(self.x)

    assert_same_fit(fit(Lazy), BY_DIFFERENCES)


# ------------------------------------------------------------------------------------ threads


def in_threads(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Do each job in a thread of its own, all at once, and give what they gave or raised."""
    results: list[Any] = [None] * len(jobs)
    ready = threading.Barrier(len(jobs))

    def work(i: int, job: Callable) -> None:
        ready.wait()
        try:
            results[i] = job()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def restless_interpreter() -> Iterator[None]:
    """Threads take turns as often as they can, so that their callbacks interleave."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def fit_all(some: list[Run]) -> list[tuple]:
    fits = []
    for run in some:
        fits.append(leastsq(run.problem.residuals, run.problem.start, full_output=True))
        fits.append(leastsq(run.problem.residuals, run.problem.start, Dfun=run.problem.jacobian, full_output=True))
    return fits


@pytest.mark.usefixtures("restless_interpreter")
def test_fits_in_eight_threads_are_those_of_one() -> None:
    """Problems of all sizes, dealt out to the threads like cards."""
    hands = [runs()[i::8] for i in range(8)]
    expected = [fit_all(hand) for hand in hands]
    for these, those in zip(in_threads([functools.partial(fit_all, hand) for hand in hands]), expected, strict=True):
        assert not isinstance(these, BaseException), these
        for this, that in zip(these, those, strict=True):
            assert_same_fit(this, that)


@pytest.mark.usefixtures("restless_interpreter")
def test_exception_in_one_thread_is_nothing_to_the_others() -> None:
    def often(job: Callable) -> Callable:
        return lambda: [job() for _ in range(20)][-1]

    def fail() -> None:
        with pytest.raises(Oops):
            leastsq(failing(np.zeros(1)), np.zeros(4))

    results = in_threads([often(lambda: fit(decay)), often(fail)] * 4)
    for good, bad in zip(results[::2], results[1::2], strict=True):
        assert_same_fit(good, BY_DIFFERENCES)
        assert bad is None


# ------------------------------------------------------------------------------ what comes back


def arrays_of(result: tuple) -> dict[str, np.ndarray]:
    x, cov_x, infodict, _, _ = result
    return {"x": x, "cov_x": cov_x, **{k: v for k, v in infodict.items() if isinstance(v, np.ndarray)}}


@pytest.mark.parametrize("options", [{}, {"Dfun": decay_jacobian}], ids=["differences", "Dfun"])
def test_returned_arrays_are_the_callers_own(options: dict) -> None:
    start, buffer = np.array(START), np.empty(EXACT_T.size)

    def residuals(x: np.ndarray) -> np.ndarray:
        buffer[:] = decay(x)
        return buffer

    first, second = (arrays_of(fit(residuals, start, **options)) for _ in range(2))
    assert set(first) == {"x", "cov_x", "fvec", "fjac", "ipvt", "qtf"}
    for name, array in first.items():
        assert type(array) is np.ndarray, name
        assert array.flags.owndata, name
        assert array.flags.writeable, name
        array += 1  # none of the others may change with it
    for name, array in second.items():
        np.testing.assert_array_equal(array + 1, first[name], err_msg=name)
    for this, that in itertools.combinations([start, buffer, *first.values(), *second.values()], 2):
        assert not np.shares_memory(this, that)


def test_returned_x_without_full_output_is_the_callers_own() -> None:
    start = np.array(START)
    x, again = leastsq(decay, start)[0], leastsq(decay, start)[0]
    assert x.flags.owndata
    assert x.flags.writeable
    assert not any(itertools.starmap(np.shares_memory, itertools.combinations([start, x, again], 2)))


def test_arrays_returned_from_a_fit_that_took_no_step_are_the_callers_own() -> None:
    start, zeros = np.array(START), np.zeros(3)
    result = leastsq(lambda x: zeros, start, full_output=True)
    x, fvec = result[0], result[2]["fvec"]
    np.testing.assert_array_equal(x, start)
    assert not np.shares_memory(x, start)
    assert not np.shares_memory(fvec, zeros)


def test_arrays_returned_without_parameters_are_the_callers_own() -> None:
    start, residuals = np.empty(0), np.ones(3)
    x, _, infodict, _, _ = leastsq(lambda x: residuals, start, full_output=True)
    assert x is not start
    assert not np.shares_memory(infodict["fvec"], residuals)


# -------------------------------------------------------------------------- compiled callbacks


INT = ctypes.POINTER(ctypes.c_int)
DOUBLE = ctypes.POINTER(ctypes.c_double)
RESIDUALS = ctypes.CFUNCTYPE(None, INT, INT, DOUBLE, DOUBLE, INT)
JACOBIAN = ctypes.CFUNCTYPE(None, INT, INT, DOUBLE, DOUBLE, DOUBLE, INT, INT)

TOLERANCES = (1.49012e-8, 1.49012e-8, 0.0, 600)
NO_SCALE = np.empty(0)


def capsule(function: Any, name: bytes | None = None) -> Any:
    """Wrap a ctypes function; the caller keeps it, and `name`, alive."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.cast(function, ctypes.c_void_p), name, None)


def seen(address: Any, *shape: int) -> np.ndarray:
    return np.ctypeslib.as_array(address, shape)


@pytest.mark.parametrize("name", [None, b"void (int *, int *, double *, double *, int *)"], ids=["unnamed", "named"])
def test_capsule_of_residuals(name: bytes | None) -> None:
    @RESIDUALS
    def residuals(m: Any, n: Any, x: Any, fvec: Any, iflag: Any) -> None:
        seen(fvec, m[0])[:] = decay(seen(x, n[0]))

    start, first = np.array(START), decay(np.array(START))
    given = _minpack.lmdif(capsule(residuals, name), start, first, *TOLERANCES, 0.0, NO_SCALE, 100.0)
    expected = _minpack.lmdif(decay, start, first, *TOLERANCES, 0.0, NO_SCALE, 100.0)
    for this, that in zip(given, expected, strict=True):
        np.testing.assert_array_equal(this, that)
    np.testing.assert_array_equal(start, START)


def test_capsule_of_residuals_and_their_jacobian() -> None:
    @JACOBIAN
    def both(m: Any, n: Any, x: Any, fvec: Any, fjac: Any, ldfjac: Any, iflag: Any) -> None:
        if iflag[0] == 1:
            seen(fvec, m[0])[:] = decay(seen(x, n[0]))
        else:
            seen(fjac, n[0], ldfjac[0])[:, : m[0]] = decay_jacobian(seen(x, n[0])).T

    start, first = np.array(START), decay(np.array(START))
    wrapped = capsule(both)
    given = _minpack.lmder(wrapped, wrapped, start, first, False, *TOLERANCES, NO_SCALE, 100.0)
    expected = _minpack.lmder(decay, decay_jacobian, start, first, False, *TOLERANCES, NO_SCALE, 100.0)
    for this, that in zip(given, expected, strict=True):
        np.testing.assert_array_equal(this, that)


@pytest.mark.parametrize("call", [1, 2, 4, 7])
@pytest.mark.parametrize("flag", [-1, -42])
def test_capsule_that_asks_to_stop(call: int, flag: int) -> None:
    calls = itertools.count(1)
    last = 0

    @RESIDUALS
    def residuals(m: Any, n: Any, x: Any, fvec: Any, iflag: Any) -> None:
        nonlocal last
        last = next(calls)
        seen(fvec, m[0])[:] = decay(seen(x, n[0]))
        if last == call:
            iflag[0] = flag

    first = decay(np.array(START))
    info = _minpack.lmdif(capsule(residuals), np.array(START), first, *TOLERANCES, 0.0, NO_SCALE, 100.0)[2]
    assert info == flag
    assert last == call


def test_capsule_inside_of_a_fit_with_python() -> None:
    @RESIDUALS
    def residuals(m: Any, n: Any, x: Any, fvec: Any, iflag: Any) -> None:
        seen(fvec, m[0])[:] = seen(x, n[0])[0] - np.arange(4.0)

    wrapped = capsule(residuals)

    def outer(x: np.ndarray) -> np.ndarray:
        mean = _minpack.lmdif(wrapped, np.zeros(1), np.ones(4), *TOLERANCES, 0.0, NO_SCALE, 100.0)[0]
        np.testing.assert_allclose(mean, 1.5, rtol=1e-6)
        return decay(x)

    assert_same_fit(fit(outer), BY_DIFFERENCES)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Residuals (x1 - 3, x2 - 4, x1 + x2 - 7) in C, which count their calls, and those that held the GIL."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder: Path = tmp_path_factory.mktemp("compiled")
    source, library = folder / "residuals.c", folder / "residuals.so"
    source.write_text("""
        extern int PyGILState_Check(void);
        int calls, held;
        void residuals(int *m, int *n, double *x, double *fvec, int *iflag)
        {
            calls++;
            held += PyGILState_Check();
            fvec[0] = x[0] - 3;
            fvec[1] = x[1] - 4;
            fvec[2] = x[0] + x[1] - 7;
        }
    """)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


def test_compiled_residuals_are_called_without_the_gil(compiled: ctypes.CDLL) -> None:
    x, fvec, info, nfev, *_ = _minpack.lmdif(
        capsule(compiled.residuals), np.ones(2), np.ones(3), *TOLERANCES, 0.0, NO_SCALE, 100.0
    )
    assert info in SUCCESS
    np.testing.assert_allclose(x, [3, 4])
    np.testing.assert_allclose(fvec, 0, atol=1e-7)
    assert ctypes.c_int.in_dll(compiled, "calls").value == nfev
    assert ctypes.c_int.in_dll(compiled, "held").value == 0
