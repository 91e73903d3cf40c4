"""Many fits by compiled functions: each is the fit that `least_squares` makes alone, to the bit."""

import ctypes
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from c_library import c_function, library, needs_compiler
from contracts.test_ends import saturation
from many_models import T, X, decays, peak, peaks
from pyminpack import (
    CurveFits,
    InputTypeError,
    InputValueError,
    LeastSquaresResult,
    OptionError,
    PyminpackError,
    ShapeError,
    UnidentifiableWarning,
    compiled_jacobian,
    compiled_residuals,
    curve_fit_many,
    least_squares,
)
from pyminpack._minpack import fit_each

pytestmark = needs_compiler

BOUNDS = ([0, 10, 2, 0], [12, 16, 4.5, 1.5])


def residuals(name: str = "peak", m: int = X.size, data: Any = None) -> Any:
    return compiled_residuals(c_function(name), m, data=data, signature="residuals")


def jacobian(name: str = "peak_rows", m: int = X.size, n: int = 4, data: Any = None, layout: Any = "C") -> Any:
    return compiled_jacobian(c_function(name), m, n, data=data, layout=layout)


def fit_alone(name: str, x: Any, y: Any, p0: Any, weights: Any = None, jac: Any = None, **options: Any) -> Any:
    """The single fit, or why there is none; `jac` is the name of a Jacobian by rows, or what `least_squares` takes."""
    data = np.concatenate([np.ravel(x), y])
    fun = residuals(name, y.size, data)
    if jac in ("peak_rows", "jacobian_rows"):
        jac = jacobian(jac, y.size, len(p0), data)
    if weights is not None:
        inner, given = fun, jac
        fun = lambda p: inner(p) * weights  # noqa: E731
        jac = None if given is None else lambda p: given(p) * weights[:, np.newaxis]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnidentifiableWarning)
        try:
            result = least_squares(fun, p0, "2-point" if jac is None else jac, **options)
            assert result.cov.shape  # which may warn
        except PyminpackError as error:
            return error
    return result


def require_same(fits: CurveFits, i: Any, alone: LeastSquaresResult | PyminpackError) -> None:
    """Insist on the same answer, to the bit."""
    if isinstance(alone, PyminpackError):
        assert fits.status[i] == -11
        assert np.isnan(fits.cov[i]).all()
        return
    np.testing.assert_array_equal(fits.x[i], alone.x)
    for name in ("status", "nfev", "cost", "dof"):
        assert getattr(fits, name)[i] == getattr(alone, name), (i, name)
    assert fits.message(i) == alone.message
    expected = alone.cov if alone.success else np.nan
    np.testing.assert_array_equal(fits.cov[i], np.broadcast_to(expected, fits.cov[i].shape))


def require_equal(one: CurveFits, other: CurveFits) -> None:
    for name in ("x", "cov", "cost", "nfev", "status", "alone", "dof"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert [one.message(i) for i in range(len(one))] == [other.message(i) for i in range(len(other))]


def noisy(count: int = 40) -> tuple[Any, Any]:
    """Peaks, and between them nothing but noise; starts that are far off in part."""
    y, starts = peaks(count, seed=3)
    rng = np.random.default_rng(4)
    y[::4] = rng.normal(0, 1, y[::4].shape)
    starts[1::4] *= rng.uniform(0.3, 3, starts[1::4].shape)
    return y, starts


def own_loss(z: Any) -> Any:
    return np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2


OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "a Jacobian": {"jac": "peak_rows"},
    "central differences": {"jac": "3-point"},
    "bounds": {"bounds": BOUNDS},
    "bounds, a Jacobian": {"bounds": BOUNDS, "jac": "peak_rows"},
    "half bounds": {"bounds": ([0, -np.inf, 0, -np.inf], np.inf)},
    "equal bounds": {"bounds": ([0, 10, 2, 1], [30, 20, 9, 1])},
    "a loss": {"loss": "huber", "f_scale": 0.5},
    "a loss, a Jacobian": {"loss": "soft_l1", "jac": "peak_rows"},
    "a loss, bounds": {"loss": "arctan", "f_scale": 2.0, "bounds": BOUNDS},
    "a loss, bounds, a Jacobian": {"loss": "cauchy", "bounds": BOUNDS, "jac": "peak_rows"},
    "a loss of the caller's": {"loss": own_loss},
    "rough tolerances": {"ftol": 1e-3, "xtol": 1e-3},
    "no tests": {"ftol": None, "xtol": None, "gtol": None},
    "a limit": {"max_nfev": 6},
    "a limit, a Jacobian": {"max_nfev": 9, "jac": "peak_rows"},
    "a limit of 1": {"max_nfev": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_each_fit_is_that_of_least_squares(options: dict[str, Any]) -> None:
    y, starts = noisy()
    if "bounds" in options:
        low, high = np.broadcast_arrays(*options["bounds"])
        starts = np.clip(starts, low + 1e-3 * (high > low), high)
    named = {"maxfev" if name == "max_nfev" else name: value for name, value in options.items()}
    if options.get("jac") == "peak_rows":
        named["jac"] = jacobian()
    fits = curve_fit_many(residuals(), X, y, starts, **named)
    for i, start in enumerate(starts):
        require_same(fits, i, fit_alone("peak", X, y[i], start, **options))
    goes_alone = options in (OPTIONS["equal bounds"], OPTIONS["a loss of the caller's"])
    assert fits.alone.mean() == 1 if goes_alone else fits.alone.mean() < 0.2


@pytest.mark.parametrize("layout", ["C", "F"])
def test_either_layout_of_a_jacobian(layout: Any) -> None:
    y = decays(8)
    name = {"C": "jacobian_rows", "F": "jacobian_columns"}[layout]
    sigma = np.linspace(0.1, 0.3, T.size)
    fits = curve_fit_many(
        residuals("residuals", 20), T, y, [1, 1], jac=jacobian(name, 20, 2, layout=layout), sigma=sigma
    )
    assert not fits.alone.any()
    for i in range(8):
        require_same(fits, i, fit_alone("residuals", T, y[i], [1, 1], 1 / sigma, "jacobian_rows"))


@pytest.mark.parametrize("jac", [None, "peak_rows"])
def test_many_points_whose_jacobian_is_factored_by_blocks(jac: Any) -> None:
    """From two starts nearby, and two from which fits creep; those of few points would be accelerated there."""
    x = np.linspace(0, 29, 700)
    y = peak(x, 10, 14, 4, 1) + np.random.default_rng(5).normal(0, 0.3, (4, 700))
    starts = np.array([[11, 15, 4, 1], [9, 13, 5, 2], [632, -22, 6, -1.5], [-20, -5, -40, 117]])
    fits = curve_fit_many(residuals(m=700), x, y, starts, jac=None if jac is None else jacobian(m=700))
    assert not fits.alone[:2].any()
    assert fits.nfev[2:].min() > 60
    for i in range(4):
        require_same(fits, i, fit_alone("peak", x, y[i], starts[i], jac=jac))


# ------------------------------------------------------------------------------------------- data


@pytest.mark.parametrize("jac", [None, "jacobian_rows"])
@pytest.mark.parametrize("kind", ["shared", "own"])
def test_masks_sigma_and_own_x(kind: str, jac: Any) -> None:
    rng = np.random.default_rng(6)
    y = decays(12).reshape(3, 4, 20)
    x = T if kind == "shared" else T * rng.uniform(0.5, 1.5, (3, 4, 1))
    sigma = np.linspace(0.1, 0.3, 20) if kind == "shared" else rng.uniform(0.1, 0.3, y.shape)
    mask = np.arange(20) >= rng.integers(5, 21, (3, 4, 1))
    mask[0, 0, 3] = True
    y[mask] = np.nan
    given = None if jac is None else jacobian(jac, 20, 2)
    fits = curve_fit_many(residuals("residuals", 20), x, y, [1, 1], sigma=sigma, mask=mask, jac=given)
    assert not fits.alone.any()
    for i in np.ndindex(3, 4):
        kept = ~mask[i]
        own_x, own_sigma = (np.broadcast_to(each, y.shape)[i][kept] for each in (x, sigma))
        alone = fit_alone("residuals", own_x, y[i][kept], [1, 1], 1 / own_sigma, jac)
        np.testing.assert_array_equal(fits.x[i], alone.x)
        np.testing.assert_array_equal(fits.cov[i], alone.cov)
        assert (fits.status[i], fits.nfev[i], fits.dof[i]) == (alone.status, alone.nfev, kept.sum() - 2)


def test_masked_arrays() -> None:
    y, mask = decays(4), np.zeros((4, 20), bool)
    mask[1, :5] = True
    fits = curve_fit_many(residuals("residuals", 20), T, np.ma.masked_array(y, mask), [1, 1])
    require_equal(fits, curve_fit_many(residuals("residuals", 20), T, y, [1, 1], mask=mask))
    assert fits.dof.tolist() == [18, 13, 18, 18]


@pytest.mark.parametrize("has_own_x", [False, True])
def test_several_variables(has_own_x: bool) -> None:
    rng = np.random.default_rng(7)
    x = rng.uniform(0, 2, (5, 2, 15) if has_own_x else (2, 15))
    a, b = np.linspace(0.5, 1.5, 5)[:, np.newaxis], 2.0
    y = a * x[..., 0, :] + b * np.exp(-a * x[..., 1, :]) + 0.01 * rng.normal(size=(5, 15))
    mask = rng.uniform(size=y.shape) < 0.2
    fits = curve_fit_many(residuals("two_variables", 15), x, y, [1, 1], mask=mask)
    for i in range(5):
        own = (x[i] if has_own_x else x)[:, ~mask[i]]
        require_same(fits, i, fit_alone("two_variables", own, y[i][~mask[i]], [1, 1]))


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), ([0, 0, 5, 0], np.inf)])
def test_absolute_sigma(bounds: Any) -> None:
    y, starts = peaks(6)
    starts[:, 2] = 6
    options = {"sigma": 0.3, "bounds": bounds}
    fits = curve_fit_many(residuals(), X, y, starts, absolute_sigma=True, **options)
    relative = curve_fit_many(residuals(), X, y, starts, **options)
    assert not fits.alone.any()
    np.testing.assert_allclose(relative.cov, fits.cov * relative.reduced_chi2[:, np.newaxis, np.newaxis], rtol=1e-13)
    held = np.isnan(fits.stderr)
    assert (held == (fits.x <= bounds[0])).all()
    assert (fits.dof == 26 + held.sum(axis=1)).all()


def test_rows_of_data_of_any_kind() -> None:
    """Without x, a row is all that a function gets, and there may be fewer residuals, or more, than numbers in it."""
    y, starts = peaks(6)
    rows = np.hstack([np.tile(X, (6, 1)), y])
    fits = curve_fit_many(residuals(), None, rows, starts, jac=jacobian())
    require_equal(fits, curve_fit_many(residuals(), X, y, starts, jac=jacobian()))
    counts = np.zeros((3, 1))
    many = curve_fit_many(residuals("counted", 8), None, counts, lambda x, y: [0.3, 0.1] if x is None else None)
    np.testing.assert_allclose(many.x, [[1, 0]] * 3, atol=1e-12)
    assert (counts == 0).all(), "a function may write to its data, and never writes to the caller's"


def test_a_row_may_hold_what_is_no_number() -> None:
    a, b = np.float64(3), np.frombuffer(b"\xff" * 8)[0]
    fits = curve_fit_many(residuals("counted", 8), None, [[a], [b]], [0.3, 0.1])
    assert fits.success.all()


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_data_of_other_types_come_as_doubles(dtype: Any) -> None:
    y, starts = peaks(3)
    y = np.maximum(y, 0).astype(dtype)
    fits = curve_fit_many(residuals(), X.astype(np.float32), y, starts)
    for i in range(3):
        require_same(fits, i, fit_alone("peak", X.astype(np.float32).astype(float), y[i].astype(float), starts[i]))


@pytest.mark.parametrize("shape", [(0, 30), (4, 0, 30), (30,)])
@pytest.mark.parametrize("workers", [1, 2])
def test_batches_of_none_and_of_one(shape: Any, workers: int) -> None:
    y, starts = peaks(1)
    x = X if workers == 1 else np.resize(X, shape)
    fits = curve_fit_many(residuals(), x, np.resize(y, shape), starts[0], workers=workers, bounds=(0, np.inf))
    assert fits.x.shape == (*shape[:-1], 4)
    assert fits.cov.shape == (*shape[:-1], 4, 4)
    assert fits.success.all()


def test_data_sets_without_any_point() -> None:
    for xdata, m in ((np.empty(0), 1), (None, 8)):
        f = residuals("counted", m)
        if xdata is not None:
            with pytest.raises(ShapeError, match="m = 1"):
                curve_fit_many(f, xdata, np.empty((2, 0)), [1, 1])
        else:
            assert len(curve_fit_many(f, None, np.empty((0, 4)), [1, 1])) == 0


# ------------------------------------------------------------------------------------------- neighbours


def test_a_bad_fit_disturbs_no_other() -> None:
    y, starts = peaks(30)
    mask = np.zeros(y.shape, bool)
    sigma = np.full(y.shape, 0.3)
    y[1, 3], y[3, 2], y[5], y[7], y[9], y[11] = np.nan, np.inf, 3, 0, 1e300, 1e-300
    mask[13], mask[15, 2:], starts[17], sigma[19, 4], sigma[21, 4] = True, True, np.nan, 0, -1
    fits = curve_fit_many(residuals(), X, y, starts, mask=mask, sigma=sigma)
    assert np.flatnonzero(fits.status == -11).tolist() == [1, 3, 13, 15, 17, 19, 21]
    good = np.arange(0, 30, 2)
    by_themselves = curve_fit_many(residuals(), X, y[good], starts[good], sigma=0.3)
    for name in ("x", "cov", "status", "nfev"):
        np.testing.assert_array_equal(getattr(fits, name)[good], getattr(by_themselves, name))
    assert "ydata[3] is nan" in fits.message(1)
    assert "ydata is empty" in fits.message(13)
    assert "M = 2 residuals for N = 4" in fits.message(15)
    assert "x0" in fits.message(17)
    assert "sigma" in fits.message(19)
    for i in (5, 7, 9, 11):
        require_same(fits, i, fit_alone("peak", X, y[i], starts[i], 1 / sigma[i]))


def test_a_start_that_is_not_finite_is_told() -> None:
    """Even where the function would not mind."""
    fits = curve_fit_many(residuals("flat", 20), T, decays(3), [[1, 1], [1, np.inf], [np.nan, 1]])
    assert (fits.status == -11).tolist() == [False, True, True]
    assert "x0" in fits.message(1)


def test_a_start_beyond_the_bounds_is_told() -> None:
    y, starts = peaks(3)
    starts[1, 0] = 99
    fits = curve_fit_many(residuals(), X, y, starts, bounds=([0] * 4, [20] * 4))
    assert (fits.status == -11).tolist() == [False, True, False]
    assert "outside its bounds" in fits.message(1)


def test_a_function_that_asks_to_stop_ends_its_own_fit() -> None:
    truth = np.array([[2, 0.5], [2, 1.9], [-2, 0.5], [2, 0.7]])
    y = truth[:, :1] * np.exp(-truth[:, 1:] * T)
    fits = curve_fit_many(residuals("stops_beyond", 20), T, y, [1, 1])
    assert fits.status[[0, 3]].min() > 0
    assert fits.status[1] == -2
    assert fits.alone.tolist() == [False, False, True, False]
    assert fits.status[2] == -11
    assert "with 5" in fits.message(2)
    assert "returned 17" in fits.message(1)
    for i in range(4):
        require_same(fits, i, fit_alone("stops_beyond", T, y[i], [1, 1]))


def test_a_fit_that_stops_while_it_has_gone_back_has_its_best_point() -> None:
    """At whichever call the function asks to stop; it counts in its own row, which each fit has to itself."""
    trouble = saturation(1.0, 1.0)
    double_p = ctypes.POINTER(ctypes.c_double)

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, double_p, double_p, ctypes.c_void_p)
    def code(m: int, n: int, x: Any, fvec: Any, data: Any) -> int:
        with np.errstate(all="ignore"):
            np.ctypeslib.as_array(fvec, (m,))[:] = trouble.residuals(np.array(x[:n]))
        left = ctypes.cast(data, double_p)
        left[0] -= 1
        return 3 if left[0] == 0 else 0

    m = trouble.residuals(np.array(trouble.start)).size
    rows = np.arange(2.0, 302)[:, np.newaxis]
    fits = curve_fit_many(compiled_residuals(code, m), None, rows, trouble.start)
    for i, row in enumerate(rows):
        alone = least_squares(compiled_residuals(code, m, data=row.copy()), trouble.start)
        require_same(fits, i, alone)
    assert set(fits.status) == {-2, 2}
    stopped = fits.cost[fits.status == -2]
    assert (np.diff(stopped) <= 0).all()
    assert (np.diff(stopped) == 0).sum() > 20


def test_nothing_responds() -> None:
    fits = curve_fit_many(residuals("flat", 20), T, decays(3), [1, 1])
    for i in range(3):
        require_same(fits, i, fit_alone("flat", T, np.ones(20), [1, 1]))
    assert not fits.success.any()


def test_a_wrong_jacobian_is_told() -> None:
    y = decays(4)
    fits = curve_fit_many(residuals("residuals", 20), T, y, [1, 1], jac=jacobian("jacobian_columns", 20, 2))
    assert fits.alone.all()
    assert not fits.success.any()
    for i in range(4):
        data = np.concatenate([T, y[i]])
        wrong = jacobian("jacobian_columns", 20, 2, data)
        require_same(fits, i, fit_alone("residuals", T, y[i], [1, 1], jac=wrong))


# ------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize("how", [{"workers": 2}, {"workers": -1, "chunk": 3}, {"chunk": 1}, {"chunk": 7}])
@pytest.mark.parametrize("jac", [None, "peak_rows"])
def test_chunks_and_workers_change_nothing(how: dict[str, Any], jac: Any) -> None:
    y, starts = noisy(45)
    y[5, 3] = np.nan
    given = None if jac is None else jacobian()
    whole = curve_fit_many(residuals(), X, y, starts, jac=given)
    require_equal(curve_fit_many(residuals(), X, y, starts, jac=given, **how), whole)


def test_a_map_of_threads() -> None:
    y, starts = peaks(40)
    with ThreadPoolExecutor(2) as pool:
        fits = curve_fit_many(residuals(), X, y, starts, chunk=5, workers=pool.map)
    require_equal(fits, curve_fit_many(residuals(), X, y, starts))


@pytest.mark.slow
def test_processes_are_refused() -> None:
    y, starts = peaks(4)
    with ProcessPoolExecutor(1) as pool, pytest.raises(InputTypeError, match="cannot pickle"):
        curve_fit_many(residuals(), X, y, starts, workers=pool.map)


def test_two_threads_are_within_their_functions_at_once() -> None:
    """Neither has the GIL: each waits there for the other."""
    rows = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 0.0]])
    fits = curve_fit_many(residuals("meets", 2), None, rows, [0.5, 0.5], workers=2, chunk=1)
    assert fits.success.all()
    np.testing.assert_allclose(fits.x, rows[:, :2])


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_call(workers: int) -> None:
    """The function takes a millisecond at least, a fit makes some 30 calls, and a task has hundreds of fits."""
    made = ctypes.c_int.in_dll(library(), "pressed")
    made.value = 0
    with pytest.raises(KeyboardInterrupt):
        curve_fit_many(residuals("presses", 2), None, np.zeros((500, 1)), [1, 3], workers=workers, chunk=250)
    assert 20 <= made.value < 500


# ------------------------------------------------------------------------------------------- arguments


def test_what_cannot_be_used_is_refused() -> None:
    y, starts = peaks(3)
    good = residuals()
    fcn = compiled_residuals(c_function("minpack_fcn"), 30, signature="minpack")
    data = np.zeros(60)

    def model(x: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return peak(x, a, b, c, d)

    refused: list[tuple[type[Exception], str, Any, dict[str, Any]]] = [
        (InputTypeError, "data of its own", residuals(data=data), {}),
        (InputTypeError, "data of its own", good, {"jac": jacobian(data=data)}),
        (InputTypeError, "MINPACK's fcn", fcn, {}),
        (ShapeError, "m = 20 residuals, and each row of ydata has 30", residuals(m=20), {}),
        (ShapeError, "m = 30, n = 2", good, {"jac": jacobian(n=2)}),
        (ShapeError, "m = 20, n = 4", good, {"jac": jacobian(m=20)}),
        (InputTypeError, "jac is not", good, {"jac": model}),
        (InputTypeError, "f is not", model, {"jac": jacobian()}),
        (InputTypeError, "given for the residuals", jacobian(), {}),
        (InputTypeError, "given for the Jacobian", good, {"jac": residuals()}),
        (OptionError, "3-point", good, {"jac": "cs"}),
        (InputValueError, "number of parameters", good, {"p0": None}),
        (InputValueError, "number of parameters", good, {"p0": {"a": 1}}),
        (OptionError, "without xdata", good, {"xdata": None, "sigma": 1.0}),
        (OptionError, "without xdata", good, {"xdata": None, "mask": np.zeros((3, 30), bool)}),
        (InputTypeError, "xdata", model, {"xdata": None}),
        (InputTypeError, "complex", good, {"ydata": y + 1j}),
        (OptionError, "chunk", good, {"chunk": 0}),
        (OptionError, "loss", good, {"loss": "steep"}),
        (OptionError, "f_scale", good, {"f_scale": 0}),
    ]
    for kind, words, f, options in refused:
        arguments = {"xdata": X, "ydata": y, "p0": starts} | options
        with pytest.raises(kind, match=words):
            curve_fit_many(f, **arguments)


def test_a_wrong_call_of_the_core_touches_no_memory() -> None:
    """Of what Python has checked before: `fit_each` refuses what it could not read or write."""
    from pyminpack._many.pool import RECORD

    n, count = 4, 3
    right: dict[str, Any] = {
        "functions": (residuals()._code, jacobian()._code),
        "data": (X, np.ones((count, 30)), None, np.zeros((count, 30), bool)),
        "bounds": (np.zeros(n), np.full(n, 9.0)),
        "answers": (
            np.ones((count, n)),
            np.zeros((count, RECORD.itemsize // 8)),
            np.full(count, 2, np.int32),  # none of them is to be made
            np.ones((count, n, n)),
        ),
        "factors": (np.ones((count, n, n)), np.ones((count, n), np.int32), np.ones((count, n), np.int32)),
    }
    options = (0, 1.0), False, 100, 10
    right["answers"][1].view(RECORD)["n"] = n
    halted = np.zeros(1, np.int32)
    fit_each(*right.values(), *options, halted)
    may_be_none = {("functions", 1), *(("data", i) for i in (0, 2, 3)), ("bounds", 0), ("bounds", 1), ("factors", 0)}
    wrong: list[Any] = [None, 1.0, np.ones(2), np.ones((2, 2, 2)), np.ones((count, 31)), np.ones((count, 30))[:, ::2]]
    for name, values in right.items():
        for i in range(len(values)):
            for other in wrong:
                if other is None and (name, i) in may_be_none:
                    continue
                arguments = right | {name: (*values[:i], other, *values[i + 1 :])}
                with pytest.raises(ValueError, match="don't fit one another"):
                    fit_each(*arguments.values(), *options, halted)
    with pytest.raises(ValueError, match="don't fit one another"):
        fit_each(*right.values(), *options, np.zeros(1))
