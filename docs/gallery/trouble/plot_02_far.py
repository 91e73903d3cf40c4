"""
A parameter far from 0
======================

When did it flash, if the clock counts milliseconds since 1970?
"""

# %%
# The flash is some milliseconds long, and the clock stands at 1.7e12. A float64 has 16 digits, and most of them are
# used up by the years.

import matplotlib.pyplot as plt
import numpy as np

from pyminpack import least_squares

since = np.linspace(-5, 5, 80)  # ms, since some moment near the flash
moment = 1.7e12
clock = moment + since
counts = 30 * np.exp(-0.5 * (since - 0.4) ** 2) + np.random.default_rng(2).normal(0, 0.7, since.size)


def flash(x, time):
    height, center, width = x
    return height * np.exp(-0.5 * ((time - center) / width) ** 2) - counts


far = least_squares(flash, [20, moment + 1, 1], args=(clock,))
print(far.status, far.x)
print(far.message)

# %%
# A step of differences is relative to the parameter: 1.5e-8 of 1.7e12 is seven hours, and the data respond within
# milliseconds. The fit finds out that its differences say nothing, and looks for shorter steps. But the next number
# after 1.7e12 that float64 has is 0.0002 away, and differences over so few of them are rough. So it says that it
# cannot be sure.
#
# Count from a moment nearby instead. The rest is subtraction, once, before the fit.

near = least_squares(flash, [20, 1, 1], args=(clock - moment,))
print(near.status, near.x.round(4), near.stderr.round(4))

# %%
# A size in ``x_scale`` does not help: it cannot bring digits back that the clock has lost.

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.plot(since, counts, "o", ms=4, color="0.5")
ax.plot(since, flash(near.x, since) + counts, label="counted from a moment nearby")
ax.plot(since, flash(far.x, clock) + counts, "--", label=f"counted from 1970: status {far.status}")
ax.set(xlabel="time (ms)", ylabel="counts")
ax.legend(frameon=False)
figure.savefig("far.png")
