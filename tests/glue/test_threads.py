"""Fits in many threads at once are those of one, and other threads go on meanwhile."""

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from c_library import c_jacobian, c_residuals, library
from checks import assert_same_fit, assert_same_result, fit
from models import START, TALL_START, Oops, Raising, decay, jacobian, residuals, tall, tall_jacobian
from problems.mgh import Run, runs
from pyminpack import least_squares, leastsq, leastsq_blocks

BY_DIFFERENCES = fit(decay)


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
def switch_interval() -> Iterator[Callable[[float], None]]:
    """After how many seconds a thread may take its turn by force; what it was comes back."""
    interval = sys.getswitchinterval()
    yield sys.setswitchinterval
    sys.setswitchinterval(interval)


@pytest.fixture
def restless_interpreter(switch_interval: Callable[[float], None]) -> None:
    """Threads take turns as often as they can, so that their callbacks interleave."""
    switch_interval(1e-6)


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


def by_blocks() -> Any:
    halves = [slice(0, 10), slice(10, 20)]
    return leastsq_blocks(lambda x, rows: residuals(x)[rows], START, halves, jac=lambda x, rows: jacobian(x)[rows])


def one_of_each() -> list[Any]:
    """Fits of every kind, by every way that there is through the extension module."""
    fits = [
        leastsq(decay, START, full_output=True),
        leastsq(tall, TALL_START, Dfun=tall_jacobian, full_output=True),
        least_squares(residuals, START, bounds=([0, 0], [2.2, 2])),
        least_squares(residuals, START, jacobian, loss="soft_l1", f_scale=0.1),
        by_blocks(),
    ]
    if library() is not None:
        fits.append(leastsq(c_residuals(), START, full_output=True))
        fits.append(least_squares(c_residuals(), START, c_jacobian(), bounds=([0, 0], [2.2, 2])))
    return fits


@pytest.mark.usefixtures("restless_interpreter")
def test_fits_of_every_kind_in_eight_threads_are_those_of_one() -> None:
    expected = one_of_each()
    for found in in_threads([lambda: [one_of_each() for _ in range(20)]] * 8):
        assert not isinstance(found, BaseException), found
        for fits in found:
            for this, that in zip(fits, expected, strict=True):
                if isinstance(this, tuple):
                    assert_same_fit(this, that)
                elif hasattr(this, "active_mask"):
                    assert_same_result(this, that)
                else:
                    np.testing.assert_array_equal(this.x, that.x)
                    np.testing.assert_array_equal(this.cov_x, that.cov_x)


@pytest.mark.usefixtures("restless_interpreter")
def test_exception_in_one_thread_is_nothing_to_the_others() -> None:
    def often(job: Callable) -> Callable:
        return lambda: [job() for _ in range(20)][-1]

    def fail() -> None:
        with pytest.raises(Oops):
            leastsq(Raising(lambda a: a - 1, 3), np.zeros(4))

    results = in_threads([often(lambda: fit(decay)), often(fail)] * 4)
    for good, bad in zip(results[::2], results[1::2], strict=True):
        assert_same_fit(good, BY_DIFFERENCES)
        assert bad is None


N = 700
SQUARE = np.random.default_rng(0).standard_normal((N, N)) + N**0.5 * np.eye(N)
TURNS = 20  # of the other thread: more than it could have while a 700 x 700 matrix is copied without the GIL


@pytest.mark.parametrize("name", ["leastsq", "least_squares"])
def test_other_threads_go_on_while_a_jacobian_is_factored(name: str, switch_interval: Callable[[float], None]) -> None:
    """Another thread waits for its turn when the Jacobian comes, and has had many when residuals are asked for.

    None of these can be by force, the interval being what it is: the fit has let go of the interpreter. On a busy
    machine the other thread may come late to its turns, and so there may be more than one fit.
    """
    turns, handed_over, seen, done = 0, 0, 0, False

    def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            time.sleep(1e-5)

    def jac(x: np.ndarray) -> np.ndarray:
        nonlocal handed_over
        handed_over = turns
        return SQUARE

    def fun(x: np.ndarray) -> np.ndarray:
        nonlocal seen
        if handed_over:
            seen = max(seen, turns - handed_over)
        return SQUARE @ x - 1

    switch_interval(100.0)
    thread = threading.Thread(target=other)
    thread.start()
    try:
        for _ in range(50):
            handed_over = 0
            if name == "leastsq":
                leastsq(fun, np.zeros(N), Dfun=jac, maxfev=2, full_output=True)
            else:
                least_squares(fun, np.zeros(N), jac, max_nfev=2)
            if seen >= TURNS:
                break
    finally:
        done = True
        thread.join()
    assert seen >= TURNS
