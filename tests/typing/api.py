"""The public API as a type checker sees it; mypy reads this, nothing runs it."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from pyminpack import PyminpackError, ShapeError, __version__, leastsq

Array = NDArray[np.float64]


def residuals(x: Array, y: Array) -> Array:
    return x - y


y = np.ones(3)
assert_type(leastsq(residuals, [0, 0, 0], args=(y,)), tuple[Array, int])
assert_type(leastsq(residuals, y, y, full_output=False), tuple[Array, int])
assert_type(
    leastsq(residuals, y, y, full_output=True),
    tuple[Array, Array | None, dict[str, Any], str, int],
)
assert_type(__version__, str)
error: PyminpackError = ShapeError()
also_error: ValueError = ShapeError()
