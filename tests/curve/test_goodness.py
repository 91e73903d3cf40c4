"""Runs of signs, the way to the minimum, and bars that count fits."""

import itertools
import sys
from typing import Any

import numpy as np
import pytest

from models import T, Y
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import CurveFit, OptionError, PyminpackError, curve_fit
from pyminpack._curve import goodness
from pyminpack._curve.goodness import probability_of_so_few


def decay(x: np.ndarray, a: float, b: float) -> np.ndarray:
    return a * np.exp(-b * x)


# ------------------------------------------------------------------------------------------------ runs


@pytest.mark.parametrize(("positive", "negative"), [(1, 1), (3, 5), (6, 2), (4, 4), (0, 5)])
def test_probability_of_few_runs_by_counting_all_orders(positive: int, negative: int) -> None:
    n = positive + negative
    counts = []
    for places in itertools.combinations(range(n), positive):
        signs = np.isin(np.arange(n), places)
        counts.append(1 + np.count_nonzero(signs[1:] != signs[:-1]))
    for runs in range(1, n + 1):
        expected = np.mean(np.array(counts) <= runs)
        assert probability_of_so_few(runs, positive, negative) == pytest.approx(expected, rel=1e-12)


def test_exact_and_approximate_probabilities_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = [probability_of_so_few(runs, 500, 500) for runs in (464, 480, 501)]
    monkeypatch.setattr(goodness, "_EXACT_UP_TO", 999)
    beyond = [probability_of_so_few(runs, 500, 500) for runs in (464, 480, 501)]
    assert beyond != exact
    np.testing.assert_allclose(beyond, exact, rtol=3e-3)


def test_runs_are_counted_by_x() -> None:
    x = np.array([3.0, 1, 2, 0, 5, 4])
    fit = curve_fit(lambda x, a: a + 0 * x, x, [1.0, -1, 1, -1, 2, -2])  # by x: - - + + - +
    assert (fit.runs.number, fit.runs.positive, fit.runs.negative, fit.runs.expected) == (4, 3, 3, 4.0)
    assert fit.runs.p_value == pytest.approx(14 / 20)


def test_runs_of_complex_data_are_those_of_their_parts() -> None:
    y = np.array([1, -1, 1, -1]) + 1j * np.array([1, 1, -1, -1])
    fit = curve_fit(lambda x, a: a + 0j * x, np.arange(4.0), y)
    assert fit.runs.number == 6  # + - + - and + + - -, one after the other
    assert fit.runs.positive == 4


def test_report_tells_of_a_curve_that_misses_the_data() -> None:
    x = np.linspace(0, 4, 40)
    y = decay(x, 3, 1.5) + 0.4
    assert "keep their sign too long" in str(curve_fit(decay, x, y))
    assert "keep their sign" not in str(curve_fit(lambda x, a, b, c: decay(x, a, b) + c, x, y))  # rounding has no runs
    assert "keep their sign" not in str(curve_fit(reaction, CONCENTRATION, VELOCITY, START))


# ------------------------------------------------------------------------------------------------ convergence


def test_convergence_goes_from_the_start_to_the_minimum(puromycin: CurveFit) -> None:
    way = puromycin.convergence
    np.testing.assert_array_equal(way.x[0], puromycin.start)
    assert way.cost[0] == puromycin.start_cost
    assert (np.diff(way.cost) <= 0).all()
    np.testing.assert_allclose(way.x[-1], puromycin.x, rtol=1e-6)
    assert way.step.size == way.cost.size - 1 == puromycin.result.nit
    assert way.offset[-1] <= 1e-3 < way.offset[0]
    np.testing.assert_allclose(way.step[-3:], way.offset[-4:-1], rtol=0.02)  # full steps of Gauss and Newton


def test_offset_on_the_way_is_that_of_the_definition(puromycin: CurveFit) -> None:
    at_start = puromycin.convergence.x[0]
    x, km = CONCENTRATION, at_start[1]
    jacobian = np.stack([x / (km + x), -at_start[0] * x / (km + x) ** 2], axis=1)
    q = np.linalg.qr(jacobian)[0]
    r = reaction(x, *at_start) - VELOCITY
    along = q.T @ r
    across = r @ r - along @ along
    expected = np.sqrt((along @ along / 2) / (across / 10))
    assert puromycin.convergence.offset[0] == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------------------------ progress


def calls_with_progress() -> list[Any]:
    return [
        lambda fit: fit.bootstrap(5, seed=1, progress=True),
        lambda fit: fit.interval(method="profile", progress=True),
    ]


@pytest.mark.parametrize("call", calls_with_progress())
def test_progress_shows_a_bar(call: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    call(curve_fit(decay, T, Y))
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize("call", calls_with_progress())
def test_progress_without_tqdm_names_the_extra(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"pyminpack\[progress\]") as caught:
        call(curve_fit(decay, T, Y))
    assert isinstance(caught.value, PyminpackError)


def test_no_bar_by_default(puromycin: CurveFit, capsys: pytest.CaptureFixture[str]) -> None:
    puromycin.bootstrap(3, seed=1)
    assert capsys.readouterr().err == ""
    with pytest.raises(OptionError, match="progress"):
        puromycin.bootstrap(3, progress=2)  # type: ignore[arg-type]
