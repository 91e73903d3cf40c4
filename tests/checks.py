"""What many test modules insist on."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import START
from pyminpack import UnidentifiableWarning, leastsq

SUCCESS = (1, 2, 3, 4)


def label(value: Any) -> str:
    """A name for a test's parameter that is the same in every process: without addresses."""
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


def fit(func: Callable, x0: Any = START, **options: Any) -> tuple:
    """Fit by leastsq, insist on success, and give everything."""
    result = leastsq(func, x0, full_output=True, **options)
    assert result[-1] in SUCCESS, result[-2]
    return result


def solution(func: Callable, x0: Any = START, **options: Any) -> np.ndarray:
    """The same, for x alone."""
    return fit(func, x0, **options)[0]


def assert_same_fit(these: tuple, those: tuple) -> None:
    """Compare two full outputs bit for bit."""
    (x, cov_x, infodict, message, ier), (x_, cov_x_, infodict_, message_, ier_) = these, those
    assert (message, ier, infodict.keys()) == (message_, ier_, infodict_.keys())
    np.testing.assert_array_equal(x, x_)
    np.testing.assert_array_equal(cov_x, cov_x_)
    for name, value in infodict.items():
        np.testing.assert_array_equal(value, infodict_[name], err_msg=name)


def assert_same_result(one: Any, other: Any) -> None:
    """Compare two results of least_squares bit for bit."""
    names = ("x", "cost", "fun", "jac", "grad", "optimality", "active_mask", "nfev", "njev", "nit", "status", "message")
    for name in names:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def refusal(kind: type[Exception], *words: str) -> Any:
    """Expect an exception of this kind whose message has all these words, in any order."""
    return pytest.raises(kind, match="(?s)" + "".join(f"(?=.*{re.escape(word)})" for word in words))


def quietly(ask: Callable[[], Any]) -> Any:
    """Ask without a warning that parameters are not determined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnidentifiableWarning)
        return ask()
