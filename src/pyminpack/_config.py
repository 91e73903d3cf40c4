"""What this copy of the package is."""

from ._build_facts import FACTS
from ._kernels import available_kernels, chosen_kernel


def show_config() -> None:
    """Print what the package was built from and with.

    Version, platform, compilers and their arguments, whether the drivers are this project's own or those of
    an installed MINPACK, and for which instruction sets the block-wise factorization is compiled: what a bug
    report should begin with.

    The best instruction set that the processor has is taken. The environment variable ``PYMINPACK_KERNEL``, read
    when the package is imported, forces another of those listed, so that results agree to the last bit between
    machines; a name that is not among them is an `ImportError`.

    Examples
    --------
    >>> import pyminpack
    >>> pyminpack.show_config()  # doctest: +ELLIPSIS
    version           ...
    """
    facts = FACTS | {"kernel": f"{chosen_kernel()} (of {', '.join(available_kernels())})"}
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {fact}")
