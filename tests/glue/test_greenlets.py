"""Fits that take turns in one thread, a greenlet each, as under gevent: each comes to what it would have alone."""

from collections.abc import Callable
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np
import pytest

from checks import assert_same_fit, assert_same_result
from models import START, Oops, decay, decay_jacobian, jacobian, residuals
from pyminpack import least_squares, leastsq, leastsq_blocks

greenlet = pytest.importorskip("greenlet")

HALVES = [slice(0, 10), slice(10, 20)]
GIVEN = pytest.mark.parametrize("given", [False, True], ids=["differences", "Jacobian"])


def giving_way(function: Callable, turns: list[Any]) -> Callable:
    """The function, before each call of which the other greenlets have their turns."""

    def call(*args: Any) -> Any:
        turns.append(greenlet.getcurrent())
        greenlet.getcurrent().parent.switch()
        return function(*args)

    return call


def by_leastsq(way: Callable, given: bool) -> tuple:
    return leastsq(way(decay), START, Dfun=way(decay_jacobian) if given else None, full_output=True)


def by_least_squares(way: Callable, given: bool) -> Any:
    return least_squares(way(residuals), START, way(jacobian) if given else "2-point", bounds=(0, [2.2, 9]))


def by_blocks(way: Callable, given: bool) -> Any:
    jac = way(lambda x, rows: jacobian(x)[rows]) if given else None
    return leastsq_blocks(way(lambda x, rows: residuals(x)[rows]), START, HALVES, jac=jac)


FITS = {"leastsq": by_leastsq, "least_squares": by_least_squares, "leastsq_blocks": by_blocks}


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, tuple):
        assert_same_fit(one, other)
    elif hasattr(one, "active_mask"):
        assert_same_result(one, other)
    else:
        assert (one.x.tobytes(), one.cov_x.tobytes(), one.nfev) == (
            other.x.tobytes(),
            other.cov_x.tobytes(),
            other.nfev,
        )


def in_turn(jobs: list[Callable[[], Any]]) -> list[Any]:
    """What the jobs come to in greenlets that take turns; an exception is what one comes to that raises it."""

    def run(job: Callable[[], Any]) -> Any:
        try:
            return job()
        except Oops as error:
            return error

    greenlets = [greenlet.greenlet(run) for _ in jobs]
    results = [one.switch(job) for one, job in zip(greenlets, jobs, strict=True)]
    while not all(one.dead for one in greenlets):
        results = [result if one.dead else one.switch() for one, result in zip(greenlets, results, strict=True)]
    return results


@GIVEN
@pytest.mark.parametrize("names", [*combinations_with_replacement(FITS, 2)], ids=" and ".join)
def test_two_fits_take_turns(names: tuple[str, str], given: bool) -> None:
    """They used to end the process: each call's frame lay on top of the other fit's."""
    turns: list[Any] = []
    jobs = [lambda name=name: FITS[name](lambda f: giving_way(f, turns), given) for name in names]
    for name, result in zip(names, in_turn(jobs), strict=True):
        assert_same(result, FITS[name](lambda f: f, given))
    assert sum(one is not other for one, other in pairwise(turns)) > 8  # they did take turns


@GIVEN
@pytest.mark.parametrize("name", FITS)
def test_fit_that_raises_is_nothing_to_the_other(name: str, given: bool) -> None:
    turns: list[Any] = []

    def failing(function: Callable) -> Callable:
        calls = iter(range(5))

        def call(*args: Any) -> Any:
            if next(calls, None) is None:
                raise Oops
            return function(*args)

        return giving_way(call, turns)

    raised, result = in_turn([
        lambda: FITS[name](failing, given), lambda: FITS[name](lambda f: giving_way(f, turns), given),
    ])  # fmt: skip
    assert type(raised) is Oops
    assert_same(result, FITS[name](lambda f: f, given))


@GIVEN
@pytest.mark.parametrize("name", FITS)
def test_fit_that_is_left_in_the_middle_is_nothing_to_the_next(name: str, given: bool) -> None:
    """As a greenlet is that nobody holds any more: it ends by an exception where it stands."""
    turns: list[Any] = []
    left = greenlet.greenlet(lambda: FITS[name](lambda f: giving_way(f, turns), given))
    for _ in range(4):
        left.switch()
    assert not left.dead
    assert_same(FITS[name](lambda f: f, given), FITS[name](lambda f: f, given))
    left.throw(greenlet.GreenletExit)
    assert left.dead
    assert len(turns) == 4
    assert_same(FITS[name](lambda f: f, given), FITS[name](lambda f: f, given))


def test_deep_stacks_of_fits_take_turns() -> None:
    """A fit inside of each call of another one, and two such pairs at once."""

    def nested(rate: float) -> np.ndarray:
        def outer(x: np.ndarray) -> np.ndarray:
            greenlet.getcurrent().parent.switch()
            inner = leastsq(giving_way(lambda y: y - x, []), [0.0, 0.0])[0]
            return decay(np.array([inner[0], rate * inner[1]]))

        return leastsq(outer, START)[0]

    for rate, x in zip((1.0, 2.0), in_turn([lambda: nested(1.0), lambda: nested(2.0)]), strict=True):
        np.testing.assert_allclose(x, [2.5, 1.3 / rate], rtol=1e-5)
