"""What `least_squares` returns, and what its callback gets."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._model.arrays import Array, Mask
from .record import Record
from .result import FitResult
from .statistics import Covariance, warn_of_unidentifiable

# Keys of a result beside its fields.
_PROPERTIES: Final = (
    *("success", "rank", "cov", "stderr", "correlation", "cond", "unidentifiable", "dof", "reduced_chi2"),
)


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
        Length of the step, in scaled parameters.
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
        gave, if it is large. None where the timeout came before there was one at `x`. Where the one at `x` is not
        finite and the fit has converged, that of the step before, or None if it is large.
    grad : ndarray of shape (n,)
        Gradient of the cost, from `jac`.
    optimality : float
        Largest component of the gradient by size, over free parameters.
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
        disagrees with differences.
    message : str
        Why the fit ended.
    success : bool
        Whether the fit converged: `status` is 1 to 4.
    rank : int
        Number of columns of `jac` for free parameters that are independent beyond rounding, or beyond the error of
        differences, by the rule of `covariance`. 0 without a finite Jacobian.
    cov : ndarray of shape (n, n) or None
        Covariance of the parameters, ``inv(jac.T @ jac)*reduced_chi2`` over free parameters, with zeros in the rows and
        columns of the others. Where the data do not determine some free parameters, those have inf on the diagonal and
        NaN beside it, and one warning names them; the other entries are those of every generalized inverse. None
        without degrees of freedom or without a finite Jacobian. ``covariance(jac)`` gives the covariance without regard
        to bounds.
    stderr : ndarray of shape (n,) or None
        Standard errors, ``sqrt(diag(cov))``: 0 for parameters that are not free, inf for those that are not determined.
        They are right even where a variance overflows or underflows. None where `cov` is.
    correlation : ndarray of shape (n, n) or None
        Correlations, with 1 on the diagonal, those of an exact fit included; NaN for parameters that are not free or
        not determined. None where `cov` is.
    cond : float
        Condition number of the columns of `jac` for free parameters, each scaled to length 1; inf where they are
        dependent, NaN without a finite Jacobian.
    unidentifiable : ndarray of bool, shape (n,)
        Free parameters that the data do not determine; without a finite Jacobian, all that are not fixed.
    dof : int
        Degrees of freedom: residuals minus free parameters.
    reduced_chi2 : float or None
        Variance of the residuals, ``2*cost/dof``. None without degrees of freedom, because then the residuals do not
        show how large their errors are; where the errors are known, ``covariance(jac)`` gives the covariance.
    """

    fun: Array
    jac: Array | None
    grad: Array
    optimality: float
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

    @property
    def cov(self) -> Array | None:
        """Covariance of the parameters; None without degrees of freedom or without a finite Jacobian."""
        known = self._covariance_with_warning
        return None if known is None else known.cov

    @property
    def stderr(self) -> Array | None:
        """Standard errors of the parameters; None where `cov` is."""
        known = self._covariance_with_warning
        return None if known is None else known.stderr

    @property
    def correlation(self) -> Array | None:
        """Correlations of the parameters; None where `cov` is."""
        known = self._covariance_with_warning
        return None if known is None else known.correlation

    @property
    def cond(self) -> float:
        """Condition number of the columns of `jac` for free parameters; NaN without a finite Jacobian."""
        return np.nan if self._statistics is None else self._statistics.cond

    @property
    def unidentifiable(self) -> Mask:
        """Free parameters that the data do not determine; without a finite Jacobian, all that are not fixed."""
        return ~self._fixed if self._statistics is None else self._statistics.unidentifiable

    @cached_property
    def _covariance_with_warning(self) -> Covariance | None:
        """The covariance, with a warning on first access if parameters are not identifiable."""
        known = self._covariance
        if known is not None:
            warn_of_unidentifiable(known.unidentifiable, known.rank, int(np.count_nonzero(self._free)))
        return known

    def summary(self) -> str:
        """A report: why the fit ended, and a line for each parameter with value, standard error and remarks."""
        known = self._covariance
        lines = [self.message, f"{'':>8} {'value':>14} {'std. error':>11}"]
        for j, value in enumerate(self.x.tolist()):
            error = f"{known.stderr[j]:.3g}" if known is not None and self._free[j] else "-"
            name = f"x[{j}]"
            lines.append(f"{name:>8} {value:14.7g} {error:>11}  {self._remark(j)}".rstrip())
        chi2 = "none" if self.reduced_chi2 is None else f"{self.reduced_chi2:.6g}"
        lines.append(f"cost {self.cost:.8g}, degrees of freedom {self.dof}, reduced chi-squared {chi2}")
        if self._statistics is None:
            lines.append("no finite Jacobian at x: rank and standard errors are not known")
        else:
            cond = "none" if np.isnan(self.cond) else f"{self.cond:.3g}"
            lines.append(f"rank {self.rank} of {np.count_nonzero(self._free)}, condition number {cond}")
        lines.append(f"{self.nit} steps, {self.nfev} evaluations, {self.njev} Jacobians")
        return "\n".join(lines)

    def _remark(self, j: int) -> str:
        """What is special about a parameter."""
        if self._fixed[j]:
            return "fixed"
        remarks = []
        if self.active_mask[j]:
            remarks.append(f"at its {'lower' if self.active_mask[j] < 0 else 'upper'} bound")
        if self._statistics is not None and self.unidentifiable[j]:
            remarks.append("not determined by the data")
        return ", ".join(remarks)

    def _value_to_show(self, name: str) -> Any:
        """The value of an attribute in repr, which gives no warning."""
        if name == "stderr":
            return None if self._covariance is None else self._covariance.stderr
        return getattr(self, name)

    def keys(self) -> list[str]:
        """Names of the attributes."""
        return [name for name in self._fields if not name.startswith("_")] + list(_PROPERTIES)

    def values(self) -> list[Any]:
        """Values of the attributes."""
        return [self[name] for name in self]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the attributes."""
        return [(name, self[name]) for name in self]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or the default where there is none of that name."""
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
