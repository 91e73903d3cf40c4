"""Smooth curves through points, that rise and fall where the points do."""

from itertools import pairwise
from typing import Final

import numpy as np

from ..._model.arrays import Array

# Slopes at either end of a cubic up to which it is monotone, relative to the chord: 3 (Fritsch and Carlson 1980). With
# 2 the curve is level nowhere between points that rise, so that it can be inverted.
_STEEPEST: Final = 2.0


class Smooth:
    """A curve through points of increasing x, by cubics with the limited slopes of parabolas; straight beyond them."""

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y
        self.slopes = np.ones(1)
        if x.size == 1:
            return
        secants = np.diff(y) / np.diff(x)
        slopes = secants[[0, -1]] if x.size == 2 else np.gradient(y, x, edge_order=2)
        before, after = np.insert(secants, 0, secants[0]), np.append(secants, secants[-1])
        steepest = np.where(before * after > 0, _STEEPEST * np.minimum(abs(before), abs(after)), 0.0)
        self.slopes = np.sign(after) * np.clip(np.sign(after) * slopes, 0, steepest)

    def __call__(self, x: float) -> float:
        """The value at x."""
        return float(self.at(np.array([x], float))[0])

    def at(self, x: Array) -> Array:
        """The values at several x."""
        known, y, slopes = self.x, self.y, self.slopes
        inner = np.clip(x, known[0], known[-1])
        if known.size == 1:
            return y + slopes * (x - known)
        k = np.clip(np.searchsorted(known, inner, side="right") - 1, 0, known.size - 2)
        width = known[k + 1] - known[k]
        t = (inner - known[k]) / width
        left = 1 - t
        value = left**2 * ((1 + 2 * t) * y[k] + t * width * slopes[k])
        value += t**2 * ((1 + 2 * left) * y[k + 1] - left * width * slopes[k + 1])
        return np.asarray(value + np.where(x < inner, slopes[0], slopes[-1]) * (x - inner))

    def where(self, y: float) -> float:
        """The x where a curve that rises has a value; that of the last point for values beyond."""
        low, high = float(self.x[0]), float(self.x[-1])
        if not self.y[0] < y < self.y[-1]:
            return low if y <= self.y[0] else high
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self(middle) < y else (low, middle)
        return 0.5 * (low + high)

    def fine(self, between: int) -> tuple[Array, Array]:
        """Points close enough for a picture."""
        x = np.concatenate([np.linspace(a, b, between) for a, b in pairwise(self.x)] or [self.x])
        return x, self.at(x)
