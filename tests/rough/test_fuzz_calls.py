"""Calls from beginning to end, with functions, callbacks, losses and maps that misbehave at any call."""

import copy
import random
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import jacobian, residuals, tall, tall_jacobian
from pyminpack import UnidentifiableWarning, check_jacobian, covariance, least_squares, leastsq, leastsq_blocks
from rough.fits import own_loss
from rough.hostile import (
    DISGUISES,
    LIES,
    RAISING,
    REFUSED,
    Hostile,
    assert_next_fit_is_right,
    only_known_errors,
    some,
    tricks,
)

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")
MOST = 20
PROBLEMS = {"small": (residuals, jacobian, [1.0, 1.0]), "tall": (tall, tall_jacobian, [1.0, 1.0, 0.0])}
problems = st.sampled_from(list(PROBLEMS))


def hostile(problem: str, of_fun: dict[int, str], of_jac: dict[int, str]) -> tuple[Hostile, Hostile, np.ndarray]:
    """Residuals, Jacobian and start of a problem."""
    fun, jac, start = PROBLEMS[problem]
    most = 50 * MOST * len(start)
    return Hostile(fun, of_fun, most), Hostile(jac, of_jac, most), np.array(start)


@some(150)
@given(problem=problems, of_fun=tricks(), of_jac=tricks(), has_jac=st.booleans(), full=st.booleans())
def test_leastsq(problem: str, of_fun: Any, of_jac: Any, has_jac: bool, full: bool) -> None:
    fun, jac, start = hostile(problem, of_fun, of_jac)
    before, answer = start.copy(), None
    with only_known_errors(fun, jac), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it has not converged
        answer = leastsq(fun, start, Dfun=jac if has_jac else None, full_output=full, maxfev=MOST)
    np.testing.assert_array_equal(start, before)
    if answer is not None and full:
        x, cov_x, infodict, _, ier = answer
        assert fun.gave(x, infodict["fvec"]), "x and fvec are of two points"
        assert infodict["nfev"] == fun.calls
        assert infodict.get("njev", 0) == jac.calls
        assert cov_x is None or (ier in (1, 2, 3, 4) and np.isfinite(cov_x).all())
    assert_next_fit_is_right()


@some(150)
@given(
    problem=problems,
    of_fun=tricks(),
    of_jac=tricks(),
    of_callback=tricks(3, (*RAISING, "None", "bool", "text", "nest", "look", "NaN")),
    of_loss=tricks(3),
    jac=st.sampled_from(["2-point", "3-point", "cs", "given"]),
    has_loss=st.booleans(),
    has_callback=st.booleans(),
)
def test_least_squares(
    problem: str, of_fun: Any, of_jac: Any, of_callback: Any, of_loss: Any, jac: str, has_loss: bool, has_callback: bool
) -> None:
    fun, its_jac, start = hostile(problem, of_fun, of_jac)
    loss, callback = Hostile(own_loss, of_loss, 10**5), Hostile(lambda state: np.zeros(3), of_callback, 10**5)
    result = None
    with only_known_errors(fun, its_jac, loss, callback):
        result = least_squares(
            fun,
            start,
            its_jac if jac == "given" else jac,
            max_nfev=MOST,
            loss=loss if has_loss else "linear",
            callback=(lambda state: callback(state.x)) if has_callback else None,
        )
    if result is not None:
        assert fun.gave(result.x, result.fun), "x and fun are of two points"
        assert result.nfev <= MOST
        with warnings.catch_warnings(action="ignore", category=UnidentifiableWarning):
            assert (repr(result), result.cov, result.stderr, result.rank) != ()
    assert_next_fit_is_right()


# ------------------------------------------------------------------------------------ blocks


def _reordered(function: Callable, items: Any) -> Any:
    answers = [function(item) for item in items]
    random.Random(1).shuffle(answers)
    return answers


def _losing(function: Callable, items: Any) -> Any:
    return [function(item) for item in items][1:]


def _doubling(function: Callable, items: Any) -> Any:
    return [function(item) for item in items for _ in range(2)]


def _futures(function: Callable, items: Any) -> Any:
    futures = []
    for item in items:
        future: Future = Future()
        try:
            future.set_result(function(item))
        except BaseException as error:
            future.set_exception(error)
        futures.append(future)
    return futures


MAPS: dict[str, Any] = {
    "map": map,
    "list": lambda function, items: [function(item) for item in items],
    "reordered": _reordered,
    "futures": _futures,
    "losing": _losing,
    "doubling": _doubling,
    "items back": lambda function, items: list(items),
    "numbers": lambda function, items: [1.0, 2.0],
    "None": lambda function, items: None,
    "threads": 3,
}
RIGHT_MAPS = ("map", "list", "reordered", "futures", "threads")
BLOCKS: dict[str, Any] = {
    "slices": [slice(0, 8), slice(8, 15), slice(15, 20)],
    "with an empty one": [slice(0, 10), slice(10, 10), slice(10, 20)],
    "one": [slice(0, 20)],
    "none": [],
    "text": "ab",
    "number": 3,
    "generator": iter([slice(0, 20)]),
}


@some(150)
@given(
    of_fun=tricks(3),
    of_jac=tricks(3),
    has_jac=st.booleans(),
    blocks=st.sampled_from(list(BLOCKS)),
    mapping=st.sampled_from([*RIGHT_MAPS, *MAPS]),
    of_callback=tricks(2, (*RAISING, "None")),
    of_progress=tricks(2, (*RAISING, "None")),
)
def test_leastsq_blocks(
    of_fun: Any, of_jac: Any, has_jac: bool, blocks: str, mapping: str, of_callback: Any, of_progress: Any
) -> None:
    fun = Hostile(lambda x, rows: residuals(x)[rows], of_fun, 10**4)
    jac = Hostile(lambda x, rows: jacobian(x)[rows], of_jac, 10**4)
    callback, progress = (Hostile(lambda x: np.zeros(2), of, 10**5) for of in (of_callback, of_progress))
    start, result = np.array([1.0, 1.0]), None
    with only_known_errors(fun, jac, callback, progress):
        result = leastsq_blocks(
            fun,
            start,
            BLOCKS[blocks],
            jac=jac if has_jac else None,
            map=MAPS[mapping],
            maxfev=MOST,
            callback=lambda state: callback(state.x),
            progress=lambda state: progress(np.zeros(2)),
        )
    np.testing.assert_array_equal(start, [1.0, 1.0])
    if result is not None:
        assert mapping in RIGHT_MAPS
        assert result.m == 20
        assert np.isfinite(result.x).all()
        if not (fun.lied or jac.lied):
            np.testing.assert_allclose(result.cost, 0.5 * np.sum(residuals(result.x) ** 2), rtol=1e-12)
    assert_next_fit_is_right()


# ------------------------------------------------------------------------------------ checks and covariance


@some(100)
@given(problem=problems, of_fun=tricks(), of_jac=tricks(), col_deriv=st.booleans())
def test_check_jacobian(problem: str, of_fun: Any, of_jac: Any, col_deriv: bool) -> None:
    fun, jac, start = hostile(problem, of_fun, of_jac)
    answer = None
    with only_known_errors(fun, jac):
        answer = check_jacobian(fun, jac, start, col_deriv=col_deriv)
    if answer is not None:
        assert answer.nfev == fun.calls
        assert repr(answer)
        if not (fun.lied or jac.lied or col_deriv):
            assert answer.ok
    np.testing.assert_array_equal(start, PROBLEMS[problem][2])


@some(100)
@given(trick=st.sampled_from([*DISGUISES, *LIES, *REFUSED]), wide=st.booleans(), data=st.data())
def test_covariance(trick: str, wide: bool, data: Any) -> None:
    matrix = jacobian(np.array([2.0, 0.5]))
    matrix = matrix[:1] if wide else matrix
    given_one = ({**DISGUISES, **LIES, **REFUSED})[trick](matrix)
    kept = copy.deepcopy(given_one) if isinstance(given_one, np.ndarray) else None
    with only_known_errors(), warnings.catch_warnings(action="ignore", category=UnidentifiableWarning):
        answer = covariance(given_one, variance=data.draw(st.sampled_from([1.0, 0.0, 1e300, np.nan, -1, "x", None])))
        assert answer.cov.shape == (2, 2)
    if kept is not None and kept.dtype != object:
        np.testing.assert_array_equal(given_one, kept)
