"""Each of many fits comes to what `curve_fit` comes to alone."""

from typing import Any

import numpy as np
import pytest

from many_models import GRID, T, X, decay, decays, peak, peak_jacobian, peaks, require_same, spot, strd_model
from problems import strd
from pyminpack import curve_fit, curve_fit_many


@pytest.mark.parametrize("jac", [None, peak_jacobian])
def test_peaks(jac: Any) -> None:
    y, starts = peaks(60)
    fits = curve_fit_many(peak, X, y, starts, jac=jac)
    assert not fits.alone.any()
    for i in range(60):
        require_same(fits, i, peak, X, y[i], starts[i], jac=jac)


def test_most_fits_have_the_digits_and_the_test_of_convergence_of_one_alone() -> None:
    y, starts = peaks(100, seed=1)
    fits = curve_fit_many(peak, X, y, starts)
    alone = [curve_fit(peak, X, y[i], starts[i]) for i in range(100)]
    assert [fit.result.status for fit in alone] == fits.status.tolist()
    off = [abs(fits.x[i] / fit.x - 1).max() for i, fit in enumerate(alone)]
    assert np.quantile(off, 0.9) < 1e-9
    assert max(off) < 1e-7


def test_fits_with_a_jacobian_are_the_same_to_rounding() -> None:
    y, starts = peaks(50, seed=2)
    fits = curve_fit_many(peak, X, y, starts, jac=peak_jacobian)
    alone = [curve_fit(peak, X, y[i], starts[i], jac=peak_jacobian).x for i in range(50)]
    np.testing.assert_allclose(fits.x, alone, rtol=1e-12)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("which", ["shared", "own", "number"])
def test_errors_of_the_data(which: str, absolute: bool) -> None:
    y = decays(20)
    sigma: Any = {
        "shared": np.linspace(0.02, 0.1, T.size),
        "own": np.random.default_rng(3).uniform(0.02, 0.1, y.shape),
        "number": 0.05,
    }[which]
    fits = curve_fit_many(decay, T, y, [1, 1], sigma=sigma, absolute_sigma=absolute)
    for i in range(20):
        own = sigma[i] if which == "own" else sigma
        require_same(fits, i, decay, T, y[i], [1, 1], sigma=own, absolute_sigma=absolute)


def test_data_of_unlike_length() -> None:
    y = decays(30)
    mask = np.arange(T.size) >= np.random.default_rng(4).integers(1, T.size + 1, (30, 1))
    y[mask] = np.nan
    fits = curve_fit_many(decay, T, y, [1, 1], mask=mask, sigma=np.where(mask, np.nan, 0.05))
    assert fits.alone.sum() < 10
    for i in range(30):
        kept = ~mask[i]
        require_same(fits, i, decay, T[kept], y[i, kept], [1, 1], sigma=np.full(kept.sum(), 0.05))


def test_masked_arrays_leave_points_out() -> None:
    y = decays(4)
    y[1, 3] = 99
    fits = curve_fit_many(decay, T, np.ma.masked_greater(y, 50), [1, 1])
    require_same(fits, 1, decay, np.delete(T, 3), np.delete(y[1], 3), [1, 1])


def test_own_x() -> None:
    x = T + np.random.default_rng(5).uniform(0, 0.1, (25, T.size))
    y = 2.5 * np.exp(-1.3 * x) + 0.02 * np.cos(7 * x)
    x[3, 5] = np.inf
    fits = curve_fit_many(decay, x, y, [1, 1])
    assert np.flatnonzero(fits.alone).tolist() == [3]
    for i in range(25):
        require_same(fits, i, decay, x[i], y[i], [1, 1])


def test_two_variables_in_two_batch_dimensions() -> None:
    rng = np.random.default_rng(6)
    truth = rng.uniform([5, 3, 3, 1.5], [9, 5, 5, 2.5], (3, 4, 4))
    y = spot(GRID[:, :, np.newaxis], *truth.reshape(12, 4).T).T.reshape(3, 4, 81) + rng.normal(0, 0.1, (3, 4, 81))
    fits = curve_fit_many(spot, GRID, y, [7, 4, 4, 2])
    assert fits.x.shape == (3, 4, 4)
    assert fits.cov.shape == (3, 4, 4, 4)
    own = curve_fit_many(spot, np.broadcast_to(GRID, (3, 4, 2, 81)), y, [7, 4, 4, 2])
    np.testing.assert_array_equal(own.x, fits.x)
    for place in np.ndindex(3, 4):
        require_same(fits, place, spot, GRID, y[place], [7, 4, 4, 2])


def test_bounds() -> None:
    y = decays(40)
    bounds = [0, 0.5], [3, 1.5]
    fits = curve_fit_many(decay, T, y, [1, 1], bounds=bounds)
    assert 0 < fits.alone.sum() < 40
    assert (fits.x >= bounds[0]).all()
    assert (fits.x <= bounds[1]).all()
    for i in range(40):
        require_same(fits, i, decay, T, y[i], [1, 1], bounds=bounds)


def test_the_model_is_never_called_outside_the_bounds() -> None:
    def watched(t: Any, a: Any, b: Any) -> Any:
        assert ((np.asarray(a) >= 0) & (np.asarray(a) <= 3)).all()
        assert ((np.asarray(b) >= 0.5) & (np.asarray(b) <= 1.5)).all()
        return decay(t, a, b)

    starts = np.column_stack([np.linspace(1e-12, 3 - 1e-9, 20), np.linspace(0.5 + 1e-10, 1.5 - 1e-10, 20)])
    curve_fit_many(watched, T, decays(20), starts, bounds=([0, 0.5], [3, 1.5]))


@pytest.mark.parametrize(
    "options",
    [{"loss": "soft_l1", "f_scale": 0.1}, {"jac": "3-point"}, {"ftol": 0.1, "xtol": 0.1}, {"gtol": 1e-4}],
    ids=str,
)
def test_options(options: dict[str, Any]) -> None:
    y = decays(6)
    fits = curve_fit_many(decay, T, y, [1, 1], **options)
    for i in range(6):
        require_same(fits, i, decay, T, y[i], [1, 1], **options)


def test_limit_on_evaluations() -> None:
    y, starts = peaks(20)
    fits = curve_fit_many(peak, X, y, starts, maxfev=6)
    assert (fits.status == 0).any()
    for i in range(20):
        require_same(fits, i, peak, X, y[i], starts[i], maxfev=6)


def test_as_many_points_as_parameters() -> None:
    fits = curve_fit_many(decay, [0.0, 1.0], [[2, 1], [3, 1]], [1, 1])
    np.testing.assert_allclose(fits.x, [[2, np.log(2)], [3, np.log(3)]])
    assert np.isnan(fits.cov).all()
    assert np.isnan(fits.reduced_chi2).all()


def strd_fits_agree(name: str, count: int) -> None:
    """Fits from starts beside NIST's, of which those from the far ones often fail."""
    data, model = strd.load(name), strd_model(name)
    rng = np.random.default_rng(7)
    n = data.certified.size
    factors = rng.uniform(0.9, 1.1, (2, count, n))
    starts = (factors * data.starts[:, np.newaxis]).reshape(2 * count, n)
    y = np.broadcast_to(data.response, (2 * count, data.response.size))
    with np.errstate(all="ignore"):
        fits = curve_fit_many(model, data.x.T, y, starts)
        for i, start in enumerate(starts):
            try:
                alone = curve_fit(model, data.x.T, data.response, start)
            except RuntimeError:
                assert not fits.success[i]
                continue
            assert fits.success[i]
            x, x_alone = fits.x[i], alone.x
            if name == "Eckerle4":  # where the signs of two parameters make no difference
                x, x_alone = abs(x), abs(x_alone)
            if name == "Lanczos1":  # whose standard errors are rounding
                np.testing.assert_allclose(x, x_alone, rtol=1e-9)
            else:  # what either end promises
                assert (abs(x - x_alone) <= 1e-3 * alone.stderr).all()


@pytest.mark.filterwarnings("ignore::pyminpack.UnidentifiableWarning")
@pytest.mark.parametrize("name", strd.names())
def test_strd(name: str) -> None:
    strd_fits_agree(name, 6)
