"""Complex data: real and imaginary parts as residuals of their own, as `curve_fit` has them."""

from typing import Any

import numpy as np
import pytest

from many_models import Array, decays, require_same
from many_models import T as TIMES
from pyminpack import InputTypeError, curve_fit_many

F = np.geomspace(1, 1000, 25)


def low_pass(f: Any, gain: Any, cutoff: Any) -> Any:
    return gain / (1 + 1j * f / cutoff)


def low_pass_jacobian(f: Any, gain: Any, cutoff: Any) -> Any:
    below = 1 + 1j * f / cutoff
    return np.stack([1 / below, gain * 1j * f / cutoff**2 / below**2], axis=-1)


def responses(count: int) -> tuple[Array, Any]:
    rng = np.random.default_rng(3)
    truth = rng.uniform([1, 20], [3, 100], (count, 2))
    noise = rng.normal(0, 0.02, (count, F.size, 2)) @ [1, 1j]
    return truth, low_pass(F[:, np.newaxis], *truth.T).T + noise


@pytest.mark.parametrize("options", [{}, {"absolute_sigma": True}, {"bounds": ([0, 0], [2, 90])}], ids=str)
@pytest.mark.parametrize("jac", [None, low_pass_jacobian])
def test_filters(jac: Any, options: dict[str, Any]) -> None:
    truth, y = responses(30)
    sigma = np.random.default_rng(4).uniform(0.01, 0.03, y.shape)
    fits = curve_fit_many(low_pass, F, y, [1.5, 50], jac=jac, sigma=sigma, **options)
    assert fits.alone.any() == ("bounds" in options)
    assert fits.dof[0] == 2 * F.size - 2
    if "bounds" not in options:
        assert (abs(fits.x - truth) < 5 * fits.stderr).all()
    for i in range(30):
        require_same(fits, i, low_pass, F, y[i], [1.5, 50], jac=jac, sigma=sigma[i], **options)


def test_masks_and_own_x() -> None:
    _, y = responses(12)
    x = np.tile(F, (12, 1))
    mask = np.random.default_rng(5).random(y.shape) < 0.3
    y[mask], x[mask] = np.nan, np.nan
    y[7, np.flatnonzero(~mask[7])[0]] = 1 + 1j * np.nan
    with np.errstate(invalid="ignore"):  # the model gets NaN, too
        fits = curve_fit_many(low_pass, x, y, [1.5, 50], mask=mask)
    assert np.flatnonzero(fits.alone).tolist() == [7]
    assert fits.status[7] == -11
    for i in range(12):
        kept = ~mask[i]
        require_same(fits, i, low_pass, x[i, kept], y[i, kept], [1.5, 50])


@pytest.mark.parametrize("options", [{"chunk": 3}, {"workers": 2, "chunk": 4}, {"p0": None}], ids=str)
def test_chunks_change_nothing(options: dict[str, Any]) -> None:
    _, y = responses(20)
    plain, fits = curve_fit_many(low_pass, F, y, [1, 1]), curve_fit_many(low_pass, F, y, **{"p0": [1, 1], **options})
    np.testing.assert_array_equal(fits.x, plain.x)
    np.testing.assert_array_equal(fits.cov, plain.cov)


def test_a_point_is_enough_for_two_parameters() -> None:
    fits = curve_fit_many(low_pass, F[10:11], [[1.0 - 0.5j], [2.0 - 1.0j]], [1.5, 50])
    assert fits.success.all()
    assert (fits.dof == 0).all()
    assert not fits.alone.any()
    np.testing.assert_allclose(low_pass(F[10], *fits.x.T), [1.0 - 0.5j, 2.0 - 1.0j], rtol=1e-7)


def test_models_in_single_precision_are_fitted_one_by_one() -> None:
    together = 0

    def single(f: Any, a: Any, b: Any) -> Any:
        nonlocal together
        together += np.ndim(a)
        return low_pass(f, a, b).astype(np.complex64)

    _, y = responses(3)
    assert curve_fit_many(single, F, y, [1.5, 50]).alone.all()
    assert together == 1


def test_a_real_model_beside_complex_data() -> None:
    y = decays(5) + 0.01j
    fits = curve_fit_many(lambda t, a, b: a * np.exp(-b * t), TIMES, y, [1, 1])
    assert not fits.alone.any()
    for i in range(5):
        require_same(fits, i, lambda t, a, b: a * np.exp(-b * t), TIMES, y[i], [1, 1])


@pytest.mark.parametrize("factor", [0, 0.9, -1])
def test_jacobians_whose_imaginary_parts_are_wrong_are_noticed(factor: float) -> None:
    def wrong(f: Any, a: Any, b: Any) -> Any:
        right = low_pass_jacobian(f, a, b)
        return right.real + 1j * factor * right.imag

    _, y = responses(4)
    fits = curve_fit_many(low_pass, F, y, [1.5, 50], jac=wrong)
    assert fits.alone.all()
    for i in range(4):
        require_same(fits, i, low_pass, F, y[i], [1.5, 50], jac=wrong)


def test_complex_models_of_real_data_are_told() -> None:
    with pytest.raises(InputTypeError, match="it must give real numbers"):
        curve_fit_many(low_pass, F, responses(3)[1].real, [1.5, 50])
