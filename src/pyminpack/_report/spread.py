"""What the factorization that an iteration holds tells of the parameters, fixed ones and those at bounds included."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .._covariance import Covariance, triangle_of, uncertainty
from .._model.arrays import Array
from .info import Indices, rank_tolerance

Mask = npt.NDArray[np.bool_]


def spread_of(
    factor: tuple[Array, Indices], m: int, variance: float, noise: float, fixed: Mask, free: Mask
) -> Covariance:
    """Covariance and rank of the free parameters, by Rᵀ and P of all that aren't fixed; the others vary by nothing.

    noise is the relative error of the Jacobian, of m rows.
    """
    n, k = free.size, int(np.count_nonzero(free))
    if k == 0:
        return _whole(_of_nothing(), free)
    r, ipvt = factor if k == n - np.count_nonzero(fixed) else _part(*factor, free[~fixed])
    known = uncertainty(r, ipvt, m, variance=variance, tol=rank_tolerance(m, k, noise))
    return known if k == n else _whole(known, free)


def _part(r: Array, ipvt: Indices, wanted: Mask) -> tuple[Array, Indices]:
    """The factorization of some of the columns."""
    n = len(ipvt)
    columns = np.empty((n, n))
    columns[:, ipvt - 1] = np.tril(r).T
    return triangle_of(columns[:, wanted]), np.arange(1, np.count_nonzero(wanted) + 1, dtype=np.int32)


def _whole(known: Covariance, free: Mask) -> Covariance:
    """The same among all the parameters."""
    n, both = free.size, np.ix_(free, free)
    cov, correlation = np.zeros((n, n)), np.full((n, n), np.nan)
    stderr, unidentifiable = np.zeros(n), np.zeros(n, np.bool_)
    cov[both], correlation[both] = known.cov, known.correlation
    stderr[free], unidentifiable[free] = known.stderr, known.unidentifiable
    return replace(known, cov=cov, stderr=stderr, correlation=correlation, unidentifiable=unidentifiable)


def _of_nothing() -> Covariance:
    square, line = np.empty((0, 0)), np.empty(0)
    return Covariance(
        cov=square, stderr=line, correlation=square, rank=0, cond=np.nan, unidentifiable=np.empty(0, bool)
    )
