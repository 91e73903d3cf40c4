"""astropy's fitters with our `leastsq` and `least_squares`: bounds, ties, weights; outliers, two dimensions."""

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from pyminpack import LeastSquaresResult

pytest.importorskip("scipy")
pytest.importorskip("astropy")

from astropy.modeling import fitting, models
from astropy.utils.exceptions import AstropyUserWarning

Both: TypeAlias = Callable[[Callable[[], Any]], tuple[Any, Any]]

pytestmark = [
    pytest.mark.scipy,
    pytest.mark.filterwarnings("ignore:method=.*Levenberg:UserWarning"),
    # LMLSQFitter warns of bounds, such as the positive width that every peak has.
    pytest.mark.filterwarnings("ignore:Using LMLSQFitter"),
]

FITTERS = {
    "leastsq": fitting.LevMarLSQFitter,
    "trf": fitting.TRFLSQFitter,
    "dogbox": fitting.DogBoxLSQFitter,
    "lm": fitting.LMLSQFitter,
}
WITH_BOUNDS = ("trf", "dogbox")

X = np.linspace(-5, 5, 200)
NOISE = np.random.default_rng(14).normal(0, 0.2, X.size)
ONE_PEAK = 3 * np.exp(-0.5 * ((X - 1.3) / 0.8) ** 2) + NOISE
TWO_PEAKS = ONE_PEAK + 0.5 + 0.1 * X + 1.5 * np.exp(-0.5 * ((X + 2) / 0.5) ** 2)


def peak(**settings: Any) -> Any:
    return models.Gaussian1D(amplitude=1, mean=0.5, stddev=0.6, **settings)


def peaks() -> Any:
    return models.Gaussian1D(2, 1, 1) + models.Gaussian1D(1, -2, 0.4) + models.Polynomial1D(1)


def tied_peaks() -> Any:
    """One width is tied to the other one, and a centre fixed."""
    model = peaks()
    model.stddev_0.tied = lambda model: 1.6 * model.stddev_1
    model.mean_1.fixed = True
    return model


MODELS = {
    "peak": (lambda: peak(), ONE_PEAK, {}),
    "peaks": (peaks, TWO_PEAKS, {}),
    "weights": (peaks, TWO_PEAKS, {"weights": np.linspace(3, 7, X.size)}),
    "differences": (peaks, TWO_PEAKS, {"estimate_jacobian": True}),
    "tied": (tied_peaks, TWO_PEAKS, {"estimate_jacobian": True}),
    "profile": (lambda: models.Lorentz1D(2, 1, 1) + models.Const1D(0), ONE_PEAK, {"acc": 1e-9}),
}


def fit(method: str, model: Any, y: np.ndarray, **options: Any) -> tuple[Any, Any]:
    """The fitted model, and what the fitter knows of the fit."""
    fitter = FITTERS[method](calc_uncertainties=True)
    return fitter(model, X, y, **options), fitter.fit_info


def misfit(model: Any, y: np.ndarray) -> float:
    return float(np.sum((model(X) - y) ** 2))


def assert_same(theirs: Any, ours: Any, *, within: float = 1e-3, errors: float = 1e-4) -> None:
    """The same parameters within a part of their errors, and the same errors."""
    sigma = np.array(theirs.stds.stds, float)
    free = [name for name in theirs.param_names if not theirs.fixed[name] and not theirs.tied[name]]
    for name, error in zip(free, sigma, strict=True):
        assert abs(getattr(ours, name).value - getattr(theirs, name).value) <= within * error, name
    np.testing.assert_allclose(np.array(ours.stds.stds, float), sigma, rtol=errors)
    np.testing.assert_allclose(
        ours.cov_matrix.cov_matrix, theirs.cov_matrix.cov_matrix, rtol=1e-3, atol=1e-4 * min(sigma) ** 2
    )


@pytest.mark.parametrize("method", FITTERS)
@pytest.mark.parametrize("kind", MODELS)
def test_models_of_peaks(both: Both, kind: str, method: str) -> None:
    model, y, options = MODELS[kind]
    (theirs, their_info), (ours, info) = both(lambda: fit(method, model(), y, **options))
    assert_same(theirs, ours)
    assert set(their_info) <= set(info)
    if method == "leastsq":
        assert (info["ierr"], info["nfev"]) == (their_info["ierr"], their_info["nfev"])
        assert info["message"].startswith("Converged")
    else:
        assert isinstance(info, LeastSquaresResult)
        assert info.success
        assert info.offset < 1e-3
        np.testing.assert_allclose(info["param_cov"], ours.cov_matrix.cov_matrix)


@pytest.mark.parametrize("method", WITH_BOUNDS)
@pytest.mark.parametrize("estimates", [False, True])
def test_a_parameter_ends_at_its_bound(both: Both, method: str, estimates: bool) -> None:
    bounds = {"stddev": (0.1, 0.7), "mean": (0, 3)}
    (theirs, _), (ours, info) = both(lambda: fit(method, peak(bounds=bounds), ONE_PEAK, estimate_jacobian=estimates))
    assert_same(theirs, ours)
    assert ours.stddev.value == 0.7
    np.testing.assert_array_equal(info.active_mask, [0, 0, 1])
    assert np.isnan(info.stderr[2])


def test_clamped_parameters_of_leastsq_are_told(both: Both) -> None:
    """LevMarLSQFitter clamps parameters to their bounds, and its derivatives leave that out."""
    bounds = {"stddev": (0.1, 0.7), "mean": (0, 3)}
    best, _ = fit("trf", peak(bounds=bounds), ONE_PEAK)
    theirs, info = fit("leastsq", peak(bounds=bounds), ONE_PEAK)
    assert info["ierr"] in (1, 2, 3, 4)
    assert misfit(theirs, ONE_PEAK) > misfit(best, ONE_PEAK) * (1 + 1e-4)
    with pytest.warns(AstropyUserWarning, match="The fit may be unsuccessful"):
        _, (_, info) = both(lambda: fit("leastsq", peak(bounds=bounds), ONE_PEAK))
    assert info["ierr"] not in (1, 2, 3, 4)
    assert info["message"].startswith("Stopped")


@pytest.mark.parametrize("estimates", [False, True])
def test_clamped_parameters_are_told(both: Both, estimates: bool) -> None:
    """LMLSQFitter clamps parameters to their bounds: SciPy calls an end converged that is far from the minimum."""
    bounds = {"stddev": (0.1, 0.7), "mean": (0, 3)}
    best, _ = fit("trf", peak(bounds=bounds), ONE_PEAK)

    def clamped() -> Any:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model, info = fit("lm", peak(bounds=bounds), ONE_PEAK, estimate_jacobian=estimates)
        return model, info.success, [str(each.message) for each in caught if each.category is AstropyUserWarning]

    (theirs, their_success, nothing), (ours, success, told) = both(clamped)
    assert their_success
    assert nothing == []
    assert misfit(theirs, ONE_PEAK) > 5 * misfit(best, ONE_PEAK)
    assert not success
    assert misfit(ours, ONE_PEAK) <= misfit(theirs, ONE_PEAK) * (1 + 1e-6)
    assert len(told) == 1
    assert ("whether this is a minimum" if estimates else "the Jacobian disagrees with differences") in told[0]


def test_derivatives_without_ties_are_told(both: Both) -> None:
    """astropy's derivatives leave ties out: SciPy calls an end converged two standard errors from the minimum."""
    best, _ = fit("trf", tied_peaks(), TWO_PEAKS, estimate_jacobian=True)
    theirs, _ = fit("trf", tied_peaks(), TWO_PEAKS)
    variance = misfit(best, TWO_PEAKS) / X.size
    assert misfit(theirs, TWO_PEAKS) - misfit(best, TWO_PEAKS) > 2**2 * variance
    with pytest.warns(AstropyUserWarning, match="the Jacobian disagrees with differences") as caught:
        _, (_, info) = both(lambda: fit("trf", tied_peaks(), TWO_PEAKS))
    assert len(caught) == 1
    assert info.status == -7


@pytest.mark.parametrize("method", FITTERS)
def test_the_limit_of_evaluations(both: Both, method: str) -> None:
    def short() -> Any:
        with pytest.warns(AstropyUserWarning, match="The fit may be unsuccessful") as caught:
            _, info = fit(method, peak(), ONE_PEAK, maxiter=4)
        return info.get("ierr", info.get("status")), str(caught[-1].message), info["message"]

    (their_status, *_), (status, warning, message) = both(short)
    assert status == their_status == (5 if method == "leastsq" else 0)
    assert message.startswith("Stopped before convergence")
    assert message in warning or method == "leastsq"


@pytest.mark.parametrize("method", ["leastsq", "trf"])
def test_outliers_are_removed(both: Both, method: str) -> None:
    from astropy.stats import sigma_clip

    y = ONE_PEAK.copy()
    y[[20, 90, 160]] += 5

    def clean() -> Any:
        fitter = fitting.FittingWithOutlierRemoval(FITTERS[method](), sigma_clip, niter=3, sigma=3.0)
        model, mask = fitter(peak(), X, y)
        return model.parameters, mask, fitter.fit_info

    (parameters, mask, _), (our_parameters, our_mask, info) = both(clean)
    np.testing.assert_array_equal(our_mask, mask)
    assert mask.sum() >= 3
    np.testing.assert_allclose(our_parameters, parameters, rtol=1e-5)
    assert info["message"].startswith("Converged")


@pytest.mark.parametrize("method", FITTERS)
def test_two_dimensions(both: Both, method: str) -> None:
    y, x = np.mgrid[:21, :25]
    z = models.Gaussian2D(5, 12.4, 9.7, 3, 2, 0.3)(x, y) + NOISE[:21, None] + NOISE[50:75]

    def spot() -> Any:
        fitter = FITTERS[method](calc_uncertainties=True)
        model = fitter(models.Gaussian2D(4, 12, 10, 2.5, 2.2, 0.1) + models.Const2D(0.1), x, y, z)
        return model.parameters, fitter.fit_info["param_cov"]

    (theirs, covariance), (ours, our_covariance) = both(spot)
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.sqrt(np.diag(covariance)).min())
    np.testing.assert_allclose(our_covariance, covariance, rtol=1e-3, atol=1e-4 * np.diag(covariance).min())


def test_points_that_are_not_finite_are_left_out(both: Both) -> None:
    y = ONE_PEAK.copy()
    y[[3, 100]] = np.nan

    def filtered() -> Any:
        with pytest.warns(AstropyUserWarning, match="has been removed"):
            return fit("trf", peak(), y, filter_non_finite=True)[0]

    assert_same(*both(filtered))
    with pytest.raises(fitting.NonFiniteValueError, match="non-finite value"):
        both(lambda: fit("trf", peak(), y))


def test_models_that_share_a_parameter(both: Both) -> None:
    other = 2 * np.exp(-0.5 * ((X + 1) / 0.8) ** 2) + NOISE[::-1]

    def joint() -> Any:
        first, second = models.Gaussian1D(2, 1, 1), models.Gaussian1D(2, -0.8, 1)
        fitter = fitting.JointFitter([first, second], {first: ["stddev"], second: ["stddev"]}, [1.0])
        fitter(X, ONE_PEAK, X, other)
        return fitter.fitparams

    theirs, ours = both(joint)
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)


def test_coordinates_of_the_sky(both: Both) -> None:
    """`fit_wcs_from_points` takes `least_squares` with bounds, and with as many parameters as terms of distortion."""
    from astropy.wcs import WCS
    from astropy.wcs.utils import fit_wcs_from_points

    true = WCS(naxis=2)
    true.wcs.crpix, true.wcs.crval, true.wcs.cdelt = [50, 50], [30, 20], [-0.01, 0.01]
    true.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    points = np.random.default_rng(14).uniform(0, 100, (2, 30))
    stars = true.pixel_to_world(*points)
    seen = tuple(points + 0.1 * NOISE[:60].reshape(2, 30))

    def matrices() -> Any:
        plain, bent = fit_wcs_from_points(seen, stars), fit_wcs_from_points(seen, stars, sip_degree=2)
        return np.r_[plain.wcs.cd.ravel(), bent.wcs.cd.ravel()], np.r_[plain.wcs.crpix, bent.wcs.crpix]

    theirs, ours = both(matrices)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-8)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-4)
