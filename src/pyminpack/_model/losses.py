"""Robust losses: what residuals cost, and the linear least squares problem that has the same slope there."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, OptionError, ShapeError
from .arrays import Array, as_real_view

# ρ, ρ' and ρ'' at the squares of the residuals, as three rows.
Loss: TypeAlias = Callable[[Array], Any]

# The second-order term counts where it leaves at least this part of a residual's first-order curvature, ρ'; elsewhere
# the residual keeps ρ' whole. Where ρ is concave, that parabola touches the cost and is nowhere below it, whereas a
# curvature near zero promises reductions that aren't there, and steps get rejected. Triggs et al. keep a small part of
# ρ' in such places, SciPy the machine precision; Ceres (its corrector.cc) drops the term wherever it is negative,
# having found that it slows convergence. Measured on 2832 fits to data with outliers (NIST's and MINPACK's problems,
# some of the literature, four losses, three scales): evaluations in the 1337 fits that come to one minimum by every
# rule, and how many fits come to the lowest one known.
#     this rule                   29155  2118
#     without the term            30241  2143
#     no less than 0.1 ρ'         34180  2098
#     no less than 0.001 ρ'       40749  1976
#     no less than SciPy's least  46845  1639
# From 0.03 to 0.7 it hardly matters. Covariance wants it small: it is that of the curvature kept.
_LEAST_PART: Final = 0.1

# Fourth powers of such squares are finite: where a loss gives NaN for one, that is no overflow within its formula.
_ORDINARY: Final = 1e75


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
        z = self._squares(f)
        if not np.isfinite(z).all():
            return np.inf
        rho = self._rho(z)[0]
        _refuse(np.isnan(rho) & (z < _ORDINARY), z, "rho", rho, "it must be a number for every square")
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(np.sum(rho))
        if total < 0:
            raise InputValueError(
                f"loss gave values of rho with a sum of {total:.6g}, and a cost must not be negative; add a constant, "
                "so that rho is 0 at 0"
            )
        return self._scale * float(np.sqrt(total))

    def correct(self, f: Array) -> tuple[Array, Array]:
        """Residuals, and factors of the Jacobian's rows, of the least squares problem that stands for this one at f.

        It has the gradient of the cost, and where enough is left of it the curvature, by the second-order correction
        of Triggs et al.
        """
        z = self._squares(f)
        _, first, second = self._rho(z)
        _refuse(~np.isfinite(first), z, "the derivative of rho", first, "it must be finite")
        plain = np.abs(first)  # a loss that decreases somewhere has its slope there all the same
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
        with np.errstate(over="ignore"):
            given = self._loss(z)
        rho = as_real_view(given, "loss", "rho and its derivatives").astype(np.float64, copy=False)
        if rho.shape != (3, z.size):
            raise ShapeError(
                f"loss gave an array of shape {rho.shape}; rho and its first and second derivative at "
                f"{z.size} squares need {(3, z.size)}"
            )
        return rho


def _refuse(bad: npt.NDArray[np.bool_], z: Array, name: str, values: Array, wanted: str) -> None:
    """Raise where any value is bad, naming the first."""
    if bad.any():
        i = int(np.argmax(bad))
        raise InputValueError(f"loss gave {values[i]} for {name} at z = {z[i]:.6g}, that of residual {i}; {wanted}")
