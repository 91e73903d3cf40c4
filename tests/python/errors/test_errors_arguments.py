"""What `leastsq` answers to a start, to options and to functions that it can't use."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from checks import SUCCESS, label, refusal
from models import START, Recorder, Table, decay, decay_jacobian
from pyminpack import InputTypeError, InputValueError, PyminpackError, ShapeError, leastsq

pytestmark = pytest.mark.usefixtures("nothing_on_stderr")

# ---------------------------------------------------------------------------------- x0


@pytest.mark.parametrize("options", [{}, {"Dfun": lambda x: np.empty((3, 0))}], ids=["differences", "Dfun"])
def test_empty_x0_with_full_output_reports_the_residuals_alone(options: dict) -> None:
    func = Recorder(lambda x: np.array([1.0, 2.0, 3.0]))
    x, cov_x, infodict, message, ier = leastsq(func, [], full_output=True, **options)
    assert ier == 0
    assert x.shape == (0,)
    assert cov_x is None
    assert "no parameters" in message
    assert {name: np.shape(value) for name, value in infodict.items()} == {
        "fvec": (3,),
        "nfev": (),
        "fjac": (0, 3),
        "ipvt": (0,),
        "qtf": (0,),
    }
    assert infodict["nfev"] == len(func.at) == 1
    np.testing.assert_array_equal(infodict["fvec"], [1, 2, 3])


def test_empty_x0_without_full_output() -> None:
    with refusal(InputTypeError, "x0 is empty"):
        leastsq(lambda x: np.ones(3), [])


@pytest.mark.parametrize(
    ("x0", "words"),
    [
        ([1.0, np.nan], ["x0[1] is nan", "x0 = [ 1., nan]"]),
        ([np.inf, 1.0], ["x0[0] is inf"]),
        ([1.0, -np.inf, np.nan], ["x0[1] is -inf"]),
        ([np.inf, -np.inf], ["x0[0] is inf"]),
        (np.nan, ["x0[0] is nan"]),
        ([[1.0, 2.0], [3.0, np.nan]], ["x0[3] is nan"]),
        ([Fraction(1, 2), Decimal("NaN")], ["x0[1] is nan"]),
        (np.array([1, 2], np.longdouble) * np.longdouble("1e400"), ["x0[0] is inf"]),
        (np.ma.array([1.0, 2.0], mask=[False, True]), ["x0 has 1 masked value;"]),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_x0_without_usable_values(x0: Any, words: list[str]) -> None:
    func = Recorder(decay)
    with refusal(InputValueError, *words):
        leastsq(func, x0)
    assert func.at == []


@pytest.mark.parametrize(
    ("x0", "words"),
    [
        ([1.0, 2j], ["complex128", "real and imaginary parts"]),
        (np.array([1.0, 2.0], complex), ["complex128"]),
        (np.array([Fraction(1, 2), 2j], object), ["x0"]),
        (["1", "2"], ["real numbers", "<U1"]),
        ("12", ["real numbers"]),
        ([b"1", b"2"], ["real numbers"]),
        ([Fraction(1, 2), "2"], ["text"]),
        (None, ["None"]),
        ([1.0, None], ["None"]),
        ({"a": 1}, ["real numbers"]),
        (np.array(["2001-01-01"], "M8[D]"), ["datetime64"]),
        ([[1.0], [1.0, 2.0]], ["x0"]),
    ],
    ids=str,
)
def test_x0_that_is_not_of_real_numbers(x0: Any, words: list[str]) -> None:
    func = Recorder(decay)
    with refusal(InputTypeError, *words):
        leastsq(func, x0)
    assert func.at == []


def test_x0_too_large_for_a_float() -> None:
    with refusal(InputValueError, "x0[0]"):
        leastsq(decay, [10**400, 1])


@pytest.mark.parametrize(
    "x0",
    [
        [1, 2],
        [Fraction(1), Fraction(2)],
        [Decimal(1), 2.0],
        np.array([1, 2], np.uint8),
        np.array([1, 2], np.float32),
        np.array([1, 2], ">f8"),
        np.array([1, 2], np.longdouble),
        np.array([1, 2], object),
        np.ma.array([1.0, 2.0]),
        np.ma.array([1.0, 2.0], mask=[False, False]),
        np.array([[1.0], [2.0]]),
        np.array([1.0, 9.0, 2.0])[::2],
        (1, 2),
        range(1, 3),
        Table([1.0, 2.0]),
    ],
    ids=label,
)
def test_x0_of_any_real_numbers(x0: Any) -> None:
    func = Recorder(decay)
    assert leastsq(func, x0)[1] in SUCCESS
    assert type(func.at[0]) is np.ndarray
    assert func.at[0].dtype == np.float64
    np.testing.assert_array_equal(func.at[0], [1, 2])


# -------------------------------------------------------------------------------- options


@pytest.mark.parametrize("diag", [[1.0], [1.0, 2, 3], 1.0, [[1.0, 2.0]], []], ids=str)
def test_diag_of_the_wrong_length(diag: Any) -> None:
    with refusal(ShapeError, f"diag has shape {np.shape(diag)}", "2 parameters", "shape (2,)"):
        leastsq(decay, START, diag=diag)


@pytest.mark.parametrize(
    ("diag", "words"),
    [
        ([1.0, 0.0], "diag[1] is 0.0"),
        ([-1.0, 1.0], "diag[0] is -1.0"),
        ([1.0, np.nan], "diag[1] is nan"),
        ([np.inf, -1.0], "diag[0] is inf"),
    ],
    ids=str,
)
def test_diag_that_is_not_positive_and_finite(diag: Any, words: str) -> None:
    with refusal(InputValueError, words, "positive and finite"):
        leastsq(decay, START, diag=diag)


@pytest.mark.parametrize(
    "diag",
    ["ab", ["a", "b"], [1j, 1.0], [object(), 1.0], [[1.0], [1.0, 2.0]], np.ma.array([1.0, 2.0], mask=[False, True])],
    ids=["text", "texts", "complex", "object", "ragged", "masked"],
)
def test_diag_that_is_not_of_real_numbers(diag: Any) -> None:
    with pytest.raises(PyminpackError, match="diag"):
        leastsq(decay, START, diag=diag)


@pytest.mark.parametrize("name", ["ftol", "xtol", "gtol"])
@pytest.mark.parametrize("value", [-1e-8, -1, np.nan, -np.inf])
def test_tolerance_that_is_negative(name: str, value: float) -> None:
    with refusal(InputValueError, f"{name} is {value}", "tolerance"):
        leastsq(decay, START, **{name: value})


@pytest.mark.parametrize("value", [0, 0.0, -1, np.nan, np.inf])
def test_factor_that_is_not_positive_and_finite(value: float) -> None:
    with refusal(InputValueError, f"factor is {value}", "positive and finite"):
        leastsq(decay, START, factor=value)


@pytest.mark.parametrize("value", [-1, -(10**12), -np.inf])
def test_maxfev_that_is_negative_stands_for_the_default(value: float) -> None:
    """As it does with SciPy."""
    assert leastsq(decay, START, maxfev=value)[1] in SUCCESS


@pytest.mark.parametrize("value", [np.nan, "many", None])
def test_maxfev_that_is_no_number(value: Any) -> None:
    with refusal(InputValueError, f"maxfev is {value!r}"):
        leastsq(decay, START, maxfev=value)


@pytest.mark.parametrize("value", [0.5, np.inf, 10**12, 2**31], ids=str)
def test_maxfev_that_is_no_plain_count_is_understood_or_refused_by_name(value: float) -> None:
    def outcome() -> int | str:
        try:
            return leastsq(decay, START, maxfev=value)[1]
        except PyminpackError as error:
            return str(error)

    answer = outcome()
    assert answer in SUCCESS or "maxfev" in str(answer)


@pytest.mark.parametrize(
    "options",
    [{"ftol": -1}, {"factor": 0}, {"maxfev": 0.5}, {"diag": [1.0]}, {"diag": [1.0, -1.0]}],
    ids=str,
)
def test_options_are_checked_before_func_is_called(options: dict) -> None:
    func = Recorder(decay)
    with pytest.raises(PyminpackError):
        leastsq(func, START, **options)
    assert func.at == []


@pytest.mark.parametrize("options", [{"ftol": 0}, {"xtol": 0}, {"ftol": 1}, {"gtol": 1}, {"factor": 1e-3}], ids=str)
def test_options_at_the_ends_of_their_ranges_are_accepted(options: dict) -> None:
    assert leastsq(decay, START, full_output=True, **options)[-1] in range(1, 9)


# ------------------------------------------------------------------------------- functions


@pytest.mark.parametrize("func", [None, 3, "decay", decay(np.ones(2))], ids=["None", "number", "text", "array"])
def test_func_that_cannot_be_called(func: Any) -> None:
    with pytest.raises(TypeError, match="not callable"):
        leastsq(func, START)


@pytest.mark.parametrize("jacobian", [3, "decay", np.ones((9, 2))], ids=["number", "text", "array"])
def test_dfun_that_cannot_be_called(jacobian: Any) -> None:
    with pytest.raises(TypeError, match="callable"):
        leastsq(decay, START, Dfun=jacobian)


def test_wrong_number_of_arguments_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        leastsq(lambda x, a, b: x, START, args=(1,))


def test_wrong_number_of_arguments_of_dfun_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        leastsq(lambda x, a: decay(x), START, args=(1,), Dfun=lambda x, a, b: decay_jacobian(x))
