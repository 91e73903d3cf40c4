"""Robust fits advance together, and each comes to what it comes to alone."""

from typing import Any

import numpy as np
import pytest

from many_models import X, peak, peak_jacobian, peaks, require_same
from pyminpack import curve_fit_many

COUNT = 40
SCALE = 0.5
GIVEN: dict[str, set[str]] = {
    "plain": set(),
    "jac": {"jac"},
    "sigma": {"sigma"},
    "mask": {"mask"},
    "all": {"jac", "sigma", "mask"},
}


@pytest.fixture(scope="module")
def spoilt() -> dict[str, Any]:
    """Peaks, of which one point in twenty is off by far; and options."""
    rng = np.random.default_rng(11)
    y, starts = peaks(COUNT, 5)
    y = y + (rng.random(y.shape) < 0.05) * rng.normal(0, 8, y.shape)
    sigma, mask = rng.uniform(0.2, 0.6, y.shape), rng.random(y.shape) < 0.1
    return {"y": y, "p0": starts, "jac": peak_jacobian, "sigma": sigma, "mask": mask}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan"])
def test_each_is_what_it_is_alone(spoilt: dict[str, Any], loss: str, given: str) -> None:
    options = {name: spoilt[name] for name in GIVEN[given]} | {"loss": loss, "f_scale": SCALE}
    fits = curve_fit_many(peak, X, spoilt["y"], spoilt["p0"], **options)
    assert fits.alone.mean() < 0.3
    assert fits.success.all()
    for i in range(COUNT):
        kept = ~options["mask"][i] if "mask" in options else np.ones(X.size, bool)
        single = {name: value for name, value in options.items() if name != "mask"}
        if "sigma" in single:
            single["sigma"] = spoilt["sigma"][i, kept]
        require_same(fits, i, peak, X[kept], spoilt["y"][i, kept], spoilt["p0"][i], **single)


def test_outliers_are_found_out(spoilt: dict[str, Any]) -> None:
    """The point of such a loss."""
    y, starts = peaks(COUNT, 5)
    true = curve_fit_many(peak, X, y, starts).x
    plain, robust = (
        np.median(abs(curve_fit_many(peak, X, spoilt["y"], starts, loss=loss, f_scale=SCALE).x - true))
        for loss in ("linear", "cauchy")
    )
    assert robust < 0.3 * plain


@pytest.mark.parametrize("loss", ["huber", "arctan"])
def test_neither_chunks_nor_neighbours_change_a_bit(spoilt: dict[str, Any], loss: str) -> None:
    y, starts = spoilt["y"], spoilt["p0"]
    whole = curve_fit_many(peak, X, y, starts, loss=loss, f_scale=SCALE)
    for chunk in (1, 7):
        parts = curve_fit_many(peak, X, y, starts, loss=loss, f_scale=SCALE, chunk=chunk)
        np.testing.assert_array_equal(parts.x, whole.x)
        np.testing.assert_array_equal(parts.cov, whole.cov)
    turned = curve_fit_many(peak, X, y[::-1], starts[::-1], loss=loss, f_scale=SCALE)
    np.testing.assert_array_equal(turned.x[::-1], whole.x)


def test_a_wrong_jacobian_is_found_with_a_loss(spoilt: dict[str, Any]) -> None:
    """The look beside is of the rows as the loss weighs them."""

    def wrong(x: Any, *p: Any) -> Any:
        jacobian = peak_jacobian(x, *p)
        jacobian[..., 2] *= 1.02
        return jacobian

    fits = curve_fit_many(peak, X, spoilt["y"], spoilt["p0"], jac=wrong, loss="soft_l1", f_scale=SCALE)
    assert fits.alone.all()


def test_residuals_that_overflow_are_a_rejected_step_or_no_start() -> None:
    y, starts = peaks(3)
    y[1] = 1e200
    with np.errstate(all="ignore"):
        fits = curve_fit_many(peak, X, y, starts, loss="cauchy")
        require_same(fits, 1, peak, X, y[1], starts[1], loss="cauchy")
    assert fits.success[[0, 2]].all()
