"""Batches of fits in numerical trouble, and good fits of the same models to lie beside them.

A kind of trouble is a function that draws fits of it, some mild and some severe. What is right is known by another way:
the least sum of squares from a start, and in coordinates, that are no trouble.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from many_models import Array, decay
from pyminpack import least_squares

COUNT = 24  # fits of a batch in trouble, and as many good ones
T = np.linspace(0, 4, 30)
U = np.linspace(-5, 5, 40)
Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Data:
    """Data sets, a row each, and where their fits start."""

    x: Array
    y: Array
    starts: Array


@dataclass(frozen=True, eq=False)
class Trouble:
    """Fits in trouble, and good ones.

    Attributes
    ----------
    f, jac : callable
        The model and its derivatives; `jac` is None where these would know more than the trouble.
    bad, good : Data
        The fits in trouble, and their neighbours.
    least : ndarray of shape (COUNT,)
        The least sums of squares of the bad ones, in units of the square of the largest datum.
    must : bool
        Whether all have to come there, and may not just say that they have not.
    slack : float
        How far above the least a success may be, relative to it: rounding and noise of the model allow no less.
    exact : callable or None
        The model without its noise.
    fold : callable
        Makes one of parameters that give the same curve: ``fold(x)``, with rows for fits.
    """

    f: Callable[..., Any]
    bad: Data
    good: Data
    least: Array
    jac: Callable[..., Any] | None = None
    must: bool = True
    slack: float = 1e-5
    exact: Callable[..., Any] | None = None
    fold: Callable[[Array], Array] = np.asarray


def least_of(f: Callable[..., Any], x: Array, y: Array, starts: Array) -> Array:
    """The least sums of squares, relative to the largest datum, from starts that are no trouble."""
    fits = [
        least_squares(lambda p, x=xi, y=yi: f(x, *p) - y, start, "3-point")
        for xi, yi, start in zip(x, y, starts, strict=True)
    ]
    return np.array([2 * fit.cost / max(abs(yi)) ** 2 for fit, yi in zip(fits, y, strict=True)])


def least_of_columns(columns: Array, y: Array) -> Array:
    """The same where the model is a sum of columns."""
    return np.array([np.linalg.lstsq(columns, row / max(abs(row)))[1][0] for row in y])


def many(f: Callable[..., Any], x: Array, p: Array) -> Array:
    """The model of each fit, a row each."""
    return np.array([f(xi, *pi) for xi, pi in zip(x, p, strict=True)])


def each(x: Any) -> Array:
    """The same for all fits."""
    return np.tile(x, (COUNT, *[1] * np.ndim(x)))


def powers(random: Random, low: float, high: float) -> Array:
    """Sizes between two powers of 10, a column."""
    return 10 ** random.uniform(low, high, (COUNT, 1))


def noise(random: Random, m: int) -> Array:
    return 0.01 * random.normal(size=(COUNT, m))


# ------------------------------------------------------------------------------------ models


def bell(u: Any, height: Any, centre: Any, width: Any) -> Any:
    return height * np.exp(-0.5 * ((u - centre) / width) ** 2)


def bell_jacobian(u: Any, height: Any, centre: Any, width: Any) -> Any:
    z = (u - centre) / width
    unit = np.exp(-0.5 * z**2)
    return np.stack([unit, height * unit * z / width, height * unit * z**2 / width], axis=-1)


def bells(random: Random) -> tuple[Array, Array, Array]:
    """Data of bells on U, their parameters, and starts beside these."""
    truth = random.uniform([2, -1, 0.8], [4, 1, 1.5], (COUNT, 3))
    return many(bell, each(U), truth) + noise(random, U.size), truth, truth * random.uniform(0.8, 1.2, truth.shape)


def of_positive_width(x: Array) -> Array:
    return np.column_stack([x[:, :2], abs(x[:, 2])])


def decay_jacobian(t: Any, a: Any, b: Any) -> Any:
    left = np.exp(-b * t)
    return np.stack([left, -a * t * left], axis=-1)


def decay_to(t: Any, a: Any, b: Any, c: Any) -> Any:
    return a * np.exp(-b * t) + c


def decay_to_jacobian(t: Any, a: Any, b: Any, c: Any) -> Any:
    left = np.exp(-b * t)
    return np.stack([left, -a * t * left, np.ones_like(left)], axis=-1)


def line(t: Any, a: Any, b: Any) -> Any:
    return a + b * t


def line_jacobian(t: Any, a: Any, b: Any) -> Any:
    return np.stack([1 + 0 * a * t, t + 0 * a], axis=-1)


# ------------------------------------------------------------------------------------ where, and how large


def far_from_0(random: Random) -> Trouble:
    """Bells at Julian days, and further away."""
    y, truth, start = bells(random)
    origin = np.round(powers(random, 3, 9))
    far = Data(origin + U, y, start + origin * [0, 1, 0])
    return Trouble(bell, far, Data(each(U), y, start), least_of(bell, far.x - origin, y, truth), bell_jacobian)


def far_below(random: Random) -> Trouble:
    """Straight lines through time stamps, from 1."""
    y = 2 + 0.3 * T + noise(random, T.size)
    start = np.ones((COUNT, 2))
    far = Data(each(T), powers(random, 5, 13) * y, start)
    least = least_of_columns(np.column_stack([T**0, T]), far.y)
    return Trouble(line, far, Data(each(T), y, start), least, line_jacobian)


def bells_far_below(random: Random) -> Trouble:
    """Counts of up to 1e12, from a height of 1."""
    y, truth, start = bells(random)
    start[:, 0] = 1
    far = Data(each(U), powers(random, 4, 12) * y, start)
    least = least_of(bell, each(U), y, truth)
    return Trouble(bell, far, Data(each(U), y, start), least, bell_jacobian, must=False, fold=of_positive_width)


def units(random: Random) -> Trouble:
    """Bells whose squares leave the range of numbers, or nearly."""
    y, truth, start = bells(random)
    size = powers(random, -200, 200)
    far = Data(each(U), size * y, np.column_stack([size * start[:, :1], start[:, 1:]]))
    return Trouble(bell, far, Data(each(U), y, start), least_of(bell, each(U), y, truth), bell_jacobian)


# ------------------------------------------------------------------------------------ parameters of or next to 0


def next_to_0(random: Random) -> Trouble:
    """Starts of which some parameters are all but 0."""
    truth = random.uniform([1.5, 0.8, 0.4], [3, 1.8, 1], (COUNT, 3))
    y = many(decay_to, each(T), truth) + noise(random, T.size)
    tiny = random.choice([-1, 1], truth.shape) * 10 ** random.uniform(-100, -12, truth.shape)
    bad = Data(each(T), y, np.where(random.random(truth.shape) < 0.5, tiny, [1, 0.5, 0.1]))
    least = least_of(decay_to, each(T), y, truth)
    return Trouble(decay_to, bad, Data(each(T), y, 1.1 * truth), least, decay_to_jacobian, must=False)


def zero_at_the_solution(random: Random) -> Trouble:
    """Parabolas without curvature, with residuals of any size."""
    x = np.linspace(-1, 1, 20)

    def parabola(x: Any, a: Any, b: Any) -> Any:
        return a + b * x**2

    start = random.normal(size=(COUNT, 2)) * 10 ** random.uniform(-2, 2, (COUNT, 2))
    bad = Data(each(x), 1 + powers(random, -6, -1) * x**3, start)
    good = Data(each(x), 1 + x**2 + noise(random, x.size), start)
    least = least_of_columns(np.column_stack([x**0, x**2]), bad.y)
    return Trouble(parabola, bad, good, least, lambda x, a, b: line_jacobian(x**2, a, b))


def from_0(random: Random) -> Trouble:
    """Rates that are small by nature, from 0."""
    truth = random.uniform([80, 0.5], [120, 1.5], (COUNT, 2))
    y = many(decay, each(T), truth) + 50 * noise(random, T.size)
    bad = Data(T / powers(random, -15, -3), y, each([90, 0.0]))
    least = least_of(decay, each(T), y, truth)
    return Trouble(decay, bad, Data(each(T), y, each([90, 1.1])), least, decay_jacobian, must=False)


def isotherms_from_0(random: Random) -> Trouble:
    """Langmuir's, with pressures in Pa."""

    def langmuir(p: Any, q: Any, k: Any) -> Any:
        return q * k * p / (1 + k * p)

    def jacobian(p: Any, q: Any, k: Any) -> Any:
        return np.stack([k * p / (1 + k * p), q * p / (1 + k * p) ** 2], axis=-1)

    p = each(np.geomspace(0.05, 20, 12))
    y = 3.2 * p / (1 + p) * (1 + noise(random, 12))
    bad, good = Data(p / powers(random, -9, -5), y, each([1.0, 0.0])), Data(p, y, each([3.0, 1.0]))
    return Trouble(langmuir, bad, good, least_of(langmuir, p, y, good.starts), jacobian, must=False)


def even_from_0(random: Random) -> Trouble:
    """Squares of parameters, one of which starts at 0."""

    def squares(x: Any, *p: Any) -> Any:
        return sum(column * value**2 for column, value in zip(x, p, strict=True))

    truth = random.uniform(0.5, 2, (COUNT, 3)) * random.choice([-1, 1], (COUNT, 3))
    x = random.normal(size=(COUNT, 3, 8))
    y = many(squares, x, truth) + noise(random, 8)
    start = truth * random.uniform(0.8, 1.2, truth.shape)
    bad = Data(x, y, start * (np.arange(3) != random.integers(0, 3, (COUNT, 1))))
    return Trouble(squares, bad, Data(x, y, start), least_of(squares, x, y, truth), must=False, fold=abs)


# ------------------------------------------------------------------------------------ models that are not smooth


def rounded(random: Random) -> Trouble:
    """Models in whole counts."""

    def exact(t: Any, a: Any, b: Any, c: Any) -> Any:
        return a + b * (1 - np.exp(-c * t))

    full = powers(random, 2.5, 5)
    truth = random.uniform([0.1, 0.8, 0.8], [0.2, 1, 1.8], (COUNT, 3)) * np.column_stack([full, full, full**0])
    y = np.round(many(exact, each(T), truth) + 2 * random.normal(size=(COUNT, T.size)))
    fine = 1e12 * np.array([1, 1, 1e-12])
    bad, good = Data(each(T), y, truth * [1, 1.1, 0.8]), Data(each(T), 1e12 * y, truth * [1, 1.1, 0.8] * fine)
    return Trouble(
        lambda t, a, b, c: np.round(exact(t, a, b, c)), bad, good, least_of(exact, each(T), y, truth),
        must=False, slack=0.2, exact=exact,
    )  # fmt: skip


def noisy(random: Random) -> Trouble:
    """Decays with noise of some size, x[1], that the last bits of the parameters change as if by chance."""

    def shaken(x: Any, a: Any, b: Any) -> Any:
        return decay(x[0], a, b) + x[1] * np.sin(1e18 * (a * (1 + x[0]) + b * (2 + x[0] ** 2)))

    def exact(x: Any, a: Any, b: Any) -> Any:
        return decay(x[0], a, b)

    smooth = np.stack([each(T), each(0 * T)], axis=1)
    rough = smooth + powers(random, -9, -3)[:, np.newaxis] * [[0], [1]]
    truth = random.uniform([2, 0.8], [3, 1.8], (COUNT, 2))
    y = many(exact, smooth, truth) + noise(random, T.size)
    bad, good = Data(rough, y, np.ones((COUNT, 2))), Data(smooth, y, 1.1 * truth)
    return Trouble(shaken, bad, good, least_of(exact, smooth, y, truth), must=False, slack=0.2, exact=exact)


def penalty_wall(random: Random) -> Trouble:
    """A large number in the place of values that are not allowed; the way down ends there, at no minimum."""

    def walled(x: Any, a: Any, b: Any) -> Any:
        return np.where(a + b > 1, 1e10, np.where(x == 0, a, np.where(x == 1, b, 0.1 * (a - b))))

    y = np.column_stack([random.uniform(1.5, 3, COUNT), random.uniform(0.1, 0.5, COUNT), np.zeros(COUNT)])
    start, x = random.uniform(-1, 0.4, (COUNT, 2)), each(np.arange(3.0))
    return Trouble(walled, Data(x, y, start), Data(x, 0.1 * y, start), np.zeros(COUNT), must=False)


# ------------------------------------------------------------------------------------ little or no slope


def far_exponentials(random: Random) -> Trouble:
    """Sums of two decays, from rates of either sign by which they overflow or vanish."""

    def two_decays(t: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return a * np.exp(-b * t) + c * np.exp(-d * t)

    def jacobian(t: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return np.concatenate([decay_jacobian(t, a, b), decay_jacobian(t, c, d)], axis=-1)

    good = each([2.0, 1.5, 1.0, 0.2])
    y = 2.5 * np.exp(-1.3 * T) + np.exp(-0.3 * T) + noise(random, T.size)
    bad = random.normal(size=(COUNT, 4)) * [3, 15, 3, 15]
    least = least_of(two_decays, each(T), y, good)

    def by_rate(x: Array) -> Array:
        return np.where(x[:, 1:2] > x[:, 3:], x, x[:, [2, 3, 0, 1]])

    return Trouble(two_decays, Data(each(T), y, bad), Data(each(T), y, good), least, jacobian, must=False, fold=by_rate)


def bowls(random: Random) -> Trouble:
    """At their minima all derivatives are 0."""
    x = np.linspace(0.5, 1, 10)
    height = powers(random, -6, 2)
    start = random.choice([-1, 1], (COUNT, 1)) * powers(random, -3, 1)
    bad, good = Data(each(x), -height * x**0, start), Data(each(x), height * x**0, np.sqrt(height))
    return Trouble(lambda x, a: x * a**2, bad, good, np.full(COUNT, 10.0), lambda x, a: (2 * x * a)[..., np.newaxis])


KINDS = [
    far_from_0, far_below, bells_far_below, units, next_to_0, zero_at_the_solution, from_0, isotherms_from_0,
    even_from_0, rounded, noisy, penalty_wall, far_exponentials, bowls,
]  # fmt: skip
