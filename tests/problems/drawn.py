"""Fits drawn at random: the curves that people fit, in units that people use, from starts that people give.

Each fit has well-scaled parameters of its own, in which the exact residuals and their Jacobian are computed, and the
parameters that a user has: ``x = origin + unit*inner``. Half of the fits have units between 1e-12 and 1e12 for
parameters and residuals, and most of their locations are many widths from 0; a third are bounded; an eighth have a
model in single precision; in a third a parameter starts at 0 or next to it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._problem import Matrix, Vector

# Predictions and their derivatives by each parameter, in the precision of points and parameters; these may be complex.
Curve = Callable[[Vector, Vector], tuple[Vector, list[Vector]]]


def _exponentials(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    """Decays and a level: amplitude, rate, amplitude, rate, ..., level."""
    total, columns = u[-1] * np.ones_like(s), []
    for amplitude, rate in u[:-1].reshape(-1, 2):
        decay = np.exp(-rate * s)
        total = total + amplitude * decay
        columns += [decay, -amplitude * s * decay]
    return total, [*columns, np.ones_like(s)]


def _rational(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    """A ratio of polynomials of equal degree, 1 leading the denominator."""
    degree = u.size // 2
    numerator = sum(u[k] * s**k for k in range(degree + 1))
    denominator = 1 + sum(u[degree + k] * s**k for k in range(1, degree + 1))
    ratio = numerator / denominator
    above = [s**k / denominator for k in range(degree + 1)]
    return ratio, above + [-ratio * s**k / denominator for k in range(1, degree + 1)]


def _gaussians(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    """Peaks on a level: height, center, width, ..., level."""
    total, columns = u[-1] * np.ones_like(s), []
    for height, center, width in u[:-1].reshape(-1, 3):
        z = (s - center) / width
        bell = np.exp(-z * z / 2)
        total = total + height * bell
        columns += [bell, height * bell * z / width, height * bell * z * z / width]
    return total, [*columns, np.ones_like(s)]


def _lorentzians(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    total, columns = u[-1] * np.ones_like(s), []
    for height, center, width in u[:-1].reshape(-1, 3):
        z = (s - center) / width
        bell = 1 / (1 + z * z)
        total = total + height * bell
        slope = 2 * height * bell * bell * z / width
        columns += [bell, slope, slope * z]
    return total, [*columns, np.ones_like(s)]


def _logistic(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    """A rise on a level: height, center, width, level."""
    height, center, width, level = u
    z = (s - center) / width
    share = 1 / (1 + np.exp(-z))
    slope = height * share * (1 - share) / width
    return height * share + level, [share, -slope, -slope * z, np.ones_like(s)]


def _damped(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    """A damped oscillation on a level: amplitude, rate, frequency, phase, level."""
    amplitude, rate, frequency, phase, level = u
    decay, angle = np.exp(-rate * s), frequency * s + phase
    wave, turned = decay * np.cos(angle), -amplitude * decay * np.sin(angle)
    return amplitude * wave + level, [wave, -amplitude * s * wave, s * turned, turned, np.ones_like(s)]


def _power(s: Vector, u: Vector) -> tuple[Vector, list[Vector]]:
    """A power law on a level: factor, exponent, level."""
    factor, exponent, level = u
    power = s**exponent
    return factor * power + level, [power, factor * power * np.log(s), np.ones_like(s)]


@dataclass(frozen=True, eq=False)
class Draw:
    """The curve of one fit, its points, and its parameters by kind.

    Attributes
    ----------
    curve : callable
        Predictions and derivatives.
    s : ndarray of shape (m,)
        The points.
    truth : ndarray of shape (n,)
        The parameters of the data.
    kinds : str
        A letter for each parameter: "s" for a size or a rate, which is positive; "w" for a width, which is never 0;
        "l" for a location; "z" for one that may be 0 or of either sign.
    """

    curve: Curve
    s: Vector
    truth: Vector
    kinds: str


def _spread(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_exponentials(rng: np.random.Generator, m: int) -> Draw:
    decays = int(rng.integers(1, 3))
    truth, rate = [], _spread(rng, 0.3, 1.5)
    for _ in range(decays):
        truth += [_spread(rng, 0.5, 3), rate]
        rate *= _spread(rng, 3, 8)
    truth.append(rng.normal())
    return Draw(_exponentials, np.linspace(0, 5, m), np.array(truth), "ss" * decays + "z")


def _draw_rational(rng: np.random.Generator, m: int) -> Draw:
    degree = int(rng.integers(1, 3))
    truth = [*rng.normal(size=degree + 1), *(_spread(rng, 0.2, 2) for _ in range(degree))]
    return Draw(_rational, np.linspace(0, 4, m), np.array(truth), "z" * (degree + 1) + "s" * degree)


def _draw_peaks(rng: np.random.Generator, m: int) -> Draw:
    peaks = int(rng.integers(1, 3))
    centers = [0.0] if peaks == 1 else [-2.5, 2.5]
    truth: list[float] = []
    for center in centers:
        truth += [_spread(rng, 0.5, 3), center + rng.uniform(-0.5, 0.5), _spread(rng, 0.7, 1.5)]
    curve = _gaussians if rng.random() < 0.5 else _lorentzians
    return Draw(curve, np.linspace(-6, 6, m), np.array([*truth, rng.normal()]), "slw" * peaks + "z")


def _draw_logistic(rng: np.random.Generator, m: int) -> Draw:
    truth = [_spread(rng, 0.5, 3), rng.uniform(-1, 1), _spread(rng, 0.5, 1.5), rng.normal()]
    return Draw(_logistic, np.linspace(-6, 6, m), np.array(truth), "slwz")


def _draw_damped(rng: np.random.Generator, m: int) -> Draw:
    truth = [_spread(rng, 0.5, 3), _spread(rng, 0.1, 0.5), _spread(rng, 1, 3), rng.normal() / 2, rng.normal()]
    return Draw(_damped, np.linspace(0, 8, m), np.array(truth), "ssszz")


def _draw_power(rng: np.random.Generator, m: int) -> Draw:
    truth = [_spread(rng, 0.5, 3), rng.choice([-1, 1]) * _spread(rng, 0.3, 2), rng.normal()]
    return Draw(_power, np.linspace(0.2, 5, m), np.array(truth), "szz")


FAMILIES: dict[str, Callable[[np.random.Generator, int], Draw]] = {
    "exponentials": _draw_exponentials,
    "rational": _draw_rational,
    "peaks": _draw_peaks,
    "logistic": _draw_logistic,
    "damped": _draw_damped,
    "power": _draw_power,
}
NEXT_TO_0 = (0.0, 0.0, 1e-16, -1e-16, 1e-100)


@dataclass(frozen=True, eq=False)
class DrawnFit:
    """One fit. Parameters `u` are the inner ones, `x` those of the user.

    Attributes
    ----------
    seed : int
        The number that it was drawn with.
    family : str
        The family of the curve.
    draw : Draw
        The curve, its points and the parameters of the data.
    data : ndarray of shape (m,)
        The data, in inner units.
    unit, origin : ndarray of shape (n,)
        The user's parameters are ``origin + unit*u``.
    residual_unit : float
        The user's residuals are so many times the inner ones.
    start : ndarray of shape (n,)
        Where the fit starts, in the user's parameters.
    lower, upper : ndarray of shape (n,)
        Bounds on the user's parameters, infinite where there are none.
    single : bool
        Whether the user's model is computed in single precision.
    from_0 : bool
        Whether a parameter starts at 0 or next to it.
    """

    seed: int
    family: str
    draw: Draw
    data: Vector
    unit: Vector
    origin: Vector
    residual_unit: float
    start: Vector
    lower: Vector
    upper: Vector
    single: bool
    from_0: bool

    @property
    def traits(self) -> str:
        """What is special about it, in words."""
        traits = {
            "bounded": self.is_bounded,
            "single precision": self.single,
            "units": self.residual_unit != 1,
            "far from 0": bool(np.any(self.origin)),
            "true 0": bool(np.any(self.draw.truth == 0)),
            "exact data": bool(np.all(self.inner_residuals(self.draw.truth) == 0)),
            "from 0": self.from_0,
        }
        return ", ".join(name for name, has in traits.items() if has) or "plain"

    @property
    def is_bounded(self) -> bool:
        """Whether there is any bound."""
        return bool(np.any(np.isfinite(self.lower)) or np.any(np.isfinite(self.upper)))

    def inner(self, x: Vector) -> Vector:
        """The inner parameters."""
        u: Vector = (x - self.origin) / self.unit
        return u

    def inner_model(self, u: Vector) -> Vector:
        """The exact predictions, in inner units."""
        with np.errstate(all="ignore"):
            return self.draw.curve(self.draw.s, u)[0]

    def inner_residuals(self, u: Vector) -> Vector:
        """The exact residuals, in inner units."""
        return self.inner_model(u) - self.data

    def inner_jacobian(self, u: Vector) -> Matrix:
        """Their derivatives."""
        with np.errstate(all="ignore"):
            return np.column_stack(self.draw.curve(self.draw.s, u)[1])

    def residuals(self, x: Vector) -> Vector:
        """The residuals that the user has."""
        u = self.inner(np.asarray(x))
        with np.errstate(all="ignore"):
            if self.single:
                model = self.draw.curve(self.draw.s.astype(np.float32), u.astype(np.float32))[0].astype(float)
                return self.residual_unit * (model - self.data)
            return self.residual_unit * self.inner_residuals(u)

    def jacobian(self, x: Vector) -> Matrix:
        """The exact derivatives of the user's residuals."""
        with np.errstate(all="ignore"):
            return self.residual_unit * self.inner_jacobian(self.inner(np.asarray(x))) / self.unit


def _start(rng: np.random.Generator, draw: Draw) -> Vector:
    """Sizes are off by a factor of up to 3, locations and others by about a unit."""
    start = draw.truth.copy()
    for j, kind in enumerate(draw.kinds):
        if kind in "sw":
            start[j] *= _spread(rng, 1 / 3, 3)
        else:
            start[j] += rng.uniform(-1, 1)
    return start


def _bound(rng: np.random.Generator, truth: Vector, start: Vector) -> tuple[Vector, Vector]:
    """Bound about half of the parameters: round both truth and start, or between the two."""
    n = truth.size
    lower, upper = np.full(n, -np.inf), np.full(n, np.inf)
    for j in rng.permutation(n)[: max(1, n // 2)]:
        low, high = min(truth[j], start[j]), max(truth[j], start[j])
        margin = max(high - low, 0.1)
        lower[j], upper[j] = low - margin * rng.random(), high + margin * rng.random()
        if rng.random() < 0.4:
            between = rng.uniform(low, high)
            (upper if start[j] < truth[j] else lower)[j] = between
        if rng.random() < 0.3:
            one_sided, limit = (lower, -np.inf) if rng.random() < 0.5 else (upper, np.inf)
            one_sided[j] = limit
        if not lower[j] < upper[j]:
            lower[j], upper[j] = -np.inf, np.inf
    return np.minimum(lower, start), np.maximum(upper, start)


def drawn(seed: int) -> DrawnFit:
    """Draw the fit of this number."""
    rng = np.random.default_rng([13, seed])
    family = list(FAMILIES)[seed % len(FAMILIES)]
    m = int(rng.integers(20, 121))
    draw = FAMILIES[family](rng, m)
    n = draw.truth.size
    scaled, bounded, single, from_0 = rng.random(4) < [1 / 2, 1 / 3, 1 / 8, 1 / 3]
    may_be_0 = [j for j, kind in enumerate(draw.kinds) if kind == "z"]
    if rng.random() < 0.15:
        draw.truth[rng.choice(may_be_0)] = 0.0
    deviation = 0.0 if rng.random() < 0.05 else 10 ** rng.uniform(-4, -1)
    model = draw.curve(draw.s, draw.truth)[0]
    data = model + deviation * np.std(model) * rng.standard_normal(m)

    start = _start(rng, draw)
    if from_0:
        j = rng.choice([j for j, kind in enumerate(draw.kinds) if kind in "sz"])
        start[j] = rng.choice(NEXT_TO_0)
    lower, upper = _bound(rng, draw.truth, start) if bounded else (np.full(n, -np.inf), np.full(n, np.inf))

    unit, origin, residual_unit = np.ones(n), np.zeros(n), 1.0
    if scaled:
        unit, residual_unit = 10 ** rng.uniform(-12, 12, n), float(10 ** rng.uniform(-12, 12))
        if not single and rng.random() < 0.7:  # in single precision nothing would be left of the differences
            place = rng.choice([-1, 1]) * 10 ** rng.uniform(2, 11)
            places = np.array([kind == "l" for kind in draw.kinds])
            unit[places] = unit[places][:1]
            origin[places] = place * unit[places]
    return DrawnFit(
        seed=seed,
        family=family,
        draw=draw,
        data=data,
        unit=unit,
        origin=origin,
        residual_unit=residual_unit,
        start=origin + unit * start,
        lower=origin + unit * lower,
        upper=origin + unit * upper,
        single=bool(single),
        from_0=bool(from_0),
    )
