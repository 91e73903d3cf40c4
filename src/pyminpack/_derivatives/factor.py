"""The triangle of a tall Jacobian and its residuals."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._minpack import block_rows, fold_jacobian
from .._model.arrays import FLOAT64, Array

# Entries of a Jacobian that are converted at a time where they do not lie as rows or columns of float64: 0.5 MB.
_ENTRIES_AT_ONCE: Final = 65536


def augmented_triangle(columns: npt.NDArray[Any], f: Array) -> Array:
    """The triangle of [J f], of order n + 1, where `columns` is Jᵀ.

    The Jacobian is read where it lies if its rows or its columns are contiguous and of float64, else piece by piece.
    """
    n, m = columns.shape
    triangle = np.zeros((n + 1, n + 1))
    height = block_rows(n)
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
