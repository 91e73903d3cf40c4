"""What `leastsq` answers where something is wrong: the error table of the design, row by row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from checks import SUCCESS, refusal, solution
from models import (
    ANSWER,
    EXACT_T,
    START,
    STARTS_FOR_COUNTS,
    FailsOnCall,
    Recorder,
    Table,
    computed_in_single_precision,
    decay,
    decay_jacobian,
    in_double_precision,
    predicted_in_single_precision,
)
from problems.strd import correct_digits, load
from pyminpack import InputTypeError, InputValueError, PyminpackError, ShapeError, leastsq

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")


def with_result(change: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray], Any]:
    """Turn the residuals into something else before they are given back."""
    return lambda x: change(decay(x))


# ------------------------------------------------------------------------------ the exceptions


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(InputValueError, ValueError), (InputTypeError, TypeError), (ShapeError, ValueError), (ShapeError, TypeError)],
)
def test_every_exception_is_the_packages_and_pythons_own(kind: type, builtin: type) -> None:
    assert issubclass(kind, PyminpackError)
    assert issubclass(kind, builtin)


# -------------------------------------------------------------- residuals that are not finite


@pytest.mark.parametrize(
    ("residuals", "count", "first"),
    [
        ([1.0, np.nan, 3.0], "1 of 3", "residual 1 (nan)"),
        ([np.inf, 2.0, 3.0], "1 of 3", "residual 0 (inf)"),
        ([1.0, 2.0, -np.inf], "1 of 3", "residual 2 (-inf)"),
        ([1.0, np.inf, np.nan, 0.0, np.nan], "3 of 5", "residual 1 (inf)"),
        ([np.nan] * 4, "4 of 4", "residual 0 (nan)"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"Dfun": lambda x: np.ones((2, 2))}], ids=["differences", "Dfun"])
def test_residuals_not_finite_at_x0(residuals: list[float], count: str, first: str, options: dict) -> None:
    with refusal(InputValueError, count, first, "x0 = [0.5 , 1.25]"):
        leastsq(lambda x: np.array(residuals), [0.5, 1.25], **options)


def test_residuals_not_finite_at_x0_are_found_without_a_further_call() -> None:
    func = Recorder(lambda x: np.array([1.0, np.nan]))
    with refusal(InputValueError, "1 of 2"):
        leastsq(func, START)
    assert len(func.at) == 1


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e300])
def test_residuals_whose_squares_leave_the_range_of_floats_are_fitted(scale: float) -> None:
    x = solution(lambda x: scale * np.array([x[0] - 2, x[1] + 3, x[0] + x[1] + 2]))
    np.testing.assert_allclose(x, [5 / 3, -10 / 3], rtol=1e-6)


def test_norm_of_residuals_that_overflows_at_x0() -> None:
    with refusal(InputValueError, "norm", "overflows", "x0 = [1., 1.]"):
        leastsq(lambda x: 1.7e308 * x, START)


def beyond_zero_logarithm(x: np.ndarray) -> np.ndarray:
    """From x0[0] = 5 the first step leads to where the logarithm isn't defined."""
    with np.errstate(invalid="ignore"):
        return np.log(x[0]) - np.log(0.05) + (x[1] - 1) * EXACT_T


def beyond_a_pole(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return x[1] * np.sqrt(x[0] - EXACT_T) - 2 * np.sqrt(4.0001 - EXACT_T)


EDGED = [
    pytest.param(beyond_zero_logarithm, [5.0, 0.0], [0.05, 1.0], id="logarithm"),
    pytest.param(beyond_a_pole, [12.0, 1.0], [4.0001, 2.0], id="square root"),
]


@pytest.mark.parametrize(("func", "start", "answer"), EDGED)
@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_fit_goes_on_past_trial_points_outside_the_domain(
    func: Callable, start: list[float], answer: list[float], hole: float
) -> None:
    recorder = Recorder(lambda x: np.where(np.isnan(func(x)), hole, func(x)))
    x = solution(recorder, start)
    assert not all(recorder.finite), "the problem is meant to have trial points outside its domain"
    np.testing.assert_allclose(x, answer, rtol=1e-5)


def test_one_residual_that_is_not_finite_rejects_a_trial_point() -> None:
    """The others promise a large reduction."""

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] - 3, x[0] - 3, np.nan if x[0] > 2 else 0.0])

    jacobian = np.array([[1.0], [1.0], [0.0]])
    x, _, infodict, _, _ = leastsq(residuals, [0.0], Dfun=lambda x: jacobian, maxfev=5, full_output=True)
    assert 0 < x[0] <= 2
    assert np.isfinite(infodict["fvec"]).all()


def jammed(x: np.ndarray) -> np.ndarray:
    """Finite up to 1, while everything says to go to 2."""
    return np.array([x[0] - 2 if x[0] <= 1 else np.nan])


@pytest.mark.filterwarnings("ignore:Stopped:RuntimeWarning")
def test_step_shrinks_where_residuals_are_not_finite() -> None:
    func = Recorder(jammed)
    leastsq(func, [0.0], Dfun=lambda x: np.ones((1, 1)), maxfev=30)
    at = np.ravel(func.at)
    base = at[0]
    for this, following, finite in zip(at, at[1:], func.finite, strict=False):
        if finite:
            base = max(base, this)  # the residual is smaller the further right, up to 1
        else:
            assert abs(following - base) <= 0.5 * abs(this - base)
    assert not all(func.finite)


def test_best_point_is_one_where_residuals_were_finite() -> None:
    func = Recorder(jammed)
    x, _, infodict, _, _ = leastsq(func, [0.0], Dfun=lambda x: np.ones((1, 1)), maxfev=30, full_output=True)
    finite = [at[0] for at, ok in zip(func.at, func.finite, strict=True) if ok]
    assert x[0] == max(finite)
    assert infodict["fvec"] == jammed(x)


@pytest.mark.parametrize("start", [[3.0], [0.0], [1.0, 0.0], [0.0, 0.0, 0.0]], ids=str)
@pytest.mark.parametrize("maxfev", [0, 1000])
def test_fit_that_never_leaves_x0_is_no_success(start: list[float], maxfev: int) -> None:
    """From zero, Δ is never small beside x: it shrinks until it underflows, and that is no convergence either."""
    func = FailsOnCall(1, lambda: np.array([1.0, 2.0, 3.0]), lambda x: np.full(3, np.nan))
    jacobian = np.vander([1.0, 2.0, 3.0], len(start))
    x, cov_x, infodict, message, ier = leastsq(func, start, Dfun=lambda x: jacobian, maxfev=maxfev, full_output=True)
    assert ier in (5, 7)
    assert message.startswith("Stopped")
    assert cov_x is None
    np.testing.assert_array_equal(x, start)
    np.testing.assert_array_equal(infodict["fvec"], [1, 2, 3])


def test_fit_that_never_leaves_x0_warns() -> None:
    func = FailsOnCall(1, lambda: np.array([1.0]), lambda x: np.array([np.nan]))
    with pytest.warns(RuntimeWarning, match="not finite block the way"):
        leastsq(func, [3.0], Dfun=lambda x: np.ones((1, 1)))


@pytest.mark.parametrize("options", [{}, {"Dfun": load("MGH17").jacobian}], ids=["differences", "Dfun"])
def test_mgh17_from_its_far_start_is_solved_or_no_success(options: dict) -> None:
    """Its first step leads to where the exponentials overflow; SciPy gives the start as a success."""
    mgh17 = load("MGH17")
    x, _, _, _, ier = leastsq(mgh17.residuals, mgh17.starts[0], full_output=True, **options)
    assert ier not in SUCCESS or correct_digits(x, mgh17.certified).min() > 4
    assert np.linalg.norm(mgh17.residuals(x)) < 1e-2 * np.linalg.norm(mgh17.residuals(mgh17.starts[0]))


@pytest.mark.parametrize("start", [0.0, 0.3, 0.5, 1 - 1e-9])
def test_fit_jammed_against_the_edge_of_its_domain_is_no_success(start: float) -> None:
    x, _, _, message, ier = leastsq(jammed, [start], Dfun=lambda x: np.ones((1, 1)), full_output=True)
    assert ier not in SUCCESS, message
    np.testing.assert_allclose(x, 1, rtol=1e-6)


@pytest.mark.parametrize("slope", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("start", [[4.0, 2.0], [3.0, 1.0], [1.0, -1.0]], ids=str)
def test_fit_that_slides_along_the_edge_of_its_domain_is_no_success(slope: float, start: list[float]) -> None:
    """Along the edge, tiny steps are possible that Δ, made small by NaN, allows; they are no convergence."""

    def residuals(x: np.ndarray) -> np.ndarray:
        inside = x[0] - x[1] <= 2
        return np.array([x[0] + x[1] - 8, slope * x[1]]) if inside else np.full(2, np.nan)

    jacobian = np.array([[1.0, 1.0], [0.0, slope]])
    x, _, _, message, ier = leastsq(residuals, start, Dfun=lambda x: jacobian, full_output=True)
    assert ier not in SUCCESS or abs(x[0] + x[1] - 8) < 1e-3, message


def test_fit_with_large_residuals_converges_although_it_met_the_edge_of_its_domain() -> None:
    """The minimum, where (log x - 3)/x + x + 2 is 0, is well inside."""

    def residuals(x: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.array([np.log(x[0]) - 3, x[0] + 2])

    func = Recorder(residuals)
    x = solution(func, [3.0], Dfun=lambda x: np.array([[1 / x[0]], [1.0]]))
    assert not all(func.finite)
    np.testing.assert_allclose(x, 1, rtol=1e-3)


# --------------------------------------------------------------- Jacobians that are not finite


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_jacobian_by_differences_not_finite(hole: float) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] - 2, x[1], hole if x[1] > 1 else x[0]])

    with refusal(InputValueError, "differences of func", "x[1]", "residual 2", "at x = [0.5, 1. ]"):
        leastsq(residuals, [0.5, 1.0])


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobian_from_dfun_not_finite(hole: float, col_deriv: bool) -> None:
    jacobian = decay_jacobian(np.array(START))
    jacobian[5, 1] = hole
    given = jacobian.T if col_deriv else jacobian
    with refusal(InputValueError, "from Dfun", "1 value that is", "x[1]", "residual 5", str(hole), "at x = [1., 1.]"):
        leastsq(decay, START, Dfun=lambda x: given, col_deriv=col_deriv)


def test_jacobian_that_overflows() -> None:
    with refusal(InputValueError, "from Dfun", "too large", "x[0]"):
        leastsq(decay, START, Dfun=lambda x: np.full((EXACT_T.size, 2), 1e308))


def test_jacobian_not_finite_after_some_steps() -> None:
    jacobian = FailsOnCall(3, lambda: np.full((EXACT_T.size, 2), np.nan), decay_jacobian)
    with refusal(InputValueError, "from Dfun", "18 values", "x[0]", "residual 0"):
        leastsq(decay, START, Dfun=jacobian)


# --------------------------------------------------------------------- numbers of residuals


@pytest.mark.parametrize("kind", [TypeError, ValueError, ShapeError])
def test_fewer_residuals_than_parameters(kind: type) -> None:
    with pytest.raises(kind, match=r"M = 2 residuals for N = 3 parameters.*add data, or fix"):
        leastsq(lambda x: x[:2], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("residuals", [[], 1.0, np.float64(1.0), np.empty((0, 5))], ids=repr)
def test_fewer_residuals_than_parameters_in_any_shape(residuals: Any) -> None:
    with refusal(ShapeError, f"M = {np.size(residuals)} ", "N = 2 "):
        leastsq(lambda x: residuals, START)


@pytest.mark.parametrize("size", [0, 1, EXACT_T.size - 1, EXACT_T.size + 1])
@pytest.mark.parametrize("call", [2, 3, 4, 8])
def test_number_of_residuals_that_changes(size: int, call: int) -> None:
    func = Recorder(FailsOnCall(call, lambda: np.zeros(size)))
    with refusal(ShapeError, f"{size} residuals", f"{EXACT_T.size} on the first", f"call {call}") as caught:
        leastsq(func, START)
    assert np.array2string(func.at[-1], separator=", ") in str(caught.value)
    assert len(func.at) == call


def test_number_of_residuals_that_changes_is_both_a_type_error_and_a_value_error() -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="their number must stay the same"):
            leastsq(FailsOnCall(3, lambda: np.zeros(2)), START)


def test_message_shows_x_as_func_was_given_it() -> None:
    """Even where func changes its argument before it goes wrong."""
    given = []

    def residuals(x: np.ndarray) -> np.ndarray:
        given.append(x.copy())
        x[:] = 77
        return np.zeros(5 if len(given) < 3 else 4)

    with refusal(ShapeError, "call 3") as caught:
        leastsq(residuals, [1.0, 2.0])
    assert np.array2string(given[2], separator=", ") in str(caught.value)


# ---------------------------------------------------------------- residuals of other kinds


CONVERSIONS = {
    "column": lambda r: r[:, np.newaxis],
    "row": lambda r: r[np.newaxis, :],
    "cube": lambda r: r.reshape(3, 1, 3),
    "list": list,
    "list of Python floats": lambda r: r.tolist(),
    "nested lists": lambda r: r.reshape(3, 3).tolist(),
    "tuple": tuple,
    "object with __array__": Table,
    "Fortran order": lambda r: np.asfortranarray(r.reshape(3, 3)),
    "every other element": lambda r: np.repeat(r, 2)[::2],
    "reversed view": lambda r: r[::-1].copy()[::-1],
    "big-endian": lambda r: r.astype(">f8"),
    "masked array without mask": np.ma.array,
    "masked array with an empty mask": lambda r: np.ma.array(r, mask=np.zeros(r.size, bool)),
    "matrix": lambda r: r.view(np.recarray).view(np.ndarray),
    "memoryview": memoryview,
}


@pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=CONVERSIONS)
def test_residuals_of_other_shapes_and_containers(convert: Callable) -> None:
    x = solution(with_result(convert))
    np.testing.assert_array_equal(x, solution(decay))


def test_every_residual_of_other_shapes_counts_in_order() -> None:
    _, _, infodict, _, _ = leastsq(lambda x: np.arange(6.0).reshape(2, 3) + x, [1.0], full_output=True)
    np.testing.assert_allclose(infodict["fvec"], np.arange(6) - 2.5, atol=1e-6)


def test_single_residual_may_be_a_number() -> None:
    assert solution(lambda x: float(x[0] - 3), 1.0) == pytest.approx(3)


REFUSED_RESIDUALS = {
    "complex": (lambda r: r + 0j, "complex128", "z.view(float)"),
    "list of complex": (lambda r: (r + 1j).tolist(), "list", "complex128", "z.view(float)"),
    "objects": (lambda r: r.astype(object), "object", "array of floats"),
    "list of None": (lambda r: [None] * r.size, "list", "object"),
    "None": (lambda r: None, "None", "return"),
    "bool": (lambda r: r > 0, "bool", "astype(float)"),
    "list of bool": (lambda r: (r > 0).tolist(), "list", "bool", "astype(float)"),
    "text": (lambda r: "residuals", "str", "array of floats"),
    "array of text": (lambda r: r.astype("U32"), "<U32", "array of floats"),
    "bytes": (lambda r: r.astype("S32"), "|S32", "array of floats"),
    "dictionary": (lambda r: {"residuals": r}, "dict", "object"),
    "set": (lambda r: set(r.tolist()), "set", "object"),
    "dates": (lambda r: np.zeros(r.size, "M8[D]"), "datetime64", "array of floats"),
    "records": (lambda r: np.zeros(r.size, [("value", float)]), "value", "array of floats"),
    "generator": (lambda r: (value for value in r), "generator", "object"),
    "ragged list": (lambda r: [r[:3], r[3:]], "list"),
    "integers that wrap": (lambda r: r.astype(np.uint8), "uint8", "wraps round", "astype(float)"),
    **{
        np.dtype(kind).name: (lambda r, kind=kind: np.rint(r).astype(kind), np.dtype(kind).name, "wraps round")
        for kind in (np.int8, np.int16, np.int32, np.uint16, np.uint32, np.uint64)
    },
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # -1.0 as unsigned
@pytest.mark.parametrize("call", [1, 2, 4], ids=["at x0", "in a difference", "at a trial point"])
@pytest.mark.parametrize(("change", "words"), [(c, w) for c, *w in REFUSED_RESIDUALS.values()], ids=REFUSED_RESIDUALS)
def test_residuals_that_are_not_real_numbers(change: Callable, words: list[str], call: int) -> None:
    func = FailsOnCall(call, lambda: change(decay(np.array(START))))
    with refusal(InputTypeError, "func gave", *words):
        leastsq(func, START)


@pytest.mark.parametrize("call", [1, 2, 4])
def test_masked_residuals(call: int) -> None:
    masked = np.ma.masked_less(decay(np.array(START)), -0.5)
    with refusal(InputValueError, "func gave", f"{np.ma.count_masked(masked)} masked values", "leave those points out"):
        leastsq(FailsOnCall(call, lambda: masked), START)


def test_int64_residuals_count_as_floats() -> None:
    jacobian = np.array([[1.0, 0], [0, 1], [1, 1]])
    x = solution(lambda x: np.rint([x[0] - 3, x[1] - 4, x[0] + x[1] - 7]).astype(np.int64), Dfun=lambda x: jacobian)
    np.testing.assert_allclose(x, [3, 4])


# ------------------------------------------------------------------ precisions of residuals


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float16, 5e-3), (np.float32, 1e-5), (np.float64, 1e-7), (np.longdouble, 1e-7)]
)
@pytest.mark.parametrize("start", [[1.0, 1.0], [2.0, 0.5], [0.7, 2.3], [4.0, 3.0]], ids=str)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # a trial point too far for float16
def test_residuals_of_any_precision_converge_to_it(dtype: type, tolerance: float, start: list[float]) -> None:
    np.testing.assert_allclose(solution(with_result(lambda r: r.astype(dtype)), start), ANSWER, rtol=tolerance)


LONGER = pytest.mark.skipif(np.finfo(np.longdouble).max <= np.finfo(float).max, reason="long double is double here")


@LONGER
def test_long_doubles_beyond_doubles_at_x0() -> None:
    with refusal(InputValueError, "1 of 2", "residual 1 (inf)"):
        leastsq(lambda x: np.array([x[0], np.longdouble("1e4000")]), [1.0])


@LONGER
def test_long_doubles_beyond_doubles_reject_a_trial_point() -> None:
    """Without a warning of an overflow, which would be news to nobody."""

    def residuals(x: np.ndarray) -> np.ndarray:
        return (x - 3) * np.longdouble("1e4000" if x[0] > 5 else "1")

    np.testing.assert_allclose(solution(residuals, [1.0], Dfun=lambda x: np.full((1, 1), 0.2)), 3, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_difference_steps_suit_the_precision_of_the_residuals(dtype: type) -> None:
    func = Recorder(with_result(lambda r: r.astype(dtype)))
    leastsq(func, [2.0, 0.5], full_output=True)
    precision = max(np.finfo(dtype).eps, np.finfo(np.float64).eps)
    for j in range(2):
        step = func.at[1 + j] - func.at[0]
        assert step[j] == pytest.approx(np.sqrt(float(precision)) * func.at[0][j], rel=1e-6)
        assert step[1 - j] == 0


@pytest.mark.parametrize("start", STARTS_FOR_COUNTS, ids=str)
@pytest.mark.parametrize("func", [computed_in_single_precision, predicted_in_single_precision])
def test_model_in_single_precision_inside_converges_to_the_right_answer(func: Callable, start: Any) -> None:
    np.testing.assert_allclose(solution(func, start), solution(in_double_precision, start), rtol=1e-4)


def test_predictions_in_single_precision_that_mislead_the_second_step() -> None:
    """Rounding mimics a Jacobian so well that the first step improves on the start."""
    x = solution(predicted_in_single_precision, [3, 4.4])
    np.testing.assert_allclose(x, solution(in_double_precision, [3, 4.4]), rtol=1e-4)


def test_calls_that_find_out_the_precision_are_counted() -> None:
    func = Recorder(computed_in_single_precision)
    infodict = leastsq(func, START, full_output=True)[2]
    assert infodict["nfev"] == len(func.at)


# ------------------------------------------------------------------------ Jacobians of zeros


NO_RESPONSE: dict[str, tuple[Callable, int, str]] = {
    "constant residuals": (lambda x: np.ones(3), 8, "the Jacobian is zero"),
    "parameters rounded": (lambda x: np.rint([x[0] - 3, x[1], x[0]]), 7, "this is no minimum"),
}


@pytest.mark.parametrize(("func", "ier", "words"), NO_RESPONSE.values(), ids=NO_RESPONSE)
def test_jacobian_of_zeros_is_no_success(func: Callable, ier: int, words: str) -> None:
    x, cov_x, _, message, found = leastsq(func, START, full_output=True)
    assert found == ier
    assert words in message
    assert cov_x is None
    assert np.linalg.norm(func(x)) <= np.linalg.norm(func(np.array(START)))


@pytest.mark.parametrize(("func", "ier", "words"), NO_RESPONSE.values(), ids=NO_RESPONSE)
def test_jacobian_of_zeros_warns(func: Callable, ier: int, words: str) -> None:
    with pytest.warns(RuntimeWarning, match=words):
        assert leastsq(func, START)[1] == ier


@pytest.mark.parametrize("call", [1, 3])
@pytest.mark.parametrize("gtol", [0.0, 0.1])
def test_given_jacobian_of_zeros_makes_way_for_differences(call: int, gtol: float) -> None:
    """It may be zero at a minimum, on a plateau, or by mistake."""
    jacobian = FailsOnCall(call, lambda: np.zeros((EXACT_T.size, 2)), decay_jacobian)
    func = Recorder(decay)
    x, _, infodict, _, ier = leastsq(func, START, Dfun=jacobian, gtol=gtol, full_output=True)
    assert ier in (1, 2, 3, 4)
    np.testing.assert_allclose(x, [2.5, 1.3], rtol=1e-7)
    assert (infodict["nfev"], infodict["njev"]) == (len(func.at), call)


def test_constant_residuals_are_found_out_by_longer_and_longer_steps() -> None:
    func = Recorder(lambda x: np.ones(3))
    infodict = leastsq(func, START, full_output=True)[2]
    assert infodict["nfev"] == len(func.at) < 1 + 2 + 1 + 2 * 2 * 20


@pytest.mark.parametrize("options", [{}, {"Dfun": lambda x: np.zeros((3, 2))}], ids=["differences", "Dfun"])
def test_residuals_of_zero_are_a_success_whatever_the_jacobian(options: dict) -> None:
    x, _, infodict, message, ier = leastsq(lambda x: np.zeros(3), START, full_output=True, **options)
    assert ier == 4
    assert message.startswith("Converged")
    np.testing.assert_array_equal(x, START)
    np.testing.assert_array_equal(infodict["fvec"], np.zeros(3))


# ------------------------------------------------------------------------ what Dfun gives


@pytest.mark.parametrize(
    "shape", [(9,), (18,), (8, 2), (9, 1), (9, 3), (1, 9), (3, 9), (9, 2, 1), (1, 9, 2), (), (0, 2)], ids=str
)
@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobian_of_the_wrong_shape(shape: tuple[int, ...], col_deriv: bool) -> None:
    needed = "need (2, 9)" if col_deriv else "need (9, 2)"
    with refusal(ShapeError, f"Dfun gave a Jacobian of shape {shape}", needed, "at x = [1., 1.]") as caught:
        leastsq(decay, START, Dfun=lambda x: np.ones(shape), col_deriv=col_deriv)
    assert "transposed" not in str(caught.value)


@pytest.mark.parametrize("col_deriv", [False, True])
def test_transposed_jacobian_is_recognized(col_deriv: bool) -> None:
    shape, needed = ((9, 2), (2, 9)) if col_deriv else ((2, 9), (9, 2))
    advice = f"it is transposed: pass col_deriv={not col_deriv}"
    with refusal(ShapeError, f"shape {shape}", f"need {needed}", advice):
        leastsq(decay, START, Dfun=lambda x: np.ones(shape), col_deriv=col_deriv)


@pytest.mark.parametrize("kind", [TypeError, ValueError])
def test_jacobian_of_the_wrong_shape_is_both_a_type_error_and_a_value_error(kind: type) -> None:
    with pytest.raises(kind, match="Dfun gave a Jacobian of shape"):
        leastsq(decay, START, Dfun=lambda x: np.ones((3, 2)))


def test_message_on_a_jacobian_shows_x_as_dfun_was_given_it() -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        x[:] = 77
        return np.ones((3, 2))

    with refusal(ShapeError, "at x = [1., 1.]"):
        leastsq(decay, START, Dfun=jacobian)


@pytest.mark.parametrize(
    ("convert", "col_deriv"),
    [
        pytest.param(lambda j: j.tolist(), False, id="list of lists"),
        pytest.param(Table, False, id="object with __array__"),
        pytest.param(np.ma.array, False, id="masked array without mask"),
        pytest.param(np.asfortranarray, False, id="Fortran order"),
        pytest.param(lambda j: j.astype(">f8"), False, id="big-endian"),
        pytest.param(lambda j: np.repeat(j, 2, axis=0)[::2], False, id="every other row"),
        pytest.param(lambda j: np.repeat(j, 2, axis=1)[:, ::2], False, id="every other column"),
        pytest.param(lambda j: j.T.tolist(), True, id="list of lists, col_deriv"),
        pytest.param(lambda j: j.T, True, id="transposed view, col_deriv"),
        pytest.param(lambda j: np.repeat(j.T, 2, axis=1)[:, ::2], True, id="every other column, col_deriv"),
    ],
)
def test_jacobians_of_other_containers(convert: Callable, col_deriv: bool) -> None:
    x = solution(decay, Dfun=lambda x: convert(decay_jacobian(x)), col_deriv=col_deriv)
    np.testing.assert_array_equal(x, solution(decay, Dfun=decay_jacobian))


@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobian_of_one_parameter_may_be_a_vector(col_deriv: bool) -> None:
    x = solution(lambda x: x[0] * EXACT_T - 3 * EXACT_T, [1.0], Dfun=lambda x: EXACT_T, col_deriv=col_deriv)
    np.testing.assert_allclose(x, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.longdouble])
def test_jacobian_of_other_real_dtypes(dtype: type) -> None:
    jacobian = np.array([[1, 0], [0, 1], [1, 1]], dtype)
    x = solution(lambda x: np.array([x[0] - 3, x[1] - 4, x[0] + x[1] - 7]), Dfun=lambda x: jacobian)
    np.testing.assert_allclose(x, [3, 4])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda j: None, ["None", "return"], id="None"),
        pytest.param(lambda j: j + 0j, ["complex128"], id="complex"),
        pytest.param(lambda j: j > 0, ["bool"], id="bool"),
        pytest.param(lambda j: j.astype(object), ["object", "toarray()"], id="objects"),
        pytest.param(lambda j: "jacobian", ["str"], id="text"),
        pytest.param(lambda j: j.astype(np.uint8), ["uint8", "wraps round"], id="uint8"),
        pytest.param(lambda j: [[1.0], [1.0, 2.0]], ["list"], id="ragged list"),
    ],
)
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # -1.0 as unsigned
def test_jacobian_that_is_not_of_real_numbers(change: Callable, words: list[str], call: int) -> None:
    jacobian = FailsOnCall(call, lambda: change(decay_jacobian(np.array(START))), decay_jacobian)
    with refusal(InputTypeError, "Dfun gave", *words):
        leastsq(decay, START, Dfun=jacobian)


def test_masked_jacobian() -> None:
    jacobian = np.ma.masked_equal(np.eye(9, 2), 1)
    with refusal(InputValueError, "Dfun gave 2 masked values"):
        leastsq(decay, START, Dfun=lambda x: jacobian)
