"""What all results of fits have in common: where the fit ended, and the statistics there."""

from functools import cached_property
from math import sqrt

import numpy as np

from .._model.arrays import Array, Indices, Mask
from .record import Record
from .statistics import Covariance, covariance_of_fit


class FitResult(Record):
    """What every fit ends with; each kind of result says what its fields are."""

    x: Array
    message: str
    cost: float
    nfev: int
    njev: int
    nit: int
    _fixed: Mask
    _free: Mask  # neither fixed nor held at a bound
    _factor: tuple[Array, Indices] | None  # Rᵀ and P of the columns that are not fixed; None where they are not finite
    _jacobian_error: float  # relative
    _norm: float  # root of twice the cost, which does not underflow where the cost does

    @property
    def _m(self) -> int:
        """Number of residuals."""
        raise NotImplementedError

    @property
    def dof(self) -> int:
        """Degrees of freedom: residuals minus free parameters."""
        return self._m - int(np.count_nonzero(self._free))

    @property
    def reduced_chi2(self) -> float | None:
        """Variance of the residuals, ``2*cost/dof``; None without degrees of freedom."""
        return 2 * self.cost / self.dof if self.dof > 0 else None

    @property
    def rank(self) -> int:
        """Number of independent columns of the Jacobian for free parameters; 0 without a finite Jacobian."""
        return 0 if self._statistics is None else self._statistics.rank

    @cached_property
    def _statistics(self) -> Covariance | None:
        """Rank and covariance from the Jacobian, for residuals of variance 1 where there are no degrees of freedom."""
        if self._factor is None:
            return None
        sigma = self._norm / sqrt(self.dof) if self.dof > 0 else 1.0
        return covariance_of_fit(self._factor, self._m, sigma, self._jacobian_error, self._fixed, self._free)

    @property
    def _covariance(self) -> Covariance | None:
        """Rank and covariance; None without degrees of freedom or without a finite Jacobian."""
        return self._statistics if self.dof > 0 else None
