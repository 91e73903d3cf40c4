"""What the test modules share: fixtures, and which reference libraries are here."""

import importlib.util
import signal
import sys
from collections.abc import Iterator

import pytest

from measures import Clock
from original import LIBRARY


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that tools/test uses to see the suite pass where SciPy is absent."""
    parser.addoption("--without-scipy", action="store_true", help="hide SciPy from the tests")


def pytest_configure(config: pytest.Config) -> None:
    """Hide SciPy where that is asked for: its import fails as if it weren't installed."""
    if config.getoption("--without-scipy"):
        sys.modules["scipy"] = None  # type: ignore[assignment]


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


@pytest.fixture
def nothing_on_stderr(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Insist that a test has nothing printed, neither by Python nor by C or Fortran."""
    yield
    assert capfd.readouterr().err == ""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, even where the tests were started with it ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)
