"""What `least_squares` tells: after a step, and at the end."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .._covariance import Covariance, warn_of
from .._model.arrays import Array
from .info import Indices
from .result import shown
from .spread import spread_of

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
        gave. None where time was over before there was one at `x`.
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
        beyond rounding, or beyond the error of differences; by the rule of `covariance`. 0 without a finite Jacobian.
    cov : ndarray of shape (n, n) or None
        Covariance of the parameters, ``inv(jac.T @ jac)*reduced_chi2``, of those that are free: rows and columns are
        zeros for fixed ones, and for those that the gradient pushes against a bound, as if fixed there. Where `rank`
        says that some are not determined, those that are not have inf on the diagonal, NaN beside it, and are named by
        one warning; the others' is that on the subspace that is determined.
        ``covariance(jac)`` tells what it would be without bounds. None without degrees of freedom or a finite
        Jacobian.
    stderr : ndarray of shape (n,) or None
        Standard errors, the roots of the diagonal of `cov`: 0 for parameters that are not free, inf for those that are
        not determined; where the variances are too large or too small for a float, still these. None where `cov` is.
    correlation : ndarray of shape (n, n) or None
        Correlations, 1 on the diagonal, those of an exact fit included; NaN for parameters that are not free or not
        determined. None where `cov` is.
    cond : float
        Condition number of the free columns of `jac`, each scaled to length 1; inf where `rank` is less than their
        number, NaN without a finite Jacobian.
    unidentifiable : ndarray of bool, shape (n,)
        Free parameters that the data don't determine; without a finite Jacobian, all of them.
    dof : int
        Degrees of freedom: residuals less free parameters. In `rank`, `cond`, `dof` and `reduced_chi2`, as in `cov`,
        those are free that are neither fixed nor pushed against a bound.
    reduced_chi2 : float or None
        ``2*cost/dof``; None without a degree of freedom: then the residuals don't tell how large their errors are.
        Where these are known all the same, ``covariance(jac)`` gives the covariance.
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
    _fixed: npt.NDArray[np.bool_]
    _free: npt.NDArray[np.bool_]  # neither fixed nor held by a bound
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

    @property
    def cov(self) -> Array | None:
        """Covariance of the parameters; None without degrees of freedom or a finite Jacobian."""
        return None if self._told is None else self._told.cov

    @property
    def stderr(self) -> Array | None:
        """Standard errors of the parameters; None where `cov` is."""
        return None if self._told is None else self._told.stderr

    @property
    def correlation(self) -> Array | None:
        """Correlations of the parameters; None where `cov` is."""
        return None if self._told is None else self._told.correlation

    @property
    def rank(self) -> int:
        """Free parameters that the data can tell apart, whatever their units; 0 without a finite Jacobian."""
        return 0 if self._spread is None else self._spread.rank

    @property
    def cond(self) -> float:
        """Condition number of the free columns of `jac`, each scaled to length 1; NaN without a finite Jacobian."""
        return np.nan if self._spread is None else self._spread.cond

    @property
    def unidentifiable(self) -> npt.NDArray[np.bool_]:
        """Free parameters that the data don't determine; without a finite Jacobian, all of them."""
        return ~self._fixed if self._spread is None else self._spread.unidentifiable

    @cached_property
    def _spread(self) -> Covariance | None:
        """What the Jacobian tells of all parameters; with a variance of 1 where the residuals tell none."""
        if self._factor is None:
            return None
        variance = 1.0 if self.reduced_chi2 is None else self.reduced_chi2
        return spread_of(self._factor, self.fun.size, variance, self._noise, self._fixed, self._free)

    @property
    def _errors(self) -> Covariance | None:
        """The same where there are degrees of freedom."""
        return None if self.reduced_chi2 is None else self._spread

    @cached_property
    def _told(self) -> Covariance | None:
        """The same for who asks for errors: the first time with a warning of those that are infinite."""
        errors = self._errors
        if errors is not None:
            warn_of(errors.unidentifiable, errors.rank, int(np.count_nonzero(self._free)))
        return errors

    def summary(self) -> str:
        """Why the fit ended and a line for each parameter: value, standard error, and where it is bound or fixed."""
        errors = self._errors
        lines = [self.message, f"{'':>8} {'value':>14} {'std. error':>11}"]
        for j, value in enumerate(self.x.tolist()):
            error = f"{errors.stderr[j]:.3g}" if errors is not None and self._free[j] else "-"
            name = f"x[{j}]"
            lines.append(f"{name:>8} {value:14.7g} {error:>11}  {self._remark(j)}".rstrip())
        chi2 = "none" if self.reduced_chi2 is None else f"{self.reduced_chi2:.6g}"
        lines.append(f"cost {self.cost:.8g}, degrees of freedom {self.dof}, reduced chi-squared {chi2}")
        if self._spread is None:
            lines.append("no finite Jacobian at x: rank and standard errors are not known")
        else:
            known = "none" if np.isnan(self.cond) else f"{self.cond:.3g}"
            lines.append(f"rank {self.rank} of {np.count_nonzero(self._free)}, condition number {known}")
        lines.append(f"{self.nit} steps, {self.nfev} evaluations, {self.njev} Jacobians")
        return "\n".join(lines)

    def _remark(self, j: int) -> str:
        """What is to be said of a parameter."""
        if self._fixed[j]:
            return "fixed"
        remarks = []
        if self.active_mask[j]:
            remarks.append(f"at its {'lower' if self.active_mask[j] < 0 else 'upper'} bound")
        if self._spread is not None and self.unidentifiable[j]:
            remarks.append("not determined by the data")
        return ", ".join(remarks)

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
        names = ["message", "success", "status", "x", "stderr", "active_mask", "unidentifiable", "cost", "optimality"]
        names += ["nfev", "njev", "nit", "rank", "cond", "dof", "reduced_chi2", "fun", "grad"]
        errors = None if self._errors is None else self._errors.stderr
        told = {name: errors if name == "stderr" else getattr(self, name) for name in names}
        width = max(map(len, told))
        lines = [f"{name:>{width}}: {shown(value, width + 2)}" for name, value in told.items()]
        return "LeastSquaresResult\n" + "\n".join(lines)
