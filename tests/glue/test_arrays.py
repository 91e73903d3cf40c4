"""Whatever functions do with the arrays that they get and give, the answer is right; results are the caller's."""

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from checks import assert_same_fit, fit
from models import EXACT_T, START, Recorder, decay, decay_jacobian
from pyminpack import leastsq

BY_DIFFERENCES = fit(decay)
BY_JACOBIAN = fit(decay, Dfun=decay_jacobian)


# ---------------------------------------------------------------- callbacks that touch their arguments


def fill(x: np.ndarray) -> None:
    x[:] = np.nan


def retype(x: np.ndarray) -> None:
    x.dtype = np.int64


def swap_bytes(x: np.ndarray) -> None:
    x.dtype = ">f8"


def reshape(x: np.ndarray) -> None:
    x.shape = (2, 1)


def grow(x: np.ndarray) -> None:
    x.resize(50, refcheck=False)


def shrink(x: np.ndarray) -> None:
    x.resize(1, refcheck=False)


def add_dimension(x: np.ndarray) -> None:
    x.resize((1, 2), refcheck=False)


def freeze(x: np.ndarray) -> None:
    x.setflags(write=False)


KEPT: list[Any] = []


def keep(x: np.ndarray) -> None:
    KEPT.append(x)


def keep_view(x: np.ndarray) -> None:
    KEPT.append(x[1:])


def keep_memoryview(x: np.ndarray) -> None:
    KEPT.append(memoryview(x))


def keep_weakref(x: np.ndarray) -> None:
    KEPT.append(weakref.ref(x))


def keep_weakref_and_fill(x: np.ndarray) -> None:
    KEPT.append(weakref.ref(x))
    x[:] = 1e300


def keep_in_a_cycle(x: np.ndarray) -> None:
    cycle: list[Any] = [x]
    cycle.append(cycle)


TOUCHES = (fill, retype, swap_bytes, reshape, grow, shrink, add_dimension, freeze, keep, keep_view, keep_memoryview,
           keep_weakref, keep_weakref_and_fill, keep_in_a_cycle)  # fmt: skip


def assert_as_new(x: np.ndarray) -> None:
    """Whatever became of the arrays of earlier calls."""
    assert type(x) is np.ndarray
    assert (x.shape, x.dtype) == ((2,), np.float64)
    assert x.flags.owndata
    assert x.flags.carray


def touching(func: Callable, touch: Callable, every: int = 1) -> Callable:
    """Compute first, then do something to the argument array, on every so many calls."""
    calls = itertools.count()

    def given(x: np.ndarray) -> np.ndarray:
        assert_as_new(x)
        result = func(x)
        if next(calls) % every == 0:
            touch(x)
        return result

    return given


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    KEPT.clear()
    yield
    KEPT.clear()


# NumPy is about to forbid some of these changes, and warns.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("every", [1, 2, 3])
def test_what_func_does_to_its_argument_changes_nothing(touch: Callable, every: int) -> None:
    start = np.array(START)
    assert_same_fit(fit(touching(decay, touch, every), start), BY_DIFFERENCES)
    np.testing.assert_array_equal(start, START)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("nothing_kept")
@pytest.mark.parametrize("touch", TOUCHES)
@pytest.mark.parametrize("every", [1, 2])
def test_what_dfun_does_to_its_argument_changes_nothing(touch: Callable, every: int) -> None:
    start = np.array(START)
    func, jacobian = touching(decay, touch, 3), touching(decay_jacobian, touch, every)
    assert_same_fit(fit(func, start, Dfun=jacobian), BY_JACOBIAN)
    np.testing.assert_array_equal(start, START)


class Keeper:
    """A function that keeps its argument arrays, and copies of them to compare with later."""

    def __init__(self, func: Callable) -> None:
        self.func = func
        self.arrays: list[np.ndarray] = []
        self.copies: list[np.ndarray] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.arrays.append(x)
        self.copies.append(x.copy())
        return self.func(x)


def assert_arguments_stand_alone(arrays: list[np.ndarray], copies: list[np.ndarray]) -> None:
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert type(array) is np.ndarray
        assert array.dtype == np.float64
        assert array.shape == copy.shape
        assert array.base is None
        assert array.flags.owndata
        assert array.flags.carray
    assert len({array.ctypes.data for array in arrays}) == len(arrays)


def test_arguments_that_func_keeps_stay_as_they_were() -> None:
    func, start = Keeper(decay), np.array(START)
    fit(func, start)
    assert_arguments_stand_alone([start, *func.arrays], [np.array(START), *func.copies])


def test_arguments_that_func_and_dfun_keep_stay_as_they_were() -> None:
    func, jacobian, start = Keeper(decay), Keeper(decay_jacobian), np.array(START)
    fit(func, start, Dfun=jacobian)
    assert_arguments_stand_alone(
        [start, *func.arrays, *jacobian.arrays], [np.array(START), *func.copies, *jacobian.copies]
    )


def test_arguments_kept_now_and_then_stay_as_they_were() -> None:
    """An array that nobody holds is used again; one that somebody came to hold must not be."""
    arrays, copies, calls = [], [], itertools.count()

    def residuals(x: np.ndarray) -> np.ndarray:
        if next(calls) % 3 == 1:
            arrays.append(x)
            copies.append(x.copy())
        return decay(x)

    fit(residuals)
    assert len(arrays) > 3
    assert_arguments_stand_alone(arrays, copies)


def test_weak_references_to_arguments_end_with_the_call() -> None:
    """Rather than come to refer to the argument of another one."""
    seen: list[weakref.ref] = []

    def residuals(x: np.ndarray) -> np.ndarray:
        assert not any(reference() is not None for reference in seen)
        seen.append(weakref.ref(x))
        return decay(x)

    fit(residuals)
    assert len(seen) > 3
    assert not any(reference() is not None for reference in seen)


@pytest.mark.parametrize("kind", ["array", "list", "read-only"])
def test_x0_stays_as_it_is(kind: str) -> None:
    start: Any = np.array(START)
    start.setflags(write=kind != "read-only")
    if kind == "list":
        start = start.tolist()
    x = fit(touching(decay, fill), start)[0]
    np.testing.assert_array_equal(start, START)
    assert not np.shares_memory(x, start)


@pytest.mark.parametrize("shape", [(2,), (2, 1)], ids=str)
def test_func_may_change_the_array_that_was_x0(shape: tuple[int, ...]) -> None:
    """The caller's own, which the fit has copied: say, to keep the best point there."""
    start = np.ones(shape)

    def residuals(x: np.ndarray) -> np.ndarray:
        start[:] += 1
        return decay(x)

    func = Recorder(residuals)
    result = fit(func, start)
    np.testing.assert_array_equal(func.at[1:3], [[1 + 2.0**-26, 1], [1, 1 + 2.0**-26]])
    assert_same_fit(result, BY_DIFFERENCES)


# -------------------------------------------------------------------- callbacks that reuse their results


def test_func_may_give_the_same_array_every_time() -> None:
    buffer = np.empty(EXACT_T.size)

    def residuals(x: np.ndarray) -> np.ndarray:
        buffer[:] = decay(x)
        return buffer

    result = fit(residuals)
    assert_same_fit(result, BY_DIFFERENCES)
    buffer[:] = 77
    assert_same_fit(result, BY_DIFFERENCES)


@pytest.mark.parametrize("col_deriv", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dfun_may_give_the_same_array_every_time(order: str, col_deriv: bool) -> None:
    buffer = np.empty((2, EXACT_T.size) if col_deriv else (EXACT_T.size, 2), order=order)

    def jacobian(x: np.ndarray) -> np.ndarray:
        buffer[:] = decay_jacobian(x).T if col_deriv else decay_jacobian(x)
        return buffer

    result = fit(decay, Dfun=jacobian, col_deriv=col_deriv)
    assert_same_fit(result, BY_JACOBIAN)
    buffer[:] = 77
    assert_same_fit(result, BY_JACOBIAN)


def test_func_may_change_a_result_later() -> None:
    """The array of one call is overwritten during the next, when the residuals were long taken."""
    results: list[np.ndarray] = []

    def residuals(x: np.ndarray) -> np.ndarray:
        for result in results:
            result[:] = np.nan
        results.append(decay(x))
        return results[-1]

    assert_same_fit(fit(residuals), BY_DIFFERENCES)


@pytest.mark.parametrize("start", [[7.0, -5.0], [3.0, 3.0]])
def test_func_may_give_its_own_argument(start: list[float]) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        x -= 3
        return x

    np.testing.assert_allclose(fit(residuals, start)[0], 3, atol=1e-7)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[::-1],
        lambda x: x[:2],
        lambda x: x.reshape(3, 1),
        lambda x: x[np.newaxis],
        lambda x: np.broadcast_to(x, (2, 3)),
    ],
    ids=["reversed", "first two", "column", "row", "repeated"],
)
def test_func_may_give_a_view_of_its_own_argument(view: Callable) -> None:
    def residuals(x: np.ndarray) -> np.ndarray:
        x -= [3, 4, 5]
        return view(x)

    size = view(np.zeros(3)).size
    x0 = [1.0, 2.0, 3.0]
    if size < 3:
        with pytest.raises(TypeError, match="M = 2 residuals for N = 3"):
            leastsq(residuals, x0)
    else:
        np.testing.assert_allclose(fit(residuals, x0)[0], [3, 4, 5], atol=1e-7)


def test_dfun_may_give_its_own_argument() -> None:
    def jacobian(x: np.ndarray) -> np.ndarray:
        x *= 2
        return x

    np.testing.assert_allclose(fit(lambda x: x**2 - 4, [5.0], Dfun=jacobian)[0], 2)


# -------------------------------------------------------------------------- layouts of results


def unaligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    result = raw[1:].view(np.float64).reshape(array.shape)
    result[:] = array
    assert not result.flags.aligned
    return result


def read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def spread(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 3, axis=-1)[..., ::3]


def backward(array: np.ndarray) -> np.ndarray:
    return array[::-1].copy()[::-1]


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "unaligned": unaligned,
    "unaligned and read-only": lambda array: read_only(unaligned(array)),
    "read-only": read_only,
    "spread": spread,
    "backward": backward,
    "backward and spread": lambda array: backward(spread(array)),
    "big-endian": lambda array: array.astype(">f8"),
    "big-endian, spread": lambda array: spread(array.astype(">f8")),
    "Fortran order": np.asfortranarray,
    "long double": lambda array: array.astype(np.longdouble),
    "subclass": lambda array: array.view(type("Labelled", (np.ndarray,), {})),
    "another float64 dtype": lambda array: array.astype(np.dtype("f8", metadata={"unit": "m"})),
    "column of a record": lambda array: array.astype([("value", float), ("flag", bool)])["value"],
    "memory map": lambda array: array.view(np.memmap),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_residuals_of_any_layout(layout: Callable) -> None:
    assert_same_fit(fit(lambda x: layout(decay(x))), BY_DIFFERENCES)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobians_of_any_layout(layout: Callable, col_deriv: bool) -> None:
    def jacobian(x: np.ndarray) -> Any:
        return layout(decay_jacobian(x).T.copy() if col_deriv else decay_jacobian(x))

    assert_same_fit(fit(decay, Dfun=jacobian, col_deriv=col_deriv), BY_JACOBIAN)


@pytest.mark.parametrize("m", [511, 512, 513, 1025])
@pytest.mark.parametrize("layout", [np.asarray, np.asfortranarray, backward, spread], ids=["C", "F", "back", "spread"])
@pytest.mark.parametrize("col_deriv", [False, True])
def test_jacobians_with_more_rows_than_are_copied_at_once(m: int, layout: Callable, col_deriv: bool) -> None:
    """The first step solves a linear problem, unless a row or a column is out of its place."""
    rows = np.arange(m)
    design = np.column_stack([np.cos(rows), np.cos(rows**2), np.sqrt(rows)])
    data = np.sin(7 * rows)
    given = layout(design.T.copy() if col_deriv else design)
    func = Recorder(lambda x: design @ x - data)
    fit(func, np.zeros(3), Dfun=lambda x: given, col_deriv=col_deriv)
    np.testing.assert_allclose(func.at[1], np.linalg.lstsq(design, data, rcond=None)[0], rtol=1e-9)


def test_jacobian_of_repeated_memory() -> None:
    x = fit(lambda x: x[0] - np.arange(5.0), [1.0], Dfun=lambda x: np.broadcast_to(1.0, (5, 1)))[0]
    np.testing.assert_allclose(x, 2)


# ------------------------------------------------------------------------------ what comes back


def arrays_of(result: tuple) -> dict[str, np.ndarray]:
    x, cov_x, infodict, _, _ = result
    return {"x": x, "cov_x": cov_x, **{k: v for k, v in infodict.items() if isinstance(v, np.ndarray)}}


@pytest.mark.parametrize("options", [{}, {"Dfun": decay_jacobian}], ids=["differences", "Dfun"])
def test_returned_arrays_are_the_callers_own(options: dict) -> None:
    start, buffer = np.array(START), np.empty(EXACT_T.size)

    def residuals(x: np.ndarray) -> np.ndarray:
        buffer[:] = decay(x)
        return buffer

    first, second = (arrays_of(fit(residuals, start, **options)) for _ in range(2))
    assert set(first) == {"x", "cov_x", "fvec", "fjac", "ipvt", "qtf"}
    for name, array in first.items():
        assert type(array) is np.ndarray, name
        assert array.flags.owndata, name
        assert array.flags.writeable, name
        array += 1  # none of the others may change with it
    for name, array in second.items():
        np.testing.assert_array_equal(array + 1, first[name], err_msg=name)
    for this, that in itertools.combinations([start, buffer, *first.values(), *second.values()], 2):
        assert not np.shares_memory(this, that)


def test_returned_x_without_full_output_is_the_callers_own() -> None:
    start = np.array(START)
    x, again = leastsq(decay, start)[0], leastsq(decay, start)[0]
    assert x.flags.owndata
    assert x.flags.writeable
    assert not any(itertools.starmap(np.shares_memory, itertools.combinations([start, x, again], 2)))


def test_arrays_returned_from_a_fit_that_took_no_step_are_the_callers_own() -> None:
    start, zeros = np.array(START), np.zeros(3)
    result = leastsq(lambda x: zeros, start, full_output=True)
    x, fvec = result[0], result[2]["fvec"]
    np.testing.assert_array_equal(x, start)
    assert not np.shares_memory(x, start)
    assert not np.shares_memory(fvec, zeros)


def test_arrays_returned_without_parameters_are_the_callers_own() -> None:
    start, residuals = np.empty(0), np.ones(3)
    x, _, infodict, _, _ = leastsq(lambda x: residuals, start, full_output=True)
    assert x is not start
    assert not np.shares_memory(infodict["fvec"], residuals)
