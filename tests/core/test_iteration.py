"""The iteration in the caller's hands: the drivers' iterates, bit for bit, and a state that travels."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from problems.mgh import Run, runs
from pyminpack import _minpack
from pyminpack._iteration.machine import CONTROL, STATE, Iteration

TYPES = Path(__file__).resolve().parents[2] / "minpack" / "iteration" / "lm_types.f90"
OPTIONS = (1.49012e-8, 1.49012e-8, 0.0, 400, 100.0)  # ftol, xtol, gtol, maxfev, factor
KINDS = {"real(wp)": "<f8", "integer(ip)": "<i4", "logical(lp)": "|b1"}


def factor(jacobian: np.ndarray, f: np.ndarray) -> tuple:
    """What lm_factor does, an operation at a time and in its order: Rᵀ, P, the first n of Qᵀf, the columns' norms."""
    m, n = jacobian.shape
    a, ipvt, rdiag, acnorm = _minpack.qrfac(np.ascontiguousarray(jacobian.T), 1)
    f = f.tolist()
    for j in range(n):
        v = a[j, j:].tolist()
        if v[0] != 0:
            dot = 0.0
            for i in range(m - j):
                dot += v[i] * f[j + i]
            for i in range(m - j):
                f[j + i] -= dot / v[0] * v[i]
        a[j, j] = rdiag[j]
    return np.ascontiguousarray(a[:, :n]), ipvt, np.array(f[:n]), acnorm


def step_through(run: Run, between: Any = lambda iteration: iteration) -> tuple[Iteration, int, int]:
    """A fit with the Jacobian, by hand; `between` is done to the iteration between any two of its calls."""
    problem = run.problem
    f, nfev, njev = problem.residuals(problem.start), 1, 0
    iteration = between(Iteration(problem.start, _minpack.enorm(f), OPTIONS))
    while iteration.is_running:
        iteration.start(*factor(problem.jacobian(iteration.x), f))
        njev += 1
        iteration = between(iteration)
        accepted = False
        while iteration.is_running and not accepted:
            trial = iteration.propose()
            iteration = between(iteration)
            residuals, nfev = problem.residuals(trial), nfev + 1
            accepted = iteration.judge(_minpack.enorm(residuals), nfev)
            iteration = between(iteration)
        f = residuals if accepted else f
    return iteration, nfev, njev


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.problem.name)
def test_iterates_are_those_of_lmder(run: Run) -> None:
    problem = run.problem
    ftol, xtol, gtol, maxfev, bound = OPTIONS
    x, fvec, info, nfev, njev, *_ = _minpack.lmder(
        problem.residuals, problem.jacobian, problem.start, problem.residuals(problem.start), False,
        ftol, xtol, gtol, maxfev, np.empty(0), bound,
    )  # fmt: skip
    iteration, evaluations, jacobians = step_through(run)
    assert (iteration["info"], evaluations, jacobians) == (info, nfev, njev)
    assert iteration["fnorm"] == _minpack.enorm(fvec)
    np.testing.assert_array_equal(iteration.x, x)


@pytest.mark.parametrize("run", runs()[::7], ids=lambda run: run.problem.name)
def test_iteration_that_is_pickled_between_calls_goes_on_as_it_would_have(run: Run) -> None:
    iteration, nfev, _ = step_through(run)
    travelled, evaluations, _ = step_through(run, lambda it: pickle.loads(pickle.dumps(it)))
    np.testing.assert_array_equal(travelled.x, iteration.x)
    assert evaluations == nfev
    assert travelled.state.tobytes() == iteration.state.tobytes()


@pytest.mark.parametrize(("name", "dtype"), [("lm_control", CONTROL), ("lm_state", STATE)])
def test_components_are_those_of_the_derived_type(name: str, dtype: np.dtype) -> None:
    """In C's layout, as bind(c) has it: the order and the kinds decide on everything."""
    body = re.search(rf"type, bind\(c\), public :: {name}\n(.*?)end type", TYPES.read_text(), re.DOTALL)
    assert body is not None
    told = [(component, KINDS[kind]) for kind, component in re.findall(r"^ *(\S+) :: (\w+)", body[1], re.MULTILINE)]
    assert [(field, dtype[field].str) for field in dtype.names or ()] == told
    assert dtype.isalignedstruct


@pytest.mark.parametrize(("name", "dtype"), [("lm_begin", STATE), ("lm_start", CONTROL)])
def test_the_modules_arrays_have_the_size_of_the_derived_type(name: str, dtype: np.dtype) -> None:
    argument = "state" if dtype is STATE else "control"
    sizes = re.findall(rf"{argument} : .*bounds \((\d+)\)", getattr(_minpack, name).__doc__)
    assert [int(size) * 8 for size in sizes] == [dtype.itemsize]


def test_components_hold_what_their_names_say() -> None:
    """After one accepted step of a linear fit whose every number is known: min (x - 3)² + (2y - 8)² + 1."""
    iteration = Iteration(np.array([1.0, 2.0]), np.sqrt(4 + 16 + 1), (0.0, 0.0, 0.0, 9, 100.0), np.ones(2))
    r, ipvt, qtf = np.diag([2.0, 1.0]), np.array([2, 1], np.int32), np.array([-4.0, -2.0])
    iteration.start(r, ipvt, qtf, np.array([1.0, 2.0]))
    assert iteration["xnorm"] == pytest.approx(np.sqrt(5))
    assert iteration["delta"] == pytest.approx(100 * np.sqrt(5))
    assert iteration["gnorm"] == pytest.approx(4 / np.sqrt(21))
    np.testing.assert_allclose(iteration.propose(), [3, 4])
    assert iteration["par"] == 0
    assert iteration["pnorm"] == pytest.approx(np.sqrt(8))
    assert iteration["prered"] == pytest.approx(20 / 21)
    assert iteration["dirder"] == pytest.approx(-20 / 21)
    assert iteration.judge(1.0, 2)
    np.testing.assert_allclose(iteration.x, [3, 4])
    assert (iteration["iteration"], iteration["fnorm"], iteration["xnorm"]) == (2, 1.0, pytest.approx(5))
    assert iteration["delta"] == pytest.approx(2 * np.sqrt(8))
    assert (iteration["accepted"], iteration["wall"], iteration.is_running) == (True, 0, True)


def test_start_that_is_not_finite_is_over_at_once() -> None:
    assert Iteration(np.ones(2), np.nan, OPTIONS)["info"] == 9
