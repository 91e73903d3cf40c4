"""Models as `curve_fit` takes them."""

import numpy as np


def decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a * np.exp(-b * x)


def line(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a + b * x
