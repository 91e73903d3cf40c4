"""`leastsq_blocks`: residuals that come in blocks, one triangle at a time."""

import builtins
from collections.abc import Callable, Iterable
from typing import Any

import numpy.typing as npt

from ._blocks.engine import Map, NumberedBlocks, Passes
from ._blocks.fit import BlocksFit
from ._errors import InputTypeError
from ._model.arrays import as_parameters, require_finite_start
from ._model.options import as_count, as_options, as_scale
from ._report.blocks import BlocksProgress, BlocksResult, BlocksState


def leastsq_blocks(
    func: Callable[..., Any],
    x0: npt.ArrayLike,
    blocks: Iterable[Any],
    args: Any = (),
    jac: Callable[..., Any] | None = None,
    *,
    map: Map = builtins.map,
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

    The method is that of `leastsq`, but neither the residuals nor their Jacobian are ever held whole: each block is
    reduced, where it is evaluated, to one number or to a triangle of n + 1 rows. Data may be larger than memory, and
    any map-like engine does the work: threads, processes, a cluster.

    Parameters
    ----------
    func : callable
        ``func(x, block, *args)`` gives the residuals of a block at `x`, as floats of any precision or int64. How many
        they are may differ from block to block, and may be 0 or 1; it must stay the same during a fit. Residuals that
        are not finite at a trial point count as infinitely large: the fit goes on elsewhere.
    x0 : array_like
        The n parameters to start from.
    blocks : sequence or other iterable
        Whatever `func` makes residuals of: arrays, slices or ranges of an index, memory maps, names of files, futures
        of the engine's. It is gone through many times, so a generator, which is used up after one pass, is refused.
    args : tuple or object, optional
        Further arguments of `func` and `jac`; one that is not a tuple stands for itself. They travel with every
        block.
    jac : callable, optional
        ``jac(x, block, *args)`` gives the Jacobian of a block's residuals, of shape (rows, n), in either order in
        memory. Without it, forward differences take n further evaluations of `func`, and hold n + 1 times a block's
        residuals.
    map : callable, optional
        ``map(function, items)`` gives ``function(item)`` for each item, in any order, or futures of them: things with
        a method ``result()``. The built-in one, the default; or the method of that name of a ThreadPoolExecutor,
        ProcessPoolExecutor, multiprocessing Pool or Dask Client. An item is a tuple of a number and a block; `func`,
        `jac`, `args` and the blocks must be fit for the way to the engine's workers (to other processes, by pickle).
    ftol, xtol, gtol : float, optional
        Tolerances on the relative reduction of the sum of squares (1.49012e-8), on the relative size of the step
        (1.49012e-8), and on the cosine of the angle between the residuals and a column of the Jacobian (0).
    maxfev : int, optional
        Passes over the blocks, counted as `nfev` of the result, after which to stop, at the end of an iteration. 0,
        the default, or less stands for ``100*(n + 1)`` with `jac`, ``200*(n + 1)`` without.
    epsfcn : float, optional
        Relative error of the residuals. The step of a difference is ``sqrt(epsfcn)*max(abs(x), typical)``; see the
        notes. None, the default, stands for the precision of each block's own dtype; where they prove coarser than
        that (a model that computes in single precision inside), for single precision.
    factor : float, optional
        The first step is no longer than ``factor*norm(diag*x0)`` (100).
    diag : array_like, optional
        n positive scale factors of the parameters. None, the default, stands for scaling by the columns of the
        Jacobian.
    callback : callable, optional
        ``callback(state)`` is called after each accepted step, with a `BlocksState`. The fit ends, with `ier` -2, if
        it returns True or raises StopIteration.
    progress : callable, optional
        ``progress(state)`` is called after each block of each pass, with a `BlocksProgress`. What it returns is not
        looked at.

    Returns
    -------
    BlocksResult
        What the fit ended with. It never holds the residuals: ask `func` for those of the blocks of interest.

    Raises
    ------
    InputTypeError
        A TypeError: `x0`, residuals or a Jacobian hold something else than real numbers; `blocks` can be gone through
        only once, or is a string; there are no parameters; `map` gives something else than what was computed.
    InputValueError
        A ValueError: `x0`, the residuals at `x0` or a Jacobian are not finite. The message names the first offender
        and its block.
    OptionError
        A TypeError and a ValueError: an option is out of its range.
    ShapeError
        A TypeError and a ValueError: fewer residuals in all than parameters, a block whose number of residuals
        changes, a Jacobian or `diag` of the wrong shape.
    Exception
        Whatever `func`, `jac` or the engine raises comes out as it is, with a note (PEP 678) of the block's index.

    Notes
    -----
    The triangles of the blocks are folded in the order of the blocks, in whatever order they come: results do not
    depend on scheduling, and agree to the last bit between engines, but they do depend, by rounding, on how the
    residuals are cut into blocks.

    Besides the blocks on the workers, memory holds one triangle of (n + 1)² numbers, and those that come before their
    turn. A block should have many more than n rows, for its triangle to be small beside it, and few enough for n + 1
    times its residuals to fit into a worker's memory where there is no `jac`.

    A difference relative to a parameter that happens to pass near zero would drown in rounding. `typical`, the least
    size that a parameter counts as, is the largest that it had so far during the fit (1 where that was 0), but no
    larger than the change that would, by the last Jacobian, change the residuals by their whole norm. It is a
    step that the residuals feel and that is short beside what it takes to change them much, in any units; and
    where no parameter comes closer to zero than it was, steps are MINPACK's.

    Examples
    --------
    Blocks are slices of arrays here; they could be names of files.

    >>> import numpy as np
    >>> from pyminpack import leastsq_blocks
    >>> t = np.linspace(0, 4, 1000)
    >>> y = 2.5*np.exp(-1.3*t)
    >>> blocks = [slice(i, i + 100) for i in range(0, 1000, 100)]
    >>> fit = leastsq_blocks(lambda x, rows: x[0]*np.exp(-x[1]*t[rows]) - y[rows], [1, 1], blocks)
    >>> fit.x.round(6), fit.success, fit.m, fit.blocks
    (array([2.5, 1.3]), True, 1000, 10)
    """
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
    passes = Passes(NumberedBlocks.of(blocks), map, progress)
    fit = BlocksFit(start, passes, (func, args if isinstance(args, tuple) else (args,)), jac, epsfcn)
    return fit.run(start, (ftol, xtol, gtol, limit, factor), scale, callback)
