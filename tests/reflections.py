"""The orthogonal factor that qrfac leaves as reflectors."""

import numpy as np


def reflections(a: np.ndarray, count: int) -> np.ndarray:
    """Q, multiplied out of the reflectors below the diagonal; a is transposed, as the module gives it."""
    q = np.eye(a.shape[1])
    for j in range(count):
        v = np.concatenate([np.zeros(j), a[j, j:]])
        if v[j] != 0:
            q -= np.outer(q @ v, v) / v[j]
    return q
