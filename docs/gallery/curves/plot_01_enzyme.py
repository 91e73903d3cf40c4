"""
A first fit, and its report
===========================

How fast is an enzyme, and how strongly does it bind? The rate of a reaction saturates with the concentration: this is
the equation of Michaelis and Menten.
"""

# %%
# The data are those of an enzyme treated with puromycin, from D. M. Bates, D. G. Watts, *Nonlinear Regression Analysis
# and Its Applications* (1988), appendix A1.3.

import numpy as np

from pyminpack import curve_fit

concentration = np.array([0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.1, 1.1])  # ppm
rate = np.array([76.0, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200])  # counts/min²


def reaction(c, Vmax, Km):
    return Vmax * c / (Km + c)


fit = curve_fit(reaction, concentration, rate, {"Vmax": 200, "Km": 0.1})
print(fit)

# %%
# The upper part of the picture has the data, the curve, and the band in which the true curve lies with a probability
# of 95 % at each place. The lower part has the residuals in units of their errors. They should scatter around 0
# without a pattern, and mostly within the grey zone, which is two standard errors to each side.

figure = fit.plot()
figure.savefig("enzyme.png")

# %%
# ``fit`` is also the tuple that SciPy's function returns.

popt, pcov = fit
print(popt)
