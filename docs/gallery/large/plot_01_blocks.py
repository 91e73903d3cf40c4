"""
A million rows, in blocks
=========================

The data do not fit in memory, or lie in many files. How are they fitted all the same?
"""

# %%
# Each block is read where it is needed, reduced to a triangle of a few numbers, and forgotten. Here a function makes
# the rows, as a file would give them.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import leastsq_blocks

ROWS, ROWS_OF_BLOCK = 1_000_000, 50_000
BLOCKS = [range(i, i + ROWS_OF_BLOCK) for i in range(0, ROWS, ROWS_OF_BLOCK)]


def read(rows):
    """Times and counts: a decay on a background, by a detector with noise."""
    rng = np.random.default_rng(rows.start)
    t = np.asarray(rows) * (10.0 / ROWS)
    return t, 40 * np.exp(-0.8 * t) + 5 + rng.normal(0, 3, t.size)


def residuals(x, rows):
    t, y = read(rows)
    return x[0] * np.exp(-x[1] * t) + x[2] - y


def jacobian(x, rows):
    t, _ = read(rows)
    decay = np.exp(-x[1] * t)
    return np.stack([decay, -x[0] * t * decay, np.ones(t.size)], axis=1)


fit = leastsq_blocks(residuals, [30, 1, 0], BLOCKS, jac=jacobian, map=2)
print(fit.summary())

# %%
# ``map=2`` means two threads; the ``map`` of a pool of processes, of Dask or of Ray does as well, and gives the same
# numbers. The result has no residuals, since nobody could keep them. A picture shows means over many rows.

t, mean, error = [], [], []
for rows in BLOCKS:
    t_block, y = read(rows)
    t.append(t_block.mean())
    mean.append(y.mean())
    error.append(y.std() / np.sqrt(y.size))
t, mean = np.array(t), np.array(mean)
curve = fit.x[0] * np.exp(-fit.x[1] * t) * np.sinh(fit.x[1] / 4) / (fit.x[1] / 4) + fit.x[2]  # mean over a block

figure, (above, below) = plt.subplots(
    2, 1, figsize=(6.4, 4.4), sharex=True, height_ratios=[2.5, 1], layout="constrained"
)
above.plot(t, mean, "o", ms=5, label="means of 50 000 rows")
above.plot(t, curve, label="fit")
above.set_ylabel("counts")
above.legend(frameon=False)
below.errorbar(t, (mean - curve) / error, 1, fmt="o", ms=4)
below.axhline(0, color="0.5", lw=0.8)
below.set(xlabel="t", ylabel="difference / error")
figure.savefig("blocks.png")
