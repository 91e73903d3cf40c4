"""`leastsq` returns what `scipy.optimize.leastsq` does, and every option has the effect that it should."""

import inspect
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from checks import SUCCESS, fit, label
from models import ANSWER, EXACT_T, EXACT_Y, START, Recorder, decay, decay_jacobian, decay_of
from problems.strd import correct_digits, load
from pyminpack import leastsq

EPS = float(np.finfo(np.float64).eps)

NOISY = EXACT_Y + 0.1 * np.cos(37 * np.arange(9.0))

# A straight line through points that aren't on one: the Jacobian is the same everywhere.
LINE = np.column_stack([np.ones(6), np.arange(6.0)])
POINTS = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 7.0])


def noisy_decay(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * EXACT_T) - NOISY


def line(x: np.ndarray) -> np.ndarray:
    return LINE @ x - POINTS


def line_jacobian(x: np.ndarray) -> np.ndarray:
    return LINE


def never_ends(x: np.ndarray) -> np.ndarray:
    """The same relative reduction by the same step, however often."""
    return np.exp(-x)


def never_ends_jacobian(x: np.ndarray) -> np.ndarray:
    return np.diag(-np.exp(-x))


# ------------------------------------------------------------------------ the calling sequence


SCIPYS_SIGNATURE = {
    "func": inspect.Parameter.empty,
    "x0": inspect.Parameter.empty,
    "args": (),
    "Dfun": None,
    "full_output": False,
    "col_deriv": False,
    "ftol": 1.49012e-8,
    "xtol": 1.49012e-8,
    "gtol": 0.0,
    "maxfev": 0,
    "epsfcn": None,
    "factor": 100,
    "diag": None,
}


def test_names_order_and_defaults_of_the_arguments_are_scipys() -> None:
    parameters = inspect.signature(leastsq).parameters.values()
    assert [(p.name, p.default) for p in parameters] == list(SCIPYS_SIGNATURE.items())
    assert {p.kind for p in parameters} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}


VALUES = {
    "args": (EXACT_T, NOISY),
    "Dfun": None,
    "full_output": True,
    "col_deriv": True,
    "ftol": 1e-3,
    "xtol": 1e-5,
    "gtol": 1e-7,
    "maxfev": 17,
    "epsfcn": 1e-10,
    "factor": 3.0,
    "diag": [2.0, 5.0],
}


@pytest.mark.parametrize("dfun", [None, lambda x, times, data: decay_jacobian(x).T], ids=["differences", "Dfun"])
def test_all_arguments_by_position(dfun: Callable | None) -> None:
    options = {**VALUES, "Dfun": dfun}
    assert ["func", "x0", *options] == list(SCIPYS_SIGNATURE)
    by_position, by_name = leastsq(decay_of, START, *options.values()), leastsq(decay_of, START, **options)
    assert by_position[-2:] == by_name[-2:]
    assert by_position[2]["nfev"] == by_name[2]["nfev"]
    np.testing.assert_array_equal(by_position[0], by_name[0])


# ------------------------------------------------------------------------------ what comes back


@pytest.mark.parametrize(
    ("x0", "n"),
    [
        (1.0, 1),
        (1, 1),
        (np.float64(1), 1),
        (np.array(1.0), 1),
        ([1.0], 1),
        (np.ones(1), 1),
        ([1, 2, 3], 3),
        (np.ones((2, 3)), 6),
        (np.ones((2, 1, 2), int), 4),
        (np.asfortranarray(np.ones((3, 2))), 6),
        (np.ones((3, 2)).T, 6),
    ],
    ids=lambda value: f"{np.shape(value)}",
)
def test_x_has_one_dimension_whatever_x0_has(x0: Any, n: int) -> None:
    target = np.arange(1.0, n + 1)
    func = Recorder(lambda x: np.append(x - target, 0.0))
    x, ier = leastsq(func, x0)
    assert ier in SUCCESS
    assert x.shape == (n,)
    assert x.dtype == np.float64
    assert {at.shape for at in func.at} == {(n,)}
    np.testing.assert_array_equal(func.at[0], np.ravel(x0))
    np.testing.assert_allclose(x, target)


def test_returns_x_and_ier_without_full_output() -> None:
    result = leastsq(decay, START)
    assert type(result) is tuple
    x, ier = result
    np.testing.assert_array_equal(x, fit(decay)[0])
    assert ier == fit(decay)[-1]
    assert type(ier) is int


@pytest.mark.parametrize(
    ("options", "further"), [({}, set()), ({"Dfun": decay_jacobian}, {"njev"})], ids=["differences", "Dfun"]
)
def test_returns_x_cov_x_infodict_mesg_and_ier_with_full_output(options: dict, further: set[str]) -> None:
    x, cov_x, infodict, message, ier = leastsq(decay, START, full_output=True, **options)
    assert set(infodict) == {"nfev", "fvec", "fjac", "ipvt", "qtf"} | further
    assert (x.shape, cov_x.shape) == ((2,), (2, 2))
    assert infodict["fvec"].shape == (9,)
    assert infodict["fjac"].shape == (2, 9)
    assert infodict["ipvt"].shape == infodict["qtf"].shape == (2,)
    assert np.issubdtype(infodict["ipvt"].dtype, np.integer)
    assert all(type(infodict[name]) is int for name in {"nfev"} | further)
    assert (type(message), type(ier)) == (str, int)


@pytest.mark.parametrize("func", [decay, noisy_decay, line])
def test_fvec_is_what_func_gives_at_x(func: Callable) -> None:
    x, _, infodict, _, _ = fit(func)
    np.testing.assert_array_equal(infodict["fvec"], func(x))


@pytest.mark.parametrize("full_output", [1, 2, np.True_])
def test_full_output_may_be_anything_true(full_output: Any) -> None:
    assert len(leastsq(decay, START, full_output=full_output)) == 5


def test_answer_to_nists_digits() -> None:
    misra = load("Misra1a")
    x, cov_x, infodict, _, _ = fit(misra.residuals, misra.starts[1], Dfun=misra.jacobian, ftol=1e-14, xtol=1e-14)
    variance = np.sum(infodict["fvec"] ** 2) / misra.dof
    assert correct_digits(x, misra.certified).min() > 7
    assert correct_digits(np.sqrt(variance), misra.rsd) > 9
    assert correct_digits(np.sqrt(np.diag(cov_x * variance)), misra.certified_se).min() > 6


# ------------------------------------------------------------------------------ factorization


def unequal(x: np.ndarray) -> np.ndarray:
    """Three parameters whose columns of the Jacobian are of different lengths, longest last."""
    return np.array([x[0] - 1, 10 * (x[1] - x[0] ** 2), 90 * (x[2] - x[1]), x[0] + x[2], x[1] * x[2]])


def unequal_jacobian(x: np.ndarray) -> np.ndarray:
    return np.array([[1, 0, 0], [-20 * x[0], 10, 0], [0, -90, 90], [1, 0, 1], [0, x[2], x[1]]], float)


FACTORED = pytest.mark.parametrize(
    ("func", "jacobian", "start"),
    [(noisy_decay, decay_jacobian, START), (line, line_jacobian, START), (unequal, unequal_jacobian, [2.0, 1.0, 3.0])],
    ids=["decay", "line", "unequal"],
)


def factorization(func: Callable, jacobian: Callable, start: Any) -> tuple:
    """Give R, ipvt and qtf, and the Jacobian and the residuals that they belong to: where Dfun was called last."""
    recorder = Recorder(jacobian)
    infodict = fit(func, start, Dfun=recorder)[2]
    r = np.triu(infodict["fjac"].T[: len(start)])
    last = recorder.at[-1]
    return r, infodict["ipvt"], infodict["qtf"], jacobian(last), func(last)


@FACTORED
def test_ipvt_is_a_permutation_counted_from_zero(func: Callable, jacobian: Callable, start: Any) -> None:
    _, ipvt, _, _, _ = factorization(func, jacobian, start)
    assert sorted(ipvt) == list(range(len(start)))


def test_ipvt_puts_the_longest_column_first() -> None:
    _, ipvt, _, j, _ = factorization(unequal, unequal_jacobian, [2.0, 1.0, 3.0])
    assert ipvt[0] == np.linalg.norm(j, axis=0).argmax()
    assert list(ipvt) != [0, 1, 2]


@FACTORED
def test_fjac_holds_r_of_the_permuted_jacobian(func: Callable, jacobian: Callable, start: Any) -> None:
    r, ipvt, _, j, _ = factorization(func, jacobian, start)
    gram = j[:, ipvt].T @ j[:, ipvt]
    np.testing.assert_allclose(r.T @ r, gram, rtol=1e-12, atol=1e-12 * gram.max())


@FACTORED
def test_qtf_is_q_transposed_times_the_residuals(func: Callable, jacobian: Callable, start: Any) -> None:
    """Q is J P R⁻¹, its first columns, whichever signs R was given."""
    r, ipvt, qtf, j, f = factorization(func, jacobian, start)
    q = np.linalg.solve(r.T, j[:, ipvt].T).T
    np.testing.assert_allclose(qtf, q.T @ f, rtol=1e-9, atol=1e-12 * np.linalg.norm(f))


# -------------------------------------------------------------------------------- covariance


@FACTORED
def test_cov_x_is_the_inverse_of_the_normal_matrix(func: Callable, jacobian: Callable, start: Any) -> None:
    recorder = Recorder(jacobian)
    cov_x = fit(func, start, Dfun=recorder)[1]
    j = jacobian(recorder.at[-1])
    np.testing.assert_allclose(cov_x, np.linalg.inv(j.T @ j), rtol=1e-10)


def test_cov_x_by_differences() -> None:
    np.testing.assert_allclose(fit(line)[1], np.linalg.inv(LINE.T @ LINE), rtol=1e-6)


def test_cov_x_is_symmetric() -> None:
    cov_x = fit(unequal, [2.0, 1.0, 3.0])[1]
    np.testing.assert_array_equal(cov_x, cov_x.T)


SINGULAR = {
    "equal columns": np.column_stack([np.arange(1.0, 6), np.arange(1.0, 6)]),
    "collinear columns": np.column_stack([np.arange(1.0, 6), 0.3 * np.arange(1.0, 6)]),
    "opposite columns": np.column_stack([np.arange(1.0, 6), -np.arange(1.0, 6)]),
    "column of zeros": np.column_stack([np.arange(1.0, 6), np.zeros(5)]),
    "column of zeros first": np.column_stack([np.zeros(5), np.arange(1.0, 6)]),
    "sum of the others": np.column_stack([np.ones(5), np.arange(5.0), np.ones(5) + np.arange(5.0)]),
    "collinear in other units": np.column_stack([np.arange(1.0, 6), 0.3e12 * np.arange(1.0, 6)]),
}


@pytest.mark.parametrize("design", SINGULAR.values(), ids=SINGULAR)
def test_cov_x_is_none_where_columns_depend_on_each_other(design: np.ndarray) -> None:
    data = np.array([1.0, 3.0, 2.0, 5.0, 4.0])
    cov_x = fit(lambda x: design @ x - data, np.ones(design.shape[1]), Dfun=lambda x: design)[1]
    assert cov_x is None


@pytest.mark.parametrize("idle", [0, 1, 2])
def test_cov_x_is_none_where_a_parameter_has_no_effect(idle: int) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        return line(np.delete(x, idle))

    x, cov_x, _, _, _ = fit(residuals, [1.0, 1.0, 1.0])
    assert cov_x is None
    assert x[idle] == 1
    np.testing.assert_allclose(np.delete(x, idle), np.linalg.lstsq(LINE, POINTS, rcond=None)[0], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("which", [0, 1])
def test_cov_x_whatever_the_units_of_a_parameter(unit: float, which: int) -> None:
    units = np.ones(2)
    units[which] = unit
    design = LINE / units
    cov_x = fit(lambda x: design @ x - POINTS, units, Dfun=lambda x: design)[1]
    np.testing.assert_allclose(cov_x, np.linalg.inv(LINE.T @ LINE) * np.outer(units, units), rtol=1e-10)


@pytest.mark.parametrize("angle", [1e-3, 1e-6, 1e-10])
def test_cov_x_of_columns_that_are_almost_collinear(angle: float) -> None:
    """A small angle is no dependence: only one that rounding explains is."""
    design = np.array([[1.0, 1.0], [0.0, angle], [0.0, 0.0]])
    cov_x = fit(lambda x: design @ x - [1.0, 2.0, 3.0], START, Dfun=lambda x: design)[1]
    np.testing.assert_allclose(cov_x, np.array([[1 + angle**2, -1], [-1, 1]]) / angle**2, rtol=1e-12 / angle)


@pytest.mark.parametrize(
    "options", [{"maxfev": 3}, {"ftol": 0, "xtol": 0}, {"ftol": 0, "xtol": 0, "Dfun": decay_jacobian}], ids=label
)
def test_cov_x_is_none_where_the_fit_did_not_converge(options: dict) -> None:
    _, cov_x, _, message, ier = leastsq(noisy_decay, START, full_output=True, **options)
    assert ier not in SUCCESS, message
    assert cov_x is None


# ------------------------------------------------------------------------------------ maxfev


@pytest.mark.parametrize("n", [1, 2, 3])
def test_default_maxfev_by_differences(n: int) -> None:
    """200 (n + 1), looked at after each trial point; an iteration here takes n + 1 calls, and the start one."""
    func = Recorder(never_ends)
    _, _, infodict, message, ier = leastsq(func, np.ones(n), full_output=True)
    assert ier == 5
    assert f"maxfev = {200 * (n + 1)} " in message
    assert infodict["nfev"] == len(func.at) == 200 * (n + 1) + 1


@pytest.mark.parametrize("n", [1, 2, 3])
def test_default_maxfev_with_dfun(n: int) -> None:
    func = Recorder(never_ends)
    _, _, infodict, message, ier = leastsq(func, np.ones(n), Dfun=never_ends_jacobian, full_output=True)
    assert ier == 5
    assert f"maxfev = {100 * (n + 1)} " in message
    assert infodict["nfev"] == len(func.at) == 100 * (n + 1)


@pytest.mark.parametrize("maxfev", [2, 3, 4, 10, 57])
def test_maxfev_with_dfun(maxfev: int) -> None:
    _, _, infodict, message, ier = leastsq(never_ends, START, Dfun=never_ends_jacobian, maxfev=maxfev, full_output=True)
    assert ier == 5
    assert infodict["nfev"] == maxfev
    assert f"maxfev = {maxfev} " in message


@pytest.mark.parametrize(("maxfev", "nfev"), [(1, 4), (4, 4), (5, 7), (7, 7), (8, 10)])
def test_maxfev_by_differences_stops_at_the_end_of_an_iteration(maxfev: int, nfev: int) -> None:
    _, _, infodict, _, ier = leastsq(never_ends, START, maxfev=maxfev, full_output=True)
    assert ier == 5
    assert infodict["nfev"] == nfev


def test_maxfev_that_is_enough_changes_nothing() -> None:
    x, _, infodict, _, _ = fit(noisy_decay)
    again = fit(noisy_decay, maxfev=infodict["nfev"] + 1)
    np.testing.assert_array_equal(again[0], x)


def test_best_point_comes_back_from_a_fit_that_was_stopped() -> None:
    func = Recorder(noisy_decay)
    x, _, infodict, _, ier = leastsq(func, START, maxfev=5, full_output=True)
    assert ier == 5
    best = min(np.linalg.norm(noisy_decay(at)) for at in (func.at[0], func.at[3], func.at[6]))
    assert np.linalg.norm(infodict["fvec"]) == pytest.approx(best, rel=1e-15)
    np.testing.assert_array_equal(infodict["fvec"], noisy_decay(x))


# ----------------------------------------------------------------------------- ier and message


def balanced(x: np.ndarray) -> np.ndarray:
    """At 2**-52, orthogonal to its Jacobian but for the last bit, which no step can improve on."""
    return np.array([x[0] + 1, x[0] - 1])


def balanced_jacobian(x: np.ndarray) -> np.ndarray:
    return np.ones((2, 1))


def jammed(x: np.ndarray) -> np.ndarray:
    return np.array([x[0] - 2 if x[0] <= 1 else np.nan])


def jammed_jacobian(x: np.ndarray) -> np.ndarray:
    return np.ones((1, 1))


# Each ending, by a fit that is made for it; all but the first three need the Jacobian to be exact, so that
# rounding, and not the error of differences, decides.
REDUCTION = "the relative reduction of the sum of squares, actual and predicted, is at most ftol = 1.49e-08"
STEP = "the relative size of the step is at most xtol = 1.49e-08"
ENDINGS: dict[str, tuple[int, list[str], Callable, Any, dict[str, Any]]] = {
    "1": (1, ["Converged", REDUCTION], noisy_decay, START, {"xtol": 0}),
    "2": (2, ["Converged", STEP], decay, START, {"ftol": 0}),
    "3": (3, ["Converged", REDUCTION, STEP], line, [1e3, 1e3], {"Dfun": line_jacobian}),
    "4 by gtol": (4, ["Converged", "cosine", "gtol = 0.01"], noisy_decay, START, {"gtol": 1e-2}),
    "4 by residuals of zero": (4, ["Converged", "cosine", "gtol = 0"], decay, ANSWER, {}),
    "5": (5, ["Stopped", "maxfev = 400 "], never_ends, [1.0], {}),
    "6": (6, ["Stopped", "ftol = 0 is too small"], noisy_decay, START,
          {"Dfun": decay_jacobian, "ftol": 0, "xtol": 0}),
    "7": (7, ["Stopped", "xtol = 1.49e-08 is too small", "not finite block the way"], jammed, [0.0],
          {"Dfun": jammed_jacobian}),
    "8 by rounding": (8, ["Stopped", "gtol = 0 is too small", "orthogonal", "machine precision"], balanced, [EPS],
                      {"Dfun": balanced_jacobian, "ftol": 0, "xtol": 0}),
    "8 by a Jacobian of zeros": (8, ["Stopped", "the Jacobian is zero"], lambda x: np.ones(3), START, {}),
}  # fmt: skip
EVERY_ENDING = pytest.mark.parametrize(
    ("ier", "words", "func", "start", "options"), ENDINGS.values(), ids=ENDINGS.keys()
)


def test_endings_are_all_that_there_are() -> None:
    assert {ier for ier, *_ in ENDINGS.values()} == set(range(1, 9))


@EVERY_ENDING
def test_ier_and_message(ier: int, words: list[str], func: Callable, start: Any, options: dict) -> None:
    *_, message, given = leastsq(func, start, full_output=True, **options)
    assert given == ier, message
    assert all(word in message for word in words), message
    assert message.endswith(".")


@EVERY_ENDING
def test_message_states_tolerances_so_that_they_can_be_read(
    ier: int, words: list[str], func: Callable, start: Any, options: dict
) -> None:
    message = leastsq(func, start, full_output=True, **options)[-2]
    assert "0.000000" not in message
    assert "{" not in message


@pytest.mark.parametrize(("ftol", "stated"), [(1.49012e-8, "1.49e-08"), (1e-3, "0.001"), (1e-15, "1e-15")])
def test_message_states_the_tolerance_that_was_asked_for(ftol: float, stated: str) -> None:
    assert f"ftol = {stated}." in fit(line, ftol=ftol, xtol=0)[-2]


@EVERY_ENDING
def test_warning_without_full_output_where_the_fit_did_not_converge(
    ier: int, words: list[str], func: Callable, start: Any, options: dict
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert leastsq(func, start, **options)[1] == ier
    if ier in SUCCESS:
        assert caught == []
        return
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert warning.filename == __file__, "the warning should point at the caller"
    assert str(warning.message) == leastsq(func, start, full_output=True, **options)[-2]


@EVERY_ENDING
def test_no_warning_with_full_output(ier: int, words: list[str], func: Callable, start: Any, options: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        leastsq(func, start, full_output=True, **options)


# ----------------------------------------------------------------------------------- options


@pytest.mark.parametrize("epsfcn", [None, 0.0, 1e-20, 1e-10, 1e-4])
def test_epsfcn_sets_the_steps_of_differences(epsfcn: float | None) -> None:
    func = Recorder(lambda x: np.array([x[0] - 1, x[1] - 2, x[2] - 3, x[0] + x[1] + x[2]]))
    leastsq(func, [100.0, -0.25, 0.0], epsfcn=epsfcn, full_output=True)
    eta = np.sqrt(max(epsfcn or 0, EPS))
    steps = np.array(func.at[1:4]) - func.at[0]
    np.testing.assert_allclose(np.diag(steps), eta * np.array([100.0, 0.25, 1.0]), rtol=1e-6)
    assert np.count_nonzero(steps) == 3


@pytest.mark.parametrize("epsfcn", [1e-4, 1e-12])
def test_epsfcn_that_is_given_stands_whatever_the_dtype_of_the_residuals(epsfcn: float) -> None:
    func = Recorder(lambda x: decay(x).astype(np.float32))
    leastsq(func, [2.0, 0.5], epsfcn=epsfcn, full_output=True)
    steps = np.array(func.at[1:3]) - func.at[0]
    np.testing.assert_allclose(steps, np.sqrt(epsfcn) * np.diag([2.0, 0.5]), rtol=1e-6, atol=0)


def first_step(x0: Any, by_differences: bool, **options: Any) -> np.ndarray:
    """Give the first step of a fit whose solution is far away."""
    func = Recorder(lambda x: x - 1e6)
    if by_differences:
        leastsq(func, x0, full_output=True, **options)
        return func.at[1 + len(x0)] - func.at[0]
    leastsq(func, x0, Dfun=lambda x: np.eye(len(x0)), full_output=True, **options)
    return func.at[1] - func.at[0]


BOTH_DRIVERS = pytest.mark.parametrize("by_differences", [False, True], ids=["Dfun", "differences"])


@BOTH_DRIVERS
@pytest.mark.parametrize("factor", [0.1, 1.0, 7.0, 100.0])
def test_factor_bounds_the_first_step(factor: float, by_differences: bool) -> None:
    """Relative to ‖D x‖, 5 here; within the tenth that MINPACK allows."""
    step = first_step([3.0, 4.0], by_differences, factor=factor)
    assert np.linalg.norm(step) == pytest.approx(5 * factor, rel=0.1)


@BOTH_DRIVERS
def test_factor_is_100_unless_it_is_given(by_differences: bool) -> None:
    step = first_step([3.0, 4.0], by_differences)
    np.testing.assert_array_equal(step, first_step([3.0, 4.0], by_differences, factor=100))


@BOTH_DRIVERS
def test_factor_bounds_the_first_step_from_zero_absolutely(by_differences: bool) -> None:
    step = first_step([0.0, 0.0], by_differences, factor=7)
    assert np.linalg.norm(step) == pytest.approx(7, rel=0.1)


@BOTH_DRIVERS
@pytest.mark.parametrize("diag", [[1.0, 1.0], [1.0, 20.0], [0.01, 1.0]], ids=str)
def test_diag_is_the_norm_in_which_the_first_step_is_bounded(diag: list[float], by_differences: bool) -> None:
    scale = np.array(diag)
    step = first_step([3.0, 4.0], by_differences, diag=diag, factor=2)
    assert np.linalg.norm(scale * step) == pytest.approx(2 * np.linalg.norm(scale * [3.0, 4.0]), rel=0.1)


@BOTH_DRIVERS
def test_diag_changes_the_direction_of_a_bounded_step(by_differences: bool) -> None:
    """A parameter with a large scale factor moves less."""
    even, uneven = (first_step([3.0, 4.0], by_differences, diag=diag, factor=2) for diag in ([1, 1], [1, 20]))
    assert even[1] == pytest.approx(even[0], rel=0.01)
    assert uneven[1] < 0.1 * uneven[0]


@pytest.mark.parametrize("diag", [[1, 2], (1.0, 2.0), np.float32([1, 2]), np.array([1, 2], ">f8")], ids=repr)
def test_diag_in_any_container(diag: Any) -> None:
    np.testing.assert_array_equal(fit(noisy_decay, diag=diag)[0], fit(noisy_decay, diag=np.array([1.0, 2.0]))[0])


def test_diag_stays_as_it_is() -> None:
    diag = np.array([1.0, 2.0])
    fit(noisy_decay, diag=diag)
    np.testing.assert_array_equal(diag, [1, 2])


def test_fit_is_the_same_in_other_units() -> None:
    """The scaling that MINPACK finds by itself makes the method invariant; powers of two make it exact."""
    units = np.array([2.0**20, 2.0**-30])
    func, scaled = Recorder(noisy_decay), Recorder(lambda x: noisy_decay(x * units))
    fit(func, Dfun=decay_jacobian)
    fit(scaled, START / units, Dfun=lambda x: decay_jacobian(x * units) * units)
    np.testing.assert_array_equal(np.array(scaled.at) * units, func.at)


@pytest.mark.parametrize("gtol", [1e-2, 1e-4, 1e-6])
def test_gtol_ends_a_fit_at_the_first_jacobian_that_satisfies_it(gtol: float) -> None:
    recorder = Recorder(decay_jacobian)
    x, *_, ier = leastsq(noisy_decay, START, Dfun=recorder, gtol=gtol, ftol=0, xtol=0, full_output=True)

    def cosine(at: np.ndarray) -> float:
        j, f = decay_jacobian(at), noisy_decay(at)
        return np.max(np.abs(j.T @ f) / np.linalg.norm(j, axis=0)) / np.linalg.norm(f)

    assert ier == 4
    *before, last = map(cosine, recorder.at)
    assert last <= gtol
    assert gtol == 1e-2 or gtol < min(before)  # where the first that does is far from the minimum, the fit goes on
    np.testing.assert_array_equal(x, recorder.at[-1])


@pytest.mark.parametrize("name", ["ftol", "xtol"])
def test_looser_tolerance_takes_fewer_calls(name: str) -> None:
    other = {"ftol": "xtol", "xtol": "ftol"}[name]
    func = noisy_decay if name == "ftol" else decay
    calls = [fit(func, **{name: value, other: 0})[2]["nfev"] for value in (1e-1, 1e-4, 1e-8)]
    assert calls == sorted(set(calls))


@pytest.mark.parametrize("kind", [np.float64, np.float32, Fraction, np.array], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("epsfcn", [None, 2.0**-20])
def test_options_may_be_numbers_of_any_kind(kind: Callable, epsfcn: float | None) -> None:
    """Of no dimension, where they are arrays: those are numbers to SciPy too."""
    plain = {"ftol": 2.0**-10, "xtol": 2.0**-12, "gtol": 2.0**-8, "factor": 64.0, "maxfev": 500}
    if epsfcn is not None:
        plain["epsfcn"] = epsfcn
    given = {name: kind(value) for name, value in plain.items()}
    these, those = fit(noisy_decay, **given), fit(noisy_decay, **plain)
    np.testing.assert_array_equal(these[0], those[0])
    assert (these[2]["nfev"], these[-1]) == (those[2]["nfev"], those[-1])


# -------------------------------------------------------------------------------- Jacobians


@pytest.mark.parametrize("order", ["C", "F"])
def test_col_deriv_changes_nothing_but_the_orientation(order: str) -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        return np.array(decay_jacobian(x), order=order)

    these = fit(noisy_decay, Dfun=jacobian)
    those = fit(noisy_decay, Dfun=lambda x: np.array(decay_jacobian(x).T, order=order), col_deriv=True)
    assert these[-2:] == those[-2:]
    np.testing.assert_array_equal(these[0], those[0])
    np.testing.assert_array_equal(these[1], those[1])
    for name, value in these[2].items():
        np.testing.assert_array_equal(value, those[2][name], err_msg=name)


def test_col_deriv_of_a_square_jacobian() -> None:
    """Its shape tells nothing: only col_deriv does."""
    j = np.array([[1.0, 2.0], [0.0, 3.0]])
    for col_deriv, given in ((False, j), (True, j.T)):
        x, _, infodict, _, _ = fit(lambda x: j @ x - [5.0, 6.0], START, Dfun=lambda x, g=given: g, col_deriv=col_deriv)
        np.testing.assert_allclose(x, [1, 2])
        assert infodict["njev"] <= 3


def test_col_deriv_means_nothing_without_dfun() -> None:
    np.testing.assert_array_equal(fit(decay, col_deriv=True)[0], fit(decay)[0])


@pytest.mark.parametrize("start", [[1.0, 1.0], [2.0, 0.5], [4.0, 3.0], [0.1, 0.1]], ids=str)
@pytest.mark.parametrize("func", [decay, noisy_decay])
def test_differences_and_dfun_agree(func: Callable, start: list[float]) -> None:
    by_differences, by_dfun = fit(func, start), fit(func, start, Dfun=decay_jacobian)
    np.testing.assert_allclose(by_differences[0], by_dfun[0], rtol=1e-4)
    np.testing.assert_allclose(by_differences[1], by_dfun[1], rtol=1e-3)
    assert np.linalg.norm(by_differences[2]["fvec"]) == pytest.approx(np.linalg.norm(by_dfun[2]["fvec"]), abs=1e-7)


def test_linear_problem_is_solved_in_one_step() -> None:
    expected = np.linalg.lstsq(LINE, POINTS, rcond=None)[0]
    func = Recorder(line)
    x = fit(func, Dfun=line_jacobian)[0]
    np.testing.assert_allclose(x, expected, rtol=1e-12)
    np.testing.assert_allclose(func.at[1], expected, rtol=1e-12)


def test_as_many_residuals_as_parameters() -> None:
    x = fit(lambda x: np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), [-1.2, 1.0])[0]
    np.testing.assert_allclose(x, 1, rtol=1e-7)


def test_one_parameter_and_one_residual() -> None:
    np.testing.assert_allclose(fit(lambda x: np.array([x[0] ** 2 - 2]), 1.0)[0], np.sqrt(2))


def test_same_fit_gives_the_same_bits() -> None:
    these, those = fit(noisy_decay), fit(noisy_decay)
    np.testing.assert_array_equal(these[0], those[0])
    np.testing.assert_array_equal(these[1], those[1])
