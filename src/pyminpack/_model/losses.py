"""Robust losses, and the linear least squares problems that approximate them."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, OptionError, ShapeError
from .._minpack import loss_factors, robust_norm, robust_residuals, robust_rows
from .arrays import Array, as_real_view, shown

# The name of a loss of minpack/iteration/robust.f90; or ρ, ρ' and ρ'' at the squares of the residuals, as three rows.
Loss: TypeAlias = str | Callable[[Array], Any]

_NUMBERS: Final = {"soft_l1": 1, "huber": 2, "cauchy": 3, "arctan": 4}

# Where a loss gives NaN for a square up to this, that is an error. Beyond it, a fourth power of the square may overflow
# within the formula of the loss, and NaN counts as infinite. Ten times more or less changes nothing for usual losses.
_LARGEST_SQUARE: Final = 1e75


def as_loss(loss: Any) -> Loss | None:
    """A loss by its name, or the given function; None for the sum of squares."""
    if isinstance(loss, str) and loss == "linear":
        return None
    if isinstance(loss, str) and loss in _NUMBERS:
        return loss
    if callable(loss):
        return loss  # type: ignore[no-any-return]
    names = ", ".join(["linear", *_NUMBERS])
    raise OptionError(
        f"loss is {shown(loss)}; it can be one of {names}, or a function that gives rho and its first two derivatives"
    )


class Robust:
    """The cost of residuals by a loss, and the linear least squares problem that approximates it."""

    def __init__(self, loss: Loss, scale: float) -> None:
        self._loss, self._scale = loss, scale

    @property
    def for_core(self) -> Any:
        """What the core gets: number and scale of a loss that it knows, or this."""
        return (_NUMBERS[self._loss], self._scale) if isinstance(self._loss, str) else self

    def norm(self, f: Array) -> float:
        """The root of twice the cost, which takes the place of the norm of the residuals."""
        if isinstance(self._loss, str):
            return robust_norm(f, _NUMBERS[self._loss], self._scale)
        z = self._squares(f)
        if not np.isfinite(z).all():
            return np.inf
        rho = self._rho(z)[0]
        _refuse(np.isnan(rho) & (z < _LARGEST_SQUARE), z, "rho", rho, "it must be a number for every square")
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(np.sum(rho))
        if total < 0:
            raise InputValueError(
                f"loss gave values of rho with a sum of {total:.6g}, and a cost must not be negative; add a constant, "
                "so that rho is 0 at 0"
            )
        return self._scale * float(np.sqrt(total))

    def correct(self, f: Array) -> tuple[Array, Array]:
        """Residuals, and factors for the rows of the Jacobian, of the least squares problem that approximates this one.

        It has the gradient of the cost at f, and where enough of it remains the curvature of the loss, by the
        second-order correction of Triggs et al. (2000): see minpack/iteration/robust.f90.
        """
        if isinstance(self._loss, str):
            rows = np.ones_like(f)
            robust_rows(f, _NUMBERS[self._loss], self._scale, rows)
            return robust_residuals(f, _NUMBERS[self._loss], self._scale), rows
        z = self._squares(f)
        _, first, second = self._rho(z)
        _refuse(~np.isfinite(first), z, "the derivative of rho", first, "it must be finite")
        weights, rows = loss_factors(z, first, second)
        return f * weights, rows

    def _squares(self, f: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            z: Array = (f / self._scale) ** 2
        return z

    def _rho(self, z: Array) -> Array:
        assert callable(self._loss)
        given = self._loss(z.copy())  # the user's function may write into it
        rho = as_real_view(given, "loss", "rho and its derivatives").astype(np.float64, copy=False)
        if rho.shape != (3, z.size):
            raise ShapeError(
                f"loss gave an array of shape {rho.shape}; rho and its first and second derivative at "
                f"{z.size} squares need {(3, z.size)}"
            )
        return rho


def _refuse(bad: npt.NDArray[np.bool_], z: Array, name: str, values: Array, wanted: str) -> None:
    """Raise where any value is bad, naming the first one."""
    if bad.any():
        i = int(np.argmax(bad))
        raise InputValueError(f"loss gave {values[i]} for {name} at z = {z[i]:.6g}, that of residual {i}; {wanted}")
