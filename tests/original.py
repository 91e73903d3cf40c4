"""The original Fortran MINPACK, where Debian's libminpack1 is installed, called as `_minpack` is.

Each function takes and gives back what its namesake in `pyminpack._minpack` does (see _minpack.pyf), so that a
test can hand both the same arguments. Matrices are in C's order and transposed: a[j, i] is a(i+1, j+1) there.
"""

import ctypes
import ctypes.util
from collections.abc import Callable
from typing import Any

import numpy as np

Residuals = Callable[[np.ndarray], np.ndarray]
Jacobian = Callable[[np.ndarray], np.ndarray]
Row = Callable[[np.ndarray, int], np.ndarray]


def _load() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("minpack")
    return ctypes.CDLL(name) if name else None


LIBRARY = _load()

_INT = ctypes.POINTER(ctypes.c_int)
_DOUBLE = ctypes.POINTER(ctypes.c_double)
_ResidualFunction = ctypes.CFUNCTYPE(None, _INT, _INT, _DOUBLE, _DOUBLE, _INT)
_JacobianFunction = ctypes.CFUNCTYPE(None, _INT, _INT, _DOUBLE, _DOUBLE, _DOUBLE, _INT, _INT)
_RowFunction = ctypes.CFUNCTYPE(None, _INT, _INT, _DOUBLE, _DOUBLE, _DOUBLE, _INT)


def _by_reference(value: Any) -> Any:
    """A Fortran 77 argument: arrays and numbers alike as addresses."""
    if isinstance(value, np.ndarray):
        return value.ctypes.data_as(_INT if value.dtype == np.int32 else _DOUBLE)
    if isinstance(value, float | np.floating):
        return ctypes.byref(ctypes.c_double(value))
    if isinstance(value, int | np.integer):
        return ctypes.byref(ctypes.c_int(value))
    return value


def call(name: str, *args: Any) -> Any:
    """Call a routine of the original by its Fortran name; arrays are changed in place."""
    routine = getattr(LIBRARY, name + "_")
    routine.restype = ctypes.c_double if name == "enorm" else None
    return routine(*map(_by_reference, args))


def _at(address: Any, *shape: int) -> np.ndarray:
    """What stands at an address that MINPACK passed, to read or to fill."""
    return np.ctypeslib.as_array(address, shape)


def _copy(array: Any) -> np.ndarray:
    return np.array(array, dtype=np.float64, order="C")


# ------------------------------------------------------------------------------------------- drivers


def _answered_once(func: Residuals, first: np.ndarray) -> Residuals:
    """`func`, but for the first request, which asks for what is known: the residuals at the start."""
    known = [first]
    return lambda x: known.pop() if known else func(x)


def lmdif(
    func: Residuals,
    x: np.ndarray,
    fvec: np.ndarray,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    epsfcn: float,
    diag: np.ndarray,
    factor: float,
) -> tuple:
    """Give x, fvec, info, nfev, fjac, ipvt, qtf."""
    m, n = fvec.size, x.size
    evaluate = _answered_once(func, fvec)

    def fcn(_m: Any, _n: Any, x: Any, fvec: Any, _iflag: Any) -> None:
        _at(fvec, m)[:] = evaluate(_at(x, n).copy())

    x, fvec, scale, mode = _copy(x), np.zeros(m), *_scaling(diag, n)
    fjac, ipvt, qtf = np.zeros((n, m)), np.zeros(n, np.int32), np.zeros(n)
    info, nfev = np.zeros(1, np.int32), np.zeros(1, np.int32)
    call("lmdif", _ResidualFunction(fcn), m, n, x, fvec, ftol, xtol, gtol, maxfev, epsfcn, scale, mode, factor, 0,
         info, nfev, fjac, m, ipvt, qtf, *_work(m, n))  # fmt: skip
    return x, fvec, int(info[0]), int(nfev[0]), fjac, ipvt, qtf


def lmder(func: Residuals, jac: Jacobian, x: np.ndarray, fvec: np.ndarray, col_deriv: bool, *options: Any) -> tuple:
    """Give x, fvec, info, nfev, njev, fjac, ipvt, qtf. Options: ftol, xtol, gtol, maxfev, diag, factor."""
    m, n = fvec.size, x.size
    evaluate = _answered_once(func, fvec)

    def fcn(_m: Any, _n: Any, x: Any, fvec: Any, fjac: Any, _ld: Any, iflag: Any) -> None:
        if iflag[0] == 1:
            _at(fvec, m)[:] = evaluate(_at(x, n).copy())
        else:
            derivatives = jac(_at(x, n).copy())
            _at(fjac, n, m)[:] = derivatives if col_deriv else derivatives.T

    return _with_jacobian("lmder", _JacobianFunction(fcn), x, m, m, *options)


def lmstr(func: Residuals, row: Row, x: np.ndarray, fvec: np.ndarray, *options: Any) -> tuple:
    """As lmder, with row i of the Jacobian, counted from 0, from row(x, i)."""
    m, n = fvec.size, x.size
    evaluate = _answered_once(func, fvec)

    def fcn(_m: Any, _n: Any, x: Any, fvec: Any, fjrow: Any, iflag: Any) -> None:
        if iflag[0] == 1:
            _at(fvec, m)[:] = evaluate(_at(x, n).copy())
        else:
            _at(fjrow, n)[:] = row(_at(x, n).copy(), iflag[0] - 2)

    return _with_jacobian("lmstr", _RowFunction(fcn), x, m, n, *options)


def _with_jacobian(
    name: str,
    fcn: Any,
    x: np.ndarray,
    m: int,
    ldfjac: int,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    diag: np.ndarray,
    factor: float,
) -> tuple:
    n = x.size
    x, fvec, scale, mode = _copy(x), np.zeros(m), *_scaling(diag, n)
    fjac, ipvt, qtf = np.zeros((n, ldfjac)), np.zeros(n, np.int32), np.zeros(n)
    info, nfev, njev = (np.zeros(1, np.int32) for _ in range(3))
    call(name, fcn, m, n, x, fvec, fjac, ldfjac, ftol, xtol, gtol, maxfev, scale, mode, factor, 0,
         info, nfev, njev, ipvt, qtf, *_work(m, n))  # fmt: skip
    return x, fvec, int(info[0]), int(nfev[0]), int(njev[0]), fjac, ipvt, qtf


def _scaling(diag: np.ndarray, n: int) -> tuple[np.ndarray, int]:
    """MINPACK's `diag` and `mode`; an empty one asks for its own scaling."""
    return (_copy(diag), 2) if diag.size else (np.zeros(n), 1)


def _work(m: int, n: int) -> list[np.ndarray]:
    return [np.zeros(size) for size in (n, n, n, m)]


# ------------------------------------------------------------------------------------------- kernels


def enorm(x: np.ndarray) -> float:
    """Give ‖x‖."""
    return call("enorm", x.size, _copy(x))


def qrfac(a: np.ndarray, pivot: int) -> tuple:
    """Give a, ipvt, rdiag, acnorm."""
    n, m = a.shape
    a, ipvt = _copy(a), np.zeros(n, np.int32)
    rdiag, acnorm, wa = np.zeros(n), np.zeros(n), np.zeros(n)
    call("qrfac", m, n, a, m, pivot, ipvt, n, rdiag, acnorm, wa)
    return a, ipvt, rdiag, acnorm


def qrsolv(r: np.ndarray, ipvt: np.ndarray, diag: np.ndarray, qtb: np.ndarray) -> tuple:
    """Give r, x, sdiag."""
    n, ldr = r.shape
    r, x, sdiag, wa = _copy(r), np.zeros(n), np.zeros(n), np.zeros(n)
    call("qrsolv", n, r, ldr, ipvt, _copy(diag), _copy(qtb), x, sdiag, wa)
    return r, x, sdiag


def lmpar(
    r: np.ndarray, ipvt: np.ndarray, diag: np.ndarray, qtb: np.ndarray, delta: float, par: float
) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """Give r, par, x, sdiag."""
    n, ldr = r.shape
    r, x, sdiag, wa1, wa2, estimate = _copy(r), *(np.zeros(n) for _ in range(4)), np.array([par])
    call("lmpar", n, r, ldr, ipvt, _copy(diag), _copy(qtb), delta, estimate, x, sdiag, wa1, wa2)
    return r, float(estimate[0]), x, sdiag


def rwupdt(r: np.ndarray, w: np.ndarray, b: np.ndarray, alpha: float) -> tuple:
    """Give r, b, alpha, cos, sin."""
    n, ldr = r.shape
    r, b, side, cos, sin = _copy(r), _copy(b), np.array([alpha]), np.zeros(n), np.zeros(n)
    call("rwupdt", n, r, ldr, _copy(w), b, side, cos, sin)
    return r, b, float(side[0]), cos, sin


def chkder(
    x: np.ndarray, fvec: np.ndarray, fjac: np.ndarray, xp: np.ndarray, fvecp: np.ndarray, mode: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give xp, err."""
    m, n = fvec.size, x.size
    xp, err = _copy(xp), np.zeros(m)
    call("chkder", m, n, _copy(x), _copy(fvec), _copy(fjac), m, xp, _copy(fvecp), mode, err)
    return xp, err
