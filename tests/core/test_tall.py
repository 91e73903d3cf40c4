"""Tall Jacobians, factored by blocks of rows: the same fits, whatever the layout, without a copy of the Jacobian."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyminpack._leastsq
from c_library import library
from problems import mgh
from pyminpack import InputValueError, ShapeError, compiled_jacobian, compiled_residuals, leastsq
from pyminpack._minpack import blocks_pay, choose_kernel, fit_blocks, kernel, kernels
from rounding import agree, endings, fit

M, N = 3000, 3
T = np.linspace(0, 4, M)
Y = 2.5 * np.exp(-1.3 * T) + 0.4 + 0.05 * np.cos(70 * T)
START = np.array([1.0, 1.0, 0.0])


def residuals(x: np.ndarray) -> np.ndarray:
    return x[0] * np.exp(-x[1] * T) + x[2] - Y


def jacobian(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.exp(-x[1] * T), -x[0] * T * np.exp(-x[1] * T), np.ones(M)])


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Take blocks of rows always, or never."""
    return lambda always: monkeypatch.setattr(pyminpack._leastsq, "blocks_pay", lambda m, n: always)


@pytest.fixture(params=kernels())
def each_kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    before = kernel()
    choose_kernel(request.param)
    yield request.param
    choose_kernel(before)


# ------------------------------------------------------------------------------------- the same fits


@pytest.mark.parametrize(("m", "n", "pays"), [(511, 1, False), (512, 1, True), (900, 300, True), (899, 300, False)])
def test_crossover(m, n, pays):
    assert blocks_pay(m, n) is pays


@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
@pytest.mark.parametrize("run", mgh.runs(), ids=lambda run: run.problem.name)
def test_standard_runs_end_alike_where_rounding_does_not_decide(run, by_differences, force, each_kernel):
    force(True)
    options = {} if by_differences else {"Dfun": run.problem.jacobian}
    x, _, info, _, ier = leastsq(run.problem.residuals, run.problem.start, full_output=True, **options)
    classic = endings(run, by_differences)
    if agree(classic):
        assert (ier, info["nfev"]) == (classic[0].info, classic[0].nfev)
        np.testing.assert_allclose(x, classic[0].x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
def test_most_standard_runs_have_no_choice(by_differences, force):
    """The test above compares something: runs that end alike on both paths, by ier and nfev."""
    force(True)
    same = 0
    for run in mgh.runs():
        options = {} if by_differences else {"Dfun": run.problem.jacobian}
        _, _, info, _, ier = leastsq(run.problem.residuals, run.problem.start, full_output=True, **options)
        classic = fit(run, np.arange(run.problem.m), by_differences)
        same += (ier, info["nfev"]) == (classic.info, classic.nfev)
    assert same >= (30 if by_differences else 45)


@pytest.mark.parametrize(
    "options",
    [{}, {"diag": [1.0, 10.0, 0.1]}, {"factor": 0.1}, {"ftol": 1e-3}, {"gtol": 1e-3}, {"maxfev": 4}, {"epsfcn": 1e-8}],
    ids=str,
)
@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
def test_options_mean_the_same(options, by_differences, force):
    options = options | ({} if by_differences else {"Dfun": jacobian})
    force(False)
    expected = leastsq(residuals, START, full_output=True, **options)
    force(True)
    x, cov_x, info, message, ier = leastsq(residuals, START, full_output=True, **options)
    np.testing.assert_allclose(x, expected[0], rtol=1e-8 if by_differences else 1e-10)
    assert (message, ier) == expected[3:]
    assert info.keys() == expected[2].keys()
    assert [info.get(key) for key in ("nfev", "njev")] == [expected[2].get(key) for key in ("nfev", "njev")]
    np.testing.assert_array_equal(info["ipvt"], expected[2]["ipvt"])
    np.testing.assert_allclose(info["fvec"], expected[2]["fvec"], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(np.abs(info["qtf"]), np.abs(expected[2]["qtf"]), rtol=1e-4, atol=1e-5)
    if cov_x is not None:
        np.testing.assert_allclose(cov_x, expected[1], rtol=1e-6 if by_differences else 1e-8)


@pytest.mark.parametrize("by_differences", [False, True], ids=["Jacobian", "differences"])
def test_results_are_what_the_docstring_says(by_differences, each_kernel):
    seen = []

    def recording(x: np.ndarray) -> np.ndarray:
        seen.append((residuals(x), jacobian(x)))
        return seen[-1][1]

    options = {} if by_differences else {"Dfun": recording}
    x, cov_x, info, _, ier = leastsq(residuals, START, full_output=True, **options)
    assert ier in (1, 2, 3)
    if by_differences:
        seen.append((info["fvec"], jacobian(x)))
    f, jac = seen[-1]
    tolerance = 1e-5 if by_differences else 1e-12
    r = np.triu(info["fjac"].T[:N])
    np.testing.assert_allclose(r.T @ r, (jac.T @ jac)[np.ix_(info["ipvt"], info["ipvt"])], rtol=tolerance)
    np.testing.assert_allclose(cov_x, np.linalg.inv(jac.T @ jac), rtol=10 * tolerance)
    np.testing.assert_array_equal(info["fvec"], residuals(x))
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
    expected = leastsq(residuals, START, Dfun=jacobian, full_output=True)
    outcome = leastsq(residuals, START, Dfun=lambda x: convert(jacobian(x)), col_deriv=col_deriv, full_output=True)
    np.testing.assert_array_equal(outcome[0], expected[0])
    np.testing.assert_array_equal(outcome[2]["fjac"], expected[2]["fjac"])


def test_buffers_may_be_used_again_and_are_never_the_solver_s():
    buffer, jac_buffer = np.empty(M), np.empty((N, M))

    def fill(x: np.ndarray) -> np.ndarray:
        buffer[:] = residuals(x)
        return buffer

    def fill_jacobian(x: np.ndarray) -> np.ndarray:
        jac_buffer[:] = jacobian(x).T
        return jac_buffer

    expected = leastsq(residuals, START, Dfun=jacobian, full_output=True)
    x, _, info, _, _ = leastsq(fill, START, Dfun=fill_jacobian, col_deriv=True, full_output=True)
    np.testing.assert_array_equal(x, expected[0])
    for array in (x, *info.values()):
        assert not np.shares_memory(array, buffer)
        assert not np.shares_memory(array, jac_buffer)
        assert not np.shares_memory(array, START)


def test_residuals_that_are_a_view_are_left_alone():
    double = np.empty(2 * M)

    def every_second(x: np.ndarray) -> np.ndarray:
        double[::2] = residuals(x)
        return double[::2]

    x, _ = leastsq(every_second, START)
    np.testing.assert_allclose(x, leastsq(residuals, START)[0], rtol=1e-12)


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
        jac = jacobian(x)
        jac[2345, 1] = bad
        return convert(jac)

    with pytest.raises(
        InputValueError, match=rf"from Dfun has 1 value that is not finite, .* x\[1\] in residual 2345 \({bad}\)"
    ):
        leastsq(residuals, START, Dfun=spoilt, col_deriv=col_deriv)


def test_a_jacobian_too_large_is_refused_by_name():
    with pytest.raises(InputValueError, match=r"too large, the largest for parameter x\[2\]"):
        leastsq(residuals, START, Dfun=lambda x: jacobian(x) * [1, 1, 1e308])


def test_differences_that_are_not_finite_are_refused_by_name():
    def blows_up(x: np.ndarray) -> np.ndarray:
        values = residuals(x)
        if x[1] != 1:
            values[17] = np.nan
        return values

    with pytest.raises(InputValueError, match=r"by differences of func has 1 value .* x\[1\] in residual 17 \(nan\)"):
        leastsq(blows_up, START)


def test_a_wall_of_nan_on_the_way_is_no_convergence():
    def with_wall(x: np.ndarray) -> np.ndarray:
        return residuals(x) if x[1] < 1.15 else np.full(M, np.nan)

    with pytest.warns(RuntimeWarning):
        assert leastsq(with_wall, START, Dfun=jacobian)[1] not in (1, 2, 3, 4)


def test_shapes_are_checked_on_every_call():
    with pytest.raises(ShapeError, match="col_deriv=True"):
        leastsq(residuals, START, Dfun=lambda x: jacobian(x).T)
    calls = []

    def shrinking(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        return residuals(x)[: M if len(calls) < 3 else M - 1]

    with pytest.raises(ShapeError, match=f"{M - 1} residuals on call 3"):
        leastsq(shrinking, START)


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_exceptions_come_out_as_they_are(error, at, capfd):
    calls = []

    def failing(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        if len(calls) == at:
            raise error("mine")
        return jacobian(x)

    with pytest.raises(error, match="mine"):
        leastsq(residuals, START, Dfun=failing)
    assert capfd.readouterr() == ("", "")


def test_single_precision_is_found_out():
    t, y = T.astype(np.float32), Y.astype(np.float32)

    def in_single_precision(x: np.ndarray) -> np.ndarray:
        a, b, c = x.astype(np.float32)
        return (a * np.exp(-b * t) + c - y).astype(float)

    x, ier = leastsq(in_single_precision, START)
    np.testing.assert_allclose(x, leastsq(residuals, START)[0], rtol=1e-3)
    assert ier in (1, 2, 3)


def test_a_dependence_gives_no_covariance():
    def jac(x: np.ndarray) -> np.ndarray:
        return np.column_stack([T, 2 * T, np.ones(M)])

    assert leastsq(lambda x: jac(x) @ x - Y, START, Dfun=jac, full_output=True)[1] is None


# ----------------------------------------------------------------------- together with everything else


@pytest.mark.parametrize("layout", [None, "C", "F"])
@pytest.mark.parametrize("full_output", [False, True])
@pytest.mark.skipif(library() is None, reason="no C compiler here")
def test_compiled_functions(layout, full_output):
    data = np.concatenate([T, Y])
    func = compiled_residuals(library().residuals, M, data=data, signature="residuals")
    functions = {"C": "jacobian_rows", "F": "jacobian_columns"}
    options: dict[str, Any] = {"full_output": full_output}
    if layout:
        options["Dfun"] = compiled_jacobian(getattr(library(), functions[layout]), M, 2, data=data, layout=layout)
    expected = leastsq(lambda x: func(x), START[:2], **options)
    for start in (START[:2], list(START[:2])):
        outcome = leastsq(func, start, **options)
        np.testing.assert_array_equal(outcome[0], expected[0])
        assert outcome[-1] == expected[-1] in (1, 2, 3)
        if full_output:
            np.testing.assert_array_equal(outcome[1], expected[1])
            np.testing.assert_array_equal(outcome[2]["fjac"], expected[2]["fjac"])
    if layout:
        mixed = leastsq(lambda x: func(x), START[:2], Dfun=lambda x: options["Dfun"](x), full_output=full_output)
        np.testing.assert_array_equal(mixed[0], expected[0])


@pytest.mark.skipif(library() is None, reason="no C compiler here")
def test_a_compiled_jacobian_that_is_not_finite_is_refused_by_name():
    data = np.concatenate([T, Y])
    spoilt = data.copy()
    spoilt[1234] = np.nan
    func = compiled_residuals(library().residuals, M, data=data, signature="residuals")
    jac = compiled_jacobian(library().jacobian_rows, M, 2, data=spoilt)
    with pytest.raises(InputValueError, match=r"has 2 values .* x\[0\] in residual 1234 \(nan\)"):
        leastsq(func, START[:2], Dfun=jac)


def test_fits_nest():
    inner = leastsq(residuals, START, Dfun=jacobian)[0]

    def outer(x: np.ndarray) -> np.ndarray:
        np.testing.assert_array_equal(leastsq(residuals, START, Dfun=jacobian)[0], inner)
        return residuals(x)

    np.testing.assert_array_equal(leastsq(outer, START, Dfun=jacobian)[0], inner)


def test_threads_agree():
    expected = leastsq(residuals, START, Dfun=jacobian)[0]
    found: list[np.ndarray] = []

    def fits() -> None:
        found.extend(leastsq(residuals, START, Dfun=jacobian)[0] for _ in range(20))

    threads = [threading.Thread(target=fits) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(np.array_equal(x, expected) for x in found)


def test_args_reach_both_functions():
    x, _ = leastsq(
        lambda x, a, b: residuals(x) * a + b, START, args=(2.0, 0.0), Dfun=lambda x, a, b: jacobian(x) * a + b
    )
    np.testing.assert_allclose(x, leastsq(residuals, START, Dfun=jacobian)[0], rtol=1e-7)


def test_the_core_refuses_arguments_that_do_not_fit():
    good = (residuals, jacobian, START, residuals(START), (), False, 1e-8, 1e-8, 0.0, 100, 0.0, np.empty(0), 100.0)
    assert len(fit_blocks(*good)) == 8
    for place, value in [
        (2, np.ones(M + 1)),
        (2, np.empty(0)),
        (3, residuals(START)[::2]),
        (11, np.ones(2)),
        (2, [1.0]),
    ]:
        wrong = list(good)
        wrong[place] = value
        with pytest.raises(ValueError, match="don't fit"):
            fit_blocks(*wrong)
