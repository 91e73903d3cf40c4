"""`covariance`: against NumPy's pseudo-inverse, exact arithmetic and NIST's standard errors; what isn't determined."""

import copy
import pickle
import tracemalloc
from typing import Any

import mpmath
import numpy as np
import pytest

from checks import label, quietly
from models import raised_decay_of, raised_decay_of_jacobian
from problems.strd import correct_digits, load, names
from pyminpack import (
    Covariance,
    InputTypeError,
    InputValueError,
    OptionError,
    ShapeError,
    UnidentifiableWarning,
    covariance,
    least_squares,
    leastsq,
    leastsq_blocks,
)

EPS = np.finfo(float).eps
RNG = np.random.default_rng(5)
FIELDS = ["cov", "stderr", "correlation", "rank", "cond", "unidentifiable"]


def covariance_quietly(jac: Any, **options: Any) -> Covariance:
    return quietly(lambda: covariance(jac, **options))


def unknown(result: Covariance) -> tuple[int, ...]:
    """The parameters that are not determined."""
    assert result.unidentifiable.dtype == bool
    assert result.unidentifiable.shape == result.stderr.shape
    return tuple(np.flatnonzero(result.unidentifiable).tolist())


# ------------------------------------------------------------------------------------ full rank


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 3), (20, 2), (50, 7), (3000, 5), (400, 170)])
def test_covariance_is_the_inverse(m: int, n: int, order: Any) -> None:
    jac = np.array(RNG.normal(size=(m, n)) + 2 * np.eye(m, n), order=order)
    result = covariance(jac, variance=0.25)
    cov = 0.25 * np.linalg.inv(jac.T @ jac)
    tolerance = 1e-13 * np.linalg.cond(jac) ** 2
    np.testing.assert_allclose(result.cov, cov, rtol=tolerance, atol=tolerance * np.abs(cov).max())
    np.testing.assert_allclose(result.stderr, np.sqrt(np.diag(cov)), rtol=tolerance)
    errors = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(result.correlation, cov / np.outer(errors, errors), rtol=0, atol=tolerance)
    assert result.rank == n
    assert result.cond == pytest.approx(np.linalg.cond(jac / np.linalg.norm(jac, axis=0)), rel=0.01)
    assert unknown(result) == ()
    np.testing.assert_array_equal(result.cov, result.cov.T)
    np.testing.assert_array_equal(np.diag(result.correlation), 1)


def test_neither_order_nor_gaps_matter():
    jac = RNG.normal(size=(60, 4))
    wide = np.zeros((120, 8))
    wide[::2, ::2] = jac
    expected = covariance(jac).cov
    for other in (np.asfortranarray(jac), wide[::2, ::2], jac.tolist()):
        np.testing.assert_allclose(covariance(other).cov, expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", names())
def test_standard_errors_are_those_of_nist(name: str) -> None:
    dataset = load(name)
    result = covariance(dataset.jacobian(dataset.certified), variance=dataset.rss / dataset.dof)
    assert np.min(correct_digits(result.stderr, dataset.certified_se)) > 7.5
    assert result.rank == dataset.certified.size


def test_ill_conditioned_to_what_rounding_leaves():
    """Exact arithmetic on a Hilbert matrix, whose inverse has entries of 4e12."""
    jac = np.array([[1 / (i + j + 1) for j in range(6)] for i in range(9)])
    with mpmath.workdps(60):
        exact = mpmath.matrix(jac.tolist())
        cov = np.array(((exact.T * exact) ** -1).tolist(), dtype=float)
    result = covariance(jac)
    np.testing.assert_allclose(result.cov, cov, rtol=10 * result.cond * EPS)
    assert 1e4 < result.cond < 1e7


def test_tall_jacobian_is_not_copied():
    jac = np.asfortranarray(RNG.normal(size=(200_000, 5)))
    covariance(jac[:10])
    tracemalloc.start()
    covariance(jac)
    covariance(np.ascontiguousarray(jac[:, :1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.45 * jac.nbytes  # a vector of zeros, the column taken on purpose


@pytest.mark.parametrize("exponents", [(200, 0, -200), (-305, 300, 0), (154, -154, 7)])
def test_units_do_not_matter(exponents: tuple[int, ...]) -> None:
    jac = RNG.normal(size=(30, 3))
    scale = 10.0 ** np.array(exponents)
    result, plain = covariance(jac * scale), covariance(jac)
    np.testing.assert_allclose(result.stderr * scale, plain.stderr, rtol=1e-12)
    np.testing.assert_allclose(result.correlation, plain.correlation, rtol=0, atol=1e-12)
    assert result.rank == 3
    assert result.cond == pytest.approx(plain.cond, rel=1e-3)


# ------------------------------------------------------------------------------- rank deficient


def dependent(m: int, n: int, group: list[int], rng: np.random.Generator, spread: float = 0.0) -> np.ndarray:
    """Columns of which those in the group depend on one another, the others on none, each of its own unit."""
    jac = rng.normal(size=(m, n)) + 10**spread * rng.normal(size=(m, 1))
    jac[:, group[0]] = jac[:, group[1:]] @ rng.uniform(0.3, 1, len(group) - 1)
    return jac * 10.0 ** rng.uniform(-6, 6, n)


@pytest.mark.parametrize("spread", [0, 2, 4])
@pytest.mark.parametrize("seed", range(25))
def test_pseudo_inverse_where_columns_depend_on_one_another(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 10))
    group = rng.permutation(n)[: rng.integers(1, n + 1)].tolist()
    jac = dependent(int(rng.integers(n, 40)), n, group, rng, spread)
    with pytest.warns(UnidentifiableWarning) as caught:
        result = covariance(jac)
    assert len(caught) == 1
    assert all(f"x[{j}]" in str(caught[0].message) for j in group)
    assert caught[0].filename == __file__
    assert unknown(result) == tuple(sorted(group))
    assert result.rank == n - 1
    assert result.cond == np.inf

    norms = np.linalg.norm(jac, axis=0)
    norms[norms == 0] = 1
    scaled = jac / norms
    pseudo = np.linalg.pinv(scaled.T @ scaled, rcond=1e-14 if spread < 4 else 1e-16, hermitian=True)
    if spread == 4:  # the normal equations lose what is asked for
        pseudo = np.linalg.pinv(scaled, rcond=1e-13)
        pseudo = pseudo @ pseudo.T
    errors = np.sqrt(np.diag(pseudo)) / norms
    known = [j for j in range(n) if j not in group]
    np.testing.assert_allclose(result.stderr[known], errors[known], rtol=1e-5)
    assert np.isinf(result.stderr[group]).all()
    assert np.isinf(np.diag(result.cov)[group]).all()
    cov = result.cov[np.ix_(known, known)]
    expected = (pseudo / np.outer(norms, norms))[np.ix_(known, known)]
    np.testing.assert_allclose(cov, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max(initial=0))
    off = ~np.eye(n, dtype=bool)
    off[np.ix_(known, known)] = False
    assert np.isnan(result.cov[off]).all()
    assert np.isnan(result.correlation[off]).all()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_determined_to_ten_digits(seed: int, order: Any) -> None:
    """Whole numbers depend on one another exactly, and 60 digits tell what is right for the rest."""
    columns = np.random.default_rng(seed).integers(-9, 10, (15, 4)) * 1.0
    jac = np.array(np.column_stack([columns, columns[:, 1] + columns[:, 2]]), order=order)
    result = covariance_quietly(jac * [1e12, 1e-12, 1.0, 1e-12, 1e12])
    assert unknown(result) == (1, 2, 4)
    with mpmath.workdps(60):
        exact = mpmath.matrix(columns.tolist())
        cov = np.array(((exact.T * exact) ** -1).tolist(), dtype=float)[np.ix_([0, 3], [0, 3])]
    np.testing.assert_allclose(result.cov[np.ix_([0, 3], [0, 3])] * [[1e24, 1], [1, 1e-24]], cov, rtol=1e-10)


def test_what_is_determined_has_the_same_answer_without_the_rest():
    jac = RNG.normal(size=(20, 3))
    more = np.column_stack([jac, jac[:, 1] * 1e7, np.zeros(20)])
    result, plain = covariance_quietly(more), covariance(jac)
    assert unknown(result) == (1, 3, 4)
    assert result.rank == 3
    np.testing.assert_allclose(result.stderr[[0, 2]], plain.stderr[[0, 2]], rtol=1e-13)
    np.testing.assert_allclose(result.cov[0, 2], plain.cov[0, 2], rtol=1e-12)


def test_zero_columns():
    jac = np.zeros((5, 3))
    jac[:, 1] = 2
    result = covariance_quietly(jac)
    assert unknown(result) == (0, 2)
    assert result.stderr[1] == pytest.approx(1 / np.sqrt(20), rel=1e-15)
    with pytest.warns(UnidentifiableWarning, match=r"parameters x\[0\], x\[1\], x\[2\]: the Jacobian has rank 0"):
        assert covariance(np.zeros((5, 3))).rank == 0


def test_nearly_dependent_is_still_determined():
    """A standard error of a million is an answer; so is its neighbour's."""
    jac = RNG.normal(size=(20, 3))
    jac[:, 2] = jac[:, 0] + 1e-6 * jac[:, 2]
    result = covariance(jac)
    assert result.rank == 3
    assert 1e5 < result.stderr[2] < 1e7
    assert result.stderr[1] < 1
    assert result.cond > 1e5


def test_rank_deficient_and_nearly_dependent_at_once():
    """Rounding turns the null space towards a column that is nearly dependent; that one is determined all the same."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        jac = rng.normal(size=(15, 5))
        jac[:, 1] = jac[:, 0] + 1e-9 * jac[:, 1]
        jac[:, 4] = jac[:, 2] - jac[:, 3]
        assert unknown(covariance_quietly(jac)) == (2, 3, 4)


@pytest.mark.parametrize(("m", "n"), [(0, 3), (1, 2), (2, 3), (5, 40)])
def test_fewer_rows_than_columns(m: int, n: int) -> None:
    result = covariance_quietly(RNG.normal(size=(m, n)))
    assert result.rank == m
    assert unknown(result) == tuple(range(n))
    assert np.isinf(result.stderr).all()


def test_fewer_rows_that_determine_a_parameter():
    result = covariance_quietly([[0.0, 2.0, 0.0], [1.0, 0.0, 1.0]])
    assert unknown(result) == (0, 2)
    assert result.stderr[1] == 0.5


def test_many_unidentifiable_parameters_are_counted():
    with pytest.warns(UnidentifiableWarning, match=r"x\[11\] and 8 more: the Jacobian has rank 1 for 20 parameters"):
        covariance(np.ones((30, 20)))


def test_rtol_is_the_error_of_the_jacobian():
    jac = RNG.normal(size=(20, 3))
    jac[:, 2] = jac[:, 0] - jac[:, 1] + 1e-8 * RNG.normal(size=20)
    assert covariance(jac).rank == 3
    assert unknown(covariance_quietly(jac, rtol=1e-6)) == (0, 1, 2)
    assert covariance(np.eye(3), rtol=0).rank == 3


def test_lower_rank_always_has_its_parameters():
    """However much an error of the Jacobian would explain."""
    result = covariance_quietly(np.ones((20, 2)), rtol=0.9)
    assert result.rank == 1
    assert unknown(result) == (0, 1)


def test_triangle_of_a_fit_has_the_covariance_of_the_fit():
    """Any matrix with the Jacobian's RᵀR will do; here that of leastsq, whose columns are in another order."""
    t = np.linspace(0, 4, 30)
    noise = 0.01 * RNG.normal(size=30)
    _, cov_x, infodict, _, _ = leastsq(
        lambda x: x[0] * np.exp(-x[1] * t) + x[2] - np.exp(-t) - noise, [1.2, 0.8, 0.1], full_output=True
    )
    assert cov_x is not None
    result, order = covariance(np.triu(infodict["fjac"].T[:3]), variance=2.0), infodict["ipvt"]
    np.testing.assert_allclose(result.cov, 2 * cov_x[np.ix_(order, order)], rtol=1e-12)
    assert unknown(result) == ()


# ----------------------------------------------------------------------- the same from every function


@pytest.mark.parametrize("sine", [0, 1e-15, 1e-12, 1e-9, 1e-7, 1e-6, 1e-3])
@pytest.mark.parametrize("given", [True, False], ids=["Jacobian", "differences"])
def test_every_function_finds_the_same_rank(given: bool, sine: float) -> None:
    """Of two columns at this angle: by rounding if the Jacobian is given, else by the error of differences."""
    base = np.random.default_rng(7).normal(size=(40, 2))
    base /= np.linalg.norm(base, axis=0)
    jac = np.column_stack([base[:, 0], base[:, 0] + sine * base[:, 1]]) * [1.0, 1e6]
    y = np.random.default_rng(8).normal(size=40)

    def residuals(x: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        return jac[rows] @ x - y[rows]

    def jacobian(x: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        return jac[rows]

    start, blocks = np.array([1.0, 1e-6]), [slice(0, 15), slice(15, 40)]
    expected = 2 if sine > (1e-14 if given else 3e-8) else 1
    assert covariance_quietly(jac, rtol=None if given else 2 * np.sqrt(EPS)).rank == expected
    if not given and 1e-9 < sine < 1e-3:  # x runs to 1e6, and the terms that differ by so little round by as much
        return
    assert least_squares(residuals, start, jacobian if given else "2-point").rank == expected
    blocks_fit = leastsq_blocks(residuals, start, blocks, jac=jacobian if given else None)
    assert blocks_fit.rank == expected
    _, cov_x, _, _, ier = leastsq(residuals, start, Dfun=jacobian if given else None, full_output=True)
    assert ier in (1, 2, 3, 4)
    assert (cov_x is None) == (blocks_fit.cov_x is None) == blocks_fit.unidentifiable.any() == (expected == 1)


def test_blocks_have_the_error_of_their_own_precision() -> None:
    """Columns at an angle of 1e-5 are dependent for differences of single precision residuals."""
    jac = np.array([[1.0, 1.0], [0.0, 1e-5], [1.0, 1.0]])

    def residuals(x: np.ndarray, rows: Any, dtype: Any) -> np.ndarray:
        return (jac[rows] @ x - np.arange(3.0)[rows]).astype(dtype)

    ranks = [leastsq_blocks(residuals, [1, 1], [slice(0, 2), slice(2, 3)], kind).rank for kind in ("f4", "f8")]
    assert ranks == [1, 2]


# -------------------------------------------------------------------------------- from a fit

FIT_T = np.linspace(0, 4, 40)
FIT_Y = 2.5 * np.exp(-1.3 * FIT_T) + 0.4 + 0.05 * np.cos(70 * FIT_T)


def of_fit(x: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
    return raised_decay_of(x, FIT_T[rows], FIT_Y[rows])


def of_fit_jacobian(x: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
    return raised_decay_of_jacobian(x, FIT_T[rows], FIT_Y[rows])


@pytest.mark.parametrize("options", [{}, {"jac": "3-point"}, {"jac": of_fit_jacobian}, {"loss": "huber"}], ids=label)
def test_covariance_of_a_fit_without_bounds_is_the_fits_own(options: Any) -> None:
    fit = least_squares(of_fit, [1, 1, 0], f_scale=0.03, **options)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(covariance(fit), name), fit[name], err_msg=name)


def test_covariance_of_a_fit_disregards_bounds() -> None:
    """The parameter that is held counts as free, in the degrees of freedom as well."""
    fit = least_squares(of_fit, [1, 1, 0], of_fit_jacobian, bounds=(-9, [9, 9, 0.3]))
    assert fit.active_mask.tolist() == [0, 0, 1]
    assert np.isnan(fit.stderr[2])
    variance = np.sum(fit.fun**2) / (40 - 3)
    np.testing.assert_allclose(covariance(fit).cov, covariance(fit.jac, variance=variance).cov, rtol=1e-12)
    np.testing.assert_allclose(covariance(fit, variance=2).cov, covariance(fit.jac, variance=2).cov, rtol=1e-12)


def test_covariance_of_a_fit_leaves_out_what_is_fixed() -> None:
    fit = least_squares(of_fit, [1, 1.5, 0.4], of_fit_jacobian, fixed=[False, False, True], bounds=([0, 1.4, 0], 9))
    assert fit.active_mask.tolist() == [0, -1, 0]
    known = covariance(fit)
    of_free = covariance(fit.jac[:, :2], variance=np.sum(fit.fun**2) / (40 - 2))
    np.testing.assert_allclose(known.cov[:2, :2], of_free.cov, rtol=1e-12)
    assert known.stderr[2] == 0
    assert known.rank == 2


def test_covariance_of_a_fit_in_blocks() -> None:
    fit = leastsq_blocks(of_fit, [1, 1, 0], [slice(0, 15), slice(15, 40)], jac=of_fit_jacobian)
    np.testing.assert_array_equal(covariance(fit).cov, fit.cov)
    np.testing.assert_allclose(covariance(fit, variance=1).cov, fit.cov_x, rtol=1e-12)


@pytest.mark.parametrize("m", [40, 3000])
@pytest.mark.parametrize("given", [True, False], ids=["Jacobian", "differences"])
def test_covariance_of_what_leastsq_gives(given: bool, m: int) -> None:
    """Whether its Jacobian was factored by blocks or not."""
    t = np.linspace(0, 4, m)
    y = 2.5 * np.exp(-1.3 * t) + 0.4 + 0.05 * np.cos(70 * t)
    jacobian = (lambda x: raised_decay_of_jacobian(x, t, y)) if given else None
    x, cov_x, infodict, message, ier = leastsq(
        lambda x: raised_decay_of(x, t, y), [1, 1, 0], Dfun=jacobian, full_output=True
    )
    before = {name: np.copy(value) for name, value in infodict.items()}
    assert cov_x is not None
    variance = np.sum(infodict["fvec"] ** 2) / (m - 3)
    for fit in (infodict, (x, cov_x, infodict, message, ier)):
        np.testing.assert_allclose(covariance(fit).cov, cov_x * variance, rtol=1e-10)
        np.testing.assert_allclose(covariance(fit, variance=4).cov, cov_x * 4, rtol=1e-10)
    for name, value in before.items():
        np.testing.assert_array_equal(infodict[name], value, err_msg=name)


@pytest.mark.parametrize(("given", "sine", "rank"), [(True, 1e-9, 2), (False, 1e-9, 1), (False, 1e-4, 2)])
def test_covariance_of_what_leastsq_gives_knows_the_error_of_differences(given: bool, sine: float, rank: int) -> None:
    jac = np.array([[1.0, 1.0], [0.0, sine], [1.0, 1.0], [2.0, 2.0]])
    dfun = (lambda x: jac) if given else None
    fit = leastsq(lambda x: jac @ x - [1, 0, 2, 1], [1, 1], Dfun=dfun, full_output=True)
    known = covariance_quietly(fit)
    assert known.rank == rank
    assert (fit[1] is None) == (rank == 1)
    assert covariance_quietly(fit, rtol=1e-3).rank == 1


def test_fit_with_parameters_that_are_not_determined_warns() -> None:
    fit = least_squares(lambda x: np.array([x[0] + x[1] - 1, x[0] + x[1], x[0] + x[1] - 4]), [1, 1])
    with pytest.warns(UnidentifiableWarning, match=r"x\[0\], x\[1\]") as caught:
        assert np.isinf(covariance(fit).stderr).all()
    assert [warning.filename for warning in caught] == [__file__]


def test_fit_without_degrees_of_freedom_needs_a_variance() -> None:
    rows = np.array([0, 5, 9])
    exact = least_squares(lambda x: of_fit(x, rows), [1, 1, 0])
    in_blocks = leastsq_blocks(of_fit, [1, 1, 0], [rows])
    by_leastsq = leastsq(lambda x: of_fit(x, rows), [1, 1, 0], full_output=True)
    for fit in (exact, in_blocks, by_leastsq):
        with pytest.raises(InputValueError, match="3 residuals for 3 parameters, and so no degrees of freedom"):
            covariance(fit)
        assert np.isfinite(covariance(fit, variance=1).cov).all()


def test_fit_without_a_finite_jacobian_has_no_covariance() -> None:
    fit = least_squares(of_fit, [1, 1, 0], lambda x: np.full((40, 3), np.nan))
    with pytest.raises(InputValueError, match="no finite Jacobian"):
        covariance(fit)


@pytest.mark.parametrize("option", [{"variance": -1}, {"rtol": 1}, {"variance": "1"}, {"rtol": np.array([0.1, 0.1])}])
def test_options_for_a_fit_are_looked_at(option: Any) -> None:
    fit = leastsq(of_fit, [1, 1, 0], full_output=True)
    for given in (least_squares(of_fit, [1, 1, 0]), fit, np.eye(3)):
        with pytest.raises(OptionError, match=f"{next(iter(option))} is"):
            covariance(given, **option)


@pytest.mark.parametrize(
    "change",
    [{"fvec": np.ones(3)}, {"fjac": np.eye(3)}, {"ipvt": np.array([1, 2, 3])}, {"ipvt": np.array([])}, {"fvec": "abc"}],
    ids=label,
)
def test_infodict_of_no_fit_is_refused(change: dict[str, Any]) -> None:
    infodict = leastsq(of_fit, [1, 1, 0], full_output=True)[2]
    with pytest.raises(ShapeError, match="infodict has"):
        covariance({**infodict, **change})


# -------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused(value: float, order: Any) -> None:
    jac = np.ones((700, 3), order=order)
    jac[[611, 655], 2] = value
    with pytest.raises(InputValueError, match=r"jac has 2 values that are not .*x\[2\] in residual 611"):
        covariance(jac)


def test_too_large_is_refused():
    with pytest.raises(InputValueError, match=r"too large, .* x\[1\] in residual 0 \(1\.7"):
        covariance([[1.0, 1.7e308], [1.0, 1.6e308], [1.0, 0.0]])


@pytest.mark.parametrize("jac", [[[1j, 2]], [["a"]], [[True, False]], [[None]], None])
def test_other_types_are_refused(jac: Any) -> None:
    with pytest.raises(InputTypeError, match="jac must hold real numbers, not"):
        covariance(jac)


@pytest.mark.parametrize("jac", [[1.0, 2.0], 3.0, np.zeros((2, 2, 2)), np.zeros((3, 0)), [[1.0], [1.0, 2.0]]])
def test_other_shapes_are_refused(jac: Any) -> None:
    with pytest.raises(ShapeError, match="jac"):
        covariance(jac)


def test_masked_is_refused():
    with pytest.raises(InputValueError, match="jac has 1 masked value;"):
        covariance(np.ma.array([[1.0, 2.0]], mask=[[False, True]]))


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, "1", 1j, [1.0]])
def test_variance_out_of_range(value: Any) -> None:
    with pytest.raises(OptionError, match="variance is"):
        covariance(np.eye(2), variance=value)


@pytest.mark.parametrize("value", [-1, 1, np.nan, "1"])
def test_rtol_out_of_range(value: Any) -> None:
    with pytest.raises(OptionError, match="rtol is"):
        covariance(np.eye(2), rtol=value)


def test_float32_and_integers_are_taken():
    np.testing.assert_array_equal(covariance(np.eye(2, dtype=np.float32)).cov, np.eye(2))
    np.testing.assert_array_equal(covariance(np.eye(2, dtype=int)).cov, np.eye(2))


# -------------------------------------------------------------------------------------- result


def test_result_is_frozen_pickles_and_reads_well():
    result = covariance(np.eye(2) * 2)
    with pytest.raises(AttributeError, match="rank of a Covariance cannot be changed"):
        result.rank = 3  # type: ignore[misc]
    other = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(other.cov, result.cov)
    assert repr(other) == repr(result)
    assert "stderr: [0.5 0.5]" in repr(result)


@pytest.mark.parametrize("jac", [np.eye(2), np.ones((4, 3)), np.zeros((3, 1)), np.eye(90) * 1e-200, np.eye(3)[:1]])
def test_reads_well_and_copies_whatever_is_determined(jac: np.ndarray) -> None:
    result = covariance_quietly(jac)
    lines = repr(result).splitlines()
    assert lines[0] == "Covariance"
    place = lines[1].index(": ")
    named = [line for line in lines if line[place : place + 2] == ": " and line[:place].strip()]
    assert [line[:place].strip() for line in named] == FIELDS
    assert all(line in named or line[: place + 2].isspace() for line in lines[1:])
    assert len(lines) < 60
    for other in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(other, field), getattr(result, field))


def test_variance_of_zero_leaves_correlations_and_what_is_not_determined():
    jac = RNG.normal(size=(20, 3))
    jac[:, 1] = 0
    result = covariance_quietly(jac, variance=0)
    np.testing.assert_array_equal(result.stderr, [0, np.inf, 0])
    np.testing.assert_array_equal(np.diag(result.cov), [0, np.inf, 0])
    assert result.correlation[0, 2] == covariance_quietly(jac).correlation[0, 2] != 0


def test_leastsq_gives_no_covariance_of_a_singular_square_jacobian() -> None:
    """Two roundings, as many as there are rows, were too few to see that its columns depend on one another."""
    a = np.array([[46.34400418797067, 9.518348101405682], [-104.46334306959399, -21.455169457089156]])
    assert leastsq(lambda x: a @ x, [1, 1], Dfun=lambda x: a, full_output=True)[1] is None
