"""The data, the curve and its band; the residuals below."""

from math import sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..._errors import InputValueError
from ..._model.arrays import Array
from ..goodness import one_variable
from ..parameters import variable_of
from .style import CURVE, DATA, panels, percent, tidy

if TYPE_CHECKING:
    from ..fit import CurveFit

_POINTS: Final = 400  # of the curve
_MARGIN: Final = 0.03  # of the curve beyond the data, relative to their range


def plot_fit(fit: "CurveFit", ax: Any, level: float, grid: Any) -> Any:
    """Data, curve and band; below them the residuals in units of their errors."""
    data = fit._curve.data
    x = one_variable(data.x, data.y.size)
    if x is None or data.y.dtype.kind == "c":
        raise InputValueError(
            "a picture needs one independent variable, and real data: plot fit.predict(x) yourself, or look at "
            "fit.plot_diagnostics()"
        )
    below = None
    if ax is None:
        picture, axes = panels(None, 2, 1, (6.4, 5.2), sharex=True, height_ratios=[3, 1])
        ax, below = axes[0, 0], axes[1, 0]
    else:
        picture = ax.figure
    errors = fit.errors_of_data
    ax.errorbar(
        x, data.y, None if errors is None else errors, fmt="o", ms=4.5, color=DATA, ecolor=DATA, elinewidth=1,
        capsize=0, label="data", zorder=3,
    )  # fmt: skip
    fine = _grid_of(x, ax.get_xscale()) if grid is None else np.asarray(grid, float)
    ax.plot(fine, fit.predict(fine), color=CURVE, lw=1.6, label="fit", zorder=2)
    low, high = fit.band(fine, level)
    if np.isfinite(low).all():
        ax.fill_between(fine, low, high, color=CURVE, alpha=0.2, lw=0, label=f"{percent(level)} band", zorder=1)
    ax.set_ylabel(data.y_name or "y")
    ax.legend(frameon=False)
    lowest = ax if below is None else below
    lowest.set_xlabel(data.x_name or variable_of(fit._curve.require_model()))
    if below is not None:
        scale = sqrt(fit._variance) if fit._variance > 0 else 1.0
        below.axhspan(-2, 2, color="0.5", alpha=0.12, lw=0)
        below.axhline(0, color="0.5", lw=0.8)
        below.plot(x, -fit.result.fun / scale, "o", ms=4, color=DATA)
        reach = max(3.0, 1.15 * float(np.max(abs(fit.result.fun))) / scale)
        below.set_ylim(-reach, reach)
        below.set_ylabel("residual / error")
        picture.align_ylabels()
    tidy(ax, *([] if below is None else [below]))
    return picture


def _grid_of(x: Array, scale: str) -> Array:
    """Points for a smooth curve, a little beyond the data."""
    low, high = float(x.min()), float(x.max())
    if scale == "log":
        return np.geomspace(low, high, _POINTS)
    margin = _MARGIN * (high - low)
    # Zero is often where a model ends: a logarithm, a power, a rate.
    return np.linspace(low - margin if low < 0 or low > margin else low, high + margin, _POINTS)
