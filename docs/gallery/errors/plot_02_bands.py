"""
Bands: for the curve, and for the next measurement
==================================================

How well is a curve known between the data, and beyond them?
"""

# %%
# The boiling point of water was measured by James D. Forbes in the Alps and in Scotland, with the pressure of the
# air, in order to tell heights by a thermometer. The data are those of his paper in the Transactions of the Royal
# Society of Edinburgh 21 (1857), as printed in S. Weisberg, *Applied Linear Regression* (1980).

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

boiling = np.array([194.5, 194.3, 197.9, 198.4, 199.4, 199.9, 200.9, 201.1, 201.4, 201.3, 203.6, 204.6, 209.5, 208.6,
                    210.7, 211.9, 212.2])  # °F  # fmt: skip
pressure = np.array([20.79, 20.79, 22.40, 22.67, 23.15, 23.35, 23.89, 23.99, 24.02, 24.01, 25.14, 26.57, 28.49, 27.76,
                     29.04, 29.88, 30.06])  # inches of mercury  # fmt: skip
T = (boiling - 32) / 1.8 + 273.15  # K
p = pressure * 33.8639  # hPa


def clausius_clapeyron(T, p100, heat):
    """The pressure at the boiling point T; the heat of vaporization is in kJ/mol."""
    return p100 * np.exp(-heat / 8.314e-3 * (1 / T - 1 / 373.15))


fit = curve_fit(clausius_clapeyron, T, p, {"p100": 1000, "heat": 40})
print(fit)

# %%
# The band for the curve is narrow. That for one further measurement contains its error, too. A band that is to contain
# the whole curve at once, with 95 %, is wider than the one for each place by itself.

fine = np.linspace(360, 376, 100)
curve = fit.predict(fine)
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
bands = {
    "next measurement": fit.band(fine, kind="prediction"),
    "whole curve": fit.band(fine, simultaneous=True),
    "curve at each place": fit.band(fine),
}
for (label, (low, high)), color in zip(bands.items(), ["0.85", "C1", "C0"], strict=True):
    ax.fill_between(fine, low - curve, high - curve, color=color, alpha=0.6, lw=0, label=label)
ax.plot(T, fit.residuals, "o", color="0.2", ms=5, label="data")
ax.set(xlabel="boiling point (K)", ylabel="pressure - fitted curve (hPa)", ylim=(-25, 42))
ax.legend(frameon=False, ncols=2)
figure.savefig("bands.png")

# %%
# The twelfth point lies outside of the band for measurements. Weisberg's book discusses it at length. Residuals in
# units of their own errors, which leave out the point itself, find it:

worst = np.argmax(abs(fit.studentized_residuals))
print(f"point {worst + 1}: {fit.studentized_residuals[worst]:.1f} standard errors")
print(f"Cook's distance: {fit.cooks_distance[worst]:.2f}")

# %%
# So do pictures of the residuals.

fit.plot_diagnostics().savefig("diagnostics.png")

# %%
# The fitted heat of vaporization may be compared with the 40.7 kJ/mol of tables at 100 °C; it is larger at lower
# temperatures.

print(f"{fit.params['heat'].value:.2f} ± {fit.params['heat'].stderr:.2f} kJ/mol")
