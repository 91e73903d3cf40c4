"""What `least_squares` returns, and what its callback gets."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .._model.arrays import Array
from .record import Record
from .result import FitResult


class LeastSquaresState(Record):
    """The state of a fit after an accepted step, which `callback` gets.

    Attributes
    ----------
    nit : int
        Accepted steps so far.
    x : ndarray of shape (n,)
        The best point so far, fixed parameters included. A copy, like `fun`: a callback may keep or change both, and
        the fit goes on as before.
    fun : ndarray of shape (m,)
        The residuals at `x`.
    cost : float
        The value that is minimized, at `x`.
    nfev, njev : int
        Evaluations of the residuals, without those for differences, and Jacobians so far.
    damping : float
        The Levenberg-Marquardt parameter of the next trial step.
    step_norm : float
        Length of the step, in scaled parameters, without what `accel` adds to it.
    grad_norm : float
        Largest cosine of the angle between the residuals and a column of the Jacobian where the step began: `gtol` is
        the tolerance on it.
    """

    nit: int
    x: Array
    fun: Array
    cost: float
    nfev: int
    njev: int
    damping: float
    step_norm: float
    grad_norm: float

    def __getitem__(self, name: str) -> Any:
        if name not in self._fields:
            raise KeyError(name)
        return getattr(self, name)


class LeastSquaresResult(FitResult):
    """The end of a fit by `least_squares`; ``result.x`` and ``result["x"]`` are the same.

    None of this can be changed, but more can be kept under other keys. `copy()` gives a dict, which can be changed.

    In `rank`, `cond`, `dof`, `reduced_chi2` and `cov`, a parameter is free where it is neither fixed nor held at a
    bound; it is held where the cost would decrease beyond the bound.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The solution, or where the fit did not converge the best point found.
    cost : float
        The value that was minimized, at `x`: half the sum of squares, or of the robust loss of the squares.
    fun : ndarray of shape (m,)
        The residuals at `x`.
    jac : ndarray of shape (m, n) or None
        The Jacobian at `x`, with zeros for fixed parameters. With a robust loss its rows are scaled, so that
        ``jac.T @ jac`` approximates the second derivatives of the cost. It may be the very array that a function `jac`
        gave, if it is large. None where the timeout came before there was one at `x`, or where it
        was changed by who got it and `max_nfev` leaves no evaluation to take it again. Where the one at `x` is not
        finite and the fit has converged, that of the step before, or None if it is large.
    grad : ndarray of shape (n,)
        Gradient of the cost, from `jac`.
    optimality : float
        Largest component of the gradient by size, over free parameters.
    offset : float
        Relative offset of Bates and Watts: the distance to the minimum of the linear model, in units of the radius of
        the confidence region. A success has one of at most 1e-3, or as small a one as the noise of the residuals
        allows, unless `ftol` or `xtol` is above 1e-4. NaN for fits that were stopped.
    noise : float
        What the fit has learnt of the residuals' noise, if it has looked: about the root mean square of their errors,
        or more, as they bend by no less for the shortest steps. NaN where differences were not taken with care: where
        a Jacobian was given, `diff_step` was, the residuals never bent, or the fit was stopped.
    steps : ndarray of shape (n,)
        Lengths of the last steps of these differences; NaN where there were none, and for fixed parameters.
    active_mask : ndarray of int, shape (n,)
        -1 where a parameter is at its lower bound, 1 where it is at its upper bound, else 0.
    nfev : int
        Evaluations of the residuals: every call of `fun`, but for those for differences.
    njev : int
        Jacobians, given or by differences, with the one at `x`.
    nit : int
        Accepted steps.
    status : int
        1: converged by `gtol`; 2: by `ftol`; 3: by `xtol`; 4: by both of these. 0: the limit `max_nfev` is reached.
        -2: stopped by `callback`, or by the caller of `LevenbergMarquardt`. -3: the `timeout` is over. -4: the Jacobian
        is not finite. -5: rounding allows no further progress. -6: no residual responds to any parameter. -7: `jac`
        disagrees with differences. -8: the tests for convergence are met, and differences are too uncertain to tell
        whether this is a minimum. -9: they are met where it is none, and no step that is tried improves it. -10: a
        parameter has run to where the residuals no longer follow it.
    message : str
        Why the fit ended.
    success : bool
        Whether the fit converged: `status` is 1 to 4.
    rank : int
        Number of columns of `jac` for free parameters that are independent beyond rounding, or beyond the error of
        differences, by the rule of `covariance`. 0 without a finite Jacobian.
    cov : ndarray of shape (n, n)
        Covariance of the parameters, ``inv(jac.T @ jac)*reduced_chi2`` over free parameters. Where the data do not
        determine some free parameters, those have inf on the diagonal and NaN beside it, and one warning names them;
        the other entries are those of every generalized inverse. In the rows and columns of fixed parameters there are
        zeros, and of parameters that are held at a bound, NaN: ``covariance(jac)`` gives the covariance without regard
        to bounds. Without degrees of freedom, or without a finite Jacobian, what is not known is NaN.
    stderr : ndarray of shape (n,)
        Standard errors, ``sqrt(diag(cov))``: inf for parameters that the data do not determine; NaN for those that are
        held at a bound, and for all that are free where there are no degrees of freedom or no finite Jacobian; 0 for
        fixed ones. They are right even where a variance overflows or underflows.
    correlation : ndarray of shape (n, n)
        Correlations, with 1 on the diagonal; NaN for parameters that are not free or not determined, and without a
        finite Jacobian. They do not depend on the variance of the residuals: an exact fit has them, and one without
        degrees of freedom.
    cond : float
        Condition number of the columns of `jac` for free parameters, each scaled to length 1; inf where they are
        dependent, NaN without a finite Jacobian.
    unidentifiable : ndarray of bool, shape (n,)
        Free parameters that the data do not determine; without a finite Jacobian, all that are not fixed.
    dof : int
        Degrees of freedom: residuals minus free parameters.
    reduced_chi2 : float
        Variance of the residuals, ``2*cost/dof``. NaN without degrees of freedom, because then the residuals do not
        show how large their errors are; where the errors are known, ``covariance(jac)`` gives the covariance.
    """

    fun: Array
    jac: Array | None
    grad: Array
    optimality: float
    offset: float
    noise: float
    steps: Array
    active_mask: npt.NDArray[np.intp]
    status: int

    _shown = (
        *("message", "success", "status", "x", "stderr", "active_mask", "unidentifiable", "cost", "optimality"),
        *("nfev", "njev", "nit", "rank", "cond", "dof", "reduced_chi2", "fun", "grad"),
    )

    @property
    def success(self) -> bool:
        """Whether the fit converged: `status` is 1 to 4."""
        return self.status > 0

    @property
    def _m(self) -> int:
        return self.fun.size

    def _remarks(self, j: int) -> list[str]:
        """What is special about a parameter: that it is fixed, or at a bound, and what every result tells."""
        if self._fixed[j]:
            return ["fixed"]
        bound = {-1: ["at its lower bound"], 0: [], 1: ["at its upper bound"]}[int(self.active_mask[j])]
        return bound + super()._remarks(j)
