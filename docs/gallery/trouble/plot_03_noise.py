"""
A simulation that is noisy
==========================

The model is a simulation, and it prints four digits, or draws random numbers. Why does the fit stand still?
"""

# %%
# The same decay, once as a formula, once rounded to four digits.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import least_squares

t = np.linspace(0, 4, 40)
y = 2.5 * np.exp(-1.3 * t) + 0.01 * np.cos(9 * t)


def exact(x):
    return x[0] * np.exp(-x[1] * t) - y


def simulation(x):
    return exact(x).round(4)


# %%
# Seen from near, the sum of squares is a staircase. Usual steps of differences, 1e-8 of the parameter, see a tread: no
# change at all, or a jump.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for ax, reach in zip(axes, [0.05, 1e-4], strict=True):
    rates = 1.3023 + np.linspace(-reach, reach, 400)
    for fun, color in (exact, "C2"), (simulation, "C3"):
        residuals = np.array([fun([2.5035, rate]) for rate in rates])
        # one residual, since the treads of forty overlap
        ax.plot(rates, residuals[:, 8], color=color, lw=1.4, label=fun.__name__)
    ax.set(xlabel="rate", ylabel="one residual")
    ax.xaxis.set_major_locator(plt.MaxNLocator(4))
axes[0].legend(frameon=False)
figure.savefig("noise.png")

# %%
# The fit measures the noise, and takes longer steps. It comes close, and says that it cannot tell whether this is the
# minimum. ``noise`` and ``steps`` have what it found.

by_default = least_squares(simulation, [1, 1])
print(by_default.status, by_default.x.round(4), "noise", f"{by_default.noise:.1e}")
print(by_default.message)

# %%
# Steps of your own, as long as the noise asks for, are believed.

longer = least_squares(simulation, [1, 1], diff_step=0.01)
print(longer.status, longer.x.round(4), longer.stderr.round(4))
print("exact:", least_squares(exact, [1, 1]).x.round(4))
