"""
One exponential or two: models compared
=======================================

A model with more parameters always fits better. When is it worth it?
"""

# %%
# A decay with a weak slow part is simulated.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

t = np.linspace(0, 10, 60)
rng = np.random.default_rng(9)
y = 4 * np.exp(-1.1 * t) + 1.0 * np.exp(-0.25 * t) + rng.normal(0, 0.05, t.size)


def one(t, a, k):
    return a * np.exp(-k * t)


def two(t, a1, k1, a2, k2):
    return a1 * np.exp(-k1 * t) + a2 * np.exp(-k2 * t)


def three(t, a1, k1, a2, k2, c):
    return two(t, a1, k1, a2, k2) + c


fits = {
    "one": curve_fit(one, t, y, [4, 1]),
    "two": curve_fit(two, t, y, [3, 1, 1, 0.1]),
    "two + c": curve_fit(three, t, y, [3, 1, 1, 0.1, 0]),
}
for name, fit in fits.items():
    print(f"{name:8s} chi-squared {fit.chi2:7.4f}   AICc {fit.aicc:8.2f}   BIC {fit.bic:8.2f}")

# %%
# The smaller AICc is the better one. ``compare`` says it in words, and has Fisher's F for models of which the
# smaller is a special case of the larger.

print(fits["two"].compare(fits["one"]))
print(fits["two + c"].compare(fits["two"]))

# %%
# The second exponential is needed, by far; the constant is not, and its value says so, too.

c = fits["two + c"].params["c"]
print(f"c = {c.value:.3f} ± {c.stderr:.3f}")
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
left.semilogy(t, np.maximum(y, 0.01), "o", ms=3, color="0.5")
for name, color in ("one", "C3"), ("two", "C2"):
    left.semilogy(t, fits[name].fitted, color=color, label=name)
    right.plot(t, fits[name].residuals / 0.05, "o-", ms=3, lw=0.8, color=color, label=name)
left.set(xlabel="t", ylabel="y", ylim=(0.02, 6))
left.legend(frameon=False)
right.axhline(0, color="0.5", lw=0.8)
right.set(xlabel="t", ylabel="residual / error")
figure.savefig("nested.png")
