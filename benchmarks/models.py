"""What several benchmarks fit; importing it also opens the tests' problems and C functions to the benchmarks."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
# Users start from a list as often as from an array.
STARTS = {"array": np.array([1.0, 1.0]), "list": [1.0, 1.0]}


def decay(x: np.ndarray) -> np.ndarray:
    """The residuals of y = a exp(-b t): 20 points, 2 parameters."""
    return x[0] * np.exp(-x[1] * T) - Y


def decay_jacobian(x: np.ndarray) -> np.ndarray:
    """The Jacobian of the decay."""
    shape = np.exp(-x[1] * T)
    return np.stack([shape, -x[0] * T * shape], axis=1)


def peaks_truth(peaks: int) -> np.ndarray:
    """Heights, centers and widths of peaks side by side between 0 and 1, three parameters for each peak."""
    centers = (np.arange(peaks) + 0.5) / peaks
    return np.column_stack([1 + 0.3 * np.arange(peaks) % 1, centers, np.full(peaks, 0.3 / peaks)]).ravel()


def add_peaks(x: np.ndarray, t: np.ndarray, total: np.ndarray) -> None:
    """Add Gaussian peaks at the points t to `total`."""
    for height, center, width in x.reshape(-1, 3):
        total += height * np.exp(-0.5 * ((t - center) / width) ** 2)


def fill_peaks_jacobian(x: np.ndarray, t: np.ndarray, jac_t: np.ndarray) -> None:
    """Fill `jac_t`, of shape (n, m), with the derivatives of the peaks at the points t."""
    for k, (height, center, width) in enumerate(x.reshape(-1, 3)):
        u = (t - center) / width
        shape = np.exp(-0.5 * u * u)
        jac_t[3 * k] = shape
        shape *= u
        shape *= height / width
        jac_t[3 * k + 1] = shape
        shape *= u
        jac_t[3 * k + 2] = shape
