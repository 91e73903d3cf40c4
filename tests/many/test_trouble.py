"""Every fit of a batch carries the trust of one alone: kinds of numerical trouble, beside good neighbours."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from many_models import Array, decay, fit_alone
from many_troubles import (
    COUNT,
    KINDS,
    Data,
    T,
    Trouble,
    U,
    bell,
    bell_jacobian,
    bells,
    decay_jacobian,
    each,
    far_below,
    many,
    next_to_0,
    noise,
    powers,
    units,
    zero_at_the_solution,
)  # fmt: skip
from pyminpack import CurveFit, CurveFits, curve_fit_many

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow of models far away

WAYS = [
    pytest.param(kind, given, id=f"{kind.__name__}, {'a Jacobian' if given else 'differences'}")
    for kind in KINDS
    for given in (False, True)
    if not given or kind(np.random.default_rng(0)).jac
]
every_way = pytest.mark.parametrize(("kind", "given"), WAYS)


@cache
def batch(kind: Any, given: bool) -> tuple[Trouble, Any, CurveFits, CurveFits]:
    """Fits in trouble, with a good one behind each; and the good ones by themselves."""
    trouble = kind(np.random.default_rng(KINDS.index(kind)))
    jac, bad, good = trouble.jac if given else None, trouble.bad, trouble.good
    both = curve_fit_many(
        trouble.f, mixed(bad.x, good.x), mixed(bad.y, good.y), mixed(bad.starts, good.starts), jac=jac
    )
    return trouble, jac, both, curve_fit_many(trouble.f, good.x, good.y, good.starts, jac=jac)


def mixed(bad: Array, good: Array) -> Array:
    return np.stack([bad, good], axis=1).reshape(2 * COUNT, *bad.shape[1:])


def alone(f: Any, data: Data, i: int, **options: Any) -> Any:
    return fit_alone(f, data.x[i], data.y[i], data.starts[i], **options)


def require_as_alone(trouble: Trouble, fits: CurveFits, place: int, single: Any) -> None:
    """Success or none, and why; and of a success the parameters and their errors."""
    if not isinstance(single, CurveFit):
        assert fits.status[place] == single.result.status
        assert fits.message(place) == single.result.message
        np.testing.assert_array_equal(fits.x[place], single.result.x)
        assert np.isnan(fits.stderr[place]).all()
        return
    status = single.result.status
    assert fits.status[place] == status or fits.status[place] > 0 < status
    (x,), (x_alone,) = trouble.fold(fits.x[[place]]), trouble.fold(single.x[np.newaxis])
    determined = np.isfinite(single.stderr)
    np.testing.assert_array_equal(np.isfinite(fits.stderr[place]), determined)
    close = 4e-16 * abs(x_alone) + 1e-5 * single.stderr
    assert (abs(x - x_alone) <= close)[determined].all()
    if determined.all():
        np.testing.assert_allclose(np.sort(fits.stderr[place]), np.sort(single.stderr), rtol=1e-3)
        np.testing.assert_allclose(fits.cost[place], single.result.cost, rtol=1e-9)


@every_way
def test_answers_are_those_of_curve_fit_alone(kind: Any, given: bool) -> None:
    trouble, jac, fits, _ = batch(kind, given)
    same = 0
    for i in range(COUNT):
        single = alone(trouble.f, trouble.bad, i, jac=jac)
        require_as_alone(trouble, fits, 2 * i, single)
        same += fits.status[2 * i] == single.result.status
    assert same >= 0.75 * COUNT  # straight lines meet all tests for convergence at once


@every_way
def test_no_success_is_false(kind: Any, given: bool) -> None:
    """It has the least sum of squares, or says by its standard errors that parameters cannot be told apart."""
    trouble, _, fits, _ = batch(kind, given)
    curve = trouble.exact or trouble.f
    for i in range(COUNT):
        x, is_told = fits.x[2 * i], not np.isfinite(fits.stderr[2 * i]).all()
        if fits.success[2 * i] and not (is_told and not trouble.must):
            y = trouble.bad.y[i]
            reached = np.sum(((curve(trouble.bad.x[i], *x) - y) / max(abs(y))) ** 2)
            assert reached <= trouble.least[i] * (1 + trouble.slack)
        assert fits.success[2 * i] or not trouble.must


@every_way
def test_neighbours_are_what_they_are_without_those_in_trouble(kind: Any, given: bool) -> None:
    _, _, fits, by_themselves = batch(kind, given)
    assert by_themselves.success.all()
    for name in ("x", "cov", "stderr", "cost", "dof", "nfev", "status", "alone"):
        np.testing.assert_array_equal(getattr(fits, name)[1::2], getattr(by_themselves, name), err_msg=name)


@pytest.mark.parametrize("given", [False, True])
def test_standard_errors_do_not_depend_on_the_units_of_the_data(given: bool) -> None:
    """They were 0 or infinite where a variance leaves the range of numbers."""
    trouble, _, fits, plain = batch(units, given)
    relative = fits.stderr[::2] / abs(fits.x[::2])
    np.testing.assert_allclose(relative, plain.stderr / abs(plain.x), rtol=1e-6)
    size = abs(trouble.bad.y).max(axis=1)
    assert ((size < 1e-160) | (size > 1e160)).any()
    assert not fits.alone[::2].all()


@pytest.mark.parametrize("exponent", [-250, -160, -145, -70, 70, 145, 160, 250])
def test_standard_errors_do_not_depend_on_the_units_of_a_parameter(exponent: int) -> None:
    unit = 10.0**exponent
    y = decay(T, 3, 1.3) + 0.01 * np.cos(7 * T)
    fits, plain = curve_fit_many(decay, T / unit, y, [2, unit]), curve_fit_many(decay, T, y, [2, 1])
    np.testing.assert_allclose(fits.stderr / [1, unit], plain.stderr, rtol=1e-6)
    np.testing.assert_allclose(fits.cov[0], plain.cov[0] * [1, unit], rtol=1e-6)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("kind", "column"), [(far_below, lambda x: x), (zero_at_the_solution, lambda x: x**2)])
def test_standard_errors_of_sums_of_columns(kind: Any, column: Any, given: bool) -> None:
    trouble, _, fits, _ = batch(kind, given)
    for i in range(COUNT):
        x, y = trouble.bad.x[i], trouble.bad.y[i]
        columns = np.column_stack([np.ones(x.size), column(x)])
        _, (rss,), _, _ = np.linalg.lstsq(columns, y)
        right = np.sqrt(np.diag(np.linalg.inv(columns.T @ columns)) * rss / (x.size - 2))
        np.testing.assert_allclose(fits.stderr[2 * i], right, rtol=1e-4)


@pytest.mark.parametrize("given", [False, True])
def test_units_of_the_residuals_change_nothing(given: bool) -> None:
    """What rounding has swallowed is never measured in absolute units."""
    trouble = next_to_0(np.random.default_rng(5))
    jac, data = trouble.jac if given else None, trouble.bad
    sigma = 2.0 ** np.random.default_rng(6).integers(-60, 60, (COUNT, 1))
    plain = curve_fit_many(trouble.f, data.x, data.y, data.starts, jac=jac, sigma=np.ones((COUNT, 1)))
    fits = curve_fit_many(trouble.f, data.x, data.y, data.starts, jac=jac, sigma=sigma)
    np.testing.assert_array_equal(fits.status, plain.status)
    np.testing.assert_allclose(fits.x[plain.success], plain.x[plain.success], rtol=1e-9)
    np.testing.assert_allclose(fits.stderr[plain.success], plain.stderr[plain.success], rtol=1e-7)


# ------------------------------------------------------------------------------------ wrong Jacobians


def spoilt_by(f: Any, jacobian: Any, column: int) -> tuple[Any, Any]:
    """A model of x[0], and its Jacobian, a column of which x[1] spoils."""

    def jac(x: Any, *p: Any) -> Any:
        value = np.array(jacobian(x[0], *p))
        value[..., column] *= x[1]
        return value

    return lambda x, *p: f(x[0], *p), jac


def with_factors(x: Array, factors: Array) -> Array:
    return np.stack([x, np.broadcast_to(factors, x.shape)], axis=1)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_wrong_jacobians_beside_right_ones(column: int) -> None:
    """In any units: a column of zeros passed in some. One that is scaled a little has the minima of the right one."""
    random = np.random.default_rng(column)
    y, _, start = bells(random)
    size = powers(random, -8, 8)
    y, start = size * y, start * np.column_stack([size, size**0, size**0])
    factors = random.choice([0, -1, 30, 0.3, 1.1], (COUNT, 1))
    f, jac = spoilt_by(bell, bell_jacobian, column)
    bad, good = Data(with_factors(each(U), factors), y, start), Data(with_factors(each(U), 0 * size + 1), y, start)
    fits = curve_fit_many(f, mixed(bad.x, good.x), mixed(y, y), mixed(start, start), jac=jac)
    right = curve_fit_many(f, good.x, y, start, jac=jac)
    assert right.success.all()
    for name in ("x", "stderr", "status", "alone"):
        np.testing.assert_array_equal(getattr(fits, name)[1::2], getattr(right, name), err_msg=name)
    passed = fits.success[::2]
    assert fits.alone[::2].all()
    np.testing.assert_array_equal(passed, (factors[:, 0] == 0.3) | (factors[:, 0] == 1.1))
    np.testing.assert_allclose(fits.cost[::2][passed], right.cost[passed], rtol=1e-9)
    for i in range(COUNT):
        single = alone(f, bad, i, jac=jac)
        assert fits.status[2 * i] == single.result.status
        np.testing.assert_array_equal(fits.x[2 * i], getattr(single, "x", single.result.x))
        assert fits.message(2 * i) == single.result.message


# ------------------------------------------------------------------------------------ narrow boxes


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("width", [0.0, 1e-13, 1e-9, 1e-5, 1e-2])
def test_narrow_boxes(width: float, given: bool) -> None:
    """A right Jacobian was accused in them. Width 0: two neighbouring numbers."""
    random = np.random.default_rng(8)
    truth = random.uniform([2, 0.8], [3, 1.8], (COUNT, 2))
    y = many(decay, each(T), truth) + noise(random, T.size)
    low = 0.5833115
    bounds = ([low, 0], [max(low + width, np.nextafter(low, 9)), 9])
    starts = np.column_stack([np.full(COUNT, low), truth[:, 1]])
    jac = decay_jacobian if given else None
    fits = curve_fit_many(decay, each(T), y, starts, jac=jac, bounds=bounds)
    held = curve_fit_many(lambda t, b: bounds[1][0] * np.exp(-b * t), T, y, starts[:, 1:])
    assert fits.success.all()
    np.testing.assert_allclose(fits.x, np.column_stack([np.full(COUNT, bounds[1][0]), held.x]), rtol=1e-6)
    for i in range(COUNT):
        single = alone(decay, Data(each(T), y, starts), i, jac=jac, bounds=bounds)
        assert fits.status[i] == single.result.status
        np.testing.assert_array_equal(fits.x[i], single.x)


# ------------------------------------------------------------------------------------ noise by chance


@pytest.mark.parametrize("size", [1e-9, 1e-7])
def test_noise_that_is_new_at_each_call(size: float) -> None:
    """As of a simulation. No two fits are the same, and none may be far off."""
    random = np.random.default_rng(9)

    def shaken(t: Any, a: Any, b: Any) -> Any:
        value = decay(t, a, b)
        return value + size * random.standard_normal(value.shape)

    truth = random.uniform([2, 0.8], [3, 1.8], (COUNT, 2))
    y = many(decay, each(T), truth) + noise(random, T.size)
    fits, smooth = curve_fit_many(shaken, T, y, np.ones((COUNT, 2))), curve_fit_many(decay, T, y, truth)
    reached = np.array([np.sum((decay(T, *x) - row) ** 2) for x, row in zip(fits.x, y, strict=True)])
    assert (reached <= 2 * smooth.cost * 1.01)[fits.success].all()
    assert fits.success.any()
