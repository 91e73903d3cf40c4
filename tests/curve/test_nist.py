"""NIST's data sets by `curve_fit` with its default settings, without a Jacobian."""

import pytest

from problems import strd
from pyminpack import NotConvergedError, curve_fit


def fit_of(name: str, start: int) -> tuple[float, float]:
    """Relative errors of the parameters and of their standard errors."""
    data = strd.load(name)
    fit = curve_fit(lambda x, *b: data.model(b), data.x.T, data.response, data.starts[start - 1])
    return abs(fit.x / data.certified - 1).max(), abs(fit.stderr / data.certified_se - 1).max()


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", strd.names())
def test_fit_has_six_digits_of_parameters_and_errors_or_raises(name: str, start: int) -> None:
    if start == 1 and name in ("BoxBOD", "Bennett5"):
        with pytest.raises(NotConvergedError):
            fit_of(name, start)
        return
    of_x, of_stderr = fit_of(name, start)
    assert of_x < 1e-6
    assert of_stderr < 1e-6 or name == "Lanczos1"  # whose residuals are rounding
