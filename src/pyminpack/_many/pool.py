"""The pool in which fits advance together: each has a place, and one that ends makes room for the next."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._iteration.machine import FitRecord
from .._minpack import (
    central_columns,
    change_beside,
    decide_many,
    factor_many,
    forward_columns,
    gather_places,
    given_columns,
    place_rows,
    plan_many,
    propose_many,
    residuals_many,
    robust_columns,
    robust_norms,
    robust_rows,
    rows_beside,
    take_rows,
)
from .._model.arrays import Array, Indices, Mask
from .model import ManyModel

RECORD: Final = np.dtype(FitRecord)
_DOUBLES: Final = RECORD.itemsize // 8
# Of minpack/many/fates.f90:
NONE, WANTS_NORM, WANTS_FACTOR, WANTS_TRIAL, WANTS_LOOK, IS_DONE, GOES_ALONE = range(7)

# Entries of an array of the model's, so that all arrays of a call lie in the L2 cache: see docs/constants.md.
ENTRIES: Final = 49152
_LANES: Final = 8  # fits of a block, as minpack/many has them
_ONE_STEP: Final = 0  # of the kinds of steps_many.f90
# Once no fit is left to take a free place, the pool shrinks when so many of its places are in use.
_FULL: Final = 0.75
# NumPy copies what it broadcasts into buffers, to join short rows; rows longer than its buffers it takes as they are,
# in half the time.
_BUFFER: Final = 128
# Fits wait for a look at their ends until they are such a part of the pool, as a call of the model for few takes
# longer a fit.
_ENOUGH: Final = 0.25


@dataclass
class Fits:
    """Fits that wait for the pool, and what becomes of them: in each array one row for each fit.

    Attributes
    ----------
    x : ndarray of shape (fits, n)
        Where they start, and end.
    records : ndarray of shape (fits, doubles)
        Their records, as minpack/iteration/fit.def has them.
    r : ndarray of shape (fits, n (n + 1)/2)
        The triangle of the last Jacobian, packed by columns.
    fates : ndarray of shape (fits,)
        IS_DONE or GOES_ALONE at the end.
    """

    x: Array
    records: Array
    r: Array
    fates: Indices

    @property
    def named(self) -> npt.NDArray[Any]:
        """The records, component by name."""
        return self.records.view(RECORD)[:, 0]


@dataclass
class ManyData:
    """Data of fits, a row each: y (fits, m), weights (fits, m) or None, and x (fits, m), or (m, 1) for all.

    x may have variables before m.
    """

    x: Array
    y: Array
    weights: Array | None
    has_own_x: bool


class Pool:
    """Places for fits, which advance by one trial point a round.

    All arrays have the place last. A round calls the model for the residuals of all; then beside x, at one value of
    each parameter for those that have taken a step, at two for those that look whether they have come to an end.
    One call does that for as many parameters as the cache has room for.
    """

    def __init__(
        self,
        model: ManyModel,
        data: ManyData,
        bounds: tuple[Array, Array],
        fits: Fits,
        queue: npt.NDArray[np.int32],
        width: int,
        loss: tuple[int, float],
    ) -> None:
        self._loss, self._is_robust = loss, loss[0] > 0  # number and scale
        self._model, self._data, self._bounds, self._fits = model, data, bounds, fits
        self._queue, self._next = queue, 0
        m, n, w = data.y.shape[1], fits.x.shape[1], min(width, queue.size)
        self._m, self._n = m, n
        self._fates: Indices = np.zeros(w, np.int32)
        self._numbers = np.zeros(w, np.int32)  # which fit has the place
        self._records = np.zeros((w, _DOUBLES))
        self._x, self._trial = np.zeros((n, w)), np.zeros((n, w))
        self._f, self._moved, self._y = np.zeros((m, w)), np.zeros((m, w)), np.zeros((m, w))
        self._weights = None if data.weights is None else np.zeros((m, w))
        self._xdata = np.zeros((*data.x.shape[1:], w)) if data.has_own_x else data.x
        self._qtf, self._norms, self._diag = np.zeros((n, w)), np.zeros((n, w)), np.ones((n, w))
        self._r = np.zeros((n * (n + 1) // 2, w))
        self._xnorms, self._lengths = np.zeros(w), np.zeros(w)
        self._jacobian = np.zeros(-(-w // _LANES) * _LANES * m * (n + 1))

    def run(self) -> None:
        """Bring all fits to their ends."""
        before = np.getbufsize()
        if self._fates.size >= _BUFFER:
            np.setbufsize(_BUFFER)
        try:
            self._go_on()
        finally:
            np.setbufsize(before)

    def _go_on(self) -> None:
        self._fill(np.arange(self._fates.size, dtype=np.int32))
        while self._fates.size:
            values = self._model.values(self._xdata, list(self._trial.copy()), self._m)
            residuals_many(values, self._y, _flat(self._weights), self._moved, self._lengths)
            if self._is_robust:
                robust_norms(self._moved, *self._loss, self._lengths)
            decide_many(
                self._records, self._lengths, self._xnorms, self._trial, self._moved, self._x, self._f, self._fates
            )
            self._factor(_where(self._fates == WANTS_FACTOR), looks=False)
            waiting = _where(self._fates == WANTS_LOOK)
            others = np.count_nonzero(self._fates) - waiting.size
            if waiting.size >= _ENOUGH * others:
                self._factor(waiting, looks=True)
            propose_many(
                self._records, self._r, self._qtf, self._diag, *self._bounds, self._x, self._trial, self._xnorms,
                self._fates,
            )  # fmt: skip
            ends = _where(self._fates >= IS_DONE)
            if ends.size:
                self._take_out(ends)
                self._fill(ends)
                if self._next == self._queue.size:
                    self._shrink()

    # ------------------------------------------------------------------------------------ places

    def _fill(self, places: Indices) -> None:
        """Give free places to the fits that come next."""
        count = min(places.size, self._queue.size - self._next)
        if count == 0:
            return
        places, fits = places[:count], self._queue[self._next : self._next + count]
        self._next += count
        self._numbers[places] = fits
        self._records[places] = self._fits.records[fits]
        place_rows(self._fits.x, fits, places, self._trial)
        place_rows(self._data.y, fits, places, self._y)
        if self._weights is not None and self._data.weights is not None:
            place_rows(self._data.weights, fits, places, self._weights)
        if self._data.has_own_x:
            place_rows(self._data.x.reshape(len(self._data.x), -1), fits, places, _as_table(self._xdata))
        self._fates[places] = WANTS_NORM

    def _take_out(self, places: Indices) -> None:
        """Keep what has become of fits that have ended."""
        numbers, fits = self._numbers[places], self._fits
        take_rows(self._x, places, numbers, fits.x)
        take_rows(self._r, places, numbers, fits.r)
        fits.records[numbers] = self._records[places]
        fits.fates[numbers] = self._fates[places]
        self._fates[places] = NONE

    def _shrink(self) -> None:
        """Close up, where many places have remained free."""
        kept = _where(self._fates != NONE)
        if kept.size > _FULL * self._fates.size:
            return
        self._records = self._records[kept]
        for name in ("_fates", "_numbers", "_xnorms", "_lengths"):
            setattr(self, name, getattr(self, name)[kept])
        for name in ("_x", "_trial", "_f", "_moved", "_y", "_qtf", "_norms", "_diag", "_r"):
            setattr(self, name, getattr(self, name).take(kept, axis=-1))
        if self._weights is not None:
            self._weights = self._weights.take(kept, axis=-1)
        if self._data.has_own_x:
            self._xdata = self._xdata.take(kept, axis=-1)

    # ------------------------------------------------------------------------------------ Jacobians

    def _factor(self, places: Indices, looks: bool) -> None:
        """The Jacobians of the fits in some places, and what they say: where `looks`, of an end."""
        if places.size == 0:
            return
        some = _Some(self, places)
        if self._model.jac is None:
            self._take_differences(some, looks)
        else:
            derivatives = self._model.derivatives(some.xdata, list(some.part(self._x).copy()), self._m)
            given_columns(self._m, self._n, places.size, *derivatives, some.weights, some.f, self._jacobian)
        if self._is_robust:
            robust_columns(self._n, some.f, *self._loss, self._jacobian)
        if looks and self._model.jac is not None:
            self._look_beside(some)
        factor_many(
            self._m, places, self._jacobian, some.change, some.bend, self._records, self._x, self._r, self._qtf,
            self._norms, self._diag, self._fates,
        )  # fmt: skip

    def _take_differences(self, some: "_Some", are_central: bool) -> None:
        sides = 2 if are_central else 1
        steps = self._plan(some, sides)
        known = some.y, some.weights, some.f, steps, self._jacobian
        # For as many parameters at once as the arrays of the model remain in the cache.
        each = max(1, ENTRIES // (sides * self._m * some.places.size))
        for before in range(0, self._n, each):
            columns = min(each, self._n - before)
            values = self._values_beside(some, before, columns, sides)
            if are_central:
                central_columns(before, columns, values, *known, some.change, some.bend)
            else:
                forward_columns(before, columns, values, *known)

    def _look_beside(self, some: "_Some") -> None:
        """How wrong the Jacobian that the caller gives is about the change of the residuals along a step."""
        steps = self._plan(some, _ONE_STEP)
        values = self._model.values(some.xdata, list(some.near), self._m)
        weights, f = some.weights, some.f
        if self._is_robust:  # as the rows of the Jacobian have been
            weights, f = np.multiply(weights, np.ones(f.size)), f.copy()
            robust_rows(some.f.reshape(-1), *self._loss, weights)
            robust_rows(some.f.reshape(-1), *self._loss, f.reshape(-1))
        change_beside(values, some.y, weights, f, steps, self._jacobian, some.change[0], some.bend[0])

    def _plan(self, some: "_Some", kind: int) -> Array:
        """The steps of differences; or of a look beside x."""
        steps = np.empty_like(some.near)
        plan_many(
            some.places, kind, self._records, self._x, self._norms, *self._bounds, some.near, some.far, steps,
            self._fates,
        )  # fmt: skip
        return steps

    def _values_beside(self, some: "_Some", before: int, columns: int, sides: int) -> Array:
        """The model where one of some parameters after the other has another value, on all sides."""
        rows = np.empty((self._n, sides * columns * some.places.size))
        rows_beside(some.places, before, columns, sides, self._x, some.near, some.far, rows)
        x = np.tile(some.xdata, sides * columns) if self._data.has_own_x and sides * columns > 1 else some.xdata
        return self._model.values(x, list(rows), self._m)


class _Some:
    """The fits in some places of a pool: their parts of its arrays, and scratch."""

    def __init__(self, pool: Pool, places: Indices) -> None:
        self.places = places
        self._is_all = places.size == pool._fates.size
        self.f, self.y = self.part(pool._f), self.part(pool._y)
        self.weights = _flat(None if pool._weights is None else self.part(pool._weights))
        self.xdata = self.part(pool._xdata) if pool._data.has_own_x else pool._xdata
        shape = pool._n, places.size
        self.near, self.far, self.change, self.bend = (np.empty(shape) for _ in range(4))

    def part(self, whole: Array) -> Array:
        """A copy of what belongs to them; of all of them, the very array."""
        if self._is_all:
            return whole
        table = _as_table(whole)
        copy = np.empty((len(table), self.places.size))
        gather_places(table, self.places, copy)
        return copy.reshape(*whole.shape[:-1], self.places.size)


def _where(are: Mask) -> Indices:
    """The places that are so."""
    return np.flatnonzero(are).astype(np.int32)


def _as_table(array: Array) -> Array:
    """The same memory, with the places in columns."""
    return array.reshape(-1, array.shape[-1])


def _flat(weights: Array | None) -> Array:
    """Weights as the core gets them: a single number where there are none."""
    return _NO_WEIGHTS if weights is None else weights.reshape(-1)


_NO_WEIGHTS: Final = np.ones(1)
