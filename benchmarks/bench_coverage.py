"""How often an interval of 95 % contains the true value: NIST's curves with noise drawn anew, fitted by `curve_fit`.

Run by hand: python benchmarks/bench_coverage.py [--quick] [--draws N] [--seed N] [name ...]

The truth are the certified parameters, and the noise is normal with the certified standard deviation. Each fit has the
default settings, no Jacobian and NIST's second start. A fit that raises covers nothing.

Whether the interval by profile contains the true value takes one fit of the other parameters, from the truth, with this
one held there: the sum of squares has grown by less than t**2 variances. On one draw of 20 the interval by
`interval(method="profile")` is looked at as well: 'unlike' counts where it says something else, or an end is not found.

Columns: 'Wald' and 'profile' are the percentages of draws in which the interval contains the true value; their standard
error is 0.5 with 2000 draws. 'skewed' is the percentage of reports that warn of Wald's interval of this parameter.
"""

import argparse
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

import models  # noqa: F401  (opens the way to the tests' problems)
from problems import strd
from pyminpack import CurveFit, NotConvergedError, curve_fit

LEVEL = 0.95
DRAWS, FEW = 2000, 200
EVERY = 20  # of the draws that also ask for the intervals themselves


@dataclass
class Count:
    """How often something was so, for each parameter."""

    n: int
    wald: np.ndarray = field(init=False)
    profile: np.ndarray = field(init=False)
    skewed: np.ndarray = field(init=False)
    unlike: np.ndarray = field(init=False)
    fits: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        self.wald, self.profile, self.skewed, self.unlike = np.zeros((4, self.n), int)


def profile_contains(fit: CurveFit, j: int, truth: np.ndarray) -> bool:
    """Whether the interval by profile contains the true value of a parameter, by one fit of the others."""
    best = fit._refit(truth, np.arange(truth.size) == j)
    return bool(2 * best.cost - fit.chi2 <= fit._half_width(LEVEL) ** 2 * fit.reduced_chi2)


def warns_of(fit: CurveFit, name: str) -> bool:
    """Whether the report calls the errors of a parameter skewed."""
    return any(row.startswith(f"{name} ") and "skewed" in row for row in str(fit).splitlines())


def simulate(name: str, draws: int, seed: int) -> Count:
    """Fit a data set with noise drawn anew."""
    data = strd.load(name)
    truth, rng = data.certified, np.random.default_rng(seed)
    curve, names = data.model(truth), [f"b{j + 1}" for j in range(truth.size)]
    count = Count(truth.size)
    for draw in range(draws):
        y = curve + data.rsd * rng.standard_normal(curve.size)
        count.fits += 1
        try:
            fit = curve_fit(lambda x, *b: data.model(b), data.x.T, y, data.starts[1], names=names)
        except NotConvergedError:
            count.failed += 1
            continue
        low, high = fit.interval(LEVEL).T
        count.wald += (low <= truth) & (truth <= high)
        contained = np.array([profile_contains(fit, j, truth) for j in range(truth.size)])
        count.profile += contained
        count.skewed += [warns_of(fit, each) for each in names]
        if draw % EVERY == 0:
            low, high = fit.interval(LEVEL, method="profile").T
            count.unlike += contained != ((low <= truth) & (truth <= high))
    return count


def main() -> None:
    """Print a row for each parameter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", default=["MGH09", "Misra1a"], help="NIST's data sets")
    parser.add_argument("--quick", action="store_true", help=f"{FEW} draws")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--seed", type=int, default=14)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    draws = FEW if chosen.quick else chosen.draws
    print(f"{'':12}{'Wald':>8}{'profile':>9}{'skewed':>8}{'unlike':>12}")
    for name in chosen.name:
        begin = time.perf_counter()
        count = simulate(name, draws, chosen.seed)
        asked = -(-draws // EVERY)
        for j in range(count.n):
            cells = (100 * each[j] / count.fits for each in (count.wald, count.profile, count.skewed))
            print(f"{name + ' b' + str(j + 1):12}" + "{:8.1f}{:9.1f}{:8.1f}".format(*cells), end="")
            print(f"{count.unlike[j]:6} of {asked}")
        print(f"{name}: {count.fits} draws, {count.failed} failed; {time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
