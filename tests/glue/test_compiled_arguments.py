"""The arguments of compiled fits mean what they mean for functions in Python."""

import ctypes
from typing import Any

import numpy as np
import pytest

from c_library import c_function, c_jacobian, c_residuals, needs_compiler
from models import START
from pyminpack import (
    InputTypeError,
    InputValueError,
    OptionError,
    compiled_jacobian,
    compiled_residuals,
    leastsq,
)

pytestmark = needs_compiler


def counted(calls: np.ndarray) -> Any:
    return compiled_residuals(c_function("counted"), 5, data=calls, signature="residuals")


def in_python(x: np.ndarray) -> np.ndarray:
    return c_residuals()(x)


TAKEN = {
    "x0": [START, [1.0, 1], [1.0, np.array([1, 1])[0]], START.astype(np.float32), np.ones(4)[::2], START[None, :]],
    "ftol": [1e-6, np.float64(1e-6), np.array(1e-6), np.float32(2**-20)],
    "xtol": [1, np.float64(1e-6)],
    "gtol": [0, np.float64(1e-6)],
    "maxfev": [17, np.int64(17), 1e300, 10**30],
    "epsfcn": [1e-10, np.float64(1e-10)],
    "diag": [np.array([1.0, 2.0]), [1.0, 2.0], np.array([1, 2]), (3, 4)],
    "factor": [0.5, np.float64(0.5), np.int64(2)],
    "full_output": [True, 1, np.bool_(True)],
}
WRONG = {
    "x0": [np.array([1.0, np.nan]), np.array([np.inf, 1.0]), np.array([1.0, 1j]), None],
    "ftol": [-1e-9, np.nan, "1e-8", None],
    "xtol": [-1.0, np.nan, [1e-8]],
    "gtol": [-1, np.nan],
    "maxfev": [1.5, "many"],
    "epsfcn": [np.inf, np.nan, "small"],
    "diag": [np.array([1.0, 0.0]), np.array([1.0, np.inf]), np.ones(3), "text"],
    "factor": [0.0, -1, np.inf, np.nan, None],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(name, value, id=f"{name}={value!r}") for name, values in table.items() for value in values]


@pytest.mark.parametrize("jacobian", [False, True], ids=["differences", "Jacobian"])
@pytest.mark.parametrize(("name", "value"), cases(TAKEN))
def test_every_argument_means_what_it_means_for_python_residuals(name, value, jacobian):
    options = {"x0": np.array([9.0, 0.1]), "factor": 0.1, "full_output": True} | {name: value}
    if jacobian:
        options["Dfun"] = c_jacobian()
    x, cov_x, info, message, ier = leastsq(c_residuals(), **options)
    expected = leastsq(in_python, **options)
    np.testing.assert_array_equal(x, expected[0])
    np.testing.assert_array_equal(cov_x, expected[1])
    assert info.keys() == expected[2].keys()
    for key in info:
        np.testing.assert_array_equal(info[key], expected[2][key])
    assert (message, ier) == expected[3:]


@pytest.mark.parametrize(("name", "value"), cases(WRONG))
def test_wrong_arguments_get_the_same_refusal_before_any_call(name, value):
    calls = np.zeros(1)
    options = {"x0": START} | {name: value}
    with pytest.raises((InputTypeError, InputValueError, OptionError)) as expected:
        leastsq(lambda x: np.ones(5), **options)
    with pytest.raises(type(expected.value)) as refused:
        leastsq(counted(calls), **options)
    assert str(refused.value) == str(expected.value)
    assert calls[0] == 0


@pytest.mark.parametrize(("with_jacobian", "most"), [(False, 400), (True, 200)])
def test_default_of_maxfev(with_jacobian, most):
    """exp(-x) has no minimum: with tolerances of 0, only the limit ends the fit, 1 step to the right an iteration."""
    pointer = ctypes.POINTER(ctypes.c_double)
    function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, pointer, pointer, ctypes.c_void_p)

    def fill(sign: float) -> Any:
        def evaluate(m: int, n: int, x: Any, values: Any, data: Any) -> int:
            values[0] = sign * np.exp(-x[0])
            return 0

        return function(evaluate)

    jacobian = {"Dfun": compiled_jacobian(fill(-1.0), 1, 1)} if with_jacobian else {}
    _, _, info, message, ier = leastsq(
        compiled_residuals(fill(1.0), 1), np.zeros(1), ftol=0.0, xtol=0.0, full_output=True, **jacobian
    )
    assert ier == 5
    assert most <= info["nfev"] <= most + 1
    assert f"maxfev = {most}" in message


@pytest.mark.parametrize("convert", [np.array, list], ids=["plain", "list"])
def test_a_fit_that_fails_keeps_its_arrays(convert):
    """Without full_output they are in scratch, until there is something to say of them."""
    with pytest.warns(RuntimeWarning, match="maxfev = 3"):
        ier = leastsq(c_residuals(), convert([9.0, 0.1]), maxfev=3)[1]
    assert ier == 5
    with pytest.raises(InputValueError, match=r"19 of 20 .* residual 1 \(inf\)"):
        leastsq(c_residuals(), convert([1e308, -1e308]))


def test_a_jacobian_of_zeros_is_no_success_without_full_output_either():
    with pytest.warns(RuntimeWarning, match="the Jacobian is zero"):
        assert leastsq(compiled_residuals(c_function("flat"), 5, signature="residuals"), START)[1] == 8


def test_no_parameters():
    """There is nothing to fit, and the residuals are reported as they are."""
    flat = compiled_residuals(c_function("flat"), 3, signature="residuals")
    with pytest.raises(InputTypeError, match="x0 is empty"):
        leastsq(flat, [])
    x, _, info, _, ier = leastsq(flat, [], full_output=True)
    assert (x.size, ier, info["nfev"]) == (0, 0, 1)
    np.testing.assert_array_equal(info["fvec"], np.ones(3))


def test_start_stays_as_it_was():
    start = START.copy()
    x = leastsq(c_residuals(), start)[0]
    np.testing.assert_array_equal(start, START)
    assert not np.shares_memory(x, start)
