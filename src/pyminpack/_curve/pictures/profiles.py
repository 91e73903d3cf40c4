"""Profiles of the parameters, and the joint regions of pairs, with what the linear model says beside them.

The grid is that of the profile pair sketches of Bates and Watts (1988, section 6.1.3).
"""

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..._errors import OptionError
from ..regions.contour import Contour, wald_ellipse
from ..regions.smooth import Smooth
from .style import CURVE, DATA, GREY, panels, percent, tidy

if TYPE_CHECKING:
    from ..fit import CurveFit

_SIZE: Final = 2.6  # of a panel, in inches
_MARGIN: Final = 0.06  # beside a region, relative to its width
_OPEN: Final = 2.0  # how far an open side is shown, relative to the width of what is closed


def plot_profiles(fit: "CurveFit", level: float, names: Any, ax: Any, tick: Any) -> Any:
    """Profiles on the diagonal, pairs below it."""
    numbers = numbers_of(fit, names)
    n = len(numbers)
    picture, axes = panels(ax, n, n, (_SIZE * n + 0.8 if n > 1 else 5.0, _SIZE * n + 0.4 if n > 1 else 3.6))
    ranges: dict[int, tuple[float, float]] = {}
    words = (fit.names[numbers[0]], fit.names[numbers[1]]) if n == 2 else ("abscissa", "ordinate")
    for row in range(n):
        for column in range(row):
            a, b = numbers[column], numbers[row]
            _draw_pair(axes[row, column], fit, a, b, level, ranges, words)
            tick()
    for k, number in enumerate(numbers):
        _draw_profile(axes[k, k], fit, number, level, ranges)
        tick()
    for row in range(n):
        for column in range(n):
            panel = axes[row, column]
            if column > row:
                panel.set_visible(False)
                continue
            panel.set_xlim(ranges[numbers[column]])
            if column < row:
                panel.set_ylim(ranges[numbers[row]])
                if column > 0:
                    panel.tick_params(labelleft=False)
            if row < n - 1:
                panel.tick_params(labelbottom=False)
            else:
                panel.set_xlabel(fit.names[numbers[column]])
            if column == 0 and row > 0:
                panel.set_ylabel(fit.names[numbers[row]])
            tidy(panel)
            _few_ticks(panel)
    if n == 1 or ax is not None:
        axes[0, 0].legend(frameon=False, loc="lower right", fontsize="small", handlelength=1.6)
    else:
        _legend_in_corner(axes)
        picture.align_ylabels()
    return picture


def numbers_of(fit: "CurveFit", names: Any) -> list[int]:
    """The parameters that are asked for; the default is all that are not fixed."""
    if names is None:
        return [int(j) for j in np.flatnonzero(~fit.result._fixed)]
    numbers = [fit._number(name) for name in ([names] if isinstance(names, str) else names)]
    if not numbers or any(fit.result._fixed[j] for j in numbers):
        raise OptionError("names must be parameters that are not fixed, one at least")
    return numbers


def _legend_in_corner(axes: Any) -> None:
    """One legend for all, where there are no panels."""
    handles, labels = axes[-1, 0].get_legend_handles_labels()
    labels = [f"profile; {label}" if label.startswith("joint") else label for label in labels]  # drawn alike
    box = axes[0, 1]
    box.set_visible(True)
    box.axis("off")
    legend = box.legend(handles, labels, frameon=False, loc="upper left", fontsize="small")
    legend.set_in_layout(False)  # it may be wider than a panel


def _draw_profile(ax: Any, fit: "CurveFit", j: int, level: float, ranges: dict[int, tuple[float, float]]) -> None:
    """The root of the growth of chi-squared, with its sign; a straight line where the model is linear."""
    half = fit._half_width(level)
    profile = fit._profile(j)
    ends = profile.interval(half)
    values, tau = profile.values, profile.tau
    if j not in ranges:
        ranges[j] = _range_of(float(fit.x[j]), ends, [half * float(fit.stderr[j])])
    low, high = ranges[j]
    ax.axhline(0, color=GREY, lw=0.7)
    if isfinite(half):
        for side, end in ((-half, ends[0]), (half, ends[1])):
            ax.axhline(side, color=GREY, lw=0.7, ls=":")
            if isfinite(end):
                ax.plot([end, end], [side, 0], color=DATA, lw=1.2)
                ax.plot(end, 0, "|", ms=8, mew=1.4, color=DATA)
        ax.set_ylim(-1.55 * half, 1.55 * half)
        ax.annotate(
            percent(level), (0.03, half), xycoords=("axes fraction", "data"), va="bottom", fontsize="small",
            color=GREY,
        )  # fmt: skip
    if isfinite(fit.stderr[j]) and fit.stderr[j] > 0:
        both = np.array([low, high])
        ax.plot(both, (both - fit.x[j]) / fit.stderr[j], color=GREY, lw=1.1, ls="--", label="linear model")
    ax.plot(*Smooth(values, tau).fine(12), color=CURVE, lw=1.6, label="profile")
    ax.plot(values, tau, "o", ms=3, color=CURVE)
    ax.set_ylabel("τ")


def plot_pair(fit: "CurveFit", a: int, b: int, level: float, ax: Any) -> Any:
    """The region of one pair."""
    picture, axes = panels(ax, 1, 1, (4.8, 4.2))
    ranges: dict[int, tuple[float, float]] = {}
    panel = axes[0, 0]
    _draw_pair(panel, fit, a, b, level, ranges, (fit.names[a], fit.names[b]))
    panel.set(xlabel=fit.names[a], ylabel=fit.names[b], xlim=ranges[a], ylim=ranges[b])
    panel.legend(frameon=False, fontsize="small")
    tidy(panel)
    return picture


def _draw_pair(
    ax: Any,
    fit: "CurveFit",
    a: int,
    b: int,
    level: float,
    ranges: dict[int, tuple[float, float]],
    words: tuple[str, str],
) -> None:
    """The contour, Wald's ellipse, and the traces of the two profiles."""
    contour = fit.contour(a, b, level)
    half = fit._joint_half_width(level)
    ellipse = wald_ellipse(fit, a, b, half)
    for k, j in enumerate((a, b)):
        ends = fit._profile(j).interval(half)
        _widen(ranges, j, _range_of(float(fit.x[j]), ends, abs(ellipse[:, k] - fit.x[j])))
    ax.plot(*ellipse.T, color=GREY, lw=1.1, ls="--", label=f"linear model, {percent(level)}", zorder=1)
    _fill(ax, contour)
    ax.plot(*contour.points.T, color=CURVE, lw=1.6, label=f"joint region, {percent(level)}", zorder=3)
    for j, other, style, label in (
        (a, b, "-", "best {1} for each {0}"),
        (b, a, (0, (4, 1.5, 1, 1.5)), "best {0} for each {1}"),
    ):
        profile = fit._profile(j)
        tau, values = profile.tau, profile.values
        kept = abs(tau) <= 1.05 * half if half > 0 else np.ones(tau.size, bool)
        along, across = Smooth(values[kept], profile.x[kept, other]).fine(12)
        line = (along, across) if j == a else (across, along)
        ax.plot(*line, color=DATA, lw=1.1, ls=style, label=label.format(*words), zorder=2)
    lost = np.flatnonzero(np.isnan(contour.points[:, 0])) - 1
    if lost.size:
        ax.plot(*contour.points[lost].T, "x", color=CURVE, label="not followed beyond", zorder=4)
    ax.plot(fit.x[a], fit.x[b], "+", ms=8, mew=1.4, color="black", label="minimum", zorder=4)


def _fill(ax: Any, contour: Contour) -> None:
    if contour.is_closed:
        ax.fill(*contour.points.T, color=CURVE, alpha=0.12, lw=0, zorder=0)


def _range_of(best: float, ends: tuple[float, float], widths: Any) -> tuple[float, float]:
    """What is shown of a parameter: its interval and Wald's; a part of what has no end."""
    wald = max((float(width) for width in np.ravel(widths) if isfinite(width)), default=0.0)
    low, high = (float(end) - best for end in ends)
    reach = max((abs(end) for end in (low, high) if isfinite(end)), default=wald or abs(best) or 1.0)
    if isfinite(low) and isfinite(high):
        low, high = min(low, -wald), max(high, wald)
        margin = _MARGIN * (high - low)
        return best + low - margin, best + high + margin
    low = min(low, -wald) if isfinite(low) else -_OPEN * reach
    high = max(high, wald) if isfinite(high) else _OPEN * reach
    return best + low - _MARGIN * reach, best + high + _MARGIN * reach


def _widen(ranges: dict[int, tuple[float, float]], j: int, more: tuple[float, float]) -> None:
    low, high = ranges.get(j, more)
    ranges[j] = min(low, more[0]), max(high, more[1])


def _few_ticks(ax: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(5))
