"""Robust losses, and the linear least squares problems that approximate them."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, OptionError, ShapeError
from .arrays import Array, as_real_view, shown

# ρ, ρ' and ρ'' at the squares of the residuals, as three rows.
Loss: TypeAlias = Callable[[Array], Any]

# A residual keeps the second-order term of its loss where more than this part of the first-order curvature ρ' remains;
# elsewhere it gets ρ' alone. Ten times less changes the number of evaluations by less than 1 %. Ten times more leaves
# the term out for every concave loss, and takes 3 % more. docs/constants.md has the reason and the experiments.
_LEAST_PART: Final = 0.1

# Where a loss gives NaN for a square up to this, that is an error. Beyond it, a fourth power of the square may overflow
# within the formula of the loss, and NaN counts as infinite. Ten times more or less changes nothing for usual losses.
_LARGEST_SQUARE: Final = 1e75


def _soft_l1(z: Array) -> tuple[Array, Array, Array]:
    root = np.sqrt(1 + z)
    return 2 * (z / (1 + root)), 1 / root, -0.5 / root**3


def _huber(z: Array) -> tuple[Array, Array, Array]:
    root = np.sqrt(np.maximum(z, 1))
    inner = z <= 1
    return np.where(inner, z, 2 * root - 1), 1 / root, np.where(inner, 0, -0.5 / root**3)


def _cauchy(z: Array) -> tuple[Array, Array, Array]:
    return np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2


def _arctan(z: Array) -> tuple[Array, Array, Array]:
    square = 1 + z**2
    return np.arctan(z), 1 / square, -2 * (z / square) / square


_LOSSES: Final[dict[str, Loss]] = {"soft_l1": _soft_l1, "huber": _huber, "cauchy": _cauchy, "arctan": _arctan}


def as_loss(loss: Any) -> Loss | None:
    """A loss by its name, or the given function; None for the sum of squares."""
    if isinstance(loss, str) and loss == "linear":
        return None
    if isinstance(loss, str) and loss in _LOSSES:
        return _LOSSES[loss]
    if callable(loss):
        return loss  # type: ignore[no-any-return]
    names = ", ".join(["linear", *_LOSSES])
    raise OptionError(
        f"loss is {shown(loss)}; it can be one of {names}, or a function that gives rho and its first two derivatives"
    )


class Robust:
    """The cost of residuals by a loss, and the linear least squares problem that approximates it."""

    def __init__(self, loss: Loss, scale: float) -> None:
        self._loss, self._scale = loss, scale

    def norm(self, f: Array) -> float:
        """The root of twice the cost, which takes the place of the norm of the residuals."""
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
        second-order correction of Triggs et al. (2000).
        """
        z = self._squares(f)
        _, first, second = self._rho(z)
        _refuse(~np.isfinite(first), z, "the derivative of rho", first, "it must be finite")
        plain = np.abs(first)  # a loss may decrease somewhere
        with np.errstate(over="ignore", invalid="ignore"):
            curvature = first + 2 * z * second
        rows = np.sqrt(np.where((curvature > _LEAST_PART * plain) & (curvature < np.inf), curvature, plain))
        weight = np.divide(first, rows, out=np.zeros_like(first), where=rows > 0)
        return f * weight, rows

    def _squares(self, f: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            z: Array = (f / self._scale) ** 2
        return z

    def _rho(self, z: Array) -> Array:
        if self._loss in _LOSSES.values():
            with np.errstate(over="ignore"):
                given = self._loss(z)
        else:
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
