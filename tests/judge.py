"""Whether the end of a fit is a minimum: the judgement of a second method, which has the exact Jacobian.

From the end, `polish` goes downhill by damped steps of its own. It has nothing in common with the package: NumPy's
singular value decomposition, columns scaled to length 1 at each point, no memory of scales, no tolerance for progress.
An end is a minimum if the sum of squares hardly falls on the way down: by no more than at a distance of `TOLERANCE`
times the radius of the confidence region, or than rounding can hide.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from problems._problem import Matrix, Vector

EPS = float(np.finfo(float).eps)
# Bates and Watts' offset up to which an end counts as a minimum, and the rounding errors of all residuals, as multiples
# of their bounds, by which it may lie above.
TOLERANCE = 0.01
SAME_COST = 1e-6  # where no degrees of freedom are left: relative, of the sum of squares
ROUNDINGS = 3.0
# Directions in which the Jacobian is smaller by this are none: its own rounding may have made them.
RANK = 1e-11
STEPS = 400
# Each rejected step is damped so many times more, each accepted one less. 80 rejections reach from a Gauss-Newton step
# of 1e60 times the parameter's size to one that is none: exact derivatives may be as small on a plateau.
DAMPING = 8.0
REJECTIONS = 80


@dataclass(frozen=True, eq=False)
class Landscape:
    """A sum of squares, as exactly as it can be computed.

    Attributes
    ----------
    residuals, jacobian : callable
        Residuals, of shape (m,), and their exact Jacobian, of shape (m, n).
    lower, upper : ndarray of shape (n,)
        Bounds, infinite where there are none.
    noise : callable
        ``noise(x)`` bounds the rounding errors of each residual that the fit was given.
    own_noise : callable
        The same for those that the judge computes, in double precision.
    sizes : ndarray of shape (n,)
        Typical sizes of the parameters: how far to look on a plateau.
    floor : float
        A norm of residuals that is as good as 0.
    """

    residuals: Callable[[Vector], Vector]
    jacobian: Callable[[Vector], Matrix]
    lower: Vector
    upper: Vector
    noise: Callable[[Vector], Vector]
    own_noise: Callable[[Vector], Vector]
    sizes: Vector
    floor: float = 0.0

    def point(self, x: Vector) -> "Point | None":
        """Evaluate residuals and Jacobian; None where they are not finite."""
        with np.errstate(all="ignore"):
            f, jac = self.residuals(x), self.jacobian(x)
            finite = np.all(np.isfinite(f)) and np.all(np.isfinite(jac)) and np.isfinite(f @ f)
        return Point(x, f, jac, self.lower, self.upper) if finite else None


def rounding(eps: float, values: Vector, jac: Matrix, x: Vector) -> Vector:
    """Bound rounding errors by those of the values themselves, and by those of the parameters."""
    bounds: Vector = eps * (np.abs(values) + np.abs(jac) @ np.abs(x))
    return bounds


@dataclass(frozen=True, eq=False)
class Point:
    """A point of the landscape, with residuals and Jacobian.

    Parameters at a bound that the gradient pushes against it are held there, and left out of what follows.
    """

    x: Vector
    f: Vector
    jac: Matrix
    lower: Vector
    upper: Vector

    @cached_property
    def lengths(self) -> Vector:
        """The columns' lengths, 1 for a column of zeros."""
        largest = np.max(np.abs(self.jac), axis=0)  # taken out first: squares may not underflow
        largest = np.where(largest > 0, largest, 1.0)
        lengths = largest * np.linalg.norm(self.jac / largest, axis=0)
        return np.where(lengths > 0, lengths, 1.0)

    @cached_property
    def free(self) -> Vector:
        """Which parameters are not held."""
        slope = (self.jac / self.lengths).T @ self.f
        return ~((self.x <= self.lower) & (slope >= 0) | (self.x >= self.upper) & (slope <= 0))

    @cached_property
    def fit(self) -> "Decomposition":
        """The decomposition in columns of length 1."""
        return Decomposition.of(self, self.lengths)

    @property
    def reach(self) -> float:
        """The norm of that part of the residuals which the linear model can take away."""
        return float(np.linalg.norm(self.fit.projected[self.fit.s > RANK * np.max(self.fit.s, initial=0.0)]))

    @property
    def offset(self) -> float:
        """Bates and Watts' relative offset; infinite where there are no degrees of freedom."""
        n, m = int(np.count_nonzero(self.free)), self.f.size
        if n == 0 or self.reach == 0:
            return 0.0
        rest = float(np.sqrt(max(self.f @ self.f - self.reach**2, 0.0)))
        return float(self.reach / np.sqrt(n) / (rest / np.sqrt(m - n))) if m > n and rest > 0 else np.inf


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The singular values of the free columns in some scaling, and the residuals' part in each direction."""

    point: Point
    scales: Vector
    projected: Vector
    s: Vector
    vt: Matrix

    @classmethod
    def of(cls, point: Point, scales: Vector) -> "Decomposition":
        """Decompose the Jacobian, each column divided by its scale."""
        u, s, vt = np.linalg.svd((point.jac / scales)[:, point.free], full_matrices=False)
        return cls(point, scales, u.T @ point.f, s, vt)

    def step(self, damping: float) -> Vector:
        """Where a step with this damping leads, within the bounds."""
        point, p = self.point, np.zeros(self.point.x.size)
        with np.errstate(all="ignore"):
            ways = np.where(self.s > 0, self.s * self.projected / (self.s**2 + damping), 0.0)
            p[point.free] = -(self.vt.T @ ways) / self.scales[point.free]
            return np.clip(point.x + p, point.lower, point.upper)


def fall(above: Vector, below: Vector) -> float:
    """By how much the sum of squares falls, without the cancellation of two sums."""
    return float((above - below) @ (above + below))


def lower_step(land: Landscape, directions: Decomposition, damping: float) -> tuple[Point | None, float]:
    """The first step that leads down, damped more and more; and its damping."""
    for _ in range(REJECTIONS):
        x = directions.step(damping)
        if np.array_equal(x, directions.point.x):
            break
        other = land.point(x)
        if other is not None and fall(directions.point.f, other.f) > 0:
            return other, damping
        damping *= DAMPING
    return None, damping


def polish(land: Landscape, start: Point) -> Point:
    """Go downhill to a minimum, or until the linear model promises nothing any more."""
    point, damping = start, 1e-9
    for _ in range(STEPS):
        if point.reach <= max(1e-12 * float(np.linalg.norm(point.f)), 1e-3 * land.floor):
            break
        lower, damping = lower_step(land, point.fit, damping)
        if lower is None:
            # Where a parameter has next to no effect (the width of a peak without height), steps that are short for it
            # leave the others where they are. Hold it.
            effects = point.lengths * land.sizes
            scales = np.maximum(point.lengths, 1e-6 * np.max(effects[point.free]) / land.sizes)
            lower, damping = lower_step(land, Decomposition.of(point, scales), 1e-24)
            damping = 1e-9
        if lower is None:
            break
        point, damping = lower, max(damping / DAMPING**2, 1e-15)
    return point


FACTORS = 4.0 ** np.arange(-6, 7)


def off_the_plateau(land: Landscape, point: Point) -> Point:
    """Look along each parameter to which no residual responds; give the lowest point seen."""
    noise, sizes = float(np.linalg.norm(land.noise(point.x))), np.maximum(np.abs(point.x), land.sizes)
    trials = []
    for j in np.flatnonzero(np.linalg.norm(point.jac * sizes, axis=0) <= noise):
        for value in (*(point.x[j] * FACTORS), *(point.x[j] + land.sizes[j] * np.append(-FACTORS, FACTORS))):
            x = point.x.copy()
            x[j] = value
            trials.append(x)
    return lowest_of(land, point, trials)


def lowest_of(land: Landscape, point: Point, trials: list[Vector]) -> Point:
    """The lowest of some points, within the bounds."""
    for x in trials:
        other = land.point(np.clip(x, land.lower, land.upper))
        if other is not None and fall(point.f, other.f) > 0:
            point = other
    return point


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the judge says of a point.

    Attributes
    ----------
    is_minimum : bool
        Whether it is a local minimum, to within the tolerance or rounding.
    offset : float
        Bates and Watts' relative offset there, by the exact Jacobian.
    excess : float
        Square root of what the sum of squares falls by on the way down, in units of `offset`.
    ratio : float
        The sum of squares over that at the end of the way down.
    rss : float
        The sum of squares at the point.
    hidden : float
        By how much rounding may keep it above the least.
    is_settled : bool
        Whether the Jacobian promises nothing more at the end of the way down. It does where a parameter runs to
        infinity, and where two terms have become one, so that their difference counts in second order only.
    minimum : ndarray or None
        Where the way down ends.
    """

    is_minimum: bool
    offset: float
    excess: float
    ratio: float
    rss: float
    hidden: float
    is_settled: bool
    minimum: Vector | None


NOWHERE = Verdict(False, np.inf, np.inf, np.inf, np.inf, 0.0, False, None)


def judge(land: Landscape, x: Vector) -> Verdict:
    """Say whether `x` is a local minimum."""
    point = land.point(np.asarray(x, float)) if np.all(np.isfinite(x)) else None
    if point is None:
        return NOWHERE
    bottom = polish(land, off_the_plateau(land, point))
    m, n = point.f.size, max(int(np.count_nonzero(bottom.free)), 1)
    rss, least = point.f @ point.f, bottom.f @ bottom.f
    unit = np.sqrt(n * least / max(m - n, 1))
    fallen = max(fall(point.f, bottom.f), 0.0)
    # Noise of an end far away, with huge parameters that cancel, excuses nothing.
    hidden = min(hidden_by_rounding(land, point), hidden_by_rounding(land, bottom))
    with np.errstate(all="ignore"):
        excess, ratio = np.sqrt(fallen) / unit if fallen else 0.0, rss / least if rss > least else 1.0
    allowed = (TOLERANCE * unit) ** 2 if m > n else SAME_COST * least
    is_minimum = bool(fallen <= allowed + hidden)
    is_settled = bool(bottom.offset <= TOLERANCE or bottom.reach**2 <= hidden)
    return Verdict(is_minimum, point.offset, float(excess), float(ratio), float(rss), hidden, is_settled, bottom.x)


def hidden_by_rounding(land: Landscape, point: Point) -> float:
    """By how much a sum of squares may be above the least, and rounding at this point hides it.

    The fit's residuals are off by their noise, and so are its parameters. The judge's own sums are, too.
    """
    with np.errstate(all="ignore"):
        noise = ROUNDINGS * float(np.linalg.norm(land.noise(point.x))) + land.floor
        return noise**2 + 2 * ROUNDINGS * float(np.linalg.norm(point.f * land.own_noise(point.x)))
