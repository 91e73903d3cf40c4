"""Residuals in four pictures: against the curve, their distribution, their weight in the fit, their order."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..._model.arrays import Array
from ..goodness import in_order, one_variable
from ..quantiles import f_quantile, normal_quantile
from .style import CURVE, DATA, GREY, panels, percent, tidy

if TYPE_CHECKING:
    from ..fit import CurveFit

_LEVEL: Final = 0.95
_MOST_QUANTILES: Final = 60  # at which the band of the normal plot is computed
_COOK: Final = (0.5, 1.0)  # Cook and Weisberg (1982): distances above 0.5 are worth a look, those above 1 always are
_MOST_NAMED: Final = 5  # points of a large distance that get their number


def plot_diagnostics(fit: "CurveFit", ax: Any) -> Any:
    """The four panels."""
    picture, axes = panels(ax, 2, 2, (8.0, 6.4))
    r = fit.studentized_residuals
    known = np.isfinite(r)
    reach = max(2.6, 1.12 * float(np.max(abs(r[known]), initial=0)))
    _against_fitted(axes[0, 0], fit, r, reach)
    _normal(axes[0, 1], r[known])
    _weights(axes[1, 0], fit, r, reach)
    _order(axes[1, 1], fit, r, reach)
    tidy(*axes.ravel())
    return picture


def _points(ax: Any, x: Array, y: Array) -> None:
    many = x.size > 300
    ax.plot(x, y, "o", ms=2.5 if many else 4.5, alpha=0.5 if many else 0.9, mew=0, color=DATA, zorder=3)


def _zero(ax: Any, reach: float) -> None:
    ax.axhspan(-2, 2, color="0.5", alpha=0.12, lw=0)
    ax.axhline(0, color=GREY, lw=0.8)
    ax.set_ylim(-reach, reach)


def _against_fitted(ax: Any, fit: "CurveFit", r: Array, reach: float) -> None:
    fitted = np.ascontiguousarray(fit.fitted)
    fitted = fitted.view(np.float64).ravel() if fitted.dtype.kind == "c" else fitted.ravel()
    _zero(ax, reach)
    _points(ax, fitted, r)
    name = fit._curve.data.y_name
    ax.set(title="Against the curve", xlabel=f"fitted {name or 'value'}", ylabel="studentized residual")


def _normal(ax: Any, r: Array) -> None:
    """Residuals in order against the normal quantiles, with the band of each order's distribution."""
    m = r.size
    ax.set(title="Normal plot", xlabel="normal quantile", ylabel="studentized residual")
    if m == 0:
        return
    ranks = np.arange(1, m + 1)
    quantiles = np.array([normal_quantile(p) for p in (ranks - 0.375) / (m + 0.25)])  # Blom (1958)
    # The k-th smallest of m probabilities has the distribution Beta(k, m - k + 1).
    some = np.unique(np.round(_spread(m)).astype(int))
    band = np.array([[normal_quantile(_beta_quantile(p, k, m + 1 - k)) for p in _TAILS] for k in some.tolist()])
    ax.fill_between(quantiles[some - 1], *band.T, color="0.5", alpha=0.15, lw=0, label=f"{percent(_LEVEL)} of each")
    ends = quantiles[[0, -1]]
    ax.plot(ends, ends, color=GREY, lw=0.9)
    _points(ax, quantiles, np.sort(r))
    ax.legend(frameon=False, fontsize="small", loc="upper left")


_TAILS: Final = (0.5 - 0.5 * _LEVEL, 0.5 + 0.5 * _LEVEL)


def _spread(m: int) -> Array:
    """Ranks from 1 to m, close together at either end, where the band bends."""
    if m <= _MOST_QUANTILES:
        return np.arange(1.0, m + 1)
    return 1 + (m - 1) * 0.5 * (1 - np.cos(np.linspace(0, np.pi, _MOST_QUANTILES)))


def _beta_quantile(p: float, a: int, b: int) -> float:
    ratio = a / b * f_quantile(p, 1 - p, 2 * a, 2 * b)
    return ratio / (1 + ratio)


def _weights(ax: Any, fit: "CurveFit", r: Array, reach: float) -> None:
    """The leverage, with lines of equal distance by Cook."""
    h, k = fit.leverage, max(1, int(np.count_nonzero(fit.free)))
    _zero(ax, reach)
    _points(ax, h, r)
    largest = float(np.max(h[np.isfinite(h)], initial=0.05))
    right = min(1.0, 1.15 * largest)
    line = np.linspace(right / 500, min(right, 0.999), 500)
    for distance, style in zip(_COOK, ("--", "-"), strict=True):
        size = np.sqrt(distance * k * (1 - line) / line)
        for side in (-1, 1):
            ax.plot(line, side * size, color=CURVE, lw=1, ls=style)
        # Its name is where it leaves the panel: to the right, or above.
        if size[-1] <= reach:
            _name(ax, distance, (right, float(size[-1])), ha="left", va="center")
        elif (place := distance * k / (distance * k + reach**2)) < right:
            _name(ax, distance, (place, reach), ha="left", va="top")
    ax.set_xlim(0, right)
    ax.set_ylim(-reach, reach)
    distances = np.nan_to_num(fit.cooks_distance)
    for point in np.argsort(-distances)[:_MOST_NAMED].tolist():
        if distances[point] > _COOK[0] and np.isfinite(r[point]):
            ax.annotate(f"{point}", (h[point], r[point]), (4, 4), textcoords="offset points", fontsize="small")
    ax.set(xlabel="leverage", ylabel="studentized residual")
    ax.set_title("Weight, with Cook's distance")
    ax.locator_params(axis="x", nbins=5)


def _name(ax: Any, distance: float, place: tuple[float, float], **alignment: str) -> None:
    """The distance beside its line."""
    ax.annotate(
        f"{distance:g}", place, (3, 0), textcoords="offset points", fontsize="small", color=CURVE,
        annotation_clip=False, **alignment,
    )  # fmt: skip


def _order(ax: Any, fit: "CurveFit", r: Array, reach: float) -> None:
    """Residuals by their place, and their runs of signs."""
    ordered = in_order(fit, r)
    place = np.arange(float(ordered.size))
    _zero(ax, reach)
    ax.vlines(place, 0, ordered, color=DATA, lw=0.8 if place.size < 300 else 0.3, alpha=0.6)
    _points(ax, place, ordered)
    runs, data = fit.runs, fit._curve.data
    by_x = one_variable(data.x, data.y.size) is not None
    ax.set(xlabel=f"place by {data.x_name or 'x'}" if by_x else "place in the data", ylabel="studentized residual")
    ax.set_title(f"{runs.number} runs, {runs.expected:.1f} expected, p = {runs.p_value:.2g}")
