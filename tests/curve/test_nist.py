"""NIST's data sets by `curve_fit` with its default settings, without a Jacobian."""

import numpy as np
import pytest

from problems import strd
from pyminpack import curve_fit


def fit_of(name: str, start: int) -> tuple[float, float]:
    """Relative errors of the parameters and of their standard errors."""
    data = strd.load(name)
    fit = curve_fit(lambda x, *b: data.model(b), data.x.T, data.response, data.starts[start - 1])
    return abs(fit.x / data.certified - 1).max(), abs(fit.stderr / data.certified_se - 1).max()


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", strd.names())
def test_fit_has_six_digits_of_parameters_and_errors(name: str, start: int) -> None:
    of_x, of_stderr = fit_of(name, start)
    assert of_x < 1e-6
    assert of_stderr < 1e-6 or name == "Lanczos1"  # whose residuals are rounding


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("name", strd.names())
def test_model_contains_a_constant_or_not(name: str, precision: type) -> None:
    """Bennett5 comes within 4e-6 of one, and sums of exponentials within 2e-4."""
    if precision is np.float32 and name in ("Lanczos1", "Lanczos2", "Lanczos3", "Hahn1", "MGH10", "MGH17", "Bennett5"):
        pytest.skip("the residuals or the parameters are not determined in single precision")
    data = strd.load(name)
    for jac in (None, lambda x, *b: data.jacobian(b)):
        fit = curve_fit(lambda x, *b: data.model(b).astype(precision), data.x.T, data.response, data.certified, jac=jac)
        expected = name in ("Kirby2", "Hahn1", "Nelson", "MGH17", "Roszman1", "ENSO", "Thurber")
        assert fit.contains_constant == expected
        if precision is np.float32:
            break  # a Jacobian in double precision does not fit to such a model
