"""Curvatures, bias and skewness; and comparisons of fits."""

import numpy as np
import pytest

from models import T, Y
from problems import strd
from pyminpack import CurveFit, InputValueError, curve_fit
from pyminpack._curve.quantiles import f_tails


def line(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a + b * x


def nist(name: str) -> CurveFit:
    data = strd.load(name)
    return curve_fit(lambda x, *b: data.model(b), data.x, data.response, data.starts[1])


def test_published_curvatures_of_puromycin(puromycin: CurveFit) -> None:
    """By the documentation of `rms.curv` in R's package MASS (Venables and Ripley)."""
    assert puromycin.curvature.parameter_effects == pytest.approx(0.2121, abs=5e-5)
    assert puromycin.curvature.intrinsic == pytest.approx(0.092, abs=5e-4)


def test_linear_model_has_none() -> None:
    curvature = curve_fit(line, T, Y).curvature
    assert curvature.intrinsic == pytest.approx(0, abs=1e-6)
    assert curvature.parameter_effects == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(curvature.bias, 0, atol=1e-7)
    np.testing.assert_allclose(curvature.skewness, 0, atol=1e-6)


def test_bias_and_skewness_of_a_transformed_line() -> None:
    """With b = exp(c) in a line, c is the logarithm of a normal variable: its moments are known to first order."""
    sigma = 0.02
    fit = curve_fit(lambda x, a, c: a + np.exp(c) * x, T, 1 + 2 * T, sigma=sigma, absolute_sigma=True)
    relative = curve_fit(line, T, 1 + 2 * T, sigma=sigma, absolute_sigma=True).stderr[1] / 2
    assert fit.curvature.intrinsic == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(fit.curvature.bias, [0, -(relative**2) / 2], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(fit.curvature.skewness, [0, -3 * relative], rtol=1e-3, atol=1e-5)


def test_second_derivatives_take_so_many_evaluations() -> None:
    calls = 0

    def model(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        nonlocal calls
        calls += 1
        return a * np.exp(-b * x) + c

    fit = curve_fit(model, T, Y)
    before = calls
    assert np.isfinite(fit.curvature.skewness).all()
    assert calls - before == 2 * 3**2
    fit.curvature  # noqa: B018 - once is enough
    assert calls - before == 18


def test_parameters_that_are_not_free_have_no_skewness() -> None:
    fit = curve_fit(lambda x, a, b, c: a * np.exp(-b * x) + c, T, Y, fixed={"c": 0.0})
    np.testing.assert_array_equal(np.isnan(fit.curvature.skewness), [False, False, True])


def test_report_asks_for_profiles_where_wald_misleads() -> None:
    """In all parameters of MGH09, where two of Wald's intervals cover 89 and 90 %, and in none of Misra1a."""
    assert str(nist("MGH09")).count("skewed") == 5
    assert "interval(method='profile')" in str(nist("MGH09"))
    assert "skewed" not in str(nist("Misra1a"))


# ------------------------------------------------------------------------------------------------ comparison


def test_nested_models_are_compared_by_f() -> None:
    small, large = curve_fit(lambda x, a: a + 0 * x, T, Y), curve_fit(line, T, Y)
    comparison = large.compare(small)
    f = (small.chi2 - large.chi2) / large.reduced_chi2
    assert comparison.f == pytest.approx(f)
    assert comparison.p_value == pytest.approx(f_tails(f, 1, 18)[1])
    assert comparison.f == pytest.approx((large.x[1] / large.stderr[1]) ** 2)  # the square of t
    assert comparison.aicc == pytest.approx(large.aicc - small.aicc)
    assert comparison.parameters == 1
    assert small.compare(large).aicc == -comparison.aicc
    assert "AICc prefers this fit" in str(comparison)


def test_fits_of_different_data_are_not_compared() -> None:
    fit = curve_fit(line, T, Y)
    for other in (curve_fit(line, T, Y + 1), curve_fit(line, T, Y, sigma=2.0), curve_fit(line, T[1:], Y[1:])):
        with pytest.raises(InputValueError, match="different data"):
            fit.compare(other)
