"""What `leastsq` returns with full_output, and the errors that it raises for values that are not finite."""

from typing import Any, NoReturn, TypeAlias

import numpy as np

from .._errors import InputTypeError, InputValueError, ShapeError
from .._model.arrays import Array, Indices, describe, describe_not_finite, find_not_finite
from .info import SUCCESS, Info
from .statistics import unscaled_covariance

Report: TypeAlias = tuple[Array, Array | None, dict[str, Any], str, int]

_ONE = np.int32(1)  # a Python number would take longer to subtract
_NO_PARAMETERS = "x0 is empty: there are no parameters to fit."


def report(
    x: Array,
    fvec: Array,
    info: int,
    nfev: int,
    njev: int | None,
    fjac: Array,
    ipvt: Indices,
    qtf: Array,
    message: str,
    jacobian_error: float,
) -> Report:
    """What `leastsq` returns with full_output. It contains the very arrays that are given; `ipvt` is changed."""
    cov_x = unscaled_covariance(fjac[:, : x.size], ipvt, fvec.size, jacobian_error) if info in SUCCESS else None
    ipvt -= _ONE
    infodict = {"fvec": fvec, "nfev": nfev, "fjac": fjac, "ipvt": ipvt, "qtf": qtf}
    if njev is not None:
        infodict["njev"] = njev
    return x, cov_x, infodict, message, info


def report_without_fit(start: Array, first: Array, full_output: bool) -> Report:
    """What `leastsq` returns with full_output where there are no parameters.

    Raises
    ------
    ShapeError
        There are parameters, but fewer residuals.
    InputTypeError
        There are no parameters, and full_output is not asked for.
    """
    n, m = start.size, first.size
    if n > 0:
        raise ShapeError(
            f"func gave M = {m} residuals for N = {n} parameters; a fit needs at least as many residuals as "
            "parameters: add data, or fix some of the parameters"
        )
    if not full_output:
        raise InputTypeError(_NO_PARAMETERS)
    infodict = {
        "fvec": first.copy(),
        "nfev": 1,
        "fjac": np.empty((0, m)),
        "ipvt": np.empty(0, dtype=np.int32),
        "qtf": np.empty(0),
    }
    return start.copy(), None, infodict, _NO_PARAMETERS, int(Info.IMPROPER_INPUT)


def refuse_values(info: int, x: Array, fvec: Array, fjac: Array, source: str) -> NoReturn:
    """Raise for residuals or a Jacobian that are not finite, naming the first value; fjac has shape (n, m)."""
    if info == Info.RESIDUALS_NOT_FINITE:
        what = describe_not_finite(fvec, "x0")
        raise InputValueError(f"{what}; a fit needs a start where func is finite (x0 = {describe(x)})")
    if info == Info.JACOBIAN_NOT_FINITE:
        how = "by differences of func" if source == "func" else f"from {source}"
        what = find_not_finite(fjac.T).describe()
        raise InputValueError(f"the Jacobian {how} has {what}, at x = {describe(x)}")
    raise InputValueError(f"MINPACK refused its input (info = {info}) at x = {describe(x)}")
