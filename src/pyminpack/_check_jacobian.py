"""Whether a Jacobian goes with its residuals, entry by entry."""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _minpack
from ._compiled import CompiledJacobian, CompiledResiduals
from ._errors import InputTypeError, InputValueError, ShapeError
from ._model.arrays import Array, as_number, as_parameters, as_real_view, describe, precision_of

# Central differences over these, relative to the parameter, one after the other: the last is the best for a smooth
# function in double precision (the third root of its rounding error), the first for one in single precision.
_STEPS = tuple(2e-3 / 8**k for k in range(4))
# Noise is what high differences of residuals along a line do not explain: seven points, so far apart. Neighbours differ
# by more than single precision rounds away, and third differences of a smooth function are below rounding. Two lines,
# because rounding can by chance be regular along one.
_NOISE_STEPS = (1.0e-6, 2.3e-6)
_NOISE_POINTS = range(-3, 4)
_NOISE_ORDERS = (3, 4, 5)
_SAFETY = 4  # estimates of errors may be too small by this
_VAGUE = 0.1  # a column known no better than this is not known
_NO_PART = 1e-4  # a column that matters less than this beside another may be zero


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JacobianCheck:
    """How a Jacobian compares with central differences; ``print`` gives a short report.

    Attributes
    ----------
    ok : bool
        Whether the Jacobian is right as far as differences can tell: no entry disagrees, and none is `undecided`.
    wrong : int
        Number of entries that disagree.
    row, parameter : int
        Where it is worst: residual and parameter.
    value, difference, uncertainty : float
        What the Jacobian has there, what differences give, and to within how much.
    transposed : bool
        The Jacobian is the transpose of what it should be.
    flipped : tuple of int
        Parameters whose columns have the wrong sign.
    scaled : tuple of (int, float)
        Parameters whose columns are so many times what they should be.
    exchanged : tuple of (int, int)
        Pairs of parameters: the column of the first holds the derivatives by the second.
    undecided : tuple of int
        Parameters whose derivatives no difference gives to within a tenth: the residuals are too noisy, or not finite
        nearby.
    marks : ndarray of shape (m,)
        MINPACK's measure of each row: 1 for correct, 0 for wrong.
    jac, differences, uncertainties : ndarray of shape (m, n)
        All entries.
    nfev : int
        Evaluations of the residuals.
    """

    ok: bool
    wrong: int
    row: int
    parameter: int
    value: float
    difference: float
    uncertainty: float
    transposed: bool
    flipped: tuple[int, ...]
    scaled: tuple[tuple[int, float], ...]
    exchanged: tuple[tuple[int, int], ...]
    undecided: tuple[int, ...]
    marks: Array
    jac: Array
    differences: Array
    uncertainties: Array
    nfev: int

    def __repr__(self) -> str:
        m, n = self.jac.shape
        verdict = (
            f"{self.wrong} of {m * n} entries disagree with central differences" if self.wrong else "no entry is wrong"
        ) + (", once it is turned" if self.transposed else "")
        lines = [
            f"Jacobian of {m} residuals and {n} parameters: {'agrees with central differences' if self.ok else verdict}"
        ]
        if self.wrong:
            lines.append(
                f"worst: residual {self.row}, parameter x[{self.parameter}]: jac gives {self.value:.6g}, differences "
                f"{self.difference:.6g} ± {self.uncertainty:.1g}"
            )
        lines += self._findings()
        if self.undecided:
            lines.append(f"differences are too coarse to tell of {_named(self.undecided)}")
        lowest = int(self.marks.argmin())
        lines.append(f"MINPACK's measure (1 correct, 0 wrong): at least {self.marks[lowest]:.2f}, in row {lowest}")
        return "\n  ".join(lines)

    def _findings(self) -> list[str]:
        """What seems to have happened."""
        lines = []
        if self.transposed:
            lines.append("it is transposed: give jac.T, or col_deriv=True to what takes that (or leave it out)")
        if len(self.flipped) == self.jac.shape[1]:
            lines.append("every sign is wrong: is it of data - model, and the residuals are model - data?")
        elif self.flipped:
            lines.append(f"the sign is wrong for {_named(self.flipped)}")
        lines += [f"the column of x[{j}] is {factor:.6g} times what it should be" for j, factor in self.scaled]
        lines += [f"the column of x[{j}] holds the derivatives by x[{k}]" for j, k in self.exchanged]
        return lines


def _named(parameters: tuple[int, ...], most: int = 12) -> str:
    """Parameters as they stand in a report."""
    named = ", ".join(f"x[{j}]" for j in parameters[:most])
    return named + (f" and {len(parameters) - most} more" if len(parameters) > most else "")


def check_jacobian(
    fun: Callable[..., Any],
    jac: Callable[..., Any],
    x: npt.ArrayLike,
    args: Any = (),
    *,
    col_deriv: bool = False,
    rtol: float = 1e-5,
) -> JacobianCheck:
    """Compare a Jacobian with differences of the residuals, and say where it is wrong and how.

    Best at a point that is neither the solution nor special in another way, where wrong derivatives may be right by
    chance: zeros and ones are bad choices.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` gives the m residuals, as for `leastsq`; or what `compiled_residuals` has made.
    jac : callable
        ``jac(x, *args)`` gives the Jacobian, of shape (m, n); or what `compiled_jacobian` has made.
    x : array_like
        The n parameters to check it at.
    args : tuple or object, optional
        Further arguments of `fun` and `jac`; one that is not a tuple stands for itself.
    col_deriv : bool, optional
        The Jacobian comes as (n, m), derivatives down the columns.
    rtol : float, optional
        Relative difference beyond which an entry is wrong (1e-5), on top of what differences leave uncertain.

    Returns
    -------
    JacobianCheck
        `ok`, the worst entry, and whether the Jacobian seems to be transposed, or a column to have the wrong sign or
        factor, or to have changed places with another. Its repr is a report.

    Raises
    ------
    InputTypeError
        A TypeError: `x`, the residuals or the Jacobian hold something else than real numbers.
    InputValueError
        A ValueError: `x`, the residuals at `x` or the Jacobian are not finite, or there is nothing to check.
    OptionError
        A TypeError and a ValueError: `rtol` is out of its range.
    ShapeError
        A TypeError and a ValueError: a number of residuals that changes, or a Jacobian that is of the wrong shape
        even when transposed.
    Exception
        Whatever `fun` or `jac` raises comes out as it is.

    Notes
    -----
    Central differences decide. Each parameter has four steps, from 2e-3 to 4e-6 of its size, and each entry the one
    whose error is least: that is how much it differs from the longer step before, which bounds what is left of the
    function's curvature, and the noise of the residual over the step. The noise is measured, by high differences along
    two lines [1]_, so that models in single precision can be checked, too. All in all `fun` is called 14 times, and
    8 times for each parameter (16 times where a small parameter needs longer steps).

    MINPACK's measure [2]_ compares the change of each residual along one direction with what its row predicts, to half
    the digits. It costs a single call, but cannot name a parameter, is blind to errors that cancel along its direction
    and where residuals vanish, and marks a correct row down where the second derivative is large: it stands in the
    report as a second opinion.

    References
    ----------
    .. [1] J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011), 1292-1314.
    .. [2] J. J. Moré, B. S. Garbow, K. E. Hillstrom, "User Guide for MINPACK-1", ANL-80-74 (1980), chkder.

    Examples
    --------
    >>> import numpy as np
    >>> from pyminpack import check_jacobian
    >>> t = np.linspace(0.5, 4, 8)
    >>> fun = lambda x: x[0]*np.exp(-x[1]*t) - 1
    >>> jac = lambda x: np.stack([np.exp(-x[1]*t), x[0]*t*np.exp(-x[1]*t)], axis=1)
    >>> check_jacobian(fun, jac, [2.5, 1.3])
    Jacobian of 8 residuals and 2 parameters: 8 of 16 entries disagree with central differences
      worst: residual 1, parameter x[1]: jac gives 0.681329, differences -0.681329 ± 2e-10
      the sign is wrong for x[1]
      MINPACK's measure (1 correct, 0 wrong): at least 0.00, in row 0
    """
    at = as_parameters(x, "x")
    if not at.size or not np.isfinite(at).all():
        raise InputValueError(
            f"x must have a finite value for each parameter, and at least one of them; it is {describe(at)}"
        )
    relative = as_number("rtol", rtol, "it must be a number from 0 to less than 1", below=1)
    if not isinstance(args, tuple):
        args = (args,)
    if args and (type(fun) is CompiledResiduals or type(jac) is CompiledJacobian):
        raise InputTypeError("compiled functions take no args: give them data instead")
    residuals = _Residuals(fun, at, args)
    given, transposed = _jacobian(jac(at.copy(), *args), residuals.first.size, at, col_deriv)
    differences, uncertainties = residuals.differentiate(given)
    return _compare(given, differences, uncertainties, transposed, residuals, relative)


def _jacobian(result: Any, m: int, at: Array, col_deriv: bool) -> tuple[Array, bool]:
    """A Jacobian as (m, n), and whether it had to be turned for that; or a refusal."""
    array = as_real_view(result, "jac", "a Jacobian")
    shape = (m, at.size)
    wanted, other = (shape[::-1], shape) if col_deriv else (shape, shape[::-1])
    if array.ndim < 2 and array.size == m * at.size and 1 in shape:
        array = array.reshape(wanted)
    if array.shape not in (wanted, other):
        raise ShapeError(
            f"jac gave a Jacobian of shape {array.shape} at x = {describe(at)}, where {m} residuals and {at.size} "
            f"parameters need {wanted}"
        )
    transposed = array.shape != wanted
    given = np.array(array.T if col_deriv != transposed else array, dtype=np.float64, order="C")
    if not np.isfinite(given).all():
        bad = np.argwhere(~np.isfinite(given))
        i, j = bad[0]
        raise InputValueError(
            f"the Jacobian from jac has {len(bad)} values that are not finite, the first for parameter x[{j}] in "
            f"residual {i} ({given[i, j]}), at x = {describe(at)}"
        )
    return given, transposed


class _Residuals:
    """Residuals round one point, with their noise, and their derivatives there."""

    def __init__(self, fun: Callable[..., Any], at: Array, args: tuple[Any, ...]) -> None:
        self._fun = fun
        self._args = args
        self.at = at
        self.calls = 0
        result = self._call(at)
        self.first = np.array(result, dtype=np.float64).ravel()
        bad = np.flatnonzero(~np.isfinite(self.first))
        if not self.first.size:
            raise InputValueError("fun gave no residuals: there is nothing to check")
        if bad.size:
            raise InputValueError(
                f"{bad.size} of {self.first.size} residuals at x are not finite, the first is residual {bad[0]} "
                f"({self.first[bad[0]]}); give a point where fun is finite (x = {describe(at)})"
            )
        self._noise = self._measure_noise(precision_of(result))

    def _call(self, x: Array) -> npt.NDArray[Any]:
        self.calls += 1
        return as_real_view(self._fun(x.copy(), *self._args), "fun", "residuals")

    def __call__(self, x: Array) -> Array:
        values = np.array(self._call(x), dtype=np.float64).ravel()
        if values.size != self.first.size:
            raise ShapeError(
                f"fun gave {values.size} residuals on call {self.calls}, at x = {describe(x)}, and {self.first.size} "
                "on the first; their number must stay the same"
            )
        return values

    def _measure_noise(self, precision: float) -> Array:
        """How much each residual scatters: no less, relative to its size, than all of them do.

        One alone may look regular by chance. (Over 324 points of NIST's models in single precision, 26 Jacobians were
        accused without that, none with it.)
        """
        scatter = np.zeros_like(self.first)
        for line, step in enumerate(_NOISE_STEPS):
            scatter = np.fmax(scatter, self._scatter_along(step, line))
        scatter[~np.isfinite(scatter)] = 0
        whole = _length(self.first)
        relative = _length(scatter) / whole if whole > 0 else 0.0
        return np.maximum(scatter, max(precision, relative) * np.abs(self.first))

    def _scatter_along(self, step: float, line: int) -> Array:
        """By high differences (Moré and Wild (2011), section 3)."""
        size = np.where(self.at != 0, np.abs(self.at), 1.0)
        shift = step * size * np.cos(np.arange(self.at.size) + line)  # no symmetry that residuals might share
        scatter = np.zeros_like(self.first)
        with np.errstate(invalid="ignore", over="ignore"):
            table = np.stack([self(self.at + k * shift) if k else self.first for k in _NOISE_POINTS])
            for order in range(1, max(_NOISE_ORDERS) + 1):
                table = np.diff(table, axis=0)
                if order in _NOISE_ORDERS:
                    share = factorial(order) ** 2 / factorial(2 * order)
                    scatter = np.fmax(scatter, np.sqrt(share * np.mean(table**2, axis=0)))
        return scatter

    def differentiate(self, given: Array) -> tuple[Array, Array]:
        """The Jacobian by central differences, and how far each of its entries may be wrong."""
        differences, errors = np.empty_like(given), np.empty_like(given)
        for j, value in enumerate(self.at):
            size = abs(value) if value != 0 else 1.0
            differences[:, j], errors[:, j] = self._column(j, size)
            if size < 1 and _is_vague(errors[:, j], given[:, j], differences[:, j]):
                others, their_errors = self._column(j, 1.0)
                better = their_errors < errors[:, j]
                differences[better, j], errors[better, j] = others[better], their_errors[better]
        return differences, errors

    def _column(self, j: int, size: float) -> tuple[Array, Array]:
        """Derivatives by one parameter, each over the step that serves it best."""
        best, error = np.zeros_like(self.first), np.full_like(self.first, np.inf)
        before = np.full_like(self.first, np.nan)
        for step in _STEPS:
            ahead, behind = self.at.copy(), self.at.copy()
            ahead[j] += step * size
            behind[j] -= step * size
            width = ahead[j] - behind[j]
            with np.errstate(invalid="ignore", over="ignore"):
                slope = (self(ahead) - self(behind)) / width
                its_error = np.abs(slope - before) + 4 * self._noise / width
                better = its_error < error
            best[better], error[better] = slope[better], its_error[better]
            before = slope
        return best, error


def _is_vague(error: Array, given: Array, difference: Array) -> bool:
    """Whether a column of differences is too uncertain to judge one by."""
    return not _length(error) <= _VAGUE * max(_length(given), _length(difference))


def _length(column: Array) -> float:
    return _minpack.enorm(np.ascontiguousarray(column))


class _Agreement:
    """Whether columns agree with differences."""

    def __init__(self, differences: Array, uncertainties: Array, rtol: float) -> None:
        self._differences = differences
        self._slack = _SAFETY * uncertainties
        self._rtol = rtol

    def disagrees(self, given: Array, columns: Any = slice(None)) -> npt.NDArray[np.bool_]:
        """Which entries of these columns are wrong."""
        right = self._differences[:, columns]
        allowed = self._slack[:, columns] + self._rtol * np.maximum(np.abs(given), np.abs(right))
        return np.asarray(np.abs(given - right) > allowed)

    def fits(self, column: Array, j: int) -> bool:
        """Whether a column would do for parameter j."""
        return not self.disagrees(column, j).any()


def _compare(
    given: Array, differences: Array, uncertainties: Array, transposed: bool, residuals: _Residuals, rtol: float
) -> JacobianCheck:
    m, n = given.shape
    agreement = _Agreement(differences, uncertainties, rtol)
    wrong = agreement.disagrees(given)
    if m == n and wrong.any():
        transposed = not agreement.disagrees(given.T).any()
    flipped, scaled, exchanged = ((), (), ()) if transposed else _explain(given, differences, wrong, agreement)
    undecided = _undecided(given, differences, uncertainties, residuals.at)
    row, parameter = _worst(given, differences, wrong)
    return JacobianCheck(
        ok=not (wrong.any() or transposed or undecided),
        wrong=int(np.count_nonzero(wrong)),
        row=row,
        parameter=parameter,
        value=float(given[row, parameter]),
        difference=float(differences[row, parameter]),
        uncertainty=float(uncertainties[row, parameter]),
        transposed=transposed,
        flipped=flipped,
        scaled=scaled,
        exchanged=exchanged,
        undecided=undecided,
        marks=_marks(given, residuals),
        jac=given,
        differences=differences,
        uncertainties=uncertainties,
        nfev=residuals.calls,
    )


def _explain(
    given: Array, differences: Array, wrong: npt.NDArray[np.bool_], agreement: _Agreement
) -> tuple[tuple[int, ...], tuple[tuple[int, float], ...], tuple[tuple[int, int], ...]]:
    """Which wrong columns have another sign, another factor, or another parameter's derivatives."""
    flipped, scaled, exchanged = [], [], []
    for j in np.flatnonzero(wrong.any(axis=0)).tolist():
        column = given[:, j]
        if not column.any():
            continue
        factor = _factor(column, differences[:, j])
        others = [k for k in range(given.shape[1]) if k != j and agreement.fits(column, k)]
        if agreement.fits(-column, j):
            flipped.append(j)
        elif others:
            exchanged.append((j, others[0]))
        elif factor != 0 and agreement.fits(column / factor, j):
            scaled.append((j, factor))
    return tuple(flipped), tuple(scaled), tuple(exchanged)


def _factor(column: Array, right: Array) -> float:
    """How many times the right column it is, by the entry that is largest there."""
    largest = int(np.abs(right).argmax())
    return float(column[largest] / right[largest]) if right[largest] != 0 else 0.0


def _undecided(given: Array, differences: Array, uncertainties: Array, at: Array) -> tuple[int, ...]:
    """The parameters whose differences say nothing, but for those that have no part in the residuals."""
    size = np.where(at != 0, np.abs(at), 1.0)
    most = max(_length(differences[:, j]) * size[j] for j in range(at.size))
    found = []
    for j in range(at.size):
        error = uncertainties[:, j]
        has_part = not _length(error) * size[j] <= _NO_PART * most
        if has_part and _is_vague(error, given[:, j], differences[:, j]):
            found.append(j)
    return tuple(found)


def _worst(given: Array, differences: Array, wrong: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """The wrong entry that is farthest off beside the largest of its column; of any entry where none is wrong."""
    largest = np.maximum(np.abs(given), np.abs(differences)).max(axis=0)
    off = np.abs(given - differences) / np.where(largest > 0, largest, 1.0)
    if wrong.any():
        off = np.where(wrong, off, -1.0)
    row, parameter = np.unravel_index(int(off.argmax()), off.shape)
    return int(row), int(parameter)


def _marks(given: Array, residuals: _Residuals) -> Array:
    """MINPACK's measure of each row."""
    columns = np.ascontiguousarray(given.T)
    first, at = residuals.first, residuals.at
    neighbour, _ = _minpack.chkder(at, first, columns, at, first, 1)
    return _minpack.chkder(at, first, columns, neighbour, residuals(neighbour), 2)[1]
