"""The extension module; see _minpack.pyf for what its functions do."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]
_Indices = NDArray[np.int32]

def set_converters(as_residuals: Callable[..., _Array], as_jacobian: Callable[..., _Array]) -> None: ...
def plain_start(x0: Any) -> _Array | None: ...
def fit_compiled(
    func: Any,
    jac: Any,
    x0: Any,
    ftol: Any,
    xtol: Any,
    gtol: Any,
    maxfev: Any,
    epsfcn: Any,
    diag: Any,
    factor: Any,
    full_output: Any,
    /,
) -> tuple[_Array, int] | tuple[_Array, _Array, int, int, int | None, _Array, _Indices, _Array] | None: ...
def fit_blocks(
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
    epsfcn: float,
    diag: _Array,
    factor: float,
    /,
) -> tuple[_Array, _Array, int, int, int | None, _Array, _Indices, _Array]: ...
def fit_box(
    func: Any,
    jac: Any,
    args: tuple[Any, ...],
    as_residuals: Callable[..., _Array],
    as_jacobian: Callable[..., _Array],
    x: _Array,
    fvec: _Array,
    control: _Array,
    state: _Array,
    diag: _Array,
    lower: _Array | None,
    upper: _Array | None,
    typical: _Array | None,
    eta: _Array | None,
    source: tuple[float, bool, bool, float],
    counts: tuple[int, int, int, int],
    found: list[Any],
    /,
) -> None: ...
def blocks_pay(m: int, n: int, /) -> bool: ...
def make_compiled(function: int, data: int, convention: int, m: int, n: int) -> Any: ...
def evaluate_compiled(capsule: Any, x: _Array, result: _Array) -> int: ...
def read_capsule(capsule: Any) -> tuple[int, str | None, int]: ...
def kernels() -> tuple[str, ...]: ...
def kernel() -> str: ...
def choose_kernel(name: str) -> None: ...
def lmdif(
    fcn: Any,
    x0: _Array,
    fvec0: _Array,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    epsfcn: float,
    diag: _Array,
    factor: float,
    fcn_extra_args: tuple[Any, ...] = (),
) -> tuple[_Array, _Array, int, int, _Array, _Indices, _Array]: ...
def lmder(
    fcn: Any,
    jac: Any,
    x0: _Array,
    fvec0: _Array,
    col_deriv: bool,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    diag: _Array,
    factor: float,
    fcn_extra_args: tuple[Any, ...] = (),
    jac_extra_args: tuple[Any, ...] = (),
) -> tuple[_Array, _Array, int, int, int, _Array, _Indices, _Array]: ...
def lmstr(
    fcn: Any,
    jac: Any,
    x0: _Array,
    fvec0: _Array,
    ftol: float,
    xtol: float,
    gtol: float,
    maxfev: int,
    diag: _Array,
    factor: float,
    fcn_extra_args: tuple[Any, ...] = (),
    jac_extra_args: tuple[Any, ...] = (),
) -> tuple[_Array, _Array, int, int, int, _Array, _Indices, _Array]: ...
def lm_begin(fnorm: float) -> _Array: ...
def lm_start(
    control: _Array, r: _Array, ipvt: _Indices, qtf: _Array, acnorm: _Array, x: _Array, diag: _Array, state: _Array
) -> None: ...
def lm_propose(
    r: _Array, ipvt: _Indices, qtf: _Array, diag: _Array, x: _Array, state: _Array
) -> tuple[_Array, _Array]: ...
def lm_start_box(
    control: _Array,
    r: _Array,
    ipvt: _Indices,
    qtf: _Array,
    acnorm: _Array,
    x: _Array,
    lower: _Array,
    upper: _Array,
    diag: _Array,
    state: _Array,
) -> _Indices: ...
def lm_propose_box(
    r: _Array, ipvt: _Indices, qtf: _Array, diag: _Array, x: _Array, lower: _Array, upper: _Array, state: _Array
) -> tuple[_Array, _Array]: ...
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
def lm_judge(
    control: _Array, diag: _Array, trial: _Array, trial_norm: float, nfev: int, x: _Array, state: _Array
) -> None: ...
def lm_look_again(
    control: _Array,
    r: _Array,
    ipvt: _Indices,
    qtf: _Array,
    acnorm: _Array,
    x: _Array,
    lower: _Array,
    upper: _Array,
    diag: _Array,
    state: _Array,
    renewed: float,
) -> tuple[float, int]: ...
def set_floors(x: _Array, diag: _Array, fnorm: float, typical: _Array) -> int: ...
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
def identifiable(r: _Array, ipvt: _Indices, tol: float) -> tuple[int, _Array, _Array, _Indices, float]: ...
def find_unfelt(x: _Array, fvec: _Array, fjac: _Array) -> _Indices: ...
def chkder(x: _Array, fvec: _Array, fjac: _Array, xp: _Array, fvecp: _Array, mode: int) -> tuple[_Array, _Array]: ...
