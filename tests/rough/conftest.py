"""How roughly fits are handled: gently within the suite, at random by tools/fuzz."""

import pytest

from rough.hostile import ROUND
from rough.interrupts import Places


@pytest.fixture
def places() -> Places:
    return Places(ROUND)
