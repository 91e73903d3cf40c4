"""
Known errors of the data: absolute or relative
==============================================

What does ``absolute_sigma`` change, and which is right?
"""

# %%
# The length of a pendulum was varied, and its period measured, with an error of 0.01 s from a stop watch. The data are
# simulated, and the real error is larger: 0.02 s.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

length = np.linspace(0.3, 1.5, 15)
rng = np.random.default_rng(2)
period = 2 * np.pi * np.sqrt(length / 9.81) + rng.normal(0, 0.02, length.size)


def pendulum(length, g):
    return 2 * np.pi * np.sqrt(length / g)


relative = curve_fit(pendulum, length, period, [10], 0.01)
absolute = curve_fit(pendulum, length, period, [10], 0.01, absolute_sigma=True)
for name, fit in ("relative", relative), ("absolute", absolute):
    print(f"{name}: g = {fit.x[0]:.3f} ± {fit.stderr[0]:.3f}, chi-squared {fit.chi2:.1f}, degrees of freedom {fit.dof}")
print(f"probability of a larger chi-squared: {absolute.p_value:.2g}")

# %%
# With ``absolute_sigma=True`` the errors are believed: those of the parameters follow from them alone, and the
# residuals are a test. Here they fail it: chi-squared is too large. Either the errors are too small, or the model is
# wrong.
#
# With the default, False, the numbers in ``sigma`` only say how the errors compare with one another; their size is
# taken from the residuals. Nothing is left to test the model with.
#
# In the picture the errors are those that each fit works with.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for ax, (name, fit) in zip(axes, [("relative", relative), ("absolute", absolute)], strict=True):
    ax.errorbar(length, fit.residuals, fit.errors_of_data, fmt="o", ms=4)
    ax.axhline(0, color="0.5", lw=0.8)
    ax.set(title=name, xlabel="length (m)")
axes[0].set_ylabel("period - fit (s)")
figure.savefig("sigma.png")
