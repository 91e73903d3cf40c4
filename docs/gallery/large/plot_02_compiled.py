"""
A compiled residual, by numba
=============================

Where a fit takes its time, it is in the function that it calls. What does machine code gain?
"""

# %%
# A function that numba has compiled is called straight from Fortran: without a Python frame, and without the GIL, so
# that fits run in several threads. Data come as a pointer.

import math
import time

import matplotlib.pyplot as plt
import numba
import numpy as np

from pyminpack import compiled_residuals, leastsq, numba_signatures

t = np.linspace(0, 4, 30)


@numba.cfunc(numba_signatures.residuals)
def residuals(m, n, x, fvec, data):
    values = numba.carray(data, 2 * m, numba.float64)
    for i in range(m):
        fvec[i] = x[0] * math.exp(-x[1] * values[i]) + x[2] - values[m + i]
    return 0


def residuals_by_numpy(x, t, y):
    return x[0] * np.exp(-x[1] * t) + x[2] - y


# %%
# 1600 pixels are fitted, one by one, as in imaging of lifetimes.

rng = np.random.default_rng(12)
side = 40
rate = 0.8 + 0.6 * np.hypot(*np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side)))
signal = 10 * np.exp(-rate[..., None] * t) + 1 + rng.normal(0, 0.3, (side, side, t.size))


# The function sees the array itself, and so one object does for all pixels: their data are put into its place.

data = np.concatenate([t, t])
compiled = compiled_residuals(residuals, t.size, data=data)


def fit_by_numba(y):
    data[t.size :] = y
    return leastsq(compiled, [8, 1, 0])[0]


def fit_by_numpy(y):
    return leastsq(residuals_by_numpy, [8, 1, 0], args=(t, y))[0]


seconds, images = {}, {}
for function in fit_by_numpy, fit_by_numba:
    began = time.perf_counter()
    images[function] = np.array([[function(y)[1] for y in row] for row in signal])
    seconds[function] = time.perf_counter() - began
print(f"{side * side} fits; by numba {seconds[fit_by_numpy] / seconds[fit_by_numba]:.1f} times as fast as by NumPy")
print("largest difference of the rates:", f"{abs(images[fit_by_numpy] - images[fit_by_numba]).max():.0e}")

# %%

figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, image, title in zip(axes, [rate, images[fit_by_numba]], ["true rate", "fitted rate"], strict=True):
    picture = ax.imshow(image, vmin=0.6, vmax=1.8)
    ax.set(title=title, xticks=[], yticks=[])
figure.colorbar(picture, ax=axes)
figure.savefig("compiled.png")
