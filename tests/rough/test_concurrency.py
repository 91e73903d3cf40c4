"""Fits at once: in threads, in greenlets, while the process forks, and carried from process to process."""

import multiprocessing
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from checks import assert_same_result
from models import START, residuals
from pyminpack import leastsq
from rough.fits import CALLS, KINDS, assert_same, begin

ROUNDS = 4


@pytest.fixture
def restless_interpreter() -> Iterator[None]:
    """Threads take turns as often as they can, so that their fits interleave."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def stepped(kind: str) -> Any:
    """A fit that is pickled at each step."""
    fit = begin(kind)
    while fit.is_running:
        fit.step()
        fit = pickle.loads(pickle.dumps(fit))
    return fit.result()


JOBS: dict[str, Callable[[], Any]] = {
    **CALLS,
    **{f"all of {kind}": lambda kind=kind: begin(kind).run() for kind in KINDS},
    **{f"steps of {kind}": lambda kind=kind: stepped(kind) for kind in KINDS},
}


@pytest.mark.usefixtures("restless_interpreter")
def test_mixed_fits_in_eight_threads_are_those_of_one() -> None:
    expected = {name: job() for name, job in JOBS.items()}
    failures: list[str] = []
    ready = threading.Barrier(8)

    def work(first: int) -> None:
        names = list(JOBS)
        ready.wait()
        for name in (names[first:] + names[:first]) * ROUNDS:
            try:
                assert_same(JOBS[name](), expected[name])
            except BaseException as error:
                failures.append(f"{name}: {error!r}")

    threads = [threading.Thread(target=work, args=(5 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_mixed_fits_in_greenlets_are_those_alone() -> None:
    """Each gives way at every call of its function."""
    greenlet = pytest.importorskip("greenlet")
    hub = greenlet.getcurrent()
    turns: list[int] = []

    def job(number: int, kind: str) -> Any:
        def fun(x: np.ndarray, *args: Any, **kwargs: Any) -> Any:
            turns.append(number)
            hub.switch()
            return honest(x, *args, **kwargs)

        honest = KINDS[kind].get("fun", residuals)
        return begin(kind, fun=fun).run()

    kinds = [kind for kind in KINDS if kind != "threads"]  # a greenlet belongs to its thread
    greenlets = [greenlet.greenlet(job) for _ in kinds]
    results = [one.switch(i, kind) for i, (one, kind) in enumerate(zip(greenlets, kinds, strict=True))]
    while not all(one.dead for one in greenlets):
        results = [result if one.dead else one.switch() for one, result in zip(greenlets, results, strict=True)]
    for kind, result in zip(kinds, results, strict=True):
        assert_same_result(result, begin(kind).run())
    assert len(set(turns[: len(kinds)])) == len(kinds)


def told(read: int) -> bytes:
    with os.fdopen(read, "rb") as pipe:
        return pipe.read()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "threads"])  # a thread would be alone in the child
def test_parent_and_child_of_a_fork_within_a_fit_end_alike(kind: str) -> None:
    """The function forks at its third call; both processes go on with the fit."""
    calls, child, (read, write) = 0, -1, os.pipe()

    def fun(x: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls, child
        calls += 1
        if calls == 3:
            child = os.fork()
        return honest(x, *args, **kwargs)

    honest = KINDS[kind].get("fun", residuals)
    try:
        result = begin(kind, fun=fun).run()
        if child == 0:
            os.write(write, pickle.dumps(result))
    finally:
        if child == 0:
            os._exit(0)
    os.close(write)
    assert_same_result(pickle.loads(told(read)), result)
    assert os.waitpid(child, 0)[1] == 0
    assert_same_result(result, begin(kind).run())


def one_step(fit: Any) -> Any:
    fit.step()
    return fit


def test_fits_carried_to_another_process_at_each_step_go_on_to_the_same_bits() -> None:
    """By spawn: nothing but the pickle comes along."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        fits = {kind: begin(kind) for kind in KINDS}
        while any(fit.is_running for fit in fits.values()):
            fits = dict(zip(fits, pool.map(one_step, fits.values()), strict=True))
        for kind, fit in fits.items():
            assert_same_result(fit.result(), begin(kind).run())
    assert leastsq(residuals, START)[1] in (1, 2, 3, 4)
