"""The extension module; see _minpack.pyf for what its functions do."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]
_Indices = NDArray[np.int32]

def set_converters(as_residuals: Callable[..., _Array], as_jacobian: Callable[..., _Array]) -> None: ...
def as_start(x0: Any, /) -> _Array | None: ...
def is_plain(array: Any, /) -> bool: ...
def leastsq(
    func: Any,
    jac: Any,
    x0: _Array,
    fvec: _Array,
    args: tuple[Any, ...],
    col_deriv: bool,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    precision: float,
    diag: _Array | None,
    factor: float,
    full_output: bool,
    /,
) -> tuple[Any, ...]: ...
def begin(
    x: _Array,
    f: _Array,
    fnorm: float,
    tolerances: tuple[float, float, float, float],
    limit: int,
    diag: _Array | None,
    bounds: tuple[_Array | None, _Array | None],
    typical: _Array | None,
    eta: _Array | None,
    precision: float,
    precision_known: bool,
    differences: int,
    accelerates: int,
    /,
) -> _Array: ...
def solve(memory: _Array, problem: tuple[Any, ...], steps: int, kept: list[Any], /) -> int | None: ...
def places(memory: _Array, /) -> tuple[int, int, int, int, int, int, int, int, int, int]: ...
def go_home(memory: _Array, /) -> None: ...
def look_again(memory: _Array, /) -> None: ...
def column_errors(memory: _Array, /) -> _Array: ...
def layout() -> list[tuple[str, str, int]]: ...
def codes() -> dict[str, int]: ...
def blocks_pay(m: int, n: int, /) -> int: ...
def machine_code(function: int, data: int, convention: int, m: int, n: int, kept: object, /) -> object: ...
def fit_each(
    functions: tuple[object, object | None],
    data: tuple[_Array | None, _Array, _Array | None, NDArray[np.bool_] | None],
    bounds: tuple[_Array | None, _Array | None],
    answers: tuple[_Array, _Array, _Indices, _Array],
    factors: tuple[_Array | None, _Indices | None, _Indices | None],
    loss: tuple[int, float],
    is_absolute: bool,
    limit: int,
    roundings: int,
    halted: _Indices,
    /,
) -> None: ...
def curve_residuals(
    f: Callable[..., Any],
    x: object,
    y: _Array,
    weights: _Array | None,
    otherwise: Callable[[Any, _Array], Any],
    /,
) -> Callable[[_Array], Any]: ...
def evaluate_compiled(code: object, x: _Array, result: _Array, /) -> int: ...
def kernels() -> tuple[str, ...]: ...
def kernel() -> str: ...
def choose_kernel(name: str) -> None: ...

# The wrappers of the drivers, whose arguments and results drivers.pyf has.
lmdif: Callable[..., tuple[_Array, _Array, int, int, _Array, _Indices, _Array]]
lmder: Callable[..., tuple[_Array, _Array, int, int, int, _Array, _Indices, _Array]]
lmstr: Callable[..., tuple[_Array, _Array, int, int, int, _Array, _Indices, _Array]]

def find_jacobian_error(fit: _Array) -> float: ...
def lm_begin(fit: _Array, fnorm: float) -> None: ...
def lm_next(
    fit: _Array,
    r: _Array,
    ipvt: _Indices,
    qtf: _Array,
    acnorm: _Array,
    diag: _Array,
    x: _Array,
    lower: _Array,
    upper: _Array,
    trial: _Array,
    refuge: _Array,
) -> int: ...
def lm_take_factor(
    fit: _Array,
    r: _Array,
    ipvt: _Indices,
    qtf: _Array,
    acnorm: _Array,
    x: _Array,
    lower: _Array,
    upper: _Array,
    diag: _Array,
) -> None: ...
def plan_differences(
    fit: _Array, x: _Array, typical: _Array, lower: _Array, upper: _Array, acnorm: _Array, states: _Array
) -> tuple[_Indices, _Array, _Array, int]: ...
def judge_difference(
    fit: _Array, x: float, change: float, bend: float, rise: float, tilt: float, state: _Array
) -> int: ...
def doubt_careful(fit: _Array, x: _Array, lower: _Array, upper: _Array, states: _Array) -> int: ...
def robust_norm(f: _Array, loss: int, scale: float) -> float: ...
def robust_residuals(f: _Array, loss: int, scale: float) -> _Array: ...
def robust_rows(f: _Array, loss: int, scale: float, column: _Array) -> None: ...
def loss_factors(z: _Array, first: _Array, second: _Array) -> tuple[_Array, _Array]: ...
def lengths_beside(x: _Array, start: _Array, norms: _Array, highest: float, precision: float) -> _Array: ...
def point_beside(x: _Array, start: _Array, lengths: _Array, unlike: bool, lower: _Array, upper: _Array) -> _Array: ...
def agrees_beside(error: _Array, step: _Array, norms: _Array, change: _Array) -> int: ...
def lm_take_norm(fit: _Array, diag: _Array, trial: _Array, norm: float, x: _Array) -> None: ...
def boxsolv(
    r: _Array,
    ipvt: _Indices,
    norms: _Array,
    mu: _Array,
    qtf: _Array,
    lo: _Array,
    hi: _Array,
    tries: int,
    changes: int,
    side: _Indices,
) -> tuple[_Indices, _Array, int]: ...
def lm_gradient(r: _Array, ipvt: _Indices, qtf: _Array) -> _Array: ...
def forward_steps(
    x: _Array, typical: _Array, eta: _Array, lower: _Array, upper: _Array
) -> tuple[_Array, _Array, _Array]: ...
def enorm(x: _Array) -> float: ...
def qrfac(a: _Array, pivot: int) -> tuple[_Array, _Indices, _Array, _Array]: ...
def lm_factor(fjac: _Array, f: _Array) -> tuple[_Array, _Indices, _Array, _Array]: ...
def qrsolv(r: _Array, ipvt: _Indices, diag: _Array, qtb: _Array) -> tuple[_Array, _Array, _Array]: ...
def lmpar(
    r: _Array, ipvt: _Indices, diag: _Array, qtb: _Array, delta: float, par: float
) -> tuple[_Array, float, _Array, _Array]: ...
def rwupdt(r: _Array, w: _Array, b: _Array, alpha: float) -> tuple[_Array, _Array, float, _Array, _Array]: ...
def fold(block: _Array, t: _Array) -> _Array: ...
def fold_jacobian(fjac: _Array, by_rows: int, f: _Array, t: _Array, ldb: int) -> _Array: ...
def block_rows(n: int) -> int: ...
def lm_pivot(t: _Array) -> tuple[_Array, _Indices, _Array, _Array]: ...
def covar(r: _Array, ipvt: _Indices, tol: float) -> _Array: ...
def column_rank(r: _Array, tol: float) -> int: ...
def unscaled_covariance(r: _Array, ipvt: _Indices, tol: float) -> tuple[_Array, int]: ...
def identifiable(r: _Array, ipvt: _Indices, tol: float) -> tuple[int, _Array, _Array, _Indices, float]: ...
def find_coarse(sizes: _Array, fvec: _Array, fjac: _Array) -> _Indices: ...
def chkder(x: _Array, fvec: _Array, fjac: _Array, xp: _Array, fvecp: _Array, mode: int) -> tuple[_Array, _Array]: ...
def residuals_many(value: _Array, y: _Array, weights: _Array, f: _Array, norms: _Array) -> None: ...
def forward_columns(
    before: int,
    columns: int,
    moved: _Array,
    y: _Array,
    weights: _Array,
    f: _Array,
    steps: _Array,
    jac: _Array,
) -> None: ...
def central_columns(
    before: int,
    columns: int,
    moved: _Array,
    y: _Array,
    weights: _Array,
    f: _Array,
    steps: _Array,
    jac: _Array,
    change: _Array,
    bend: _Array,
) -> None: ...
def given_columns(
    m: int,
    n: int,
    w: int,
    value: _Array,
    by_point: int,
    by_column: int,
    by_fit: int,
    weights: _Array,
    f: _Array,
    jac: _Array,
) -> None: ...
def change_beside(
    value: _Array,
    y: _Array,
    weights: _Array,
    f: _Array,
    steps: _Array,
    jac: _Array,
    change: _Array,
    wrong: _Array,
) -> None: ...
def robust_norms(f: _Array, loss: int, scale: float, norms: _Array) -> None: ...
def robust_columns(n: int, f: _Array, loss: int, scale: float, jac: _Array) -> None: ...
def place_rows(rows: _Array, numbers: _Indices, places: _Indices, to: _Array) -> None: ...
def take_rows(source: _Array, places: _Indices, numbers: _Indices, rows: _Array) -> None: ...
def plan_many(
    places: _Indices,
    kind: int,
    fits: _Array,
    x: _Array,
    acnorm: _Array,
    lower: _Array,
    upper: _Array,
    near: _Array,
    far: _Array,
    steps: _Array,
    fates: _Indices,
) -> None: ...
def rows_beside(
    places: _Indices,
    before: int,
    columns: int,
    sides: int,
    x: _Array,
    near: _Array,
    far: _Array,
    rows: _Array,
) -> None: ...
def gather_places(all: _Array, places: _Indices, to: _Array) -> None: ...
def factor_many(
    m: int,
    slots: _Indices,
    jac: _Array,
    change: _Array,
    bend: _Array,
    fits: _Array,
    x: _Array,
    r: _Array,
    qtf: _Array,
    acnorm: _Array,
    diag: _Array,
    fates: _Indices,
) -> None: ...
def propose_many(
    fits: _Array,
    r: _Array,
    qtf: _Array,
    diag: _Array,
    lower: _Array,
    upper: _Array,
    x: _Array,
    trial: _Array,
    xnorms: _Array,
    fates: _Indices,
) -> None: ...
def decide_many(
    fits: _Array,
    norms: _Array,
    xnorms: _Array,
    trial: _Array,
    moved: _Array,
    x: _Array,
    f: _Array,
    fates: _Indices,
) -> None: ...
def covariance_many(n: int, r: _Array, variances: _Array) -> _Array: ...
