"""
Peaks on a background, with bounds
==================================

Two lines overlap on a background that falls. Which bounds does such a fit need, and what do they change?
"""

# %%
# A spectrum is simulated: counts with Poisson errors.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit


def peak(x, area, center, width):
    return area / (width * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((x - center) / width) ** 2)


def spectrum(x, area1, center1, area2, center2, width, level, slope):
    return peak(x, area1, center1, width) + peak(x, area2, center2, width) + level + slope * x


energy = np.linspace(0, 20, 120)
truth = [900, 8.2, 350, 10.6, 0.9, 60, -1.5]
counts = np.random.default_rng(3).poisson(spectrum(energy, *truth))
sigma = np.sqrt(np.maximum(counts, 1))

# %%
# Starts come from the picture by eye. Bounds say what cannot be: areas below 0, and a width of 0 or less. They are
# given by name, and only for those parameters that need some.

start = {"area1": 500, "center1": 8, "area2": 500, "center2": 11, "width": 1, "level": 50, "slope": 0}
bounds = {"area1": (0, None), "area2": (0, None), "width": (0.1, 5)}
fit = curve_fit(spectrum, energy, counts, start, sigma, absolute_sigma=True, bounds=bounds)
print(fit)

# %%
# No parameter is at its bound, so the bounds have changed nothing: neither the values nor the errors. Chi-squared per
# degree of freedom is about 1, as it should be if the errors of the data are right.

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
fit.plot(ax)
p = fit.params
for number in "12":
    line = peak(energy, float(p["area" + number]), float(p["center" + number]), float(p["width"]))
    ax.fill_between(energy, line, alpha=0.25, label=f"line {number}", color="C2" if number == "1" else "C4")
ax.set(xlabel="energy (keV)", ylabel="counts")
ax.legend(frameon=False)
figure.savefig("peaks.png")

# %%
# Where a third line is looked for that is not there, its area ends on the bound. The report says so, and the errors of
# the others are then those of the model without it.


def with_third(x, *p):
    return spectrum(x, *p[:7]) + peak(x, p[7], 6, p[4])


third = curve_fit(
    with_third, energy, counts, [*fit.x, 10], sigma, absolute_sigma=True,
    names=[*start, "area3"], bounds=bounds | {"area3": (0, None)},
)  # fmt: skip
print(third.params["area3"].value, third.params["area3"].at_bound)
