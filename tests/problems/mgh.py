"""The least-squares problems of MINPACK's test driver: 28 cases, 53 runs.

The problems are those of J. J. Moré, B. S. Garbow and K. E. Hillstrom, "Testing unconstrained
optimization software", ACM TOMS 7 (1981) 17-41; sizes, order and starts are those of the driver
that comes with MINPACK-1 (user guide: Argonne National Laboratory report ANL-80-74, 1980).

Every problem is a function for the residuals and one for their Jacobian, in the driver's order;
where n leaves m open, they take it too. ``x1`` .. ``x5`` are the paper's subscripts. Sums are
elementwise products with `np.sum`, not BLAS calls: the same bits wherever an array lies in memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ._problem import Matrix, Problem, Vector


def _table(figures: str) -> Vector:
    return np.array(figures.split(), dtype=np.float64)


def _split(x: Vector) -> list[np.float64]:
    return list(x)


def _row_sums(terms: Matrix) -> Vector:
    sums: Vector = np.sum(terms, axis=1)
    return sums


# The paper's data and grids.
BARD_Y = _table("0.14 0.18 0.22 0.25 0.29 0.32 0.35 0.39 0.37 0.58 0.73 0.96 1.34 2.10 4.39")
BARD_U = np.arange(1.0, 16)
BARD_V = 16 - BARD_U
BARD_W: Vector = np.minimum(BARD_U, BARD_V)
KOWALIK_Y = _table("0.1957 0.1947 0.1735 0.1600 0.0844 0.0627 0.0456 0.0342 0.0323 0.0235 0.0246")
KOWALIK_U = _table("4 2 1 0.5 0.25 0.167 0.125 0.1 0.0833 0.0714 0.0625")
MEYER_Y = _table("34780 28610 23650 19630 16370 13720 11540 9744 8261 7030 6005 5147 4427 3820 3307 2872")
MEYER_T = 45 + 5 * np.arange(1.0, 17)
WATSON_T = np.arange(1.0, 30)[:, np.newaxis] / 29
BOX_T = np.arange(1.0, 11) / 10
JENNRICH_I = np.arange(1.0, 11)[:, np.newaxis]
DENNIS_T = np.arange(1.0, 21) / 5
OSBORNE_1_Y = _table("""
    0.844 0.908 0.932 0.936 0.925 0.908 0.881 0.850 0.818 0.784 0.751
    0.718 0.685 0.658 0.628 0.603 0.580 0.558 0.538 0.522 0.506 0.490
    0.478 0.467 0.457 0.448 0.438 0.431 0.424 0.420 0.414 0.411 0.406
""")
OSBORNE_1_T = 10 * np.arange(0.0, 33)[:, np.newaxis]
OSBORNE_2_Y = _table("""
    1.366 1.191 1.112 1.013 0.991 0.885 0.831 0.847 0.786 0.725 0.746 0.679 0.608
    0.655 0.616 0.606 0.602 0.626 0.651 0.724 0.649 0.649 0.694 0.644 0.624 0.661
    0.612 0.558 0.533 0.495 0.500 0.423 0.395 0.375 0.372 0.391 0.396 0.405 0.428
    0.429 0.523 0.562 0.607 0.653 0.672 0.708 0.633 0.668 0.645 0.632 0.591 0.559
    0.597 0.625 0.739 0.710 0.729 0.720 0.636 0.581 0.428 0.292 0.162 0.098 0.054
""")
OSBORNE_2_T = np.arange(0.0, 65)[:, np.newaxis] / 10


def linear_full_rank(x: Vector, m: int) -> Vector:
    return np.pad(x, (0, m - x.size)) - (2 * np.sum(x) / m + 1)


def linear_full_rank_jac(x: Vector, m: int) -> Matrix:
    return np.eye(m, x.size) - 2 / m


def _rank_one_factors(n: int, m: int, zeros: bool) -> tuple[Vector, Vector]:
    """Give 1 .. m by row and 1 .. n by column; with zeros 0 .. m-2, 0 and 0, 2 .. n-1, 0."""
    rows, columns = np.arange(1.0, m + 1) - zeros, np.arange(1.0, n + 1)
    if zeros:
        rows[-1] = columns[0] = columns[-1] = 0
    return rows, columns


def linear_rank_one(x: Vector, m: int, zeros: bool = False) -> Vector:
    rows, columns = _rank_one_factors(x.size, m, zeros)
    return rows * np.sum(columns * x) - 1


def linear_rank_one_jac(x: Vector, m: int, zeros: bool = False) -> Matrix:
    rows, columns = _rank_one_factors(x.size, m, zeros)
    return rows[:, np.newaxis] * columns


def rosenbrock(x: Vector) -> Vector:
    x1, x2 = _split(x)
    return np.array([10 * (x2 - x1**2), 1 - x1])


def rosenbrock_jac(x: Vector) -> Matrix:
    return np.array([[-20 * x[0], 10], [-1, 0]])


def helical_valley(x: Vector) -> Vector:
    """The driver's angle, in turns: from -1/4 to 3/4, with its jump on x1 = 0, x2 < 0."""
    x1, x2, x3 = _split(x)
    quotient = np.arctan(x2 / x1) / (2 * np.pi)
    turns = np.copysign(0.25, x2) if x1 == 0 else quotient + 0.5 * (x1 < 0)
    return np.array([10 * (x3 - 10 * turns), 10 * (np.sqrt(x1**2 + x2**2) - 1), x3])


def helical_valley_jac(x: Vector) -> Matrix:
    x1, x2, _ = _split(x)
    square = x1**2 + x2**2
    swirl, slope = 50 / (np.pi * square), 10 / np.sqrt(square)
    return np.array([[swirl * x2, -swirl * x1, 10], [slope * x1, slope * x2, 0], [0, 0, 1]])


def powell_singular(x: Vector) -> Vector:
    x1, x2, x3, x4 = _split(x)
    pair = [x1 + 10 * x2, np.sqrt(5) * (x3 - x4)]
    return np.array([*pair, (x2 - 2 * x3) ** 2, np.sqrt(10) * (x1 - x4) ** 2])


def powell_singular_jac(x: Vector) -> Matrix:
    x1, x2, x3, x4 = _split(x)
    a, b, c = np.sqrt(5), 2 * (x2 - 2 * x3), 2 * np.sqrt(10) * (x1 - x4)
    return np.array([[1, 10, 0, 0], [0, 0, a, -a], [0, b, -2 * b, 0], [c, 0, 0, -c]])


def freudenstein_roth(x: Vector) -> Vector:
    x1, x2 = _split(x)
    return np.array([x1 - 13 + ((5 - x2) * x2 - 2) * x2, x1 - 29 + ((x2 + 1) * x2 - 14) * x2])


def freudenstein_roth_jac(x: Vector) -> Matrix:
    return np.array([[1, (10 - 3 * x[1]) * x[1] - 2], [1, (3 * x[1] + 2) * x[1] - 14]])


def bard(x: Vector) -> Vector:
    x1, x2, x3 = _split(x)
    return BARD_Y - (x1 + BARD_U / (BARD_V * x2 + BARD_W * x3))


def bard_jac(x: Vector) -> Matrix:
    slope = BARD_U / (BARD_V * x[1] + BARD_W * x[2]) ** 2
    return np.column_stack([-np.ones(15), slope * BARD_V, slope * BARD_W])


def kowalik_osborne(x: Vector) -> Vector:
    u, (x1, x2, x3, x4) = KOWALIK_U, _split(x)
    return KOWALIK_Y - x1 * u * (u + x2) / (u * (u + x3) + x4)


def kowalik_osborne_jac(x: Vector) -> Matrix:
    u, (x1, x2, x3, x4) = KOWALIK_U, _split(x)
    below = u * (u + x3) + x4
    rate = u * (u + x2) / below
    return np.column_stack([-rate, -x1 * u / below, x1 * rate * u / below, x1 * rate / below])


def meyer(x: Vector) -> Vector:
    x1, x2, x3 = _split(x)
    return x1 * np.exp(x2 / (MEYER_T + x3)) - MEYER_Y


def meyer_jac(x: Vector) -> Matrix:
    x1, x2, x3 = _split(x)
    shifted = MEYER_T + x3
    growth = np.exp(x2 / shifted)
    return np.column_stack([growth, x1 * growth / shifted, -x1 * x2 * growth / shifted**2])


def _watson_basis(n: int) -> tuple[Matrix, Matrix]:
    """Give the powers t**(j-1) and their derivatives, a row for each t."""
    j = np.arange(n)
    return WATSON_T**j, j * WATSON_T ** (j - 1)


def watson(x: Vector) -> Vector:
    powers, slopes = _watson_basis(x.size)
    grid = _row_sums(slopes * x) - _row_sums(powers * x) ** 2 - 1
    return np.append(grid, [x[0], x[1] - x[0] ** 2 - 1])


def watson_jac(x: Vector) -> Matrix:
    powers, slopes = _watson_basis(x.size)
    ends = np.eye(2, x.size)
    ends[1, 0] = -2 * x[0]
    return np.vstack([slopes - 2 * _row_sums(powers * x)[:, np.newaxis] * powers, ends])


def box_3d(x: Vector) -> Vector:
    t, (x1, x2, x3) = BOX_T, _split(x)
    return np.exp(-t * x1) - np.exp(-t * x2) - x3 * (np.exp(-t) - np.exp(-10 * t))


def box_3d_jac(x: Vector) -> Matrix:
    t, (x1, x2, _) = BOX_T, _split(x)
    fixed = np.exp(-10 * t) - np.exp(-t)
    return np.column_stack([-t * np.exp(-t * x1), t * np.exp(-t * x2), fixed])


def jennrich_sampson(x: Vector) -> Vector:
    return 2 + 2 * JENNRICH_I[:, 0] - _row_sums(np.exp(JENNRICH_I * x))


def jennrich_sampson_jac(x: Vector) -> Matrix:
    return -JENNRICH_I * np.exp(JENNRICH_I * x)


def brown_dennis(x: Vector) -> Vector:
    t, (x1, x2, x3, x4) = DENNIS_T, _split(x)
    return (x1 + t * x2 - np.exp(t)) ** 2 + (x3 + x4 * np.sin(t) - np.cos(t)) ** 2


def brown_dennis_jac(x: Vector) -> Matrix:
    t, (x1, x2, x3, x4) = DENNIS_T, _split(x)
    a, b = 2 * (x1 + t * x2 - np.exp(t)), 2 * (x3 + x4 * np.sin(t) - np.cos(t))
    return np.column_stack([a, a * t, b, b * np.sin(t)])


def _chebyshev(first: Vector, y: Vector, count: int) -> Matrix:
    """Give degrees 0 .. count-1 at y, a row each: T if `first` is y, U if it is 2 y."""
    rows = np.ones((count, y.size))
    rows[1:2] = first
    for k in range(2, count):
        rows[k] = 2 * y * rows[k - 1] - rows[k - 2]
    return rows


def chebyquad(x: Vector, m: int) -> Vector:
    y, degree = 2 * x - 1, np.arange(1, m + 1)
    integral = np.zeros(m)
    integral[1::2] = -1 / (degree[1::2] ** 2 - 1)
    return _row_sums(_chebyshev(y, y, m + 1)[1:]) / x.size - integral


def chebyquad_jac(x: Vector, m: int) -> Matrix:
    y, degree = 2 * x - 1, np.arange(1, m + 1)[:, np.newaxis]
    return 2 * degree * _chebyshev(2 * y, y, m) / x.size


def almost_linear(x: Vector) -> Vector:
    r = x + np.sum(x) - (x.size + 1)
    r[-1] = np.prod(x) - 1
    return r


def almost_linear_jac(x: Vector) -> Matrix:
    own = np.eye(x.size, dtype=np.bool_)
    jac = np.ones(own.shape) + own
    jac[-1] = np.prod(np.where(own, 1.0, x), axis=1)
    return jac


def osborne_1(x: Vector) -> Vector:
    terms = np.hstack([np.ones((33, 1)), np.exp(-OSBORNE_1_T * x[3:])])
    return OSBORNE_1_Y - _row_sums(terms * x[:3])


def osborne_1_jac(x: Vector) -> Matrix:
    decays = np.exp(-OSBORNE_1_T * x[3:])
    return np.hstack([-np.ones((33, 1)), -decays, OSBORNE_1_T * x[1:3] * decays])


def _osborne_2_terms(x: Vector) -> tuple[Vector, Matrix, Matrix]:
    """Give the decay and, for the three peaks, the distance and the shape."""
    distance = OSBORNE_2_T - x[8:]
    return np.exp(-OSBORNE_2_T * x[4]), distance, np.exp(-(distance**2) * x[5:8])


def osborne_2(x: Vector) -> Vector:
    decay, _, peaks = _osborne_2_terms(x)
    return OSBORNE_2_Y - _row_sums(np.hstack([decay, peaks]) * x[:4])


def osborne_2_jac(x: Vector) -> Matrix:
    decay, distance, peaks = _osborne_2_terms(x)
    by_rate = OSBORNE_2_T * x[0] * decay
    by_centre = x[1:4] * distance * peaks
    return np.hstack([-decay, -peaks, by_rate, by_centre * distance, -2 * x[5:8] * by_centre])


# The driver's table. It starts from the standard start times each of these, in this order.
FACTORS = (1.0, 10.0, 100.0)
Family = tuple[Callable[..., Vector], Callable[..., Matrix], Callable[[int], Vector]]


def _at(*figures: float) -> Callable[[int], Vector]:
    return lambda n: np.array(figures, dtype=np.float64)


# By name: residuals, Jacobian, standard start for a given n.
FAMILIES: dict[str, Family] = {
    "linear-full-rank": (linear_full_rank, linear_full_rank_jac, np.ones),
    "linear-rank-one": (linear_rank_one, linear_rank_one_jac, np.ones),
    "linear-rank-one-zeros": (partial(linear_rank_one, zeros=True), partial(linear_rank_one_jac, zeros=True), np.ones),
    "rosenbrock": (rosenbrock, rosenbrock_jac, _at(-1.2, 1)),
    "helical-valley": (helical_valley, helical_valley_jac, _at(-1, 0, 0)),
    "powell-singular": (powell_singular, powell_singular_jac, _at(3, -1, 0, 1)),
    "freudenstein-roth": (freudenstein_roth, freudenstein_roth_jac, _at(0.5, -2)),
    "bard": (bard, bard_jac, _at(1, 1, 1)),
    "kowalik-osborne": (kowalik_osborne, kowalik_osborne_jac, _at(0.25, 0.39, 0.415, 0.39)),
    "meyer": (meyer, meyer_jac, _at(0.02, 4000, 250)),
    "watson": (watson, watson_jac, np.zeros),
    "box-3d": (box_3d, box_3d_jac, _at(0, 10, 20)),
    "jennrich-sampson": (jennrich_sampson, jennrich_sampson_jac, _at(0.3, 0.4)),
    "brown-dennis": (brown_dennis, brown_dennis_jac, _at(25, 5, -5, -1)),
    "chebyquad": (chebyquad, chebyquad_jac, lambda n: np.arange(1, n + 1) / (n + 1)),
    "brown-almost-linear": (almost_linear, almost_linear_jac, lambda n: np.full(n, 0.5)),
    "osborne-1": (osborne_1, osborne_1_jac, _at(0.5, 1.5, -1, 0.01, 0.02)),
    "osborne-2": (osborne_2, osborne_2_jac, _at(1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5)),
}
TAKES_M = ("linear-full-rank", "linear-rank-one", "linear-rank-one-zeros", "chebyquad")


@dataclass(frozen=True)
class Case:
    """One line of the driver's table.

    `best_norms` are the 2-norms of the residuals at known minima, finite or in the limit, best
    first: roots of the paper's sums of squares, to 8 digits. The paper has neither the best of
    10x10 Chebyquad nor any of 8x1, whose last is the maximum that its first run can't leave.
    """

    number: int  # the driver's, 1 .. 18
    name: str  # a key of FAMILIES
    n: int
    m: int
    starts: int  # how many of FACTORS are used
    best_norms: tuple[float, ...]


CASES = (
    Case(1, "linear-full-rank", 5, 10, 1, (2.2360680,)),
    Case(1, "linear-full-rank", 5, 50, 1, (6.7082039,)),
    Case(2, "linear-rank-one", 5, 10, 1, (1.4638501,)),
    Case(2, "linear-rank-one", 5, 50, 1, (3.4826302,)),
    Case(3, "linear-rank-one-zeros", 5, 10, 1, (1.9097274,)),
    Case(3, "linear-rank-one-zeros", 5, 50, 1, (3.6917294,)),
    Case(4, "rosenbrock", 2, 2, 3, (0.0,)),
    Case(5, "helical-valley", 3, 3, 3, (0.0,)),
    Case(6, "powell-singular", 4, 4, 3, (0.0,)),
    Case(7, "freudenstein-roth", 2, 2, 3, (0.0, 6.9988752)),
    Case(8, "bard", 3, 15, 3, (0.090635960, 4.1747687)),
    Case(9, "kowalik-osborne", 4, 11, 3, (0.017535838, 0.032052193)),
    Case(10, "meyer", 3, 16, 2, (9.3779451,)),
    Case(11, "watson", 6, 31, 3, (0.047829594,)),
    Case(11, "watson", 9, 31, 3, (0.0011831146,)),
    Case(11, "watson", 12, 31, 3, (2.1731040e-5,)),
    Case(12, "box-3d", 3, 10, 1, (0.0,)),
    Case(13, "jennrich-sampson", 2, 10, 1, (11.151779,)),
    Case(14, "brown-dennis", 4, 20, 3, (292.95427,)),
    Case(15, "chebyquad", 1, 8, 3, (1.7511503, 1.7997461, 1.8685508, 1.8842482, 1.8862380)),
    Case(15, "chebyquad", 8, 8, 1, (0.059303235,)),
    Case(15, "chebyquad", 9, 9, 1, (0.0,)),
    Case(15, "chebyquad", 10, 10, 1, (0.069084830, 0.080647100)),
    Case(16, "brown-almost-linear", 10, 10, 3, (0.0, 1.0)),
    Case(16, "brown-almost-linear", 30, 30, 1, (0.0, 1.0)),
    Case(16, "brown-almost-linear", 40, 40, 1, (0.0, 1.0)),
    Case(17, "osborne-1", 5, 33, 1, (0.0073924926,)),
    Case(18, "osborne-2", 11, 65, 1, (0.20034404,)),
)


@dataclass(frozen=True, eq=False)
class Run:
    """One fit of the driver: its number, 1 .. 53, the case it belongs to and the problem."""

    number: int
    case: Case
    problem: Problem


def problem(case: Case, factor: float = 1.0) -> Problem:
    """Give a case from `factor` times its standard start.

    The zero start (Watson's) stays zero at factor 1, and every other factor stands in its place.
    The functions are silent about overflow and division by zero: far trial points meet both.
    """
    residuals, jacobian, standard_start = FAMILIES[case.name]
    size = {"m": case.m} if case.name in TAKES_M else {}
    start = standard_start(case.n) * factor
    if factor != 1 and not start.any():
        start[:] = factor
    silent = np.errstate(all="ignore")
    return Problem(
        name=f"{case.name}-{case.m}x{case.n}-start{factor:g}",
        start=start,
        m=case.m,
        residuals=silent(partial(residuals, **size)),
        jacobian=silent(partial(jacobian, **size)),
    )


def runs() -> list[Run]:
    """Give the driver's 53 runs in its order, with start arrays of their own."""
    pairs = [(case, factor) for case in CASES for factor in FACTORS[: case.starts]]
    return [Run(i, case, problem(case, factor)) for i, (case, factor) in enumerate(pairs, 1)]
