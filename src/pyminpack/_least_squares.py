"""`least_squares`: Levenberg-Marquardt under the calling sequence of `scipy.optimize.least_squares`."""

from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from ._derivatives.sources import Workers
from ._errors import OptionError
from ._iteration.fit import LevenbergMarquardt
from ._model.options import as_callback, as_timeout, refuse_foreign
from ._report.least_squares import LeastSquaresResult, LeastSquaresState

_HEADER: Final = (
    f"{'step':>5} {'nfev':>6} {'cost':>14} {'reduction':>10} {'damping':>9} {'step norm':>10} {'cosine':>9}"
)


def least_squares(
    fun: Callable[..., Any],
    x0: npt.ArrayLike,
    jac: Callable[..., Any] | Literal["2-point", "3-point", "cs", True] = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: Literal["lm"] = "lm",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: npt.ArrayLike | Literal["jac"] | None = None,
    loss: Literal["linear", "soft_l1", "huber", "cauchy", "arctan"] | Callable[[Any], Any] = "linear",
    f_scale: float = 1.0,
    diff_step: npt.ArrayLike | None = None,
    tr_solver: None = None,
    tr_options: dict[str, Any] | None = None,
    jac_sparsity: None = None,
    max_nfev: int | None = None,
    verbose: Literal[0, 1, 2] = 0,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    callback: Callable[[LeastSquaresState], Any] | None = None,
    workers: Workers | None = None,
    *,
    fixed: npt.ArrayLike | None = None,
    timeout: float | None = None,
) -> LeastSquaresResult:
    """Minimize the sum of squares of residuals, or a robust loss of them, within bounds.

    Arguments and result are those of :func:`scipy.optimize.least_squares`; the method is always Levenberg and
    Marquardt's, that of `leastsq`, with bounds and losses, too.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)`` gives the m residuals at `x`, an array of shape (n,), as floats of any precision or
        as int64; m stays the same. Residuals that are not finite at a trial point count as infinitely large: the fit
        goes on elsewhere. What `compiled_residuals` has made is taken, too.
    x0 : array_like
        The n parameters to start from, within the bounds; on one is fine.
    jac : {'2-point', '3-point', 'cs', True} or callable, optional
        ``jac(x, *args, **kwargs)`` gives the Jacobian, of shape (m, n), in either order in memory; so may what
        `compiled_jacobian` has made. True: `fun` gives a tuple of residuals and Jacobian. '2-point', the default:
        forward differences, by MINPACK's steps. '3-point': central ones, at twice the price. 'cs': complex steps, for
        functions that take complex parameters.
    bounds : pair of array_like, or object with `lb` and `ub`, optional
        Lower and upper bounds, for each parameter or one for all. Residuals are never evaluated outside. Where the two
        are equal the parameter is fixed.
    method : {'lm'}, optional
        There is no other.
    ftol, xtol, gtol : float or None, optional
        Converged where the relative reduction of the cost, actual and predicted, is no more than `ftol`; where the
        relative size of the step is no more than `xtol`; where the cosine of the angle between the residuals and
        every column of the Jacobian, those apart that only push against a bound, is no more than `gtol`. Each 1e-8;
        None or 0 leaves nothing of a test but what rounding allows.
    x_scale : array_like or 'jac', optional
        Sizes of the parameters, for each or one for all: lengths of steps are measured in them, and differences are
        relative to no less. None or 'jac', the default: scaling by the columns of the Jacobian, as MINPACK has it.
    loss : {'linear', 'soft_l1', 'huber', 'cauchy', 'arctan'} or callable, optional
        The cost is half the sum of ``f_scale**2*rho((fun/f_scale)**2)``; rho(z) is z, ``2*(sqrt(1 + z) - 1)``, z to 1
        and ``2*sqrt(z) - 1`` from there on, ``log(1 + z)``, ``arctan(z)``. A callable gives for an array z three rows:
        rho(z), and its first and second derivative.
    f_scale : float, optional
        From what size on residuals count as outliers (1).
    diff_step : array_like, optional
        Steps of differences, relative to the sizes of the parameters, for each or one for all.
    tr_solver, tr_options, jac_sparsity : None
        Of use to other methods of SciPy's; here they are refused.
    max_nfev : int, optional
        Evaluations of the residuals, those for differences not counted, after which to stop (100 for each free
        parameter).
    verbose : {0, 1, 2}, optional
        Whether to print nothing (the default), the end, or a table of the steps as well.
    args, kwargs : tuple, list or object, mapping, optional
        Further arguments of `fun` and `jac`; `args` that is neither tuple nor list stands for itself.
    callback : callable, optional
        ``callback(intermediate_result)`` is called after each accepted step, with a `LeastSquaresState`; one whose
        first parameter is named `x` or `xk` gets the parameters alone. Where it returns True or raises StopIteration
        the fit ends, with status -2 unless it has converged by itself.
    workers : int or callable, optional
        Evaluates differences at several points at once: that many threads, -1 for one a processor; or a map-like
        callable, such as the `map` of a pool of processes, to which `fun` and its arguments must be able to travel.
    fixed : array_like of bool, optional
        Which parameters are to stay as they start.
    timeout : float, optional
        Seconds after which to stop, looked at before each evaluation.

    Returns
    -------
    LeastSquaresResult
        SciPy's attributes, by name or by key, and covariance, standard errors, rank and more.

    Raises
    ------
    InputTypeError
        A TypeError: `x0`, residuals or a Jacobian hold something else than real numbers; there are no parameters.
    InputValueError
        A ValueError: `x0` or the residuals there are not finite, or `x0` is outside the bounds.
    OptionError
        A TypeError and a ValueError: an option is out of its range, or of no use to this method.
    ShapeError
        A TypeError and a ValueError: fewer residuals than free parameters, a number of residuals that changes, a
        Jacobian or an option of the wrong shape.
    Exception
        Whatever `fun`, `jac` or `callback` raises comes out as it is.

    See Also
    --------
    LevenbergMarquardt : The same fit, step by step.
    leastsq : The same method, under the calling sequence of :func:`scipy.optimize.leastsq`.

    Notes
    -----
    Without bounds and with the linear loss, iterates are those of `leastsq` [1]_, to the bit. Where `leastsq` ends, or
    after 50 steps, the fit goes on with new scaling if that of the start keeps steps short: if the residuals are far
    from orthogonal to the Jacobian, and the first step of a fit that begins there promises to reduce them by much.

    Within bounds, each step minimizes the model that it would without them over the box, damped until the step is as
    short as the step bound wants it; the minimum is found by active sets [3]_, [4]_. So the model falls by at least
    what a step along the projected gradient gains that is no longer, and where that gains nothing the first-order
    conditions hold: what the theory of trust regions wants for global convergence [5]_. A step that stays inside the
    bounds is the one without bounds.

    A robust loss is minimized by linear least squares problems with the gradient of the cost, and its second
    derivatives as far as these are known without those of the residuals [2]_; where little would be left of them,
    first-order ones. Covariance is then that of those problems, and an approximation.

    At the end of a fit, a Jacobian that `jac` or `fun` gives, or complex steps, is compared with one difference of the
    residuals, not counted in `nfev`, and where that looks wrong with many; `message` then says where the two disagree
    most, and `status` is -7 where by differences the point is no minimum.

    References
    ----------
    .. [1] J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", Lecture Notes in
       Mathematics 630 (1978), 105-116.
    .. [2] B. Triggs, P. F. McLauchlan, R. I. Hartley, A. W. Fitzgibbon, "Bundle adjustment: a modern synthesis",
       Vision Algorithms: Theory and Practice (2000), 298-372.

    .. [3] L. F. Portugal, J. J. Júdice, L. N. Vicente, "A comparison of block pivoting and interior-point algorithms
       for linear least squares problems with nonnegative variables", Mathematics of Computation 63 (1994), 625-643.
    .. [4] C. L. Lawson, R. J. Hanson, "Solving Least Squares Problems" (1974), chapter 23.
    .. [5] A. R. Conn, N. I. M. Gould, Ph. L. Toint, "Trust-Region Methods" (2000), chapter 12.

    Examples
    --------
    A decay with one outlier:

    >>> import numpy as np
    >>> from pyminpack import least_squares
    >>> t = np.linspace(0, 4, 20)
    >>> y = 2.5*np.exp(-1.3*t)
    >>> y[7] += 1
    >>> def residuals(x):
    ...     return x[0]*np.exp(-x[1]*t) - y
    >>> fit = least_squares(residuals, [1, 1], loss="cauchy", f_scale=0.01)
    >>> fit.x.round(3), fit.success
    (array([2.5, 1.3]), True)

    A parameter that is held where it starts:

    >>> least_squares(residuals, [2.5, 1], fixed=[True, False], loss="cauchy", f_scale=0.01).x.round(3)
    array([2.5, 1.3])
    """
    began = monotonic()
    refuse_foreign(method, tr_solver, tr_options, jac_sparsity)
    if verbose not in (0, 1, 2):
        raise OptionError(f"verbose is {verbose!r}; it can be 0, 1 or 2")
    timeout, watcher = as_timeout(timeout), as_callback(callback)
    fit = LevenbergMarquardt(
        fun,
        x0,
        jac,
        bounds,
        ftol=ftol,
        xtol=xtol,
        gtol=gtol,
        x_scale=x_scale,
        loss=loss,
        f_scale=f_scale,
        diff_step=diff_step,
        max_nfev=max_nfev,
        args=args,
        kwargs=kwargs,
        workers=workers,
        fixed=fixed,
    )
    if timeout is not None:
        fit.stop_at(began + timeout)
    if watcher is not None or verbose == 2:
        _watch(fit, watcher, verbose)
    result = fit.run()
    if verbose:
        print(f"{result.message}\n{result.nit} steps, {result.nfev} evaluations, cost {result.cost:.8g}, ", end="")
        print(f"optimality {result.optimality:.3g}")
    return result


def _watch(fit: LevenbergMarquardt, callback: Callable[[LeastSquaresState], Any] | None, verbose: int) -> None:
    """Go on until the fit ends, or the callback ends it."""
    cost = fit.cost
    if verbose == 2:
        print(_HEADER)
        print(f"{0:>5} {fit.nfev:>6} {cost:>14.8g}")
    nit = fit.nit
    while fit.is_running:  # no generator, in which a StopIteration of the function's own would become something else
        state = fit.step()
        if state.nit == nit:
            return
        nit = state.nit
        if verbose == 2:
            print(
                f"{state.nit:>5} {state.nfev:>6} {state.cost:>14.8g} {cost - state.cost:>10.3g} {state.damping:>9.3g} "
                f"{state.step_norm:>10.3g} {state.grad_norm:>9.3g}"
            )
        cost = state.cost
        if callback is not None and _wants_to_stop(callback, state):
            fit.stop()


def _wants_to_stop(callback: Callable[[LeastSquaresState], Any], state: LeastSquaresState) -> bool:
    try:
        answer = callback(state)
    except StopIteration:
        return True
    return isinstance(answer, bool | np.bool_) and bool(answer)
