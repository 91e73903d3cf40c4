"""Records: values with named fields, as results and states of fits are."""

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, dataclass_transform

import numpy as np

_T = TypeVar("_T")


class computed_once(Generic[_T]):  # noqa: N801 - used as property is
    """A property that a record computes at its first use, and keeps.

    In Python 3.11 `functools.cached_property` holds a lock meanwhile, one for all records. Threads would wait for each
    other, and a process that is forked meanwhile for ever.
    """

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self._compute, self._name, self.__doc__ = compute, compute.__name__, compute.__doc__

    def __get__(self, record: Any, _: Any = None) -> _T:
        value = self._compute(record)
        record.__dict__[self._name] = value
        return value


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=False)
class Record:
    """A value with the annotated fields of its class, which keyword arguments set and nothing changes.

    It does what a frozen dataclass does. A frozen dataclass takes 0.6 ms to define, and a record 0.01 ms; the import of
    `least_squares` defines five.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()
    _shown: ClassVar[tuple[str, ...]] = ()  # attributes that repr shows; none: all fields

    def __init_subclass__(cls) -> None:
        own = [name for name in cls.__annotations__ if name not in Record.__annotations__]
        cls._fields = (*cls._fields, *own)
        cls._names = frozenset(cls._fields)

    def __init__(self, **values: Any) -> None:
        if values.keys() != self._names:
            wrong = ", ".join(sorted(values.keys() ^ self._names))
            raise TypeError(f"{type(self).__name__} takes each of its fields once, and no other: see {wrong}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} of a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} of a {type(self).__name__} cannot be deleted")

    def __repr__(self) -> str:
        names = self._shown or self._fields
        width = max(map(len, names))
        lines = [f"{name:>{width}}: {_as_text(self._value_to_show(name), width + 2)}" for name in names]
        return "\n".join([type(self).__name__, *lines])

    def _value_to_show(self, name: str) -> Any:
        return getattr(self, name)


def _as_text(value: object, indent: int) -> str:
    """A value as text, with the lines of an array one below the other."""
    if not isinstance(value, np.ndarray):
        return str(value)
    return np.array2string(value, threshold=50, edgeitems=3, max_line_width=100).replace("\n", "\n" + " " * indent)
