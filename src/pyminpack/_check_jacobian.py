"""`check_jacobian`: compare a Jacobian with differences of the residuals, entry by entry."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ._derivatives.comparison import Agreement, Neighbourhood, is_uncertain, length, worst
from ._errors import InputValueError, ShapeError
from ._minpack import chkder
from ._model.arrays import (
    Array,
    Mask,
    as_parameters,
    as_real_view,
    describe,
    describe_not_finite,
    find_not_finite,
    named,
    precision_of,
    require_finite,
    size_error,
    with_jacobian_shape,
)
from ._model.compiled import require_no_arguments
from ._model.options import as_flag, as_number, not_a_function
from ._model.signature import without_types
from ._report.record import Record

# docs/constants.md has the experiment that shows what each of these numbers does.

# Columns shorter than this, relative to the longest one in the units of the parameters, need not be decided.
_NEGLIGIBLE: Final = 1e-4


class JacobianCheck(Record):
    """How a Jacobian compares with central differences; its repr is a report, and as a truth value it is `ok`.

    Attributes
    ----------
    ok : bool
        Whether the Jacobian is right as far as differences can tell: no entry disagrees, and none is `undecided`.
    wrong : int
        Number of entries that disagree with the differences.
    row, parameter : int
        Residual and parameter of the worst entry.
    value, difference, uncertainty : float
        The worst entry: its value in the Jacobian, its value by differences, and the uncertainty of the latter.
    transposed : bool
        Whether the Jacobian is the transpose of the right one.
    flipped : tuple of int
        Parameters whose columns have the wrong sign.
    scaled : tuple of (int, float)
        Parameters whose columns are multiples of the right ones, with the factors.
    exchanged : tuple of (int, int)
        Pairs of parameters: the column of the first holds the derivatives with respect to the second.
    undecided : tuple of int
        Parameters whose derivatives are uncertain by more than a tenth, because the residuals are too noisy, or not
        finite nearby.
    marks : ndarray of shape (m,)
        MINPACK's measure for each row: 1 for correct, 0 for wrong.
    jac : ndarray of shape (m, n)
        The Jacobian, turned if it is transposed.
    differences, uncertainties : ndarray of shape (m, n)
        The Jacobian by differences, and the uncertainty of each entry.
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

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        m, n = self.jac.shape
        verdict = (
            f"{self.wrong} of {m * n} entries disagree with central differences" if self.wrong else "no entry is wrong"
        ) + (", once it is transposed" if self.transposed else "")
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
            lines.append(f"differences are too uncertain to decide about {named(self.undecided)}")
        lowest = int(self.marks.argmin())
        lines.append(f"MINPACK's measure (1 correct, 0 wrong): at least {self.marks[lowest]:.2f}, in row {lowest}")
        return "\n  ".join(lines)

    def _findings(self) -> list[str]:
        """What seems to be wrong, line by line."""
        lines = []
        if self.transposed:
            lines.append("it is transposed: give jac.T, or pass col_deriv=True to leastsq (or leave col_deriv out)")
        if len(self.flipped) == self.jac.shape[1]:
            lines.append("every sign is wrong: is jac that of data - model, and fun gives model - data?")
        elif self.flipped:
            lines.append(f"the sign is wrong for {named(self.flipped)}")
        lines += [f"the column of x[{j}] is {factor:.6g} times what it should be" for j, factor in self.scaled]
        lines += [f"the column of x[{j}] holds the derivatives with respect to x[{k}]" for j, k in self.exchanged]
        return lines


@without_types
def check_jacobian(
    fun: Callable[..., Any],
    jac: Callable[..., Any],
    x: npt.ArrayLike,
    args: Any = (),
    *,
    col_deriv: bool = False,
    rtol: float = 1e-5,
) -> JacobianCheck:
    """Compare a Jacobian with differences of the residuals, and report where and how it is wrong.

    Choose a point that is neither the solution nor special in another way: there, wrong derivatives may be right by
    chance. Zeros and ones are bad choices.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` gives the m residuals, as for `leastsq`. A result of `compiled_residuals` is allowed.
    jac : callable
        ``jac(x, *args)`` gives the Jacobian, of shape (m, n). A result of `compiled_jacobian` is allowed.
    x : array_like
        The point: n parameters, in one dimension.
    args : tuple or object, optional
        Further arguments of `fun` and `jac`; an object that is not a tuple is the only one. The default is none.
    col_deriv : bool, optional
        Whether the Jacobian has shape (n, m), with derivatives down the columns. The default is False.
    rtol : float, optional
        An entry is wrong where it differs by more than this, relative to its size, in addition to the uncertainty of
        the differences. The default is 1e-5.

    Returns
    -------
    JacobianCheck
        `ok`, the worst entry, and whether the Jacobian seems to be transposed, or a column to have the wrong sign or
        factor or to be exchanged with another one. Its repr is a report.

    Raises
    ------
    InputTypeError
        A TypeError: `x`, the residuals or the Jacobian do not hold real numbers, or `fun` or `jac` is not callable.
    InputValueError
        A ValueError: `x`, the residuals at `x` or the Jacobian are not finite, or there is nothing to check.
    OptionError
        A TypeError and a ValueError: `rtol` is out of its range, or `col_deriv` is neither True nor False.
    ShapeError
        A TypeError and a ValueError: `x` is empty, the number of residuals changes, or the Jacobian has the wrong shape
        and is not transposed either.
    Exception
        Any exception of `fun` or `jac` is raised unchanged.

    Notes
    -----
    Central differences decide. They are taken with four steps for each parameter, from 2e-3 to 4e-6 of its size, and
    each entry uses the step with the smallest uncertainty. The uncertainty is the change from the next longer step,
    which bounds the effect of the function's curvature, plus the noise of the residual divided by the step. The noise
    is measured, by differences of high order along two lines [1]_, so that a model in single precision can be checked,
    too. In all, `fun` is called 14 times, and 8 times for each parameter (16 times where a small parameter needs longer
    steps).

    MINPACK's measure [2]_ compares the change of each residual along one direction with the prediction of its row, to
    half the digits. It takes a single evaluation. But it cannot name a parameter, it misses errors that cancel along
    its direction or where residuals vanish, and it marks a correct row down where the second derivative is large.
    Therefore it only stands in the report as a second opinion.

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
    if not at.size:
        raise ShapeError("x is empty: there are no parameters, and so no derivatives to check.")
    require_finite(at, "x", "to take differences at")
    for name, function, what in (("fun", fun, "the residuals"), ("jac", jac, "the Jacobian")):
        if not callable(function):
            raise not_a_function(name, function, f"a function that gives {what}")
    col_deriv = as_flag("col_deriv", col_deriv)
    relative = as_number("rtol", rtol, "it must be a number from 0 to less than 1", below=1)
    if not isinstance(args, tuple):
        args = (args,)
    require_no_arguments((fun, jac), args)
    residuals = _Residuals(fun, at, args)
    given, transposed = _jacobian(jac(at.copy(), *args), residuals.first.size, at, col_deriv)
    sizes = np.where(at != 0, np.abs(at), 1.0)
    beside = Neighbourhood(residuals, at, residuals.first, sizes, residuals.precision)
    differences, uncertainties = beside.differentiate(given, otherwise=1.0)
    return _compare(given, differences, uncertainties, transposed, residuals, sizes, relative)


def _jacobian(result: Any, m: int, at: Array, col_deriv: bool) -> tuple[Array, bool]:
    """A Jacobian with shape (m, n), and whether it was transposed."""
    array = as_real_view(result, "jac", "a Jacobian")
    wanted = (at.size, m) if col_deriv else (m, at.size)
    transposed = array.shape == wanted[::-1] != wanted
    if not transposed:
        array = with_jacobian_shape(array, m, at.size, at, "jac", col_deriv=col_deriv)
    given = np.array(array.T if col_deriv != transposed else array, dtype=np.float64, order="C")
    if not np.isfinite(given).all():
        what = find_not_finite(given).describe()
        raise InputValueError(f"the Jacobian from jac has {what}, at x = {describe(at)}")
    return given, transposed


class _Residuals:
    """The user's function at points of the user's, counted."""

    def __init__(self, fun: Callable[..., Any], at: Array, args: tuple[Any, ...]) -> None:
        self._fun, self._args, self.at = fun, args, at
        self.calls = 0
        result = self._call(at)
        self.precision = precision_of(result)
        self.first = np.array(result, dtype=np.float64).ravel()
        if not self.first.size:
            raise InputValueError("fun gave no residuals: there is nothing to check")
        if not np.isfinite(self.first).all():
            what = describe_not_finite(self.first, "x")
            raise InputValueError(f"{what}; give a point where fun is finite (x = {describe(at)})")

    def _call(self, x: Array) -> npt.NDArray[Any]:
        self.calls += 1
        return as_real_view(self._fun(x.copy(), *self._args), "fun", "residuals")

    def __call__(self, x: Array) -> Array:
        values = np.array(self._call(x), dtype=np.float64).ravel()
        if values.size != self.first.size:
            raise size_error("fun", values.size, self.first.size, self.calls, x)
        return values


def _compare(
    given: Array,
    differences: Array,
    uncertainties: Array,
    transposed: bool,
    residuals: _Residuals,
    sizes: Array,
    rtol: float,
) -> JacobianCheck:
    """What the differences say about a Jacobian."""
    m, n = given.shape
    agreement = Agreement(differences, uncertainties, rtol)
    wrong = agreement.disagrees(given)
    if m == n and wrong.any():
        transposed = not agreement.disagrees(given.T).any()
    flipped, scaled, exchanged = ((), (), ()) if transposed else _explain(given, differences, wrong, agreement)
    undecided = _undecided(given, differences, uncertainties, sizes)
    row, parameter = worst(given, differences, wrong)
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
    given: Array, differences: Array, wrong: Mask, agreement: Agreement
) -> tuple[tuple[int, ...], tuple[tuple[int, float], ...], tuple[tuple[int, int], ...]]:
    """Which wrong columns have the wrong sign, a wrong factor, or the derivatives for another parameter."""
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
    """The factor between a column and the right one, at the largest entry of the latter; 0 where there is none."""
    largest = int(np.abs(right).argmax())
    return float(column[largest] / right[largest]) if right[largest] != 0 else 0.0


def _undecided(given: Array, differences: Array, uncertainties: Array, sizes: Array) -> tuple[int, ...]:
    """The parameters whose differences are too uncertain, except those that hardly affect the residuals."""
    most = max(length(differences[:, j]) * size for j, size in enumerate(sizes))
    found = []
    for j, size in enumerate(sizes):
        error = uncertainties[:, j]
        is_negligible = length(error) * size <= _NEGLIGIBLE * most
        if not is_negligible and is_uncertain(error, given[:, j], differences[:, j]):
            found.append(j)
    return tuple(found)


def _marks(given: Array, residuals: _Residuals) -> Array:
    """MINPACK's measure for each row."""
    columns = np.ascontiguousarray(given.T)
    first, at = residuals.first, residuals.at
    neighbour, _ = chkder(at, first, columns, at, first, 1)
    return chkder(at, first, columns, neighbour, residuals(neighbour), 2)[1]
