"""The cases of the single benchmarks as asv runs them: each package's time by itself, commit by commit; and accuracy.

asv gives times, not ratios: compare those of one machine only. `SciPy` is the same at each commit and shows how steady
the machine was.
"""

import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_curve_fit
import bench_least_squares
import bench_leastsq
import bench_wide
import trust_tables
from ratio import Call

PACKAGES = ["pyminpack", "SciPy"]


class _Fits:
    """Fits by both packages."""

    param_names: ClassVar[list[str]] = ["case", "package"]
    pairs: ClassVar[dict[str, tuple[Call, Call]]] = {}

    def setup(self, case: str, package: str) -> None:
        """Choose a fit."""
        warnings.simplefilter("ignore")
        self.fit = self.pairs[case][PACKAGES.index(package)]

    def time_fit(self, case: str, package: str) -> None:
        """Fit."""
        self.fit()


def of(pairs: dict[str, tuple[Call, Call]]) -> dict[str, Any]:
    """What asv has to know of fits."""
    return {"pairs": pairs, "params": [list(pairs), PACKAGES]}


Leastsq = type("Leastsq", (_Fits,), of({name: pair for name, (pair, _) in bench_leastsq.CASES.items()}))
LeastSquares = type("LeastSquares", (_Fits,), of(bench_least_squares.CASES))
CurveFit = type("CurveFit", (_Fits,), of({name: pair for name, (pair, goal) in bench_curve_fit.CASES.items() if goal}))
Wide = type("Wide", (_Fits,), of({"tanh layer 1200 x 300": bench_wide.tanh_layer(1200, 60, 3, 10)}))


class Nist:
    """NIST's 54 starts with default settings."""

    params: ClassVar[list[str]] = ["least_squares", "leastsq"]
    param_names: ClassVar[list[str]] = ["solver"]

    @staticmethod
    @cache
    def _rows(solver: str) -> list[trust_tables.Row]:
        jobs = trust_tables.nist(quick=False)
        return [trust_tables.fit(job) for job in jobs if (job.solver, job.group) == (solver, "differences")]

    def track_six_digits(self, solver: str) -> int:
        """How many fits are right to 6 digits."""
        return sum(row.digits >= 6 for row in self._rows(solver))

    def track_false(self, solver: str) -> int:
        """How many successes are none."""
        return sum(row.is_false for row in self._rows(solver))

    def track_calls(self, solver: str) -> int:
        """How many calls they take."""
        return sum(row.calls for row in self._rows(solver))
