"""Bars that count fits while they are made, by tqdm, which is imported where one is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .._errors import MissingPackageError, OptionError
from .._model.arrays import shown


@contextmanager
def counting(progress: bool, total: int, unit: str) -> Iterator[Callable[[], object]]:
    """A function to call after each of so many pieces of work, which moves a bar if one is wanted."""
    if not isinstance(progress, bool):
        raise OptionError(f"progress is {shown(progress)}; it can be True or False")
    if not progress:
        yield lambda: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise MissingPackageError("progress=True needs tqdm: pip install 'pyminpack[progress]'") from error
    with tqdm(total=total, unit=f" {unit}") as bar:
        yield bar.update
