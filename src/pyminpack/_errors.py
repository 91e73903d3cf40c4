"""The package's exceptions, each of which is one of Python's builtin exceptions, too, and its warnings."""

import sys
from types import FrameType
from typing import Any, Final
from warnings import warn

# Frames between a line of the user's and a warning: those of this package.
_INNER_PACKAGE: Final = __name__.partition(".")[0]


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


class MissingPackageError(PyminpackError, ImportError):
    """A package that is asked for is not installed."""


class NotConvergedError(PyminpackError, RuntimeError):
    """`curve_fit` did not converge.

    Attributes
    ----------
    result : LeastSquaresResult
        Where the fit ended: ``result.x`` is the best point found, ``result.status`` and ``result.message`` say why.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class UnidentifiableWarning(RuntimeWarning):
    """The data do not determine some of the parameters: their standard errors are infinite."""


# Lines of the user's program that were told once, and what.
_TOLD: Final[set[tuple[str, str, int]]] = set()


def warn_user(message: str, category: type[Warning]) -> None:
    """Give a warning that points to the line of the user's program from which the call came."""
    warn(message, category, stacklevel=_depth_of_user())


def warn_user_once(message: str, category: type[Warning]) -> None:
    """Give a warning, but no second time for the same line of the user's program.

    Python remembers lines as well, but forgets them all whenever somebody changes the filters of warnings, as
    `warnings.catch_warnings` does. Libraries do so at every turn, and their users would read the same at every fit.
    """
    depth = _depth_of_user()
    frame = sys._getframe(depth - 1)
    line = message, frame.f_code.co_filename, frame.f_lineno
    if line not in _TOLD:
        warn(message, category, stacklevel=depth)
        _TOLD.add(line)  # not where a filter makes it an exception


def _depth_of_user() -> int:
    """How many frames above the caller the first frame outside of this package is, as `warn` counts."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and _package_of(frame) == _INNER_PACKAGE:
        frame, depth = frame.f_back, depth + 1
    return depth


def _package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
