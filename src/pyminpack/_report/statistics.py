"""Rank, covariance, standard errors and correlations of the parameters, from the triangle of a Jacobian.

The rule, the same for every function that users call: columns of the Jacobian count as dependent where the sine of an
angle between them is no more than the relative error of the Jacobian.
"""

from collections.abc import Callable
from math import sqrt
from typing import Final

import numpy as np

from .._errors import UnidentifiableWarning, warn_user
from .._minpack import block_rows, fold_jacobian, identifiable
from .._minpack import unscaled_covariance as invert_in_core
from .._model.arrays import DOUBLE, Array, Indices, Mask, named
from .record import Record

# Roundings that the rank allows for at least, in units of 2.2e-16. With as many as there are rows, 23 of 6000 Jacobians
# of two or three rows with dependent columns were taken for independent ones, with ten none; from four rows on there
# was no difference. A hundred would take columns at an angle of 2e-14 for dependent ones.
LEAST_ROUNDINGS: Final = 10


class Covariance(Record):
    """What a Jacobian says about the parameters.

    Attributes
    ----------
    cov : ndarray of shape (n, n)
        Covariance of the parameters. Where the data do not determine a parameter, its variance is inf and its
        covariances are NaN; the other entries are those of every generalized inverse of ``jac.T @ jac``.
    stderr : ndarray of shape (n,)
        Standard errors, ``sqrt(diag(cov))``. They are right even where a variance overflows or underflows.
    correlation : ndarray of shape (n, n)
        Correlations, with 1 on the diagonal and NaN for parameters that are not determined. They do not depend on the
        variance of the residuals, even where that is 0.
    rank : int
        Number of columns of the Jacobian that are independent beyond rounding, whatever the units of the parameters.
    cond : float
        Condition number of the Jacobian with its columns scaled to length 1: about ``log10(cond)`` digits are lost.
        inf where `rank` is less than n.
    unidentifiable : ndarray of bool, shape (n,)
        True for each parameter that the data do not determine: it can change, alone or with others, while no residual
        changes. ``np.flatnonzero(unidentifiable)`` gives the numbers of these parameters.
    """

    cov: Array
    stderr: Array
    correlation: Array
    rank: int
    cond: float
    unidentifiable: Mask


# ------------------------------------------------------------------------------------ rank


def rank_tolerance(m: int, n: int, jacobian_error: float = 0.0) -> float:
    """The sine of the angle between columns up to which they count as dependent, for a Jacobian of m rows, n columns.

    It is the relative error of a column: that of differences, for example, but at least that of the factorization, for
    which max(m, n) roundings are the customary estimate (as in `numpy.linalg.matrix_rank`). The head of
    minpack/linalg/column_rank.f90 explains why the error of each column counts.
    """
    return max(jacobian_error, max(m, n, LEAST_ROUNDINGS) * DOUBLE)


def error_of_forward_differences(precision: float) -> float:
    """Relative error of a Jacobian by forward differences of residuals with this relative precision.

    A step of sqrt(precision) times x has an error of that size from rounding and another one from curvature, for a
    function that changes by much when x changes by itself.
    """
    return 2 * sqrt(max(precision, DOUBLE))


# ------------------------------------------------------------------------------------ covariance


def unscaled_covariance(r: Array, ipvt: Indices, m: int, jacobian_error: float = 0.0) -> Array | None:
    """``inv(J.T @ J)`` from Rᵀ and P of a Jacobian of m rows; None where its columns are dependent, or it overflows."""
    cov_x, known = invert_in_core(r, ipvt, rank_tolerance(m, len(ipvt), jacobian_error))
    return cov_x if known else None


def covariance_from_factor(r: Array, ipvt: Indices, sigma: float, tol: float) -> Covariance:
    """Rank and covariance from a factorization of the Jacobian.

    Parameters
    ----------
    r : ndarray of shape (n, n)
        R in the lower triangle, as the routines of the core give it. If it is not finite, no parameter is determined.
    ipvt : ndarray of int, shape (n,)
        Permutation of the columns, counted from 1.
    sigma : float
        Standard deviation of the residuals; NaN where it is not known.
    tol : float
        Sine up to which columns count as dependent: see `rank_tolerance`.
    """
    rank, norms, inverse, undetermined, cond = identifiable(r, ipvt, tol)
    unidentifiable = undetermined != 0
    roots = np.sqrt(np.diagonal(inverse))
    with np.errstate(all="ignore"):
        stderr = roots / norms * sigma
        correlation = np.clip(inverse / np.outer(roots, roots), -1.0, 1.0)
        np.fill_diagonal(correlation, 1.0)
        cov = correlation * np.outer(stderr, stderr)
    for matrix in (cov, correlation):
        matrix[unidentifiable] = matrix[:, unidentifiable] = np.nan
    cov[unidentifiable, unidentifiable] = stderr[unidentifiable] = np.inf
    return Covariance(
        cov=cov,
        stderr=stderr,
        correlation=correlation,
        rank=rank,
        cond=cond if rank == len(ipvt) else np.inf,
        unidentifiable=unidentifiable,
    )


def covariance_of_fit(
    factor: tuple[Array, Indices] | None, m: int, sigma: float, jacobian_error: float, fixed: Mask, free: Mask
) -> Covariance:
    """Rank and covariance of all parameters of a fit, of which some are fixed and some held at bounds.

    A fixed parameter is a constant, with the variance 0. What is not known is NaN.

    Parameters
    ----------
    factor : tuple of ndarray, or None
        Rᵀ and P of the columns of all parameters that are not fixed; None where they are not finite.
    m : int
        Number of residuals.
    sigma : float
        Standard deviation of the residuals; NaN where it is not known.
    jacobian_error : float
        Relative error of the Jacobian.
    fixed, free : ndarray of bool, shape (n,)
        Which parameters are fixed, and which are neither fixed nor held at a bound. Parameters that are not free have
        no part in the rank.
    """
    n, k = free.size, int(np.count_nonzero(free))
    cov, correlation, stderr = np.full((n, n), np.nan), np.full((n, n), np.nan), np.full(n, np.nan)
    cov[fixed] = cov[:, fixed] = stderr[fixed] = 0
    unidentifiable = np.zeros(n, np.bool_)
    rank, cond = 0, np.nan
    if factor is None:
        unidentifiable = ~fixed
    elif k > 0:
        r, ipvt = factor if k == n - np.count_nonzero(fixed) else _factor_of_columns(*factor, free[~fixed])
        of_free = covariance_from_factor(r, ipvt, sigma, rank_tolerance(m, k, jacobian_error))
        if k == n:
            return of_free
        block = np.ix_(free, free)
        cov[block], correlation[block] = of_free.cov, of_free.correlation
        stderr[free], unidentifiable[free] = of_free.stderr, of_free.unidentifiable
        rank, cond = of_free.rank, of_free.cond
    return Covariance(
        cov=cov, stderr=stderr, correlation=correlation, rank=rank, cond=cond, unidentifiable=unidentifiable
    )


def _factor_of_columns(r: Array, ipvt: Indices, columns: Mask) -> tuple[Array, Indices]:
    """The factorization of some columns of a Jacobian, from the factorization of all."""
    n = len(ipvt)
    unpivoted = np.empty((n, n))
    unpivoted[:, ipvt - 1] = np.tril(r).T
    return triangle_of(unpivoted[:, columns]), np.arange(1, np.count_nonzero(columns) + 1, dtype=np.int32)


def triangle_of(jacobian: Array) -> Array:
    """Rᵀ of a Jacobian, factored without pivoting."""
    m, n = jacobian.shape
    by_rows = jacobian.flags.c_contiguous
    stored = jacobian if by_rows else jacobian.T
    triangle = fold_jacobian(stored, int(by_rows), np.zeros(m), np.zeros((n + 1, n + 1)), block_rows(n))
    return np.ascontiguousarray(triangle[:n, :n].T)


# ------------------------------------------------------------------------------------ the warning


def warn_of_unidentifiable(unidentifiable: Mask, rank: int, n: int, names: Callable[[list[int]], str] = named) -> None:
    """Give one warning that names the parameters that are not determined, if there are any; n parameters are free.

    `names` makes text of their numbers.
    """
    numbers = np.flatnonzero(unidentifiable).tolist()
    if not numbers:
        return
    parameters, errors = "parameters", "their standard errors are"
    if len(numbers) == 1:
        parameters, errors = "parameter", "its standard error is"
    free = f"{n} free" if n < unidentifiable.size else f"{n}"
    warn_user(
        f"the data do not determine the {parameters} {names(numbers)}: the Jacobian has rank {rank} for {free} "
        f"parameters; {errors} inf (fix some of them, or add data that tells them apart)",
        UnidentifiableWarning,
    )
