"""least_squares with residuals and Jacobians that are machine code."""

import ctypes
import threading
from typing import Any

import numpy as np
import pytest

from c_library import DATA, c_jacobian, c_residuals, library, needs_compiler
from checks import assert_same_result
from models import START, Oops, Raising, jacobian, residuals
from pyminpack import (
    LevenbergMarquardt,
    _minpack,
    compiled_jacobian,
    compiled_residuals,
    least_squares,
)


def begin(**options: Any) -> LevenbergMarquardt:
    return LevenbergMarquardt(**{"x0": START, **options})


@needs_compiler
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bounds": (0, 2.2)},
        {"timeout": 1e6},
        {"loss": "soft_l1"},
        {"workers": 2},
        {"fixed": [True, False]},
        {"accel": True},
        {"accel": True, "bounds": (0, 2.2)},
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", [None, "C", "F", "Python"])
def test_functions_take_the_same_steps_wherever_they_are_called_from(layout: Any, options: Any) -> None:
    """Machine code without a GIL, or behind functions of Python's; and to the solution of functions in Python."""
    jac = {None: "2-point", "Python": jacobian}.get(layout) or c_jacobian(layout)
    fun = c_residuals()
    direct = least_squares(fun, START, jac, **options)
    assert_same_result(least_squares(lambda x: fun(x), START, jac, **options), direct)
    if layout in ("C", "F"):
        assert_same_result(least_squares(fun, START, lambda x: jac(x), **options), direct)
    python = least_squares(residuals, START, jacobian, **options)
    np.testing.assert_allclose(direct.x, python.x, rtol=1e-6)
    assert direct.jac is not None
    np.testing.assert_allclose(direct.jac, python.jac, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("layout", [None, "C", "F"])
def test_result_that_is_asked_for_again_has_the_same_jacobian(layout: Any) -> None:
    """It used to be what happened to lie in new memory."""
    fit = begin(fun=c_residuals(), jac="2-point" if layout is None else c_jacobian(layout))
    while fit.is_running:
        fit.step()
        first = fit.result()
        np.testing.assert_allclose(first.jac, jacobian(fit.x), atol=1e-6)
        np.full((20, 2), np.nan)  # takes the memory that was freed last
        assert_same_result(fit.result(), first)
    assert_same_result(fit.run(), first)


def stopping_residuals(left: int, number: float = 7.0) -> tuple[Any, np.ndarray]:
    data = np.array([left, number])
    return compiled_residuals(library().stops, 20, data=data, signature="residuals"), data


@needs_compiler
@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, 2.2)], ids=["free", "boxed"])
def test_compiled_residuals_can_stop_a_fit_at_any_call(bounds: Any) -> None:
    fun, data = stopping_residuals(1000)
    end = begin(fun=fun, bounds=bounds).run()
    calls = int(1000 - data[0])
    assert end.nfev + 2 * end.njev <= calls <= end.nfev + 2 * end.njev + 2 * 8
    costs = []
    for call in range(2, calls + 1):
        fun, data = stopping_residuals(call - 1)
        fit = begin(fun=fun, bounds=bounds)
        result = fit.run()
        assert (result.status, result.success) == (-2, False)
        assert "which returned 7" in result.message
        assert not fit.is_running
        exact = stopping_residuals(1)[0](result.x)
        np.testing.assert_array_equal(result.fun, exact)
        costs.append(result.cost)
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == 0.5 * _minpack.enorm(stopping_residuals(1)[0](START)) ** 2
    assert costs[-1] == end.cost
    assert len(set(costs)) == end.nit + 1
    with pytest.raises(ValueError, match="asked to stop"):
        begin(fun=stopping_residuals(0)[0])


JACOBIAN = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_int, *[ctypes.POINTER(ctypes.c_double)] * 2, ctypes.c_void_p
)


def stopping_jacobian(at: int) -> tuple[Any, list[int]]:
    """One that asks to stop at a call, with 9; and how often it has been called."""
    calls = [0]

    def give(m: int, n: int, x: Any, fjac: Any, data: Any) -> int:
        calls[0] += 1
        np.ctypeslib.as_array(fjac, (m, n))[:] = jacobian(np.array(x[:n]))
        return 9 if calls[0] == at else 0

    return compiled_jacobian(JACOBIAN(give), 20, 2), calls


@needs_compiler
@pytest.mark.parametrize("fun", [residuals, None], ids=["Python fun", "compiled fun"])
def test_compiled_jacobians_can_stop_a_fit_at_any_call(fun: Any) -> None:
    fun = fun or c_residuals()
    jac, calls = stopping_jacobian(0)
    end = begin(fun=fun, jac=jac).run()
    assert calls[0] == end.njev > 3
    for call in range(1, end.njev + 1):
        jac, calls = stopping_jacobian(call)
        fit = begin(fun=fun, jac=jac)
        result = fit.run()
        assert calls[0] == call + 1  # once more for the covariance, which it gives
        assert (result.status, result.nit) == (-2, min(call - 1, end.nit))
        assert "which returned 9" in result.message
        np.testing.assert_array_equal(result.fun, fun(result.x))
        np.testing.assert_array_equal(result.jac, jacobian(result.x))
        assert result.stderr is not None


@needs_compiler
def test_fits_with_compiled_functions_run_in_threads() -> None:
    """And each comes to what it would have alone."""
    starts = [np.array([1.0 + k, 1.0]) for k in range(4)]
    kinds: list[Any] = ["2-point", c_jacobian("C"), c_jacobian("F"), jacobian]
    alone = [begin(x0=x0, fun=c_residuals(), jac=jac).run() for x0, jac in zip(starts, kinds, strict=True)]
    results: list[list[Any]] = [[] for _ in starts]
    barrier = threading.Barrier(len(starts))

    def work(k: int) -> None:
        barrier.wait()
        for _ in range(200):
            results[k].append(begin(x0=starts[k], fun=c_residuals(), jac=kinds[k]).run())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(starts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, expected in enumerate(alone):
        assert len(results[k]) == 200
        for result in results[k]:
            assert_same_result(result, expected)


@pytest.mark.parametrize("kind", ["Python", pytest.param("compiled", marks=needs_compiler)])
def test_fits_nest(kind: str) -> None:
    """One within the residuals of another, and an exception in the inner one goes through both."""
    inner: Any = residuals if kind == "Python" else c_residuals()

    def outer(x: np.ndarray) -> np.ndarray:
        fit = least_squares(inner, x)
        return x - fit.x

    expected = least_squares(inner, START).x
    fit = least_squares(outer, [1.0, 1.0], lambda x: np.eye(2))
    np.testing.assert_allclose(fit.x, expected, rtol=1e-5)
    raising = Raising(residuals, 12)
    with pytest.raises(Oops, match="call 12"):
        least_squares(lambda x: x - least_squares(raising, [1.0, 1.0]).x, [1.0, 1.0])
    assert least_squares(residuals, START).success


@needs_compiler
def test_compiled_functions_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="n = 3 parameters, and x has 2"):
        least_squares(c_residuals(), START, compiled_jacobian(library().jacobian_rows, 20, 3, data=DATA))
    for changes in (
        {"func": compiled_residuals(library().residuals, 19, data=DATA, signature="residuals")._code},
        {"jac": compiled_jacobian(library().jacobian_rows, 19, 2, data=DATA)._code},
        {"jac": compiled_jacobian(library().jacobian_rows, 20, 3, data=DATA)._code},
    ):
        with pytest.raises(ValueError, match="compiled functions of other sizes"):
            in_core(**changes)
    assert in_core() == 0


def in_core(**changes: Any) -> int:
    """A whole fit by the module's own functions."""
    f = residuals(START)
    choices = (1e-8, 1e-8, 1e-8, 100.0), 100, None, (None, None), None, None, 0.0, True, 0, False
    memory = _minpack.begin(START, f, _minpack.enorm(f), *choices)
    problem = {"func": c_residuals()._code, "jac": c_jacobian("C")._code, "args": ()} | changes
    return _minpack.solve(memory, (*problem.values(), *[None] * 7), -1, [None])


@needs_compiler
def test_compiled_function_within_a_python_function_can_stop_a_fit() -> None:
    """It used to come out as an exception."""
    fun, _ = stopping_residuals(5)
    result = begin(fun=lambda x: fun(x)).run()
    assert (result.status, result.success) == (-2, False)
    np.testing.assert_array_equal(result.fun, stopping_residuals(1000)[0](result.x))
