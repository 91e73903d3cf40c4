"""lmfit with our `leastsq` and `least_squares`: peaks, constraints, bounds, losses, intervals."""

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from pyminpack import UnidentifiableWarning

pytest.importorskip("scipy")
lmfit = pytest.importorskip("lmfit")

Both: TypeAlias = Callable[[Callable[[], Any]], tuple[Any, Any]]

pytestmark = [
    pytest.mark.scipy,
    pytest.mark.filterwarnings("ignore:method=.*Levenberg:UserWarning"),
]

METHODS = ("leastsq", "least_squares")

# Two peaks on a slope.
X = np.linspace(0, 10, 151)
NOISE = np.random.default_rng(14).normal(0, 0.15, X.size)
SPECTRUM = 8 * np.exp(-2 * (X - 3) ** 2) + 5 * np.exp(-0.8 * (X - 5.2) ** 2) + 1.5 - 0.1 * X + NOISE

# A decay, and one with outliers.
T = np.linspace(0, 6, 60)
DECAY = 3 * np.exp(-T / 1.7) + 0.4 + 0.2 * NOISE[:60]
WITH_OUTLIERS = DECAY.copy()
WITH_OUTLIERS[[7, 20, 33]] += 1.2


def peaks() -> Any:
    return (
        lmfit.models.GaussianModel(prefix="a_") + lmfit.models.GaussianModel(prefix="b_") + lmfit.models.LinearModel()
    )


def start(**settings: dict[str, Any]) -> Any:
    """Parameters of the peaks, some of them with bounds, constraints and the like."""
    sizes = {"a_amplitude": 8, "a_center": 2.8, "a_sigma": 0.6, "b_amplitude": 8, "b_center": 5.5, "b_sigma": 0.6}
    parameters = peaks().make_params(**sizes, slope=0, intercept=1)
    for name, setting in settings.items():
        parameters[name].set(**setting)
    return parameters


def decay(p: Any, t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return p["size"] * np.exp(-t / p["tau"]) + p["rest"] - y


def decay_jacobian(p: Any, t: np.ndarray, y: np.ndarray) -> np.ndarray:
    e = np.exp(-t / p["tau"])
    return np.array([e, p["size"] * e * t / p["tau"] ** 2, np.ones_like(t)])


def of_decay(**settings: dict[str, Any]) -> Any:
    parameters = lmfit.create_params(size={"value": 2, "min": 0}, tau={"value": 1, "min": 0.01, "max": 50}, rest=0.0)
    for name, setting in settings.items():
        parameters[name].set(**setting)
    return parameters


def assert_same(theirs: Any, ours: Any, *, within: float = 1e-3, errors: float = 1e-4) -> None:
    """Both succeeded with the same parameters, within a part of their errors, and the same errors."""
    assert theirs.success
    assert ours.success, ours.message
    assert theirs.errorbars == ours.errorbars
    for name, parameter in theirs.params.items():
        value, error = ours.params[name].value, ours.params[name].stderr
        assert abs(value - parameter.value) <= within * (parameter.stderr or 1e-6), name
        assert error == pytest.approx(parameter.stderr, rel=errors), name
    assert ours.redchi == pytest.approx(theirs.redchi, rel=1e-6)
    assert ours.nfree == theirs.nfree


CONSTRAINTS = {
    "none": {},
    "tied": {"b_sigma": {"expr": "1.6*a_sigma"}},
    "bounds": {"a_amplitude": {"min": 0}, "a_center": {"min": 2, "max": 4}, "b_sigma": {"max": 3}},
    "fixed": {"slope": {"value": -0.1, "vary": False}, "intercept": {"value": 1.5, "vary": False}},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("constraints", CONSTRAINTS)
def test_peaks_on_a_background(both: Both, method: str, constraints: str) -> None:
    theirs, ours = both(lambda: peaks().fit(SPECTRUM, start(**CONSTRAINTS[constraints]), x=X, method=method))
    assert_same(theirs, ours)
    for name, parameter in theirs.params.items():
        for other, correlation in (parameter.correl or {}).items():
            assert ours.params[name].correl[other] == pytest.approx(correlation, abs=1e-4)
    if method == "leastsq":
        assert ours.ier == theirs.ier
        assert ours.nfev == theirs.nfev - 2  # SciPy calls the function twice before the fit
        assert ours.lmdif_message.startswith("Converged")
    else:
        assert (ours.status > 0) == (theirs.status > 0)
        assert set(vars(theirs)) <= set(vars(ours))
        assert ours.cost == pytest.approx(theirs.cost, rel=1e-6)
        assert ours.offset < 1e-3


def test_a_parameter_ends_at_its_bound(both: Both) -> None:
    held = start(a_sigma={"min": 0.1, "max": 0.45})
    theirs, ours = both(lambda: peaks().fit(SPECTRUM, held, x=X, method="least_squares"))
    assert theirs.success
    assert ours.success
    assert ours.params["a_sigma"].value == 0.45
    for name, parameter in theirs.params.items():
        if name not in ("a_sigma", "a_fwhm"):
            assert ours.params[name].value == pytest.approx(parameter.value, abs=1e-3 * parameter.stderr)


def test_a_sine_ends_at_its_bound(both: Both) -> None:
    """With `leastsq`, lmfit writes a parameter between two bounds as a sine, which has no slope at either."""
    held = start(a_sigma={"value": 0.3, "min": 0.1, "max": 0.45}, slope={"vary": False})
    best = peaks().fit(SPECTRUM, held, x=X, method="least_squares")
    theirs, ours = both(lambda: peaks().fit(SPECTRUM, held, x=X))
    assert theirs.success
    assert ours.success
    for name, parameter in best.params.items():
        if parameter.vary:
            for result in (theirs, ours):
                assert abs(result.params[name].value - parameter.value) <= 2e-3 * parameter.stderr, name
    assert theirs.errorbars
    assert not ours.errorbars
    assert "Could not estimate error-bars" in ours.message


def test_a_sine_begins_at_its_bound(both: Both) -> None:
    """MINPACK's fit ends beside the minimum then, which is no success here."""
    held = start(a_sigma={"value": 0.45, "min": 0.1, "max": 0.45}, slope={"vary": False})
    best = peaks().fit(SPECTRUM, held, x=X, method="least_squares")
    theirs, ours = both(lambda: peaks().fit(SPECTRUM, held, x=X, max_nfev=600))
    assert theirs.success
    assert theirs.chisqr - best.chisqr > 0.2**2 * best.redchi
    if ours.success:
        assert ours.chisqr == pytest.approx(best.chisqr, rel=1e-6)
    else:
        assert "aborted" in ours.lmdif_message
        assert ours.chisqr < theirs.chisqr


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy"])
def test_robust_losses(both: Both, loss: str) -> None:
    """SciPy's method takes off more of a loss's second derivative in its Jacobian: errors differ by some 0.2 %."""
    data, how = (T, WITH_OUTLIERS), {"method": "least_squares", "loss": loss, "f_scale": 0.1}
    theirs, ours = both(lambda: lmfit.minimize(decay, of_decay(), args=data, **how))
    assert_same(theirs, ours, errors=1e-4 if loss == "linear" else 5e-3)
    assert ours.cost == pytest.approx(theirs.cost, rel=1e-8)


def test_confidence_intervals(both: Both) -> None:
    """Which fit again and again, with one parameter held."""

    def intervals() -> Any:
        minimizer = lmfit.Minimizer(decay, of_decay(), fcn_args=(T, DECAY))
        result = minimizer.minimize()
        return lmfit.conf_interval(minimizer, result), lmfit.conf_interval2d(minimizer, result, "size", "tau", 5, 5)[2]

    theirs, ours = both(intervals)
    assert theirs[0].keys() == ours[0].keys()
    for name, limits in theirs[0].items():
        np.testing.assert_allclose(ours[0][name], limits, rtol=1e-7)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_callback_stops_the_fit(both: Both, method: str) -> None:
    def stop(p: Any, iteration: int, *_: Any) -> bool:
        return iteration >= 7

    theirs, ours = both(lambda: lmfit.minimize(decay, of_decay(), args=(T, DECAY), iter_cb=stop, method=method))
    assert theirs.aborted
    assert ours.aborted
    assert not ours.success
    assert ours.nfev == theirs.nfev == 7
    assert ours.message == theirs.message


@pytest.mark.parametrize("method", METHODS)
def test_the_limit_of_evaluations(both: Both, method: str) -> None:
    theirs, ours = both(lambda: lmfit.minimize(decay, of_decay(), args=(T, DECAY), max_nfev=9, method=method))
    assert theirs.aborted
    assert ours.aborted
    assert ours.message == theirs.message
    assert ours.nfev == theirs.nfev


@pytest.mark.parametrize("method", METHODS)
def test_a_jacobian_of_the_users(both: Both, method: str) -> None:
    of_method = {"Dfun": decay_jacobian, "col_deriv": True}
    if method == "least_squares":
        of_method = {"jac": lambda *arguments: decay_jacobian(*arguments).T}
    theirs, ours = both(lambda: lmfit.minimize(decay, of_decay(), args=(T, DECAY), method=method, **of_method))
    assert_same(theirs, ours)


def test_a_wrong_jacobian_is_told(both: Both) -> None:
    """One sign is wrong: SciPy calls an end converged that is far from the minimum."""

    def wrong(*arguments: Any) -> np.ndarray:
        return (decay_jacobian(*arguments) * [[1], [-1], [1]]).T

    best, _ = both(lambda: lmfit.minimize(decay, of_decay(), args=(T, DECAY)))
    theirs, ours = both(lambda: lmfit.minimize(decay, of_decay(), args=(T, DECAY), method="least_squares", jac=wrong))
    assert theirs.success
    assert theirs.chisqr > 10 * best.chisqr
    assert not ours.success
    assert "the Jacobian disagrees with differences" in ours.message


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt:RuntimeWarning")  # lmfit's own
def test_parameters_that_the_data_leave_open(both: Both) -> None:
    """With SciPy's functions lmfit makes up errors of theirs; with ours it says that there are none."""

    def product(p: Any) -> np.ndarray:
        return p["a"] * p["b"] * np.exp(-T / p["tau"]) - DECAY

    parameters = lmfit.create_params(a=2.0, b=1.0, tau=1.0)
    theirs, ours = both(lambda: lmfit.minimize(product, parameters))
    assert theirs.errorbars
    assert theirs.params["a"].stderr > 1e5
    assert ours.success
    assert not ours.errorbars
    assert "Could not estimate error-bars" in ours.message
    assert ours.chisqr == pytest.approx(theirs.chisqr, rel=1e-6)
    with pytest.warns(UnidentifiableWarning, match=r"do not determine the parameters x\[0\], x\[1\]"):
        _, ours = both(lambda: lmfit.minimize(product, parameters, method="least_squares"))
    np.testing.assert_array_equal(ours.unidentifiable, [True, True, False])


def test_uncertainty_of_a_model(both: Both) -> None:
    def exponential(x: np.ndarray, size: float, tau: float, rest: float) -> np.ndarray:
        return size * np.exp(-x / tau) + rest

    model = lmfit.Model(exponential)
    theirs, ours = both(lambda: model.fit(DECAY, x=T, size=2, tau=1, rest=0, weights=1 / (0.02 + 0.01 * T)))
    assert_same(theirs, ours)
    np.testing.assert_allclose(ours.eval_uncertainty(sigma=2), theirs.eval_uncertainty(sigma=2), rtol=1e-6)
    np.testing.assert_allclose(ours.best_fit, theirs.best_fit, rtol=1e-8)
    assert ours.rsquared == pytest.approx(theirs.rsquared)
    assert ours.fit_report(show_correl=False).splitlines()[5:] == theirs.fit_report(show_correl=False).splitlines()[5:]


def test_options_of_scipys_are_taken(both: Both) -> None:
    options = {"x_scale": "jac", "tr_solver": "exact", "tr_options": {}, "jac": "3-point"}
    theirs, ours = both(lambda: lmfit.minimize(decay, of_decay(), args=(T, DECAY), method="least_squares", **options))
    assert_same(theirs, ours)


def test_a_user_reads_of_the_method_once(both: Both) -> None:
    def fits() -> None:
        for _ in range(4):
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                lmfit.minimize(decay, of_decay(), args=(T, DECAY), method="least_squares", tr_options={"x": 1})

    with pytest.warns(UserWarning, match="tr_options change nothing") as caught:
        both(fits)
    assert len(caught) == 1


@pytest.mark.parametrize("method", METHODS)
def test_errors_are_the_models_own(both: Both, method: str) -> None:
    def fit() -> None:
        calls = 0

        def broken(p: Any) -> np.ndarray:
            nonlocal calls
            calls += 1
            if calls == 6:
                raise RuntimeError("out of film")
            return decay(p, T, DECAY)

        with pytest.raises(RuntimeError, match="out of film"):
            lmfit.minimize(broken, of_decay(), method=method)
        assert calls == 6

    both(fit)
