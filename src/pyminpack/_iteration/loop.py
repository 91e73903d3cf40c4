"""The loop of `least_squares` and `LevenbergMarquardt`: in the core where that can be, else step by step."""

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from .. import _minpack
from .._derivatives.factor import Factor, factorize
from .._derivatives.jacobians import (
    CentralDifferences,
    ComplexSteps,
    ForwardDifferences,
    GivenJacobian,
    Jacobian,
    Workers,
)
from .._derivatives.verdict import Disagreement
from .._errors import InputTypeError, InputValueError, OptionError
from .._model.arrays import Array, as_parameters, describe, require_finite_start
from .._model.compiled import AskedToStopError, CompiledJacobian, CompiledResiduals
from .._model.function import Call, Model, OutOfTimeError
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
from .._report.info import Info, Status, message_for
from .machine import Iteration

_FACTOR: Final = 100.0  # the first step bound relative to ‖D x‖, as leastsq has it
_DIFFERENCES: Final = {"2-point": ForwardDifferences, "3-point": CentralDifferences, "cs": ComplexSteps}
_PATIENCE: Final = 50  # after how many steps the core looks whether a fit creeps (minpack/lm_look_again.f90)


class Loop:
    """A fit, what it is made of and how it goes on; `LevenbergMarquardt` says what its caller sees of it."""

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
        start = _as_start(x0)
        n = self._n = start.size
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
        self._model = Model(Call(fun, *arguments), start, self._free, jac is True)
        self._source = self._source_of(jac, arguments, as_steps(diff_step, n), typical, as_workers(workers))
        # Whether a driver of the core can run the fit.
        self._has_driver = self._robust is None and self._free is None and jac is not True
        if isinstance(jac, str):
            self._has_driver = self._has_driver and jac == "2-point" and workers is None
        self._begin(start, typical)

    def _source_of(
        self, jac: Any, arguments: tuple[Any, Any], steps: Array | None, typical: Array | None, workers: Any
    ) -> Jacobian:
        self._checks = callable(jac) or jac is True or (isinstance(jac, str) and jac == "cs")
        self._jac = Call(jac, *arguments) if callable(jac) else None
        if callable(jac) or jac is True:
            return GivenJacobian(self._model, self._jac)
        if isinstance(jac, str) and jac in _DIFFERENCES:
            steps, typical = (None if v is None else self._part(v) for v in (steps, typical))
            kind: Any = _DIFFERENCES[jac]
            source: Jacobian = kind(self._model, self._box, steps, typical, workers)
            return source
        raise OptionError(f"jac is {jac!r}; it can be '2-point', '3-point', 'cs', a function, or True")

    def _begin(self, start: Array, typical: Array | None) -> None:
        x = self._part(start)
        self._f = self._model.first(x)
        self._norm = self._norm_of(self._f)
        if not np.isfinite(self._norm):
            what = "norm of the residuals" if self._robust is None else "cost, by this loss,"
            raise InputValueError(f"the {what} at x0 overflows; a fit needs a start nearer (x0 = {describe(start)})")
        self._jacobian: npt.NDArray[Any] | None = None
        self._factor: Factor | None = None  # of the Jacobian at x; None where that is not known yet
        self._begun = False  # whether the iteration knows of it
        self.nit = self.njev = 0
        self._ended: int | None = None  # a status that isn't the iteration's
        self._settled = False  # whether the iteration has ended, and nothing is left to look at
        self._disagreement: tuple[Disagreement | None] | None = None  # what a comparison at the end has found, if any
        self._why = ""  # where that isn't told by `_MESSAGES`
        self._iteration = self._new_iteration(x, typical)
        if self._model.nfev >= self._limit:
            self._iteration.end(Info.MAXFEV)
            self._settled = True

    def _new_iteration(self, x: Array, typical: Array | None) -> Iteration:
        scale = None if typical is None else 1 / self._part(typical)
        options = (*self._tolerances, self._limit, _FACTOR)
        if self._box is None:
            return Iteration(x, self._norm, options, scale)
        return Iteration(x, self._norm, options, scale, bounds=self._box)

    def _part(self, whole: Array) -> Array:
        """What belongs to the free parameters."""
        return whole if self._free is None else whole[self._free]

    @property
    def is_running(self) -> bool:
        """Whether the fit has not ended yet."""
        return self._ended is None and not self._settled

    def stop(self) -> None:
        """End the fit here, if it hasn't ended; `run` takes no notice of it while it runs."""
        if self.is_running:
            self._ended = Status.STOPPED

    def stop_at(self, deadline: float) -> None:
        """End the fit before the first evaluation later than this, by `time.monotonic`, of this process alone."""
        self._model.deadline = deadline

    def _drive(self) -> bool:
        """The rest of the fit in the core, to the same iterates; False where it can't be there."""
        if not self._has_driver or self._begun or self._factor is not None or self._model.deadline < np.inf:
            return False
        jac, as_jacobian = self._jac_for_driver()
        if as_jacobian is None:
            return False
        fun, args = self._model.call.positional
        iteration, source, model = self._iteration, self._source, self._model
        steps = typical = None
        asked = 0.0, True, True
        if isinstance(source, ForwardDifferences):
            source.begin(self._f)
            steps, typical, asked = source.steps, source.typical, (source.precision, source.tried, source.floored)
        low, high = iteration.bounds or (None, None)
        found: list[Any] = []
        try:
            _minpack.fit_box(
                fun._capsule if type(fun) is CompiledResiduals else fun, jac, args, model.convert, as_jacobian,
                iteration.x, self._f, iteration.control, iteration.state, iteration.diag,
                low, high, typical, steps, (*asked, iteration.renewed),
                (model.nfev, self.njev, self.nit, model.calls), found,
            )  # fmt: skip
        except AskedToStopError as request:  # a compiled function within a function of Python's
            self._stop_for(request.status)
            return True
        finally:
            if found:
                *where, status = found[0]
                self._take_over(*where)
        if status < 0:
            self._stop_for(status)
        self._settled = True
        return True

    def _jac_for_driver(self) -> tuple[Any, Any]:
        """What gives a driver Jacobians, or None for differences; and what converts them, None where no driver can."""
        if self._jac is None:
            return None, _refuse
        size = self._model.m, self._n
        assert isinstance(self._source, GivenJacobian)
        jac, _ = self._jac.positional
        if type(jac) is CompiledJacobian:
            return jac._capsule, _refuse if (jac.m, jac.n) == size else None
        return jac, None if _minpack.blocks_pay(*size) else self._source.convert  # a large one is used where it lies

    def _take_over(
        self,
        where: tuple[Array, Array, Array, Array],
        jacobian: Array,
        factor: Factor,
        typical: Array,
        source: tuple[float, bool, bool, float],
        counts: tuple[int, int, int, int],
        current: bool,
    ) -> None:
        """Where a driver has left off."""
        x, self._f, diag, state = where
        precision, tried, floored, renewed = source
        self._iteration.take_over(x, diag, state, renewed, factor)
        self._norm = self._iteration["fnorm"]
        if isinstance(self._source, ForwardDifferences):
            self._source.tried = tried
            if self._source.steps is None:
                self._source.precision, self._source.floored = precision, floored
                self._source.typical = typical if floored else None
        self._model.nfev, self.njev, self.nit, self._model.calls = counts
        self._begun = current
        self._jacobian, self._factor = (jacobian.T, factor) if current else (None, None)

    def _stop_for(self, status: int) -> None:
        """End the fit because a compiled function wants it."""
        self._ended, self._why = Status.STOPPED, message_for(status, *self._tolerances, self._limit)

    def _advance(self) -> bool:
        """One accepted step; False where the fit ends, or begins anew, without one."""
        accepted = False
        try:
            if self._iteration.is_running:
                accepted = self._take_step()
            if not self._iteration.is_running:
                self._look_again()
        except OutOfTimeError:
            if self._iteration.is_running:
                self._ended = Status.TIMEOUT
            self._settled = not self._iteration.is_running  # too late to look again
        except AskedToStopError as request:
            self._stop_for(request.status)
        return accepted

    def _take_step(self) -> bool:
        iteration = self._iteration
        if not self._begun:
            factor = self._factor_here()
            iteration.start(*factor)
            if iteration.is_running and (iteration["iteration"] - 1) % _PATIENCE == 0:
                iteration.look_again(*factor)
            self._begun = True
        while iteration.is_running:
            f = self._model.residuals(iteration.propose())
            if iteration.judge(self._norm_of(f), self._model.nfev):
                self.nit += 1
                self._f, self._norm = f, iteration["fnorm"]
                self._factor, self._begun = None, False
                return True
            self._model.given = None
        if self._source.was_misled(iteration):
            iteration.begin(self._norm)
            self._factor, self._begun = None, False
        return False

    def _look_again(self) -> None:
        """Whether the end is one, by the Jacobian there; else the fit begins anew from x."""
        if self._iteration["info"] not in (Info.MAXFEV, Info.JACOBIAN_NOT_FINITE):
            if self._source.raise_floors(self._iteration):
                self._factor = None
            if self._iteration.look_again(*self._factor_here()):
                self._begun = False
        self._settled = not self._iteration.is_running

    def _norm_of(self, f: Array) -> float:
        return _minpack.enorm(f) if self._robust is None else self._robust.norm(f)

    def _factor_here(self) -> Factor:
        """The factorization at x; it stays known as long as x does."""
        if self._factor is None:
            self._jacobian = None  # two of them may be more than fits into memory
            jacobian = self._source.at(self._iteration.x, self._f)
            self.njev += 1
            f = self._f
            if self._robust is not None:
                f, rows = self._robust.correct(f)
                with np.errstate(invalid="ignore", over="ignore"):
                    jacobian = jacobian * rows[:, np.newaxis]
            self._jacobian = jacobian
            self._factor = factorize(jacobian, f)
        return self._factor


def _as_start(x0: npt.ArrayLike) -> Array:
    start = _minpack.plain_start(x0)
    if start is None:
        start = as_parameters(x0)
        require_finite_start(start)
    if start.size == 0:
        raise InputTypeError("x0 is empty: there are no parameters to fit.")
    return start


def _refuse(*_: Any) -> Any:
    """For a driver that calls no Jacobian of Python's."""
    raise AssertionError("there is no Jacobian to convert")
