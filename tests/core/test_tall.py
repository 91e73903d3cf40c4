"""Tall Jacobians, factored by blocks of rows: the same fits, whatever the layout, without a copy of the Jacobian."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from c_library import c_jacobian, c_residuals, needs_compiler
from models import TALL_START, TALL_T, TALL_Y, tall, tall_jacobian
from problems import mgh
from pyminpack import InputValueError, ShapeError, leastsq
from pyminpack._minpack import blocks_pay, lmder, lmdif
from pyminpack._minpack import leastsq as fit_in_core
from rounding import agree, endings, fit

M, N = 3000, 3


# ------------------------------------------------------------------------------------- the same fits


@pytest.mark.parametrize(("m", "n", "pays"), [(511, 1, False), (512, 1, True), (900, 300, True), (899, 300, False)])
def test_crossover(m, n, pays):
    assert bool(blocks_pay(m, n)) is pays


TIMES = 256  # makes a tall fit of every standard run, and 1/16 of each residual leaves the norm as it was


def lengthened(run: mgh.Run, by_differences: bool) -> tuple[int, dict, np.ndarray]:
    """The fit of a standard run with a sixteenth of each residual, but 256 times: ier, infodict, x.

    The sum of squares is the same; but the Jacobian is factored by blocks of rows.
    """
    problem = run.problem
    assert blocks_pay(TIMES * problem.m, problem.n)

    def residuals(x: np.ndarray) -> np.ndarray:
        return np.repeat(problem.residuals(x) / 16, TIMES)

    def jacobian(x: np.ndarray) -> np.ndarray:
        return np.repeat(problem.jacobian(x) / 16, TIMES, axis=0)

    options = {} if by_differences else {"Dfun": jacobian}
    x, _, info, _, ier = leastsq(residuals, problem.start, full_output=True, **options)
    return ier, info, x


@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
@pytest.mark.parametrize("run", mgh.runs(), ids=lambda run: run.problem.name)
def test_standard_runs_end_alike_where_rounding_does_not_decide(run, by_differences, kernel):
    ier, info, x = lengthened(run, by_differences)
    classic = endings(run, by_differences)
    if agree(classic):
        assert info["nfev"] >= classic[0].nfev
        if info["nfev"] > classic[0].nfev or ier > 4:  # the end was looked at, and was none by what J says there
            return
        assert ier == classic[0].info or {ier, classic[0].info} <= {1, 2, 3}  # the last reductions are rounding
        np.testing.assert_allclose(x, classic[0].x, rtol=1e-7 if by_differences else 1e-8, atol=1e-12)


@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
def test_most_standard_runs_have_no_choice(by_differences):
    """The test above compares something: runs that end alike on both paths, by ier and nfev."""
    same = 0
    for run in mgh.runs():
        ier, info, _ = lengthened(run, by_differences)
        classic = fit(run, np.arange(run.problem.m), by_differences)
        same += (ier, info["nfev"]) == (classic.info, classic.nfev)
    assert same >= (15 if by_differences else 25)


def classic_fit(
    by_differences: bool, diag: Any = (), factor: float = 100.0, epsfcn: float = 0.0, **others: Any
) -> dict:
    """The fit by MINPACK's own drivers, which factor a Jacobian column by column."""
    tolerances = {"ftol": 1.49012e-8, "xtol": 1.49012e-8, "gtol": 0.0, "maxfev": 800} | others
    first, last = (TALL_START, tall(TALL_START)), (np.array(diag, float), factor)
    if by_differences:
        names = ("x", "fvec", "ier", "nfev", "fjac", "ipvt", "qtf")
        results = lmdif(tall, *first, *tolerances.values(), epsfcn, *last)
    else:
        names = ("x", "fvec", "ier", "nfev", "njev", "fjac", "ipvt", "qtf")
        results = lmder(tall, tall_jacobian, *first, False, *tolerances.values(), *last)
    return dict(zip(names, results, strict=True))


@pytest.mark.parametrize(
    "options",
    [{}, {"diag": [1.0, 10.0, 0.1]}, {"factor": 0.1}, {"ftol": 1e-3}, {"gtol": 1e-3}, {"maxfev": 4}, {"epsfcn": 1e-8}],
    ids=str,
)
@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
def test_options_mean_the_same(options, by_differences):
    expected = classic_fit(by_differences, **options)
    given = options if by_differences else options | {"Dfun": tall_jacobian}
    x, cov_x, info, _, ier = leastsq(tall, TALL_START, full_output=True, **given)
    np.testing.assert_allclose(x, expected["x"], rtol=1e-8 if by_differences else 1e-10)
    assert ier == expected["ier"]
    assert [info.get(key) for key in ("nfev", "njev")] == [expected.get(key) for key in ("nfev", "njev")]
    np.testing.assert_array_equal(info["ipvt"], expected["ipvt"] - 1)
    np.testing.assert_allclose(info["fvec"], expected["fvec"], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(np.abs(info["qtf"]), np.abs(expected["qtf"]), rtol=1e-4, atol=1e-5)
    if cov_x is not None:
        r = np.triu(expected["fjac"].T[:N])
        order = np.argsort(info["ipvt"])
        covariance = np.linalg.inv(r.T @ r)[np.ix_(order, order)]
        np.testing.assert_allclose(cov_x, covariance, rtol=1e-6 if by_differences else 1e-8)


@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
def test_results_are_what_the_docstring_says(by_differences, kernel):
    seen = []

    def recording(x: np.ndarray) -> np.ndarray:
        seen.append((tall(x), tall_jacobian(x)))
        return seen[-1][1]

    options = {} if by_differences else {"Dfun": recording}
    x, cov_x, info, _, ier = leastsq(tall, TALL_START, full_output=True, **options)
    assert ier in (1, 2, 3)
    if by_differences:
        seen.append((info["fvec"], tall_jacobian(x)))
    f, jac = seen[-1]
    tolerance = 1e-5 if by_differences else 1e-12
    r = np.triu(info["fjac"].T[:N])
    np.testing.assert_allclose(r.T @ r, (jac.T @ jac)[np.ix_(info["ipvt"], info["ipvt"])], rtol=tolerance)
    np.testing.assert_allclose(cov_x, np.linalg.inv(jac.T @ jac), rtol=10 * tolerance)
    np.testing.assert_array_equal(info["fvec"], tall(x))
    assert info["fjac"].shape == (N, M)
    if not by_differences:
        gradient = (jac.T @ f)[info["ipvt"]]
        np.testing.assert_allclose(r.T @ info["qtf"], gradient, atol=1e-12 * np.linalg.norm(f) * np.linalg.norm(jac))
        assert not np.tril(info["fjac"].T, -1).any()


# ----------------------------------------------------------------------------- layouts, and memory

LAYOUTS: dict[str, tuple[bool, Callable[[np.ndarray], Any]]] = {
    "C": (False, np.ascontiguousarray),
    "Fortran": (False, np.asfortranarray),
    "rows of a larger array": (False, lambda jac: np.hstack([jac, jac])[:, :N]),
    "every second row": (False, lambda jac: np.repeat(jac, 2, axis=0)[::2]),
    "upside down": (False, lambda jac: np.ascontiguousarray(jac[::-1])[::-1]),
    "list": (False, lambda jac: jac.tolist()),
    "longdouble": (False, lambda jac: jac.astype(np.longdouble)),
    "big-endian": (False, lambda jac: jac.astype(">f8")),
    "matrix": (False, lambda jac: np.asarray(jac).view(Subclass)),
    "transposed": (True, lambda jac: np.ascontiguousarray(jac.T)),
    "transposed view": (True, lambda jac: jac.T),
    "transposed columns of a larger array": (True, lambda jac: np.hstack([jac.T, jac.T])[:, :M]),
}


class Subclass(np.ndarray):
    pass


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_bits(layout):
    col_deriv, convert = LAYOUTS[layout]
    expected = leastsq(tall, TALL_START, Dfun=tall_jacobian, full_output=True)
    outcome = leastsq(tall, TALL_START, Dfun=lambda x: convert(tall_jacobian(x)), col_deriv=col_deriv, full_output=True)
    np.testing.assert_array_equal(outcome[0], expected[0])
    np.testing.assert_array_equal(outcome[2]["fjac"], expected[2]["fjac"])


def test_buffers_may_be_used_again_and_are_never_the_solver_s():
    buffer, jac_buffer = np.empty(M), np.empty((N, M))

    def fill(x: np.ndarray) -> np.ndarray:
        buffer[:] = tall(x)
        return buffer

    def fill_jacobian(x: np.ndarray) -> np.ndarray:
        jac_buffer[:] = tall_jacobian(x).T
        return jac_buffer

    expected = leastsq(tall, TALL_START, Dfun=tall_jacobian, full_output=True)
    x, _, info, _, _ = leastsq(fill, TALL_START, Dfun=fill_jacobian, col_deriv=True, full_output=True)
    np.testing.assert_array_equal(x, expected[0])
    for array in (x, *info.values()):
        assert not np.shares_memory(array, buffer)
        assert not np.shares_memory(array, jac_buffer)
        assert not np.shares_memory(array, TALL_START)


def test_residuals_that_are_a_view_are_left_alone():
    double = np.empty(2 * M)

    def every_second(x: np.ndarray) -> np.ndarray:
        double[::2] = tall(x)
        return double[::2]

    x, _ = leastsq(every_second, TALL_START)
    np.testing.assert_allclose(x, leastsq(tall, TALL_START)[0], rtol=1e-12)


MEMORY = """
import sys, numpy as np
from pyminpack import leastsq

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

m, n = 200_000, 32
t = np.linspace(0, 1, m)
jac = np.empty(({n}, {m}))
for j in range(n):
    jac{column} = np.cos(3 * j * t)
y = sum(np.sin(j) * np.cos(3 * j * t) for j in range(n))
r = np.empty(m)

def residuals(x):
    np.subtract(x @ jac if {by_columns} else jac @ x, y, out=r)
    return r

residuals(np.ones(n))
before = peak()
x, cov_x, info, message, ier = leastsq(residuals, np.ones(n), Dfun=lambda x: jac, col_deriv={by_columns},
                                       full_output=True)
assert ier in (1, 2, 3, 4) and np.abs(x - np.sin(np.arange(n))).max() < 1e-6
print((peak() - before + jac.nbytes) / jac.nbytes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells how much memory a process takes")
@pytest.mark.parametrize("by_columns", [False, True])
def test_peak_memory_is_little_more_than_the_jacobian(by_columns):
    names = {"n": "n", "m": "m", "column": "[j]"} if by_columns else {"n": "m", "m": "n", "column": "[:, j]"}
    code = MEMORY.format(by_columns=by_columns, **names)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert 1 <= float(ran.stdout) < 1.2


# -------------------------------------------------------------------------------------- wrong values


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_jacobian_that_is_not_finite_is_refused_by_name(layout, bad):
    col_deriv, convert = LAYOUTS[layout]

    def spoilt(x: np.ndarray) -> Any:
        jac = tall_jacobian(x)
        jac[2345, 1] = bad
        return convert(jac)

    with pytest.raises(
        InputValueError, match=rf"from Dfun has 1 value that is not finite, .* x\[1\] in residual 2345 \({bad}\)"
    ):
        leastsq(tall, TALL_START, Dfun=spoilt, col_deriv=col_deriv)


def test_a_jacobian_too_large_is_refused_by_name():
    with pytest.raises(InputValueError, match=r"too large, the largest for parameter x\[2\]"):
        leastsq(tall, TALL_START, Dfun=lambda x: tall_jacobian(x) * [1, 1, 1e308])


def test_differences_that_are_not_finite_are_refused_by_name():
    def blows_up(x: np.ndarray) -> np.ndarray:
        values = tall(x)
        if x[1] != 1:
            values[17] = np.nan
        return values

    with pytest.raises(InputValueError, match=r"by differences of func has 1 value .* x\[1\] in residual 17 \(nan\)"):
        leastsq(blows_up, TALL_START)


def test_a_wall_of_nan_on_the_way_is_no_convergence():
    def with_wall(x: np.ndarray) -> np.ndarray:
        return tall(x) if x[1] < 1.15 else np.full(M, np.nan)

    with pytest.warns(RuntimeWarning):
        assert leastsq(with_wall, TALL_START, Dfun=tall_jacobian)[1] not in (1, 2, 3, 4)


def test_shapes_are_checked_on_every_call():
    with pytest.raises(ShapeError, match="col_deriv=True"):
        leastsq(tall, TALL_START, Dfun=lambda x: tall_jacobian(x).T)
    calls = []

    def shrinking(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        return tall(x)[: M if len(calls) < 3 else M - 1]

    with pytest.raises(ShapeError, match=f"{M - 1} residuals on call 3"):
        leastsq(shrinking, TALL_START)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_exceptions_come_out_as_they_are(error, at, capfd):
    calls = []

    def failing(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        if len(calls) == at:
            raise error("mine")
        return tall_jacobian(x)

    with pytest.raises(error, match="mine"):
        leastsq(tall, TALL_START, Dfun=failing)
    assert capfd.readouterr() == ("", "")


def test_single_precision_is_found_out():
    t, y = TALL_T.astype(np.float32), TALL_Y.astype(np.float32)

    def in_single_precision(x: np.ndarray) -> np.ndarray:
        a, b, c = x.astype(np.float32)
        return (a * np.exp(-b * t) + c - y).astype(float)

    x, ier = leastsq(in_single_precision, TALL_START)
    np.testing.assert_allclose(x, leastsq(tall, TALL_START)[0], rtol=1e-3)
    assert ier in (1, 2, 3)


def test_a_dependence_gives_no_covariance():
    def jac(x: np.ndarray) -> np.ndarray:
        return np.column_stack([TALL_T, 2 * TALL_T, np.ones(M)])

    assert leastsq(lambda x: jac(x) @ x - TALL_Y, TALL_START, Dfun=jac, full_output=True)[1] is None


# ----------------------------------------------------------------------- together with everything else


@pytest.mark.parametrize("layout", [None, "C", "F"])
@pytest.mark.parametrize("full_output", [False, True])
@needs_compiler
def test_compiled_functions(layout, full_output):
    data = np.concatenate([TALL_T, TALL_Y])
    func = c_residuals(data, M)
    options: dict[str, Any] = {"full_output": full_output}
    if layout:
        options["Dfun"] = c_jacobian(layout, data, M)
    expected = leastsq(lambda x: func(x), TALL_START[:2], **options)
    for start in (TALL_START[:2], list(TALL_START[:2])):
        outcome = leastsq(func, start, **options)
        np.testing.assert_array_equal(outcome[0], expected[0])
        assert outcome[-1] == expected[-1] in (1, 2, 3)
        if full_output:
            np.testing.assert_array_equal(outcome[1], expected[1])
            np.testing.assert_array_equal(outcome[2]["fjac"], expected[2]["fjac"])
    if layout:
        mixed = leastsq(lambda x: func(x), TALL_START[:2], Dfun=lambda x: options["Dfun"](x), full_output=full_output)
        np.testing.assert_array_equal(mixed[0], expected[0])


@needs_compiler
def test_a_compiled_jacobian_that_is_not_finite_is_refused_by_name():
    data = np.concatenate([TALL_T, TALL_Y])
    spoilt = data.copy()
    spoilt[1234] = np.nan
    func, jac = c_residuals(data, M), c_jacobian("C", spoilt, M)
    with pytest.raises(InputValueError, match=r"has 2 values .* x\[0\] in residual 1234 \(nan\)"):
        leastsq(func, TALL_START[:2], Dfun=jac)


def test_fits_nest():
    inner = leastsq(tall, TALL_START, Dfun=tall_jacobian)[0]

    def outer(x: np.ndarray) -> np.ndarray:
        np.testing.assert_array_equal(leastsq(tall, TALL_START, Dfun=tall_jacobian)[0], inner)
        return tall(x)

    np.testing.assert_array_equal(leastsq(outer, TALL_START, Dfun=tall_jacobian)[0], inner)


def test_threads_agree():
    expected = leastsq(tall, TALL_START, Dfun=tall_jacobian)[0]
    found: list[np.ndarray] = []

    def fits() -> None:
        found.extend(leastsq(tall, TALL_START, Dfun=tall_jacobian)[0] for _ in range(20))

    threads = [threading.Thread(target=fits) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(np.array_equal(x, expected) for x in found)


def test_args_reach_both_functions():
    x, _ = leastsq(
        lambda x, a, b: tall(x) * a + b, TALL_START, args=(2.0, 0.0), Dfun=lambda x, a, b: tall_jacobian(x) * a + b
    )
    np.testing.assert_allclose(x, leastsq(tall, TALL_START, Dfun=tall_jacobian)[0], rtol=1e-7)


def test_the_core_refuses_arguments_that_do_not_fit():
    good = {
        "func": tall, "jac": tall_jacobian, "x0": TALL_START, "fvec": tall(TALL_START), "args": (), "col_deriv": False,
        "ftol": 1e-8, "xtol": 1e-8, "gtol": 0.0, "maxfev": 100, "precision": 0.0, "diag": None, "factor": 100.0,
        "full_output": True,
    }  # fmt: skip
    assert len(fit_in_core(*good.values())) == 11
    for wrong in (
        {"x0": np.ones(M + 1)},
        {"x0": np.empty(0)},
        {"x0": [1.0]},
        {"x0": np.ones(3, np.float32)},
        {"fvec": tall(TALL_START)[::2]},
        {"fvec": None},
        {"diag": np.ones(2)},
        {"diag": np.ones(6)[::2]},
    ):
        with pytest.raises(ValueError, match="don't fit"):
            fit_in_core(*(good | wrong).values())
