"""Jacobians for `least_squares`: the user's, or by differences of three kinds, never outside the bounds."""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import _minpack
from .._errors import InputTypeError, InputValueError, ShapeError
from .._iteration.machine import Iteration
from .._model.arrays import DOUBLE, SINGLE, Array, as_real_view, describe
from .._model.function import Call, Model
from .._report.info import Info

# workers(function, items) gives function(item) of each.
Workers: TypeAlias = int | Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]

# As minpack/unfelt.f90 has them.
_CONTRADICTION: Final = 0.5
_PROMISE: Final = DOUBLE**0.5
_FELT, _COARSE = 0, 2
_SMALLEST: Final = float(np.finfo(np.float64).tiny)


class Jacobian(Protocol):
    """Where Jacobians come from."""

    def at(self, x: Array, f: Array) -> npt.NDArray[Any]:
        """The Jacobian by the free parameters at x, where the residuals are f; of shape (m, n), in any order."""

    def was_misled(self, iteration: Iteration) -> bool:
        """Whether a fit that has ended should begin anew, with a Jacobian that it had better have had."""

    def raise_floors(self, iteration: Iteration) -> bool:
        """At the end of a fit: whether the Jacobian there should be taken once more, with longer differences."""

    def set_typical(self, typical: Array | None) -> None:
        """Take the least sizes of the parameters from the user."""

    @property
    def noise(self) -> float:
        """Relative error of the Jacobian, beyond rounding."""


class GivenJacobian:
    """The user's function."""

    noise = 0.0

    def __init__(self, model: Model, call: Call | None) -> None:
        """Ask `call`; or where that is None, take what the model's own function gave."""
        self._model, self._call = model, call

    def at(self, x: Array, f: Array) -> npt.NDArray[Any]:
        model = self._model
        if self._call is None:
            result, model.given = model.given, None
            if result is None:  # what it gave was for another point
                model.residuals(x)
                result, model.given = model.given, None
            return self.as_jacobian(result, x, "fun").copy()  # residuals elsewhere may come with the same array
        model.require_time()
        jacobian = self.as_jacobian(self._call(model.whole(x)), x, "jac")
        return jacobian if _minpack.blocks_pay(*jacobian.shape) else jacobian.copy()

    def convert(self, result: Any, m: int, n: int, col_deriv: int, x: Array) -> npt.NDArray[Any]:
        """For a driver of the core."""
        return self.as_jacobian(result, x, "jac")

    def was_misled(self, iteration: Iteration) -> bool:
        return False

    def raise_floors(self, iteration: Iteration) -> bool:
        return False

    def set_typical(self, typical: Array | None) -> None:
        pass

    def as_jacobian(self, result: Any, x: Array, source: str) -> npt.NDArray[Any]:
        """What `source` gave at the free parameters x, as a Jacobian by them; where it lies if that will do."""
        return self._columns(as_real_view(result, source, "a Jacobian"), x, source)

    def _columns(self, jacobian: npt.NDArray[Any], x: Array, source: str) -> npt.NDArray[Any]:
        free, m = self._model.free, self._model.m
        whole = self._model.whole(x)
        n = whole.size
        if jacobian.ndim < 2 and jacobian.size == m * n and 1 in (m, n):
            jacobian = jacobian.reshape(m, n)
        if jacobian.shape != (m, n):
            hint = "; it is transposed: give jacobian.T, which copies nothing" if jacobian.shape == (n, m) else ""
            raise ShapeError(
                f"{source} gave a Jacobian of shape {jacobian.shape} at x = {describe(whole)}, where {m} residuals "
                f"and {n} parameters need {(m, n)}, derivatives across the rows{hint}"
            )
        if free is not None:
            jacobian = jacobian[:, free]
        with np.errstate(over="ignore"):
            return jacobian.astype(np.float64, copy=False)


class _Differences:
    """What differences of all kinds have in common: steps relative to the parameters, and who evaluates."""

    power: float  # of the relative error of the residuals, that a step is long
    _order = 1.0  # of the power of the steps' length, that the error is

    @property
    def noise(self) -> float:
        """Relative error of the Jacobian: twice that of a step as long as x, for all that differs from x."""
        return float(2 * max(self._precision_in_use(), DOUBLE) ** (self._order * self.power))

    def _precision_in_use(self) -> float:
        return self._model.precision

    def __init__(
        self,
        model: Model,
        bounds: tuple[Array, Array] | None,
        steps: Array | None,
        typical: Array | None,
        workers: Workers | None,
    ) -> None:
        self._model, self._bounds, self.steps, self._workers = model, bounds, steps, workers
        self.set_typical(typical)

    def set_typical(self, typical: Array | None) -> None:
        self.typical = typical
        # Whether least sizes of the parameters are known, or steps are the user's word.
        self.floored = typical is not None or self.steps is not None

    def was_misled(self, iteration: Iteration) -> bool:
        return False

    def raise_floors(self, iteration: Iteration) -> bool:
        """Whether some steps were so short that rounding hid what they did; from now on they are longer."""
        if self.floored:
            return False
        self.typical = np.zeros(iteration.x.size)
        self.floored = bool(_minpack.set_floors(iteration.x, iteration.diag, iteration["fnorm"], self.typical))
        return self.floored

    def _sizes(self, x: Array) -> Array:
        """What steps are relative to: |x|, but no less than the typical size, and 1 where that is 0."""
        sizes = np.abs(x)
        if self.typical is not None:
            sizes = np.maximum(sizes, self.typical)
        return sizes if sizes.all() else np.where(sizes == 0, 1.0, sizes)

    def _lengths(self, sizes: Array, precision: float) -> Array:
        """How long to step; the user's sign is kept."""
        lengths = (precision**self.power if self.steps is None else self.steps) * sizes
        return lengths if lengths.all() else np.where(lengths == 0, _SMALLEST, lengths)

    def _evaluate(self, points: list[npt.NDArray[Any]], take: Callable[[int, Any], None]) -> None:
        """Have `take` take the number of each point of free parameters and what the function gives there.

        No generator, in which a StopIteration of the function's own would become something else.
        """
        model = self._model
        if self._workers is None or self._workers == 1:
            for row, point in enumerate(points):
                model.require_time()
                take(row, model.call(model.whole(point)))
            return
        model.require_time()
        wholes = [model.whole(point) for point in points]
        if isinstance(self._workers, int):
            from concurrent.futures import ThreadPoolExecutor  # takes 3 ms to import

            with ThreadPoolExecutor(self._workers) as pool:
                for row, future in enumerate([pool.submit(model.call, whole) for whole in wholes]):
                    take(row, future.result())
            return
        count = 0
        for count, answer in enumerate(self._workers(model.call, wholes), 1):
            if count <= len(points):
                take(count - 1, answer)
        if count != len(points):
            raise InputValueError(f"workers gave {count} results for {len(points)} evaluations of fun")

    def changes(self, points: list[Array], f: Array) -> Array:
        """What the residuals at points have more than f, a row for each."""
        view = self._model.as_view
        rows = np.empty((len(points), f.size))

        def take(row: int, answer: Any) -> None:
            np.subtract(view(answer, points[row]), f, out=rows[row])

        with np.errstate(invalid="ignore", over="ignore"):
            self._evaluate(points, take)
        return rows


class ForwardDifferences(_Differences):
    """One evaluation a parameter, by MINPACK's steps where there is no word of others.

    Attributes
    ----------
    precision : float
        Relative error of the residuals that steps follow; 0 where it is not known yet.
    tried : bool
        Whether that is somebody's word, or has been found out.
    """

    power = 0.5

    def _precision_in_use(self) -> float:
        return self.precision

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.precision = 0.0
        self.tried = False

    def begin(self, f: Array) -> None:
        """Choose the precision, given the first residuals."""
        if self.precision == 0:
            self.precision = self._model.precision
            self.tried = self.precision > DOUBLE or self.steps is not None or not f.any()

    def at(self, x: Array, f: Array) -> Array:
        self.begin(f)
        sizes, columns = self._columns(x, f)
        return (columns if self.tried else self._looked_at(x, f, sizes, columns)).T

    def _looked_at(self, x: Array, f: Array, sizes: Array, columns: Array) -> Array:
        """The same, or by longer steps where the residuals prove coarser than their dtype."""
        verdict = _minpack.find_unfelt(sizes, f, columns)
        if not verdict.any():
            return columns
        beside = self.inside(x, x + (verdict != _FELT) * (SINGLE**0.5 * sizes))
        moved = self.changes([beside], f)[0]
        self.tried = True
        change = _minpack.enorm(moved)
        for j in np.flatnonzero(verdict == _COARSE):
            moved -= (beside[j] - x[j]) * columns[j]
        if not _minpack.enorm(moved) > _CONTRADICTION * change:
            return columns
        self.precision = SINGLE
        return self._columns(x, f)[1]

    def was_misled(self, iteration: Iteration) -> bool:
        """Whether a fit ends where it began although differences promised more: then it is they that are wrong."""
        if (
            self.steps is not None
            or self.precision > DOUBLE
            or iteration.is_running
            or iteration["info"] == Info.MAXFEV
            or iteration["iteration"] > 1
            or iteration["wall"] != 0
            or not iteration["prered"] > _PROMISE
        ):
            return False
        self.precision, self.tried = SINGLE, True
        return True

    def _columns(self, x: Array, f: Array) -> tuple[Array, Array]:
        """What steps are relative to, and the columns."""
        steps = np.full(x.size, np.sqrt(self.precision)) if self.steps is None else self.steps
        typical = np.zeros(x.size) if self.typical is None else self.typical
        sizes, beside, lengths = _minpack.forward_steps(x, typical, steps, *self._limits(x))
        columns = self.changes([_with(x, j, value) for j, value in enumerate(beside.tolist())], f)
        with np.errstate(invalid="ignore", over="ignore"):
            columns /= lengths[:, np.newaxis]
        return sizes, columns

    def _limits(self, x: Array) -> tuple[Array, Array]:
        """The bounds, infinite where there are none."""
        return (np.full(x.size, -np.inf), np.full(x.size, np.inf)) if self._bounds is None else self._bounds

    def inside(self, x: Array, point: Array) -> Array:
        """A point, by steps in the other direction where it is outside the bounds, or clipped."""
        if self._bounds is None:
            return point
        low, high = self._bounds
        turned = np.where((point > high) | (point < low), 2 * x - point, point)
        return np.clip(turned, low, high)


class CentralDifferences(_Differences):
    """Two evaluations a parameter: on either side, or on one side where a bound is near."""

    power = 1 / 3
    _order = 2.0

    def at(self, x: Array, f: Array) -> Array:
        lengths = np.abs(self._lengths(self._sizes(x), max(self._model.precision, DOUBLE)))
        near, far = self._points(x, lengths)
        points = [_with(x, j, value) for j, pair in enumerate(zip(near, far, strict=True)) for value in pair]
        rises = self.changes(points, f)
        a, b = (near - x)[:, np.newaxis], (far - x)[:, np.newaxis]
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            columns: Array = (rises[::2] * (b / a) - rises[1::2] * (a / b)) / (b - a)
            # A box can be so narrow that no third number is within.
            return np.where((a == 0) | (a == b), rises[1::2] / b, columns).T

    def _points(self, x: Array, lengths: Array) -> tuple[Array, Array]:
        """Values of each parameter to go with its own: on either side, or both on the side that has room."""
        near, far = x + lengths, x - lengths
        if self._bounds is None:
            return near, far
        low, high = self._bounds
        outside = (near > high) | (far < low)
        side = np.where(high - x >= x - low, 1.0, -1.0)
        room = np.minimum(lengths, np.maximum(high - x, x - low) / 2)
        one_sided = np.clip(x + side * room, low, high), np.clip(x + 2 * side * room, low, high)
        return np.where(outside, one_sided[0], near), np.where(outside, one_sided[1], far)


class ComplexSteps(_Differences):
    """One evaluation a parameter, of a function that takes complex numbers: no difference, and so no rounding."""

    power = 1.0
    noise = 0.0

    def raise_floors(self, iteration: Iteration) -> bool:
        return False

    def at(self, x: Array, f: Array) -> Array:
        lengths = self._lengths(self._sizes(x), DOUBLE)
        points = [_with(x.astype(np.complex128), j, x[j] + 1j * length) for j, length in enumerate(lengths.tolist())]
        columns = np.empty((x.size, f.size))

        def take(j: int, answer: Any) -> None:
            residuals = np.asarray(answer)
            if residuals.dtype.kind != "c":
                raise InputTypeError(
                    f"fun gave residuals of dtype {residuals.dtype} for complex x; jac='cs' needs a function that "
                    "computes with complex numbers all the way: use '3-point' where it can't"
                )
            if residuals.size != f.size:
                raise ShapeError(f"fun gave {residuals.size} residuals for complex x, and {f.size} for real x")
            columns[j] = residuals.imag.ravel() / lengths[j]

        self._evaluate(points, take)
        return columns.T


def _with(x: npt.NDArray[Any], j: int, value: complex) -> npt.NDArray[Any]:
    """The same with another value for one parameter."""
    point = x.copy()
    point[j] = value
    return point
