"""Compiled residuals and Jacobians: right, alone or mixed with Python's, without Python frames and the GIL."""

import ctypes
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from c_library import DATA, c_function, c_jacobian, c_residuals, library, needs_compiler
from measures import BYTES_ALLOWED, memory, needs_proc
from models import START, T, jacobian, residuals
from pyminpack import InputTypeError, InputValueError, ShapeError, compiled_jacobian, compiled_residuals, leastsq

pytestmark = needs_compiler

DOUBLE_P = ctypes.POINTER(ctypes.c_double)
INT_P = ctypes.POINTER(ctypes.c_int)
RESIDUALS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLE_P, DOUBLE_P, ctypes.c_void_p)
FCN = ctypes.CFUNCTYPE(None, INT_P, INT_P, DOUBLE_P, DOUBLE_P, INT_P)


EXPECTED = leastsq(residuals, START, Dfun=jacobian, full_output=True)


# ------------------------------------------------------------------------------------- right answers


def test_residuals_can_be_called_from_python():
    np.testing.assert_allclose(c_residuals()([1.5, 0.5]), residuals(np.array([1.5, 0.5])), rtol=1e-15)


@pytest.mark.parametrize("layout", ["C", "F"])
def test_jacobian_can_be_called_from_python(layout):
    given = c_jacobian(layout)([1.5, 0.5])
    assert given.shape == (20, 2)
    np.testing.assert_allclose(given, jacobian(np.array([1.5, 0.5])), rtol=1e-15)


@pytest.mark.parametrize("layout", [None, "C", "F"])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled func", "Python func"])
def test_mixtures_fit_alike(compiled, layout):
    jac = jacobian if layout is None else c_jacobian(layout)
    func = c_residuals() if compiled else residuals
    x, cov_x, info, _, ier = leastsq(func, START, Dfun=jac, full_output=True)
    np.testing.assert_allclose(x, EXPECTED[0], rtol=1e-9)
    np.testing.assert_allclose(cov_x, EXPECTED[1], rtol=1e-6)
    assert (info["nfev"], info["njev"], ier) == (EXPECTED[2]["nfev"], EXPECTED[2]["njev"], EXPECTED[4])


def test_differences_of_compiled_residuals():
    x, _, info, _, ier = leastsq(c_residuals(), START, full_output=True)
    expected = leastsq(residuals, START, full_output=True)
    np.testing.assert_allclose(x, expected[0], rtol=1e-8)
    assert (info["nfev"], ier) == (expected[2]["nfev"], expected[4])


def test_nfev_is_the_number_of_calls():
    calls = np.zeros(1)
    info = leastsq(
        compiled_residuals(c_function("counted"), 5, data=calls, signature="residuals"), [0, 0], full_output=True
    )[2]
    assert info["nfev"] == calls[0] > 3


def test_minpack_fcn():
    x, ier = leastsq(compiled_residuals(c_function("minpack_fcn"), 20, signature="minpack"), START)
    np.testing.assert_allclose(x, [2.5, 1.3], rtol=1e-6)
    assert ier in (1, 2, 3, 4)


# ----------------------------------------------------------------------------- no Python, and no GIL


def frames_of(call: Any) -> list[str]:
    """Names of the Python functions that a call enters."""
    names = []

    def note(frame: Any, event: str, arg: Any) -> None:
        if event == "call":
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize("layout", [None, "C", "F"])
def test_no_python_frame_during_a_fit(layout):
    """However many evaluations there are, Python is entered by the call of leastsq alone."""
    func = c_residuals()
    options = {} if layout is None else {"Dfun": c_jacobian(layout)}
    short = frames_of(lambda: leastsq(func, EXPECTED[0], **options))
    long = frames_of(lambda: leastsq(func, np.array([9.0, 0.1]), **options))
    assert short == long
    assert "leastsq" in short
    assert "residuals" in frames_of(lambda: leastsq(residuals, START))


def test_other_threads_run_during_a_fit():
    """A thread counts while a compiled fit sleeps in its residuals; with the GIL held it could not."""
    calls, counted, done = np.zeros(1), [0], threading.Event()

    def count() -> None:
        while not done.is_set():
            counted[0] += 1
            done.wait(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    func = compiled_residuals(c_function("slow"), 100, data=calls, signature="residuals")
    before = counted[0]
    leastsq(func, np.ones(100), maxfev=1, full_output=True)
    during = counted[0] - before
    done.set()
    thread.join()
    assert calls[0] > 100
    assert during > 10


def test_fits_in_threads_agree_with_one_after_the_other():
    starts = [np.array([1 + 0.1 * i, 1.0]) for i in range(32)]
    expected = [leastsq(c_residuals(), start)[0] for start in starts]
    results: dict[int, np.ndarray] = {}

    def fit(i: int) -> None:
        for _ in range(50):
            results[i] = leastsq(c_residuals(), starts[i], Dfun=None)[0]

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(len(starts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, x in enumerate(expected):
        np.testing.assert_array_equal(results[i], x)


def test_fits_in_two_threads_advance_while_a_third_runs_python():
    """Each counts on while the others do: two fits that sleep in their residuals, and Python code between."""
    calls = [np.zeros(1), np.zeros(1)]
    funcs = [compiled_residuals(c_function("slow"), 60, data=data, signature="residuals") for data in calls]
    threads = [threading.Thread(target=leastsq, args=(func, np.ones(60)), kwargs={"maxfev": 400}) for func in funcs]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        seen.add((calls[0][0], calls[1][0]))
    both = [pair for pair in seen if 0 < pair[0] < 100 and 0 < pair[1] < 100]
    assert len(both) > 5  # none, if one fit kept the GIL


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_compiled_fit_within_a_fifth_of_a_second():
    """200 calls of a function that takes a millisecond at least."""
    calls, before = np.zeros(1), np.zeros(1)
    func = compiled_residuals(c_function("slow"), 1000, data=calls, signature="residuals")

    def interrupt() -> None:
        while calls[0] == 0:
            time.sleep(0.001)
        before[:] = calls
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Thread(target=interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        leastsq(func, np.ones(1000))
    timer.join()
    assert 0 < calls[0] - before[0] < 200


# ------------------------------------------------------------------------------------ stopping a fit


@pytest.mark.parametrize("number", [3, -3, 1, -(2**31)])
@pytest.mark.parametrize("calls", [0, 1, 2, 3, 7])
def test_a_return_value_ends_the_fit(calls, number):
    func = compiled_residuals(c_function("stops"), 20, data=np.array([calls, number], float), signature="residuals")
    x, cov_x, info, message, ier = leastsq(func, START, full_output=True)
    assert ier == -min(abs(number), 2**31 - 1)
    assert "compiled function" in message
    assert str(-ier) in message
    assert cov_x is None
    assert info["nfev"] <= calls + 2
    if calls < 4:
        np.testing.assert_array_equal(x, START)
    else:
        assert np.linalg.norm(info["fvec"]) < np.linalg.norm(2.5 * np.exp(-1.3 * T) - np.exp(-T))


def test_a_return_value_warns():
    func = compiled_residuals(c_function("stops"), 20, data=np.array([1.0, 1.0]), signature="residuals")
    with pytest.warns(RuntimeWarning, match="compiled function"):
        assert leastsq(func, START)[1] == -1


def test_iflag_ends_the_fit():
    func = compiled_residuals(c_function("minpack_stops"), 20, signature="minpack")
    x, _, _, _, ier = leastsq(func, [1.0], full_output=True)
    assert ier == -42
    assert x == 1


def test_a_stop_is_an_error_for_a_single_evaluation():
    func = compiled_residuals(c_function("stops"), 20, data=np.array([0, 5.0]), signature="residuals")
    with pytest.raises(InputValueError, match="asked to stop, with 5"):
        func(START)


# ----------------------------------------------------------------------------------- kinds of objects


def kinds() -> dict[str, Any]:
    function = c_function("residuals")
    address = ctypes.cast(function, ctypes.c_void_p).value
    make_capsule = ctypes.pythonapi.PyCapsule_New
    make_capsule.restype = ctypes.py_object
    make_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    name = b"int (int m, int n, double const *x, double *fvec, void *data)"
    kinds.kept = name  # type: ignore[attr-defined]  # a capsule does not copy its name
    return {
        "ctypes pointer": (RESIDUALS(address), {}),
        "ctypes function": (function, {"signature": "residuals"}),
        "address": (address, {"signature": "residuals"}),
        "named capsule": (make_capsule(address, name, None), {}),
        "nameless capsule": (make_capsule(address, None, None), {"signature": "residuals"}),
    }


@pytest.mark.parametrize("kind", sorted(kinds()) if library() else [])
def test_kinds_of_functions(kind):
    function, options = kinds()[kind]
    x, ier = leastsq(compiled_residuals(function, 20, data=DATA, **options), START)
    np.testing.assert_allclose(x, EXPECTED[0], rtol=1e-6)
    assert ier in (1, 2, 3, 4)


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        DATA.reshape(2, 20),
        DATA.ctypes.data,
        ctypes.c_void_p(DATA.ctypes.data),
        DATA.ctypes.data_as(DOUBLE_P),
        (ctypes.c_double * 40)(*DATA),
    ],
    ids=["array", "2-D array", "address", "void pointer", "double pointer", "ctypes array"],
)
def test_kinds_of_data(data):
    np.testing.assert_allclose(leastsq(c_residuals(data), START)[0], EXPECTED[0], rtol=1e-6)


def test_function_and_data_are_kept_alive():
    func = compiled_residuals(RESIDUALS(ctypes.cast(c_function("residuals"), ctypes.c_void_p).value), 20, data=DATA + 0)
    junk = [np.full(40, np.nan) for _ in range(100)]
    np.testing.assert_allclose(leastsq(func, START)[0], EXPECTED[0], rtol=1e-6)
    assert len(junk) == 100


def test_import_brings_none_of_the_packages_whose_objects_it_takes():
    code = (
        "import sys, numpy; before = set(sys.modules); import pyminpack;"
        "print({'numba', 'cffi', 'scipy', 'ctypes'} & set(sys.modules) - before)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


# -------------------------------------------------------------------------------------- wrong inputs


@pytest.mark.parametrize(
    ("function", "options", "error", "words"),
    [
        (0, {"signature": "residuals"}, InputValueError, "null pointer"),
        (RESIDUALS(0), {}, InputValueError, "null pointer"),
        (12345, {}, InputTypeError, "signature='residuals'"),
        (residuals, {}, InputTypeError, "no compiled function"),
        (None, {}, InputTypeError, "no compiled function"),
        (True, {}, InputTypeError, "no compiled function"),
        (FCN(lambda *_: None), {"signature": "residuals"}, InputTypeError, "is of type void"),
        (RESIDUALS(lambda *_: 0), {"signature": "minpack"}, InputTypeError, "is of type int"),
        (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda _: 0), {}, InputTypeError, "is of type int"),
        (RESIDUALS(lambda *_: 0), {"signature": "jacobian"}, InputValueError, "'residuals' or 'minpack'"),
        (FCN(lambda *_: None), {"data": DATA}, InputValueError, "takes no data"),
        (RESIDUALS(lambda *_: 0), {"data": DATA[::2]}, InputValueError, "contiguous"),
        (RESIDUALS(lambda *_: 0), {"data": "text"}, InputTypeError, "data is a str"),
    ],
)
def test_function_or_data_that_cannot_be(function, options, error, words):
    with pytest.raises(error, match=words):
        compiled_residuals(function, 20, **options)


@pytest.mark.parametrize(("m", "error"), [(0, InputValueError), (-1, InputValueError), (2.0, InputTypeError)])
def test_sizes_that_cannot_be(m, error):
    with pytest.raises(error, match="m "):
        compiled_residuals(RESIDUALS(lambda *_: 0), m)


def test_layout_that_cannot_be():
    with pytest.raises(InputValueError, match="layout is 'K'"):
        compiled_jacobian(c_function("jacobian_rows"), 20, 2, layout="K")


def test_fewer_residuals_than_parameters():
    with pytest.raises(ShapeError, match="M = 1 residuals for N = 2"):
        leastsq(compiled_residuals(c_function("residuals"), 1, data=DATA, signature="residuals"), START)


@pytest.mark.parametrize(("m", "n"), [(19, 2), (20, 3)])
def test_jacobian_of_another_size(m, n):
    other = compiled_jacobian(c_function("jacobian_rows"), m, n, data=DATA)
    with pytest.raises(ShapeError, match=f"m = {m}, n = {n}"):
        leastsq(c_residuals(), START, Dfun=other)


def test_args_are_refused():
    with pytest.raises(InputTypeError, match="data"):
        leastsq(c_residuals(), START, args=(1,))


def test_residuals_that_are_not_finite_at_the_start():
    with pytest.raises(InputValueError, match="20 of 20 residuals at x0 are not finite"):
        leastsq(compiled_residuals(c_function("peak"), 20, data=np.full(40, np.nan), signature="residuals"), np.ones(4))


# ------------------------------------------------------------------------------------ other packages


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
def test_numba_function_that_is_no_cfunc():
    import numba

    with pytest.raises(InputTypeError, match=r"numba\.cfunc"):
        compiled_residuals(numba.njit(lambda x: x), 20)


@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
def test_numba_cfunc_of_another_type():
    import numba

    with pytest.raises(InputTypeError, match="is of type"):
        compiled_residuals(numba.cfunc("float64(float64)")(lambda x: x), 20)


@pytest.mark.skipif(importlib.util.find_spec("cffi") is None, reason="cffi is not installed")
def test_cffi_function_of_another_type():
    import cffi

    ffi = cffi.FFI()
    with pytest.raises(InputTypeError, match="is of type double"):
        compiled_residuals(ffi.callback("double(double)", lambda x: x), 20)


@pytest.mark.slow
@needs_proc
def test_ten_million_calls_leave_nothing_behind():
    calls = np.zeros(1)
    func = compiled_residuals(c_function("counted"), 5, data=calls, signature="residuals")
    start = np.zeros(2)
    for _ in range(1000):
        leastsq(func, start)
    before = memory()
    while calls[0] < 10_000_000:
        leastsq(func, start)
    assert memory()[1] - before[1] < BYTES_ALLOWED  # an array of 5 numbers for each fit would be 50 MB
