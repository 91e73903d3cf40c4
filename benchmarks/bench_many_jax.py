"""`curve_fit_many` beside JAX on the processor: optimistix's Levenberg-Marquardt under vmap, and fixed steps.

The peaks are those of bench_many.py, in double precision on both sides. Times are microseconds of processor a fit, the
shortest of some rounds that take turns, in a process that is held to one core; what JAX takes to compile is apart. JAX
differentiates the model; of our fits one takes differences and one a Jacobian. The twelve steps end where they end, and
tell neither whether that is a minimum nor a standard error.

Run by hand, with the dependency group `comparison-jax`: python benchmarks/bench_many_jax.py [case ...]
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np

from bench_many import TOLERANCES, Peaks, of_line, of_plane, seconds
from ratio import choose, print_row

try:
    import jax
    import jax.numpy as jnp
    import optimistix
except ImportError:  # --help needs none of them
    jax = None
else:
    jax.config.update("jax_enable_x64", True)

STEPS = 12
MOST_STEPS = 100  # of optimistix, whose batch waits for its slowest fit
# How many times longer they should take than our fits by differences, on the line; they do not yet.
GOALS = {"optimistix": 30.0, f"{STEPS} steps": 5.0}
Fit = Callable[[Any, Any], Any]
Model = Callable[[Any], Any]


def line(p: Any) -> Any:
    """bench_many's, for JAX."""
    x = jnp.arange(30.0)
    return p[0] * jnp.exp(-0.5 * ((x - p[1]) / p[2]) ** 2) + p[3]


def plane(p: Any) -> Any:
    """bench_many's, for JAX."""
    x, y = (axis.ravel() for axis in jnp.meshgrid(jnp.arange(15.0), jnp.arange(15.0)))
    return p[0] * jnp.exp(-((x - p[1]) ** 2 + (y - p[2]) ** 2) / (2 * p[3] ** 2)) + p[4]


def by_optimistix(model: Model) -> Fit:
    """Fits until optimistix's tests are met."""
    solver = optimistix.LevenbergMarquardt(rtol=TOLERANCES["ftol"], atol=TOLERANCES["xtol"])

    def fit(y: Any, start: Any) -> Any:
        found = optimistix.least_squares(
            lambda p, y: model(p) - y, solver, start, args=y, max_steps=MOST_STEPS, throw=False
        )
        return found.value

    return fit


def by_fixed_steps(model: Model) -> Fit:
    """So many damped steps, written as one would for speed: normal equations, and no test for convergence."""

    def fit(y: Any, start: Any) -> Any:
        def cost(p: Any) -> Any:
            return jnp.sum((model(p) - y) ** 2)

        def step(_: Any, state: Any) -> Any:
            p, damping, lowest = state
            jacobian = jax.jacfwd(model)(p)
            square, slope = jacobian.T @ jacobian, jacobian.T @ (model(p) - y)
            trial = p - solved(square + damping * jnp.diag(jnp.diag(square)), slope)
            reached = cost(trial)
            is_lower = reached < lowest
            return (
                jnp.where(is_lower, trial, p),
                jnp.where(is_lower, damping / 10, damping * 10),
                jnp.where(is_lower, reached, lowest),
            )

        return jax.lax.fori_loop(0, STEPS, step, (start, 1e-3, cost(start)))[0]

    return fit


def solved(a: Any, b: Any) -> Any:
    """A positive definite system of a few unknowns, by elimination without a call: a fifth faster than LAPACK's."""
    n = b.shape[0]
    rows = [[a[i, j] for j in range(n)] + [b[i]] for i in range(n)]
    for k in range(n):
        for i in range(k + 1, n):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [None] * (k + 1) + [rows[i][j] - factor * rows[k][j] for j in range(k + 1, n + 1)]
    x: list[Any] = [None] * n
    for k in reversed(range(n)):
        x[k] = (rows[k][n] - sum(rows[k][j] * x[j] for j in range(k + 1, n))) / rows[k][k]
    return jnp.stack(x)


def beside(make: Callable[..., Peaks], model: Model, count: int, rounds: int = 5) -> None:
    """Print times, ratios and how many came to our minima."""
    peaks = make(count)
    y, starts = jnp.asarray(peaks.y), jnp.asarray(peaks.starts)
    theirs: dict[str, Any] = {}
    compilation: dict[str, float] = {}
    for name, fit in (("optimistix", by_optimistix(model)), (f"{STEPS} steps", by_fixed_steps(model))):
        begin = time.process_time()
        theirs[name] = jax.jit(jax.vmap(fit)).lower(y, starts).compile()
        compilation[name] = time.process_time() - begin

    calls: dict[str, Callable[[], Any]] = {"ours": peaks.ours(False), "ours, jac": peaks.ours(True)}
    calls |= {name: lambda run=run: run(y, starts).block_until_ready() for name, run in theirs.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call, time.process_time) / count)
    best = {name: min(each) for name, each in times.items()}

    least = 2 * peaks.ours(True)().cost
    for name, each in best.items():
        found = np.asarray(theirs[name](y, starts)) if name in theirs else calls[name]().x
        reached = np.sum((peaks.f(peaks.x[..., np.newaxis], *found.T).T - peaks.y) ** 2, axis=1)
        print_row(
            f"  {name}",
            1e6 * each,
            each / best["ours"],
            each / best["ours, jac"],
            GOALS.get(name) if make is of_line else None,
            compilation.get(name),
            f"{np.mean(reached <= least * (1 + 1e-6)):.2%}",
        )


CASES: dict[str, Callable[[], None]] = {
    "line": lambda: beside(of_line, line, 20000),
    "line, 1000 at a time": lambda: beside(of_line, line, 1000),
    "plane": lambda: beside(of_plane, plane, 3000),
}


def main() -> None:
    """Print a table for each case."""
    chosen = choose(__doc__, CASES)
    if jax is None:
        raise SystemExit("JAX or optimistix is not installed: python -m pip install --group comparison-jax")
    for name, run in chosen.items():
        print_row(name, "µs a fit", "of ours", "of ours, jac", "goal", "compiled, s", "at our minima")
        run()


if __name__ == "__main__":
    main()
