"""Fits in many threads at once are those of one, and let other threads go on."""

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from checks import assert_same_fit, fit
from models import Oops, Raising, decay
from problems.mgh import Run, runs
from pyminpack import leastsq

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
            leastsq(Raising(lambda a: a - 1, 3), np.zeros(4))

    results = in_threads([often(lambda: fit(decay)), often(fail)] * 4)
    for good, bad in zip(results[::2], results[1::2], strict=True):
        assert_same_fit(good, BY_DIFFERENCES)
        assert bad is None
