"""A last step with central differences, where those of the fit leave the standard errors with less than six digits."""

from typing import Any, Final

import numpy as np

from .._iteration.fit import LevenbergMarquardt
from .._model.arrays import Array
from .._report.least_squares import LeastSquaresResult
from .model import Curve

# These numbers are in docs/constants.md, with what changes if they are larger or smaller.
_SIXTH_DIGIT: Final = 1e-6  # the error of the Jacobian from which on the last step is taken
_AGREEMENT: Final = 1e-4  # of standard errors by fine differences with those by the longer ones of a noisy model
_CALLS: Final = 3  # of the model along the step


def finish(
    result: LeastSquaresResult, curve: Curve, fixed: Any, options: dict[str, Any]
) -> tuple[LeastSquaresResult, int]:
    """The result at the end of a further step, and how often the model was called for it."""
    by_default = options["jac"] == "2-point" and options.get("diff_step") is None
    limit = options.get("max_nfev")
    if not by_default or (limit is not None and result.nfev + _CALLS > limit) or result._factor is None:
        return result, 0
    if result._jacobian_error <= _SIXTH_DIGIT:
        return result, 0
    others = {name: value for name, value in options.items() if name not in ("jac", "ftol", "xtol", "gtol", "max_nfev")}
    again = LevenbergMarquardt(
        curve.for_core(), result.x, "3-point", fixed=fixed, ftol=0, xtol=0, gtol=0, max_nfev=_CALLS, **others
    )
    again.step()
    finer = again.result()
    if finer._factor is None or not _agree(finer._statistics.stderr, result._statistics.stderr):
        return result, again.calls
    kept = {name: getattr(result, name) for name in ("message", "status", "offset", "nit")}
    counts = {"nfev": result.nfev + finer.nfev, "njev": result.njev + finer.njev}
    fields = {name: getattr(finer, name) for name in LeastSquaresResult._fields}
    return LeastSquaresResult(**{**fields, **kept, **counts}), again.calls


def _agree(finer: Array, coarser: Array) -> bool:
    """Whether standard errors agree, but for what the coarser ones leave open."""
    return np.allclose(finer, coarser, rtol=_AGREEMENT, atol=0, equal_nan=True)
