"""How a fit went to its minimum."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .style import CURVE, DATA, GREY, panels, tidy

if TYPE_CHECKING:
    from ..fit import CurveFit

_SUCCESS: Final = 1e-3  # the largest offset of a success
_THIRD: Final = "#009E73"  # Okabe and Ito's bluish green


def plot_convergence(fit: "CurveFit", ax: Any) -> Any:
    """What the cost has still to fall by, the offset and the step, over the steps."""
    way = fit.convergence
    picture, axes = panels(ax, 1, 1, (6.4, 4.0))
    panel = axes[0, 0]
    nit = np.arange(way.cost.size)
    # What is no more than rounding of the cost is not shown: it is not of the fit.
    above = (way.cost - way.end_cost) / way.end_cost if way.end_cost > 0 else way.cost
    above = np.where(above > 4 * np.finfo(float).eps, above, np.nan)
    panel.axhline(_SUCCESS, color=GREY, lw=0.8, ls=":")
    panel.annotate(
        "offset of a success", (1, _SUCCESS), xycoords=("axes fraction", "data"), ha="right", va="bottom",
        fontsize="small", color=GREY,
    )  # fmt: skip
    what = "cost above its end, relative to it" if way.end_cost > 0 else "cost"
    panel.plot(nit, above, "s-", ms=4.5, lw=1.4, color=DATA, label=what)
    panel.plot(nit, way.offset, "o-", ms=4.5, lw=1.4, color=CURVE, label="offset: distance to go")
    panel.plot(nit[:-1] + 0.5, way.step, "^", ms=5, ls="--", lw=1.1, color=_THIRD, label="step: distance gone")
    panel.set_yscale("log")
    panel.set_xlabel("steps")
    panel.set_ylabel("relative cost; distances in radii\nof the confidence region")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.legend(frameon=False, fontsize="small")
    tidy(panel)
    return picture
