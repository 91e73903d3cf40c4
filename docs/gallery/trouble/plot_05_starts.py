"""
Several minima, and many starts
===============================

A fit finds the minimum next to its start. How does one look for the others?
"""

# %%
# A sine of unknown frequency is the simplest case, and a hard one. The data are simulated.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import least_squares

t = np.linspace(0, 4, 60)
y = np.sin(5 * t) + np.random.default_rng(11).normal(0, 0.2, t.size)


def residuals(x):
    return np.sin(x[0] * t) - y


# %%
# A fit from each of many starts takes a few milliseconds. Compare the costs, not the parameters.

starts = np.arange(0.5, 12, 0.25)
fits = [least_squares(residuals, [start]) for start in starts]
best = min(fits, key=lambda fit: fit.cost)
ends = {(round(float(fit.x[0]), 3), round(float(fit.cost), 3)) for fit in fits if fit.success}
print(f"{sum(fit.success for fit in fits)} of {len(fits)} fits converge, to {len(ends)} minima")
print(f"the lowest at {best.x[0]:.4f} ± {best.stderr[0]:.4f}, reached from", end=" ")
print([float(start) for start, fit in zip(starts, fits, strict=True) if abs(fit.cost - best.cost) < 1e-6])

# %%

frequencies = np.linspace(0, 12, 600)
figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(frequencies, [0.5 * np.sum(residuals([f]) ** 2) for f in frequencies], color="0.5", lw=1)
for start, fit in zip(starts, fits, strict=True):
    color = "C2" if abs(fit.cost - best.cost) < 1e-6 else "C3"
    ax.annotate("", (fit.x[0], fit.cost), (start, 0.5 * np.sum(residuals([start]) ** 2)),
                arrowprops={"arrowstyle": "->", "color": color, "lw": 0.9})  # fmt: skip
ax.set(xlabel="frequency", ylabel="cost", xlim=(0, 12))
figure.savefig("starts.png")

# %%
# All ends are minima; one of them is the right one. Bounds would keep the fit out of regions. They would not make it
# look further.
