"""What the tests of the core share."""

from collections.abc import Iterator

import pytest

from pyminpack import _minpack


@pytest.fixture(params=_minpack.kernels())
def kernel(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each of the kernels that run on this processor, chosen for the test."""
    before = _minpack.kernel()
    _minpack.choose_kernel(request.param)
    yield request.param
    _minpack.choose_kernel(before)
