"""`leastsq`: MINPACK's lmdif and lmder under the calling sequence of `scipy.optimize.leastsq`."""

from collections.abc import Callable
from typing import Any, Literal, overload
from warnings import warn

import numpy as np
import numpy.typing as npt

from ._build_facts import FACTS
from ._minpack import as_start, enorm, is_plain, lmder, lmdif, set_converters
from ._minpack import leastsq as fit_in_core
from ._model.arrays import (
    DOUBLE,
    Array,
    as_jacobian,
    as_parameters,
    as_residuals,
    precision_of,
    require_finite_start,
)
from ._model.compiled import Compiled, CompiledResiduals, prepare
from ._model.options import as_count, as_flag, as_options, as_scale, not_a_function
from ._model.signature import without_types
from ._report.info import IER_OF, NO_RESPONSE, REPLACED_JACOBIAN, SUCCESS, Info, message_for
from ._report.leastsq import Report, refuse_values, report, report_without_fit
from ._report.statistics import error_of_forward_differences

set_converters(as_residuals, as_jacobian)

_GTOL, _GTOL_TOO_SMALL = int(Info.GTOL), int(Info.GTOL_TOO_SMALL)  # a member of an enum takes 0.3 µs to look up
_UNCERTAIN = int(Info.UNCERTAIN)
_NOT_FINITE = int(Info.JACOBIAN_NOT_FINITE)
_OWN_SCALING = np.empty(0)
_HAS_ORIGINAL = FACTS["minpack"] == "system"
# Defaults are known by identity, not by value: an option of any kind, arrays too, may be compared so.
_TOLERANCE, _GTOL_DEFAULT, _MAXFEV, _FACTOR = 1.49012e-8, 0.0, 0, 100


@overload
def leastsq(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: Any = (),
    Dfun: Callable[..., Any] | None = None,
    full_output: Literal[False] = False,
    col_deriv: bool = False,
    ftol: float = 1.49012e-8,
    xtol: float = 1.49012e-8,
    gtol: float = 0.0,
    maxfev: int = 0,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: npt.ArrayLike | None = None,
) -> tuple[Array, int]: ...
@overload
def leastsq(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: Any = (),
    Dfun: Callable[..., Any] | None = None,
    *,
    full_output: Literal[True],
    col_deriv: bool = False,
    ftol: float = 1.49012e-8,
    xtol: float = 1.49012e-8,
    gtol: float = 0.0,
    maxfev: int = 0,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: npt.ArrayLike | None = None,
) -> Report: ...
@overload
def leastsq(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    args: Any = (),
    Dfun: Callable[..., Any] | None = None,
    full_output: bool = False,
    col_deriv: bool = False,
    ftol: float = 1.49012e-8,
    xtol: float = 1.49012e-8,
    gtol: float = 0.0,
    maxfev: int = 0,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: npt.ArrayLike | None = None,
) -> tuple[Array, int] | Report: ...
@without_types
def leastsq(
    func: Any,
    x0: Any,
    args: Any = (),
    Dfun: Any = None,
    full_output: bool = False,
    col_deriv: bool = False,
    ftol: float = _TOLERANCE,
    xtol: float = _TOLERANCE,
    gtol: float = _GTOL_DEFAULT,
    maxfev: int = _MAXFEV,
    epsfcn: float | None = None,
    factor: float = _FACTOR,
    diag: Any = None,
) -> Any:
    """Minimize the sum of squares of residuals by the Levenberg-Marquardt method.

    A drop-in for :func:`scipy.optimize.leastsq`: same arguments, same returns.

    Parameters
    ----------
    func : callable
        ``func(x, *args)`` gives the M residuals at `x`, an array of shape (N,), as floats of any precision
        in any shape, or as int64. M >= N, and M stays the same. Residuals that are not finite at a trial
        point count as infinitely large: the fit goes on elsewhere. Machine code is called without Python
        in between where `compiled_residuals` has made `func`.
    x0 : array_like
        The N parameters to start from, in any shape; `func` gets them, and they are returned, in one
        dimension. Never modified.
    args : tuple or object, optional
        Further arguments of `func` and `Dfun`; one that is not a tuple stands for itself.
    Dfun : callable, optional
        ``Dfun(x, *args)`` gives the Jacobian, the derivatives of the residuals, of shape (M, N); or what
        `compiled_jacobian` has made. Without it, forward differences take N evaluations of `func` for each
        Jacobian.
    full_output : bool, optional
        Whether to return everything, or `x` and `ier` alone (the default).
    col_deriv : bool, optional
        The Jacobian comes as (N, M), derivatives down the columns.
    ftol : float, optional
        Converged where the relative reduction of the sum of squares is no more than this (1.49012e-8).
    xtol : float, optional
        Converged where the relative size of the step is no more than this (1.49012e-8).
    gtol : float, optional
        Converged where the cosine of the angle between the residuals and every column of the Jacobian is
        no more than this (0).
    maxfev : int, optional
        Calls of `func` after which to stop, at the end of an iteration. 0, the default, or less stands for
        ``100*(N + 1)`` with `Dfun`, ``200*(N + 1)`` without.
    epsfcn : float, optional
        Relative error of the residuals; the step of a difference is ``sqrt(epsfcn)*abs(x)``, or
        ``sqrt(epsfcn)`` where `x` is 0. None, the default, stands for the precision of the residuals' own
        dtype; where they prove coarser than that (a model that computes in single precision inside), for
        single precision.
    factor : float, optional
        The first step is no longer than ``factor*norm(diag*x0)`` (100).
    diag : array_like, optional
        N positive scale factors of the parameters. None, the default, stands for MINPACK's own scaling, by
        the columns of the Jacobian.

    Returns
    -------
    x : ndarray of shape (N,)
        The solution, or where it did not converge the best point met.
    cov_x : ndarray of shape (N, N) or None
        Only with `full_output`. The inverse of ``J.T @ J`` at the last factorization: to be multiplied by
        the variance of the residuals, ``sum(fvec**2)/(M - N)``, to make the covariance of the parameters.
        None where the fit did not converge, and where the columns of the Jacobian depend on one another
        up to rounding, or up to the error of differences, whatever the units of the parameters.
    infodict : dict
        Only with `full_output`:

        ``nfev``
            Calls of `func`, every one of them.
        ``njev``
            Calls of `Dfun`; only where it was given.
        ``fvec``
            The residuals at `x`, of shape (M,).
        ``fjac``
            Of shape (N, M); with ``R = numpy.triu(fjac.T[:N])``, the last Jacobian J satisfies
            ``J[:, ipvt] = Q @ R``. Below R there is nothing of use: what is left of Q, of J or of scratch
            work, or zeros.
        ``ipvt``
            The permutation, counted from 0, of shape (N,).
        ``qtf``
            The first N entries of ``Q.T @ fvec``, at the last factorization.
    mesg : str
        Only with `full_output`. Why the fit ended.
    ier : int
        1 to 4: converged, by `ftol`, `xtol`, both or `gtol`. 5 to 8: stopped before that, by `maxfev`, or
        because rounding allows no further progress by the test on `ftol`, `xtol` or `gtol`; 7 also where the
        tests are met and this is no minimum, 8 where nothing can tell or a parameter has run away; without
        `full_output`, a RuntimeWarning says so. 0: there are no parameters. Negative: a compiled function
        asked to stop.

    Raises
    ------
    InputTypeError
        A TypeError: `x0`, the residuals or the Jacobian hold something else than real numbers; `func` or `Dfun`
        is not callable; or there are no parameters, without `full_output`.
    InputValueError
        A ValueError: `x0`, the residuals at `x0` or a Jacobian are not finite. The message names the first
        offender.
    OptionError
        A TypeError and a ValueError: an option is out of its range, or of another type.
    ShapeError
        A TypeError and a ValueError: fewer residuals than parameters, a number of residuals that changes,
        a Jacobian or `diag` of the wrong shape.
    Exception
        Whatever `func` or `Dfun` raises comes out as it is.

    Notes
    -----
    The method is that of [1]_ as MINPACK-1 [2]_ has it. Where residuals that are not finite keep the steps
    short, that shortness does not count as convergence by `xtol` or `ftol`.

    Where these tests are met, the relative offset [4]_ says whether x is a minimum: it is there for nothing, in the
    last factorization. An ordinary fit ends with MINPACK's iterates, and with no call more. Where the offset is not
    small, or differences by MINPACK's steps can't tell (next to 0, far from 0, rounded residuals), the fit goes on from
    there with central differences whose steps are found out. What they can't bring to a minimum ends with `ier` 7 or 8.
    Tolerances above 1e-4 are taken at their word.

    So is a `Dfun` whose last step did what it foretold, as most wrong ones don't: these make way for differences, as
    `mesg` then says. `least_squares` compares each Jacobian with differences, `check_jacobian` shows where it is wrong.

    Jacobians of 512 rows or more, and of three times as many rows as columns, are factored by blocks of rows [3]_,
    in about the time that it takes to read them a few times. They are read where they lie, in C's order or in
    Fortran's, and not kept: a `Dfun` that fills and returns the same array at every call makes one Jacobian all
    the memory that a fit needs, but for a few vectors of M numbers. Smaller ones are factored column by column,
    to the bits of MINPACK.

    References
    ----------
    .. [1] J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Lecture Notes in
       Mathematics 630 (1978), 105-116.
    .. [2] J. J. Moré, B. S. Garbow, K. E. Hillstrom, "User Guide for MINPACK-1", ANL-80-74 (1980).
    .. [3] G. H. Golub, C. F. Van Loan, "Matrix Computations", 4th edition (2013), section 5.2; R. Schreiber, C. Van
       Loan, "A storage-efficient WY representation for products of Householder transformations", SIAM J. Sci.
       Stat. Comput. 10 (1989), 53-57.
    .. [4] D. M. Bates, D. G. Watts, "A relative offset orthogonality convergence criterion for nonlinear least
       squares", Technometrics 23 (1981), 179-183.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import leastsq
    >>> t = np.linspace(0, 4, 9)
    >>> y = 2.5*np.exp(-1.3*t)
    >>> x, ier = leastsq(lambda x: x[0]*np.exp(-x[1]*t) - y, [1, 1])
    >>> x.round(6), ier in (1, 2, 3, 4)
    (array([2.5, 1.3]), True)
    """
    start: Array | None = as_start(x0)
    if start is None:
        start = as_parameters(x0)
        require_finite_start(start)
    n = start.size
    if not isinstance(args, tuple):
        args = (args,)
    if maxfev is not _MAXFEV:
        maxfev = as_count(maxfev)
    if maxfev <= 0:
        maxfev = (200 if Dfun is None else 100) * (n + 1)
    if not (ftol is xtol is _TOLERANCE and gtol is _GTOL_DEFAULT and factor is _FACTOR and epsfcn is None):
        ftol, xtol, gtol, factor, epsfcn = as_options(ftol, xtol, gtol, factor, epsfcn)
    if full_output is not False and full_output is not True:
        full_output = as_flag("full_output", full_output)
    if col_deriv is not False and col_deriv is not True:
        col_deriv = as_flag("col_deriv", col_deriv)
    scale = None if diag is None else as_scale(diag, n)
    if not callable(func):
        raise not_a_function("func", func, "a function that gives the residuals")
    if Dfun is not None and not callable(Dfun):
        raise not_a_function("Dfun", Dfun, "a function that gives the Jacobian, or None for differences")

    precision = DOUBLE
    jac = Dfun
    run = fit_in_core
    if type(func) is CompiledResiduals and jac is None and n > 0 and not args:
        func, first = func._code, func._zeros
    else:
        if isinstance(func, Compiled) or isinstance(jac, Compiled):
            func, jac, first = prepare(func, jac, start, args)
        else:
            first = func(start.copy(), *args) if args else func(start.copy())
            if _HAS_ORIGINAL:
                run = _fit_by_the_original
        if not is_plain(first):
            residuals = as_residuals(first, None, start, 1).ravel()
            first, precision = residuals, precision_of(first)
    if n == 0 or first.size < n:
        return report_without_fit(start, first, full_output)
    step = precision if epsfcn is None else epsfcn
    fit: Any = run(func, jac, start, first, args, col_deriv, ftol, xtol, gtol, maxfev, step, scale, factor, full_output)

    if len(fit) == 2:
        return fit
    x, fvec, info, nfev, njev, r, ipvt, qtf, jacobian, error, is_replaced = fit
    fjac = r if jacobian is None else _factor_of_tall(r, jacobian, info, Dfun is not None, bool(col_deriv))
    message = ""
    is_suspect = info == _UNCERTAIN or (_HAS_ORIGINAL and info == _GTOL and enorm(fvec) > 0)
    if is_suspect and fjac.item(0) == 0:  # the longest column comes first
        info, message = _GTOL_TOO_SMALL, NO_RESPONSE
    if info in SUCCESS and not full_output:
        return x, info
    if info > _GTOL_TOO_SMALL and info not in IER_OF:
        refuse_values(info, x, fvec, fjac, "func" if Dfun is None else "Dfun")
    message = message or message_for(info, ftol, xtol, gtol, maxfev)
    if is_replaced and info in SUCCESS:
        message += REPLACED_JACOBIAN
    info = IER_OF.get(info, info)
    if full_output:
        return report(x, fvec, info, nfev, njev, fjac, ipvt, qtf, message, error)
    warn(message, RuntimeWarning, stacklevel=2)
    return x, info


def _factor_of_tall(r: Array, jacobian: Array, info: int, is_given: bool, col_deriv: bool) -> Array:
    """`fjac` of a fit whose Jacobian is factored by blocks; one that isn't finite comes itself, for a look at it."""
    columns = jacobian if is_given and col_deriv and jacobian.shape[0] == len(r) else jacobian.T
    if info == _NOT_FINITE:
        return columns
    if is_given:  # the array may be the user's own, or have been another one
        columns = np.zeros(columns.shape, order="F")  # so that R touches few pages of it
    columns[:, : len(r)] = np.tril(r)
    return columns


def _fit_by_the_original(*arguments: Any) -> tuple[Any, ...]:
    """What the core's `leastsq` gives with full output, by the drivers of an installed MINPACK."""
    func, jac, start, first, args, col_deriv, ftol, xtol, gtol, maxfev, step, scale, factor, _ = arguments
    diag = _OWN_SCALING if scale is None else scale
    if jac is not None:
        return (
            *lmder(func, jac, start, first, bool(col_deriv), ftol, xtol, gtol, maxfev, diag, factor, args),
            None,
            step,
            False,
        )
    x, fvec, info, nfev, *rest = lmdif(func, start, first, ftol, xtol, gtol, maxfev, step, diag, factor, args)
    return x, fvec, info, nfev, None, *rest, None, error_of_forward_differences(step), False
