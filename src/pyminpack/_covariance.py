"""`covariance`: covariance of the parameters, and which of them the data determine, from a Jacobian."""

from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ._errors import InputTypeError, InputValueError, ShapeError
from ._model.arrays import Array, as_array, find_not_finite
from ._model.options import as_number
from ._report.statistics import (
    Covariance,
    covariance_from_factor,
    rank_tolerance,
    triangle_of,
    warn_of_unidentifiable,
)


def covariance(jac: npt.ArrayLike, *, variance: float = 1.0, rtol: float | None = None) -> Covariance:
    """Covariance of the parameters, standard errors, correlations and rank from a Jacobian.

    Where columns of the Jacobian are linearly dependent, the data do not determine all parameters. The parameters that
    they do determine get their covariances, the others get infinite variances, and a warning names the latter.

    Parameters
    ----------
    jac : array_like of shape (m, n)
        The Jacobian at the solution. Where the standard deviations of the residuals differ, divide each row by that of
        its residual. An array of float64 that is contiguous, in C or in Fortran order, is not copied.
    variance : float, optional
        Variance of the residuals, which multiplies ``inv(jac.T @ jac)``. Use ``sum(residuals**2)/(m - n)`` where it is
        to be estimated from the residuals, and the default, 1, for residuals that are divided by their known standard
        deviations.
    rtol : float, optional
        Relative error of the columns of the Jacobian; columns count as dependent where the sine of an angle between
        them is no more than this. The default, None, allows for rounding alone: ``max(m, n, 10)`` times the spacing of
        float64, as `least_squares` does. A Jacobian by forward differences has an error of about 1e-8.

    Returns
    -------
    Covariance
        `cov`, `stderr`, `correlation`, `rank`, `cond` and `unidentifiable`.

    Raises
    ------
    InputTypeError
        A TypeError: `jac` does not hold real numbers.
    InputValueError
        A ValueError: `jac` holds values that are masked, not finite or too large. The message names the first one.
    OptionError
        A TypeError and a ValueError: `variance` or `rtol` is out of its range.
    ShapeError
        A TypeError and a ValueError: `jac` does not have two dimensions, or has no column.

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
    """
    matrix = _as_matrix(jac)
    sigma = sqrt(as_number("variance", variance, "it must be a finite number, 0 or more"))
    m, n = matrix.shape
    tol = rank_tolerance(m, n)
    if rtol is not None:
        tol = as_number("rtol", rtol, "it must be a number from 0 to less than 1", below=1)
    r = triangle_of(matrix)
    if not np.isfinite(r).all():
        what = find_not_finite(matrix).describe()
        raise InputValueError(f"jac has {what}; a covariance needs a Jacobian that is finite")
    result = covariance_from_factor(r, np.arange(1, n + 1, dtype=np.int32), sigma, tol)
    warn_of_unidentifiable(result.unidentifiable, result.rank, n)
    return result


def _as_matrix(jac: Any) -> Array:
    """A Jacobian as float64, without a copy where it is float64 already."""
    array = as_array(jac, "jac has", "jac is", "leave those rows out")
    if array.dtype.kind not in "fiu":
        raise InputTypeError(f"jac must hold real numbers, not {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(
            f"jac has shape {array.shape}; a Jacobian has a row for each residual and a column for each parameter"
        )
    return array.astype(np.float64, copy=False)
