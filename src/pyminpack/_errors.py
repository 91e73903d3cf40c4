"""The package's exceptions, each of which is one of Python's builtin exceptions, too, and its warning."""


class PyminpackError(Exception):
    """The base of every exception of this package."""


class InputValueError(PyminpackError, ValueError):
    """An argument, or the result of a user's function, has a value that cannot be used in a fit."""


class InputTypeError(PyminpackError, TypeError):
    """An argument, or the result of a user's function, has a type that cannot be used in a fit."""


class OptionError(InputValueError, TypeError):
    """An option is out of its range, or is not a number.

    It is a TypeError as well as a ValueError, because SciPy raises a TypeError for most of these cases.
    """


class ShapeError(InputTypeError, InputValueError):
    """The shapes of arrays do not match.

    It is a TypeError as well as a ValueError, because SciPy raises a TypeError for some of these cases and a
    ValueError for the others, and code written for SciPy catches one of the two.
    """


class InUseError(PyminpackError, RuntimeError):
    """A fit is asked to go on while it does so already: in another thread, or since its own function asks."""


class UnidentifiableWarning(RuntimeWarning):
    """The data do not determine some of the parameters: their standard errors are infinite."""
