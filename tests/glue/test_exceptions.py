"""Exceptions and Ctrl-C in a function come out of the fit as they were raised, at once."""

import ctypes
import itertools
import signal
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from checks import solution
from models import START, FailsOnCall, Oops, decay, decay_jacobian
from pyminpack import leastsq

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")

INTERRUPTIONS = (KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, MemoryError, Oops)


@pytest.mark.parametrize("kind", INTERRUPTIONS)
@pytest.mark.parametrize("call", [1, 2, 3, 4, 9])
def test_exception_in_func_arrives_as_it_is(kind: type[BaseException], call: int) -> None:
    error = kind("from func")

    def fail() -> None:
        raise error

    func = FailsOnCall(call, fail)
    with pytest.raises(kind) as caught:
        leastsq(func, START)
    assert caught.value is error
    assert [entry.name for entry in caught.traceback][-2:] == ["__call__", "fail"]
    assert error.__context__ is None
    assert func.calls == call


@pytest.mark.parametrize("kind", INTERRUPTIONS)
@pytest.mark.parametrize("call", [1, 2, 4])
@pytest.mark.parametrize("col_deriv", [False, True])
def test_exception_in_dfun_arrives_as_it_is(kind: type[BaseException], call: int, col_deriv: bool) -> None:
    error = kind("from Dfun")

    def fail() -> None:
        raise error

    jacobian = FailsOnCall(call, fail, lambda x: decay_jacobian(x).T if col_deriv else decay_jacobian(x))
    with pytest.raises(kind) as caught:
        leastsq(decay, START, Dfun=jacobian, col_deriv=col_deriv)
    assert caught.value is error
    assert [entry.name for entry in caught.traceback][-2:] == ["__call__", "fail"]
    assert jacobian.calls == call


def test_exception_while_a_result_is_converted_arrives_as_it_is() -> None:
    class Unconvertible:
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
            raise Oops

    with pytest.raises(Oops):
        leastsq(FailsOnCall(3, Unconvertible), START)


def test_cause_of_an_exception_is_kept() -> None:
    cause = Oops("cause")

    def fail() -> None:
        raise RuntimeError from cause

    with pytest.raises(RuntimeError) as caught:
        leastsq(FailsOnCall(3, fail), START)
    assert caught.value.__cause__ is cause


def test_warning_made_an_error_in_func_arrives_as_it_is() -> None:
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        leastsq(FailsOnCall(3, lambda: 1 / np.zeros(9)), START)


@pytest.mark.parametrize("x0", [START, [1.0, 1.0, 1.0]], ids=len)
def test_fit_after_one_that_failed_is_like_any_other(x0: Any) -> None:
    def fail() -> None:
        raise Oops

    expected = solution(decay)
    for call in (2, 3, 5):
        with pytest.raises(Oops):
            leastsq(FailsOnCall(call, fail, lambda x: x), x0, ftol=0, xtol=0)
        np.testing.assert_array_equal(solution(decay), expected)


# --------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("call", [1, 2, 4])
def test_ctrl_c_in_func(call: int) -> None:
    func = FailsOnCall(call, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        leastsq(func, START)
    assert func.calls == call


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_in_dfun() -> None:
    jacobian = FailsOnCall(2, lambda: signal.raise_signal(signal.SIGINT), decay_jacobian)
    with pytest.raises(KeyboardInterrupt):
        leastsq(decay, START, Dfun=jacobian)
    assert jacobian.calls == 2


def callable_without_python_code(signals: Iterator[int], results: Iterator[np.ndarray]) -> Any:
    """C's raise() as a function of x: it sends itself the next of `signals`, and gives the next of `results`.

    Both iterators are stepped by `next` alone, so that no Python code runs in which the interpreter could
    look for signals by itself.
    """
    function = ctypes.CDLL(None)["raise"]
    function.argtypes = [types.SimpleNamespace(from_param=partial(next, signals))]
    function.restype = partial(next, results)
    return function


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_no_python_code_runs_stops_at_once() -> None:
    results = iter([decay(np.ones(2))] * 50)
    func = callable_without_python_code(itertools.chain([0], itertools.repeat(signal.SIGINT)), results)
    with pytest.raises(KeyboardInterrupt):
        leastsq(func, START)
    assert 50 - results.__length_hint__() == 2  # type: ignore[attr-defined]


def test_callable_without_python_code_can_be_fitted() -> None:
    """The one of the test before, undisturbed: it's the signal that stops it."""
    func = callable_without_python_code(itertools.repeat(0), itertools.repeat(np.ones(3)))
    assert leastsq(func, START, full_output=True)[-1] == 8


def test_attributes_of_a_callable_are_nobodys_business() -> None:
    """A proxy may answer to every name; in a process of its own, because that once ended the process."""
    code = """
        import numpy as np
        from pyminpack import leastsq

        class Proxy:
            def __getattr__(self, name):
                return Proxy()

            def __call__(self, x):
                return np.array([x[0] - 3, x[1] - 4])

        print(leastsq(Proxy(), [1.0, 1.0])[0].round(6).tolist())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[3.0, 4.0]", "")
