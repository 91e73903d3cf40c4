"""The public API as a type checker sees it; mypy reads this, nothing runs it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from pyminpack import (
    BlocksResult,
    BlocksState,
    Covariance,
    CurveFit,
    CurveFits,
    JacobianCheck,
    LeastSquaresResult,
    LeastSquaresState,
    LevenbergMarquardt,
    NotConvergedError,
    PyminpackError,
    ShapeError,
    UnidentifiableWarning,
    __version__,
    check_jacobian,
    compiled_jacobian,
    compiled_residuals,
    covariance,
    curve_fit,
    curve_fit_many,
    least_squares,
    leastsq,
    leastsq_blocks,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def residuals(x: Array, y: Array) -> Array:
    return x - y


y = np.ones(3)
assert_type(leastsq(residuals, [0, 0, 0], args=(y,)), tuple[Array, int])
assert_type(leastsq(residuals, y, y, full_output=False), tuple[Array, int])
assert_type(
    leastsq(residuals, y, y, full_output=True),
    tuple[Array, Array | None, dict[str, Any], str, int],
)
assert_type(__version__, str)
error: PyminpackError = ShapeError()
also_error: ValueError = ShapeError()


def stop_early(state: BlocksState) -> bool:
    return state.cost < 1


fit = leastsq_blocks(residuals, [0, 0, 0], [y, y], callback=stop_early)
assert_type(fit, BlocksResult)
assert_type(fit.x, Array)
assert_type(fit.cov_x, Array | None)
assert_type(fit.stderr, Array)
assert_type(fit.success, bool)
with ThreadPoolExecutor() as pool:
    leastsq_blocks(residuals, y, [slice(3)], (y,), jac=residuals, map=pool.map, progress=print)
in_threads = leastsq_blocks(residuals, y, [slice(3)], (y,), map=4)
assert_type(in_threads.summary(), str)
assert_type(in_threads.correlation, Array)
assert_type(in_threads.unidentifiable, Mask)
assert_type(in_threads.keys(), list[str])

known = covariance(np.eye(3), variance=0.5)
assert_type(known, Covariance)
assert_type(known.stderr, Array)
assert_type(known.unidentifiable, Mask)
category: type[Warning] = UnidentifiableWarning

check = check_jacobian(residuals, residuals, [1, 2, 3], y, col_deriv=True)
assert_type(check, JacobianCheck)
assert_type(check.ok, bool)
assert_type(check.scaled, tuple[tuple[int, float], ...])


def watch(intermediate_result: LeastSquaresState) -> bool:
    return intermediate_result.cost < 1


solution = least_squares(
    residuals, [0, 0, 0], "3-point", ([0, 0, 0], [9, 9, 9]), loss="huber", args=(y,), callback=watch, workers=map,
    fixed=[True, False, False], timeout=1.5, max_nfev=10,
)  # fmt: skip
assert_type(solution, LeastSquaresResult)
assert_type(solution.x, Array)
assert_type(solution.jac, Array | None)
assert_type(solution.cov, Array)
assert_type(solution.unidentifiable, Mask)
assert_type(solution.success, bool)
assert_type(solution["cost"], Any)
stepper = LevenbergMarquardt(residuals, y, residuals, args=(y,), x_scale="jac")
for state in stepper:
    assert_type(state, LeastSquaresState)
assert_type(stepper.step(), LeastSquaresState)
assert_type(stepper.result(), LeastSquaresResult)


def line(x: Array, a: float, b: float) -> Array:
    return a + b * x


curve = curve_fit(line, y, y, {"a": 1}, bounds={"b": (0, None)}, fixed={"a"}, sigma=0.1, absolute_sigma=True)
assert_type(curve, CurveFit)
popt, pcov = curve
assert_type(popt, Array)
assert_type(pcov, Array)
popt, pcov, infodict, mesg, ier = curve_fit(line, y, y, full_output=True, method="trf")
assert_type(popt, Array)
assert_type(curve.names, tuple[str, ...])
assert_type(curve.params["a"].value, float)
assert_type(curve.stderr, Array)
assert_type(curve.result, LeastSquaresResult)
assert_type(curve.interval(0.9, method="profile"), Array)
assert_type(curve.contour("a", 1, 0.9).points, Array)
assert_type(curve.runs.p_value, float)
assert_type(curve.convergence.offset, Array)
assert_type(curve.band(y, kind="prediction"), tuple[Array, Array])
assert_type(curve.bootstrap(10, "pairs", seed=1).x, Array)
assert_type(curve.reduced_chi2, float)
many = curve_fit_many(line, y, np.ones((5, y.size)), [1, 1], chunk=100, workers=2, broadcast="try")
assert_type(many, CurveFits)
many = curve_fit_many(compiled_residuals(0, 3), None, y, [1, 1], jac=compiled_jacobian(0, 3, 2))
assert_type(many.x, Array)
assert_type(many.stderr, Array)
assert_type(many.message(0), str)
try:
    curve_fit(line, [1, 2], [1, 2], [1, 1])
except NotConvergedError as failure:
    failure.result.x  # noqa: B018
