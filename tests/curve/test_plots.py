"""Pictures: what they show; that nothing is imported or shown before, or by, them."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from models import T, Y
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import InputValueError, OptionError, curve_fit

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
    nameless = Figure().subplots()
    curve_fit(lambda time, a, b: decay(time, a, b), T, Y).plot(nameless)
    assert nameless.get_xlabel() == "time"  # as the model calls it
    np.testing.assert_allclose(fit.errors_of_data, 0.1 * fit.reduced_chi2**0.5)


def test_picture_of_profiles(tmp_path: Any) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    figure = fit.plot_profile()
    shown = [ax for ax in figure.axes if ax.axison]
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in shown] == [("", "τ"), ("Vmax", "Km"), ("Km", "τ")]
    lines = {line.get_label(): line for line in shown[1].lines}
    np.testing.assert_array_equal(lines["joint region, 95 %"].get_xydata(), fit.contour(0, 1).points)
    assert {"linear model, 95 %", "best Km for each Vmax", "best Vmax for each Km", "minimum"} <= set(lines)
    figure.savefig(tmp_path / "profile.png")


def test_pictures_on_given_axes() -> None:
    from matplotlib.figure import Figure

    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    for draw, count in (
        (fit.plot_diagnostics, 4),
        (fit.plot_convergence, 1),
        (fit.plot_profile, 4),
        (lambda ax: fit.plot_profile(names="Km", ax=ax), 1),
        (lambda ax: fit.plot_contour("Km", "Vmax", ax=ax), 1),
    ):
        axes = Figure().subplots(1, count)
        assert draw(ax=axes) is np.ravel(axes)[0].figure
        assert all(ax.has_data() or not ax.axison or not ax.get_visible() for ax in np.ravel(axes))
        with pytest.raises(OptionError, match="the picture needs"):
            draw(ax=Figure().subplots(1, count + 1))
    with pytest.raises(OptionError, match="not fixed"):
        curve_fit(reaction, CONCENTRATION, VELOCITY, START, fixed={"Km"}).plot_profile(names=["Km"])


def test_picture_of_residuals(tmp_path: Any) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    figure = fit.plot_diagnostics()
    fitted, normal, weight, order = figure.axes
    np.testing.assert_allclose(fitted.lines[-1].get_xydata(), np.stack([fit.fitted, fit.studentized_residuals], 1))
    quantiles, residuals = normal.lines[-1].get_data()
    np.testing.assert_array_equal(residuals, np.sort(fit.studentized_residuals))
    np.testing.assert_allclose(quantiles, -quantiles[::-1], atol=1e-12)
    leverage, size = weight.lines[-4].get_data()  # the first of four lines of equal distance
    np.testing.assert_allclose(size**2 * leverage / ((1 - leverage) * 2), 0.5)
    assert order.get_title().startswith("8 runs")
    figure.savefig(tmp_path / "residuals.png")


def test_picture_of_residuals_of_any_data(tmp_path: Any) -> None:
    """Complex data, two independent variables, many points, a point that determines its own fit."""
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 20), np.linspace(0, 1, 20)))
    wave = np.exp(1j * T)
    for fit in (
        curve_fit(lambda x, a: a * np.exp(1j * x), T, 2 * wave + 0.1 * np.cos(40 * T)),
        curve_fit(lambda x, a, b: a * x[0] + b * x[1], grid, grid[0] + np.cos(50 * grid[1])),
        curve_fit(lambda x, a, b: a * (x == 0) + b, T, Y),
    ):
        fit.plot_diagnostics().savefig(tmp_path / "residuals.png")


def test_picture_of_convergence(tmp_path: Any) -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    figure = fit.plot_convergence()
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_array_equal(lines["offset: distance to go"].get_ydata(), fit.convergence.offset)
    figure.savefig(tmp_path / "convergence.png")


def test_data_without_a_picture() -> None:
    grid = np.meshgrid(np.arange(3.0), np.arange(4.0))
    fit = curve_fit(lambda x, a: a * x[0] + x[1], np.stack(grid), 2 * grid[0] + grid[1] + 0.1)
    with pytest.raises(InputValueError, match="one independent variable"):
        fit.plot()
