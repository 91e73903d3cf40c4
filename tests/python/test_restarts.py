"""Fits that go on where a test for convergence was met, or that creep; and those that rightly end."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loop import BoundedMachine, factor, fit, state_of, travelled
from models import T, Y
from problems.mgh import Problem, Run, runs
from pyminpack import LevenbergMarquardt, _minpack, least_squares, leastsq
from pyminpack._iteration.machine import CODES, ENDED, WANT_FACTOR, WANT_NORM

INF = np.inf
TABLE: dict[str, Problem] = {run.problem.name: run.problem for run in runs()}
FTOL, RUNNING = CODES["info_ftol"], CODES["info_running"]


# ------------------------------------------------------------------------------------------------ whole fits


@pytest.mark.parametrize("start", [1, 10])
@pytest.mark.parametrize("jac", ["3-point", "cs"])
def test_watsons_function_without_its_jacobian(jac: Any, start: int) -> None:
    """To the minimum of the literature."""
    problem = TABLE[f"watson-31x6-start{start}"]
    fit = least_squares(problem.residuals, problem.start, jac)
    assert fit.success
    assert fit.cost == pytest.approx(1.14383503e-3, rel=1e-8)
    assert fit.nfev < 20


def products(x: np.ndarray) -> np.ndarray:
    return np.array([x[0] - 3, x[1] - 5, x[0] * x[1] - 15])


def products_jacobian(x: np.ndarray) -> np.ndarray:
    return np.array([[1, 0], [0, 1], [x[1], x[0]]])


@pytest.mark.parametrize("options", [{}, {"bounds": (-9, 9)}, {"bounds": (0, [9, 5])}, {"loss": "soft_l1"}], ids=str)
@pytest.mark.parametrize("jac", [products_jacobian, "cs"])
def test_start_next_to_0(jac: Any, options: Any) -> None:
    """The first step bound is that of a parameter of 1e-20."""
    fit = least_squares(products, [1e-20, 1.0], jac, **options)
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


@pytest.mark.parametrize("by_differences", [False, True])
def test_fit_that_creeps_takes_new_scaling(by_differences: bool) -> None:
    problem = TABLE["chebyquad-10x10-start1"]
    jac: Any = "2-point" if by_differences else problem.jacobian
    fit = least_squares(problem.residuals, (LOW + HIGH) / 2, jac, (LOW, HIGH), max_nfev=3000)
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


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_noise_does_not_keep_fits_going(jac: Any) -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)

        def noisy(x: np.ndarray, rng: Any = rng) -> np.ndarray:
            return x[0] * np.exp(-x[1] * T) - Y + 1e-6 * rng.standard_normal(20)

        fit = least_squares(noisy, rng.uniform(0.5, 2, 2), jac)
        assert fit.success or fit.status in (-8, -9), seed
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
    if end.status in (-6, -8, -10):
        return  # parameters that have run away, to where residuals do not respond
    assert end.success
    if jac == "2-point" and problem.name.startswith("watson-31x12"):
        return  # residuals of 1e-5 are differences of terms near 1: parameters of 1e-9 move none of their digits
    assert ends_at_another_look(fit)
    again = LevenbergMarquardt(problem.residuals, end.x, given, max_nfev=3000)
    result = again.run()
    assert again._fit.restart_norm == 0
    assert result.cost <= end.cost * (1 + 1e-10)
    # Where columns are short, the step from a minimum may be a long one, into another valley: Chebyquad 8x1.
    assert result.cost >= end.cost * (1 - 1e-3) or end.cost < 1e-7 or problem.name.startswith("chebyquad-8x1")


def ends_at_another_look(fit: LevenbergMarquardt) -> bool:
    """Whether a fit that has ended does so again, without a further evaluation, where nothing was gained before."""
    record = fit._fit
    before = record.info, record.nfev
    record.restart_norm, record.stage = 0.0, CODES["needs_look"]
    fit.step()
    return bool((record.info, record.nfev) == before and not fit.is_running)


@pytest.mark.parametrize("run", runs()[::3], ids=lambda run: run.problem.name)
def test_converged_fits_within_bounds_do_not_go_on(run: Run) -> None:
    problem = run.problem
    reach = 0.5 * np.maximum(1, np.abs(problem.start))
    box = problem.start - reach, problem.start + 3 * reach
    fit = LevenbergMarquardt(problem.residuals, problem.start, problem.jacobian, box, max_nfev=3000)
    end = fit.run()
    assert not end.success or ends_at_another_look(fit)


# ------------------------------------------------------------------------------------------------ the look itself


def look(
    slopes: Any = ((1.0, 0.0), (0.0, 1.0)),
    f: Any = (3.0, 4.0),
    x: Any = (1.0, 1.0),
    diag: Any = (1e6, 1e6),
    low: float = -INF,
    high: float = INF,
    scaled: bool = False,
    **record: Any,
) -> tuple[int, BoundedMachine]:
    """What is wanted after a look at a fit that ftol has ended with a scaling that is far too large."""
    jacobian, f = np.array(slopes, float), np.array(f, float)
    x, diag = np.array(x, float), np.array(diag, float)
    box = None if (low, high) == (-INF, INF) else (np.full(x.size, low), np.full(x.size, high))
    machine = BoundedMachine(x, (1e-8, 1e-8, 1e-8, 100, 100.0), diag, box, restarts=True)
    machine.record.mode = 2 if scaled else 1
    machine.begin(_minpack.enorm(f))
    machine.r, machine.ipvt, machine.qtf, machine.acnorm = factor(jacobian, f)
    ended = {"info": FTOL, "iteration": 8, "xnorm": 1e6, "delta": 1e-3, "par": 7.0, "stage": CODES["needs_look"]}
    for name, value in (ended | record).items():
        setattr(machine.record, name, value)
    return machine.next(), machine


def test_fit_that_its_scaling_has_ended_begins_anew() -> None:
    wanted, machine = look()
    assert wanted == WANT_NORM
    np.testing.assert_allclose(machine.trial, [-2, -3])
    np.testing.assert_allclose(machine.diag, [1, 1])
    record = machine.record
    assert record.info == RUNNING
    assert record.iteration == 2  # else the next start would choose scaling and step bound
    assert record.par == 0
    assert record.fnorm == record.restart_norm == 5
    assert record.xnorm == pytest.approx(np.sqrt(2))
    assert record.delta == pytest.approx(5, rel=0.2)  # that of the Gauss-Newton step


def test_the_callers_scaling_stays() -> None:
    wanted, machine = look(scaled=True, diag=(2.0, 3.0))
    assert wanted == WANT_NORM
    np.testing.assert_array_equal(machine.diag, [2, 3])
    assert machine.record.delta == pytest.approx(np.hypot(2 * 3, 3 * 4), rel=0.2)


NO_REASON: dict[str, dict[str, Any]] = {
    "orthogonal residuals": {"slopes": ((1, 0), (0, 1), (0, 0)), "f": (1e-4, 1e-4, 1.0)},
    "a step that promises little": {"slopes": ((1, 0), (0, 1), (0, 0)), "f": (3e-3, 3e-3, 1.0)},
    "residuals that are nothing but rounding": {"f": (1e-9, -1e-9)},
    "little gained since it last began anew": {"restart_norm": 5.0 * 1.05},
    "nothing gained since it last began anew": {"restart_norm": 5.0},
    "held by bounds": {"low": 1.0, "high": INF},
    "runs with fresh scaling": {"info": RUNNING, "iteration": 51},
    "runs with scaling that is nearly fresh": {"info": RUNNING, "iteration": 51, "diag": (99.0, 1.0)},
}


@pytest.mark.parametrize("case", NO_REASON.values(), ids=NO_REASON)
def test_a_fit_goes_on_or_ends_as_it_would_where_there_is_no_reason_to_begin_anew(case: dict[str, Any]) -> None:
    wanted, machine = look(**case)
    runs_on = case.get("info", FTOL) == RUNNING
    assert wanted == (WANT_NORM if runs_on else ENDED)
    record = machine.record
    assert record.restart_norm == case.get("restart_norm", 0.0)
    np.testing.assert_array_equal(machine.diag, case.get("diag", (1e6, 1e6)))
    assert (record.info, record.iteration) == (case.get("info", FTOL), case.get("iteration", 8))
    assert runs_on or record.par == 7


REASONS: dict[str, dict[str, Any]] = {
    "much gained since it last began anew": {"restart_norm": 5.0 * 1.06},
    "free to move from its bounds": {"low": -INF, "high": 1.0},
    "one of two held": {"f": (3.0, -4.0), "low": 1.0},
    "small slope beside the residuals": {"slopes": ((1, 0), (0, 1), (0, 0)), "f": (0.03, 0.03, 1.0)},
    "runs for 50 steps with stale scaling": {"info": RUNNING, "iteration": 51, "diag": (101.0, 1.0)},
    "runs for 100 steps with stale scaling": {"info": RUNNING, "iteration": 101, "diag": (1.0, 101.0)},
}


@pytest.mark.parametrize("case", REASONS.values(), ids=REASONS)
def test_fits_begin_anew_where_that_promises_much(case: dict[str, Any]) -> None:
    wanted, machine = look(**case)
    record = machine.record
    assert wanted == WANT_NORM
    assert record.restart_norm == record.fnorm == pytest.approx(np.linalg.norm(case.get("f", (3.0, 4.0))))
    assert (record.info, record.iteration, record.par) == (RUNNING, 2, 0)


@pytest.mark.parametrize(
    ("info", "iteration", "stage"),
    [
        ("info_ftol", 8, "needs_look"),
        ("info_xtol_too_small", 8, "needs_look"),
        ("info_maxfev", 8, "is_over"),
        ("info_running", 8, "needs_trial"),
        ("info_running", 26, "needs_trial"),
        ("info_running", 51, "needs_look"),
        ("info_running", 52, "needs_trial"),
        ("info_running", 101, "needs_look"),
        ("info_running", 1, "needs_trial"),
    ],
)
@pytest.mark.parametrize("restarts", [True, False])
def test_looks_are_taken_at_ends_and_every_50_steps(info: str, iteration: int, stage: str, restarts: bool) -> None:
    """Once the factorization at x is there; without restarts never."""
    machine = BoundedMachine(np.ones(2), (1e-8, 1e-8, 1e-8, 100, 100.0), None, None, restarts)
    machine.begin(5.0)
    machine.record.iteration, machine.record.info = iteration, CODES[info]
    assert machine.next() == WANT_FACTOR
    machine.take_factor(*factor(np.eye(2), np.array([3.0, 4.0])))
    if not restarts and stage == "needs_look":
        stage = "needs_trial" if info == "info_running" else "is_over"
    assert machine.record.stage == CODES[stage]


def test_jacobian_that_is_not_finite_is_not_looked_at() -> None:
    machine = BoundedMachine(np.ones(2), (1e-8, 1e-8, 1e-8, 100, 100.0), None, None, restarts=True)
    machine.begin(5.0)
    machine.next()
    machine.take_factor(np.eye(2), np.array([1, 2], np.int32), np.ones(2), np.array([1.0, np.nan]))
    assert machine.next() == ENDED


@pytest.mark.parametrize("name", ["bard-15x3-start10", "kowalik-osborne-11x4-start100"])
def test_fits_with_restarts_travel_wherever_something_is_wanted(name: str) -> None:
    """Also where they have ended and are to be looked at; and come to less than without."""
    problem, ends = TABLE[name], []
    for restarts, look in ((True, lambda machine, wanted: machine), (True, lambda machine, wanted: travelled(machine)),
                           (False, lambda machine, wanted: machine)):  # fmt: skip
        machine = BoundedMachine(problem.start, (1e-8, 1e-8, 1e-8, 3000, 100.0), restarts=restarts)
        ends.append(fit(machine, problem.residuals, lambda machine, f: problem.jacobian(machine.x), look))
    whole, arrived, plain = ends
    assert whole.record.restart_norm > 0
    assert state_of(arrived) == state_of(whole)
    assert whole.record.fnorm < plain.record.fnorm or whole.record.nfev < plain.record.nfev


@pytest.mark.parametrize("fun", [products, lambda x: np.append(np.tanh(x), 1.0)])
def test_every_look_is_followed_by_a_lower_cost(fun: Callable) -> None:
    for size in (1e-20, 1e-8, 1e-3):
        fit = LevenbergMarquardt(fun, [size, 1.0])
        end = fit.run()
        assert fit._fit.restart_norm == 0 or end.cost < 0.5 * fit._fit.restart_norm**2
