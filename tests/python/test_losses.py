"""Robust losses: their formulas, SciPy's minima, and the gradient of what is minimized."""

import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from models import decay_of, decay_of_jacobian
from problems import mgh, strd
from problems._problem import Problem
from pyminpack import (
    InputTypeError,
    InputValueError,
    LeastSquaresResult,
    LevenbergMarquardt,
    OptionError,
    ShapeError,
    least_squares,
)

NAMES = ["soft_l1", "huber", "cauchy", "arctan"]
EXACT: dict[str, Callable[[Any], Any]] = {
    "soft_l1": lambda z: 2 * (mpmath.sqrt(1 + z) - 1),
    "huber": lambda z: z if z <= 1 else 2 * mpmath.sqrt(z) - 1,
    "cauchy": lambda z: mpmath.log(1 + z),
    "arctan": mpmath.atan,
}


def welsch(z: np.ndarray) -> np.ndarray:
    return np.array([-np.expm1(-z), np.exp(-z), -np.exp(-z)])


def geman_mcclure(z: np.ndarray) -> np.ndarray:
    return np.array([z / (1 + z), (1 + z) ** -2.0, -2 * (1 + z) ** -3.0])


def tukey(z: np.ndarray) -> list[np.ndarray]:
    rest = np.maximum(1 - z / 9, 0)
    return [3 * (1 - rest**3), rest**2, -2 / 9 * rest]


def convex(z: np.ndarray) -> tuple[np.ndarray, ...]:
    """One with a second derivative above zero, and a first of zero at z = 0."""
    return z**2, 2 * z, np.full_like(z, 2)


def lifted(z: np.ndarray) -> np.ndarray:
    """Cauchy's, but not zero at z = 0."""
    return np.array([3 + np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])


def humped(z: np.ndarray) -> np.ndarray:
    """One that decreases from z = 1 on."""
    return np.exp(-z) * np.array([z, 1 - z, z - 2])


CALLABLES = [welsch, geman_mcclure, tukey, convex, lifted, humped]
CONCAVE = [*NAMES, welsch, geman_mcclure, tukey]
FORTY = np.linspace(0, 4, 40)
OUTLIERS = np.zeros(40)
OUTLIERS[[3, 17, 30]] = 2.0, -1.5, 1.0
NOISE = 0.02 * np.cos(13 * FORTY**2)
SPOILT = 2.5 * np.exp(-1.3 * FORTY) + NOISE + OUTLIERS


def spoilt(x: np.ndarray) -> np.ndarray:
    return decay_of(x, FORTY, SPOILT)


def spoilt_jacobian(x: np.ndarray) -> np.ndarray:
    return decay_of_jacobian(x, FORTY, SPOILT)


def of_this_file(loss: Any, z: np.ndarray) -> np.ndarray:
    """The loss and its first two derivatives, by formulas of this file."""
    if callable(loss):
        return np.array(loss(z))
    return np.array([[float(mpmath.diff(EXACT[loss], value, order)) for value in z] for order in range(3)])


def at(loss: Any, f: Any, scale: float) -> LeastSquaresResult:
    """What is told of a fit whose parameters are its residuals, before it takes a step.

    Then `jac` is diagonal, with the factors that weight the rows of a Jacobian; and `grad` is the slope of the cost.
    """
    f = np.array(f, float)
    return LevenbergMarquardt(lambda x: x, f, lambda x: np.eye(f.size), loss=loss, f_scale=scale).result()


def weights(loss: Any, f: Any, scale: float) -> np.ndarray:
    jac = at(loss, f, scale).jac
    assert jac is not None
    np.testing.assert_array_equal(jac, np.diag(np.diag(jac)))
    return np.diag(jac)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("f", [0.0, 1e-9, -0.2, 0.29, 0.31, -0.9, 5.0, -1e6, 1e60, 1e150])
def test_corrected_problem_has_the_slope_of_the_cost_exactly(name: str, f: float) -> None:
    """By differences with 700 digits, of formulas of this file's own."""
    scale = 0.3
    told = at(name, [f], scale)
    with mpmath.workdps(700):
        c, h = mpmath.mpf(scale), mpmath.mpf(max(abs(f), 1)) / 10**25
        below, above = (c**2 * EXACT[name](((mpmath.mpf(f) + k * h) / c) ** 2) / 2 for k in (-1, 1))
        slope = float((above - below) / (2 * h))
    np.testing.assert_allclose(told.grad, slope, rtol=1e-14)


@pytest.mark.parametrize("loss", CALLABLES)
def test_corrected_problem_has_the_slope_of_any_loss(loss: Any) -> None:
    """Where curvature is positive, zero and negative, and where the loss decreases."""
    f, h = np.array([-1.2, -0.5, -0.2, 0.0, 0.01, 0.29, 0.31, 0.6]), 1e-6
    below, above = ([at(loss, [fi + k * h], 0.3).cost for fi in f] for k in (-1, 1))
    np.testing.assert_allclose(at(loss, f, 0.3).grad, np.subtract(above, below) / (2 * h), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("loss", CONCAVE)
def test_residuals_without_much_curvature_are_under_a_parabola_that_is_nowhere_below_the_cost(loss: Any) -> None:
    line = np.linspace(-4, 4, 161)
    costs = np.array([at(loss, [f], 0.3).cost for f in line])
    for start in (1.0, -1.3, 3.0):
        told, way = at(loss, [start], 0.3), line - start
        model = told.cost + told.grad * way + (told.jac[0] * way) ** 2 / 2
        assert (model >= costs - 1e-15).all()


@pytest.mark.parametrize("loss", [convex, humped])
def test_curvature_above_that_of_first_order_is_kept(loss: Any) -> None:
    """Of the second at z > 2, where it decreases and its second derivative is above zero."""
    z = np.array([0.5, 1.7]) if loss is convex else np.array([2.9, 4.0])
    _, first, second = loss(z)
    np.testing.assert_allclose(weights(loss, np.sqrt(z), 1.0) ** 2, first + 2 * z * second)


@pytest.mark.parametrize("name", NAMES)
def test_residuals_far_out_raise_no_warning(name: str) -> None:
    told = at(name, [1e140, -1.2e154, 3.0], 1.0)
    assert np.isfinite(told.cost)
    assert np.isfinite(told.grad).all()
    with pytest.raises(InputValueError, match="robust cost at x0 overflows"):
        at(name, [1.0, 1e160], 1.0)  # its square does


@pytest.mark.parametrize("name", NAMES)
def test_corrected_problem_has_the_curvature_of_the_cost_where_that_is_positive(name: str) -> None:
    f, h = np.array([-0.1, 0.01, 0.15]), 1e-4
    sides = [[at(name, f + k * h * e, 0.3).cost for k in (-1, 0, 1)] for e in np.eye(f.size)]
    np.testing.assert_allclose(weights(name, f, 0.3) ** 2, [(a - 2 * b + c) / h**2 for a, b, c in sides], rtol=1e-4)
    assert weights(name, [50.0], 0.3) > 0  # where it isn't


@pytest.mark.scipy
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.05, 0.5])
@pytest.mark.parametrize("jac", ["2-point", spoilt_jacobian], ids=["differences", "jacobian"])
def test_minimum_is_scipys(name: str, scale: float, jac: Any) -> None:
    import scipy.optimize

    options: dict[str, Any] = {"loss": name, "f_scale": scale}
    ours = least_squares(spoilt, [1, 1], jac, **options)
    theirs = scipy.optimize.least_squares(spoilt, [1, 1], jac, **options, ftol=1e-14, xtol=1e-14, gtol=1e-14)
    assert ours.success
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-7)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=2e-4)
    weighted = of_this_file(name, (ours.fun / scale) ** 2)[1] * ours.fun
    np.testing.assert_allclose(ours.grad, spoilt_jacobian(ours.x).T @ weighted, atol=1e-5)


@pytest.mark.scipy
@pytest.mark.parametrize("loss", [*NAMES, welsch])
@pytest.mark.parametrize("x", [[1.0, 1.0], [2.4, 1.2]])
def test_what_is_told_of_a_point_is_what_scipy_tells(loss: Any, x: list[float]) -> None:
    """But rows of `jac` for residuals without much curvature, where SciPy has next to nothing."""
    import scipy.optimize

    options: dict[str, Any] = {"loss": loss, "f_scale": 0.2}
    ours = LevenbergMarquardt(spoilt, x, spoilt_jacobian, **options).result()
    theirs = scipy.optimize.least_squares(spoilt, x, spoilt_jacobian, **options, max_nfev=1)
    np.testing.assert_array_equal(ours.x, theirs.x)
    np.testing.assert_array_equal(ours.fun, theirs.fun)
    np.testing.assert_array_equal(ours.fun, spoilt(np.array(x)))  # without weights
    for name in ("cost", "grad", "optimality"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-11, atol=1e-12)
    _, first, second = of_this_file(loss, (ours.fun / 0.2) ** 2)
    curved = first + 2 * (ours.fun / 0.2) ** 2 * second > 0.1 * first
    assert 0 < curved.sum() < curved.size
    np.testing.assert_allclose(ours.jac[curved], theirs.jac[curved], rtol=1e-11)
    plain = np.sqrt(first)[:, np.newaxis] * spoilt_jacobian(np.array(x))
    np.testing.assert_allclose(ours.jac[~curved], plain[~curved], rtol=1e-11)


def test_covariance_is_that_of_the_problem_that_stands_for_this_one() -> None:
    fit = least_squares(spoilt, [1, 1], spoilt_jacobian, loss="cauchy", f_scale=0.1)
    assert fit.reduced_chi2 == 2 * fit.cost / 38
    np.testing.assert_allclose(fit.cov, np.linalg.inv(fit.jac.T @ fit.jac) * fit.reduced_chi2, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_standard_errors_are_about_the_spread_of_fits(name: str) -> None:
    rng = np.random.default_rng(5)
    noise = np.where(rng.random((200, 40)) < 0.05, 8, 1) * rng.normal(0, 0.02, (200, 40))
    clean = 2.5 * np.exp(-1.3 * FORTY)
    fits = [
        least_squares(
            lambda x, e=e: x[0] * np.exp(-x[1] * FORTY) - clean - e, [2, 1], spoilt_jacobian, loss=name, f_scale=0.04
        )
        for e in noise
    ]
    low, high = np.quantile([fit.x for fit in fits], [0.16, 0.84], axis=0)
    assert (np.abs(np.log(np.mean([fit.stderr for fit in fits], axis=0) / (high - low) * 2)) < np.log(1.5)).all()


def outliers(m: int, size: float) -> np.ndarray:
    rng = np.random.default_rng([1, m])
    spikes = np.zeros(m)
    count = max(1, m // 10)
    spikes[rng.choice(m, count, replace=False)] = size * rng.uniform(-1, 1, count)
    return spikes


def contaminated() -> list[Any]:
    """NIST's data sets from the nearer start, MINPACK's problems from the standard one; a size of outliers, a scale."""
    cases = []
    for name in strd.names():
        data = strd.load(name)
        span = np.ptp(data.response)
        cases.append((data.problem(2), span / 2, max(2 * data.rsd, span / 1000)))
    for run in mgh.runs():
        if run.problem.name.endswith("-start1"):
            scale = max(run.case.best_norms[0] / np.sqrt(run.case.m), 0.01)
            cases.append((run.problem, 30 * scale, scale))
    return [pytest.param(*case, id=case[0].name) for case in cases]


# Where trf comes to a lower cost, by more than 1e-6 of it. All but the first and the last of these are minima, or
# stationary points at least: costs of these losses have several.
SLOW = "the sum of exponentials has no minimum at finite parameters: evaluations are used up on the way"
OTHER = "ends at another minimum"
SADDLE = "ends at a saddle: start and outliers leave all the parameters alike"
SECOND = "ends at the problem's other minimum, x = (0, ..., 0, n + 1), which only the last residual is felt at"
FLAT = "neither comes to an end: outliers everywhere, and a cost that has levelled off"
ELSEWHERE = {
    ("Lanczos1/2", "cauchy"): SLOW,
    ("Lanczos2/2", "cauchy"): SLOW,
    ("Lanczos3/2", "cauchy"): SLOW,
    ("linear-full-rank-50x5-start1", "cauchy"): SADDLE,
    ("linear-full-rank-50x5-start1", "arctan"): SADDLE,
    ("linear-rank-one-10x5-start1", "arctan"): OTHER,
    ("linear-rank-one-50x5-start1", "arctan"): OTHER,
    ("linear-rank-one-zeros-50x5-start1", "arctan"): OTHER,
    ("watson-31x6-start1", "cauchy"): OTHER,
    ("brown-dennis-20x4-start1", "arctan"): FLAT,
} | {(f"brown-almost-linear-{n}x{n}-start1", name): SECOND for n in (10, 30, 40) for name in NAMES[:3]}


@pytest.mark.scipy
@pytest.mark.parametrize(("problem", "size", "scale"), contaminated())
def test_no_minimum_of_the_table_with_outliers_is_above_scipys(problem: Problem, size: float, scale: float) -> None:
    import scipy.optimize

    spikes = outliers(problem.m, size)
    given = (lambda x: problem.residuals(x) - spikes, problem.start, problem.jacobian)
    for name in NAMES:
        options: dict[str, Any] = {"loss": name, "f_scale": scale}
        ours = least_squares(*given, **options)
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            theirs = scipy.optimize.least_squares(*given, **options, x_scale="jac")
        cause = ELSEWHERE.get((problem.name, name))
        if cause is None:
            assert ours.cost <= theirs.cost * (1 + 1e-6) + 1e-9 * scale**2 * problem.m, name
        elif cause not in (SLOW, FLAT):
            lengths = np.linalg.norm(ours.jac, axis=0)
            assert ours.success
            assert (np.abs(ours.grad) <= 1e-4 * lengths * np.sqrt(2 * ours.cost)).all(), name


def test_few_steps_are_rejected_where_every_residual_is_an_outlier() -> None:
    """With a small part of the curvature kept it takes some 30 evaluations and more."""
    for name in NAMES:
        fit = least_squares(spoilt, [1, 1], spoilt_jacobian, loss=name, f_scale=0.01)
        assert fit.success
        assert fit.nfev - fit.nit <= 4


def test_cost_is_half_the_sum_of_losses() -> None:
    fit = least_squares(spoilt, [1, 1], loss="cauchy", f_scale=0.1)
    assert fit.cost == pytest.approx(0.5 * 0.01 * np.log1p((fit.fun / 0.1) ** 2).sum())


def test_large_scale_is_the_linear_loss() -> None:
    plain, robust = least_squares(spoilt, [1, 1]), least_squares(spoilt, [1, 1], loss="soft_l1", f_scale=1e6)
    np.testing.assert_allclose(robust.x, plain.x, rtol=1e-6)


def test_outliers_hardly_matter() -> None:
    robust, plain = least_squares(spoilt, [1, 1], loss="cauchy", f_scale=0.02), least_squares(spoilt, [1, 1])
    assert np.abs(robust.x - [2.5, 1.3]).max() < 0.05 < np.abs(plain.x - [2.5, 1.3]).max()


def test_callable_loss_is_taken_as_scipy_takes_it() -> None:
    def cauchy(z: np.ndarray) -> np.ndarray:
        return np.array([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])

    named, given = (least_squares(spoilt, [1, 1], loss=loss, f_scale=0.1) for loss in ("cauchy", cauchy))
    np.testing.assert_array_equal(given.x, named.x)


def test_infinite_residuals_are_no_bargain_for_a_loss_that_levels_off() -> None:
    """arctan(inf) is finite: such a trial point must be rejected all the same."""

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
        least_squares(spoilt, [1, 1], loss=loss)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "x", None])
def test_scale_that_is_not_positive_is_refused(scale: Any) -> None:
    with pytest.raises(OptionError, match="f_scale"):
        least_squares(spoilt, [1, 1], loss="huber", f_scale=scale)


def test_scale_for_each_residual_is_refused() -> None:
    """As SciPy has it, which compares costs of as many elements."""
    for scale in (np.full(40, 0.1), [0.1], np.array([0.1])):
        with pytest.raises(OptionError, match="f_scale"):
            least_squares(spoilt, [1, 1], loss="huber", f_scale=scale)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("loss", "error", "match"),
    [
        (lambda z: z, ShapeError, r"\(40,\).*need \(3, 40\)"),
        (lambda z: welsch(z).T, ShapeError, r"\(40, 3\).*need \(3, 40\)"),
        (lambda z: welsch(z)[:2], ShapeError, r"\(2, 40\).*need \(3, 40\)"),
        (lambda z: (z, 1.0, 0.0), ShapeError, "loss gave a tuple that cannot become an array"),
        (lambda z: None, InputTypeError, "loss gave None .*return"),
        (lambda z: welsch(z) + 0j, InputTypeError, "loss gave .*complex128"),
        (lambda z: [["a"] * 40] * 3, InputTypeError, "loss gave a list of dtype"),
        (lambda z: welsch(z) * np.nan, InputValueError, "loss gave nan for rho at z = .*residual 0; it must be"),
        (lambda z: welsch(z) - 1, InputValueError, "sum of -.*add a constant"),
    ],
)
def test_loss_that_is_none_is_refused_with_the_reason(loss: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        least_squares(spoilt, [1, 1], loss=loss)


def test_derivative_that_is_not_finite_is_refused_with_the_place() -> None:
    """rho = sqrt(z), whose derivative at zero is infinite; the Jacobian isn't to blame."""

    def absolute(z: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.array([np.sqrt(z), 0.5 / np.sqrt(z), -0.25 * z**-1.5])

    with pytest.raises(InputValueError, match="inf for the derivative of rho at z = 0, that of residual 1"):
        least_squares(lambda x: np.array([x[0] - 3, 0.0]), [1.0], loss=absolute)


@pytest.mark.parametrize("second", [np.nan, np.inf, -np.inf])
def test_second_derivative_that_is_not_finite_leaves_the_first_order(second: float) -> None:
    def without_second(z: np.ndarray) -> np.ndarray:
        return np.array([np.log1p(z), 1 / (1 + z), np.full_like(z, second)])

    f = np.array([0.1, -2.0])
    np.testing.assert_allclose(weights(without_second, f, 1.0) ** 2, 1 / (1 + f**2))
    fit, known = (least_squares(spoilt, [1, 1], loss=loss, f_scale=0.1) for loss in (without_second, "cauchy"))
    np.testing.assert_allclose(fit.x, known.x, rtol=1e-4)


def test_loss_that_is_not_zero_at_zero_has_the_same_minimum() -> None:
    fit, known = (least_squares(spoilt, [1, 1], loss=loss, f_scale=0.1) for loss in (lifted, "cauchy"))
    assert fit.success
    assert fit.cost == pytest.approx(known.cost + 0.5 * 3 * 40 * 0.1**2)
    np.testing.assert_allclose(fit.x, known.x, rtol=1e-4)


def test_loss_that_overflows_at_a_trial_point_is_a_rejected_step() -> None:
    def overflowing(z: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.array([z**2 / (z + z**2 + 1e-300), 1 / (1 + z) ** 2, -2 / (1 + z) ** 3])

    def steep(x: np.ndarray) -> np.ndarray:
        return np.exp(np.minimum(x[0] * np.array([20.0, 30.0, 300.0]), 300)) - np.exp([2.0, 3.0, 30.0])

    assert np.isnan(overflowing(np.array([1e240]))[0]).all()
    fit = least_squares(steep, [0.09], loss=overflowing, f_scale=10)
    assert fit.success
    assert fit.x[0] == pytest.approx(0.1)
