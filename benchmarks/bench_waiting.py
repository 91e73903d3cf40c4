"""How long another thread is kept waiting while a fit runs: the longest pause of a thread that only reads the clock.

Run by hand: python benchmarks/bench_waiting.py [case ...]

The residuals are u + 0.1 sin(u) - y with u = A x. A thread that asks for the interpreter gets it after the switch
interval (`sys.getswitchinterval`) where another thread runs Python, and not before NumPy returns where NumPy keeps it;
on a busy machine other programs add pauses. All of that is in the second figure: the longest pause while the model
alone is called as often as by the fit. Figures are medians over several rounds, and the least of the rounds.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # threaded BLAS spins on a busy machine

import statistics
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import pyminpack
from ratio import Call, choose, duration, print_row, seconds

GOAL = 8e-3
ROUNDS = 7
NAP = 1e-4
Model = Callable[[np.ndarray], np.ndarray]


class MildlyNonlinear:
    """Residuals that are linear but for a small sine, and their Jacobian; counts the calls of both."""

    def __init__(self, m: int, n: int) -> None:
        rng = np.random.default_rng(n)
        self.a = rng.standard_normal((m, n))
        if m == n:
            self.a = np.eye(n) + self.a / (3 * np.sqrt(n))  # well conditioned
        self.start = np.zeros(n)
        self.y = np.zeros(m)
        self.y = self.residuals(rng.standard_normal(n))
        self.calls = {"residuals": 0, "jacobian": 0}

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """The residuals at x."""
        u = self.a @ x
        return u + 0.1 * np.sin(u) - self.y

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """The Jacobian at x, of shape (m, n)."""
        return (1 + 0.1 * np.cos(self.a @ x))[:, np.newaxis] * self.a

    def counted(self, name: str) -> Model:
        """One of the two, with its calls counted."""
        function = getattr(self, name)

        def call(x: np.ndarray) -> np.ndarray:
            self.calls[name] += 1
            return function(x)

        return call

    def alone(self) -> None:
        """Call the two as often as the fit has done."""
        for name, count in self.calls.items():
            function = getattr(self, name)
            for _ in range(count):
                function(self.start)


def longest_pause(task: Call) -> float:
    """Run a task; the longest time between two looks at the clock in another thread that naps in between."""
    pauses: list[float] = []
    started, done = threading.Event(), threading.Event()

    def watch() -> None:
        longest, last = 0.0, time.perf_counter()
        started.set()
        while not done.is_set():
            time.sleep(NAP)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        pauses.append(longest)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started.wait()
    task()
    done.set()
    watcher.join()
    return pauses[0]


def report(entry: str, m: int, n: int, given: bool) -> None:
    """Print a row: the pauses during a fit, and those of the model alone."""
    problem = MildlyNonlinear(m, n)
    solve = getattr(pyminpack, entry)
    jac = {"leastsq": "Dfun", "least_squares": "jac"}[entry]

    def fit(residuals: Model, jacobian: Model) -> None:
        solve(residuals, problem.start, **({jac: jacobian} if given else {}))

    whole = seconds(partial(fit, problem.counted("residuals"), problem.counted("jacobian")), clock=time.perf_counter)
    tasks = partial(fit, problem.residuals, problem.jacobian), problem.alone
    ours, theirs = zip(*[[longest_pause(task) for task in tasks] for _ in range(ROUNDS)], strict=True)
    print_row(
        f"{entry} {m} x {n}, {'given Jacobian' if given else 'differences'}",
        *map(duration, (statistics.median(ours), GOAL, min(ours), statistics.median(theirs), min(theirs), whole)),
        f"{problem.calls['residuals']} + {problem.calls['jacobian']}",
    )


CASES = {
    f"{entry}-{name}": partial(report, entry, m, n, given)
    for name, m, n, given in (
        ("tall-differences", 400_000, 20, False),
        ("square-differences", 700, 700, False),
        ("square-jacobian", 700, 700, True),
    )
    for entry in ("leastsq", "least_squares")
}


def main() -> None:
    """Print a row for each case."""
    cases = choose(__doc__, CASES)
    print(f"switch interval {duration(sys.getswitchinterval())}, naps of {duration(NAP)}; calls: residuals + Jacobians")
    print_row("longest pause during", "fit", "goal", "fit, least", "model", "model, least", "whole fit", "calls")
    for run in cases.values():
        run()


if __name__ == "__main__":
    main()
