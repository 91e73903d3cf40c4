"""Wide problems: qrsolv and qrfac above the orders from which they work in blocks, and whole fits that do."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest

import original
from problems.mgh import Run, runs
from pyminpack import _minpack, leastsq
from rounding import agree, endings

EPS = np.finfo(float).eps

# qrsolv.f90, qrfac.f90 and constants.f90 have them: from these orders on the routines work in blocks.
BLOCKED_FROM = 64  # qrsolv
DELAYED_FROM = 160  # qrfac
LONGEST_ROW = 1984  # of qrsolv's blocks of four rows; from 960 on there is room for eight
WIDEST_DELAYED = 2048  # columns behind qrfac's reflections that wait


# ------------------------------------------------------------------------------------------- qrsolv


def triangle_of(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((n, n)))[1]


def as_stored(r: np.ndarray) -> np.ndarray:
    """A triangle as MINPACK has it, columns in rows here, with what must not matter below the diagonal."""
    return np.ascontiguousarray(np.triu(r).T + np.triu(np.full(r.shape, 7.25), 1))


def qrsolv(r: np.ndarray, ipvt: np.ndarray, d: np.ndarray, qtb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give S and x; that R survives is checked along the way."""
    stored, x, sdiag = _minpack.qrsolv(as_stored(r), ipvt, d, qtb)
    np.testing.assert_array_equal(np.tril(stored), np.triu(r).T)
    return np.triu(stored, 1) + np.diag(sdiag), x


def rotated(r: np.ndarray, d: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S and the right side by plane rotations in extended precision, which no difference in size of rows hurts."""
    s, b = r.astype(np.longdouble), side.astype(np.longdouble)
    for j in np.flatnonzero(d):
        row, row_side = np.zeros(d.size, np.longdouble), np.longdouble(0)
        row[j] = d[j]
        for k in range(j, d.size):
            if row[k] == 0:
                continue
            length = np.hypot(s[k, k], row[k])
            cos, sin = s[k, k] / length, row[k] / length
            s[k, k:], row[k:] = cos * s[k, k:] + sin * row[k:], cos * row[k:] - sin * s[k, k:]
            b[k], row_side = cos * b[k] + sin * row_side, cos * row_side - sin * b[k]
    return s, b


def solved(s: np.ndarray, b: np.ndarray) -> np.ndarray:
    x = b.copy()
    for j in range(b.size - 1, -1, -1):
        x[j] = (b[j] - s[j, j + 1 :] @ x[j + 1 :]) / s[j, j]
    return x


def gram_error(s: np.ndarray, r: np.ndarray, d: np.ndarray) -> float:
    """How far SᵀS is from RᵀR + D², relative to the norms of its columns, in units of eps."""
    norms = np.sqrt(np.sum(r**2, axis=0) + d**2)
    norms[norms == 0] = 1
    s, r, d = (x.astype(np.longdouble) / norms for x in (s, r, d))
    return float(np.max(np.abs(s.T @ s - r.T @ r - np.diag(d**2))) / EPS)


ORDERS = [BLOCKED_FROM - 1, BLOCKED_FROM, BLOCKED_FROM + 1, 71, 72, 73, 150]


@cache
def damped(n: int, size: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """R, D and the right side of a damped system of this order; its solution, and its condition number.

    Each kernel is asked for it, and the rotations in extended precision take long.
    """
    rng = np.random.default_rng(n)
    r, qtb = triangle_of(rng, n), rng.standard_normal(n)
    d = size * (0.5 + rng.random(n))
    condition = np.linalg.cond(np.vstack([r, np.diag(d)]) / np.hypot(np.linalg.norm(r, axis=0), d))
    return r, d, qtb, solved(*rotated(r, d, qtb)), float(condition)


@pytest.mark.parametrize("size", [1e-12, 1e-4, 1.0, 1e4, 1e8, 1e14])
@pytest.mark.parametrize("n", ORDERS)
def test_damped_system_is_solved_to_the_last_digits(n: int, size: float, kernel: str) -> None:
    """However much D outweighs R: rows in the wrong order would cost half the digits of x at 1e8."""
    r, d, qtb, expected, condition = damped(n, size)
    s, x = qrsolv(r, np.arange(1, n + 1, dtype=np.int32), d, qtb)
    assert gram_error(s, r, d) < 2 * n
    error = np.linalg.norm(np.float64(d * (x - expected))) / np.linalg.norm(np.float64(d * expected))
    assert error < 100 * EPS * condition


GRADES = {
    "down": lambda n: 10.0 ** -np.linspace(0, 12, n),
    "up": lambda n: 10.0 ** np.linspace(0, 12, n),
    "huge": lambda n: np.full(n, 1e200),
    "tiny": lambda n: np.full(n, 1e-200),
}


@pytest.mark.parametrize("grade", GRADES)
def test_graded_triangles(grade: str, kernel: str) -> None:
    """Rows and columns from one end of the range to the other, D in the units of the columns."""
    n = 90
    rng = np.random.default_rng(n)
    scale = GRADES[grade](n)
    for lamda in (1e-6, 1e6):
        r = triangle_of(rng, n) * scale
        d, qtb = lamda * scale, rng.standard_normal(n)
        s, x = qrsolv(r, np.arange(1, n + 1, dtype=np.int32), d, qtb)
        unit = np.abs(scale).max()
        assert gram_error(s / unit, r / unit, d / unit) < 4 * n
        expected = solved(*rotated(r, d, qtb))
        np.testing.assert_allclose(x * scale, np.float64(expected * scale), rtol=1e-9, atol=1e-12 / max(lamda**2, 1))


@pytest.mark.parametrize("zeros", ["some", "a block", "all but the last", "all"])
def test_zeros_in_d_leave_rows_out(zeros: str, kernel: str) -> None:
    n = 100
    rng = np.random.default_rng(5)
    r, qtb, ipvt = triangle_of(rng, n), rng.standard_normal(n), rng.permutation(np.arange(1, n + 1, dtype=np.int32))
    permuted = 1 + rng.random(n)
    left_out = {
        "some": rng.random(n) < 0.5,
        "a block": slice(16, 40),
        "all but the last": slice(n - 1),
        "all": slice(n),
    }
    permuted[left_out[zeros]] = 0
    d = np.empty(n)
    d[ipvt - 1] = permuted
    s, x = qrsolv(r, ipvt, d, qtb)
    assert gram_error(s, r, permuted) < 2 * n
    expected = solved(*rotated(r, permuted, qtb))
    np.testing.assert_allclose(x[ipvt - 1], np.float64(expected), rtol=1e-7, atol=1e-10)
    if zeros == "all":
        np.testing.assert_array_equal(s, r)


@pytest.mark.parametrize("damped", [False, True])
def test_singular_triangles(damped: bool, kernel: str) -> None:
    """D makes up for what R lacks; without it the components from the first zero on are zero."""
    n, rank = 80, 50
    rng = np.random.default_rng(6)
    r, qtb, ipvt = triangle_of(rng, n), rng.standard_normal(n), np.arange(1, n + 1, dtype=np.int32)
    r[rank:] = 0
    d = np.full(n, 0.5) * damped
    s, x = qrsolv(r, ipvt, d, qtb)
    assert gram_error(s, r, d) < 2 * n
    if damped:
        expected = np.linalg.lstsq(np.vstack([r, np.diag(d)]), np.append(qtb, np.zeros(n)), rcond=None)[0]
        np.testing.assert_allclose(x, expected, rtol=1e-10, atol=1e-12)
    else:
        np.testing.assert_array_equal(x[rank:], 0)
        np.testing.assert_allclose(r[:rank, :rank] @ x[:rank], qtb[:rank], atol=1e-10)


def test_rows_longer_than_there_is_scratch_for(kernel: str) -> None:
    """The first rows go one at a time until what is left of them fits: then four at a time, then eight."""
    n = LONGEST_ROW + 3
    rng = np.random.default_rng(n)
    r = np.triu(rng.standard_normal((n, n))) / np.sqrt(n) + 3 * np.eye(n)
    d, qtb, probe = 1 + rng.random(n), rng.standard_normal(n), rng.standard_normal((n, 3))
    s, x = qrsolv(r, np.arange(1, n + 1, dtype=np.int32), d, qtb)
    np.testing.assert_allclose(s.T @ (s @ probe), r.T @ (r @ probe) + d[:, np.newaxis] ** 2 * probe, rtol=1e-9)
    np.testing.assert_allclose(r.T @ (r @ x - qtb), -(d**2) * x, atol=1e-12)


def test_nan_in_the_damped_system_reaches_the_solution(kernel: str) -> None:
    n = 80
    rng = np.random.default_rng(7)
    r, ipvt = as_stored(triangle_of(rng, n)), np.arange(1, n + 1, dtype=np.int32)
    for d, qtb in ((np.ones(n), np.where(np.arange(n) == 20, np.nan, 1.0)), (np.full(n, np.nan), np.ones(n))):
        assert np.isnan(_minpack.qrsolv(r, ipvt, d, qtb)[1]).any()


# -------------------------------------------------------------------------------------------- qrfac


def kahan(m: int, n: int) -> np.ndarray:
    """Columns among which every one might be the pivot, and whose norms shrink by little at a time."""
    sin, cos = 0.999, np.sqrt(1 - 0.999**2)
    k = min(m, n)
    a = np.zeros((m, n))
    a[:k, :k] = np.diag(sin ** np.arange(k)) @ (np.eye(k) - cos * np.triu(np.ones((k, k)), 1))
    return a


def _dependent(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    return rng.standard_normal((m, n // 3)) @ rng.standard_normal((n // 3, n))


MATRICES = {
    "random": lambda rng, m, n: rng.standard_normal((m, n)),
    "ties between pivots": lambda rng, m, n: rng.integers(-1, 2, (m, n)).astype(float),
    "rank-deficient": _dependent,
    "nearly dependent": lambda rng, m, n: rng.standard_normal((m, 1)) + 1e-9 * rng.standard_normal((m, n)),
    "norms that lose their digits": lambda rng, m, n: (
        1e-6 * rng.standard_normal((m, n)) + np.outer(np.arange(m) == 0, np.ones(n))
    ),
    "scaled columns": lambda rng, m, n: rng.standard_normal((m, n)) * 10.0 ** rng.integers(-150, 150, n),
    "graded columns": lambda rng, m, n: rng.standard_normal((m, n)) * 10.0 ** -np.linspace(0, 30, n),
    "scaled rows": lambda rng, m, n: rng.standard_normal((m, n)) * 10.0 ** rng.integers(-8, 8, (m, 1)),
    "tiny": lambda rng, m, n: rng.standard_normal((m, n)) * 1e-300,
    "huge": lambda rng, m, n: rng.standard_normal((m, n)) * 1e300,
    "mostly zeros": lambda rng, m, n: rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.01),
    "zeros": lambda rng, m, n: np.zeros((m, n)),
    "a triangle": lambda rng, m, n: np.triu(rng.standard_normal((m, n))),
    "Kahan's": lambda rng, m, n: kahan(m, n),
}
SHAPES = [
    (DELAYED_FROM - 1, DELAYED_FROM - 1),
    (DELAYED_FROM, DELAYED_FROM),
    (DELAYED_FROM + 1, DELAYED_FROM + 1),
    (400, 191),
    (193, 192),
    (193, 193),
    (165, 300),
    (257, 161),
]


def factored(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give R, the permutation counted from 0, the reflectors' matrix, and the norms of the columns."""
    stored, ipvt, rdiag, acnorm = _minpack.qrfac(np.ascontiguousarray(a.T), 1)
    k = min(a.shape)
    r = np.triu(stored.T[:k], 1)
    r[np.arange(k), np.arange(k)] = rdiag[:k]
    return r, ipvt - 1, stored.T, acnorm


def reflected(v: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Qᵀ a, with the reflectors as qrfac leaves them."""
    a = a.copy()
    for j in range(min(v.shape)):
        u = v[j:, j]
        if u[0] != 0:
            a[j:] -= np.outer(u, (u @ a[j:]) / u[0])
    return a


@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize("kind", MATRICES)
def test_factors_are_a_factorization(kind: str, m: int, n: int, kernel: str) -> None:
    a = MATRICES[kind](np.random.default_rng([m, n]), m, n)
    r, order, v, acnorm = factored(a)
    assert sorted(order) == list(range(n))
    exponents = np.frexp(np.max(np.abs(a), axis=0))[1]
    norms = np.ldexp(np.linalg.norm(np.ldexp(a, -exponents), axis=0), exponents)
    np.testing.assert_allclose(acnorm, norms, rtol=1e-12, atol=1e-320)
    columns = np.where(acnorm == 0, 1, acnorm)[order]
    left = reflected(v, a[:, order] / columns) - np.vstack([r, np.zeros((m - len(r), n))]) / columns
    assert np.abs(left).max() < 20 * np.sqrt(min(m, n)) * EPS


def test_more_columns_than_there_is_scratch_for(kernel: str) -> None:
    """The first reflections go one at a time until few enough columns are left."""
    a = np.random.default_rng(12).standard_normal((DELAYED_FROM + 5, WIDEST_DELAYED + 7))
    r, order, v, _ = factored(a)
    assert sorted(order) == list(range(a.shape[1]))
    np.testing.assert_allclose(reflected(v, a[:, order]), r, rtol=0, atol=1e-12)
    remaining = np.sqrt(np.cumsum(r[::-1] ** 2, axis=0))[::-1]
    for j in range(len(r)):
        assert np.all(remaining[j, j:] <= (1 + 1e-6) * abs(r[j, j]))


@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize("kind", [kind for kind in MATRICES if kind not in ("huge", "tiny")])
def test_pivots_are_the_largest_of_what_remains(kind: str, m: int, n: int, kernel: str) -> None:
    """Each column of R, from row j on, is no longer than the pivot j: up to the digits that its whole length has."""
    a = MATRICES[kind](np.random.default_rng([m, n, 1]), m, n)
    r, order, _, acnorm = factored(a)
    pivots = np.abs(np.diag(r))
    slack = 1 + 1e-6
    assert np.all(pivots[1:] <= slack * pivots[:-1] + 1e-14 * acnorm[order][1 : len(pivots)])
    remaining = np.sqrt(np.cumsum(r[::-1] ** 2, axis=0))[::-1]
    for j in range(len(r)):
        assert np.all(remaining[j, j:] <= slack * pivots[j] + 1e-14 * acnorm[order][j:])


def test_residuals_are_reflected_along(kernel: str) -> None:
    rng = np.random.default_rng(2)
    a, f = rng.standard_normal((300, 180)), rng.standard_normal(300)
    stored, ipvt, qtf, _ = _minpack.lm_factor(np.ascontiguousarray(a.T), f)
    r, order, v, _ = factored(a)
    np.testing.assert_array_equal(ipvt - 1, order)
    np.testing.assert_array_equal(np.triu(stored.T[:180]), r)
    np.testing.assert_allclose(qtf, reflected(v, f[:, np.newaxis])[:180, 0], atol=1e-12)


def test_rank_shows_on_the_diagonal(kernel: str) -> None:
    a = _dependent(np.random.default_rng(3), 300, 210)
    diagonal = np.abs(np.diag(factored(a)[0]))
    assert diagonal[69] > 0.1
    assert diagonal[70] < 1e-12 * diagonal[0]


@pytest.mark.parametrize("culprit", [np.nan, np.inf])
def test_matrix_that_is_not_finite_stays_as_it_is(culprit: float, kernel: str) -> None:
    a = np.random.default_rng(4).standard_normal((170, 180))
    a[100, 100] = culprit
    stored, _, _, acnorm = _minpack.qrfac(a, 1)
    np.testing.assert_array_equal(stored, a)
    assert not acnorm[100] <= np.finfo(float).max


def test_scratch_fits_in_a_thread_with_128_kib_of_stack() -> None:
    """As much as musl gives a thread. Scratch of 132 KiB ended the process."""
    code = """
import threading, numpy as np
from pyminpack import _minpack
a, ipvt = np.random.default_rng(0).standard_normal((200, 200)), np.arange(1, 201, dtype=np.int32)
threading.stack_size(128 * 1024)
for work in (lambda: _minpack.qrfac(a, 1), lambda: _minpack.qrsolv(a, ipvt, np.ones(200), np.ones(200))):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --------------------------------------------------------------------- beside the original MINPACK


@pytest.mark.original
def test_qrsolv_has_the_original_s_bits_below_its_blocks() -> None:
    n = BLOCKED_FROM - 1
    rng = np.random.default_rng(8)
    r, ipvt = as_stored(triangle_of(rng, n)), rng.permutation(np.arange(1, n + 1, dtype=np.int32))
    arguments = (r, ipvt, rng.random(n), rng.standard_normal(n))
    for ours, theirs in zip(_minpack.qrsolv(*arguments), original.qrsolv(*arguments), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.original
@pytest.mark.parametrize(
    ("m", "n", "pivot"),
    [(DELAYED_FROM - 1, DELAYED_FROM - 1, 1), (300, DELAYED_FROM - 1, 1), (DELAYED_FROM - 1, 200, 1), (200, 200, 0)],
)
def test_qrfac_has_the_original_s_bits_below_its_blocks(m: int, n: int, pivot: int) -> None:
    a = np.random.default_rng(9).standard_normal((n, m))
    k = min(m, n)
    (our_a, our_ipvt, our_rdiag, _), (their_a, their_ipvt, their_rdiag, _) = (
        library.qrfac(a, pivot) for library in (_minpack, original)
    )
    assert our_a.tobytes() == their_a.tobytes()
    assert our_rdiag[:k].tobytes() == their_rdiag[:k].tobytes()
    assert not pivot or our_ipvt.tobytes() == their_ipvt.tobytes()


@pytest.mark.original
@pytest.mark.parametrize(("m", "n"), [(200, 200), (500, 333)])
def test_pivots_are_the_original_s(m: int, n: int, kernel: str) -> None:
    a = np.random.default_rng(10).standard_normal((n, m))
    ours, theirs = _minpack.qrfac(a, 1), original.qrfac(a, 1)
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-11)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-10)


# --------------------------------------------------------------------------------------- whole fits


def test_linear_problem_is_solved_at_once(kernel: str) -> None:
    rng = np.random.default_rng(11)
    a, b = rng.standard_normal((260, 200)), rng.standard_normal(260)
    x, cov, info, _, ier = leastsq(lambda x: a @ x - b, np.zeros(200), Dfun=lambda x: a, full_output=True)
    assert ier in (1, 2, 3)
    assert info["njev"] <= 3
    np.testing.assert_allclose(x, np.linalg.lstsq(a, b, rcond=None)[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cov @ (a.T @ a), np.eye(200), atol=1e-9)


@pytest.mark.parametrize("run", runs(), ids=lambda run: f"{run.number}-{run.problem.name}")
def test_standard_runs_in_blocks(run: Run, kernel: str) -> None:
    """With as many further parameters as make it wide, each with a residual of its own that is zero from the start.

    They don't take part in any norm, so the fit is that of the problem alone; but all that is done is done in blocks.
    """
    problem, extra = run.problem, DELAYED_FROM + 5 - run.problem.n
    n, m = problem.n, problem.m

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.append(problem.residuals(x[:n]), x[n:])

    def jacobian(x: np.ndarray) -> np.ndarray:
        jac = np.zeros((m + extra, n + extra))
        jac[:m, :n] = problem.jacobian(x[:n])
        jac[m:, n:] = np.eye(extra)
        return jac

    options = (1.49012e-8, 1.49012e-8, 0.0, 100 * (n + 1), np.empty(0), 100.0)
    start = np.append(problem.start, np.zeros(extra))
    wide = _minpack.lmder(residuals, jacobian, start, residuals(start), False, *options)
    np.testing.assert_array_equal(wide[0][n:], 0)
    small = endings(run)
    if agree(small):
        assert wide[3] == small[0].nfev
        assert wide[2] == small[0].info or {wide[2], small[0].info} <= {1, 2, 3}  # the last reductions are rounding
        np.testing.assert_allclose(wide[0][:n], small[0].x, rtol=1e-9, atol=1e-12)
    assert wide[2] in (1, 2, 3, 4, 5, 8)
    assert np.linalg.norm(wide[1]) <= 1.05 * max(ending.norm for ending in small) + 1e-13
