"""What the code base promises about itself: one version, a lean import, a clean binary, working examples."""

import ast
import doctest
import importlib.metadata
import inspect
import pydoc
import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import pyminpack
from pyminpack import _minpack

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(_minpack.__file__)


def read(tool: str, *options: str) -> str:
    """What one of the binutils says of the extension module."""
    if shutil.which(tool) is None or sys.platform != "linux":
        pytest.skip(f"no {tool} here")
    return subprocess.run([tool, *options, BINARY], capture_output=True, text=True, check=True).stdout


def is_release() -> bool:
    """Whether this is the build that users get, not one for checks."""
    from pyminpack._build_facts import FACTS

    return FACTS["buildtype"].startswith("release") and FACTS["minpack"] == "own"


def test_version_is_the_same_everywhere():
    told = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())
    assert told is not None
    assert pyminpack.__version__ == told[1]
    if is_release():
        assert importlib.metadata.version("pyminpack") == told[1]


def test_changelog_has_the_version_or_unreleased_changes():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0].startswith(pyminpack.__version__)


def test_module_exports_its_init_function_alone():
    defined = {line.split()[-1] for line in read("nm", "-D", "--defined-only").splitlines()}
    assert defined == {"PyInit__minpack"}


def test_module_needs_no_executable_stack():
    stack = [line for line in read("readelf", "-lW").splitlines() if "GNU_STACK" in line]
    assert len(stack) == 1
    assert "RWE" not in stack[0]


def test_module_depends_on_libc_and_libm_alone():
    if not is_release():
        pytest.skip("a build for checks brings its own libraries")
    needed = set(re.findall(r"NEEDED.*\[(.+?)\]", read("readelf", "-d")))
    assert needed <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_wheel_is_small():
    wheels = list((ROOT / "build" / "dist").glob("*.whl"))
    if not wheels:
        pytest.skip("no wheel in build/dist: tools/quickstart builds one")
    assert max(wheel.stat().st_size for wheel in wheels) < 500_000


def test_import_takes_numpy_alone():
    """Neither SciPy nor slow parts of the standard library come along; dataclasses and threads take 1 ms."""
    code = (
        "import numpy, sys; before = set(sys.modules); import pyminpack;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(out)) <= {"copy", "dataclasses", "numpy", "pyminpack", "threading"}


WITH_EXAMPLES = (
    "LevenbergMarquardt", "check_jacobian", "covariance", "curve_fit", "least_squares", "leastsq", "leastsq_blocks",
    "show_config",
)  # fmt: skip


def test_package_never_imports_scipy():
    """Not even where an object of SciPy's is given: so tests that don't mention it can't miss it either."""
    for path in Path(pyminpack.__file__).parent.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "scipy" for name in modules), path


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples_run(name):
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(getattr(pyminpack, name), name):
        runner.run(example)
    assert runner.summarize().attempted > 0
    assert runner.summarize().failed == 0


def test_no_wrapper_keeps_scratch_for_its_next_call():
    """Threads would share what f2py keeps for intent(cache): some wrappers release the GIL."""
    for path in (ROOT / "src" / "_minpack" / "signatures").glob("*.pyf"):
        assert not re.search(r"^[^!]*\bcache\b", path.read_text(), re.MULTILINE), path.name


def test_generated_module_has_every_routine():
    """f2py can write a module without a routine and exit 0."""
    signatures = "".join(path.read_text() for path in (ROOT / "src" / "_minpack" / "signatures").glob("*.pyf"))
    routines = {*re.findall(r"end subroutine (\w+)", signatures), *re.findall(r'\{"(\w+)", \w+, METH_', signatures)}
    assert len(routines) > 20
    assert routines - {"fcn", "jac"} <= set(dir(_minpack))


def test_example_runs():
    out = subprocess.run([sys.executable, ROOT / "examples" / "nist.py"], capture_output=True, text=True, check=True)
    assert "Thurber" in out.stdout
    assert out.stderr == ""


def test_large_example_runs_small():
    command = [sys.executable, ROOT / "examples" / "hundred_million_rows.py", "100000", "--block", "7000"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "iteration 1, cost" in out.stdout
    assert "15 of 15 blocks" in out.stdout
    assert "100,000 rows" in out.stdout
    assert "peak memory" in out.stdout
    assert out.stderr == ""


@pytest.mark.parametrize("name", pyminpack.__all__)
def test_help_opens_with_a_short_signature(name: str) -> None:
    """Names and defaults. With types, that of `least_squares` had 2300 characters."""
    thing = getattr(pyminpack, name)
    if not inspect.isfunction(thing) and not inspect.isclass(thing):
        pytest.skip("no signature")
    opening = pydoc.plain(pydoc.render_doc(thing)).split("\n\n")[1]
    assert len(opening.partition("\n")[0]) < 450
    assert typing.get_type_hints(thing) or inspect.isclass(thing) or name == "show_config"
