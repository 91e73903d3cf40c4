"""What all results of fits have in common: where the fit ended, and the statistics there."""

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np

from .._model.arrays import Array, Indices, Mask
from .record import Record, computed_once
from .statistics import Covariance, covariance_of_fit, warn_of_unidentifiable
from .text import Text, paragraph, table_as_html


class FitResult(Record):
    """What every fit ends with; each kind of result says what its fields are. All are keys as well as attributes.

    What the fit found cannot be changed. More may be kept beside it under other keys, as astropy keeps its covariance.
    """

    x: Array
    message: str
    cost: float
    nfev: int
    njev: int
    nit: int
    _fixed: Mask
    _free: Mask  # neither fixed nor held at a bound
    _factor: tuple[Array, Indices] | None  # Rᵀ and P of the columns that are not fixed; None where they are not finite
    _jacobian_error: float  # relative
    _norm: float  # root of twice the cost, which does not underflow where the cost does

    # Keys of a result beside its fields.
    _properties = (
        *("success", "rank", "cov", "stderr", "correlation", "cond", "unidentifiable", "dof", "reduced_chi2"),
    )
    _evaluations = "evaluations"  # what nfev counts, in words

    @property
    def _m(self) -> int:
        """Number of residuals."""
        raise NotImplementedError

    @property
    def dof(self) -> int:
        """Degrees of freedom: residuals minus free parameters."""
        return self._m - int(np.count_nonzero(self._free))

    @property
    def reduced_chi2(self) -> float:
        """Variance of the residuals, ``2*cost/dof``; NaN without degrees of freedom."""
        return 2 * self.cost / self.dof if self.dof > 0 else np.nan

    @property
    def rank(self) -> int:
        """Number of independent columns of the Jacobian for free parameters; 0 without a finite Jacobian."""
        return self._statistics.rank

    @computed_once
    def _statistics(self) -> Covariance:
        """Rank and covariance from the Jacobian; what is not known is NaN."""
        sigma = self._norm / sqrt(self.dof) if self.dof > 0 else np.nan
        return covariance_of_fit(self._factor, self._m, sigma, self._jacobian_error, self._fixed, self._free)

    @computed_once
    def _covariance_with_warning(self) -> Covariance:
        """The covariance, with a warning on first access if parameters are not identifiable."""
        known = self._statistics
        if self._factor is not None:
            warn_of_unidentifiable(known.unidentifiable, known.rank, int(np.count_nonzero(self._free)))
        return known

    @property
    def cov(self) -> Array:
        """Covariance of the parameters; NaN where it is not known."""
        return self._covariance_with_warning.cov

    @property
    def stderr(self) -> Array:
        """Standard errors of the parameters; inf where the data leave one open, NaN where it is not known."""
        return self._covariance_with_warning.stderr

    @property
    def correlation(self) -> Array:
        """Correlations of the parameters; NaN where they are not known."""
        return self._covariance_with_warning.correlation

    @property
    def cond(self) -> float:
        """Condition number of the columns of the Jacobian for free parameters; NaN without a finite Jacobian."""
        return self._statistics.cond

    @property
    def unidentifiable(self) -> Mask:
        """Free parameters that the data do not determine; without a finite Jacobian, all that are not fixed."""
        return self._statistics.unidentifiable

    # ------------------------------------------------------------------------------------ as text

    def summary(self) -> str:
        """A report: why the fit ended, and a line for each parameter with value, standard error and remarks."""
        lines = [self.message, f"{'':>8} {'value':>14} {'std. error':>11}"]
        for name, value, error, remarks in self._rows():
            lines.append(f"{name:>8} {value:>14} {error:>11}  {remarks}".rstrip())
        return Text("\n".join([*lines, *self._about()]))

    def _repr_html_(self) -> str:
        """The summary for a notebook."""
        head = ("parameter", "value", "std. error", "remark")
        parts = [paragraph(self.message, strong=True), table_as_html(head, self._rows())]
        return f"<div>{''.join(parts)}{paragraph(chr(10).join(self._about()))}</div>"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """For each parameter its name, value, standard error, and what is special about it."""
        rows, errors = [], self._statistics.stderr
        for j, value in enumerate(self.x.tolist()):
            error = "-" if self._fixed[j] or np.isnan(errors[j]) else f"{errors[j]:.3g}"
            rows.append((f"x[{j}]", f"{value:.7g}", error, ", ".join(self._remarks(j))))
        return rows

    def _about(self) -> list[str]:
        """Lines about the fit as a whole."""
        chi2 = "none" if np.isnan(self.reduced_chi2) else f"{self.reduced_chi2:.6g}"
        lines = [f"cost {self.cost:.8g}, degrees of freedom {self.dof}, reduced chi-squared {chi2}"]
        if self._factor is None:
            lines.append("no finite Jacobian at x: rank and standard errors are not known")
        else:
            cond = "none" if np.isnan(self.cond) else f"{self.cond:.3g}"
            lines.append(f"rank {self.rank} of {np.count_nonzero(self._free)}, condition number {cond}")
        return [*lines, f"{self.nit} steps, {self.nfev} {self._evaluations}, {self.njev} Jacobians"]

    def _remarks(self, j: int) -> list[str]:
        """What is special about a parameter."""
        is_undetermined = self._factor is not None and self.unidentifiable[j]
        return ["not determined by the data"] if is_undetermined else []

    def _value_to_show(self, name: str) -> Any:
        """The value of an attribute in repr, which gives no warning."""
        if name == "stderr":
            return self._statistics.stderr
        return getattr(self, name)

    # ------------------------------------------------------------------------------------ as a mapping

    def keys(self) -> list[str]:
        """Names of the attributes, and of what was kept beside them."""
        own = [name for name in self._fields if not name.startswith("_")]
        added = [name for name in self.__dict__ if name not in self._names and not name.startswith("_")]
        return [*own, *self._properties, *added]

    def values(self) -> list[Any]:
        """Values of the attributes."""
        return [self[name] for name in self]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the attributes."""
        return [(name, self[name]) for name in self]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, or the default where there is none of that name."""
        return getattr(self, name) if name in self else default

    def copy(self) -> dict[str, Any]:
        """A dict of the attributes, which may be changed."""
        return dict(self.items())

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise TypeError(f"{name!r} cannot be a key of a {type(self).__name__}: keys are names of attributes")
        if hasattr(type(self), name) or name in self._names:
            raise TypeError(
                f"{name} of a {type(self).__name__} cannot be changed: it is what the fit found; copy() gives a dict "
                "that can be changed"
            )
        self.__dict__[name] = value

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())
