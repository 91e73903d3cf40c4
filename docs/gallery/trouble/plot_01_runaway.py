"""
A fit that runs away, and how it is told
========================================

From a bad start one parameter goes to where the data do not follow it. What does the fit say?
"""

# %%
# The data are BoxBOD of NIST's Statistical Reference Datasets, from G. E. P. Box, W. G. Hunter, J. S. Hunter,
# *Statistics for Experimenters* (1978), pp. 483-487: the oxygen that bacteria use up in ten days.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import least_squares

days = np.array([1, 2, 3, 5, 7, 10])
oxygen = np.array([109, 149, 149, 191, 213, 224])


def residuals(x):
    with np.errstate(over="ignore"):
        return x[0] * (1 - np.exp(-x[1] * days)) - oxygen


def jacobian(x):
    with np.errstate(over="ignore"):
        decay = np.exp(-x[1] * days)
    return np.stack([1 - decay, x[0] * days * decay], axis=1)


away = least_squares(residuals, [1, 30], jacobian)
print(away.status, away.x, away.stderr)
print(away.message)

# %%
# The rate is so large that the exponential is 0 at every day. What is left is a constant, and this has converged: a
# usual test for convergence calls it a success. Here the status is -10, the error of the rate is infinite, and the
# message says what to do. From a start of the right order all is well:

right = least_squares(residuals, [100, 0.5], jacobian)
print(right.status, right.x.round(4), right.stderr.round(4))
print("NIST's certified values: 213.8094 0.5472")

# %%
# The sum of squares, for the best limit at each rate, has its minimum at the left. To the right it is flat: there
# is no slope that could lead back.

rates = np.geomspace(0.05, 50, 300)
shapes = 1 - np.exp(-rates[:, None] * days)
limits = shapes @ oxygen / np.sum(shapes**2, axis=1)
cost = np.sum((limits[:, None] * shapes - oxygen) ** 2, axis=1)

figure, (left, ax) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
fine = np.linspace(0, 11, 200)
left.plot(days, oxygen, "o", color="0.3")
for fit, color, label in (right, "C2", "from (100, 0.5)"), (away, "C3", "from (1, 30)"):
    left.plot(fine, fit.x[0] * (1 - np.exp(-fit.x[1] * fine)), color=color, label=label)
left.set(xlabel="days", ylabel="oxygen (mg/l)")
left.legend(frameon=False)
ax.semilogx(rates, cost, color="0.4")
ax.plot(right.x[1], 2 * right.cost, "o", color="C2")
ax.annotate("away", (50, cost[-1]), (12, 0.75 * cost[-1]), arrowprops={"arrowstyle": "->", "color": "C3"}, color="C3")
ax.set(xlabel="rate (1/day)", ylabel="sum of squares")
figure.savefig("runaway.png")
