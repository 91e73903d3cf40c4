"""
Errors by the bootstrap
=======================

What are the errors of parameters if those of the data are neither equal nor normal?
"""

# %%
# A calibration is simulated whose errors grow with the signal and have heavy tails. The fit does not know that.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import curve_fit

rng = np.random.default_rng(8)
x = np.linspace(0.5, 10, 40)


def saturation(x, top, half):
    return top * x / (half + x)


y = saturation(x, 5, 2) * (1 + 0.06 * rng.standard_t(3, x.size))
fit = curve_fit(saturation, x, y, {"top": 4, "half": 1})

# %%
# ``bootstrap`` fits again and again: to data that the curve and shuffled residuals make; to points drawn with
# replacement (``"pairs"``); to residuals with random signs (``"wild"``). The first assumes equal errors, the other
# two do not. ``robust_cov`` is the formula that belongs to these.

print("linear model      ", fit.stderr.round(3))
print("HC3               ", np.sqrt(np.diag(fit.robust_cov("HC3"))).round(3))
draws = {}
for kind in "residuals", "pairs", "wild":
    draws[kind] = fit.bootstrap(300, kind, seed=1)
    print(f"{kind:18s}", draws[kind].stderr.round(3), " 95 %:", draws[kind].interval()[1].round(2))

# %%

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for ax, (kind, drawn) in zip(axes, draws.items(), strict=True):
    ax.plot(drawn.x[:, 0], drawn.x[:, 1], ".", ms=3, alpha=0.6)
    ax.plot(*fit.x, "o", color="C3", ms=5)
    ax.set(title=kind, xlabel="top")
axes[0].set_ylabel("half")
figure.savefig("bootstrap.png")

# %%
# A bootstrap costs as many fits as it has draws. It knows nothing that is not in the data: with ten points it is
# not better than the linear model.
