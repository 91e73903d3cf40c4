"""The factorization that an iteration starts from."""

from typing import Any, TypeAlias

import numpy.typing as npt

from .. import _minpack
from .._blocks.tasks import fold_rows
from .._iteration.machine import Indices
from .._model.arrays import Array

# Rᵀ, P, the first n entries of Qᵀf, and the norms of the Jacobian's columns.
Factor: TypeAlias = tuple[Array, Indices, Array, Array]


def factorize(jacobian: npt.NDArray[Any], f: Array) -> Factor:
    """The factorization as leastsq has it of a Jacobian of this size."""
    if _minpack.blocks_pay(*jacobian.shape):
        return _minpack.lm_pivot(fold_rows(jacobian.T, f))
    return _minpack.lm_factor(jacobian.T, f)
