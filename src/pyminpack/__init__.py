"""Fit models to data: MINPACK's Levenberg-Marquardt least squares, in Fortran, behind NumPy arrays."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._build_facts import __version__
from ._compiled import compiled_jacobian, compiled_residuals
from ._config import choose_kernel_at_import, show_config
from ._errors import (
    InputTypeError,
    InputValueError,
    InUseError,
    OptionError,
    PyminpackError,
    ShapeError,
    UnidentifiableWarning,
)
from ._leastsq import leastsq

choose_kernel_at_import()

if TYPE_CHECKING:
    from ._check_jacobian import JacobianCheck, check_jacobian
    from ._covariance import covariance
    from ._iteration.fit import LevenbergMarquardt
    from ._least_squares import least_squares
    from ._leastsq_blocks import leastsq_blocks
    from ._report.blocks import BlocksProgress, BlocksResult, BlocksState
    from ._report.least_squares import LeastSquaresResult, LeastSquaresState
    from ._report.statistics import Covariance

# Names that are imported on first access, and their modules, which take longer to import than all others together.
_LATER = {
    "BlocksProgress": "._report.blocks",
    "BlocksResult": "._report.blocks",
    "BlocksState": "._report.blocks",
    "Covariance": "._report.statistics",
    "JacobianCheck": "._check_jacobian",
    "check_jacobian": "._check_jacobian",
    "covariance": "._covariance",
    "LeastSquaresResult": "._report.least_squares",
    "LeastSquaresState": "._report.least_squares",
    "LevenbergMarquardt": "._iteration.fit",
    "least_squares": "._least_squares",
    "leastsq_blocks": "._leastsq_blocks",
}


def __getattr__(name: str) -> Any:
    """Import what is used for the first time: a name in _LATER, or the signatures for numba, which import numba."""
    if name == "numba_signatures":
        return import_module(".numba_signatures", __name__)
    if name in _LATER:
        globals()[name] = getattr(import_module(_LATER[name], __name__), name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # numba_signatures is not in __all__, because `import *` must not need numba.
    return sorted({*globals(), *__all__, "numba_signatures"})


__all__ = [
    "BlocksProgress",
    "BlocksResult",
    "BlocksState",
    "Covariance",
    "InUseError",
    "InputTypeError",
    "InputValueError",
    "JacobianCheck",
    "LeastSquaresResult",
    "LeastSquaresState",
    "LevenbergMarquardt",
    "OptionError",
    "PyminpackError",
    "ShapeError",
    "UnidentifiableWarning",
    "__version__",
    "check_jacobian",
    "compiled_jacobian",
    "compiled_residuals",
    "covariance",
    "least_squares",
    "leastsq",
    "leastsq_blocks",
    "show_config",
]
