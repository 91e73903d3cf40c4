"""Geodesic acceleration: steps as the papers have them, within bounds, with every other option, and what they cost."""

from typing import Any

import numpy as np
import pytest

from checks import assert_same_result, refusal
from models import (
    START,
    TALL_START,
    TALL_T,
    Raising,
    both,
    jacobian,
    residuals,
    tall,
    tall_jacobian,
)
from problems import strd
from pyminpack import LevenbergMarquardt, OptionError, _minpack, least_squares

INF = np.inf
PART = 0.1  # of the step, after which the residuals are looked at


# ------------------------------------------------------------------------------------------------------- the step

# Quadratic residuals, whose differences along a step have no error but rounding.
_RNG = np.random.default_rng(3)
LINEAR, SHIFT = _RNG.normal(size=(5, 3)), _RNG.normal(size=5)
BENT = 0.02 * _RNG.normal(size=(5, 3, 3))


def quadratic(x: np.ndarray) -> np.ndarray:
    return LINEAR @ x + np.einsum("ijk,j,k", BENT, x, x) - SHIFT


def quadratic_jacobian(x: np.ndarray) -> np.ndarray:
    return LINEAR + np.einsum("ijk,k->ij", BENT + BENT.transpose(0, 2, 1), x)


def first_step(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """p, a and λ of the first step, by exact second derivatives and normal equations."""
    f, jac = quadratic(x), quadratic_jacobian(x)
    d = np.linalg.norm(jac, axis=0)
    q, r = np.linalg.qr(jac)
    ipvt = np.arange(1, 4, dtype=np.int32)
    bound = 100 * np.linalg.norm(d * x)
    _, par, *_ = _minpack.lmpar(r.T.copy(), ipvt, d, q.T @ f, bound, 0.0)
    damped = jac.T @ jac + par * np.diag(d**2)
    p = -np.linalg.solve(damped, jac.T @ f)
    a = -np.linalg.solve(damped, jac.T @ (2 * np.einsum("ijk,j,k", BENT, p, p)))
    assert 2 * np.linalg.norm(d * a) < 0.75 * np.linalg.norm(d * p)
    assert np.linalg.norm(a) > 1e-3 * np.linalg.norm(p)
    return p, a, par


@pytest.mark.parametrize(("x", "is_damped"), [([1.0, 1.0, 1.0], False), ([1e-3, 2e-3, -1e-3], True)])
def test_step_is_that_of_exact_second_derivatives(x: Any, is_damped: bool) -> None:
    x = np.array(x)
    p, a, par = first_step(x)
    assert (par > 0) == is_damped
    fun = Raising(quadratic)
    fit = LevenbergMarquardt(fun, x, quadratic_jacobian, accel=True)
    state = fit.step()
    assert (state.nit, state.nfev) == (1, 3)
    start, beside, end = (np.frombuffer(point) for point in fun.points)
    np.testing.assert_array_equal(start, x)
    np.testing.assert_allclose(beside, x + PART * p, rtol=1e-12)
    np.testing.assert_allclose(end, x + p + a / 2, rtol=1e-11)
    np.testing.assert_array_equal(state.x, end)
    assert state.cost < 0.5 * np.sum(quadratic(x + p) ** 2)


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", quadratic_jacobian], ids=["2", "3", "cs", "given"])
def test_step_is_the_same_by_any_jacobian(jac: Any) -> None:
    x = np.ones(3)
    p, a, _ = first_step(x)
    fit = LevenbergMarquardt(quadratic, x, jac, accel=True)
    np.testing.assert_allclose(fit.step().x, x + p + a / 2, rtol=1e-6)


def test_step_of_a_tall_fit_is_the_same() -> None:
    """Many rows are factored column by column, for Q's sake."""
    x, copies = np.ones(3), 400
    p, a, _ = first_step(x)
    fit = LevenbergMarquardt(
        lambda x: np.tile(quadratic(x), copies), x, lambda x: np.tile(quadratic_jacobian(x), (copies, 1)), accel=True
    )
    np.testing.assert_allclose(fit.step().x, x + p + a / 2, rtol=1e-11)


def test_step_that_bends_too_much_is_taken_straight() -> None:
    """2 ‖D a‖ > 0.75 ‖D p‖: the trial point is x + p, to the bit."""

    def bent(x: np.ndarray) -> np.ndarray:
        return np.array([x[0] - 1 + 5 * (x[0] - 2) ** 2, x[1], 1.0])

    def bent_jacobian(x: np.ndarray) -> np.ndarray:
        return np.array([[1 + 10 * (x[0] - 2), 0], [0, 1], [0, 0]])

    plain, accelerated = Raising(bent), Raising(bent)
    LevenbergMarquardt(plain, [2.0, 1.0], bent_jacobian).step()
    LevenbergMarquardt(accelerated, [2.0, 1.0], bent_jacobian, accel=True).step()
    assert accelerated.points[2] == plain.points[1]
    np.testing.assert_allclose(np.frombuffer(accelerated.points[1]), [1.9, 0.9], rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------- bounds


def valley(x: np.ndarray) -> np.ndarray:
    """Rosenbrock's."""
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def valley_jacobian(x: np.ndarray) -> np.ndarray:
    return np.array([[-20 * x[0], 10], [-1, 0]])


BOXES = {
    "free": ((-INF, -INF), (INF, INF)),
    "wide": ((-9, -9), (9, 9)),
    "upper of x[1]": ((-2, -2), (2, 0.5)),
    "lower of x[1]": ((-2, 0.9), (0.9, 2)),
    "upper of x[0]": ((-3, -3), (0.3, 3)),
    "start on a bound": ((-1.2, -1), (2, 1)),
    "narrow": ((-1.25, 0.5), (-0.7, 1.0)),
}


@pytest.mark.parametrize("jac", ["2-point", valley_jacobian], ids=["differences", "jac"])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_nothing_is_evaluated_outside_the_bounds(box: Any, jac: Any) -> None:
    start = np.clip([-1.2, 1.0], *box)
    fun = Raising(valley)
    fit = least_squares(fun, start, jac, box, accel=True)
    plain = least_squares(valley, start, jac, box)
    assert fit.success
    np.testing.assert_allclose(fit.x, plain.x, rtol=1e-6)
    np.testing.assert_array_equal(fit.active_mask, plain.active_mask)
    for point in fun.points:
        assert (np.frombuffer(point) >= box[0]).all()
        assert (np.frombuffer(point) <= box[1]).all()


def test_random_boxes_hold_every_point() -> None:
    """Of quadratic residuals in boxes that the way to their minimum runs into."""
    rng = np.random.default_rng(8)
    for _ in range(100):
        low, high = np.sort(rng.normal(size=(2, 3)), axis=0)
        start = rng.uniform(low, high)
        fun = Raising(quadratic)
        fit = least_squares(fun, start, quadratic_jacobian, (low, high), accel=True)
        points = np.array([np.frombuffer(point) for point in fun.points])
        assert (points >= low).all()
        assert (points <= high).all()
        plain = least_squares(quadratic, start, quadratic_jacobian, (low, high))
        assert fit.success == plain.success
        np.testing.assert_allclose(fit.cost, plain.cost, rtol=1e-7)


def test_bounds_that_never_come_into_play_change_nothing() -> None:
    free, boxed = Raising(valley), Raising(valley)
    least_squares(free, [-1.2, 1.0], valley_jacobian, accel=True)
    least_squares(boxed, [-1.2, 1.0], valley_jacobian, (-50, 50), accel=True)
    assert boxed.points == free.points


@pytest.mark.parametrize("held", range(3))
@pytest.mark.parametrize("x", [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [0.5, 2.0, -1.0]], ids=str)
def test_parameter_that_the_step_takes_to_a_bound_stays_there(x: Any, held: int) -> None:
    """The acceleration of the others is as if it were fixed there."""
    x = np.array(x)
    jac, f = quadratic_jacobian(x), quadratic(x)
    p = np.linalg.lstsq(jac, -f, rcond=None)[0]
    bounds = np.full((2, 3), [[-INF], [INF]])
    bounds[int(p[held] > 0), held] = bound = x[held] + 0.4 * p[held]
    fun = Raising(quadratic)
    LevenbergMarquardt(fun, x, quadratic_jacobian, bounds, accel=True).step()
    end = np.frombuffer(fun.points[2])
    assert end[held] == bound
    others, q, a = np.arange(3) != held, np.zeros(3), np.zeros(3)
    q[held] = bound - x[held]
    q[others] = np.linalg.lstsq(jac[:, others], -f - q[held] * jac[:, held], rcond=None)[0]
    a[others] = np.linalg.lstsq(jac[:, others], -2 * np.einsum("ijk,j,k", BENT, q, q), rcond=None)[0]
    np.testing.assert_allclose(end, x + q + a / 2, rtol=1e-11)


# ----------------------------------------------------------------------------------------------------- other options

OPTIONS: dict[str, dict[str, Any]] = {
    "differences": {},
    "central": {"jac": "3-point"},
    "complex": {"jac": "cs"},
    "jac": {"jac": jacobian},
    "both": {"fun": both, "jac": True},
    "bounds": {"bounds": ([0, 0], [2.2, 2])},
    "bounds and jac": {"bounds": ([0, 0], [2.2, 2]), "jac": jacobian},
    "soft_l1": {"loss": "soft_l1", "f_scale": 0.03},
    "cauchy": {"loss": "cauchy", "f_scale": 0.03, "jac": jacobian},
    "arctan within bounds": {"loss": "arctan", "f_scale": 0.1, "bounds": (0, 2.2), "x0": [2.0, 1.0]},
    "fixed": {"fun": lambda x: residuals(x[1:]) + x[0] - 1, "x0": [1.0, 1, 1], "fixed": [True, False, False]},
    "workers": {"workers": 2},
    "x_scale": {"x_scale": [3.0, 0.2]},
    "diff_step": {"diff_step": [-1e-4, 1e-5]},
    "float32": {"fun": lambda x: residuals(x).astype(np.float32)},
    "hidden float32": {"fun": lambda x: residuals(x.astype(np.float32)).astype(np.float32).astype(float)},
    "coarse tolerances": {"ftol": 1e-3, "xtol": 1e-3},
    "no tolerances": {"ftol": None, "xtol": None, "gtol": 1e-7},
    "callback": {"callback": lambda state: None},
    "timeout": {"timeout": 1e6},
    "tall": {"fun": tall, "x0": TALL_START},
    "tall jac": {"fun": tall, "jac": tall_jacobian, "x0": TALL_START},
}
OPTIONS = {name: {"fun": residuals, "x0": START, **options} for name, options in OPTIONS.items()}


# By how much the two ends may differ, where that is not 1e-6.
COARSE = {"float32": 1e-4, "hidden float32": 1e-3, "coarse tolerances": 0.05}


@pytest.mark.parametrize("kind", OPTIONS)
def test_end_is_that_of_the_plain_fit(kind: str) -> None:
    plain, fit = least_squares(**OPTIONS[kind]), least_squares(**OPTIONS[kind], accel=True)
    assert fit.success
    assert plain.success
    np.testing.assert_allclose(fit.x, plain.x, rtol=COARSE.get(kind, 1e-6))
    np.testing.assert_allclose(fit.cost, plain.cost, rtol=COARSE.get(kind, 1e-6))


def test_off_is_the_default_and_the_fit_as_it_was() -> None:
    plain, off = Raising(valley), Raising(valley)
    assert_same_result(least_squares(plain, [-1.2, 1.0]), least_squares(off, [-1.2, 1.0], accel=False))
    assert plain.points == off.points


def test_robust_loss_weighs_the_curvature() -> None:
    """By the rows' factors at x, as the Jacobian."""
    x = np.ones(3)
    f, jac = quadratic(x), quadratic_jacobian(x)
    root = np.sqrt(1 + f**2)  # soft_l1: ρ' is 1/root, and with the curvature ρ' + 2 f² ρ'' = 1/root³
    rows, weighted = root**-1.5, f * root**0.5
    p = np.linalg.lstsq(rows[:, None] * jac, -weighted, rcond=None)[0]
    a = np.linalg.lstsq(rows[:, None] * jac, -rows * 2 * np.einsum("ijk,j,k", BENT, p, p), rcond=None)[0]
    fun = Raising(quadratic)
    LevenbergMarquardt(fun, x, quadratic_jacobian, loss="soft_l1", accel=True).step()
    np.testing.assert_allclose(np.frombuffer(fun.points[2]), x + p + a / 2, rtol=1e-10)


def test_function_may_fill_its_jacobian_anew_in_a_tall_fit() -> None:
    """At every evaluation, those for the curvature included."""
    place = np.empty((TALL_T.size, 3))

    def filling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place[:] = tall_jacobian(x)
        return tall(x), place

    fit, plain = (least_squares(filling, TALL_START, True, accel=accel) for accel in (True, False))
    np.testing.assert_allclose(fit.x, plain.x, rtol=1e-6)
    np.testing.assert_allclose(fit.jac, tall_jacobian(fit.x), rtol=1e-12)


def test_jacobian_of_a_tall_fit_is_the_callers() -> None:
    """It is a copy, and what becomes of it has no part in the fit."""
    fit, whole = (LevenbergMarquardt(tall, TALL_START, tall_jacobian, accel=True) for _ in range(2))
    fit.step()
    given = fit.result().jac
    assert given is not None
    given[:] = np.nan
    whole.step()
    assert_same_result(fit.result(), whole.result())
    assert_same_result(fit.run(), whole.run())


def test_accel_is_a_flag() -> None:
    for value in ("yes", [], 0.5):
        with refusal(OptionError, "accel", "True or False"):
            least_squares(residuals, START, accel=value)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------ evaluations


@pytest.mark.parametrize("limit", range(1, 15))
def test_last_evaluation_is_one_at_a_trial_point(limit: int) -> None:
    """One that only tells the curvature would be lost: such a step is straight."""
    fun = Raising(valley)
    fit = least_squares(fun, [-1.2, 1.0], valley_jacobian, max_nfev=limit, check_jac=False, accel=True)
    assert fit.nfev == fun.calls == limit
    last = np.frombuffer(fun.points[-1])
    if limit > 1:
        before = np.frombuffer(fun.points[-2])
        assert not np.allclose(last - fit.x, PART * (before - fit.x), rtol=1e-3)


def test_residuals_that_are_not_finite_beside_x_reject_the_step() -> None:
    """Nothing is tried any farther away."""

    def walled(x: np.ndarray) -> np.ndarray:
        return np.full(2, np.nan) if x[0] > -1.15 else valley(x)

    fun = Raising(walled)
    fit = LevenbergMarquardt(fun, [-1.2, 1.0], valley_jacobian, accel=True)
    fit.step()
    points = np.array([np.frombuffer(point) for point in fun.points])
    lost = np.flatnonzero(np.isnan([walled(x)[0] for x in points]))
    assert lost.size
    far = np.linalg.norm(points - [-1.2, 1.0], axis=1)
    assert all(far[k + 1] < far[k] for k in lost[:-1])
    assert fit.nfev == fun.calls
    assert fit.x[0] <= -1.15


def evaluations(fun: Any = residuals, **options: Any) -> np.ndarray:
    """Of each accepted step."""
    fit = LevenbergMarquardt(fun, START, jacobian, **options, accel=True)
    return np.diff([1] + [state.nfev for state in fit])


def test_step_that_promises_less_than_ftol_is_straight() -> None:
    steps = evaluations(xtol=None, gtol=None)
    assert steps[0] == 2
    assert steps[-1] == 1


def test_step_too_short_to_tell_curvature_from_rounding_is_straight() -> None:
    """Behind these, the rounding of single precision rejects some, too."""
    steps = evaluations(lambda x: residuals(x).astype(np.float32), ftol=None, xtol=None, gtol=1e-6)
    np.testing.assert_array_equal(steps[:5], [2, 2, 2, 1, 1])


@pytest.mark.parametrize(("name", "start"), [("MGH10", 1), ("Bennett5", 0), ("Bennett5", 1), ("MGH09", 0)])
def test_curved_valleys_take_half_the_steps(name: str, start: int) -> None:
    """Bennett5 from its first start ended at max_nfev without."""
    data = strd.load(name)
    plain = least_squares(data.residuals, data.starts[start], accel=False)
    fit = least_squares(data.residuals, data.starts[start], accel=True)
    assert fit.success
    assert np.min(strd.correct_digits(fit.x, data.certified)) >= 6
    assert fit.nit < 0.6 * plain.nit


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    ("name", "start"), [("Bennett5", 0), ("Bennett5", 1), ("MGH17", 0), ("MGH10", 0), ("Lanczos1", 0)]
)
def test_a_fit_that_creeps_accelerates(name: str, start: int, given: bool) -> None:
    """To the bit as without for fifty steps, and then much faster; a fit that has ended by then is the same."""
    data = strd.load(name)
    jac: Any = data.jacobian if given else "2-point"
    plain, fit = (LevenbergMarquardt(data.residuals, data.starts[start], jac, accel=accel) for accel in (False, None))
    for _ in range(50):
        plain.step()
        fit.step()
        np.testing.assert_array_equal(fit.x, plain.x)
    end = fit.run()
    assert end.success
    assert end.nit < 0.8 * plain.run().nit
    assert name == "Lanczos1" or np.min(strd.correct_digits(end.x, data.certified)) >= 6
