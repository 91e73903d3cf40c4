"""The triangle alone, of the factorization that an iteration holds."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ._convert import Array


def lower_part(r: Array) -> Array:
    """Rᵀ alone, where r is Rᵀ with scratch above it and beside."""
    n = r.shape[0]
    return np.where(_is_lower(n), r[:, :n], 0.0)


@lru_cache(maxsize=8)
def _is_lower(n: int) -> npt.NDArray[np.bool_]:
    return np.tri(n, dtype=bool)
