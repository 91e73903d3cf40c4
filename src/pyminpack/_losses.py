"""Robust losses: what residuals cost, and the linear least squares problem that has the same slope there."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np

from . import _minpack
from ._convert import Array
from ._exceptions import InputTypeError, OptionError, ShapeError

# ρ, ρ' and ρ'' at the squares of the residuals, as three rows.
Loss: TypeAlias = Callable[[Array], Any]

# Curvature that a residual keeps, as a fraction of what it would have without the second-order term: that term alone
# could make it zero or negative, and the residuals to go with it infinitely long.
_LEAST_CURVATURE: Final = 1e-3


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
    return np.arctan(z), 1 / square, -2 * z / square**2


_LOSSES: Final[dict[str, Loss]] = {"soft_l1": _soft_l1, "huber": _huber, "cauchy": _cauchy, "arctan": _arctan}


def as_loss(loss: Any) -> Loss | None:
    """A loss by its name or as it is; None where it is the plain sum of squares."""
    if isinstance(loss, str) and loss == "linear":
        return None
    if isinstance(loss, str) and loss in _LOSSES:
        return _LOSSES[loss]
    if callable(loss):
        return loss  # type: ignore[no-any-return]
    names = ", ".join(["linear", *_LOSSES])
    raise OptionError(f"loss is {loss!r}; it can be one of {names}, or a callable that gives rho and two derivatives")


class Robust:
    """A loss at a scale, and what follows from it."""

    def __init__(self, loss: Loss, scale: float) -> None:
        self._loss, self._scale = loss, scale

    def norm(self, f: Array) -> float:
        """The root of twice the cost: the norm of residuals whose sum of squares would cost as much."""
        if not np.isfinite(_minpack.enorm(f)):
            return np.inf
        with np.errstate(over="ignore", invalid="ignore"):
            rho = self._rho(f)[0]
            total = float(np.sum(rho))
        return self._scale * np.sqrt(total) if total >= 0 else np.nan

    def correct(self, f: Array) -> tuple[Array, Array]:
        """Residuals, and factors of the Jacobian's rows, of the least squares problem that stands for this one at f.

        It has the gradient of the cost, and its curvature where that is positive, by the second-order correction of
        Triggs et al.
        """
        _, first, second = self._rho(f)
        z = (f / self._scale) ** 2
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            curvature = first + 2 * z * second
        curvature = np.where(curvature > _LEAST_CURVATURE * first, curvature, _LEAST_CURVATURE * first)
        rows = np.sqrt(curvature)
        weight = np.divide(first, rows, out=np.zeros_like(first), where=rows > 0)
        return f * weight, rows

    def _rho(self, f: Array) -> Array:
        z = (f / self._scale) ** 2
        with np.errstate(over="ignore"):
            given = self._loss(z)
        if given is None:
            raise InputTypeError("loss gave None; has it lost its return statement?")
        rho = np.asarray(given, dtype=np.float64)
        if rho.shape != (3, f.size):
            raise ShapeError(
                f"loss gave an array of shape {rho.shape}; rho and its first and second derivative at "
                f"{f.size} squares need {(3, f.size)}"
            )
        return rho
