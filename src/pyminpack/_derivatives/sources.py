"""Jacobians that the core does not take by itself: the user's, by complex steps; and differences by several workers."""

from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .._errors import InputTypeError, InputValueError, ShapeError
from .._model.arrays import DOUBLE, Array, as_array, as_real_view, with_jacobian_shape
from .._model.function import Call, Model

# workers(function, items) gives function(item) of each.
Workers: TypeAlias = int | Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]
# What the function gives at each of several points of free parameters.
Evaluator: TypeAlias = Callable[[npt.NDArray[Any]], list[Any]]

_SMALLEST: Final = float(np.finfo(np.float64).tiny)


class GivenJacobian:
    """The user's function for it, or the Jacobian that comes with the residuals.

    Attributes
    ----------
    call : Call
        What gives the Jacobian.
    comes_with_residuals : bool
        Whether the function of the residuals gives it, too.
    """

    def __init__(self, model: Model, call: Call | None, count: Callable[[], None]) -> None:
        """Ask `call`; or where that is None, take what the model's own function gives.

        `count` is told of each call of that function that is made for the Jacobian alone.
        """
        self._model, self._count = model, count
        self.comes_with_residuals = call is None
        self.call = model.call if call is None else call
        self._point: Array | None = None  # where the last residuals were taken
        self._jacobian: Any = None  # what came with them

    def residuals(self, x: Array, *args: Any) -> Any:
        """The first part of what the model's function gives at all the parameters; the other one is kept."""
        function, _ = self._model.call.positional
        point, self._point = x.copy(), None  # as long as nothing has come with it, or where the function raises
        result = function(x, *args)
        if not isinstance(result, tuple) or len(result) != 2:
            raise InputTypeError(
                f"fun gave a {type(result).__name__} where jac=True needs a tuple of residuals and Jacobian"
            )
        residuals, self._jacobian = result
        self._point = point
        return residuals

    def at(self, x: Array, f: Array) -> npt.NDArray[Any]:
        """The Jacobian that came with the residuals f at the free parameters x."""
        whole = self._model.whole(x)
        if self._point is None or not np.array_equal(self._point, whole):
            self._count()
            self.residuals(whole.copy(), *self._model.call.positional[1])
        return self._by_free(self._jacobian, x, "fun").copy()  # residuals elsewhere may come with the same array

    def convert(self, result: Any, m: int, n: int, col_deriv: int, x: Array) -> npt.NDArray[Any]:
        """For the core: a Jacobian by the free parameters, where it lies if that will do."""
        return self._by_free(result, x, "jac")

    def _by_free(self, result: Any, x: Array, source: str) -> npt.NDArray[Any]:
        """What `source` gave at the free parameters x, as a Jacobian by them."""
        free, m = self._model.free, self._model.m
        whole = self._model.whole(x)
        n = whole.size
        jacobian = with_jacobian_shape(as_real_view(result, source, "a Jacobian"), m, n, whole, source)
        if free is not None:
            jacobian = jacobian[:, free]
        with np.errstate(over="ignore"):
            return jacobian.astype(np.float64, copy=False)


class ComplexSteps:
    """One evaluation a parameter, of a function that takes complex numbers: no difference, and so no rounding."""

    def __init__(self, model: Model, evaluate: Evaluator, steps: Array | None, typical: Array | None) -> None:
        """Steps are relative to the parameters, but to no less than their typical sizes."""
        self._model, self._evaluate, self._steps, self._typical = model, evaluate, steps, typical

    def at(self, x: Array, f: Array) -> npt.NDArray[Any]:
        """The Jacobian at the free parameters x."""
        lengths = self._lengths(x)
        points = x + 1j * np.diag(lengths)
        columns = np.empty((x.size, f.size))
        for j, answer in enumerate(self._evaluate(points)):
            residuals = as_array(answer, "fun gave", "fun gave", "leave those points out")
            if residuals.dtype.kind != "c":
                raise InputTypeError(
                    f"fun gave residuals of dtype {residuals.dtype} for complex x; jac='cs' needs a function that "
                    "computes with complex numbers all the way: use '3-point' where it can't"
                )
            if residuals.size != f.size:
                raise ShapeError(f"fun gave {residuals.size} residuals for complex x, and {f.size} for real x")
            columns[j] = residuals.imag.ravel() / lengths[j]
        return columns.T

    def _lengths(self, x: Array) -> Array:
        sizes = np.abs(x) if self._typical is None else np.maximum(np.abs(x), self._typical)
        sizes[sizes == 0] = 1.0
        lengths: Array = (DOUBLE if self._steps is None else self._steps) * sizes
        return np.where(lengths == 0, _SMALLEST, lengths)


def as_evaluator(model: Model, workers: Workers | None) -> Evaluator:
    """How residuals at several points are asked for: one after the other, by threads, or by a map-like callable."""
    if workers is None or workers == 1:
        return _InTurn(model)
    return _ByThreads(model, workers) if isinstance(workers, int) else _ByMap(model, workers)


def _kept(answer: Any) -> Any:
    """The same; an array that the function may fill again is copied."""
    return answer.copy() if isinstance(answer, np.ndarray) else answer


class _InTurn:
    def __init__(self, model: Model) -> None:
        self._model = model

    def __call__(self, points: npt.NDArray[Any]) -> list[Any]:
        answers = []
        for point in points:
            self._model.require_time()
            answers.append(_kept(self._model.call(self._model.whole(point))))
        return answers


class _ByThreads:
    def __init__(self, model: Model, workers: int) -> None:
        self._model, self._workers = model, workers

    def __call__(self, points: npt.NDArray[Any]) -> list[Any]:
        from concurrent.futures import ThreadPoolExecutor  # it takes 4 ms to import

        call = InContext(self._model.call)
        with ThreadPoolExecutor(self._workers) as pool:
            futures = [pool.submit(call.as_it_comes, self._model.whole(point)) for point in points]
            answers = [future.result() for future in futures]
        addresses = {answer.ctypes.data for answer in answers if isinstance(answer, np.ndarray) and answer.size}
        if len(addresses) < sum(isinstance(answer, np.ndarray) and answer.size > 0 for answer in answers):
            raise InputValueError(
                "fun gave the same array at several points, which threads fill at once: let it make a new array at "
                "each call, or leave workers out"
            )
        return answers


class _ByMap:
    def __init__(self, model: Model, workers: Callable[..., Iterable[Any]]) -> None:
        self._model, self._workers = model, workers

    def __call__(self, points: npt.NDArray[Any]) -> list[Any]:
        call = InContext(self._model.call)
        places = list(range(len(points)))
        told = list(self._workers(call, [(i, self._model.whole(points[i])) for i in places]))
        if len(told) != len(points):
            raise InputValueError(f"workers gave {len(told)} results for {len(points)} evaluations of fun")
        if [place for place, _ in told] != places:
            raise InputValueError("workers gave the results in another order than that of the points, or some twice")
        return [answer for _, answer in told]


class InContext:
    """A function as its caller would call it, in another thread: with the caller's context variables.

    NumPy's error state is one of them. In another process, where the others can't follow, it comes alone.
    """

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call, self._errors = call, np.geterr()
        self._context: Context | None = copy_context()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_context": None}

    def as_it_comes(self, x: Any) -> Any:
        """What the function gives."""
        if self._context is None:
            with np.errstate(**self._errors):
                return self._call(x)
        return self._context.copy().run(self._call, x)  # no context can be entered twice at once

    def __call__(self, task: tuple[int, Any]) -> tuple[int, Any]:
        """The number of a point, and a copy of what the function gives there: it may fill the same array again."""
        place, x = task
        return place, _kept(self.as_it_comes(x))
