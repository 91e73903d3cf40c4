"""Fit models to data: MINPACK's Levenberg-Marquardt least squares, in Fortran, behind NumPy arrays."""

import os
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from ._build_facts import __version__
from ._check_jacobian import JacobianCheck, check_jacobian
from ._compiled import compiled_jacobian, compiled_residuals
from ._config import choose_kernel_at_import, show_config
from ._covariance import covariance
from ._errors import (
    InputTypeError,
    InputValueError,
    InUseError,
    NotConvergedError,
    OptionError,
    PyminpackError,
    ShapeError,
    UnidentifiableWarning,
)
from ._iteration.fit import LevenbergMarquardt
from ._least_squares import least_squares
from ._leastsq import leastsq
from ._leastsq_blocks import leastsq_blocks
from ._report.blocks import BlocksProgress, BlocksResult, BlocksState
from ._report.least_squares import LeastSquaresResult, LeastSquaresState
from ._report.statistics import Covariance

if TYPE_CHECKING:
    from ._curve.fit import CurveFit
    from ._curve_fit import curve_fit
    from ._curve_fit_many import curve_fit_many
    from ._many.result import CurveFits

# All but curve_fit and curve_fit_many is imported here, though leastsq alone would take half the time. A module that is
# imported at its first use makes a trap: a process that is forked while another thread imports it waits for ever at its
# own first use. So forks wait until the import of curve_fit, which takes a third of the time of all, is through.

_AT_FIRST_USE: Final = {
    "CurveFit": "._curve.fit",
    "CurveFits": "._many.result",
    "curve_fit": "._curve_fit",
    "curve_fit_many": "._curve_fit_many",
}
_importing: Final = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release
    )

choose_kernel_at_import()


def __getattr__(name: str) -> Any:
    """Import what is used for the first time: fits of curves; and the signatures for numba, which import numba."""
    if name == "numba_signatures":
        return import_module(".numba_signatures", __name__)
    if name not in _AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _importing:
        value = getattr(import_module(_AT_FIRST_USE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # numba_signatures is not in __all__, because `import *` must not need numba.
    return sorted({*globals(), *__all__, "numba_signatures"})


__all__ = [
    "BlocksProgress",
    "BlocksResult",
    "BlocksState",
    "Covariance",
    "CurveFit",
    "CurveFits",
    "InUseError",
    "InputTypeError",
    "InputValueError",
    "JacobianCheck",
    "LeastSquaresResult",
    "LeastSquaresState",
    "LevenbergMarquardt",
    "NotConvergedError",
    "OptionError",
    "PyminpackError",
    "ShapeError",
    "UnidentifiableWarning",
    "__version__",
    "check_jacobian",
    "compiled_jacobian",
    "compiled_residuals",
    "covariance",
    "curve_fit",
    "curve_fit_many",
    "least_squares",
    "leastsq",
    "leastsq_blocks",
    "show_config",
]
