"""No fit disturbs another, however bad; and neither chunks nor workers change anything."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from many_models import T, X, decay, decays, peak, peak_jacobian, peaks, require_same
from pyminpack import CurveFits, curve_fit, curve_fit_many
from pyminpack._minpack import choose_kernel, kernel, kernels


def bad_data() -> tuple[Any, Any, Any]:
    """Good decays, and between them: NaN, Inf, constant, zeros, huge, tiny, all masked, one point left."""
    y = decays(40)
    mask = np.zeros(y.shape, bool)
    y[1, 4], y[3, 0], y[5], y[7], y[9], y[11] = np.nan, np.inf, 3.0, 0.0, 1e300, 1e-300
    mask[13], mask[15, 1:] = True, True
    y[17] = 1e170 * y[16]
    y[19, 3] = 1e8
    return y, mask, [1, 1]


def require_equal(one: CurveFits, other: CurveFits) -> None:
    for name in ("x", "cov", "cost", "nfev", "status", "alone", "dof"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_good_fits_are_what_they_are_without_bad_ones() -> None:
    y, mask, p0 = bad_data()
    with np.errstate(all="ignore"):
        fits = curve_fit_many(decay, T, y, p0, mask=mask)
        good = np.setdiff1d(np.arange(40), np.arange(1, 20, 2))
        by_themselves = curve_fit_many(decay, T, y[good], p0, mask=mask[good])
        np.testing.assert_array_equal(fits.x[good], by_themselves.x)
        np.testing.assert_array_equal(fits.status[good], by_themselves.status)
        assert fits.success[good].all()
        for i in range(40):
            kept = ~mask[i]
            if kept.any():
                require_same(fits, i, decay, T[kept], y[i, kept], p0)
    assert fits.status[13] == fits.status[15] == -11
    assert "parameters" in fits.message(15)
    np.testing.assert_array_equal(fits.x[13], p0)


def test_starts_that_are_none() -> None:
    y, starts = peaks(5)
    starts[1, 2], starts[3, 0] = np.nan, np.inf
    fits = curve_fit_many(peak, X, y, starts)
    assert fits.status[[1, 3]].tolist() == [-11, -11]
    assert fits.success[[0, 2, 4]].all()
    assert "p0" in fits.message(1) or "x0" in fits.message(1)


def test_parameters_that_do_not_matter() -> None:
    """Sums of two amplitudes: of rank 1, beside amplitudes that can be told apart."""

    def mixture(x: Any, a: Any, b: Any) -> Any:
        return a * x + b * x * np.where(x > 2, 1, 2)

    x = np.tile(T, (6, 1))
    x[3] = np.linspace(3, 4, T.size)
    y = 2 * x + 0.01 * np.cos(9 * x)
    fits = curve_fit_many(mixture, x, y, [1, 1])
    assert np.flatnonzero(fits.alone).tolist() == [3]
    assert np.isinf(fits.stderr[3]).all()
    assert np.isfinite(fits.stderr[[0, 1, 2, 4, 5]]).all()


def test_weights_of_no_use() -> None:
    y = decays(4)
    sigma = np.full(y.shape, 0.1)
    sigma[1, 2], sigma[2, 3] = 0, np.nan
    fits = curve_fit_many(decay, T, y, [1, 1], sigma=sigma)
    assert fits.status[[1, 2]].tolist() == [-11, -11]
    assert "sigma" in fits.message(1)
    assert fits.success[[0, 3]].all()


def test_a_wrong_jacobian_is_told() -> None:
    def wrong(x: Any, *p: Any) -> Any:
        jacobian = np.array(peak_jacobian(x, *p))
        jacobian[..., 1] *= 1.3
        return jacobian

    y, starts = peaks(8)
    fits = curve_fit_many(peak, X, y, starts, jac=wrong)
    assert fits.alone.all()
    for i in range(8):
        require_same(fits, i, peak, X, y[i], starts[i], jac=wrong)


def test_noise_of_the_model_is_noticed() -> None:
    """A model that is rounded: differences by the usual steps are wrong, and the fits are made alone."""

    def rounded(t: Any, a: Any, b: Any) -> Any:
        return decay(t, a, b).astype(np.float32).astype(float)

    y = decays(6)
    fits = curve_fit_many(rounded, T, y, [1, 1])
    for i in range(6):
        require_same(fits, i, rounded, T, y[i], [1, 1])


@pytest.mark.parametrize("chunk", [1, 2, 7, 8, 64, "auto"])
@pytest.mark.parametrize("jac", [None, peak_jacobian])
def test_chunks_change_nothing(chunk: Any, jac: Any) -> None:
    y, starts = peaks(45)
    y[5, 3] = np.nan
    whole = curve_fit_many(peak, X, y, starts, jac=jac, chunk=45)
    require_equal(curve_fit_many(peak, X, y, starts, jac=jac, chunk=chunk), whole)


def test_order_changes_nothing() -> None:
    y, starts = peaks(45)
    order = np.random.default_rng(8).permutation(45)
    fits, shuffled = curve_fit_many(peak, X, y, starts), curve_fit_many(peak, X, y[order], starts[order])
    np.testing.assert_array_equal(shuffled.x, fits.x[order])


@pytest.mark.parametrize("workers", [2, -1, map])
def test_workers_change_nothing(workers: Any) -> None:
    y, starts = peaks(300)
    one = curve_fit_many(peak, X, y, starts, chunk=2)
    require_equal(curve_fit_many(peak, X, y, starts, chunk=2, workers=workers), one)


def test_futures_are_taken_from_a_map() -> None:
    y, starts = peaks(100)
    with ThreadPoolExecutor(2) as pool:
        fits = curve_fit_many(
            peak, X, y, starts, chunk=2, workers=lambda f, tasks: [pool.submit(f, task) for task in tasks]
        )
    require_equal(fits, curve_fit_many(peak, X, y, starts, chunk=2))


@pytest.mark.slow
def test_processes() -> None:
    y, starts = peaks(100)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        fits = curve_fit_many(peak, X, y, starts, chunk=2, workers=pool.map)
    require_equal(fits, curve_fit_many(peak, X, y, starts, chunk=2))


def test_threads_run_under_the_floating_point_state_of_the_caller() -> None:
    def overflowing(t: Any, a: Any, b: Any) -> Any:
        if np.size(a) > 5:  # not while it is looked whether the model broadcasts, in the thread of the caller
            np.exp(1e3 + t)
        return decay(t, a, b)

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        curve_fit_many(overflowing, T, decays(20), [1, 1], workers=2)


@pytest.mark.parametrize("jac", [None, peak_jacobian])
def test_instruction_sets_change_no_bit(jac: Any) -> None:
    y, starts = peaks(45)
    before = kernel()
    try:
        each = []
        for name in kernels():
            choose_kernel(name)
            each.append(curve_fit_many(peak, X, y, starts, jac=jac))
    finally:
        choose_kernel(before)
    for other in each[1:]:
        require_equal(other, each[0])


def test_data_without_noise() -> None:
    """Residuals of exactly 0 are an end as good as any."""
    truth = np.random.default_rng(10).uniform([1, 0.3], [4, 2], (200, 2))
    fits = curve_fit_many(decay, T, decay(T[:, np.newaxis], *truth.T).T, truth * 1.2)
    np.testing.assert_allclose(fits.x, truth, rtol=1e-12)
    assert fits.success.all()
    assert (fits.cost == 0).any()
    assert fits.alone.mean() < 0.2


def test_locations_far_from_zero() -> None:
    """As of Julian days: differences by usual steps are rounding, and longer ones are found at once."""
    y, starts = peaks(30)
    day = 2451545.0
    starts[:, 1] += day
    fits = curve_fit_many(peak, X + day, y, starts)
    assert not fits.alone.any()
    for i in range(30):
        assert abs(fits.x[i] - curve_fit(peak, X + day, y[i], starts[i]).x).max() < 1e-4 * fits.stderr[i].max()


def test_models_in_single_precision_are_fitted_one_by_one() -> None:
    together = 0

    def single(t: Any, a: Any, b: Any) -> Any:
        nonlocal together
        together += np.ndim(a)
        return np.asarray(decay(t, a, b), np.float32)

    y = decays(3)
    fits = curve_fit_many(single, T, y, [1, 1])
    assert fits.alone.all()
    assert together == 1
    for i in range(3):
        require_same(fits, i, single, T, y[i], [1, 1])


def test_fits_from_far_away() -> None:
    """Their steps are damped, each by its own parameter, in the same vectors."""
    y, starts = peaks(64, seed=11)
    starts *= np.random.default_rng(12).uniform(0.5, 2, starts.shape)
    with np.errstate(all="ignore"):
        fits = curve_fit_many(peak, X, y, starts)
        require_equal(curve_fit_many(peak, X, y, starts, chunk=1), fits)
        assert fits.alone.mean() < 0.5
        for i in np.flatnonzero(fits.success):
            alone = curve_fit(peak, X, y[i], starts[i])
            assert fits.nfev[i] <= alone.result.nfev + 2
            np.testing.assert_allclose(fits.cost[i], alone.result.cost, rtol=1e-9)


def test_points_that_are_masked_need_no_value() -> None:
    x, y = np.tile(T, (12, 1)), decays(12)
    mask = np.zeros(y.shape, bool)
    mask[:, -4:] = True
    x[mask] = np.nan
    for jac in (None, lambda t, a, b: np.stack([np.exp(-b * t), -a * t * np.exp(-b * t)], axis=-1)):
        fits = curve_fit_many(decay, x, y, [1, 1], mask=mask, jac=jac)
        assert not fits.alone.any()
        require_same(fits, 3, decay, T[:-4], y[3, :-4], [1, 1], jac=jac)


@pytest.mark.parametrize("size", [3e-7, 1e-6, 3e-6])
def test_parameters_that_hardly_matter(size: float) -> None:
    """Columns at so small an angle: what becomes of them is not for a quick look to say."""

    def mixture(x: Any, a: Any, b: Any) -> Any:
        return a * x + b * (x + size * np.cos(9 * x))

    y = 2 * T + 0.01 * np.cos(7 * T) + np.zeros((3, 1))
    fits = curve_fit_many(mixture, T, y, [1, 2])
    assert fits.alone.all()
    require_same(fits, 0, mixture, T, y[0], [1, 2])
