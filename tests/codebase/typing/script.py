"""A user's script with the three functions that SciPy has too, as a type checker sees it; nothing runs it."""

from pathlib import Path
from typing import Any, Literal, assert_type

import numpy as np
import numpy.typing as npt

from pyminpack import LeastSquaresResult, NotConvergedError, curve_fit, least_squares, leastsq

Array = npt.NDArray[np.float64]


def decay(t: Array, size: float, rate: float) -> Array:
    return size * np.exp(-rate * t)


def misfit(x: Array, t: Array, y: Array) -> Array:
    return decay(t, x[0], x[1]) - y


def slopes(x: Array, t: Array, y: Array) -> Array:
    return np.stack([np.exp(-x[1] * t), -x[0] * t * np.exp(-x[1] * t)], axis=1)


t = np.linspace(0, 4, 40)
y = decay(t, 2.5, 1.3) + 0.01 * np.cos(9 * t)

# Curves: two values, five, or everything.
popt, pcov = curve_fit(decay, t, y)
size, rate = popt
errors = np.sqrt(np.diag(pcov))
popt, pcov, infodict, message, ier = curve_fit(decay, t, y, [1, 1], full_output=True, maxfev=900)
assert_type(popt, Array)
assert_type(pcov, Array)
calls: int = infodict["nfev"]
said: str = message.upper()
assert_type(curve_fit(lambda t, size: size * np.exp(-t), t.tolist(), y.tolist())[0], Array)

try:
    fit = curve_fit(decay, t, y, {"size": 1}, sigma=0.01, bounds={"rate": (0, None)}, loss="huber", max_nfev=90)
except NotConvergedError as error:
    print(error, error.result.x)
else:
    for name, parameter in fit.params.items():
        assert_type(name, str)
        assert_type((parameter.value, parameter.stderr), tuple[float, float])
        assert_type(parameter.at_bound, Literal["lower", "upper"] | None)
    assert_type(fit.params["size"].value / fit.params["rate"].value, float)
    for low, high in fit.interval():
        print(low, high)
    assert_type(fit.interval(0.68, "profile"), Array)
    lower, upper = fit.band(t, level=0.68)
    assert_type(lower - upper, Array)
    fit.plot().savefig(Path("decay.png"))
    fit.plot_profile(0.68).savefig("profile.png")
    assert_type(fit.result.offset, float)
    report: str = fit.report()

# Residuals.
result = least_squares(misfit, [1.0, 1.0], slopes, bounds=([0, 0], np.inf), x_scale="jac", args=(t, y))
assert_type(result.x, Array)
assert_type(result.message, str)
assert_type((result.status, result.nfev, result.success), tuple[int, int, bool])
assert_type((result.offset, result.noise, result.cost), tuple[float, float, float])
result["note"] = "kept beside what the fit found"
assert_type(result.copy(), dict[str, Any])
result.x = popt  # type: ignore[misc]

x, ier = leastsq(misfit, [1, 1], (t, y), Dfun=slopes)
assert_type(x, Array)
x, covariance, infodict, message, ier = leastsq(misfit, [1, 1], args=(t, y), full_output=True)
assert_type(covariance, Array | None)
if covariance is not None:
    errors = np.sqrt(np.diag(covariance))


def fit_all(curves: list[Array]) -> list[LeastSquaresResult]:
    return [least_squares(misfit, np.ones(2), args=(t, each), method="trf", verbose=0) for each in curves]
