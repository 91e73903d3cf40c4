"""pybaselines with our `curve_fit`, which finds the width of the noise in a histogram."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

pytest.importorskip("scipy")
pybaselines = pytest.importorskip("pybaselines")

Both: TypeAlias = Callable[[Callable[[], Any]], tuple[Any, Any]]

pytestmark = pytest.mark.scipy


def test_baseline_below_peaks(both: Both) -> None:
    x = np.linspace(0, 100, 1000)
    y = 5 + 0.02 * x + np.random.default_rng(14).normal(0, 0.1, x.size)
    for centre in (20, 45, 50, 80):
        y += 10 * np.exp(-0.5 * (x - centre) ** 2)
    theirs, ours = both(lambda: pybaselines.Baseline(x).cwt_br(y, poly_order=1))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6)
    np.testing.assert_array_equal(ours[1]["mask"], theirs[1]["mask"])
    np.testing.assert_allclose(ours[0], 5 + 0.02 * x, atol=0.1)
