"""Intervals, bands, derived quantities, draws and robust covariances."""

from typing import Any

import numpy as np
import pytest

from curves import decay, line
from models import T, Y
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction, reaction_jacobian
from pyminpack import CurveFit, OptionError, curve_fit, least_squares
from pyminpack._curve.quantiles import f_quantile, t_quantile

# ------------------------------------------------------------------------------------------------ intervals


def test_wald_interval_is_t_standard_errors_wide(puromycin: CurveFit) -> None:
    half = t_quantile(0.95, 10) * puromycin.stderr
    expected = np.stack([puromycin.x - half, puromycin.x + half], axis=1)
    np.testing.assert_allclose(puromycin.interval(0.9), expected, rtol=1e-12)


def test_interval_with_known_errors_has_normal_quantiles() -> None:
    fit = curve_fit(decay, T, Y, sigma=0.1, absolute_sigma=True)
    np.testing.assert_allclose(np.diff(fit.interval()).ravel(), 2 * 1.959963984540054 * fit.stderr, rtol=1e-12)


def test_fixed_parameters_are_their_intervals() -> None:
    fit = curve_fit(decay, T, Y, fixed={"a": 2.5})
    for method in ("wald", "profile"):
        np.testing.assert_array_equal(fit.interval(method=method)[0], [2.5, 2.5])  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"level": 0}, {"level": 95}, {"method": "exact"}])
def test_intervals_that_are_none(puromycin: CurveFit, options: Any) -> None:
    with pytest.raises(OptionError):
        puromycin.interval(**options)


# ------------------------------------------------------------------------------------------------ bands


def band_by_hand(fit: CurveFit, x: np.ndarray, half: float, more: float) -> np.ndarray:
    """Of a straight line, by the textbook's formula."""
    spread = 1 / T.size + (x - T.mean()) ** 2 / np.sum((T - T.mean()) ** 2)
    return half * np.sqrt(fit.reduced_chi2 * (spread + more))


@pytest.mark.parametrize("kind", ["confidence", "prediction"])
@pytest.mark.parametrize("simultaneous", [False, True])
def test_bands_of_a_line_are_the_textbooks(straight: CurveFit, kind: Any, simultaneous: bool) -> None:
    x = np.linspace(-1, 6, 9)
    half = (2 * f_quantile(0.9, 0.1, 2, 18)) ** 0.5 if simultaneous else t_quantile(0.95, 18)
    width = band_by_hand(straight, x, half, 1.0 if kind == "prediction" else 0.0)
    low, high = straight.band(x, 0.9, kind, simultaneous)
    np.testing.assert_allclose(high - straight.predict(x), width, rtol=1e-7)
    np.testing.assert_allclose(straight.predict(x) - low, width, rtol=1e-7)


def test_band_with_a_given_jacobian(puromycin: CurveFit) -> None:
    given = curve_fit(reaction, CONCENTRATION, VELOCITY, START, jac=reaction_jacobian)
    np.testing.assert_allclose(given.band([0.05, 2.0]), puromycin.band([0.05, 2.0]), rtol=1e-6)


def test_prediction_wants_errors_where_the_data_have_their_own() -> None:
    fit = curve_fit(line, T, Y, sigma=np.linspace(1, 2, T.size))
    with pytest.raises(ValueError, match="give sigma"):
        fit.band([1.0], kind="prediction")
    low, high = fit.band([1.0], kind="prediction", sigma=3.0)
    variance = (high - low) ** 2 / 4 / t_quantile(0.975, 18) ** 2
    confidence = np.subtract(*fit.band([1.0])[::-1]) ** 2 / 4 / t_quantile(0.975, 18) ** 2
    np.testing.assert_allclose(variance - confidence, 9 * fit.reduced_chi2, rtol=1e-9)


def test_fixed_parameters_make_no_band_wider() -> None:
    fit = curve_fit(line, T, Y, fixed={"a": 1.0})
    low, high = fit.band([0.0, 1.0])
    assert low[0] == high[0] == 1
    assert high[1] - low[1] == pytest.approx(2 * t_quantile(0.975, 19) * fit.stderr[1])


# ------------------------------------------------------------------------------------------------ derived


def test_derived_quantities_by_the_delta_method(puromycin: CurveFit) -> None:
    v, k = puromycin.x
    gradient = np.array([1 / k, -v / k**2])
    expected = np.sqrt(gradient @ puromycin.cov @ gradient)
    for quantity in ("Vmax/Km", lambda p: p["Vmax"] / p["Km"], lambda p: p.Vmax / p.Km, lambda p: p[0] / p[1]):
        value, stderr = puromycin.derived(quantity)
        assert value == pytest.approx(v / k)
        assert stderr == pytest.approx(expected, rel=1e-8)
    value, stderr = puromycin.derived("log(2)*Km")
    assert stderr == pytest.approx(np.log(2) * puromycin.stderr[1])
    both = puromycin.derived(lambda p: np.array(p))
    np.testing.assert_allclose(both.stderr, puromycin.stderr, rtol=1e-8)


def test_derived_quantities_of_unknown_parameters(puromycin: CurveFit) -> None:
    with pytest.raises(NameError, match="Kd"):
        puromycin.derived("Kd + 1")
    with pytest.raises(AttributeError, match="there is no parameter 'Kd'; they are Vmax, Km"):
        puromycin.derived(lambda p: p.Kd)


def test_correlated_numbers(puromycin: CurveFit) -> None:
    pytest.importorskip("uncertainties")
    numbers = puromycin.as_ufloats()
    ratio = numbers["Vmax"] / numbers["Km"]
    assert ratio.std_dev == pytest.approx(puromycin.derived("Vmax/Km").stderr, rel=1e-7)


# ------------------------------------------------------------------------------------------------ draws


@pytest.mark.parametrize("kind", ["residuals", "pairs", "wild"])
@pytest.mark.parametrize("jac", [None, reaction_jacobian])
def test_bootstrap_has_the_spread_of_the_standard_errors(kind: Any, jac: Any) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START, jac=jac)
    draws = fit.bootstrap(300, kind, seed=1)
    assert draws.x.shape == (300 - draws.failed, 2)
    np.testing.assert_allclose(draws.stderr, fit.stderr, rtol=0.4)
    ends = draws.interval()
    assert ends.shape == (2, 2)
    assert (ends[:, 0] < fit.x).all()
    assert (ends[:, 1] > fit.x).all()


def test_bootstrap_is_the_same_from_the_same_seed(puromycin: CurveFit) -> None:
    np.testing.assert_array_equal(puromycin.bootstrap(5, seed=3).x, puromycin.bootstrap(5, seed=3).x)


def test_bootstrap_of_residuals_is_unbiased_for_a_line(straight: CurveFit) -> None:
    draws = straight.bootstrap(400, seed=2)
    np.testing.assert_allclose(draws.x.mean(axis=0), straight.x, atol=4 * straight.stderr.max() / 400**0.5)
    np.testing.assert_allclose(draws.stderr, straight.stderr, rtol=0.15)


# ------------------------------------------------------------------------------------------------ robust


def test_robust_covariances_are_the_sandwich() -> None:
    sigma = np.linspace(1, 2, T.size)
    fit = curve_fit(line, T, Y, sigma=sigma)
    jacobian = np.stack([1 / sigma, T / sigma], axis=1)
    bread = np.linalg.inv(jacobian.T @ jacobian)
    hat = np.einsum("ij,jk,ik->i", jacobian, bread, jacobian)
    np.testing.assert_allclose(fit.leverage, hat, rtol=1e-6)
    for kind, squares in {
        "HC0": fit.result.fun**2,
        "HC1": fit.result.fun**2 * 20 / 18,
        "HC2": fit.result.fun**2 / (1 - hat),
        "HC3": fit.result.fun**2 / (1 - hat) ** 2,
    }.items():
        expected = bread @ (jacobian.T * squares) @ jacobian @ bread
        np.testing.assert_allclose(fit.robust_cov(kind), expected, rtol=1e-6)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="HC4"):
        fit.robust_cov("HC4")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::pyminpack.UnidentifiableWarning")
def test_robust_covariance_is_not_known_where_a_parameter_is_not_determined() -> None:
    assert np.isnan(curve_fit(lambda x, a, b, c: a * c * np.exp(-b * x), T, Y).robust_cov()).all()


def test_diagnostics_are_those_without_a_point(straight: CurveFit) -> None:
    """Cook's distance: how far the fit moves without a point, in units of the confidence ellipsoid."""
    jacobian = np.stack([np.ones(T.size), T], axis=1)
    for i in (0, 7):
        kept = np.arange(T.size) != i
        without = least_squares(lambda p, kept=kept: line(T[kept], *p) - Y[kept], [1, 1]).x
        moved = jacobian @ (straight.x - without)
        assert straight.cooks_distance[i] == pytest.approx(moved @ moved / (2 * straight.reduced_chi2), rel=1e-5)
    studentized = straight.residuals / np.sqrt(straight.reduced_chi2 * (1 - straight.leverage))
    np.testing.assert_allclose(straight.studentized_residuals, studentized, rtol=1e-10)
