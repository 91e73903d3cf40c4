"""The record of a fit, and the iteration in the hands of a caller who brings norms and factorizations.

The core decides: it says what it wants next, and gets it (minpack/iteration/next.f90). `solve` in C does that for all
fits whose function can be called here. `Machine` is for a loop in Python, where a cluster answers.
"""

import ctypes
from typing import Any, Final

import numpy as np

from .._minpack import (
    codes,
    doubt_careful,
    find_jacobian_error,
    judge_difference,
    layout,
    lm_begin,
    lm_next,
    lm_take_factor,
    lm_take_norm,
    places,
    plan_differences,
)
from .._model.arrays import DOUBLE, Array, Indices, Mask

_KINDS: Final[dict[str, type[Any]]] = {"f8": ctypes.c_double, "i4": ctypes.c_int32}
CODES: Final = codes()
RUNNING: Final = CODES["info_running"]
CAREFUL: Final = 3  # of the values of `differences`
_CAREFUL_STATE: Final = 10  # careful_state of minpack/derivatives/careful.f90
WANT_FACTOR, WANT_NORM, ENDED = CODES["want_factor"], CODES["want_norm"], CODES["ended"]


class FitRecord(ctypes.Structure):
    """The record that a fit's memory begins with, component by name, as minpack/iteration/fit.def has them."""

    _fields_ = [(name, _KINDS[kind]) for name, kind, _ in layout()]
    # Those that Python looks at:
    m: int
    n: int
    info: int
    stage: int
    busy: int
    calls: int
    jacobian_is_at_x: int
    nit: int
    nfev: int
    njev: int
    differences: int
    fnorm: float
    end_norm: float
    is_above: int
    highest: float
    par: float
    pnorm: float
    gnorm: float
    claim: int
    offset: float
    doubt: float
    noise: float
    precision: float

    @property
    def best_norm(self) -> float:
        """The norm of the residuals at the best point so far."""
        return self.end_norm if self.is_above else self.fnorm


_DOUBLES: Final = -(-ctypes.sizeof(FitRecord) // 8)


class Memory:
    """A fit in the memory that `solve` works on: copies of its parts, and its record.

    Attributes
    ----------
    block : ndarray
        All of it; what pickling takes along.
    record : FitRecord
        The record that it begins with: a view.
    """

    def __init__(self, block: Array) -> None:
        self.block, self.record = block, FitRecord.from_buffer(block.data)
        self.record.busy = 0  # where a fit was pickled by its own function, that other one is
        self._n, self._m = self.record.n, self.record.m
        self._x, self._f, self._end_x, self._end_f, *others = places(block)
        self._diag, self._qtf, self._norms, self._r, self._ipvt, self._states = others

    def __reduce__(self) -> tuple[Any, ...]:
        return Memory, (self.block,)

    def _vector(self, place: int) -> Array:
        return self.block[place : place + self._n].copy()

    @property
    def x(self) -> Array:
        """The iterate."""
        return self._vector(self._x)

    @property
    def f(self) -> Array:
        """The residuals there."""
        return self.block[self._f : self._f + self._m].copy()

    @property
    def best_x(self) -> Array:
        """The best point so far: the iterate, or the end from which the fit has gone back."""
        return self._vector(self._end_x if self.record.is_above else self._x)

    @property
    def best_f(self) -> Array:
        """The residuals there."""
        place = self._end_f if self.record.is_above else self._f
        return self.block[place : place + self._m].copy()

    @property
    def diag(self) -> Array:
        """The scale factors."""
        return self._vector(self._diag)

    @property
    def norms(self) -> Array:
        """Norms of the columns of the last Jacobian."""
        return self._vector(self._norms)

    @property
    def steps(self) -> Array:
        """Lengths of the steps of careful differences; 0 where none have been taken."""
        states = self.block[self._states : self._states + self._n * _CAREFUL_STATE]
        return states[::_CAREFUL_STATE].copy()  # at_step of minpack/derivatives/careful.f90

    @property
    def factor(self) -> tuple[Array, Indices, Array]:
        """Rᵀ, P, and the first n entries of Qᵀf of the last factorization."""
        n = self._n
        r = self.block[self._r : self._r + n * n].reshape(n, n).copy()
        ipvt = self.block[self._ipvt : self._ipvt + (n + 1) // 2].view(np.int32)[:n].copy()
        return r, ipvt, self._vector(self._qtf)


class Machine:
    """One fit without bounds, between two calls of its owner.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The iterate; changed in place where a trial point is accepted.
    trial : ndarray of shape (n,)
        Where the norm of the residuals is wanted.
    record : FitRecord
        All else that the iteration remembers.
    r, ipvt, qtf, acnorm
        The last factorization: Rᵀ, P, the first n entries of Qᵀf, the norms of the Jacobian's columns.
    """

    def __init__(
        self,
        x: Array,
        options: tuple[float, float, float, int, float],
        scale: Array | None,
        precision: float,
        is_given: bool = True,
        certifies: bool = False,
    ) -> None:
        """Prepare for a fit from x; options are ftol, xtol, gtol, maxfev and factor.

        `precision` is the relative error of the residuals that differences follow as long as nothing speaks against it;
        `is_given` says whether there are none, up to the end, and `certifies` whether that is made sure of.
        """
        n = x.size
        self.x, self.trial = x.copy(), x.copy()
        self._diag = np.ones(n) if scale is None else scale.copy()
        self._fit = np.zeros(_DOUBLES)
        self.record = FitRecord.from_buffer(self._fit.data)
        named = dict(zip(("ftol", "xtol", "gtol", "maxfev", "factor"), options, strict=True))
        named |= {"n": n, "mode": 1 if scale is None else 2, "differences": int(not is_given), "given": int(is_given)}
        named |= {"precision": precision, "precision_known": int(precision > DOUBLE)}
        named["certifies"] = int(certifies)
        for name, value in named.items():
            setattr(self.record, name, value)
        self.r, self.ipvt = np.zeros((n, n)), np.arange(1, n + 1, dtype=np.int32)
        self.qtf, self.acnorm = np.zeros(n), np.zeros(n)
        self._states = np.zeros((n, _CAREFUL_STATE))
        self._refuge = np.zeros((4, n))  # what the iteration remembers: see retreat.f90
        self._no_bounds = np.full(n, -np.inf), np.full(n, np.inf)

    @property
    def best_x(self) -> Array:
        """The best point so far: the iterate, or the end from which the fit has gone back."""
        return self._refuge[2] if self.record.is_above else self.x

    @property
    def is_careful(self) -> bool:
        """Whether the Jacobian is wanted by careful differences."""
        return self.record.differences == CAREFUL

    @property
    def jacobian_error(self) -> float:
        """Relative error of the last Jacobian."""
        return find_jacobian_error(self._fit)

    def plan_round(self) -> tuple[Indices, Array, Array]:
        """For which parameters careful differences are wanted now, from 0, and the values on either side of x."""
        no_size = np.zeros_like(self.x)
        chosen, near, far, count = plan_differences(
            self._fit, self.x, no_size, *self._no_bounds, self.acnorm, self._states
        )
        return chosen[: count // 2] - 1, near, far

    def take_round(self, chosen: Indices, measures: Array) -> tuple[Mask, bool]:
        """Take in their changes, bends, rises and tilts: which have no slope, and whether another round is wanted."""
        still = np.zeros(chosen.size, bool)
        for i, j in enumerate(chosen):
            change, bend, rise, tilt = measures[i].tolist()
            still[i] = judge_difference(self._fit, self.x[j], change, bend, rise, tilt, self._states[j]) != 0
        return still, doubt_careful(self._fit, self.x, *self._no_bounds, self._states) != 0

    def begin(self, norm: float) -> None:
        """Bring the norm of the residuals at x."""
        lm_begin(self._fit, norm)

    def next(self) -> int:
        """What the iteration wants: WANT_FACTOR, WANT_NORM, at the end ENDED, and nothing after an accepted step."""
        qtf = self.qtf  # without bounds nothing is read in their places
        return lm_next(
            self._fit, self.r, self.ipvt, qtf, self.acnorm, self._diag, self.x, qtf, qtf, self.trial, self._refuge
        )

    def take_factor(self, r: Array, ipvt: Indices, qtf: Array, acnorm: Array) -> None:
        """Bring the factorization J P = Q R at x; takes the arrays over."""
        self.r, self.ipvt, self.qtf, self.acnorm = r, ipvt, qtf, acnorm
        lm_take_factor(self._fit, r, ipvt, qtf, acnorm, self.x, qtf, qtf, self._diag)

    def take_norm(self, norm: float) -> None:
        """Bring the norm of the residuals at the trial point."""
        lm_take_norm(self._fit, self._diag, self.trial, norm, self.x)
