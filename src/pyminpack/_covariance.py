"""`covariance`: covariance of the parameters, and which of them the data determine, from a Jacobian or a fit."""

from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

import numpy as np

from ._errors import InputTypeError, InputValueError, ShapeError
from ._minpack import enorm
from ._model.arrays import DOUBLE, Array, Indices, Mask, as_array, find_not_finite, shown
from ._model.options import as_number
from ._report.result import FitResult
from ._report.statistics import (
    Covariance,
    covariance_from_factor,
    covariance_of_fit,
    error_of_forward_differences,
    rank_tolerance,
    triangle_of,
    warn_of_unidentifiable,
)

_KEYS: Final = ("fvec", "fjac", "ipvt")  # of infodict


def covariance(jac: Any, *, variance: float | None = None, rtol: float | None = None) -> Covariance:
    """Covariance of the parameters, standard errors, correlations and rank from a Jacobian, or from a fit.

    Where columns of the Jacobian are linearly dependent, the data do not determine all parameters. The parameters that
    they do determine get their covariances, the others get infinite variances, and a warning names the latter.

    Parameters
    ----------
    jac : array_like of shape (m, n), LeastSquaresResult, BlocksResult, tuple or dict
        The Jacobian at the solution. Where the standard deviations of the residuals differ, divide each row by that of
        its residual. An array of float64 that is contiguous, in C or in Fortran order, is not copied.

        Or a fit: the result of `least_squares` or `leastsq_blocks`, or what `leastsq` gives with full output, all of it
        or `infodict` alone. Bounds are then disregarded: a parameter that is held at a bound counts as free. Fixed
        parameters get the variance 0.
    variance : float, optional
        Variance of the residuals, which multiplies ``inv(jac.T @ jac)``. The default for a Jacobian is 1, for residuals
        that are divided by their known standard deviations; use ``sum(residuals**2)/(m - n)`` where it is to be
        estimated from the residuals. The default for a fit is that estimate, with the number of parameters that are
        not fixed for n, and for a robust loss twice the cost for the sum of squares.
    rtol : float, optional
        Relative error of the columns of the Jacobian; columns count as dependent where the sine of an angle between
        them is no more than this. The default, None, allows for rounding alone in a Jacobian: ``max(m, n, 10)`` times
        the spacing of float64. A Jacobian by forward differences has an error of about 1e-8. In a fit, the default is
        the error that the fit knows of, and rounding is always allowed for. What `leastsq` gives does not tell the
        error of differences: that of residuals in double precision is assumed, 3e-8.

    Returns
    -------
    Covariance
        `cov`, `stderr`, `correlation`, `rank`, `cond` and `unidentifiable`.

    Raises
    ------
    InputTypeError
        A TypeError: `jac` does not hold real numbers.
    InputValueError
        A ValueError: `jac` holds values that are masked, not finite or too large. The message names the first one. Or a
        fit has no finite Jacobian, or no degrees of freedom to estimate the variance from.
    OptionError
        A TypeError and a ValueError: `variance` or `rtol` is out of its range.
    ShapeError
        A TypeError and a ValueError: `jac` does not have two dimensions, or has no column; or `infodict` is not that of
        a fit.

    Warns
    -----
    UnidentifiableWarning
        The data do not determine every parameter.

    Notes
    -----
    The Jacobian is reduced to a triangle, one block of rows after another [1]_. The columns of the triangle are scaled
    to length 1 and factored with pivoting. Each pivot is then the sine of the angle between a column and the columns
    before it, and the rank is the number of pivots above `rtol`, whatever the units of the parameters.

    A parameter is determined (estimable [2]_) where its unit vector is orthogonal to the null space of the Jacobian. A
    relative error E of the Jacobian moves component j of the null space by at most E times the length of row j of the
    pseudo-inverse [3]_, and components up to that size count as zero.

    References
    ----------
    .. [1] G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition (2013), sections 5.2, 5.4 and 5.5.
    .. [2] C. R. Rao, S. K. Mitra, "Generalized Inverse of Matrices and its Applications" (1971), chapter 7.
    .. [3] P.-Å. Wedin, "Perturbation theory for pseudo-inverses", BIT 13 (1973), 217-232.

    Examples
    --------
    A line, ``a + b*t``, measured at three times to within 0.1:

    >>> import numpy as np
    >>> from pyminpack import covariance
    >>> jac = np.column_stack([np.ones(3), [-1.0, 0.0, 1.0]])
    >>> covariance(jac, variance=0.1**2).stderr.round(4)
    array([0.0577, 0.0707])

    A third parameter with the effect of the first one leaves the second one determined:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     known = covariance(jac[:, [0, 1, 0]], variance=0.1**2)
    >>> known.rank, known.unidentifiable
    (2, array([ True, False,  True]))
    >>> known.stderr.round(4)
    array([   inf, 0.0707,    inf])

    From a fit, without regard to the bound that the first parameter is at:

    >>> from pyminpack import least_squares
    >>> y = np.array([0.1, 1.0, 2.1])
    >>> fit = least_squares(lambda x: jac @ x - y, [2, 1], bounds=([1.1, -9], 9))
    >>> fit.stderr.round(4), covariance(fit).stderr.round(4)
    (array([ nan, 0.05]), array([0.0577, 0.0707]))
    """
    if isinstance(jac, FitResult):
        return _of_fit(jac, variance, rtol)
    if isinstance(jac, tuple) and len(jac) == 5 and isinstance(jac[2], Mapping):
        jac = jac[2]
    if isinstance(jac, Mapping) and set(_KEYS) <= jac.keys():
        return _of_leastsq(jac, variance, rtol)
    matrix = _as_matrix(jac)
    sigma = sqrt(1.0 if variance is None else _as_variance(variance))
    m, n = matrix.shape
    tol = rank_tolerance(m, n) if rtol is None else _as_error(rtol)
    r = triangle_of(matrix)
    if not np.isfinite(r).all():
        what = find_not_finite(matrix).describe()
        raise InputValueError(f"jac has {what}; a covariance needs a Jacobian that is finite")
    result = covariance_from_factor(r, np.arange(1, n + 1, dtype=np.int32), sigma, tol)
    warn_of_unidentifiable(result.unidentifiable, result.rank, n)
    return result


def _as_variance(variance: Any) -> float:
    return as_number("variance", variance, "it must be a finite number, 0 or more")


def _as_error(rtol: Any) -> float:
    return as_number("rtol", rtol, "it must be a number from 0 to less than 1", below=1)


def _of_fit(fit: FitResult, variance: Any, rtol: Any) -> Covariance:
    """The covariance of all parameters of a fit that are not fixed."""
    error = fit._jacobian_error if rtol is None else _as_error(rtol)
    return _of_factor(fit._factor, fit._m, fit._norm, fit._fixed, error, variance)


def _of_leastsq(infodict: Mapping[str, Any], variance: Any, rtol: Any) -> Covariance:
    """The covariance by the factorization that `leastsq` gives."""
    fvec, fjac, ipvt = (np.asarray(infodict[name]) for name in _KEYS)
    n = ipvt.size
    if n == 0 or n > fvec.size or fjac.shape != (n, fvec.size) or sorted(ipvt.tolist()) != list(range(n)):
        raise ShapeError(
            f"infodict has fvec of shape {fvec.shape}, fjac of shape {fjac.shape} and ipvt = {shown(ipvt)}; leastsq "
            "gives, for N parameters and M residuals, the shapes (M,) and (N, M), and a permutation of 0 to N - 1"
        )
    error = 0.0 if "njev" in infodict else error_of_forward_differences(DOUBLE)
    if rtol is not None:
        error = _as_error(rtol)
    factor = np.ascontiguousarray(fjac[:, :n]), (ipvt + 1).astype(np.int32)
    return _of_factor(factor, fvec.size, enorm(fvec), np.zeros(n, bool), error, variance)


def _of_factor(
    factor: tuple[Array, Indices] | None, m: int, norm: float, fixed: Mask, error: float, variance: Any
) -> Covariance:
    """The covariance of the parameters that are not fixed, from R and P of their columns and the residuals' norm."""
    n = fixed.size - int(np.count_nonzero(fixed))
    if variance is not None:
        sigma = sqrt(_as_variance(variance))
    elif m > n:
        sigma = norm / sqrt(m - n)
    else:
        raise InputValueError(
            f"the fit has {m} residuals for {n} parameters, and so no degrees of freedom to estimate the variance of "
            "the residuals from; give it: variance=1 where residuals are divided by their standard deviations"
        )
    if factor is None:
        raise InputValueError("the fit has no finite Jacobian at its x; a covariance needs one")
    result = covariance_of_fit(factor, m, sigma, error, fixed, ~fixed)
    warn_of_unidentifiable(result.unidentifiable, result.rank, n)
    return result


def _as_matrix(jac: Any) -> Array:
    """A Jacobian as float64, without a copy where it is float64 already."""
    array = as_array(jac, "jac has", "jac is", "leave those rows out")
    if array.dtype.kind not in "fiu":
        raise InputTypeError(f"jac must hold real numbers, not {array.dtype}; give a Jacobian, or the result of a fit")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(
            f"jac has shape {array.shape}; a Jacobian has a row for each residual and a column for each parameter"
        )
    return array.astype(np.float64, copy=False)
