"""This project's Fortran against the original MINPACK: the same bits, call by call and kernel by kernel."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import original
from problems.mgh import Run, runs
from pyminpack import _minpack

pytestmark = pytest.mark.original

TOLERANCE = 1.49012e-8  # leastsq's default for ftol and xtol

# Differences take their step from the larger of this and the machine precision, which the original has as
# 2.22044604926e-16, rounded up, and this project as 2^-52 = 2.220446049250313e-16. Above both, the steps agree.
EPSFCN = 2.3e-16

FIELDS = {
    "lmdif": ("x", "fvec", "info", "nfev", "fjac", "ipvt", "qtf"),
    "lmder": ("x", "fvec", "info", "nfev", "njev", "fjac", "ipvt", "qtf"),
    "lmstr": ("x", "fvec", "info", "nfev", "njev", "fjac", "ipvt", "qtf"),
    "qrsolv": ("r", "x", "sdiag"),
    "lmpar": ("r", "par", "x", "sdiag"),
    "rwupdt": ("r", "b", "alpha", "cos", "sin"),
}


def bits(value: Any) -> Any:
    """A value for comparison to the last bit, the sign of zero included."""
    return np.asarray(value).tobytes()


def assert_same_bits(name: str, arguments: tuple) -> None:
    """Hand both libraries the same arguments of a kernel."""
    results = getattr(_minpack, name)(*arguments), getattr(original, name)(*arguments)
    for field, ours, theirs in zip(FIELDS[name], *results, strict=True):
        assert bits(ours) == bits(theirs), f"{name}: {field} is {ours!r}, the original's {theirs!r}"


# ------------------------------------------------------------------------------------------- drivers


def options(setting: str, n: int, maxfev: int) -> tuple:
    """The arguments ftol, xtol, gtol, maxfev, diag, factor of a driver."""
    own_scaling = np.empty(0)
    return {
        "defaults": (TOLERANCE, TOLERANCE, 0.0, maxfev, own_scaling, 100.0),
        "own diag": (TOLERANCE, TOLERANCE, 0.0, maxfev, 1 / np.arange(1.0, n + 1), 100.0),
        "no tolerance": (0.0, 0.0, 0.0, maxfev, own_scaling, 100.0),
        "gtol alone": (0.0, 0.0, 1e-3, maxfev, own_scaling, 1.0),
        "five calls": (TOLERANCE, TOLERANCE, 0.0, 5, own_scaling, 0.1),
    }[setting]


def row_of(jacobian: Callable) -> Callable:
    """The Jacobian row by row, computed when its first row is asked for."""
    kept = [np.empty(0)]

    def row(x: np.ndarray, i: int) -> np.ndarray:
        if i == 0:
            kept[0] = jacobian(x)
        return kept[0][i]

    return row


def fit(library: Any, driver: str, run: Run, setting: str) -> tuple[dict[str, Any], list]:
    """One run of a driver: what it gives, by name, and every call that it made, in order."""
    problem, calls = run.problem, []

    def traced(kind: str, function: Callable) -> Callable:
        def call(x: np.ndarray, *index: int) -> np.ndarray:
            calls.append((kind, bits(x), *index))
            return function(x, *index)

        return call

    func, jac = traced("func", problem.residuals), traced("jac", problem.jacobian)
    row = traced("row", row_of(problem.jacobian))
    start = (problem.start, problem.residuals(problem.start))
    chosen = options(setting, problem.n, (200 if driver == "lmdif" else 100) * (problem.n + 1))
    if driver == "lmdif":
        result = library.lmdif(func, *start, *chosen[:4], EPSFCN, *chosen[4:])
    elif driver == "lmder":
        result = library.lmder(func, jac, *start, False, *chosen)
    else:
        result = library.lmstr(func, row, *start, *chosen)
    return dict(zip(FIELDS[driver], result, strict=True)), calls


each_run = pytest.mark.parametrize("run", runs(), ids=lambda run: f"{run.number}-{run.problem.name}")
each_driver = pytest.mark.parametrize("driver", ["lmder", "lmdif", "lmstr"])

# Where the norm at a trial point is NaN (two infinite residuals suffice), the original takes comparisons with it
# as they come out, and cuts the step bound less than for an infinite one. Here NaN counts as infinite.
MEETS_NAN = (26, "own diag")


@each_driver
@each_run
@pytest.mark.parametrize("setting", ["defaults", "own diag", "no tolerance", "gtol alone", "five calls"])
def test_runs_agree_to_the_bit(run: Run, driver: str, setting: str) -> None:
    ours, our_calls = fit(_minpack, driver, run, setting)
    theirs, their_calls = fit(original, driver, run, setting)
    if (run.number, setting) == MEETS_NAN:
        assert_same_until_the_norm_is_nan(run, our_calls, their_calls)
        return
    for field in ("info", "nfev", "njev"):
        assert ours.get(field) == theirs.get(field)
    assert our_calls == their_calls
    for field in FIELDS[driver]:
        assert bits(ours[field]) == bits(theirs[field]), field


def assert_same_until_the_norm_is_nan(run: Run, our_calls: list, their_calls: list) -> None:
    """Calls agree up to the first whose residuals have no norm, and not beyond."""
    points = [np.frombuffer(x) if kind == "func" else run.problem.start for kind, x, *_ in our_calls]
    first = next(i for i, x in enumerate(points) if np.isnan(original.enorm(run.problem.residuals(x))))
    assert our_calls[: first + 1] == their_calls[: first + 1]
    assert our_calls[first + 1] != their_calls[first + 1]


def test_machine_precision_is_the_exact_one() -> None:
    """What EPSFCN evens out: without it the first difference step is not the original's."""
    for library, precision in ((_minpack, np.finfo(float).eps), (original, 2.22044604926e-16)):
        points: list[float] = []

        def func(x: np.ndarray, points: list[float] = points) -> np.ndarray:
            points.append(x[0])
            return x - 1

        options = (TOLERANCE, TOLERANCE, 0.0, 100, 0.0, np.empty(0), 100.0)
        library.lmdif(func, np.zeros(1), -np.ones(1), *options)
        assert points[0] == np.sqrt(precision)


# ------------------------------------------------------------------------------------------- kernels

SCALES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "ordinary": lambda rng, size: np.ones(size),
    "huge": lambda rng, size: 10.0 ** rng.integers(150, 308, size),
    "tiny": lambda rng, size: 10.0 ** rng.integers(-300, -150, size),
    "subnormal": lambda rng, size: np.full(size, 5e-320),
    "across the range": lambda rng, size: 10.0 ** rng.integers(-320, 308, size),
    "about the thresholds": lambda rng, size: rng.choice([3.8e-20, 3.9e-20, 1.0, 1.3e19, 1.31e19 / 40], size),
    "mostly zeros": lambda rng, size: np.where(rng.random(size) < 0.8, 0.0, 1.0),
}
each_scale = pytest.mark.parametrize("scale", SCALES)


@each_scale
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 40, 500])
def test_enorm_has_the_same_bits(scale: str, size: int) -> None:
    rng = np.random.default_rng([size, *scale.encode()])
    for _ in range(50):
        x = rng.standard_normal(size) * SCALES[scale](rng, size)
        assert bits(_minpack.enorm(x)) == bits(original.enorm(x)), x


def _rank_deficient(rng: np.random.Generator, n: int, m: int) -> np.ndarray:
    a = rng.standard_normal((n, m))
    a[n // 2] = a[0]
    a[-1] = 0
    return a


MATRICES: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "random": lambda rng, n, m: rng.standard_normal((n, m)),
    "ties between pivots": lambda rng, n, m: rng.integers(-1, 2, (n, m)).astype(float),
    "rank-deficient": _rank_deficient,
    "nearly dependent": lambda rng, n, m: rng.standard_normal(m) + 1e-9 * rng.standard_normal((n, m)),
    "scaled columns": lambda rng, n, m: rng.standard_normal((n, m)) * 10.0 ** rng.integers(-150, 150, (n, 1)),
    "scaled rows": lambda rng, n, m: rng.standard_normal((n, m)) * 10.0 ** rng.integers(-30, 30, (1, m)),
    "tiny": lambda rng, n, m: rng.standard_normal((n, m)) * 1e-300,
    "zeros": lambda rng, n, m: np.zeros((n, m)),
}


@pytest.mark.parametrize("pivot", [0, 1])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 3), (5, 2), (9, 4), (40, 5), (60, 12), (3, 6)])
@pytest.mark.parametrize("kind", MATRICES)
def test_qrfac_has_the_same_bits(kind: str, m: int, n: int, pivot: int) -> None:
    rng = np.random.default_rng([m, n, *kind.encode()])
    for _ in range(10):
        a = MATRICES[kind](rng, n, m)
        ours, theirs = _minpack.qrfac(a, pivot), original.qrfac(a, pivot)
        # Without pivoting neither sets ipvt, and with fewer rows than columns no rdiag beyond the rows means much.
        assert bits(ours[0]) == bits(theirs[0])
        assert not pivot or bits(ours[1]) == bits(theirs[1])
        assert bits(ours[2][: min(m, n)]) == bits(theirs[2][: min(m, n)])
        assert bits(ours[3]) == bits(theirs[3])


def triangles(n: int) -> Iterator[tuple[np.random.Generator, np.ndarray, np.ndarray]]:
    """Random triangles in rows of m >= n, scratch below them, with a permutation; some singular, some graded."""
    rng = np.random.default_rng(n)
    for trial in range(60):
        r = rng.standard_normal((n, n + trial % 3))
        if trial % 4 == 1:
            r[np.arange(n), np.arange(n)] *= 10.0 ** -rng.integers(0, 12, n)
        if trial % 4 == 2:
            r[n // 2, n // 2] = 0
        if trial % 8 == 3:
            r *= 10.0 ** rng.integers(-120, 120, (n, 1))
        yield rng, r, rng.permutation(np.arange(1, n + 1, dtype=np.int32))


each_order = pytest.mark.parametrize("n", [1, 2, 3, 4, 8, 15])


@each_order
def test_qrsolv_has_the_same_bits(n: int) -> None:
    for rng, r, ipvt in triangles(n):
        diag = rng.random(n) * (rng.random(n) < 0.8) * 10.0 ** rng.integers(-8, 8)
        assert_same_bits("qrsolv", (r, ipvt, diag, rng.standard_normal(n)))


@each_order
@pytest.mark.parametrize("bound", [1e-8, 1e-2, 1.0, 1e4])
@pytest.mark.parametrize("estimate", [0.0, 1e-3, 1e9])
def test_lmpar_has_the_same_bits(n: int, bound: float, estimate: float) -> None:
    met = set()
    for rng, r, ipvt in triangles(n):
        diag, qtb = rng.random(n) + 0.1, rng.standard_normal(n)
        ours, theirs = (
            _minpack.lmpar(r, ipvt, diag, qtb, bound, estimate),
            original.lmpar(r, ipvt, diag, qtb, bound, estimate),
        )
        met.add(ours[1] > 0)
        # Where λ is 0, sdiag is not set.
        fields = FIELDS["lmpar"] if ours[1] > 0 else ("r", "par", "x")
        for field, our, their in zip(fields, ours, theirs, strict=False):
            assert bits(our) == bits(their), field
    assert True in met


@each_order
def test_rwupdt_has_the_same_bits(n: int) -> None:
    for rng, r, _ in triangles(n):
        w = rng.standard_normal(n) * (rng.random(n) < 0.7)
        assert_same_bits("rwupdt", (r, w, rng.standard_normal(n), rng.standard_normal()))


@pytest.mark.parametrize(("error", "tolerance"), [(0.0, 1e-3), (1e-5, 1e-5), (1e-2, 1e-8), (1.0, 1e-8)])
def test_chkder_agrees_up_to_the_machine_precision_literal(error: float, tolerance: float) -> None:
    """The step follows from that literal, which is another in the 12th digit.

    Where the Jacobian is right, 1e-8 of the difference is left of it for the mark to judge by: the 12th digit
    of the one is the 4th of the other.
    """
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, nothing = rng.standard_normal(3) * (rng.random(3) < 0.8), np.zeros(6)
        jac = rng.standard_normal((6, 3))
        ours, theirs = (lib.chkder(x, nothing, jac.T.copy(), x, nothing, 1)[0] for lib in (_minpack, original))
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)
        claimed = jac * (1 + error * rng.standard_normal(jac.shape))
        f, fp = jac @ x + np.sin(x).sum(), jac @ ours + np.sin(ours).sum()
        arguments = (x, f, np.ascontiguousarray(claimed.T + np.cos(x)[:, np.newaxis]), ours, fp, 2)
        marks, expected = _minpack.chkder(*arguments)[1], original.chkder(*arguments)[1]
        np.testing.assert_allclose(marks, expected, rtol=0, atol=tolerance)
