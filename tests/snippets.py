"""The examples of the documentation, as the scripts that a reader would make of them.

In a page of docs/, an example is a python fence that begins with ``# example: name``; a text fence behind it has what
it prints. `python tests/snippets.py page.md ...` runs the examples of pages (the default is all), and writes what they
print into the pages, and the pictures that they save into docs/pictures.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURES = DOCS / "pictures"
# The example that others import:
MODULES = {"blocks.md": "decay_model", "dask.md": "spectra", "least_squares.md": "decay_data"}
PRELUDES = {"compiled.md": "data", "convergence.md": "data"}  # the example that others begin with
# Elsewhere each example goes on where the one before has ended.

_EXAMPLE = re.compile(r"```python\n# example: (\w+)\n(.*?)```\n", re.DOTALL)
_SHOWN = re.compile(r"\n```text\n(.*?)```\n", re.DOTALL)
_HEAD = "# example: "


def text_of(page: str) -> str:
    """A page as it stands."""
    return (DOCS / page).read_text(encoding="utf-8")


def examples_of(page: str) -> dict[str, str]:
    """The examples of a page by name, in its order."""
    return dict(_EXAMPLE.findall(text_of(page)))


def shown_by(page: str) -> dict[str, str]:
    """What the examples of a page print, as it shows it."""
    text = text_of(page)
    shown = {}
    for example in _EXAMPLE.finditer(text):
        block = _SHOWN.match(text, example.end())
        shown[example[1]] = block[1] if block else ""
    return shown


def scripts_of(page: str) -> dict[str, str]:
    """The scripts of a page: one for each example, or one for all where they build on one another."""
    examples = examples_of(page)
    if page in MODULES:
        examples.pop(MODULES[page])
        return examples
    if page in PRELUDES:
        prelude = examples.pop(PRELUDES[page])
        return {name: prelude + example for name, example in examples.items()}
    whole = "".join(f"print({_HEAD + name!r})\n{example}" for name, example in examples.items())
    return {"": whole} if examples else {}


def run(page: str, script: str, directory: Path) -> str:
    """What a script prints, by itself in a fresh process."""
    if page in MODULES:
        (directory / f"{MODULES[page]}.py").write_text(examples_of(page)[MODULES[page]], encoding="utf-8")
    (directory / "script.py").write_text(script, encoding="utf-8")
    return run_file("script.py", directory)


def run_file(file: str | Path, directory: Path, seconds: float = 300) -> str:
    """What a file prints if it is run in a directory."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # cython, f2py's meson
    options = {"MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8", "RAY_USAGE_STATS_ENABLED": "0", "PATH": programs}
    done = subprocess.run(
        [sys.executable, file],
        cwd=directory,
        env=os.environ | options,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{file} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def printed_by(page: str, directory: Path, name: str = "") -> Iterator[tuple[str, str]]:
    """What the script of a page prints, for each of its examples."""
    printed = run(page, scripts_of(page)[name], directory)
    if name:
        yield name, printed
    else:
        yield from re.findall(rf"^{_HEAD}(\w+)\n(.*?)(?=^{_HEAD}|\Z)", printed, re.DOTALL | re.MULTILINE)


def write(page: str) -> None:
    """Put what the examples of a page print into it, and keep the pictures that they save."""
    printed: dict[str, str] = {}
    for name in scripts_of(page):
        with tempfile.TemporaryDirectory() as directory:
            printed |= dict(printed_by(page, Path(directory), name))
            PICTURES.mkdir(exist_ok=True)
            for picture in Path(directory).glob("*.png"):
                shutil.copy(picture, PICTURES)
    text = _EXAMPLE.sub(lambda example: example[0] + "\0", text_of(page))
    text = re.sub(r"\0\n```text\n.*?```\n", "\0", text, flags=re.DOTALL)
    for name, told in printed.items():
        block = f"\n```text\n{told}```\n" if told else ""
        text = re.sub(
            rf"(```python\n# example: {name}\n[^\0]*)\0", lambda match, block=block: match[1] + block, text, count=1
        )
    (DOCS / page).write_text(text.replace("\0", ""), encoding="utf-8")


if __name__ == "__main__":
    for each in sys.argv[1:] or sorted(path.name for path in DOCS.glob("*.md")):
        write(each)
        print(each)
