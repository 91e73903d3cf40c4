"""
A narrow, curved valley, and geodesic acceleration
==================================================

A fit takes hundreds of small steps. Can it bend its way?
"""

# %%
# The model is that of Bennett5, a hard problem of NIST's Statistical Reference Datasets, with data simulated from
# it: the magnetization of a superconductor against the logarithm of time.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import least_squares

t = np.linspace(7, 30, 60)
y = -2500 * (t + 45) ** (-1 / 0.95) + 0.01 * np.cos(9 * t)


def residuals(x):
    return x[0] * (t + x[1]) ** (-1 / x[2]) - y


paths = {}
for accel in False, True:
    path = [[-1000.0, 30, 1]]
    fit = least_squares(residuals, path[0], accel=accel, callback=lambda x, path=path: path.append(x))
    paths[accel] = np.array(path)
    print(f"accel={accel}: {fit.nit} steps, {fit.nfev} evaluations, {fit.njev} Jacobians; cost {fit.cost:.6g}")

# %%
# The parameters can change together, along a curve, and the residuals hardly do. A straight step soon leaves such a
# valley and has to be short. With ``accel=True`` one more evaluation for each step tells how the residuals bend, and
# the step follows.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
for accel, path in paths.items():
    label, style = ("bent steps", "s-") if accel else ("straight steps", "o-")
    left.plot(path[:, 1], path[:, 2], style, ms=3, lw=0.8, label=label)
    right.semilogy([np.sum(residuals(x) ** 2) for x in path], style, ms=3, lw=0.8, label=label)
left.set(xlabel="x[1]", ylabel="x[2]")
left.legend(frameon=False)
right.set(xlabel="step", ylabel="sum of squares")
figure.savefig("valley.png")

# %%
# The way is the same valley, and a quarter of the steps. Where a fit takes ten steps anyway, acceleration gains
# nothing.
