"""The Levenberg-Marquardt loop over blocks, and what differences are relative to."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .. import _minpack
from .._errors import InputValueError, ShapeError
from .._iteration.machine import Iteration
from .._model.arrays import DOUBLE, Array, describe
from .._report.blocks import BlocksResult, BlocksState
from .._report.info import (
    GTOL,
    GTOL_TOO_SMALL,
    JACOBIAN_NOT_FINITE,
    MAXFEV,
    NO_RESPONSE,
    covariance,
    message_for,
    rank_of,
)
from .engine import Passes
from .tasks import NEAR_ZERO, SINGLE, Felt, NormPass, NotFinite, Triangle, TrianglePass, fold_triangle

STOPPED: Final = -2
_STOPPED_BY_CALLBACK = "Stopped by the callback; x is the best point met."
_NO_PASSES_LEFT = "Stopped before convergence: the maxfev = {} passes over the blocks are used up."
# Differences must have promised at least this relative reduction to have misled a fit that found none.
_PROMISE: Final = DOUBLE**0.5
# A longer step tells another story where the norm of its column differs by this fraction.
_CONTRADICTION: Final = 0.25


class BlocksFit:
    """One fit: its passes and what differences are relative to."""

    def __init__(
        self,
        start: Array,
        passes: Passes,
        function: tuple[Callable[..., Any], tuple[Any, ...]],
        jac: Callable[..., Any] | None,
        epsfcn: float | None,
    ) -> None:
        self._passes, self._function, self._jac, self._epsfcn = passes, function, jac, epsfcn
        self._looks = epsfcn is None and jac is None  # whether the precision of the residuals is still to be found out
        self._largest = np.where(start == 0, 1.0, np.abs(start))  # that each parameter was so far
        self._typical = self._largest.copy()
        self._nfev = self._njev = self._accepted = 0
        self._norm = np.nan  # of the residuals at the best point

    def run(
        self,
        start: Array,
        options: tuple[float, float, float, int, float],
        scale: Array | None,
        callback: Callable[[BlocksState], Any] | None,
    ) -> BlocksResult:
        """The loop of MINPACK's drivers."""
        triangle = self._triangle(start, is_first=True)
        iteration = Iteration(start, self._norm, options, scale)
        stopped = False
        while iteration.is_running and not stopped:
            iteration.start(*_minpack.lm_pivot(triangle))
            if self._step(iteration):
                stopped = callback is not None and self._wants_to_stop(callback, iteration)
            if iteration.is_running and not stopped:
                self._set_typical(iteration)
                triangle = self._triangle(iteration.x)
        return self._result(iteration, options)

    def _step(self, iteration: Iteration) -> bool:
        """Try steps until one is accepted; False where the fit ends, or begins anew, without one."""
        while iteration.is_running:
            accepted = iteration.judge(self._norm_at(iteration.propose()), self._nfev)
            if accepted:
                self._accepted += 1
                self._norm = iteration["fnorm"]
                return True
            if self._was_misled(iteration):
                self._epsfcn, self._looks = SINGLE, False
                iteration.begin(self._norm)
                return False
        return False

    def _was_misled(self, iteration: Iteration) -> bool:
        """Whether the fit ends at its start although differences promised more: then it is they that are wrong."""
        return (
            self._jac is None
            and self._epsfcn is None
            and not iteration.is_running
            and iteration["info"] != MAXFEV
            and iteration["iteration"] == 1
            and iteration["wall"] == 0
            and iteration["prered"] > _PROMISE
        )

    def _wants_to_stop(self, callback: Callable[[BlocksState], Any], iteration: Iteration) -> bool:
        state = BlocksState(
            iteration=self._accepted,
            x=iteration.x.copy(),
            cost=_cost(self._norm),
            nfev=self._nfev,
            njev=self._njev,
            damping=iteration["par"],
            step_norm=iteration["pnorm"],
        )
        try:
            answer = callback(state)
        except StopIteration:
            return True
        return isinstance(answer, (bool, np.bool_)) and bool(answer)

    # ------------------------------------------------------------------------------------ residuals

    def _so_far(self) -> tuple[int, float, int]:
        return self._accepted, _cost(self._norm), self._nfev

    def _norm_at(self, x: Array) -> float:
        """The norm of all residuals; NaN or Inf where one is."""
        norms: list[float] = []
        task = NormPass(*self._function, x)
        self._passes.go(task, lambda answer: norms.append(answer.norm), "residuals", self._so_far())
        self._nfev += 1
        return _minpack.enorm(np.array(norms))

    # ------------------------------------------------------------------------------------ Jacobians

    def _jacobian(self, x: Array, look: int = 0) -> tuple[Array, float, Felt | None]:
        """The triangle of [J f] at x and the norm of f; and with `look` how differences were felt."""
        n = x.size
        triangle = np.zeros((n + 1, n + 1))
        norms: list[float] = []
        felt: list[Felt] = []
        not_finite: list[tuple[int, NotFinite]] = []

        def take(answer: Triangle) -> None:
            nonlocal triangle
            norms.append(_minpack.enorm(answer.triangle[:, -1]))
            if answer.not_finite is not None:
                not_finite.append((answer.index, answer.not_finite))
            if answer.felt is not None:
                felt.append(answer.felt if not felt else felt.pop() | answer.felt)
            triangle = fold_triangle(answer.triangle, triangle)

        task = TrianglePass(*self._function, x.copy(), self._jac, self._epsfcn, self._typical, look)
        self._passes.go(task, take, "Jacobian", self._so_far())
        self._nfev += 1 if self._jac is not None else n + 1
        self._njev += 1
        if self._passes.m < n:
            raise ShapeError(
                f"the blocks have M = {self._passes.m} residuals in all for N = {n} parameters; a fit needs at least "
                "as many residuals as parameters: add data, or fix some of the parameters"
            )
        if not_finite:
            self._refuse(not_finite, x)
        return triangle, _minpack.enorm(np.array(norms)), felt[0] if felt else None

    def _refuse(self, found: list[tuple[int, NotFinite]], x: Array) -> None:
        """Raise for residuals or a Jacobian that are not finite, naming the first offender."""
        residuals = [(index, what) for index, what in found if what.parameter < 0]
        index, first = (residuals or found)[0]
        count = sum(what.count for _, what in residuals or found)
        if residuals:
            where = "x0" if self._njev == 1 else "x"
            raise InputValueError(
                f"{count} of {self._passes.m} residuals at {where} are not finite, the first is residual {first.row} "
                f"({first.value}) of block {index}; a fit needs a start where func is finite ({where} = {describe(x)})"
            )
        how = "by differences of func" if self._jac is None else "from jac"
        raise InputValueError(
            f"the Jacobian {how} has {count} values that are not finite or too large, the first for parameter "
            f"x[{first.parameter}] in residual {first.row} ({first.value}) of block {index}, at x = {describe(x)}"
        )

    def _triangle(self, x: Array, is_first: bool = False) -> Array:
        """The triangle of [J f] at x, by steps that the residuals feel, as far as there are any."""
        look = (1 if is_first else self._passes.spread) if self._looks else 0
        triangle, norm, felt = self._jacobian(x, look)
        if is_first:
            self._norm = norm
            if not np.isfinite(norm):
                raise InputValueError(
                    "the norm of the residuals at x0 overflows; a fit needs a start where func is finite "
                    f"(x0 = {describe(x)})"
                )
        if felt is None or norm == 0:
            return triangle
        unfelt = felt.unfelt()
        means_zero = unfelt & (np.abs(x) < NEAR_ZERO) & (x != 0)
        if is_first and means_zero.any():
            self._largest[means_zero] = self._typical[means_zero] = 1
            triangle, _, felt = self._jacobian(x, look)
            unfelt = unfelt if felt is None else felt.unfelt()
        return self._by_longer_steps(x, triangle, unfelt) if unfelt.any() else triangle

    def _by_longer_steps(self, x: Array, triangle: Array, unfelt: npt.NDArray[np.bool_]) -> Array:
        """The triangle by steps for single precision, where it contradicts this one for one of these parameters."""
        self._epsfcn, self._looks = SINGLE, False
        longer, _, _ = self._jacobian(x)
        norms, others = (_minpack.lm_pivot(t)[3] for t in (triangle, longer))
        if np.any((np.abs(norms - others) > _CONTRADICTION * np.maximum(norms, others))[unfelt]):
            return longer
        self._epsfcn = None
        return triangle

    def _set_typical(self, iteration: Iteration) -> None:
        """What the next differences are relative to: see the notes of leastsq_blocks."""
        size = np.abs(iteration.x)
        self._largest = np.maximum(self._largest, size)
        norms = iteration.acnorm
        whole = np.divide(self._norm, norms, out=np.full_like(norms, np.inf), where=norms > 0)
        typical = np.maximum(size, np.minimum(self._largest, whole))
        self._typical = np.where(typical > 0, typical, self._largest)

    # --------------------------------------------------------------------------------------- the end

    def _result(self, iteration: Iteration, options: tuple[float, float, float, int, float]) -> BlocksResult:
        ftol, xtol, gtol, maxfev, _ = options
        info = STOPPED if iteration.is_running else iteration["info"]
        if info == JACOBIAN_NOT_FINITE:
            raise InputValueError(f"the norms of the Jacobian's columns overflow at x = {describe(iteration.x)}")
        if info == STOPPED:
            message = _STOPPED_BY_CALLBACK
        elif info == MAXFEV:
            message = _NO_PASSES_LEFT.format(maxfev)
        elif info == GTOL and self._norm > 0 and not iteration.acnorm.any():
            info, message = GTOL_TOO_SMALL, NO_RESPONSE
        else:
            message = message_for(info, ftol, xtol, gtol, maxfev)
        return BlocksResult(
            x=iteration.x,
            ier=info,
            message=message,
            cost=_cost(self._norm),
            nfev=self._nfev,
            njev=self._njev,
            nit=self._accepted,
            m=self._passes.m,
            blocks=self._passes.blocks,
            rank=rank_of(iteration.r, self._passes.m),
            cov_x=covariance(iteration.r, iteration.ipvt, self._passes.m),
        )


def _cost(norm: float) -> float:
    return 0.5 * norm * norm
