"""Solvers under one calling sequence, with their default settings, and their calls counted."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

import pyminpack

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Task:
    """What a solver is given; `jac` is None where it has to take differences, `bounds` where there are none.

    `deviation` is the standard deviation of the data, for a solver whose tolerance is in these units.
    """

    fun: Function
    start: np.ndarray
    jac: Function | None = None
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    deviation: float = 1.0


@dataclass(frozen=True, eq=False)
class End:
    """Where and why a solver ended; `calls` are all those of the function, `jac_calls` those of the Jacobian."""

    x: np.ndarray
    success: bool
    status: str
    calls: int
    jac_calls: int


class Counted:
    """A function that counts its calls and gives a copy of its argument away."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.calls = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Call the function."""
        self.calls += 1
        return self.function(np.array(x))


Answer = tuple[Any, Any, Any]  # x, success, status
Solver = Callable[[Task, Counted, Counted | None], Answer]
NO_BOUNDS = (-np.inf, np.inf)


def _least_squares(jac: str = "2-point", **options: Any) -> Solver:
    def solve(task: Task, fun: Counted, given: Counted | None) -> Answer:
        fit = pyminpack.least_squares(fun, task.start, given or jac, task.bounds or NO_BOUNDS, **options)
        accuses = "disagrees" in fit.message
        return fit.x, fit.success, f"{fit.status}, accuses" if accuses else fit.status

    return solve


def _leastsq(task: Task, fun: Counted, given: Counted | None) -> Answer:
    x, *_, ier = pyminpack.leastsq(fun, task.start, Dfun=given, full_output=True)
    return x, ier in (1, 2, 3, 4), ier


def _scipy(method: str, **options: Any) -> Solver:
    def solve(task: Task, fun: Counted, given: Counted | None) -> Answer:
        from scipy.optimize import least_squares

        fit = least_squares(fun, task.start, given or "2-point", task.bounds or NO_BOUNDS, method=method, **options)
        return fit.x, fit.success, fit.status

    return solve


def _scipy_leastsq(task: Task, fun: Counted, given: Counted | None) -> Answer:
    from scipy.optimize import leastsq

    x, *_, ier = leastsq(fun, task.start, Dfun=given, full_output=True)
    return x, ier in (1, 2, 3, 4), ier


def _lmfit(task: Task, fun: Counted, given: Counted | None) -> Answer:
    import lmfit

    parameters = lmfit.Parameters()
    for j, value in enumerate(task.start):
        parameters.add(f"x{j}", value=value)

    def values(given_parameters: Any) -> np.ndarray:
        return np.array([parameter.value for parameter in given_parameters.values()])

    options = {} if given is None else {"Dfun": lambda p: given(values(p))}
    fit = lmfit.minimize(lambda p: fun(values(p)), parameters, **options)
    return values(fit.params), fit.success, fit.ier


def _odrpack(task: Task, fun: Counted, given: Counted | None) -> Answer:
    import odrpack

    # Residuals are the model, and the data are zeros.
    m = task.fun(np.array(task.start)).size
    zeros = np.zeros((1, m))  # it takes derivatives by the points as well, or none
    options = {} if given is None else {"jac_beta": lambda _, x: given(x).T, "jac_x": lambda *_: zeros}
    fit = odrpack.odr_fit(
        lambda _, x: fun(x), np.arange(1.0, m + 1), np.zeros(m), np.array(task.start), task="OLS", **options
    )
    return fit.beta, fit.success, fit.info


def _iminuit(task: Task, fun: Counted, given: Counted | None) -> Answer:
    import iminuit

    def cost(x: np.ndarray) -> float:
        f = fun(x) / task.deviation
        return float(f @ f)

    def gradient(x: np.ndarray) -> np.ndarray:
        return 2 * given(x).T @ task.fun(x) / task.deviation**2

    minuit = iminuit.Minuit(cost, task.start, grad=None if given is None else gradient)
    minuit.migrad()
    return np.array(minuit.values), minuit.valid, "valid" if minuit.valid else "invalid"


OURS: dict[str, Solver] = {
    "least_squares": _least_squares(),
    "least_squares 3-point": _least_squares("3-point"),
    "leastsq": _leastsq,
    "least_squares accel": _least_squares(accel=True),
}
SCIPYS: dict[str, Solver] = {"scipy lm": _scipy("lm"), "scipy trf": _scipy("trf"), "scipy leastsq": _scipy_leastsq}
OTHERS: dict[str, Solver] = {"lmfit": _lmfit, "odrpack": _odrpack, "iminuit": _iminuit}
TIGHT: dict[str, Any] = {"ftol": 1e-14, "xtol": 1e-14, "gtol": 1e-14, "max_nfev": 1000}
EXACT: dict[str, Solver] = {
    "least_squares, tight": _least_squares(**TIGHT),
    "scipy trf, tight": _scipy("trf", x_scale="jac", **TIGHT),
    "scipy dogbox, tight": _scipy("dogbox", x_scale="jac", **TIGHT),
}
COMPLEX_STEPS: dict[str, Solver] = {"least_squares cs": _least_squares("cs")}
WITH_A_JACOBIAN: dict[str, Solver] = {
    "least_squares": OURS["least_squares"],
    "leastsq": OURS["leastsq"],
    "scipy lm": SCIPYS["scipy lm"],
    "scipy leastsq": SCIPYS["scipy leastsq"],
}
ALL: dict[str, Solver] = OURS | SCIPYS | OTHERS | EXACT | COMPLEX_STEPS
OTHER_DIFFERENCES = {"least_squares 3-point"}  # the same as the first, where a Jacobian is given
TAKES_BOUNDS = {
    "least_squares",
    "least_squares 3-point",
    "least_squares accel",
    "least_squares cs",
    "scipy trf",
    *EXACT,
}


def installed(name: str) -> bool:
    """Whether a solver can be tried here."""
    return name.startswith("least") or find_spec(name.split()[0]) is not None


def run(name: str, task: Task) -> End:
    """Fit; what a solver raises is no success."""
    fun, jac = Counted(task.fun), None if task.jac is None else Counted(task.jac)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            x, success, status = ALL[name](task, fun, jac)
        except Exception as error:
            x, success, status = np.full(task.start.size, np.nan), False, type(error).__name__
    return End(np.asarray(x, float), bool(success), str(status), fun.calls, 0 if jac is None else jac.calls)
