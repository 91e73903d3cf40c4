"""The package's exceptions, each its own kind and Python's builtin kind at once, and its warnings."""


class PyminpackError(Exception):
    """What every exception of this package is, whatever else it is."""


class InputValueError(PyminpackError, ValueError):
    """An argument, or what a callback gave back, has a value that no fit can be made of."""


class InputTypeError(PyminpackError, TypeError):
    """An argument, or what a callback gave back, is of a type that no fit can be made of."""


class OptionError(InputValueError, TypeError):
    """An option that is out of its range, or no number at all.

    It is a TypeError as well as a ValueError, because SciPy raises a TypeError for most of them.
    """


class ShapeError(InputTypeError, InputValueError):
    """Arrays whose sizes don't go together.

    It is a TypeError as well as a ValueError: SciPy raises the one for some of these cases and the other
    for the rest, and code written for SciPy catches either.
    """


class UnidentifiableWarning(RuntimeWarning):
    """Parameters that the data do not determine: their standard errors are infinite."""
