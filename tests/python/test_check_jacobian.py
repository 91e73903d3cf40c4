"""`check_jacobian`: right Jacobians pass, each kind of wrong one is named, and so is what can't be told."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from c_library import c_jacobian, c_residuals, needs_compiler
from checks import refusal
from models import raised_decay_of, raised_decay_of_jacobian
from problems.mgh import runs
from problems.strd import load, names
from pyminpack import InputTypeError, InputValueError, OptionError, ShapeError, check_jacobian

TWELVE = np.linspace(0.5, 4, 12)
X = np.array([2.5, 1.3, 0.4])


def raised(x: Any) -> np.ndarray:
    return raised_decay_of(x, TWELVE, 0.7)


def raised_jacobian(x: Any) -> np.ndarray:
    return raised_decay_of_jacobian(x, TWELVE, 0.7)


def changed(change: Callable[[np.ndarray], Any]) -> Callable[[Any], np.ndarray]:
    """The Jacobian with something done to it."""

    def wrong(x: Any) -> np.ndarray:
        jac = raised_jacobian(x)
        other = change(jac)
        return jac if other is None else other

    return wrong


def problems() -> dict[str, Any]:
    return {run.problem.name: run.problem for run in runs()}


PROBLEMS = problems()

# ------------------------------------------------------------------------------ right Jacobians


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_right_jacobian_passes(name: str) -> None:
    problem = PROBLEMS[name]
    result = check_jacobian(problem.residuals, problem.jacobian, problem.start)
    assert result.ok, repr(result)
    assert result.wrong == 0
    assert "agrees" in repr(result)


@pytest.mark.parametrize("name", names())
def test_right_jacobian_of_data_passes(name: str) -> None:
    dataset = load(name)
    for x in (*dataset.starts, dataset.certified):
        result = check_jacobian(dataset.residuals, dataset.jacobian, x)
        assert result.ok, repr(result)


@pytest.mark.parametrize("name", names())
def test_single_precision_accuses_nobody(name: str) -> None:
    """It may leave a parameter undecided, but says nothing wrong."""
    dataset = load(name)

    def single(b: Any) -> np.ndarray:
        return dataset.model(np.asarray(b, np.float32)).astype(np.float32) - dataset.response

    for x in (*dataset.starts, dataset.certified):
        result = check_jacobian(single, dataset.jacobian, x)
        assert result.wrong == 0, repr(result)


def test_differences_are_good():
    result = check_jacobian(raised, raised_jacobian, X)
    assert result.ok
    np.testing.assert_allclose(result.differences, raised_jacobian(X), rtol=1e-8, atol=1e-10)
    assert (np.abs(result.differences - result.jac) <= result.uncertainties).all()
    assert result.nfev == 14 + 8 * 3
    assert result.marks.min() > 0.9


def test_zero_parameters_and_small_ones():
    """Of a model that knows of parameters of size 1 alone."""
    for x in ([0.0, 0.0, 0.0], [1e-30, 1e-12, -1e-9]):
        assert check_jacobian(raised, raised_jacobian, x).ok


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_residuals_of_extreme_size(size: float) -> None:
    assert check_jacobian(lambda x: size * raised(x), lambda x: size * raised_jacobian(x), X).ok
    assert check_jacobian(lambda x: size * raised(x), lambda x: -size * raised_jacobian(x), X).wrong == 36


def test_parameter_without_a_part():
    assert check_jacobian(lambda x: x[:1] * TWELVE, lambda x: np.stack([TWELVE, 0 * TWELVE], axis=1), [2.0, 3.0]).ok


def test_steps_that_leave_the_domain_are_done_without():
    def root(x: Any) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.sqrt(TWELVE - x[0])

    assert check_jacobian(root, lambda x: -0.5 / np.sqrt(TWELVE - x[0])[:, np.newaxis], [0.4995]).ok


def test_shapes_and_kinds_that_fits_take():
    for m_by_one in (lambda x: raised(x)[:, np.newaxis], lambda x: raised(x).tolist()):
        assert check_jacobian(m_by_one, lambda x: raised_jacobian(x).tolist(), X.tolist()).ok
    one = check_jacobian(lambda x: x * TWELVE, lambda x: TWELVE, 2.0)
    assert one.ok
    assert one.jac.shape == (12, 1)
    assert check_jacobian(lambda x: x.sum(), lambda x: np.ones(3), X).ok  # fewer residuals than parameters


def test_args_are_passed():
    def shifted(x: Any, by: float) -> np.ndarray:
        return by * raised(x)

    for args in ((2.0,), 2.0):
        assert check_jacobian(shifted, lambda x, by: by * raised_jacobian(x), X, args).ok


def test_callbacks_may_keep_and_spoil_their_arrays():
    kept: list[Any] = []

    def spoils(x: Any) -> np.ndarray:
        value = raised(x)
        x[:] = np.nan
        kept.append(value)
        if len(kept) > 1:
            kept[-2][:] = np.nan
        return value

    assert check_jacobian(spoils, raised_jacobian, X).ok


# ------------------------------------------------------------------------------ wrong Jacobians


def test_worst_entry_is_named():
    def spoil(jac: np.ndarray) -> None:
        jac[4, 1] *= 1.001
        jac[7, 1] *= -1

    result = check_jacobian(raised, changed(spoil), X)
    assert not result.ok
    assert result.wrong == 2
    assert (result.row, result.parameter) == (7, 1)
    assert result.value == -raised_jacobian(X)[7, 1]
    assert result.difference == pytest.approx(raised_jacobian(X)[7, 1], rel=1e-8)
    assert 0 < result.uncertainty < 1e-8
    assert result.marks[7] < 0.2
    assert (result.flipped, result.scaled, result.exchanged, result.transposed) == ((), (), (), False)
    assert "2 of 36 entries disagree" in repr(result)
    assert "residual 7, parameter x[1]" in str(result)


def test_errors_that_cancel_along_a_line_are_found():
    """Those that MINPACK's measure can't see: it decides nothing."""

    def spoil(jac: np.ndarray) -> None:
        jac[:, 0] += 0.1 / X[0]
        jac[:, 1] -= 0.1 / X[1]

    result = check_jacobian(raised, changed(spoil), X)
    assert result.marks.min() > 0.9
    assert result.wrong == 24


def test_missing_column():
    result = check_jacobian(raised, changed(lambda jac: jac * [1, 0, 1]), X)
    assert result.parameter == 1
    assert result.scaled == ()
    assert result.wrong == 12


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_each_kind_of_error_is_told(name: str) -> None:
    problem = PROBLEMS[name]
    x = problem.start * 1.03 + 0.013
    jac = problem.jacobian(x)
    m, n = jac.shape
    present = np.flatnonzero(jac.any(axis=0)).tolist()

    def check(other: np.ndarray) -> Any:
        return check_jacobian(problem.residuals, lambda _: other, x)

    flipped = check(-jac)
    assert flipped.flipped == tuple(present)
    assert ("every sign" in repr(flipped)) == (len(present) == n)

    j = present[-1]
    result = check(jac * np.where(np.arange(n) == j, 1.001, 1))
    assert not result.ok
    assert result.parameter == j
    assert result.scaled == ((j, pytest.approx(1.001, rel=1e-5)),)
    assert f"x[{j}] is 1.001 times" in repr(result)

    result = check(jac.T)
    if m != n or not np.allclose(jac, jac.T):
        assert result.transposed
        assert not result.ok
        assert "col_deriv" in repr(result)

    i = present[0]
    if i != j:
        order = np.arange(n)
        order[[i, j]] = order[[j, i]]
        result = check(jac[:, order])
        assert result.exchanged == ((i, j), (j, i))
        assert f"x[{i}] holds the derivatives with respect to x[{j}]" in repr(result)


def test_col_deriv():
    transpose = changed(np.transpose)
    assert check_jacobian(raised, transpose, X, col_deriv=True).ok
    assert check_jacobian(raised, transpose, X).transposed
    assert check_jacobian(raised, raised_jacobian, X, col_deriv=True).transposed
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert check_jacobian(lambda x: square @ x, lambda x: square.T, [1.0, 2.0], col_deriv=True).ok
    assert check_jacobian(lambda x: square @ x, lambda x: square, [1.0, 2.0], col_deriv=True).transposed
    assert not check_jacobian(lambda x: square @ x, lambda x: square, [1.0, 2.0]).transposed


def test_rtol_says_what_is_wrong():
    wrong = changed(lambda jac: jac * (1 + 1e-6))
    assert check_jacobian(raised, wrong, X).ok
    assert not check_jacobian(raised, wrong, X, rtol=1e-7).ok


def test_missing_column_is_not_taken_for_that_of_a_parameter_without_a_part():
    result = check_jacobian(lambda x: x[0] * TWELVE, lambda x: np.zeros((12, 2)), [1.0, 2.0])
    assert result.wrong == 12
    assert result.exchanged == ()


def test_transposed_is_all_that_is_said():
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    result = check_jacobian(lambda x: skew @ x, lambda x: skew.T, [1.0, 2.0])
    assert result.transposed
    assert result.flipped == ()


def test_worst_is_relative_to_the_column():
    def spoil(jac: np.ndarray) -> None:
        jac[2, 0] *= 1.0001
        jac[5, 1] *= -1

    scale = np.array([1e9, 1, 1])
    result = check_jacobian(lambda x: raised(x * scale), lambda x: changed(spoil)(x * scale) * scale, X / scale)
    assert (result.row, result.parameter) == (5, 1)


def test_worst_is_wrong_rather_than_uncertain():
    """A derivative that no difference gives is as far off as can be, and yet not wrong."""

    def alone(x: Any) -> np.ndarray:
        return raised(x) if x[0] == X[0] else np.full(TWELVE.size, np.nan)

    def spoil(jac: np.ndarray) -> None:
        jac[7, 1] *= 1.001

    result = check_jacobian(alone, changed(spoil), X)
    assert result.undecided == (0,)
    assert result.wrong == 1
    assert (result.row, result.parameter) == (7, 1)


# ----------------------------------------------------------------------------------- compiled


@needs_compiler
def test_compiled_functions():
    fun = c_residuals()
    for layout in ("C", "F"):
        jac = c_jacobian(layout)
        assert check_jacobian(fun, jac, [2.5, 1.3]).ok
    assert not check_jacobian(fun, lambda x: -jac(x), [2.5, 1.3]).ok
    with pytest.raises(InputTypeError, match="compiled functions take no args"):
        check_jacobian(fun, jac, [2.5, 1.3], args=(1,))
    with pytest.raises(ShapeError, match="parameters"):
        check_jacobian(fun, jac, [2.5, 1.3, 1.0])


# ---------------------------------------------------------------------------------- undecided


def test_noise_leaves_a_parameter_undecided():
    rng = np.random.default_rng(1)

    def noisy(x: Any) -> np.ndarray:
        return raised(x) + 1e-3 * rng.normal(size=TWELVE.size)

    result = check_jacobian(noisy, raised_jacobian, X)
    assert result.wrong == 0
    assert result.undecided
    assert not result.ok
    assert "too uncertain to decide" in repr(result)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_finite_nearby_is_undecided(value: float) -> None:
    def alone(x: Any) -> np.ndarray:
        return raised(x) if x[1] <= X[1] else np.full(TWELVE.size, value)

    result = check_jacobian(alone, raised_jacobian, X)
    assert result.undecided == (1,)
    assert not result.ok


def test_residuals_that_do_not_respond_do_not_confirm():
    result = check_jacobian(lambda x: np.round(raised(x), 2), raised_jacobian, X)
    assert not result.ok


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("x", "told"), [([1.0, np.nan, 1.0], "x[1] is nan"), ([np.inf, 1, 1], "x[0] is inf"), ([], "x is empty")]
)
def test_x_without_values_is_refused(x: Any, told: str) -> None:
    with refusal(InputValueError, told):
        check_jacobian(raised, raised_jacobian, x)


@pytest.mark.parametrize("x", ["abc", [1j, 1, 1], [None, 1, 1]])
def test_x_of_another_type_is_refused(x: Any) -> None:
    with pytest.raises(InputTypeError, match=r"^x must hold real numbers"):
        check_jacobian(raised, raised_jacobian, x)


def test_residuals_that_are_not_finite_are_refused():
    with pytest.raises(InputValueError, match="2 of 12 residuals at x are not finite, the first is residual 3"):
        check_jacobian(lambda x: np.where(np.isin(np.arange(12), (3, 5)), np.nan, raised(x)), raised_jacobian, X)


def test_jacobian_that_is_not_finite_is_refused():
    def spoil(jac: np.ndarray) -> None:
        jac[6, 1] = np.inf

    with pytest.raises(InputValueError, match=r"1 value that is not finite, .* parameter x\[1\] in residual 6 \(inf\)"):
        check_jacobian(raised, changed(spoil), X)


def test_jacobian_of_the_wrong_shape_is_refused():
    with pytest.raises(ShapeError, match=r"shape \(11, 3\) .* need \(12, 3\)"):
        check_jacobian(raised, changed(lambda jac: jac[1:]), X)
    with pytest.raises(ShapeError, match=r"shape \(36,\) .* need \(3, 12\)"):
        check_jacobian(raised, changed(np.ravel), X, col_deriv=True)


def test_residuals_whose_number_changes_are_refused():
    calls: list[int] = []

    def shrinks(x: Any) -> np.ndarray:
        calls.append(1)
        return raised(x)[: 12 if len(calls) < 5 else 11]

    with pytest.raises(ShapeError, match=r"fun gave 11 residuals on call 5, at x = .* and 12 on the first"):
        check_jacobian(shrinks, raised_jacobian, X)


def test_no_residuals_are_refused():
    with pytest.raises(InputValueError, match="fun gave no residuals"):
        check_jacobian(lambda x: [], raised_jacobian, X)


@pytest.mark.parametrize("value", [None, "text", 1j * TWELVE, TWELVE > 1, TWELVE.astype(object)])
def test_residuals_of_another_type_are_refused(value: Any) -> None:
    with pytest.raises(InputTypeError, match="fun gave"):
        check_jacobian(lambda x: value, raised_jacobian, X)
    with pytest.raises(InputTypeError, match="jac gave"):
        check_jacobian(raised, lambda x: value, X)


@pytest.mark.parametrize("rtol", [-1, 1, np.nan, "1", None])
def test_rtol_out_of_range(rtol: Any) -> None:
    with pytest.raises(OptionError, match="rtol is"):
        check_jacobian(raised, raised_jacobian, X, rtol=rtol)


def test_exceptions_arrive():
    def interrupted(x: Any) -> Any:
        raise KeyboardInterrupt

    for functions in ((interrupted, raised_jacobian), (raised, interrupted)):
        with pytest.raises(KeyboardInterrupt):
            check_jacobian(*functions, X)


# ------------------------------------------------------------------------------------- result


def test_truth_value_is_whether_the_jacobian_is_right():
    assert check_jacobian(raised, raised_jacobian, X)
    assert not check_jacobian(raised, changed(lambda jac: -jac), X)
    assert not check_jacobian(raised, changed(np.transpose), X)
    undecided = check_jacobian(lambda x: np.round(raised(x), 2), raised_jacobian, X)
    assert undecided.ok is False
    assert not undecided


def test_result_is_frozen_and_pickles():
    result = check_jacobian(raised, raised_jacobian, X)
    with pytest.raises(AttributeError, match="cannot be changed"):
        result.ok = False  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(result))
    assert repr(copy) == repr(result)
    np.testing.assert_array_equal(copy.differences, result.differences)
    assert math.isfinite(result.uncertainty)
