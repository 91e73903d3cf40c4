"""How good a fit is: likelihood, information criteria, R², and the runs of signs of the residuals."""

from math import erfc, exp, inf, lgamma, log, nan, pi, sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .._model.arrays import Array
from .._report.record import Record
from .quantiles import chi2_tails

if TYPE_CHECKING:
    from .fitted import FittedCurve

_EXACT_UP_TO: Final = 1000  # signs; beyond, the normal approximation is right to 0.2 % of a p-value of 0.01


class Goodness(Record):
    """Numbers that compare a fit with its data, and with other models; `CurveFit` says what they are."""

    p_value: float
    r_squared: float
    log_likelihood: float
    aic: float
    aicc: float
    bic: float


def goodness_of(fit: "FittedCurve") -> Goodness:
    """The numbers of one fit."""
    m, chi2 = fit.m, fit.chi2
    scale = 1.0 if fit.absolute_sigma else chi2 / m
    quadratic = chi2 / scale if scale > 0 else 0.0
    spread = log(scale) if scale > 0 else -inf
    log_likelihood = -0.5 * (m * (log(2 * pi) + spread) + quadratic) - fit._curve.data.log_det
    k = int(np.count_nonzero(fit.free)) + (not fit.absolute_sigma)  # parameters of the likelihood
    aic, left = 2 * k - 2 * log_likelihood, m - k - 1
    total = _around_mean(fit)
    return Goodness(
        p_value=chi2_tails(chi2, fit.dof)[1] if fit.absolute_sigma and fit.dof > 0 else nan,
        r_squared=1 - chi2 / total if total > 0 else nan,
        log_likelihood=log_likelihood,
        aic=aic,
        aicc=aic + 2 * k * (k + 1) / left if left > 0 else inf,
        bic=k * log(m) - 2 * log_likelihood,
    )


def _around_mean(fit: "FittedCurve") -> float:
    """The weighted sum of squares of the data around their mean."""
    y, one = fit._whitened_data, fit._whitened_one
    mean = np.vdot(one, y) / np.vdot(one, one)
    return float(np.sum(np.abs(y - mean * one) ** 2))


# ------------------------------------------------------------------------------------ runs of signs


class Runs(Record):
    """Runs of residuals of the same sign (Wald and Wolfowitz 1940).

    Residuals are taken by x where there is one independent variable, else in the order of the data; those of complex
    data first by their real parts. Residuals that are 0 do not count.

    Attributes
    ----------
    number : int
        How many runs there are.
    expected : float
        How many there are in the mean, if every order of the signs is as probable as any other.
    p_value : float
        The probability of so few runs or fewer: exact up to 1000 signs, by the normal approximation beyond. The
        residuals of a right model change their signs a little more often than that, since the fit leaves no trend.
    positive, negative : int
        How many residuals are above the curve, and below it.
    """

    number: int
    expected: float
    p_value: float
    positive: int
    negative: int


def in_order(fit: "FittedCurve", residuals: Array) -> Array:
    """Residuals, or what there is one of each, by x where there is one independent variable; else as the data are."""
    data = fit._curve.data
    if data.y.dtype.kind == "c":
        residuals = residuals.reshape(-1, 2).T.ravel()
    x = one_variable(data.x, data.y.size)
    if x is None:
        return residuals
    order = np.argsort(x, kind="stable")
    return np.asarray(residuals.reshape(-1, x.size)[:, order].ravel())


def one_variable(x: Any, size: int) -> Array | None:
    """The independent variable as floats where it is a single one; None otherwise."""
    if isinstance(x, dict | tuple):
        return None
    try:
        values = np.asarray(x, np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.shape == (size,) else None


def runs_of(fit: "FittedCurve") -> Runs:
    """The runs of signs of the residuals of a fit."""
    signs = np.sign(-in_order(fit, fit.result.fun))
    signs = signs[signs != 0]
    number = int(np.count_nonzero(signs[1:] != signs[:-1])) + min(1, signs.size)
    positive = int(np.count_nonzero(signs > 0))
    negative = signs.size - positive
    return Runs(
        number=number,
        expected=1 + 2 * positive * negative / signs.size if signs.size else 0.0,
        p_value=probability_of_so_few(number, positive, negative),
        positive=positive,
        negative=negative,
    )


def probability_of_so_few(runs: int, positive: int, negative: int) -> float:
    """The probability that so many signs of each kind, in a random order, have so many runs or fewer."""
    n = positive + negative
    if positive == 0 or negative == 0:
        return 1.0
    if n > _EXACT_UP_TO:
        expected = 1 + 2 * positive * negative / n
        variance = (expected - 1) * (expected - 2) / (n - 1)
        return 0.5 * erfc((expected - runs - 0.5) / sqrt(2 * variance))
    orders = _log_ways(n, positive)
    total = 0.0
    for k in range(2, runs + 1):
        # Each kind of sign is cut into its runs; an odd number of runs gives one kind a run more than the other.
        few, more = k // 2, k - k // 2
        for p, q in ((few, more), (more, few)):
            total += exp(_log_ways(positive - 1, p - 1) + _log_ways(negative - 1, q - 1) - orders)
    return min(total, 1.0)


def _log_ways(n: int, k: int) -> float:
    """The logarithm of the binomial coefficient; -inf where there is no way."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else -inf
