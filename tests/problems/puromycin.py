"""The velocity of an enzymatic reaction, with Puromycin: Bates and Watts (1988), Nonlinear Regression Analysis, p. 269.

The figures are as R's `nls` and `confint` print them. Those of the profile are confirmed by arithmetic of 40 digits in
tests/curve/test_published.py.
"""

import numpy as np

CONCENTRATION = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10])
VELOCITY = np.array([76.0, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200])
START = {"Km": 0.1, "Vmax": 200.0}

PARAMETERS = np.array([212.7, 0.06412])
STANDARD_ERRORS = np.array([6.947, 0.008281])
RESIDUAL_STANDARD_ERROR = 10.93
PROFILE_INTERVALS = np.array([[197.30, 229.29], [0.04692, 0.08616]])


def reaction(x: np.ndarray, Vmax: float, Km: float) -> np.ndarray:
    """Michaelis and Menten's velocity."""
    return Vmax * x / (Km + x)


def reaction_jacobian(x: np.ndarray, Vmax: float, Km: float) -> np.ndarray:
    """Its derivatives."""
    return np.stack([x / (Km + x), -Vmax * x / (Km + x) ** 2], axis=1)
