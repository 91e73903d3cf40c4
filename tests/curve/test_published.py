"""Published figures, to the digits that are printed; where there are none, arithmetic of 40 digits."""

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from problems import published as known
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import CurveFit, curve_fit
from pyminpack._curve.quantiles import f_quantile, t_quantile


def line(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a + b * x


@pytest.fixture(scope="module")
def oxygen() -> CurveFit:
    return curve_fit(known.demand, known.DAYS, known.DEMAND, [20, np.log(0.35)])


@pytest.fixture(scope="module")
def enzyme() -> CurveFit:
    return curve_fit(reaction, known.ENZYME_CONCENTRATION, known.ENZYME_VELOCITY, {"Vmax": 155, "Km": 0.07})


# ------------------------------------------------------------------------------------------------ printed figures


@pytest.mark.parametrize(("name", "table"), [("A", known.DEMAND_PROFILE_OF_A), ("lrc", known.DEMAND_PROFILE_OF_LRC)])
def test_profiles_of_oxygen_demand(oxygen: CurveFit, name: str, table: np.ndarray) -> None:
    """The ends of intervals that reach as far as R's tau, and the fits of the other parameter there."""
    np.testing.assert_allclose(oxygen.x, known.DEMAND_PARAMETERS, atol=5.1e-6)
    j = oxygen.names.index(name)
    profile = oxygen.profile(name, 0.9)
    for tau, *values in table:
        end = profile.interval(abs(tau))[int(tau > 0)]
        assert end == pytest.approx(values[j], abs=1e-4 * np.ptp(table[:, 1 + j]))
        held = curve_fit(known.demand, known.DAYS, known.DEMAND, values, fixed={name: values[j]})
        assert held.x[1 - j] == pytest.approx(values[1 - j], abs=2e-5 * max(1, abs(values[1 - j])))
        assert ((held.chi2 - oxygen.chi2) / oxygen.reduced_chi2) ** 0.5 == pytest.approx(abs(tau), abs=5.1e-5)


def test_bias_skewness_and_curvature_of_puromycin() -> None:
    """By the tests of R's package IPEC (tests/PaulMM.R), which stop at parameters with five digits.

    Its curvatures are to be compared with its critical value, ours with 1.
    """
    curvature = curve_fit(reaction, CONCENTRATION, VELOCITY, START).curvature
    np.testing.assert_allclose(curvature.bias, [0.1900061522450134, 0.00044263502335232], rtol=5e-5)
    np.testing.assert_allclose(curvature.skewness, [0.09605656534651008, 0.32070003611121428], rtol=5e-5)
    critical = 0.493694983503531
    assert curvature.intrinsic == pytest.approx(0.04542212409811858 / critical, rel=5e-5)
    assert curvature.parameter_effects == pytest.approx(0.1047135056832769 / critical, rel=5e-5)


def test_bias_and_skewness_of_a_strongly_curved_model() -> None:
    fit = curve_fit(known.contrived, known.CONTRIVED_X, known.CONTRIVED_Y, [2.0, 0.0])
    np.testing.assert_allclose(fit.x, known.CONTRIVED_PARAMETERS, atol=5.1e-5)
    np.testing.assert_allclose(fit.stderr, known.CONTRIVED_ERRORS, atol=5.1e-5)
    np.testing.assert_allclose(fit.interval()[0], known.CONTRIVED_LIMITS_OF_ALPHA, atol=5.1e-5)
    assert fit.interval()[1, 0] == pytest.approx(known.CONTRIVED_LOWER_LIMIT_OF_GAMMA, abs=5.1e-5)
    assert fit.curvature.skewness[0] == pytest.approx(known.CONTRIVED_SKEWNESS_OF_ALPHA, abs=5.1e-5)
    assert fit.curvature.bias[0] == pytest.approx(known.CONTRIVED_BIAS_OF_ALPHA, abs=5.1e-5)
    percent = 100 * fit.curvature.bias[0] / fit.x[0]
    assert percent == pytest.approx(known.CONTRIVED_PERCENT_BIAS_OF_ALPHA, abs=0.051)
    assert fit.curvature.intrinsic > fit.curvature.parameter_effects


def test_sum_of_squares_of_an_enzyme(enzyme: CurveFit) -> None:
    assert enzyme.chi2 == pytest.approx(known.ENZYME_SUM_OF_SQUARES, abs=5.1e-5)
    assert enzyme.reduced_chi2 == pytest.approx(known.ENZYME_MEAN_SQUARE, abs=5.1e-5)


def test_bands_of_cars() -> None:
    fit = curve_fit(line, known.SPEED, known.DISTANCE)
    np.testing.assert_allclose(np.ravel(fit.band([10.0])), known.CARS_CONFIDENCE_AT_10, atol=5.1e-6)
    np.testing.assert_allclose(np.ravel(fit.band([10.0], kind="prediction")), known.CARS_PREDICTION_AT_10, atol=5.1e-6)


def test_robust_errors_of_cars() -> None:
    fit = curve_fit(line, known.DISTANCE, known.SPEED)
    np.testing.assert_allclose(fit.stderr, known.CARS_ERRORS, atol=5.1e-6)
    np.testing.assert_allclose(np.diag(fit.robust_cov("HC1")) ** 0.5, known.CARS_ERRORS_HC1, atol=5.1e-7)


@pytest.mark.parametrize("kind", known.LONGLEY_ERRORS)
def test_robust_errors_of_longley(kind: Any) -> None:
    design = np.column_stack([known.LONGLEY[:, 1:], np.ones(16)])
    fit = curve_fit(lambda x, *p: x @ p, design, known.LONGLEY[:, 0], np.ones(7), jac=lambda x, *p: x)
    np.testing.assert_allclose(fit.x, known.LONGLEY_PARAMETERS, rtol=1e-6)
    printed = known.LONGLEY_ERRORS[kind]
    np.testing.assert_allclose(np.diag(fit.robust_cov(kind)) ** 0.5, printed, atol=5.1e-6, rtol=1e-6)


# ------------------------------------------------------------------------------------------------ 40 digits


def exact_demand(t: Any, p: Any) -> Any:
    return p[0] * (1 - mpmath.exp(-mpmath.exp(p[1]) * t))


def exact_reaction(c: Any, p: Any) -> Any:
    return p[0] * c / (p[1] + c)


def exact_contrived(x: Any, p: Any) -> Any:
    return p[0] * x[0] + mpmath.exp(p[1] * x[1])


class Exact:
    """A fit of two parameters by Newton's method, and what follows from its derivatives, with 40 digits."""

    def __init__(self, model: Callable[..., Any], x: Any, y: Any, p: Any) -> None:
        p = mpmath.matrix([mpmath.mpf(float(value)) for value in p])
        points = [tuple(map(mpmath.mpf, map(float, np.atleast_1d(each)))) for each in x]
        points = [each if len(each) > 1 else each[0] for each in points]
        y = [mpmath.mpf(float(value)) for value in y]
        self.m = len(y)

        def derivative(each: Any, orders: tuple[int, int]) -> Any:
            return mpmath.diff(lambda a, b: model(each, (a, b)), (p[0], p[1]), orders)

        for _ in range(7):
            self.residuals = [model(each, p) - value for each, value in zip(points, y, strict=True)]
            self.jacobian = mpmath.matrix([[derivative(t, (1, 0)), derivative(t, (0, 1))] for t in points])
            self.second = [
                mpmath.matrix(
                    [[derivative(t, (2, 0)), derivative(t, (1, 1))], [derivative(t, (1, 1)), derivative(t, (0, 2))]]
                )
                for t in points
            ]
            gradient = self.jacobian.T * mpmath.matrix(self.residuals)
            hessian = self.jacobian.T * self.jacobian
            for r, second in zip(self.residuals, self.second, strict=True):
                hessian += r * second
            p -= hessian**-1 * gradient
        self.p, self.normal = p, (self.jacobian.T * self.jacobian) ** -1
        self.variance = mpmath.fsum(r * r for r in self.residuals) / (self.m - 2)

    def bias(self) -> list[float]:
        """Box's: half the variance times the step that the mean curvature of each point asks for."""
        traces = [sum(self.normal[j, k] * h[j, k] for j in (0, 1) for k in (0, 1)) for h in self.second]
        step = self.normal * (self.jacobian.T * mpmath.matrix(traces))
        return [float(-self.variance / 2 * value) for value in step]

    def skewness(self) -> list[float]:
        """Hougaard's, by the sum over all three indices."""
        products = [
            [[sum(self.jacobian[t, a] * self.second[t][b, c] for t in range(self.m)) for c in (0, 1)] for b in (0, 1)]
            for a in (0, 1)
        ]
        found = []
        for i in (0, 1):
            n = self.normal
            third = -(self.variance**2) * sum(
                n[i, a] * n[i, b] * n[i, c] * (products[a][b][c] + products[b][a][c] + products[c][a][b])
                for a, b, c in itertools.product((0, 1), repeat=3)
            )
            found.append(float(third / (self.variance * n[i, i]) ** mpmath.mpf(1.5)))
        return found

    def curvatures(self) -> tuple[float, float]:
        """Mean squares over directions of the acceleration across and along the tangent plane, as they are defined."""
        # Columns of `unit` are steps of the parameters that move the curve by orthonormal vectors.
        unit = mpmath.cholesky(self.normal)
        tangent = self.jacobian * unit
        across = along = mpmath.mpf(0)
        for k in range(8):  # enough for a mean of a polynomial of fourth degree in sine and cosine
            angle = mpmath.pi * k / 8
            step = unit * mpmath.matrix([mpmath.cos(angle), mpmath.sin(angle)])
            acceleration = mpmath.matrix([(step.T * h * step)[0] for h in self.second])
            part = tangent * (tangent.T * acceleration)
            along += mpmath.norm(part) ** 2 / 8
            across += mpmath.norm(acceleration - part) ** 2 / 8
        radius = mpmath.sqrt(self.variance * 2 * f_quantile(0.95, 0.05, 2, self.m - 2))
        return float(radius * mpmath.sqrt(across)), float(radius * mpmath.sqrt(along))

    def robust_errors(self) -> list[float]:
        """HC3."""
        meat = mpmath.zeros(2)
        for t, r in enumerate(self.residuals):
            row = self.jacobian[t, :]
            leverage = (row * self.normal * row.T)[0]
            meat += (r / (1 - leverage)) ** 2 * (row.T * row)
        cov = self.normal * meat * self.normal
        return [float(mpmath.sqrt(cov[i, i])) for i in (0, 1)]


PROBLEMS = {
    "oxygen demand": (known.demand, exact_demand, known.DAYS, known.DEMAND, [20, -1]),
    "enzyme": (reaction, exact_reaction, known.ENZYME_CONCENTRATION, known.ENZYME_VELOCITY, [155, 0.07]),
    "puromycin": (reaction, exact_reaction, CONCENTRATION, VELOCITY, [200, 0.1]),
    "St. Laurent and Cook": (known.contrived, exact_contrived, known.CONTRIVED_X, known.CONTRIVED_Y, [2, 0]),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_statistics_beside_arithmetic_of_40_digits(name: str) -> None:
    model, exact_model, x, y, start = PROBLEMS[name]
    fit = curve_fit(model, x, y, start)
    with mpmath.workdps(40):
        exact = Exact(exact_model, x.T, y, fit.x)
        across, along = exact.curvatures()
        np.testing.assert_allclose(fit.x, [float(value) for value in exact.p], rtol=1e-6)
        np.testing.assert_allclose(fit.curvature.bias, exact.bias(), rtol=1e-4)
        np.testing.assert_allclose(fit.curvature.skewness, exact.skewness(), rtol=1e-4)
        np.testing.assert_allclose(np.diag(fit.robust_cov("HC3")) ** 0.5, exact.robust_errors(), rtol=1e-5)
    assert fit.curvature.intrinsic == pytest.approx(across, rel=1e-4)
    assert fit.curvature.parameter_effects == pytest.approx(along, rel=1e-4)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_bands_of_a_curve_by_its_derivatives(enzyme: CurveFit, simultaneous: bool) -> None:
    """The derivatives are written out: the band is the root of a quadratic form, times a quantile."""
    x = np.array([0.05, 0.4, 3.0])
    v, k = enzyme.x
    gradient = np.stack([x / (k + x), -v * x / (k + x) ** 2], axis=1)
    half = (2 * f_quantile(0.95, 0.05, 2, 12)) ** 0.5 if simultaneous else t_quantile(0.975, 12)
    c = known.ENZYME_CONCENTRATION
    jacobian = np.stack([c / (k + c), -v * c / (k + c) ** 2], axis=1)
    form = np.einsum("ti,ij,tj->t", gradient, np.linalg.inv(jacobian.T @ jacobian), gradient)
    for kind, more in (("confidence", 0), ("prediction", 1)):
        low, high = enzyme.band(x, kind=kind, simultaneous=simultaneous)  # type: ignore[arg-type]
        np.testing.assert_allclose(high - low, 2 * half * (enzyme.reduced_chi2 * (form + more)) ** 0.5, rtol=1e-6)
        np.testing.assert_allclose(high + low, 2 * reaction(x, v, k), rtol=1e-12)


def test_profile_ends_of_puromycin_beside_arithmetic_of_40_digits() -> None:
    """Where the sum of squares has grown enough while its derivative by the other parameter is 0: two equations."""
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    ends = fit.interval(method="profile")
    with mpmath.workdps(40):
        data = [(mpmath.mpf(float(c)), mpmath.mpf(float(v))) for c, v in zip(CONCENTRATION, VELOCITY, strict=True)]

        def chi2(v: Any, k: Any) -> Any:
            return mpmath.fsum((exact_reaction(c, (v, k)) - y) ** 2 for c, y in data)

        exact = Exact(exact_reaction, CONCENTRATION, VELOCITY, fit.x)
        target = exact.variance * (10 + mpmath.mpf(t_quantile(0.975, 10)) ** 2)
        for j, order in enumerate([(0, 1), (1, 0)]):
            for end in ends[j]:
                other = fit.x[1 - j] + fit.cov[1 - j, j] / fit.cov[j, j] * (end - fit.x[j])
                found = mpmath.findroot(
                    lambda v, k, order=order: (chi2(v, k) - target, mpmath.diff(chi2, (v, k), order)),
                    (end, other) if j == 0 else (other, end),
                )
                assert end == pytest.approx(float(found[j]), abs=1e-5 * np.ptp(ends[j]))
