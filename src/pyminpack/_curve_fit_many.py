"""`curve_fit_many`: one model fitted to many data sets at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from ._blocks.engine import Threads
from ._errors import OptionError
from ._many.compiled import CompiledTask, choices_for, limit_of_all, no_variables, run_compiled
from ._many.inputs import Inputs, as_width, progress_bar
from ._many.model import CannotBroadcastError, ManyModel
from ._many.result import CurveFits
from ._many.task import Answer, Task, run_task
from ._model.arrays import shown
from ._model.compiled import Compiled
from ._model.losses import Robust, as_loss
from ._model.options import as_choice, as_flag, as_limit, as_positive, as_tolerances, as_workers, not_a_function
from ._model.signature import without_types

# A worker's task is so many times what advances together, as at its end the pool is not full; or less, so that each
# worker gets some.
_WIDTHS: Final = 16
_TASKS_EACH: Final = 4
# Fits by compiled functions come one after the other: so many take longer than it takes to begin a task.
_COMPILED_WIDTH: Final = 64
# Relative differences of parameters, by which fits can be told apart when it is looked whether a model broadcasts.
_APART: Final = 1e-3


@without_types
def curve_fit_many(
    f: Callable[..., Any],
    xdata: npt.ArrayLike | None,
    ydata: npt.ArrayLike,
    p0: npt.ArrayLike | Mapping[str, float] | Callable[[Any, Any], npt.ArrayLike] | None = None,
    *,
    sigma: npt.ArrayLike | None = None,
    absolute_sigma: bool = False,
    mask: npt.ArrayLike | None = None,
    bounds: Any = (-np.inf, np.inf),
    jac: Callable[..., Any] | Literal["2-point", "3-point", "cs"] | None = None,
    loss: Any = "linear",
    f_scale: float = 1.0,
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    maxfev: int | None = None,
    chunk: int | Literal["auto"] = "auto",
    workers: int | Callable[..., Iterable[Any]] = 1,
    broadcast: Literal[True, False, "try"] = True,
    progress: bool = False,
) -> CurveFits:
    """Fit a curve ``f(x, a, b, ...)`` to each of many data sets.

    Each answer is that of `curve_fit` alone. Fits advance together: one call of the model evaluates it for hundreds of
    them, with parameters as arrays that broadcast against x. Or residuals are compiled: fits come one after the other,
    with no Python in between and without the GIL, and each answer is that of `least_squares`.

    Parameters
    ----------
    f : callable
        The function that `curve_fit` takes. It gets x of shape (m, 1), or (k, m, 1) for k variables, and each parameter
        as an array of shape (w,), for w fits. Or `compiled_residuals` without data, for m residuals. For each fit, its
        `data` are the x and the y of this fit one after the other, ``double data[k*m + m]``, and its argument `m` says
        how many points there are: those that are not masked. What it gives is divided by `sigma` after the call.
    xdata : array_like or None
        Where the data were taken: of shape (m,) or (k, m) for all fits, or with the batch dimensions of `ydata` before
        these. A shape that is also that of `ydata`, with batch dimensions, is one x for each fit. None, for compiled
        residuals: `data` are the row of `ydata` as it stands, of any length.
    ydata : array_like of shape (..., m)
        The data, with any number of batch dimensions. Masked points are left out. Complex data have two residuals each,
        the real and the imaginary part.
    p0 : array_like, mapping or callable, optional
        Where fits start: a number for each parameter, or by name, or of shape (..., n); or ``p0(xdata, ydata)`` gives
        that. The default is that of `curve_fit`; compiled residuals need one.
    sigma : array_like, optional
        Standard errors of the data: one number, or an array that broadcasts against `ydata`. The default is 1.
    absolute_sigma : bool, optional
        Whether `sigma` are the errors of the data. False, the default: they are relative.
    mask : array_like of bool, optional
        True for points that are left out, as in NumPy's masked arrays: data sets may be of unlike length. It
        broadcasts against `ydata`.
    bounds : pair of array_like, or mapping, optional
        Lower and upper bounds of the parameters of all fits, as `curve_fit` takes them.
    jac : callable or {'2-point', '3-point', 'cs'}, optional
        ``jac(x, a, b, ...)`` gives the derivatives of the curve, of shape (m, n) for one fit. For many it gets x of
        shape (m, w), or (k, m, w), and parameters of shape (w,). By differences otherwise. For compiled residuals, a
        `compiled_jacobian` without data, which gets the same ones.
    loss : {'linear', 'soft_l1', 'huber', 'cauchy', 'arctan'} or callable, optional
        A robust loss, as in `least_squares`.
    f_scale : float, optional
        Size from which on residuals count as outliers. The default is 1.
    ftol, xtol, gtol : float or None, optional
        Tolerances, as in `least_squares`.
    maxfev : int, optional
        Evaluations of the residuals for each fit at most, those for differences not counted. The default is 100 for
        each parameter.
    chunk : int or 'auto', optional
        How many fits advance together; or, compiled, are made by a thread at a time. The default is so many that the
        arrays of the model stay in the cache.
    workers : int or callable, optional
        A number of threads, -1 for one on each processor; or a map-like function, as the `map` of a pool of processes,
        to which `f` and `jac` must be picklable.
    broadcast : {True, False, 'try'}, optional
        What to do about a model that cannot be called for many fits at once. True, the default: raise an error that
        says what to change. 'try': make the fits one at a time. False: do that in any case. Compiled residuals always
        get one fit at a time.
    progress : bool, optional
        Whether a bar of tqdm is shown.

    Returns
    -------
    CurveFits
        Arrays: parameters, covariances, standard errors, costs, statuses.

    Raises
    ------
    InputTypeError
        A TypeError: the model cannot be called for many fits at once, or an argument does not hold real numbers.
    InputValueError, OptionError, ShapeError
        A ValueError, a TypeError, or both: an argument cannot be used.
    Exception
        Any exception of `f` or `jac` is raised unchanged.

    See Also
    --------
    curve_fit : One fit, with a report, intervals and pictures.

    Notes
    -----
    A fit that fails raises nothing: it has its status, its message and the best parameters that were found. Some fits
    are made by `curve_fit` itself, one by one, and `alone` of the result tells which: those that meet a bound or could
    not start; whose columns of the Jacobian are nearly dependent; that take more than 50 steps; and whose ends are not
    certain by central differences with a first guess of the steps. So are all fits with a `loss` that is a function,
    with `jac` a string other than '2-point', of more than 24 parameters, or of a model in single precision. Of fits by
    compiled residuals, these are made by `least_squares`, one by one: those that could not start, or whose given
    Jacobian is in doubt; and all with a loss that is a function, or with equal bounds.

    Examples
    --------
    A thousand decays:

    >>> import numpy as np
    >>> from pyminpack import curve_fit_many
    >>> def decay(t, a, b):
    ...     return a*np.exp(-b*t)
    >>> t = np.linspace(0, 4, 20)
    >>> rates = np.linspace(0.5, 2, 1000)
    >>> y = decay(t, 2.5, rates[:, np.newaxis]) + 0.01*np.cos(7*t)
    >>> fits = curve_fit_many(decay, t, y, [1, 1])
    >>> fits.x.shape, fits.stderr.shape, bool(fits.success.all())
    ((1000, 2), (1000, 2), True)
    >>> fits.x[-1].round(2)
    array([2.5, 2. ])
    """
    if not callable(f):
        raise not_a_function("f", f, "a function f(x, a, b, ...) that gives the curve")
    if not (jac is None or callable(jac) or (isinstance(jac, str) and jac in ("2-point", "3-point", "cs"))):
        raise OptionError(f"jac is {shown(jac)}; it can be '2-point', '3-point', 'cs', or a function jac(x, a, b, ...)")
    how = as_choice("broadcast", broadcast, (True, False, "try"))
    is_absolute, with_bar = as_flag("absolute_sigma", absolute_sigma), as_flag("progress", progress)
    is_compiled, has_x = isinstance(f, Compiled) or isinstance(jac, Compiled), xdata is not None
    if callable(p0):
        p0 = p0(xdata, ydata)
    inputs = Inputs(f, xdata if has_x or not is_compiled else no_variables(ydata), ydata, p0, sigma, mask, bounds)
    tolerances, limit = as_tolerances(ftol, xtol, gtol), as_limit(maxfev, inputs.n, callable(jac))
    width, engine = as_width(chunk, inputs.m * (2 if inputs.is_complex else 1)), as_workers(workers)

    kind = as_loss(loss)
    scale = as_positive("f_scale", f_scale, "the scale of the residuals must be a positive and finite number")
    options = {"ftol": ftol, "xtol": xtol, "gtol": gtol, "max_nfev": maxfev, "loss": loss, "f_scale": f_scale}
    options |= {"jac": jac if isinstance(jac, str) else "2-point", "bounds": inputs.bounds}
    shared: dict[str, Any] = {
        "bounds": inputs.bounds,
        "tolerances": tolerances,
        "limit": limit,
        "absolute_sigma": is_absolute,
    }
    is_known = not callable(kind)  # to the core
    shared["loss"] = Robust(kind, scale).for_core if is_known and kind is not None else (0, 1.0)
    halted = np.zeros(1, np.int32)
    if is_compiled:
        functions = choices_for(f, jac, inputs, has_x)
        in_loop = is_known and not (inputs.bounds[0] == inputs.bounds[1]).any()
        most = limit_of_all(limit, maxfev, inputs.n)
        is_auto = isinstance(chunk, str)
        size = _size_of_task(inputs.count, *((_COMPILED_WIDTH, _WIDTHS) if is_auto else (width, 1)), engine)
    else:
        model = ManyModel(f, jac if callable(jac) else None, inputs.is_complex)
        in_pool = how is not False and is_known and jac not in ("3-point", "cs")
        if in_pool:
            in_pool = _settle(model, inputs, how)
        size = _size_of_task(inputs.count, width, _WIDTHS, engine)

    def tasks() -> Iterator[Task | CompiledTask]:
        for fits in _chunks(inputs.count, size):
            part = shared | {"options": options} | inputs.part(fits)
            if is_compiled:
                if not has_x:
                    part["x"] = None
                yield CompiledTask(**functions, in_loop=in_loop, limit_of_all=most, halted=halted, **part)
            else:
                yield Task(model=model, in_pool=in_pool, width=width, **part)

    run = run_compiled if is_compiled else run_task
    answers = _map(engine, run, tasks(), lambda: halted.fill(1))
    return _collect(inputs, answers, size, (*tolerances, limit), progress_bar(inputs.count, with_bar))


def _settle(model: ManyModel, inputs: Inputs, how: Any) -> bool:
    """Whether fits can advance together: find out how the model broadcasts, where there are fits at all."""
    if inputs.count == 0 or inputs.m == 0:
        return False
    w = next(w for w in (3, 2, 4, 5) if w not in (inputs.m, inputs.n))
    numbers = np.arange(w) % min(inputs.count, w)
    points = np.asarray(inputs.start[numbers], np.float64) * (1 + _APART * np.arange(w))[:, np.newaxis]
    points = np.clip(np.where(np.isfinite(points), points, 1.0), *inputs.bounds)
    own = np.asarray(inputs.x[numbers] if inputs.has_own_x else inputs.x, np.float64)
    x = np.ascontiguousarray(np.moveaxis(own, 0, -1)) if inputs.has_own_x else own[..., np.newaxis]
    try:
        return model.settle(x, points, lambda i: own[i] if inputs.has_own_x else own)
    except CannotBroadcastError:
        if how == "try":
            return False
        raise


def _size_of_task(count: int, width: int, widths: int, engine: Any) -> int:
    """How many fits a worker gets at a time: so many times what advances together, or less, so that each gets some."""
    most = width * widths
    if callable(engine) or engine == 1:
        return most
    each: int = -(-count // engine)  # of a thread
    return max(1, min(most, max(-(-each // _TASKS_EACH), min(width, each))))


def _chunks(count: int, size: int) -> Iterator[slice]:
    for begin in range(0, count, size):
        yield slice(begin, min(begin + size, count))


def _map(engine: Any, run: Callable[[Any], Answer], tasks: Iterator[Any], halt: Callable[[], None]) -> Iterable[Any]:
    """The answers, in the order of the tasks; threads that are left by an exception, as by Ctrl-C, are told to halt."""
    if callable(engine):
        results: Iterable[Any] = engine(run, tasks)
        return results
    if engine == 1:
        return map(run, tasks)
    context = copy_context()  # the model runs under the caller's floating-point state
    return Threads(engine, halt)(lambda task: context.copy().run(run, task), tasks)


def _collect(
    inputs: Inputs, answers: Iterable[Any], size: int, options: tuple[Any, ...], advance: Callable[[int], Any]
) -> CurveFits:
    """The answers of all chunks in one."""
    count, n = inputs.count, inputs.n
    x, cov, stderr = np.empty((count, n)), np.empty((count, n, n)), np.empty((count, n))
    cost, alone = np.empty(count), np.empty(count, bool)
    dof, nfev, status = (np.empty(count, np.int32) for _ in range(3))
    messages: dict[int, str] = {}
    for fits, result in zip(_chunks(count, size), answers, strict=True):
        answer: Answer = result.result() if hasattr(result, "result") else result
        x[fits], cov[fits], stderr[fits], cost[fits] = answer.x, answer.cov, answer.stderr, answer.cost
        dof[fits], nfev[fits], status[fits], alone[fits] = answer.dof, answer.nfev, answer.status, answer.alone
        messages |= {fits.start + i: text for i, text in answer.messages.items()}
        advance(fits.stop - fits.start)
    shape = inputs.shape
    return CurveFits(
        x=x.reshape(*shape, n),
        cov=cov.reshape(*shape, n, n),
        stderr=stderr.reshape(*shape, n),
        cost=cost.reshape(shape),
        dof=dof.reshape(shape),
        nfev=nfev.reshape(shape),
        status=status.reshape(shape),
        alone=alone.reshape(shape),
        _messages=messages,
        _options=options,
    )
