"""`leastsq` on NIST's data sets, from both of NIST's starts, judged by the digits that it gets right."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from problems._problem import Problem
from problems.strd import StrdDataset, correct_digits, load, names
from pyminpack import leastsq

SUCCESS = (1, 2, 3, 4)
MAXFEV = 5


@dataclass(frozen=True, eq=False)
class Answer:
    """A fit, and how many digits of its parameters, standard errors and sum of squares are right."""

    ier: int
    x: np.ndarray
    cov_x: np.ndarray | None
    infodict: dict[str, Any]
    digits: tuple[float, float, float]


def options(way: str, problem: Problem) -> dict[str, Any]:
    return {
        "tight": {"Dfun": problem.jacobian, "ftol": 1e-14, "xtol": 1e-14, "gtol": 0.0, "maxfev": 10000},
        "defaults": {"Dfun": problem.jacobian},
        "differences": {},
    }[way]


@cache
def fit(way: str, name: str, start: int, **more: Any) -> Answer:
    dataset = load(name)
    problem = dataset.problem(start)
    chosen = options(way, problem) | more
    x, cov_x, infodict, _, ier = leastsq(problem.residuals, problem.start, full_output=True, **chosen)
    return Answer(ier, x, cov_x, infodict, digits(dataset, x, cov_x))


def digits(dataset: StrdDataset, x: np.ndarray, cov_x: np.ndarray | None) -> tuple[float, float, float]:
    """Correct digits: the fewest of any parameter, the fewest of any standard error, those of the sum of squares."""
    rss = np.sum(dataset.residuals(x) ** 2)
    variances = np.diag(cov_x) if cov_x is not None else np.full(x.size, np.nan)
    errors = np.sqrt(variances * rss / dataset.dof)
    figures = ((x, dataset.certified), (errors, dataset.certified_se), (rss, dataset.rss))
    return tuple(float(np.min(correct_digits(value, certified))) for value, certified in figures)


# ---------------------------------------------------------------- digits of each class of fits

# At least so many digits of parameters, standard errors, sum of squares, by NIST's level of difficulty. At the
# default tolerances a fit stops where the sum of squares has settled, to 8 digits and more; the parameters have
# half of that where the minimum is flat (ENSO, MGH09, Thurber), and the standard errors fewer, because cov_x is of the
# Jacobian before the last step (as in SciPy).
FLOORS = {
    "tight": {"lower": (6.3, 6.3, 10.3), "average": (6.0, 6.2, 9.9), "higher": (6.9, 6.6, 10.3)},
    "defaults": {"lower": (5.7, 4.7, 10.3), "average": (3.0, 3.9, 8.4), "higher": (3.9, 3.6, 8.1)},
    "differences": {"lower": (4.2, 4.0, 8.4), "average": (3.0, 3.9, 8.4), "higher": (3.6, 3.4, 7.6)},
}
# Residuals of 1e-13 for data of order 1: in double precision three of their digits are left, with luck.
LANCZOS1 = (10.0, 2.4, 2.3)

# Fits that spend their calls in a long curved valley before they get near. With more calls they arrive.
TOO_FEW_CALLS = {
    ("defaults", "Bennett5", 1),
    ("differences", "MGH09", 1),
    ("differences", "MGH10", 1),
    ("differences", "MGH17", 1),
    ("differences", "Bennett5", 1),
}

FITS = [(way, name, start) for way in FLOORS for name in names() for start in (1, 2)]


def floors(way: str, name: str) -> tuple[float, float, float]:
    return LANCZOS1 if name == "Lanczos1" else FLOORS[way][load(name).level]


@pytest.mark.parametrize(("way", "name", "start"), FITS)
def test_answers_are_right(way: str, name: str, start: int) -> None:
    more = {"maxfev": 5000} if (way, name, start) in TOO_FEW_CALLS else {}
    answer = fit(way, name, start, **more)
    assert answer.ier in SUCCESS
    assert np.all(np.greater_equal(answer.digits, floors(way, name))), answer.digits


@pytest.mark.parametrize(("way", "name", "start"), FITS)
def test_no_wrong_answer_is_a_success(way: str, name: str, start: int) -> None:
    answer = fit(way, name, start)
    if (way, name, start) in TOO_FEW_CALLS:
        assert answer.ier == MAXFEV
        assert answer.cov_x is None
    else:
        assert answer.ier in SUCCESS
        assert answer.digits[0] > 2


# ------------------------------------------------------- residuals that overflow on the way


@pytest.mark.parametrize(
    ("way", "name"), [(way, name) for way in ("tight", "defaults") for name in ("BoxBOD", "MGH17")]
)
def test_far_start_with_exact_derivatives_arrives(way: str, name: str) -> None:
    """Points where the residuals overflow are in the way; a step bound that is short for that is no convergence.

    SciPy ends BoxBOD at a success with no digit right, and MGH17 at the start that it was given.
    """
    problem = load(name).problem(1)
    overflows = []

    def func(x: np.ndarray) -> np.ndarray:
        residuals = problem.residuals(x)
        overflows.append(not np.all(np.isfinite(residuals)))
        return residuals

    _, _, _, _, ier = leastsq(func, problem.start, full_output=True, **options(way, problem))
    assert any(overflows)
    assert ier in SUCCESS
    assert fit(way, name, 1).digits[0] > 5


@pytest.mark.scipy
@pytest.mark.parametrize(("way", "name"), [("tight", "BoxBOD"), ("defaults", "BoxBOD"), ("defaults", "MGH17")])
def test_scipy_reports_success_there(way: str, name: str) -> None:
    from scipy.optimize import leastsq as scipy_leastsq

    problem = load(name).problem(1)
    x, *_, ier = scipy_leastsq(problem.residuals, problem.start, full_output=True, **options(way, problem))
    assert ier in SUCCESS
    assert np.max(correct_digits(x, load(name).certified)) < 1


# ------------------------------------------------------------------------------------- cov_x


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("start", [1, 2])
def test_cov_x_is_of_the_last_jacobian(name: str, start: int) -> None:
    """What costs the standard errors their digits at the default tolerances: it is not the one at x."""
    problem = load(name).problem(start)
    jacobians: list[np.ndarray] = []

    def jac(x: np.ndarray) -> np.ndarray:
        jacobians.append(problem.jacobian(x))
        return jacobians[-1]

    x, cov_x, *_, ier = leastsq(problem.residuals, problem.start, Dfun=jac, full_output=True, maxfev=5000)
    assert ier in SUCCESS
    _, r = np.linalg.qr(jacobians[-1])
    lengths = np.linalg.norm(r, axis=0)
    inverse = np.linalg.inv(r / lengths) / lengths[:, np.newaxis]
    errors = np.linalg.norm(inverse, axis=1)
    # Rounding, in the inverse of the scaled triangle: ε times its condition number.
    rounding = 1e-14 * np.linalg.cond(r / lengths)
    np.testing.assert_array_less(np.abs(cov_x - inverse @ inverse.T) / np.outer(errors, errors), rounding)
    assert np.all(np.isfinite(x))
