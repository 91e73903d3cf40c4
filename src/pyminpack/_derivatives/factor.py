"""The factorization of a Jacobian that an iteration starts from, and the triangle of a tall one."""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._minpack import blocks_pay, fold_jacobian, fold_rows, lm_factor, lm_pivot
from .._model.arrays import FLOAT64, Array, Indices

# Rᵀ, P, the first n entries of Qᵀf, and the norms of the Jacobian's columns.
Factor: TypeAlias = tuple[Array, Indices, Array, Array]

# Entries of a Jacobian that are converted at a time where they do not lie as rows or columns of float64: 0.5 MB.
_ENTRIES_AT_ONCE: Final = 65536


def factorize(jacobian: npt.NDArray[Any], f: Array) -> Factor:
    """The factorization of a Jacobian, by the method that `leastsq` chooses for its size."""
    if blocks_pay(*jacobian.shape):
        return lm_pivot(augmented_triangle(jacobian.T, f))
    return lm_factor(jacobian.T, f)


def augmented_triangle(columns: npt.NDArray[Any], f: Array) -> Array:
    """The triangle of [J f], of order n + 1, where `columns` is Jᵀ.

    The Jacobian is read where it lies if its rows or its columns are contiguous and of float64, else piece by piece.
    """
    n, m = columns.shape
    triangle = np.zeros((n + 1, n + 1))
    height = fold_rows(n)
    if columns.dtype is FLOAT64 and columns.flags.c_contiguous:
        return fold_jacobian(columns, 0, f, triangle, height)
    if columns.dtype is FLOAT64 and columns.flags.f_contiguous:
        return fold_jacobian(columns.T, 1, f, triangle, height)
    step = max(height, _ENTRIES_AT_ONCE // n)
    for begin in range(0, m, step):
        rows = slice(begin, begin + step)
        with np.errstate(over="ignore"):
            piece = np.ascontiguousarray(columns[:, rows], dtype=np.float64)
        triangle = fold_jacobian(piece, 0, f[rows], triangle, height)
    return triangle
