"""The pool in which fits advance together: each has a place, and one that ends makes room for the next."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._iteration.machine import FitRecord
from .._minpack import (
    central_column,
    decide_many,
    factor_many,
    forward_column,
    given_column,
    propose_many,
    residuals_many,
)
from .._model.arrays import DOUBLE, Array, Indices, Mask
from .model import ManyModel

RECORD: Final = np.dtype(FitRecord)
_DOUBLES: Final = RECORD.itemsize // 8
# Of minpack/many/fates.f90:
NONE, WANTS_NORM, WANTS_FACTOR, WANTS_TRIAL, IS_DONE, GOES_ALONE = range(6)

_LANES: Final = 8  # fits of a block, as minpack/many has them
# Steps of differences, relative to the size of a parameter: forward ones are MINPACK's. Central ones are those that
# careful differences begin with (minpack/derivatives/careful.f90), or longer where the rounding of the model is larger.
# A size is the parameter's own, but no more than what changes the residuals by as much as they were at the start, and
# no less than this part of that.
_FORWARD: Final = DOUBLE**0.5
_LEAST_SIZE: Final = 0.01
# The same of a look whether a given Jacobian is right, as _derivatives/verdict.py takes it.
_BESIDE, _LEAST_WEIGHT = 1e-6, 0.1
# Once no fit is left to take a free place, the pool shrinks when so many of its places are in use.
_FULL: Final = 0.75


@dataclass
class Fits:
    """Fits that wait for the pool, and what becomes of them: in each array one row for each fit.

    Attributes
    ----------
    x : ndarray of shape (fits, n)
        Where they start, and end.
    records : ndarray of shape (fits, doubles)
        Their records, as minpack/iteration/fit.def has them.
    norms : ndarray of shape (fits, n)
        Norms of the columns of the last Jacobian.
    r : ndarray of shape (fits, n (n + 1)/2)
        Its triangle, packed by columns.
    fates : ndarray of shape (fits,)
        IS_DONE or GOES_ALONE at the end.
    """

    x: Array
    records: Array
    norms: Array
    r: Array
    fates: Indices

    @property
    def named(self) -> npt.NDArray[Any]:
        """The records, component by name."""
        return self.records.view(RECORD)[:, 0]


@dataclass
class ManyData:
    """Data of fits, the fit last: y (m, fits), weights (m, fits) or None, and x (m, fits), or (m, 1) for all.

    x may have variables before m.
    """

    x: Array
    y: Array
    weights: Array | None
    has_own_x: bool


class Pool:
    """Places for fits, which advance by one trial point a round.

    All arrays have the place last. A round calls the model once for the residuals of all, and then once for each
    parameter, or twice with central differences, for those that have taken a step.
    """

    def __init__(
        self,
        model: ManyModel,
        data: ManyData,
        bounds: tuple[Array, Array],
        fits: Fits,
        queue: npt.NDArray[np.intp],
        width: int,
        confirms: bool,
    ) -> None:
        self._confirms = confirms  # whether ends are confirmed, of fits that come with norms and leave with triangles
        self._model, self._data, self._bounds, self._fits = model, data, bounds, fits
        self._queue, self._next = queue, 0
        m, n, w = data.y.shape[0], fits.x.shape[1], min(width, queue.size)
        self._m, self._n = m, n
        self._fates: Indices = np.zeros(w, np.int32)
        self._numbers = np.zeros(w, np.intp)  # which fit has the place
        self._records = np.zeros((w, _DOUBLES))
        self._x, self._trial = np.zeros((n, w)), np.zeros((n, w))
        self._f, self._moved, self._y = np.zeros((m, w)), np.zeros((m, w)), np.zeros((m, w))
        self._weights = None if data.weights is None else np.zeros((m, w))
        self._xdata = np.zeros((*data.x.shape[:-1], w)) if data.has_own_x else data.x
        self._qtf, self._norms, self._diag = np.zeros((n, w)), np.zeros((n, w)), np.ones((n, w))
        self._r = np.zeros((n * (n + 1) // 2, w))
        self._xnorms, self._lengths = np.zeros(w), np.zeros(w)
        self._jacobian = np.zeros(-(-w // _LANES) * _LANES * m * (n + 1))
        self._change, self._bend = np.zeros((n, w)), np.zeros((n, w))

    def run(self) -> None:
        """Bring all fits to their ends."""
        self._fill(np.arange(self._fates.size))
        while self._fates.size:
            values = self._model.values(self._xdata, list(self._trial.copy()), self._m)
            residuals_many(values, self._y, _flat(self._weights), self._moved, self._lengths)
            decide_many(
                self._records, self._lengths, self._xnorms, self._trial, self._moved, self._x, self._f, self._fates
            )
            places = np.flatnonzero(self._fates == WANTS_FACTOR)
            if places.size:
                self._factor(places)
            propose_many(
                self._records, self._r, self._qtf, self._diag, *self._bounds, self._x, self._trial, self._xnorms,
                self._fates,
            )  # fmt: skip
            ends = np.flatnonzero(self._fates >= IS_DONE)
            if ends.size:
                self._take_out(ends)
                self._fill(ends)
                if self._next == self._queue.size:
                    self._shrink()

    # ------------------------------------------------------------------------------------ places

    def _fill(self, places: npt.NDArray[np.intp]) -> None:
        """Give free places to the fits that come next."""
        count = min(places.size, self._queue.size - self._next)
        if count == 0:
            return
        places, fits = places[:count], self._queue[self._next : self._next + count]
        self._next += count
        self._numbers[places] = fits
        self._records[places] = self._fits.records[fits]
        self._trial[:, places] = self._fits.x[fits].T
        if self._confirms:
            self._norms[:, places] = self._fits.norms[fits].T
        self._y[:, places] = self._data.y[:, fits]
        if self._weights is not None and self._data.weights is not None:
            self._weights[:, places] = self._data.weights[:, fits]
        if self._data.has_own_x:
            self._xdata[..., places] = self._data.x[..., fits]
        self._fates[places] = WANTS_NORM

    def _take_out(self, places: npt.NDArray[np.intp]) -> None:
        """Keep what has become of fits that have ended."""
        numbers, fits = self._numbers[places], self._fits
        fits.x[numbers] = self._x[:, places].T
        fits.records[numbers] = self._records[places]
        if self._confirms:
            fits.r[numbers] = self._r[:, places].T
        else:
            fits.norms[numbers] = self._norms[:, places].T
        fits.fates[numbers] = self._fates[places]
        self._fates[places] = NONE

    def _shrink(self) -> None:
        """Close up, where many places have remained free."""
        kept = np.flatnonzero(self._fates != NONE)
        if kept.size > _FULL * self._fates.size:
            return
        self._records = self._records[kept]
        for name in ("_fates", "_numbers", "_xnorms", "_lengths"):
            setattr(self, name, getattr(self, name)[kept])
        for name in ("_x", "_trial", "_f", "_moved", "_y", "_qtf", "_norms", "_diag", "_r", "_change", "_bend"):
            setattr(self, name, getattr(self, name).take(kept, axis=-1))
        if self._weights is not None:
            self._weights = self._weights.take(kept, axis=-1)
        if self._data.has_own_x:
            self._xdata = self._xdata.take(kept, axis=-1)

    # ------------------------------------------------------------------------------------ Jacobians

    def _factor(self, places: npt.NDArray[np.intp]) -> None:
        """The Jacobians of the fits in some places, and what they say."""
        some = _Some(self, places)
        leave = np.zeros(places.size, bool)
        if self._model.jac is not None:
            self._take_given(some)
        elif self._confirms:
            leave = self._take_central(some)
        else:
            leave = self._take_forward(some)
        factor_many(
            places.astype(np.int32), self._jacobian, some.f, some.change, some.bend, self._records, self._x, self._r,
            self._qtf, self._norms, self._diag, self._fates,
        )  # fmt: skip
        if leave.any():
            self._fates[places[leave]] = GOES_ALONE

    def _take_forward(self, some: "_Some") -> Mask:
        """Forward differences, by MINPACK's steps; the other way where these lead out of the bounds.

        What comes back is for which fits the bounds leave no room.
        """
        steps = _FORWARD * np.abs(some.x)
        steps[steps == 0] = _FORWARD
        low, high = (bound[:, np.newaxis] for bound in self._bounds)
        steps[some.x + steps > high] *= -1
        beside = some.x + steps
        leave: Mask = np.any(beside < low, axis=0)
        if leave.any():
            beside[:, leave] = some.x[:, leave]
        for j in range(self._n):
            values = self._values_at(some, j, beside[j])
            forward_column(self._n, j + 1, values, some.y, some.weights, some.f, steps[j], self._jacobian)
        return leave

    def _take_central(self, some: "_Some") -> Mask:
        """Central differences, by the steps that careful ones begin with; comes back with what _take_forward does."""
        noise = np.maximum(self._of("rounding", some) / self._of("highest", some), DOUBLE)
        steps = np.cbrt(noise) * self._sizes(some, _LEAST_SIZE)
        low, high = (bound[:, np.newaxis] for bound in self._bounds)
        near, far = some.x + steps, some.x - steps
        leave: Mask = np.any((near > high) | (far < low), axis=0)
        if leave.any():
            near[:, leave] = far[:, leave] = some.x[:, leave]
        distances = near - far
        for j in range(self._n):
            first = self._values_at(some, j, near[j]).copy()  # the model may use the memory of its result again
            central_column(
                self._n, j + 1, first, self._values_at(some, j, far[j]), some.y, some.weights, some.f, distances[j],
                self._jacobian, some.change[j], some.bend[j],
            )  # fmt: skip
        return leave

    def _take_given(self, some: "_Some") -> None:
        """The Jacobian that the caller gives; and at an end how wrong it is about the change along a step."""
        derivatives = self._model.derivatives(some.xdata, list(some.x.copy()), self._m)
        for j in range(self._n):
            given_column(self._n, j + 1, derivatives[j], some.weights, self._jacobian)
        if not self._confirms:
            return
        unlike = 1 - 0.5 * np.modf(0.618 * np.arange(self._n))[0][:, np.newaxis]
        sizes = self._sizes(some, _LEAST_WEIGHT)
        steps = unlike * np.maximum(_BESIDE * sizes, np.sqrt(DOUBLE * np.maximum(sizes, np.abs(some.x)) * sizes))
        steps[some.x + steps > self._bounds[1][:, np.newaxis]] *= -1
        beside = some.x + steps
        moved, norms = np.empty_like(some.f), np.empty(some.places.size)
        values = self._model.values(some.xdata, list(beside.copy()), self._m)
        residuals_many(values, some.y, some.weights, moved, norms)
        with np.errstate(all="ignore"):
            by_jacobian = np.einsum("jkw,jw->kw", derivatives, beside - some.x)
            if some.weights.size > 1:
                weights = some.weights.reshape(by_jacobian.shape)
                by_jacobian = np.where(weights > 0, weights * by_jacobian, 0)
            some.change[0] = np.linalg.norm(moved - some.f, axis=0)
            some.bend[0] = np.linalg.norm(moved - some.f - by_jacobian, axis=0)
        self._count(some.places)

    def _count(self, places: npt.NDArray[np.intp]) -> None:
        """Count one evaluation more."""
        self._records.view(RECORD)["nfev"][places, 0] += 1

    def _sizes(self, some: "_Some", least: float) -> Array:
        """Sizes of the parameters, by the last Jacobian."""
        with np.errstate(divide="ignore"):
            natural = self._of("highest", some) / self._norms[:, some.places]
        return np.clip(np.abs(some.x), least * natural, natural)

    def _of(self, name: str, some: "_Some") -> Array:
        """What the records say of some fits."""
        return np.asarray(self._records.view(RECORD)[name][some.places, 0])

    def _values_at(self, some: "_Some", j: int, value: Array) -> Array:
        """The model where the j-th parameter has another value."""
        rows = some.x.copy()
        rows[j] = value
        return self._model.values(some.xdata, list(rows), self._m)


class _Some:
    """The fits in some places of a pool: copies of their parts, or the whole where it is all."""

    def __init__(self, pool: Pool, places: npt.NDArray[np.intp]) -> None:
        self.places = places
        is_all = places.size == pool._fates.size

        def part(whole: Array) -> Array:
            return whole if is_all else whole.take(places, axis=-1)

        self.x, self.f, self.y = part(pool._x), part(pool._f), part(pool._y)
        self.weights = _flat(None if pool._weights is None else part(pool._weights))
        self.xdata = part(pool._xdata) if pool._data.has_own_x else pool._xdata
        self.change, self.bend = np.empty_like(self.x), np.empty_like(self.x)


def _flat(weights: Array | None) -> Array:
    """Weights as the core gets them: a single number where there are none."""
    return _NO_WEIGHTS if weights is None else weights.reshape(-1)


_NO_WEIGHTS: Final = np.ones(1)
