"""The Levenberg-Marquardt iteration in the hands of its caller, who brings norms and triangles.

MINPACK's drivers in `minpack/` are loops round three decisions, `lm_start`, `lm_propose` and `lm_judge`. This is the
same loop taken apart: the decisions are those very routines, so the iterates are the drivers'. Within bounds
`lm_start_box` and `lm_propose_box` take the place of the first two.
"""

from typing import Any, Final

import numpy as np

from .. import _minpack
from .._model.arrays import Array, Indices
from .._report.info import Info

# The components of lm_control and lm_state, as minpack/lm_types.f90 has them (tests/test_iteration.py compares).
CONTROL: Final = np.dtype(
    [("ftol", "f8"), ("xtol", "f8"), ("gtol", "f8"), ("factor", "f8"), ("maxfev", "i4"), ("mode", "i4")], align=True
)
STATE: Final = np.dtype(
    [
        ("fnorm", "f8"),
        ("xnorm", "f8"),
        ("delta", "f8"),
        ("par", "f8"),
        ("gnorm", "f8"),
        ("pnorm", "f8"),
        ("prered", "f8"),
        ("dirder", "f8"),
        ("iteration", "i4"),
        ("info", "i4"),
        ("accepted", "?"),
        ("wall", "i4"),
    ],
    align=True,
)

# Where a component is to be found in the state as an array of its own kind: a structured view takes ten times as long.
_DOUBLE = np.dtype("f8")
_PLACES: Final = {name: (STATE[name], field[1] // STATE[name].itemsize) for name, field in (STATE.fields or {}).items()}
_RUNNING = int(Info.RUNNING)  # a member of an enum takes 0.3 µs to look up
_OWN_SCALING, _USER_SCALING = 1, 2


class Iteration:
    """One fit: where it stands, and what it knows of the residuals there.

    A round is `start` with the triangle of the Jacobian at `x`; then `propose` a trial point and `judge` it by the
    norm of the residuals there, until one is accepted or the fit has ended. It can be pickled between any two calls.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The best point so far; changed in place where a trial point is accepted.
    control, state : ndarray
        lm_control and lm_state (minpack/lm_types.f90), each as an array of doubles.
    bounds : pair of ndarray, or None
        Lower and upper bounds.
    diag : ndarray of shape (n,)
        The scale factors in use.
    r, ipvt, qtf, acnorm
        The factorization that the last `start` was given.
    held : ndarray of bool, shape (n,)
        After `start`: which parameters are at a bound with the gradient pointing outwards.
    renewed : float
        The norm of the residuals where `look_again` has last had the fit begin anew; 0 where it never has.
    """

    def __init__(
        self,
        x: Array,
        fnorm: float,
        options: tuple[float, float, float, int, float],
        scale: Array | None = None,
        bounds: tuple[Array, Array] | None = None,
    ) -> None:
        """Begin at x, where the residuals have this norm; options are ftol, xtol, gtol, maxfev and factor.

        Bounds are the lower and the upper ones, infinite where there are none, and x is within them.
        """
        ftol, xtol, gtol, maxfev, factor = options
        mode = _OWN_SCALING if scale is None else _USER_SCALING
        self.x = x.copy()
        self.diag = np.ones(x.size) if scale is None else scale.copy()
        self.control = np.array([(ftol, xtol, gtol, factor, maxfev, mode)], CONTROL).view(np.float64)
        self._trial = self.x
        self.bounds = None if bounds is None or np.all(np.isinf(bounds)) else bounds
        self.renewed = 0.0
        self.held = np.zeros(x.size, np.bool_)
        self.begin(fnorm)

    def begin(self, fnorm: float) -> None:
        """Forget all but x and the scale factors."""
        self.state = _minpack.lm_begin(fnorm)

    def start(self, r: Array, ipvt: Indices, qtf: Array, acnorm: Array) -> None:
        """Take in the factorization J P = Q R at x: Rᵀ, P, the first n entries of Qᵀf, the norms of J's columns.

        Takes the arrays over: the part of `r` that isn't R is scratch.
        """
        self.r, self.ipvt, self.qtf, self.acnorm = r, ipvt, qtf, acnorm
        if self.bounds is None:
            _minpack.lm_start(self.control, r, ipvt, qtf, acnorm, self.x, self.diag, self.state)
            return
        held = _minpack.lm_start_box(self.control, r, ipvt, qtf, acnorm, self.x, *self.bounds, self.diag, self.state)
        self.held = held.astype(np.bool_)

    def propose(self) -> Array:
        """Where to evaluate the residuals next."""
        at = self.r, self.ipvt, self.qtf, self.diag, self.x
        if self.bounds is None:
            self._trial, self.step = _minpack.lm_propose(*at, self.state)
        else:
            self._trial, self.step = _minpack.lm_propose_box(*at, *self.bounds, self.state)
        return self._trial

    def judge(self, trial_norm: float, nfev: int) -> bool:
        """Take or reject the proposed point by the norm of the residuals there; True where it is x now."""
        _minpack.lm_judge(self.control, self.diag, self._trial, trial_norm, nfev, self.x, self.state)
        return bool(self["accepted"])

    def look_again(self, r: Array, ipvt: Indices, qtf: Array, acnorm: Array) -> bool:
        """At the end, given the factorization there: whether the fit begins anew from x, and so goes on."""
        n = self.x.size
        low, high = self.bounds or (np.full(n, -np.inf), np.full(n, np.inf))
        self.renewed, goes_on = _minpack.lm_look_again(
            self.control, r, ipvt, qtf, acnorm, self.x, low, high, self.diag, self.state, self.renewed
        )
        return bool(goes_on)

    def take_over(
        self, x: Array, diag: Array, state: Array, renewed: float, factor: tuple[Array, Indices, Array, Array]
    ) -> None:
        """Go on from where a driver has left off."""
        self.x, self.diag, self.state, self.renewed = x, diag, state, renewed
        self.r, self.ipvt, self.qtf, self.acnorm = factor

    def end(self, info: int) -> None:
        """End here, for a reason that is not the iteration's own."""
        self.state.view(STATE)["info"] = info

    def __getitem__(self, component: str) -> Any:
        """A component of the state, by its name in minpack/lm_types.f90."""
        kind, place = _PLACES[component]
        return (self.state if kind is _DOUBLE else self.state.view(kind)).item(place)

    @property
    def is_running(self) -> bool:
        """Whether no test has ended the fit yet."""
        return bool(self["info"] == _RUNNING)
