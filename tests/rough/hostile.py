"""Functions that misbehave at chosen calls, remember what they gave where, and know what a fit may make of it."""

import gc
import os
import pickle
import warnings
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from models import Oops, Table, residuals
from pyminpack import PyminpackError, least_squares, leastsq

# The number of a round of tools/fuzz; None within the suite, where all is the same each time.
ROUND = int(os.environ["PYMINPACK_FUZZ_ROUND"]) if "PYMINPACK_FUZZ_ROUND" in os.environ else None


def some(examples: int, **others: Any) -> settings:
    """How much is tried: within the suite, so many examples, always the same; by tools/fuzz more of them, by chance."""
    return settings(
        max_examples=examples if ROUND is None else 3 * examples,
        derandomize=ROUND is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        **others,
    )


class OopsBase(BaseException):
    """An exception that `except Exception` doesn't see."""


class RunawayError(BaseException):
    """The function was called more often than any fit needs."""


ERRORS = (Oops, StopIteration, KeyboardInterrupt, OopsBase, ValueError, TypeError, FloatingPointError, MemoryError)
RAISING = tuple(f"raise {error.__name__}" for error in ERRORS)
_ERROR_OF = dict(zip(RAISING, ERRORS, strict=True))


def _with(values: np.ndarray, value: float) -> np.ndarray:
    values = values.copy()
    if values.size > 0:  # a block may have no residuals
        values.flat[values.size // 2] = value
    return values


def _strided(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, 2, axis=0)[::2]


def _read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.setflags(write=False)
    return values


# The same numbers in other clothes: a fit takes them, or refuses them.
DISGUISES: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda f: f.tolist(),
    "tuple": lambda f: tuple(f),
    "column": lambda f: f.reshape(*f.shape, 1),
    "table": Table,
    "matrix order": np.asfortranarray,
    "strided": _strided,
    "read-only": _read_only,
    "backwards": lambda f: f[::-1].copy()[::-1],
    "bytes swapped": lambda f: f.astype(f.dtype.newbyteorder()),
    "long double": lambda f: f.astype(np.longdouble),
    "subclass": lambda f: f.view(np.ma.MaskedArray),
}
# Other numbers: a fit may end anywhere, but must end.
LIES: dict[str, Callable[[np.ndarray], Any]] = {
    "NaN": lambda f: _with(f, np.nan),
    "Inf": lambda f: _with(f, np.inf),
    "all NaN": lambda f: np.full_like(f, np.nan),
    "huge": lambda f: _with(f, 1e300),
    "zeros": np.zeros_like,
    "single": lambda f: f.astype(np.float32),
}
# What no fit can take.
REFUSED: dict[str, Callable[[np.ndarray], Any]] = {
    "too few": lambda f: f[:-1],
    "too many": lambda f: np.concatenate([f, f]),
    "empty": lambda f: f[:0],
    "one number": lambda f: 1.0,
    "None": lambda f: None,
    "text": lambda f: "residuals",
    "texts": lambda f: f.astype(str),
    "complex": lambda f: f + 0j,
    "objects": lambda f: np.array([object()] * len(f)),
    "bool": lambda f: f > 0,
    "ragged": lambda f: [[1.0, 2.0], [3.0]],
    "small integers": lambda f: f.astype(np.int16),
    "masked": lambda f: np.ma.masked_less(f, np.median(f)),
    "dict": lambda f: {"f": f},
    "a class": lambda f: np.ndarray,
    "iterator": iter,
}
# Right numbers, but rough hands.
HANDS = ("scribble", "keep", "buffer", "spoil what was given", "freeze x", "reshape x", "collect", "nest", "look")
TRICKS = (*RAISING, *DISGUISES, *LIES, *REFUSED, *HANDS)

_functions: list["Hostile"] = []


def _function(number: int) -> "Hostile":
    return _functions[number]


class Hostile:
    """A function of x that plays a trick at some of its calls.

    Attributes
    ----------
    calls : int
        How often it was called.
    raised : set of int
        Identities of all exceptions that it has raised; these are kept alive.
    given : dict
        What it gave as float64, by the bytes of x; an array is copied before it is given.
    lied : bool
        Whether it has given other numbers than the right ones.
    look : callable
        What the trick "look" does.
    """

    def __init__(self, honest: Callable, tricks: dict[int, str], most_calls: int) -> None:
        self.honest, self.tricks, self.most_calls = honest, tricks, most_calls
        self.calls = 0
        self.exceptions: list[BaseException] = []
        self.given: dict[bytes, list[bytes]] = {}
        self.lied = False
        self.look: Callable[[], Any] = gc.collect
        self._xs: list[np.ndarray] = []
        self._answers: list[Any] = []
        self._buffer: Any = None
        self._number = len(_functions)
        _functions.append(self)

    def __reduce__(self) -> Any:
        return _function, (self._number,)  # a pickled fit comes back with this very function

    def __repr__(self) -> str:
        return f"Hostile({self.honest.__name__}, {self.tricks})"

    def __call__(self, x: np.ndarray, *args: Any) -> Any:
        self.calls += 1
        if self.calls > self.most_calls:
            raise RunawayError(f"more than {self.most_calls} calls")
        at = np.array(x)
        with np.errstate(all="ignore"):
            values = self.honest(at, *args)
        trick = self.tricks.get(self.calls, "")
        if trick in _ERROR_OF:
            error = _ERROR_OF[trick](f"call {self.calls}")
            self.exceptions.append(error)
            raise error
        answer: Any = values
        for kind in (DISGUISES, LIES, REFUSED):
            if trick in kind:
                with warnings.catch_warnings(action="ignore"):  # complex values, too
                    answer = kind[trick](values)
                self.lied |= kind is not DISGUISES
        if trick in HANDS:
            answer = self._handle(trick, x, values)
        if not np.iscomplexobj(at):
            self.note(at, answer)
        return answer

    def note(self, at: np.ndarray, answer: Any) -> None:
        """Remember what is given at this x, if it can be residuals."""
        with suppress(TypeError, ValueError), warnings.catch_warnings(action="ignore"):
            self.given.setdefault(at.tobytes(), []).append(np.asarray(answer, np.float64).tobytes())

    def _handle(self, trick: str, x: np.ndarray, values: np.ndarray) -> Any:
        if trick == "scribble":
            x[:] = 1e9
        elif trick == "keep":
            self._xs.append(x)
            self._answers.append(values)
        elif trick == "buffer":
            if self._buffer is None or self._buffer.shape != values.shape:
                self._buffer = np.empty_like(values)
            self._buffer[:] = values
            return self._buffer
        elif trick == "spoil what was given":
            for array in (*self._xs, *self._answers, self._buffer):
                if array is not None:
                    array[...] = np.nan
        elif trick == "freeze x":
            x.setflags(write=False)
        elif trick == "reshape x":
            x.shape = (x.size, 1)
        elif trick == "collect":
            gc.collect()
        elif trick == "nest":
            leastsq(residuals, [1.0, 1.0])
            least_squares(residuals, [1.0, 1.0], max_nfev=3)
        else:
            self.look()
        return values

    def gave(self, x: np.ndarray, values: np.ndarray) -> bool:
        """Whether it has given these values at x."""
        return values.tobytes() in self.given.get(x.tobytes(), [])


def tricks(most: int = 5, among: tuple[str, ...] = TRICKS) -> Any:
    """What is played at which call: mostly few tricks, at early calls."""
    calls = st.one_of(st.integers(1, 12), st.integers(1, 60))
    return st.dictionaries(calls, st.sampled_from(among), max_size=most)


@contextmanager
def only_known_errors(*functions: Any) -> Any:
    """What comes out is an error of this package, or the very exception that one of the functions has raised."""
    try:
        yield
    except PyminpackError:
        pass
    except RunawayError as error:
        raise AssertionError("the fit doesn't end") from error
    except BaseException as error:
        if not any(error is one for function in functions for one in function.exceptions):
            raise AssertionError(f"a foreign exception: {type(error).__name__}: {error}") from error


_EXPECTED = pickle.dumps(least_squares(residuals, [1.0, 1.0]).x), leastsq(residuals, [1.0, 1.0])[0].tobytes()


def assert_next_fit_is_right() -> None:
    """Nothing of what has happened is left behind."""
    assert pickle.dumps(least_squares(residuals, [1.0, 1.0]).x) == _EXPECTED[0]
    assert leastsq(residuals, [1.0, 1.0])[0].tobytes() == _EXPECTED[1]
