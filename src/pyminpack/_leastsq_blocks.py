"""`leastsq_blocks`: least squares with residuals that come in blocks."""

import builtins
from collections.abc import Callable, Iterable
from typing import Any

import numpy.typing as npt

from ._blocks.engine import Map, Passes, as_map
from ._blocks.fit import BlocksFit
from ._blocks.items import as_blocks
from ._errors import InputTypeError
from ._model.arrays import as_parameters, require_finite_start
from ._model.options import as_count, as_options, as_scale
from ._model.signature import without_types
from ._report.blocks import BlocksProgress, BlocksResult, BlocksState


@without_types
def leastsq_blocks(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    blocks: Iterable[Any],
    args: Any = (),
    jac: Callable[..., Any] | None = None,
    *,
    map: Map | int = builtins.map,
    ftol: float = 1.49012e-8,
    xtol: float = 1.49012e-8,
    gtol: float = 0.0,
    maxfev: int = 0,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: npt.ArrayLike | None = None,
    callback: Callable[[BlocksState], Any] | None = None,
    progress: Callable[[BlocksProgress], Any] | None = None,
) -> BlocksResult:
    """Minimize the sum of squares of residuals that come in blocks.

    The method is that of `leastsq`, but neither the residuals nor their Jacobian are ever in memory as a whole. Each
    block is reduced, where it is evaluated, to one number or to a triangle of order n + 1. The data may be larger than
    the memory, and any map-like engine can do the work: threads, processes, a cluster.

    Parameters
    ----------
    func : callable
        ``func(x, block, *args)`` gives the residuals of a block at `x`, an array of shape (n,), as floats of any
        precision or as int64. Their number may differ from block to block, and may be 0; for each block it must stay
        the same during a fit. If residuals at a trial point are not finite, the step is rejected and the fit goes on.
    x0 : array_like
        The n parameters to start from.
    blocks : list or other iterable
        What `func` computes residuals from: arrays, slices or ranges of an index, memory maps, names of files, futures
        of the engine. A fit iterates over the blocks many times; a generator allows one pass only, and is refused. So
        are an array of two or more dimensions, a data frame, a column of one, a dict and a string, from which a fit
        would take rows, names, numbers, keys or letters.
    args : tuple or object, optional
        Further arguments of `func` and `jac`; an object that is not a tuple is the only one. They are sent with every
        block.
    jac : callable, optional
        ``jac(x, block, *args)`` gives the Jacobian of a block's residuals, of shape (rows, n), in either order in
        memory. Without it, forward differences take n further evaluations of `func`, and n + 1 times the memory of a
        block's residuals.
    map : callable or int, optional
        A number means so many threads. ``map(function, items)`` gives ``function(item)`` for each item, in any order,
        or futures of these: objects with a method ``result()``. The default is the built-in function; others are the
        methods of that name of a ThreadPoolExecutor, a ProcessPoolExecutor, a multiprocessing Pool or a Dask Client. An
        item is a tuple of a number and a block. `func`, `jac`, `args` and the blocks must be able to travel to the
        workers of the engine: to other processes, by pickle.
    ftol, xtol, gtol : float, optional
        Tolerances on the relative reduction of the sum of squares (1.49012e-8), on the relative size of the step
        (1.49012e-8), and on the cosine of the angle between the residuals and every column of the Jacobian (0).
    maxfev : int, optional
        Number of passes over the blocks, counted as `nfev` of the result, after which the fit stops, at the end of an
        iteration. 0, the default, or less means ``100*(n + 1)`` with `jac`, ``200*(n + 1)`` without.
    epsfcn : float, optional
        Relative error of the residuals. The step of a difference is ``sqrt(epsfcn)*abs(x)``, or ``sqrt(epsfcn)`` where
        `x` is 0. None, the default, means the precision of the dtype of each block's residuals, or single precision
        where the first step shows that a model computes in single precision inside.
    factor : float, optional
        The first step is no longer than ``factor*norm(diag*x0)``. The default is 100.
    diag : array_like, optional
        n positive scale factors of the parameters. None, the default: the columns of the Jacobian determine the
        scaling.
    callback : callable, optional
        ``callback(state)`` is called after each accepted step, with a `BlocksState`. If it returns True or raises
        StopIteration, the fit ends, with `ier` -2.
    progress : callable, optional
        ``progress(state)`` is called after each block of each pass, with a `BlocksProgress`. Its result is ignored.

    Returns
    -------
    BlocksResult
        The end of the fit. It does not contain the residuals: call `func` for the blocks of interest.

    Raises
    ------
    InputTypeError
        A TypeError: `x0`, residuals or a Jacobian do not hold real numbers; `blocks` is not iterable, allows one pass
        only, or is refused as said above; there are no parameters; `func`, `jac`, `callback` or `progress` is no
        function; or `map` does not give the results of its function.
    InputValueError
        A ValueError: `x0`, the residuals at `x0` or a Jacobian are not finite. The message names the first value and
        its block. Or `func` changes its block, or gives one array to two threads and fills it anew.
    OptionError
        A TypeError and a ValueError: an option is out of its range.
    ShapeError
        A TypeError and a ValueError: there are fewer residuals than parameters, the number of residuals of a block or
        the number of blocks changes, `map` loses an answer or gives one twice, or a Jacobian or `diag` has the wrong
        shape.
    Exception
        Any exception of `func`, `jac` or the engine is raised unchanged, with a note (PEP 678) of the block's index.

    Notes
    -----
    `func` and `jac` run under the NumPy error state and the context variables of the caller, in threads too; in other
    processes under the error state.

    The triangles of the blocks are combined in the order of the blocks, even if they are ready in another order. So the
    result does not depend on scheduling, and all engines give the same bits. It does depend, by rounding, on how the
    residuals are divided into blocks.

    Beside the blocks on the workers, memory holds one triangle of order n + 1, and the triangles that are ready before
    their turn. A block should have many more rows than n, so that its triangle is much smaller than the block, and
    without `jac` few enough that n + 1 times its residuals fit into the memory of a worker.

    Where MINPACK's tests for the end are met, what the last Jacobian says is looked at, at no cost. If the end is
    likely to be none, the fit goes on, as that of `leastsq` does, with central differences whose steps are found out: a
    round of these takes one pass, in which a block is evaluated twice for each parameter that is looked at.

    Examples
    --------
    Here blocks are slices of arrays; they could as well be names of files.

    >>> import numpy as np
    >>> from pyminpack import leastsq_blocks
    >>> t = np.linspace(0, 4, 1000)
    >>> y = 2.5*np.exp(-1.3*t)
    >>> blocks = [slice(i, i + 100) for i in range(0, 1000, 100)]
    >>> fit = leastsq_blocks(lambda x, rows: x[0]*np.exp(-x[1]*t[rows]) - y[rows], [1, 1], blocks)
    >>> fit.x.round(6), fit.success, fit.m, fit.blocks
    (array([2.5, 1.3]), True, 1000, 10)
    """
    for name, function in (("func", func), ("jac", jac), ("callback", callback), ("progress", progress)):
        if not callable(function) and (function is not None or name == "func"):
            wanted = "must be a function" + ("" if name == "func" else ", or None")
            raise InputTypeError(f"{name} is of type {type(function).__name__}, and {wanted}")
    start = as_parameters(x0)
    require_finite_start(start)
    n = start.size
    if n == 0:
        raise InputTypeError("x0 is empty: there are no parameters to fit.")
    limit = as_count(maxfev)
    if limit <= 0:
        limit = (200 if jac is None else 100) * (n + 1)
    ftol, xtol, gtol, factor, epsfcn = as_options(ftol, xtol, gtol, factor, epsfcn)
    scale = None if diag is None else as_scale(diag, n)
    passes = Passes(as_blocks(blocks), as_map(map), progress)
    options = ftol, xtol, gtol, limit, factor
    further = args if isinstance(args, tuple) else (args,)
    return BlocksFit(start, passes, (func, further), jac, epsfcn, options, scale).run(callback)
