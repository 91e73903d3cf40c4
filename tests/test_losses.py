"""Robust losses: their formulas, SciPy's minima, and the gradient of what is minimized."""

import warnings
from typing import Any

import numpy as np
import pytest

from pyminpack import InputTypeError, OptionError, ShapeError, least_squares
from pyminpack._losses import Robust, as_loss

NAMES = ["soft_l1", "huber", "cauchy", "arctan"]
T = np.linspace(0, 4, 40)
OUTLIERS = np.zeros(40)
OUTLIERS[[3, 17, 30]] = 2.0, -1.5, 1.0
NOISE = 0.02 * np.cos(13 * T**2)
Y = 2.5 * np.exp(-1.3 * T) + NOISE + OUTLIERS


def residuals(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * T) - Y


def jacobian(x: np.ndarray) -> np.ndarray:
    decay = np.exp(-x[1] * T)
    return np.stack([decay, -x[0] * T * decay], axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_loss(name: str) -> None:
    loss: Any = as_loss(name)
    z, h = np.array([0.05, 0.1, 0.7, 1.6, 9.0, 300.0]), 1e-6
    below, at, above = (np.array(loss(z * (1 + k * h))) for k in (-1, 0, 1))
    np.testing.assert_allclose((above[0] - below[0]) / (2 * h * z), at[1], rtol=1e-6)
    np.testing.assert_allclose((above[1] - below[1]) / (2 * h * z), at[2], rtol=1e-6)
    assert loss(np.zeros(1))[0] == 0
    assert loss(np.zeros(1))[1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_corrected_problem_has_the_slope_of_the_cost_at_its_scale(name: str) -> None:
    loss: Any = as_loss(name)
    robust, f, h = Robust(loss, 0.3), np.array([-5.0, -0.2, 0.01, 0.29, 0.31, 2.0]), 1e-6
    corrected, rows = robust.correct(f)
    slopes = [(robust.norm(f + h * e) ** 2 - robust.norm(f - h * e) ** 2) / (4 * h) for e in np.eye(f.size)]
    np.testing.assert_allclose(corrected * rows, slopes, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_corrected_problem_has_the_curvature_of_the_cost_where_that_is_positive(name: str) -> None:
    loss: Any = as_loss(name)
    robust, f, h = Robust(loss, 0.3), np.array([-0.1, 0.01, 0.15]), 1e-4
    _, rows = robust.correct(f)
    sides = [[robust.norm(f + k * h * e) ** 2 / 2 for k in (-1, 0, 1)] for e in np.eye(f.size)]
    np.testing.assert_allclose(rows**2, [(a - 2 * b + c) / h**2 for a, b, c in sides], rtol=1e-4)
    assert (robust.correct(np.array([50.0]))[1] > 0).all()  # where it isn't


@pytest.mark.scipy
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.05, 0.5])
@pytest.mark.parametrize("jac", ["2-point", jacobian], ids=["differences", "jacobian"])
def test_minimum_is_scipys(name: str, scale: float, jac: Any) -> None:
    import scipy.optimize

    options: dict[str, Any] = {"loss": name, "f_scale": scale}
    ours = least_squares(residuals, [1, 1], jac, **options)
    theirs = scipy.optimize.least_squares(residuals, [1, 1], jac, **options, ftol=1e-14, xtol=1e-14, gtol=1e-14)
    assert ours.success
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-7)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=2e-4)
    np.testing.assert_allclose(ours.grad, jacobian(ours.x).T @ (_rho(name, ours.fun / scale)[1] * ours.fun), atol=1e-5)


def _rho(name: str, f: np.ndarray) -> Any:
    loss: Any = as_loss(name)
    return loss(f**2)


def test_cost_is_half_the_sum_of_losses() -> None:
    fit = least_squares(residuals, [1, 1], loss="cauchy", f_scale=0.1)
    assert fit.cost == pytest.approx(0.5 * 0.01 * np.log1p((fit.fun / 0.1) ** 2).sum())


def test_large_scale_is_the_linear_loss() -> None:
    plain, robust = least_squares(residuals, [1, 1]), least_squares(residuals, [1, 1], loss="soft_l1", f_scale=1e6)
    np.testing.assert_allclose(robust.x, plain.x, rtol=1e-6)


def test_outliers_hardly_matter() -> None:
    robust, plain = least_squares(residuals, [1, 1], loss="cauchy", f_scale=0.02), least_squares(residuals, [1, 1])
    assert np.abs(robust.x - [2.5, 1.3]).max() < 0.05 < np.abs(plain.x - [2.5, 1.3]).max()


def test_callable_loss_is_taken_as_scipy_takes_it() -> None:
    def cauchy(z: np.ndarray) -> np.ndarray:
        return np.array([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])

    named, given = (least_squares(residuals, [1, 1], loss=loss, f_scale=0.1) for loss in ("cauchy", cauchy))
    np.testing.assert_array_equal(given.x, named.x)


def test_infinite_residuals_are_no_bargain_for_a_loss_that_levels_off() -> None:
    """arctan(inf) is finite: such a trial point must be rejected all the same."""
    level: Any = as_loss("arctan")
    assert Robust(level, 1.0).norm(np.array([1.0, np.inf])) == np.inf

    def walled(x: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.append(np.repeat(10 * (x - 3), 3), np.inf if x[0] > 1.5 else 0.0)

    fit = least_squares(walled, [1.0], loss="arctan")
    assert np.isfinite(fit.cost)
    assert fit.x[0] <= 1.5


@pytest.mark.parametrize("loss", ["square", None, 3, ""])
def test_unknown_loss_is_refused(loss: Any) -> None:
    with pytest.raises(OptionError, match="soft_l1"):
        least_squares(residuals, [1, 1], loss=loss)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "x", None])
def test_scale_that_is_not_positive_is_refused(scale: Any) -> None:
    with pytest.raises(OptionError, match="f_scale"):
        least_squares(residuals, [1, 1], loss="huber", f_scale=scale)


def test_loss_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 40\)"):
        least_squares(residuals, [1, 1], loss=lambda z: z)
    with pytest.raises(InputTypeError, match="None"):
        least_squares(residuals, [1, 1], loss=lambda z: None)
