"""What the judge knows of fits that are drawn at random."""

import functools

import numpy as np

from judge import EPS, Landscape, rounding
from problems.drawn import drawn

EPS_SINGLE = float(np.finfo(np.float32).eps)
# A fit of data without noise may end where the residuals are so many times smaller than the data.
EXACT = 1e-8


@functools.cache
def drawn_land(seed: int) -> Landscape:
    """What the judge knows of a fit drawn at random: its inner parameters."""
    fit = drawn(seed)

    def own_noise(u: np.ndarray) -> np.ndarray:
        return rounding(EPS, fit.inner_model(u), fit.inner_jacobian(u), u)

    def noise(u: np.ndarray) -> np.ndarray:
        model, jac = fit.inner_model(u), fit.inner_jacobian(u)
        bounds = rounding(EPS, model, jac, u + fit.origin / fit.unit)  # x itself is rounded
        return bounds + rounding(EPS_SINGLE, model, jac, u) if fit.single else bounds

    return Landscape(
        fit.inner_residuals,
        fit.inner_jacobian,
        fit.inner(fit.lower),
        fit.inner(fit.upper),
        noise,
        own_noise,
        np.ones(fit.unit.size),
        EXACT * float(np.linalg.norm(fit.data)),
    )
