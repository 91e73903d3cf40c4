"""What `leastsq_blocks` tells: during a pass, after a step, at the end."""

from dataclasses import dataclass
from typing import Literal

from .._model.arrays import Array
from .result import FitResult


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BlocksResult(FitResult):
    """The end of a fit to residuals that come in blocks.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The solution, or where the fit did not converge the best point met.
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
        Steps accepted.
    m : int
        Residuals in all.
    blocks : int
        Blocks.
    dof : int
        Degrees of freedom, m - n.
    reduced_chi2 : float or None
        The sum of squares over `dof`; None without a degree of freedom.
    rank : int
        Parameters that the last Jacobian can tell apart, whatever their units.
    cov_x : ndarray of shape (n, n) or None
        ``inv(J.T @ J)`` for the last Jacobian J, the one that led to `x`; None where `rank` is less than n.
    cov : ndarray of shape (n, n) or None
        Covariance of the parameters, ``cov_x*reduced_chi2``.
    stderr : ndarray of shape (n,) or None
        Standard errors of the parameters, the roots of its diagonal.
    """

    nit: int
    blocks: int


@dataclass(frozen=True, kw_only=True, eq=False)
class BlocksState:
    """A fit after an accepted step, as `callback` sees it.

    Attributes
    ----------
    iteration : int
        Steps accepted so far.
    x : ndarray of shape (n,)
        The best point so far; a copy.
    cost : float
        Half the sum of squares there.
    nfev, njev : int
        Passes and Jacobians so far, counted as in `BlocksResult`.
    damping : float
        The Levenberg-Marquardt parameter of the next step to try.
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


@dataclass(frozen=True, kw_only=True)
class BlocksProgress:
    """A fit in the middle of a pass, as `progress` sees it after each block.

    Attributes
    ----------
    iteration : int
        Steps accepted so far.
    cost : float
        Half the sum of squares at the best point so far; NaN before the first pass is over.
    nfev : int
        Passes over and done, counted as in `BlocksResult`.
    kind : {'Jacobian', 'residuals'}
        What this pass is for: a Jacobian at the best point, or residuals at a trial point.
    blocks_done : int
        Blocks of this pass that are done.
    blocks : int or None
        Blocks in all; None in the first pass over an iterable that doesn't tell its length.
    """

    iteration: int
    cost: float
    nfev: int
    kind: Literal["Jacobian", "residuals"]
    blocks_done: int
    blocks: int | None
