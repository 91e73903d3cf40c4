"""Fits of every kind, and what must be true of each one whatever is done to it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from checks import assert_same_fit, assert_same_result, quietly
from models import START, TALL_START, Table, both, jacobian, residuals, tall, tall_jacobian
from pyminpack import LevenbergMarquardt, check_jacobian, covariance, least_squares, leastsq, leastsq_blocks


def list_map(function: Callable, items: Any) -> list[Any]:
    """A map that has done all its work when it returns."""
    return [function(item) for item in items]


def as_table(x: np.ndarray) -> Table:
    """Residuals that have to be converted."""
    return Table(residuals(x))


def scaled(x: np.ndarray, factor: float, *, shift: float) -> np.ndarray:
    """Residuals with arguments by position and by name."""
    return factor * residuals(x) + shift


def own_loss(z: np.ndarray) -> np.ndarray:
    """A loss of the user's: soft_l1."""
    root = np.sqrt(1 + z)
    return np.array([2 * (root - 1), 1 / root, -0.5 / root**3])


# Arguments of LevenbergMarquardt, beside a start at (1, 1).
KINDS: dict[str, dict[str, Any]] = {
    "differences": {},
    "jacobian": {"jac": jacobian},
    "together": {"fun": both, "jac": True},
    "3-point": {"jac": "3-point"},
    "cs": {"jac": "cs"},
    "bounds": {"bounds": ([0, 0], [2.2, 2])},
    "loss": {"loss": "huber", "f_scale": 0.02, "jac": jacobian},
    "own loss": {"loss": own_loss, "f_scale": 0.02},
    "fixed": {"fixed": [True, False]},
    "fixed cs": {"fixed": [True, False], "jac": "cs"},
    "scaled": {"x_scale": [2.0, 0.5]},
    "arguments": {"fun": scaled, "args": (2.0,), "kwargs": {"shift": 0.0}},
    "converted": {"fun": as_table},
    "map": {"workers": list_map},
    "threads": {"workers": 2, "jac": "3-point"},
    "accelerated": {"accel": True, "bounds": ([0, 0], [2.2, 2])},
    "limited": {"max_nfev": 4, "jac": jacobian},
    "tall": {"fun": tall, "x0": TALL_START, "jac": tall_jacobian},
}


def begin(kind: str, **others: Any) -> LevenbergMarquardt:
    """A fit of this kind that has not taken a step."""
    return LevenbergMarquardt(**{"fun": residuals, "x0": START, **KINDS[kind], **others})


def values_at(kind: str, x: np.ndarray) -> np.ndarray:
    """The residuals of a fit of this kind at x."""
    options = KINDS[kind]
    answer = options.get("fun", residuals)(x, *options.get("args", ()), **options.get("kwargs", {}))
    return np.asarray(answer[0] if options.get("jac") is True else answer, np.float64)


def assert_is_of_one_point(kind: str, fit: Any) -> None:
    """Residuals and cost of a fit, or of its result, are those at its x."""
    np.testing.assert_array_equal(fit.fun, values_at(kind, fit.x))
    if "loss" not in KINDS[kind]:
        np.testing.assert_allclose(fit.cost, 0.5 * np.dot(fit.fun, fit.fun), rtol=1e-13)


# ------------------------------------------------------------------------------------ calls, from beginning to end

HALVES = [slice(0, 10), slice(10, 20)]


def _of_block(x: np.ndarray, rows: slice) -> np.ndarray:
    return residuals(x)[rows]


def _jacobian_of_block(x: np.ndarray, rows: slice) -> np.ndarray:
    return jacobian(x)[rows]


def _watcher() -> Callable[[Any], bool]:
    return lambda state: state.nit > 3


CALLS: dict[str, Callable[[], Any]] = {
    "leastsq": lambda: leastsq(residuals, START, full_output=True),
    "leastsq with Dfun": lambda: leastsq(residuals, START, Dfun=jacobian, full_output=True, diag=[1, 2], factor=1),
    "leastsq of lists": lambda: leastsq(as_table, [1, 1], full_output=True),
    "leastsq, tall": lambda: leastsq(tall, TALL_START, Dfun=tall_jacobian, full_output=True),
    "least_squares": lambda: least_squares(residuals, START, bounds=([0, 0], [2.2, 2])),
    "callback": lambda: least_squares(residuals, START, jacobian, callback=_watcher()),
    "timeout": lambda: least_squares(residuals, START, timeout=1e6),
    "blocks": lambda: leastsq_blocks(_of_block, START, HALVES),
    "blocks with jac": lambda: leastsq_blocks(
        _of_block, START, HALVES, jac=_jacobian_of_block, callback=lambda s: None
    ),
    "check_jacobian": lambda: check_jacobian(residuals, jacobian, [2.0, 0.7]),
    "covariance": lambda: covariance(jacobian(START), variance=2.0),
}


def assert_same(this: Any, that: Any) -> None:
    """Two answers of one kind agree to the bit."""
    if isinstance(this, tuple):
        assert_same_fit(this, that)
    elif hasattr(this, "active_mask"):
        assert_same_result(this, that)
    else:
        for name in ("x", "cov_x", "cov", "stderr", "nfev", "njev", "nit", "cost", "differences", "uncertainties"):
            values = [quietly(lambda one=one, name=name: getattr(one, name, None)) for one in (this, that)]
            np.testing.assert_array_equal(*values, err_msg=name)


def assert_same_end(result: Any, expected: Any) -> None:
    """Two results agree to the bit, but for a call or two of an interrupted comparison of the Jacobian."""
    for name in ("x", "cost", "fun", "jac", "grad", "nit", "status"):
        np.testing.assert_array_equal(result[name], expected[name], err_msg=name)
    for name in ("nfev", "njev"):
        assert abs(result[name] - expected[name]) <= 1, name
