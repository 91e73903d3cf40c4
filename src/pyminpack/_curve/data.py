"""The data of a fit: x as the model gets it, y, and the errors of y; checked, and without points that do not count."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, OptionError, ShapeError
from .._model.arrays import Array, Mask, is_finite, shown

_POLICIES = (None, "raise", "omit")


class Data:
    """Data that can be fitted.

    Attributes
    ----------
    x : object
        What the model gets.
    y : ndarray
        What it is to give: floats or complex numbers.
    sigma : ndarray or None
        Standard errors of y, one for all or one each; None with a matrix, or where there are none.
    weights : ndarray or None
        ``1/sigma``.
    root : ndarray of shape (m, m) or None
        The Cholesky factor L of a covariance matrix of y.
    whitening : ndarray of shape (m, m) or None
        The inverse of L.
    x_name, y_name : str
        Names that come with the data, of pandas or xarray.
    """

    def __init__(self, xdata: Any, ydata: Any, sigma: Any, check_finite: Any, nan_policy: Any) -> None:
        if not (nan_policy is None or isinstance(nan_policy, str)) or nan_policy not in _POLICIES:
            if isinstance(nan_policy, str) and nan_policy == "propagate":
                raise OptionError(
                    "`nan_policy='propagate'` is not supported by this function. A fit to NaN has no answer; 'omit' "
                    "leaves such points out, and 'raise' names the first"
                )
            raise OptionError(f"nan_policy must be one of {{None, 'raise', 'omit'}}, not {shown(nan_policy)}")
        must_be_finite = nan_policy is None if check_finite is None else bool(check_finite)
        self.x_name, self.y_name = _name_of(xdata), _name_of(ydata)
        y = _as_numbers(ydata, "ydata")
        if y.size == 0:
            raise InputValueError("ydata is empty: there is nothing to fit (`ydata` must not be empty!)")
        x = as_independent(xdata)
        errors = None if sigma is None else _as_errors(sigma)
        if must_be_finite:
            _require_finite(y, "ydata")
            _require_finite(x, "xdata")
        masked = _masked(xdata) | _masked(ydata) | _masked(sigma)
        if masked is not False or (nan_policy is not None and not must_be_finite):
            x, y, errors = _without(x, y, errors, masked, nan_policy)
        self.x, self.y = x, y
        self.sigma: npt.NDArray[Any] | None = None
        self.weights: npt.NDArray[Any] | None = None
        self.root: Array | None = None
        self.whitening: Array | None = None
        if errors is not None:
            self._take_errors(errors)

    def _take_errors(self, sigma: Array) -> None:
        """Standard errors or a covariance matrix, checked."""
        if not is_finite(sigma):
            place = _first(~np.isfinite(sigma))
            raise InputValueError(f"sigma{place} is {sigma[_index(place)]}; the errors of the data must be finite")
        m = self.y.size
        if sigma.size == 1 or sigma.shape in ((m,), self.y.shape):
            if not (sigma > 0).all():
                place = _first(~(sigma > 0))
                raise InputValueError(
                    f"sigma{place} is {sigma[_index(place)]}; the standard errors of the data must be positive"
                )
            self.sigma = sigma.reshape(() if sigma.size == 1 else self.y.shape)
            self.weights = 1.0 / self.sigma
        elif sigma.shape == (m, m):
            try:
                root = np.asarray(np.linalg.cholesky(sigma), np.float64)
            except np.linalg.LinAlgError:
                raise InputValueError(
                    "sigma is a matrix that is not positive definite (`sigma` must be positive definite): it must be "
                    "the covariance matrix of the data"
                ) from None
            self.root = root
            self.whitening = np.asarray(np.linalg.inv(root), np.float64)
        else:
            raise InputValueError(
                f"sigma has shape {sigma.shape}; {m} data need one standard error, {m} of them, or a covariance matrix "
                f"of shape {(m, m)} (`sigma` has incorrect shape)"
            )

    @property
    def m(self) -> int:
        """Number of residuals of the data: a complex number has two."""
        return self.y.size * (2 if self.y.dtype.kind == "c" else 1)

    def whiten(self, r: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Residuals of the data in units of their errors; the first axis, or all of them, counts the data."""
        if self.weights is not None:
            return np.asarray(r * self.weights)
        if self.whitening is not None:
            return np.asarray(self.whitening @ np.asarray(r).ravel())
        return r

    def unwhiten(self, r: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Residuals in the units of the data, given those in units of their errors."""
        if self.sigma is not None:
            return np.asarray(r * self.sigma)
        return r if self.root is None else np.asarray((self.root @ r.ravel()).reshape(r.shape))

    @property
    def log_det(self) -> float:
        """Logarithm of the product of the standard errors, which the likelihood contains."""
        if self.root is not None:
            one = float(np.log(np.diagonal(self.root)).sum())
        elif self.sigma is not None:
            one = float(np.log(np.broadcast_to(self.sigma, self.y.shape)).sum())
        else:
            return 0.0
        return one * (2 if self.y.dtype.kind == "c" else 1)


# ------------------------------------------------------------------------------------ conversion


def as_independent(xdata: Any) -> Any:
    """The independent variables as the model gets them: lists and arrays as floats, all else as it is."""
    if isinstance(xdata, np.ndarray):
        return xdata if xdata.dtype == np.float64 and type(xdata) is np.ndarray else _as_numbers(xdata, "xdata")
    if not isinstance(xdata, list | tuple):
        return xdata
    try:
        return _as_numbers(xdata, "xdata")
    except ShapeError:
        if isinstance(xdata, tuple):  # variables of different shapes, for the model to broadcast
            return tuple(_as_numbers(x, "xdata") for x in xdata)
        raise


def _as_numbers(value: Any, name: str) -> npt.NDArray[Any]:
    """Floats, or complex numbers."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name} cannot become an array: {error}") from error
    if array.dtype.kind in "fiub":
        return np.ascontiguousarray(array, dtype=np.float64) if array.ndim else np.asarray(array, np.float64)
    if array.dtype.kind == "c":
        return np.ascontiguousarray(array, dtype=np.complex128) if array.ndim else np.asarray(array, np.complex128)
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"{name} must hold numbers, not {array.dtype}: {error}") from error


def _as_errors(sigma: Any) -> Array:
    errors = _as_numbers(sigma, "sigma")
    if errors.dtype.kind == "c":
        raise InputTypeError("sigma must hold real numbers; the parts of a complex number have the same standard error")
    return errors


def _name_of(data: Any) -> str:
    """The name that a pandas or xarray object has."""
    name = getattr(data, "name", None)
    return name if isinstance(name, str) and not isinstance(data, np.ndarray) else ""


# ------------------------------------------------------------------------------------ what does not count


def _masked(value: Any) -> Any:
    """What is masked; False where nothing can be. To ask numpy.ma about any array would import it."""
    if isinstance(value, np.ndarray) and hasattr(value, "mask"):
        return np.ma.getmaskarray(value)
    return False


def _as_floats(x: Any) -> npt.NDArray[Any] | None:
    """Independent variables of whatever kind as numbers; None where they are not such."""
    if not hasattr(x, "__array__"):
        return None
    try:
        array = np.asarray(x)
        return array if array.dtype.kind in "fc" else np.asarray(array, np.float64)
    except (TypeError, ValueError):
        return None


def _first(bad: Mask) -> list[int]:
    """The place of the first point that is bad; no index for a single number."""
    return [int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape)] if bad.ndim else []


def _index(place: list[int]) -> tuple[int, ...]:
    return tuple(place)


def _require_finite(value: Any, name: str) -> None:
    """Raise for NaN or Inf in the data, naming the first."""
    if isinstance(value, tuple):
        for k, part in enumerate(value):
            _require_finite(part, f"{name}[{k}]")
        return
    array = value if isinstance(value, np.ndarray) else _as_floats(value)
    if array is None or is_finite(array):
        return
    bad = ~np.isfinite(array)
    place = _first(bad)
    raise InputValueError(
        f"{name}{place or ''} is {array[_index(place)]}, and {np.count_nonzero(bad)} of {bad.size} values are not "
        "finite: leave such points out, as nan_policy='omit' does with NaN"
    )


def _bad_points(x: Any, shape: tuple[int, ...]) -> Any:
    """Points, by the shape of y, at which x is NaN."""
    if isinstance(x, tuple):
        return np.any([_bad_points(part, shape) for part in x], axis=0)
    array = _as_floats(x)
    if array is None:
        return False
    return _by_point(np.isnan(array), shape, rows=hasattr(x, "iloc"))


def _by_point(mask: Mask, shape: tuple[int, ...], *, rows: bool) -> Any:
    """A mask of x as one of points: its last axes are those of y, or its first one in a table."""
    if rows:
        return mask.any(axis=tuple(range(1, mask.ndim)))
    if mask.ndim > len(shape):
        mask = np.asarray(mask.any(axis=tuple(range(mask.ndim - len(shape)))))
    return mask if mask.shape == shape else False


def _without(x: Any, y: npt.NDArray[Any], sigma: Array | None, masked: Any, nan_policy: str | None) -> Any:
    """The data without points that are masked, or that are NaN where these are to be left out."""
    missing: Any = np.zeros(y.shape, bool)
    if masked is not False:
        missing = missing | _by_point(masked, y.shape, rows=False)
    if nan_policy is not None:
        y_is_nan, x_is_nan = np.isnan(y), _bad_points(x, y.shape)
        if nan_policy == "raise":
            for name, bad in (("ydata", y_is_nan), ("xdata", x_is_nan)):
                if np.any(bad):
                    point = _first(bad)
                    raise InputValueError(f"The input contains nan values: {name} is nan at point {point}")
            return x, y, sigma
        missing = missing | y_is_nan | x_is_nan
    if not missing.any():
        return x, y, sigma
    if y.ndim == 0:
        raise InputValueError("ydata is a single number that is nan or masked: there is nothing to fit")
    kept = ~missing
    if not kept.any():
        raise InputValueError("every point of the data is nan or masked: there is nothing to fit")
    if sigma is not None and sigma.size > 1:
        flat = kept.ravel()
        sigma = sigma[np.ix_(flat, flat)] if sigma.shape == (y.size, y.size) else sigma.reshape(y.shape)[kept]
    return _points_of(x, kept), y[kept], sigma


def _points_of(x: Any, kept: Mask) -> Any:
    """Some of the points of x."""
    if isinstance(x, tuple):
        return tuple(_points_of(part, kept) for part in x)
    if hasattr(x, "iloc"):
        return x.iloc[kept]
    if not hasattr(x, "shape"):
        raise InputTypeError(
            f"xdata is a {type(x).__name__}, of which points cannot be left out: leave out yourself those that are "
            "nan or masked"
        )
    if x.shape[len(x.shape) - kept.ndim :] != kept.shape:
        return x
    return x[(..., kept)]
