"""What many test modules fit, and functions that note, fail or raise.

`residuals` and `jacobian` are those of a decay, a exp(-b t), at twenty points beside every such curve: the residuals at
the minimum are not zero. `decay` and `decay_jacobian` have nine points on the curve of ANSWER, where they vanish.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def decay_of(x: np.ndarray, times: np.ndarray, data: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * times) - data


def decay_of_jacobian(x: np.ndarray, times: np.ndarray, data: np.ndarray) -> np.ndarray:
    damping = np.exp(-x[1] * times)
    return np.column_stack([damping, -x[0] * times * damping])


START = np.array([1.0, 1.0])
START.setflags(write=False)  # no test may spoil it for the others
ANSWER = np.array([2.5, 1.3])

T = np.linspace(0, 4, 20)
Y = ANSWER[0] * np.exp(-ANSWER[1] * T) + 0.05 * np.cos(7 * T)


def residuals(x: np.ndarray) -> np.ndarray:
    return decay_of(x, T, Y)


def jacobian(x: np.ndarray) -> np.ndarray:
    return decay_of_jacobian(x, T, Y)


def both(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return residuals(x), jacobian(x)


EXACT_T = np.linspace(0, 4, 9)
EXACT_Y = ANSWER[0] * np.exp(-ANSWER[1] * EXACT_T)


def decay(x: np.ndarray) -> np.ndarray:
    return decay_of(x, EXACT_T, EXACT_Y)


def decay_jacobian(x: np.ndarray) -> np.ndarray:
    return decay_of_jacobian(x, EXACT_T, EXACT_Y)


# ------------------------------------------------------------------------------------ with a third parameter


def raised_decay_of(x: np.ndarray, times: np.ndarray, data: np.ndarray) -> np.ndarray:
    """A decay on a base: a exp(-b t) + c."""
    return x[0] * np.exp(-x[1] * times) + x[2] - data


def raised_decay_of_jacobian(x: np.ndarray, times: np.ndarray, data: np.ndarray) -> np.ndarray:
    return np.column_stack([decay_of_jacobian(x, times, data), np.ones_like(times)])


# So many points that the Jacobian is factored by blocks of rows.
TALL_T = np.linspace(0, 4, 3000)
TALL_Y = 2.5 * np.exp(-1.3 * TALL_T) + 0.4 + 0.05 * np.cos(70 * TALL_T)
TALL_START = np.array([1.0, 1.0, 0.0])
TALL_START.setflags(write=False)


def tall(x: np.ndarray) -> np.ndarray:
    return raised_decay_of(x, TALL_T, TALL_Y)


def tall_jacobian(x: np.ndarray) -> np.ndarray:
    return raised_decay_of_jacobian(x, TALL_T, TALL_Y)


# ------------------------------------------------------------------------------------ single precision

# Fifty points next to the curve of ANSWER, and models that compute or predict in single precision behind a double
# precision face; each takes the rows that are asked for, all by default.
TIMES = np.linspace(0, 4, 50)
COUNTS = ANSWER[0] * np.exp(-ANSWER[1] * TIMES) + 0.01 * np.cos(37 * np.arange(50.0))
EVERY_ROW = slice(None)
# From the last three, many predictions are tiny: their differences are neither zeros nor single spacings.
STARTS_FOR_COUNTS = [
    (1.0, 1.0), (2.0, 0.5), (0.7, 2.3), (4.0, 3.0), (0.1, 0.1), (3.3, 0.9), (3.5, 2.6), (3.3, 2.7), (3.7, 3.7),
]  # fmt: skip


def in_double_precision(x: np.ndarray, rows: slice = EVERY_ROW) -> np.ndarray:
    return decay_of(x, TIMES[rows], COUNTS[rows])


def computed_in_single_precision(x: np.ndarray, rows: slice = EVERY_ROW) -> np.ndarray:
    """Parameters and all; only the result is double."""
    result = decay_of(x.astype(np.float32), TIMES[rows].astype(np.float32), COUNTS[rows].astype(np.float32))
    assert result.dtype == np.float32
    return result.astype(np.float64)


def predicted_in_single_precision(x: np.ndarray, rows: slice = EVERY_ROW) -> np.ndarray:
    """Predictions are rounded to single precision, and then compared with double precision data."""
    return (x[0] * np.exp(-x[1] * TIMES[rows])).astype(np.float32) - COUNTS[rows]


# ------------------------------------------------------------------------------------ functions that do more


class Oops(Exception):  # noqa: N818 - anything may be raised
    pass


def nothing(_: Any) -> None:
    """A callback."""


class Table:
    """What NumPy can make an array of, but isn't one: as a pandas object is."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.values if dtype is None else self.values.astype(dtype)


class Recorder:
    """A function that remembers where it was called and what it gave."""

    def __init__(self, func: Callable[[np.ndarray], Any]) -> None:
        self.func = func
        self.at: list[np.ndarray] = []
        self.gave: list[Any] = []

    def __call__(self, x: np.ndarray) -> Any:
        self.at.append(x.copy())
        result = self.func(x)
        self.gave.append(result)
        return result

    @property
    def finite(self) -> list[bool]:
        return [bool(np.isfinite(result).all()) for result in self.gave]


class FailsOnCall:
    """A function that does something else on one of its calls."""

    def __init__(self, call: int, failure: Callable[[], Any], func: Callable[[np.ndarray], Any] = decay) -> None:
        self.call, self.failure, self.func, self.calls = call, failure, func, 0

    def __call__(self, x: np.ndarray) -> Any:
        self.calls += 1
        return self.failure() if self.calls == self.call else self.func(x)


class Raising:
    """A function that raises at one of its calls, and notes where it was called."""

    def __init__(self, function: Callable, at: int = 0, error: type[BaseException] = Oops) -> None:
        self.function, self.at, self.error = function, at, error
        self.points: list[bytes] = []

    @property
    def calls(self) -> int:
        return len(self.points)

    def __call__(self, x: np.ndarray, *args: Any, **kwargs: Any) -> Any:
        self.points.append(x.tobytes())
        if self.calls == self.at:
            raise self.error(f"call {self.calls}")
        return self.function(x, *args, **kwargs)
