"""What the factorization that an iteration holds tells of the parameters, fixed ones included."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ._convert import Array
from ._covariance import Covariance, rank_tolerance, uncertainty
from ._outcome import Indices


def lower_part(r: Array) -> Array:
    """Rᵀ alone, where r is Rᵀ with scratch above it and beside."""
    n = r.shape[0]
    return np.where(_is_lower(n), r[:, :n], 0.0)


@lru_cache(maxsize=8)
def _is_lower(n: int) -> npt.NDArray[np.bool_]:
    return np.tri(n, dtype=bool)


def spread_of(
    factor: tuple[Array, Indices], m: int, variance: float, noise: float, free: npt.NDArray[np.bool_]
) -> Covariance:
    """Covariance and rank of the free parameters, by Rᵀ and P; fixed ones vary by nothing, and with nothing.

    noise is the relative error of the Jacobian, of m rows.
    """
    r, ipvt = factor
    known = uncertainty(r, ipvt, m, variance=variance, tol=rank_tolerance(m, len(ipvt), noise))
    if free.all():
        return known
    n, both = free.size, np.ix_(free, free)
    cov, correlation = np.zeros((n, n)), np.full((n, n), np.nan)
    stderr, unidentifiable = np.zeros(n), np.zeros(n, np.bool_)
    cov[both], correlation[both] = known.cov, known.correlation
    stderr[free], unidentifiable[free] = known.stderr, known.unidentifiable
    return replace(known, cov=cov, stderr=stderr, correlation=correlation, unidentifiable=unidentifiable)
