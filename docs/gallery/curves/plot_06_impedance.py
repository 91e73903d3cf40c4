"""
Complex data: an impedance
==========================

A circuit is measured over four decades of frequency. Can a complex model be fitted as it is?
"""

# %%
# The circuit is a resistor in series with a resistor and a capacitor in parallel. The capacitor is not ideal: its
# impedance goes with a power of the frequency (a constant phase element). Data are simulated, with errors of 1 % of
# the modulus in the real and in the imaginary part.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

frequency = np.logspace(0, 4, 41)  # Hz


def impedance(f, R0, R1, Q, n):
    return R0 + R1 / (1 + R1 * Q * (2j * np.pi * f) ** n)


rng = np.random.default_rng(4)
true = impedance(frequency, 20, 100, 2e-5, 0.85)
sigma = 0.01 * abs(true)
measured = true + sigma * (rng.normal(size=41) + 1j * rng.normal(size=41))

# %%
# Nothing special is to be done. Each point counts as two residuals. The parameters differ by seven orders of
# magnitude, and that does no harm; a start should have the right order of magnitude.

fit = curve_fit(
    impedance, frequency, measured, {"R0": 10, "R1": 50, "Q": 1e-5, "n": 1}, sigma, absolute_sigma=True,
    bounds={"Q": (0, None), "n": (0, 1)},
)  # fmt: skip
print(fit)

# %%

fine = np.logspace(0, 4, 400)
curve = fit.predict(fine)
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.plot(measured.real, -measured.imag, "o", ms=4)
left.plot(curve.real, -curve.imag)
left.set(xlabel="Re Z (Ω)", ylabel="-Im Z (Ω)", aspect="equal")
right.semilogx(frequency, fit.residuals.real / sigma, "o", ms=4, label="real part")
right.semilogx(frequency, fit.residuals.imag / sigma, "s", ms=4, label="imaginary part")
right.axhline(0, color="0.5", lw=0.8)
right.set(xlabel="frequency (Hz)", ylabel="residual / error", ylim=(-3, 4))
right.legend(frameon=False, ncols=2)
figure.savefig("impedance.png")

# %%
# The time constant follows, with its error, in which the correlation of the parameters is contained.

tau = fit.derived("(R1*Q)**(1/n)")
print(f"({tau.value * 1e3:.3f} ± {tau.stderr * 1e3:.3f}) ms")
