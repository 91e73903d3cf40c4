"""
Counts, and their weights
=========================

A count of n has a standard error of about √n. How should a fit of counts be weighted?
"""

# %%
# A decay is simulated many times over, with few counts at its end.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

t = np.arange(0.5, 30)
rng = np.random.default_rng(5)


def decay(t, size, lifetime):
    return size * np.exp(-t / lifetime)


def without_weights(counts):
    return curve_fit(decay, t, counts, [100, 5])


def by_counts(counts):
    """The usual rule, with 1 for a count of 0."""
    return curve_fit(decay, t, counts, [100, 5], np.sqrt(np.maximum(counts, 1)), absolute_sigma=True)


def by_model(counts):
    """The error of a count follows from its expectation, which the fit before has estimated."""
    fit = without_weights(counts)
    for _ in range(4):
        fit = curve_fit(decay, t, counts, fit.x, np.sqrt(np.maximum(fit.fitted, 1e-3)), absolute_sigma=True)
    return fit


counts = rng.poisson(decay(t, 100, 5))
for how in without_weights, by_counts, by_model:
    p = how(counts).params["lifetime"]
    print(f"{how.__name__:16s} lifetime {p.value:.3f} ± {p.stderr:.3f}")

# %%
# Is each way right on the average? Look at 200 experiments whose true lifetime is 5.

found = {how.__name__: [] for how in (without_weights, by_counts, by_model)}
for _ in range(200):
    counts = rng.poisson(decay(t, 100, 5))
    for how in without_weights, by_counts, by_model:
        found[how.__name__].append(how(counts).x[1])

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
bins = np.linspace(4.2, 5.8, 33)
for name, lifetimes in found.items():
    ax.hist(lifetimes, bins, histtype="step", lw=1.6, label=name.replace("_", " "))
    print(f"{name:16s} mean {np.mean(lifetimes):.3f}, standard deviation {np.std(lifetimes):.3f}")
ax.axvline(5, color="0.5", lw=1, ls=":")
ax.set(xlabel="lifetime", ylabel="experiments")
ax.legend(frameon=False)
figure.savefig("counts.png")

# %%
# Weights by the counts themselves pull the curve down: a count that is too small by chance gets too large a weight.
# Where counts are few, take the errors from the model, by some fits one after the other. These come to the estimate
# of the largest likelihood for Poisson counts.
