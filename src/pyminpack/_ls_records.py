"""What `least_squares` tells: after a step, and at the end."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ._convert import Array
from ._covariance import Covariance, uncertainty, warn_of
from ._iteration import Indices
from ._result import shown

_OFFERED = ("success", "rank", "cov", "stderr", "correlation", "cond", "unidentifiable", "dof", "reduced_chi2")


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastSquaresState:
    """A fit after an accepted step, as `callback` sees it.

    Attributes
    ----------
    nit : int
        Steps accepted so far.
    x : ndarray of shape (n,)
        The best point so far; a copy.
    fun : ndarray of shape (m,)
        The residuals there; a copy.
    cost : float
        What is minimized, there.
    nfev, njev : int
        Evaluations of the residuals, those for differences not counted, and Jacobians so far.
    damping : float
        The Levenberg-Marquardt parameter of the next step to try.
    step_norm : float
        Length of the step, in scaled parameters.
    grad_norm : float
        Largest cosine of the angle between the residuals and a column of the Jacobian where the step began, which
        `gtol` is compared with.
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
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LeastSquaresResult:
    """The end of a fit by `least_squares`; ``result.x`` and ``result["x"]`` are the same.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The solution, or where the fit did not converge the best point met.
    cost : float
        What was minimized, at `x`: half the sum of squares, or of what `loss` makes of them.
    fun : ndarray of shape (m,)
        The residuals at `x`.
    jac : ndarray of shape (m, n) or None
        The Jacobian at `x`, with zeros for fixed parameters; with a robust loss, its rows scaled so that
        ``jac.T @ jac`` stands for the second derivatives of the cost. It may be the array that a `jac` of the user's
        gave. None where time was over before there was one; that of the step before where time was over since.
    grad : ndarray of shape (n,)
        Gradient of the cost, by `jac`.
    optimality : float
        Largest component of the gradient, those apart that push against a bound, or belong to fixed parameters.
    active_mask : ndarray of int, shape (n,)
        -1 where a parameter is at its lower bound, 1 at its upper, else 0.
    nfev : int
        Evaluations of the residuals, those for differences not counted.
    njev : int
        Jacobians, given or by differences, with the one at `x`.
    nit : int
        Steps accepted.
    status : int
        1: converged by `gtol`; 2: by `ftol`; 3: by `xtol`; 4: by both of these. 0: `max_nfev` evaluations are used
        up. -2: stopped by `callback`, or by the caller of `LevenbergMarquardt`. -3: `timeout` is over. -4: the Jacobian
        is not finite. -5: rounding allows no further progress. -6: no residual responds to any parameter. -7: `jac`
        disagrees with differences.
    message : str
        The same in words.
    success : bool
        Whether the fit converged: `status` is 1 to 4.
    rank : int
        Free parameters that the data can tell apart, whatever their units: columns of `jac` that are independent
        beyond rounding, or beyond the error of differences.
    cov : ndarray of shape (n, n) or None
        Covariance of the parameters, ``inv(jac.T @ jac)*reduced_chi2``, of those that are free: rows and columns of
        fixed ones are zeros. Where `rank` says that some are not determined, those that are not have Inf on the
        diagonal, NaN beside it, and are named by a warning; the others' is that on the subspace that is determined.
        None without degrees of freedom or a finite Jacobian.
    stderr : ndarray of shape (n,) or None
        Standard errors, the roots of the diagonal of `cov`.
    correlation : ndarray of shape (n, n) or None
        `cov` divided by `stderr` both ways; NaN for parameters that are fixed or not determined.
    cond : float
        Condition number of the free columns of `jac`, each scaled to length 1.
    unidentifiable : ndarray of bool, shape (n,)
        Free parameters that the data don't determine.
    dof : int
        Degrees of freedom: residuals less free parameters.
    reduced_chi2 : float or None
        ``2*cost/dof``; None without a degree of freedom.
    """

    x: Array
    cost: float
    fun: Array
    jac: Array | None
    grad: Array
    optimality: float
    active_mask: npt.NDArray[np.intp]
    nfev: int
    njev: int
    nit: int
    status: int
    message: str
    _free: npt.NDArray[np.bool_]
    _factor: tuple[Array, Indices] | None  # Rᵀ and P
    _noise: float  # relative error of the Jacobian

    @property
    def success(self) -> bool:
        """Whether the fit converged: `status` is 1 to 4."""
        return self.status > 0

    @property
    def dof(self) -> int:
        """Degrees of freedom: residuals less free parameters."""
        return self.fun.size - int(np.count_nonzero(self._free))

    @property
    def reduced_chi2(self) -> float | None:
        """``2*cost/dof``; None without a degree of freedom."""
        return 2 * self.cost / self.dof if self.dof > 0 else None

    @cached_property
    def cov(self) -> Array | None:
        """Covariance of the parameters; None without degrees of freedom or a finite Jacobian."""
        cov = self._quiet_cov
        if cov is not None:
            warn_of(np.flatnonzero(self.unidentifiable).tolist(), self.rank, int(self._free.sum()), stacklevel=3)
        return cov

    @cached_property
    def stderr(self) -> Array | None:
        """Standard errors of the parameters; None where `cov` is."""
        return None if self.cov is None else np.sqrt(np.diag(self.cov))

    @cached_property
    def correlation(self) -> Array | None:
        """Correlations of the parameters; None where `cov` is."""
        if self.cov is None or self.stderr is None:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.cov / self.stderr / self.stderr[:, np.newaxis]

    @cached_property
    def rank(self) -> int:
        """Free parameters that the data can tell apart, whatever their units; 0 without a finite Jacobian."""
        return 0 if self._spread is None else self._spread.rank

    @property
    def cond(self) -> float:
        """Condition number of the free columns of `jac`, each scaled to length 1; NaN without a finite Jacobian."""
        return np.nan if self._spread is None else self._spread.cond

    @cached_property
    def unidentifiable(self) -> npt.NDArray[np.bool_]:
        """Free parameters that the data don't determine."""
        mask = np.zeros(self.x.size, bool)
        unknown = np.flatnonzero(self._free)
        mask[unknown if self._spread is None else unknown[list(self._spread.unidentifiable)]] = True
        return mask

    @cached_property
    def _spread(self) -> Covariance | None:
        """Covariance and rank of the free parameters; of variance 1 where there is none."""
        if self._factor is None:
            return None
        variance = 1.0 if self.reduced_chi2 is None else self.reduced_chi2
        return uncertainty(*self._factor, self.fun.size, variance=variance, tol=self._noise)

    @cached_property
    def _quiet_cov(self) -> Array | None:
        if self._spread is None or self.reduced_chi2 is None:
            return None
        cov = np.zeros((self.x.size, self.x.size))
        cov[np.ix_(self._free, self._free)] = self._spread.cov
        return cov

    def summary(self) -> str:
        """Why the fit ended and a line for each parameter: value, standard error, and where it is bound or fixed."""
        cov = self._quiet_cov
        errors = np.full(self.x.size, np.nan) if cov is None else np.sqrt(np.diag(cov))
        lines = [self.message, f"{'':>8} {'value':>14} {'std. error':>11}"]
        for j, (value, error) in enumerate(zip(self.x.tolist(), errors.tolist(), strict=True)):
            remark = "at its lower bound" if self.active_mask[j] < 0 else "at its upper bound"
            remark = remark if self.active_mask[j] else ""
            if not self._free[j]:
                remark = "fixed"
            elif self.unidentifiable[j]:
                remark = "not determined by the data"
            name = f"x[{j}]"
            lines.append(f"{name:>8} {value:14.7g} {error:11.3g}  {remark}".rstrip())
        chi2 = "none" if self.reduced_chi2 is None else f"{self.reduced_chi2:.6g}"
        lines.append(f"cost {self.cost:.8g}, degrees of freedom {self.dof}, reduced chi-squared {chi2}")
        lines.append(f"rank {self.rank} of {np.count_nonzero(self._free)}, condition number {self.cond:.3g}")
        lines.append(f"{self.nit} steps, {self.nfev} evaluations, {self.njev} Jacobians")
        return "\n".join(lines)

    def keys(self) -> list[str]:
        """The names of all that there is."""
        return [field.name for field in fields(self) if not field.name.startswith("_")] + list(_OFFERED)

    def values(self) -> list[Any]:
        """All that there is."""
        return [self[name] for name in self]

    def items(self) -> list[tuple[str, Any]]:
        """Names, and what there is under each."""
        return [(name, self[name]) for name in self]

    def get(self, name: str, default: Any = None) -> Any:
        """What is there under a name, or the default."""
        return getattr(self, name) if name in self else default

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return getattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __repr__(self) -> str:
        names = ["message", "success", "status", "x", "stderr", "active_mask", "cost", "optimality", "nfev", "njev"]
        names += ["nit", "rank", "cond", "dof", "reduced_chi2", "fun", "grad"]
        cov = self._quiet_cov
        errors = None if cov is None else np.sqrt(np.diag(cov))
        told = {name: errors if name == "stderr" else getattr(self, name) for name in names}
        width = max(map(len, told))
        lines = [f"{name:>{width}}: {shown(value, width + 2)}" for name, value in told.items()]
        return "LeastSquaresResult\n" + "\n".join(lines)
