"""Steps within bounds: the damped subproblem, the trial point, and whole fits in the hands of this file."""

import itertools
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from loop import BoundedMachine, factor, fit, state_of, travelled
from problems.mgh import Problem, runs
from pyminpack import LeastSquaresResult, _minpack, least_squares
from pyminpack._iteration.machine import CODES, ENDED, WANT_FACTOR, WANT_NORM

EPS = np.finfo(float).eps
PATIENCE = 3  # of minpack/step/boxsolv.f90
OPTIONS = (1e-14, 1e-14, 0.0, 1000, 100.0)  # ftol, xtol, gtol, maxfev, factor


def begun(
    x: np.ndarray,
    jacobian: np.ndarray,
    f: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray] | None,
    options: tuple[float, float, float, int, float] = (0.0, 0.0, 0.0, 99, 1.0),
    scale: np.ndarray | None = None,
) -> BoundedMachine:
    """A fit that has its first factorization."""
    machine = BoundedMachine(x, options, scale, bounds)
    machine.begin(float(np.linalg.norm(f)))
    assert machine.next() == WANT_FACTOR
    machine.take_factor(*factor(jacobian, f))
    return machine


@dataclass
class Subproblem:
    """Minimize ‖f + J p‖² + ‖M p‖² within lo <= p <= hi."""

    jacobian: np.ndarray
    f: np.ndarray
    mu: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    @property
    def norms(self) -> np.ndarray:
        return np.linalg.norm(self.jacobian, axis=0)

    def model(self, p: np.ndarray) -> float:
        """Less what it is at 0."""
        change = self.jacobian @ p
        return float(change @ (2 * self.f + change) + np.sum((self.mu * p) ** 2))

    def gradient(self, p: np.ndarray) -> np.ndarray:
        return self.jacobian.T @ (self.f + self.jacobian @ p) + self.mu**2 * p

    def violation(self, p: np.ndarray) -> float:
        """By how much the first-order conditions fail, relative to what rounding may do to the gradient."""
        lengths = np.maximum(self.norms, self.mu)
        g = self.gradient(p) / lengths
        g[(p <= self.lo) & (g > 0) | (p >= self.hi) & (g < 0) | (self.lo == self.hi)] = 0
        return float(np.max(np.abs(g)) / (np.linalg.norm(self.f) + np.sum(lengths * np.abs(p))))

    def solve(self, tries: int, changes: int, guess: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        r, ipvt, qtf, _ = factor(self.jacobian, self.f)
        return _minpack.boxsolv(r, ipvt, self.norms, self.mu, qtf, self.lo, self.hi, tries, changes, guess)

    def brute_force(self) -> float:
        """The lowest value over all choices of which variables are free, and of the bounds that hold the others."""
        best = 0.0
        stacked, side = np.vstack([self.jacobian, np.diag(self.mu)]), np.append(self.f, np.zeros(self.mu.size))
        for choice in itertools.product((-1, 0, 1), repeat=self.mu.size):
            held = np.array(choice)
            p = np.select([held < 0, held > 0], [self.lo, self.hi], 0.0)
            if not np.all(np.isfinite(p)):
                continue
            free = held == 0
            if free.any():
                p[free] = np.linalg.lstsq(stacked[:, free], -(side + stacked @ p), rcond=None)[0]
            if np.all((p >= self.lo) & (p <= self.hi)):
                best = min(best, self.model(p))
        return best


def random_bounds(rng: np.random.Generator, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds round 0: some at 0, some of them equal, some infinite."""
    n = sizes.size
    lo = -rng.exponential(size=n) * sizes * rng.integers(0, 2, n)
    hi = rng.exponential(size=n) * sizes * rng.integers(0, 2, n)
    lo[rng.random(n) < 0.2] = -np.inf
    hi[rng.random(n) < 0.2] = np.inf
    return lo, hi


def random_subproblem(seed: int, largest: int = 30) -> Subproblem:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, largest + 1))
    m = n + int(rng.integers(0, 10))
    rank = n if seed % 2 else int(rng.integers(0, n + 1))
    jacobian = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    if seed % 3 == 0:
        jacobian *= 10.0 ** rng.integers(-3, 4, n)
    norms = np.linalg.norm(jacobian, axis=0)
    lengths = np.where(norms > 0, norms, 1)
    damping = 10.0 ** rng.integers(-8, 2) if seed % 5 else 10 * EPS
    return Subproblem(jacobian, rng.standard_normal(m), damping * lengths, *random_bounds(rng, 1 / lengths))


def guess(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, n).astype(np.int32)


@pytest.mark.parametrize("tries", [0, PATIENCE])
def test_solution_meets_the_first_order_conditions(tries: int) -> None:
    for seed in range(600):
        problem = random_subproblem(seed)
        n = problem.mu.size
        side, p, rounds = problem.solve(tries, 10 * n, guess(seed, n))
        assert np.all((problem.lo <= p) & (p <= problem.hi)), seed
        assert problem.violation(p) < 1e-14, seed
        assert 1 <= rounds <= 5 * n, seed
        np.testing.assert_array_equal(p[side < 0], problem.lo[side < 0])
        np.testing.assert_array_equal(p[side > 0], problem.hi[side > 0])


@pytest.mark.parametrize("tries", [0, PATIENCE])
def test_solution_is_the_best_of_all_active_sets(tries: int) -> None:
    for seed in range(200):
        problem = random_subproblem(seed, largest=4)
        best = problem.brute_force()
        _, p, _ = problem.solve(tries, 40, guess(seed, problem.mu.size))
        if problem.mu.min() > 1e-9 * problem.norms.max():  # else both are off by what the data leave open
            assert problem.model(p) <= best + 1e-12 * problem.f @ problem.f, seed


def test_many_variables_take_few_rounds() -> None:
    rng = np.random.default_rng(1)
    n = 200
    problem = Subproblem(
        rng.standard_normal((250, n)), rng.standard_normal(250), np.full(n, 1e-3),
        -0.02 * rng.random(n), 0.02 * rng.random(n),
    )  # fmt: skip
    side, p, rounds = problem.solve(PATIENCE, 10 * n, np.zeros(n, np.int32))
    assert problem.violation(p) < 1e-14
    assert np.count_nonzero(side) > n // 2
    assert rounds < 20


def test_descent_takes_few_rounds() -> None:
    """2980 in all: 3275 along a gradient that isn't scaled, 3248 where any variable is freed, not the steepest."""
    rounds = 0
    for seed in range(600):
        problem = random_subproblem(seed)
        n = problem.mu.size
        rounds += problem.solve(0, 10 * n, guess(seed, n))[2]
    assert rounds < 3100


def test_point_on_the_projected_gradient_is_sufficiently_lower() -> None:
    """Also where a bound that the gradient meets early makes the first points on it uphill."""
    jacobian, f = np.array([[1, 1], [0, 2e-3]]), np.array([1e-3, -1.0])
    infinite = np.full(2, np.inf)
    for bound in 10.0 ** np.arange(-4, 4, 0.05):
        problem = Subproblem(jacobian, f, np.full(2, 1e-12), np.array([-bound, -np.inf]), infinite)
        _, p, _ = problem.solve(0, 0, np.zeros(2, np.int32))
        assert problem.model(p) <= 0.1 * (2 * f @ jacobian @ p), bound
        assert problem.model(p) < 0, bound


def test_variables_that_meet_their_bounds_together_stay_within() -> None:
    """To the bit, although the part of the way that ends at one bound may, rounded, end beyond the others."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        jacobian = np.eye(6, 5)
        jacobian[:4, :4] += 0.5
        jacobian[:, 4] = rng.standard_normal() * np.array([1, 1, 1, 1, 3, 1])
        jacobian *= rng.random(5) + 0.1
        f = np.append(-np.ones(4), 5 * rng.standard_normal(2))
        bounds = rng.random() * np.linalg.lstsq(jacobian, -f, rcond=None)[0]
        lo, hi = np.where(bounds < 0, bounds, -np.inf), np.where(bounds > 0, bounds, np.inf)
        lo[4], hi[4] = -np.inf, np.inf
        for changes in range(5):
            _, p, _ = Subproblem(jacobian, f, np.full(5, 1e-10), lo, hi).solve(0, changes, np.zeros(5, np.int32))
            assert np.all((lo <= p) & (p <= hi)), seed


def test_descent_that_is_cut_short_is_no_worse_than_the_projected_gradient() -> None:
    """Every further change lowers the model; with none it is where the projected gradient led."""
    for seed in range(100):
        problem = random_subproblem(seed)
        n = problem.mu.size
        values = []
        for changes in range(0, n + 1, 2):
            _, p, rounds = problem.solve(0, changes, np.zeros(n, np.int32))
            assert rounds <= changes
            assert np.all((problem.lo <= p) & (p <= problem.hi)), seed
            values.append(problem.model(p))
        noise = 1e-13 * problem.f @ problem.f
        # The other variables apart, the longest column lets the model fall by this.
        g = problem.gradient(np.zeros(n))
        stuck = (problem.lo == 0) & (g > 0) | (problem.hi == 0) & (g < 0)
        assert values[0] < 0 or np.all(stuck | (np.abs(g) <= noise)), seed
        assert np.all(np.diff(values) <= noise), seed


# ------------------------------------------------------------------------------------------ the trial point


@dataclass
class Step:
    """What the core proposes at a random point, and the problem that it had."""

    problem: Subproblem  # undamped
    x: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]
    machine: BoundedMachine
    delta: float
    p: np.ndarray  # the step, without the rounding of x + p
    cut: bool  # whether MINPACK's trial point lies outside the bounds


def propose(seed: int, largest: int = 30) -> Step:
    problem = random_subproblem(seed, largest)
    rng = np.random.default_rng(seed)
    n = problem.mu.size
    x = rng.standard_normal(n) / np.where(problem.norms > 0, problem.norms, 1)
    lower, upper = x + problem.lo, x + problem.hi
    problem.lo, problem.hi = lower - x, upper - x  # as the core rounds them
    options = (0.0, 0.0, 0.0, 99, 10.0 ** rng.integers(-4, 3))
    scale = None if seed % 4 else rng.random(n) + 0.01

    def proposed(at: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None) -> BoundedMachine:
        machine = begun(at, problem.jacobian, problem.f, bounds, options, scale)
        machine.record.delta = delta
        machine.next()
        return machine

    delta = float(begun(x, problem.jacobian, problem.f, (lower, upper), options, scale).record.delta)
    plain, bounded = proposed(x, None), proposed(x, (lower, upper))
    step = proposed(np.zeros(n), (problem.lo, problem.hi)).trial
    cut = bounded.is_running and not np.all((lower <= plain.trial) & (plain.trial <= upper))
    return Step(problem, x, (lower, upper), bounded, delta, step, bool(cut))


def test_trial_point_is_within_the_bounds_and_no_longer_than_allowed() -> None:
    longest = 0.0
    for seed in range(800):
        step = propose(seed)
        (lower, upper), trial, record = step.bounds, step.machine.trial, step.machine.record
        assert np.all((lower <= trial) & (trial <= upper)), seed
        if step.cut:
            for bound, way in zip(step.bounds, (step.problem.lo, step.problem.hi), strict=True):
                np.testing.assert_array_equal(trial[step.p == way], bound[step.p == way])
            assert record.delta == min(step.delta, record.pnorm), seed  # the first iteration
        if step.machine.is_running:
            np.testing.assert_allclose(step.x + step.p, trial, rtol=4 * EPS, atol=4 * EPS * np.max(np.abs(step.x)))
        length = np.linalg.norm(step.machine.diag * step.p)
        assert length <= 1.1 * step.delta * (1 + 1e-12), seed
        assert record.pnorm == pytest.approx(length, rel=1e-12), seed
        longest = max(longest, length / step.delta)
    assert longest > 0.9


def test_step_solves_the_damped_problem_of_the_damping_that_it_leaves() -> None:
    """And is as long as the step bound allows, or undamped. (The last seeds are such as halve the interval for λ.)"""
    for seed in (*range(800), 1097, 1287, 2191, 2745, 3341, 3963, 4009, 4023):
        step = propose(seed)
        diag, record = step.machine.diag, step.machine.record
        if not step.cut:
            continue
        damping = np.maximum(np.sqrt(record.par) * diag, 10 * EPS * step.problem.norms)
        damped = Subproblem(step.problem.jacobian, step.problem.f, damping, step.problem.lo, step.problem.hi)
        assert damped.violation(step.p) < 1e-13, seed
        if seed % 2:  # full rank, so that the length of the step has no jump
            assert record.par == 0 or record.pnorm >= 0.9 * step.delta * (1 - 1e-12), seed


def test_prediction_is_the_models() -> None:
    for seed in range(400):
        step = propose(seed)
        if not step.cut:
            continue
        f, change, record = step.problem.f, step.problem.jacobian @ step.p, step.machine.record
        square = f @ f
        assert record.prered == pytest.approx(-(change @ (2 * f + change)) / square, rel=1e-9, abs=1e-14)
        assert record.dirder == pytest.approx(f @ change / square, rel=1e-9, abs=1e-14)
        assert record.prered >= 0


def test_step_that_rounding_decides_on_is_not_told_to_lead_uphill() -> None:
    """The residuals are those that the first parameter could fit, were it not at its bound."""
    proposals = 0
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        jacobian = rng.standard_normal((8, 3))
        f = -jacobian[:, 0]
        jacobian[:, 1:] -= np.outer(f, f @ jacobian[:, 1:]) / (f @ f)
        x = rng.standard_normal(3)
        machine = begun(x, jacobian, f, (np.full(3, -np.inf), np.array([x[0], np.inf, np.inf])))
        if machine.next() == WANT_NORM:
            proposals += 1
            assert 0 <= machine.record.prered < 1e-28, seed
            assert -1e-28 < machine.record.dirder <= 0, seed
    assert proposals > 100


def test_steps_shrink_as_far_as_they_must() -> None:
    """Residuals that are finite at 0 alone: every step is within the bounds, and no longer than allowed."""
    bounds = np.array([-1.0, -1.0]), np.array([1e-60, 0.0])
    options = (0.0, 0.0, 0.0, 999, 1.0)
    machine = begun(np.zeros(2), np.eye(3, 2), np.array([-1.0, -1.0, 1.0]), bounds, options)
    record, trial = machine.record, machine.trial
    for _ in range(100):
        delta = float(record.delta)
        assert machine.next() == WANT_NORM
        assert 0 < trial[0] <= min(1.1 * delta, bounds[1][0]), delta
        assert trial[1] == 0, delta
        assert record.prered == pytest.approx(2 * trial[0] / 3, rel=1e-12)
        machine.take_norm(np.nan)
        assert record.accepted == 0
        assert record.delta == pytest.approx(0.1 * min(delta, 10 * trial[0]))
    assert record.delta < 1e-90


def test_no_point_on_the_projected_gradient_that_is_no_longer_is_better() -> None:
    for seed in range(400):
        step = propose(seed)
        if not step.cut:
            continue
        diag, record, problem = step.machine.diag, step.machine.record, step.problem
        undamped = Subproblem(problem.jacobian, problem.f, 0 * problem.mu, problem.lo, problem.hi)
        direction = -undamped.gradient(np.zeros(diag.size)) / diag**2
        for length in 10.0 ** np.arange(-6, 4, 0.25):
            point = np.clip(length * direction, problem.lo, problem.hi)
            if np.linalg.norm(diag * point) <= record.pnorm:
                reduction = -undamped.model(point) / (problem.f @ problem.f)
                assert record.prered >= reduction * (1 - 1e-9) - 1e-13, seed


def test_bounds_that_do_not_come_into_play_change_no_bit() -> None:
    """Neither of the gradient test and the scaling, nor of the step; also where the step ends on a bound."""
    for seed in range(200):
        problem = random_subproblem(seed)
        n = problem.mu.size
        x = np.random.default_rng(seed).standard_normal(n)
        options = (0.0, 0.0, 0.1 * (seed % 2), 99, 10.0 ** -(seed % 3))
        plain = begun(x, problem.jacobian, problem.f, None, options)
        factored = state_of(plain)
        told = plain.next()
        infinite = np.full(n, -np.inf), np.full(n, np.inf)
        just_met = np.minimum(x, plain.trial), np.maximum(x, plain.trial)
        for bounds in (infinite, (plain.trial - 1, plain.trial + 1), just_met):
            other = begun(x, problem.jacobian, problem.f, infinite, options)
            other.record.boxed = 0
            assert state_of(other) == factored
            other.record.boxed = 1
            other.bounds = bounds
            assert other.next() == told
            other.record.boxed = 0
            assert state_of(other) == state_of(plain)


def test_held_parameters_do_not_count_in_the_gradient_test() -> None:
    """f = (3, -4, 1) with J of units: gradient 3 and -4."""
    inf = np.inf
    for lower, upper, cosine in (
        ([0.0, 0.0], [2.0, 3.0], 4.0),
        ([1.0, 0.0], [2.0, 3.0], 4.0),
        ([-inf, 0.0], [1.0, 3.0], 4.0),  # at the upper bound, and on its way down
        ([0.0, -inf], [2.0, 2.0], 3.0),
        ([0.0, 2.0], [2.0, inf], 4.0),
        ([0.0, 2.0], [2.0, 2.0], 3.0),
        ([1.0, 0.0], [1.0, 2.0], 0.0),
    ):
        bounds = np.array(lower), np.array(upper)
        machine = begun(np.array([1.0, 2.0]), np.eye(3, 2), np.array([3.0, -4.0, 1.0]), bounds)
        assert machine.record.gnorm == pytest.approx(cosine / np.sqrt(26))
        assert machine.next() == (WANT_NORM if cosine > 0 else ENDED)


def test_gradient_of_zeros_ends_the_fit_at_bounds_too() -> None:
    """Where the residuals vanish, or a column does."""
    ones = np.ones(2)
    for bounds in ((ones, 2 * ones), (0 * ones, ones)):
        for jacobian, f in ((np.eye(3, 2) * [1, 0], np.array([0.0, 3.0, 4.0])), (np.eye(3, 2), np.zeros(3))):
            machine = begun(ones, jacobian, f, bounds, OPTIONS)
            assert (machine.record.gnorm, machine.record.info) == (0, CODES["info_gtol"])
            assert machine.next() == ENDED


def test_parameter_whose_bounds_are_equal_stays_whatever_its_gradient() -> None:
    for f in ([0.0, 0.6, 0.8], [0.6, 0.6, 0.4], [-0.6, 0.6, 0.4]):
        bounds = np.array([1.0, -np.inf]), np.array([1.0, np.inf])
        machine = begun(np.ones(2), np.eye(3, 2), np.array(f), bounds, OPTIONS)
        assert machine.record.gnorm == pytest.approx(0.6 / np.linalg.norm(f))
        assert machine.next() == WANT_NORM
        np.testing.assert_allclose(machine.trial, [1, 0.4], rtol=1e-14)
        assert machine.trial[0] == 1


def test_jacobian_that_is_not_finite_ends_a_bounded_fit() -> None:
    jacobian = np.array([[1.0, np.nan], [0.0, 1.0]])
    machine = begun(np.ones(2), jacobian, np.ones(2), (np.zeros(2), np.full(2, 2.0)), OPTIONS)
    assert machine.next() == ENDED
    assert machine.record.info == CODES["info_jacobian_not_finite"]


# --------------------------------------------------------------------------------------------- whole fits


def fitted(problem: Problem, start: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], **look: Any) -> BoundedMachine:
    """The fit, whose every trial point is within the bounds."""

    def residuals(x: np.ndarray) -> np.ndarray:
        assert np.all((bounds[0] <= x) & (x <= bounds[1]))
        return problem.residuals(x)

    machine = BoundedMachine(start, OPTIONS, None, bounds)
    return fit(machine, residuals, lambda machine, f: problem.jacobian(machine.x), **look)


@dataclass(eq=False)
class Case:
    """A problem of the table with bounds that cut off where it would end without."""

    name: str
    problem: Problem
    start: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray]

    def cut_off(self, j: int, end: float, on_bound: bool, both: bool, rng: np.random.Generator) -> None:
        """Bound parameter j between where it starts and where it would end; start there, if asked to.

        Where these are the same it starts elsewhere.
        """
        (lower, upper), size = self.bounds, max(abs(self.start[j]), 1.0)
        if abs(end - self.start[j]) < 1e-3 * size:
            self.start[j] = end + size * rng.choice([-1, 1])
        way = end - self.start[j]
        near, far = self.start[j] + 0.6 * way, self.start[j] - 0.5 * way
        (upper if way > 0 else lower)[j] = near
        if both:
            (lower if way > 0 else upper)[j] = far
        if on_bound:
            self.start[j] = far if both and rng.random() < 0.5 else near


@cache
def cases() -> list[Case]:
    """One, several or all parameters with bounds, the latter two on both sides; starts inside or on a bound."""
    made = []
    for run in runs():
        n = run.problem.n
        infinite = np.full(n, -np.inf), np.full(n, np.inf)
        end = fitted(run.problem, run.problem.start, infinite).x
        for how_many, count in (("one", 1), ("several", max(n // 2, 1)), ("all", n)):
            for where in ("inside", "on"):
                rng = np.random.default_rng([run.number, count])
                bounds = infinite[0].copy(), infinite[1].copy()
                case = Case(f"{run.problem.name}-{how_many}-{where}", run.problem, run.problem.start.copy(), bounds)
                for j in rng.permutation(n)[:count]:
                    case.cut_off(j, end[j], where == "on", how_many != "one", rng)
                made.append(case)
    return made


# Each cause was looked into: by 20 000 evaluations, by the fit without bounds, and by scale factors of 1 in place of
# the columns' lengths.
AT_INFINITY = "the way down leads to x near 1e14 or beyond, where hardly anything moves f; SciPy's two end no lower"
CREEPS = "a valley that neither this fit leaves in 20 000 evaluations nor SciPy's two in 1000"
OTHER_MINIMUM = "another local minimum: first-order conditions hold"
NOT_STATIONARY = {
    "bard-15x3-start10-one-inside": AT_INFINITY,
    "bard-15x3-start10-one-on": AT_INFINITY,
    "bard-15x3-start10-several-inside": AT_INFINITY,
    "bard-15x3-start10-several-on": AT_INFINITY,
    "bard-15x3-start10-all-inside": AT_INFINITY,
    "bard-15x3-start100-one-inside": AT_INFINITY,
    "bard-15x3-start100-one-on": AT_INFINITY,
    "bard-15x3-start100-several-inside": AT_INFINITY,
    "bard-15x3-start100-several-on": AT_INFINITY,
    "bard-15x3-start100-all-inside": AT_INFINITY,
    "bard-15x3-start100-all-on": AT_INFINITY,
    "kowalik-osborne-11x4-start100-one-inside": CREEPS,
    "watson-31x9-start100-several-on": CREEPS,
}
WORSE_THAN_SCIPY = {
    "kowalik-osborne-11x4-start10-one-inside": OTHER_MINIMUM,
    "kowalik-osborne-11x4-start10-several-inside": OTHER_MINIMUM,
    "kowalik-osborne-11x4-start10-all-inside": OTHER_MINIMUM,
    "watson-31x9-start100-several-on": CREEPS,
    "chebyquad-9x9-start1-all-inside": OTHER_MINIMUM,
    "chebyquad-9x9-start1-all-on": OTHER_MINIMUM,
    "chebyquad-10x10-start1-one-inside": OTHER_MINIMUM,
    "chebyquad-10x10-start1-several-on": OTHER_MINIMUM,
    "brown-almost-linear-10x10-start100-one-inside": OTHER_MINIMUM,
    "brown-almost-linear-30x30-start1-several-inside": OTHER_MINIMUM,
}
# Long valleys, with the evaluations that they take. The others have no use for more than 1000.
SLOW = {
    "helical-valley-3x3-start100-one-on": 3214,
    "kowalik-osborne-11x4-start10-one-on": 19173,
    "kowalik-osborne-11x4-start10-several-on": 6213,
    "chebyquad-9x9-start1-one-inside": 7425,  # much the same without bounds
}


@cache
def ended(case: Case) -> LeastSquaresResult:
    """The fit of a case; every evaluation within the bounds."""

    def residuals(x: np.ndarray) -> np.ndarray:
        assert np.all((case.bounds[0] <= x) & (x <= case.bounds[1]))
        return case.problem.residuals(x)

    ftol, xtol, gtol = OPTIONS[:3]
    return least_squares(
        residuals, case.start, case.problem.jacobian, case.bounds, ftol=ftol, xtol=xtol, gtol=gtol,
        max_nfev=2 * SLOW.get(case.name, 500),
    )  # fmt: skip


def steepest(case: Case, x: np.ndarray) -> float:
    """The largest cosine between f and a column of J, those apart that a bound holds."""
    f, jacobian = case.problem.residuals(x), case.problem.jacobian(x)
    size, lengths = np.linalg.norm(f), np.linalg.norm(jacobian, axis=0)
    if size == 0:
        return 0.0
    g = np.divide(f @ jacobian, size * lengths, out=np.zeros_like(x), where=lengths > 0)
    lower, upper = case.bounds
    g[(x <= lower) & (g > 0) | (x >= upper) & (g < 0)] = 0
    return float(np.max(np.abs(g)))


def test_every_exception_is_a_case() -> None:
    names = {case.name for case in cases()}
    assert {*NOT_STATIONARY, *WORSE_THAN_SCIPY, *SLOW} <= names
    stuck = {name for name, cause in WORSE_THAN_SCIPY.items() if cause != OTHER_MINIMUM}
    assert stuck == NOT_STATIONARY.keys() & WORSE_THAN_SCIPY.keys()


@pytest.mark.xdist_group("cases within bounds")
def test_fits_end_where_first_order_conditions_hold() -> None:
    for case in cases():
        end = ended(case)
        if case.name not in NOT_STATIONARY:
            solved = np.linalg.norm(end.fun) < 1e-6 * np.linalg.norm(case.problem.residuals(case.start))
            assert steepest(case, end.x) < 2e-5 or solved, case.name


def test_bounded_fit_that_is_pickled_wherever_something_is_wanted_goes_on_to_the_same_bits() -> None:
    for case in cases()[::17]:
        arrived = fitted(case.problem, case.start, case.bounds, look=lambda machine, wanted: travelled(machine))
        assert state_of(arrived) == state_of(fitted(case.problem, case.start, case.bounds)), case.name


@pytest.mark.scipy
@pytest.mark.slow
@pytest.mark.xdist_group("cases within bounds")
@pytest.mark.filterwarnings("ignore::RuntimeWarning:scipy")
def test_fits_are_as_good_as_the_better_of_scipys_two_and_take_fewer_evaluations() -> None:
    from scipy.optimize import least_squares as scipys

    ours = trfs = 0
    options = {"max_nfev": 1000, "ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14, "x_scale": "jac"}
    for case in cases():
        end, residuals, jacobian = ended(case), case.problem.residuals, case.problem.jacobian
        trf, dogbox = (
            partial(scipys, residuals, case.start, jacobian, bounds=case.bounds, method=method, **options)
            for method in ("trf", "dogbox")
        )
        by_trf = trf()
        ours, trfs = ours + min(end.nfev, options["max_nfev"]), trfs + by_trf.nfev
        rounding = 1e-20 * min(np.sum(residuals(case.start) ** 2), 1)
        # No cost is below 0: where ours is so small, there is nothing to ask the other one.
        if case.name not in WORSE_THAN_SCIPY and end.cost > rounding:
            assert end.cost <= min(by_trf.cost, dogbox().cost) * (1 + 1e-8) + rounding, case.name
    assert ours < trfs
