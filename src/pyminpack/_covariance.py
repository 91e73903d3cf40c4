"""Covariance of fitted parameters, and which of them the data determine at all."""

import sys
from dataclasses import dataclass, fields
from types import FrameType
from typing import Any, Final
from warnings import warn

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._errors import InputTypeError, InputValueError, ShapeError, UnidentifiableWarning
from ._model.arrays import Array, as_number
from ._report.info import Indices, rank_tolerance
from ._report.result import shown

# Frames between a user's line and a warning: this package's, and those of its cached properties.
_NOT_THE_USERS: Final = (__package__, "functools")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Covariance:
    """What a Jacobian says of the parameters.

    Attributes
    ----------
    cov : ndarray of shape (n, n)
        Covariance of the parameters. Where the data don't determine a parameter its variance is inf and its
        covariance with any other NaN; the rest is as it would be by any generalized inverse of ``jac.T @ jac``.
    stderr : ndarray of shape (n,)
        Standard errors, ``sqrt(diag(cov))``; where the variances are too large or too small for a float, still these.
    correlation : ndarray of shape (n, n)
        Correlations, 1 on the diagonal; NaN in the rows and columns of parameters that are not determined. These do
        not depend on the variance, 0 included.
    rank : int
        Columns of the Jacobian that are independent of one another beyond rounding, whatever the parameters' units.
    cond : float
        Condition number of the Jacobian with its columns brought to length 1: digits of the parameters are lost to its
        logarithm. inf where `rank` is less than n.
    unidentifiable : ndarray of bool, shape (n,)
        Which parameters the data don't determine: those that can be changed, together with others or alone, while no
        residual responds. ``np.flatnonzero(unidentifiable)`` gives their numbers.
    """

    cov: Array
    stderr: Array
    correlation: Array
    rank: int
    cond: float
    unidentifiable: npt.NDArray[np.bool_]

    def __repr__(self) -> str:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        width = max(map(len, named))
        lines = [f"{name:>{width}}: {shown(value, width + 2)}" for name, value in named.items()]
        return "Covariance\n" + "\n".join(lines)


def covariance(jac: npt.ArrayLike, *, variance: float = 1.0, rtol: float | None = None) -> Covariance:
    """Covariance of the parameters, standard errors, correlations and rank from a Jacobian.

    Where the columns of the Jacobian depend on one another, the parameters that the data determine all the same have
    their covariances, the others infinite variances, and a warning names these.

    Parameters
    ----------
    jac : array_like of shape (m, n)
        The Jacobian at the solution, each row divided by its residual's standard deviation where these differ. Taken
        as it lies, without a copy, where it is float64 and contiguous in C's order or in Fortran's.
    variance : float, optional
        Variance of the residuals, by which ``inv(jac.T @ jac)`` is multiplied: ``sum(residuals**2)/(m - n)`` where the
        scatter of the residuals says how large it is; 1, the default, for residuals in units of their known standard
        deviation.
    rtol : float, optional
        Relative error of the Jacobian's columns; one that is closer than this to depending on the others counts as
        dependent. None, the default, stands for rounding, ``max(m, n, 10)`` times the spacing of float64: the rule
        that `least_squares` has, too. A Jacobian by forward differences is good to 1e-8 or so.

    Returns
    -------
    Covariance
        `cov`, `stderr`, `correlation`, `rank`, `cond` and `unidentifiable`.

    Raises
    ------
    InputTypeError
        A TypeError: `jac` holds something else than real numbers.
    InputValueError
        A ValueError: `jac` holds values that are masked, not finite or too large. The message names the first one.
    OptionError
        A TypeError and a ValueError: `variance` or `rtol` is out of its range.
    ShapeError
        A TypeError and a ValueError: `jac` has not two dimensions, or no column.

    Warns
    -----
    UnidentifiableWarning
        Where the data don't determine every parameter.

    Notes
    -----
    The Jacobian is folded into a triangle block by block [1]_; the columns of the triangle are brought to length 1 and
    factored with pivoting, which tells the rank in a way that the parameters' units have no part in: it is the number
    of pivots, sines of the angles between a column and those before it, above `rtol`. A parameter is
    determined, or estimable [2]_, where its unit vector is orthogonal to the null space. The null space is known as
    well as rounding lets it be: a relative error E of the Jacobian moves component j of it by at most E times row j's
    length in the pseudo-inverse [3]_, and what is smaller than that counts as zero.

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

    A third parameter that does what the first does leaves the second determined:

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
    of_variance = as_number("variance", variance, "it must be a finite number, 0 or more")
    m, n = matrix.shape
    tol = None if rtol is None else as_number("rtol", rtol, "it must be a number from 0 to less than 1", below=1)
    r = triangle_of(matrix)
    order = np.arange(1, n + 1, dtype=np.int32)
    result = uncertainty(r, order, m, variance=of_variance, tol=tol)
    warn_of(result.unidentifiable, result.rank, n)
    return result


def uncertainty(r: Array, ipvt: Indices, m: int, *, variance: float = 1.0, tol: float | None = None) -> Covariance:
    """The same from a factorization: R in the lower triangle of r, as the core's routines give it, and P.

    m is the number of rows of the Jacobian. No warning: warn_of gives it. R that is not finite
    determines no parameter.
    """
    n = len(ipvt)
    tol = rank_tolerance(m, n) if tol is None else tol
    rank, norms, inverse, marks, cond = _minpack.identifiable(r, ipvt, tol)
    free = marks != 0
    roots = np.sqrt(np.diagonal(inverse))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        stderr = roots / norms * np.sqrt(variance)
        correlation = np.clip(inverse / np.outer(roots, roots), -1.0, 1.0)
        np.fill_diagonal(correlation, 1.0)
        cov = correlation * np.outer(stderr, stderr)
    for matrix in (cov, correlation):
        matrix[free] = matrix[:, free] = np.nan
    cov[free, free] = stderr[free] = np.inf
    return Covariance(
        cov=cov,
        stderr=stderr,
        correlation=correlation,
        rank=rank,
        cond=cond if rank == n else np.inf,
        unidentifiable=free,
    )


def warn_of(unidentifiable: npt.NDArray[np.bool_], rank: int, n: int) -> None:
    """One warning that names the parameters without an answer, n being free, where there are any.

    It points to the line of the user's that has asked.
    """
    unknown = np.flatnonzero(unidentifiable).tolist()
    if not unknown:
        return
    more = f" and {len(unknown) - 12} more" if len(unknown) > 12 else ""
    named = ", ".join(f"x[{j}]" for j in unknown[:12]) + more
    tell, their = "parameters", "their standard errors are"
    if len(unknown) == 1:
        tell, their = "parameter", "its standard error is"
    free = f"{n} free" if n < unidentifiable.size else f"{n}"
    warn(
        f"the data do not determine the {tell} {named}: the Jacobian has rank {rank} for {free} parameters; {their} "
        "inf (fix some of them, or add data that tells them apart)",
        UnidentifiableWarning,
        stacklevel=_depth(),
    )


def _depth() -> int:
    """How far above the caller of this the first frame of the user's is, as `warn` counts."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and _package_of(frame) in _NOT_THE_USERS:
        frame, depth = frame.f_back, depth + 1
    return depth


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def triangle_of(matrix: Array) -> Array:
    """R of the Jacobian's QR factorization without pivoting, as its transpose; or a refusal of what isn't finite."""
    m, n = matrix.shape
    by_rows = matrix.flags.c_contiguous
    lying = matrix if by_rows else matrix.T
    t = _minpack.fold_jacobian(lying, int(by_rows), np.zeros(m), np.zeros((n + 1, n + 1)), _minpack.block_rows(n))
    if not np.isfinite(t).all():
        bad = np.argwhere(~np.isfinite(matrix))
        what = f"{len(bad)} values that are not finite"
        if not len(bad):
            bad = np.argwhere(np.abs(matrix) == np.abs(matrix).max())
            what = "values that are too large"
        i, j = bad[0]
        raise InputValueError(
            f"jac has {what}, the first in the column of parameter x[{j}], row {i} ({matrix[i, j]}); a covariance "
            "needs a Jacobian that is finite"
        )
    return np.ascontiguousarray(t[:n, :n].T)


def _as_matrix(jac: Any) -> Array:
    """A Jacobian as float64, without a copy where it is that."""
    if np.ma.is_masked(jac):
        count = np.count_nonzero(np.ma.getmaskarray(jac))
        raise InputValueError(f"jac has {count} masked values; leave those rows out")
    try:
        array = np.asarray(jac)
    except ValueError as error:
        raise ShapeError(f"jac is no array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise InputTypeError(f"jac must hold real numbers, not {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(
            f"jac has shape {array.shape}; a Jacobian has a row for each residual and a column for each parameter"
        )
    return array.astype(np.float64, copy=False)
