"""The report of a fit: a verdict in words, a table of the parameters, where the errors come from, goodness of fit."""

from math import isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from .._report.text import paragraph, rounded, table_as_html, table_as_text

if TYPE_CHECKING:
    from .._model.arrays import Array
    from .fit import CurveFit

_HEAD: Final = ("parameter", "value", "std. error", "relative", "95 % interval", "start", "remark")
_SKEWED: Final = 0.25  # Ratkowsky (1990): the skewness from which on it is apparent
_NOTABLE: Final = 0.5  # correlations above it are told
_MOST_PAIRS: Final = 8
_FEW_RUNS: Final = 0.01  # a p-value; docs/constants.md has how often right and wrong curves are below
# A parameter that has moved by less, relative to its start, has hardly moved: a fit has six digits (docs/constants.md).
_HARDLY: Final = 1e-6


def in_short(fit: "CurveFit") -> str:
    """One line a parameter."""
    parts = []
    for name, parameter in fit.params.items():
        value, error = rounded(parameter.value, parameter.stderr)
        how = "fixed" if parameter.fixed else f"± {error}"
        parts.append(f"{name} = {value} {how}")
    dof = f"{fit.dof} degrees of freedom"
    return f"<CurveFit: {'; '.join(parts)}; chi2 {fit.chi2:.6g}, {dof}>"


def as_text(fit: "CurveFit") -> str:
    """The report as text."""
    lines = [*_verdict(fit), "", *table_as_text(_HEAD, _rows(fit)), "", *_about(fit)]
    return "\n".join(lines)


def as_html(fit: "CurveFit") -> str:
    """The report as HTML, for a notebook."""
    first, *others = _verdict(fit)
    parts = [paragraph(first, strong=True), *([paragraph("\n".join(others))] if others else [])]
    parts += [table_as_html(_HEAD, _rows(fit)), paragraph("\n".join(_about(fit)))]
    return f"<div>{''.join(parts)}</div>"


# ------------------------------------------------------------------------------------ the verdict


def _verdict(fit: "CurveFit") -> list[str]:
    """Whether this is a fit that can be used, in words."""
    result = fit.result
    steps = _counted(result.nit, "step")
    lines = [
        f"{'Converged' if result.success else 'Not converged'} in {steps}; "
        f"cost from {fit.start_cost:.6g} to {result.cost:.6g}."
    ]
    if not result.success:
        lines.append(result.message)
    at_bound = [f"{name} at its {p.at_bound} bound" for name, p in fit.params.items() if p.at_bound]
    unknown = [name for name, p in fit.params.items() if not p.identifiable]
    bounds = f"{'; '.join(at_bound)}." if at_bound else "No parameter is at a bound."
    identified = (
        f"The data do not determine {', '.join(unknown)}: fix some of these, or add data that tell them apart."
        if unknown
        else "All free parameters are identifiable."
    )
    lines.append(f"{bounds[0].upper()}{bounds[1:]} {identified}" if not at_bound else f"{bounds} {identified}")
    if fit.dof <= 0:
        lines.append("There are as many free parameters as data: the curve goes through them whatever they are.")
    return lines


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# ------------------------------------------------------------------------------------ the table


def _rows(fit: "CurveFit") -> list[tuple[str, ...]]:
    """A row for each parameter."""
    intervals = fit.interval()
    rows: list[tuple[str, ...]] = []
    for j, (name, parameter) in enumerate(fit.params.items()):
        value, error = rounded(parameter.value, parameter.stderr)
        relative = interval = ""
        if parameter.fixed:
            error = ""
        elif isfinite(parameter.stderr):
            relative = _percent(parameter.stderr / abs(parameter.value)) if parameter.value else ""
            low, high = intervals[j]
            if isfinite(low):
                interval = " to ".join(rounded(end, parameter.stderr)[0] for end in (low, high))
        rows.append((name, value, error, relative, interval, f"{parameter.start:.6g}", ", ".join(_remarks(fit, j))))
    return rows


def _percent(part: float) -> str:
    return f"{100 * part:.2g} %" if part < 0.995 else f"{100 * part:.0f} %"


def _remarks(fit: "CurveFit", j: int) -> list[str]:
    """What is special about a parameter."""
    parameter = fit.params[fit.names[j]]
    if parameter.fixed:
        return ["fixed"]
    remarks = []
    if parameter.at_bound:
        remarks.append(f"at its {parameter.at_bound} bound")
    if not parameter.identifiable:
        remarks.append("not identifiable")
    elif parameter.stderr > abs(parameter.value):
        remarks.append("error larger than the value")
    skewness = _skewness(fit)
    if skewness is not None and abs(skewness[j]) > _SKEWED:
        remarks.append("skewed")
    if abs(parameter.value - parameter.start) <= _HARDLY * abs(parameter.start) and not parameter.at_bound:
        remarks.append("hardly moved")
    return remarks


# ------------------------------------------------------------------------------------ about errors and fit


def _about(fit: "CurveFit") -> list[str]:
    lines = [_errors(fit), _goodness(fit)]
    skewness = _skewness(fit)
    skewed = [] if skewness is None else [n for n, g in zip(fit.names, skewness, strict=True) if abs(g) > _SKEWED]
    if skewed:
        lines.insert(
            1,
            f"The errors of {', '.join(skewed)} are skewed, and the intervals above misplaced: "
            "interval(method='profile') has better ones.",
        )
    runs = fit.runs
    if runs.p_value < _FEW_RUNS and not fit._is_exact:
        lines.append(
            f"The residuals keep their sign too long: {_counted(runs.number, 'run')} of signs, {runs.expected:.3g} "
            f"expected, p-value {runs.p_value:.2g}. The curve may miss the data: look at plot_diagnostics()."
        )
    pairs = _correlations(fit)
    if pairs:
        lines.append(f"Correlations above {_NOTABLE:g}: {pairs}.")
    lines.append(f"{_counted(fit.nfev, 'evaluation')} of the model, {_counted(fit.result.njev, 'Jacobian')}.")
    return lines


def _skewness(fit: "CurveFit") -> "Array | None":
    """The skewness of the parameters; None where to know it takes more evaluations than the fit did."""
    k = int(np.count_nonzero(fit.free))
    return None if fit._curve.f is None or 2 * k * k > fit.nfev else fit.curvature.skewness


def _errors(fit: "CurveFit") -> str:
    """Where the standard errors come from."""
    if fit.absolute_sigma:
        size = "sigma gives the errors of the data"
    elif fit._curve.data.sigma is None and fit._curve.data.root is None:
        size = "the residuals tell the errors of the data"
    else:
        size = "sigma gives the errors of the data relative to each other, and the residuals their size"
    loss = "" if fit._options.get("loss", "linear") == "linear" else "; with a robust loss they are approximate"
    return f"Standard errors: by the linear model at the minimum; {size}{loss}."


def _goodness(fit: "CurveFit") -> str:
    """How good the fit is."""
    name = "Sum of squares" if _has_no_sigma(fit) else "χ²"
    values = f"{fit.m} residuals" + (", real and imaginary parts," if fit._curve.data.y.dtype.kind == "c" else "")
    parts = [f"{name} {fit.chi2:.6g} of {values} with {_counted(fit.dof, 'degree')} of freedom"]
    if fit.dof > 0:
        if _has_no_sigma(fit):
            parts.append(f"standard deviation of the residuals {fit.reduced_chi2**0.5:.4g}")
        else:
            parts.append(f"reduced χ² {fit.reduced_chi2:.4g}")
    if isfinite(fit.p_value):
        parts.append(f"p-value {fit.p_value:.3g}")
    if fit.contains_constant and isfinite(fit.r_squared):
        parts.append(f"R² {fit.r_squared:.5g}")
    if isfinite(fit.aicc):
        parts.append(f"AICc {fit.aicc:.5g}")
    return "; ".join(parts) + "."


def _has_no_sigma(fit: "CurveFit") -> bool:
    return fit._curve.data.sigma is None and fit._curve.data.root is None


def _correlations(fit: "CurveFit") -> str:
    """Pairs of parameters that are correlated, the closest first."""
    correlation = np.nan_to_num(fit.correlation)
    pairs = [
        (abs(correlation[i, j]), f"{fit.names[i]} and {fit.names[j]} {correlation[i, j]:.3f}")
        for i in range(len(fit.names))
        for j in range(i)
        if abs(correlation[i, j]) > _NOTABLE
    ]
    pairs.sort(key=lambda pair: -pair[0])
    more = f" and {len(pairs) - _MOST_PAIRS} more" if len(pairs) > _MOST_PAIRS else ""
    return "; ".join(text for _, text in pairs[:_MOST_PAIRS]) + more
