"""`curve_fit`: SciPy's tuple, that knows the whole fit; parameters by name, data of every kind, errors that teach."""

import copy
import functools
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from models import ANSWER, EXACT_T, EXACT_Y, T, Y
from problems.puromycin import (
    CONCENTRATION,
    PARAMETERS,
    RESIDUAL_STANDARD_ERROR,
    STANDARD_ERRORS,
    START,
    VELOCITY,
    reaction,
    reaction_jacobian,
)
from pyminpack import (
    CurveFit,
    InputValueError,
    NotConvergedError,
    OptionError,
    PyminpackError,
    UnidentifiableWarning,
    curve_fit,
    least_squares,
    leastsq,
)


def decay(x: Any, a: float, b: float) -> Any:
    return a * np.exp(-b * x)


def raised(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return a * np.exp(-b * x) + c


class Counted:
    """A model that counts its evaluations."""

    def __init__(self, f: Any) -> None:
        self.f, self.calls = f, 0

    def __call__(self, x: Any, a: float, b: float) -> Any:
        self.calls += 1
        return self.f(x, a, b)


# ------------------------------------------------------------------------------------------------ the tuple


def test_two_values_come_back() -> None:
    popt, pcov = curve_fit(decay, EXACT_T, EXACT_Y)
    np.testing.assert_allclose(popt, ANSWER, rtol=1e-8)
    assert pcov.shape == (2, 2)


def test_five_values_come_back_with_full_output() -> None:
    fit = curve_fit(decay, T, Y, full_output=True)
    popt, _, infodict, message, ier = fit
    assert len(fit) == 5
    assert ier in (1, 2, 3, 4)
    assert message.startswith("Converged")
    np.testing.assert_allclose(infodict["fvec"], decay(T, *popt) - Y, atol=1e-15)
    n = popt.size
    triangle = np.triu(infodict["fjac"].T[:n])
    jacobian = fit.result.jac[:, infodict["ipvt"]]
    np.testing.assert_allclose(triangle.T @ triangle, jacobian.T @ jacobian, rtol=1e-12)


def test_fit_is_a_tuple_that_knows_the_fit(puromycin: CurveFit) -> None:
    assert isinstance(puromycin, tuple)
    assert len(puromycin) == 2
    assert puromycin.names == ("Vmax", "Km")
    np.testing.assert_allclose(puromycin.x, PARAMETERS, rtol=3e-4)
    np.testing.assert_allclose(puromycin.stderr, STANDARD_ERRORS, rtol=1e-3)
    assert puromycin.dof == 10
    assert puromycin.reduced_chi2**0.5 == pytest.approx(RESIDUAL_STANDARD_ERROR, abs=0.005)
    np.testing.assert_array_equal(puromycin.popt, puromycin.x)
    np.testing.assert_allclose(puromycin.pcov, puromycin.cov, rtol=1e-12)
    np.testing.assert_allclose(puromycin.residuals, VELOCITY - reaction(CONCENTRATION, *puromycin.x), atol=1e-12)
    np.testing.assert_allclose(puromycin.fitted, reaction(CONCENTRATION, *puromycin.x), rtol=1e-12)
    assert puromycin.chi2 == pytest.approx(np.sum(puromycin.residuals**2))
    assert puromycin.result.success
    assert puromycin.result.offset < 1e-3


def test_parameters_by_name(puromycin: CurveFit) -> None:
    km = puromycin.params["Km"]
    assert (km.name, km.start, km.fixed, km.at_bound, km.identifiable) == ("Km", 0.1, False, None, True)
    assert km.value == float(km) == puromycin.x[1]
    assert km.stderr == puromycin.stderr[1]
    assert list(puromycin.params) == ["Vmax", "Km"]


def test_information_criteria_are_those_of_the_likelihood(puromycin: CurveFit) -> None:
    m, variance = 12, puromycin.chi2 / 12
    likelihood = -0.5 * m * (np.log(2 * np.pi * variance) + 1)
    assert puromycin.log_likelihood == pytest.approx(likelihood)
    assert puromycin.aic == pytest.approx(2 * 3 - 2 * likelihood)
    assert puromycin.aicc == pytest.approx(puromycin.aic + 2 * 3 * 4 / (12 - 4))
    assert puromycin.bic == pytest.approx(3 * np.log(12) - 2 * likelihood)


def test_likelihood_with_known_errors_is_that_of_the_normal_distribution() -> None:
    sigma = np.linspace(0.1, 0.2, T.size)
    fit = curve_fit(decay, T, Y, sigma=sigma, absolute_sigma=True)
    r = (Y - decay(T, *fit.x)) / sigma
    assert fit.log_likelihood == pytest.approx(-0.5 * np.sum(r**2 + np.log(2 * np.pi * sigma**2)))
    assert fit.aic == pytest.approx(4 - 2 * fit.log_likelihood)
    matrix = curve_fit(decay, T, Y, sigma=np.diag(sigma**2), absolute_sigma=True)
    assert matrix.log_likelihood == pytest.approx(fit.log_likelihood)


def test_r_squared_is_told_where_the_model_contains_a_constant(puromycin: CurveFit) -> None:
    line = curve_fit(lambda x, a, b: a + b * x, T, Y)
    assert line.r_squared == pytest.approx(np.corrcoef(T, Y)[0, 1] ** 2)
    assert line.contains_constant
    assert not puromycin.contains_constant


@pytest.mark.parametrize("jac", [None, "3-point", "cs"])
@pytest.mark.parametrize("sigma", [None, 0.1])
def test_model_is_evaluated_as_often_as_nfev_says(jac: Any, sigma: Any) -> None:
    model = Counted(decay)
    fit = curve_fit(model, T, Y, sigma=sigma, jac=jac, full_output=True)
    assert fit.nfev == fit[2]["nfev"] == model.calls
    assert f"{fit.nfev} evaluations" in str(fit)
    assert model.calls == fit.nfev + 8  # the report looks at second derivatives


def test_model_with_its_jacobian_is_evaluated_as_often_as_nfev_says() -> None:
    model = Counted(reaction)
    fit = curve_fit(model, CONCENTRATION, VELOCITY, [200, 0.1], jac=reaction_jacobian)
    assert fit.nfev == model.calls == fit.result.nfev


def test_a_last_step_is_counted_too() -> None:
    """Where differences of the fit leave less than six digits of the standard errors."""
    x = np.linspace(0, 30, 100)
    model = Counted(lambda x, a, b: a * np.cos(b * x) + 0.1 * np.sin(37 * x))
    y = 2 * np.cos(1.7 * x) + 0.3 * np.cos(53 * x)
    fit = curve_fit(model, x, y, [2, 1.7])
    assert fit.nfev == model.calls


# ------------------------------------------------------------------------------------------------ copies, pickles


def test_fit_is_pickled_with_its_model(puromycin: CurveFit) -> None:
    again = pickle.loads(pickle.dumps(puromycin))
    assert type(again) is CurveFit
    np.testing.assert_array_equal(again[1], puromycin[1])
    assert again.report() == puromycin.report()
    np.testing.assert_array_equal(again.interval(method="profile"), puromycin.interval(method="profile"))


def test_fit_of_a_lambda_is_pickled_without_it() -> None:
    again = pickle.loads(pickle.dumps(curve_fit(lambda x, height, rate: height * np.exp(-rate * x), T, Y)))
    assert again.names == ("height", "rate")
    assert "height" in again.report()
    with pytest.raises(InputValueError, match="without its model"):
        again.predict(T)


def test_copies_keep_the_model() -> None:
    fit = curve_fit(lambda x, a: a * x, T, Y)
    for again in (copy.copy(fit), copy.deepcopy(fit)):
        np.testing.assert_array_equal(again.predict([1, 2]), fit.predict([1, 2]))


def test_changing_popt_changes_nothing_else(puromycin: CurveFit) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    fit[0][:] = 0
    np.testing.assert_array_equal(fit.x, puromycin.x)


# ------------------------------------------------------------------------------------------------ by name


def test_options_by_name_are_those_by_number() -> None:
    plain = curve_fit(
        raised, T, Y, [1, 2, 0.1], bounds=([0, 0, 0], [np.inf, 9, np.inf]), x_scale=[1, 2, 3],
        diff_step=[1e-6, 1e-7, 1e-6],
    )  # fmt: skip
    named = curve_fit(
        raised, T, Y, {"c": 0.1, "b": 2, "a": 1}, bounds={"a": (0, None), "b": (0, 9), "c": (0, np.inf)},
        x_scale={"c": 3, "b": 2, "a": 1}, diff_step={"a": 1e-6, "b": 1e-7, "c": 1e-6},
    )  # fmt: skip
    np.testing.assert_array_equal(named.x, plain.x)
    np.testing.assert_array_equal(named.start, plain.start)


@pytest.mark.parametrize("fixed", [{"b"}, ["b"], "b", {"b": True}, [False, True, False]])
def test_fixed_parameter_keeps_its_start(fixed: Any) -> None:
    fit = curve_fit(raised, T, Y, {"b": 1.25, "a": 1}, fixed=fixed)
    assert fit.x[1] == 1.25
    assert fit.params["b"].fixed
    assert fit.stderr[1] == 0
    assert (fit.pcov[1] == 0).all()
    assert fit.dof == T.size - 2


def test_fixed_parameter_gets_its_value() -> None:
    fit = curve_fit(raised, T, Y, fixed={"b": 1.25, "a": False})
    assert fit.x[1] == fit.start[1] == 1.25
    assert not fit.params["a"].fixed


def test_fixed_parameter_needs_a_value() -> None:
    with pytest.raises(OptionError, match="'b', which has no start"):
        curve_fit(raised, T, Y, fixed={"b"})


def test_names_of_models_with_any_number_of_parameters() -> None:
    def peak(x: np.ndarray, height: float, *more: float) -> np.ndarray:
        return height * np.exp(-more[0] * x) + more[1]

    assert curve_fit(peak, T, Y, [1, 1, 0]).names == ("height", "more[0]", "more[1]")
    fit = curve_fit(lambda x, *p: p[0] * np.exp(-p[1] * x), T, Y, names=["height", "rate"])
    assert list(fit.params) == ["height", "rate"]


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-5, 1e-6])
def test_an_end_takes_central_differences_and_no_more(noise: float) -> None:
    """However large the step that is left is in units of errors that the data make small."""
    y = decay(T, *ANSWER) + noise * np.cos(7 * T)
    calls = leastsq(lambda p: decay(T, *p) - y, [1, 1], full_output=True)[2]["nfev"]
    fit = curve_fit(decay, T, y)
    assert fit.nfev == calls + 4
    best = least_squares(lambda p: decay(T, *p) - y, ANSWER, "3-point", ftol=1e-15, xtol=1e-15)
    np.testing.assert_allclose(fit.x, best.x, rtol=1e-8)
    np.testing.assert_allclose(fit.stderr, best.stderr, rtol=1e-7)


def test_names_are_those_that_a_caller_can_give_by_place() -> None:
    def plain(x: np.ndarray, a: float, /, b: float, *, shift: float = 0) -> np.ndarray:
        local = decay(x, a, b)
        return local + shift

    def with_the_rest(x: np.ndarray, a: float, *more: float, shift: float = 0) -> np.ndarray:
        return plain(x, a, *more, shift=shift)

    @functools.wraps(plain)
    def wrapper(*args: Any) -> np.ndarray:
        return plain(*args)

    assert curve_fit(plain, T, Y).names == curve_fit(wrapper, T, Y).names == ("a", "b")
    assert curve_fit(with_the_rest, T, Y, [1, 1]).names == ("a", "more[0]")
    assert curve_fit(functools.partial(plain, shift=0.0), T, Y).names == ("a", "b")


def test_methods_of_objects_lose_self() -> None:
    class Model:
        def decay(self, x: np.ndarray, a: float, b: float) -> np.ndarray:
            return decay(x, a, b)

        def __call__(self, x: np.ndarray, a: float, b: float) -> np.ndarray:
            return decay(x, a, b)

    assert curve_fit(Model().decay, T, Y).names == curve_fit(Model(), T, Y).names == ("a", "b")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"p0": {"a": 1, "q": 2}}, "p0 has 'q', and the parameters are a, b, c"),
        ({"bounds": {"q": (0, 1)}}, "bounds has 'q'"),
        ({"bounds": {"a": 3}}, r"pair \(lower, upper\)"),
        ({"fixed": {"q"}}, "fixed has 'q'"),
        ({"x_scale": {"a": 1, "b": 1}}, "x_scale has nothing for 'c'"),
        ({"names": ["u", "u", "v"]}, "name of its own"),
        ({"names": "abc"}, "a name for each"),
        ({"p0": [1, 1], "names": ["u", "v", "w"]}, "names has 3 names, and p0 has 2"),
    ],
)
def test_wrong_names_are_refused(options: Any, told: str) -> None:
    with pytest.raises(PyminpackError, match=told):
        curve_fit(raised, T, Y, **options)


# ------------------------------------------------------------------------------------------------ starts


@pytest.mark.parametrize(
    ("bounds", "start"),
    [
        ((-np.inf, np.inf), [1, 1]),
        (([2, -np.inf], [np.inf, 3]), [3, 2]),
        (([2, 0], [4, np.inf]), [3, 1]),
        ({"a": (2, 4)}, [3, 1]),
    ],
)
def test_start_is_one_or_within_the_bounds(bounds: Any, start: list[float]) -> None:
    np.testing.assert_array_equal(curve_fit(decay, T, Y, bounds=bounds).start, start)


def test_number_of_parameters_must_be_known() -> None:
    for f in (lambda x: x, lambda x, *p: p[0] * x):
        with pytest.raises(ValueError, match="number of parameters"):
            curve_fit(f, T, Y)


def test_start_that_is_not_finite_is_called_p0() -> None:
    with pytest.raises(InputValueError, match=r"p0\[1\] is nan"):
        curve_fit(decay, T, Y, [1, np.nan])


def test_start_outside_the_bounds_is_called_p0() -> None:
    with pytest.raises(InputValueError, match=r"p0\[0\] is 1.0, outside its bounds 2.0 and 3.0"):
        curve_fit(decay, T, Y, [1, 1], bounds=([2, 0], [3, 9]))


# ------------------------------------------------------------------------------------------------ data


def test_lists_and_small_floats_and_integers_become_floats() -> None:
    def line(x: np.ndarray, a: float, b: float) -> np.ndarray:
        assert x.dtype == np.float64
        return a + b * x

    for kind in (list, tuple, lambda v: np.array(v, np.float32), lambda v: np.array(v, np.int8)):
        fit = curve_fit(line, kind([1, 2, 3, 4]), kind([3, 5, 7, 9]))
        np.testing.assert_allclose(fit.x, [1, 2], atol=1e-10)


def test_several_independent_variables() -> None:
    x1, x2 = np.meshgrid(np.arange(4.0), np.arange(5.0))
    y = 2 * x1 + 3 * x2

    def plane(x: Any, a: float, b: float) -> Any:
        return a * x[0] + b * x[1]

    for x in ((x1.ravel(), x2.ravel()), np.stack([x1, x2]), (x1, x2)):
        data = y.ravel() if np.ndim(x[0]) == 1 else y
        np.testing.assert_allclose(curve_fit(plane, x, data).x, [2, 3], rtol=1e-8)
    np.testing.assert_allclose(curve_fit(plane, (x1[:1], x2[:, :1]), y).x, [2, 3], rtol=1e-8)
    by_name = curve_fit(lambda x, a, b: a * x["u"] + b * x["v"], {"u": x1, "v": x2}, y)
    np.testing.assert_allclose(by_name.x, [2, 3], rtol=1e-8)
    assert by_name.residuals.shape == y.shape


def test_pandas_data() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"t": T, "u": T**2, "y": Y}, index=np.arange(T.size)[::-1])
    expected = curve_fit(decay, T, Y)
    np.testing.assert_allclose(curve_fit(decay, table.t, table.y).x, expected.x, rtol=1e-10)
    fit = curve_fit(lambda x, a, b: decay(x["t"], a, b), table[["t", "u"]], table.y)
    np.testing.assert_allclose(fit.x, expected.x, rtol=1e-10)
    table.loc[3, "y"] = table.loc[5, "t"] = np.nan
    kept = np.delete(np.arange(T.size), [T.size - 4, T.size - 6])
    omitted = curve_fit(lambda x, a, b: decay(x["t"], a, b), table[["t", "u"]], table.y, nan_policy="omit")
    np.testing.assert_allclose(omitted.x, curve_fit(decay, T[kept], Y[kept]).x, rtol=1e-10)
    with pytest.raises(InputValueError, match=r"ydata\[16\] is nan"):
        curve_fit(decay, table.t, table.y)


def test_xarray_data() -> None:
    xarray = pytest.importorskip("xarray")
    x = xarray.DataArray(T, dims="time", name="time")
    y = xarray.DataArray(Y, dims="time", coords={"time": T}, name="height")
    np.testing.assert_allclose(curve_fit(decay, x, y).x, curve_fit(decay, T, Y).x, rtol=1e-10)


def test_masked_points_are_left_out() -> None:
    y = np.ma.array(Y.copy(), mask=np.arange(Y.size) % 5 == 0)
    y.data[0] = 1e9
    x = np.ma.array(T, mask=np.arange(Y.size) == 7)
    kept = ~(y.mask | x.mask)
    fit = curve_fit(decay, x, y, sigma=np.linspace(1, 2, Y.size))
    np.testing.assert_array_equal(fit.x, curve_fit(decay, T[kept], Y[kept], sigma=np.linspace(1, 2, Y.size)[kept]).x)


def test_complex_data_have_two_residuals_each() -> None:
    w = np.linspace(0.1, 10, 15)
    noise = 0.01 * np.exp(1j * np.arange(15) ** 2)

    def low_pass(w: np.ndarray, gain: float, tau: float) -> np.ndarray:
        return gain / (1 + 1j * w * tau)

    y = low_pass(w, 2, 0.5) + noise
    fit = curve_fit(low_pass, w, y)
    np.testing.assert_allclose(fit.x, [2, 0.5], rtol=0.01)
    assert (fit.m, fit.dof) == (30, 28)
    assert "30 residuals, real and imaginary parts, with 28 degrees of freedom" in str(fit)
    np.testing.assert_allclose(fit.residuals, y - low_pass(w, *fit.x), atol=1e-14)
    by_hand = least_squares(lambda p: (low_pass(w, *p) - y).view(float), [1, 1])
    np.testing.assert_allclose(fit.stderr, by_hand.stderr, rtol=1e-5)

    def jac(w: np.ndarray, gain: float, tau: float) -> np.ndarray:
        below = 1 + 1j * w * tau
        return np.stack([1 / below, -gain * 1j * w / below**2], axis=1)

    for sigma in (0.1, np.linspace(0.1, 0.2, 15), np.diag(np.linspace(0.1, 0.2, 15) ** 2)):
        given = curve_fit(low_pass, w, y, jac=jac, sigma=sigma)
        np.testing.assert_allclose(given.pcov, curve_fit(low_pass, w, y, sigma=sigma).pcov, rtol=1e-4)


def test_sigma_of_every_shape() -> None:
    sigma = np.linspace(1, 3, T.size)
    vector, matrix = (curve_fit(decay, T, Y, sigma=s) for s in (sigma, np.diag(sigma**2)))
    np.testing.assert_allclose(matrix.x, vector.x, rtol=1e-7)
    np.testing.assert_allclose(matrix.pcov, vector.pcov, rtol=1e-6)
    np.testing.assert_allclose(matrix.residuals, vector.residuals, atol=1e-8)
    grid = curve_fit(decay, T.reshape(4, 5), Y.reshape(4, 5), sigma=sigma.reshape(4, 5))
    np.testing.assert_allclose(grid.x, vector.x, rtol=1e-10)


@pytest.mark.parametrize(
    ("sigma", "told"),
    [
        (0, "must be positive"),
        (-1, "must be positive"),
        (np.nan, "must be finite"),
        ([1, 2, 0, 4], r"sigma\[2\] is 0.0"),
        ([1, np.inf, 1, 4], r"sigma\[1\] is inf"),
        ([1, 2], r"sigma has shape \(2,\)"),
        (np.ones((4, 4)), "not positive definite"),
        (np.full((4, 4), np.nan), r"sigma\[0, 0\] is nan"),
    ],
)
def test_sigma_that_no_errors_are(sigma: Any, told: str) -> None:
    with pytest.raises(InputValueError, match=told):
        curve_fit(decay, [1, 2, 3, 4], [4, 3, 2, 1], sigma=sigma)


@pytest.mark.parametrize("which", ["xdata", "ydata"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_are_not_finite_are_named(which: str, value: float) -> None:
    data = {"xdata": T.copy(), "ydata": Y.copy()}
    data[which][[4, 6]] = value
    with pytest.raises(InputValueError, match=rf"{which}\[4\] is {value}, and 2 of 20"):
        curve_fit(decay, **data)
    if which == "ydata":
        with pytest.raises(InputValueError, match=r"not finite|overflows"):  # the residuals, then
            curve_fit(decay, **data, check_finite=False)


def test_nan_policies() -> None:
    x, y = T.copy(), Y.copy()
    x[3] = y[[5, 6]] = np.nan
    with pytest.raises(ValueError, match=r"ydata is nan at point \[5\]"):
        curve_fit(decay, x, y, nan_policy="raise")
    kept = np.isfinite(x + y)
    sigma = np.linspace(1, 2, T.size)
    for errors, of_kept in ((None, None), (0.3, 0.3), (sigma, sigma[kept]), (np.diag(sigma), np.diag(sigma[kept]))):
        fit = curve_fit(decay, x, y, sigma=errors, nan_policy="omit")
        np.testing.assert_array_equal(fit.x, curve_fit(decay, x[kept], y[kept], sigma=of_kept).x)
    for policy in ("propagate", "ignore", 3):
        with pytest.raises(ValueError, match="nan_policy"):
            curve_fit(decay, x, y, nan_policy=policy)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ options


def test_other_methods_are_taken_with_one_warning() -> None:
    expected = curve_fit(decay, T, Y)
    for method in ("trf", "dogbox"):
        with pytest.warns(UserWarning, match="Levenberg and Marquardt") as caught:
            fit = curve_fit(decay, T, Y, method=method, tr_solver="exact", tr_options={"a": 1})
        assert len(caught) == 1
        assert caught[0].filename == __file__
        np.testing.assert_array_equal(fit.x, expected.x)


def test_lm_goes_with_no_bounds_as_in_scipy() -> None:
    with pytest.raises(ValueError, match="leave method out"):
        curve_fit(decay, T, Y, method="lm", bounds=(0, 9))
    with pytest.raises(ValueError, match="only method"):
        curve_fit(decay, T, Y, method="simplex")  # type: ignore[arg-type]


def test_options_of_least_squares_are_passed_on() -> None:
    noted: list[int] = []
    fit = curve_fit(
        decay, T, Y, loss="cauchy", f_scale=0.01, callback=lambda state: noted.append(state.nit), accel=True
    )
    expected = least_squares(lambda p: decay(T, *p) - Y, [1, 1], loss="cauchy", f_scale=0.01, accel=True)
    np.testing.assert_allclose(fit.x, expected.x, rtol=1e-8)
    assert noted == list(range(1, fit.result.nit + 1))
    assert "robust loss" in str(fit)


def test_options_of_leastsq_are_passed_on() -> None:
    expected = curve_fit(decay, T, Y)
    fit = curve_fit(decay, T, Y, maxfev=100, epsfcn=1e-16, factor=10.0, diag=[1, 2], ftol=1e-10)
    np.testing.assert_allclose(fit.x, expected.x, rtol=1e-6)
    assert curve_fit(decay, T, Y, factor=1e-3).result.nit > expected.result.nit

    def jac(x: np.ndarray, a: float, b: float) -> np.ndarray:
        return np.stack([np.exp(-b * x), -a * x * np.exp(-b * x)])

    np.testing.assert_allclose(curve_fit(decay, T, Y, jac=jac, col_deriv=True).x, expected.x, rtol=1e-6)


def test_options_that_are_none() -> None:
    with pytest.raises(ValueError, match="args"):
        curve_fit(decay, T, Y, args=(1,))
    with pytest.raises(TypeError, match="no option 'colour'"):
        curve_fit(decay, T, Y, colour="red")
    with pytest.raises(OptionError, match="jac is True"):
        curve_fit(decay, T, Y, jac=True)  # type: ignore[arg-type]


def test_fit_that_does_not_converge_carries_its_result() -> None:
    with pytest.raises(RuntimeError, match="goes on from there") as caught:
        curve_fit(decay, T, Y, [30, 30], maxfev=3)
    error = caught.value
    assert isinstance(error, NotConvergedError)
    assert error.result.status == 0
    assert curve_fit(decay, T, Y, p0=error.result.x).result.success
    again = pickle.loads(pickle.dumps(error))
    np.testing.assert_array_equal(again.result.x, error.result.x)


# ------------------------------------------------------------------------------------------------ the model


@pytest.mark.parametrize(
    ("f", "told"),
    [
        (lambda x, a, b: None, "return statement"),
        (lambda x, a, b: a * x[:-1], r"shape \(19,\) .* shape \(20,\)"),
        (lambda x, a, b: np.outer(x, x), r"shape \(20, 20\)"),
        (lambda x, a, b: "text", "not numbers"),
    ],
)
def test_models_that_give_no_curve(f: Any, told: str) -> None:
    with pytest.raises(PyminpackError, match=told):
        curve_fit(f, T, Y)


def test_curve_of_another_shape_is_not_broadcast() -> None:
    """A column beside a row would make m*m residuals."""
    fit = curve_fit(lambda x, a, b: decay(x, a, b).reshape(-1, 1), T, Y)
    assert fit.m == T.size
    np.testing.assert_array_equal(fit.x, curve_fit(decay, T, Y).x)


def test_exception_of_the_model_comes_out_unchanged() -> None:
    class OopsError(Exception):
        pass

    def fails(x: Any, a: float) -> Any:
        raise OopsError

    with pytest.raises(OopsError):
        curve_fit(fails, T, Y)


# ------------------------------------------------------------------------------------------------ no covariance


def test_parameter_that_the_data_do_not_determine() -> None:
    with pytest.warns(UnidentifiableWarning, match="do not determine the parameters a, c") as caught:
        fit = curve_fit(lambda x, a, b, c: a * c * np.exp(-b * x), T, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.isinf(fit.pcov).all()
    assert np.isfinite(fit.stderr[1])
    assert not fit.params["a"].identifiable
    assert "The data do not determine a, c" in str(fit)


def test_as_many_parameters_as_data() -> None:
    with pytest.warns(UnidentifiableWarning, match="as many free parameters as residuals"):
        fit = curve_fit(lambda x, a, b: a + b * x, [1, 2], [1, 3])
    assert np.isinf(fit.pcov).all()
    assert np.isnan(fit.stderr).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = curve_fit(lambda x, a, b: a + b * x, [1, 2], [1, 3], sigma=0.1, absolute_sigma=True)
    assert known.stderr[1] == pytest.approx(0.1 * 2**0.5)


def test_parameter_at_a_bound() -> None:
    fit = curve_fit(raised, T, Y, bounds={"c": (0.5, None)})
    assert fit.params["c"].at_bound == "lower"
    assert np.isnan(fit.stderr[2])
    assert np.isfinite(fit.pcov).all()  # as SciPy has it
    assert "c at its lower bound" in str(fit)
