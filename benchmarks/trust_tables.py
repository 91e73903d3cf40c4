"""What `bench_trust` fits, table by table, and what the judge has to know of each fit."""

import functools
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import models  # noqa: F401  (opens the way to the tests' problems and the judge)
import solvers
from judge import EPS, SAME_COST, Landscape, judge, polish, rounding
from landscapes import EPS_SINGLE, drawn_land
from problems import mgh, strd
from problems._problem import Problem
from problems.drawn import drawn
from problems.spoilt import SPOILT
from solvers import Task

# By what part a sum of squares may be above that of a known minimum, beside SAME_COST: where the judge's tolerance or a
# coarse model allows no less.
NEAR = 1e-4
AS_IT_IS, SINGLE, SIX_DIGITS = "as it is", "single precision", "6 digits"


@dataclass(frozen=True, eq=False)
class Posed:
    """A fit to be done and judged.

    Attributes
    ----------
    task : Task
        What the solver gets.
    land : Landscape
        What the judge knows.
    least : tuple of float
        The sums of squares at known minima.
    slack : float
        By what part an end's may be above.
    certified : ndarray or None
        The parameters at the minimum, where they are certified.
    inner : callable or None
        Gives the judge's parameters from the solver's, where these differ.
    traits : str
        What is special about the fit.
    """

    task: Task
    land: Landscape
    least: tuple[float, ...] = ()
    slack: float = SAME_COST
    certified: np.ndarray | None = None
    inner: Callable[[np.ndarray], np.ndarray] | None = None
    traits: str = ""


@dataclass(frozen=True)
class Job:
    """A solver, and a function that poses its fit from arguments that a process can be sent."""

    table: str
    group: str
    solver: str
    problem: str
    pose: Callable[..., Posed]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Row:
    """One fit by one solver, and what the judge says of its end: a line of the file that `--json` writes.

    Attributes
    ----------
    table, group, solver, problem, traits : str
        Which fit it is.
    success, status
        What the solver says.
    is_minimum : bool
        Whether the end is a local minimum, as the judge says, or a known one.
    is_settled : bool
        Whether the Jacobian promises nothing more at the end of the judge's way down (see `Verdict`).
    is_known : bool
        Whether the sum of squares is that of a known minimum.
    digits : float
        The fewest digits right of any certified parameter.
    offset, excess, ratio : float
        See `Verdict`.
    rss, rss_at_start : float
        The sum of squares at the end, as the judge computes it, and at the start.
    calls, jac_calls : int
        All calls of the function, and of the Jacobian.
    start, end : list of float
        In the solver's parameters.
    """

    table: str
    group: str
    solver: str
    problem: str
    traits: str
    success: bool
    status: str
    is_minimum: bool
    is_settled: bool
    is_known: bool
    digits: float
    offset: float
    excess: float
    ratio: float
    rss: float
    rss_at_start: float
    calls: int
    jac_calls: int
    start: list[float]
    end: list[float]

    @property
    def is_false(self) -> bool:
        """Whether it is called a success, and is no minimum."""
        return self.success and not self.is_minimum

    @property
    def is_true(self) -> bool:
        """Whether it is called a success, and is one."""
        return self.success and self.is_minimum and self.is_settled

    @property
    def is_unsettled(self) -> bool:
        """Whether it is called a success where no way leads down, though the Jacobian promises one."""
        return self.success and self.is_minimum and not self.is_settled


def fit(job: Job) -> Row:
    """Do a job and judge the end."""
    posed = job.pose(*job.arguments)
    end = solvers.run(job.solver, posed.task)
    verdict = judge(posed.land, end.x if posed.inner is None else posed.inner(end.x))
    above = [verdict.rss - least for least in posed.least]
    is_known = any(abs(a) <= posed.slack * s + verdict.hidden for a, s in zip(above, posed.least, strict=True))
    certified = posed.certified
    return Row(
        table=job.table,
        group=job.group,
        solver=job.solver,
        problem=job.problem,
        traits=posed.traits,
        success=end.success,
        status=end.status,
        is_minimum=verdict.is_minimum or is_known,
        is_settled=verdict.is_settled or is_known,
        is_known=is_known,
        digits=math.nan if certified is None else float(np.min(strd.correct_digits(end.x, certified))),
        offset=verdict.offset,
        excess=verdict.excess,
        ratio=verdict.ratio,
        rss=verdict.rss,
        rss_at_start=float(np.sum(posed.task.fun(posed.task.start.copy()) ** 2)),
        calls=end.calls,
        jac_calls=end.jac_calls,
        start=posed.task.start.tolist(),
        end=end.x.tolist(),
    )


def available(*groups: dict[str, solvers.Solver]) -> list[str]:
    """The solvers of these groups that can be tried here."""
    return [name for group in groups for name in group if solvers.installed(name)]


# ------------------------------------------------------------------------------------------ NIST's data sets


@functools.cache
def strd_land(name: str) -> Landscape:
    """What the judge knows of a data set."""
    data = strd.load(name)
    infinite = np.full(data.certified.size, np.inf)

    def noise(x: np.ndarray) -> np.ndarray:
        return rounding(EPS, data.model(x), data.jacobian(x), x)

    return Landscape(data.residuals, data.jacobian, -infinite, infinite, noise, noise, np.abs(data.certified))


def pose_strd(name: str, start: int, exact: bool) -> Posed:
    """Pose a fit from NIST's start 1 or 2."""
    return pose_strd_from(name, strd.load(name).starts[start - 1].copy(), exact)


def pose_strd_from(name: str, start: np.ndarray, exact: bool) -> Posed:
    """Pose a fit from any start."""
    data = strd.load(name)
    task = Task(data.residuals, start, data.jacobian if exact else None, deviation=data.rsd)
    return Posed(task, strd_land(name), (data.rss,), certified=data.certified)


def nist(quick: bool) -> Iterator[Job]:
    """27 sets, both of NIST's starts, without and with exact Jacobians, by all solvers."""
    names = available(solvers.OURS, solvers.SCIPYS, solvers.OTHERS)
    for exact, group in ((False, "differences"), (True, "exact Jacobian")):
        for name in strd.names()[:: 4 if quick else 1]:
            for start in (1, 2):
                for solver in names:
                    if not (exact and solver in solvers.OTHER_DIFFERENCES):
                        yield Job("nist", group, solver, f"{name}/{start}", pose_strd, (name, start, exact))


STARTS = 12  # of each set


def pose_strd_at_random(name: str, number: int) -> Posed:
    """Pose a fit from the certified parameters, each times a factor between 1/3 and 3."""
    rng = np.random.default_rng([2, strd.names().index(name), number])
    certified = strd.load(name).certified
    return pose_strd_from(name, certified * 3.0 ** rng.uniform(-1, 1, certified.size), exact=False)


def starts(quick: bool) -> Iterator[Job]:
    """NIST's sets from random starts, by differences."""
    names = available(solvers.OURS, solvers.SCIPYS, solvers.OTHERS)
    for name in strd.names():
        for number in range(2 if quick else STARTS):
            for solver in names:
                yield Job("starts", "random starts", solver, f"{name}~{number}", pose_strd_at_random, (name, number))


# ------------------------------------------------------------------------------------------ fits drawn at random


@functools.cache
def least(seed: int) -> float:
    """The sum of squares at the minimum that is reached from the parameters of the data."""
    land = drawn_land(seed)
    point = land.point(np.clip(drawn(seed).draw.truth, land.lower, land.upper))
    assert point is not None
    bottom = polish(land, point)
    return float(bottom.f @ bottom.f)


def pose_drawn(seed: int) -> Posed:
    """Pose the fit of this number."""
    fit = drawn(seed)
    bounds = (fit.lower, fit.upper) if fit.is_bounded else None
    task = Task(fit.residuals, fit.start, bounds=bounds)
    return Posed(task, drawn_land(seed), (least(seed),), NEAR, inner=fit.inner, traits=fit.traits)


def random(quick: bool) -> Iterator[Job]:
    """Fits drawn at random, by differences; a solver that takes no bounds gets those without."""
    names = available(solvers.OURS, solvers.SCIPYS)
    for seed in range(150 if quick else 1500):
        fit = drawn(seed)
        group = "from 0" if fit.from_0 else "away from 0"
        for solver in names:
            if not fit.is_bounded or solver in solvers.TAKES_BOUNDS:
                yield Job("random", group, solver, f"{fit.family} {seed}", pose_drawn, (seed,))


# ------------------------------------------------------------------------------------------ MINPACK's 53 runs


def round_digits(values: np.ndarray, digits: int) -> np.ndarray:
    """Round each number to so many significant digits."""
    with np.errstate(all="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(values))) - digits + 1)
        return np.where(np.isfinite(unit) & (unit > 0), np.round(values / unit) * unit, values)


def mgh_land(problem: Problem, coarse: str) -> Landscape:
    """What the judge knows of a run, whose residuals may be computed in a coarser way."""
    infinite = np.full(problem.n, np.inf)
    # Residuals so small are as good as 0, as in the tests of fits within bounds.
    floor = 1e-10 * min(float(np.linalg.norm(problem.residuals(problem.start))), 1.0)

    def noise_of(eps: float, x: np.ndarray) -> np.ndarray:
        return rounding(eps, problem.residuals(x), problem.jacobian(x), x)

    def noise(x: np.ndarray) -> np.ndarray:
        bounds = noise_of(EPS_SINGLE if coarse == SINGLE else EPS, x)
        return bounds + 5e-6 * np.abs(problem.residuals(x)) if coarse == SIX_DIGITS else bounds

    sizes = np.maximum(np.abs(problem.start), 1.0)
    own_noise = functools.partial(noise_of, EPS)
    return Landscape(problem.residuals, problem.jacobian, -infinite, infinite, noise, own_noise, sizes, floor)


@functools.cache
def mgh_runs() -> tuple[mgh.Run, ...]:
    """The runs, made once."""
    return tuple(mgh.runs())


def pose_mgh(number: int, coarse: str, exact: bool) -> Posed:
    """Pose a run, as it is or computed in a coarser way."""
    run = mgh_runs()[number - 1]
    problem = run.problem

    def in_single(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return problem.residuals(x.astype(np.float32).astype(float)).astype(np.float32).astype(float)

    def in_six_digits(x: np.ndarray) -> np.ndarray:
        return round_digits(problem.residuals(x), 6)

    fun = {SINGLE: in_single, SIX_DIGITS: in_six_digits}.get(coarse, problem.residuals)
    task = Task(fun, problem.start.copy(), problem.jacobian if exact else None)
    least = tuple(norm**2 for norm in run.case.best_norms)
    return Posed(task, mgh_land(problem, coarse), least, SAME_COST if coarse == AS_IT_IS else NEAR)


def mgh_table(quick: bool) -> Iterator[Job]:
    """The 53 runs: as they are, in single precision, and with residuals rounded to 6 digits."""
    names = available(solvers.OURS, solvers.SCIPYS)
    for group in (AS_IT_IS, SINGLE, SIX_DIGITS):
        for run in mgh_runs()[:: 4 if quick else 1]:
            for solver in names:
                yield Job("mgh", group, solver, run.problem.name, pose_mgh, (run.number, group, False))


# ------------------------------------------------------------------------------------------ wrong Jacobians

COMPLEX_STEPS = "right, complex steps"


def with_wrong_jacobian(kind: str, pose: Callable[..., Posed], *arguments: Any) -> Posed:
    """Spoil the Jacobian of a fit: a column, which the start determines, or all of it."""
    posed = pose(*arguments)
    task = posed.task
    if kind == COMPLEX_STEPS:
        return Posed(**{**vars(posed), "task": Task(task.fun, task.start, None, task.bounds)})
    assert task.jac is not None
    exact, spoil = task.jac, SPOILT[kind]
    column = zlib.crc32(task.start.tobytes()) % task.start.size

    def given(x: np.ndarray) -> np.ndarray:
        return spoil(np.array(exact(x)), column)

    return Posed(**{**vars(posed), "task": Task(task.fun, task.start, given, task.bounds)})


def pose_drawn_exactly(seed: int) -> Posed:
    """Pose a fit drawn at random, with its exact Jacobian."""
    posed, jacobian = pose_drawn(seed), drawn(seed).jacobian
    return Posed(**{**vars(posed), "task": Task(posed.task.fun, posed.task.start, jacobian, posed.task.bounds)})


def wrong(quick: bool) -> Iterator[Job]:
    """Jacobians that are right, and wrong: NIST's sets, the 53 runs, and fits drawn at random."""
    every = 4 if quick else 1
    fits: list[tuple[str, tuple[int, int], bool, Callable[..., Posed], tuple[Any, ...]]] = []
    for name in strd.names()[::every]:
        data = strd.load(name)
        shape = data.y.size, data.certified.size
        fits += [(f"{name}/{start}", shape, False, pose_strd, (name, start, True)) for start in (1, 2)]
    for run in mgh_runs()[::every]:
        p = run.problem
        fits.append((p.name, (p.m, p.n), False, pose_mgh, (run.number, AS_IT_IS, True)))
    for seed in range(0, 400, every):
        fit = drawn(seed)
        shape = fit.data.size, fit.start.size
        fits.append((f"{fit.family} {seed}", shape, fit.is_bounded, pose_drawn_exactly, (seed,)))
    for kind in (*SPOILT, COMPLEX_STEPS):
        for problem, (m, n), is_bounded, pose, arguments in fits:
            if (kind == "transposed" and m != n) or (kind in ("transposed", "swapped") and n == 1):
                continue
            for solver in available(solvers.COMPLEX_STEPS if kind == COMPLEX_STEPS else solvers.WITH_A_JACOBIAN):
                if not is_bounded or solver in solvers.TAKES_BOUNDS:
                    yield Job("wrong", kind, solver, problem, with_wrong_jacobian, (kind, pose, *arguments))


# ------------------------------------------------------------------------------------------ within bounds


@functools.cache
def boxed_cases() -> list[Any]:
    """The cases of the tests of the core: the 53 runs, cut off where they would end without bounds."""
    from core.test_box import cases

    return cases()


def pose_boxed(number: int) -> Posed:
    """Pose a case, with the exact Jacobian."""
    case = boxed_cases()[number]
    land = mgh_land(case.problem, AS_IT_IS)
    land = Landscape(**{**vars(land), "lower": case.bounds[0], "upper": case.bounds[1]})
    return Posed(Task(case.problem.residuals, case.start, case.problem.jacobian, case.bounds), land)


def boxed(quick: bool) -> Iterator[Job]:
    """Fits within bounds, by solvers that are told to be exact and may take 1000 evaluations."""
    for number, case in list(enumerate(boxed_cases()))[:: 6 if quick else 1]:
        for solver in available(solvers.EXACT):
            yield Job("boxed", "exact Jacobian", solver, case.name, pose_boxed, (number,))


TABLES: dict[str, Callable[[bool], Iterator[Job]]] = {
    "nist": nist,
    "starts": starts,
    "random": random,
    "wrong": wrong,
    "mgh": mgh_table,
    "boxed": boxed,
}
