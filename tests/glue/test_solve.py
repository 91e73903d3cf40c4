"""A fit in memory as the module has it: what begin, solve and places take, give and refuse."""

from ctypes import sizeof
from typing import Any

import numpy as np
import pytest

from models import START, residuals
from pyminpack import _minpack, least_squares
from pyminpack._iteration.machine import CODES, FitRecord, Memory
from pyminpack._minpack import as_start

DOUBLE = float(np.finfo(float).eps)


def begin(**changes: Any) -> np.ndarray:
    f = residuals(START)
    arguments = {
        "x": START, "f": f, "norm": _minpack.enorm(f), "tolerances": (1e-8, 1e-8, 1e-8, 100.0), "limit": 200,
        "diag": None, "bounds": (None, None), "typical": None, "eta": None, "precision": DOUBLE, "known": False,
        "differences": 1, "accelerates": False,
    }  # fmt: skip
    return _minpack.begin(*(arguments | changes).values())


PROBLEM = (residuals, None, (), *[None] * 7)


def test_a_fit_from_beginning_to_end() -> None:
    block, kept = begin(), [None]
    assert _minpack.solve(block, PROBLEM, -1, kept) == 0
    end, memory = least_squares(residuals, START), Memory(block)
    np.testing.assert_array_equal(memory.x, end.x)
    np.testing.assert_array_equal(memory.f, end.fun)
    np.testing.assert_array_equal(kept[0], end.jac)
    r, ipvt, qtf = memory.factor
    jacobian = end.jac[:, ipvt - 1]
    np.testing.assert_allclose(np.tril(r) @ np.tril(r).T, jacobian.T @ jacobian, rtol=1e-12)
    np.testing.assert_allclose(np.tril(r) @ qtf, jacobian.T @ end.fun, atol=1e-12)
    np.testing.assert_allclose(memory.norms, np.linalg.norm(end.jac, axis=0), rtol=1e-14)
    record = memory.record
    assert (record.m, record.n, record.nfev, record.stage) == (20, 2, end.nfev, CODES["is_over"])


def test_steps_are_counted_and_0_takes_the_jacobian_alone() -> None:
    block, kept = begin(), [None]
    assert _minpack.solve(block, PROBLEM, 0, kept) == 0
    record = FitRecord.from_buffer(block)
    assert (record.nit, record.njev, record.calls, record.jacobian_is_at_x) == (0, 1, 3, 1)
    first = kept[0]
    assert first is not None
    _minpack.solve(block, PROBLEM, 0, kept)
    assert kept[0] is first
    _minpack.solve(block, PROBLEM, 2, kept)
    assert (record.nit, record.njev, kept[0]) == (2, 2, None)


def test_arguments_stay_as_they_are() -> None:
    given = {"x": START.copy(), "f": residuals(START), "diag": np.ones(2), "typical": np.zeros(2)}
    copies = {name: array.copy() for name, array in given.items()}
    block = begin(**given)
    _minpack.solve(block, PROBLEM, -1, [None])
    np.testing.assert_allclose(Memory(block).x, least_squares(residuals, START).x, rtol=1e-6)
    for name, array in given.items():
        np.testing.assert_array_equal(array, copies[name], err_msg=name)


@pytest.mark.parametrize(
    "changes",
    [
        {"x": np.ones(3), "diag": np.ones(2)},
        {"x": np.ones((2, 1))},
        {"x": np.ones(2, np.float32)},
        {"x": np.ones(0)},
        {"x": np.ones(21)},
        {"f": np.ones(1)},
        {"f": [1.0, 2.0]},
        {"diag": np.ones(1)},
        {"diag": np.ones(4)[::2]},
        {"bounds": (np.zeros(3), np.ones(2))},
        {"bounds": (np.zeros(2), np.ones(1))},
        {"typical": np.zeros(1)},
        {"eta": np.ones(3)},
    ],
    ids=str,
)
def test_arguments_that_do_not_fit_one_another_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="don't fit one another"):
        begin(**changes)


WRONG_MEMORY: list[Any] = [
    None, 1.0, np.zeros(0), np.zeros(sizeof(FitRecord) // 8 - 1), np.zeros(999), np.zeros((9, 99)),
    np.zeros(999, np.float32), begin()[:-1], np.append(begin(), 0.0), begin().view(np.int64),
]  # fmt: skip


@pytest.mark.parametrize("memory", WRONG_MEMORY, ids=range(len(WRONG_MEMORY)))
def test_memory_of_something_else_is_refused(memory: Any) -> None:
    for call in (lambda: _minpack.solve(memory, PROBLEM, -1, [None]), lambda: _minpack.places(memory)):
        with pytest.raises(TypeError, match="a fit in memory is needed"):
            call()


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        (0, None, TypeError),  # not callable
        (1, 5, TypeError),
        (2, [], TypeError),
        (5, lambda x, f: 1 / 0, ZeroDivisionError),
        (6, lambda points: tuple(points), SystemError),
        (6, lambda points: [residuals(points[0])], SystemError),
        (7, object(), AttributeError),
    ],
)
def test_problem_of_the_wrong_kind_is_told(place: int, value: Any, error: type[Exception]) -> None:
    problem = list(PROBLEM)
    problem[place] = value
    with pytest.raises(error):
        _minpack.solve(begin(differences=0 if place in (1, 5) else 1), tuple(problem), -1, [None])


# ------------------------------------------------------------------------------------ starts


STARTS: list[tuple[Any, Any]] = [
    (np.arange(3.0), [0, 1, 2]),
    ([1.0, 2, -3], [1, 2, -3]),
    ((0.5,), [0.5]),
    ([], []),
    (np.empty(0), []),
    ([2**62], [2.0**62]),
]
NO_PLAIN_STARTS: list[Any] = [
    [1.0, np.nan], (np.inf,), [True], [1j], [2**80], ["1"], [[1.0]], [np.float64(1)], np.array([1]), np.array([np.nan]),
    np.ones((1, 1)), np.ones(4)[::2], np.ones(2, ">f8"), np.ones(1).view(type("Sub", (np.ndarray,), {})), {1.0}, None,
]  # fmt: skip


@pytest.mark.parametrize(("value", "copy"), STARTS, ids=repr)
def test_plain_starts_are_copied_in_c(value, copy):
    start = as_start(value)
    assert type(start) is np.ndarray
    assert start.dtype == np.float64
    np.testing.assert_array_equal(start, copy)
    assert start is not value


@pytest.mark.parametrize("value", NO_PLAIN_STARTS, ids=repr)
def test_other_starts_are_left_to_python(value):
    assert as_start(value) is None
