"""How a fit went to its minimum: the fit is made once more, and looked at after each step."""

from itertools import pairwise
from math import inf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from .._model.arrays import Array
from .._report.least_squares import LeastSquaresResult
from .._report.record import Record

if TYPE_CHECKING:
    from .fitted import FittedCurve


class Convergence(Record):
    """The way of a fit from its start to the minimum, of k steps.

    Attributes
    ----------
    x : ndarray of shape (k + 1, n)
        The parameters at the start, and after each step.
    cost : ndarray of shape (k + 1,)
        The value that is minimized, there.
    offset : ndarray of shape (k + 1,)
        The relative offset of Bates and Watts there: the distance to the minimum of the linear model, in units of the
        radius of the confidence region. A success has 1e-3 at most.
    step : ndarray of shape (k,)
        The lengths of the steps in the same units: a full step of Gauss and Newton is as long as the offset before it.
    end_cost : float
        The cost of the fit itself, after its last look at the minimum.
    """

    x: Array
    cost: Array
    offset: Array
    step: Array
    end_cost: float


def convergence_of(fit: "FittedCurve") -> Convergence:
    """The same fit from the same start, with a Jacobian at each point: those that the fit itself takes."""
    again = fit._fit_again(fit.start, fit.result._fixed)
    points = [again.result(), *(again.result() for _ in again)]
    radii = [_radius(point) for point in points]
    steps = [
        _length(before, after.x - before.x) / radius if radius > 0 else inf
        for (before, after), radius in zip(pairwise(points), radii, strict=False)
    ]
    return Convergence(
        x=np.array([point.x for point in points]),
        cost=np.array([point.cost for point in points]),
        offset=np.array([_offset(point) for point in points]),
        step=np.array(steps),
        end_cost=fit.result.cost,
    )


def _explained(point: LeastSquaresResult) -> float:
    """The part of the residuals' square that a full step would remove, by the linear model."""
    if point.jac is None or not np.isfinite(point.jac).all():
        return np.nan
    jacobian = point.jac[:, point._free]
    step = np.linalg.lstsq(jacobian.T @ jacobian, point.grad[point._free], rcond=None)[0]
    return min(float(point.grad[point._free] @ step), 2 * point.cost)


def _radius(point: LeastSquaresResult) -> float:
    """The radius of the confidence region, in the units of the residuals: that of the root of k variances."""
    if point.dof <= 0:
        return np.nan
    k = max(1, int(np.count_nonzero(point._free)))
    return sqrt((2 * point.cost - _explained(point)) / point.dof * k)


def _offset(point: LeastSquaresResult) -> float:
    radius = _radius(point)
    return sqrt(max(0.0, _explained(point))) / radius if radius > 0 else inf


def _length(point: LeastSquaresResult, step: Array) -> float:
    """How far the linear model moves along a step."""
    return np.nan if point.jac is None else float(np.linalg.norm(point.jac @ step))
