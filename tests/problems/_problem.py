"""The shape that every test problem of the table has."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """Residuals R^n -> R^m with their Jacobian, and a point to start from.

    Attributes
    ----------
    name : str
        Short and unique within its family, fit for a test id.
    start : ndarray of shape (n,)
        Where the fit starts.
    m : int
        Number of residuals.
    residuals : callable
        ``residuals(x)`` gives a new float64 array of shape (m,).
    jacobian : callable
        ``jacobian(x)`` gives a new float64 array of shape (m, n), row i
        holding the derivatives of residual i.
    """

    name: str
    start: Vector
    m: int
    residuals: Callable[[Vector], Vector]
    jacobian: Callable[[Vector], Matrix]

    @property
    def n(self) -> int:
        """Number of parameters."""
        return self.start.size
