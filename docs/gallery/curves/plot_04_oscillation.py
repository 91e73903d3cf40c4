"""
A damped oscillation, and its start values
==========================================

The sum of squares has many minima in the frequency of an oscillation. Which starts lead to the right one?
"""

# %%
# A pendulum is simulated, as a sensor would see it.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit


def swing(t, amplitude, decay, frequency, phase, offset):
    return amplitude * np.exp(-decay * t) * np.cos(2 * np.pi * frequency * t + phase) + offset


t = np.linspace(0, 30, 400)
y = swing(t, 1.7, 0.03, 1.3, 0.4, 0.2) + np.random.default_rng(1).normal(0, 0.1, t.size)

# %%
# The Fourier transform has the frequency to 1/T, where T is how long the measurement takes, and the phase there. The
# rest may be rough. This start is right.

spectrum = np.fft.rfft(y - y.mean())
k = np.argmax(abs(spectrum))
start = {
    "amplitude": np.ptp(y) / 2,
    "decay": 0.02,
    "frequency": np.fft.rfftfreq(t.size, t[1] - t[0])[k],
    "phase": np.angle(spectrum[k]),
    "offset": y.mean(),
}
fit = curve_fit(swing, t, y, start)
print(fit)

# %%
# How near must a start be? Chi-squared against the frequency, with amplitude, phase and offset fitted for each, has
# its minimum in a funnel that is 1/T wide to each side, and others besides. The right picture shows where fits from
# other frequencies end: with the decay held at 0.02, and with the decay free, as above.

frequencies = np.linspace(1.05, 1.55, 301)
chi2 = []
for frequency in frequencies:
    waves = np.exp(-0.03 * t) * np.exp(2j * np.pi * frequency * t)
    columns = np.stack([waves.real, waves.imag, np.ones(t.size)], axis=1)
    chi2.append(np.sum((columns @ np.linalg.lstsq(columns, y, rcond=None)[0] - y) ** 2))


def end_from(frequency, **options):
    return abs(curve_fit(swing, t, y, start | {"frequency": frequency}, **options).x[2])


starts = np.linspace(1.1, 1.5, 21)
held = np.array([end_from(frequency, fixed={"decay"}) for frequency in starts])
free = np.array([end_from(frequency) for frequency in starts])
for name, ends in ("held", held), ("free", free):
    print(f"decay {name}: {sum(abs(ends - 1.3) < 0.01)} of {starts.size} ends are right")

# %%
# All ends are minima. The free decay is a way round: where the frequency is wrong, a strong decay leaves only the
# beginning of the data, the funnel becomes wide, and the frequency finds its way before the decay comes back.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.plot(frequencies, chi2, color="0.4")
left.plot(abs(fit.x[2]), fit.chi2, "o", color="C2")
left.set(xlabel="frequency (Hz)", ylabel="chi-squared")
right.plot(starts, held, "o", ms=5, color="C3", label="decay held")
right.plot(starts, free, "s", ms=5, mfc="none", color="C2", label="decay free")
right.set(xlabel="frequency at the start", ylabel="frequency at the end")
right.legend(frameon=False)
figure.savefig("oscillation.png")
