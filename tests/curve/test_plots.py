"""Pictures: what they show; that nothing is imported or shown before, or by, them."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from models import T, Y
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import InputValueError, curve_fit

pytest.importorskip("matplotlib")

# matplotlib and what it imports warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


def decay(x: Any, a: float, b: float) -> Any:
    return a * np.exp(-b * x)


def test_matplotlib_is_not_imported_before_a_picture() -> None:
    code = (
        "import sys, pyminpack; fit = pyminpack.curve_fit(lambda x, a: a*x, [1, 2, 3], [1, 2, 4]); fit.report();"
        "assert 'matplotlib' not in sys.modules; fit.plot(); assert 'matplotlib' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_picture_of_a_fit(tmp_path: Any) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    figure = fit.plot()
    top, below = figure.axes
    labels = [text.get_text() for text in top.get_legend().get_texts()]
    assert sorted(labels) == ["95 % band", "data", "fit"]
    x, y = top.lines[1].get_data()
    np.testing.assert_allclose(y, fit.predict(x))
    assert x.min() <= CONCENTRATION.min()
    residuals = below.lines[-1].get_ydata()
    np.testing.assert_allclose(residuals, fit.residuals / fit.reduced_chi2**0.5)
    figure.savefig(tmp_path / "fit.png")


def test_picture_on_given_axes_with_the_names_of_the_data() -> None:
    pandas = pytest.importorskip("pandas")
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    table = pandas.DataFrame({"time / s": T, "height / m": Y})
    fit = curve_fit(decay, table["time / s"], table["height / m"], sigma=0.1)
    assert fit.plot(ax, grid=[0, 1, 2]) is ax.figure
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time / s", "height / m")
    np.testing.assert_allclose(fit.errors_of_data, 0.1 * fit.reduced_chi2**0.5)


def test_picture_of_profiles(tmp_path: Any) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    figure = fit.plot_profile()
    assert [ax.get_xlabel() for ax in figure.axes] == ["Vmax", "Km"]
    figure.savefig(tmp_path / "profile.png")


def test_data_without_a_picture() -> None:
    grid = np.meshgrid(np.arange(3.0), np.arange(4.0))
    fit = curve_fit(lambda x, a: a * x[0] + x[1], np.stack(grid), 2 * grid[0] + grid[1] + 0.1)
    with pytest.raises(InputValueError, match="one independent variable"):
        fit.plot()
