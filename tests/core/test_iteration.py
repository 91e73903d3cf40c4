"""The iteration in its caller's hands: the drivers' steps, bit for bit, and a record that travels."""

import re
from ctypes import sizeof
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loop import factor, fit, state_of, travelled
from problems.mgh import Problem, Run, runs
from pyminpack import _minpack
from pyminpack._iteration.machine import CODES, ENDED, WANT_FACTOR, WANT_NORM, FitRecord, Machine

CORE = Path(__file__).resolve().parents[2] / "minpack"
OPTIONS = (1.49012e-8, 1.49012e-8, 0.0, 400, 100.0)  # ftol, xtol, gtol, maxfev, factor
TOOK_STEP = CODES["took_step"]
DOUBLE, SINGLE = (float(np.finfo(kind).eps) for kind in (np.float64, np.float32))

each_way = pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])


def differences(problem: Problem) -> Any:
    """lmdif's Jacobian, counted as lmdif counts."""

    def jacobian(machine: Machine, f: np.ndarray) -> np.ndarray:
        columns = []
        for j, x in enumerate(machine.x):
            beside, h = machine.x.copy(), np.sqrt(DOUBLE) * abs(x) or np.sqrt(DOUBLE)
            beside[j] += h
            columns.append((problem.residuals(beside) - f) / h)
        machine.record.nfev += machine.x.size
        return np.stack(columns, axis=1)

    return jacobian


def step_through(run: Run, by_differences: bool = False, **look: Any) -> Machine:
    problem = run.problem
    jacobian = differences(problem) if by_differences else lambda machine, f: problem.jacobian(machine.x)
    return fit(Machine(problem.start, OPTIONS, None, 0.0), problem.residuals, jacobian, **look)


@each_way
@pytest.mark.parametrize("run", runs(), ids=lambda run: run.problem.name)
def test_the_loop_takes_the_steps_of_the_drivers(run: Run, by_differences: bool) -> None:
    problem = run.problem
    ftol, xtol, gtol, maxfev, bound = OPTIONS
    f, own_scaling = problem.residuals(problem.start), np.empty(0)
    if by_differences:
        x, fvec, info, nfev, _, ipvt, qtf = _minpack.lmdif(
            problem.residuals, problem.start, f, ftol, xtol, gtol, maxfev, 0.0, own_scaling, bound
        )
    else:
        x, fvec, info, nfev, njev, _, ipvt, qtf = _minpack.lmder(
            problem.residuals, problem.jacobian, problem.start, f, False, ftol, xtol, gtol, maxfev, own_scaling, bound
        )
    machine = step_through(run, by_differences)
    record = machine.record
    assert (record.info, record.nfev) == (info, nfev)
    assert by_differences or record.njev == njev
    assert record.fnorm == _minpack.enorm(fvec)
    np.testing.assert_array_equal(machine.x, x)
    np.testing.assert_array_equal(machine.ipvt - 1, ipvt - 1)
    np.testing.assert_array_equal(machine.qtf, qtf)


@pytest.mark.parametrize("run", runs()[::7], ids=lambda run: run.problem.name)
def test_asking_again_for_what_is_wanted_changes_nothing(run: Run) -> None:
    """A caller whose function failed comes back later, with the same question."""

    def ask_again(machine: Machine, wanted: int) -> Machine:
        if wanted != TOOK_STEP:
            before = state_of(machine)
            assert machine.next() == wanted
            assert state_of(machine) == before
        return machine

    end = step_through(run, look=ask_again)
    before = state_of(end)
    assert end.next() == ENDED
    assert state_of(end) == before == state_of(step_through(run))


@pytest.mark.parametrize("run", runs()[::7], ids=lambda run: run.problem.name)
def test_fit_that_is_pickled_wherever_something_is_wanted_goes_on_to_the_same_bits(run: Run) -> None:
    arrived = step_through(run, look=lambda machine, wanted: travelled(machine))
    assert state_of(arrived) == state_of(step_through(run))


# -------------------------------------------------------------------------------------------- one place for each fact


def listed(file: str, *kinds: str) -> list[tuple[str, str]]:
    """The kinds and names in a list that Fortran and C include."""
    return re.findall(rf"^({'|'.join(kinds)})\((\w+),", (CORE / file).read_text(), re.MULTILINE)


def test_components_of_the_record_are_those_of_fit_def() -> None:
    """In C's layout, as bind(c) has it: order and kinds decide on everything. (The Fortran tests compare the size.)"""
    kinds = {"FIT_REAL": "f8", "FIT_INT": "i4"}
    told = [(name, kinds[kind]) for kind, name in listed("iteration/fit.def", *kinds)]
    layout = _minpack.layout()
    assert [(name, kind) for name, kind, _ in layout] == told
    aligned = np.dtype(told, align=True)
    assert [offset for _, _, offset in layout] == [aligned.fields[name][1] for name, _ in told]
    assert [getattr(FitRecord, name).offset for name, _ in told] == [aligned.fields[name][1] for name, _ in told]
    assert sizeof(FitRecord) == aligned.itemsize


def test_codes_are_those_of_codes_def() -> None:
    text = (CORE / "base" / "codes.def").read_text()
    told = re.findall(r'^CODE\((\w+), (-?\d+), "[^"]+"\)$', text, re.MULTILINE)
    assert {name: int(number) for name, number in told} == CODES
    assert len(told) == len(CODES) == text.count("\nCODE(")


def test_record_that_is_too_short_is_refused() -> None:
    for size in (0, sizeof(FitRecord) // 8 - 1):
        with pytest.raises(Exception, match="failed for hidden nfit"):
            _minpack.lm_begin(np.zeros(size), 1.0)
    _minpack.lm_begin(np.zeros(sizeof(FitRecord) // 8), 1.0)


# ------------------------------------------------------------------------------------------------- step after step


def begun(
    norm: float = np.sqrt(21), tolerances: tuple[float, float, float] = (0.0, 0.0, 0.0), **record: Any
) -> Machine:
    """A linear fit whose every number is known: min (x - 3)² + (2y - 8)² + 1 from (1, 2)."""
    machine = Machine(np.array([1.0, 2.0]), (*tolerances, 99, 100.0), np.ones(2), 0.0)
    for name, value in record.items():
        setattr(machine.record, name, value)
    machine.begin(norm)
    return machine


def bring_factor(machine: Machine) -> None:
    machine.take_factor(*factor(np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), np.array([-2.0, -4.0, 1.0])))


def test_components_hold_what_their_names_say() -> None:
    machine = begun()
    record = machine.record
    assert (record.n, record.mode, record.maxfev, record.factor) == (2, 2, 99, 100)
    assert machine.next() == WANT_FACTOR
    bring_factor(machine)
    assert (record.njev, record.jacobian_is_at_x) == (1, 1)
    assert record.xnorm == pytest.approx(np.sqrt(5))
    assert record.delta == pytest.approx(100 * np.sqrt(5))
    assert record.gnorm == pytest.approx(4 / np.sqrt(21))
    assert machine.next() == WANT_NORM
    np.testing.assert_allclose(machine.trial, [3, 4])
    assert record.par == 0
    assert record.pnorm == pytest.approx(np.sqrt(8))
    assert record.prered == pytest.approx(20 / 21)
    assert record.dirder == pytest.approx(-20 / 21)
    machine.take_norm(1.0)
    np.testing.assert_allclose(machine.x, [3, 4])
    assert (record.iteration, record.fnorm, record.xnorm) == (2, 1.0, pytest.approx(5))
    assert record.delta == pytest.approx(2 * np.sqrt(8))
    assert (record.accepted, record.wall, record.info) == (1, 0, CODES["info_running"])
    assert (record.nfev, record.nit, record.jacobian_is_at_x) == (1, 1, 0)


def test_what_is_wanted_comes_in_order() -> None:
    """A rejected step is followed by another trial, an accepted one by a factorization, the last one by the end."""
    machine = begun(tolerances=(1e-3, 0.0, 0.0))
    told = []
    for norm in (9.0, 1.0, 1.0):
        while (wanted := machine.next()) != WANT_NORM:
            told.append(wanted)
            if wanted == WANT_FACTOR:
                bring_factor(machine)
        told.append(wanted)
        machine.take_norm(norm)
    assert told == [WANT_FACTOR, WANT_NORM, WANT_NORM, TOOK_STEP, WANT_FACTOR, WANT_NORM]
    assert machine.record.nit == 1
    # A step that gains next to nothing, as was predicted, is taken before the fit ends.
    machine = begun(norm=1.0, tolerances=(1e-3, 0.0, 0.0))
    assert machine.next() == WANT_FACTOR
    machine.take_factor(*factor(np.eye(3, 2), np.array([-1e-3, 0.0, 1.0])))
    assert machine.next() == WANT_NORM
    machine.take_norm(1 - 0.5e-6)
    assert (machine.record.info, machine.record.accepted) == (CODES["info_ftol"], 1)
    assert [machine.next() for _ in range(3)] == [TOOK_STEP, ENDED, ENDED]


@pytest.mark.parametrize("norm", [np.nan, np.inf])
def test_norms_that_are_not_finite_shrink_the_step(norm: float) -> None:
    """And are no sign of convergence, however short it is then."""
    machine = begun(tolerances=(0.0, 1e-3, 0.0))
    machine.next()
    bring_factor(machine)
    lengths = []
    for nfev in range(1, 9):
        assert machine.next() == WANT_NORM
        lengths.append(np.linalg.norm(machine.trial - machine.x))
        machine.take_norm(norm)
        assert (machine.record.accepted, machine.record.info) == (0, CODES["info_running"])
        assert (machine.record.nfev, machine.record.wall) == (nfev, 2)
        np.testing.assert_array_equal(machine.x, [1, 2])
    shrunk = np.array(lengths[1:]) / lengths[:-1]
    assert np.all((shrunk > 0.08) & (shrunk < 0.13))  # a tenth, within lmpar's tenth


def test_start_that_is_not_finite_is_over_at_once() -> None:
    for norm in (np.nan, np.inf):
        machine = begun(norm=norm)
        assert machine.next() == ENDED
        assert machine.record.info == CODES["info_residuals_not_finite"]


def test_jacobian_that_is_not_finite_ends_the_fit() -> None:
    machine = begun()
    machine.next()
    machine.take_factor(np.eye(2), np.array([1, 2], np.int32), np.ones(2), np.array([1.0, np.inf]))
    assert machine.next() == ENDED
    assert machine.record.info == CODES["info_jacobian_not_finite"]


# ------------------------------------------------------------------------------------------- differences that mislead


def rejected(**record: Any) -> Machine:
    """A fit whose every step proves bad, until something else than another trial point is wanted."""
    machine = begun(tolerances=(0.0, 1e-3, 0.0), **record)
    assert machine.next() == WANT_FACTOR
    bring_factor(machine)
    while machine.next() == WANT_NORM:
        machine.take_norm(9.0)
    return machine


def test_differences_that_misled_are_taken_anew_for_single_precision() -> None:
    """They promised much at a start that no step improves on: it is they that are wrong."""
    machine = rejected(differences=1, precision=DOUBLE)
    record = machine.record
    assert machine.next() == WANT_FACTOR
    assert (record.precision, record.precision_known, record.jacobian_is_at_x) == (SINGLE, 1, 0)
    assert (record.info, record.iteration, record.fnorm) == (CODES["info_running"], 1, np.sqrt(21))
    assert (record.njev, record.nit) == (1, 0)
    assert record.nfev > 3
    bring_factor(machine)  # once
    while machine.next() == WANT_NORM:
        machine.take_norm(9.0)
    assert (machine.next(), record.njev, record.info) == (ENDED, 2, CODES["info_xtol"])


CREDIBLE: dict[str, dict[str, Any]] = {
    "given Jacobian": {"differences": 0, "precision": DOUBLE},
    "steps that are given": {"precision": 0.0},
    "steps of single precision already": {"precision": SINGLE},
    "limit of evaluations": {"precision": DOUBLE, "maxfev": 3},
    "central differences": {"differences": 2, "precision": DOUBLE},
}


@pytest.mark.parametrize("case", CREDIBLE.values(), ids=CREDIBLE)
def test_a_start_is_the_end_where_differences_are_not_to_blame(case: dict[str, Any]) -> None:
    machine = rejected(**{"differences": 1, **case})
    assert machine.next() == ENDED
    assert machine.record.precision == case["precision"]
