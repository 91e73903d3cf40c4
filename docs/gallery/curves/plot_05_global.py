"""
A global fit: parameters that data sets share
=============================================

Three decays have the same lifetime, but sizes of their own. How are they fitted together?
"""

# %%
# Three measurements are simulated, of different length.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

rng = np.random.default_rng(2)
sizes = [3.0, 1.2, 0.6]
times = [np.linspace(0, 8, 30), np.linspace(0, 5, 20), np.linspace(1, 9, 25)]
data = [size * np.exp(-t / 2.4) + 0.3 + rng.normal(0, 0.08, t.size) for size, t in zip(sizes, times, strict=True)]

# %%
# Put the data one after the other, and beside each point the number of its set. The model looks up the size by this
# number; lifetime and background are the same for all.

t = np.concatenate(times)
number = np.repeat([0, 1, 2], [each.size for each in times])
y = np.concatenate(data)


def decays(x, lifetime, background, size1, size2, size3):
    t, number = x
    size = np.array([size1, size2, size3])[number.astype(int)]
    return size * np.exp(-t / lifetime) + background


together = curve_fit(decays, (t, number), y, {"lifetime": 1})
print(together)

# %%
# Fitted one by one, the small set hardly determines the lifetime. Together, each set helps the others.

single = [curve_fit(lambda t, lifetime, background, size: size * np.exp(-t / lifetime) + background, *each) for each in
          zip(times, data, strict=True)]  # fmt: skip
for i, fit in enumerate(single):
    print(f"set {i + 1} alone: lifetime {fit.x[0]:.2f} ± {fit.stderr[0]:.2f}")
print(f"together:    lifetime {together.x[0]:.2f} ± {together.stderr[0]:.2f}")

# %%

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
fine = np.linspace(0, 9, 200)
for i in range(3):
    ax.plot(times[i], data[i], "o", ms=4, color=f"C{i}", label=f"set {i + 1}")
    ax.plot(fine, together.predict((fine, np.full(fine.size, i))), color=f"C{i}")
ax.set(xlabel="time", ylabel="signal")
ax.legend(frameon=False)
figure.savefig("global.png")
