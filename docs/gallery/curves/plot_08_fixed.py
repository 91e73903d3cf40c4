"""
Parameters that are held, by name
=================================

A calibration has told one parameter. How is it held, and what does it cost to hold it at a wrong value?
"""

# %%
# The data are of the growth of a population in 10 steps of time, simulated.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

t = np.arange(0, 10.0)
rng = np.random.default_rng(6)


def logistic(t, capacity, rate, t0):
    return capacity / (1 + np.exp(-rate * (t - t0)))


y = logistic(t, 10, 0.9, 6) + rng.normal(0, 0.15, t.size)
start = {"capacity": 8, "rate": 1, "t0": 5}

# %%
# The measurement ends before the curve is flat, and the capacity is not known well. ``fixed`` takes a value by name.

free = curve_fit(logistic, t, y, start)
held = curve_fit(logistic, t, y, start, fixed={"capacity": 10})
for name in start:
    a, b = free.params[name], held.params[name]
    print(f"{name:9s} free {a.value:6.3f} ± {a.stderr:.3f}    held {b.value:6.3f} ± {b.stderr:.3f}")

# %%
# The errors of the held fit are smaller, and they are right only if the capacity is. Held at other values, the fit
# goes with them: this is the correlation of the parameters.

capacities = np.linspace(8, 13, 11)
fits = [curve_fit(logistic, t, y, free.x, fixed={"capacity": c}, names=list(start)) for c in capacities]
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for fit in fits[::2]:
    fine = np.linspace(0, 14, 200)
    left.plot(fine, fit.predict(fine), lw=1, label=f"{fit.x[0]:.0f}")
left.plot(t, y, "o", ms=5, color="0.3")
left.set(xlabel="time", ylabel="population")
left.legend(title="capacity held at", frameon=False)
right.errorbar(capacities, [f.x[1] for f in fits], [f.stderr[1] for f in fits], fmt="o", ms=4, label="held")
right.errorbar(free.x[0], free.x[1], free.stderr[1], free.stderr[0], fmt="s", color="C3", label="free")
right.set(xlabel="capacity", ylabel="rate")
right.legend(frameon=False)
figure.savefig("fixed.png")
