"""The design's table of what a caller gets, row by row, at every entry point that a row can happen at.

Blocks have their own file, and options theirs. What a row has beyond the table is in the files of the entry points.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from checks import label, refusal
from models import (
    ANSWER,
    COUNTS,
    START,
    TIMES,
    FailsOnCall,
    Oops,
    Raising,
    Recorder,
    Table,
    computed_in_single_precision,
    decay,
    decay_jacobian,
    decay_of_jacobian,
)
from pyminpack import (
    InputTypeError,
    InputValueError,
    LevenbergMarquardt,
    ShapeError,
    check_jacobian,
    least_squares,
    leastsq,
)

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")


class Outcome:
    """What a fit by any entry point comes to."""

    def __init__(self, x: np.ndarray, success: bool, message: str) -> None:
        self.x, self.success, self.message = x, success, message


class Entry:
    """One way to ask for a fit, or for a check.

    Attributes
    ----------
    fun, jac : str
        What messages call the functions of the residuals and of the Jacobian; jac is "" where none is given.
    """

    def __init__(self, name: str, fun: str, jac: str, ask: Callable[[Any, Any, Any], Any]) -> None:
        self.name, self.fun, self.jac, self._ask = name, fun, jac, ask

    def __call__(self, fun: Any = decay, jac: Any = decay_jacobian, x0: Any = START) -> Outcome:
        result = self._ask(fun, jac, x0)
        if isinstance(result, tuple):
            x, _, _, message, ier = result
            return Outcome(x, ier in (1, 2, 3, 4), message)
        if self.name == "check_jacobian":
            return Outcome(ANSWER, bool(result), repr(result))
        return Outcome(result.x, result.success, result.message)

    def __repr__(self) -> str:
        return self.name


def both(fun: Any, jac: Any) -> Callable[[np.ndarray], tuple[Any, Any]]:
    return lambda x: (fun(x.copy()), jac(x))


ENTRIES = [
    Entry("leastsq", "func", "", lambda f, j, x: leastsq(f, x, full_output=True)),
    Entry("leastsq Dfun", "func", "Dfun", lambda f, j, x: leastsq(f, x, Dfun=j, full_output=True)),
    Entry("2-point", "fun", "", lambda f, j, x: least_squares(f, x)),
    Entry("3-point", "fun", "", lambda f, j, x: least_squares(f, x, "3-point")),
    Entry("jac", "fun", "jac", lambda f, j, x: least_squares(f, x, j)),
    Entry("jac=True", "fun", "fun", lambda f, j, x: least_squares(both(f, j), x, True)),
    Entry("workers", "fun", "", lambda f, j, x: least_squares(f, x, workers=map)),
    Entry("bounds", "fun", "", lambda f, j, x: least_squares(f, x, bounds=(-9, 9))),
    Entry("loss", "fun", "jac", lambda f, j, x: least_squares(f, x, j, loss="soft_l1", f_scale=10.0)),
    Entry("timeout", "fun", "jac", lambda f, j, x: least_squares(f, x, j, timeout=1e6)),
    Entry("LevenbergMarquardt", "fun", "jac", lambda f, j, x: LevenbergMarquardt(f, x, j).run()),
    Entry("check_jacobian", "fun", "jac", lambda f, j, x: check_jacobian(f, j, x)),
]
each = pytest.mark.parametrize("entry", ENTRIES, ids=repr)
each_fit = pytest.mark.parametrize("entry", ENTRIES[:-1], ids=repr)
each_with_jacobian = pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.jac], ids=repr)


# ------------------------------------------------------------------------------- residuals that are not finite


@each
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_residuals_not_finite_at_the_start(entry: Entry, bad: float) -> None:
    fun = Recorder(lambda x: np.where(np.isin(np.arange(9), (3, 5)), bad, decay(x)))
    where = "x = " if entry.name == "check_jacobian" else "x0 = "
    with refusal(InputValueError, "2 of 9 residuals", f"first is residual 3 ({bad})", where + "[1., 1.]") as caught:
        entry(fun)
    assert len(fun.at) == 1
    assert ("NaN in the data: leave such points out" in str(caught.value)) == np.isnan(bad)


@each
def test_residuals_none_of_which_is_finite_do_not_accuse_the_data(entry: Entry) -> None:
    with refusal(InputValueError, "9 of 9 residuals") as caught:
        entry(lambda x: np.full(9, np.nan))
    assert "data" not in str(caught.value)


@each_fit
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_residuals_not_finite_at_a_trial_point_reject_the_step(entry: Entry, bad: float) -> None:
    def edged(x: np.ndarray) -> np.ndarray:
        return np.where(x[1] > 1.45, bad, decay(x))  # the first step goes too far

    fun = Recorder(edged)
    outcome = entry(fun, decay_jacobian, [0.3, 1.0])
    assert not all(fun.finite), "the problem is meant to have trial points outside its domain"
    assert outcome.success, outcome.message
    np.testing.assert_allclose(outcome.x, ANSWER, rtol=1e-5)


# ------------------------------------------------------------------------------- Jacobians that are not finite


@each_with_jacobian
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_jacobian_not_finite(entry: Entry, bad: float) -> None:
    def spoilt(x: np.ndarray) -> np.ndarray:
        jacobian = decay_jacobian(x)
        jacobian[4, 1] = bad
        return jacobian

    words = ("1 value that is not finite", "x[1]", "residual 4", str(bad))
    if entry.name in ("leastsq Dfun", "check_jacobian"):
        with refusal(InputValueError, f"from {entry.jac}", "x = [1., 1.]", *words):
            entry(decay, spoilt)
        return
    outcome = entry(decay, spoilt)
    assert not outcome.success
    assert all(word in outcome.message for word in words)
    np.testing.assert_array_equal(outcome.x, START)


# --------------------------------------------------------------------------------------- numbers of residuals


@each_fit
def test_fewer_residuals_than_parameters(entry: Entry) -> None:
    words = f"{entry.fun} gave M = 2 residuals for N = 3", "add data, or fix some"
    with refusal(ShapeError, *words):
        entry(lambda x: x[:2] - 1, lambda x: np.eye(2, 3), [1.0, 2.0, 3.0])
    assert issubclass(ShapeError, TypeError)
    assert issubclass(ShapeError, ValueError)


@each
@pytest.mark.parametrize("call", [2, 4])
@pytest.mark.parametrize("size", [0, 8, 10])
def test_number_of_residuals_that_changes(entry: Entry, call: int, size: int) -> None:
    fun = Recorder(FailsOnCall(call, lambda: np.zeros(size)))
    with refusal(ShapeError, f"{entry.fun} gave {size} residuals on call {call}", "and 9 on the first") as caught:
        entry(fun)
    at = fun.at[1] if entry.name == "workers" and call == 2 else fun.at[call - 1]
    assert np.array2string(at, separator=", ") in str(caught.value)


# -------------------------------------------------------------------------------- residuals of other kinds

SHAPES = {
    "column": lambda r: r[:, np.newaxis],
    "row": lambda r: r[np.newaxis, :],
    "cube": lambda r: r.reshape(3, 1, 3),
    "list": list,
    "tuple": tuple,
    "nested lists": lambda r: r.reshape(3, 3).tolist(),
    "object with __array__": Table,
    "masked array without mask": np.ma.array,
    "read-only": lambda r: np.frombuffer(r.tobytes()),
    "reversed view": lambda r: r[::-1].copy()[::-1],
    "big-endian": lambda r: r.astype(">f8"),
}


@each
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_residuals_of_any_shape_and_container(entry: Entry, shape: Callable) -> None:
    outcome = entry(lambda x: shape(decay(x)))
    assert outcome.success, outcome.message
    np.testing.assert_allclose(outcome.x, ANSWER, rtol=1e-6)


@each_with_jacobian
@pytest.mark.parametrize("shape", [list, tuple], ids=label)
def test_two_residuals_as_a_tuple_or_list_beside_a_jacobian(entry: Entry, shape: Callable) -> None:
    """So many as there are parts of what a function gives that gives both."""
    outcome = entry(lambda x: shape([x[0] ** 2 - 9, x[1] - x[0]]), lambda x: [(2 * x[0], 0.0), (-1.0, 1.0)], [2.0, 1.1])
    assert outcome.success, outcome.message
    if entry.name != "check_jacobian":
        np.testing.assert_allclose(outcome.x, [3, 3], rtol=1e-6)


NOT_REAL = {
    "None": (lambda r: None, "None where"),
    "complex": (lambda r: r + 0j, "complex128"),
    "objects": (lambda r: r.astype(object), "object"),
    "list of arrays": (lambda r: np.array([r, None], object), "numpy.concatenate"),
    "bool": (lambda r: r > 0, "bool"),
    "text": (lambda r: "residuals", "str"),
    "texts": (lambda r: r.astype(str), "<U"),
    "dict": (lambda r: {"r": r}, "dict"),
    "generator": (lambda r: (value for value in r), "generator"),
    "times": (lambda r: r.astype("m8[s]"), "timedelta64"),
    "int32": (lambda r: r.astype(np.int32), "wraps round"),
    "int8": (lambda r: r.astype(np.int8), "wraps round"),
    "uint64": (lambda r: np.abs(r).astype(np.uint64), "wraps round"),
    "ragged": (lambda r: [[1.0], [1.0, 2.0]], "list that cannot become an array"),
}


@each
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(("change", "word"), NOT_REAL.values(), ids=NOT_REAL)
def test_residuals_that_are_no_real_numbers(entry: Entry, change: Callable, word: str, call: int) -> None:
    fun = FailsOnCall(call, lambda: change(decay(ANSWER + 1)))
    with refusal(InputTypeError, f"{entry.fun} gave", word):
        entry(fun)


@each
@pytest.mark.parametrize("call", [1, 2])
def test_masked_residuals(entry: Entry, call: int) -> None:
    fun = FailsOnCall(call, lambda: np.ma.array(decay(START), mask=[True] + [False] * 8))
    with refusal(InputValueError, f"{entry.fun} gave 1 masked value; leave those points out"):
        entry(fun)


@each
def test_plain_integers_are_taken(entry: Entry) -> None:
    """Where the function has fractions, a fit by differences of whole numbers has nothing to go by."""
    outcome = entry(lambda x: np.rint(1e9 * (x - 3)).astype(np.int64), lambda x: 1e9 * np.eye(2), [1.5, 2.5])
    assert outcome.success or not entry.jac, outcome.message


@each_fit
def test_float32_inside_the_model(entry: Entry) -> None:
    outcome = entry(computed_in_single_precision, lambda x: decay_of_jacobian(x, TIMES, COUNTS))
    assert not outcome.success or np.allclose(outcome.x, ANSWER, rtol=0.02)


@each_fit
def test_float32_residuals(entry: Entry) -> None:
    outcome = entry(lambda x: decay(x).astype(np.float32))
    assert outcome.message
    assert not outcome.success or np.allclose(outcome.x, ANSWER, rtol=1e-3)


# -------------------------------------------------------------------------------------------- Jacobians


@each
def test_jacobian_of_zeros_at_the_start(entry: Entry) -> None:
    outcome = entry(lambda x: np.arange(1.0, 10), lambda x: np.zeros((9, 2)))
    assert not outcome.success
    told = "too uncertain to decide about x[0], x[1]" if entry.name == "check_jacobian" else "the Jacobian is zero"
    assert told in outcome.message


@each_with_jacobian
def test_transposed_jacobian(entry: Entry) -> None:
    if entry.name == "check_jacobian":
        outcome = entry(decay, lambda x: decay_jacobian(x).T)
        assert not outcome.success
        assert "it is transposed" in outcome.message
        return
    with refusal(ShapeError, f"{entry.jac} gave a Jacobian of shape (2, 9)", "need (9, 2)", "it is transposed"):
        entry(decay, lambda x: decay_jacobian(x).T)


@each_with_jacobian
@pytest.mark.parametrize("shape", [(9,), (18,), (8, 2), (9, 3), (3, 9), (9, 2, 1), ()], ids=str)
def test_jacobian_of_the_wrong_shape(entry: Entry, shape: tuple[int, ...]) -> None:
    words = f"{entry.jac} gave a Jacobian of shape {shape} at x = [1., 1.]", "need (9, 2)"
    with refusal(ShapeError, *words) as caught:
        entry(decay, lambda x: np.ones(shape))
    assert "transposed" not in str(caught.value)


@each_with_jacobian
@pytest.mark.parametrize(("change", "word"), NOT_REAL.values(), ids=NOT_REAL)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_jacobian_that_is_not_of_real_numbers(entry: Entry, change: Callable, word: str) -> None:
    with refusal(InputTypeError, f"{entry.jac} gave", word):
        entry(decay, lambda x: change(decay_jacobian(x)))


@each_with_jacobian
def test_masked_jacobian(entry: Entry) -> None:
    with refusal(InputValueError, f"{entry.jac} gave 9 masked values"):
        entry(decay, lambda x: np.ma.masked_greater(decay_jacobian(x), 0))


# ------------------------------------------------------------------------------------------- the start

STARTS = {
    "NaN": ([1.0, np.nan], InputValueError, "[1] is nan; every parameter needs a finite value"),
    "inf": ([np.inf, 1.0], InputValueError, "[0] is inf"),
    "masked": (np.ma.array([1.0, 2.0], mask=[True, False]), InputValueError, "has 1 masked value"),
    "complex": ([1j, 1.0], InputTypeError, "must hold real numbers, not complex"),
    "text": ("start", InputTypeError, "must hold real numbers, not"),
    "texts": (["a", "b"], InputTypeError, "must hold real numbers, not"),
    "None": (None, InputTypeError, "[0] is None"),
    "one None": ([None, 1.0], InputTypeError, "[0] is None"),
    "dict": ({"a": 1.0}, InputTypeError, "[0] is a dict"),
    "function": (decay, InputTypeError, "[0] is a function"),
    "ragged": ([[1.0], [1.0, 2.0]], InputTypeError, "cannot become an array"),
    "dates": (np.array(["2020", "2021"], "M8[D]"), InputTypeError, "datetime64"),
    "too large": ([10**400, 1], InputValueError, "[0] is larger than any float"),
    "empty": ([], InputTypeError, "is empty: there are no parameters"),
}


@each
@pytest.mark.parametrize(("start", "kind", "words"), STARTS.values(), ids=STARTS)
def test_start_that_no_fit_can_be_made_from(entry: Entry, start: Any, kind: type, words: str) -> None:
    if isinstance(start, list) and not start and entry.name.startswith("leastsq"):
        pytest.skip("with full output leastsq reports the residuals alone, as SciPy's does")
    fun = Recorder(decay)
    name = "x" if entry.name == "check_jacobian" else "x0"
    with refusal(kind, words) as caught:
        entry(fun, decay_jacobian, start)
    assert str(caught.value).startswith(name)
    assert fun.at == []


# --------------------------------------------------------------------------------- functions that misbehave


@each
@pytest.mark.parametrize("error", [Oops, KeyboardInterrupt, StopIteration, TypeError, SystemExit])
@pytest.mark.parametrize("call", [1, 2])
def test_exceptions_come_out_as_they_were_raised(entry: Entry, error: type[BaseException], call: int) -> None:
    if entry.name == "workers" and error is StopIteration and call > 1:
        pytest.skip("the built-in map takes StopIteration for the end of its items")
    with pytest.raises(error, match=f"call {call}"):
        entry(Raising(decay, call, error))
    if entry.jac:
        with pytest.raises(error, match="call 1"):
            entry(decay, Raising(decay_jacobian, 1, error))


@each
def test_functions_may_keep_and_change_what_they_are_given(entry: Entry) -> None:
    kept = []

    def spoiling(function: Callable) -> Callable:
        def spoils(x: np.ndarray) -> np.ndarray:
            result = function(x)
            kept.append(x)
            x[:] = np.nan
            return result

        return spoils

    outcome = entry(spoiling(decay), spoiling(decay_jacobian))
    assert outcome.success, outcome.message
    np.testing.assert_array_equal(outcome.x, entry().x)
    assert len({id(x) for x in kept}) == len(kept)
