"""Profiles, and the intervals that they give."""

import numpy as np
import pytest

from curves import decay, line
from models import T, Y
from problems import strd
from problems.puromycin import CONCENTRATION, PROFILE_INTERVALS, START, VELOCITY, reaction
from pyminpack import CurveFit, UnidentifiableWarning, curve_fit
from pyminpack._curve.quantiles import t_quantile

# The residuals of Lanczos1 are rounding.
NAMES = [name for name in strd.names() if name != "Lanczos1"]


def nist(name: str) -> CurveFit:
    data = strd.load(name)
    return curve_fit(lambda x, *b: data.model(b), data.x.T, data.response, data.starts[1])


# ------------------------------------------------------------------------------------------------ ends


def test_published_profile_intervals_of_puromycin(puromycin: CurveFit) -> None:
    ends = puromycin.interval(method="profile")
    np.testing.assert_allclose(ends[0], PROFILE_INTERVALS[0], atol=0.0051)
    np.testing.assert_allclose(ends[1], PROFILE_INTERVALS[1], atol=0.0000051)


def test_profile_of_a_linear_model_is_wald(straight: CurveFit) -> None:
    np.testing.assert_allclose(straight.interval(method="profile"), straight.interval(), rtol=1e-5)


def test_profile_ends_where_the_sum_of_squares_has_grown(puromycin: CurveFit) -> None:
    """By a fit of its own with the parameter held there."""
    half = t_quantile(0.975, 10)
    for j, name in enumerate(puromycin.names):
        for end in puromycin.interval(method="profile")[j]:
            held = curve_fit(reaction, CONCENTRATION, VELOCITY, START, fixed={name: end})
            grown = (held.chi2 - puromycin.chi2) / puromycin.reduced_chi2
            assert grown == pytest.approx(half**2, rel=1e-4)


def test_profile_has_an_infinite_end_where_the_data_set_no_limit() -> None:
    x = np.linspace(1, 3, 12)
    y = 2 * (1 - np.exp(-2.5 * x)) + 0.15 * np.cos(11 * np.arange(12))
    with np.errstate(over="ignore"):
        fit = curve_fit(lambda x, a, k: a * (1 - np.exp(-k * x)), x, y, [2, 3])
        low, high = fit.interval(method="profile")[1]
    assert 0.5 < low < fit.x[1]
    assert high == np.inf


def test_profile_ends_at_a_bound() -> None:
    fit = curve_fit(decay, T, Y, bounds={"b": (1.25, 1.5)}, sigma=0.5, absolute_sigma=True)
    np.testing.assert_array_equal(fit.interval(method="profile")[1], [1.25, 1.5])


def test_profile_of_a_robust_fit() -> None:
    fit = curve_fit(line, T, Y, loss="soft_l1", f_scale=0.3)
    low, high = fit.interval(method="profile")[0]
    for end in (low, high):
        held = curve_fit(line, T, Y, [end, 1], fixed=[True, False], loss="soft_l1", f_scale=0.3)
        assert held.chi2 - fit.chi2 == pytest.approx(t_quantile(0.975, 18) ** 2 * fit.reduced_chi2, rel=1e-4)


def test_profile_of_the_only_parameter_needs_no_fit() -> None:
    fit = curve_fit(lambda x, b: decay(x, 2.5, b), T, Y)
    low, high = fit.interval(method="profile")[0]
    assert low < fit.x[0] < high
    assert fit.profile("b").values[0] < low


def test_profile_warns_once_of_a_better_minimum() -> None:
    """Here since the fit was told to be content with little."""
    fit = curve_fit(lambda x, a, b, c: decay(x, a, b) + c, T, Y, [20, 3, -1], ftol=0.9, xtol=0.1)
    with pytest.warns(UnidentifiableWarning, match="a local one") as caught:
        low, high = fit.interval(method="profile")[0]
    assert np.isnan(low)
    assert np.isnan(high)
    assert len([w for w in caught if "with a held" in str(w.message)]) == 1


def test_profile_of_an_exact_fit_is_wald() -> None:
    """Rounding, which is all that is left, does not follow the parameters: no alarm."""
    for p0 in (None, [2.5, 1.3]):  # residuals of rounding, or of exactly 0
        fit = curve_fit(decay, T, decay(T, 2.5, 1.3), p0)
        np.testing.assert_array_equal(fit.interval(method="profile"), fit.interval())


# ------------------------------------------------------------------------------------------------ hard ones


@pytest.mark.parametrize("name", NAMES)
def test_profiles_of_nist(name: str) -> None:
    """At each end the sum of squares has grown as it should, by a fit of its own from the one beside it."""
    fit = nist(name)
    half = t_quantile(0.975, fit.dof)
    ends = fit.interval(method="profile")
    for j, (low, high) in enumerate(ends):
        profile = fit.profile(j, 0.95)
        assert low < fit.x[j] < high
        assert profile.nfits <= 15
        for end in (low, high):
            start = profile.x[np.argmin(abs(profile.values - end))].copy()
            start[j] = end
            data = strd.load(name)
            held = curve_fit(
                lambda x, *b, data=data: data.model(b), data.x.T, data.response, start, fixed={fit.names[j]: end}
            )
            assert (held.chi2 - fit.chi2) / fit.reduced_chi2 == pytest.approx(half**2, rel=1e-3)


@pytest.mark.parametrize("name", ["MGH09", "Rat43", "Roszman1"])
def test_profile_of_four_parameters_takes_few_fits(name: str) -> None:
    fit = nist(name)
    fit.interval(method="profile")
    assert sum(profile.nfits for profile in fit._profiles.values()) <= 40


def test_profile_stays_on_its_branch() -> None:
    """MGH09 held at a larger b1 has a second minimum, with a pole between the data: the profile does not leap there."""
    fit = nist("MGH09")
    end = fit.interval(method="profile")[0, 1]
    data, x = strd.load("MGH09"), fit.x
    for value in np.linspace(fit.x[0], end, 30)[1:]:
        held = curve_fit(
            lambda x, *b: data.model(b), data.x, data.response, [value, *x[1:]], fixed=[True, False, False, False]
        )
        x = held.x
    assert (held.chi2 - fit.chi2) / fit.reduced_chi2 == pytest.approx(t_quantile(0.975, 7) ** 2, rel=1e-3)


def test_fit_that_fails_from_afar_is_tried_again_from_near() -> None:
    """MGH09 with other noise sets b4 no limit, but fits run to infinity where they start too far away."""
    data = strd.load("MGH09")
    noise = data.rsd * np.random.default_rng(14).standard_normal((1141, 11))[-1]
    fit = curve_fit(lambda x, *b: data.model(b), data.x, data.model(data.certified) + noise, data.starts[1])
    low, high = fit.profile(3, 0.95).interval(t_quantile(0.975, 7))
    assert low == pytest.approx(-0.00944, rel=1e-2)
    assert high == np.inf


def test_profile_goes_on_where_starts_are_not_finite() -> None:
    """Wald's interval reaches to where the model is not defined."""
    x = np.linspace(0.1, 1, 8)
    y = 2 + np.log(0.08 + x) + 0.5 * np.cos(9 * np.arange(8))
    with np.errstate(all="ignore"):
        fit = curve_fit(lambda x, a, c: a + np.log(c + x), x, y, [2, 0.1])
        assert fit.interval()[1, 0] < -0.1
        low, high = fit.interval(method="profile")[1]
    assert -0.1 < low < fit.x[1] < high


def test_end_that_is_not_found_is_nan() -> None:
    """After the fit the model is defined nowhere but at the minimum."""
    reach = np.inf

    def model(x: np.ndarray, a: float, b: float) -> np.ndarray:
        return decay(x, a, b) if abs(a - center) <= reach else np.full(x.size, np.nan)

    center = curve_fit(decay, T, Y).x[0]
    fit = curve_fit(model, T, Y)
    reach = 1e-9
    with pytest.warns(UnidentifiableWarning, match="end of the interval of a is NaN") as caught:
        assert np.isnan(fit.interval(method="profile")[0]).all()
    assert len(caught) == 2
