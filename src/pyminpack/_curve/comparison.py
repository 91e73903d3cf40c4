"""Which of two fits to the same data is to be preferred."""

from math import isfinite, nan
from typing import TYPE_CHECKING, NamedTuple

from .._errors import InputValueError
from .quantiles import chi2_tails, f_tails

if TYPE_CHECKING:
    from .fit import CurveFit


class Comparison(NamedTuple):
    """Two fits to the same data; the larger one has more free parameters.

    Attributes
    ----------
    f : float
        By how much chi-squared falls for each parameter more, in units of the variance of the larger fit, or of that of
        the data with `absolute_sigma`. NaN where both have as many parameters.
    p_value : float
        The probability of a larger F if the smaller model, nested in the larger one, is right.
    parameters : int
        How many more free parameters the larger fit has.
    aicc : float
        AICc of this fit minus that of the other: below 0, this one is to be preferred, whether nested or not.
    """

    f: float
    p_value: float
    parameters: int
    aicc: float

    def __str__(self) -> str:
        which = "this fit" if self.aicc < 0 else "the other fit"
        text = f"AICc prefers {which}, by {abs(self.aicc):.3g}"
        if isfinite(self.f):
            text += (
                f"; if the models are nested, F = {self.f:.4g}, and a larger F has the probability {self.p_value:.3g}"
            )
        return text + "."


def compare_fits(fit: "CurveFit", other: "CurveFit") -> Comparison:
    """The F test of nested models, and the difference of AICc."""
    if fit.m != other.m or fit.absolute_sigma != other.absolute_sigma or not _have_same_data(fit, other):
        raise InputValueError("the fits are of different data, or of different sigma: fit both models to the same")
    small, large = sorted((fit, other), key=lambda each: -each.dof)
    more = small.dof - large.dof
    f = p_value = nan
    if more > 0 and large._variance > 0:
        f = (small.chi2 - large.chi2) / more / large._variance
        p_value = chi2_tails(f * more, more)[1] if fit.absolute_sigma else f_tails(f, more, large.dof)[1]
    return Comparison(f, p_value, more, fit.aicc - other.aicc)


def _have_same_data(fit: "CurveFit", other: "CurveFit") -> bool:
    ours, theirs = fit._whitened_data, other._whitened_data
    return ours.shape == theirs.shape and bool((ours == theirs).all())
