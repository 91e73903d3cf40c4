"""`LevenbergMarquardt`: the fit that `least_squares` makes, and that its caller can step through."""

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from .._derivatives.sources import ComplexSteps, GivenJacobian, Workers, as_evaluator
from .._derivatives.verdict import Beside, Disagreement, find_disagreement, moves_of
from .._errors import InputTypeError, InputValueError, OptionError
from .._minpack import as_start, begin, enorm, lm_gradient, solve
from .._model.arrays import DOUBLE, Array, as_parameters, describe, find_not_finite, require_finite_start
from .._model.compiled import AskedToStopError, CompiledJacobian, CompiledResiduals
from .._model.function import Call, Model, OutOfTimeError, Timed
from .._model.losses import Robust, as_loss
from .._model.options import (
    as_arguments,
    as_bounds,
    as_limit,
    as_positive,
    as_steps,
    as_tolerances,
    as_typical,
    as_workers,
    free_of,
)
from .._report.info import LEAST_SQUARES_LIMIT, NO_RESPONSE, STATUS_OF, STOPPED, TIMEOUT, Info, Status, message_for
from .._report.least_squares import LeastSquaresResult, LeastSquaresState
from .._report.statistics import error_of_forward_differences
from .machine import CODES, RUNNING, Memory

_FACTOR: Final = 100.0  # the first step bound relative to ‖D x‖, as leastsq has it
_ORDERS: Final = {"2-point": 1, "3-point": 2, "cs": 0}  # of the differences that the core takes
_TO_THE_END: Final = -1
_TOO_LATE: Final = 1
_IS_OVER: Final = CODES["is_over"]


class LevenbergMarquardt:
    """A fit by Levenberg and Marquardt's method, to step through, look at, pickle and resume.

    ``for state in fit`` goes on until the fit ends, with a `LeastSquaresState` after each accepted step; `step` takes
    one. Between steps the fit can be pickled, where `fun` and its arguments can: it goes on, in whatever process, to
    the very iterates that it would have had.

    Parameters
    ----------
    fun, x0, jac, bounds, ftol, xtol, gtol, x_scale, loss, f_scale, diff_step, max_nfev, args, kwargs, workers, fixed
        As `least_squares` has them.

    Attributes
    ----------
    x : ndarray of shape (n,)
        The best point so far; a copy.
    fun : ndarray of shape (m,)
        The residuals there; a copy.
    cost : float
        What is minimized, there.
    nfev, njev, nit : int
        Evaluations of the residuals (those for differences not counted), Jacobians, and accepted steps.
    is_running : bool
        Whether the fit has not ended yet.
    x_scale : ndarray of shape (n,)
        Sizes of the parameters that the length of a step is measured in, those of fixed ones NaN. Assign sizes or
        ``'jac'`` to change it: the step bound and the damping begin anew.
    state : LeastSquaresState
        All of this after the last accepted step.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import LevenbergMarquardt
    >>> t = np.linspace(0, 4, 9)
    >>> y = 2.5*np.exp(-1.3*t)
    >>> fit = LevenbergMarquardt(lambda x: x[0]*np.exp(-x[1]*t) - y, [1, 1])
    >>> state = fit.step()
    >>> state.nit, fit.is_running
    (1, True)
    >>> for state in fit:
    ...     pass
    >>> fit.result().x.round(6)
    array([2.5, 1.3])
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        x0: npt.ArrayLike,
        jac: Callable[..., Any] | Literal["2-point", "3-point", "cs", True] = "2-point",
        bounds: Any = (-np.inf, np.inf),
        *,
        ftol: float | None = 1e-8,
        xtol: float | None = 1e-8,
        gtol: float | None = 1e-8,
        x_scale: npt.ArrayLike | Literal["jac"] | None = None,
        loss: Any = "linear",
        f_scale: float = 1.0,
        diff_step: npt.ArrayLike | None = None,
        max_nfev: int | None = None,
        args: Any = (),
        kwargs: dict[str, Any] | None = None,
        workers: Workers | None = None,
        fixed: npt.ArrayLike | None = None,
    ) -> None:
        start = as_start(x0)
        if start is None:
            start = as_parameters(x0)
            require_finite_start(start)
        n = self._n = start.size
        if n == 0:
            raise InputTypeError("x0 is empty: there are no parameters to fit.")
        if not callable(fun):
            raise InputTypeError(
                f"fun is of type {type(fun).__name__}, and must be a function that gives residuals; compiled_residuals "
                "makes one of machine code"
            )
        self._bounds = as_bounds(bounds, start)
        self._free = free_of(fixed, self._bounds, n)
        self._box = None if self._bounds is None else (self._part(self._bounds[0]), self._part(self._bounds[1]))
        self._tolerances = as_tolerances(ftol, xtol, gtol)
        self._limit = as_limit(max_nfev, n if self._free is None else self._free.size)
        typical = as_typical(x_scale, n, self._free)
        kind = as_loss(loss)
        scale = as_positive("f_scale", f_scale, "the scale of the residuals must be a positive and finite number")
        self._robust = None if kind is None else Robust(kind, scale)
        arguments = as_arguments(args, kwargs)
        steps = as_steps(diff_step, n)
        self._steps = None if steps is None else self._part(steps)
        self._workers = as_workers(workers)
        self._model = Model(Call(fun, *arguments), start, self._free)
        self._source = self._source_of(jac, arguments, typical)
        self._ended: int | None = None  # a status that isn't the iteration's
        self._end_message = ""  # where that isn't told by `_MESSAGES`
        self._comparison: tuple[Disagreement | None] | None = None  # what one at the end has found, if there was one
        self._begin(self._part(start), typical)

    def _source_of(
        self, jac: Any, arguments: tuple[Any, Any], typical: Array | None
    ) -> GivenJacobian | ComplexSteps | None:
        """Where Jacobians come from that the core doesn't take by itself."""
        self._order = 0
        if callable(jac) or jac is True:
            return GivenJacobian(self._model, None if jac is True else Call(jac, *arguments))
        if not (isinstance(jac, str) and jac in _ORDERS):
            raise OptionError(f"jac is {jac!r}; it can be '2-point', '3-point', 'cs', a function, or True")
        self._order = _ORDERS[jac]
        if self._order > 0:
            return None
        sizes = None if typical is None else self._part(typical)
        return ComplexSteps(self._model, as_evaluator(self._model, self._workers), self._steps, sizes)

    def _begin(self, x: Array, typical: Array | None) -> None:
        """Residuals at the start, and the fit in memory."""
        f = self._model.first(x, self._fun_for_core())
        norm = enorm(f) if self._robust is None else self._robust.norm(f)
        if not isfinite(norm):
            self._model.refuse_values(f, x)
            what = "norm of the residuals" if self._robust is None else "robust cost"
            raise InputValueError(
                f"the {what} at x0 overflows; a fit needs a start nearer (x0 = {describe(self._model.whole(x))})"
            )
        self._kept: list[Any] = [None]  # the Jacobian at x; None where that isn't known yet
        self._place(x, f, norm, typical)
        if self._limit <= 1:
            self._fit.info, self._fit.stage = Info.MAXFEV, _IS_OVER

    def _place(self, x: Array, f: Array, norm: float, typical: Array | None) -> None:
        """A fit in memory that begins at x."""
        precision = 0.0 if self._steps is not None else self._model.precision
        is_known = self._order != 1 or precision != DOUBLE or norm == 0
        sizes = None if typical is None else self._part(typical)
        block = begin(
            x,
            f,
            norm,
            (*self._tolerances, _FACTOR),
            self._limit,
            None if sizes is None else 1 / sizes,
            self._box or (None, None),
            sizes,
            self._steps,
            precision,
            is_known,
            self._order,
        )
        self._take(Memory(block))

    def _take(self, memory: Memory) -> None:
        self._memory, self._fit = memory, memory.record
        self._problem = self._problem_for_core()

    def _problem_for_core(self) -> tuple[Any, ...]:
        """What the core calls: see solve.c."""
        model, source = self._model, self._source
        fun, args = self._fun_for_core(), model.call.positional[1]
        jac = as_jacobian = ask = evaluator = None
        is_timed = model.deadline < np.inf
        is_direct = self._free is None and not is_timed  # machine code is called with no Python between
        if type(fun) is CompiledResiduals and is_direct:
            fun = fun._packed
        if isinstance(source, GivenJacobian) and not source.comes_with_residuals:
            jac, as_jacobian = source.call.positional[0], source.convert
            if type(jac) is CompiledJacobian and is_direct and (jac.m, jac.n) == (model.m, self._n):
                jac = jac._packed
        elif source is not None:
            ask = source.at
        elif self._workers is not None:
            evaluator = as_evaluator(model, self._workers)
        if is_timed:
            fun, jac = Timed(model, fun), None if jac is None else Timed(model, jac)
        template = None if self._free is None else model.template
        as_residuals = model.convert
        return (
            fun, jac, args, as_residuals, as_jacobian, ask, evaluator, self._robust, template, self._free
        )  # fmt: skip

    def _fun_for_core(self) -> Any:
        """What gives the residuals at all the parameters, with the further positional arguments."""
        if isinstance(self._source, GivenJacobian) and self._source.comes_with_residuals:
            return self._source.residuals
        return self._model.call.positional[0]

    def _part(self, whole: Array) -> Array:
        """What belongs to the free parameters."""
        return whole if self._free is None else whole[self._free]

    def _among_all(self, values: npt.NDArray[Any], otherwise: float) -> npt.NDArray[Any]:
        """What belongs to the free parameters in its places among all; the very array where all are free."""
        if self._free is None:
            return values
        whole = np.full(self._n, otherwise, values.dtype)
        whole[self._free] = values
        return whole

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_fit", "_problem")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._take(self._memory)

    # ---------------------------------------------------------------------------------------- where it stands

    @property
    def x(self) -> Array:
        """The best point so far."""
        x = self._memory.x
        return x if self._free is None else self._model.whole(x)

    @property
    def fun(self) -> Array:
        """The residuals there."""
        return self._memory.f

    @property
    def cost(self) -> float:
        """What is minimized, there."""
        norm = self._fit.fnorm
        return 0.5 * norm * norm

    @property
    def nfev(self) -> int:
        """Evaluations of the residuals, those for differences not counted."""
        return self._fit.nfev

    @property
    def njev(self) -> int:
        """Jacobians, given or by differences."""
        return self._fit.njev

    @property
    def nit(self) -> int:
        """Accepted steps."""
        return self._fit.nit

    @property
    def x_scale(self) -> Array:
        """Sizes of the parameters that the length of a step is measured in."""
        return self._among_all(1 / self._memory.diag, np.nan)

    @x_scale.setter
    def x_scale(self, x_scale: Any) -> None:
        if not self.is_running:
            raise InputValueError("the fit has ended; begin another from its x to scale it otherwise")
        typical = as_typical(x_scale, self._n, self._free)
        before = self._fit
        self._place(self._memory.x, self.fun, before.fnorm, typical)
        for name in ("nfev", "njev", "nit", "calls", "precision", "precision_known"):
            setattr(self._fit, name, getattr(before, name))

    @property
    def state(self) -> LeastSquaresState:
        """Where the fit stands after the last accepted step."""
        fit = self._fit
        return LeastSquaresState(
            nit=fit.nit,
            x=self.x,
            fun=self.fun,
            cost=self.cost,
            nfev=fit.nfev,
            njev=fit.njev,
            damping=fit.par,
            step_norm=fit.pnorm if fit.nit else 0.0,
            grad_norm=fit.gnorm,
        )

    @property
    def is_running(self) -> bool:
        """Whether the fit has not ended yet."""
        return self._ended is None and self._fit.stage != _IS_OVER

    def __repr__(self) -> str:
        how = "running" if self.is_running else self.message
        return f"<LevenbergMarquardt, {self.nit} steps, cost {self.cost:.6g}: {how}>"

    # ---------------------------------------------------------------------------------------- the loop

    def __iter__(self) -> Iterator[LeastSquaresState]:
        before = self.nit
        while self.is_running:
            self._go_on(1)
            state = self.state
            if state.nit > before:
                before = state.nit
                yield state

    def step(self) -> LeastSquaresState:
        """Take the next step, or find that the fit has ended: then the state is the one before, and not running."""
        if self.is_running:
            self._go_on(1)
        return self.state

    def run(self) -> LeastSquaresResult:
        """Go on until the fit ends.

        Where a function raises, x is that of the last accepted step, and another call goes on from there.
        """
        if self.is_running:
            self._go_on(_TO_THE_END)
        return self.result()

    def stop(self) -> None:
        """End the fit here, if it hasn't ended; `run` takes no notice of it while it runs."""
        if self.is_running:
            self._ended = Status.STOPPED

    def stop_at(self, deadline: float) -> None:
        """End the fit before the first evaluation later than this, by `time.monotonic`, of this process alone."""
        self._model.deadline = deadline
        self._problem = self._problem_for_core()

    def _go_on(self, steps: int) -> None:
        """Take so many steps, or all of them."""
        try:
            status = solve(self._memory.block, self._problem, steps, self._kept)
        except OutOfTimeError:
            status = _TOO_LATE
        except AskedToStopError as request:  # a compiled function within a function of Python's
            status = request.status
        if status < 0:
            self._ended, self._end_message = Status.STOPPED, message_for(status, *self._tolerances, self._limit)
        elif status > 0 and self._fit.info == RUNNING:
            self._ended = Status.TIMEOUT
        elif status > 0:  # a fit that has converged has done so, though it is too late to look again
            self._fit.stage = _IS_OVER

    # ---------------------------------------------------------------------------------------- the end

    @property
    def message(self) -> str:
        """Why the fit has ended, so far as that takes no further evaluation."""
        if self._ended is not None:
            return self._end_message or (TIMEOUT if self._ended == Status.TIMEOUT else STOPPED)
        if self.is_running:
            return "Not ended: this is the best point so far."
        info = self._fit.info
        if info == Info.JACOBIAN_NOT_FINITE:
            return self._not_finite()
        return message_for(info, *self._tolerances, self._limit, LEAST_SQUARES_LIMIT)

    def _not_finite(self) -> str:
        found = find_not_finite(self._kept[0])
        assert found.parameter is not None
        return f"Stopped: the Jacobian has {found.describe(self._number(found.parameter))}; x is the best point found."

    def _number(self, j: int) -> int:
        """That of a free parameter among all."""
        return int(j if self._free is None else self._free[j])

    def result(self) -> LeastSquaresResult:
        """What the fit has come to, with the Jacobian evaluated at x.

        A fit that has not ended counts as stopped; it can go on all the same, and to the same iterates.
        """
        is_running = self.is_running
        status, message = self._ended, self.message
        if status is None:
            status = Status.STOPPED if is_running else STATUS_OF[Info(self._fit.info)]
        has_factor = False
        try:
            too_late = status == Status.TIMEOUT or self._take_jacobian()
            if too_late and is_running:  # a fit that has converged has done so all the same
                status, message = Status.TIMEOUT, TIMEOUT
            if not too_late or self._kept[0] is not None:
                norms = self._memory.norms
                has_factor = all(map(isfinite, norms.tolist()))
            if has_factor:
                status, message = self._verdict(status, message, norms)
        except AskedToStopError as request:
            status, message = Status.STOPPED, message_for(request.status, *self._tolerances, self._limit)
        return self._result(status, message, has_factor)

    def _take_jacobian(self) -> bool:
        """The Jacobian at x and its factorization; whether it is too late for that."""
        try:
            status = solve(self._memory.block, self._problem, 0, self._kept)
        except OutOfTimeError:
            return True
        if status < 0:
            raise AskedToStopError(status, self.x)
        return bool(status > 0)

    def _verdict(self, status: int, message: str, norms: Array) -> tuple[int, str]:
        """The status once more, by the Jacobian at x."""
        if status == Status.GTOL and self._fit.fnorm > 0 and not norms.any():
            return Status.NO_RESPONSE, NO_RESPONSE
        is_given = self._source is not None
        if not is_given or self._fit.fnorm == 0 or self._ended is not None or self.is_running:
            return status, message
        if self._comparison is None:
            self._comparison = (self._compare(norms),)
        (found,) = self._comparison
        if found is None:
            return status, message
        return status if found.is_stationary else Status.WRONG_JACOBIAN, (
            f"{message} The Jacobian disagrees with differences of fun, worst for parameter "
            f"x[{self._number(found.column)}] in residual {found.row}: {found.given:.6g}, where differences give "
            f"{found.by_differences:.6g}."
        )

    def _compare(self, norms: Array) -> Disagreement | None:
        """The Jacobian at x with differences; None where there is nothing against it."""
        x, f, scale = self._memory.x, self._memory.f, self._memory.diag
        model, box = self._model, self._box
        beside = Beside(model, self._problem[0], box, x, f)
        try:
            return find_disagreement(beside, model.precision, box, self._robust, x, f, self._kept[0], norms, scale)
        except Exception:  # fun may raise beside x, where the fit had no need of it, and so says nothing of x
            return None

    @property
    def _jacobian_error(self) -> float:
        """Relative error of the Jacobian: twice that of a step as long as x, for all that differs from x."""
        if self._order == 0:
            return 0.0
        precision = max(self._fit.precision, self._model.precision, DOUBLE)
        return error_of_forward_differences(precision) if self._order == 1 else float(2 * precision ** (2 / 3))

    def _result(self, status: int, message: str, has_factor: bool) -> LeastSquaresResult:
        x, n = self.x, self._n
        fixed = np.zeros(n, bool) if self._free is None else ~self._among_all(np.ones(self._free.size, bool), False)
        factor, optimality = None, np.nan
        if has_factor:
            r, ipvt, qtf = self._memory.factor
            factor = r, ipvt
            gradient = lm_gradient(r, ipvt, qtf)
            moves = moves_of(self._memory.x, gradient, self._box)
            optimality = max(map(abs, gradient[moves].tolist()), default=0.0)
            grad, free = self._among_all(gradient, 0.0), self._among_all(moves, False)
        else:
            grad, free = np.full(n, np.nan), ~fixed
        return LeastSquaresResult(
            x=x,
            cost=self.cost,
            fun=self.fun,
            jac=self._whole_jacobian(n),
            grad=grad,
            optimality=optimality,
            active_mask=self._active(x),
            nfev=self.nfev,
            njev=self.njev,
            nit=self.nit,
            status=int(status),
            message=message,
            _fixed=fixed,
            _free=free,
            _factor=factor,
            _jacobian_error=self._jacobian_error,
            _norm=self._fit.fnorm,
        )

    def _whole_jacobian(self, n: int) -> Array | None:
        jacobian: Array | None = self._kept[0]
        if self._free is None or jacobian is None:
            return jacobian
        whole = np.zeros((len(jacobian), n))
        whole[:, self._free] = jacobian
        return whole

    def _active(self, x: Array) -> npt.NDArray[np.intp]:
        active = np.zeros(self._n, int)
        if self._bounds is not None:
            low, high = self._bounds
            active[x >= high] = 1
            active[x <= low] = -1
        return active
