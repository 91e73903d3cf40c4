"""How this copy of the package was built, and which of its kernels is in use.

A kernel is the block-wise factorization compiled for one instruction set.
"""

import os

from ._build_facts import FACTS
from ._minpack import choose_kernel, kernel, kernels

_VARIABLE = "PYMINPACK_KERNEL"


def show_config() -> None:
    """Print how the package was built: what a bug report should begin with.

    Version, platform, compilers and their arguments, whether the drivers are this project's own or those of an
    installed MINPACK, and the instruction sets that the block-wise factorization is compiled for.

    The best of these that the processor has is in use. The environment variable ``PYMINPACK_KERNEL``, read when the
    package is imported, chooses another, so that results agree to the last bit between machines; a name that is not
    in the list is an `ImportError`.

    Examples
    --------
    >>> import pyminpack
    >>> pyminpack.show_config()  # doctest: +ELLIPSIS
    version           ...
    """
    facts = FACTS | {"kernel": f"{kernel()} (of {', '.join(kernels())})"}
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {fact}")


def choose_kernel_at_import() -> None:
    """Choose the kernel that the environment variable names, or the best one.

    An unknown name ends the import, because the user has asked for the bits of that kernel and no other. ``plain``
    stands for the first kernel of the list, which every machine has.
    """
    available = kernels()
    wanted = os.environ.get(_VARIABLE) or available[-1]
    name = available[0] if wanted == "plain" else wanted
    if name not in available:
        raise ImportError(
            f"the environment variable {_VARIABLE} is {wanted!r}, which this processor or this build of pyminpack does "
            f"not have: unset it for the best kernel, or set it to one of {', '.join(map(repr, available))} or 'plain'"
        )
    choose_kernel(name)
