"""What the data tell of the parameters, by the triangle of the Jacobian at the solution."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ._convert import DOUBLE, Array
from ._iteration import Indices

# A parameter whose share in the directions that the data don't determine is smaller is determined nonetheless.
_SHARE: Final = DOUBLE**0.5


@dataclass(frozen=True)
class Spread:
    """The inverse of JᵀJ as far as there is one.

    Attributes
    ----------
    inverse : ndarray of shape (n, n)
        The pseudo-inverse of JᵀJ, by columns scaled to length 1; rows and columns of parameters that are not
        determined are NaN, but for Inf on the diagonal.
    cond : float
        Condition number of J with its columns scaled to length 1.
    unidentifiable : ndarray of bool, shape (n,)
        Parameters that the data don't determine.
    """

    inverse: Array
    cond: float
    unidentifiable: npt.NDArray[np.bool_]


def spread_of(triangle: Array, rank: int) -> Spread:
    """What follows from A, of shape (n, n), where AᵀA = JᵀJ and `rank` columns are independent."""
    lengths = np.linalg.norm(triangle, axis=0)
    scale = np.where(lengths > 0, lengths, 1.0)
    _, values, directions = np.linalg.svd(triangle / scale)
    lost = np.sqrt((directions[rank:] ** 2).sum(axis=0)) > _SHARE
    kept = directions[:rank].T / values[:rank]
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = kept @ kept.T / scale / scale[:, np.newaxis]
    inverse[lost, :] = inverse[:, lost] = np.nan
    inverse[lost, lost] = np.inf
    cond = float(values[0] / values[-1]) if values[-1] > 0 else np.inf
    return Spread(inverse, cond, lost)


def triangle_of(r: Array, ipvt: Indices) -> Array:
    """A = R Pᵀ by Rᵀ and P: AᵀA = JᵀJ, where J P = Q R."""
    triangle = np.empty((ipvt.size, ipvt.size))
    triangle[:, ipvt - 1] = lower_part(r).T
    return triangle


def lower_part(r: Array) -> Array:
    """Rᵀ alone, where r is Rᵀ with scratch above it and beside."""
    n = r.shape[0]
    return np.where(_is_lower(n), r[:, :n], 0.0)


@lru_cache(maxsize=8)
def _is_lower(n: int) -> npt.NDArray[np.bool_]:
    return np.tri(n, dtype=bool)
