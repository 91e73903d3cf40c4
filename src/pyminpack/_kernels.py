"""Which of the kernels compiled for several instruction sets does the block-wise factorization."""

import os

from . import _minpack

VARIABLE = "PYMINPACK_KERNEL"


def available_kernels() -> tuple[str, ...]:
    """The names of those that this processor runs, the best last."""
    return _minpack.kernels()


def chosen_kernel() -> str:
    """The name of the one in use."""
    return _minpack.kernel()


def choose_at_import() -> None:
    """Take the one that the environment names, else the best.

    A name that can't be had ends the import: whoever sets the variable wants these bits and no others. ``plain``
    is the first of the names on every machine.
    """
    available = available_kernels()
    wanted = os.environ.get(VARIABLE) or available[-1]
    name = available[0] if wanted == "plain" else wanted
    if name not in available:
        raise ImportError(
            f"the environment variable {VARIABLE} is {wanted!r}, which this processor or this build of pyminpack does "
            f"not have: unset it for the best kernel, or set it to one of {', '.join(map(repr, available))} or 'plain'"
        )
    _minpack.choose_kernel(name)
