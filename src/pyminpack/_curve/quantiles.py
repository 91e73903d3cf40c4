"""Quantiles and tails of the normal, Student's t, F and chi-squared distributions.

Quantiles solve for the logarithm of a tail as a function of the logarithm of the argument, by Newton's method. For F,
and so for t, each tail is a power far out, and the logarithms are nearly linear.
"""

from collections.abc import Callable
from math import erf, erfc, exp, inf, isinf, lgamma, log, nan, pi, sqrt
from typing import Final

_ROUNDING: Final = 1e-16
_HALF_LOG_2PI: Final = 0.5 * log(2 * pi)
# Bernoulli's numbers B(2k)/(2k(2k - 1)), of Stirling's series; from 10 on its first term left out is below 1e-16.
_STIRLING: Final = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_SERIES_FROM: Final = 10.0
_MOST_TERMS: Final = 1_000_000  # of a continued fraction; it needs some ten times the root of the degrees of freedom
_MOST_STEPS: Final = 200
_CLOSE: Final = 1e-10  # relative size of a step after which another one would change rounding alone
_LARGEST_LOG: Final = 700.0  # of an F: beyond it exp overflows


# ------------------------------------------------------------------------------------ gamma and beta


def _stirling_error(a: float) -> float:
    """What Stirling's formula leaves of log Γ(a)."""
    if a < _SERIES_FROM:
        return lgamma(a) - ((a - 0.5) * log(a) - a + _HALF_LOG_2PI)
    total, power, square = 0.0, 1 / a, 1 / (a * a)
    for term in _STIRLING:
        total += term * power
        power *= square
    return total


def _deviance(a: float, b: float, difference: float) -> float:
    """``a*log(a/b) + b - a``, without cancellation where a and b are close (Loader 2000); `difference` is a - b."""
    d = difference / (a + b)
    if abs(d) > 0.1:
        return a * log(a / b) - difference
    total, power, k = d * difference, 2 * a * d, 1
    while True:
        power *= d * d
        more = power / (2 * k + 1)
        if abs(more) <= _ROUNDING * abs(total):
            return total
        total, k = total + more, k + 1


def _beta_front(x: float, y: float, a: float, b: float) -> float:
    """``x**a * y**b / B(a, b)`` where y is 1 - x."""
    n = a + b
    stirling = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    difference = a * y - b * x  # a - n*x, and b - n*y but for its sign
    exponent = stirling - _deviance(a, n * x, difference) - _deviance(b, n * y, -difference)
    return sqrt(a * b / (2 * pi * n)) * exp(exponent)


def _fraction(first: float, term: Callable[[int], tuple[float, float]]) -> float:
    """A continued fraction ``b0 + a1/(b1 + a2/(b2 + ...))`` by Lentz's method; `term` gives a_k, b_k."""
    value = c = first
    d = 0.0
    for k in range(1, _MOST_TERMS):
        a, b = term(k)
        d = 1 / (b + a * d)
        c = b + a / c
        value *= c * d
        if abs(c * d - 1) <= 2 * _ROUNDING:
            break
    return value


def beta_tails(x: float, y: float, a: float, b: float) -> tuple[float, float]:
    """The regularized incomplete beta function I_x(a, b), and 1 minus it; y is 1 - x."""
    if x <= 0:
        return 0.0, 1.0
    if y <= 0:
        return 1.0, 0.0
    front = _beta_front(x, y, a, b)
    if b * x > a * y:
        upper = front / _beta_fraction(y, x, b, a)
        return 1 - upper, upper
    lower = front / _beta_fraction(x, y, a, b)
    return lower, 1 - lower


def _beta_fraction(x: float, y: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b) by DiDonato and Morris (1992), which does not cancel where b is large."""
    difference = a * y - b * x

    def b_of(k: int) -> float:
        part = k * (b - k) * x / (a + 2 * k - 1) if k else 0.0
        return k + part + (a + k) * (difference + 1 + k * (1 + y)) / (a + 2 * k + 1)

    def term(k: int) -> tuple[float, float]:
        return (a + k - 1) * (a + b + k - 1) * k * (b - k) * x * x / (a + 2 * k - 1) ** 2, b_of(k)

    return _fraction(b_of(0), term)


def gamma_tails(a: float, x: float) -> tuple[float, float]:
    """The regularized incomplete gamma functions P(a, x) and Q(a, x)."""
    if x <= 0:
        return 0.0, 1.0
    front = sqrt(a / (2 * pi)) * exp(-_stirling_error(a) - _deviance(a, x, a - x))  # x**a * exp(-x) / Γ(a)
    if x < a + 1:
        total = term = 1 / a
        k = 0
        while term > _ROUNDING * total:
            k += 1
            term *= x / (a + k)
            total += term
        return front * total, 1 - front * total
    upper = front / _fraction(x + 1 - a, lambda k: (-k * (k - a), x + 2 * k + 1 - a))  # Abramowitz and Stegun 6.5.31
    return 1 - upper, upper


# ------------------------------------------------------------------------------------ distributions


def chi2_tails(chi2: float, dof: float) -> tuple[float, float]:
    """The probabilities of a smaller and of a larger chi-squared."""
    return gamma_tails(0.5 * dof, 0.5 * chi2)


def f_tails(f: float, dof1: float, dof2: float) -> tuple[float, float]:
    """The probabilities of a smaller and of a larger F."""
    if isinf(dof2):
        return chi2_tails(f * dof1, dof1)
    total = dof1 * f + dof2
    return beta_tails(dof1 * f / total, dof2 / total, 0.5 * dof1, 0.5 * dof2)


def _f_front(f: float, dof1: float, dof2: float) -> float:
    """The density of log F."""
    a = 0.5 * dof1
    if isinf(dof2):
        return sqrt(a / (2 * pi)) * exp(-_stirling_error(a) - _deviance(a, a * f, a - a * f))
    total = dof1 * f + dof2
    return _beta_front(dof1 * f / total, dof2 / total, a, 0.5 * dof2)


def f_quantile(lower: float, upper: float, dof1: float, dof2: float) -> float:
    """The F with these probabilities below and above it. They add up to 1: 1 - p loses digits of a small p."""
    if not (0 <= lower <= 1 and dof1 > 0 and dof2 > 0):
        return nan
    if lower == 0 or upper == 0:
        return 0.0 if lower == 0 else inf
    by_lower = lower < upper
    target = log(lower if by_lower else upper)
    low, high, u = -_LARGEST_LOG, _LARGEST_LOG, 0.0
    for _ in range(_MOST_STEPS):
        f = exp(u)
        tail = f_tails(f, dof1, dof2)[0 if by_lower else 1]
        slope = _f_front(f, dof1, dof2)
        distance = (log(tail) - target if tail > 0 else -inf) * (1 if by_lower else -1)  # positive where f is too large
        low, high = (low, u) if distance > 0 else (u, high)
        step = -distance * tail / slope if slope > 0 and tail > 0 else nan
        after = u + step
        if not low <= after <= high:  # these are logarithms: the middle is far enough
            after = 0.5 * (low + high)
        if abs(after - u) <= _CLOSE * max(1.0, abs(u)):  # Newton's method doubles the digits
            return exp(after) if abs(after) < _LARGEST_LOG - 1 else (0.0 if after < 0 else inf)
        u = after
    return exp(u)


def normal_quantile(lower: float) -> float:
    """The deviate of the normal distribution with this probability below it."""
    return t_quantile(lower, inf)


def t_quantile(lower: float, dof: float) -> float:
    """Student's t with this probability below it; with infinite degrees of freedom, the normal deviate."""
    if not 0 <= lower <= 1 or not dof > 0:
        return nan
    upper = 1 - lower
    smaller = min(lower, upper)
    value = _from_tails(1 - 2 * smaller, 2 * smaller, dof)
    return value if lower > upper else -value


def two_sided(level: float, dof: float) -> float:
    """The t beyond which, to both sides together, the probability is ``1 - level``."""
    return _from_tails(level, 1 - level, dof)


def _from_tails(inner: float, outer: float, dof: float) -> float:
    """The t with these probabilities between -t and t, and beyond."""
    if inner <= 0 or outer <= 0:
        return 0.0 if inner <= 0 else inf
    if isinf(dof):
        return _normal_from_tails(inner, outer)
    if dof > 1e5:
        return _near_normal(_normal_from_tails(inner, outer), dof)
    return sqrt(f_quantile(inner, outer, 1.0, dof))


def _normal_from_tails(inner: float, outer: float) -> float:
    """The normal deviate z: erf(z/sqrt(2)) is `inner`, and erfc of it `outer`.

    The logarithm of erfc, and erf itself, are concave: Newton's method comes from one side.
    """
    root = sqrt(0.5)
    z = sqrt(-2 * log(outer)) if outer < 0.5 else inner * sqrt(pi / 2)
    for _ in range(_MOST_STEPS):
        density = sqrt(2 / pi) * exp(-0.5 * z * z)
        if outer < 0.5:
            tail = erfc(z * root)
            step = log(tail / outer) * tail / density
        else:
            step = (inner - erf(z * root)) / density
        z += step
        if abs(step) <= _CLOSE * z:
            break
    return z


def _near_normal(z: float, dof: float) -> float:
    """Student's t for many degrees of freedom from the normal deviate (Abramowitz and Stegun 26.7.5)."""
    s = z * z
    g1 = (s + 1) / 4
    g2 = ((5 * s + 16) * s + 3) / 96
    g3 = (((3 * s + 19) * s + 17) * s - 15) / 384
    return z * (1 + (g1 + (g2 + g3 / dof) / dof) / dof)


def t_tails(t: float, dof: float) -> float:
    """The probability of a t of a larger size, to both sides together."""
    return f_tails(t * t, 1.0, dof)[1]
