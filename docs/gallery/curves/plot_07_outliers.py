"""
Outliers, and robust losses
===========================

Some points are wrong by far, and it is not known which. What can a fit do?
"""

# %%
# A line with noise of 0.5 is simulated. Every eighth point is too high.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

x = np.linspace(0, 10, 40)
y = 1 + 2 * x + np.random.default_rng(7).normal(0, 0.5, x.size)
y[3::8] += 15


def line(x, intercept, slope):
    return intercept + slope * x


# %%
# A robust loss counts a large residual by less than its square. ``f_scale`` says what is large, in the units of the
# residuals; somewhat more than the usual error.

fits = {loss: curve_fit(line, x, y, loss=loss, f_scale=1.0) for loss in ("linear", "huber", "cauchy")}
for loss, fit in fits.items():
    a, b = fit.params.values()
    print(f"{loss:8s} intercept {a.value:5.2f} ± {a.stderr:.2f}, slope {b.value:.3f} ± {b.stderr:.3f}")

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.plot(x, y, "o", ms=4, color="0.5")
for loss, fit in fits.items():
    left.plot(x, fit.fitted, label=loss)
left.set(xlabel="x", ylabel="y")
left.legend(frameon=False)
r = np.linspace(-6, 6, 200)
right.plot(r, r**2, label="linear")
right.plot(r, np.where(abs(r) < 1, r**2, 2 * abs(r) - 1), label="huber")
right.plot(r, np.log1p(r**2), label="cauchy")
right.set(xlabel="residual / f_scale", ylabel="what it counts", ylim=(0, 12))
figure.savefig("outliers.png")

# %%
# The errors of a robust fit are approximations: the second derivatives of the cost take the place of those of a sum of
# squares. Where they matter, draw samples: see :ref:`sphx_glr_examples_errors_plot_03_bootstrap.py`. And look at the
# points that do not fit. They may be the discovery.
