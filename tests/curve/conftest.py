"""Fits that several modules look at."""

import pytest

from curves import line
from models import T, Y
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import CurveFit, curve_fit


@pytest.fixture(scope="module")
def puromycin() -> CurveFit:
    return curve_fit(reaction, CONCENTRATION, VELOCITY, START)


@pytest.fixture(scope="module")
def straight() -> CurveFit:
    """A linear model, for which the linear theory is exact."""
    return curve_fit(line, T, Y)
