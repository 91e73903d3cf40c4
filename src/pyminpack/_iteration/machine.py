"""The record of a fit, and the iteration in the hands of a caller who brings norms and factorizations.

The core decides (minpack/iteration/next.f90): it says what it wants next, and gets it. `solve` in C does that for all fits
whose function can be called here; `Machine` is for a loop in Python, where it is a cluster that answers.
"""

from typing import Any, Final

import numpy as np

from .._minpack import codes, layout, lm_begin, lm_next, lm_take_factor, lm_take_norm
from .._model.arrays import Array
from .._report.info import Indices

_LAYOUT: Final = layout()
CODES: Final = codes()
RUNNING: Final = CODES["INFO_running"]
WANT_FACTOR, WANT_NORM, ENDED = CODES["want_factor"], CODES["want_norm"], CODES["ended"]

# The components of a fit's record, as minpack/iteration/fit.def has them.
RECORD: Final = np.dtype(
    {
        "names": [name for name, *_ in _LAYOUT],
        "formats": [kind for _, kind, *_ in _LAYOUT],
        "offsets": [offset for _, _, offset, _ in _LAYOUT],
        "itemsize": -(-(_LAYOUT[-1][2] + 4) // 8) * 8,
    }
)
_DOUBLES: Final = RECORD.itemsize // 8


def record_of(memory: Array) -> Any:
    """The record that a fit's memory begins with: a view, component by name."""
    return memory[:_DOUBLES].view(RECORD)[0]


class Machine:
    """One fit without bounds, between two calls of its owner.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The best point so far; changed in place where a trial point is accepted.
    trial : ndarray of shape (n,)
        Where the norm of the residuals is wanted.
    record : structured scalar
        All else that the iteration remembers, by the names of minpack/iteration/fit.def.
    r, ipvt, qtf, acnorm
        The last factorization: Rᵀ, P, the first n entries of Qᵀf, the norms of the Jacobian's columns.
    """

    def __init__(
        self, x: Array, options: tuple[float, float, float, int, float], scale: Array | None, precision: float
    ) -> None:
        """Prepare for a fit from x; options are ftol, xtol, gtol, maxfev and factor.

        `precision` is the relative error of the residuals that differences follow as long as nothing speaks against it; 0
        where there are none, or where their steps are somebody's word.
        """
        n = x.size
        self.x, self.trial = x.copy(), x.copy()
        self._diag = np.ones(n) if scale is None else scale.copy()
        self._fit = np.zeros(_DOUBLES)
        self.record = record_of(self._fit)
        named = dict(zip(("ftol", "xtol", "gtol", "maxfev", "factor"), options, strict=True))
        named |= {"n": n, "mode": 1 if scale is None else 2, "differences": int(precision > 0), "precision": precision}
        for name, value in named.items():
            self.record[name] = value
        self.r, self.ipvt = np.zeros((n, n)), np.arange(1, n + 1, dtype=np.int32)
        self.qtf, self.acnorm = np.zeros(n), np.zeros(n)

    def begin(self, norm: float) -> None:
        """Bring the norm of the residuals at x."""
        lm_begin(self._fit, norm)

    def next(self) -> int:
        """What the iteration wants: WANT_FACTOR, WANT_NORM, or nothing after an accepted step, and at the end, ENDED."""
        qtf = self.qtf  # without bounds nothing is read in their places
        return lm_next(self._fit, self.r, self.ipvt, qtf, self.acnorm, self._diag, self.x, qtf, qtf, self.trial)

    def take_factor(self, r: Array, ipvt: Indices, qtf: Array, acnorm: Array) -> None:
        """Bring the factorization J P = Q R at x; takes the arrays over."""
        self.r, self.ipvt, self.qtf, self.acnorm = r, ipvt, qtf, acnorm
        lm_take_factor(self._fit, r, ipvt, qtf, acnorm, self.x, qtf, qtf, self._diag)

    def take_norm(self, norm: float) -> None:
        """Bring the norm of the residuals at the trial point."""
        lm_take_norm(self._fit, self._diag, self.trial, norm, self.x)
