"""What libraries do with results and warnings of fits, whichever library it is."""

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from models import START, T, Y, residuals
from pyminpack import LeastSquaresResult, curve_fit, least_squares


@pytest.fixture
def fit() -> LeastSquaresResult:
    return least_squares(residuals, START)


def test_more_is_kept_beside_what_the_fit_found(fit: LeastSquaresResult) -> None:
    before = list(fit)
    fit["param_cov"] = np.eye(2)
    fit["param_cov"] *= 3
    fit["note"] = None
    assert list(fit) == [*before, "param_cov", "note"]
    assert len(fit) == len(before) + 2
    np.testing.assert_array_equal(fit["param_cov"], np.diag([3.0, 3.0]))
    assert fit.param_cov is fit["param_cov"]  # type: ignore[attr-defined]
    assert fit.get("note", 1) is None
    assert "note" in fit
    assert repr(fit)


def test_what_is_kept_travels_along(fit: LeastSquaresResult) -> None:
    fit["param_cov"] = np.eye(2)
    for other in (copy.copy(fit), copy.deepcopy(fit), pickle.loads(pickle.dumps(fit))):
        assert list(other) == list(fit)
        np.testing.assert_array_equal(other["param_cov"], np.eye(2))
    assert "param_cov" not in least_squares(residuals, START)


@pytest.mark.parametrize("name", ["x", "success", "stderr", "summary", "_factor", "not a name", 3])
def test_what_the_fit_found_is_not_changed(fit: LeastSquaresResult, name: Any) -> None:
    before = repr(fit)
    with pytest.raises(TypeError, match="cannot be"):
        fit[name] = 0
    assert repr(fit) == before


def test_an_error_tells_what_to_do_instead(fit: LeastSquaresResult) -> None:
    with pytest.raises(TypeError, match=r"x of a LeastSquaresResult cannot be changed.*copy\(\) gives a dict"):
        fit["x"] = fit.x + 1


def test_a_copy_is_a_dict_of_everything(fit: LeastSquaresResult) -> None:
    fit["note"] = 1
    free = fit.copy()
    assert type(free) is dict
    assert list(free) == list(fit)
    free["x"] = None
    del free["jac"]
    np.testing.assert_allclose(fit.x, [2.5, 1.3], rtol=0.05)
    assert fit.jac is not None


@pytest.mark.scipy
def test_scipys_result_is_made_of_ours(fit: LeastSquaresResult) -> None:
    import scipy.optimize

    theirs = scipy.optimize.OptimizeResult(fit)
    theirs.x = theirs.x + 1
    del theirs.jac
    assert theirs.success
    assert theirs["offset"] == fit.offset


# ------------------------------------------------------------------------------------------------ warnings


def test_a_line_that_fits_often_is_told_once_of_the_method() -> None:
    """Also where the filters of warnings change in between, upon which Python forgets what it has told."""
    caught = []
    for method in ("trf", "trf", "trf", "dogbox"):
        with warnings.catch_warnings(record=True) as these:
            warnings.simplefilter("default")
            least_squares(residuals, START, method=method)  # type: ignore[arg-type]
        caught += [(method, warning.filename) for warning in these]
    assert caught == [("trf", __file__), ("dogbox", __file__)]


def test_another_line_is_told_as_well() -> None:
    with pytest.warns(UserWarning, match="method='trf' changes nothing"):
        least_squares(residuals, START, method="trf")
    with pytest.warns(UserWarning, match="method='trf' changes nothing"):
        curve_fit(lambda t, a, k: a * np.exp(-k * t), T, Y, method="trf")


def test_a_warning_that_is_an_error_is_one_each_time() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UserWarning, match="changes nothing"):
                least_squares(residuals, START, method="trf")
