"""The model of a curve and its data, as residuals and Jacobian of the parameters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, ShapeError
from .._minpack import curve_residuals
from .._model.arrays import Array, describe, with_jacobian_shape
from .data import Data


def what_can_be_pickled(values: dict[str, Any]) -> dict[str, Any]:
    """Values by name, with None for those that cannot be pickled."""
    import pickle

    kept = {}
    for name, value in values.items():
        try:
            pickle.dumps(value)
            kept[name] = value
        except Exception:  # whatever the object's own pickling raises
            kept[name] = None
    return kept


class Curve:
    """A model ``f(x, *p)`` beside its data: residuals are ``f(x, *p) - y`` in units of the errors of y.

    Complex data have real and imaginary parts as residuals of their own, side by side.
    """

    def __init__(self, f: Callable[..., Any], data: Data, jac: Any, transposed: bool) -> None:
        self.f: Callable[..., Any] | None = f
        self.data, self.jac, self.transposed = data, jac, transposed
        self._x, self._y, self._shape = data.x, data.y, data.y.shape

    def __copy__(self) -> "Curve":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Curve":
        return self  # the model is the user's

    def __getstate__(self) -> dict[str, Any]:
        """A model that cannot be pickled, as a lambda, is left behind: the fit is more important."""
        model = what_can_be_pickled({"model": (self.f, self.jac)})["model"]
        f, jac = model or (None, None)
        return {**self.__dict__, "f": f, "jac": jac}

    def for_core(self) -> Callable[[Array], Any]:
        """The residuals as a function that has no code of Python's between the core and the model."""
        data = self.data
        if data.whitening is not None or data.y.dtype.kind == "c":
            return self.residuals
        weights = data.weights
        if weights is not None and weights.shape != self._shape:
            weights = np.full(self._shape, weights)
        return curve_residuals(self.require_model(), self._x, self._y, weights, self._beside_data)

    def residuals(self, p: Array) -> npt.NDArray[Any]:
        """For the fit: the residuals at parameters p."""
        return self._beside_data(self.require_model()(self._x, *p), p)

    def _beside_data(self, value: Any, p: Array) -> npt.NDArray[Any]:
        """The residuals, given the curve at parameters p as the model gives it."""
        try:
            r = value - self._y
        except (TypeError, ValueError) as error:
            raise self._refusal(value, p) from error
        if r.shape != self._shape and self._y.size > 1:
            if np.size(value) != self._y.size:
                raise self._refusal(value, p)
            r = np.reshape(value, self._shape) - self._y
        return self._in_parts(self.data.whiten(r))

    def _in_parts(self, r: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Complex residuals as real ones."""
        if self._y.dtype.kind != "c":
            return r
        return np.ascontiguousarray(r, dtype=np.complex128).ravel().view(np.float64)

    def _refusal(self, value: Any, p: Array) -> Exception:
        """The error for a value of the model that cannot be compared with the data."""
        if value is None:
            return InputTypeError("f gave None where the curve should be; has it lost its return statement?")
        try:
            shape = np.shape(value)
        except ValueError:
            return ShapeError(f"f gave a {type(value).__name__} that cannot become an array, at p = {describe(p)}")
        if np.asarray(value).dtype.kind not in "fiubc":
            return InputTypeError(
                f"f gave values of dtype {np.asarray(value).dtype}, not numbers, at p = {describe(p)}"
            )
        return ShapeError(
            f"f gave values of shape {shape} at p = {describe(p)}, and ydata has shape {self._shape}: the model must "
            "give one value for each of the data"
        )

    def jacobian(self, p: Array) -> npt.NDArray[Any]:
        """For the fit: the Jacobian of the residuals, of shape (m, n)."""
        return self._weighted(self.gradient(self._x, p, self._y.size), p)

    def gradient(self, x: Any, p: Array, m: int) -> npt.NDArray[Any]:
        """The derivatives of m values of the model at x, by the function that the user gave."""
        value = np.asarray(self.jac(x, *p))
        if value.dtype.kind not in "fiuc":
            raise InputTypeError(f"jac gave an array of {value.dtype}, not numbers")
        if self.transposed:
            value = value.T
        n = p.size
        if value.ndim > 2 and value.shape[-1] == n:
            value = value.reshape(-1, n)
        return with_jacobian_shape(value, m, n, p, "jac", cure="pass col_deriv=True, or give jacobian.T")

    def _weighted(self, jacobian: npt.NDArray[Any], p: Array) -> npt.NDArray[Any]:
        data = self.data
        if data.weights is not None:
            jacobian = jacobian * np.broadcast_to(data.weights, self._shape).reshape(-1, 1)
        elif data.whitening is not None:
            jacobian = data.whitening @ jacobian
        if self._y.dtype.kind != "c":
            return jacobian
        return np.stack([jacobian.real, jacobian.imag], axis=1).reshape(-1, p.size)

    # ------------------------------------------------------------------------------------ after the fit

    def require_model(self) -> Callable[..., Any]:
        """The model, or an error where it was not pickled with the fit."""
        if self.f is None:
            raise InputValueError(
                "this fit was pickled without its model, which cannot be pickled (a lambda, or a function within "
                "another): define the model at the top of a module, or ask before the fit is pickled"
            )
        return self.f

    def values(self, x: Any, p: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The curve at any x."""
        return np.asarray(self.require_model()(x, *p))
