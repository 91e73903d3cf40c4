"""What a fit ends with, as an object."""

from dataclasses import dataclass, fields

import numpy as np

from .._model.arrays import Array
from .info import SUCCESS


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FitResult:
    """The end of a fit.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The solution, or where the fit did not converge the best point met.
    ier : int
        1 to 4: converged. Any other number: stopped before that; `message` says why.
    message : str
        Why the fit ended.
    cost : float
        Half the sum of squares of the residuals at `x`.
    nfev : int
        Evaluations of the residuals.
    njev : int
        Jacobians, whether given or by differences.
    m : int
        Residuals.
    rank : int
        Parameters that the last Jacobian can tell apart: its columns that are independent of one another beyond
        rounding, whatever the units of the parameters.
    cov_x : ndarray of shape (n, n) or None
        ``inv(J.T @ J)`` for the last Jacobian J, as `leastsq` gives it; the covariance of the parameters where
        each residual was divided by its known standard deviation. None where `rank` is less than n.
    """

    x: Array
    ier: int
    message: str
    cost: float
    nfev: int
    njev: int
    m: int
    rank: int
    cov_x: Array | None

    @property
    def success(self) -> bool:
        """Whether the fit converged: `ier` is 1 to 4."""
        return self.ier in SUCCESS

    @property
    def dof(self) -> int:
        """Degrees of freedom: residuals less parameters."""
        return self.m - self.x.size

    @property
    def reduced_chi2(self) -> float | None:
        """The sum of squares over `dof`: the variance of the residuals. None without a degree of freedom."""
        return 2 * self.cost / self.dof if self.dof > 0 else None

    @property
    def cov(self) -> Array | None:
        """Covariance of the parameters, ``cov_x*reduced_chi2``: the residuals' own scatter says how large they are.

        None where one of the two is.
        """
        if self.cov_x is None or self.reduced_chi2 is None:
            return None
        return self.cov_x * self.reduced_chi2

    @property
    def stderr(self) -> Array | None:
        """Standard errors of the parameters, ``sqrt(diag(cov))``; None where `cov` is."""
        return None if self.cov is None else np.sqrt(np.diag(self.cov))

    def __repr__(self) -> str:
        named = {"success": self.success, "message": self.message, "x": self.x, "stderr": self.stderr}
        named |= {field.name: getattr(self, field.name) for field in fields(self)}
        width = max(map(len, named))
        lines = [f"{name:>{width}}: {shown(value, width + 2)}" for name, value in named.items()]
        return f"{type(self).__name__}\n" + "\n".join(lines)


def shown(value: object, indent: int) -> str:
    """A value as it stands in a report, the lines of an array one below the other."""
    if not isinstance(value, np.ndarray):
        return str(value)
    return np.array2string(value, threshold=50, edgeitems=3, max_line_width=100).replace("\n", "\n" + " " * indent)
