"""Fit a decay to 100 000 000 rows, in less than 1 GB of memory, and see it go on.

The rows come in blocks of an index; what they hold is computed from the index, as it could be read from a file or
asked of a database. Neither all data nor all residuals nor their Jacobian ever exist at once.

Run it with a smaller number of rows, or other numbers of threads and rows in a block:
python examples/hundred_million_rows.py 1000000 --threads 4 --block 100000
"""

import argparse
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pyminpack import BlocksProgress, leastsq_blocks

TRUE = np.array([2.5, 1.3, 0.4])  # amplitude, rate, background
NOISE = 0.1


def data(rows: range, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and counts of these rows: the same whenever they are asked for."""
    index = np.arange(rows.start, rows.stop, dtype=np.uint64)
    t = index * (4.0 / total)
    y = TRUE[0] * np.exp(-TRUE[1] * t) + TRUE[2]
    # A multiplicative hash of the index (D. E. Knuth, The Art of Computer Programming, 6.4) is the noise.
    index *= np.uint64(0x9E3779B97F4A7C15)
    y += index * (NOISE / 2.0**64) - NOISE / 2
    return t, y


def residuals(x: np.ndarray, rows: range, total: int) -> np.ndarray:
    """Model less data."""
    t, y = data(rows, total)
    return x[0] * np.exp(-x[1] * t) + x[2] - y


def jacobian(x: np.ndarray, rows: range, total: int) -> np.ndarray:
    """Its derivatives, a column for each parameter."""
    t = np.arange(rows.start, rows.stop) * (4.0 / total)
    result = np.empty((t.size, 3), order="F")
    np.exp(-x[1] * t, out=result[:, 0])
    np.multiply(t, -x[0] * result[:, 0], out=result[:, 1])
    result[:, 2] = 1
    return result


def show(state: BlocksProgress) -> None:
    """Keep one line on a terminal up to date; elsewhere print a line a pass."""
    line = (
        f"iteration {state.iteration}, cost {state.cost:.6g}: {state.kind}, "
        f"{state.blocks_done} of {state.blocks} blocks done"
    )
    if sys.stdout.isatty():
        print(f"\r{line:<79}", end="" if state.blocks_done != state.blocks else "\n", flush=True)
    elif state.blocks_done == state.blocks:
        print(line, flush=True)


def main() -> None:
    """Fit, and print what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", type=int, nargs="?", default=100_000_000)
    parser.add_argument("--block", type=int, default=500_000, help="rows in a block")
    parser.add_argument("--threads", type=int, default=2)
    choice = parser.parse_args()
    blocks = [range(i, min(i + choice.block, choice.rows)) for i in range(0, choice.rows, choice.block)]

    begin = time.perf_counter()
    with ThreadPoolExecutor(choice.threads) as pool:
        fit = leastsq_blocks(residuals, [1.0, 1.0, 0.0], blocks, choice.rows, jac=jacobian, map=pool.map, progress=show)
    seconds = time.perf_counter() - begin

    print(fit)
    if not fit.success:
        sys.exit("no fit")
    for name, value, error, true in zip(("amplitude", "rate", "background"), fit.x, fit.stderr, TRUE, strict=True):
        print(f"{name:>10} {value:.8f} ± {error:.1e}   true {true}")
    print(f"{fit.m:,} rows, {fit.nfev + fit.njev} passes, {seconds:.1f} s")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
