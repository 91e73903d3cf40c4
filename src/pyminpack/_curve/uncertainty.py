"""Errors of what follows from the parameters, and errors by other means than the linear model."""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, OptionError, UnidentifiableWarning, warn_user
from .._model.arrays import DOUBLE, Array, shown
from .data import as_independent
from .progress import counting
from .quantiles import f_quantile

if TYPE_CHECKING:
    from .fit import CurveFit

# Steps of central differences, relative to the parameter or its standard error: the third root of the roundings.
_STEP: Final = DOUBLE ** (1 / 3)
_FUNCTIONS: Final = ("exp", "log", "log10", "sqrt", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "pi")


# ------------------------------------------------------------------------------------ derivatives


def _derivatives(fit: "CurveFit", function: Callable[[Array], Any]) -> Array:
    """The derivatives of a function of the parameters by each, of shape (size, n), by central differences.

    Those by parameters that have no error, since they are fixed or held at a bound, are 0.
    """
    x, stderr = fit.x, np.where(np.isfinite(fit.stderr), fit.stderr, 0.0)
    columns: list[Array | None] = []
    bounds = fit._options.get("bounds")
    for j in range(x.size):
        if not fit.free[j]:
            columns.append(None)
            continue
        step = _STEP * (max(abs(float(x[j])), float(stderr[j])) or 1.0)
        ahead, behind = x.copy(), x.copy()
        ahead[j] += step
        behind[j] -= step
        if bounds is not None:
            ahead, behind = np.minimum(ahead, bounds[1]), np.maximum(behind, bounds[0])
        difference = np.asarray(function(ahead)) - np.asarray(function(behind))
        columns.append(difference.ravel() / (ahead[j] - behind[j]))
    size = next((column.size for column in columns if column is not None), 1)
    return np.column_stack([np.zeros(size) if column is None else column for column in columns])


def gradient_of(fit: "CurveFit", x: Any) -> Array:
    """The derivatives of the curve at x by the parameters, of shape (number of points, n)."""
    curve = fit._curve
    if callable(curve.jac):
        gradient = curve.gradient(x, fit.x, curve.values(x, fit.x).size)
        return np.where(fit.free, gradient, 0.0)
    return _derivatives(fit, lambda p: curve.values(x, p))


def _errors_by(fit: "CurveFit", gradient: Array) -> Array:
    """Standard errors of quantities with this gradient."""
    free = fit.free
    cov = fit.cov[np.ix_(free, free)]
    with np.errstate(invalid="ignore"):
        variance = np.einsum("ij,jk,ik->i", gradient[:, free], cov, gradient[:, free])
    return np.sqrt(np.where(variance < 0, 0.0, variance))


# ------------------------------------------------------------------------------------ bands


def band_of(
    fit: "CurveFit", x: Any, level: float, kind: str, simultaneous: bool, sigma: npt.ArrayLike | None
) -> tuple[Array, Array]:
    """Lower and upper ends of a band around the curve."""
    if kind not in ("confidence", "prediction"):
        raise OptionError(f"kind is {shown(kind)}; it can be 'confidence' or 'prediction'")
    half = fit._half_width(level)
    if simultaneous:
        k = int(np.count_nonzero(fit.free))
        half = sqrt(k * f_quantile(level, 1 - level, k, fit._dof_of_errors)) if fit._dof_of_errors > 0 else np.nan
    x = as_independent(x)
    curve = fit._curve.values(x, fit.x)
    if curve.dtype.kind == "c":
        raise InputValueError("a complex curve has no band: take that of its real and of its imaginary part by itself")
    errors = _errors_by(fit, gradient_of(fit, x)).reshape(curve.shape)
    if kind == "prediction":
        errors = np.sqrt(errors**2 + fit._variance * _error_of_data(fit, sigma) ** 2)
    return curve - half * errors, curve + half * errors


def _error_of_data(fit: "CurveFit", sigma: npt.ArrayLike | None) -> npt.NDArray[Any]:
    """The standard error of a further measurement, but for the scale."""
    data = fit._curve.data
    if sigma is not None:
        return np.asarray(sigma, float)
    if data.root is None and (data.sigma is None or data.sigma.ndim == 0):
        return np.asarray(1.0 if data.sigma is None else data.sigma)
    raise InputValueError("the data have errors of their own: give sigma, the standard errors of further measurements")


# ------------------------------------------------------------------------------------ derived quantities


class Derived(NamedTuple):
    """A quantity that follows from the parameters, and its standard error."""

    value: Any
    stderr: Any


class Values(tuple[Any, ...]):
    """The parameters, by name or by number: ``p["k"]``, ``p.k``, ``p[0]``."""

    _names: Sequence[str]

    def __new__(cls, values: Any, names: Sequence[str]) -> "Values":
        """Values in the order of their names."""
        self = super().__new__(cls, values)
        self._names = names
        return self

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self._names:
            raise KeyError(f"there is no parameter {key!r}; they are {', '.join(self._names)}")
        return super().__getitem__(self._names.index(key))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(str(error)) from None


def derived_of(fit: "CurveFit", quantity: str | Callable[[Any], Any]) -> Derived:
    """A quantity and its standard error."""
    if isinstance(quantity, str):
        code = compile(quantity.strip(), "<derived>", "eval")
        known = {name: getattr(np, name) for name in _FUNCTIONS}

        def function(p: Array) -> Any:
            return eval(code, {"__builtins__": {}, **known}, dict(zip(fit.names, p, strict=True)))

    elif callable(quantity):

        def function(p: Array) -> Any:
            return quantity(Values(p, fit.names))

    else:
        raise OptionError(f"quantity is {shown(quantity)}; it can be an expression or a function of the parameters")
    value = np.asarray(function(fit.x))
    errors = _errors_by(fit, _derivatives(fit, function)).reshape(value.shape)
    return Derived(value.item(), errors.item()) if value.ndim == 0 else Derived(value, errors)


# ------------------------------------------------------------------------------------ by residuals


def covariance_by_residuals(fit: "CurveFit", kind: str) -> Array:
    """The sandwich of the squares of the residuals between two inverses."""
    powers = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}
    if kind not in powers:
        raise OptionError(f"kind is {shown(kind)}; it can be 'HC0', 'HC1', 'HC2' or 'HC3'")
    cov = np.full((fit.x.size, fit.x.size), np.nan)
    fixed = fit.result._fixed
    cov[fixed], cov[:, fixed] = 0.0, 0.0
    jacobian = fit._free_jacobian
    if jacobian is None or fit._statistics.unidentifiable.any():
        return cov
    pseudo = np.linalg.pinv(jacobian)
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = fit.result.fun**2 / (1 - fit.leverage) ** powers[kind]
    sandwich = (pseudo * squares) @ pseudo.T
    if kind == "HC1":
        sandwich *= fit.m / fit.dof if fit.dof > 0 else np.nan
    cov[np.ix_(fit.free, fit.free)] = sandwich
    return cov


# ------------------------------------------------------------------------------------ bootstrap


class Bootstrap:
    """Fits to data drawn anew.

    Attributes
    ----------
    x : ndarray of shape (number of fits that converged, n)
        Their parameters.
    failed : int
        How many fits did not converge.
    names : tuple of str
        Names of the parameters.
    """

    def __init__(self, x: Array, failed: int, names: tuple[str, ...]) -> None:
        self.x, self.failed, self.names = x, failed, names

    @property
    def stderr(self) -> Array:
        """Standard deviations of the draws."""
        return np.asarray(np.std(self.x, axis=0, ddof=1))

    @property
    def cov(self) -> Array:
        """Covariance of the draws."""
        return np.atleast_2d(np.cov(self.x, rowvar=False))

    def interval(self, level: float = 0.95) -> Array:
        """Percentiles of the draws that leave out as many on either side, of shape (n, 2)."""
        if not 0 < level < 1:
            raise OptionError(f"level is {shown(level)}; it must be between 0 and 1, as 0.95")
        return np.asarray(np.quantile(self.x, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0).T)

    def __repr__(self) -> str:
        return f"<Bootstrap of {', '.join(self.names)}: {len(self.x)} fits, {self.failed} failed>"


def bootstrap_of(fit: "CurveFit", n: int, kind: str, seed: Any, progress: bool = False) -> Bootstrap:
    """Fits to n sets of data that are drawn from the data, or from the curve and its residuals."""
    if kind not in ("residuals", "pairs", "wild"):
        raise OptionError(f"kind is {shown(kind)}; it can be 'residuals', 'pairs' or 'wild'")
    if not isinstance(n, int | np.integer) or n < 2:
        raise OptionError(f"n is {shown(n)}; it must be a whole number above 1")
    rng = np.random.default_rng(seed)
    curve, fixed = fit._curve, fit.result._fixed
    best, m = fit.result.fun, fit.m
    spread = np.sqrt(np.clip(1 - np.nan_to_num(fit.leverage), DOUBLE, None))
    scaled = best / spread
    centered = scaled - scaled.mean()
    of_point = 2 if curve.data.y.dtype.kind == "c" else 1
    draws, failed = [], 0
    with counting(progress, n, "fits") as tick:
        for _ in range(n):
            tick()
            rows: npt.NDArray[np.intp] | None = None
            shift: Array | None = None
            if kind == "pairs":
                points = rng.integers(m // of_point, size=m // of_point)
                rows = (points[:, None] * of_point + np.arange(of_point)).ravel()
            elif kind == "wild":
                shift = scaled * rng.choice((-1.0, 1.0), size=m) - best
            else:
                shift = rng.choice(centered, size=m) - best
            try:
                result = fit._refit(fit.x, fixed, *_drawn(fit, rows, shift))
            except InputValueError:  # too few different points
                failed += 1
                continue
            if result.success:
                draws.append(result.x)
            else:
                failed += 1
    if failed > 0.1 * n:
        warn_user(
            f"{failed} of {n} fits to data drawn anew did not converge: what the others tell may be too optimistic",
            UnidentifiableWarning,
        )
    return Bootstrap(np.array(draws).reshape(-1, fit.x.size), failed, fit.names)


def _drawn(fit: "CurveFit", rows: Any, shift: Array | None) -> tuple[Any, Any]:
    """Residuals, and a Jacobian where one is given, of some of the points, or beside data that are shifted."""
    curve, given = fit._curve, callable(fit._options.get("jac"))

    def residuals(p: Array) -> Array:
        r = np.asarray(curve.residuals(p), float).ravel()
        return r[rows] if shift is None else r + shift

    def jacobian(p: Array) -> Any:
        return curve.jacobian(p)[rows]

    return residuals, jacobian if given and rows is not None else None
