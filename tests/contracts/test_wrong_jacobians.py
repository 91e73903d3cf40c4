"""A Jacobian that is wrong never passes as success where the point is no minimum; a right one is never accused."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from judge import judge
from landscapes import drawn_land
from models import T, Y
from problems.drawn import drawn
from problems.spoilt import RIGHT, SPOILT
from pyminpack import compiled_jacobian, compiled_residuals, least_squares, leastsq, leastsq_blocks

COMPLEX_STEPS = "complex steps"
# Where the fit has no Jacobian in common with its residuals: the model is in single precision, the Jacobian isn't.
SEEDS = [seed for seed in range(0, 400, 12) if not drawn(seed).single]


@np.errstate(all="ignore")
@pytest.mark.parametrize("kind", [*SPOILT, COMPLEX_STEPS])
def test_fits_drawn_at_random(kind: str) -> None:
    """In units from 1e-12 to 1e12, far from 0, from 0, within bounds; judged by a method with the exact Jacobian."""
    is_right = kind in (RIGHT, COMPLEX_STEPS)
    for seed in SEEDS:
        fit = drawn(seed)
        column = zlib.crc32(fit.start.tobytes()) % fit.start.size

        def jac(x: np.ndarray, fit: Any = fit, column: int = column) -> np.ndarray:
            return SPOILT[kind](fit.jacobian(x), column)

        if kind == "transposed":  # has the wrong shape
            continue
        given: Any = "cs" if kind == COMPLEX_STEPS else jac
        end = least_squares(fit.residuals, fit.start, given, (fit.lower, fit.upper))
        if is_right:
            assert end.status != -7, seed
            assert "disagrees" not in end.message, seed
        elif end.success:
            assert judge(drawn_land(seed), fit.inner(end.x)).is_minimum, seed


def raised(u: np.ndarray) -> np.ndarray:
    """A decay on a level of 0."""
    return u[0] * np.exp(-u[1] * T) + u[2] - Y


def raised_jacobian(u: np.ndarray) -> np.ndarray:
    decay = np.exp(-u[1] * T)
    return np.stack([decay, -u[0] * T * decay, np.ones(T.size)], axis=1)


UNITS = [np.array(unit) for unit in ([1.0, 1, 1], [1e-12, 1, 1e12], [1e9, 1e-6, 1e-12], [1e12, 1e12, 1e-9])]
# A level of 0 at the start, next to it, and away from it.
LEVELS = (0.0, 1e-100, -1e-16, 0.3)
OPTIONS: dict[str, Callable[[np.ndarray, float], dict[str, Any]]] = {
    "plain": lambda unit, size: {},
    "bounds": lambda unit, size: {"bounds": (-4 * unit, 9 * unit)},
    "a bound next to the level": lambda unit, size: {"bounds": (np.array([-4, -4, -1e-16]) * unit, 9 * unit)},
    "fixed": lambda unit, size: {"fixed": [True, False, False]},
    "loss": lambda unit, size: {"loss": "soft_l1", "f_scale": size},
    "x_scale": lambda unit, size: {"x_scale": unit},
    "jac=True": lambda unit, size: {},
}


@np.errstate(all="ignore")
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("size", [1e-160, 1e-20, 1.0, 1e150])
def test_a_column_of_zeros_is_found_in_all_units(name: str, size: float) -> None:
    """It was measured in absolute units, and seen in some only."""
    for unit in UNITS:
        for level in LEVELS:
            for column in (None, 1, 2):
                given = np.arange(3) != column

                def fun(x: np.ndarray, unit: np.ndarray = unit) -> np.ndarray:
                    return size * raised(x / unit)

                def jac(x: np.ndarray, unit: np.ndarray = unit, given: np.ndarray = given) -> np.ndarray:
                    return size * raised_jacobian(x / unit) / unit * given

                def both(x: np.ndarray, fun: Callable = fun, jac: Callable = jac) -> tuple[np.ndarray, np.ndarray]:
                    return fun(x), jac(x)

                start = np.array([1, 0.7, level]) * unit
                functions: Any = (both, start, True) if name == "jac=True" else (fun, start, jac)
                end = least_squares(*functions, **OPTIONS[name](unit, size))
                assert end.success == (column is None), (unit, level, column, end.status)
                assert (end.status == -7) == ("disagrees" in end.message) == (column is not None)


def test_a_location_many_widths_from_0_whose_column_is_zeros() -> None:
    """Steps of its own size move the peak out of sight on either side, which looked like a minimum."""
    s = np.linspace(-5, 5, 60)

    def peak(u: np.ndarray) -> np.ndarray:
        return u[0] * np.exp(-0.5 * (s - u[1]) ** 2)

    y = peak(np.array([1.3, 0.4])) + 0.01 * np.cos(7 * s)
    for far in (0.0, 1e3, 1e7):
        for given in (0.0, 1.0):

            def jac(x: np.ndarray, far: float = far, given: float = given) -> np.ndarray:
                u = x - [0, far]
                bell = peak(np.array([1.0, u[1]]))
                return np.stack([bell, given * u[0] * (s - u[1]) * bell], axis=1)

            end = least_squares(lambda x, far=far: peak(x - [0, far]) - y, [1.0, far - 0.3], jac)
            assert (end.status == -7, end.success) == (given == 0, given == 1), (far, given, end.status)


def test_parameters_of_no_effect_cost_few_evaluations() -> None:
    """However many they are: they are moved all at once."""
    n = 200

    def jac(x: np.ndarray) -> np.ndarray:
        return np.hstack([raised_jacobian(x), np.zeros((T.size, n))])

    padded = lambda x: np.concatenate([raised(x), 0 * x[3:]])  # noqa: E731
    padded_jac = lambda x: np.vstack([jac(x), np.zeros((n, n + 3))])  # noqa: E731
    for value in (0.0, 1.0, 1e-9):
        start = np.append([1, 0.7, 0.1], np.full(n, value))
        fit = least_squares(padded, start, padded_jac)
        assert fit.success
        assert fit.nfev <= least_squares(padded, start, padded_jac, check_jac=False).nfev + 6


def test_bounds_a_few_numbers_apart() -> None:
    """Differences between them are nothing but rounding: they accused right Jacobians."""
    for numbers in (1, 3, 100):
        for at in (0.5833115, 1e-30, -7e8):
            unit = abs(at) / 0.5833115

            def fun(x: np.ndarray, unit: float = unit) -> np.ndarray:
                return np.array([x[0] / unit - 2, x[1] ** 2 + 0.5, x[0] / unit + x[1] ** 2])

            def jac(x: np.ndarray, unit: float = unit) -> np.ndarray:
                return np.array([[1 / unit, 0], [0, 2 * x[1]], [1 / unit, 2 * x[1]]])

            high = at + numbers * np.spacing(abs(at))
            end = least_squares(fun, [at, 0.7], jac, bounds=([at, -9], [high, 9]))
            assert end.status != -7
            assert "disagrees" not in end.message


@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0])
def test_compiled_functions(factor: float) -> None:
    ctypes = pytest.importorskip("ctypes")
    pointer = ctypes.POINTER(ctypes.c_double)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, pointer, pointer, ctypes.c_void_p)
    size = T.size

    @kind
    def fun(m: int, n: int, x: Any, f: Any, data: Any) -> int:
        np.ctypeslib.as_array(f, (m,))[:] = raised(np.ctypeslib.as_array(x, (n,)))
        return 0

    @kind
    def jac(m: int, n: int, x: Any, j: Any, data: Any) -> int:
        given = raised_jacobian(np.ctypeslib.as_array(x, (n,))) * [1, 1, factor]
        np.ctypeslib.as_array(j, (m, n))[:] = given
        return 0

    end = least_squares(compiled_residuals(fun, m=size), [1, 0.7, 0], compiled_jacobian(jac, m=size, n=3))
    assert (end.status == -7) == (factor != 1)
    assert end.success == (factor == 1)


@pytest.mark.parametrize("door", ["leastsq", "leastsq_blocks"])
@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0])
def test_an_end_by_differences_in_spite_of_the_given_jacobian_is_told(door: str, factor: float) -> None:
    def jac(u: np.ndarray) -> np.ndarray:
        return raised_jacobian(u) * [1, 1, factor]

    if door == "leastsq":
        *_, message, ier = leastsq(raised, [1, 0.7, 0], Dfun=jac, full_output=True)
    else:
        end = leastsq_blocks(lambda u, _: raised(u), [1, 0.7, 0], [None], jac=lambda u, _: jac(u))
        message, ier = end.message, end.ier
    assert ier in (1, 2, 3, 4)
    assert ("check_jacobian" in message) == (factor != 1)
