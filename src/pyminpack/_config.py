"""What this copy of the package is."""

from ._build_facts import FACTS


def show_config() -> None:
    """Print what the package was built from and with.

    Version, platform, compilers and their arguments, and whether the drivers are this project's own or
    those of an installed MINPACK: what a bug report should begin with.

    Examples
    --------
    >>> import pyminpack
    >>> pyminpack.show_config()  # doctest: +ELLIPSIS
    version           ...
    """
    width = max(map(len, FACTS))
    for name, fact in FACTS.items():
        print(f"{name:<{width}}  {fact}")
