"""A controller of FitBenchmarking for pyminpack: `least_squares`, the same with `accel=True`, and `leastsq`.

FitBenchmarking imports `<software>_controller` from its package `controllers`, to which `run.py` adds this folder.
"""

from typing import Any, ClassVar

import numpy as np
from fitbenchmarking.controllers.base_controller import Controller

import pyminpack

MINIMIZERS = ["least_squares", "least_squares-accel", "leastsq"]
LIMIT = 500  # of evaluations, as FitBenchmarking's controllers of SciPy have it
CONVERGED, OUT_OF_CALLS, NOT_CONVERGED = 0, 1, 2  # FitBenchmarking's flags


class PyminpackController(Controller):
    """Fits by pyminpack, with its default settings but for the limit of evaluations."""

    controller_name = "pyminpack"
    algorithm_check: ClassVar[dict[str, list[Any]]] = {
        **{kind: [] for kind in Controller.algorithm_check},
        **dict.fromkeys(("all", "ls", "trust_region", "levenberg-marquardt"), MINIMIZERS),
        "deriv_free": [None],
        "general": [None],
    }
    jacobian_enabled_solvers = MINIMIZERS
    support_for_bounds = True
    no_bounds_minimizers: ClassVar[list[str]] = ["leastsq"]

    def setup(self) -> None:
        """Gather the arguments outside the clock."""
        jac = None if self.cost_func.jacobian.use_default_jac else self.cost_func.jac_res
        if self.minimizer == "leastsq":
            self.options = {"Dfun": jac, "full_output": True, "maxfev": LIMIT}
            return
        self.options = {"max_nfev": LIMIT}
        if self.minimizer.endswith("accel"):
            self.options["accel"] = True
        if jac is not None:
            self.options["jac"] = jac
        if self.value_ranges is not None:
            self.options["bounds"] = tuple(zip(*self.value_ranges, strict=True))

    def fit(self) -> None:
        """Fit: this is timed."""
        solve = pyminpack.leastsq if self.minimizer == "leastsq" else pyminpack.least_squares
        self.result = solve(self.cost_func.eval_r, self.initial_params, **self.options)

    def cleanup(self) -> None:
        """Hand over where the fit ended, and why."""
        if self.minimizer == "leastsq":
            x, _, info, _, status = self.result
            success, is_out_of_calls, self.func_evals = status in (1, 2, 3, 4), status == 5, info["nfev"]
        else:
            x, status = self.result.x, self.result.status
            success, is_out_of_calls, self.func_evals = self.result.success, status == 0, self.result.nfev
        self.flag = CONVERGED if success else OUT_OF_CALLS if is_out_of_calls else NOT_CONVERGED
        self.final_params = np.asarray(x)
