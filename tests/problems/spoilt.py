"""Ways in which Jacobians are wrong."""

from collections.abc import Callable

import numpy as np

from ._problem import Matrix

RIGHT = "right"
# What is done to a Jacobian, of which one column is chosen.
SPOILT: dict[str, Callable[[Matrix, int], Matrix]] = {
    RIGHT: lambda jac, _: jac,
    "sign": lambda jac, j: scale_column(jac, j, -1.0),
    "tenth": lambda jac, j: scale_column(jac, j, 0.1),
    "half": lambda jac, j: scale_column(jac, j, 0.5),
    "1.01": lambda jac, j: scale_column(jac, j, 1.01),
    "twice": lambda jac, j: scale_column(jac, j, 2.0),
    "zeros": lambda jac, j: scale_column(jac, j, 0.0),
    "forgotten": lambda jac, j: forget(jac, j),
    "swapped": lambda jac, j: jac[:, exchanged(jac.shape[1], j)],
    "shifted rows": lambda jac, _: np.roll(jac, 1, axis=0),
    "transposed": lambda jac, _: jac.T.copy(),
}


def scale_column(jac: Matrix, column: int, factor: float) -> Matrix:
    """A column times a factor."""
    jac[:, column] *= factor
    return jac


def forget(jac: Matrix, column: int) -> Matrix:
    """A parameter whose part in one term was forgotten, which counts in half of the residuals."""
    jac[: len(jac) // 2, column] = 0
    return jac


def exchanged(n: int, column: int) -> list[int]:
    """The order of columns of which one has changed places with the next."""
    order = list(range(n))
    other = (column + 1) % n
    order[column], order[other] = other, column
    return order
