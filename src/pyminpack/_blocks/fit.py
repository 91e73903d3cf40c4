"""The Levenberg-Marquardt loop over blocks, and what differences are relative to."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .._errors import InputValueError, ShapeError
from .._iteration.machine import ENDED, RUNNING, WANT_FACTOR, WANT_NORM, Machine
from .._minpack import enorm, lm_pivot
from .._model.arrays import DOUBLE, SINGLE, Array, NotFinite, describe
from .._report.blocks import BlocksResult, BlocksState
from .._report.info import BLOCKS_LIMIT, NO_RESPONSE, Info, Status, message_for
from .engine import Passes
from .errand import Unshared
from .tasks import NEAR_ZERO, NormPass, StepResponse, Triangle, TrianglePass, fold_triangle

STOPPED: Final = int(Status.STOPPED)
_STOPPED_BY_CALLBACK = "Stopped by the callback; x is the best point found."
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
        options: tuple[float, float, float, int, float],
        scale: Array | None,
    ) -> None:
        func, args = function
        self._passes, self._function, self._epsfcn = passes, (Unshared(func, "func"), args), epsfcn
        self._jac = None if jac is None else Unshared(jac, "jac")
        self._looks = epsfcn is None and jac is None  # whether the precision of the residuals is still to be found out
        self._largest = np.where(start == 0, 1.0, np.abs(start))  # that each parameter was so far
        self._typical = self._largest.copy()
        self._options = options
        self._jacobian_error = 0.0  # of the last Jacobian, relative
        self._machine = Machine(start, options, scale, DOUBLE if self._looks else 0.0)
        self._fit = self._machine.record

    def run(self, callback: Callable[[BlocksState], Any] | None) -> BlocksResult:
        """The loop of all drivers: bring what the iteration wants."""
        machine = self._machine
        triangle: Array | None = self._triangle(machine.x, is_first=True)
        while (wanted := machine.next()) != ENDED:
            if wanted == WANT_NORM:
                machine.take_norm(self._norm_at(machine.trial))
            elif wanted == WANT_FACTOR:
                if triangle is None:
                    self._set_typical()
                    triangle = self._triangle(machine.x)
                machine.take_factor(*lm_pivot(triangle))
                triangle = None
            elif callback is not None and self._wants_to_stop(callback):
                break
        return self._result()

    def _wants_to_stop(self, callback: Callable[[BlocksState], Any]) -> bool:
        fit = self._fit
        state = BlocksState(
            iteration=fit.nit,
            x=self._machine.x.copy(),
            cost=self._cost,
            nfev=fit.nfev,
            njev=fit.njev,
            damping=fit.par,
            step_norm=fit.pnorm,
        )
        try:
            answer = callback(state)
        except StopIteration:
            return True
        return isinstance(answer, (bool, np.bool_)) and bool(answer)

    # ------------------------------------------------------------------------------------ residuals

    def _so_far(self) -> tuple[int, float, int]:
        return self._fit.nit, self._cost, self._fit.nfev

    @property
    def _cost(self) -> float:
        """Half the sum of squares at the best point; NaN before the first pass is over."""
        norm = self._fit.fnorm
        return 0.5 * norm * norm if self._fit.nfev else np.nan

    def _norm_at(self, x: Array) -> float:
        """The norm of all residuals; NaN or Inf where one is."""
        norms: list[float] = []
        func, args = self._function
        task = NormPass(func=func, args=args, x=x)
        self._passes.go(task, lambda _, answer: norms.append(answer.norm), "residuals", self._so_far())
        return enorm(np.array(norms))

    # ------------------------------------------------------------------------------------ Jacobians

    def _jacobian(self, x: Array, sampled_every: int = 0) -> tuple[Array, float, StepResponse | None]:
        """The triangle of [J f] at x and the norm of f; with `sampled_every` also the response to the steps."""
        n = x.size
        triangle = np.zeros((n + 1, n + 1))
        norms: list[float] = []
        responses: list[StepResponse] = []
        not_finite: list[tuple[int, NotFinite]] = []
        self._jacobian_error = 0.0

        def take(index: int, answer: Triangle) -> None:
            nonlocal triangle
            norms.append(enorm(answer.triangle[:, -1]))
            self._jacobian_error = max(self._jacobian_error, answer.jacobian_error)
            if answer.not_finite is not None:
                not_finite.append((index, answer.not_finite))
            if answer.response is not None:
                responses.append(answer.response if not responses else responses.pop() | answer.response)
            triangle = fold_triangle(answer.triangle, triangle)

        is_first = self._passes.blocks == 0
        func, args = self._function
        task = TrianglePass(
            func=func,
            args=args,
            x=x.copy(),
            jac=self._jac,
            epsfcn=self._epsfcn,
            typical=self._typical,
            sampled_every=sampled_every,
            is_first=is_first,
        )
        self._passes.go(task, take, "Jacobian", self._so_far())
        self._fit.nfev += 1 if self._jac is not None else n + 1
        if self._passes.m < n:
            have = "the blocks have" if self._passes.blocks else "blocks is empty:"
            raise ShapeError(
                f"{have} M = {self._passes.m} residuals in all for N = {n} parameters; a fit needs at least "
                "as many residuals as parameters: add data, or fix some of the parameters"
            )
        if not_finite:
            self._refuse(not_finite, x)
        return triangle, enorm(np.array(norms)), responses[0] if responses else None

    def _refuse(self, found: list[tuple[int, NotFinite]], x: Array) -> None:
        """Raise for residuals or a Jacobian that are not finite, naming the first offender."""
        residuals = [(index, what) for index, what in found if what.parameter is None]
        derivatives = [(index, what) for index, what in found if what.count] or found
        index, first = (residuals or derivatives)[0]
        count = sum(what.count for _, what in residuals or derivatives)
        if residuals:
            where = "x0" if self._fit.njev == 0 else "x"
            raise InputValueError(
                f"{count} of {self._passes.m} residuals at {where} are not finite, the first is residual {first.row} "
                f"({first.value}) of block {index}; a fit needs a start where func is finite ({where} = {describe(x)})"
            )
        how = "by differences of func" if self._jac is None else "from jac"
        what = NotFinite(count, first.row, first.parameter, first.value).describe(block=index)
        raise InputValueError(f"the Jacobian {how} has {what}, at x = {describe(x)}")

    def _triangle(self, x: Array, is_first: bool = False) -> Array:
        """The triangle of [J f] at x, by steps that the residuals feel, as far as there are any."""
        if self._fit.precision == SINGLE:  # the iteration has found out that shorter steps misled it
            self._epsfcn, self._looks = SINGLE, False
        sampled_every = (1 if is_first else self._passes.sampled_every) if self._looks else 0
        triangle, norm, response = self._jacobian(x, sampled_every)
        if is_first:
            self._machine.begin(norm)
            if not np.isfinite(norm):
                raise InputValueError(
                    "the norm of the residuals at x0 overflows; a fit needs a start where func is finite "
                    f"(x0 = {describe(x)})"
                )
        if response is None or norm == 0:
            return triangle
        too_short = response.too_short()
        means_zero = too_short & (np.abs(x) < NEAR_ZERO) & (x != 0)
        if is_first and means_zero.any():
            self._largest[means_zero] = self._typical[means_zero] = 1
            triangle, _, response = self._jacobian(x, sampled_every)
            too_short = too_short if response is None else response.too_short()
        return self._by_longer_steps(x, triangle, too_short) if too_short.any() else triangle

    def _by_longer_steps(self, x: Array, triangle: Array, too_short: npt.NDArray[np.bool_]) -> Array:
        """The triangle by steps for single precision, where it contradicts this one for one of these parameters."""
        self._epsfcn, self._looks = SINGLE, False
        longer, _, _ = self._jacobian(x)
        norms, others = (lm_pivot(t)[3] for t in (triangle, longer))
        with np.errstate(all="ignore"):
            contradicts = np.abs(norms - others) > _CONTRADICTION * np.maximum(norms, others)
        if contradicts[too_short].any():
            self._fit.differences = 0
            return longer
        self._epsfcn = None
        return triangle

    def _set_typical(self) -> None:
        """What the next differences are relative to: see the notes of leastsq_blocks."""
        size = np.abs(self._machine.x)
        self._largest = np.maximum(self._largest, size)
        norms = self._machine.acnorm
        with np.errstate(all="ignore"):
            whole = np.divide(self._fit.fnorm, norms, out=np.full_like(norms, np.inf), where=norms > 0)
        typical = np.maximum(size, np.minimum(self._largest, whole))
        self._typical = np.where(typical > 0, typical, self._largest)

    # --------------------------------------------------------------------------------------- the end

    def _result(self) -> BlocksResult:
        machine, fit, m = self._machine, self._fit, self._passes.m
        ftol, xtol, gtol, maxfev, _ = self._options
        info = STOPPED if fit.info == RUNNING else fit.info
        if info == Info.JACOBIAN_NOT_FINITE:
            raise InputValueError(f"the norms of the Jacobian's columns overflow at x = {describe(machine.x)}")
        if info == STOPPED:
            message = _STOPPED_BY_CALLBACK
        elif info == Info.GTOL and fit.fnorm > 0 and not machine.acnorm.any():
            info, message = int(Info.GTOL_TOO_SMALL), NO_RESPONSE
        else:
            message = message_for(info, ftol, xtol, gtol, maxfev, BLOCKS_LIMIT)
        return BlocksResult(
            x=machine.x,
            ier=info,
            message=message,
            cost=self._cost,
            nfev=fit.nfev,
            njev=fit.njev,
            nit=fit.nit,
            m=m,
            blocks=self._passes.blocks,
            _fixed=np.zeros(machine.x.size, np.bool_),
            _free=np.ones(machine.x.size, np.bool_),
            _factor=(machine.r, machine.ipvt),
            _jacobian_error=self._jacobian_error,
            _norm=fit.fnorm,
        )
