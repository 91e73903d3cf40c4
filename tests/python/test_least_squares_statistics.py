"""Statistics of a fit by least_squares: where they are taken, what they are in special cases, how they read."""

import copy
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest

from checks import quietly
from measures import Clock
from models import START, T, Y, jacobian, residuals
from problems.strd import load
from pyminpack import (
    LeastSquaresResult,
    LeastSquaresState,
    LevenbergMarquardt,
    UnidentifiableWarning,
    covariance,
    least_squares,
)

EPS = np.finfo(float).eps
FAR = np.array([-3.0, 8.0])  # steps from here are rejected now and then


def exact_inverse(jac: np.ndarray) -> np.ndarray:
    """(JᵀJ)⁻¹ by 60 digits."""
    with mpmath.workdps(60):
        matrix = mpmath.matrix(jac.tolist())
        return np.array(((matrix.T * matrix) ** -1).tolist(), dtype=float)


def is_covariance_at(fit: LeastSquaresResult, x: np.ndarray) -> None:
    """Jacobian and covariance are those at x, the variance that of the residuals there."""
    np.testing.assert_array_equal(fit.x, x)
    assert fit.jac is not None
    np.testing.assert_array_equal(fit.jac, jacobian(x))
    np.testing.assert_array_equal(fit.fun, residuals(x))
    variance = (residuals(x) ** 2).sum() / (T.size - x.size)
    np.testing.assert_allclose(fit.cov, exact_inverse(jacobian(x)) * variance, rtol=1e-10)


def assert_not_known(fit: LeastSquaresResult) -> None:
    """There is no finite Jacobian to tell anything of the parameters, and no warning that the data leave them open."""
    n = fit.x.size
    for value, shape in ((fit.cov, (n, n)), (fit.stderr, (n,)), (fit.correlation, (n, n)), (fit.cond, ())):
        np.testing.assert_array_equal(value, np.full(shape, np.nan))
    assert fit.rank == 0


# ------------------------------------------------------------------------------------------------ where they are taken


class Visited:
    """The residuals, and the points where they were asked for."""

    def __init__(self) -> None:
        self.points: list[np.ndarray] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.points.append(x.copy())
        return residuals(x)

    def with_jacobian(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self(x), jacobian(x)

    def best(self, nfev: int) -> np.ndarray:
        """Of the points that the fit has tried: what comes after them are differences to check the Jacobian by."""
        return min(self.points[:nfev], key=lambda x: float((residuals(x) ** 2).sum()))


@pytest.mark.parametrize("together", [False, True], ids=["jac", "jac=True"])
@pytest.mark.parametrize("watched", [False, True], ids=["core", "python"])
def test_statistics_are_those_of_the_best_point_wherever_evaluations_end(watched: bool, together: bool) -> None:
    rejected = 0
    for limit in range(1, 18):
        record = Visited()
        fun, jac = (record.with_jacobian, True) if together else (record, jacobian)
        fit = least_squares(
            fun, FAR, jac, max_nfev=limit, gtol=0, callback=(lambda intermediate_result: None) if watched else None
        )
        is_covariance_at(fit, record.best(fit.nfev))
        rejected += not np.array_equal(record.points[fit.nfev - 1], fit.x)
    assert rejected >= 2  # that the last point was not the best one


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_differences_are_taken_at_the_best_point(jac: Any) -> None:
    for limit in (*range(1, 12), None):
        fit = least_squares(residuals, FAR, jac, max_nfev=limit)
        assert fit.jac is not None
        np.testing.assert_allclose(fit.jac, jacobian(fit.x), rtol=1e-5, atol=1e-6)
        variance = (residuals(fit.x) ** 2).sum() / 18
        np.testing.assert_allclose(fit.cov, exact_inverse(fit.jac) * variance, rtol=1e-10)


@pytest.mark.parametrize("steps", range(1, 8))
def test_statistics_where_a_callback_stops(steps: int) -> None:
    def stops(state: LeastSquaresState) -> bool:
        return state.nit == steps

    def raises(state: LeastSquaresState) -> None:
        if state.nit == steps:
            raise StopIteration

    for callback in (stops, raises):
        record = Visited()
        fit = least_squares(record, FAR, jacobian, callback=callback)
        assert fit.status == -2
        is_covariance_at(fit, record.best(fit.nfev))


@pytest.mark.parametrize("given", [True, False], ids=["jacobian", "differences"])
def test_statistics_at_a_timeout(given: bool, clock: Clock) -> None:
    """Either those of the Jacobian at x, or none at all."""
    known = unknown = 0
    for seconds in range(1, 25):
        record = Visited()
        fit = least_squares(
            clock.timed(record if given else residuals), FAR, clock.timed(jacobian) if given else "2-point",
            timeout=seconds + 0.5,
        )  # fmt: skip
        assert fit.status == -3
        if fit.jac is None:
            unknown += 1
            assert_not_known(fit)
            assert np.isnan(fit.cond)
            assert fit.unidentifiable.all()
            assert "rank and standard errors are not known" in fit.summary()
            assert "not determined" not in fit.summary()
        else:
            known += 1
            np.testing.assert_allclose(fit.jac, jacobian(fit.x), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(fit.cov, exact_inverse(fit.jac) * (residuals(fit.x) ** 2).sum() / 18, rtol=1e-10)
    assert known > 1
    assert unknown > 1


def test_result_in_the_middle_of_a_fit_stays_as_it_was() -> None:
    """The fit goes on with the arrays that a result has its statistics from."""
    fit = LevenbergMarquardt(residuals, FAR, jacobian, bounds=([-4, 0], [2.2, 20]))
    early = []
    while fit.is_running:
        fit.step()
        early.append(fit.result())
    assert len(early) > 4
    assert early[-1].active_mask.any()
    for result in early:
        held = result.active_mask * result.grad < 0
        variance = (residuals(result.x) ** 2).sum() / (20 - np.count_nonzero(~held))
        expected = np.full((2, 2), np.nan)
        expected[np.ix_(~held, ~held)] = exact_inverse(jacobian(result.x)[:, ~held]) * variance
        np.testing.assert_allclose(result.cov, expected, rtol=1e-10)


# ------------------------------------------------------------------------------------------------ linear problems


def linear(jac: np.ndarray, seed: int = 0, **options: Any) -> LeastSquaresResult:
    """A fit of a linear model with this Jacobian."""
    right = np.random.default_rng(seed).normal(size=jac.shape[0])
    return least_squares(lambda x: jac @ x - right, np.zeros(jac.shape[1]), lambda x: jac, **options)


def whole_numbers(seed: int, m: int, n: int) -> np.ndarray:
    """A Jacobian that sums and differences of columns belong to without rounding."""
    return np.random.default_rng(seed).integers(-9, 10, (m, n)) * 1.0


@pytest.mark.parametrize("seed", range(10))
def test_covariance_to_ten_digits(seed: int) -> None:
    jac = whole_numbers(seed, 12, 4)
    fit = linear(jac)
    variance = (fit.fun**2).sum() / 8
    cov = exact_inverse(jac) * variance
    np.testing.assert_allclose(fit.cov, cov, rtol=1e-10, atol=1e-13 * variance)
    np.testing.assert_allclose(fit.stderr, np.sqrt(np.diag(cov)), rtol=1e-10)
    errors = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(fit.correlation, cov / np.outer(errors, errors), rtol=1e-10, atol=1e-13)
    pseudo = np.linalg.pinv(jac)
    np.testing.assert_allclose(fit.cov, pseudo @ pseudo.T * variance, rtol=1e-10, atol=1e-13 * variance)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("units", [False, True])
def test_pseudo_inverse_on_what_is_determined(seed: int, units: bool) -> None:
    """x[1], x[3] and x[4] do what two of them could; x[0] and x[2] are determined."""
    independent = whole_numbers(seed, 15, 4)
    scale = np.array([1e12, 1e-12, 1e-12, 1e12, 1.0]) if units else np.ones(5)
    jac = np.column_stack([independent, independent[:, 1] - 2 * independent[:, 3]]) * scale
    fit = linear(jac)
    with pytest.warns(UnidentifiableWarning) as caught:
        cov = fit.cov
    assert len(caught) == 1
    assert "x[1], x[3], x[4]: the Jacobian has rank 4 for 5 parameters" in str(caught[0].message)
    assert fit.rank == 4
    assert fit.cond == np.inf
    assert fit.unidentifiable.tolist() == [False, True, False, True, True]

    variance = (fit.fun**2).sum() / 10
    known, pair = np.array([0, 2]), np.ix_([0, 2], [0, 2])
    expected = exact_inverse(independent)[pair] * variance / np.outer(scale[known], scale[known])
    np.testing.assert_allclose(cov[pair], expected, rtol=1e-10, atol=1e-14 * np.abs(expected).max() * (not units))
    np.testing.assert_allclose(fit.stderr[known], np.sqrt(np.diag(expected)), rtol=1e-10)
    pseudo = np.linalg.pinv(jac / scale)  # any generalized inverse tells the same of these
    np.testing.assert_allclose(
        (pseudo @ pseudo.T)[pair] * variance, cov[pair] * np.outer(scale, scale)[pair], rtol=1e-9
    )
    assert np.isinf(fit.stderr[fit.unidentifiable]).all()
    assert np.isinf(np.diag(cov)[fit.unidentifiable]).all()
    beside = ~np.eye(5, dtype=bool)
    beside[pair] = False
    assert np.isnan(cov[beside]).all()
    assert np.isnan(fit.correlation[beside]).all()


def test_units_leave_the_rank_as_it_is() -> None:
    jac = whole_numbers(1, 15, 3)
    plain = linear(jac)
    for scale in (np.array([1e-12, 1e12, 1.0]), np.array([1e12, 1e12, 1e-12])):
        fit = linear(jac * scale)
        assert fit.rank == 3
        assert not fit.unidentifiable.any()
        np.testing.assert_allclose(fit.stderr * scale, plain.stderr, rtol=1e-10)
        np.testing.assert_allclose(fit.correlation, plain.correlation, rtol=1e-10)
        assert fit.cond == pytest.approx(plain.cond, rel=1e-6)


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", None])
def test_units_of_a_model_leave_the_rank_as_it_is(jac: Any) -> None:
    fit = least_squares(
        lambda x: residuals(x * [1e12, 1e-12]), [1e-12, 1e12],
        jac or (lambda x: jacobian(x * [1e12, 1e-12]) * [1e12, 1e-12]),
    )  # fmt: skip
    assert fit.rank == 2
    plain = least_squares(residuals, START, jacobian)
    np.testing.assert_allclose(fit.stderr * [1e12, 1e-12], plain.stderr, rtol=1e-5)


def test_errors_survive_variances_that_no_float_holds() -> None:
    fit = linear(whole_numbers(2, 10, 2) * [1e-200, 1e200])
    plain = linear(whole_numbers(2, 10, 2))
    np.testing.assert_allclose(fit.stderr * np.array([1e-200, 1e200]), plain.stderr, rtol=1e-12)
    np.testing.assert_allclose(fit.correlation, plain.correlation, rtol=1e-12)
    assert fit.rank == 2


def test_errors_survive_a_cost_that_no_float_holds() -> None:
    """Squares of residuals of 1e-200 are 0; the standard errors, relative to the data, are those at any scale."""

    def fit(size: float) -> Any:
        return least_squares(lambda x: size * residuals(x), START)

    tiny, plain = fit(1e-200), fit(1.0)
    assert tiny.cost == 0 < plain.cost
    np.testing.assert_allclose(tiny.stderr, plain.stderr, rtol=1e-3)


# ------------------------------------------------------------------------------------------------ the rule of the rank


@pytest.mark.parametrize("sine", [1, 5, 9, 11, 20, 1000])
@pytest.mark.parametrize("m", [2, 3, 9, 40])
def test_rank_is_by_the_rule_of_covariance(m: int, sine: float) -> None:
    """Roundings that an angle between two columns is worth; as many as rows count as none, but ten in any case."""
    jac = np.zeros((m, 2))
    jac[0] = 1
    jac[1, 1] = sine * EPS
    fit = linear(jac)
    known = quietly(lambda: covariance(jac))
    assert fit.rank == known.rank == (2 if sine > max(m, 10) else 1)
    np.testing.assert_array_equal(fit.unidentifiable, known.unidentifiable)
    assert fit.cond == known.cond


def test_error_of_differences_counts_as_rounding_of_the_jacobian() -> None:
    base = whole_numbers(3, 12, 3)
    base[:, 2] = base[:, 0] + 1e-9 * base[:, 2]

    def model(x: np.ndarray) -> np.ndarray:
        return base @ x - np.arange(12)

    ranks = {jac: least_squares(model, np.ones(3), jac).rank for jac in ("2-point", "3-point", "cs")}
    assert ranks == {"2-point": 2, "3-point": 2, "cs": 3}
    assert least_squares(model, np.ones(3), lambda x: base).rank == 3


def test_covariance_tells_the_same_of_the_jacobian() -> None:
    fit = least_squares(residuals, START, jacobian)
    assert fit.jac is not None
    known = covariance(fit.jac, variance=fit.reduced_chi2 or 0)
    np.testing.assert_allclose(known.cov, fit.cov, rtol=1e-12)
    np.testing.assert_allclose(known.stderr, fit.stderr, rtol=1e-12)
    np.testing.assert_allclose(known.correlation, fit.correlation, rtol=1e-12)
    assert known.rank == fit.rank
    assert known.unidentifiable.dtype == fit.unidentifiable.dtype == bool
    assert known.unidentifiable.shape == fit.unidentifiable.shape == fit.active_mask.shape


# ------------------------------------------------------------------------------------------------ special cases


def test_fixed_parameters_have_no_error() -> None:
    """And the others the one that they have in a model without them."""

    def offset(x: np.ndarray) -> np.ndarray:
        return residuals(x[1:]) + x[0]

    fit = least_squares(
        offset, [0.25, 1, 1], lambda x: np.column_stack([T**0, jacobian(x[1:])]), fixed=[True, False, False]
    )
    alone = least_squares(lambda x: residuals(x) + 0.25, START, jacobian)
    assert (fit.dof, fit.rank) == (18, 2)
    assert fit.cond == pytest.approx(alone.cond, rel=1e-9)
    np.testing.assert_allclose(fit.cov[1:, 1:], alone.cov, rtol=1e-9)
    assert not fit.cov[0].any()
    assert not fit.cov[:, 0].any()
    assert fit.stderr[0] == 0
    np.testing.assert_allclose(fit.stderr[1:], alone.stderr, rtol=1e-9)
    assert np.isnan(fit.correlation[0]).all()
    assert np.isnan(fit.correlation[:, 0]).all()
    np.testing.assert_array_equal(np.diag(fit.correlation)[1:], 1)
    assert not fit.unidentifiable.any()


def test_warning_has_the_numbers_of_all_parameters() -> None:
    fit = least_squares(
        lambda x: (x[1] + x[3]) * T + x[2] - Y + 0 * x[0], [4.0, 1.0, 1.0, 1.0], fixed=[True, False, False, False]
    )
    with pytest.warns(UnidentifiableWarning, match=r"x\[1\], x\[3\]: the Jacobian has rank 2 for 3 free parameters"):
        stderr = fit.stderr
    assert np.isinf(stderr).tolist() == [False, True, False, True]
    assert stderr[0] == 0
    assert fit.unidentifiable.tolist() == [False, True, False, True]


def test_parameter_that_a_bound_holds_counts_as_fixed_there() -> None:
    fit = least_squares(residuals, START, jacobian, bounds=([0, 0], [2.2, 5]))
    assert fit.active_mask.tolist() == [1, 0]
    assert (fit.dof, fit.rank) == (19, 1)
    fixed = least_squares(residuals, fit.x, jacobian, fixed=[True, False])
    assert fixed.dof == 19
    expected = np.sqrt(2 * fixed.cost / 19) / np.linalg.norm(jacobian(fixed.x)[:, 1])
    np.testing.assert_allclose(fixed.stderr, [0, expected], rtol=1e-10)
    np.testing.assert_allclose(fit.stderr, [np.nan, expected], rtol=1e-6)
    np.testing.assert_allclose(fit.cov, [[np.nan, np.nan], [np.nan, expected**2]], rtol=1e-6)


def test_parameter_at_a_bound_that_does_not_hold_it_counts_as_free() -> None:
    loose = least_squares(lambda x: np.append(x - [1.0, 2.0], 1.0), [0.5, 2.0], bounds=([0, 0], [1, 2]))
    assert loose.active_mask.tolist() == [1, 1]
    assert loose.rank == 2


def test_every_parameter_held_by_a_bound() -> None:
    fit = least_squares(residuals, START, jacobian, bounds=([0, 1], [1, 2]))
    assert fit.active_mask.tolist() == [1, -1]
    assert (fit.dof, fit.rank) == (20, 0)
    assert np.isnan(fit.cond)
    assert np.isnan(fit.cov).all()
    assert np.isnan(fit.stderr).all()
    assert not fit.unidentifiable.any()


def test_parameters_that_bounds_leave_free_among_fixed_ones() -> None:
    def model(x: np.ndarray) -> np.ndarray:
        return x[0] * np.exp(-x[1] * T) + x[2] + x[3] * T - Y

    fit = least_squares(model, [1, 1, 0.5, 0.3], bounds=([0, 0, 0.2, -9], 9), fixed=[False, True, False, False])
    assert fit.active_mask.tolist() == [0, 0, -1, 0]
    assert fit.dof == 18
    assert fit.jac is not None
    alone = covariance(fit.jac[:, [0, 3]], variance=2 * fit.cost / 18)
    np.testing.assert_allclose(fit.cov[np.ix_([0, 3], [0, 3])], alone.cov, rtol=1e-10)
    np.testing.assert_array_equal(fit.cov[1], np.zeros(4))  # a constant
    np.testing.assert_array_equal(fit.cov[2], [np.nan, 0, np.nan, np.nan])  # held
    np.testing.assert_array_equal(fit.cov, fit.cov.T)
    np.testing.assert_array_equal(fit.stderr[[1, 2]], [0, np.nan])


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_as_many_residuals_as_parameters(jac: Any) -> None:
    fit = least_squares(lambda x: np.array([x[0] - 3, x[0] * x[1] - 2]), [2.0, 3.0], jac)
    assert fit.dof == 0
    for value in (fit.reduced_chi2, fit.cov, fit.stderr):
        assert np.isnan(value).all()
    np.testing.assert_allclose(fit.correlation, covariance(fit, variance=1).correlation)
    assert (fit.rank, fit.unidentifiable.tolist()) == (2, [False, False])
    assert np.isfinite(fit.cond)
    assert fit.jac is not None
    assert np.isfinite(covariance(fit.jac, variance=0.01).stderr).all()


def test_as_many_residuals_as_free_parameters() -> None:
    fit = least_squares(lambda x: x[:2] - x[2], np.ones(3), fixed=[False, False, True])
    assert fit.dof == 0
    assert np.isnan(fit.reduced_chi2)
    np.testing.assert_array_equal(fit.stderr, [np.nan, np.nan, 0])


def test_parameters_that_are_open_without_degrees_of_freedom() -> None:
    """Their standard errors are infinite whatever the variance of the residuals; that of the other is not known."""
    fit = least_squares(lambda x: np.append((x[0] + x[1]) * np.array([1.0, 2.0]), x[2]) - 1, np.ones(3))
    with pytest.warns(UnidentifiableWarning, match=r"x\[0\], x\[1\]: the Jacobian has rank 2 for 3 parameters"):
        np.testing.assert_array_equal(fit.stderr, [np.inf, np.inf, np.nan])
    assert (fit.dof, fit.rank) == (0, 2)
    assert fit.unidentifiable.tolist() == [True, True, False]


def test_exact_fit() -> None:
    jac = whole_numbers(4, 9, 3)
    fit = least_squares(lambda x: jac @ x, np.zeros(3), lambda x: jac)
    assert (fit.cost, fit.reduced_chi2, fit.rank) == (0, 0, 3)
    assert not fit.cov.any()
    assert not fit.stderr.any()
    cov = exact_inverse(jac)
    errors = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(fit.correlation, cov / np.outer(errors, errors), rtol=1e-10)


def test_exact_fit_that_does_not_determine_a_parameter() -> None:
    fit = least_squares(lambda x: x[0] * T + 0 * x[1], np.zeros(2))
    with pytest.warns(UnidentifiableWarning, match=r"parameter x\[1\]: .*; its standard error is inf"):
        assert fit.stderr is not None
    assert fit.stderr.tolist() == [0, np.inf]


@pytest.mark.parametrize("loss", ["soft_l1", "huber", "cauchy", "arctan"])
def test_covariance_of_a_robust_fit_is_that_of_its_jacobian(loss: Any) -> None:
    fit = least_squares(residuals, START, jacobian, loss=loss, f_scale=0.05)
    assert fit.jac is not None
    np.testing.assert_allclose(fit.cov, exact_inverse(fit.jac) * 2 * fit.cost / 18, rtol=1e-10)


def test_jacobian_that_is_not_finite_tells_nothing() -> None:
    fit = least_squares(residuals, START, lambda x: jacobian(x) * np.nan)
    assert fit.status == -4
    assert_not_known(fit)
    assert fit.unidentifiable.all()


# ------------------------------------------------------------------------------------------------ the warning


def collinear() -> LeastSquaresResult:
    return least_squares(lambda x: (x[0] + x[1]) * np.exp(-x[2] * T) - Y, np.ones(3))


@pytest.mark.parametrize("ask", [
    lambda fit: fit.cov,
    lambda fit: fit.stderr,
    lambda fit: fit.correlation,
    lambda fit: fit["stderr"],
    lambda fit: fit.get("correlation"),
    lambda fit: {**fit},
    lambda fit: pickle.loads(pickle.dumps(fit)).cov,
])  # fmt: skip
def test_warning_comes_once_and_points_to_who_asks(ask: Callable[[LeastSquaresResult], Any]) -> None:
    fit = collinear()
    with pytest.warns(UnidentifiableWarning) as caught:
        ask(fit)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_warning_comes_no_more() -> None:
    fit = collinear()
    quietly(lambda: fit.stderr)
    _ = fit.cov, fit.stderr, fit.correlation, fit["cov"], {**fit}
    _ = copy.copy(fit).cov, pickle.loads(pickle.dumps(fit)).stderr


def test_no_warning_without_a_question() -> None:
    fit = collinear()
    _ = repr(fit), fit.summary(), fit.rank, fit.cond, fit.unidentifiable, fit.dof, fit.reduced_chi2, fit.keys()
    copy.deepcopy(fit)


def test_warning_that_is_an_error_comes_again() -> None:
    fit = collinear()
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UnidentifiableWarning, match="x"):
                _ = fit.stderr


# ------------------------------------------------------------------------------------------------ as it reads, travels


def late() -> LeastSquaresResult:
    return least_squares(residuals, START, timeout=1e-9)


EDGES: dict[str, Callable[[], LeastSquaresResult]] = {
    "plain": lambda: least_squares(residuals, START),
    "collinear": collinear,
    "exact": lambda: least_squares(lambda x: x[0] * T + x[1], np.zeros(2)),
    "square": lambda: least_squares(lambda x: x - 3, START),
    "square, collinear": lambda: least_squares(lambda x: x.sum() * np.ones(2) - 3, START),
    "no response": lambda: least_squares(lambda x: Y + 0 * x[0], START),
    "not finite": lambda: least_squares(residuals, START, lambda x: np.full((20, 2), np.nan)),
    "late": late,
    "fixed": lambda: least_squares(residuals, START, fixed=[True, False]),
    "at bounds": lambda: least_squares(residuals, [0.5, 3], bounds=([0, 2], [1, 3])),
    "bound, collinear": lambda: least_squares(
        lambda x: (x[0] + x[1]) * np.exp(-x[2] * T) - Y, np.ones(3), bounds=([0, 0, 0], [1, 1, 9])
    ),
    "units": lambda: linear(whole_numbers(5, 9, 3) * [1e-200, -1e12, 1e200]),
    "overflow": lambda: least_squares(lambda x: 1e200 * residuals(x), START),
    "one": lambda: least_squares(lambda x: x - 3, [-1e-300]),
    "many": lambda: linear(np.eye(300, 130) * 1e-3),
    "limit": lambda: least_squares(residuals, FAR, max_nfev=1),
    "robust": lambda: least_squares(residuals, START, loss="cauchy"),
}


@pytest.fixture(params=EDGES)
def edge(request: Any) -> Iterator[LeastSquaresResult]:
    return EDGES[request.param]()  # type: ignore[return-value]


def test_summary_is_a_table(edge: LeastSquaresResult) -> None:
    text = edge.summary()
    lines = text.splitlines()
    assert lines[0] == edge.message
    end, width = lines[1].index("value") + len("value"), len(lines[1])
    assert lines[1].endswith("std. error")
    for j, line in enumerate(lines[2 : 2 + edge.x.size]):
        assert line[:8].strip() == f"x[{j}]"
        assert float(line[8:end]) == pytest.approx(edge.x[j], rel=1e-6)
        assert line[end - 1] != " "
        assert line[width - 1] != " "
        assert line[end:width].strip() == "-" or float(line[end:width]) >= 0
        assert len(line) == width or line[width : width + 2] == "  "
    assert len(lines) == edge.x.size + 5
    assert "nan" not in text.replace(edge.message, "")
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines[1:])) <= 100


def test_summary_says_what_there_is_of_each_parameter() -> None:
    at = {name: EDGES[name]().summary().splitlines() for name in EDGES}
    assert at["fixed"][2].split()[2:] == ["-", "fixed"]
    assert at["collinear"][2].split(maxsplit=3)[2:] == ["inf", "not determined by the data"]
    assert at["bound, collinear"][2].endswith("-  at its upper bound")
    assert at["at bounds"][3].endswith("  at its lower bound")
    assert at["square"][2].split() == ["x[0]", "3", "-"]
    assert at["square"][4] == "cost 0, degrees of freedom 0, reduced chi-squared none"
    assert at["exact"][2].split() == ["x[0]", "0", "0"]
    assert at["late"][2].split() == ["x[0]", "1", "-"]
    assert at["late"][5] == at["not finite"][5] == "no finite Jacobian at x: rank and standard errors are not known"
    assert at["collinear"][6] == "rank 2 of 3, condition number inf"
    assert at["fixed"][5].startswith("rank 1 of 1, condition number 1")


def test_repr_is_aligned(edge: LeastSquaresResult) -> None:
    lines = repr(edge).splitlines()
    assert lines[0] == "LeastSquaresResult"
    place = lines[1].index(": ")
    named = [line for line in lines[1:] if line[place : place + 2] == ": " and line[:place].strip()]
    assert [line[:place].strip() for line in named][:3] == ["message", "success", "status"]
    assert {"x", "stderr", "unidentifiable", "rank", "cond"} <= {line[:place].strip() for line in named}
    for line in lines[1:]:
        assert line in named or line[: place + 2].strip() == ""
    assert len(lines) < 60


@pytest.mark.parametrize("duplicate", [
    copy.copy,
    copy.deepcopy,
    lambda fit: pickle.loads(pickle.dumps(fit)),
    lambda fit: pickle.loads(pickle.dumps(fit, protocol=2)),
], ids=["copy", "deepcopy", "pickle", "protocol 2"])  # fmt: skip
@pytest.mark.parametrize("asked", [False, True])
def test_copies_tell_the_same(edge: LeastSquaresResult, duplicate: Callable[[Any], Any], asked: bool) -> None:
    told = quietly(lambda: {**edge}) if asked else None
    other = duplicate(edge)
    assert isinstance(other, LeastSquaresResult)
    assert (repr(other), other.summary()) == (repr(edge), edge.summary())
    theirs = quietly(lambda: {**other})
    mine = told or quietly(lambda: {**edge})
    assert theirs.keys() == mine.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(theirs[name], value)


# ------------------------------------------------------------------------------------------------ SciPy's covariance


def peak(t: np.ndarray, height: float, centre: float, width: float, base: float) -> np.ndarray:
    return height * np.exp(-(((t - centre) / width) ** 2)) + base


def decay(t: np.ndarray, height: float, rate: float) -> np.ndarray:
    return height * np.exp(-rate * t)


def saturation(t: np.ndarray, top: float, half: float) -> np.ndarray:
    return top * t / (half + t)


def wave(t: np.ndarray, size: float, frequency: float, phase: float) -> np.ndarray:
    return size * np.cos(frequency * t + phase)


MODELS: dict[str, tuple[Callable[..., np.ndarray], list[float], list[float]]] = {
    "peak": (peak, [3.0, 2.0, 0.7, 0.3], [2.0, 1.8, 1.0, 0.0]),
    "decay": (decay, [2.5, 1.3], [1.0, 1.0]),
    "saturation": (saturation, [5.0, 0.8], [1.0, 1.0]),
    "wave": (wave, [1.5, 2.2, 0.4], [1.0, 2.0, 0.0]),
    "units": (lambda t, a, b: decay(t, a * 1e9, b * 1e-9), [2.5e-9, 1.3e9], [1e-9, 1e9]),
}


def is_close_to(cov: np.ndarray | None, expected: np.ndarray) -> None:
    """As close as differences allow, each entry in the units of its parameters."""
    errors = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(cov / np.outer(errors, errors), expected / np.outer(errors, errors), atol=2e-6)


@pytest.mark.parametrize("name", MODELS)
def test_covariance_is_that_of_scipys_curve_fit(name: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    model, truth, start = MODELS[name]
    t = np.linspace(0.1, 4, 60)
    y = model(t, *truth) + 0.05 * np.random.default_rng(8).normal(size=60)
    tight = {"ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}
    x, cov = optimize.curve_fit(model, t, y, start, **tight)
    for jac in ("2-point", "3-point"):
        fit = least_squares(lambda x: model(t, *x) - y, start, jac, **tight)
        np.testing.assert_allclose(fit.x, x, rtol=1e-6)
        is_close_to(fit.cov, cov)
    errors = 0.01 + 0.02 * t  # known ones
    x, cov = optimize.curve_fit(model, t, y, start, sigma=errors, absolute_sigma=True, **tight)
    fit = least_squares(lambda x: (model(t, *x) - y) / errors, start, **tight)
    assert fit.jac is not None
    is_close_to(covariance(fit.jac).cov, cov)


def test_covariance_of_a_jacobian_at_a_bound_is_that_of_scipys_curve_fit() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    bounds = ([0, 0], [2.2, 5])
    x, cov = optimize.curve_fit(decay, T, Y, START, bounds=bounds, ftol=1e-14, xtol=1e-14, gtol=1e-14)
    fit = least_squares(residuals, START, bounds=bounds)
    np.testing.assert_allclose(fit.x, x, rtol=1e-5)
    assert fit.jac is not None
    np.testing.assert_allclose(covariance(fit.jac, variance=2 * fit.cost / 18).cov, cov, rtol=1e-4)


@pytest.mark.parametrize("name", ["Misra1a", "Thurber", "Eckerle4", "Hahn1"])
def test_standard_errors_are_nists(name: str) -> None:
    dataset = load(name)
    fit = least_squares(dataset.residuals, dataset.starts[1], dataset.jacobian, ftol=1e-14, xtol=1e-14, max_nfev=5000)
    np.testing.assert_allclose(fit.stderr, dataset.certified_se, rtol=1e-5)
    assert fit.rank == fit.x.size
