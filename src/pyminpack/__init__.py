"""Fit models to data: MINPACK's Levenberg-Marquardt least squares, in Fortran, behind NumPy arrays."""

from ._build_facts import __version__
from ._config import show_config
from ._exceptions import InputTypeError, InputValueError, OptionError, PyminpackError, ShapeError
from ._leastsq import leastsq

__all__ = [
    "InputTypeError",
    "InputValueError",
    "OptionError",
    "PyminpackError",
    "ShapeError",
    "__version__",
    "leastsq",
    "show_config",
]
