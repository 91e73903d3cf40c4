"""Dependencies run one way: from what users call down to the extension module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "pyminpack"
# From the bottom up. A module imports from its own room and from those before it.
ROOMS = ["_minpack", "_errors", "_model", "_report", "_derivatives", "_iteration", "_blocks", "_curve", "_many"]
ROOMS += ["what users call"]


def room_of(module: str) -> int:
    first = module.split(".")[0]
    return ROOMS.index(first) if first in ROOMS else len(ROOMS) - 1


def imports_of(path: Path) -> Iterator[str]:
    """The modules of this package that a module imports, by their names within the package."""
    parents = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parents[: len(parents) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (".".join([*base, name]) for name in names)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("**/*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_runs_upward(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    own = room_of(name.removesuffix(".py").replace("/", "."))
    assert not {module for module in imports_of(path) if room_of(module) > own}


def test_the_extension_module_is_imported_by_name() -> None:
    """To readers and tools, ``from . import _minpack`` is an import of the package's face from below."""
    for path in PACKAGE.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level and not node.module and path.name != "__main__.py":
                assert path.parent.name in ("_derivatives", "_iteration"), path
