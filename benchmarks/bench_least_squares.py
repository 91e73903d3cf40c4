"""`least_squares` beside SciPy's, and what its options cost beside its own plain fit.

Run by hand: python benchmarks/bench_least_squares.py [case ...]

An option's fit and the plain fit call the model as often as the columns on the right say: residuals + Jacobians. Where
these differ, so does the work that a user asks for, and the ratio compares fits, not overhead.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize

import pyminpack
from models import STARTS, T, Y, decay, decay_jacobian
from ratio import HEAD, Call, Ratio, choose, print_row, side_by_side

Fit = tuple[Callable[..., Any], Any, dict[str, Any]]  # residuals, start, options
FREE = {"bounds": ([0, 0], [10, 10])}
HELD = {"bounds": ([0, 0], [2, 10])}
LEVEL = np.array([0.0, 0.0, 0.1])


def decay_and_jacobian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and Jacobian by one call."""
    return decay(x), decay_jacobian(x)


def decay_on_level(x: np.ndarray) -> np.ndarray:
    """Three parameters, of which the level is to be fixed."""
    return x[0] * np.exp(-x[1] * T) + x[2] - Y


def decay_on_given_level(x: np.ndarray) -> np.ndarray:
    """The same arithmetic with two parameters; the level comes from an array here, too, as that takes time."""
    return x[0] * np.exp(-x[1] * T) + LEVEL[2] - Y


def pair(start: object, method: str, options: dict[str, Any]) -> tuple[Call, Call]:
    """The same fit by ours and by a method of SciPy's."""
    return (
        partial(pyminpack.least_squares, decay, start, method="lm", **options),
        partial(scipy.optimize.least_squares, decay, start, method=method, **options),
    )


GOAL = 0.17
CASES = {
    "lm, no bounds, array": pair(STARTS["array"], "lm", {}),
    "lm, no bounds, list": pair(STARTS["list"], "lm", {}),
    "trf, no bounds, list": pair(STARTS["list"], "trf", {}),
    "trf, bounds out of reach, list": pair(STARTS["list"], "trf", FREE),
    "trf, a bound that holds, list": pair(STARTS["list"], "trf", HELD),
    "dogbox, a bound that holds, list": pair(STARTS["list"], "dogbox", HELD),
}


def small() -> None:
    """Print our time over SciPy's, and by what part our cost is above SciPy's."""
    print_row("decay 20 x 2, beside SciPy's", *HEAD, "cost above")
    for name, (ours, theirs) in CASES.items():
        above = ours().cost / theirs().cost - 1
        print_row(name, *side_by_side(ours, theirs).cells(GOAL), f"{above:.0e}")


def solve(fit: Fit) -> Any:
    """Run a fit."""
    func, start, options = fit
    return pyminpack.least_squares(func, start, **options)


def calls(fit: Fit) -> str:
    """Count the calls of the residuals and of the Jacobian."""
    func, start, options = fit
    count = [0, 0]

    def counted(index: int, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(x: np.ndarray) -> Any:
            count[index] += 1
            return function(x)

        return call

    jac = options.get("jac")
    given = {"jac": counted(1, jac)} if callable(jac) else {}
    solve((counted(0, func), start, options | given))
    return f"{count[0]} + {count[1]}"


START = STARTS["array"]
PLAIN: Fit = (decay, START, {})
OPTIONS: dict[str, tuple[Fit, Fit, float | None]] = {
    "callback": ((decay, START, {"callback": lambda state: None}), PLAIN, 1.6),
    "bounds": ((decay, START, FREE), PLAIN, None),
    "bounds and callback, to bounds": (
        (decay, START, FREE | {"callback": lambda state: None}),
        (decay, START, FREE),
        1.6,
    ),
    "fixed, to a model without": (
        (decay_on_level, np.array([1.0, 1.0, 0.1]), {"fixed": [False, False, True]}),
        (decay_on_given_level, START, {}),
        1.3,
    ),
    "timeout": ((decay, START, {"timeout": 3600.0}), PLAIN, 1.3),
    "loss='soft_l1'": ((decay, START, {"loss": "soft_l1"}), PLAIN, None),
    "jac='3-point'": ((decay, START, {"jac": "3-point"}), PLAIN, None),
    "jac='cs'": ((decay, START, {"jac": "cs"}), PLAIN, None),
    "a given Jacobian": ((decay, START, {"jac": decay_jacobian}), PLAIN, None),
    "jac=True": ((decay_and_jacobian, START, {"jac": True}), PLAIN, None),
    "workers=None (the plain fit: noise)": ((decay, START, {"workers": None}), PLAIN, None),
}


def options() -> None:
    """Print the time with an option over the time without."""
    print_row("decay 20 x 2, beside our plain fit", *HEAD[:3], "option", "plain", "calls", "plain's")
    for name, (fit, plain, goal) in OPTIONS.items():
        ratio: Ratio = side_by_side(partial(solve, fit), partial(solve, plain))
        print_row(name, *ratio.cells(goal), calls(fit), calls(plain))


def main() -> None:
    """Print the tables."""
    for part in choose(__doc__, {"small": small, "options": options}).values():
        part()


if __name__ == "__main__":
    main()
