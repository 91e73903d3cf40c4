"""Fits leave nothing behind in memory, however many there are and however they end."""

import contextlib
import gc
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyminpack import leastsq

STATM = Path("/proc/self/statm")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STATM.exists(), reason="/proc tells how much memory a process takes, and isn't here"),
]

# Whatever grows with the number of fits is a leak. What grows for another reason doesn't go on growing: caches and
# free lists fill up, an allocator maps another arena (256 KiB to 1 MiB at once), the test run itself notes things;
# a few blocks and pages, as seen. The smallest leak there can be is one object per fit, which is 5 000 blocks in
# the shortest run here; or the data of one array of M numbers, which Python's allocator doesn't count as blocks:
# 4 MB there.
BLOCKS_ALLOWED = 500
BYTES_ALLOWED = 1 << 20

M = 100
MATRIX = np.column_stack([np.ones(M), np.linspace(0, 1, M)])
TARGET = np.cos(np.arange(M))
START = np.array([1.0, 1.0])


def residuals(x: np.ndarray) -> np.ndarray:
    return MATRIX @ x - TARGET


def jacobian(x: np.ndarray) -> np.ndarray:
    return MATRIX


@dataclass(frozen=True)
class Growth:
    """By how much the process has grown."""

    blocks: int  # of Python's own allocator
    size: int  # bytes of memory in use, whoever allocated them

    @property
    def is_a_leak(self) -> bool:
        return self.blocks > BLOCKS_ALLOWED or self.size > BYTES_ALLOWED


def memory() -> tuple[int, int]:
    gc.collect()
    resident_pages = int(STATM.read_text().split()[1])
    return sys.getallocatedblocks(), resident_pages * os.sysconf("SC_PAGE_SIZE")


def growth(job: Callable[[], Any], times: int) -> Growth:
    """Measure over so many jobs, after some that fill caches and free lists."""
    for _ in range(times // 10):
        job()
    before = memory()
    for _ in range(times):
        job()
    after = memory()
    return Growth(*(b - a for a, b in zip(before, after, strict=True)))


# ------------------------------------------------------------------------------ the measure itself


@pytest.mark.parametrize("size", [1, 2, 100])
def test_leak_of_one_small_array_per_fit_is_found(size: int) -> None:
    leaked = []

    def job() -> None:
        leastsq(residuals, START)
        leaked.append(np.empty(size))

    assert growth(job, 5_000).is_a_leak


def test_leak_of_memory_that_python_knows_nothing_of_is_found() -> None:
    """As much as one array's data per fit, of pages that nothing has used before."""
    size, times = 8 * M, 5_000
    with mmap.mmap(-1, size * (times + times // 10)) as pages:

        def job() -> None:
            leastsq(residuals, START)
            pages.write(b"x" * size)

        grown = growth(job, times)
    assert grown.size > BYTES_ALLOWED
    assert grown.blocks < BLOCKS_ALLOWED


# ------------------------------------------------------------------------------------------ fits


class Oops(Exception):  # noqa: N818 - anything may be raised
    pass


def raising(call: int, kind: type[BaseException], func: Callable = residuals) -> Callable:
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


FITS: dict[str, Callable[[], Any]] = {
    "by differences": lambda: leastsq(residuals, START),
    "with full output": lambda: leastsq(residuals, START, full_output=True),
    "with Dfun": lambda: leastsq(residuals, START, Dfun=jacobian, full_output=True),
    "with results to convert": lambda: leastsq(
        lambda x: residuals(x).tolist(), START, Dfun=lambda x: MATRIX.T.tolist(), col_deriv=True
    ),
    "with many arguments": lambda: leastsq(lambda x, *rest: residuals(x), START, args=tuple(range(20)), diag=[1, 2]),
}
FAILURES: dict[str, Callable[[], Any]] = {
    "in func, at x0": caught(Oops, raising(1, Oops)),
    "in func, in a difference": caught(Oops, raising(3, Oops)),
    "in func, at a trial point": caught(Oops, raising(4, Oops)),
    "in Dfun": caught(Oops, residuals, Dfun=raising(1, Oops, jacobian)),
    "in Dfun, later": caught(Oops, residuals, Dfun=raising(2, Oops, jacobian)),
    "by a wrong length": caught(ValueError, wrong_length_later()),
    "by a wrong shape": caught(ValueError, residuals, Dfun=lambda x: MATRIX.T),
    "by a wrong type": caught(TypeError, residuals, Dfun=lambda x: None),
    "by a Jacobian that is not finite": caught(ValueError, residuals, Dfun=lambda x: MATRIX * np.nan),
    "by residuals that are not finite": caught(ValueError, lambda x: MATRIX[:, 0] * np.nan),
    "by too few residuals": caught(ValueError, lambda x: x[:1]),
    "by a wrong option": caught(ValueError, residuals, diag=[1, -1]),
}
INTERRUPTIONS: dict[str, Callable[[], Any]] = {
    "in func": caught(KeyboardInterrupt, raising(3, KeyboardInterrupt)),
    "in Dfun": caught(KeyboardInterrupt, residuals, Dfun=raising(2, KeyboardInterrupt, jacobian)),
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
        return residuals(leastsq(residuals, START)[0]) + x[0] - x[1]

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
    func, dfun = Callback(residuals(START), failing_func), Callback(MATRIX.copy(), failing_dfun)
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
    x, cov_x, infodict, _, _ = leastsq(residuals, START, full_output=True)
    references = [weakref.ref(array) for array in (x, cov_x, *(infodict[k] for k in ("fvec", "fjac", "ipvt", "qtf")))]
    del x, cov_x, infodict
    assert [reference() for reference in references] == [None] * 6


@pytest.mark.parametrize("failing_call", [0, 1, 2])
def test_callback_is_gone_after_its_fit(failing_call: int) -> None:
    func = Callback(residuals(START), failing_call)
    reference = weakref.ref(func)
    with contextlib.suppress(Oops):
        leastsq(func, START, full_output=True)
    del func
    assert reference() is None
