"""`curve_fit`: a curve fitted to data, under the calling sequence of `scipy.optimize.curve_fit`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ._curve.data import Data
from ._curve.finish import finish
from ._curve.fit import CurveFit
from ._curve.model import Curve
from ._curve.parameters import ByName, as_names, names_of, start_by_name, start_in_order
from ._curve.scipy_tuple import make_fit
from ._errors import NotConvergedError, OptionError, warn_user_once
from ._iteration.fit import LevenbergMarquardt
from ._least_squares import Run
from ._model.arrays import DOUBLE, as_parameters, shown
from ._model.options import as_bounds, as_flag, as_method, as_real, not_a_function
from ._model.signature import without_types

_REFITTED = (
    "x_scale",
    "diff_step",
    "ftol",
    "xtol",
    "gtol",
    "loss",
    "f_scale",
    "max_nfev",
    "accel",
    "factor",
    "check_jac",
)
_OF_RUN = ("timeout", "callback", "verbose")
_FOREIGN = ("tr_solver", "tr_options", "jac_sparsity")
_OTHERS = ("workers", "maxfev", "epsfcn", "diag", "col_deriv")
_KNOWN = frozenset((*_REFITTED, *_OF_RUN, *_FOREIGN, *_OTHERS))


@without_types
def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: npt.ArrayLike | Mapping[str, float] | None = None,
    sigma: npt.ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: Literal["lm", "trf", "dogbox"] | None = None,
    jac: Callable[..., Any] | Literal["2-point", "3-point", "cs"] | None = None,
    *,
    full_output: bool = False,
    nan_policy: Literal["raise", "omit"] | None = None,
    names: Sequence[str] | None = None,
    fixed: Mapping[str, float | bool] | Collection[str] | npt.ArrayLike | None = None,
    **kwargs: Any,
) -> CurveFit:
    """Fit a curve ``f(x, a, b, ...)`` to data by least squares.

    Arguments and result are those of :func:`scipy.optimize.curve_fit`: ``popt, pcov = curve_fit(f, xdata, ydata)``.
    What comes back is a tuple that knows the whole fit besides.

    Parameters
    ----------
    f : callable
        ``f(x, a, b, ...)`` gives the curve at all x, one value for each of the data.
    xdata : object
        Where the data were taken, as `f` gets it. Lists, tuples and arrays become arrays of floats, in which the last
        axis counts the points: of shape (k, m) for k independent variables. Tuples of arrays of different shapes,
        tables of pandas, arrays of xarray and all else come to `f` as they are.
    ydata : array_like
        The data, real or complex, of any shape. Masked points are left out.
    p0 : array_like or mapping, optional
        Where the fit starts: a number for each parameter, or by name, as ``{"b": 0.1, "a": 200}``. The default, also
        for names that are not given, is 1, or within the bounds: the middle, or 1 away from the only one.
    sigma : array_like, optional
        Standard errors of the data, one for all or one each, or their covariance matrix. Those of complex data are of
        the real and of the imaginary part. The default is 1.
    absolute_sigma : bool, optional
        Whether `sigma` are the errors of the data. False, the default: they are relative, and errors of the parameters
        are scaled by the residuals.
    check_finite : bool, optional
        Whether NaN or Inf in the data is an error. The default is True where there is no `nan_policy`.
    bounds : pair of array_like, object with `lb` and `ub`, or mapping, optional
        Lower and upper bounds, one for each parameter or one for all; or pairs by name, None for no bound, as
        ``{"a": (0, None)}``. The default is no bounds.
    method : {'lm', 'trf', 'dogbox'}, optional
        There is one method, Levenberg and Marquardt's, with bounds and without. SciPy's others are taken, with one
        warning. As in SciPy, 'lm' goes with no bounds.
    jac : callable or {'2-point', '3-point', 'cs'}, optional
        ``jac(x, a, b, ...)`` gives the derivatives of the curve, of shape (m, n). By differences otherwise, as in
        `least_squares`. The default is forward differences, which become central ones near the end.
    full_output : bool, optional
        Whether ``infodict, mesg, ier`` come as well.
    nan_policy : {None, 'raise', 'omit'}, optional
        What to do about NaN in the data: 'raise' an error that names the point, or 'omit' such points.
    names : sequence of str, optional
        Names of the parameters. The default is those of the signature of `f`.
    fixed : mapping, collection of names, or array_like of bool, optional
        Parameters that keep their start, as ``{"a"}``, or a value, as ``{"a": 212.7}``.
    **kwargs
        Options of `least_squares`: `ftol`, `xtol`, `gtol`, `x_scale`, `loss`, `f_scale`, `diff_step`, `max_nfev`,
        `verbose`, `callback`, `workers`, `timeout`, `check_jac`, `accel`; `x_scale` and `diff_step` also by name. And
        SciPy's of `leastsq`: `maxfev` is `max_nfev`; `epsfcn`, `factor`, `diag` and `col_deriv` are as there.

    Returns
    -------
    CurveFit
        ``popt, pcov``, or ``popt, pcov, infodict, mesg, ier``; and parameters by name, errors, intervals, a report.

    Raises
    ------
    NotConvergedError
        A RuntimeError: the fit did not converge. Its ``result`` tells where it ended.
    InputValueError, InputTypeError, OptionError, ShapeError
        A ValueError, a TypeError, or both: an argument cannot be used.

    See Also
    --------
    least_squares : The same method for residuals of any kind.

    Notes
    -----
    `pcov` is SciPy's: of all parameters as if there were no bounds, and inf throughout if one is not determined. `cov`
    and `stderr` of the result tell which parameter it is, and what is known of the others.

    Examples
    --------
    The rate of an enzyme reaction (Bates and Watts 1988):

    >>> from pyminpack import curve_fit
    >>> conc = [0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.1, 1.1]
    >>> rate = [76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200]
    >>> def reaction(x, Vmax, Km):
    ...     return Vmax*x/(Km + x)
    >>> fit = curve_fit(reaction, conc, rate, {"Km": 0.1, "Vmax": 200})
    >>> popt, pcov = fit
    >>> popt.round(3).tolist()
    [212.684, 0.064]
    >>> fit
    <CurveFit: Vmax = 212.7 ± 6.9; Km = 0.0641 ± 0.0083; chi2 1195.45, 10 degrees of freedom>
    >>> fit.interval(method="profile")[0].round(2).tolist()
    [197.3, 229.29]
    """
    if not callable(f):
        raise not_a_function("f", f, "a function f(x, a, b, ...) that gives the curve")
    is_absolute, gives_all = as_flag("absolute_sigma", absolute_sigma), as_flag("full_output", full_output)
    options = _options_of(kwargs)
    run = Run(options.pop("timeout", None), options.pop("callback", None), options.pop("verbose", 0))
    foreign = (options.pop("tr_solver", None), options.pop("tr_options", None), options.pop("jac_sparsity", None))
    remark = as_method("lm" if method is None else method, *foreign)
    data = Data(xdata, ydata, sigma, check_finite, nan_policy)

    start = start_in_order(p0)
    known = None if names is None else as_names(names, None if start is None else start.size)
    if start is None and known is None:
        known = names_of(f, None)
    n = len(known or ()) if start is None else start.size
    by_name, given = ByName(lambda: known or names_of(f, n), n), set(range(n))
    box = by_name.bounds(bounds)
    if start is None:
        start, given = start_by_name(p0, by_name, box)
    mask = by_name.fixed(fixed, start, given)
    limits = as_bounds(box, start, "p0")
    if method == "lm" and limits is not None:
        raise OptionError(
            "method is 'lm', which goes with no bounds in SciPy; leave method out: here the method of Levenberg and "
            "Marquardt takes bounds"
        )
    transposed = bool(options.pop("col_deriv", False))
    curve = Curve(f, data, jac, transposed)
    options |= {
        "jac": _jacobian_of(curve, jac),
        "bounds": (-np.inf, np.inf) if limits is None else limits,
    }
    for name in ("x_scale", "diff_step"):
        if name in options:
            options[name] = by_name.vector(name, options[name])
    if remark:
        warn_user_once(remark, UserWarning)
    workers = options.pop("workers", None)
    residuals = curve.for_core() if workers is None else curve.residuals  # which other processes can have
    fit = LevenbergMarquardt(residuals, start, fixed=mask, workers=workers, **options)
    start_cost = fit.cost
    result = run.to_the_end(fit)
    if not result.success:
        raise NotConvergedError(
            f"Optimal parameters not found: {result.message} The best point is in the attribute result of this error: "
            "curve_fit(..., p0=error.result.x) goes on from there",
            result,
        )
    calls = fit.calls
    if run.has_time:
        result, more = finish(result, curve, mask, options)
        calls += more
    return make_fit(
        result,
        calls,
        curve,
        names=known,
        start=start,
        start_cost=start_cost,
        absolute_sigma=is_absolute,
        options={name: value for name, value in options.items() if name != "bounds" or limits is not None},
        full_output=gives_all,
        like_minpack=method == "lm" or (method is None and limits is None),
    )


def _options_of(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Options of `least_squares`, given those or SciPy's of `leastsq`."""
    if not kwargs:
        return {}
    unknown = [name for name in kwargs if name not in _KNOWN]
    if unknown:
        if unknown[0] == "args":
            raise OptionError("'args' is not an option of curve_fit: bind further arguments of f, as in a lambda")
        raise TypeError(f"curve_fit has no option {unknown[0]!r}; there are {', '.join(sorted(_KNOWN))}")
    options = dict(kwargs)
    if "maxfev" in options:
        maxfev = options.pop("maxfev")
        if maxfev == 0:
            maxfev = None  # as in leastsq, the default
        options.setdefault("max_nfev", maxfev)
    if options.get("epsfcn") is not None:
        noise = as_real("epsfcn", options["epsfcn"], "it must be the relative error of the model, or None")
        options.setdefault("diff_step", sqrt(max(noise, DOUBLE)))
    options.pop("epsfcn", None)
    if options.get("diag") is not None:
        with np.errstate(divide="ignore"):
            options.setdefault("x_scale", 1 / as_parameters(options["diag"], "diag"))
    options.pop("diag", None)
    return options


def _jacobian_of(curve: Curve, jac: Any) -> Any:
    """What `least_squares` gets as `jac`."""
    if jac is None:
        return "2-point"
    if callable(jac):
        return curve.jacobian
    if not isinstance(jac, str):
        raise OptionError(f"jac is {shown(jac)}; it can be '2-point', '3-point', 'cs', or a function jac(x, a, b, ...)")
    if jac == "cs" and curve.data.y.dtype.kind == "c":
        raise OptionError("jac is 'cs', and the data are complex: complex steps need a real model")
    return jac
