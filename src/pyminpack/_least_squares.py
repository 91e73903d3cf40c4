"""`least_squares`: Levenberg-Marquardt under the calling sequence of `scipy.optimize.least_squares`."""

from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from ._derivatives.sources import Workers
from ._errors import warn_user_once
from ._iteration.fit import LevenbergMarquardt
from ._model.options import as_callback, as_method, as_timeout, as_verbosity
from ._model.signature import without_types
from ._report.least_squares import LeastSquaresResult, LeastSquaresState

_HEADER: Final = (
    f"{'step':>5} {'nfev':>6} {'cost':>14} {'reduction':>10} {'damping':>9} {'step norm':>10} {'cosine':>9}"
)


@without_types
def least_squares(
    fun: Callable[..., Any],
    x0: npt.ArrayLike,
    jac: Callable[..., Any] | Literal["2-point", "3-point", "cs", True] = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: Literal["lm", "trf", "dogbox"] = "lm",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: npt.ArrayLike | Literal["jac"] | None = None,
    loss: Literal["linear", "soft_l1", "huber", "cauchy", "arctan"] | Callable[[Any], Any] = "linear",
    f_scale: float = 1.0,
    diff_step: npt.ArrayLike | None = None,
    tr_solver: Literal["exact", "lsmr"] | None = None,
    tr_options: dict[str, Any] | None = None,
    jac_sparsity: Any = None,
    max_nfev: int | None = None,
    verbose: Literal[0, 1, 2] = 0,
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    callback: Callable[[LeastSquaresState], Any] | None = None,
    workers: Workers | None = None,
    *,
    fixed: npt.ArrayLike | None = None,
    timeout: float | None = None,
    check_jac: bool | None = None,
    accel: bool | None = None,
) -> LeastSquaresResult:
    """Minimize the sum of squares of residuals, or a robust loss of them, within bounds.

    Arguments and result are those of :func:`scipy.optimize.least_squares`. The method is always that of Levenberg and
    Marquardt, as in `leastsq`, extended to bounds and robust losses.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)`` gives the m residuals at `x`, an array of shape (n,), as floats of any precision or
        as int64; m must stay the same. If residuals at a trial point are not finite, the step is rejected and the fit
        goes on. A result of `compiled_residuals` is allowed.
    x0 : array_like
        The n parameters to start from, within the bounds or on them.
    jac : {'2-point', '3-point', 'cs', True} or callable, optional
        ``jac(x, *args, **kwargs)`` gives the Jacobian, of shape (m, n), in either order in memory. A result of
        `compiled_jacobian` is allowed. True: `fun` gives a tuple of residuals and Jacobian. '2-point', the default:
        forward differences, by MINPACK's steps. '3-point': central differences, which take twice as many evaluations.
        'cs': complex steps, for functions that accept complex parameters.
    bounds : pair of array_like, or object with `lb` and `ub`, optional
        Lower and upper bounds, one for each parameter or one for all. Residuals are never evaluated outside. A
        parameter whose bounds are equal is fixed. The default is no bounds.
    method : {'lm', 'trf', 'dogbox'}, optional
        The only method is 'lm'. SciPy's others are taken, with one warning, and do not change the fit.
    ftol, xtol, gtol : float or None, optional
        The fit has converged when the relative reduction of the cost, actual and predicted, is at most `ftol`; when the
        relative size of the step is at most `xtol`; or when the cosine of the angle between the residuals and every
        column of the Jacobian, except parameters held at a bound, is at most `gtol`. The default of each is 1e-8. None
        or 0 disables the test.
    x_scale : array_like or 'jac', optional
        Sizes of the parameters, one for each or one for all. The length of a step is measured in these units, and steps
        of differences are relative to them where a parameter is smaller. None or 'jac', the default: the columns of the
        Jacobian determine the scaling, as in MINPACK.
    loss : {'linear', 'soft_l1', 'huber', 'cauchy', 'arctan'} or callable, optional
        The cost is half the sum of ``f_scale**2*rho((fun/f_scale)**2)``. 'linear', the default: ``rho(z) = z``.
        'soft_l1': ``2*(sqrt(1 + z) - 1)``. 'huber': z up to 1, and ``2*sqrt(z) - 1`` above. 'cauchy': ``log(1 + z)``.
        'arctan': ``arctan(z)``. A function gives for an array z three rows: rho(z), and its first and second
        derivative.
    f_scale : float, optional
        Size from which on residuals count as outliers. The default is 1.
    diff_step : array_like, optional
        Steps of differences, relative to the sizes of the parameters, one for each or one for all. The default follows
        from the precision of the residuals.
    tr_solver, tr_options, jac_sparsity : optional
        Options of SciPy's other methods. They are taken, with one warning, and do not change the fit.
    max_nfev : int, optional
        Number of evaluations of the residuals, without those for differences, after which the fit stops; it is never
        exceeded. The default is 100 for each free parameter, with a given Jacobian 200, and what `check_jac` takes at
        the end.
    verbose : {0, 1, 2}, optional
        0, the default, prints nothing, 1 the end of the fit, 2 also a line for each step.
    args, kwargs : tuple, list or object, mapping, optional
        Further arguments of `fun` and `jac`; an object `args` that is neither a tuple nor a list is the only one.
    callback : callable, optional
        ``callback(intermediate_result)`` is called after each accepted step, with a `LeastSquaresState`. A function
        whose first parameter is named `x` or `xk` gets the parameters alone. If it returns True or raises
        StopIteration, the fit ends, with status -2 unless it has converged in that step.
    workers : int or callable, optional
        Evaluates differences at several points at once: a number of threads, -1 for one on each processor, or a
        map-like function, such as the `map` of a pool of processes, to which `fun` and its arguments must be picklable.
    fixed : array_like of bool, optional
        Which parameters keep their start values. The default is none.
    timeout : float, optional
        Seconds after which the fit stops; the time is checked before each evaluation. The default is no limit.
    check_jac : bool or None, optional
        Whether a given Jacobian, or one by complex steps, is compared with differences of `fun` at the end of the fit.
        None, the default: with one difference along one direction, which leaves out parameters of which the Jacobian
        says nothing; these are moved by themselves. Where that speaks against the Jacobian, with differences for every
        parameter. True: always with differences for every parameter. False: never; for a Jacobian that is approximate
        on purpose.
    accel : bool, optional
        Whether steps follow the curvature of the residuals, by geodesic acceleration. Each step then takes one more
        evaluation, and a fit in a narrow, curved valley fewer steps. None, the default: from the 50th step on, unless
        Jacobians are factored by blocks.

    Returns
    -------
    LeastSquaresResult
        SciPy's attributes, by name or by key, and covariance, standard errors, rank and more.

    Raises
    ------
    InputTypeError
        A TypeError: `x0`, residuals or a Jacobian do not hold real numbers, or there are no parameters.
    InputValueError
        A ValueError: `x0` or the residuals there are not finite, or `x0` is outside the bounds.
    OptionError
        A TypeError and a ValueError: an option is out of its range, or is not one of this method.
    ShapeError
        A TypeError and a ValueError: there are fewer residuals than free parameters, the number of residuals changes,
        or a Jacobian or an option has the wrong shape.
    Exception
        Any exception of `fun`, `jac` or `callback` is raised unchanged.

    See Also
    --------
    LevenbergMarquardt : The same fit, step by step.
    leastsq : The same method, under the calling sequence of :func:`scipy.optimize.leastsq`.

    Notes
    -----
    Without bounds and with the linear loss, the iterates are those of `leastsq` [1]_, to the bit, up to the point where
    `leastsq` ends; but after every 50 steps the fit restarts with a new scaling if the old one keeps the steps short:
    if the residuals are far from orthogonal to the Jacobian, and the first step of a new fit from that point promises
    to reduce them by much.

    Where a test for convergence is met, with `ftol` and `xtol` of at most 1e-4, the fit makes sure of it by the
    relative offset [6]_, ``result.offset``, with central differences whose steps follow the noise of the residuals and
    the effect of each parameter [7]_, unless `jac` is given, or `diff_step`, and the offset by these is small. If it is
    not, the fit goes on from there: until it is below 1e-7, or below 1e-3 with a next step that is within `xtol` of
    each parameter.

    With bounds, each step minimizes the damped linear model over the box. The damping is chosen so that the step is as
    long as the step bound, and the minimum is found by an active-set method [3]_, [4]_. The model then decreases by at
    least as much as along a projected gradient step of the same length, and where it cannot decrease the first-order
    conditions hold: this is what the theory of trust regions requires for global convergence [5]_. A step that stays
    inside the bounds is the same as without bounds.

    A robust loss is minimized by a sequence of linear least squares problems. They have the gradient of the cost, and
    its second derivatives without the terms with second derivatives of the residuals [2]_. The second derivative of the
    loss is left out for residuals where it would cancel most of the curvature. The covariance is that of the last such
    problem, and therefore an approximation.

    At the end of a fit, a given Jacobian, or one by complex steps, is compared with differences of the residuals,
    unless `check_jac` forbids it. These evaluations are counted in `nfev`, and `max_nfev` holds for them as well. Where
    the two disagree, `message` says where they do most, and `status` is -7 if by the differences the point is no
    minimum. If `max_nfev` leaves too few evaluations to tell, a fit with such a Jacobian is no success either: `status`
    is 0. The differences are central ones by two steps for each parameter, which are found out as for an end without
    a Jacobian.

    With a given Jacobian, `nfev` is the number of calls of `fun`, every one of them.

    With `accel`, or from the 50th step on, a step p is bent [8]_, [9]_. The residuals a tenth of the way along it tell
    their second derivative in that direction, and the acceleration a, which solves the same damped linear problem with
    these in the place of the residuals, how the valley bends. The trial point is x + p + a/2 if a, in scaled
    parameters, is at most 3/8 of the length of p, and x + p otherwise. Within bounds, parameters that p takes to a
    bound stay there, and a keeps the others within theirs. A step is not accelerated if it promises less than `ftol`,
    or changes the residuals by too little to tell their curvature from rounding. These evaluations are among those for
    differences, which `nfev` leaves out; with a given Jacobian they count, and `max_nfev` holds for them as well. The
    factorization of the Jacobian is kept, and so tall Jacobians are not factored by blocks.

    All options run on the same compiled loop: what they cost is the work that they ask for.

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
    .. [6] D. M. Bates, D. G. Watts, "A relative offset orthogonality convergence criterion for nonlinear least
       squares", Technometrics 23 (1981), 179-183.
    .. [7] P. E. Gill, W. Murray, M. A. Saunders, M. H. Wright, "Computing forward-difference intervals for numerical
       optimization", SIAM J. Sci. Stat. Comput. 4 (1983), 310-321.
    .. [8] M. K. Transtrum, B. B. Machta, J. P. Sethna, "Geometry of nonlinear least squares with applications to sloppy
       models and optimization", Phys. Rev. E 83 (2011), 036701.
    .. [9] M. K. Transtrum, J. P. Sethna, "Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares
       minimization", arXiv:1201.5885 (2012).

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

    A parameter that keeps its start value:

    >>> least_squares(residuals, [2.5, 1], fixed=[True, False], loss="cauchy", f_scale=0.01).x.round(3)
    array([2.5, 1.3])
    """
    run = Run(timeout, callback, verbose)
    remark = as_method(method, tr_solver, tr_options, jac_sparsity)
    if remark:
        warn_user_once(remark, UserWarning)
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
        check_jac=check_jac,
        accel=accel,
    )
    return run.to_the_end(fit)


class Run:
    """How a fit is watched on its way to the end; the time begins here."""

    def __init__(self, timeout: Any, callback: Any, verbose: Any) -> None:
        began = monotonic()
        self._verbosity = as_verbosity(verbose)
        seconds = as_timeout(timeout)
        self._deadline = None if seconds is None else began + seconds
        self._callback = as_callback(callback)

    @property
    def has_time(self) -> bool:
        """Whether nobody has asked for an end by the clock."""
        return self._deadline is None

    def to_the_end(self, fit: LevenbergMarquardt) -> LeastSquaresResult:
        """Go on until the fit ends, and print what is wanted."""
        if self._deadline is not None:
            fit.stop_at(self._deadline)
        if self._callback is not None or self._verbosity == 2:
            _watch(fit, self._callback, self._verbosity)
        result = fit.run()
        if self._verbosity:
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
