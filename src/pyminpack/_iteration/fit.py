"""`LevenbergMarquardt`: the iteration that `least_squares` runs, step by step in the hands of its caller."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _minpack
from .._derivatives.factor import Factor
from .._derivatives.verdict import Disagreement, find_disagreement, moves_of
from .._errors import InputValueError
from .._model.arrays import Array, find_not_finite
from .._model.compiled import AskedToStopError
from .._model.function import OutOfTimeError
from .._model.options import as_typical
from .._report.info import (
    LEAST_SQUARES_LIMIT,
    NO_RESPONSE,
    STATUS_OF,
    STOPPED,
    TIMEOUT,
    Info,
    Status,
    message_for,
)
from .._report.least_squares import LeastSquaresResult, LeastSquaresState
from .loop import Loop


class LevenbergMarquardt(Loop):
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
    def x_scale(self) -> Array:
        """Sizes of the parameters that the length of a step is measured in."""
        whole = np.full(self._n, np.nan)
        whole[... if self._free is None else self._free] = 1 / self._iteration.diag
        return whole

    @x_scale.setter
    def x_scale(self, x_scale: Any) -> None:
        if not self.is_running:
            raise InputValueError("the fit has ended; begin another from its x to scale it otherwise")
        typical = as_typical(x_scale, self._n, self._free)
        self._iteration = self._new_iteration(self._iteration.x, typical)
        self._source.set_typical(None if typical is None else self._part(typical))
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

    def run(self) -> LeastSquaresResult:
        """Go on until the fit ends.

        Where a function raises, x is that of the last accepted step, and another call goes on from there.
        """
        while self.is_running:
            if not self._drive():
                self._advance()
        return self.result()

    # ---------------------------------------------------------------------------------------- the end

    @property
    def message(self) -> str:
        """Why the fit has ended, so far as that takes no further evaluation."""
        if self._ended is not None:
            return self._why or (TIMEOUT if self._ended == Status.TIMEOUT else STOPPED)
        info = self._iteration["info"]
        if self.is_running:
            return "Not ended: this is the best point so far."
        if info == Info.JACOBIAN_NOT_FINITE:
            return self._not_finite()
        return message_for(info, *self._tolerances, self._limit, LEAST_SQUARES_LIMIT)

    def _not_finite(self) -> str:
        jacobian = self._jacobian
        assert jacobian is not None
        found = find_not_finite(jacobian)
        assert found.parameter is not None
        what = found.describe(self._number(found.parameter))
        return f"Stopped: the Jacobian has {what}; x is the best point found."

    def _number(self, j: int) -> int:
        """That of a free parameter among all."""
        return int(j if self._free is None else self._free[j])

    def result(self) -> LeastSquaresResult:
        """What the fit has come to, with the Jacobian evaluated at x.

        A fit that has not ended counts as stopped; it can go on all the same, and to the same iterates.
        """
        status, message = self._ended, self.message
        if status is None:
            status = Status.STOPPED if self.is_running else STATUS_OF[self._iteration["info"]]
        factor = self._factor
        try:
            if factor is None and status != Status.TIMEOUT:
                factor = self._factor_here()
            if factor is not None and not all(map(isfinite, factor[3].tolist())):
                factor = None
            if factor is not None:
                status, message = self._verdict(status, message, factor)
        except OutOfTimeError:  # too late for a Jacobian at x; a fit that has converged has done so all the same
            if self.is_running:
                status, message = Status.TIMEOUT, TIMEOUT
        except AskedToStopError as request:
            status, message = Status.STOPPED, message_for(request.status, *self._tolerances, self._limit)
        return self._result(status, message, factor)

    def _verdict(self, status: int, message: str, factor: Factor) -> tuple[int, str]:
        """The status once more, by the Jacobian at x."""
        if status == Status.GTOL and self._norm > 0 and not factor[3].any():
            return Status.NO_RESPONSE, NO_RESPONSE
        if not self._checks or self._norm == 0 or self._ended is not None or self.is_running:
            return status, message
        if self._disagreement is None:
            self._disagreement = (self._compare(factor[3]),)
        (found,) = self._disagreement
        if found is None:
            return status, message
        return status if found.is_stationary else Status.WRONG_JACOBIAN, (
            f"{message} The Jacobian disagrees with differences of fun, worst for parameter "
            f"x[{self._number(found.column)}] in residual {found.row}: {found.given:.6g}, where differences give "
            f"{found.by_differences:.6g}."
        )

    def _compare(self, norms: Array) -> Disagreement | None:
        """The Jacobian at x with differences; None where there is nothing against it."""
        assert self._jacobian is not None
        where = self._model, self._box, self._robust, self._iteration.x, self._f
        try:
            return find_disagreement(*where, self._jacobian, norms, self._iteration.diag)
        except Exception:  # fun may raise beside x, where the fit had no need of it, and so says nothing of x
            return None

    def _result(self, status: int, message: str, factor: Factor | None) -> LeastSquaresResult:
        x, n = self.x, self._n
        place: Any = slice(None) if self._free is None else self._free
        fixed, free, grad = np.ones(n, bool), np.zeros(n, bool), np.full(n, np.nan)
        fixed[place], free[place] = False, True
        optimality = np.nan
        if factor is not None:
            gradient = _minpack.lm_gradient(*factor[:3])
            grad[:] = 0
            grad[place] = gradient
            free[place] = moves_of(self._iteration.x, gradient, self._box)
            optimality = max(map(abs, grad[free].tolist()), default=0.0)
        return LeastSquaresResult(
            x=x,
            cost=self.cost,
            fun=self._f.copy() if self.is_running else self._f,
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
            _factor=None if factor is None else (factor[0][:, : len(factor[1])].copy(), factor[1]),
            _jacobian_error=self._source.noise,
            _norm=self._norm,
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
