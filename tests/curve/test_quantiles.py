"""Quantiles and tails without SciPy, beside mpmath's arithmetic of 150 digits."""

from math import inf, isinf

import mpmath
import pytest

from pyminpack._curve.quantiles import (
    chi2_tails,
    f_quantile,
    f_tails,
    normal_quantile,
    t_quantile,
    t_tails,
    two_sided,
)

ACCURACY = 1e-10
PROBABILITIES = (1e-100, 1e-20, 1e-10, 1e-5, 1e-3, 0.025, 0.05, 0.2, 0.4, 0.49999)
DOFS = (0.5, 1, 2, 3, 4, 10, 100, 999, 99999, 100001, 1e6, 1e9, inf)


@pytest.fixture(autouse=True)
def digits() -> object:
    with mpmath.workdps(150):
        yield


def t_tail(t: float, dof: float) -> mpmath.mpf:
    """The probability below -t."""
    t = mpmath.mpf(t)
    if isinf(dof):
        return mpmath.erfc(t / mpmath.sqrt(2)) / 2
    x = dof / (dof + t * t)
    if x < mpmath.mpf("0.5"):
        return mpmath.betainc(mpmath.mpf(dof) / 2, 0.5, 0, x, regularized=True) / 2
    return (1 - mpmath.betainc(0.5, mpmath.mpf(dof) / 2, 0, 1 - x, regularized=True)) / 2


def t_density(t: float, dof: float) -> mpmath.mpf:
    t = mpmath.mpf(t)
    if isinf(dof):
        return mpmath.npdf(t)
    half = mpmath.mpf(dof) / 2
    log_front = mpmath.loggamma(half + 0.5) - mpmath.loggamma(half) - mpmath.log(dof * mpmath.pi) / 2
    return mpmath.exp(log_front - (half + 0.5) * mpmath.log1p(t * t / dof))


def error_of_t(t: float, p: float, dof: float) -> float:
    """The relative error of a quantile, to first order."""
    return float(abs((t_tail(t, dof) - mpmath.mpf(p)) / t_density(t, dof) / t))


@pytest.mark.parametrize("dof", DOFS)
def test_quantiles_of_t(dof: float) -> None:
    for p in PROBABILITIES:
        if p < 1e-19 and (dof <= 0.5 or dof in (99999, 100001, 1e6, 1e9)):
            continue  # beyond 1e150; and where mpmath takes minutes
        t = -t_quantile(p, dof)
        # A probability near a half tells the distance from it to 1e-16 alone, which is 1e-11 of what is left of it.
        assert error_of_t(t, p, dof) < max(ACCURACY, 1e-15 / (0.5 - p)), p
        if p > 1e-9:
            assert t_quantile(1 - p, dof) == pytest.approx(t, rel=1e-6)


@pytest.mark.parametrize("dof", DOFS)
def test_what_intervals_use(dof: float) -> None:
    for level in (0.5, 0.68, 0.9, 0.95, 0.99, 0.999999):
        t = two_sided(level, dof)
        assert error_of_t(t, (1 - mpmath.mpf(level)) / 2, dof) < ACCURACY
        assert t_tails(t, dof) == pytest.approx(1 - level, rel=1e-9)


def test_known_values() -> None:
    """Student's own table, and what every physicist knows."""
    assert t_quantile(0.975, 10) == pytest.approx(2.228138851986274, rel=1e-14)
    assert normal_quantile(0.975) == pytest.approx(1.959963984540054, rel=1e-14)
    assert two_sided(0.6826894921370859, inf) == pytest.approx(1, rel=1e-14)
    assert t_quantile(0.75, 1) == pytest.approx(1, rel=1e-14)
    assert t_quantile(0.5, 7) == 0
    assert f_quantile(0.95, 0.05, 2, 10) == pytest.approx(4.102821015130399, rel=1e-13)


@pytest.mark.parametrize("dof1", [1, 2, 3, 8, 60])
@pytest.mark.parametrize("dof2", [1, 2, 5, 30, 1000])
def test_quantiles_of_f(dof1: float, dof2: float) -> None:
    a, b = mpmath.mpf(dof1) / 2, mpmath.mpf(dof2) / 2
    for lower in (1e-6, 0.01, 0.5, 0.9, 0.95, 0.999):
        f = mpmath.mpf(f_quantile(lower, 1 - lower, dof1, dof2))
        x = dof1 * f / (dof1 * f + dof2)
        if lower < 0.6:
            distance = mpmath.betainc(a, b, 0, x, regularized=True) - lower
        else:
            distance = (1 - mpmath.mpf(lower)) - mpmath.betainc(b, a, 0, 1 - x, regularized=True)
        density = x**a * (1 - x) ** b / mpmath.beta(a, b)  # of log F
        assert abs(distance / density) < ACCURACY


@pytest.mark.parametrize("dof2", [3, 1e5, 1e9, 1e12])
def test_quantiles_of_f_of_two_degrees_of_freedom_have_a_formula(dof2: float) -> None:
    """Also of so many that the two ends of a difference are the same but for rounding."""
    for upper in (0.5, 0.05, 1e-6):
        expected = mpmath.mpf(dof2) / 2 * mpmath.expm1(-2 * mpmath.log(mpmath.mpf(upper)) / mpmath.mpf(dof2))
        assert f_quantile(1 - upper, upper, 2, dof2) == pytest.approx(float(expected), rel=ACCURACY)


@pytest.mark.parametrize("dof", [1, 3, 10, 100, 3000])
def test_tails_of_chi_squared(dof: float) -> None:
    for chi2 in (0.01 * dof, 0.5 * dof, dof, 1.3 * dof, 3 * dof):
        lower, upper = chi2_tails(chi2, dof)
        half, x = mpmath.mpf(dof) / 2, mpmath.mpf(chi2) / 2
        expected = mpmath.gammainc(half, 0, x, regularized=True)
        assert lower + upper == pytest.approx(1)
        if expected > 1e-300:
            assert min(lower, upper) == pytest.approx(float(min(expected, 1 - expected)), rel=1e-10)


def test_limits() -> None:
    assert f_tails(0, 2, 3) == (0, 1)
    assert t_quantile(0, 5) == -inf
    assert t_quantile(1, 5) == inf
    assert t_quantile(2, 5) != t_quantile(2, 5)
    assert f_quantile(0, 1, 2, 3) == 0
    assert f_quantile(1, 0, 2, 3) == inf
