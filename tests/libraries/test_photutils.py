"""photutils with our functions: its photometry fits through astropy, its isophotes through `leastsq`."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("photutils")

from astropy.table import QTable
from photutils.isophote import Ellipse, EllipseGeometry
from photutils.psf import CircularGaussianPRF, PSFPhotometry

Both: TypeAlias = Callable[[Callable[[], Any]], tuple[Any, Any]]

pytestmark = [
    pytest.mark.scipy,
    pytest.mark.filterwarnings("ignore:method=.*Levenberg:UserWarning"),
]

ROWS, COLUMNS = np.mgrid[:61, :61]
NOISE = np.random.default_rng(14).normal(0, 0.5, ROWS.shape)


def test_brightness_of_stars(both: Both) -> None:
    star = CircularGaussianPRF(fwhm=3)
    image = NOISE.copy()
    for x, y, brightness in ((12.3, 15.2, 200), (40.1, 22.7, 350), (44, 24, 250)):
        image += star.evaluate(COLUMNS, ROWS, brightness, x, y, 3)
    places = QTable({"x": [12, 40, 44.5], "y": [15, 23, 24]})

    def measured() -> Any:
        photometry = PSFPhotometry(star, (7, 7), aperture_radius=4)
        return photometry(image, error=np.full(image.shape, 0.5), init_params=places)

    theirs, ours = both(measured)
    for name in ("flux", "x", "y"):
        np.testing.assert_allclose(ours[f"{name}_err"], theirs[f"{name}_err"], rtol=1e-5)
        assert (abs(ours[f"{name}_fit"] - theirs[f"{name}_fit"]) < 1e-3 * theirs[f"{name}_err"]).all()
    np.testing.assert_array_equal(ours["flags"], theirs["flags"])


def test_isophotes_of_a_galaxy(both: Both) -> None:
    radius = np.hypot((COLUMNS - 30) / 9, (ROWS - 30) / 6)
    image = 200 * np.exp(-1.5 * radius) + 0.2 * NOISE

    def isophotes() -> Any:
        geometry = EllipseGeometry(x0=30, y0=30, sma=6, eps=0.3, pa=0.1)
        found = Ellipse(image, geometry=geometry).fit_image(minsma=3, maxsma=12)
        return np.array([[isophote.eps, isophote.pa, isophote.intens] for isophote in found])

    theirs, ours = both(isophotes)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
