"""What all pictures have in common: figures, colours, labels."""

from typing import Any, Final

import numpy as np

from ..._errors import MissingPackageError, OptionError

# Two of Okabe and Ito's colours, which the colour-blind tell apart, and which differ in lightness for print in grey.
# What shares a picture differs in its line or its marker, too.
CURVE: Final = "#D55E00"
DATA: Final = "#0072B2"
GREY: Final = "0.45"


def panels(ax: Any, rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    """A figure and its axes: those that are given, or a new one; without pyplot, so that none is shown or kept."""
    if ax is not None:
        axes = np.array(ax, dtype=object).ravel()
        if axes.size != rows * columns:
            raise OptionError(f"ax has {axes.size} axes, and the picture needs {rows * columns}")
        return axes[0].figure, axes.reshape(rows, columns)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("pictures need matplotlib: pip install 'pyminpack[plot]'") from error
    picture = Figure(figsize=size, layout="constrained")
    return picture, picture.subplots(rows, columns, squeeze=False, **options)


def tidy(*axes: Any) -> None:
    """No frame where there is no axis."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)


def percent(level: float) -> str:
    """A level of confidence in words."""
    return f"{100 * level:g} %"
