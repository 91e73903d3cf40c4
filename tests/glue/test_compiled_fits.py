"""What fits make of compiled functions that stop, fail or give no numbers, whatever the options; and of Ctrl-C."""

import ctypes
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c_library import c_function, c_jacobian, c_residuals, library, needs_compiler
from checks import assert_same_result
from models import START, T, jacobian, residuals
from pyminpack import (
    InputTypeError,
    InputValueError,
    LevenbergMarquardt,
    compiled_jacobian,
    compiled_residuals,
    least_squares,
    leastsq,
)

pytestmark = needs_compiler

DOUBLE_P = ctypes.POINTER(ctypes.c_double)
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p)
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "bounds": {"bounds": (0, 2.2)},
    "fixed": {"fixed": [True, False]},
    "loss": {"loss": "soft_l1"},
    "3-point": {"jac": "3-point"},
    "workers": {"workers": 2},
    "timeout": {"timeout": 1e6},
    "callback": {"callback": lambda state: False},
    "compiled Jacobian": {"jac": c_jacobian("F") if library() else None},
    "Python Jacobian": {"jac": jacobian},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


class Function:
    """Compiled residuals that do something else at one of their calls, and count them all."""

    def __init__(self, at: int, instead: Any) -> None:
        self.calls = 0

        def fill(m: int, n: int, x: Any, fvec: Any, data: Any) -> int:
            self.calls += 1
            values = np.ctypeslib.as_array(fvec, (m,))
            values[:] = residuals(np.array(x[:n]))
            return int(instead(values) or 0) if self.calls == at else 0

        self.fun = compiled_residuals(FUNCTION(fill), T.size)


def calls_of(options: Any) -> int:
    function = Function(0, None)
    assert least_squares(function.fun, START, **options).success
    return function.calls


# ------------------------------------------------------------------------------------------- stops


@pytest.mark.parametrize("number", [1, -7, 2**31 - 1, -(2**31)])
@every_option
def test_a_function_that_stops_at_once(options: Any, number: int) -> None:
    function = Function(1, lambda values: number)
    with pytest.raises(InputValueError, match=rf"asked to stop, with {min(abs(number), 2**31 - 1)}, at x = \[1"):
        least_squares(function.fun, START, **options)
    assert function.calls == 1


@every_option
def test_a_function_that_stops_at_any_call(options: Any) -> None:
    """The result is the best point met, and its residuals are those there."""
    for at in range(2, calls_of(options) + 1):
        result = least_squares(Function(at, lambda values: 5).fun, START, **options)
        np.testing.assert_allclose(result.fun, residuals(result.x), rtol=1e-12, atol=1e-12)
        assert result.cost <= 0.5 * np.sum(residuals(START) ** 2)
        if not result.success:  # else it was in the comparison with differences, after the end
            assert result.status == -2
            assert "which returned 5" in result.message


# ----------------------------------------------------------------------------- values that aren't finite


def put(value: float) -> Any:
    def change(values: np.ndarray) -> None:
        values[7] = value

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@every_option
def test_residuals_that_are_not_finite(options: Any, value: float) -> None:
    """At the start they are refused; at any other call the fit ends at a finite point, and says so."""
    with pytest.raises(InputValueError, match=r"1 of 20 residuals at x0 are not finite, the first is residual 7"):
        least_squares(Function(1, put(value)).fun, START, **options)
    expected = least_squares(c_residuals(), START, **options)
    for at in range(2, calls_of(options) + 1):
        result = least_squares(Function(at, put(value)).fun, START, **options)
        np.testing.assert_allclose(result.fun, residuals(result.x), rtol=1e-12, atol=1e-12)
        if result.success:
            np.testing.assert_allclose(result.x, expected.x, rtol=1e-4)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("fun", [residuals, None], ids=["Python fun", "compiled fun"])
def test_a_jacobian_that_is_not_finite(fun: Any, value: float, layout: Any) -> None:
    def fill(m: int, n: int, x: Any, fjac: Any, data: Any) -> int:
        jac = jacobian(np.array(x[:n]))
        jac[3, 1] = value
        np.ctypeslib.as_array(fjac, (m * n,))[:] = jac.ravel(layout)
        return 0

    fun, jac = fun or c_residuals(), compiled_jacobian(FUNCTION(fill), 20, 2, layout=layout)
    with pytest.raises(InputValueError, match=r"parameter x\[1\] in residual 3"):
        leastsq(fun, START, Dfun=jac)
    result = least_squares(fun, START, jac)
    assert result.status < 0
    assert "parameter x[1] in residual 3" in result.message
    np.testing.assert_array_equal(result.x, START)


# --------------------------------------------------------------------- exceptions that nobody can raise


def unwritten(first: int, last: int) -> Any:
    """Residuals that are written from one index to before another, as by a loop that an exception has left."""

    def fill(m: int, n: int, x: Any, fvec: Any, data: Any) -> int:
        np.ctypeslib.as_array(fvec, (m,))[first:last] = residuals(np.array(x[:n]))[first:last]
        return 0

    return compiled_residuals(FUNCTION(fill), T.size)


@pytest.mark.parametrize(("first", "last", "where"), [(0, 0, 0), (0, 12, 19), (5, 20, 0)])
def test_residuals_that_are_not_written(first: int, last: int, where: int) -> None:
    """Regression: what happened to lie in memory was fitted, and what came of it could be called a success."""
    fun = unwritten(first, last)
    for fit in (leastsq, least_squares):
        with pytest.raises(InputValueError, match=f"not finite, the first is residual {where} "):
            fit(fun, START)
    assert np.isnan(fun(START)[where])


@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_jacobian_that_is_not_written(layout: Any) -> None:
    """Regression: as for residuals."""
    jac = compiled_jacobian(FUNCTION(lambda m, n, x, fjac, data: 0), 20, 2, layout=layout)
    for fun in (residuals, c_residuals()):
        with pytest.raises(InputValueError, match=r"Jacobian .* not finite"):
            leastsq(fun, START, Dfun=jac)
        assert least_squares(fun, START, jac).status < 0


def test_minpack_residuals_that_are_not_written() -> None:
    fcn = ctypes.CFUNCTYPE(None, *[ctypes.POINTER(ctypes.c_int)] * 2, DOUBLE_P, DOUBLE_P, ctypes.POINTER(ctypes.c_int))
    with pytest.raises(InputValueError, match="residuals at x0 are not finite"):
        leastsq(compiled_residuals(fcn(lambda *_: None), 3), START)


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("most", [0.5, 1.2], ids=["at the start", "later"])
def test_what_a_numba_function_raises_ends_the_fit(most: float, capfd: pytest.CaptureFixture[str]) -> None:
    """numba prints it and returns 0. It was taken for residuals."""
    import numba

    from pyminpack import numba_signatures

    @numba.cfunc(numba_signatures.residuals)
    def fill(m, n, x, fvec, data):  # type: ignore[no-untyped-def]
        for i in range(m):
            if i == 12 and x[1] > most:
                raise ValueError("a decay this fast")
            fvec[i] = x[0] * np.exp(-x[1] * 0.2 * i) - 2.5 * np.exp(-1.3 * 0.2 * i)
        return 0

    fun = compiled_residuals(fill, 20)
    with pytest.raises(InputValueError, match="not finite"):
        leastsq(fun, START)
    if most < 1:
        with pytest.raises(InputValueError, match="not finite"):
            least_squares(fun, START)
    else:
        result = least_squares(fun, START)
        assert result.status < 0
        assert result.x[1] <= most


# ------------------------------------------------------------------------------------- complex steps


@pytest.mark.parametrize("options", [{}, {"fixed": [True, False]}, {"bounds": (0, 3)}, {"workers": 2}], ids=str)
def test_complex_steps_are_refused(options: Any) -> None:
    """Regression: the imaginary parts were dropped, with a warning of NumPy's."""
    with pytest.raises(InputTypeError, match=r"x is complex, .*'3-point'"):
        least_squares(c_residuals(), START, "cs", **options)
    for call in (c_residuals(), c_jacobian()):
        with pytest.raises(InputTypeError, match="x is complex"):
            call(START + 0j)


def test_other_x_are_converted_or_refused() -> None:
    fun = c_residuals()
    for x in ([1, 1], (1.0, 1), START[None, :], START.astype("f4"), np.ones(4)[::2], START.astype(">f8")):
        np.testing.assert_array_equal(fun(x), fun(START))
    for x in (None, "text", [1, None], object()):
        with pytest.raises(InputTypeError, match="x must hold real numbers"):
            fun(x)


# ------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("limit", [2**31 - 1, 2**31, 2**40, 2**63, 2**64, np.int64(2**40), 1e300, np.inf])
def test_a_limit_beyond_every_c_int_is_none(limit: Any) -> None:
    for func in (c_residuals(), residuals):
        expected = leastsq(func, START, maxfev=1000, full_output=True)
        given = leastsq(func, START, maxfev=limit, full_output=True)
        np.testing.assert_array_equal(given[0], expected[0])
        assert (given[2]["nfev"], given[4]) == (expected[2]["nfev"], expected[4])
        assert_same_result(least_squares(func, START, max_nfev=limit), least_squares(func, START, max_nfev=1000))
        fit = LevenbergMarquardt(func, START, max_nfev=limit)
        assert fit.run().success


# --------------------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    "options",
    [{}, {"bounds": (1, 9)}, {"fixed": np.arange(40) < 3}, {"loss": "soft_l1"}, {"jac": "3-point"}, {"deadline": 1e6}],
    ids=str,
)
@pytest.mark.parametrize("at", [3, 50, 100])
def test_a_fit_that_ctrl_c_ends_goes_on_to_the_same_end(options: Any, at: int) -> None:
    """Each call takes a millisecond at least, and the core looks for signals every 50; a fit makes 190 or more."""
    options = options.copy()
    deadline = options.pop("deadline", None)

    def begin(at: int) -> tuple[LevenbergMarquardt, np.ndarray]:
        data = np.array([0.0, at])
        fun = compiled_residuals(c_function("interrupted"), 40, data=data, signature="residuals")
        fit = LevenbergMarquardt(fun, np.linspace(1.1, 2, 40), x_scale=1.0, **options)
        if deadline:
            fit.stop_at(time.monotonic() + deadline)
        return fit, data

    expected = begin(0)[0].run()
    fit, data = begin(at)
    with pytest.raises(KeyboardInterrupt):
        fit.run()
    assert at <= data[0] < at + 80
    assert fit.is_running
    np.testing.assert_array_equal(fit.fun, fit.x**2 - 2)
    result = fit.run()
    assert result.success
    np.testing.assert_array_equal(result.x, expected.x)
    np.testing.assert_array_equal(result.fun, expected.fun)
    assert (result.status, result.nit) == (expected.status, expected.nit)


# --------------------------------------------------------------------------------- small stacks

IN_A_SMALL_STACK = """
import sys, threading
import numpy as np
from c_library import c_function
from pyminpack import compiled_jacobian, compiled_residuals, covariance, least_squares, leastsq

m, n = map(int, sys.argv[1:])
a = np.random.default_rng(0).normal(size=(m, n)) / np.sqrt(m)

def fun(x):
    y = a @ x
    return y + 0.1*y**2 - 1

def jac(x):
    return a * (1 + 0.2*(a @ x))[:, None]

data = a.ravel()
machine = [compiled_residuals(c_function("product"), m, data=data, signature="residuals")]
machine += [compiled_jacobian(c_function("product_rows"), m, n, data=data)]
done = []

def fits():
    for f, j in [(fun, jac), machine]:
        for dfun in [j] if n > 100 else [None, j]:
            assert leastsq(f, np.zeros(n), Dfun=dfun, full_output=True)[4] in (1, 2, 3)
        for options in {}, {"bounds": (-0.3, 0.3)}, {"loss": "huber"}, {"fixed": np.arange(n) < 2}:
            result = least_squares(f, np.zeros(n), j, **options)
            assert result.success and (m == n or np.isfinite(result.stderr).any())
    covariance(jac(np.zeros(n)))
    done.append(True)

threading.stack_size(128 * 1024)
thread = threading.Thread(target=fits)
thread.start()
thread.join()
assert done
"""


@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer makes frames larger")
@pytest.mark.parametrize(("m", "n"), [(60, 60), (400, 300), (5000, 40)], ids=str)
def test_fits_run_in_threads_with_stacks_of_128_kib(m: int, n: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    call = [sys.executable, "-W", "ignore", "-c", IN_A_SMALL_STACK, str(m), str(n)]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
