"""Joint regions of two parameters: their edges beside constrained fits, on a grid, at bounds and without limits."""

from typing import Any

import numpy as np
import pytest

from models import T, Y
from problems import strd
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import CurveFit, OptionError, UnidentifiableWarning, curve_fit
from pyminpack._curve.quantiles import f_quantile
from pyminpack._curve.regions.smooth import Smooth


def decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a * np.exp(-b * x)


def rise(x: Any, a: Any, k: Any) -> Any:
    return a * (1 - np.exp(-k * x))


def growth_allowed(fit: CurveFit, level: float) -> float:
    return 2 * fit.reduced_chi2 * f_quantile(level, 1 - level, 2, fit.dof)


def growth_of_curve(fit: CurveFit, points: np.ndarray, model: Any, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Relative to what is allowed at 95 %, for a model of two parameters."""
    chi2 = np.array([np.sum((model(x, *p) - y) ** 2) for p in points])
    return (chi2 - fit.chi2) / growth_allowed(fit, 0.95)


def test_region_of_puromycin_is_that_on_a_grid(puromycin: CurveFit) -> None:
    """The sum of squares on a dense grid is below the level within the curve, and above it outside."""
    path = pytest.importorskip("matplotlib.path")
    contour = puromycin.contour("Vmax", "Km")
    assert contour.is_closed
    assert contour.nfits <= 22
    vmax, km = np.meshgrid(np.linspace(185, 245, 301), np.linspace(0.035, 0.1, 301))
    growth = sum((vmax * x / (km + x) - y) ** 2 for x, y in zip(CONCENTRATION, VELOCITY, strict=True)) - puromycin.chi2
    is_within = growth <= growth_allowed(puromycin, 0.95)
    found = path.Path(contour.points).contains_points(np.column_stack([vmax.ravel(), km.ravel()]))
    assert np.count_nonzero(found.reshape(vmax.shape) != is_within) <= 3e-4 * vmax.size
    # Its extremes are the ends of profiles of the same reach.
    half = (growth_allowed(puromycin, 0.95) / puromycin.reduced_chi2) ** 0.5
    for k in range(2):
        low, high = puromycin._profile(k).interval(half)
        np.testing.assert_allclose([contour.points[:, k].min(), contour.points[:, k].max()], [low, high], rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "pair"), [("Thurber", (0, 1)), ("Rat42", (1, 2)), ("Misra1a", (0, 1)), ("MGH10", (0, 1))]
)
def test_region_of_certified_data(name: str, pair: tuple[int, int]) -> None:
    """At each point the best fit of the other parameters has grown by what the level allows."""
    data = strd.load(name)
    fit = curve_fit(lambda x, *b: data.model(b), data.x, data.response, data.starts[1])
    contour = fit.contour(*pair)
    assert contour.is_closed
    assert contour.nfits <= 26
    near = fit.x
    for point in contour.points[::9]:
        start = near.copy()
        start[list(pair)] = point
        held = np.isin(np.arange(fit.x.size), pair)
        if held.all():
            grown = np.sum((data.model(start) - data.response) ** 2) - fit.chi2
        else:
            again = fit._refit(start, held)
            near, grown = again.x, 2 * again.cost - fit.chi2
        assert grown / growth_allowed(fit, 0.95) == pytest.approx(1, abs=5e-3)


def test_region_of_a_linear_model_is_the_ellipse() -> None:
    fit = curve_fit(lambda x, a, b, c: a + b * x + c * x**2, T, Y)
    points = fit.contour("a", "c", 0.9).points - fit.x[[0, 2]]
    inverse = np.linalg.inv(fit.cov[np.ix_([0, 2], [0, 2])])
    squares = np.einsum("ki,ij,kj->k", points, inverse, points)
    np.testing.assert_allclose(squares, 2 * f_quantile(0.9, 0.1, 2, fit.dof), rtol=1e-3)


def test_region_goes_along_bounds() -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START, bounds={"Km": (0.06, None)})
    contour = fit.contour("Vmax", "Km")
    assert contour.is_closed
    on_bound = contour.points[:, 1] == 0.06
    assert np.count_nonzero(on_bound) >= 2
    growth = growth_of_curve(fit, contour.points[~on_bound], reaction, VELOCITY, CONCENTRATION)
    np.testing.assert_allclose(growth, 1, atol=5e-3)
    held = curve_fit(reaction, CONCENTRATION, VELOCITY, START, bounds={"Km": (0.07, None)})
    assert held.params["Km"].at_bound == "lower"
    points = held.contour("Vmax", "Km").points
    assert points[:, 1].min() == 0.07
    np.testing.assert_array_equal(points[0], points[-1])


def without_limit() -> tuple[CurveFit, np.ndarray, np.ndarray]:
    x = np.linspace(1, 3, 12)
    y = rise(x, 2, 2.5) + 0.15 * np.cos(11 * np.arange(12))
    with np.errstate(over="ignore"):
        return curve_fit(rise, x, y, [2, 3]), x, y


def test_region_is_open_where_the_data_set_no_limit() -> None:
    fit, x, y = without_limit()
    with np.errstate(over="ignore"):
        contour = fit.contour("a", "k")
    assert not contour.is_closed
    ends = contour.points[[0, -1]]
    assert (ends[:, 1] == np.inf).all()
    assert np.isfinite(ends[:, 0]).all()
    growth = growth_of_curve(fit, contour.points[np.isfinite(contour.points[:, 1])], rise, y, x)
    np.testing.assert_allclose(growth, 1, atol=0.1)  # between points far out, where profiles have few


def test_region_that_is_open_at_the_higher_level() -> None:
    """The biochemical oxygen demand of Bates and Watts (1988, A1.4) sets no limit to the rate there."""
    x, y = np.array([1.0, 2, 3, 4, 5, 7]), np.array([8.3, 10.3, 19, 16, 15.6, 19.8])
    fit = curve_fit(rise, x, y, [20, 0.24])
    assert fit.contour("a", "k", 0.8).is_closed
    contour = fit.contour("a", "k", 0.95)
    assert not contour.is_closed
    assert np.isinf(contour.points).any()


def test_region_that_cannot_be_followed_says_so() -> None:
    """That of these two parameters has a horn."""
    data = strd.load("MGH09")
    fit = curve_fit(lambda x, *b: data.model(b), data.x, data.response, data.starts[1])
    with pytest.warns(UnidentifiableWarning, match="could not be followed"):
        contour = fit.contour(1, 3)
    assert np.isnan(contour.points).any()
    assert not contour.is_closed


def test_region_of_an_exact_fit_is_the_ellipse_and_of_no_degrees_of_freedom_none() -> None:
    assert curve_fit(decay, T, decay(T, 2.5, 1.3)).contour(0, 1).is_closed
    with pytest.warns(UnidentifiableWarning):
        fit = curve_fit(decay, T[:2], Y[:2])
    assert fit.contour(0, 1).points.shape == (0, 2)


@pytest.mark.parametrize("pair", [("a", "a"), ("a", "b"), ("a", "c")])
def test_regions_that_are_none(pair: tuple[str, str]) -> None:
    fit = curve_fit(decay, T, Y, fixed={"b": 1.3})
    with pytest.raises(OptionError):
        fit.contour(*pair)


def test_contours_are_kept(puromycin: CurveFit) -> None:
    assert puromycin.contour(0, 1) is puromycin.contour("Vmax", "Km", 0.95)
    assert "points" not in repr(puromycin.contour(0, 1))


def test_smooth_curve_rises_where_its_points_do() -> None:
    x, y = np.array([0.0, 1, 1.1, 4]), np.array([0.0, 0.1, 3, 3.2])
    curve = Smooth(x, y)
    np.testing.assert_allclose(curve.at(x), y, atol=1e-15)
    assert (np.diff(curve.fine(20)[1]) >= 0).all()
    assert curve(curve.where(1.7)) == pytest.approx(1.7)
    turning = Smooth(x, np.array([0.0, 1, 0.5, 0.5]))
    assert turning.fine(20)[1].max() == 1
