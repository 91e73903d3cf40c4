"""Codes of how a fit ended: the same in both languages, each with a message, and plain integers to users."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import decay
from pyminpack import least_squares, leastsq, leastsq_blocks
from pyminpack._report.info import STATUS_OF, SUCCESS, Info, Status, message_for, page_on

CODES = Path(__file__).resolve().parents[2] / "minpack" / "base" / "codes.def"


def exact(x: np.ndarray, *_: Any) -> np.ndarray:
    return decay(x)


def flat(x: np.ndarray, *_: Any) -> np.ndarray:
    return np.ones(5)


def test_codes_are_those_of_the_core() -> None:
    """Of which there is one list; MINPACK's are 0 to 8."""
    declared = {name: int(number) for name, number in re.findall(r"CODE\(info_(\w+), (-?\d+),", CODES.read_text())}
    assert {name.lower(): code.value for name, code in Info.__members__.items()} == declared
    assert [Info.IMPROPER_INPUT, Info.FTOL, Info.XTOL, Info.FTOL_AND_XTOL, Info.GTOL] == [0, 1, 2, 3, 4]
    assert [Info.MAXFEV, Info.FTOL_TOO_SMALL, Info.XTOL_TOO_SMALL, Info.GTOL_TOO_SMALL] == [5, 6, 7, 8]


@pytest.mark.parametrize("info", [code for code in STATUS_OF if code != Info.JACOBIAN_NOT_FINITE])
def test_each_end_has_a_message_and_a_status(info: Info) -> None:
    message = message_for(info, 1e-3, 1e-4, 1e-5, 17)
    assert message.startswith("Converged" if info in SUCCESS else "Stopped")
    assert "{" not in message
    assert (STATUS_OF[info] > 0) == (info in SUCCESS) != message.endswith(page_on(STATUS_OF[info]))


def test_message_of_a_compiled_function_that_stopped() -> None:
    assert "returned 7" in message_for(-7, 1e-3, 1e-4, 1e-5, 17)


@pytest.mark.parametrize("fun", [exact, flat])
def test_users_get_plain_integers(fun: Any) -> None:
    *_, ier = leastsq(fun, [1, 1], full_output=True)
    status = least_squares(fun, [1, 1]).status
    stopped = least_squares(fun, [1, 1], jac="3-point", callback=lambda state: True).status
    block_ends = [leastsq_blocks(fun, [1, 1], [0], callback=callback).ier for callback in (None, lambda state: True)]
    for code in (ier, status, stopped, *block_ends):
        assert type(code) is int
        assert b"Info" not in pickle.dumps(code)


def test_numbers_of_scipy() -> None:
    """0 to 4 are SciPy's, and so is -2; -1, which is improper input there, is an exception here."""
    assert {code.value for code in Status} == {*range(-10, 5)} - {-1}
