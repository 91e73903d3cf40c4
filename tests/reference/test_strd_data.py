"""The NIST data sets are what NIST certifies, and their models differentiate correctly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from problems.strd import DATA, StrdDataset, correct_digits, load, names

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=names())
def dataset(request: pytest.FixtureRequest) -> StrdDataset:
    return load(request.param)


def qr_scaled(jacobian: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Factor a Jacobian whose columns are first scaled to length 1; also gives the lengths."""
    lengths = np.linalg.norm(jacobian, axis=0)
    return *np.linalg.qr(jacobian / lengths), lengths


def test_every_data_file_has_its_model() -> None:
    assert sorted(f"{name.lower()}.toml" for name in names()) == sorted(path.name for path in DATA.glob("*/*"))
    assert len(names()) == 27
    assert {load(name).level for name in names()} == {"lower", "average", "higher"}


def test_figures_fit_together(dataset: StrdDataset) -> None:
    m, n = dataset.y.size, dataset.certified.size
    assert len(dataset.x) == m
    assert dataset.starts.shape == (2, n)
    assert dataset.certified_se.shape == (n,)
    assert dataset.dof == m - n
    assert np.sqrt(dataset.rss / dataset.dof) == pytest.approx(dataset.rsd, rel=1e-10, abs=0)


def test_residual_sum_of_squares_is_the_certified_one(dataset: StrdDataset) -> None:
    rss = np.sum(dataset.residuals(dataset.certified) ** 2)
    if dataset.name == "Lanczos1":
        # The residuals, 1e-13, are smaller than what rounding the parameters to 11 digits does to the
        # predictions: half a unit of the last printed digit in each bounds the change.
        last_digit = 10.0 ** (np.floor(np.log10(dataset.certified)) - 10)
        rounding = np.abs(dataset.jacobian(dataset.certified)) @ (last_digit / 2)
        assert np.sqrt(rss) < np.sqrt(dataset.rss) + np.linalg.norm(rounding)
    else:
        assert rss == pytest.approx(dataset.rss, rel=1e-9, abs=0)


def test_certified_parameters_are_a_minimum(dataset: StrdDataset) -> None:
    q, r, lengths = qr_scaled(dataset.jacobian(dataset.certified))
    step = -np.linalg.solve(r, q.T @ dataset.residuals(dataset.certified)) / lengths
    assert np.all(correct_digits(dataset.certified + step, dataset.certified) > 9)


def test_certified_standard_errors_follow_from_the_jacobian(dataset: StrdDataset) -> None:
    _, r, lengths = qr_scaled(dataset.jacobian(dataset.certified))
    standard_errors = np.linalg.norm(np.linalg.inv(r), axis=1) / lengths * dataset.rsd
    assert np.all(correct_digits(standard_errors, dataset.certified_se) > 8)


def test_jacobian_agrees_with_complex_step(dataset: StrdDataset) -> None:
    h = 1e-150
    for b in (*dataset.starts, dataset.certified):
        steps = b + 1j * h * np.eye(b.size)
        by_complex_step = np.column_stack([dataset.residuals(step).imag / h for step in steps])
        scale = np.max(np.abs(by_complex_step), axis=0)
        np.testing.assert_allclose(dataset.jacobian(b) / scale, by_complex_step / scale, rtol=0, atol=1e-13)


@pytest.mark.parametrize("start", [1, 2])
def test_problem_is_the_fit_of_the_data(dataset: StrdDataset, start: int) -> None:
    problem = dataset.problem(start)
    assert problem.name == f"{dataset.name}/{start}"
    np.testing.assert_array_equal(problem.start, dataset.starts[start - 1])
    response = np.log(dataset.y) if dataset.name == "Nelson" else dataset.y
    np.testing.assert_array_equal(problem.residuals(problem.start), dataset.model(problem.start) - response)
    assert problem.residuals(problem.start).shape == (problem.m,)
    assert problem.jacobian(problem.start).shape == (problem.m, problem.n)


def test_problem_refuses_a_third_start() -> None:
    with pytest.raises(ValueError, match="start is 3"):
        load("Thurber").problem(3)


def test_shared_arrays_cannot_be_changed(dataset: StrdDataset) -> None:
    assert load(dataset.name) is dataset
    with pytest.raises(ValueError, match="read-only"):
        dataset.certified[0] = 0
    problem = dataset.problem(1)
    problem.start[0] += 1
    assert problem.start[0] != dataset.starts[0, 0]


@pytest.mark.parametrize("factor", [0.0, -1e5, 1e300])
def test_wild_trial_points_raise_no_warning(dataset: StrdDataset, factor: float) -> None:
    wild = factor * dataset.certified
    assert dataset.residuals(wild).shape == dataset.y.shape
    assert dataset.jacobian(wild).shape == (dataset.y.size, wild.size)


def test_correct_digits_counts_agreeing_digits() -> None:
    certified = np.array([2.0, -2.0, 2e-9, 0.0, 0.0])
    value = np.array([2.02, -2.0002, 2.000002e-9, 1e-3, -1e-7])
    np.testing.assert_allclose(correct_digits(value, certified), [2, 4, 6, 3, 7], atol=1e-6)


def test_correct_digits_stays_within_what_is_certified() -> None:
    certified = np.array([1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    value = np.array([1.0, 1 + 1e-15, 0.0, -5.0, 20.0, np.nan, np.inf])
    np.testing.assert_array_equal(correct_digits(value, certified), [11, 11, 11, 0, 0, 0, 0])


def test_starting_points_are_not_the_answer(dataset: StrdDataset) -> None:
    for start in dataset.starts:
        assert np.min(correct_digits(start, dataset.certified)) < 3
