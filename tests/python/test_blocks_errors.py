"""What `leastsq_blocks` answers where something is wrong: the error table of the design, and what blocks add to it."""

import builtins
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import pytest

from block_models import ROWS, START, as_array, cut, decay, decay_jac, of_array, raises_in_block_3, same_fit
from checks import refusal
from pyminpack import InputTypeError, InputValueError, OptionError, ShapeError, leastsq_blocks

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")

WITH_AND_WITHOUT_JAC = pytest.mark.parametrize("jac", [None, decay_jac], ids=["differences", "jac"])


def in_block(index: int, change: Callable[[Any], Any], function: Callable = decay) -> Callable:
    """The function with another result in one of the blocks of 300 rows."""

    def changed(x: np.ndarray, rows: range) -> Any:
        result = function(x, rows)
        return change(result) if rows.start == 300 * index else result

    return changed


def with_values(*places: tuple[Any, float]) -> Callable[[np.ndarray], np.ndarray]:
    def change(result: np.ndarray) -> np.ndarray:
        for place, value in places:
            result[place] = value
        return result

    return change


def list_map(function: Callable, items: Any) -> list:
    return [function(item) for item in items]


class WithoutLength:
    """Blocks that begin anew each time and do not say how many they are."""

    def __init__(self, blocks: list[Any]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[Any]:
        return iter(self.blocks)


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


# -------------------------------------------------------------------------------- values


@WITH_AND_WITHOUT_JAC
@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_residuals_not_finite_at_x0(hole: float, jac: Any) -> None:
    func = in_block(5, with_values((7, hole), (9, np.nan)), in_block(8, with_values((0, np.inf))))
    with refusal(InputValueError, f"3 of {ROWS}", f"residual 7 ({hole}) of block 5", "x0 = [1., 1., 0.]"):
        leastsq_blocks(func, START, cut(), jac=jac)


@WITH_AND_WITHOUT_JAC
def test_norm_of_residuals_that_overflows_at_x0(jac: Any) -> None:
    with refusal(InputValueError, "norm", "overflows", "x0 = [1., 1., 0.]"):
        leastsq_blocks(
            lambda x, b: np.full(2, 1e308), START, range(20), jac=jac and (lambda x, b: np.eye(2, 3)), epsfcn=1e-8
        )


def beyond_zero_logarithm(x: np.ndarray, block: np.ndarray) -> np.ndarray:
    """From x0[0] = 5 the first step leads to where the logarithm isn't defined; in the second block alone."""
    with np.errstate(invalid="ignore"):
        first = np.log(x[0]) - np.log(0.05) if block[0] > 0 else x[0] - 0.05
    return first + (x[1] - 1) * block


def test_residuals_not_finite_at_a_trial_point_are_a_rejected_step() -> None:
    norms = []

    def func(x: np.ndarray, block: np.ndarray) -> np.ndarray:
        norms.append(np.linalg.norm(beyond_zero_logarithm(x, block)))
        return beyond_zero_logarithm(x, block)

    states: list = []
    fit = leastsq_blocks(func, [5.0, 0.0], [np.zeros(3), np.linspace(0.1, 4, 9)], callback=states.append)
    assert not np.isfinite(norms).all(), "the problem is meant to have trial points outside its domain"
    assert fit.success
    assert all(np.isfinite(state.cost) for state in states)
    np.testing.assert_allclose(fit.x, [0.05, 1], rtol=1e-5)


def test_fit_that_never_leaves_x0_is_no_success() -> None:
    at_start: list[bool] = []

    def func(x: np.ndarray, b: float) -> np.ndarray:
        return np.array([1.0 if x[0] == 3 else np.nan])

    fit = leastsq_blocks(func, [3.0], [0.0, 1.0], jac=lambda x, b: 1.0)
    assert fit.ier in (5, 7)
    assert fit.message.startswith("Stopped")
    assert fit.x == 3
    assert at_start == []


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_jacobian_not_finite(hole: float) -> None:
    jac = in_block(4, with_values(((5, 1), hole), ((6, 0), np.nan)), decay_jac)
    with refusal(
        InputValueError, "from jac", "2 values", f"x[1] in residual 5 ({hole}) of block 4", "x = [1., 1., 0.]"
    ):
        leastsq_blocks(decay, START, cut(), jac=jac)


def test_jacobian_by_differences_not_finite() -> None:
    def func(x: np.ndarray, rows: range) -> np.ndarray:
        result = decay(x, rows)
        if rows.start == 600 and x[1] > 1:
            result[3] = np.nan
        return result

    with refusal(InputValueError, "differences of func", "1 value that is", "x[1] in residual 3 (nan) of block 2"):
        leastsq_blocks(func, START, cut())


def test_jacobian_that_overflows() -> None:
    with refusal(InputValueError, "from jac", "too large", "x[0]", "block 0"):
        leastsq_blocks(decay, START, cut(), jac=lambda x, rows: np.full((len(rows), 3), 1e308))


def test_jacobian_that_overflows_in_all_blocks_together() -> None:
    with refusal(InputValueError, "Jacobian", "overflow"):
        leastsq_blocks(lambda x, b: x - 2, [1.0], range(100), jac=lambda x, b: 1.7e308)


def test_constant_residuals_are_no_success() -> None:
    fit = leastsq_blocks(lambda x, rows: np.ones(len(rows)), START, cut())
    assert fit.ier == 8
    assert "the Jacobian is zero" in fit.message
    assert (fit.success, fit.rank, fit.cov_x) == (False, 0, None)


def test_rounded_parameters_are_no_success() -> None:
    fit = leastsq_blocks(lambda x, rows: np.rint([x[0] - 3, x[1], x[0]]), START, cut())
    assert fit.ier in (7, 8)
    assert not fit.success


@pytest.mark.parametrize("gtol", [0.0, 0.1])
def test_given_jacobian_of_zeros_makes_way_for_differences(gtol: float) -> None:
    fit = leastsq_blocks(decay, START, cut(), jac=lambda x, rows: np.zeros((len(rows), 3)), gtol=gtol)
    assert fit.success
    np.testing.assert_allclose(fit.x, leastsq_blocks(decay, START, cut()).x, rtol=1e-6)


# -------------------------------------------------------------------------------- sizes


@WITH_AND_WITHOUT_JAC
@pytest.mark.parametrize("blocks", [[], [range(0)], [range(1), range(0), range(1, 2)]], ids=["no blocks", "empty", "2"])
def test_fewer_residuals_in_all_than_parameters(blocks: list, jac: Any) -> None:
    m = sum(map(len, blocks))
    with refusal(ShapeError, f"M = {m} residuals in all for N = 3 parameters", "add data"):
        leastsq_blocks(decay, START, blocks, jac=jac)


@WITH_AND_WITHOUT_JAC
@pytest.mark.parametrize("size", [0, 299, 301])
@pytest.mark.parametrize("call", [1, 2, 5, 9])
def test_number_of_residuals_of_a_block_that_changes(size: int, call: int, jac: Any) -> None:
    calls = 0

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        nonlocal calls
        if rows.start != 600:
            return decay(x, rows)
        calls += 1
        return decay(x, rows) if calls <= call else np.zeros(size)

    with refusal(ShapeError, f"{size} residuals", "300", "block 2", "x = ["):
        leastsq_blocks(func, START, cut(), jac=jac)
    assert call < calls <= call + 4  # a whole Jacobian at most


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda j: j.T, ("(3, 300)", "(300, 3)", "it is transposed", "jacobian.T")),
        (lambda j: j[:, :2], ("(300, 2)", "(300, 3)")),
        (lambda j: j[:5], ("(5, 3)", "(300, 3)")),
        (lambda j: j.ravel(), ("(900,)", "(300, 3)")),
    ],
    ids=["transposed", "a column short", "rows short", "flat"],
)
def test_jacobian_of_the_wrong_shape(change: Callable, words: tuple[str, ...]) -> None:
    with refusal(ShapeError, "for block 6", "x = [1., 1., 0.]", *words):
        leastsq_blocks(decay, START, cut(), jac=in_block(6, change, decay_jac))


class Grows:
    """One block more each time."""

    def __init__(self, change: int) -> None:
        self.change, self.size = change, 10

    def __iter__(self) -> Iterator[range]:
        self.size += self.change
        return iter(cut()[: self.size])


@pytest.mark.parametrize("change", [1, -1])
def test_blocks_that_change_in_number(change: int) -> None:
    with refusal(ShapeError, "blocks"):
        leastsq_blocks(decay, START, Grows(change))


# -------------------------------------------------------------------------------- kinds


@WITH_AND_WITHOUT_JAC
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: None, ("None", "return")),
        (lambda r: r + 0j, ("complex128", "z.view(float)")),
        (lambda r: r > 0, ("bool", "astype(float)")),
        (lambda r: r.astype(np.uint8), ("uint8", "wraps round")),
        (lambda r: r.astype(np.int32), ("int32", "wraps round")),
        (lambda r: r.astype(object), ("object", "array of floats")),
        (lambda r: "residuals", ("str", "array of floats")),
        (lambda r: {"r": r}, ("dict", "array of floats")),
    ],
    ids=["None", "complex", "bool", "uint8", "int32", "object", "text", "dict"],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_residuals_that_are_no_real_numbers(change: Callable, words: tuple[str, ...], jac: Any) -> None:
    with refusal(InputTypeError, "func, for block 2,", *words) as caught:
        leastsq_blocks(in_block(2, change), START, cut(), jac=jac)
    assert "block 2" in notes(caught.value)


@pytest.mark.parametrize("change", [lambda j: None, lambda j: j + 0j, lambda j: j > 0], ids=["None", "complex", "bool"])
def test_jacobian_that_is_no_real_numbers(change: Callable) -> None:
    with refusal(InputTypeError, "jac, for block 2,"):
        leastsq_blocks(decay, START, cut(), jac=in_block(2, change, decay_jac))


def test_masked_residuals() -> None:
    with refusal(InputValueError, "func, for block 1,", "300 masked values"):
        leastsq_blocks(in_block(1, lambda r: np.ma.array(r, mask=True)), START, cut())


@pytest.mark.parametrize(
    ("convert"),
    [list, lambda r: r[:, np.newaxis], lambda r: r.reshape(2, -1), memoryview, lambda r: np.ma.array(r)],
    ids=["list", "column", "two rows", "memoryview", "masked array without mask"],
)
def test_residuals_of_other_shapes_and_containers(convert: Callable) -> None:
    expected = leastsq_blocks(decay, START, cut(size=200))
    np.testing.assert_array_equal(
        leastsq_blocks(lambda x, rows: convert(decay(x, rows)), START, cut(size=200)).x, expected.x
    )


def test_int64_residuals_are_numbers() -> None:
    fit = leastsq_blocks(lambda x, b: np.rint(1e6 * (x - b)).astype(np.int64), [0.0], [1.0, 2.0], jac=lambda x, b: 1e6)
    np.testing.assert_allclose(fit.x, 1.5, rtol=1e-6)


# -------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("x0", "kind"),
    [([], TypeError), ([1, np.nan, 2], ValueError), ([1j], TypeError), (["a"], TypeError), (None, TypeError)],
    ids=str,
)
def test_start_that_is_no_parameters(x0: Any, kind: type) -> None:
    with refusal(kind, "x0"):
        leastsq_blocks(decay, x0, cut())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ftol": -1}, ("ftol is -1",)),
        ({"xtol": np.nan}, ("xtol is nan",)),
        ({"gtol": "a"}, ("gtol is 'a'",)),
        ({"factor": 0}, ("factor is 0",)),
        ({"maxfev": 1.5}, ("maxfev is 1.5",)),
        ({"epsfcn": np.inf}, ("epsfcn is inf",)),
        ({"diag": [1, 2, 0]}, ("diag[2] is 0",)),
        ({"diag": [1, 2]}, ("diag has shape (2,)", "3 parameters")),
        ({"ftol": np.ones(3)}, ("ftol is array",)),
        ({"xtol": None}, ("xtol is None",)),
        ({"gtol": [0.1]}, ("gtol is [0.1]",)),
        ({"epsfcn": "small"}, ("epsfcn is 'small'",)),
        ({"maxfev": None}, ("maxfev is None",)),
        ({"maxfev": np.array([10, 20])}, ("maxfev is array",)),
        ({"diag": "jac"}, ("diag must hold real numbers",)),
    ],
    ids=str,
)
def test_options_out_of_range(options: dict, words: tuple[str, ...]) -> None:
    with refusal(ValueError, *words):
        leastsq_blocks(decay, START, cut(), **options)
    assert issubclass(OptionError, TypeError)


@pytest.mark.parametrize("limit", [2**31, 2**63, np.inf], ids=["int", "long", "inf"])
def test_limit_that_no_c_int_holds_is_no_limit(limit: Any) -> None:
    assert leastsq_blocks(decay, START, cut(), maxfev=limit, ftol=1e-3).success


@pytest.mark.parametrize("name", ["func", "jac", "callback", "progress"])
@pytest.mark.parametrize("value", [3, "2-point", np.ones(3), True], ids=["number", "text", "array", "bool"])
def test_functions_that_are_none(name: str, value: Any) -> None:
    options: dict[str, Any] = {"func": decay} | {name: value}
    with refusal(InputTypeError, f"{name} is of type {type(value).__name__}", "must be a function"):
        leastsq_blocks(options.pop("func"), START, cut(), **options)


@pytest.mark.parametrize("blocks", [[], (), range(0), WithoutLength([])], ids=["list", "tuple", "range", "iterable"])
def test_no_blocks_at_all(blocks: Any) -> None:
    with refusal(ShapeError, "blocks is empty", "M = 0", "N = 3"):
        leastsq_blocks(decay, START, blocks)


class Column:
    """What pandas and Polars call a Series."""

    shape: tuple[int, ...] = (40,)

    def __len__(self) -> int:
        return 40

    def __iter__(self) -> Iterator[Any]:
        return iter(range(40))

    def to_numpy(self) -> np.ndarray:
        return np.zeros(self.shape)


class Frame(Column):
    """A table, which gives the names of its columns where it is gone through."""

    shape = (40, 2)

    def __iter__(self) -> Iterator[Any]:
        return iter("ty")


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ((rows for rows in cut()), ("generator", "used up after one pass", "list")),
        (map(range, [1, 2]), ("map", "used up after one pass")),
        (iter(cut()), ("list_iterator", "used up after one pass")),
        ("data.npy", ("str", "list of blocks", "names of files")),
        (5, ("int", "not iterable")),
        (None, ("NoneType", "not iterable")),
        (np.array(1.0), ("ndarray", "0-d")),
        ({"a": [1.0]}, ("dict", "keys", "list(blocks.values())")),
        (np.zeros((40, 2)), ("ndarray", "shape (40, 2)", "list(blocks)", "slices")),
        (np.zeros((2, 20, 2)), ("ndarray", "shape (2, 20, 2)", "list(blocks)")),
        (np.zeros(40, dtype=[("t", float), ("y", float)]), ("ndarray", "shape (40,)", "list(blocks)")),
        (Column(), ("Column", "a table or a column", "slices")),
        (Frame(), ("Frame", "a table or a column", "blocks.iloc")),
    ],
    ids=[
        *("generator", "map", "iterator", "text", "number", "None", "0-d array", "dict", "2-D array", "3-D array"),
        *("structured array", "column", "frame"),
    ],
)
def test_blocks_that_are_none_or_cannot_be_gone_through_again(blocks: Any, words: tuple[str, ...]) -> None:
    with refusal(InputTypeError, "blocks is of type", *words):
        leastsq_blocks(decay, START, blocks)


class OnceOnly:
    """Blocks that do not begin anew, and cannot be seen to."""

    def __init__(self) -> None:
        self.blocks = iter(cut())

    def __iter__(self) -> Iterator[Any]:
        yield from self.blocks


def test_blocks_that_are_used_up_after_one_pass() -> None:
    with refusal(ShapeError, "blocks gave 0 blocks", "14 before", "begin anew"):
        leastsq_blocks(decay, START, OnceOnly())


def wrong_from(pass_: int, change: Callable[[list[Any]], Any]) -> Callable:
    """A map that does right before this pass, counted from 0, and changes the list of its answers from then on."""
    passes = 0

    def map(function: Callable, items: Any) -> Any:
        nonlocal passes
        answers = [function(item) for item in items]
        passes += 1
        return change(answers) if passes > pass_ else answers

    return map


LOST_OR_DOUBLED: dict[str, tuple[Callable[[list[Any]], Any], tuple[str, ...]]] = {
    "first": (lambda answers: answers[1:], ("map gave 13 answers", "14 blocks", "none for block 0")),
    "last": (lambda answers: answers[:-1], ("map gave 13 answers", "14 blocks", "none for block 13")),
    "one": (lambda answers: answers[:5] + answers[6:], ("map gave 13 answers", "14 blocks", "none for block 5")),
    "all": (lambda answers: [], ("map gave 0 answers", "14 blocks", "none for block 0")),
    "all but a generator": (lambda answers: iter(()), ("map gave 0 answers", "14 blocks", "none for block 0")),
    "doubled first": (lambda answers: [answers[0], *answers], ("two answers for block 0",)),
    "doubled last": (lambda answers: [*answers, answers[-1]], ("two answers for block 13",)),
    "doubled early": (lambda answers: [*answers[3:], *answers], ("two answers for block 3",)),
    "doubled and lost": (lambda answers: [*answers[1:], answers[1]], ("two answers for block 1",)),
    "doubled all": (lambda answers: answers * 2, ("two answers for block 0",)),
}


@WITH_AND_WITHOUT_JAC
@pytest.mark.parametrize("kind", [list, WithoutLength])
@pytest.mark.parametrize("pass_", [0, 1, 2, 3, 7])
@pytest.mark.parametrize(("change", "words"), LOST_OR_DOUBLED.values(), ids=LOST_OR_DOUBLED)
def test_map_that_loses_or_doubles_answers_is_noticed_in_each_pass(
    change: Callable, words: tuple[str, ...], pass_: int, kind: Callable, jac: Any
) -> None:
    with refusal(ShapeError, *words, "map(function, items)"):
        leastsq_blocks(decay, START, kind(cut()), jac=jac, map=wrong_from(pass_, change))


def test_map_that_loses_its_last_answer_of_blocks_without_length() -> None:
    """The first pass once took what came for all there is."""
    with refusal(ShapeError, "map gave 13 answers", "14 blocks", "none for block 13"):
        leastsq_blocks(decay, START, WithoutLength(cut()), map=wrong_from(0, lambda answers: answers[:-1]))


@pytest.mark.parametrize("kind", [list, WithoutLength])
def test_map_that_does_not_read_all_blocks(kind: Callable) -> None:
    with refusal(ShapeError, "map gave 9 answers", "none for block 9"):
        leastsq_blocks(decay, START, kind(cut()), map=lambda f, items: [f(item) for item in islice(items, 9)])


@pytest.mark.parametrize("kind", [list, WithoutLength])
def test_map_that_stops_reading_where_the_blocks_end_is_right(kind: Callable) -> None:
    fit = leastsq_blocks(decay, START, kind(cut()), map=lambda f, items: [f(i) for _, i in zip(cut(), items)])  # noqa: B905
    assert (fit.success, fit.blocks) == (True, 14)


@pytest.mark.parametrize("kind", [list, WithoutLength])
def test_map_that_gives_answers_of_an_earlier_pass(kind: Callable) -> None:
    left: list[Any] = []

    def late_map(function: Callable, items: Any) -> list[Any]:
        left.extend(function(item) for item in items)
        first, left[:] = left[:14], left[14:] or left[:14]
        return first

    with refusal(ShapeError, "earlier pass", "block 0"):
        leastsq_blocks(decay, START, kind(cut()), map=late_map)


@pytest.mark.parametrize("number", [0, -1, True, 2.0, "4", None, np.array([4])], ids=repr)
def test_map_that_is_no_number_of_threads(number: Any) -> None:
    with refusal(OptionError, f"map is {number!r}", "number of threads, 1 or more"):
        leastsq_blocks(decay, START, cut(), map=number)


def test_executor_in_the_place_of_its_map() -> None:
    with ThreadPoolExecutor(1) as pool, refusal(OptionError, "map is", "pass its method map"):
        leastsq_blocks(decay, START, cut(), map=pool)  # type: ignore[arg-type]


def test_map_that_gives_something_else() -> None:
    with refusal(InputTypeError, "map gave a value of type int", "map(function, items)"):
        leastsq_blocks(decay, START, cut(), map=lambda f, items: [1 for item in items])
    with refusal(InputTypeError, "map gave a value of type NoneType", "not iterable", "map(function, items)"):
        leastsq_blocks(decay, START, cut(), map=lambda f, items: None)


# -------------------------------------------------------------------------------- exceptions


class BrokenModelError(Exception):
    """Not this package's."""


@pytest.mark.parametrize("kind", [BrokenModelError, KeyError, MemoryError])
@pytest.mark.parametrize("call", [1, 20, 60])
def test_exceptions_come_out_as_they_are_with_the_block(kind: type[Exception], call: int) -> None:
    error = kind("as it is")
    calls, failed = 0, -1

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        nonlocal calls, failed
        calls += 1
        if calls == call:
            failed = rows.start // 300
            raise error
        return decay(x, rows)

    with pytest.raises(kind) as caught:
        leastsq_blocks(func, START, cut())
    assert caught.value is error
    assert f"leastsq_blocks: this was block {failed}, at x = [" in notes(error)


def test_exception_of_a_model_names_the_block_once() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        leastsq_blocks(raises_in_block_3, START, cut())
    assert caught.value.__notes__ == ["leastsq_blocks: this was block 3, at x = [1., 1., 0.]"]


def test_exception_of_the_engine_says_how_far_it_came() -> None:
    def broken_map(function: Callable, items: Any) -> Iterator:
        for item in items:
            if item[0] == 5:
                raise BrokenModelError
            yield function(item)

    with pytest.raises(BrokenModelError) as caught:
        leastsq_blocks(decay, START, cut(), map=broken_map)
    assert caught.value.__notes__ == ["leastsq_blocks: 5 blocks were done; the next was block 5"]


@pytest.mark.parametrize("map", [builtins.map, 4, list_map], ids=["map", "threads", "list"])
@pytest.mark.parametrize("call", [1, 20, 60])
def test_stop_iteration_of_a_model_comes_out_and_does_not_pass_for_the_end(map: Any, call: int) -> None:
    error = StopIteration("as it is")
    calls = 0

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise error
        return decay(x, rows)

    with pytest.raises(StopIteration) as caught:
        leastsq_blocks(func, START, cut(), map=map)
    assert caught.value is error
    assert "leastsq_blocks: this was block" in notes(error)


@pytest.mark.parametrize("where", ["func", "jac", "callback", "progress"])
def test_ctrl_c_comes_out(where: str) -> None:
    def interrupt(*args: Any) -> Any:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"jac": decay_jac} | ({} if where == "func" else {where: interrupt})
    with pytest.raises(KeyboardInterrupt):
        leastsq_blocks(interrupt if where == "func" else decay, START, cut(), **options)


@pytest.mark.parametrize("kind", [StopIteration, KeyboardInterrupt, BrokenModelError])
def test_exceptions_of_progress_come_out(kind: type[BaseException]) -> None:
    """Only `callback` ends a fit by StopIteration."""
    error = kind("as it is")

    def progress(state: object) -> None:
        raise error

    with pytest.raises(kind) as caught:
        leastsq_blocks(decay, START, cut(), progress=progress)
    assert caught.value is error


@pytest.mark.parametrize("inner", [builtins.map, 2], ids=["map", "threads"])
@pytest.mark.parametrize("outer", [builtins.map, 2], ids=["map", "threads"])
def test_fit_within_the_function_of_another(outer: Any, inner: Any) -> None:
    expected = leastsq_blocks(decay, START, cut())

    def func(x: np.ndarray, rows: range) -> np.ndarray:
        if rows.start == 0:
            assert same_fit(leastsq_blocks(decay, START, cut(), map=inner), expected)
        return decay(x, rows)

    assert same_fit(leastsq_blocks(func, START, cut(), map=outer), expected)


class Future:
    """Something that is being computed, and can be called off."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.is_cancelled = work, False

    def result(self) -> Any:
        return self.work()

    def cancel(self) -> None:
        self.is_cancelled = True


def test_what_is_not_needed_any_more_is_called_off() -> None:
    futures: list[Future] = []

    def submit(function: Callable, items: Any) -> list[Future]:
        futures[:] = [Future(lambda item=item: function(item)) for item in items]
        return futures

    with pytest.raises(ZeroDivisionError):
        leastsq_blocks(raises_in_block_3, START, cut(), map=submit)
    assert futures[-1].is_cancelled
    leastsq_blocks(decay, START, cut(), map=submit)
    assert not futures[-1].is_cancelled


# -------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("map", [builtins.map, list_map], ids=["map", "list"])
@WITH_AND_WITHOUT_JAC
def test_functions_that_keep_change_and_reuse_their_arrays(jac: Any, map: Callable) -> None:
    expected = leastsq_blocks(decay, START, cut(size=200), jac=jac)
    kept: list[np.ndarray] = []
    room = {"func": np.empty(200), "jac": np.empty((200, 3))}

    def careless(name: str, function: Callable) -> Callable:
        def call(x: np.ndarray, rows: range) -> np.ndarray:
            room[name][...] = function(x, rows)
            room["jac" if name == "func" else "func"][...] = np.nan if jac is None or name == "jac" else 0
            kept.append(x)
            x[...] = np.nan
            return room[name]

        return call

    functions = {"func": careless("func", decay), "jac": jac and careless("jac", decay_jac)}
    fit = leastsq_blocks(**functions, x0=START, blocks=cut(size=200), map=map)
    np.testing.assert_array_equal(fit.x, expected.x)
    assert len({id(x) for x in kept}) == len(kept)


def changes_by_one(block: np.ndarray) -> None:
    block[:, 1] += 1


def changes_a_column_at_random(block: np.ndarray) -> None:
    block[:, 1] = np.random.default_rng(int(block[0, 1] * 1e9) % 1000).normal(size=len(block))


@WITH_AND_WITHOUT_JAC
@pytest.mark.parametrize("map", [builtins.map, list_map, 2], ids=["map", "list", "threads"])
@pytest.mark.parametrize("container", [np.array, lambda b: (b,), lambda b: [b], lambda b: {"data": b}])
@pytest.mark.parametrize("change", [changes_by_one, changes_a_column_at_random])
def test_function_that_changes_its_block_gets_an_error_that_names_the_cause(
    change: Callable, container: Callable, map: Any, jac: Any
) -> None:
    """It saw other data at each call, and the fit ended anywhere, with success."""

    def array_in(block: Any) -> np.ndarray:
        return (
            next(iter(block.values())) if isinstance(block, dict) else block if type(block) is np.ndarray else block[0]
        )

    def func(x: np.ndarray, block: Any) -> np.ndarray:
        result = of_array(x, array_in(block))
        change(array_in(block))
        return result

    blocks = [container(as_array(rows)) for rows in cut()]
    with refusal(InputValueError, "func or jac changes block", "in place", "a copy"):
        leastsq_blocks(func, START, blocks, jac=jac and (lambda x, block: np.ones((len(array_in(block)), 3))), map=map)


def test_jac_that_changes_its_block_gets_an_error_that_names_the_cause() -> None:
    def jac(x: np.ndarray, block: np.ndarray) -> np.ndarray:
        block *= 2
        return np.ones((len(block), 3))

    with refusal(InputValueError, "func or jac changes block 0", "in place"):
        leastsq_blocks(of_array, START, [as_array(rows) for rows in cut()], jac=jac)


@WITH_AND_WITHOUT_JAC
def test_block_may_be_scratch_or_be_repaired_in_place(jac: Any) -> None:
    expected = leastsq_blocks(of_array, START, [as_array(rows) for rows in cut()])

    def func(x: np.ndarray, block: np.ndarray) -> np.ndarray:
        block[np.isnan(block[:, 1]), 1] = 0
        block[:, 2] = of_array(x, block)
        return block[:, 2]

    blocks = [np.column_stack([as_array(rows), np.zeros(len(rows))]) for rows in cut()]
    np.testing.assert_array_equal(leastsq_blocks(func, START, blocks).x, expected.x)


def test_start_and_blocks_and_scale_stay_as_they_are() -> None:
    x0, diag = np.array(START), np.ones(3)
    blocks = [np.asarray(rows) for rows in cut()]
    leastsq_blocks(lambda x, rows: decay(x, rows), x0, blocks, diag=diag)
    np.testing.assert_array_equal(x0, START)
    np.testing.assert_array_equal(diag, 1)
    assert all(np.array_equal(block, rows) for block, rows in zip(blocks, cut(), strict=True))
