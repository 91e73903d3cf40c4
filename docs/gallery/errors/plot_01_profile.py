"""
Profile against Wald: when value ± error is not enough
======================================================

A standard error makes a symmetric interval. When is that wrong, and by how much?
"""

# %%
# The data are of the biochemical oxygen demand of stream water, from D. Marske's thesis (1967), as printed in D. M.
# Bates, D. G. Watts, *Nonlinear Regression Analysis and Its Applications* (1988), appendix A1.4.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

days = np.array([1.0, 2, 3, 4, 5, 7])
demand = np.array([8.3, 10.3, 19.0, 16.0, 15.6, 19.8])  # mg/l


def oxygen(t, limit, rate):
    return limit * (1 - np.exp(-rate * t))


fit = curve_fit(oxygen, days, demand, {"limit": 20, "rate": 0.5})
print(fit)

# %%
# The report says that the errors are skewed, and that intervals should be taken by profile. For these each parameter
# is held at a value, and the others are fitted, until the sum of squares has grown by as much as the level asks for.

for name, wald, profile in zip(fit.names, fit.interval(), fit.interval(method="profile"), strict=True):
    print(f"{name:5s}  Wald {wald.round(2)}   profile {profile.round(2)}")

# %%
# Wald's interval of the rate reaches below 0, where no rate can be, and its upper end is far too low. In the picture
# of the profiles a straight line is a linear model; the intervals are where the profiles cross the dotted lines.

figure = fit.plot_profile()
figure.savefig("profile.png")

# %%
# A map of chi-squared shows why: the joint region of 95 % is no ellipse, and it is open. Fast rates fit, since the
# first measurement comes after a day; and slow rates fit with large limits, since the last one comes too early to
# tell.

limits, rates = np.meshgrid(np.linspace(10, 36, 140), np.linspace(0.05, 3, 140))
curves = limits[..., None] * (1 - np.exp(-rates[..., None] * days))
growth = np.sum((curves - demand) ** 2, axis=-1) - fit.chi2
level = 2 * fit.reduced_chi2 * 6.944  # the F distribution's, for 2 and 4 degrees of freedom, at 95 %

figure, ax = plt.subplots(figsize=(5.6, 4), layout="constrained")
ax.contourf(limits, rates, growth, [0, level], colors=["C0"], alpha=0.25)
ax.contour(limits, rates, growth, [level], colors=["C0"])
angle = np.linspace(0, 2 * np.pi, 200)
ellipse = fit.x[:, None] + np.linalg.cholesky(fit.cov) @ [np.cos(angle), np.sin(angle)] * np.sqrt(2 * 6.944)
ax.plot(*ellipse, "--", color="0.5", label="linear model")
ax.plot(*fit.x, "o", color="C3")
ax.set(xlabel="limit", ylabel="rate", ylim=(-0.3, 3))
ax.legend(frameon=False)
figure.savefig("region.png")
