"""`LevenbergMarquardt`: the fit that `least_squares` makes, and that its caller can step through."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from math import isfinite, sqrt
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from .._derivatives.sources import ComplexSteps, GivenJacobian, Workers, as_evaluator
from .._derivatives.verdict import Disagreement, Surroundings, find_disagreement, moves_of
from .._errors import InputTypeError, InputValueError, InUseError, OptionError
from .._minpack import (
    as_start,
    begin,
    blocks_pay,
    column_errors,
    enorm,
    find_jacobian_error,
    go_home,
    lm_gradient,
    look_again,
    solve,
)
from .._model.arrays import (
    DOUBLE,
    Array,
    as_parameters,
    describe,
    find_not_finite,
    is_finite,
    require_finite_start,
    shown,
)
from .._model.compiled import AskedToStopError, CompiledJacobian, CompiledResiduals, require_roles
from .._model.function import Call, Model, OutOfTimeError, Timed
from .._model.losses import Robust, as_loss
from .._model.options import (
    as_arguments,
    as_bounds,
    as_choice,
    as_flag,
    as_limit,
    as_positive,
    as_real,
    as_steps,
    as_tolerances,
    as_typical,
    as_workers,
    free_of,
    not_a_function,
)
from .._model.signature import without_types
from .._report.info import (
    JACOBIAN_NOT_FINITE,
    LEAST_SQUARES_LIMIT,
    NO_RESPONSE,
    STATUS_OF,
    STOPPED,
    TIMEOUT,
    WRONG_JACOBIAN,
    Info,
    Status,
    message_for,
)
from .._report.least_squares import LeastSquaresResult, LeastSquaresState
from .machine import CAREFUL, CODES, RUNNING, FitRecord, Memory

Beside: TypeAlias = tuple[Surroundings, Array, Array]  # where to look, a step, and how residuals change along it

_ORDERS: Final = {"2-point": 1, "3-point": 2, "cs": 0}  # of the differences that the core takes
_TO_THE_END: Final = -1
_SMALL_OFFSET: Final = 1e-3  # small_offset of minpack/iteration/certify.f90
_TOO_LATE: Final = 1
CALLS_TO_COMPARE: Final = 90  # a parameter: two searches take no more, of most_rounds of careful.f90 each
_IS_OVER: Final = CODES["is_over"]

_LOST_IN_A_LOOP: Final = (
    "fun raised StopIteration, which a for loop over a fit would take for its end: use step() or run(), from which it "
    "comes out as it is, or raise another exception"
)
_NOT_FINITE_AT_THE_END: Final = "The Jacobian at x is not finite; the standard errors are by that of the step before."
_NOT_COMPARED: Final = "The Jacobian could not be compared with differences, since fun raised an exception."
_MINIMUM_ALL_THE_SAME: Final = (
    "The Jacobian disagrees with differences of fun, {}; by these it is a minimum all the same."
)
_NOT_TAKEN_AGAIN: Final = (
    "The Jacobian was changed by who got it, and max_nfev leaves no evaluation to take it again and to compare it."
)
_UNSETTLED: Final = (
    "max_nfev = {} leaves too few evaluations to see whether the Jacobian is right: raise it, or pass check_jac=False "
    "where the Jacobian is approximate on purpose."
)


class _NoneLeftError(Exception):
    """No evaluation is left for a comparison."""


def _in_use() -> InUseError:
    return InUseError(
        "this fit is under way: its own function, or another thread, asks it to go on or to be scaled anew; give each "
        "thread a fit of its own (copy.copy makes one), and let the function alone call nothing of the fit"
    )


class LevenbergMarquardt:
    """A fit by Levenberg and Marquardt's method, to step through, look at, pickle and resume.

    ``for state in fit`` goes on until the fit ends, with a `LeastSquaresState` after each accepted step; `step` takes
    one. Between steps the fit can be pickled, where `fun` and its arguments can: it goes on, in whatever process, to
    the very iterates that it would have had.

    Parameters
    ----------
    fun, x0, jac, bounds, ftol, xtol, gtol, x_scale, loss, f_scale, diff_step, max_nfev, args, kwargs, workers, fixed, \
    check_jac, accel
        As `least_squares` has them.
    factor : float, optional
        The first step is at most so many times as long as the start, in scaled parameters, as in `leastsq`.

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
    calls : int
        All calls of `fun`, those for differences included.
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

    @without_types
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
        check_jac: bool | None = None,
        accel: bool | None = None,
        factor: float = 100.0,
    ) -> None:
        start = as_start(x0)
        if start is None:
            start = as_parameters(x0)
            require_finite_start(start)
        n = self._n = start.size
        if n == 0:
            raise InputTypeError("x0 is empty: there are no parameters to fit.")
        if not callable(fun):
            raise not_a_function("fun", fun, "a function that gives residuals; compiled_residuals makes one")
        require_roles(fun, jac)
        self._bounds = as_bounds(bounds, start)
        self._free = free_of(fixed, self._bounds, n)
        self._box = None if self._bounds is None else (self._part(self._bounds[0]), self._part(self._bounds[1]))
        self._tolerances = as_tolerances(ftol, xtol, gtol)
        of_free = n if self._free is None else self._free.size
        self._limit = as_limit(max_nfev, of_free, not isinstance(jac, str) or jac == "cs")
        # Of all calls that count. A limit of ours leaves room for a comparison at the end.
        self._limit_of_all = self._limit + (CALLS_TO_COMPARE * (1 + of_free) if max_nfev is None else 0)
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
        self._check_jac = as_choice("check_jac", check_jac, (None, True, False))
        self._accelerates = accel if accel is None else as_flag("accel", accel)
        self._factor = as_positive("factor", factor, "the first step bound must be a positive and finite number")
        self._end: tuple[int, str] | None = None  # status and message of an end that isn't the iteration's
        self._comparison: tuple[int | None, str] | None = None  # another status and what is to be said, once compared
        self._begin(self._part(start), typical)

    def _source_of(
        self, jac: Any, arguments: tuple[Any, Any], typical: Array | None
    ) -> GivenJacobian | ComplexSteps | None:
        """Where Jacobians come from that the core doesn't take by itself."""
        self._order = 0
        if callable(jac) or jac is True:
            return GivenJacobian(self._model, None if jac is True else Call(jac, *arguments), self._count_call)
        if not (isinstance(jac, str) and jac in _ORDERS):
            raise OptionError(f"jac is {shown(jac)}; it can be '2-point', '3-point', 'cs', a function, or True")
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
        self._memory = self._place(x, f, norm, typical)
        self._problem = self._problem_for_core()
        if self._limit <= 1:
            self._fit.info, self._fit.stage = Info.MAXFEV, _IS_OVER

    def _place(self, x: Array, f: Array, norm: float, typical: Array | None) -> Memory:
        """A fit in memory that begins at x."""
        precision = 0.0 if self._steps is not None else self._model.precision
        accelerates = int(bool(self._accelerates))
        if self._accelerates is None and not blocks_pay(f.size, x.size):  # the core keeps what that takes
            accelerates = -1  # once the fit creeps
        is_known = self._order != 1 or precision != DOUBLE or norm == 0
        sizes = None if typical is None else self._part(typical)
        block = begin(
            x,
            f,
            norm,
            (*self._tolerances, self._factor),
            self._limit,
            None if sizes is None else 1 / sizes,
            self._box or (None, None),
            sizes,
            self._steps,
            precision,
            is_known,
            self._order,
            accelerates,
        )
        return Memory(block)

    @property
    def _fit(self) -> FitRecord:
        return self._memory.record

    def _problem_for_core(self) -> tuple[Any, ...]:
        """What the core calls: see solve.c."""
        model, source = self._model, self._source
        fun, args = self._fun_for_core(), model.call.positional[1]
        jac = as_jacobian = ask = evaluator = None
        loss = None if self._robust is None else self._robust.for_core
        is_timed = model.deadline < np.inf
        is_direct = self._free is None and not is_timed  # machine code is called with no Python between
        if type(fun) is CompiledResiduals and is_direct:
            fun = fun._code
        if isinstance(source, GivenJacobian) and not source.comes_with_residuals:
            jac, as_jacobian = source.call.positional[0], source.convert
            if type(jac) is CompiledJacobian and is_direct and (jac.m, jac.n) == (model.m, self._n):
                jac = jac._code
        elif source is not None:
            ask = source.at
        elif self._workers is not None:
            evaluator = as_evaluator(model, self._workers)
        if is_timed:
            fun, jac = Timed(model, fun), None if jac is None else Timed(model, jac)
        template = None if self._free is None else model.template
        as_residuals = model.convert
        return (
            fun, jac, args, as_residuals, as_jacobian, ask, evaluator, loss, template, self._free
        )  # fmt: skip

    def _fun_for_core(self) -> Any:
        """What gives the residuals at all the parameters, with the further positional arguments."""
        if isinstance(self._source, GivenJacobian) and self._source.comes_with_residuals:
            return self._source.residuals
        return self._model.call.positional[0]

    @property
    def _source_calls_fun(self) -> bool:
        """Whether Jacobians come with residuals, so that taking one again is a call that counts."""
        return isinstance(self._source, GivenJacobian) and self._source.comes_with_residuals

    @property
    def _factors_in_place(self) -> bool:
        """Whether Jacobians are factored where they lie, by blocks, so that there is no copy of them."""
        return not self._accelerates and bool(blocks_pay(self._fit.m, self._fit.n))

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
        return {name: value for name, value in self.__dict__.items() if name != "_problem"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._problem = self._problem_for_core()

    def __copy__(self) -> "LevenbergMarquardt":
        """A fit of its own, of the same function."""
        other = object.__new__(type(self))
        other.__setstate__(deepcopy(self.__getstate__(), {id(self): other, id(self._workers): self._workers}))
        return other

    # ---------------------------------------------------------------------------------------- where it stands

    @property
    def x(self) -> Array:
        """The best point so far."""
        x = self._memory.best_x
        return x if self._free is None else self._model.whole(x)

    @property
    def fun(self) -> Array:
        """The residuals there."""
        return self._memory.best_f

    @property
    def cost(self) -> float:
        """What is minimized, there."""
        norm = self._fit.best_norm
        return 0.5 * norm * norm

    @property
    def nfev(self) -> int:
        """Evaluations of the residuals, those for differences not counted."""
        return self._fit.nfev

    @property
    def calls(self) -> int:
        """All calls of the function, those for differences included."""
        of_jacobian = self._memory.x.size if isinstance(self._source, ComplexSteps) else 0
        return self._fit.calls + self._fit.njev * of_jacobian

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
        if before.busy:
            raise _in_use()
        memory = self._place(self._memory.best_x, self.fun, before.best_norm, typical)
        for name in ("nfev", "njev", "nit", "calls", "precision", "precision_known"):
            setattr(memory.record, name, getattr(before, name))
        self._memory = memory

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
        return self._end is None and self._fit.stage != _IS_OVER

    def __repr__(self) -> str:
        how = "running" if self.is_running else self.message
        return f"<LevenbergMarquardt, {self.nit} steps, cost {self.cost:.6g}: {how}>"

    # ---------------------------------------------------------------------------------------- the loop

    def __iter__(self) -> Iterator[LeastSquaresState]:
        before = self.nit
        while self.is_running:
            try:
                self._go_on(1)
            except StopIteration as stop:
                raise InputValueError(_LOST_IN_A_LOOP) from stop
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
            self._end = Status.STOPPED, STOPPED

    def stop_at(self, deadline: float) -> None:
        """End the fit before the first evaluation later than this, by `time.monotonic`, of this process alone."""
        self._model.deadline = as_real("deadline", deadline, "it must be a time by time.monotonic")
        self._problem = self._problem_for_core()

    def _solve(self, steps: int) -> int:
        """Go on in the core."""
        status = solve(self._memory.block, self._problem, steps, self._kept)
        if status is None:
            raise _in_use()
        return status

    def _go_on(self, steps: int) -> None:
        """Take so many steps, or all of them."""
        try:
            status = self._solve(steps)
        except OutOfTimeError:
            status = _TOO_LATE
        except AskedToStopError as request:  # a compiled function within a function of Python's
            status = request.status
        if status < 0:
            self._end = Status.STOPPED, message_for(status, *self._tolerances, self._limit)
        elif status > 0 and self._fit.claim and 0 <= self._fit.offset <= _SMALL_OFFSET:
            self._fit.info, self._fit.stage = self._fit.claim, _IS_OVER  # it would only be made more certain
        elif status > 0 and self._fit.info == RUNNING:
            self._end = Status.TIMEOUT, TIMEOUT
        elif status > 0:  # a fit that has converged has done so, though it is too late to look again
            self._fit.stage = _IS_OVER

    # ---------------------------------------------------------------------------------------- the end

    @property
    def message(self) -> str:
        """Why the fit has ended, so far as that takes no further evaluation."""
        if self._end is not None:
            return self._end[1]
        if self.is_running:
            return "Not ended: this is the best point so far."
        info = self._fit.info
        if info == Info.JACOBIAN_NOT_FINITE:
            return self._not_finite()
        return message_for(info, *self._tolerances, self._limit, LEAST_SQUARES_LIMIT)

    def _not_finite(self) -> str:
        found = find_not_finite(self._kept[0])
        assert found.parameter is not None
        return JACOBIAN_NOT_FINITE.format(found.describe(self._number(found.parameter)))

    def _number(self, j: int) -> int:
        """That of a free parameter among all."""
        return int(j if self._free is None else self._free[j])

    def result(self) -> LeastSquaresResult:
        """What the fit has come to, with the Jacobian evaluated at x.

        A fit that has not ended counts as stopped; it can go on all the same, and to the same iterates. Where a
        function raises, another call gives the result without what could not be had.
        """
        if self._fit.is_above:
            return self._result_at_end()
        is_running, message = self.is_running, self.message
        if self._end is not None:
            status = self._end[0]
        else:
            status = Status.STOPPED if is_running else STATUS_OF[Info(self._fit.info)]
        has_factor = False
        try:
            change = self._look_before_jacobian()
            too_late = status == Status.TIMEOUT or self._take_jacobian()
            if too_late and is_running:  # a fit that has converged has done so all the same
                status, message = Status.TIMEOUT, TIMEOUT
            if not too_late or self._fit.jacobian_is_at_x:
                norms = self._memory.norms
                has_factor = is_finite(norms)
            if has_factor:
                status, message = self._verdict(status, message, norms, change)
        except AskedToStopError as request:
            status, message = Status.STOPPED, message_for(request.status, *self._tolerances, self._limit)
        return self._result(status, message, has_factor)

    def _result_at_end(self) -> LeastSquaresResult:
        """The result of a fit that has gone back from an end and is not below that yet: what is there."""
        memory, kept = self._memory, self._kept
        if memory.record.busy:
            raise _in_use()
        self._memory, self._kept = Memory(memory.block.copy()), [None]
        go_home(self._memory.block)
        try:
            return self.result()
        finally:
            for name in ("nfev", "njev", "calls"):
                setattr(memory.record, name, getattr(self._fit, name))
            self._memory, self._kept = memory, kept

    def _take_jacobian(self) -> bool:
        """The Jacobian at x and its factorization; whether it is too late for that."""
        try:
            status = self._solve(0)
        except OutOfTimeError:
            return True
        if status < 0:
            raise AskedToStopError(status, self.x)
        return bool(status > 0)

    def _verdict(self, status: int, message: str, norms: Array, change: Beside | None) -> tuple[int, str]:
        """The status once more, by the Jacobian at x."""
        if not self._fit.jacobian_is_at_x:
            return status, f"{message} {_NOT_FINITE_AT_THE_END}"
        if self._is_to_be_compared:
            self._comparison = None, _NOT_COMPARED  # as long as nothing else is known, or where fun raises
            try:
                self._comparison = self._compare(status, change or self._change_beside())
            except OutOfTimeError:
                self._comparison = None, ""
        other, more = self._comparison or (None, "")
        if other in (Status.WRONG_JACOBIAN, Status.UNCERTAIN):
            return other, more
        if other is not None and other > 0:
            return other, message_for(self._fit.claim, *self._tolerances, self._limit, LEAST_SQUARES_LIMIT)
        if status == Status.UNCERTAIN and self._fit.fnorm > 0 and not norms.any():
            status, message = Status.NO_RESPONSE, NO_RESPONSE
        return status if other is None else other, f"{message} {more}".rstrip()

    @property
    def _is_to_be_compared(self) -> bool:
        """Whether the end calls for a look at a given Jacobian."""
        is_given = self._source is not None and self._check_jac is not False
        has_ended = self._end is None and not self.is_running and self._fit.fnorm > 0
        return is_given and has_ended and self._comparison is None

    def _look_before_jacobian(self) -> Beside | None:
        """What is to be done before a large Jacobian is taken at x, of which there is no copy.

        One that was taken and has been changed since, in the hands of who got it or of the function that fills it, is
        to be taken again. And where it lies in memory of the user's, the look beside x comes first: see
        `_change_beside`.
        """
        fit, source = self._fit, self._source
        if not self._factors_in_place or fit.info == Info.JACOBIAN_NOT_FINITE:
            return None
        if fit.jacobian_is_at_x and not self._is_as_factored(self._kept[0]):
            if self._source_calls_fun and fit.nfev >= self._limit_of_all:
                self._kept[0] = None  # its factorization stays
                self._comparison = self._comparison or (None, _NOT_TAKEN_AGAIN)
                return None
            fit.jacobian_is_at_x = 0
        if not isinstance(source, GivenJacobian) or self._source_calls_fun or not self._is_to_be_compared:
            return None
        self._comparison = None, _NOT_COMPARED
        try:
            change = self._change_beside()
        except OutOfTimeError:
            return None
        self._comparison = None
        if change is not None:
            fit.jacobian_is_at_x = 0
        return change

    def _is_as_factored(self, jacobian: Array | None) -> bool:
        """Whether a Jacobian is the one whose factorization there is, by the lengths of its columns."""
        if jacobian is None:
            return False
        with np.errstate(all="ignore"):
            norms = np.sqrt(np.einsum("ij,ij->j", jacobian, jacobian))
        return np.allclose(norms, self._memory.norms, rtol=1e-9, atol=0, equal_nan=True)

    def _change_beside(self) -> Beside | None:
        """Where to look, a step from x, and by how much the residuals change along it.

        None where no evaluation is left for that.
        """
        if self._check_jac or self._fit.nfev >= self._limit_of_all:
            return None
        look = self._surroundings()
        return look, *self._change_at(look.beside())

    def _surroundings(self) -> Surroundings:
        fit, start = self._fit, self._part(self._model.template)
        highest = max(fit.highest, fit.fnorm)
        return Surroundings(self._memory.x, start, self._memory.norms, highest, self._box, self._model.precision)

    def _change_at(self, point: Array) -> tuple[Array, Array]:
        """The step to a point, and by how much the residuals change along it."""
        f = self._evaluate(point)
        with np.errstate(all="ignore"):
            return point - self._memory.x, f - self._memory.f

    def _evaluate(self, x: Array) -> Array:
        """The residuals at a point of the free parameters, by a call that counts."""
        if self._fit.nfev >= self._limit_of_all:
            raise _NoneLeftError
        self._model.require_time()
        self._fit.nfev += 1
        self._count_call()
        result = self._fun_for_core()(self._model.whole(x), *self._model.call.positional[1])
        return self._model.convert(result, self._fit.m, x, self._fit.calls)

    def _count_call(self) -> None:
        """Count a call of the function; those for a given Jacobian the core adds to nfev itself."""
        self._fit.calls += 1

    def _compare(self, status: int, change: Beside | None) -> tuple[int | None, str]:
        """Another status, or None, and what is to be said of the Jacobian at x."""
        if change is None and not self._check_jac:
            return None, ""  # no evaluation is left
        rows = np.ones(self._fit.m) if self._robust is None else self._robust.correct(self._memory.f)[1]
        try:
            is_open = status in (Status.UNCERTAIN, Status.NO_MINIMUM)  # it may be a minimum where the Jacobian is 0
            if change is not None and not is_open and self._agrees_with(change, rows):
                return None, ""
            if change is None or is_open:
                self._kept[0] = self._kept[0].copy()  # it may lie in memory that fun fills anew
            found, is_minimum = self._look_again(rows)
        except _NoneLeftError:
            return Status.MAX_NFEV if status > 0 else None, _UNSETTLED.format(self._limit)
        if found is None:
            if is_open and is_minimum:
                return STATUS_OF[Info(self._fit.claim)], ""
            if status > 0 and not is_minimum and self._surroundings().leaves_any:
                return Status.UNCERTAIN, message_for(Info.UNCERTAIN, *self._tolerances, self._limit)
            return None, ""
        worst = (
            f"worst for parameter x[{self._number(found.column)}] in residual {found.row}: {found.given:.6g}, where "
            f"differences give {found.by_differences:.6g}"
        )
        if is_minimum:
            return None, _MINIMUM_ALL_THE_SAME.format(worst)
        return Status.WRONG_JACOBIAN, WRONG_JACOBIAN.format(worst)

    def _agrees_with(self, change: Beside, rows: Array) -> bool:
        """Whether the residuals change beside x as the Jacobian says, and not at all where it says nothing."""
        look, step, by = change
        f, jacobian = self._memory.f * rows, self._kept[0]
        with np.errstate(all="ignore"):
            by = by * rows
            error = by - jacobian @ step
        agrees = look.agrees(error, step, by)
        if agrees and not look.leaves_any:
            return True
        jacobian = self._kept[0] = jacobian.copy()  # it may lie in memory that fun fills anew
        if not agrees:
            if not np.isfinite(error).all():
                return False
            shorter, by_shorter = self._change_at(look.shorter(step))
            with np.errstate(all="ignore"):
                shorter_error = by_shorter * rows - jacobian @ shorter
            if not look.agrees_but_for_curvature(error, shorter_error, step, by):
                return False
        return all(look.is_rounding(self._change_at(point)[1] * rows, f) for point in look.afar())

    def _look_again(self, rows: Array) -> tuple[Disagreement | None, bool]:
        """Where the Jacobian is wrong by careful differences, and whether x is a minimum by these."""
        look = Memory(self._memory.block.copy())
        loss = None if self._robust is None else self._robust.for_core
        problem = self._evaluate, None, (), self._model.convert, None, None, None, loss, None, None
        looks = []
        for _ in range(2):
            kept: list[Any] = [None]
            look_again(look.block)
            solve(look.block, problem, -1, kept)
            looks.append((kept[0], column_errors(look.block), look.record.info == Info.FTOL))
            offset = look.record.offset
        (differences, errors, is_minimum), (others, _, _) = looks
        if is_minimum:
            self._fit.offset = offset  # by these it is one
        return find_disagreement(self._kept[0], differences, others, errors, rows), is_minimum

    def _result(self, status: int, message: str, has_factor: bool) -> LeastSquaresResult:
        x, n, memory, fit = self.x, self._n, self._memory, self._fit
        fixed = np.zeros(n, bool) if self._free is None else ~self._among_all(np.ones(self._free.size, bool), False)
        factor, optimality = None, np.nan
        if has_factor:
            r, ipvt, qtf = memory.factor
            factor = r, ipvt
            gradient = lm_gradient(r, ipvt, qtf)
            grad, free, unheld = self._among_all(gradient, 0.0), ~fixed, gradient
            if self._box is not None:
                moves = moves_of(memory.x, gradient, self._box)
                free, unheld = self._among_all(moves, False), gradient[moves]
            optimality = max(map(abs, unheld.tolist()), default=0.0)
        else:
            grad, free = np.full(n, np.nan), ~fixed
        is_careful = fit.differences == CAREFUL
        has_bent = is_careful and fit.noise < np.finfo(float).max
        return LeastSquaresResult(
            x=x,
            cost=self.cost,
            fun=self.fun,
            jac=self._whole_jacobian(n) if has_factor or fit.jacobian_is_at_x else None,
            grad=grad,
            optimality=optimality,
            offset=fit.offset if fit.offset >= 0 and has_factor else np.nan,
            noise=fit.noise / sqrt(6 * fit.m) if has_bent else np.nan,  # of f₊ - 2 f + f₋
            steps=self._among_all(memory.steps if is_careful else np.full(memory.x.size, np.nan), np.nan),
            active_mask=self._active(x),
            nfev=fit.nfev,
            njev=fit.njev,
            nit=fit.nit,
            status=int(status),
            message=message,
            _fixed=fixed,
            _free=free,
            _factor=factor,
            _jacobian_error=find_jacobian_error(memory.block),
            _norm=fit.fnorm,
        )

    def _whole_jacobian(self, n: int) -> Array | None:
        jacobian: Array | None = self._kept[0]
        if self._free is None or jacobian is None:
            return jacobian if jacobian is None or self._factors_in_place else jacobian.copy(order="K")
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
