"""Fits by other libraries, with SciPy's functions and with this package's in their place."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import pyminpack

FUNCTIONS = ("leastsq", "least_squares", "curve_fit")
LIBRARIES = ("lmfit", "astropy", "skimage", "photutils", "pybaselines")


@contextmanager
def ours_in_place() -> Iterator[None]:
    """Put this package's functions into `scipy.optimize`, and wherever a library has imported SciPy's to."""
    import scipy.optimize

    ours = {id(getattr(scipy.optimize, name)): getattr(pyminpack, name) for name in FUNCTIONS}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name == "scipy.optimize" or name.partition(".")[0] in LIBRARIES:
                for key, value in list(vars(module).items()):
                    if id(value) in ours:
                        patch.setattr(module, key, ours[id(value)])
        yield


@pytest.fixture
def both() -> Callable[[Callable[[], Any]], tuple[Any, Any]]:
    """Call a function that fits, for its answers with SciPy's functions and with ours."""

    def both(fit: Callable[[], Any]) -> tuple[Any, Any]:
        theirs = fit()
        with ours_in_place():
            return theirs, fit()

    return both
