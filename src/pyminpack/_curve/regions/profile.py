"""Profiles: the best fits with one parameter held at other values (Bates and Watts 1988, chapter 6)."""

from math import copysign, inf, isfinite, nan, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from ..._errors import UnidentifiableWarning, warn_user
from ..._model.arrays import Array, Mask

if TYPE_CHECKING:
    from ..fit import CurveFit

# These numbers are in docs/constants.md, with what changes if they are larger or smaller.
_CLOSE: Final = 2e-3  # an end is interpolated once tau is this near to what it is to be, relative to it
_MOST_FITS: Final = 15  # for one end; 3 to 6 are usual
_LONGEST: Final = 4.0  # a step outward beyond all that is known, relative to the distance from the minimum
_LEVEL: Final = 1e-2  # tau has stopped growing if it grows by no more while the distance from the minimum doubles
_BETTER: Final = 1e-4  # by how much less chi-squared tells of a better minimum, relative to it or to the variance


class Profile:
    """The profile of one parameter.

    Attributes
    ----------
    name : str
        The parameter.
    values : ndarray of shape (k,)
        Values that it was held at, in order; the minimum among them.
    tau : ndarray of shape (k,)
        The signed root of how far chi-squared has grown there, in units of the variance. It is proportional to the
        distance from the minimum where the model is linear.
    x : ndarray of shape (k, n)
        The fits there.
    nfits : int
        How many fits it took.
    """

    def __init__(self, fit: "CurveFit", j: int) -> None:
        self._fit, self._j = fit, j
        self.name = fit.names[j]
        self._points: list[tuple[float, float, Array]] = [(float(fit.x[j]), 0.0, fit.x)]
        self.nfits = 0
        stderr = float(fit.stderr[j])
        self._scale = stderr if isfinite(stderr) and stderr > 0 else max(abs(float(fit.x[j])), 1e-8)
        bounds = fit._options.get("bounds")
        self.low, self.high = (-inf, inf) if bounds is None else (float(bounds[0][j]), float(bounds[1][j]))
        self._is_of_a_local_minimum = False
        self._is_exact = fit._is_exact  # and rounding does not follow the parameters: Wald's intervals, then
        self._ends: dict[tuple[float, int], float] = {}

    @property
    def best(self) -> float:
        """The value at the minimum."""
        return float(self._fit.x[self._j])

    @property
    def values(self) -> Array:
        """Values that the parameter was held at."""
        return np.array([value for value, _, _ in self._points])

    @property
    def tau(self) -> Array:
        """The signed root of how far chi-squared has grown there."""
        return np.array([tau for _, tau, _ in self._points])

    @property
    def x(self) -> Array:
        """The fits there."""
        return np.array([x for _, _, x in self._points])

    def interval(self, half: float) -> tuple[float, float]:
        """Where tau is -half, and half."""
        return self._end(half, -1), self._end(half, 1)

    def _end(self, half: float, side: int) -> float:
        """Where tau is half on one side; inf where it never is."""
        if not isfinite(half) or self._is_of_a_local_minimum:
            return nan
        if self._is_exact:
            return float(self._fit.x[self._j] + side * half * self._fit.stderr[self._j])
        if not self._fit._variance > 0:
            return nan
        key = half, side
        if key not in self._ends:
            self._ends[key] = self._search(half, side)
        return self._ends[key]

    def _search(self, half: float, side: int) -> float:
        best, bound = self._points_on(side)[0][1], self.high if side > 0 else self.low
        value = best + side * half * self._scale
        for _ in range(_MOST_FITS):
            if side * (value - bound) > 0:
                value = bound
            found = next((tau for v, tau, _ in self._points if v == value), None)
            tau = self._evaluate(value) if found is None else found
            if not isfinite(tau):
                return nan
            points = self._points_on(side)
            if abs(abs(tau) - half) <= _CLOSE * half:
                end = _interpolate(sorted(points, key=lambda point: abs(point[0] - half))[:4], half)
                return min(max(end, self.low), self.high) if isfinite(end) else value
            if value == bound and abs(tau) < half:
                return bound
            if abs(tau) < half and self._is_level(points):
                return side * inf
            value = self._next(points, half, side)
        return side * inf if max(tau for tau, _ in self._points_on(side)) < half else value

    def _points_on(self, side: int) -> list[tuple[float, float]]:
        """Sizes of tau and values on one side, from the minimum outward."""
        points = [(abs(tau), value) for value, tau, _ in self._points if tau == 0 or (tau > 0) == (side > 0)]
        return sorted(points, key=lambda point: side * point[1])

    @staticmethod
    def _is_level(points: list[tuple[float, float]]) -> bool:
        """Whether tau has stopped growing on the way out."""
        if len(points) < 3:
            return False
        (before, near), (last, far) = points[-2:]
        best = points[0][1]
        return abs(far - best) > 2 * abs(near - best) and last - before < _LEVEL * last

    @staticmethod
    def _next(points: list[tuple[float, float]], half: float, side: int) -> float:
        """The value at which tau is expected to be half.

        Between known points by inverse interpolation with the nearest; beyond the last one by the last chord.
        """
        best = points[0][1]
        inner = [point for point in points if point[0] < half]
        outer = [point for point in points if point[0] >= half]
        if not outer:
            (t0, v0), (t1, v1) = points[-2:]
            slope = (v1 - v0) / (t1 - t0) if t1 > t0 else inf
            distance = side * (v1 + 1.02 * (half - t1) * slope - best)  # a little beyond, so that it comes between
            reach = abs(v1 - best)
            return best + side * min(max(distance, 1.02 * reach), _LONGEST * reach)
        (t0, v0), (t1, v1) = inner[-1], outer[0]
        near = sorted(points, key=lambda point: abs(point[0] - half))[:4]
        value = _interpolate(near, half)
        low, high = sorted((v0, v1))
        if not low < value < high:
            value = v0 + (half - t0) * (v1 - v0) / (t1 - t0)
        if not low < value < high:
            value = 0.5 * (low + high)
        return value

    def _evaluate(self, value: float) -> float:
        """The tau with the parameter held at a value, by a fit of the others."""
        fit, j = self._fit, self._j
        _, _, near = min(self._points, key=lambda point: abs(point[0] - value))
        start = self._start_at(value)
        fixed = fit.result._fixed.copy()
        fixed[j] = True
        best = self._fit.chi2
        x, chi2, _, nfits = best_with(fit, start, fixed, near)
        self.nfits += nfits
        grown = chi2 - best
        if grown < -_BETTER * max(best, fit._variance):
            if not self._is_of_a_local_minimum:
                self._is_of_a_local_minimum = True
                warn_user(
                    f"with {self.name} held at {value:.6g}, the fit of the other parameters is better than the "
                    "minimum, which is a local one: fit again from near there",
                    UnidentifiableWarning,
                )
            return nan
        tau = copysign(sqrt(max(grown, 0.0) / fit._variance), value - fit.x[j])
        self._points.append((value, tau, x))
        self._points.sort(key=lambda point: point[0])
        return tau

    def _start_at(self, value: float) -> Array:
        """A start with the parameter at a value: on the line through the nearest fits, or along the correlations."""
        fit, j = self._fit, self._j
        near = sorted(self._points, key=lambda point: abs(point[0] - value))[:2]
        _, _, x0 = near[0]
        start = x0.copy()
        if len(near) == 2 and near[1][0] != near[0][0]:
            (v0, _, x0), (v1, _, x1) = near
            start += (value - v0) / (v1 - v0) * (x1 - x0)
        elif np.isfinite(fit.cov[j, j]) and fit.cov[j, j] > 0:
            slope = np.where(np.isfinite(fit.cov[:, j]), fit.cov[:, j], 0) / fit.cov[j, j]
            start += (value - x0[j]) * slope
        start[j] = value
        held = fit.result._fixed | (np.arange(start.size) == j)
        return start_within(fit, start, held, near[0][2])

    def __repr__(self) -> str:
        low, high = self.values[[0, -1]]
        return f"<profile of {self.name}: {self.values.size} points from {low:.6g} to {high:.6g}>"


def profile_of(fit: "CurveFit", j: int) -> Profile:
    """The profile of a parameter, of which nothing but the minimum is known."""
    return Profile(fit, j)


def start_within(fit: "CurveFit", start: Array, held: Mask, near: Array) -> Array:
    """A start with some parameters held there, within the bounds; the others as near it where it is not possible."""
    bounds = fit._options.get("bounds")
    if bounds is not None:
        start = np.clip(start, bounds[0], bounds[1])
    fixed = fit.result._fixed
    start[fixed] = fit.x[fixed]
    return start if np.isfinite(chi2_at(fit, start)) else np.where(held, start, near)


def best_with(fit: "CurveFit", start: Array, held: Mask, near: Array) -> tuple[Array, float, npt.NDArray[np.intp], int]:
    """The fit with some parameters held: all of them, chi-squared, which are at a bound, and how many fits it took."""
    if held.all():
        return start, chi2_at(fit, start), np.zeros(start.size, int), 1
    result = fit._refit(start, held)
    if result.success:
        return result.x, 2 * result.cost, result.active_mask, 1
    again = fit._refit(np.where(held, start, near), held)  # perhaps from the fit next to it
    if again.cost < result.cost or again.success:
        result = again
    return result.x, 2 * result.cost, result.active_mask, 2


def chi2_at(fit: "CurveFit", x: Array) -> float:
    """Twice the cost at a point; inf where it is not finite."""
    r = np.asarray(fit._curve.residuals(x), np.float64).ravel()
    loss = fit._loss
    norm = float(np.linalg.norm(r)) if loss is None else loss.norm(r)
    return norm * norm if isfinite(norm) else inf


def _interpolate(points: list[tuple[float, float]], t: float) -> float:
    """The value at t of the polynomial through some points (t, value), by Neville's scheme."""
    known = [value for _, value in points]
    for width in range(1, len(points)):
        for k in range(len(points) - width):
            t0, t1 = points[k][0], points[k + width][0]
            if t0 == t1:
                return nan
            known[k] = ((t - t1) * known[k] + (t0 - t) * known[k + 1]) / (t0 - t1)
    return known[0]
