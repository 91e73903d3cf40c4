"""How far the linear model can be trusted: curvatures, bias and skewness, from second derivatives of the curve."""

from math import nan, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from .._model.arrays import DOUBLE, Array
from .._report.record import Record
from .quantiles import f_quantile

if TYPE_CHECKING:
    from .fit import CurveFit

_STEP: Final = DOUBLE**0.25  # of second differences, relative to the parameter or its standard error
_RADIUS: Final = 0.95  # level of the confidence region within which curvatures are judged, as Bates and Watts do


class Curvature(Record):
    """How much a model deviates from its linear approximation within the confidence region.

    Attributes
    ----------
    intrinsic : float
        Root mean square of the curvature of the solution locus, times the radius of the 95 % confidence region (Bates
        and Watts 1980). What is small against 1, say below 0.3, does not matter.
    parameter_effects : float
        The same of the parameters' lines on it. It changes with the parameters that the model is written in, and is
        small where Wald's intervals can be trusted.
    bias : ndarray of shape (n,)
        Expected value of each parameter minus the true one (Box 1971).
    skewness : ndarray of shape (n,)
        Of the distribution of each parameter (Hougaard 1985): below 0.1 in size it is close to linear, from 0.25 on
        visibly skewed, from 1 on far from linear (Ratkowsky 1990). NaN for parameters that are not free.
    """

    intrinsic: float
    parameter_effects: float
    bias: Array
    skewness: Array


def curvature_of(fit: "CurveFit") -> Curvature:
    """Curvatures at the minimum, by 2 k**2 evaluations of the model for k free parameters."""
    n, free = fit.x.size, np.flatnonzero(fit.free)
    bias, skewness = np.full(n, nan), np.full(n, nan)
    jacobian, k, variance = fit._free_jacobian, free.size, fit._variance
    is_known = jacobian is not None and k > 0 and variance >= 0 and np.isfinite(fit.stderr[free]).all()
    second = _second_derivatives(fit, free) if is_known else np.empty(0)
    if jacobian is None or not is_known or not np.isfinite(second).all():
        return Curvature(intrinsic=nan, parameter_effects=nan, bias=bias, skewness=skewness)
    q, r = np.linalg.qr(jacobian)
    inverse = np.linalg.solve(r, np.eye(k))
    # Second derivatives by orthonormal coordinates of the tangent plane, along it and across.
    rotated = np.einsum("tij,ia,jb->tab", second, inverse, inverse, optimize=True)
    along = np.einsum("tc,tab->cab", q, rotated)
    across = rotated - np.einsum("tc,cab->tab", q, along)
    dof = fit._dof_of_errors
    radius = sqrt(variance * k * f_quantile(_RADIUS, 1 - _RADIUS, k, dof)) if dof > 0 else nan
    unscaled = inverse @ inverse.T
    traces = np.einsum("taa->t", rotated)
    bias[free] = -0.5 * variance * (inverse @ (q.T @ traces))
    with np.errstate(divide="ignore", invalid="ignore"):
        linear, bent = jacobian @ unscaled, np.einsum("tij,ia,ja->ta", second, unscaled, unscaled, optimize=True)
        third = -3 * variance**2 * np.sum(linear * bent, axis=0)
        skewness[free] = third / (variance * np.diagonal(unscaled)) ** 1.5
    return Curvature(
        intrinsic=radius * _root_mean_square(across, k),
        parameter_effects=radius * _root_mean_square(along, k),
        bias=bias,
        skewness=skewness,
    )


def _root_mean_square(accelerations: Array, k: int) -> float:
    """The root of the mean square of the length of an acceleration over all directions."""
    squares = 2 * np.sum(accelerations**2) + np.sum(np.einsum("taa->t", accelerations) ** 2)
    return sqrt(float(squares) / (k * (k + 2)))


def _second_derivatives(fit: "CurveFit", free: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Array:
    """Second derivatives of the residuals, of shape (m, k, k), by central differences."""
    x, best, k = fit.x, fit.result.fun, free.size
    steps = _STEP * np.maximum(abs(x[free]), fit.stderr[free])
    steps[steps == 0] = _STEP

    def at(*moves: tuple[int, float]) -> Array:
        point = x.copy()
        for i, side in moves:
            point[free[i]] += side * steps[i]
        with np.errstate(all="ignore"):
            return np.asarray(fit._curve.residuals(point), float).ravel()

    second = np.empty((best.size, k, k))
    for i in range(k):
        second[:, i, i] = (at((i, 1)) - 2 * best + at((i, -1))) / steps[i] ** 2
        for j in range(i):
            mixed = at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1))
            second[:, i, j] = second[:, j, i] = mixed / (4 * steps[i] * steps[j])
    return second
