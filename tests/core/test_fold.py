"""The block-wise factorization: every kernel that runs here under the same tests, and the choice among them."""

import os
import subprocess
import sys
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest

import pyminpack
from pyminpack import _minpack

EPS = np.finfo(float).eps
TINY = np.finfo(float).smallest_subnormal
HUGE = np.finfo(float).max
UNTOUCHED = 7.25

SIZES = [0, 1, 2, 3, 7, 255, 256, 257]
COLUMNS = [*range(1, 41), 130]


@pytest.fixture(params=_minpack.kernels())
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _minpack.kernel()
    _minpack.choose_kernel(request.param)
    yield request.param
    _minpack.choose_kernel(before)


def empty(k: int) -> np.ndarray:
    """An empty triangle; what lies below its diagonal is not the kernel's."""
    return np.tril(np.full((k, k), UNTOUCHED), -1)


def fold(t: np.ndarray, *blocks: np.ndarray) -> np.ndarray:
    """The triangle after blocks of rows: R, in the upper triangle."""
    for block in blocks:
        t = _minpack.fold(np.ascontiguousarray(block.T), t)
    return t


def triangle(*blocks: np.ndarray) -> np.ndarray:
    """R of all these rows; that nothing else was written is checked along the way."""
    k = blocks[0].shape[1]
    t = fold(empty(k), *blocks)
    np.testing.assert_array_equal(np.tril(t, -1), empty(k))
    return np.triu(t)


def backward_error(r: np.ndarray, a: np.ndarray) -> float:
    """How far RᵀR is from AᵀA, relative to the norms of the columns, in units of eps."""
    exponent = np.frexp(np.max(np.abs(a), axis=0, initial=0))[1]
    a, r = (np.ldexp(np.ldexp(x, -(exponent // 2)), exponent // 2 - exponent).astype(np.longdouble) for x in (a, r))
    gram, folded = a.T @ a, r.T @ r
    norms = np.sqrt(np.diag(gram))
    norms[norms == 0] = 1
    return float(np.max(np.abs(gram - folded) / np.outer(norms, norms)) / EPS)


def sample(rows: int, k: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([rows, k, seed]).normal(size=(rows, k))


# ---------------------------------------------------------------------------------------------- accuracy


@pytest.mark.parametrize("k", COLUMNS)
def test_triangle_has_the_gram_matrix_of_the_rows(kernel: str, k: int) -> None:
    for rows in SIZES:
        blocks = [sample(rows, k, seed) for seed in range(3)]
        whole = np.concatenate(blocks)
        assert backward_error(triangle(*blocks), whole) <= 2 * np.sqrt(len(whole) + k)


@pytest.mark.parametrize("k", COLUMNS)
def test_triangle_is_that_of_numpy(kernel: str, k: int) -> None:
    blocks = [sample(257, k, seed) for seed in range(2)]
    expected = np.linalg.qr(np.concatenate(blocks), mode="r")
    np.testing.assert_allclose(np.abs(triangle(*blocks)), np.abs(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("grading", ["columns", "rows", "rows, the largest last", "both"])
def test_graded_rows_against_multiple_precision(kernel: str, grading: str) -> None:
    """Over sixteen orders of magnitude. The last row decides where a pivoting of rows would have been needed."""
    a = sample(12, 5)
    if grading in ("columns", "both"):
        a = a * 10.0 ** np.linspace(8, -8, 5)
    if grading != "columns":
        a = a * 10.0 ** np.linspace(8, -8, 12)[:, np.newaxis]
    if grading.endswith("last"):
        a = a[::-1]
    with mpmath.workdps(60):
        gram = mpmath.matrix(a.tolist()).T * mpmath.matrix(a.tolist())
        r = mpmath.matrix(triangle(a[:5], a[5:]).tolist())
        difference = r.T * r - gram
        worst = max(abs(difference[i, j]) / mpmath.sqrt(gram[i, i] * gram[j, j]) for i in range(5) for j in range(5))
    assert float(worst) < 20 * EPS


def test_known_triangle(kernel: str) -> None:
    """Signs: opposite to those of the diagonal before, negative where it was zero."""
    np.testing.assert_allclose(triangle(np.array([[3.0, 1], [4, 7]])), [[-5, -6.2], [0, -3.4]], rtol=4 * EPS)
    t = fold(np.array([[-3.0, 1], [0, 12]]), np.array([[4.0, 7]]))
    np.testing.assert_allclose(t, [[5, 5], [0, -13]], rtol=4 * EPS)


def test_order_of_blocks_changes_rounding_alone(kernel: str) -> None:
    blocks = [sample(100, 9, seed) * 10.0**seed for seed in range(4)]
    whole = np.concatenate(blocks)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        assert backward_error(triangle(*(blocks[i] for i in order)), whole) < 40


def test_rank_deficiency_shows(kernel: str) -> None:
    a = sample(300, 6)
    a[:, 3] = a[:, 0] - 2 * a[:, 1]
    r = triangle(a[:200], a[200:])
    assert backward_error(r, a) < 40
    assert abs(r[3, 3]) < 100 * EPS * np.linalg.norm(a[:, 3])
    singular = np.linalg.svd(r, compute_uv=False)
    assert singular[-1] < 100 * EPS * singular[0] < 1e-3 * singular[-2]


# ----------------------------------------------------------------------------------------------- extremes


@pytest.mark.parametrize("powers", [
    [0] * 11,
    [-700] * 11,
    [700] * 11,
    [600, -600, 0, 900, -900, 1, -1, 300, -300, 500, -500],
    [-900, 900] * 5 + [0],
], ids=str)  # fmt: skip
@pytest.mark.parametrize("k", [1, 2, 3, 5, 11])
def test_units_of_columns_change_no_digit(kernel: str, k: int, powers: list[int]) -> None:
    scale = powers[:k]
    blocks = [sample(40, k, seed) for seed in range(2)]
    expected = triangle(*blocks)
    np.testing.assert_array_equal(triangle(*(np.ldexp(block, scale) for block in blocks)), np.ldexp(expected, scale))


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e-290, 1e-300, 1e-307, HUGE / 200])
@pytest.mark.parametrize("k", [1, 2, 4, 7])
def test_sizes_near_the_ends_of_the_range(kernel: str, k: int, size: float) -> None:
    blocks = [sample(30, k, seed) * size for seed in range(2)]
    assert backward_error(triangle(*blocks), np.concatenate(blocks)) < 100


@pytest.mark.parametrize("rows_of", [1e-200, 1e200])
def test_rows_of_extreme_size_beside_ordinary_ones(kernel: str, rows_of: float) -> None:
    ordinary, extreme = sample(30, 7, 0), sample(30, 7, 1) * rows_of
    mixed = np.concatenate([ordinary, extreme])[np.random.default_rng(0).permutation(60)]
    for blocks in ([ordinary, extreme], [extreme, ordinary], [mixed]):
        assert backward_error(triangle(*blocks), np.concatenate(blocks)) < 40


@pytest.mark.parametrize("unit", [TINY, 2.0**-1022, 2.0**1018])
def test_pythagoras_at_the_ends_of_the_range(kernel: str, unit: float) -> None:
    r = triangle(np.array([[3.0, 0, 5], [4, 0, 10], [0, 8, 0], [0, 15, 0]]) * unit)
    np.testing.assert_allclose(np.abs(np.diag(r) / unit), [5, 17, 2], rtol=4 * EPS)
    np.testing.assert_allclose(np.abs(r[0, 2] / unit), 11, rtol=4 * EPS)


def test_norm_that_is_just_representable(kernel: str) -> None:
    r = triangle(np.full((3, 1), HUGE / 2))
    assert -r[0, 0] == pytest.approx(HUGE / 2 * 3**0.5, rel=4 * EPS)
    r = fold(np.array([[HUGE / 2]]), np.full((2, 1), HUGE / 2))
    assert -r[0, 0] == pytest.approx(HUGE / 2 * 3**0.5, rel=4 * EPS)


def test_small_entries_survive_beside_a_zero_and_below_a_large_one(kernel: str) -> None:
    """What is left of a column after the first reflector may be of any size."""
    r = triangle(np.array([[1.0, 1.0], [0, 1e-200], [0, 0]]))
    np.testing.assert_allclose(np.abs(r), [[1, 1], [0, 1e-200]], rtol=4 * EPS)


# ------------------------------------------------------------------------------------- zeros, NaN and Inf


@pytest.mark.parametrize("k", [1, 2, 3, 8, 11])
def test_block_of_zeros_changes_nothing(kernel: str, k: int) -> None:
    before = triangle(sample(50, k))
    for rows in SIZES:
        np.testing.assert_array_equal(fold(before, np.zeros((rows, k))), before)


@pytest.mark.parametrize("zero", range(6))
def test_column_of_zeros(kernel: str, zero: int) -> None:
    a = sample(50, 6)
    a[:, zero] = 0
    r = triangle(a[:20], a[20:])
    assert backward_error(r, a) < 40
    assert not r[:, zero].any()


def test_column_of_zeros_leaves_the_row_alone(kernel: str) -> None:
    before, block = triangle(sample(50, 6)), sample(50, 6)
    block[:, 0] = 0
    np.testing.assert_array_equal(fold(before, block)[0], before[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("others", [0.0, 1.0])
@pytest.mark.parametrize("rows", [1, 2, 9, 64])
def test_what_is_not_finite_shows_in_its_column(kernel: str, bad: float, others: float, rows: int) -> None:
    k = 11
    clean = sample(rows, k) * others
    start = triangle(sample(20, k, 1))
    expected = fold(start, clean)
    for column in range(k):
        for row in {0, rows // 2, rows - 1}:
            block = clean.copy()
            block[row, column] = bad
            r = fold(start, block)
            assert not np.isfinite(r[: column + 1, column]).all()
            np.testing.assert_array_equal(r[:, :column], expected[:, :column])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("others", [0.0, 1.0])
def test_what_is_not_finite_stays_in_the_triangle(kernel: str, bad: float, others: float) -> None:
    for row, column in zip(*np.triu_indices(6), strict=True):
        t = triangle(sample(20, 6))
        t[row, column] = bad
        assert not np.isfinite(fold(t, sample(9, 6) * others)[:, column]).all()


# --------------------------------------------------------------------------------------------- its promises


def test_same_bits_every_time_wherever_the_block_lies(kernel: str) -> None:
    k, rows = 13, 250
    block = np.ascontiguousarray(sample(rows, k).T)
    expected = _minpack.fold(block, empty(k))
    for offset in range(9):
        memory = np.zeros(k * rows + offset)
        moved = memory[offset:].reshape(k, rows)
        moved[:] = block
        np.testing.assert_array_equal(_minpack.fold(moved, empty(k), overwrite_block=1), expected)


def test_arguments_stay_as_they_are(kernel: str) -> None:
    block, t = np.ascontiguousarray(sample(9, 4).T), empty(4)
    kept = block.copy(), t.copy()
    _minpack.fold(block, t)
    np.testing.assert_array_equal(block, kept[0])
    np.testing.assert_array_equal(t, kept[1])


def test_triangle_within_a_larger_array(kernel: str) -> None:
    block = sample(30, 5)
    wide = np.full((5, 8), UNTOUCHED)
    wide[:, :5] = empty(5)
    result = fold(wide, block)
    np.testing.assert_array_equal(result[:, 5:], UNTOUCHED)
    np.testing.assert_array_equal(np.triu(result[:, :5]), triangle(block))


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="0-th dimension"):
        _minpack.fold(np.zeros((3, 10)), np.zeros((4, 4)))
    with pytest.raises(Exception, match="ldt >= k"):
        _minpack.fold(np.zeros((4, 10)), np.zeros((4, 3)))


# ---------------------------------------------------------------------------------------- whole Jacobians


@pytest.mark.parametrize("m", [0, 1, 5, 64, 200])
@pytest.mark.parametrize("length", [1, 7, 64, 300])
def test_jacobian_by_rows_or_columns_is_its_blocks(kernel: str, m: int, length: int) -> None:
    n = 6
    a = sample(m, n + 1)
    jac, f = np.ascontiguousarray(a[:, :n]), a[:, n].copy()
    expected = fold(empty(n + 1), *(a[i : i + length] for i in range(0, m, length)))
    by_rows = _minpack.fold_jacobian(jac, 1, f, empty(n + 1), length)
    by_columns = _minpack.fold_jacobian(np.ascontiguousarray(jac.T), 0, f, empty(n + 1), length)
    np.testing.assert_array_equal(by_rows, expected)
    np.testing.assert_array_equal(by_columns, expected)


@pytest.mark.parametrize("n", [1, 2, 10, 30, 100, 500, 5000])
def test_length_of_blocks(n: int) -> None:
    rows = _minpack.block_rows(n)
    assert rows >= 32
    assert rows % 32 == 0


# ------------------------------------------------------------------------------------------------ pivoting


def pivoted(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return _minpack.lm_pivot(triangle(a))


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_pivoting_gives_what_the_whole_jacobian_gives(kernel: str, n: int) -> None:
    a = sample(300, n + 1) * 10.0 ** np.random.default_rng(n).integers(-3, 3, n + 1)
    jac, f = a[:, :n], a[:, n]
    r, ipvt, qtf, acnorm = pivoted(a)
    _, order, rdiag, norms = _minpack.qrfac(np.ascontiguousarray(jac.T), 1)
    np.testing.assert_array_equal(ipvt, order)
    np.testing.assert_allclose(acnorm, norms, rtol=1e-14)
    np.testing.assert_allclose(np.abs(np.diag(r)), np.abs(rdiag), rtol=1e-13)
    upper = np.tril(r).T  # the module gives matrices transposed
    permuted = jac[:, ipvt - 1]
    assert backward_error(upper, permuted) < 40
    np.testing.assert_allclose(upper.T @ qtf, permuted.T @ f, rtol=0, atol=1e-13 * np.max(norms) * np.linalg.norm(f))


def test_last_entry_is_what_is_left_of_the_residuals(kernel: str) -> None:
    a = sample(300, 5)
    x = np.linalg.lstsq(a[:, :4], a[:, 4])[0]
    left = np.linalg.norm(a[:, 4] - a[:, :4] @ x)
    assert abs(triangle(a)[4, 4]) == pytest.approx(left, rel=1e-13)


def test_pivoting_of_zeros() -> None:
    r, ipvt, qtf, acnorm = _minpack.lm_pivot(np.zeros((4, 4)))
    assert not r.any()
    assert not qtf.any()
    assert not acnorm.any()
    assert sorted(ipvt) == [1, 2, 3]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", range(4))
def test_norms_tell_of_what_is_not_finite(kernel: str, bad: float, column: int) -> None:
    a = sample(30, 5)
    a[17, column] = bad
    t = triangle(a)
    r, _, qtf, acnorm = _minpack.lm_pivot(t)
    assert np.isfinite(acnorm[:column]).all()
    assert not np.isfinite(acnorm[column])
    np.testing.assert_array_equal(r.T, t[:4, :4], "the triangle stays as it is")
    np.testing.assert_array_equal(qtf, t[:4, 4], "and so does its right side")


# ---------------------------------------------------------------------------------------------- the choice


def imported_with(value: str | None) -> subprocess.CompletedProcess[str]:
    """What a fresh interpreter says is chosen, with the variable set to a value."""
    environment = {name: known for name, known in os.environ.items() if name != "PYMINPACK_KERNEL"}
    if value is not None:
        environment["PYMINPACK_KERNEL"] = value
    code = "import pyminpack; from pyminpack import _minpack; print(_minpack.kernel()); pyminpack.show_config()"
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("value", [None, "", "plain", *_minpack.kernels()])
def test_variable_forces_a_kernel(value: str | None) -> None:
    available = _minpack.kernels()
    expected = {"plain": available[0]}.get(value or available[-1], value or available[-1])
    process = imported_with(value)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[0] == expected
    assert f"{expected} (of {', '.join(available)})" in process.stdout


@pytest.mark.parametrize("value", ["x86-64-v9", "avx2", "X86-64"])
def test_variable_with_a_name_that_does_not_exist(value: str) -> None:
    process = imported_with(value)
    assert process.returncode != 0
    told = process.stderr.splitlines()[-1]
    assert told.startswith("ImportError: ")
    for word in ("PYMINPACK_KERNEL", repr(value), *_minpack.kernels()):
        assert word in told


def test_best_kernel_is_chosen_where_none_is_forced() -> None:
    if "PYMINPACK_KERNEL" not in os.environ:
        assert _minpack.kernel() == _minpack.kernels()[-1]


def test_choice_by_name() -> None:
    before = _minpack.kernel()
    for name in _minpack.kernels():
        _minpack.choose_kernel(name)
        assert _minpack.kernel() == name
    _minpack.choose_kernel(before)
    with pytest.raises(ValueError, match="no kernel 'x87'"):
        _minpack.choose_kernel("x87")
    with pytest.raises(TypeError):
        _minpack.choose_kernel(3)
    assert _minpack.kernel() == before


def test_kernels_differ_in_rounding() -> None:
    """Else the choice would not reach the Fortran; whether products are fused with sums shows in some bit of many."""
    before = _minpack.kernel()
    results = set()
    for name in _minpack.kernels():
        _minpack.choose_kernel(name)
        results.add(triangle(sample(300, 20)).tobytes())
    _minpack.choose_kernel(before)
    assert len(results) > 1 or len(_minpack.kernels()) == 1


def test_configuration_shows_the_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    pyminpack.show_config()
    told = capsys.readouterr().out
    assert f"{_minpack.kernel()} (of {', '.join(_minpack.kernels())})" in told
