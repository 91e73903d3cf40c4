"""Fit models to data: MINPACK's Levenberg-Marquardt least squares, in Fortran, behind NumPy arrays."""

from importlib import import_module
from typing import Any

from ._block_records import BlocksProgress, BlocksResult, BlocksState
from ._blocks import leastsq_blocks
from ._build_facts import __version__
from ._compiled import compiled_jacobian, compiled_residuals
from ._config import show_config
from ._exceptions import InputTypeError, InputValueError, OptionError, PyminpackError, ShapeError
from ._kernels import choose_at_import
from ._leastsq import leastsq

choose_at_import()


def __getattr__(name: str) -> Any:
    """Import numba where its signatures are asked for, and not before."""
    if name == "numba_signatures":
        return import_module(".numba_signatures", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "BlocksProgress",
    "BlocksResult",
    "BlocksState",
    "InputTypeError",
    "InputValueError",
    "OptionError",
    "PyminpackError",
    "ShapeError",
    "__version__",
    "compiled_jacobian",
    "compiled_residuals",
    "leastsq",
    "leastsq_blocks",
    "numba_signatures",
    "show_config",
]
