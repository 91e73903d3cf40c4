"""What is known of a fit at its minimum: parameters, data, goodness of fit, each residual's weight in it."""

from collections.abc import Mapping
from math import inf, nan, sqrt
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .._errors import OptionError
from .._iteration.fit import LevenbergMarquardt
from .._model.arrays import DOUBLE, Array
from .._model.losses import Robust, as_loss
from .._report.least_squares import LeastSquaresResult
from .._report.record import Record, computed_once
from .._report.statistics import Covariance, covariance_of_fit
from .goodness import Goodness, Runs, goodness_of, runs_of
from .model import Curve, what_can_be_pickled
from .parameters import names_of


class CurveParameter(Record):
    """One parameter of a fit.

    Attributes
    ----------
    name : str
        Its name.
    value, stderr : float
        The value at the minimum and its standard error: 0 where it is fixed, inf where the data leave it open, NaN
        where it is held at a bound or nothing is known.
    start : float
        Where the fit started.
    fixed : bool
        Whether it kept its start.
    at_bound : {None, 'lower', 'upper'}
        The bound that it lies on.
    identifiable : bool
        Whether the data determine it.
    """

    name: str
    value: float
    stderr: float
    start: float
    fixed: bool
    at_bound: Literal["lower", "upper"] | None
    identifiable: bool

    def __float__(self) -> float:
        return self.value


class FittedCurve(tuple[Array, Array, *tuple[Any, ...]]):
    """SciPy's tuple, and what is known at the minimum. `CurveFit` adds errors and pictures, and says what is what."""

    result: LeastSquaresResult
    start: Array
    start_cost: float
    absolute_sigma: bool
    nfev: int
    _curve: Curve
    _given_names: tuple[str, ...] | None
    _options: dict[str, Any]

    @property
    def popt(self) -> Array:
        """The parameters, as SciPy gives them."""
        return self[0]

    @property
    def pcov(self) -> Array:
        """The covariance, as SciPy gives it."""
        return self[1]

    def __getnewargs__(self) -> tuple[tuple[Any, ...]]:
        return (tuple(self),)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: self.__dict__[name] for name in FittedCurve.__annotations__}  # all else can be computed again
        state["_given_names"] = self.names  # which the model tells, and that may stay behind
        state["_options"] = what_can_be_pickled(self._options)
        return state

    # ------------------------------------------------------------------------------------ parameters

    @computed_once
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self._given_names or names_of(self._curve.require_model(), self.x.size)

    @computed_once
    def params(self) -> Mapping[str, CurveParameter]:
        """The parameters by name."""
        known, result = self._statistics, self.result
        sides: tuple[Literal["lower", "upper"] | None, ...] = (None, "upper", "lower")
        return MappingProxyType(
            {
                name: CurveParameter(
                    name=name,
                    value=float(result.x[j]),
                    stderr=float(known.stderr[j]),
                    start=float(self.start[j]),
                    fixed=bool(result._fixed[j]),
                    at_bound=None if result._fixed[j] else sides[result.active_mask[j]],
                    identifiable=not known.unidentifiable[j],
                )
                for j, name in enumerate(self.names)
            }
        )

    @property
    def x(self) -> Array:
        """The parameters at the minimum."""
        return self.result.x

    @computed_once
    def _statistics(self) -> Covariance:
        result = self.result
        if not self.absolute_sigma:
            return result._statistics
        return covariance_of_fit(result._factor, self.m, 1.0, result._jacobian_error, result._fixed, result._free)

    @property
    def cov(self) -> Array:
        """Covariance of the parameters."""
        return self._statistics.cov

    @property
    def stderr(self) -> Array:
        """Standard errors of the parameters."""
        return self._statistics.stderr

    @property
    def correlation(self) -> Array:
        """Correlations of the parameters."""
        return self._statistics.correlation

    @property
    def free(self) -> npt.NDArray[np.bool_]:
        """Which parameters are neither fixed nor held at a bound."""
        return self.result._free

    # ------------------------------------------------------------------------------------ data

    @computed_once
    def residuals(self) -> npt.NDArray[Any]:
        """Data minus model, in the shape and units of the data."""
        data, r = self._curve.data, self.result.fun
        if data.y.dtype.kind == "c":
            r = np.ascontiguousarray(r).view(np.complex128)
        shape = data.y.shape if r.size == data.y.size else r.shape
        return -data.unwhiten(r.reshape(shape))

    @property
    def fitted(self) -> npt.NDArray[Any]:
        """The model at the data."""
        return np.asarray(self._curve.data.y - self.residuals)

    # ------------------------------------------------------------------------------------ goodness of fit

    @property
    def m(self) -> int:
        """Number of residuals."""
        return self.result.fun.size

    @property
    def dof(self) -> int:
        """Degrees of freedom."""
        return self.result.dof

    @property
    def chi2(self) -> float:
        """The sum of squares of the residuals in units of sigma."""
        return 2 * self.result.cost

    @property
    def reduced_chi2(self) -> float:
        """chi2/dof."""
        return self.result.reduced_chi2

    @computed_once
    def _goodness(self) -> Goodness:
        return goodness_of(self)

    @property
    def p_value(self) -> float:
        """The probability of a larger chi-squared; NaN where the errors of the data are not known."""
        return self._goodness.p_value

    @property
    def r_squared(self) -> float:
        """1 minus the sum of squares over that of the data around their weighted mean; NaN where these do not vary."""
        return self._goodness.r_squared

    @property
    def log_likelihood(self) -> float:
        """The largest logarithm of the likelihood of normal errors."""
        return self._goodness.log_likelihood

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return self._goodness.aic

    @property
    def aicc(self) -> float:
        """Akaike's criterion, corrected for few data; inf where they are too few."""
        return self._goodness.aicc

    @property
    def bic(self) -> float:
        """Schwarz's information criterion."""
        return self._goodness.bic

    @computed_once
    def runs(self) -> Runs:
        """Runs of residuals of the same sign: too few tell of a curve that misses the data."""
        return runs_of(self)

    @computed_once
    def contains_constant(self) -> bool:
        """Whether a constant can be added to the curve by changing the parameters: only then does R² mean something."""
        jacobian, one = self._free_jacobian, self._whitened_one
        if jacobian is None or self._curve.data.y.dtype.kind == "c" or one.size != self.m:
            return False
        coefficients = np.linalg.lstsq(jacobian, one, rcond=None)[0]
        left = np.linalg.norm(one - jacobian @ coefficients)
        # By so much the error of the Jacobian, of which a bound is known that is wide by more than a decade, moves the
        # sum of its columns; a given one counts as good differences do.
        error = max(0.1 * self.result._jacobian_error, sqrt(DOUBLE))
        return bool(left <= error * (abs(coefficients) @ np.linalg.norm(jacobian, axis=0)))

    @computed_once
    def leverage(self) -> Array:
        """How much each residual determines its own fit: the diagonal of the hat matrix."""
        jacobian = self._free_jacobian
        if jacobian is None:
            return np.full(self.m, nan)
        q = np.linalg.qr(jacobian)[0]
        return np.asarray(np.sum(q * q, axis=1))

    @computed_once
    def studentized_residuals(self) -> Array:
        """Data minus model, each in units of its own standard error."""
        left = np.clip(1 - self.leverage, 0, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            return -self.result.fun / np.sqrt(left * self._variance)

    @computed_once
    def cooks_distance(self) -> Array:
        """How far the fit would move without each of the residuals (Cook 1977)."""
        h, k = self.leverage, max(1, int(np.count_nonzero(self.free)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.studentized_residuals**2 * h / ((1 - h) * k)

    # ------------------------------------------------------------------------------------ errors of the data

    @property
    def _dof_of_errors(self) -> float:
        """The degrees of freedom of the variance: infinitely many where it is known."""
        return inf if self.absolute_sigma else self.dof

    @property
    def _variance(self) -> float:
        """The variance of residuals in units of sigma."""
        return 1.0 if self.absolute_sigma else self.reduced_chi2

    @property
    def errors_of_data(self) -> npt.NDArray[Any] | None:
        """Standard errors of the data in their own units, scaled by the residuals unless `absolute_sigma`.

        None without `sigma`, where the residuals alone tell them.
        """
        data = self._curve.data
        if data.sigma is None and data.root is None:
            return None
        relative = data.sigma if data.root is None else np.sqrt(np.sum(data.root**2, axis=1)).reshape(data.y.shape)
        return np.broadcast_to(np.asarray(relative) * np.sqrt(self._variance), data.y.shape)

    # ------------------------------------------------------------------------------------ what others need

    @property
    def _whitened_data(self) -> npt.NDArray[Any]:
        data = self._curve.data
        return data.whiten(data.y).ravel()

    @property
    def _whitened_one(self) -> npt.NDArray[Any]:
        """A constant, in units of the errors of the data."""
        data = self._curve.data
        return data.whiten(np.ones(data.y.shape)).ravel()

    @computed_once
    def _free_jacobian(self) -> Array | None:
        """The columns of the Jacobian for free parameters."""
        jacobian = self.result.jac
        return None if jacobian is None or not np.isfinite(jacobian).all() else jacobian[:, self.free]

    @property
    def _is_exact(self) -> bool:
        """Whether nothing but rounding is left of the residuals."""
        return bool(np.linalg.norm(self.result.fun) <= DOUBLE * np.linalg.norm(self._whitened_data))

    def _number(self, name: str | int) -> int:
        """The number of a parameter."""
        if isinstance(name, str):
            if name not in self.names:
                raise OptionError(f"there is no parameter {name!r}; they are {', '.join(self.names)}")
            return self.names.index(name)
        return range(self.x.size)[name]

    @computed_once
    def _loss(self) -> Robust | None:
        """The robust loss; None for least squares."""
        kind = as_loss(self._options.get("loss", "linear"))
        return None if kind is None else Robust(kind, float(self._options.get("f_scale", 1.0)))

    def _fit_again(
        self, start: Array, fixed: npt.NDArray[np.bool_], residuals: Any = None, jac: Any = None
    ) -> LevenbergMarquardt:
        """Another fit with the same options, at its start."""
        options = dict(self._options)
        if jac is not None:
            options["jac"] = jac
        return LevenbergMarquardt(residuals or self._curve.for_core(), start, fixed=fixed, **options)

    def _refit(self, start: Array, fixed: npt.NDArray[np.bool_], *others: Any) -> LeastSquaresResult:
        """The end of another fit with the same options."""
        return self._fit_again(start, fixed, *others).run()
