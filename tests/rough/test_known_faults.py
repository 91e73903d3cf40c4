"""Faults that the fuzzer has found or keeps off: each mark goes when the mend comes, and its name from KNOWN_FAULTS."""

from typing import Any

import numpy as np
import pytest

from models import START, TALL_START, residuals, tall
from pyminpack import LevenbergMarquardt
from rough.hostile import KNOWN_FAULTS


def known(name: str, contract: str) -> Any:
    """A test that fails as long as the fuzzer keeps off what it tests."""
    assert name in KNOWN_FAULTS
    return pytest.mark.xfail(strict=True, reason=contract)


@known("StopIteration from iteration", "StopIteration raised by the function comes out as such from `for state in fit`")
def test_stop_iteration_comes_out_of_iteration() -> None:
    calls = iter(range(4))

    def fun(x: np.ndarray) -> np.ndarray:
        next(calls)
        return residuals(x)

    with pytest.raises(StopIteration):
        list(LevenbergMarquardt(fun, START))


@known("a large Jacobian with NaN, asked again", "a fit that has ended can still be asked for its result")
def test_fit_that_a_jacobian_with_nan_has_ended_can_be_asked_again() -> None:
    fit = LevenbergMarquardt(tall, TALL_START, lambda x: np.full((3000, 3), np.nan))
    assert fit.run().status < 0
    assert fit.run().status < 0
