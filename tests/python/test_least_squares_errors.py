"""Wrong input and wrong turns of least_squares: nothing wrong passes for converged, and messages say what to do."""

import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from models import START, T, Y, jacobian, nothing, residuals
from pyminpack import InputTypeError, InputValueError, LevenbergMarquardt, PyminpackError, ShapeError, least_squares

MINIMUM = least_squares(residuals, START, jacobian).x

# By the core's own loop, by Python's, and within bounds that don't matter.
each_way = pytest.mark.parametrize(
    "way", [{}, {"callback": nothing}, {"bounds": ([-99, -99], [99, 99])}], ids=["core", "python", "bounds"]
)


def changes_after(calls: int, before: Any, after: Any) -> Any:
    """Residuals that are `before`'s for so many calls, and `after`'s from then on."""
    made = 0

    def func(x: np.ndarray) -> Any:
        nonlocal made
        made += 1
        return (before if made <= calls else after)(x)

    return func


# ------------------------------------------------------------------------------------------------ residuals


@each_way
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_residuals_not_finite_at_the_start(way: Any, bad: float) -> None:
    def func(x: np.ndarray) -> np.ndarray:
        f = residuals(x)
        f[[3, 5]] = bad
        return f

    with pytest.raises(ValueError, match=rf"2 of 20 residuals at x0.*first is residual 3 \({bad}\).*x0 = \[1., 1.\]"):
        least_squares(func, START, **way)


def test_norm_that_overflows_at_the_start() -> None:
    with pytest.raises(InputValueError, match="overflows"):
        least_squares(lambda x: x * np.array([1.7e308, 1.7e308]), START)


@each_way
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_residuals_not_finite_at_a_trial_point_are_a_rejected_step(way: Any, bad: float) -> None:
    met = 0

    def func(x: np.ndarray) -> np.ndarray:
        nonlocal met
        if x[1] > 1.45:
            met += 1
            return np.full(20, bad)
        return residuals(x)

    fit = least_squares(func, [1.0, -1.0], **way)
    assert met > 0
    assert fit.success
    np.testing.assert_allclose(fit.x, MINIMUM, rtol=1e-6)


@each_way
def test_wall_of_nan_is_not_convergence(way: Any) -> None:
    fit = least_squares(lambda x: np.where(x[0] > 1.5, np.nan, residuals(x)), [1.0, 1.0], **way)
    assert not fit.success
    assert fit.x[0] <= 1.5


@each_way
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("start", [True, False], ids=["at-once", "later"])
def test_jacobian_not_finite_ends_the_fit_with_the_best_point(way: Any, bad: float, start: bool) -> None:
    def broken(x: np.ndarray) -> np.ndarray:
        j = jacobian(x)
        j[7, 1] = bad
        return j

    jac = broken if start else changes_after(2, jacobian, broken)
    fit = least_squares(residuals, START, jac, **way)
    assert (fit.status, fit.success) == (-4, False)
    assert "x[1]" in fit.message
    assert "residual 7" in fit.message
    assert fit.nit == (0 if start else 2)
    assert fit.cost <= 0.5 * (residuals(START) ** 2).sum() * (1 + 1e-15)
    np.testing.assert_array_equal(fit.fun, residuals(fit.x))
    assert np.isnan(fit.cov).all()
    assert np.isnan(fit.stderr).all()
    assert fit.rank == 0
    assert np.isnan(fit.optimality)
    assert repr(fit)
    assert fit.summary()


def test_parameter_of_a_jacobian_that_is_not_finite_counts_the_fixed_ones() -> None:
    def broken(x: np.ndarray) -> np.ndarray:
        j = jacobian(x)
        j[7, 1] = np.nan
        return j

    fit = least_squares(residuals, START, broken, fixed=[True, False])
    assert "x[1]" in fit.message


@each_way
def test_differences_that_are_not_finite_end_the_fit(way: Any) -> None:
    fit = least_squares(lambda x: np.where(x == START, x, np.nan), START, **way)
    assert (fit.status, fit.success) == (-4, False)
    np.testing.assert_array_equal(fit.x, START)


@each_way
def test_fewer_residuals_than_parameters(way: Any) -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="M = 1 residuals for N = 2"):
            least_squares(lambda x: x[:1], START, **way)
    assert least_squares(lambda x: x[:1] - 3, START, fixed=[False, True]).success


@each_way
@pytest.mark.parametrize("calls", [1, 4])
def test_number_of_residuals_that_changes(way: Any, calls: int) -> None:
    with pytest.raises(ShapeError, match=r"19 residuals on call \d+, at x = .*20 on the first"):
        least_squares(changes_after(calls, residuals, lambda x: residuals(x)[:-1]), START, **way)


@each_way
@pytest.mark.parametrize(
    "shape",
    [
        lambda f: f.reshape(-1, 1),
        lambda f: f.reshape(1, -1),
        lambda f: f.reshape(4, 5),
        lambda f: np.asfortranarray(f.reshape(4, 5)),
        lambda f: f.tolist(),
        lambda f: tuple(f),
        lambda f: np.ma.array(f),
        lambda f: f.astype(np.longdouble),
        lambda f: np.repeat(f, 2)[::2],
    ],
)
def test_residuals_of_any_shape_and_kind(way: Any, shape: Any) -> None:
    fit = least_squares(lambda x: shape(residuals(x)), START, **way)
    np.testing.assert_allclose(fit.x, MINIMUM, rtol=1e-6)
    assert fit.fun.shape == (20,)
    assert fit.fun.dtype == np.float64


@each_way
@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda f: f + 0j, "view"),
        (lambda f: f.astype(object), "object"),
        (lambda f: None, "return"),
        (lambda f: f > 0, "bool"),
        (lambda f: [str(v) for v in f], "floats"),
        (lambda f: (f * 9).astype(np.uint8), "unsigned"),
        (lambda f: (f * 9).astype(np.int16), "wraps"),
        (lambda f: np.ma.masked_less(f, np.inf), "masked"),
    ],
)
@pytest.mark.parametrize("calls", [0, 1])
def test_residuals_that_are_no_real_numbers(way: Any, made: Any, told: str, calls: int) -> None:
    func = changes_after(calls, residuals, lambda x: made(residuals(x)))
    with pytest.raises(PyminpackError, match=told) as caught:
        least_squares(func, START, **way)
    assert isinstance(caught.value, TypeError | ValueError)


def test_whole_numbers_are_taken() -> None:
    target = np.array([3, 5, 9])
    fit = least_squares(lambda x: np.round(1e9 * (x - target)).astype(np.int64), [1.0, 1.0, 1.0])
    np.testing.assert_allclose(fit.x, target, rtol=1e-6)


@each_way
def test_jacobian_of_zeros_is_no_success(way: Any) -> None:
    for jac in ("2-point", lambda x: np.zeros((20, 2))):
        fit = least_squares(lambda x: Y + 0 * x[0], START, jac, **way)
        assert (fit.status, fit.success) == (-6, False)
        assert "Jacobian is zero" in fit.message
        assert fit.unidentifiable.all()
        assert repr(fit)


@each_way
def test_zero_residuals_are_a_success(way: Any) -> None:
    fit = least_squares(lambda x: 0 * x, START, **way)
    assert (fit.status, fit.cost) == (1, 0)


# ------------------------------------------------------------------------------------------------ Jacobians


@each_way
def test_transposed_jacobian(way: Any) -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match=r"shape \(2, 20\).*\(20, 2\).*transposed"):
            least_squares(residuals, START, lambda x: jacobian(x).T, **way)


@each_way
@pytest.mark.parametrize(("made", "told"), [(lambda j: j[:5], r"\(5, 2\)"), (lambda j: None, "return")])
@pytest.mark.parametrize("calls", [0, 1])
def test_jacobian_of_the_wrong_kind(way: Any, made: Any, told: str, calls: int) -> None:
    with pytest.raises(PyminpackError, match=told):
        least_squares(residuals, START, changes_after(calls, jacobian, lambda x: made(jacobian(x))), **way)


def test_function_that_should_give_both_and_does_not() -> None:
    with pytest.raises(InputTypeError, match="tuple of residuals and Jacobian"):
        least_squares(residuals, START, True)


def test_complex_steps_of_a_real_function() -> None:
    with pytest.raises(InputTypeError, match="3-point"):
        least_squares(lambda x: residuals(x.real), START, "cs")


@each_way
@pytest.mark.parametrize("wrong", ["sign", "column", "entry"])
def test_wrong_jacobian_is_found_and_is_no_success(way: Any, wrong: str) -> None:
    def false(x: np.ndarray) -> np.ndarray:
        j = jacobian(x)
        if wrong == "sign":
            j = -j
        elif wrong == "column":
            j[:, 1] = -2 * j[:, 1]
        else:
            j[2, 0] += 40
        return j

    fit = least_squares(lambda x: residuals(x) + 0.1 * np.cos(9 * T), START, false, **way)
    assert (fit.status, fit.success) == (-7, False)
    assert "disagrees with differences" in fit.message
    if wrong == "column":
        assert "x[1]" in fit.message
    if wrong == "entry":
        assert "x[0] in residual 2" in fit.message


@each_way
def test_right_jacobian_is_not_blamed(way: Any) -> None:
    noisy = Y + 0.3 * np.cos(9 * T)
    for limit in (1, 2, 3, None):
        fit = least_squares(lambda x: residuals(x) + Y - noisy, START, jacobian, max_nfev=limit, **way)
        assert "disagrees" not in fit.message


# ------------------------------------------------------------------------------------------------ callbacks


@each_way
@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt(), StopIteration("mine")])
@pytest.mark.parametrize("calls", [0, 1, 4])
def test_exceptions_come_out_as_they_are(way: Any, error: BaseException, calls: int, capfd: Any) -> None:
    def fail(x: np.ndarray) -> np.ndarray:
        raise error

    with pytest.raises(type(error)) as caught:
        least_squares(changes_after(calls, residuals, fail), START, **way)
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        least_squares(residuals, START, changes_after(calls, jacobian, fail), **way)
    assert caught.value is error
    assert capfd.readouterr().err == ""


def test_exception_of_the_callback_comes_out() -> None:
    def fail(state: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        least_squares(residuals, START, callback=fail)


@each_way
def test_fits_may_nest(way: Any) -> None:
    def nested(x: np.ndarray) -> np.ndarray:
        inner = least_squares(lambda k: residuals(np.array([x[0], k[0]])), [1.0])
        return np.append(residuals(np.array([x[0], inner.x[0]])), x[1] - 3)

    fit = least_squares(nested, START, **way)
    np.testing.assert_allclose(fit.x, [MINIMUM[0], 3], rtol=1e-5)


# ------------------------------------------------------------------------------------------------ the start


@pytest.mark.parametrize(
    ("x0", "kind", "told"),
    [
        ([], InputTypeError, "empty"),
        ([1, np.nan], InputValueError, r"x0\[1\]"),
        ([np.inf, 1], InputValueError, r"x0\[0\]"),
        ([1j, 1], InputTypeError, "complex"),
        (["a", "b"], InputTypeError, "real numbers"),
        ([None, 1], InputTypeError, r"x0\[0\]"),
    ],
)
def test_starts_that_no_fit_can_be_made_from(x0: Any, kind: type, told: str) -> None:
    with pytest.raises(kind, match=told):
        least_squares(residuals, x0)


def test_starts_of_other_kinds_are_taken() -> None:
    for x0 in ([1, 1], (1, 1), np.ones(2, np.float32), [[1.0], [1.0]], [Decimal(1), 1]):
        np.testing.assert_allclose(least_squares(residuals, x0).x, MINIMUM, rtol=1e-6)


# ------------------------------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"method": "newton"}, "the only method is 'lm'"),
        ({"method": None}, "method"),
        ({"tr_solver": "cholesky"}, "tr_solver"),
        ({"tr_options": ["regularize"]}, "tr_options"),
        ({"jac_sparsity": 1}, "jac_sparsity"),
        ({"ftol": -1e-8}, "ftol"),
        ({"xtol": np.nan}, "xtol"),
        ({"gtol": "small"}, "gtol"),
        ({"x_scale": [1, -1]}, r"x_scale\[1\]"),
        ({"x_scale": 0}, r"x_scale\[0\]"),
        ({"x_scale": [1, 1, 1]}, r"x_scale has shape \(3,\)"),
        ({"x_scale": "auto"}, "x_scale"),
        ({"diff_step": [1e-8, 0]}, r"diff_step\[1\]"),
        ({"diff_step": [1e-8]}, "diff_step"),
        ({"max_nfev": 0}, "max_nfev"),
        ({"max_nfev": 2.5}, "max_nfev"),
        ({"max_nfev": "many"}, "max_nfev"),
        ({"verbose": 3}, "verbose"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"workers": 0}, "workers"),
        ({"workers": 1.5}, "workers"),
        ({"jac": "4-point"}, "jac"),
        ({"jac": False}, "jac"),
        ({"jac": None}, "jac"),
        ({"bounds": 3}, "pair"),
        ({"bounds": ([0, 0],)}, "pair"),
        ({"bounds": ([2, 0], [1, 9])}, r"x\[0\] are 2.0 and 1.0"),
        ({"bounds": ([0, np.nan], [1, 9])}, r"x\[1\]"),
        ({"bounds": ([0, 0, 0], [9, 9, 9])}, "shape"),
        ({"bounds": (["a", 0], [9, 9])}, "real numbers"),
        ({"fixed": [1, 0]}, "mask"),
        ({"fixed": [True]}, "fixed has shape"),
        ({"fixed": [True, True]}, "nothing to fit"),
        ({"kwargs": [1]}, "kwargs"),
    ],
)
def test_options_out_of_their_range(options: Any, told: str) -> None:
    with pytest.raises(PyminpackError, match=told) as caught:
        least_squares(residuals, START, **options)
    assert isinstance(caught.value, ValueError) or "kwargs" in options
    assert isinstance(caught.value, TypeError)


def test_start_outside_the_bounds() -> None:
    with pytest.raises(InputValueError, match=r"x0\[1\] is 1.0, outside its bounds 2.0 and 9.0"):
        least_squares(residuals, START, bounds=([0, 2], [9, 9]))


def test_workers_that_lose_answers() -> None:
    for lose in (lambda f, items: [f(x) for x in items][:-1], lambda f, items: [f(x) for x in [*items, *items]]):
        with pytest.raises(InputValueError, match="for 2 evaluations"):
            least_squares(residuals, START, workers=lose)


def test_function_that_is_none() -> None:
    for start in (least_squares, LevenbergMarquardt):
        with pytest.raises(InputTypeError, match="fun is of type int"):
            start(3, START)  # type: ignore[operator]


def test_options_of_no_consequence_are_taken() -> None:
    fit = least_squares(residuals, START, tr_options={}, tr_solver=None, jac_sparsity=None, kwargs={})
    assert fit.success


@pytest.mark.parametrize(
    "options",
    [
        {"method": "trf"},
        {"method": "dogbox", "tr_options": {"regularize": True}, "tr_solver": "lsmr"},
        {"jac_sparsity": np.ones((20, 2))},
    ],
)
def test_options_of_scipys_other_methods_are_taken_with_one_warning(options: Any) -> None:
    with pytest.warns(UserWarning, match="nothing: the fit is made by the method of Levenberg") as caught:
        fit = least_squares(residuals, START, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert all(name in str(caught[0].message) for name in options)
    np.testing.assert_array_equal(fit.x, least_squares(residuals, START).x)


@each_way
def test_nothing_is_warned_about(way: Any) -> None:
    """Overflow of a trial point's residuals, of a robust loss, of a Jacobian."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        least_squares(lambda x: np.array([np.exp(500 * (x[0] - 1)) - 2, x[1]]), [1.2, 1.0], loss="cauchy", **way)
        least_squares(lambda x: np.array([1e300 * (x[0] - 1), x[1]]), [3.0, 1.0], lambda x: np.eye(2) * 1.7e308, **way)
