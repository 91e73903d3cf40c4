"""The Levenberg-Marquardt loop over blocks."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from .._errors import InputValueError, ShapeError
from .._iteration.machine import ENDED, RUNNING, WANT_FACTOR, WANT_NORM, Machine
from .._minpack import enorm, lm_pivot
from .._model.arrays import DOUBLE, Array, NotFinite, describe
from .._report.blocks import BlocksResult, BlocksState
from .._report.info import BLOCKS_LIMIT, IER_OF, NO_RESPONSE, REPLACED_JACOBIAN, SUCCESS, Info, Status, message_for
from .engine import Passes
from .errand import Unshared
from .tasks import NormPass, Round, RoundPass, Triangle, TrianglePass, fold_triangle

STOPPED: Final = int(Status.STOPPED)
_STOPPED_BY_CALLBACK = "Stopped by the callback; x is the best point found."


class _Parts:
    """The triangle of [J f], as far as blocks have been taken in."""

    def __init__(self, n: int) -> None:
        self.triangle = np.zeros((n + 1, n + 1))
        self.not_finite: list[tuple[int, NotFinite]] = []  # block and place

    def take(self, index: int, triangle: Array | None, not_finite: NotFinite | None) -> None:
        """The next block."""
        if not_finite is not None:
            self.not_finite.append((index, not_finite))
        if triangle is not None:
            self.triangle = fold_triangle(triangle, self.triangle)


class BlocksFit:
    """One fit and its passes."""

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
        self._options = options
        self._not_finite: list[tuple[int, NotFinite]] = []  # what was not, of the last Jacobian: block and place
        precision = DOUBLE if epsfcn is None else max(epsfcn, DOUBLE)
        self._machine = Machine(start, options, scale, precision, jac is not None, certifies=True)
        self._fit = self._machine.record

    def run(self, callback: Callable[[BlocksState], Any] | None) -> BlocksResult:
        """The loop of all drivers: bring what the iteration wants."""
        machine = self._machine
        triangle: Array | None = self._first_triangle()
        while (wanted := machine.next()) != ENDED:
            if wanted == WANT_NORM:
                machine.take_norm(self._norm_at(machine.trial))
            elif wanted == WANT_FACTOR:
                self._bring_factor(triangle)
                triangle = None
            elif callback is not None and self._wants_to_stop(callback):
                break
        return self._result()

    def _bring_factor(self, triangle: Array | None) -> None:
        """The factorization at x, unless it is there."""
        machine = self._machine
        if machine.record.jacobian_is_at_x:
            machine.take_factor(machine.r, machine.ipvt, machine.qtf, machine.acnorm)
            return
        if machine.is_careful:
            triangle = self._careful_triangle()
        elif triangle is None:
            triangle = self._triangle()[0]
        if not np.isfinite(triangle).all():
            triangle = np.full_like(triangle, np.nan)
        machine.take_factor(*lm_pivot(triangle))

    def _wants_to_stop(self, callback: Callable[[BlocksState], Any]) -> bool:
        fit = self._fit
        state = BlocksState(
            iteration=fit.nit,
            x=self._machine.best_x.copy(),
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
        norm = self._fit.best_norm
        return 0.5 * norm * norm if self._fit.nfev else np.nan

    def _norm_at(self, x: Array) -> float:
        """The norm of all residuals; NaN or Inf where one is."""
        norms: list[float] = []
        func, args = self._function
        task = NormPass(func=func, args=args, x=x)
        self._passes.go(task, lambda _, answer: norms.append(answer.norm), "residuals", self._so_far())
        return enorm(np.array(norms))

    # ------------------------------------------------------------------------------------ Jacobians

    def _first_triangle(self) -> Array:
        """The triangle of [J f] at the start, from which the fit begins."""
        n = self._machine.x.size
        triangle, norm, precision = self._triangle(is_first=True)
        if self._passes.m < n:
            have = "the blocks have" if self._passes.blocks else "blocks is empty:"
            raise ShapeError(
                f"{have} M = {self._passes.m} residuals in all for N = {n} parameters; a fit needs at least "
                "as many residuals as parameters: add data, or fix some of the parameters"
            )
        self._refuse_residuals()
        self._fit.m = self._passes.m
        if precision > DOUBLE:
            self._fit.precision, self._fit.precision_known = precision, 1
        self._machine.begin(norm)
        if not np.isfinite(norm):
            raise InputValueError(
                "the norm of the residuals at x0 overflows; a fit needs a start where func is finite "
                f"(x0 = {describe(self._machine.x)})"
            )
        return triangle

    def _triangle(self, is_first: bool = False) -> tuple[Array, float, float]:
        """The triangle of [J f] at x; the norm of f, and its relative error as far as dtypes tell."""
        norms: list[float] = []
        precisions: list[float] = []
        parts = _Parts(self._machine.x.size)

        def take(index: int, answer: Triangle) -> None:
            norms.append(answer.norm)
            precisions.append(answer.precision)
            parts.take(index, answer.triangle, answer.not_finite)

        known = self._fit.precision if self._fit.precision > DOUBLE else None
        func, args = self._function
        task = TrianglePass(
            func=func,
            args=args,
            x=self._machine.x.copy(),
            jac=self._jac,
            epsfcn=self._epsfcn if known is None else known,
            is_first=is_first,
        )
        self._passes.go(task, take, "Jacobian", self._so_far())
        self._fit.nfev += 1 if self._jac is not None else self._machine.x.size + 1
        self._not_finite = parts.not_finite
        return parts.triangle, enorm(np.array(norms)), max(precisions, default=DOUBLE)

    def _careful_triangle(self) -> Array:
        """The triangle by careful differences, whose steps are found out in rounds."""
        machine = self._machine
        while True:
            chosen, near, far = machine.plan_round()
            n, parts = machine.x.size, _Parts(machine.x.size)
            norms = np.zeros((chosen.size, 2))
            sums = np.zeros((chosen.size, 2))

            def take(
                index: int, answer: Round, parts: "_Parts" = parts, norms: Array = norms, sums: Array = sums
            ) -> None:
                with np.errstate(all="ignore"):
                    np.hypot(norms, answer.measures[:, :2], out=norms)
                    np.add(sums, answer.measures[:, 2:], out=sums)
                parts.take(index, answer.triangle, answer.not_finite)

            func, args = self._function
            task = RoundPass(func=func, args=args, x=machine.x.copy(), chosen=chosen, near=near, far=far)
            self._passes.go(task, take, "Jacobian", self._so_far())
            self._fit.nfev += 1 + 2 * chosen.size
            self._not_finite = parts.not_finite
            still, again = machine.take_round(chosen, np.hstack([norms, sums]))
            if chosen.size == n and not again:
                parts.triangle[:, :-1][:, still & (sums[:, 0] >= np.abs(sums[:, 1]))] = 0
                return parts.triangle

    def _refuse_residuals(self) -> None:
        """Raise for residuals at the start that are not finite, naming the first offender."""
        residuals = [(index, what) for index, what in self._not_finite if what.parameter is None]
        if residuals:
            index, first = residuals[0]
            raise InputValueError(
                f"{sum(what.count for _, what in residuals)} of {self._passes.m} residuals at x0 are not finite, the "
                f"first is residual {first.row} ({first.value}) of block {index}; a fit needs a start where func is "
                f"finite (x0 = {describe(self._machine.x)})"
            )

    def _refuse_jacobian(self) -> None:
        """Raise for a Jacobian that is not finite, naming the first offender."""
        x = describe(self._machine.x)
        if not self._not_finite:
            raise InputValueError(f"the norms of the Jacobian's columns overflow at x = {x}")
        index, first = next(((i, what) for i, what in self._not_finite if what.count), self._not_finite[0])
        how = "by differences of func" if self._jac is None else "from jac"
        count = sum(what.count for _, what in self._not_finite)
        what = NotFinite(count, first.row, first.parameter, first.value).describe(block=index)
        raise InputValueError(f"the Jacobian {how} has {what}, at x = {x}")

    # --------------------------------------------------------------------------------------- the end

    def _result(self) -> BlocksResult:
        machine, fit, m = self._machine, self._fit, self._passes.m
        ftol, xtol, gtol, maxfev, _ = self._options
        info = STOPPED if fit.info == RUNNING else fit.info
        if info == Info.JACOBIAN_NOT_FINITE:
            self._refuse_jacobian()
        if info == STOPPED:
            message = _STOPPED_BY_CALLBACK
        elif info == Info.UNCERTAIN and not machine.acnorm.any():
            message = NO_RESPONSE
        else:
            message = message_for(info, ftol, xtol, gtol, maxfev, BLOCKS_LIMIT)
            if info in SUCCESS and self._jac is not None and fit.differences:
                message += REPLACED_JACOBIAN
        has_left = bool(fit.is_above)  # the last Jacobian says nothing of where x is
        return BlocksResult(
            x=machine.best_x,
            ier=IER_OF.get(info, info),
            message=message,
            cost=self._cost,
            nfev=fit.nfev,
            njev=fit.njev,
            nit=fit.nit,
            m=m,
            blocks=self._passes.blocks,
            _fixed=np.zeros(machine.x.size, np.bool_),
            _free=np.ones(machine.x.size, np.bool_),
            _factor=(np.full_like(machine.r, np.nan) if has_left else machine.r, machine.ipvt),
            _jacobian_error=machine.jacobian_error,
            _norm=fit.best_norm,
        )
