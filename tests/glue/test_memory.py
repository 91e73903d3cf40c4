"""Fits leave nothing behind in memory, however many there are and however they end."""

import contextlib
import mmap
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from measures import BLOCKS_ALLOWED, BYTES_ALLOWED, growth, needs_proc
from models import START, Oops
from pyminpack import curve_fit, leastsq

pytestmark = [
    pytest.mark.slow,
    needs_proc,
]


M = 100
MATRIX = np.column_stack([np.ones(M), np.linspace(0, 1, M)])
TARGET = np.cos(np.arange(M))


def linear(x: np.ndarray) -> np.ndarray:
    return MATRIX @ x - TARGET


def linear_jacobian(x: np.ndarray) -> np.ndarray:
    return MATRIX


# ------------------------------------------------------------------------------ the measure itself


@pytest.mark.parametrize("size", [1, 2, 100])
def test_leak_of_one_small_array_per_fit_is_found(size: int) -> None:
    leaked = []

    def job() -> None:
        leastsq(linear, START)
        leaked.append(np.empty(size))

    assert growth(job, 5_000).is_a_leak


def test_leak_of_memory_that_python_knows_nothing_of_is_found() -> None:
    """As much as one array's data per fit, of pages that nothing has used before."""
    size, times = 8 * M, 5_000
    with mmap.mmap(-1, size * (times + times // 10)) as pages:

        def job() -> None:
            leastsq(linear, START)
            pages.write(b"x" * size)

        grown = growth(job, times)
    assert grown.size > BYTES_ALLOWED
    assert grown.blocks < BLOCKS_ALLOWED


# ------------------------------------------------------------------------------------------ fits


def raising(call: int, kind: type[BaseException], func: Callable = linear) -> Callable:
    """A function that raises on every so many calls."""
    calls = 0

    def given(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls % call == 0:
            raise kind
        return func(x)

    return given


def caught(kind: type[BaseException], func: Callable, **options: Any) -> Callable[[], None]:
    """A fit that ends with an exception, which is caught."""

    def job() -> None:
        try:
            leastsq(func, START, **options)
        except kind:
            return
        pytest.fail("the fit should have failed")

    return job


def wrong_length_later() -> Callable:
    calls, longer = 0, np.append(TARGET, 0.0)

    def given(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return TARGET if calls % 2 else longer

    return given


def line(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a + b * x


def raising_model() -> Callable:
    calls = iter([False, False, True])

    def model(x: np.ndarray, a: float, b: float) -> np.ndarray:
        if next(calls):
            raise Oops
        return line(x, a, b)

    return model


def model_that_raises() -> None:
    model = raising_model()
    with contextlib.suppress(Oops):
        curve_fit(model, MATRIX[:, 1], TARGET, START)
        pytest.fail("the fit should have failed")


FITS: dict[str, Callable[[], Any]] = {
    "by differences": lambda: leastsq(linear, START),
    "with full output": lambda: leastsq(linear, START, full_output=True),
    "with Dfun": lambda: leastsq(linear, START, Dfun=linear_jacobian, full_output=True),
    "with results to convert": lambda: leastsq(
        lambda x: linear(x).tolist(), START, Dfun=lambda x: MATRIX.T.tolist(), col_deriv=True
    ),
    "with many arguments": lambda: leastsq(lambda x, *rest: linear(x), START, args=tuple(range(20)), diag=[1, 2]),
    "of a curve": lambda: curve_fit(line, MATRIX[:, 1], TARGET, START),
    "of a curve with sigma": lambda: curve_fit(line, MATRIX[:, 1], TARGET, START, MATRIX[:, 0]),
    "of a curve, to convert": lambda: curve_fit(lambda x, a, b: line(x, a, b).tolist(), MATRIX[:, 1], TARGET, START),
}
FAILURES: dict[str, Callable[[], Any]] = {
    "in func, at x0": caught(Oops, raising(1, Oops)),
    "in func, in a difference": caught(Oops, raising(3, Oops)),
    "in func, at a trial point": caught(Oops, raising(4, Oops)),
    "in Dfun": caught(Oops, linear, Dfun=raising(1, Oops, linear_jacobian)),
    "in Dfun, later": caught(Oops, linear, Dfun=raising(2, Oops, linear_jacobian)),
    "by a wrong length": caught(ValueError, wrong_length_later()),
    "by a wrong shape": caught(ValueError, linear, Dfun=lambda x: MATRIX.T),
    "by a wrong type": caught(TypeError, linear, Dfun=lambda x: None),
    "by a Jacobian that is not finite": caught(ValueError, linear, Dfun=lambda x: MATRIX * np.nan),
    "by residuals that are not finite": caught(ValueError, lambda x: MATRIX[:, 0] * np.nan),
    "by too few residuals": caught(ValueError, lambda x: x[:1]),
    "in the model of a curve": model_that_raises,
    "by a wrong option": caught(ValueError, linear, diag=[1, -1]),
}
INTERRUPTIONS: dict[str, Callable[[], Any]] = {
    "in func": caught(KeyboardInterrupt, raising(3, KeyboardInterrupt)),
    "in Dfun": caught(KeyboardInterrupt, linear, Dfun=raising(2, KeyboardInterrupt, linear_jacobian)),
}


def share(total: int, kinds: dict[str, Any]) -> int:
    """How many fits of each kind make so many of all."""
    return -(-total // len(kinds))


@pytest.mark.parametrize("job", FITS.values(), ids=FITS)
def test_fits_leave_nothing_behind(job: Callable) -> None:
    """100 000, of all kinds together."""
    grown = growth(job, share(100_000, FITS))
    assert not grown.is_a_leak, grown


@pytest.mark.parametrize("job", FAILURES.values(), ids=FAILURES)
def test_fits_that_fail_leave_nothing_behind(job: Callable) -> None:
    """100 000, of all kinds together."""
    grown = growth(job, share(100_000, FAILURES))
    assert not grown.is_a_leak, grown


@pytest.mark.parametrize("job", INTERRUPTIONS.values(), ids=INTERRUPTIONS)
def test_fits_that_are_interrupted_leave_nothing_behind(job: Callable) -> None:
    """10 000, of both kinds together."""
    grown = growth(job, share(10_000, INTERRUPTIONS))
    assert not grown.is_a_leak, grown


def test_fits_inside_of_fits_leave_nothing_behind() -> None:
    def outer(x: np.ndarray) -> np.ndarray:
        with pytest.raises(Oops):
            leastsq(inner, START)
        return linear(leastsq(linear, START)[0]) + x[0] - x[1]

    inner = raising(3, Oops)
    grown = growth(lambda: leastsq(lambda x: np.append(outer(x), x), START, maxfev=4, full_output=True), 2_000)
    assert not grown.is_a_leak, grown


# ------------------------------------------------------------------------------------ references


class Callback:
    """A function with an identity, so that references to it can be counted."""

    def __init__(self, result: np.ndarray, failing_call: int = 0) -> None:
        self.result, self.failing_call, self.calls = result, failing_call, 0

    def __call__(self, x: np.ndarray, *args: Any) -> np.ndarray:
        self.calls += 1
        if self.calls == self.failing_call:
            raise Oops
        return self.result


OUTCOMES = pytest.mark.parametrize(
    ("failing_func", "failing_dfun"), [(0, 0), (1, 0), (2, 0), (0, 1)], ids=["success", "at x0", "later", "Dfun"]
)


@OUTCOMES
@pytest.mark.parametrize("with_dfun", [False, True])
def test_references_to_what_a_fit_was_given_are_given_back(
    failing_func: int, failing_dfun: int, with_dfun: bool
) -> None:
    func, dfun = Callback(linear(START), failing_func), Callback(MATRIX.copy(), failing_dfun)
    argument, start, diag = object(), START.copy(), np.ones(2)
    held = [func, dfun, func.result, dfun.result, argument, start, diag]
    options = {"Dfun": dfun} if with_dfun else {}
    before = [sys.getrefcount(item) for item in held]
    with contextlib.suppress(Oops):
        leastsq(func, start, args=(argument,), diag=diag, full_output=True, **options)
    assert [sys.getrefcount(item) for item in held] == before


@pytest.mark.parametrize("job", [*FITS.values(), *FAILURES.values()], ids=[*FITS, *FAILURES])
def test_references_to_what_all_fits_share_are_given_back(job: Callable) -> None:
    """One too few, every time, ends the process; one too many keeps things alive for ever."""
    shared = [None, True, (), np.dtype(np.float64), np.dtype(np.intc), np.ndarray, Oops]
    times = 1000
    job()
    before = [sys.getrefcount(item) for item in shared]
    for _ in range(times):
        job()
    after = [sys.getrefcount(item) for item in shared]
    assert max(abs(b - a) for a, b in zip(before, after, strict=True)) < times / 10


def test_returned_arrays_have_no_other_owner() -> None:
    x, cov_x, infodict, _, _ = leastsq(linear, START, full_output=True)
    references = [weakref.ref(array) for array in (x, cov_x, *(infodict[k] for k in ("fvec", "fjac", "ipvt", "qtf")))]
    del x, cov_x, infodict
    assert [reference() for reference in references] == [None] * 6


@pytest.mark.parametrize("failing_call", [0, 1, 2])
def test_callback_is_gone_after_its_fit(failing_call: int) -> None:
    func = Callback(linear(START), failing_call)
    reference = weakref.ref(func)
    with contextlib.suppress(Oops):
        leastsq(func, START, full_output=True)
    del func
    assert reference() is None
