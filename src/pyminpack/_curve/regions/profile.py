"""Profiles: the best fits with one parameter held at other values (Bates and Watts 1988, chapter 6)."""

from collections.abc import Iterable, Sequence
from math import copysign, inf, isfinite, isnan, nan, sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..._errors import UnidentifiableWarning, warn_user
from ..._model.arrays import Array

if TYPE_CHECKING:
    from ..fit import CurveFit

Point = tuple[float, float]  # the size of tau, and the value of the parameter

# These numbers are in docs/constants.md, with what changes if they are larger or smaller.
_CLOSE: Final = 2e-3  # an end is interpolated once tau is this near to what it is to be, relative to it
_MOST_FITS: Final = 15  # for one end; 3 to 6 are usual
_LONGEST: Final = 4.0  # a step outward beyond all that is known, relative to the distance from the minimum
_FAR: Final = 2.0  # times what it is to be: a larger tau tells no more than that the end is nearer
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
        self._slope = stderr if isfinite(stderr) else 0.0  # of the parameter by tau, at the minimum
        self._scale = self._slope or max(abs(float(fit.x[j])), 1e-8)
        bounds = fit._options.get("bounds")
        self.low, self.high = (-inf, inf) if bounds is None else (float(bounds[0][j]), float(bounds[1][j]))
        self._is_of_a_local_minimum = False
        self._undefined: set[float] = set()  # values at which the model is not finite
        self._better_sides: set[bool] = set()  # the sides on which a fit was better than the minimum
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
        key = half, side
        if key not in self._ends:
            self._ends[key] = self._search(half, side)
        return self._ends[key]

    def _search(self, half: float, side: int) -> float:
        best, bound = self.best, self.high if side > 0 else self.low
        value = best + side * half * self._scale
        failed: dict[float, float] = {}  # where no fit succeeded, and how far the last success was away
        widths: list[float] = []
        inner, outer = _bracket(self._points_on(side), failed, half, side)
        for _ in range(_MOST_FITS):
            if side * (value - bound) > 0:
                value = bound
            tau = next((tau for v, tau, _ in self._points if v == value), None)
            if tau is None:
                tau = self._evaluate(value, half)
            if isnan(tau):
                return nan
            points = self._points_on(side)
            if abs(abs(tau) - half) <= _CLOSE * half:
                end = self._at(half, points)
                return min(max(end, self.low), self.high) if isfinite(end) else value
            if value == bound and abs(tau) < half:
                return bound
            if tau == inf:
                failed[value] = 0.0 if value in self._undefined else abs(value - inner[-1][1])
            elif abs(tau) < half and self._is_level(points):
                return side * inf
            inner, outer = _bracket(points, failed, half, side)
            if outer is not None and abs(outer[1] - inner[-1][1]) <= 0.25 * failed.get(outer[1], 0.0):
                del failed[outer[1]]  # from so near, a fit may succeed there
                inner, outer = _bracket(points, failed, half, side)
            value = self._next(points, inner, outer, half, side)
            if outer is not None:
                widths.append(abs(outer[1] - inner[-1][1]))
                if widths[-1] <= _CLOSE * abs(inner[-1][1] - best):
                    if outer[1] in self._undefined:
                        return inner[-1][1]  # the profile ends where the model does
                    break  # tau leaps: beyond, the fits come to a worse minimum
                if len(widths) > 2 and widths[-1] > 0.5 * widths[-3]:  # two steps did less than one halving
                    value = 0.5 * (inner[-1][1] + outer[1])
        if max(tau for tau, _ in self._points_on(side)) < half and not failed:
            return side * inf
        warn_user(
            f"the {'upper' if side > 0 else 'lower'} end of the interval of {self.name} is NaN: it was not found, "
            "because fits of the other parameters fail or come to other minima",
            UnidentifiableWarning,
        )
        return nan

    def _points_on(self, side: int) -> list[Point]:
        """Sizes of tau and values on one side, from the minimum outward."""
        best = self.best
        points = [(abs(tau), value) for value, tau, _ in self._points if side * (value - best) >= 0]
        return sorted(points, key=lambda point: side * point[1])

    @staticmethod
    def _is_level(points: list[Point]) -> bool:
        """Whether tau has stopped growing on the way out."""
        if len(points) < 3:
            return False
        (before, near), (last, far) = points[-2:]
        best = points[0][1]
        return abs(far - best) > 2 * abs(near - best) and last - before < _LEVEL * last

    def _next(self, points: list[Point], inner: list[Point], outer: Point | None, half: float, side: int) -> float:
        """The value at which tau is expected to be half, by inverse interpolation.

        Where tau is large on the far side the profile may have another branch there: so it does not take part, and the
        value lies in the near half of what is left.
        """
        best, (t1, v1) = points[0][1], inner[-1]
        if outer is not None and outer[0] <= _FAR * half:
            t2, v2 = outer
            value = self._at(half, points)
            return value if side * v1 < side * value < side * v2 else v1 + (half - t1) * (v2 - v1) / (t2 - t1)
        value = self._at(half, inner)
        if not side * v1 < side * value:
            t0, v0 = inner[-2] if len(inner) > 1 else (t1 - 1, v1 - side * self._scale)
            value = v1 + (half - t1) * (v1 - v0) / (t1 - t0) if t1 > t0 else side * inf
        farthest = best + side * _LONGEST * abs(v1 - best) if outer is None else 0.5 * (v1 + outer[1])
        return value if side * value < side * farthest else farthest

    def _at(self, half: float, points: list[Point]) -> float:
        """The value where tau is half, by the four nearest points; the minimum, whose slope is known, counts twice."""
        side = 1 if points[-1][1] >= points[0][1] else -1
        twice = points[:1] if self._slope else []
        near = sorted(twice + points, key=lambda point: abs(point[0] - half))[:4]
        return float(_interpolate(near, half, side * self._slope))

    def _evaluate(self, value: float, half: float) -> float:
        """The tau with the parameter held at a value, by a fit of the others; inf where none succeeds.

        A fit that is no success is a limit from above: below half it is good enough.
        """
        fit, j = self._fit, self._j
        fixed = fit.result._fixed.copy()
        fixed[j] = True
        x, chi2, success = fit.x, inf, False
        for chi2_there, start in self._starts_at(value, half):
            self.nfits += 1
            if fixed.all():
                x, chi2, success = start, chi2_there, True
                break
            result = fit._refit(start, fixed)
            if 2 * result.cost < chi2:
                x, chi2, success = result.x, 2 * result.cost, result.success
            if success and chi2 - fit.chi2 <= (_FAR * half) ** 2 * fit._variance:
                break
        if chi2 == inf:
            self._undefined.add(value)
            return inf
        grown = chi2 - fit.chi2
        if grown < -_BETTER * max(fit.chi2, fit._variance):
            return self._better(value)
        tau = copysign(sqrt(max(grown, 0.0) / fit._variance), value - fit.x[j])
        if not success and abs(tau) > (1 + _CLOSE) * half:
            return inf
        self._points.append((value, tau, x))
        self._points.sort(key=lambda point: point[0])
        return tau

    def _better(self, value: float) -> float:
        """The tau where a fit is better than the minimum: inf if it may be on another branch, NaN if not."""
        if not self._better_sides:
            warn_user(
                f"with {self.name} held at {value:.6g}, the fit of the other parameters is better than the minimum, "
                "which is a local one: fit again from near there",
                UnidentifiableWarning,
            )
        side = value > self._fit.x[self._j]
        self._is_of_a_local_minimum = side in self._better_sides
        self._better_sides.add(side)
        return nan if self._is_of_a_local_minimum else inf

    def _starts_at(self, value: float, half: float) -> list[tuple[float, Array]]:
        """Starts with the parameter at a value, behind their chi-squared, the best one first.

        One is on the parabola through the nearest fits, where the minimum counts twice, because the correlations tell
        the direction there. The other is the nearest fit below half.
        """
        fit, j = self._fit, self._j
        points = sorted(self._points, key=lambda point: abs(point[0] - value))
        nearest = next(x for _, tau, x in points if abs(tau) < half)
        path = [(v, x) for v, tau, x in points if abs(tau) <= _FAR * half]
        slope = np.zeros(fit.x.size)
        if self._slope:
            slope = np.where(np.isfinite(fit.cov[:, j]), fit.cov[:, j], 0) / fit.cov[j, j]
            k = next(k for k, (_, x) in enumerate(path) if x is fit.x)
            path.insert(k, path[k])
        starts = np.array([_interpolate(path[:3], value, slope), nearest])
        starts[:, j] = value
        bounds = fit._options.get("bounds")
        if bounds is not None:
            starts = np.clip(starts, bounds[0], bounds[1])
        starts[:, fit.result._fixed] = fit.x[fit.result._fixed]
        with np.errstate(all="ignore"):  # these points are not the user's
            rated = [(chi2_at(fit, start), start) for start in starts]
        return sorted((each for each in rated if isfinite(each[0])), key=lambda each: each[0])

    def __repr__(self) -> str:
        low, high = self.values[[0, -1]]
        return f"<profile of {self.name}: {self.values.size} points from {low:.6g} to {high:.6g}>"


def profile_of(fit: "CurveFit", j: int) -> Profile:
    """The profile of a parameter, of which nothing but the minimum is known."""
    return Profile(fit, j)


def _bracket(points: list[Point], failed: Iterable[float], half: float, side: int) -> tuple[list[Point], Point | None]:
    """The points up to where tau is above half for the first time, and the next one; None if there is none."""
    beyond = [(inf, value) for value in failed] + [point for point in points if point[0] >= half]
    outer = min(beyond, key=lambda point: side * point[1], default=None)
    inner = [point for point in points if outer is None or side * point[1] < side * outer[1]]
    return inner, outer


def chi2_at(fit: "CurveFit", x: Array) -> float:
    """Twice the cost at a point; inf where it is not finite."""
    r = np.asarray(fit._curve.residuals(x), np.float64).ravel()
    loss = fit._loss
    norm = float(np.linalg.norm(r)) if loss is None else loss.norm(r)
    return norm * norm if isfinite(norm) else inf


def _interpolate(points: Sequence[tuple[float, Any]], t: float, slope: Any) -> Any:
    """The value at t of the polynomial through some points (t, value), by Neville's scheme.

    Where the same point comes twice, the polynomial has the slope there.
    """
    known = [value for _, value in points]
    for width in range(1, len(points)):
        for k in range(len(points) - width):
            t0, t1 = points[k][0], points[k + width][0]
            if t0 != t1:
                known[k] = ((t - t1) * known[k] + (t0 - t) * known[k + 1]) / (t0 - t1)
            elif points[k] is points[k + width]:
                known[k] = known[k] + slope * (t - t0)
            else:
                return nan * known[0]
    return known[0]
