"""What the test modules share: which reference libraries are here."""

import importlib.util

import pytest
from original import LIBRARY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what compares with a reference that this machine lacks."""
    absent = {}
    if importlib.util.find_spec("scipy") is None:
        absent["scipy"] = "SciPy is not installed"
    if LIBRARY is None:
        absent["original"] = "the original MINPACK (Debian: libminpack1) is not installed"
    for item in items:
        for marker, reason in absent.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
