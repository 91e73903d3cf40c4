"""`leastsq_blocks`: the answers, however the residuals are cut and in whatever order the blocks come."""

import pickle
import random
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from block_models import ROWS, START, as_array, cut, decay, decay_jac, of_array, same_fit
from models import STARTS_FOR_COUNTS, computed_in_single_precision, in_double_precision, predicted_in_single_precision
from problems.mgh import Run, runs
from pyminpack import (
    BlocksProgress,
    BlocksResult,
    BlocksState,
    UnidentifiableWarning,
    least_squares,
    leastsq,
    leastsq_blocks,
)
from rounding import agree, endings

EPS = np.finfo(float).eps
WHOLE = range(ROWS)


def whole_fit(**options: Any) -> tuple:
    """The same fit by leastsq, with its full output."""
    return leastsq(lambda x: decay(x, WHOLE), START, full_output=True, **options)


def rows_apart(count: int) -> list[range]:
    """Blocks of one row each, evenly spread."""
    return [range(i, i + 1) for i in range(0, ROWS, ROWS // count)]


def rows_of(problem: Any, size: int) -> list[slice]:
    return [slice(i, i + size) for i in range(0, problem.m, size)]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("run", runs(), ids=lambda run: run.problem.name)
def test_standard_problems_end_as_by_leastsq(run: Run, size: int) -> None:
    problem = run.problem
    x, _, infodict, _, ier = leastsq(problem.residuals, problem.start, Dfun=problem.jacobian, full_output=True)
    fit = leastsq_blocks(
        lambda x, rows: problem.residuals(x)[rows],
        problem.start,
        rows_of(problem, size),
        jac=lambda x, rows: problem.jacobian(x)[rows],
        maxfev=200 * (problem.n + 1),  # with the passes for Jacobians, no less than leastsq has
    )
    norm, known = np.linalg.norm(infodict["fvec"]), endings(run)
    if not agree(known):  # rounding decides
        assert np.sqrt(2 * fit.cost) <= 1.05 * max(ending.norm for ending in known) + 1e-13
        return
    assert fit.ier == ier or {fit.ier, ier} <= {1, 2, 3}  # the last reductions are rounding
    if ier > 4:  # parameters run to infinity, on ways of their own
        return
    assert fit.nfev == fit.njev + infodict["nfev"] - 1  # residuals once more for each Jacobian, but none at x0 alone
    np.testing.assert_allclose(fit.x, x, rtol=1e-6, atol=1e-9 * np.abs(x).max())
    assert np.sqrt(2 * fit.cost) == pytest.approx(norm, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.problem.name)
def test_standard_problems_by_differences_end_at_minima_or_tell(run: Run) -> None:
    problem = run.problem
    fit = leastsq_blocks(lambda x, rows: problem.residuals(x)[rows], problem.start, rows_of(problem, 4), maxfev=5000)
    near = min(abs(np.sqrt(2 * fit.cost) - best) for best in run.case.best_norms)
    assert near < 1e-6 * max(1, *run.case.best_norms) or not fit.success


def test_watson_by_differences_is_solved_where_parameters_near_zero_mislead_leastsq() -> None:
    """From zero, a parameter comes to 1e-12, and MINPACK's differences relative to that are nothing but rounding."""
    run = next(run for run in runs() if run.problem.name == "watson-31x6-start1")
    problem, (best,) = run.problem, run.case.best_norms
    fit = leastsq_blocks(lambda x, rows: problem.residuals(x)[rows], problem.start, rows_of(problem, 4))
    assert fit.success
    assert np.sqrt(2 * fit.cost) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("size", [2, 7, 300, ROWS, 2 * ROWS])
@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
def test_blocks_of_any_size_give_the_fit_of_leastsq(size: int, jac: Callable | None) -> None:
    x, cov_x, infodict, _, ier = whole_fit()
    fit = leastsq_blocks(decay, START, cut(size=size), jac=jac)
    assert (fit.ier, fit.m, fit.dof, fit.rank, fit.blocks) == (ier, ROWS, ROWS - 3, 3, -(-ROWS // size))
    np.testing.assert_allclose(fit.x, x, rtol=1e-7)
    np.testing.assert_allclose(fit.cov_x, cov_x, rtol=1e-5)
    variance = infodict["fvec"] @ infodict["fvec"] / (ROWS - 3)
    assert fit.cost == pytest.approx((ROWS - 3) * variance / 2)
    assert fit.reduced_chi2 == pytest.approx(variance)
    np.testing.assert_allclose(fit.cov, variance * cov_x, rtol=1e-5)
    np.testing.assert_allclose(fit.stderr, np.sqrt(variance * np.diag(cov_x)), rtol=1e-5)


@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
def test_blocks_of_one_row(jac: Callable | None) -> None:
    blocks = rows_apart(50)
    x = leastsq(lambda x: np.concatenate([decay(x, block) for block in blocks]), START)[0]
    fit = leastsq_blocks(lambda x, block: float(decay(x, block)[0]), START, blocks, jac=jac)
    assert (fit.m, fit.blocks, fit.success) == (50, 50, True)
    np.testing.assert_allclose(fit.x, x, rtol=1e-6)


def test_blocks_of_different_lengths_with_empty_ones_between() -> None:
    edges = [0, 0, 1, 2, 2, 700, 701, 3000, 3000, ROWS, ROWS]
    blocks = [range(a, b) for a, b in pairwise(edges)]
    expected = leastsq_blocks(decay, START, [WHOLE])
    for jac in (None, decay_jac):
        fit = leastsq_blocks(decay, START, blocks, jac=jac)
        np.testing.assert_allclose(fit.x, expected.x, rtol=1e-7)
        assert (fit.blocks, fit.m) == (10, ROWS)


def test_one_block_of_one_row_of_one_parameter() -> None:
    fit = leastsq_blocks(lambda x, block: x[0] - block, 1.0, [3.0], jac=lambda x, block: 1.0)
    assert fit.x == pytest.approx(3)
    assert fit.success
    assert fit.dof == 0
    for value in (fit.reduced_chi2, fit.cov, fit.stderr):
        assert np.isnan(value).all()
    np.testing.assert_allclose(fit.cov_x, [[1]])


class Memmaps:
    """Blocks that a sequence of one's own makes when they are asked for."""

    def __init__(self, path: Any) -> None:
        self.path = path

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> np.ndarray:
        if i >= 4:
            raise IndexError(i)
        return np.load(self.path, mmap_mode="r")[1000 * i : 1000 * (i + 1)]


class BeginsAnew:
    """Blocks that don't say how many they are."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return (as_array(rows) for rows in cut(size=1000))


def test_blocks_of_every_kind(tmp_path: Any) -> None:
    data = as_array(WHOLE)
    np.save(tmp_path / "data.npy", data)
    kinds = {
        "list of arrays": [as_array(rows) for rows in cut(size=1000)],
        "tuple": tuple(as_array(rows) for rows in cut(size=1000)),
        "list of an array of one dimension more": list(data.reshape(4, 1000, 2)),
        "dictionary's values": {i: as_array(rows) for i, rows in enumerate(cut(size=1000))}.values(),
        "memory maps": Memmaps(tmp_path / "data.npy"),
        "iterable that begins anew": BeginsAnew(),
    }
    expected = leastsq_blocks(decay, START, cut(size=1000))
    for kind, blocks in kinds.items():
        assert same_fit(leastsq_blocks(of_array, START, blocks), expected), kind


@pytest.mark.parametrize("one_or_tuple", [5.0, (5.0,)], ids=["one", "tuple"])
def test_further_arguments_go_to_both(one_or_tuple: Any) -> None:
    fit = leastsq_blocks(
        lambda x, block, scale: scale * x - block, 0.0, [1.0, 2.0], one_or_tuple, lambda x, block, scale: scale
    )
    np.testing.assert_allclose(fit.x, 0.3)


# ------------------------------------------------------------------------------------------ order


def shuffled(seed: int) -> Callable:
    """A map that computes in another order each time, and gives the answers in another one still."""
    rng = random.Random(seed)

    def shuffling_map(function: Callable, items: Any) -> list:
        items = list(items)
        rng.shuffle(items)
        answers = [function(item) for item in items]
        rng.shuffle(answers)
        return answers

    return shuffling_map


class Done:
    """A future."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        return self.value


@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
def test_order_of_answers_changes_no_bit(jac: Callable | None) -> None:
    expected = leastsq_blocks(decay, START, cut(), jac=jac)
    for seed in range(3):
        assert same_fit(leastsq_blocks(decay, START, cut(), jac=jac, map=shuffled(seed)), expected)
    futures = leastsq_blocks(decay, START, cut(), jac=jac, map=lambda f, items: [Done(f(item)) for item in items])
    assert same_fit(futures, expected)


def test_answers_are_taken_as_they_come() -> None:
    """None waits for those after it, and blocks are made as the engine wants them."""
    alive: list[int] = []

    class Lazily:
        def __iter__(self) -> Iterator[range]:
            for rows in cut():
                alive.append(1)
                yield rows
                alive.pop()

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        assert len(alive) == 1
        return decay(x, rows)

    assert leastsq_blocks(func, START, Lazily()).success


# ------------------------------------------------------------------------------------------ Jacobians


@pytest.mark.parametrize("convert", [
    np.asfortranarray,
    np.ascontiguousarray,
    lambda j: j.astype(np.float32).astype(float),
    lambda j: np.repeat(j, 2, axis=0)[::2],
    lambda j: j[:, ::-1].copy()[:, ::-1],
    lambda j: j.tolist(),
    lambda j: j.astype(">f8"),
], ids=["Fortran", "C", "rounded", "every other row", "reversed columns", "lists", "big-endian"])  # fmt: skip
def test_jacobians_in_any_order_and_kind(convert: Callable) -> None:
    expected = leastsq_blocks(decay, START, cut(), jac=lambda x, rows: np.array(convert(decay_jac(x, rows)), float))
    assert same_fit(leastsq_blocks(decay, START, cut(), jac=lambda x, rows: convert(decay_jac(x, rows))), expected)


@pytest.mark.parametrize("kind", ["C", "F", "float32"])
def test_a_blocks_jacobian_is_not_copied_whole(kind: str) -> None:
    m, n = 50_000, 40
    jacobian = np.random.default_rng(0).standard_normal((m, n))
    given = jacobian.astype(np.float32) if kind == "float32" else np.asarray(jacobian, order=kind)  # type: ignore[call-overload]
    y = jacobian @ np.arange(n)
    tracemalloc.start()
    fit = leastsq_blocks(lambda x, block: jacobian @ x - y, np.zeros(n), [0], jac=lambda x, block: given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(fit.x, np.arange(n), atol=1e-5)
    assert peak < jacobian.nbytes / 4


# ------------------------------------------------------------------------------------------ differences


def test_differences_are_taken_relative_to_the_parameters() -> None:
    """As MINPACK's are where none has come nearer to zero, in any units."""
    seen: list[np.ndarray] = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        seen.append(x.copy())
        return decay(x * [1e-9, 1, 1e9], rows)

    start = np.array([2e9, 1.0, 0.0])
    leastsq_blocks(func, start, [WHOLE])
    np.testing.assert_allclose([seen[j + 1][j] - start[j] for j in range(3)], np.sqrt(EPS) * np.array([2e9, 1, 1]))


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_parameter_whose_best_value_is_zero_is_no_obstacle_in_any_unit(unit: float) -> None:
    """On its way to zero its own size is no measure of a step that the residuals feel."""
    t = np.linspace(0, 4, 500)
    y = 2.5 * np.exp(-1.3 * t)

    def func(x: np.ndarray, rows: slice) -> np.ndarray:
        return x[0] * np.exp(-x[1] * t[rows]) + np.sin(x[2] / unit) - y[rows]

    fit = leastsq_blocks(func, [1.0, 1.0, unit], [slice(0, 200), slice(200, 500)])
    assert fit.success
    np.testing.assert_allclose(fit.x[:2], [2.5, 1.3], rtol=1e-6)
    assert abs(fit.x[2]) < 1e-6 * unit


@pytest.mark.parametrize("tiny", [1e-9, 1e-12, 1e-20, 1e-300, 1e-310, 5e-324])
def test_parameter_that_starts_next_to_zero_is_fitted(tiny: float) -> None:
    """A step relative to it would drown in rounding."""
    fit = leastsq_blocks(decay, [1.0, 1.0, tiny], cut())
    assert fit.success
    np.testing.assert_allclose(fit.x, leastsq_blocks(decay, START, cut()).x, rtol=1e-5)


def test_parameter_that_is_small_by_its_unit_keeps_a_small_step() -> None:
    steps = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        steps.append(x[1])
        return decay(x * [1, 1e12, 1], rows)

    fit = leastsq_blocks(func, [1.0, 1e-12, 0.1], cut())
    assert fit.success
    assert max(steps) < 1e-11
    assert fit.x[1] == pytest.approx(1.3e-12, rel=0.1)


def test_parameter_that_started_far_too_large_does_not_keep_a_large_step() -> None:
    at: list[float] = []

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        at.append(x[2])
        return decay(x, rows)

    fit = leastsq_blocks(func, [1.0, 1.0, 1e6], [WHOLE])
    assert fit.success
    assert abs(at[-2] - at[-3]) < 1e-6  # the last difference in it, before the last trial point


def test_parameter_without_effect_stays() -> None:
    with_one_more = leastsq_blocks(lambda x, rows: decay(x[:3], rows), [*START, 7.0], cut())
    assert with_one_more.success
    assert with_one_more.x[3] == 7
    assert (with_one_more.rank, with_one_more.cov_x) == (3, None)
    np.testing.assert_array_equal(with_one_more.unidentifiable, [False, False, False, True])
    np.testing.assert_allclose(with_one_more.x[:3], leastsq_blocks(decay, START, cut()).x, rtol=1e-6)


@pytest.mark.parametrize("blocks", [rows_apart(50), cut(size=50), [WHOLE]], ids=["1", "50", "all"])
def test_float32_residuals_are_fitted(blocks: list[range]) -> None:
    expected = leastsq_blocks(decay, START, blocks, jac=decay_jac)
    fit = leastsq_blocks(lambda x, block: decay(x, block).astype(np.float32), START, blocks)
    np.testing.assert_allclose(fit.x, expected.x, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 50])
@pytest.mark.parametrize("start", STARTS_FOR_COUNTS, ids=str)
@pytest.mark.parametrize("func", [computed_in_single_precision, predicted_in_single_precision])
def test_model_in_single_precision_inside_is_fitted(func: Callable, start: tuple, size: int) -> None:
    blocks = [slice(i, i + size) for i in range(0, 50, size)]
    fit = leastsq_blocks(func, start, blocks)
    np.testing.assert_allclose(fit.x, leastsq_blocks(in_double_precision, start, blocks).x, rtol=1e-4)


# -------------------------------------------------------------------------------- counts and hooks


@pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])
def test_nfev_counts_every_pass_over_the_blocks(jac: Callable | None) -> None:
    calls = {"func": 0, "jac": 0}

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        calls["func"] += 1
        return decay(x, rows)

    def counted_jac(x: np.ndarray, rows: range) -> np.ndarray:
        calls["jac"] += 1
        return decay_jac(x, rows)

    fit = leastsq_blocks(func, START, cut(), jac=jac and counted_jac)
    assert fit.nfev * fit.blocks == calls["func"]
    assert calls["jac"] == (0 if jac is None else fit.njev * fit.blocks)


@pytest.mark.parametrize(("maxfev", "jac"), [(1, None), (10, None), (1, decay_jac), (5, decay_jac)])
def test_maxfev_ends_a_fit_at_the_end_of_an_iteration(maxfev: int, jac: Callable | None) -> None:
    fit = leastsq_blocks(decay, START, cut(), jac=jac, maxfev=maxfev)
    assert fit.ier == 5
    assert not fit.success
    assert f"maxfev = {maxfev} passes" in fit.message
    assert maxfev <= fit.nfev <= maxfev + (6 if jac is None else 3)
    np.testing.assert_allclose(fit.cost, 0.5 * np.sum(decay(fit.x, WHOLE) ** 2))


def test_callback_sees_each_accepted_step() -> None:
    states: list[BlocksState] = []
    fit = leastsq_blocks(decay, START, cut(), callback=states.append)
    assert [state.iteration for state in states] == list(range(1, fit.nit + 1))
    assert all(later.cost < earlier.cost for earlier, later in pairwise(states))
    for state in states:
        assert state.cost == pytest.approx(0.5 * np.sum(decay(state.x, WHOLE) ** 2))
        assert state.step_norm > 0
    np.testing.assert_array_equal(states[-1].x, fit.x)
    assert (states[-1].cost, states[-1].nfev, states[-1].njev) == (fit.cost, fit.nfev, fit.njev)


def test_callback_may_change_what_it_gets() -> None:
    def callback(state: BlocksState) -> None:
        state.x[:] = np.nan

    assert same_fit(leastsq_blocks(decay, START, cut(), callback=callback), leastsq_blocks(decay, START, cut()))


def stop(state: BlocksState) -> bool:
    raise StopIteration


@pytest.mark.parametrize(
    "callback", [lambda state: True, stop, lambda state: np.bool_(True)], ids=["True", "StopIteration", "NumPy's"]
)
def test_callback_ends_the_fit_with_the_best_x(callback: Callable) -> None:
    fit = leastsq_blocks(decay, START, cut(), callback=callback)
    assert (fit.ier, fit.success, fit.nit) == (-2, False, 1)
    assert "callback" in fit.message
    assert fit.cost == pytest.approx(0.5 * np.sum(decay(fit.x, WHOLE) ** 2))
    assert fit.cost < 0.5 * np.sum(decay(np.array(START), WHOLE) ** 2)
    assert fit.cov_x is not None


@pytest.mark.parametrize("answer", [None, False, 0, 1, np.ones(3), "yes"], ids=repr)
def test_callback_that_gives_anything_else_ends_nothing(answer: Any) -> None:
    assert leastsq_blocks(decay, START, cut(), callback=lambda state: answer).success


def test_callback_that_asks_to_stop_where_the_fit_has_converged_hides_nothing() -> None:
    nit = leastsq_blocks(decay, START, cut()).nit
    fit = leastsq_blocks(decay, START, cut(), callback=lambda state: state.iteration == nit)
    assert fit.success


def test_progress_sees_each_block_of_each_pass() -> None:
    seen: list[BlocksProgress] = []
    fit = leastsq_blocks(decay, START, cut(), progress=seen.append)
    passes = [seen[i : i + fit.blocks] for i in range(0, len(seen), fit.blocks)]
    for one in passes:
        assert [p.blocks_done for p in one] == list(range(1, fit.blocks + 1))
        assert len({(p.kind, p.iteration, p.nfev, p.blocks) for p in one}) == 1
        assert one[0].blocks == fit.blocks
    assert [one[0].kind for one in passes[:3]] == ["Jacobian", "residuals", "Jacobian"]
    assert sum(one[0].kind == "Jacobian" for one in passes) == fit.njev
    assert np.isnan(seen[0].cost)
    costs = [one[0].cost for one in passes[1:]]
    assert costs == sorted(costs, reverse=True)


def test_progress_knows_the_number_of_blocks_after_the_first_pass() -> None:
    seen: list[BlocksProgress] = []
    leastsq_blocks(of_array, START, BeginsAnew(), progress=seen.append)
    assert [p.blocks for p in seen[:6]] == [None, None, None, None, 4, 4]


# ------------------------------------------------------------------------------------- the result


def test_result_is_pickled_and_frozen_and_readable() -> None:
    fit = leastsq_blocks(decay, START, cut())
    copy = pickle.loads(pickle.dumps(fit))
    assert isinstance(copy, BlocksResult)
    assert same_fit(copy, fit)
    assert copy.message == fit.message
    with pytest.raises(AttributeError):
        fit.x = np.zeros(3)  # type: ignore[misc]
    shown = repr(fit)
    assert all(word in shown for word in ("success: True", "Converged", "stderr: [", "nfev", "blocks: 14", "cov_x"))


def test_result_tells_what_the_result_of_least_squares_tells() -> None:
    """Statistics, report and keys once were those of least_squares alone."""
    fit = leastsq_blocks(decay, START, cut(), jac=decay_jac, ftol=1e-15, xtol=1e-12)
    sister = least_squares(lambda x: decay(x, WHOLE), fit.x, lambda x: decay_jac(x, WHOLE))
    shared = set(sister.keys()) - {"fun", "jac", "grad", "optimality", "active_mask", "status", "message"}
    shared -= {"offset", "noise", "steps"}
    assert shared | {"ier", "m", "blocks", "cov_x", "message"} == set(fit.keys())
    for name in ("x", "cost", "rank", "cov", "stderr", "correlation", "cond", "dof", "reduced_chi2", "unidentifiable"):
        np.testing.assert_allclose(fit[name], sister[name], rtol=1e-5, err_msg=name)
        np.testing.assert_array_equal(fit[name], getattr(fit, name))
    assert set(fit) == set(fit.keys()) == set(dict(fit.items()))
    assert len(fit) == len(fit.keys()) == len(fit.values())
    assert ("stderr" in fit, "_free" in fit, "summary" in fit) == (True, False, False)
    assert (fit.get("nothing", 3), fit.get("m")) == (3, ROWS)
    with pytest.raises(KeyError):
        fit["nothing"]


def test_summary_says_why_the_fit_ended_and_what_each_parameter_is() -> None:
    fit = leastsq_blocks(decay, START, cut())
    lines = fit.summary().splitlines()
    assert lines[0] == fit.message
    for j, line in enumerate(lines[2:5]):
        name, value, error = line.split()
        assert (name, error) == (f"x[{j}]", f"{fit.stderr[j]:.3g}")
        assert float(value) == pytest.approx(fit.x[j], rel=1e-6)
    assert lines[5].startswith("cost ")
    assert f"degrees of freedom {ROWS - 3}" in lines[5]
    assert lines[6].startswith("rank 3 of 3, condition number")
    assert lines[7] == f"{fit.nit} steps, {fit.nfev} passes over the blocks, {fit.njev} Jacobians"


def test_what_the_data_do_not_determine_is_told_as_by_least_squares() -> None:
    fit = leastsq_blocks(lambda x, rows: decay(np.array([x[0] + x[3], x[1], x[2]]), rows), [0.5, 1.0, 0.0, 0.5], cut())
    assert "not determined by the data" in fit.summary()  # without a warning, as repr
    assert "inf" in repr(fit)
    np.testing.assert_array_equal(fit.unidentifiable, [True, False, False, True])
    with pytest.warns(UnidentifiableWarning, match=r"x\[0\], x\[3\]"):
        stderr = fit.stderr
    np.testing.assert_array_equal(np.isinf(stderr), fit.unidentifiable)
    assert (fit.rank, fit.cov_x, fit.cond) == (3, None, np.inf)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_norms_of_blocks_whose_squares_leave_the_range_of_floats(scale: float) -> None:
    fit = leastsq_blocks(
        lambda x, b: scale * np.array([x[0] - 2, x[1] + 3, x[0] + x[1] + 2])[b], [1.0, 1.0], [[0], [1, 2]]
    )
    assert fit.success
    np.testing.assert_allclose(fit.x, [5 / 3, -10 / 3], rtol=1e-6)


def test_options_are_those_of_leastsq() -> None:
    options = {"ftol": 1e-3, "xtol": 1e-3, "gtol": 1e-4, "factor": 0.1, "diag": np.array([1.0, 2.0, 3.0])}
    x, _, infodict, message, ier = whole_fit(Dfun=lambda x: decay_jac(x, WHOLE), **options)
    fit = leastsq_blocks(decay, START, cut(), jac=decay_jac, **options)
    assert (fit.ier, fit.message, fit.njev) == (ier, message, infodict["njev"])
    np.testing.assert_allclose(fit.x, x, rtol=1e-9)
    longer = leastsq_blocks(decay, START, cut(), epsfcn=1e-4)
    assert 1e-9 < np.abs(longer.x - leastsq_blocks(decay, START, cut()).x).max() < 1e-2
