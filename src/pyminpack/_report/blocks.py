"""What `leastsq_blocks` returns, and what its callbacks get."""

from typing import Literal

from .._model.arrays import Array
from .info import SUCCESS
from .record import Record
from .result import FitResult
from .statistics import unscaled_covariance


class BlocksResult(FitResult):
    """The end of a fit to residuals that come in blocks; ``result.x`` and ``result["x"]`` are the same.

    `summary()` gives a report of it as text.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The solution, or where the fit did not converge the best point found.
    ier : int
        1 to 4: converged, by `ftol`, `xtol`, both or `gtol`. 5 to 8: stopped before that, by `maxfev`, or because
        rounding allows no further progress. -2: stopped by `callback`.
    message : str
        Why the fit ended.
    success : bool
        Whether it converged: `ier` is 1 to 4.
    cost : float
        Half the sum of squares of the residuals at `x`.
    nfev : int
        Passes over all the blocks that evaluate `func`: one for each trial point, and for each Jacobian one with
        `jac`, n + 1 without.
    njev : int
        Jacobians, whether from `jac` or by differences.
    nit : int
        Accepted steps.
    m : int
        Residuals in all blocks together.
    blocks : int
        Number of blocks.
    dof : int
        Degrees of freedom, m - n.
    reduced_chi2 : float
        Variance of the residuals, ``2*cost/dof``; NaN without degrees of freedom.
    rank : int
        Number of columns of the last Jacobian that are independent beyond rounding, or beyond the error of
        differences, by the rule of `covariance`.
    cov_x : ndarray of shape (n, n) or None
        ``inv(J.T @ J)`` for the last Jacobian J, the one that led to `x`; None where `rank` is less than n. It is the
        covariance of the parameters where each residual is divided by its known standard deviation.
    cov : ndarray of shape (n, n)
        Covariance of the parameters where the variance of the residuals is not known: ``cov_x*reduced_chi2``. Where the
        data do not determine some parameters, those have inf on the diagonal and NaN beside it, and one warning names
        them; the other entries are those of every generalized inverse. NaN without degrees of freedom.
    stderr : ndarray of shape (n,)
        Standard errors of the parameters, ``sqrt(diag(cov))``: inf for those that are not determined, NaN for the
        others without degrees of freedom. They are right even where a variance overflows or underflows.
    correlation : ndarray of shape (n, n)
        Correlations, with 1 on the diagonal; NaN for parameters that are not determined.
    cond : float
        Condition number of the columns of the last Jacobian, each scaled to length 1; inf where they are dependent.
    unidentifiable : ndarray of bool, shape (n,)
        Parameters that the data do not determine.
    """

    ier: int
    m: int
    blocks: int

    _evaluations = "passes over the blocks"
    _shown = (
        *("success", "message", "x", "stderr", "unidentifiable", "ier", "cost", "nfev", "njev", "nit"),
        *("m", "blocks", "dof", "reduced_chi2", "rank", "cond", "cov_x"),
    )

    @property
    def success(self) -> bool:
        """Whether the fit converged: `ier` is 1 to 4."""
        return self.ier in SUCCESS

    @property
    def _m(self) -> int:
        return self.m

    def keys(self) -> list[str]:
        """Names of the attributes."""
        return [*super().keys(), "cov_x"]

    @property
    def cov_x(self) -> Array | None:
        """``inv(J.T @ J)`` for the last Jacobian J; None where `rank` is less than n."""
        if self.rank < self.x.size or self._factor is None:
            return None
        return unscaled_covariance(*self._factor, self.m, self._jacobian_error)


class BlocksState(Record):
    """The state of a fit after an accepted step, which `callback` gets.

    Attributes
    ----------
    iteration : int
        Accepted steps so far.
    x : ndarray of shape (n,)
        The best point so far; a copy.
    cost : float
        Half the sum of squares of the residuals at `x`.
    nfev, njev : int
        Passes and Jacobians so far, counted as in `BlocksResult`.
    damping : float
        The Levenberg-Marquardt parameter of the next trial step.
    step_norm : float
        Length of the step, in scaled parameters.
    """

    iteration: int
    x: Array
    cost: float
    nfev: int
    njev: int
    damping: float
    step_norm: float


class BlocksProgress(Record):
    """The state of a fit after each block of a pass, which `progress` gets.

    Attributes
    ----------
    iteration : int
        Accepted steps so far.
    cost : float
        Half the sum of squares at the best point so far; NaN before the end of the first pass.
    nfev : int
        Complete passes so far, counted as in `BlocksResult`.
    kind : {'Jacobian', 'residuals'}
        What this pass computes: a Jacobian at the best point, or residuals at a trial point.
    blocks_done : int
        Blocks of this pass that are done.
    blocks : int or None
        Number of blocks; None during the first pass over an iterable without a length.
    """

    iteration: int
    cost: float
    nfev: int
    kind: Literal["Jacobian", "residuals"]
    blocks_done: int
    blocks: int | None
