"""What a fit is invariant to, for any input: shapes, order, signs and units."""

from collections.abc import Callable

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyminpack import leastsq

# The same examples every time: a test fails because something has changed, not because of luck.
fixed_fits = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 2**32 - 1)
powers = st.integers(-30, 30)

FIFTEEN = np.linspace(0, 3, 15)
NOISE = 0.01 * np.sin(17 * np.arange(15))

Function = Callable[[np.ndarray], np.ndarray]


def curve(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * FIFTEEN) + x[2] * FIFTEEN


def curve_jac(x: np.ndarray) -> np.ndarray:
    shape = np.exp(-x[1] * FIFTEEN)
    return np.column_stack([shape, -x[0] * FIFTEEN * shape, FIFTEEN])


@st.composite
def curve_fits(draw: st.DrawFn) -> tuple[Function, np.ndarray]:
    """The residuals of a fit, and a start not far from the answer, with no zero in it."""
    truth = np.array([draw(st.floats(1, 4)), draw(st.floats(0.5, 2)), draw(st.floats(-1, 1))])
    data = curve(truth) + NOISE
    start = truth + np.array([draw(st.floats(-0.5, 0.5)), draw(st.floats(-0.3, 0.3)), draw(st.floats(0.1, 0.5))])
    assume(np.all(np.abs(start) > 0.01))
    return lambda x: curve(x) - data, start


TIGHT = {"ftol": 1e-13, "xtol": 1e-13, "full_output": True}


def assert_same_answer(fit: tuple, expected: tuple) -> None:
    """Two fits that came to the same minimum by paths that rounding parted.

    Where the sum of squares can fall by 1e-13 of itself, ‖J (x - minimum)‖ is 3e-7 ‖f‖, and no parameter further
    away than 3e-7 ‖f‖ times the root of its variance in cov_x.
    """
    (x, cov_x, *_, ier), (their_x, their_cov_x, infodict, *_, their_ier) = fit, expected
    assert {ier, their_ier} <= {1, 2, 3}
    errors = np.sqrt(np.diag(their_cov_x))
    assert np.all(np.abs(x - their_x) <= 1e-6 * np.linalg.norm(infodict["fvec"]) * errors)
    assert np.all(np.abs(cov_x - their_cov_x) <= 1e-5 * np.outer(errors, errors))


@fixed_fits
@given(curve_fits(), st.booleans())
def test_any_shape_of_the_start_gives_the_same_bits(case: tuple[Function, np.ndarray], derivatives: bool) -> None:
    func, start = case
    Dfun = curve_jac if derivatives else None
    expected = leastsq(func, start, Dfun=Dfun, full_output=True)
    strided = np.zeros((3, 2))
    strided[:, 0] = start
    forms = [list(start), tuple(start), start[np.newaxis], start[:, np.newaxis], strided[:, 0], start.astype(">f8"),
             np.ma.array(start), start.astype(object), np.asfortranarray(start[:, np.newaxis])]  # fmt: skip
    for form in forms:
        x, cov_x, infodict, mesg, ier = leastsq(func, form, Dfun=Dfun, full_output=True)
        assert x.tobytes() == expected[0].tobytes()
        assert cov_x.tobytes() == expected[1].tobytes()
        assert infodict["fvec"].tobytes() == expected[2]["fvec"].tobytes()
        assert (mesg, ier, infodict["nfev"]) == (*expected[3:], expected[2]["nfev"])


@fixed_fits
@given(curve_fits(), st.permutations(range(15)), arrays(float, 15, elements=st.sampled_from([-1.0, 1.0])))
def test_order_and_signs_of_residuals_make_no_difference(
    case: tuple[Function, np.ndarray], rows: list[int], signs: np.ndarray
) -> None:
    """But for rounding: sums are made in another order."""
    func, start = case
    shuffled = leastsq(
        lambda x: signs * func(x)[rows], start, Dfun=lambda x: signs[:, np.newaxis] * curve_jac(x)[rows], **TIGHT
    )
    assert_same_answer(shuffled, leastsq(func, start, Dfun=curve_jac, **TIGHT))


@fixed_fits
@given(curve_fits(), powers, st.booleans())
def test_scale_of_residuals_makes_no_difference_to_the_bit(
    case: tuple[Function, np.ndarray], power: int, derivatives: bool
) -> None:
    """A power of two passes through every sum, product, quotient and norm, and all tests are on ratios."""
    func, start = case
    unit = np.ldexp(1.0, power)
    options = {"full_output": True}
    expected = leastsq(func, start, Dfun=curve_jac if derivatives else None, **options)
    scaled_jac = (lambda x: unit * curve_jac(x)) if derivatives else None
    x, cov_x, infodict, _, ier = leastsq(lambda x: unit * func(x), start, Dfun=scaled_jac, **options)
    assert x.tobytes() == expected[0].tobytes()
    assert (ier, infodict["nfev"]) == (expected[4], expected[2]["nfev"])
    np.testing.assert_array_equal(infodict["fvec"], unit * expected[2]["fvec"])
    np.testing.assert_array_equal(cov_x, expected[1] / unit**2)


@fixed_fits
@given(curve_fits(), powers)
def test_a_common_unit_of_parameters_makes_no_difference_to_the_bit(
    case: tuple[Function, np.ndarray], power: int
) -> None:
    """MINPACK's own scaling follows the Jacobian's columns; a common unit leaves the pivots as they are."""
    func, start = case
    unit = np.ldexp(1.0, power)
    expected = leastsq(func, start, Dfun=curve_jac, full_output=True)
    x, cov_x, infodict, _, ier = leastsq(
        lambda x: func(x * unit), start / unit, Dfun=lambda x: curve_jac(x * unit) * unit, full_output=True
    )
    assert (x * unit).tobytes() == expected[0].tobytes()
    assert (ier, infodict["nfev"], infodict["njev"]) == (expected[4], expected[2]["nfev"], expected[2]["njev"])
    np.testing.assert_array_equal(cov_x * unit**2, expected[1])


@fixed_fits
@given(curve_fits(), arrays(int, 3, elements=st.integers(-15, 15)))
def test_units_of_each_parameter_make_no_difference(case: tuple[Function, np.ndarray], power: np.ndarray) -> None:
    """But for rounding: other units may mean other pivots."""
    func, start = case
    units = np.ldexp(1.0, power)
    x, cov_x, *rest = leastsq(
        lambda x: func(x * units), start / units, Dfun=lambda x: curve_jac(x * units) * units, **TIGHT
    )
    back = (x * units, cov_x * np.outer(units, units), *rest)
    assert_same_answer(back, leastsq(func, start, Dfun=curve_jac, **TIGHT))


@fixed_fits
@given(st.integers(1, 6), st.integers(0, 20), seeds)
def test_linear_problems_are_solved(n: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, start = rng.standard_normal((n + more, n)), rng.standard_normal(n + more), 10 * rng.standard_normal(n)
    assume(np.linalg.cond(a) < 1e4)
    expected = np.linalg.lstsq(a, b, rcond=None)[0]

    x, cov_x, _, _, ier = leastsq(lambda x: a @ x - b, start, Dfun=lambda x: a, full_output=True)
    assert ier in (1, 2, 3, 4)
    rounding = 1e-14 * np.linalg.cond(a) ** 2
    np.testing.assert_allclose(x, expected, rtol=0, atol=rounding * np.linalg.norm([*start, *expected]))
    inverse = np.linalg.inv(a.T @ a)
    np.testing.assert_allclose(cov_x, inverse, rtol=0, atol=rounding * np.linalg.norm(inverse))

    # By differences the Jacobian has its 8 digits only where no parameter comes close to zero; but the sum of
    # squares is as small.
    x, ier = leastsq(lambda x: a @ x - b, start)
    assert ier in (1, 2, 3, 4)
    least, largest = np.linalg.norm(a @ expected - b), np.linalg.norm(a @ start - b)
    assert np.linalg.norm(a @ x - b) <= least * (1 + 1e-6) + 1e-7 * largest
