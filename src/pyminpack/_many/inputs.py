"""The arguments of `curve_fit_many` as arrays, the fits in one dimension."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .._curve.parameters import ByName, feasible_start, names_of, start_by_name
from .._errors import InputTypeError, InputValueError, OptionError, ShapeError
from .._model.arrays import Array, Mask
from .._model.options import as_bounds, as_real
from .pool import ENTRIES

_LEAST_WIDTH, _MOST_WIDTH = 16, 1536


class Inputs:
    """Data and starts of many fits.

    Attributes
    ----------
    shape : tuple of int
        The batch dimensions.
    count, m, n : int
        Fits, points of each, parameters.
    is_complex : bool
        Whether the data are.
    x, y, sigma, mask, start
        The data and the starts: y, mask and start with one row for each fit; x and sigma too, or shared.
    """

    def __init__(self, f: Any, xdata: Any, ydata: Any, p0: Any, sigma: Any, mask: Any, bounds: Any) -> None:
        y, masked = _as_numbers(ydata, "ydata", "fiubc"), np.ma.getmask(ydata) if hasattr(ydata, "mask") else None
        if y.ndim == 0:
            raise ShapeError(
                "ydata is a single number; it must have the shape (..., m): the points along the last axis"
            )
        self.shape, self.m, self.is_complex = y.shape[:-1], y.shape[-1], y.dtype.kind == "c"
        self.count = int(np.prod(self.shape, dtype=np.intp))
        self.y = y.reshape(self.count, self.m)
        self._take_x(_as_floats(xdata, "xdata"), y.shape)
        self.sigma = self._as_shared_or_own("sigma", None if sigma is None else _as_floats(sigma, "sigma"))
        self.mask = self._as_mask(mask, masked)
        self._take_start(f, p0, bounds)

    def _take_x(self, x: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
        m = self.m
        if x.ndim == 0 or x.shape[-1] != m:
            raise ShapeError(f"xdata has shape {x.shape}, and ydata {shape}: the last axis of both counts the points")
        batch = len(self.shape)
        self.has_own_x = batch > 0 and x.ndim > batch and x.shape[:batch] == self.shape and x.ndim <= batch + 2
        if self.has_own_x:
            x = x.reshape(self.count, *x.shape[batch:])
        elif x.ndim > 2:
            raise ShapeError(
                f"xdata has shape {x.shape}, and ydata {shape}; x is (m,) or (k, m) for all fits, or has the batch "
                f"dimensions {self.shape} of ydata before that"
            )
        self.x = x

    def _as_shared_or_own(self, name: str, value: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
        """An array with a row for each fit, or one row for all."""
        if value is None:
            return None
        try:
            if value.ndim <= 1:
                return np.broadcast_to(value, (self.m,))
            return np.broadcast_to(value, (*self.shape, self.m)).reshape(self.count, self.m)
        except ValueError as error:
            raise ShapeError(
                f"{name} has shape {value.shape}; it must be one number, or broadcast against ydata, of shape "
                f"{(*self.shape, self.m)}"
            ) from error

    def _as_mask(self, mask: Any, masked: Any) -> Mask | None:
        """Which points are left out, a row for each fit."""
        if mask is None and (masked is None or masked is np.ma.nomask):
            return None
        if mask is None:
            mask = False
        whole = np.asarray(mask)
        if whole.dtype.kind != "b":
            raise OptionError(f"mask must hold True, for a point that is left out, and False, not {whole.dtype}")
        if masked is not None:
            whole = whole | masked
        rows = self._as_shared_or_own("mask", whole)
        assert rows is not None
        return np.broadcast_to(rows, (self.count, self.m))

    def _take_start(self, f: Any, p0: Any, bounds: Any) -> None:
        if p0 is None or isinstance(p0, Mapping):
            names = names_of(f, None)
            by_name = ByName(lambda: names, len(names))
            bounds = by_name.bounds(bounds)
            start = start_by_name(p0, by_name, bounds)[0]
        else:
            start = _as_floats(p0, "p0")
            if start.ndim == 0:
                start = start[np.newaxis]
            n = start.shape[-1]
            bounds = ByName(lambda: names_of(f, n), n).bounds(bounds)
        self.n = start.shape[-1]
        if self.n == 0:
            raise InputTypeError("p0 is empty: there are no parameters to fit")
        limits = as_bounds(bounds, feasible_start(bounds, self.n), "p0")
        self.has_bounds = limits is not None
        self.bounds = (np.full(self.n, -np.inf), np.full(self.n, np.inf)) if limits is None else limits
        if start.ndim == 1:
            if not np.isfinite(start).all():
                raise InputValueError(f"p0 is {start}, which no fit can start from")
            self.start = np.broadcast_to(start, (self.count, self.n))
            return
        try:
            self.start = np.broadcast_to(start, (*self.shape, self.n)).reshape(self.count, self.n)
        except ValueError as error:
            raise ShapeError(
                f"p0 has shape {start.shape}; it must be a number for each parameter, or have the batch dimensions "
                f"{self.shape} of ydata before these"
            ) from error

    def part(self, fits: slice) -> dict[str, Any]:
        """What belongs to some of the fits, as floats."""
        sigma = self.sigma
        return {
            "x": _as_doubles(self.x[fits] if self.has_own_x else self.x),
            "y": np.ascontiguousarray(self.y[fits], dtype=np.complex128 if self.is_complex else np.float64),
            "sigma": None if sigma is None else _as_doubles(sigma if sigma.ndim == 1 else sigma[fits]),
            "mask": None if self.mask is None else np.ascontiguousarray(self.mask[fits]),
            "start": _as_doubles(self.start[fits]),
            "has_own_x": self.has_own_x,
        }


def as_width(chunk: Any, m: int) -> int:
    """How many fits advance together."""
    if isinstance(chunk, str) and chunk == "auto":
        return max(_LEAST_WIDTH, min(_MOST_WIDTH, ENTRIES // max(m, 1) // 8 * 8))
    wanted = "it must be 'auto', or a number of fits, 1 or more"
    if isinstance(chunk, str):
        raise OptionError(f"chunk is {chunk!r}; {wanted}")
    width = as_real("chunk", chunk, wanted)
    if not (width >= 1 and width % 1 == 0):
        raise OptionError(f"chunk is {chunk}; {wanted}")
    return int(width)


def progress_bar(total: int, wanted: bool) -> Callable[[int], Any]:
    """What is told how many fits have been made."""
    if not wanted:
        return lambda count: None
    from .._errors import MissingPackageError

    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise MissingPackageError(
            "progress=True shows a bar of tqdm, which is not installed: pip install tqdm"
        ) from error
    bar = tqdm(total=total, unit="fit")

    def advance(count: int) -> None:
        bar.update(count)
        if bar.n >= total:
            bar.close()

    return advance


def _as_floats(value: Any, name: str) -> npt.NDArray[Any]:
    """Real numbers."""
    return _as_numbers(value, name, "fiub")


def _as_numbers(value: Any, name: str, kinds: str) -> npt.NDArray[Any]:
    """Numbers of some kinds, of any precision as they are."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name} cannot become an array: {error}") from error
    if array.dtype.kind not in kinds:
        what = "numbers" if "c" in kinds else "real numbers"
        raise InputTypeError(f"{name} must hold {what}, not {array.dtype}")
    return array


def _as_doubles(array: npt.NDArray[Any]) -> Array:
    return np.ascontiguousarray(array, dtype=np.float64)
