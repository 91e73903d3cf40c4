"""Options of the wrong kind are refused by name before the user's function is called: each option, each entry point."""

import inspect
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from checks import label, quietly, refusal
from models import START, Recorder, decay, decay_jacobian
from pyminpack import (
    LevenbergMarquardt,
    OptionError,
    PyminpackError,
    check_jacobian,
    covariance,
    least_squares,
    leastsq,
)

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")


class Hostile:
    """An object that lets nobody look at it."""

    def _refuse(self, *_: Any) -> Any:
        raise RuntimeError("hands off")

    __bool__ = __float__ = __int__ = __index__ = __len__ = __eq__ = __hash__ = __lt__ = __repr__ = _refuse


class LooksLikeBounds:
    def __init__(self, lb: Any, ub: Any) -> None:
        self.lb, self.ub = lb, ub


VALUES = {
    "None": None,
    "True": True,
    "False": False,
    "numpy.True_": np.True_,
    "0": 0,
    "1": 1,
    "0.5": 0.5,
    "float16": np.float16(0.5),
    "Fraction": Fraction(1, 2),
    "array(0.5)": np.array(0.5),
    "array(1)": np.array(1),
    "-1": -1,
    "-0.5": -0.5,
    "inf": np.inf,
    "-inf": -np.inf,
    "nan": np.nan,
    "array(nan)": np.array(np.nan),
    "2**31": 2**31,
    "-2**40": -(2**40),
    "10**400": 10**400,
    "10**9000": 10**9000,  # not even repr takes it
    "huge Fraction": Fraction(10**400),
    "Decimal": Decimal("0.5"),
    "complex": 1j,
    "real complex": 1 + 0j,
    "text": "2-points",
    "text of a number": "1e-8",
    "bytes": b"jac",
    "pair": [0.5, 2.0],
    "array": np.array([0.5, 2.0]),
    "array of one": np.array([0.5]),
    "array of three": np.array([0.5, 2.0, 1.0]),
    "empty array": np.array([]),
    "matrix": np.eye(2),
    "texts": np.array(["a", "b"]),
    "objects": np.array([object(), None]),
    "ragged": [[1.0], [1.0, 2.0]],
    "masked": np.ma.array([0.5, 2.0], mask=[True, False]),
    "masked number": np.ma.masked,
    "time": np.timedelta64(1, "s"),
    "dict": {"a": 1},
    "dict of numbers": {1: 1},
    "set": {0.5, 2.0},
    "function": lambda *_: None,
    "object": object(),
    "hostile": Hostile(),
}

# What each kind of option takes.
NUMBERS = {"0.5", "float16", "Fraction", "array(0.5)", "1", "array(1)", "2**31"}
TOLERANCE = {"0", "inf", *NUMBERS}
SHARE = {"0", "0.5", "float16", "Fraction", "array(0.5)"}
COUNT = {"0", "1", "array(1)", "2**31", "inf", "-1", "-2**40", "-inf"}
LIMIT = {"None", "1", "array(1)", "2**31", "inf"}
FLAG = {"True", "False", "numpy.True_", "0", "1", "array(1)", "-1", "2**31", "-2**40", "10**400", "10**9000"}
PAIRS = {"pair", "array"}
SIZES = {"None", *NUMBERS, *PAIRS} - {"Fraction"}
STEPS = {"-1", "-0.5", "-2**40", *SIZES}
WORKERS = {"None", "1", "array(1)", "-1", "2**31", "10**400", "10**9000"}
OF_LEAST_SQUARES = {
    "jac": {"function"},
    "bounds": {"pair", "array", "set"},
    "ftol": {"None", *TOLERANCE},
    "xtol": {"None", *TOLERANCE},
    "gtol": {"None", *TOLERANCE},
    "x_scale": SIZES,
    "loss": {"function"},
    "f_scale": NUMBERS,
    "diff_step": STEPS,
    "max_nfev": LIMIT,
    "kwargs": {"None", "dict"},
    "workers": {"function", *WORKERS},
    "fixed": {"None"},
    "check_jac": {"None", "True", "False"},
    "accel": {"None", *FLAG},
}
TAKEN: dict[str, dict[str, set[str]]] = {
    "leastsq": {
        "Dfun": {"None", "function"},
        "full_output": FLAG,
        "col_deriv": FLAG,
        "ftol": TOLERANCE,
        "xtol": TOLERANCE,
        "gtol": TOLERANCE,
        "maxfev": COUNT,
        "epsfcn": {"None", "0", "-1", "-0.5", "-2**40", *NUMBERS},
        "factor": NUMBERS,
        "diag": {"None", *PAIRS},
    },
    "least_squares": {
        **OF_LEAST_SQUARES,
        "method": set(),
        "tr_solver": {"None"},
        "tr_options": {"None", "dict"},
        "jac_sparsity": {"None", "matrix"},
        "verbose": {"True", "False", "0", "1", "array(1)"},
        "callback": {"None", "function"},
        "timeout": {"None", "inf", *NUMBERS},
    },
    "LevenbergMarquardt": {**OF_LEAST_SQUARES, "factor": NUMBERS},
    "check_jacobian": {"jac": {"function"}, "col_deriv": FLAG, "rtol": SHARE},
    "covariance": {"jac": {"matrix"}, "variance": {"None", "0", *NUMBERS}, "rtol": {"None", *SHARE}},
    "stop_at": {"deadline": {"0", "-1", "-0.5", "inf", "-inf", "-2**40", *NUMBERS}},
    "x_scale of a fit": {"x_scale": SIZES},
}
# Other tests look at what the function is given, and at where a fit begins.
ELSEWHERE = {"self", "func", "fun", "x0", "x", "args"}


def call(entry: str, fun: Callable[[np.ndarray], Any], **options: Any) -> Any:
    if entry == "leastsq":
        return leastsq(fun, START, **options)
    if entry == "least_squares":
        return least_squares(fun, START, **options)
    if entry == "LevenbergMarquardt":
        return LevenbergMarquardt(fun, START, **options)
    if entry == "check_jacobian":
        return check_jacobian(fun, x=START, **{"jac": decay_jacobian, **options})
    if entry == "covariance":
        return quietly(lambda: covariance(**{"jac": np.eye(2), **options}))
    fit = LevenbergMarquardt(decay, START)
    if entry == "stop_at":
        return fit.stop_at(**options)
    return setattr(fit, "x_scale", options["x_scale"])


ROWS = [pytest.param(entry, option, id=f"{entry}-{option}") for entry, options in TAKEN.items() for option in options]


def outcome(entry: str, fun: Callable[[np.ndarray], Any], option: str, name: str) -> str:
    """What comes of a value: "taken", or the message of this package's refusal; any other exception comes out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(entry, fun, **{option: VALUES[name]})
        except PyminpackError as error:
            return str(error)
    return "taken"


@pytest.mark.parametrize(("entry", "option"), ROWS)
def test_option_of_the_wrong_kind_is_refused_by_name(entry: str, option: str) -> None:
    for name in VALUES.keys() - TAKEN[entry][option]:
        fun = Recorder(decay)
        told = outcome(entry, fun, option, name)
        assert option in told, name
        assert len(told) < 500
        is_late = (option, name) == ("jac", "True")  # whether a Jacobian comes with the residuals shows when they come
        assert fun.at == [] or is_late, f"the function was called before {option} was looked at: {name}"


@pytest.mark.parametrize(("entry", "option"), ROWS)
def test_option_of_the_right_kind_is_taken(entry: str, option: str) -> None:
    for name in TAKEN[entry][option] - {"function"}:
        told = outcome(entry, lambda x, **_: decay(x), option, name)
        assert told == "taken", name


@pytest.mark.parametrize("entry", [entry for entry in TAKEN if " " not in entry and entry != "stop_at"])
def test_every_option_is_in_the_table(entry: str) -> None:
    function = {f.__name__: f for f in (leastsq, least_squares, LevenbergMarquardt, check_jacobian, covariance)}[entry]
    options = set(inspect.signature(function).parameters) - ELSEWHERE
    if entry == "check_jacobian":
        options |= {"jac"}
    assert options == TAKEN[entry].keys()


@pytest.mark.parametrize("option", ["full_output", "col_deriv"])
def test_flags_of_leastsq_may_be_numbers_as_in_scipy(option: str) -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        return decay_jacobian(x).T if option == "col_deriv" else decay_jacobian(x)

    for value in (1, np.int64(1), np.array(1), np.True_):
        with_number, with_flag = (leastsq(decay, START, Dfun=jacobian, **{option: v}) for v in (value, True))
        assert len(with_number) == len(with_flag)
        np.testing.assert_array_equal(with_number[0], with_flag[0])


@pytest.mark.parametrize("value", [2**31, 10**12, np.inf], ids=str)
def test_limit_beyond_a_c_int_is_no_limit(value: Any) -> None:
    assert leastsq(decay, START, maxfev=value)[1] in (1, 2, 3, 4)
    assert least_squares(decay, START, max_nfev=value).success


def test_value_whose_own_repr_fails_is_described_by_its_type() -> None:
    with pytest.raises(OptionError, match="ftol is of type Hostile; a tolerance must be"):
        leastsq(decay, START, ftol=Hostile())  # type: ignore[call-overload]


def test_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(OptionError, match=r"^xtol is \[0, 1, 2, .*\.\.\.; a tolerance") as caught:
        least_squares(decay, START, xtol=list(range(10_000)))  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200


# ---------------------------------------------------------------------------------- what is called


@pytest.mark.parametrize("name", sorted(VALUES.keys() - {"function"}))
@pytest.mark.parametrize("entry", ["leastsq", "least_squares", "LevenbergMarquardt", "check_jacobian"])
def test_function_that_cannot_be_called(entry: str, name: str) -> None:
    word = "func" if entry == "leastsq" else "fun"
    with pytest.raises(PyminpackError, match=f"^{word} is of type .* not callable.*; it must be a function that gives"):
        call(entry, VALUES[name])


def test_jacobian_that_cannot_be_called_says_what_leastsq_takes() -> None:
    with pytest.raises(PyminpackError, match=r"Dfun is of type str.*'3-point'; it must be .*, or None for differences"):
        leastsq(decay, START, Dfun="3-point")  # type: ignore[call-overload]


@pytest.mark.parametrize("key", [1, None, b"a"])
def test_names_of_arguments_that_are_no_text(key: Any) -> None:
    with pytest.raises(PyminpackError, match="kwargs is"):
        least_squares(decay, START, kwargs={key: 1})


# -------------------------------------------------------------------------------------- bounds

PAIR_FOR_EACH = "a pair for each parameter"


@pytest.mark.parametrize(
    "bounds",
    [
        [(0, 9), (0, 8)],  # both parameters would be between bounds that cross
        [(0, 2), (0, 9)],  # the first would be fixed
        [(-9, 9), (-9, 9)],
        [(0, None), (None, 9)],
        np.array([[0.0, 9.0], [0.5, 9.0]]),
        LooksLikeBounds((0, 9), (0, 8)),
    ],
    ids=label,
)
def test_bounds_as_a_pair_for_each_of_two_parameters_get_a_hint(bounds: Any) -> None:
    for entry in (least_squares, LevenbergMarquardt):
        with pytest.raises(PyminpackError, match=PAIR_FOR_EACH) as caught:
            entry(decay, START, bounds=bounds)
        assert "zip(*bounds)" in str(caught.value)


@pytest.mark.parametrize("n", [1, 3, 4])
def test_bounds_as_a_pair_for_each_parameter_get_a_hint(n: int) -> None:
    def fun(x: np.ndarray) -> np.ndarray:
        return x - 0.5

    pairs: Any = [(0.0, None), (-1.0, 2.0), (None, 3.0), (0, 4)][:n]
    for bounds in (pairs, tuple(pairs), np.array([[-3.0, 3.0]] * n)):
        with refusal(OptionError, "bounds is ", "; it must be a pair of lower and upper bounds", PAIR_FOR_EACH):
            least_squares(fun, np.ones(n), bounds=bounds)
    lower, upper = zip(*pairs, strict=True)
    lower, upper = ([limit if low is None else low for low in part] for part, limit in ((lower, -9), (upper, 9)))
    assert least_squares(fun, np.ones(n), bounds=(lower, upper)).success


@pytest.mark.parametrize("bounds", [([0, 2], [9, 9]), ([3, 0], [1, 9]), ([0, 0, 0], [9, 9, 9]), (["a", 0], [9, 9]), 3])
def test_bounds_that_are_a_pair_get_no_such_hint(bounds: Any) -> None:
    with pytest.raises(PyminpackError, match="bounds") as caught:
        least_squares(decay, START, bounds=bounds)
    assert PAIR_FOR_EACH not in str(caught.value)


def test_bounds_of_parameters_that_pairs_would_fit_as_well_are_lower_and_upper() -> None:
    fit = least_squares(decay, START, bounds=([0, 0.5], [1.5, 9]))
    assert fit.x[0] <= 1.5
    assert fit.success
