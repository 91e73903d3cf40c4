"""Models that can be called for many fits at once, those that cannot, and how either is called."""

import math
from typing import Any

import numpy as np
import pytest

from many_models import GRID, T, X, decay, decays, peak, peak_jacobian, peaks, spot
from pyminpack import InputTypeError, curve_fit, curve_fit_many


def scalar(t: Any, a: Any, b: Any) -> Any:
    return np.array([a * math.exp(-b * time) for time in np.ravel(t)])


def choosing(t: Any, a: Any, b: Any) -> Any:
    return decay(t, a, b) if a > 0 else 0 * t


def mixing(t: Any, a: Any, b: Any) -> Any:
    return decay(t, a, b) + 1e-3 * np.max(b)


def along_the_wrong_axis(t: Any, a: Any, b: Any) -> Any:
    values = decay(t, a, b)
    return values / values.sum(axis=-1, keepdims=True)


def losing_points(t: Any, a: Any, b: Any) -> Any:
    return decay(t, a, b)[:5] if np.ndim(a) else decay(t, a, b)


CANNOT = [scalar, choosing, mixing, along_the_wrong_axis, losing_points]


@pytest.mark.parametrize("f", CANNOT)
def test_a_model_that_cannot_broadcast_is_told(f: Any) -> None:
    with pytest.raises(InputTypeError, match=r"f cannot be called for many fits at once.*broadcast='try'"):
        curve_fit_many(f, T, decays(3), [1, 1])


@pytest.mark.parametrize("f", [scalar, choosing])
@pytest.mark.parametrize("how", ["try", False])
def test_fits_are_made_one_at_a_time_where_that_is_asked_for(f: Any, how: Any) -> None:
    y = decays(3)
    fits = curve_fit_many(f, T, y, [1, 1], broadcast=how)
    assert fits.alone.all()
    np.testing.assert_array_equal(fits.x, [curve_fit(f, T, row, [1, 1]).x for row in y])


def test_a_model_that_broadcasts_is_made_one_at_a_time_on_demand_alone() -> None:
    assert not curve_fit_many(decay, T, decays(3), [1, 1], broadcast="try").alone.any()
    assert curve_fit_many(decay, T, decays(3), [1, 1], broadcast=False).alone.all()


def in_place(t: Any, a: Any, b: Any) -> Any:
    """Changes its arguments as one may change numbers, and fills an array like x."""
    b *= -1.0
    a += 0.0
    values = np.zeros_like(t)
    values += a * np.exp(b * t)
    return values


def constant(t: Any, a: Any) -> Any:
    return a


def of_x_alone(t: Any, a: Any) -> Any:
    return a * np.ones(T.size)[:, np.newaxis] if np.ndim(t) == 2 else a * np.ones(T.size)


def reusing_memory() -> Any:
    kept: dict[Any, Any] = {}

    def f(t: Any, a: Any, b: Any) -> Any:
        values = decay(t, a, b)
        kept.setdefault(values.shape, values)[...] = values
        return kept[values.shape]

    return f


@pytest.mark.parametrize("f", [in_place, reusing_memory()])
def test_models_with_habits(f: Any) -> None:
    y = decays(20)
    fits, plain = curve_fit_many(f, T, y, [1, 1]), curve_fit_many(decay, T, y, [1, 1])
    np.testing.assert_allclose(fits.x, plain.x, rtol=1e-9)
    assert not fits.alone.any()


@pytest.mark.parametrize("f", [constant, of_x_alone])
def test_a_constant(f: Any) -> None:
    y = decays(20)
    fits = curve_fit_many(f, T, y, [1.0])
    np.testing.assert_allclose(fits.x[:, 0], y.mean(axis=1), rtol=1e-9)
    assert not fits.alone.any()


def test_x_cannot_be_changed() -> None:
    def changing(t: Any, a: Any, b: Any) -> Any:
        if np.ndim(a):
            t -= 1
        return decay(t, a, b)

    before = T.copy()
    with pytest.raises(InputTypeError, match="read-only"):
        curve_fit_many(changing, T, decays(3), [1, 1])
    np.testing.assert_array_equal(T, before)


LAYOUTS = {
    "last": lambda columns: np.stack(columns, axis=-1),
    "second": lambda columns: np.stack(columns, axis=1),
    "transposed": lambda columns: np.array(columns).T,
    "side by side": np.column_stack,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("count", [1, 3, 4, 30, 31])
def test_layouts_of_a_jacobian(layout: Any, count: int) -> None:
    def jacobian(x: Any, *p: Any) -> Any:
        return layout(list(np.moveaxis(peak_jacobian(x, *p), -1, 0)))

    y, starts = peaks(count)
    fits = curve_fit_many(peak, X, y, starts, jac=jacobian, chunk=count)
    np.testing.assert_array_equal(fits.x, curve_fit_many(peak, X, y, starts, jac=peak_jacobian, chunk=count).x)
    assert not fits.alone.any()


def test_a_jacobian_that_cannot_broadcast_is_told() -> None:
    def jacobian(x: Any, *p: Any) -> Any:
        return np.array([np.ravel(column)[: X.size] for column in np.moveaxis(peak_jacobian(x, *p), -1, 0)]).T

    y, starts = peaks(3)
    with pytest.raises(InputTypeError, match="jac cannot be called for many fits"):
        curve_fit_many(peak, X, y, starts, jac=jacobian)
    assert curve_fit_many(peak, X, y, starts, jac=jacobian, broadcast="try").success.all()


def test_exceptions_of_the_model_come_out_as_they_are() -> None:
    calls = 0

    class StrangeError(Exception):
        pass

    def failing(t: Any, a: Any, b: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 12:
            raise StrangeError
        return decay(t, a, b)

    with pytest.raises(StrangeError):
        curve_fit_many(failing, T, decays(3), [1, 1])


def test_calls_of_the_model_do_not_grow_with_the_number_of_fits() -> None:
    def calls_for(count: int) -> int:
        calls = 0

        def counted(x: Any, *p: Any) -> Any:
            nonlocal calls
            calls += 1
            return peak(x, *p)

        y, starts = peaks(count)
        curve_fit_many(counted, X, y, starts, chunk=count)
        return calls

    assert calls_for(400) < 2 * calls_for(10)


def test_fits_that_have_ended_cost_nothing() -> None:
    """One fit from far away keeps no other in the pool."""
    sizes = []

    def watched(t: Any, a: Any, b: Any) -> Any:
        sizes.append(np.size(a))
        return decay(t, a, b)

    y = decays(200)
    starts = np.tile([2.0, 1.0], (200, 1))
    starts[7] = 1e4, 30
    alone = []
    with np.errstate(all="ignore"):
        curve_fit_many(watched, T, y, starts, chunk=200)
        curve_fit_many(lambda t, a, b: alone.append(1) or decay(t, a, b), T, y[7], starts[7])
    assert sum(size > 150 for size in sizes) < len(alone) / 2


def test_spots_need_no_more_than_the_pool() -> None:
    truth = np.random.default_rng(9).uniform([5, 3, 3, 1.5], [9, 5, 5, 2.5], (50, 4))
    y = spot(GRID[:, :, np.newaxis], *truth.T).T + 0.1 * np.cos(np.arange(81.0))
    assert not curve_fit_many(spot, GRID, y, [7, 4, 4, 2]).alone.any()


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    curve_fit_many(decay, T, decays(5), [1, 1], progress=True)
    assert "5/5" in capsys.readouterr().err


@pytest.mark.parametrize("fails", [False, True])
def test_numpys_buffers_are_as_the_caller_has_them_afterwards(fails: bool) -> None:
    """They are smaller while models are called, by which broadcasting is faster."""
    sizes, y = set[int](), decays(300)

    def model(t: Any, a: Any, b: Any) -> Any:
        sizes.add(np.getbufsize())
        if fails and np.ndim(a) and np.size(a) > 200:
            raise ZeroDivisionError
        return decay(t, a, b)

    before = np.setbufsize(4096)
    try:
        if fails:
            with pytest.raises(ZeroDivisionError):
                curve_fit_many(model, T, y, [1, 1])
        else:
            curve_fit_many(model, T, y, [1, 1])
        assert np.getbufsize() == 4096
    finally:
        np.setbufsize(before)
    assert min(sizes) < 4096
