"""Fits that go on where a test for convergence was met, or that creep; and those that rightly end."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from problems.mgh import Problem, Run, runs
from pyminpack import LevenbergMarquardt, _minpack, least_squares, leastsq
from pyminpack._iteration.machine import CONTROL, STATE
from pyminpack._report.info import Info

INF = np.inf
T = np.linspace(0, 4, 20)
Y = 2.5 * np.exp(-1.3 * T) + 0.05 * np.cos(7 * T)
TABLE: dict[str, Problem] = {run.problem.name: run.problem for run in runs()}
FTOL, RUNNING = 1, -np.iinfo(np.int32).max


def nothing(_: Any) -> None:
    pass


either_loop = pytest.mark.parametrize("callback", [None, nothing], ids=["core", "python"])


# ------------------------------------------------------------------------------------------------ whole fits


@either_loop
@pytest.mark.parametrize("start", [1, 10])
@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_watsons_function_by_differences(jac: Any, start: int, callback: Any) -> None:
    """From 0, where steps of differences drown in parameters that come near 0, to the minimum of the literature."""
    problem = TABLE[f"watson-31x6-start{start}"]
    fit = least_squares(problem.residuals, problem.start, jac, callback=callback)
    assert fit.success
    assert fit.cost == pytest.approx(1.14383503e-3, rel=1e-8)
    assert fit.nfev < 20


def products(x: np.ndarray) -> np.ndarray:
    return np.array([x[0] - 3, x[1] - 5, x[0] * x[1] - 15])


@either_loop
@pytest.mark.parametrize("options", [{}, {"bounds": (-9, 9)}, {"bounds": (0, [9, 5])}, {"loss": "soft_l1"}])
@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_start_next_to_0(jac: Any, options: Any, callback: Any) -> None:
    """The first step bound is that of a parameter of 1e-20, and so are steps of differences."""
    fit = least_squares(products, [1e-20, 1.0], jac, callback=callback, **options)
    assert fit.success
    np.testing.assert_allclose(fit.x, [3, 5], rtol=1e-6)
    assert fit.nfev < 20


# Where chebyquad's gradient leads a fit along a wall for long.
LOW = np.array(
    [0.06558229, -0.01667089, -0.02391711, 0.43877382, -0.03988838, -0.06011164, -0.06011148, 0.83691188, -0.08332913,
     1.03441771]
)  # fmt: skip
HIGH = np.array(
    [0.12520257, 0.1500379, 0.21525392, 0.83765912, 0.3589953, 0.5410047, 0.54100324, 1.59774087, 0.74996209,
     1.97479745]
)  # fmt: skip


@either_loop
@pytest.mark.parametrize("by_differences", [False, True])
def test_fit_that_creeps_takes_new_scaling(by_differences: bool, callback: Any) -> None:
    problem = TABLE["chebyquad-10x10-start1"]
    jac: Any = "2-point" if by_differences else problem.jacobian
    fit = least_squares(problem.residuals, (LOW + HIGH) / 2, jac, (LOW, HIGH), max_nfev=3000, callback=callback)
    assert fit.success
    assert fit.cost < 4
    assert fit.nfev < 400


def test_creeping_without_bounds_ends_sooner_than_leastsq_does() -> None:
    problem = TABLE["kowalik-osborne-11x4-start100"]
    fit = least_squares(problem.residuals, problem.start, problem.jacobian, max_nfev=3000)
    info = leastsq(problem.residuals, problem.start, Dfun=problem.jacobian, full_output=True, maxfev=3000)[2]
    assert fit.success
    assert fit.nfev < info["nfev"]
    assert fit.cost <= 0.5 * _minpack.enorm(info["fvec"]) ** 2 * (1 + 1e-8)


@either_loop
@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_noise_does_not_keep_fits_going(jac: Any, callback: Any) -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)

        def noisy(x: np.ndarray, rng: Any = rng) -> np.ndarray:
            return x[0] * np.exp(-x[1] * T) - Y + 1e-6 * rng.standard_normal(20)

        fit = least_squares(noisy, rng.uniform(0.5, 2, 2), jac, callback=callback)
        assert fit.status > 0, seed
        assert fit.nfev < 150
        if jac == "3-point":  # shorter steps see nothing but noise
            np.testing.assert_allclose(fit.x, [2.526471, 1.317735], rtol=2e-2)


def test_fit_whose_cost_falls_for_ever_ends_at_the_limit() -> None:
    """Each look may promise much; what was gained since the one before must have been much, too."""
    fit = least_squares(lambda x: np.exp(-x), [0.0], ftol=None, xtol=None, gtol=None, max_nfev=200)
    assert fit.nfev <= 200


# ------------------------------------------------------------------------------------------------ converged fits end


AT_INFINITY = ("bard-15x3-start10", "bard-15x3-start100")  # is their minimum: there is always somewhere to go


@pytest.mark.parametrize("jac", ["2-point", "given"])
@pytest.mark.parametrize(
    "run", [run for run in runs() if run.problem.name not in AT_INFINITY], ids=lambda run: run.problem.name
)
def test_converged_fits_of_the_table_do_not_go_on(run: Run, jac: str) -> None:
    """Neither when they are looked at again nor when a fit begins where they have ended."""
    problem = run.problem
    given: Any = problem.jacobian if jac == "given" else jac
    fit = LevenbergMarquardt(problem.residuals, problem.start, given, max_nfev=3000)
    end = fit.run()
    assert end.success or end.status == -6  # Meyer's function does not respond far off
    if jac == "2-point" and problem.name.startswith("watson-31x12"):
        return  # residuals of 1e-5 are differences of terms near 1: parameters of 1e-9 move none of their digits
    iteration = fit._iteration
    iteration.renewed = 0.0
    assert not iteration.look_again(*fit._factor_here())
    again = LevenbergMarquardt(problem.residuals, end.x, given, max_nfev=3000)
    result = again.run()
    assert again._iteration.renewed == 0
    assert result.cost <= end.cost
    assert result.cost >= end.cost * (1 - 1e-3) or end.cost < 1e-7


@pytest.mark.parametrize("run", runs()[::3], ids=lambda run: run.problem.name)
def test_converged_fits_within_bounds_do_not_go_on(run: Run) -> None:
    problem = run.problem
    reach = 0.5 * np.maximum(1, np.abs(problem.start))
    box = problem.start - reach, problem.start + 3 * reach
    fit = LevenbergMarquardt(problem.residuals, problem.start, problem.jacobian, box, max_nfev=3000)
    end = fit.run()
    if end.success:
        fit._iteration.renewed = 0.0
        assert not fit._iteration.look_again(*fit._factor_here())


# ------------------------------------------------------------------------------------------------ the look itself


def look(
    slopes: Any = ((1.0, 0.0), (0.0, 1.0)),
    f: Any = (3.0, 4.0),
    x: Any = (1.0, 1.0),
    diag: Any = (1e6, 1e6),
    low: float = -INF,
    high: float = INF,
    renewed: float = 0.0,
    mode: int = 1,
    **state: Any,
) -> tuple[bool, float, np.ndarray, np.void]:
    """What comes of a look at a fit that ftol has ended with a scaling that is far too large."""
    control = np.array([(1e-8, 1e-8, 1e-8, 100.0, 100, mode)], CONTROL).view(np.float64)
    jacobian, f = np.array(slopes, float), np.array(f, float)
    x, diag = np.array(x, float), np.array(diag, float)
    values = _minpack.lm_begin(_minpack.enorm(f))
    record = values.view(STATE)
    for name, value in {"info": FTOL, "iteration": 8, "xnorm": 1e6, "delta": 1e-3, "par": 7.0, **state}.items():
        record[name] = value
    box = np.full(x.size, low), np.full(x.size, high)
    factor = _minpack.lm_factor(np.ascontiguousarray(jacobian.T), f)
    renewed, goes_on = _minpack.lm_look_again(control, *factor, x, *box, diag, values, renewed)
    return bool(goes_on), renewed, diag, record[0]


def test_fit_that_its_scaling_has_ended_begins_anew() -> None:
    goes_on, renewed, diag, state = look()
    assert goes_on
    assert renewed == 5
    np.testing.assert_allclose(diag, [1, 1])
    assert state["info"] == RUNNING
    assert state["iteration"] == 2  # else the next start would choose scaling and step bound
    assert state["par"] == 0
    assert state["fnorm"] == 5
    assert state["xnorm"] == pytest.approx(np.sqrt(2))
    assert state["delta"] == pytest.approx(5, rel=0.2)  # that of the Gauss-Newton step


def test_the_callers_scaling_stays() -> None:
    goes_on, _, diag, state = look(mode=2, diag=(2.0, 3.0))
    assert goes_on
    np.testing.assert_array_equal(diag, [2, 3])
    assert state["delta"] == pytest.approx(np.hypot(2 * 3, 3 * 4), rel=0.2)


NO_REASON: dict[str, dict[str, Any]] = {
    "limit of evaluations": {"info": Info.MAXFEV},
    "Jacobian not finite": {"info": Info.JACOBIAN_NOT_FINITE},
    "orthogonal residuals": {"slopes": ((1, 0), (0, 1), (0, 0)), "f": (1e-4, 1e-4, 1.0)},
    "a step that promises little": {"slopes": ((1, 0), (0, 1), (0, 0)), "f": (3e-3, 3e-3, 1.0)},
    "residuals that are nothing but rounding": {"f": (1e-9, -1e-9)},
    "little gained since it last began anew": {"renewed": 5.0 * 1.05},
    "nothing gained since it last began anew": {"renewed": 5.0},
    "held by bounds": {"low": 1.0, "high": INF},
    "runs, and is not due": {"info": RUNNING, "iteration": 50, "diag": (1e6, 1.0)},
    "runs, and has just begun": {"info": RUNNING, "iteration": 1, "diag": (1e6, 1.0)},
    "runs with fresh scaling": {"info": RUNNING, "iteration": 51},
    "runs with scaling that is nearly fresh": {"info": RUNNING, "iteration": 51, "diag": (99.0, 1.0)},
}


@pytest.mark.parametrize("case", NO_REASON.values(), ids=NO_REASON)
def test_nothing_changes_where_there_is_no_reason_to_begin_anew(case: dict[str, Any]) -> None:
    goes_on, renewed, diag, state = look(**case)
    assert not goes_on
    assert renewed == case.get("renewed", 0.0)
    np.testing.assert_array_equal(diag, case.get("diag", (1e6, 1e6)))
    assert (state["info"], state["iteration"], state["par"]) == (case.get("info", FTOL), case.get("iteration", 8), 7)


REASONS: dict[str, dict[str, Any]] = {
    "much gained since it last began anew": {"renewed": 5.0 * 1.06},
    "free to move from its bounds": {"low": -INF, "high": 1.0},
    "one of two held": {"f": (3.0, -4.0), "low": 1.0},
    "small slope beside the residuals": {"slopes": ((1, 0), (0, 1), (0, 0)), "f": (0.03, 0.03, 1.0)},
    "runs for 50 steps with stale scaling": {"info": RUNNING, "iteration": 51, "diag": (101.0, 1.0)},
    "runs for 100 steps with stale scaling": {"info": RUNNING, "iteration": 101, "diag": (1.0, 101.0)},
}


@pytest.mark.parametrize("case", REASONS.values(), ids=REASONS)
def test_fits_begin_anew_where_that_promises_much(case: dict[str, Any]) -> None:
    goes_on, renewed, _, state = look(**case)
    assert goes_on
    assert renewed == state["fnorm"] == pytest.approx(np.linalg.norm(case.get("f", (3.0, 4.0))))
    assert (state["info"], state["iteration"], state["par"]) == (RUNNING, 2, 0)


@pytest.mark.parametrize("fun", [products, lambda x: np.append(np.tanh(x), 1.0)])
def test_every_look_is_followed_by_a_lower_cost(fun: Callable) -> None:
    for size in (1e-20, 1e-8, 1e-3):
        fit = LevenbergMarquardt(fun, [size, 1.0])
        end = fit.run()
        assert fit._iteration.renewed == 0 or end.cost < 0.5 * fit._iteration.renewed**2


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
@pytest.mark.parametrize("size", [1e-9, 1e-12, 1e-15])
def test_fit_of_a_single_parameter_starts_next_to_0(size: float, jac: Any) -> None:
    """There is nothing else that it could be small beside."""
    t = np.linspace(0, 4, 6)
    y = np.array([0.03, 0.74, 1.11, 0.5, -0.48, -0.88])
    fit = least_squares(lambda x: np.sin(x[0] * t) - y, [size], jac)
    assert fit.success
    np.testing.assert_allclose(fit.x, [-0.04134827], rtol=1e-3)
