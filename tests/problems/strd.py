"""NIST's nonlinear regression data sets: real fits whose answers are certified to 11 digits.

The figures are those of the Statistical Reference Datasets
(https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml), one file of `strd_data` a data set, by
NIST's level of difficulty. The formulas are written out below, each giving its predictions together with its
partial derivatives.
"""

import functools
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike, NDArray

from ._problem import Matrix, Problem, Vector

# Real as a rule; complex parameters give complex predictions, for complex-step derivatives.
Array = NDArray[Any]
Number = float | complex

# Predictions of shape (m,), and their derivatives by each parameter in turn. Several columns of
# the Jacobian may come as one block of shape (m, k).
Prediction = tuple[Array, Sequence[Array]]
Formula = Callable[[Array, Array], Prediction]

DATA = Path(__file__).with_name("strd_data")
CERTIFIED_DIGITS = 11


# ------------------------------------------------------------------------------- data sets


@dataclass(frozen=True, eq=False)
class StrdDataset:
    """One data set, with its model and the certified answer.

    Attributes
    ----------
    name : str
        NIST's name, "Thurber".
    level : str
        NIST's word for the difficulty: "lower", "average" or "higher".
    description : str
        What was measured, in one line.
    source : str
        Where the data come from.
    formula : str
        The model as text, parameters b1, b2, ...
    starts : ndarray of shape (2, n)
        NIST's two starting points: the first far from the answer, the second close to it.
    certified, certified_se : ndarray of shape (n,)
        The parameters at the minimum and their standard errors.
    rss, rsd : float
        Residual sum of squares at the minimum, and residual standard deviation sqrt(rss / dof).
    dof : int
        Degrees of freedom, m - n.
    x : ndarray of shape (m,), or (m, 2) for Nelson
        The predictor; a column for each where there are two.
    y : ndarray of shape (m,)
        The data as published.
    response : ndarray of shape (m,)
        What the model predicts: y itself, but log(y) for Nelson.
    """

    name: str
    level: str
    description: str
    source: str
    formula: str
    starts: Matrix
    certified: Vector
    certified_se: Vector
    rss: float
    rsd: float
    dof: int
    x: Vector | Matrix
    y: Vector
    response: Vector

    def model(self, b: ArrayLike) -> Array:
        """Predict the response from the parameters `b`; complex `b` gives complex predictions."""
        return self._predict(b)[0]

    def residuals(self, b: ArrayLike) -> Array:
        """Subtract the data from the predictions; not finite, without a warning, where they overflow."""
        return self.model(b) - self.response

    def jacobian(self, b: ArrayLike) -> Array:
        """Differentiate the predictions, hence the residuals: shape (m, n)."""
        return np.column_stack(self._predict(b)[1])

    def problem(self, start: int) -> Problem:
        """Pose the fit from starting point 1 or 2, named like "Thurber/1"."""
        if start not in (1, 2):
            msg = f"start is {start}: NIST gives two starting points, 1 and 2"
            raise ValueError(msg)
        return Problem(
            name=f"{self.name}/{start}",
            start=self.starts[start - 1].copy(),
            m=self.y.size,
            residuals=self.residuals,
            jacobian=self.jacobian,
        )

    def _predict(self, b: ArrayLike) -> Prediction:
        with np.errstate(all="ignore"):
            return FORMULAS[self.name](np.asarray(b), self.x)


def names() -> tuple[str, ...]:
    """List the 27 data sets, from NIST's lower level of difficulty to the higher."""
    return tuple(FORMULAS)


@functools.cache
def load(name: str) -> StrdDataset:
    """Read the data set called `name`; its arrays are shared between callers, hence read-only."""
    (path,) = DATA.glob(f"*/{name.lower()}.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    y = _constant(table["y"])
    return StrdDataset(
        name=table["name"],
        level=table["level"],
        description=table["description"],
        source=table["source"],
        formula=table["formula"],
        starts=_constant(table["starts"]),
        certified=_constant(table["certified"]),
        certified_se=_constant(table["certified_se"]),
        rss=table["residual_sum_of_squares"],
        rsd=table["residual_standard_deviation"],
        dof=table["degrees_of_freedom"],
        x=_constant(table["x"]),
        y=y,
        response=_constant(np.log(y)) if table["formula"].startswith("log(y)") else y,
    )


def correct_digits(value: ArrayLike, certified: ArrayLike) -> Vector:
    """Count the digits of `value` that agree with `certified`, elementwise.

    NIST's log relative error, -log10(|value - certified| / |certified|); the absolute error
    counts where the certified figure is zero. Between 0, for values that are not finite as well,
    and the 11 digits certified.
    """
    value, certified = np.asarray(value, np.float64), np.asarray(certified, np.float64)
    scale = np.where(certified == 0, 1.0, np.abs(certified))
    with np.errstate(all="ignore"):
        digits = -np.log10(np.abs(value - certified) / scale)
    return np.clip(np.where(np.isfinite(value), digits, 0.0), 0.0, CERTIFIED_DIGITS)


def _constant(figures: ArrayLike) -> NDArray[np.float64]:
    array = np.array(figures, dtype=np.float64)
    array.setflags(write=False)
    return array


# ---------------------------------------------------------------- building blocks of the formulas


def _exponential(amplitude: Number, rate: Number, x: Array) -> Prediction:
    """Evaluate amplitude exp(-rate x)."""
    decay = np.exp(-rate * x)
    return amplitude * decay, (decay, -amplitude * x * decay)


def _peak(height: Number, centre: Number, width: Number, x: Array) -> Prediction:
    """Evaluate height exp(-((x - centre) / width)^2)."""
    z = (x - centre) / width
    bell = np.exp(-(z**2))
    slope = 2 * height * bell * z / width
    return height * bell, (bell, slope, slope * z)


def _cycle(cosine: Number, sine: Number, period: Number, x: Array) -> Prediction:
    """Evaluate cosine cos(2 pi x / period) + sine sin(2 pi x / period)."""
    angle = 2 * np.pi * x / period
    c, s = np.cos(angle), np.sin(angle)
    by_period = (cosine * s - sine * c) * angle / period
    return cosine * c + sine * s, (c, s, by_period)


# -------------------------------------------------- the formulas, by the data sets they belong to


def _rational(b: Array, x: Array) -> Prediction:
    """Kirby2, Hahn1, Thurber: polynomials of equal degree, 1 leading the denominator."""
    degree = b.size // 2
    denominator = polyval(x, np.append(1.0, b[degree + 1 :]))
    ratio = polyval(x, b[: degree + 1]) / denominator
    powers = np.vander(x, degree + 1, increasing=True) / denominator[:, np.newaxis]
    return ratio, (powers, -ratio[:, np.newaxis] * powers[:, 1:])


def _saturation(b: Array, x: Array) -> Prediction:
    """Misra1a, BoxBOD: exponential approach to b1."""
    b1, b2 = b
    rise = -np.expm1(-b2 * x)
    return b1 * rise, (rise, b1 * x * np.exp(-b2 * x))


def _misra1b(b: Array, x: Array) -> Prediction:
    b1, b2 = b
    base = 1 + b2 * x / 2
    rise = 1 - base**-2
    return b1 * rise, (rise, b1 * x * base**-3)


def _misra1c(b: Array, x: Array) -> Prediction:
    b1, b2 = b
    base = 1 + 2 * b2 * x
    rise = 1 - base**-0.5
    return b1 * rise, (rise, b1 * x * base**-1.5)


def _misra1d(b: Array, x: Array) -> Prediction:
    b1, b2 = b
    base = 1 + b2 * x
    rise = b2 * x / base
    return b1 * rise, (rise, b1 * x / base**2)


def _chwirut(b: Array, x: Array) -> Prediction:
    b1, b2, b3 = b
    line = b2 + b3 * x
    y = np.exp(-b1 * x) / line
    return y, (-x * y, -y / line, -x * y / line)


def _lanczos(b: Array, x: Array) -> Prediction:
    b1, b2, b3, b4, b5, b6 = b
    first, by_first = _exponential(b1, b2, x)
    second, by_second = _exponential(b3, b4, x)
    third, by_third = _exponential(b5, b6, x)
    return first + second + third, (*by_first, *by_second, *by_third)


def _gauss(b: Array, x: Array) -> Prediction:
    b1, b2, b3, b4, b5, b6, b7, b8 = b
    baseline, by_baseline = _exponential(b1, b2, x)
    left, by_left = _peak(b3, b4, b5, x)
    right, by_right = _peak(b6, b7, b8, x)
    return baseline + left + right, (*by_baseline, *by_left, *by_right)


def _danwood(b: Array, x: Array) -> Prediction:
    b1, b2 = b
    power = x**b2
    return b1 * power, (power, b1 * power * np.log(x))


def _nelson(b: Array, x: Array) -> Prediction:
    b1, b2, b3 = b
    time, temperature = x.T
    ageing = time * np.exp(-b3 * temperature)
    return b1 - b2 * ageing, (np.ones_like(ageing), -ageing, b2 * temperature * ageing)


def _mgh09(b: Array, x: Array) -> Prediction:
    b1, b2, b3, b4 = b
    denominator = x**2 + b3 * x + b4
    ratio = (x**2 + b2 * x) / denominator
    by_b4 = -b1 * ratio / denominator
    return b1 * ratio, (ratio, b1 * x / denominator, x * by_b4, by_b4)


def _mgh10(b: Array, x: Array) -> Prediction:
    b1, b2, b3 = b
    shifted = x + b3
    growth = np.exp(b2 / shifted)
    by_b2 = b1 * growth / shifted
    return b1 * growth, (growth, by_b2, -b2 * by_b2 / shifted)


def _mgh17(b: Array, x: Array) -> Prediction:
    b1, b2, b3, b4, b5 = b
    first, (by_b2, by_b4) = _exponential(b2, b4, x)
    second, (by_b3, by_b5) = _exponential(b3, b5, x)
    return b1 + first + second, (np.ones_like(first), by_b2, by_b3, by_b4, by_b5)


def _roszman1(b: Array, x: Array) -> Prediction:
    b1, b2, b3, b4 = b
    shifted = x - b4
    norm = np.pi * (shifted**2 + b3**2)
    y = b1 - b2 * x - np.arctan(b3 / shifted) / np.pi
    return y, (np.ones_like(y), -x, -shifted / norm, -b3 / norm)


def _enso(b: Array, x: Array) -> Prediction:
    """ENSO: a cycle of a year and two of unknown period."""
    b1, b2, b3, b4, b5, b6, b7, b8, b9 = b
    annual, (by_b2, by_b3, _) = _cycle(b2, b3, 12.0, x)
    middle, (by_b5, by_b6, by_b4) = _cycle(b5, b6, b4, x)
    short, (by_b8, by_b9, by_b7) = _cycle(b8, b9, b7, x)
    by_b1 = np.ones_like(annual)
    return b1 + annual + middle + short, (by_b1, by_b2, by_b3, by_b4, by_b5, by_b6, by_b7, by_b8, by_b9)


def _rat42(b: Array, x: Array) -> Prediction:
    b1, b2, b3 = b
    share = 1 / (1 + np.exp(b2 - b3 * x))
    by_b2 = -b1 * share * (1 - share)
    return b1 * share, (share, by_b2, -x * by_b2)


def _rat43(b: Array, x: Array) -> Prediction:
    b1, b2, b3, b4 = b
    growth = np.exp(b2 - b3 * x)
    share = (1 + growth) ** (-1 / b4)
    by_b2 = -b1 * share * growth / (b4 * (1 + growth))
    return b1 * share, (share, by_b2, -x * by_b2, b1 * share * np.log1p(growth) / b4**2)


def _eckerle4(b: Array, x: Array) -> Prediction:
    b1, b2, b3 = b
    z = (x - b3) / b2
    bell = np.exp(-(z**2) / 2) / b2
    slope = b1 * bell / b2
    return b1 * bell, (bell, slope * (z**2 - 1), slope * z)


def _bennett5(b: Array, x: Array) -> Prediction:
    b1, b2, b3 = b
    shifted = x + b2
    power = shifted ** (-1 / b3)
    y = b1 * power
    return y, (power, -y / (b3 * shifted), y * np.log(shifted) / b3**2)


FORMULAS: dict[str, Formula] = {
    # lower level of difficulty
    "Misra1a": _saturation,
    "Chwirut2": _chwirut,
    "Chwirut1": _chwirut,
    "Lanczos3": _lanczos,
    "Gauss1": _gauss,
    "Gauss2": _gauss,
    "DanWood": _danwood,
    "Misra1b": _misra1b,
    # average
    "Kirby2": _rational,
    "Hahn1": _rational,
    "Nelson": _nelson,
    "MGH17": _mgh17,
    "Lanczos1": _lanczos,
    "Lanczos2": _lanczos,
    "Gauss3": _gauss,
    "Misra1c": _misra1c,
    "Misra1d": _misra1d,
    "Roszman1": _roszman1,
    "ENSO": _enso,
    # higher
    "MGH09": _mgh09,
    "Thurber": _rational,
    "BoxBOD": _saturation,
    "Rat42": _rat42,
    "MGH10": _mgh10,
    "Eckerle4": _eckerle4,
    "Rat43": _rat43,
    "Bennett5": _bennett5,
}
