"""``python -m pyminpack`` tells how the package was built, as a bug report should."""

from . import show_config

show_config()
