"""scikit-image's distances from an ellipse with our `leastsq`: one parameter and one residual at a time."""

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("skimage")

from skimage import measure

Both: TypeAlias = Callable[[Callable[[], Any]], tuple[Any, Any]]

pytestmark = pytest.mark.scipy

ANGLES = np.linspace(0, 2 * np.pi, 40, endpoint=False)
AXES, TILT = np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]]), 0.4
POINTS = np.c_[8 * np.cos(ANGLES), 5 * np.sin(ANGLES)] @ AXES + [10, 12]
SEEN = POINTS + np.random.default_rng(14).normal(0, 0.2, POINTS.shape)


def ellipse() -> Any:
    return measure.EllipseModel((10, 12), (8, 5), TILT)


@pytest.mark.parametrize(
    "points", [SEEN, 3 * SEEN - 20, POINTS, POINTS[:3] * 100], ids=["beside it", "away", "on it", "far"]
)
def test_distances_from_an_ellipse(both: Both, points: np.ndarray) -> None:
    """The residual is the square of the distance, which has no slope at the minimum: some ends are told to be unsure.

    Their points are as near as SciPy's all the same.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        theirs, ours = both(lambda: ellipse().residuals(points))
    assert (ours <= theirs + 1e-9).all()
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-6)
    for warning in caught:
        assert warning.category is RuntimeWarning
        assert str(warning.message).startswith("Stopped")
        assert warning.filename == measure.EllipseModel.residuals.__code__.co_filename
    assert len(caught) < points.shape[0]


@pytest.mark.filterwarnings("ignore:Stopped:RuntimeWarning")
def test_an_ellipse_among_outliers(both: Both) -> None:
    points = np.vstack([SEEN, np.random.default_rng(14).uniform(0, 25, (12, 2))])

    def found() -> Any:
        options = {"min_samples": 8, "residual_threshold": 0.6, "max_trials": 20, "rng": 14}
        model, inliers = measure.ransac(points, measure.EllipseModel, **options)
        return inliers, [*model.center, *model.axis_lengths, model.theta]

    (inliers, shape), (our_inliers, our_shape) = both(found)
    np.testing.assert_array_equal(our_inliers, inliers)
    np.testing.assert_allclose(our_shape, shape)
    assert 30 < inliers.sum() < 45
