"""A last step with central differences, where those of the fit leave the standard errors with less than six digits."""

from typing import Any, Final

import numpy as np

from .._iteration.fit import LevenbergMarquardt
from .._model.arrays import Array
from .._report.least_squares import LeastSquaresResult
from .model import Curve

# Relative error of the Jacobian, and distance to the minimum in standard errors, from which on the last step is taken:
# the sixth digit. In NIST's 27 sets from the second start this is so in 9, for 14 to 38 evaluations of 41 to 801; with
# ten times as much Nelson's, Thurber's, ENSO's and MGH10's standard errors have five digits, with a tenth two sets
# more take the step.
_SIXTH_DIGIT: Final = 1e-6
# Standard errors by fine differences are believed if they agree with those by the fit's, which are long where the
# model is noisy or rounded, to this part. Models in single precision disagree by 1e-2, NIST's by 2e-6 at most.
_AGREEMENT: Final = 1e-3
_CALLS: Final = 3  # of the model along the step


def finish(
    result: LeastSquaresResult, curve: Curve, fixed: Any, options: dict[str, Any]
) -> tuple[LeastSquaresResult, int]:
    """The result at the end of a further step, and how often the model was called for it."""
    by_default = options["jac"] == "2-point" and options.get("diff_step") is None
    limit = options.get("max_nfev")
    if not by_default or (limit is not None and result.nfev + _CALLS > limit) or result._factor is None:
        return result, 0
    if result._jacobian_error <= _SIXTH_DIGIT and not result.offset > _SIXTH_DIGIT:
        return result, 0
    others = {name: value for name, value in options.items() if name not in ("jac", "ftol", "xtol", "gtol", "max_nfev")}
    again = LevenbergMarquardt(
        curve.residuals, result.x, "3-point", fixed=fixed, ftol=0, xtol=0, gtol=0, max_nfev=_CALLS, **others
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
