"""`LevenbergMarquardt`: the iteration that `least_squares` runs, step by step in the hands of its caller."""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._block_passes import fold_rows
from ._compiled import CompiledJacobian, CompiledResiduals
from ._convert import DOUBLE, Array, as_parameters, describe, require_finite_start
from ._exceptions import InputTypeError, InputValueError, OptionError
from ._iteration import Indices, Iteration
from ._jacobians import CentralDifferences, ComplexSteps, ForwardDifferences, GivenJacobian, Jacobian, Workers
from ._losses import Robust, as_loss
from ._ls_options import (
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
from ._ls_records import LeastSquaresResult, LeastSquaresState
from ._ls_spread import lower_part
from ._model import Call, Model, OutOfTimeError
from ._outcome import JACOBIAN_NOT_FINITE, MAXFEV, NO_RESPONSE, message_for

_OWN_SCALING: Final = np.empty(0)
_FACTOR: Final = 100.0  # the first step bound relative to ‖D x‖, as leastsq has it
_DIFFERENCES: Final = {"2-point": ForwardDifferences, "3-point": CentralDifferences, "cs": ComplexSteps}
# `status` as SciPy has it, by MINPACK's info.
_STATUS: Final = {1: 2, 2: 3, 3: 4, 4: 1, 5: 0, 6: -5, 7: -5, 8: -5, JACOBIAN_NOT_FINITE: -4}
STOPPED, OUT_OF_TIME, _NO_RESPONSE, _DISAGREES = -2, -3, -6, -7
_MESSAGES: Final = {
    STOPPED: "Stopped by the callback, or by who steps through the fit; x is the best point met.",
    OUT_OF_TIME: "Stopped before convergence: the timeout is over; x is the best point met.",
    _NO_RESPONSE: NO_RESPONSE,
}
# A fit that ends with a larger cosine between the residuals and a column of the Jacobian has not come to a stationary
# point: ftol, at its default, is met where steps gain no more than the square of 1e-4.
_STATIONARY: Final = 1e-3
# Derivatives that differ by this fraction of the largest in their column are different ones.
_DISAGREEMENT: Final = 1e-3

Factor = tuple[Array, Indices, Array, Array]


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
        start = _minpack.plain_start(x0)
        if start is None:
            start = as_parameters(x0)
            require_finite_start(start)
        n = self._n = start.size
        if n == 0:
            raise InputTypeError("x0 is empty: there are no parameters to fit.")
        if not callable(fun):
            raise InputTypeError(f"fun is a {type(fun).__name__}, not a function that gives residuals")
        self._bounds = as_bounds(bounds, start)
        self._free = free_of(fixed, self._bounds, n)
        self._box = None if self._bounds is None else (self._part(self._bounds[0]), self._part(self._bounds[1]))
        self._tolerances = as_tolerances(ftol, xtol, gtol)
        self._limit = as_limit(max_nfev, n if self._free is None else self._free.size)
        typical = as_typical(x_scale, n)
        kind = as_loss(loss)
        scale = as_positive("f_scale", f_scale, "the scale of the residuals must be a positive and finite number")
        self._robust = None if kind is None else Robust(kind, scale)
        arguments = as_arguments(args, kwargs)
        self._model = Model(Call(fun, *arguments), start, self._free, jac is True)
        self._source = self._source_of(jac, arguments, as_steps(diff_step, n), typical, as_workers(workers))
        asked = (self._bounds, self._free, kind, typical)
        simple = all(option is None for option in asked) and not arguments[1]
        by_differences = isinstance(jac, str) and jac == "2-point" and diff_step is None and workers is None
        plain = simple and (by_differences or (callable(jac) and type(jac) is not CompiledJacobian))
        # What a driver of the core needs, where it can run the whole fit.
        self._plain = (fun, self._source, arguments[0]) if plain else None
        self._begin(start, typical)

    def _source_of(
        self, jac: Any, arguments: tuple[Any, Any], steps: Array | None, typical: Array | None, workers: Any
    ) -> Jacobian:
        self._checks = callable(jac) or jac is True
        if self._checks:
            return GivenJacobian(self._model, None if jac is True else Call(jac, *arguments))
        if isinstance(jac, str) and jac in _DIFFERENCES:
            steps, typical = (None if v is None else self._part(v) for v in (steps, typical))
            kind: Any = _DIFFERENCES[jac]
            return kind(self._model, self._box, steps, typical, workers)  # type: ignore[no-any-return]
        raise OptionError(f"jac is {jac!r}; it can be '2-point', '3-point', 'cs', a function, or True")

    def _begin(self, start: Array, typical: Array | None) -> None:
        x = self._part(start)
        self._f = self._model.first(x)
        self._norm = self._norm_of(self._f)
        if not np.isfinite(self._norm):
            raise InputValueError(
                f"the norm of the residuals at x0 overflows; a fit needs a start where fun is finite (x0 = "
                f"{describe(start)})"
            )
        self._jacobian: npt.NDArray[Any] | None = None
        self._factor: Factor | None = None  # of the Jacobian at x; None where that is not known yet
        self._begun = False  # whether the iteration knows of it
        self.nit = self.njev = 0
        self._ended: int | None = None  # a status that isn't the iteration's
        self._why = ""  # where that isn't told by `_MESSAGES`
        self._iteration = self._new_iteration(x, typical)

    def _new_iteration(self, x: Array, typical: Array | None) -> Iteration:
        scale = None if typical is None else 1 / self._part(typical)
        options = (*self._tolerances, self._limit, _FACTOR)
        if self._box is None:
            return Iteration(x, self._norm, options, scale)
        return Iteration(x, self._norm, options, scale, bounds=self._box)

    def _part(self, whole: Array) -> Array:
        """What belongs to the free parameters."""
        return whole if self._free is None else whole[self._free]

    # ---------------------------------------------------------------------------------------- where it stands

    @property
    def x(self) -> Array:
        """The best point so far."""
        return self._model.whole(self._iteration.x)

    @property
    def fun(self) -> Array:
        """The residuals there."""
        return self._f.copy()

    @property
    def cost(self) -> float:
        """What is minimized, there."""
        return float(0.5 * self._norm * self._norm)

    @property
    def nfev(self) -> int:
        """Evaluations of the residuals, those for differences not counted."""
        return self._model.nfev

    @property
    def is_running(self) -> bool:
        """Whether the fit has not ended yet."""
        return self._ended is None and self._iteration.is_running

    @property
    def x_scale(self) -> Array:
        """Sizes of the parameters that the length of a step is measured in."""
        whole = np.full(self._n, np.nan)
        whole[... if self._free is None else self._free] = 1 / self._iteration.diag
        return whole

    @x_scale.setter
    def x_scale(self, x_scale: Any) -> None:
        if not self.is_running:
            raise InputValueError("the fit has ended; begin another from its x to scale it otherwise")
        x = self._iteration.x
        self._iteration = self._new_iteration(x, as_typical(x_scale, self._n))
        self._begun, self._factor = False, None

    @property
    def state(self) -> LeastSquaresState:
        """Where the fit stands after the last accepted step."""
        return LeastSquaresState(
            nit=self.nit,
            x=self.x,
            fun=self.fun,
            cost=self.cost,
            nfev=self.nfev,
            njev=self.njev,
            damping=self._iteration["par"],
            step_norm=self._iteration["pnorm"] if self.nit else 0.0,
            grad_norm=self._iteration["gnorm"],
        )

    def __repr__(self) -> str:
        how = "running" if self.is_running else self.message
        return f"<LevenbergMarquardt, {self.nit} steps, cost {self.cost:.6g}: {how}>"

    # ---------------------------------------------------------------------------------------- the loop

    def __iter__(self) -> Iterator[LeastSquaresState]:
        while self.is_running:
            if self._advance():
                yield self.state

    def step(self) -> LeastSquaresState:
        """Take the next step, or find that the fit has ended: then the state is the one before, and not running."""
        while self.is_running and not self._advance():
            pass
        return self.state

    def stop(self) -> None:
        """End the fit here."""
        self._ended = STOPPED

    def stop_at(self, deadline: float) -> None:
        """End the fit before the first evaluation later than this, by `time.monotonic`, of this process alone."""
        self._model.deadline = deadline

    def run(self) -> LeastSquaresResult:
        """Go on until the fit ends."""
        if self._plain is not None and self.nit == self.njev == 0 and self._model.deadline == np.inf:
            self._drive()
        while self.is_running:
            self._advance()
        return self.result()

    def _drive(self) -> None:
        """The whole loop in the core, to the same iterates."""
        assert self._plain is not None
        fun, source, args = self._plain
        iteration = self._iteration
        function = fun._capsule if type(fun) is CompiledResiduals else fun
        jac = source.plain if isinstance(source, GivenJacobian) else None
        x, f, info, self._model.nfev, self.njev, fjac, ipvt, qtf, self.nit = _minpack.fit_blocks(
            function, jac, iteration.x, self.fun, args, False, *self._tolerances, self._limit, self._model.precision,
            _OWN_SCALING, _FACTOR, True,
        )  # fmt: skip
        if isinstance(source, GivenJacobian):
            self.nit = self.njev - int(np.array_equal(source.last, x))
        self._f, self._norm = f, _minpack.enorm(f)
        if info < 0:
            self._ended, self._why = STOPPED, message_for(info, *self._tolerances, self._limit)
        elif info == JACOBIAN_NOT_FINITE:
            self._jacobian, self._factor = fjac.T, (fjac, ipvt, qtf, np.full(x.size, np.nan))
        iteration.end(x, self._norm, info)

    def _advance(self) -> bool:
        """One accepted step; False where the fit ends, or begins anew, without one."""
        try:
            return self._try_steps()
        except OutOfTimeError:
            self._ended = OUT_OF_TIME
            return False

    def _try_steps(self) -> bool:
        iteration = self._iteration
        if not self._begun:
            r, ipvt, qtf, acnorm = self._factor_here()
            iteration.start(r, ipvt, qtf, acnorm)
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
            self._factor = _factorize(jacobian, f)
        return self._factor

    # ---------------------------------------------------------------------------------------- the end

    @property
    def message(self) -> str:
        """Why the fit has ended, so far as that takes no further evaluation."""
        if self._ended is not None:
            return self._why or _MESSAGES[self._ended]
        info = self._iteration["info"]
        if self._iteration.is_running:
            return "Not ended: this is the best point so far."
        if info == MAXFEV:
            return f"Stopped before convergence: the max_nfev = {self._limit} evaluations of fun are used up."
        if info == JACOBIAN_NOT_FINITE:
            return self._not_finite()
        return message_for(info, *self._tolerances, self._limit)

    def _not_finite(self) -> str:
        jacobian = self._jacobian
        assert jacobian is not None
        rows, columns = np.nonzero(~np.isfinite(jacobian))
        if not rows.size:
            rows, columns = (np.atleast_1d(i) for i in np.unravel_index(np.abs(jacobian).argmax(), jacobian.shape))
        i, j = rows[0], columns[0]
        return (
            f"Stopped: the Jacobian has {rows.size} values that are not finite or too large, the first for parameter "
            f"x[{self._number(j)}] in residual {i} ({jacobian[i, j]}); x is the best point met."
        )

    def _number(self, j: int) -> int:
        """That of a free parameter among all."""
        return int(j if self._free is None else self._free[j])

    def result(self) -> LeastSquaresResult:
        """What the fit has come to, with the Jacobian evaluated at x.

        A fit that has not ended counts as stopped; it can go on all the same, and to the same iterates.
        """
        iteration = self._iteration
        status, message = self._ended, self.message
        if status is None:
            status = STOPPED if iteration.is_running else _STATUS[iteration["info"]]
        factor = self._factor
        try:
            if factor is None and status != OUT_OF_TIME:
                factor = self._factor_here()
            if factor is not None and not np.isfinite(factor[3]).all():
                factor = None
            if factor is not None:
                status, message = self._verdict(status, message, factor)
        except OutOfTimeError:
            status, message = OUT_OF_TIME, _MESSAGES[OUT_OF_TIME]
        return self._result(status, message, factor)

    def _verdict(self, status: int, message: str, factor: Factor) -> tuple[int, str]:
        """The status once more, by the Jacobian at x."""
        if status == 1 and self._norm > 0 and not factor[3].any():
            return _NO_RESPONSE, NO_RESPONSE
        if self._checks and status != 1 and not self._iteration.is_running and self._ended is None:
            stationary = self._cosine(factor) <= _STATIONARY
            if not stationary or self.nit == 0 or status == -5:
                disagreement = self._disagreement()
                if disagreement:
                    return status if stationary else _DISAGREES, f"{message} {disagreement}"
        return status, message

    def _cosine(self, factor: Factor) -> float:
        """The largest of the angle between the residuals and a column of the Jacobian, as far as x can move."""
        acnorm = factor[3]
        moves = self._moves(_gradient(factor)) & (acnorm > 0)
        if self._norm == 0 or not moves.any():
            return 0.0
        r, ipvt, qtf, _ = factor
        relative = np.abs(_gradient((r, ipvt, qtf / self._norm, acnorm)))
        return float(np.max(relative[moves] / acnorm[moves]))

    def _moves(self, gradient: Array) -> npt.NDArray[np.bool_]:
        """Which free parameters the gradient doesn't push against a bound."""
        if self._box is None:
            return np.ones(gradient.size, bool)
        (low, high), x = self._box, self._iteration.x
        moves: npt.NDArray[np.bool_] = ~((x <= low) & (gradient > 0) | (x >= high) & (gradient < 0))
        return moves

    def _disagreement(self) -> str:
        """Where the user's Jacobian is not what differences make of the residuals; nothing where it is."""
        assert self._jacobian is not None
        differences = CentralDifferences(self._model, self._box, None, None, None)
        jacobian, by_differences = self._jacobian, differences.at(self._iteration.x, self._f)
        if self._robust is not None:
            by_differences = by_differences * self._robust.correct(self._f)[1][:, np.newaxis]
        error = np.abs(jacobian - by_differences)
        largest = np.maximum(np.abs(jacobian).max(axis=0), np.abs(by_differences).max(axis=0))
        noise = np.abs(self._f).max() * DOUBLE ** (2 / 3) / np.maximum(np.abs(self._iteration.x), DOUBLE)
        excess = error - _DISAGREEMENT * largest - noise
        i, j = np.unravel_index(np.argmax(excess / np.where(largest > 0, largest, 1)), error.shape)
        if not excess[i, j] > 0:
            return ""
        return (
            f"The Jacobian disagrees with differences of fun, worst for parameter x[{self._number(int(j))}] in "
            f"residual {i}: {jacobian[i, j]:.6g}, where differences give {by_differences[i, j]:.6g}."
        )

    def _result(self, status: int, message: str, factor: Factor | None) -> LeastSquaresResult:
        x, n = self.x, self._n
        free = np.zeros(n, bool)
        free[... if self._free is None else self._free] = True
        grad = np.full(n, np.nan)
        optimality = np.nan
        if factor is not None:
            grad = gradient = _gradient(factor)
            if self._free is not None:
                grad = np.zeros(n)
                grad[free] = gradient
            if self._box is not None:
                gradient = gradient[self._moves(gradient)]
            optimality = float(np.abs(gradient).max(initial=0.0))
        return LeastSquaresResult(
            x=x,
            cost=self.cost,
            fun=self._f,
            jac=self._whole_jacobian(n),
            grad=grad,
            optimality=optimality,
            active_mask=self._active(x),
            nfev=self.nfev,
            njev=self.njev,
            nit=self.nit,
            status=status,
            message=message,
            _free=free,
            _factor=None if factor is None else factor[:2],
            _noise=max(self._source.noise, self._f.size * DOUBLE),
        )

    def _whole_jacobian(self, n: int) -> Array | None:
        if self._free is None or self._jacobian is None:
            return self._jacobian
        whole = np.zeros((self._f.size, n))
        whole[:, self._free] = self._jacobian
        return whole

    def _active(self, x: Array) -> npt.NDArray[np.intp]:
        active = np.zeros(x.size, int)
        if self._bounds is not None:
            low, high = self._bounds
            active[x >= high] = 1
            active[x <= low] = -1
        return active


def _factorize(jacobian: npt.NDArray[Any], f: Array) -> Factor:
    """Rᵀ, P, the first n entries of Qᵀf, and the norms of the columns; as leastsq factors a Jacobian of this size."""
    if _minpack.blocks_pay(*jacobian.shape):
        return _minpack.lm_pivot(fold_rows(jacobian.T, f))
    return _minpack.lm_factor(jacobian.T, f)


def _gradient(factor: Factor) -> Array:
    """Jᵀ f."""
    r, ipvt, qtf, _ = factor
    gradient = np.empty_like(qtf)
    with np.errstate(over="ignore", invalid="ignore"):
        gradient[ipvt - 1] = lower_part(r) @ qtf
    return gradient
