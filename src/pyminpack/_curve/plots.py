"""Pictures of a fit, by matplotlib, which is imported where one is asked for. Figures are returned, none is shown."""

from math import sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .._errors import InputValueError, PyminpackError
from .._model.arrays import Array

if TYPE_CHECKING:
    from .fit import CurveFit

# Two of Okabe and Ito's colours, which the colour-blind tell apart, and which differ in lightness for print in grey.
_CURVE: Final = "#D55E00"
_DATA: Final = "#0072B2"
_POINTS: Final = 400  # of the curve
_MARGIN: Final = 0.03  # of the curve beyond the data, relative to their range


def figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A new figure and its axes; without pyplot, so that none is shown, or kept in memory."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("pictures need matplotlib: pip install 'pyminpack[plot]'") from error
    picture = Figure(figsize=size, layout="constrained")
    return picture, picture.subplots(rows, columns, squeeze=False, **options)


class MissingPackageError(PyminpackError, ImportError):
    """A package that is asked for is not installed."""


def plot_fit(fit: "CurveFit", ax: Any, level: float, grid: Any) -> Any:
    """Data, curve and band; below them the residuals in units of their errors."""
    data = fit._curve.data
    x = np.asarray(data.x, float) if not isinstance(data.x, dict | tuple) else np.empty((0, 0))
    if x.ndim != 1 or x.size != data.y.size or data.y.dtype.kind == "c":
        raise InputValueError("a picture needs one independent variable, and real data: plot fit.predict(x) yourself")
    below = None
    if ax is None:
        picture, axes = figure(2, 1, (6.4, 5.2), sharex=True, height_ratios=[3, 1])
        ax, below = axes[0, 0], axes[1, 0]
    else:
        picture = ax.figure
    errors = fit.errors_of_data
    ax.errorbar(
        x, data.y, None if errors is None else errors, fmt="o", ms=4.5, color=_DATA, ecolor=_DATA, elinewidth=1,
        capsize=0, label="data", zorder=3,
    )  # fmt: skip
    fine = _grid_of(x, ax.get_xscale()) if grid is None else np.asarray(grid, float)
    ax.plot(fine, fit.predict(fine), color=_CURVE, lw=1.6, label="fit", zorder=2)
    low, high = fit.band(fine, level)
    if np.isfinite(low).all():
        ax.fill_between(fine, low, high, color=_CURVE, alpha=0.2, lw=0, label=f"{100 * level:g} % band", zorder=1)
    ax.set_ylabel(data.y_name or "y")
    ax.legend(frameon=False)
    lowest = ax if below is None else below
    lowest.set_xlabel(data.x_name or "x")
    if below is not None:
        scale = sqrt(fit._variance) if fit._variance > 0 else 1.0
        below.axhspan(-2, 2, color="0.5", alpha=0.12, lw=0)
        below.axhline(0, color="0.5", lw=0.8)
        below.plot(x, -fit.result.fun / scale, "o", ms=4, color=_DATA)
        reach = max(3.0, 1.15 * float(np.max(abs(fit.result.fun))) / scale)
        below.set_ylim(-reach, reach)
        below.set_ylabel("residual / error")
        picture.align_ylabels()
    for each in (ax, below):
        if each is not None:
            each.spines[["top", "right"]].set_visible(False)
    return picture


def _grid_of(x: Array, scale: str) -> Array:
    """Points for a smooth curve, a little beyond the data."""
    low, high = float(x.min()), float(x.max())
    if scale == "log":
        return np.geomspace(low, high, _POINTS)
    margin = _MARGIN * (high - low)
    # Zero is often where a model ends: a logarithm, a power, a rate.
    return np.linspace(low - margin if low < 0 or low > margin else low, high + margin, _POINTS)


def plot_profile(fit: "CurveFit", level: float) -> Any:
    """For each parameter, the root of the growth of chi-squared; a straight line where the model is linear."""
    free = [int(j) for j in np.flatnonzero(~fit.result._fixed)]
    columns = min(3, len(free))
    rows = -(-len(free) // columns)
    picture, axes = figure(rows, columns, (3.2 * columns, 2.8 * rows))
    half = fit._half_width(level)
    for ax, j in zip(axes.ravel(), free, strict=False):
        profile = fit._profile(j)
        low, high = profile.interval(half)
        order = np.argsort(profile.values)
        values, tau = profile.values[order], profile.tau[order]
        ax.axhline(0, color="0.5", lw=0.8)
        for side, end in ((-half, low), (half, high)):
            ax.axhline(side, color="0.5", lw=0.8, ls=":")
            if np.isfinite(end):
                ax.plot([end, end], [side, 0], color=_DATA, lw=1)
        if np.isfinite(fit.stderr[j]) and fit.stderr[j] > 0:
            ax.plot(values, (values - fit.x[j]) / fit.stderr[j], color="0.6", lw=1, ls="--", label="linear model")
        ax.plot(values, tau, "o-", ms=3.5, color=_CURVE, lw=1.4, label="profile")
        ax.set_ylim(-1.4 * half, 1.4 * half)
        ax.set_xlabel(fit.names[j])
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("τ")
    axes[0, 0].legend(frameon=False)
    for ax in axes.ravel()[len(free) :]:
        ax.set_visible(False)
    return picture
