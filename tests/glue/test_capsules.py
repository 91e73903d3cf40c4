"""The drivers of the extension module call a function that a PyCapsule wraps with nothing in between."""

import ctypes
import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checks import SUCCESS, assert_same_fit, fit
from models import START, decay, decay_jacobian
from pyminpack import _minpack

INT = ctypes.POINTER(ctypes.c_int)
DOUBLE = ctypes.POINTER(ctypes.c_double)
RESIDUALS = ctypes.CFUNCTYPE(None, INT, INT, DOUBLE, DOUBLE, INT)
JACOBIAN = ctypes.CFUNCTYPE(None, INT, INT, DOUBLE, DOUBLE, DOUBLE, INT, INT)

TOLERANCES = (1.49012e-8, 1.49012e-8, 0.0, 600)
NO_SCALE = np.empty(0)


def capsule(function: Any, name: bytes | None = None) -> Any:
    """Wrap a ctypes function; the caller keeps it, and `name`, alive."""
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.cast(function, ctypes.c_void_p), name, None)


def seen(address: Any, *shape: int) -> np.ndarray:
    return np.ctypeslib.as_array(address, shape)


@pytest.mark.parametrize("name", [None, b"void (int *, int *, double *, double *, int *)"], ids=["unnamed", "named"])
def test_capsule_of_residuals(name: bytes | None) -> None:
    @RESIDUALS
    def residuals(m: Any, n: Any, x: Any, fvec: Any, iflag: Any) -> None:
        seen(fvec, m[0])[:] = decay(seen(x, n[0]))

    start, first = np.array(START), decay(np.array(START))
    given = _minpack.lmdif(capsule(residuals, name), start, first, *TOLERANCES, 0.0, NO_SCALE, 100.0)
    expected = _minpack.lmdif(decay, start, first, *TOLERANCES, 0.0, NO_SCALE, 100.0)
    for this, that in zip(given, expected, strict=True):
        np.testing.assert_array_equal(this, that)
    np.testing.assert_array_equal(start, START)


def test_capsule_of_residuals_and_their_jacobian() -> None:
    @JACOBIAN
    def both(m: Any, n: Any, x: Any, fvec: Any, fjac: Any, ldfjac: Any, iflag: Any) -> None:
        if iflag[0] == 1:
            seen(fvec, m[0])[:] = decay(seen(x, n[0]))
        else:
            seen(fjac, n[0], ldfjac[0])[:, : m[0]] = decay_jacobian(seen(x, n[0])).T

    start, first = np.array(START), decay(np.array(START))
    wrapped = capsule(both)
    given = _minpack.lmder(wrapped, wrapped, start, first, False, *TOLERANCES, NO_SCALE, 100.0)
    expected = _minpack.lmder(decay, decay_jacobian, start, first, False, *TOLERANCES, NO_SCALE, 100.0)
    for this, that in zip(given, expected, strict=True):
        np.testing.assert_array_equal(this, that)


@pytest.mark.parametrize("call", [1, 2, 4, 7])
@pytest.mark.parametrize("flag", [-1, -42])
def test_capsule_that_asks_to_stop(call: int, flag: int) -> None:
    calls = itertools.count(1)
    last = 0

    @RESIDUALS
    def residuals(m: Any, n: Any, x: Any, fvec: Any, iflag: Any) -> None:
        nonlocal last
        last = next(calls)
        seen(fvec, m[0])[:] = decay(seen(x, n[0]))
        if last == call:
            iflag[0] = flag

    first = decay(np.array(START))
    info = _minpack.lmdif(capsule(residuals), np.array(START), first, *TOLERANCES, 0.0, NO_SCALE, 100.0)[2]
    assert info == flag
    assert last == call


def test_capsule_inside_of_a_fit_with_python() -> None:
    @RESIDUALS
    def residuals(m: Any, n: Any, x: Any, fvec: Any, iflag: Any) -> None:
        seen(fvec, m[0])[:] = seen(x, n[0])[0] - np.arange(4.0)

    wrapped = capsule(residuals)

    def outer(x: np.ndarray) -> np.ndarray:
        mean = _minpack.lmdif(wrapped, np.zeros(1), np.ones(4), *TOLERANCES, 0.0, NO_SCALE, 100.0)[0]
        np.testing.assert_allclose(mean, 1.5, rtol=1e-6)
        return decay(x)

    assert_same_fit(fit(outer), fit(decay))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Residuals (x1 - 3, x2 - 4, x1 + x2 - 7) in C, which count their calls, and those that held the GIL."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder: Path = tmp_path_factory.mktemp("compiled")
    source, library = folder / "residuals.c", folder / "residuals.so"
    source.write_text("""
        extern int PyGILState_Check(void);
        int calls, held;
        void residuals(int *m, int *n, double *x, double *fvec, int *iflag)
        {
            calls++;
            held += PyGILState_Check();
            fvec[0] = x[0] - 3;
            fvec[1] = x[1] - 4;
            fvec[2] = x[0] + x[1] - 7;
        }
    """)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


def test_compiled_residuals_are_called_without_the_gil(compiled: ctypes.CDLL) -> None:
    x, fvec, info, nfev, *_ = _minpack.lmdif(
        capsule(compiled.residuals), np.ones(2), np.ones(3), *TOLERANCES, 0.0, NO_SCALE, 100.0
    )
    assert info in SUCCESS
    np.testing.assert_allclose(x, [3, 4])
    np.testing.assert_allclose(fvec, 0, atol=1e-7)
    assert ctypes.c_int.in_dll(compiled, "calls").value == nfev
    assert ctypes.c_int.in_dll(compiled, "held").value == 0
