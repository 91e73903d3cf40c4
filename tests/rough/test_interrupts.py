"""Ctrl-C at every line of the package: the fit stays a fit, goes on to the same bits, and the next one is right.

`tools/fuzz` interrupts between bytecodes, too.
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from pyminpack import LevenbergMarquardt
from rough.fits import CALLS, KINDS, assert_is_of_one_point, assert_same, assert_same_end, begin
from rough.interrupts import Places

each_kind = pytest.mark.parametrize("kind", KINDS)


def look_at_all(fit: LevenbergMarquardt) -> None:
    """Step through a fit, and ask it everything on the way."""
    for state in fit:
        assert state.nit <= fit.nit
        fit.result()
        pickle.loads(pickle.dumps(fit))


WAYS: dict[str, Callable[[LevenbergMarquardt], Any]] = {"run": LevenbergMarquardt.run, "steps": look_at_all}


@contextmanager
def telling(places: Places) -> Iterator[None]:
    """What fails here says where Ctrl-C was."""
    try:
        yield
    except Exception as error:
        error.add_note(f"Ctrl-C was at {places.where}")
        raise


@pytest.mark.parametrize("way", WAYS)
@each_kind
def test_interrupted_fit_is_of_one_point_and_goes_on_to_the_same_bits(kind: str, way: str, places: Places) -> None:
    expected = begin(kind).run()
    fit = begin(kind)

    def job() -> None:
        nonlocal fit
        fit = begin(kind)
        WAYS[way](fit)

    for _ in places.interrupt_each(job):
        with telling(places):
            assert_is_of_one_point(kind, fit)
            assert_is_of_one_point(kind, fit.result())
            assert fit.state.nit == fit.nit <= expected.nit
            assert fit.nfev <= expected.nfev + 1
            assert fit.njev <= expected.njev + 1
            assert_same_end(fit.run(), expected)


@each_kind
def test_fit_interrupted_while_it_is_scaled_keeps_x_and_counts(kind: str, places: Places) -> None:
    """The scaling is the old one or the new one; x and counts are those before."""
    expected = begin(kind).run()
    fit = begin(kind)

    def job() -> None:
        fit.x_scale = 0.5

    for _ in range(min(2, expected.nit - 1)):
        fit.step()
    ready = pickle.dumps(fit)
    reached = fit.nit, fit.nfev, fit.njev, fit.x.tobytes()
    for _ in places.interrupt_each(job):
        with telling(places):
            assert (fit.nit, fit.nfev, fit.njev, fit.x.tobytes()) == reached
            assert_is_of_one_point(kind, fit)
            np.testing.assert_allclose(fit.run().x, expected.x, rtol=1e-5)
        fit = pickle.loads(ready)


@pytest.mark.parametrize("name", CALLS)
def test_interrupted_call_raises_and_the_next_one_is_right(name: str, places: Places) -> None:
    expected = CALLS[name]()
    for _ in places.interrupt_each(CALLS[name]):
        with telling(places):
            assert_same(CALLS[name](), expected)
