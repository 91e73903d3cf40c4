"""Fits in the hands of a test: the loop of minpack/iteration/next.f90 in Python, with bounds and restarts, too."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from pyminpack import _minpack
from pyminpack._iteration.machine import ENDED, WANT_FACTOR, WANT_NORM, FitRecord, Machine

Bounds = tuple[np.ndarray, np.ndarray]


class BoundedMachine(Machine):
    """A `Machine` that may have bounds and restarts."""

    def __init__(
        self,
        x: np.ndarray,
        options: tuple[float, float, float, int, float],
        scale: np.ndarray | None = None,
        bounds: Bounds | None = None,
        restarts: bool = False,
    ) -> None:
        super().__init__(x, options, scale, 0.0)
        self.record.boxed, self.record.restarts = bounds is not None, restarts
        self.bounds = bounds or (np.full(x.size, -np.inf), np.full(x.size, np.inf))

    @property
    def diag(self) -> np.ndarray:
        return self._diag

    @property
    def is_running(self) -> bool:
        """Whether no test has ended the fit yet."""
        return bool(self.record.info < 0)

    def next(self) -> int:
        factor = self.r, self.ipvt, self.qtf, self.acnorm
        return _minpack.lm_next(self._fit, *factor, self._diag, self.x, *self.bounds, self.trial, self._refuge)

    def take_factor(self, r: np.ndarray, ipvt: np.ndarray, qtf: np.ndarray, acnorm: np.ndarray) -> None:
        self.r, self.ipvt, self.qtf, self.acnorm = r, ipvt, qtf, acnorm
        _minpack.lm_take_factor(self._fit, r, ipvt, qtf, acnorm, self.x, *self.bounds, self._diag)


def factor(jacobian: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rᵀ, P, the first n entries of Qᵀf, the norms of the columns."""
    r, *others = _minpack.lm_factor(np.ascontiguousarray(jacobian.T), f)
    return np.ascontiguousarray(r[:, : jacobian.shape[1]]), *others


def travelled(machine: Any) -> Any:
    """The same fit, of copies that pickle has made of the record and the vectors."""
    copy = object.__new__(type(machine))
    copy.__dict__.update(pickle.loads(pickle.dumps(machine.__dict__)))
    copy.record = FitRecord.from_buffer(copy._fit)
    return copy


def state_of(machine: Any) -> list[bytes]:
    """Everything that there is of a fit, to the bit."""
    return [value.tobytes() for value in vars(machine).values() if isinstance(value, np.ndarray)]


def fit(
    machine: Any,
    residuals: Callable[[np.ndarray], np.ndarray],
    jacobian: Callable[[Any, np.ndarray], np.ndarray],
    look: Callable[[Any, int], Any] = lambda machine, wanted: machine,
) -> Any:
    """The whole fit: `look` sees it wherever something is wanted, and gives it, or what is to take its place, back."""
    f = residuals(machine.x)
    machine.record.nfev = 1
    machine.begin(_minpack.enorm(f))
    while (wanted := machine.next()) != ENDED:
        machine = look(machine, wanted)
        if wanted == WANT_FACTOR:
            machine.take_factor(*factor(jacobian(machine, f), f))
        elif wanted == WANT_NORM:
            beside = residuals(machine.trial)
            machine.take_norm(_minpack.enorm(beside))
        else:
            f = beside
    return machine
