"""The problems of MINPACK's test driver: the table's shape, the formulas and the figures."""

import warnings

import numpy as np
import pytest

from problems._problem import Matrix, Problem, Vector
from problems.mgh import CASES, Case, Run, problem, runs


def key(case: Case) -> str:
    return f"{case.name}-{case.m}x{case.n}"


RUNS = runs()
KEYS = {key(case): case for case in CASES}

each_case = pytest.mark.parametrize("case", CASES, ids=key)
each_run = pytest.mark.parametrize("run", RUNS, ids=lambda run: run.problem.name)

# The norm of the residuals at the start of each run, as MINPACK's driver prints it.
START_NORMS = """
    5.0000000e+00 8.0622577e+00 2.9152187e+02 3.1016004e+03 1.2603968e+02 1.7489500e+03
    4.9193496e+00 1.3400631e+03 1.4300005e+05 5.0000000e+01 1.0295630e+02 9.9126182e+02
    1.4662878e+01 1.2709839e+03 1.2688790e+05 2.0012496e+01 1.2432834e+04 1.1426455e+07
    6.4561363e+00 3.6141853e+01 3.8411468e+02 7.2891510e-02 2.9793701e+00 2.9959062e+01
    4.1153467e+04 4.1682169e+06 5.4772256e+00 6.4331258e+03 6.7425604e+05 5.4772256e+00
    1.2088127e+04 1.2691093e+06 5.4772256e+00 1.9220759e+04 2.0189180e+06 3.2111584e+01
    6.4585650e+01 2.8154384e+03 5.5507335e+05 6.1211252e+07 1.8862380e+00 5.3833444e+09
    1.1808873e+18 1.9651386e-01 1.6994993e-01 1.8374783e-01 1.6530216e+01 9.7656240e+06
    9.7656250e+16 8.3476044e+01 1.2802636e+02 9.3756402e-01 1.4468654e+00
"""

# Points where the residuals vanish.
ZEROS = [
    ("rosenbrock-2x2", "1 1"),
    ("helical-valley-3x3", "1 0 0"),
    ("powell-singular-4x4", "0 0 0 0"),
    ("freudenstein-roth-2x2", "5 4"),
    ("box-3d-10x3", "1 10 1"),
    ("box-3d-10x3", "10 1 -1"),
    ("box-3d-10x3", "7 7 0"),
    (
        "chebyquad-9x9",
        "0.044205346136 0.19949067231 0.23561910847 0.41604690789 0.5"
        " 0.58395309211 0.76438089153 0.80050932769 0.95579465386",
    ),
    ("brown-almost-linear-10x10", "1 " * 10),
    ("brown-almost-linear-30x30", "1 " * 30),
    ("brown-almost-linear-40x40", "1 " * 40),
]

# Points where the gradient vanishes and the residuals don't. Those of Kowalik-Osborne, Meyer and
# Osborne 1 are NIST's certified values (its data sets MGH09, MGH10 and MGH17).
STATIONARY = [
    ("linear-full-rank-10x5", "-1 -1 -1 -1 -1"),
    ("linear-full-rank-50x5", "-1 -1 -1 -1 -1"),
    ("linear-rank-one-10x5", f"{3 / 21} 0 0 0 0"),
    ("linear-rank-one-50x5", f"{3 / 101} 0 0 0 0"),
    ("linear-rank-one-zeros-10x5", f"9 {3 / 17 / 2} 0 0 9"),
    ("linear-rank-one-zeros-50x5", f"9 {3 / 97 / 2} 0 0 9"),
    ("freudenstein-roth-2x2", f"{(53 - 4 * 22**0.5) / 3} {(2 - 22**0.5) / 3}"),
    ("bard-15x3", "0.08241055975 1.133036092 2.3436951786"),
    ("kowalik-osborne-11x4", "0.19280693458 0.19128232873 0.12305650693 0.13606233068"),
    ("meyer-16x3", "0.0056096364710 6181.3463463 345.22363462"),
    (
        "watson-31x6",
        "-0.015725086535 1.0124348693 -0.23299162557 1.2604300858 -1.5137289199 0.99299643096",
    ),
    (
        "watson-31x9",
        "-1.5307036521e-05 0.99978970393 0.014763963694 0.1463423283 1.000821103"
        " -2.6177311405 4.1044031645 -3.1436122786 1.052626408",
    ),
    (
        "watson-31x12",
        "-6.6380623441786e-09 1.0000016441177 -0.00056393218965369 0.34782054009288 -0.15673150037964 1.0528151583763"
        " -3.2472710951582 7.2884347835245 -10.271848098496 9.0741135372325 -4.5413754192607 1.0120118797558",
    ),
    ("jennrich-sampson-10x2", "0.25782521367 0.25782521367"),
    ("brown-dennis-20x4", "-11.594439905 13.203630051 -0.40343948818 0.23677877446"),
    ("chebyquad-8x1", "0.5"),
    ("chebyquad-8x1", "0.40897174495"),
    ("chebyquad-8x1", "0.24065482819"),
    ("chebyquad-8x1", "0.10240862223"),
    ("chebyquad-8x1", "0.018268735964"),
    (
        "chebyquad-8x8",
        "0.043152760151 0.19309084038 0.26632870689 0.5 0.5 0.73367129311 0.80690915962 0.95684723985",
    ),
    (
        "chebyquad-10x10",
        "0.059619900536 0.16670828184 0.23917065894 0.39888429231 0.39888429231"
        " 0.60111570769 0.60111570769 0.76082934106 0.83329171816 0.94038009946",
    ),
    (
        "chebyquad-10x10",
        "0.074748166215 0.17151817695 0.28643415258 0.35964645063 0.47075052287"
        " 0.61673833504 0.61673833504 0.79981080154 0.84485464224 0.96700662698",
    ),
    ("brown-almost-linear-10x10", "0 0 0 0 0 0 0 0 0 11"),
    ("osborne-1-33x5", "0.37541005211 1.9358469127 -1.4646871366 0.012867534640 0.022122699662"),
    (
        "osborne-2-65x11",
        "1.3099771546 0.43155379458 0.63366169895 0.59943053477 0.75418322627 0.90428858005"
        " 1.3658118351 4.8236988174 2.3986848661 4.5688745977 5.6753414706",
    ),
]


def figures(text: str) -> Vector:
    return np.array(text.split(), dtype=np.float64)


def norm(residuals: Vector) -> float:
    return float(np.sqrt(np.sum(residuals**2)))


def eight_digits(case: Case) -> list[str]:
    return [f"{best:.7e}" for best in case.best_norms]


def differences(p: Problem, x: Vector) -> Matrix:
    """The Jacobian by central differences of fourth order."""
    columns = []
    for j, step in enumerate(1e-3 * np.maximum(abs(x), 0.1)):
        e = np.zeros(p.n)
        e[j] = step
        near = p.residuals(x + e) - p.residuals(x - e)
        far = p.residuals(x + 2 * e) - p.residuals(x - 2 * e)
        columns.append((8 * near - far) / (12 * step))
    return np.column_stack(columns)


def test_there_are_28_cases_and_53_runs_with_names_of_their_own() -> None:
    assert [run.number for run in RUNS] == list(range(1, 54))
    assert len({run.problem.name for run in RUNS}) == 53
    assert len(CASES) == len(KEYS) == 28
    assert {case.number for case in CASES} == set(range(1, 19))


def test_the_starts_are_the_standard_one_and_its_multiples() -> None:
    starts = {run.problem.name: run.problem.start.tolist() for run in RUNS}
    assert starts["rosenbrock-2x2-start1"] == [-1.2, 1.0]
    assert starts["rosenbrock-2x2-start10"] == [-12.0, 10.0]
    assert starts["rosenbrock-2x2-start100"] == [-120.0, 100.0]
    assert starts["watson-31x6-start1"] == [0.0] * 6
    assert starts["watson-31x6-start10"] == [10.0] * 6
    assert starts["watson-31x6-start100"] == [100.0] * 6


@each_run
def test_norm_at_the_start_is_the_driver_s(run: Run) -> None:
    expected = figures(START_NORMS)[run.number - 1]
    assert norm(run.problem.residuals(run.problem.start)) == pytest.approx(expected, rel=6e-8)


@each_run
def test_arrays_are_new_float64_of_the_right_shape_and_x_is_left_alone(run: Run) -> None:
    p = run.problem
    assert (p.n, p.m) == (run.case.n, run.case.m)
    before = p.start.copy()
    for function, shape in ((p.residuals, (p.m,)), (p.jacobian, (p.m, p.n))):
        first, second = function(p.start), function(p.start)
        assert first.shape == shape
        assert first.dtype == p.start.dtype == np.float64
        assert not any(np.shares_memory(first, other) for other in (second, p.start))
        first[...] = np.nan
        assert np.array_equal(function(p.start), second)
    assert np.array_equal(p.start, before)
    assert not np.shares_memory(p.start, problem(run.case).start)


# No case is left out: the points stay off the one jump of the table, the half-plane x1 = 0,
# x2 < 0 of the helical valley.
@pytest.mark.parametrize("moved", [False, True], ids=["start", "beside"])
@each_case
def test_jacobian_agrees_with_differences(case: Case, moved: bool) -> None:
    p = problem(case)
    x = 1.05 * p.start + 0.03 * np.cos(np.arange(p.n)) if moved else p.start
    jac, expected = p.jacobian(x), differences(p, x)
    largest = np.max(abs(expected), axis=0)
    assert np.all(abs(jac - expected) <= 1e-6 * abs(expected) + 1e-7 * largest)


@pytest.mark.parametrize(("name", "x"), ZEROS)
def test_residuals_vanish_at_the_known_zeros(name: str, x: str) -> None:
    case = KEYS[name]
    assert case.best_norms[0] == 0
    assert norm(problem(case).residuals(figures(x))) < 1e-10


@pytest.mark.parametrize(("name", "x"), STATIONARY)
def test_stationary_points_have_no_gradient_and_a_listed_norm(name: str, x: str) -> None:
    case = KEYS[name]
    p = problem(case)
    r, jac = p.residuals(figures(x)), p.jacobian(figures(x))
    gradient, lengths = np.sum(jac * r[:, np.newaxis], axis=0), np.sqrt(np.sum(jac**2, axis=0))
    # At right angles to every column within 1e-5; 1e-8 for the points being rounded.
    assert np.all(abs(gradient) <= (1e-5 * norm(r) + 1e-8) * lengths)
    assert f"{norm(r):.7e}" in eight_digits(case)


def test_every_case_has_a_known_zero_or_stationary_point() -> None:
    assert {name for name, _ in ZEROS + STATIONARY} == set(KEYS)


def test_the_norms_in_the_limit() -> None:
    """Bard's fraction dies out; Kowalik-Osborne's x1, x3 and x4 grow in proportion."""
    mean = 12.61 / 15
    bard = problem(KEYS["bard-15x3"]).residuals(np.array([mean, 1e12, 1e12]))
    assert f"{norm(bard):.7e}" == eight_digits(KEYS["bard-15x3"])[1]
    far = np.array([-0.022095935074, -14.075883703e-10, 1.0, 0.62380133298]) * 1e10
    kowalik = problem(KEYS["kowalik-osborne-11x4"]).residuals(far)
    assert f"{norm(kowalik):.7e}" == eight_digits(KEYS["kowalik-osborne-11x4"])[1]


def test_the_helical_angle_follows_the_driver_s_branches() -> None:
    residuals = problem(KEYS["helical-valley-3x3"]).residuals
    quarters = {(1, 0): 0, (0, 1): 1, (-1, 0): 2, (-1, -1): 2.5, (0, -1): -1, (1, -1): -0.5}
    for (x1, x2), quarter in quarters.items():
        assert residuals(np.array([x1, x2, 0.0]))[0] == pytest.approx(-25 * quarter)


@each_case
def test_far_points_are_met_in_silence(case: Case) -> None:
    p = problem(case)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (np.zeros(p.n), np.full(p.n, 1e200), np.full(p.n, -1e200)):
            assert p.residuals(x).shape == (p.m,)
            assert p.jacobian(x).shape == (p.m, p.n)
