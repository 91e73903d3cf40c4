"""What holds of the kernels for any input, against dense algebra and exact arithmetic."""

from fractions import Fraction
from math import isfinite

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import raised_decay_of, raised_decay_of_jacobian
from pyminpack import _minpack
from reflections import reflections

EPS = np.finfo(float).eps
TINY = np.finfo(float).smallest_subnormal
HUGE = np.finfo(float).max

# The same examples every time: a test fails because something has changed, not because of luck.
fixed = settings(derandomize=True, deadline=None, max_examples=100)
fixed_fits = settings(fixed, max_examples=50)

# Clear of the ends of the range, where squares and what cancellation leaves would be subnormal.
ordinary = st.one_of(st.just(0.0), st.floats(1e-3, 100), st.floats(-100, -1e-3))
seeds = st.integers(0, 2**32 - 1)
powers = st.integers(-30, 30)


# --------------------------------------------------------------------------------------------- enorm


def sizes(lowest: int, highest: int) -> st.SearchStrategy[float]:
    """Numbers whose binary exponents, not their values, are spread evenly."""
    return st.builds(np.ldexp, st.floats(-1, 1, allow_subnormal=False), st.integers(lowest, highest))


def assert_norm(x: np.ndarray) -> None:
    """Compare ‖x‖² in exact arithmetic.

    Each component costs a division, a square and a sum, and once more a product where it becomes the largest of
    its kind: fewer than 4 roundings of ε/2, halved by the square root; then some for the end.
    """
    norm = _minpack.enorm(x)
    exact = sum((Fraction(float(v)) ** 2 for v in x), Fraction(0))
    relative = Fraction(EPS) * (x.size + 4)
    if exact > (Fraction(HUGE) * (1 + relative)) ** 2:
        assert norm == np.inf
        return
    if not isfinite(norm):
        assert exact > (Fraction(HUGE) * (1 - relative)) ** 2
        return
    # Besides, a subnormal result is rounded to a multiple of the smallest one.
    low, high = (Fraction(norm) + sign * Fraction(TINY) for sign in (-1, 1))
    assert max(low, 0) ** 2 * (1 - relative) ** 2 <= exact <= high**2 * (1 + relative) ** 2


@fixed
@given(arrays(float, st.integers(1, 40), elements=sizes(-1074, 1023)))
@example(np.array([HUGE, HUGE / 2]))
@example(np.full(9, HUGE / 3))
@example(np.array([3.834e-20, 3.8340000000000005e-20, 3.833e-20]))
@example(np.array([1.304e19, 1.304e19 / 2, 1.0]))
def test_enorm_over_the_whole_range(x: np.ndarray) -> None:
    assert_norm(x)


@fixed
@given(st.one_of(*(
    arrays(float, st.integers(1, 200), elements=sizes(*window))
    for window in ((-1074, -1020), (-540, -516), (-80, -50), (-10, 10), (50, 70), (510, 530), (1010, 1023))
)))  # fmt: skip
def test_enorm_in_each_part_of_the_range(x: np.ndarray) -> None:
    assert_norm(x)


@fixed
@given(
    arrays(float, st.integers(1, 20), elements=sizes(-1074, 1023)), st.sampled_from([np.nan, np.inf, -np.inf]), seeds
)
def test_enorm_of_what_is_not_finite_is_not(x: np.ndarray, bad: float, place: int) -> None:
    x[place % x.size] = bad
    assert not isfinite(_minpack.enorm(x))


@fixed
@given(arrays(float, st.integers(1, 30), elements=ordinary), powers)
def test_enorm_scales_exactly(x: np.ndarray, power: int) -> None:
    assert _minpack.enorm(np.ldexp(x, power)) == np.ldexp(_minpack.enorm(x), power)


# --------------------------------------------------------------------------------------------- qrfac


@st.composite
def matrices(draw: st.DrawFn, square: bool = False, wide: bool = False) -> np.ndarray:
    """Matrices (m, n), m >= n or any, some with zero, equal or tiny columns, in mixed units."""
    n = draw(st.integers(1, 7))
    m = n if square else draw(st.integers(1 if wide else n, 12))
    rng = np.random.default_rng(draw(seeds))
    a = rng.standard_normal((m, n)) if draw(st.booleans()) else draw(arrays(float, (m, n), elements=ordinary))
    for _ in range(draw(st.integers(0, 2))):
        target, source = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
        a[:, target] = draw(st.sampled_from([0.0, 1.0, -2.0])) * a[:, source]
    return a * np.ldexp(1.0, draw(arrays(int, n, elements=st.one_of(st.just(0), powers))))


def triangle(a: np.ndarray, rdiag: np.ndarray) -> np.ndarray:
    """R, of shape (m, n), from what qrfac gives."""
    r = np.triu(a.T, 1)
    np.fill_diagonal(r, rdiag)
    return r


@fixed
@given(matrices(wide=True), st.booleans())
def test_qrfac_gives_the_matrix_back(matrix: np.ndarray, pivot: bool) -> None:
    m, n = matrix.shape
    a, ipvt, rdiag, acnorm = _minpack.qrfac(np.ascontiguousarray(matrix.T), pivot)
    columns = ipvt - 1 if pivot else np.arange(n)
    assert sorted(columns) == list(range(n))
    assert list(acnorm) == [_minpack.enorm(np.ascontiguousarray(column)) for column in matrix.T]

    q, r = reflections(a, min(m, n)), triangle(a, rdiag)
    # Householder's reflections change each column by some m n ε of its own length.
    rounding = 4 * m * n * EPS
    np.testing.assert_allclose(q.T @ q, np.eye(m), rtol=0, atol=rounding)
    error = np.linalg.norm(q @ r - matrix[:, columns], axis=0)
    assert np.all(error <= rounding * np.linalg.norm(matrix[:, columns], axis=0) + TINY)


@fixed
@given(matrices())
def test_qrfac_pivots_on_the_longest_remaining_column(matrix: np.ndarray) -> None:
    """Each diagonal entry is at least as long as what is left of any column behind it.

    But for a twentieth: downdated norms are trusted until cancellation has taken so much. And but for rounding,
    where nothing else is left.
    """
    m, n = matrix.shape
    a, _, rdiag, acnorm = _minpack.qrfac(np.ascontiguousarray(matrix.T), 1)
    r = triangle(a, rdiag)
    for j in range(n):
        for k in range(j + 1, n):
            left = np.linalg.norm(r[j : k + 1, k])
            assert left <= 1.05 * abs(r[j, j]) + 4 * m * n * EPS * np.max(acnorm)


@fixed
@given(st.integers(1, 7), st.integers(0, 6), seeds, st.data())
def test_qrfac_without_pivoting_ignores_units(n: int, more: int, seed: int, data: st.DataObject) -> None:
    """Reflectors are built from a column relative to its length: powers of two pass through to the bit.

    As long as columns are independent: what cancellation leaves can be so small that its norm is computed in
    another way.
    """
    matrix = np.random.default_rng(seed).standard_normal((n + more, n)) + 3 * np.eye(n + more, n)
    assume(np.linalg.cond(matrix) < 1e6)
    units = np.ldexp(1.0, data.draw(arrays(int, n, elements=powers)))
    a, _, rdiag, _ = _minpack.qrfac(np.ascontiguousarray(matrix.T), 0)
    scaled, _, scaled_rdiag, _ = _minpack.qrfac(np.ascontiguousarray((matrix * units).T), 0)
    np.testing.assert_array_equal(triangle(scaled, scaled_rdiag), triangle(a, rdiag) * units)
    np.testing.assert_array_equal(np.tril(scaled.T), np.tril(a.T))


# ------------------------------------------------------------------------------- qrsolv and lmpar


@st.composite
def damped_problems(draw: st.DrawFn, singular: bool = True) -> tuple[np.ndarray, ...]:
    """R in rows of ldr >= n with scratch below it, ipvt, D, Qᵀb; R may end in zero rows, as pivoting leaves it."""
    n = draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(seeds))
    r = np.triu(rng.standard_normal((n, n)) + 2 * np.diag(rng.choice([-1, 1], n)))
    rank = draw(st.integers(0 if singular else n, n))
    r[rank:] = 0
    stored = np.full((n, n + draw(st.integers(0, 3))), 9.0)
    stored[:, :n] = np.where(np.tri(n, dtype=bool), r.T, 9.0)
    ipvt = rng.permutation(np.arange(1, n + 1, dtype=np.int32))
    diag = np.exp(rng.uniform(-3, 3, n))
    return r, stored, ipvt, diag, 10 * rng.standard_normal(n)


def unpivoted(r: np.ndarray, ipvt: np.ndarray) -> np.ndarray:
    """R Pᵀ."""
    matrix = np.empty_like(r)
    matrix[:, ipvt - 1] = r
    return matrix


def assert_least_squares(matrix: np.ndarray, right: np.ndarray, x: np.ndarray) -> None:
    """The residual is orthogonal to the columns, up to the rounding of a stable method."""
    size = np.linalg.norm(matrix, axis=0) * (np.linalg.norm(np.abs(matrix) @ np.abs(x)) + np.linalg.norm(right))
    assert np.all(np.abs(matrix.T @ (matrix @ x - right)) <= 100 * x.size * EPS * size)


def damped_triangle(stored: np.ndarray, sdiag: np.ndarray) -> np.ndarray:
    """S, from its transpose below R and its diagonal."""
    n = sdiag.size
    s = np.triu(stored[:, :n], 1)  # stored[j, i] is r(i, j): what stands at i > j
    np.fill_diagonal(s, sdiag)
    return s


@fixed
@given(damped_problems(), st.integers(0, 2**7 - 1))
def test_qrsolv_solves_the_damped_problem(problem: tuple[np.ndarray, ...], undamped: int) -> None:
    r, stored, ipvt, diag, qtb = problem
    n = qtb.size
    # Some parameters go undamped, unless that leaves the problem singular.
    free = np.array([bool(undamped >> j & 1) for j in range(n)]) & (r[-1, -1] != 0)
    diag = np.where(free, 0, diag)
    after, x, sdiag = _minpack.qrsolv(stored, ipvt, diag, qtb)

    matrix = np.vstack([unpivoted(r, ipvt), np.diag(diag)])
    right = np.append(qtb, np.zeros(n))
    assert_least_squares(matrix, right, x)
    # Columns of length 1 keep units out of the condition number, and rounding of NumPy's answer small.
    lengths = np.linalg.norm(matrix, axis=0)
    expected = np.linalg.lstsq(matrix / lengths, right, rcond=None)[0]
    close = 20 * EPS * np.linalg.cond(matrix / lengths) ** 2 * np.linalg.norm(right)
    np.testing.assert_allclose(lengths * x, expected, rtol=0, atol=close)

    s = damped_triangle(after, sdiag)
    product = r.T @ r + np.diag(diag[ipvt - 1] ** 2)
    lengths = np.sqrt(np.diag(product))
    assert np.all(np.abs(s.T @ s - product) <= 20 * n * EPS * np.outer(lengths, lengths))
    np.testing.assert_array_equal(np.triu(after.T[:n]), np.triu(stored.T[:n]))
    np.testing.assert_array_equal(after[:, n:], stored[:, n:])


@fixed
@given(damped_problems())
def test_qrsolv_without_damping_solves_the_leading_block(problem: tuple[np.ndarray, ...]) -> None:
    r, stored, ipvt, _, qtb = problem
    rank = np.count_nonzero(np.diag(r))
    _, x, sdiag = _minpack.qrsolv(stored, ipvt, np.zeros_like(qtb), qtb)
    assert not x[ipvt[rank:] - 1].any()
    assert_least_squares(unpivoted(r, ipvt)[:rank], qtb[:rank], x)
    np.testing.assert_array_equal(sdiag, np.diag(r))


@fixed
@given(damped_problems(), st.floats(-6, 6), st.sampled_from([0.0, 1e-10, 1.0, 1e10]))
def test_lmpar_keeps_the_bound(problem: tuple[np.ndarray, ...], exponent: float, estimate: float) -> None:
    """Gauss-Newton within 1.1 Δ, or λ > 0 and ‖D x‖ within a tenth of Δ; and x is the solution for that λ."""
    r, stored, ipvt, diag, qtb = problem
    n, bound = qtb.size, 10.0**exponent
    after, par, x, sdiag = _minpack.lmpar(stored, ipvt, diag, qtb, bound, estimate)

    length = np.linalg.norm(diag * x)
    assert par >= 0
    if par == 0:
        assert length <= 1.1 * bound * (1 + EPS * n)
    elif r[-1, -1] != 0:
        assert abs(length - bound) <= 0.1 * bound * (1 + 1e-12)
    else:
        # With a singular R the shortest of all solutions may be well inside the bound already.
        assert length <= 1.1 * bound * (1 + 1e-12)

    matrix = np.vstack([unpivoted(r, ipvt), np.sqrt(par) * np.diag(diag)])
    assert_least_squares(matrix, np.append(qtb, np.zeros(n)), x)
    if par > 0:
        s = damped_triangle(after, sdiag)
        np.testing.assert_allclose(s.T @ s, r.T @ r + np.diag(par * diag[ipvt - 1] ** 2), rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(np.triu(after.T[:n]), np.triu(stored.T[:n]))


@fixed
@given(damped_problems(singular=False), st.floats(-3, -0.1))
def test_lmpar_against_the_secular_equation(problem: tuple[np.ndarray, ...], exponent: float) -> None:
    """λ lies between the values that dense bisection finds for 1.1 Δ and 0.9 Δ."""
    r, stored, ipvt, diag, qtb = problem
    u, singular, _ = np.linalg.svd(unpivoted(r, ipvt) / diag)
    turned = u.T @ qtb

    def length(par: float) -> float:
        """‖D x(λ)‖."""
        return float(np.linalg.norm(singular * turned / (singular**2 + par)))

    bound = 10.0**exponent * length(0)
    _, par, _, _ = _minpack.lmpar(stored, ipvt, diag, qtb, bound, 0.0)
    assert par > 0
    assert 0.9 * bound * (1 - 1e-9) <= length(par) <= 1.1 * bound * (1 + 1e-9)


# --------------------------------------------------------------------------------------------- rwupdt


@fixed
@given(matrices(wide=True), seeds)
def test_rows_folded_one_by_one_make_the_factor(matrix: np.ndarray, seed: int) -> None:
    m, n = matrix.shape
    right = np.random.default_rng(seed).standard_normal(m)
    below = np.triu(np.full((n, n), 7.0), 1)  # in Fortran's eyes the strict lower triangle, which is not touched
    r, b, left = below, np.zeros(n), []
    for row, side in zip(matrix, right, strict=True):
        r, b, alpha, cos, sin = _minpack.rwupdt(r, row, b, side)
        left.append(alpha)
        np.testing.assert_allclose(cos**2 + sin**2, 1, rtol=4 * EPS)
    np.testing.assert_array_equal(np.triu(r, 1), below)

    factor, lengths = np.tril(r).T, np.linalg.norm(matrix, axis=0)
    rounding = 8 * m * n * EPS
    assert np.all(np.abs(factor.T @ factor - matrix.T @ matrix) <= rounding * np.outer(lengths, lengths))
    size = np.linalg.norm(right)
    assert np.all(np.abs(factor.T @ b - matrix.T @ right) <= rounding * lengths * size)
    assert np.hypot(np.linalg.norm(b), np.linalg.norm(left)) == pytest.approx(size, rel=rounding)


# ----------------------------------------------------------------------------- covar, column_rank


@fixed
@given(st.integers(1, 8), st.integers(0, 3), seeds)
def test_covar_is_the_inverse(n: int, rows_below: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    jacobian = (rng.standard_normal((n + rows_below, n)) + 2 * np.eye(n + rows_below, n)) * np.exp(
        rng.uniform(-9, 9, n)
    )
    a, ipvt, rdiag, _ = _minpack.qrfac(np.ascontiguousarray(jacobian.T), 1)
    np.fill_diagonal(a, rdiag)
    covariance = _minpack.covar(a, ipvt, 0.0)[:, :n]

    lengths = np.linalg.norm(jacobian, axis=0)
    inverse = np.linalg.inv(np.linalg.qr(jacobian / lengths)[1]) / lengths[:, np.newaxis]
    errors = np.linalg.norm(inverse, axis=1)
    rounding = 50 * n * EPS * np.linalg.cond(jacobian / lengths)
    assert np.all(np.abs(covariance - inverse @ inverse.T) <= rounding * np.outer(errors, errors))
    np.testing.assert_array_equal(covariance, covariance.T)


@fixed
@given(st.integers(1, 7), st.integers(0, 7), seeds)
def test_covar_leaves_dependent_columns_out(n: int, kept: int, seed: int) -> None:
    """Zeros for them, and for the others the inverse as if they weren't there."""
    kept = min(kept, n)
    rng = np.random.default_rng(seed)
    r = np.triu(rng.standard_normal((n, n)), 1) + np.diag(np.linspace(3, 2, n))
    r[kept:] *= 1e-9
    ipvt = rng.permutation(np.arange(1, n + 1, dtype=np.int32))
    # Relative to the first entry on the diagonal, whatever that is.
    tol = 1e-6 if kept else 1.0
    covariance = _minpack.covar(np.ascontiguousarray(r.T), ipvt, tol)

    block = np.linalg.inv(r[:kept, :kept])
    expected = np.zeros((n, n))
    expected[np.ix_(ipvt[:kept] - 1, ipvt[:kept] - 1)] = block @ block.T
    np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-12)


def rank_of(jacobian: np.ndarray) -> int:
    """As leastsq judges cov_x."""
    m, n = jacobian.shape
    a, _, rdiag, _ = _minpack.qrfac(np.ascontiguousarray(jacobian.T), 1)
    np.fill_diagonal(a, rdiag)
    return _minpack.column_rank(np.ascontiguousarray(a[:, :n]), m * EPS)


@fixed
@given(st.integers(1, 6), st.integers(0, 6), seeds, st.data())
def test_independent_columns_count_as_such_in_any_units(n: int, more: int, seed: int, data: st.DataObject) -> None:
    jacobian = np.random.default_rng(seed).standard_normal((n + more, n)) + 3 * np.eye(n + more, n)
    assume(np.linalg.cond(jacobian) < 1e6)
    units = 10.0 ** data.draw(arrays(int, n, elements=st.integers(-100, 100)))
    assert rank_of(jacobian * units) == n


@fixed
@given(st.integers(2, 6), st.integers(1, 6), seeds, st.data())
def test_proportional_columns_are_found_in_any_units(n: int, more: int, seed: int, data: st.DataObject) -> None:
    """Exactly proportional, or up to a rounding in each entry: what a model with one parameter too many has."""
    rng = np.random.default_rng(seed)
    jacobian = rng.standard_normal((n + more, n))
    jacobian[:, n - 1] = jacobian[:, 0] * data.draw(st.sampled_from([1.0, -2.0, 1 / 3, np.pi]))
    units = 10.0 ** data.draw(arrays(int, n, elements=st.integers(-100, 100)))
    assert rank_of(jacobian * units) < n


# ------------------------------------------------------------------------------------------- chkder


@fixed
@given(st.integers(1, 5), st.integers(1, 6), seeds, st.integers(0, 5), st.floats(0.5, 10))
def test_chkder_tells_right_rows_from_wrong(n: int, m: int, seed: int, row: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    a, b, x = rng.uniform(0.5, 2, (m, n)), rng.uniform(0.5, 1, m), rng.uniform(0.5, 2, n)

    def func(x: np.ndarray) -> np.ndarray:
        return b + np.sum(a * np.sqrt(x), axis=1)

    jacobian = a / (2 * np.sqrt(x))
    wrong = jacobian.copy()
    wrong[row % m] *= 1 + factor
    f, nothing = func(x), np.zeros(m)
    neighbour, _ = _minpack.chkder(x, f, np.ascontiguousarray(jacobian.T), x, nothing, 1)
    at = (neighbour, func(neighbour), 2)
    right_marks = _minpack.chkder(x, f, np.ascontiguousarray(jacobian.T), *at)[1]
    wrong_marks = _minpack.chkder(x, f, np.ascontiguousarray(wrong.T), *at)[1]
    assert np.all(right_marks > 0.85)
    others = np.arange(m) != row % m
    np.testing.assert_array_equal(wrong_marks[others], right_marks[others])
    # The mark is of the error relative to the residual, not to the derivative.
    assert wrong_marks[row % m] < 0.25


# --------------------------------------------------------------------------------------------- lmstr


@fixed_fits
@given(arrays(int, 3, elements=st.integers(-15, 15)), st.floats(0.5, 2))
def test_lmstr_has_the_same_bits_in_any_units(power: np.ndarray, rate: float) -> None:
    """Without pivoting, a unit stays in its column from beginning to end."""
    times, units, start = np.linspace(0, 3, 15), np.ldexp(1.0, power), np.array([1.5, 1.0, 0.2])
    data = 2 * np.exp(-rate * times) + 0.5 + 0.01 * np.sin(17 * np.arange(15))

    def by_lmstr(unit: np.ndarray) -> tuple:
        def row(x: np.ndarray, i: int) -> np.ndarray:
            return raised_decay_of_jacobian(x * unit, times, data)[i] * unit

        x, first = start / unit, raised_decay_of(start, times, data)
        options = (1e-8, 1e-8, 0.0, 1000, np.empty(0), 100.0)
        return _minpack.lmstr(lambda x: raised_decay_of(x * unit, times, data), row, x, first, *options)

    plain, scaled = by_lmstr(np.ones(3)), by_lmstr(units)
    assert (scaled[0] * units).tobytes() == plain[0].tobytes()
    assert scaled[2:5] == plain[2:5]
