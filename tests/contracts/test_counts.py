"""What a fit counts, never exceeds, and compares or looks at where it ends."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import START, T, both, jacobian, residuals
from problems.mgh import runs
from pyminpack import LevenbergMarquardt, OptionError, compiled_residuals, least_squares, leastsq

INF = np.inf
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bounds": {"bounds": ([0.5, 0], [INF, 2.2])},
    "a bound that holds": {"bounds": (0, 2.2)},
    "loss": {"loss": "cauchy", "f_scale": 0.1},
    "fixed": {"fixed": [False, True]},
    "callback": {"callback": lambda state: None},
    "timeout": {"timeout": 1e6},
    "x_scale": {"x_scale": [1.0, 3.0]},
    "workers": {"workers": 2},
    "accel": {"accel": True},
    "accel within bounds": {"accel": True, "bounds": (0, 2.2)},
    "gtol": {"ftol": None, "xtol": None, "gtol": 1e-6},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, x: np.ndarray) -> Any:
        self.calls += 1
        return self.function(x)


def wrong(x: np.ndarray) -> np.ndarray:
    return jacobian(x) * [1, -1]


def approximate(x: np.ndarray) -> np.ndarray:
    return jacobian(x) * [1, 1.02]


JACOBIANS = {"right": jacobian, "wrong": wrong, "approximate": approximate}
each_jacobian = pytest.mark.parametrize("jac", JACOBIANS.values(), ids=JACOBIANS)


def calls_of(solver: Callable[..., Any], **options: Any) -> tuple[Any, int]:
    """What a fit by differences gives, and how often it calls its function."""
    counted = Counted(residuals)
    return solver(counted, START, **options), counted.calls


def test_an_end_is_looked_at_by_central_differences_and_no_further_step() -> None:
    """Where the next step is within xtol of each parameter; leastsq, whose iterates are the same, does not look."""
    x, of_leastsq = calls_of(leastsq)
    fit, calls = calls_of(least_squares)
    assert calls == of_leastsq + 2 * START.size
    np.testing.assert_array_equal(fit.x, x[0])
    best = least_squares(residuals, START, jacobian, ftol=1e-15, xtol=1e-15, gtol=0).x
    np.testing.assert_allclose(fit.x, best, rtol=1e-8)


def test_without_xtol_an_end_is_looked_at_until_the_offset_is_small() -> None:
    fit, _ = calls_of(least_squares)
    further, _ = calls_of(least_squares, xtol=None)
    assert further.nit > fit.nit
    assert further.offset < 1e-7 < fit.offset


@each_option
@each_jacobian
@pytest.mark.parametrize("comes", ["by itself", "with the residuals"])
@pytest.mark.parametrize("check_jac", [None, False, True])
def test_nfev_is_the_number_of_calls_and_max_nfev_is_never_exceeded(
    options: dict[str, Any], jac: Callable, comes: str, check_jac: bool | None
) -> None:
    for limit in (1, 2, 3, 5, 7, 8, 9, 10, 12, 20, 29, 30, 40, None):
        given: Any = jac if comes == "by itself" else True
        fun = Counted(residuals if comes == "by itself" else lambda x: (residuals(x), jac(x)))
        fit = least_squares(fun, START, given, max_nfev=limit, check_jac=check_jac, **options)
        assert fun.calls == fit.nfev
        assert limit is None or fit.nfev <= limit
        if jac is wrong and check_jac is not False and "fixed" not in options:  # the column that is left is right
            assert not fit.success
            assert limit is not None or fit.status == -7


@each_option
def test_a_right_jacobian_costs_one_evaluation_more(options: dict[str, Any]) -> None:
    assert least_squares(residuals, START, jacobian, **options).nfev == 1 + (
        least_squares(residuals, START, jacobian, check_jac=False, **options).nfev
    )


def test_fits_of_the_table_end_where_they_do_without_a_look_at_the_jacobian() -> None:
    for run in runs()[::4]:
        problem = run.problem
        seen, unseen = (
            least_squares(problem.residuals, problem.start, problem.jacobian, max_nfev=2000, check_jac=check)
            for check in (None, False)
        )
        np.testing.assert_array_equal(seen.x, unseen.x)
        assert (seen.status, seen.njev, seen.nit) == (unseen.status, unseen.njev, unseen.nit)


def test_a_jacobian_that_is_approximate_on_purpose_may_go_unseen() -> None:
    """It took 98 calls where nfev was 7."""
    fun = Counted(residuals)
    fit = least_squares(fun, START, approximate, check_jac=False)
    assert fit.success
    assert fun.calls == fit.nfev < 30
    assert "Jacobian" not in fit.message


def test_what_could_not_be_settled_is_no_success() -> None:
    plain = least_squares(residuals, START, approximate, check_jac=False)
    fit = least_squares(residuals, START, approximate, max_nfev=plain.nfev + 1)
    assert (fit.status, fit.success) == (0, False)
    assert "max_nfev" in fit.message
    assert "check_jac" in fit.message


def test_every_parameter_is_compared_where_the_caller_wants_it() -> None:
    """An error that cancels along the one direction: right by chance."""
    fun = Counted(residuals)
    fit = least_squares(fun, START, jacobian, check_jac=True)
    assert fit.success
    assert fun.calls == fit.nfev >= least_squares(residuals, START, jacobian, check_jac=False).nfev + 2 * 2


@pytest.mark.parametrize("check_jac", [0, 1, "no", np.False_, []])
def test_other_choices_are_refused(check_jac: Any) -> None:
    with pytest.raises(OptionError, match="check_jac"):
        least_squares(residuals, START, jacobian, check_jac=check_jac)


def test_points_of_the_comparison_are_no_farther_away_than_the_fit_has_been() -> None:
    """In lengths of the columns; and on the side where the fit has come from."""
    points: list[np.ndarray] = []

    def fun(x: np.ndarray) -> np.ndarray:
        points.append(x.copy())
        return residuals(x)

    fit = least_squares(fun, START, jacobian)
    assert fit.jac is not None
    weights = np.linalg.norm(fit.jac, axis=0)
    distances = [float(np.linalg.norm(weights * (point - fit.x))) for point in points]
    assert 0 < distances[-1] < 1e-3 * max(distances[:-1])
    assert np.all((points[-1] - fit.x) * (START - fit.x) > 0)


def test_rescaling_a_fit_whose_function_gives_both_counts_its_calls() -> None:
    fun = Counted(both)
    fit = LevenbergMarquardt(fun, START, True)
    for scale in (1.0, [1.0, 5.0], "jac"):
        fit.step()
        fit.x_scale = scale
    fit.run()
    assert fun.calls == fit.nfev


def test_leastsq_counts_every_call() -> None:
    for given in (None, jacobian):
        for limit in (0, 1, 5, 12):
            fun = Counted(residuals)
            _, _, info, _, _ = leastsq(fun, START, Dfun=given, maxfev=limit, full_output=True)
            assert info["nfev"] == fun.calls


def test_a_call_for_a_jacobian_that_was_changed_counts_once() -> None:
    """Where fun gives both, and is asked again: who got the result has written into J, of which there is no copy."""
    t = np.linspace(0, 4, 3000)

    def tall(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        decay = np.exp(-x[1] * t)
        return x[0] * decay - np.exp(-t) - 0.01 * np.cos(9 * t), np.stack([decay, -x[0] * t * decay], axis=1)

    fun = Counted(tall)
    fit = LevenbergMarquardt(fun, [1.5, 1.5], True)
    result = fit.run()
    assert result.nfev == fun.calls
    before, right = fun.calls, result.jac.copy()
    result.jac[:] = np.nan
    again = fit.result()
    np.testing.assert_array_equal(again.jac, right)
    assert again.nfev == fun.calls > before

    fun.calls = 0
    fit = LevenbergMarquardt(fun, [1.5, 1.5], True, max_nfev=before)  # no evaluation is left to take it again
    result = fit.run()
    result.jac[:] = np.nan
    again = fit.result()
    assert again.nfev == fun.calls == before
    assert again.jac is None
    np.testing.assert_array_equal(again.stderr, result.stderr)


def test_compiled_residuals_are_compared_with_a_python_jacobian() -> None:
    ctypes = pytest.importorskip("ctypes")

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, *[ctypes.POINTER(ctypes.c_double)] * 2, ctypes.c_void_p)
    def evaluate(m: int, n: int, x: Any, f: Any, data: Any) -> int:
        for i, value in enumerate(residuals(np.array([x[0], x[1]]))):
            f[i] = value
        return 0

    fun = compiled_residuals(evaluate, m=len(T))
    assert least_squares(fun, START, jacobian).success
    assert least_squares(fun, START, wrong).status == -7


def test_loose_tolerances_end_a_fit_about_where_they_end_leastsq() -> None:
    """A restart must promise more than the tolerances."""
    for run in runs():
        problem = run.problem
        *_, info, _, _ = leastsq(problem.residuals, problem.start, Dfun=problem.jacobian, ftol=0.1, xtol=0.1,
                                 maxfev=1000, full_output=True)  # fmt: skip
        fit = least_squares(
            problem.residuals, problem.start, problem.jacobian, ftol=0.1, xtol=0.1, gtol=None, max_nfev=1000,
            check_jac=False,
        )  # fmt: skip
        assert fit.nfev <= info["nfev"] + 12, run
        assert fit.cost <= 0.5 * np.sum(info["fvec"] ** 2) * (1 + 1e-12), run
