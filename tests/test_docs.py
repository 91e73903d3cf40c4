"""The examples of the documentation run, and fit."""

import importlib.util
import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyminpack

DOCS = Path(__file__).resolve().parent.parent / "docs"


def examples_of(page: str) -> dict[str, str]:
    """The examples of a page by name."""
    return dict(re.findall(r"```python\n# example: (\w+)\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))


EXAMPLES = examples_of("compiled.md")
BLOCK_EXAMPLES = examples_of("blocks.md")
LEAST_SQUARES_EXAMPLES = examples_of("least_squares.md")
NEEDS_COMPILER = {"ctypes", "cffi", "cython", "scipy", "f2py"}


def require(name: str) -> None:
    """Skip an example whose package or compiler isn't here."""
    if name in ("numba", "cffi", "scipy") and importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    for program in {"cython": ("cython",), "f2py": ("gfortran", "meson", "ninja")}.get(name, ()):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if name in NEEDS_COMPILER and shutil.which("cc") is None:
        pytest.skip("no C compiler here")


def test_page_has_every_kind():
    assert set(EXAMPLES) == {"data", "numba", "ctypes", "cffi", "cython", "scipy", "f2py", "address"}


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"data"}))
def test_example_fits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    require(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    entered: list[str] = []

    def leastsq(func: Any, x0: Any, **options: Any) -> Any:
        """Note which Python functions are entered on the way, but for those that make an array of x0."""
        start = np.array(x0, dtype=float)
        sys.setprofile(lambda frame, event, _: entered.append(frame.f_code.co_name) if event == "call" else None)
        try:
            return pyminpack.leastsq(func, start, **options)
        finally:
            sys.setprofile(None)

    names: dict[str, Any] = {}
    exec(EXAMPLES["data"], names)
    names["leastsq"] = leastsq
    exec(EXAMPLES[name], names)
    assert names["ier"] in (1, 2, 3, 4)
    np.testing.assert_allclose(names["x"], [2.5, 1.3], rtol=1e-6)
    if name == "address":  # Python behind a C function pointer
        assert "residuals" in entered
    else:
        assert entered == ["leastsq"]


# ------------------------------------------------------------------------------------ blocks.md


def test_page_on_blocks_has_every_engine():
    expected = {"decay_model", "builtin", "threads", "processes", "pool", "dask", "dask_files", "ray", "progress"}
    assert set(BLOCK_EXAMPLES) == expected


@pytest.fixture(scope="module")
def decay_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the module that the examples share."""
    directory = tmp_path_factory.mktemp("blocks")
    (directory / "decay_model.py").write_text(BLOCK_EXAMPLES["decay_model"])
    return directory


@pytest.mark.parametrize("name", sorted(set(BLOCK_EXAMPLES) - {"decay_model"}))
def test_example_with_blocks_fits(
    name: str, decay_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    engine = {"dask": "distributed", "dask_files": "distributed", "ray": "ray"}.get(name)
    if engine is not None and importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(decay_model))
    monkeypatch.setenv("PYTHONPATH", str(decay_model))  # Ray's workers know no other way
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        if engine is not None:
            warnings.simplefilter("ignore")  # another project's
        exec(BLOCK_EXAMPLES[name], names)
    fit = names["fit"]
    assert fit.success or name == "progress"
    assert fit.m == 100_000
    np.testing.assert_allclose(fit.x, [2.5, 1.3], rtol=1e-3)


# ----------------------------------------------------------------------------- least_squares.md


def run_example_of_least_squares(name: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(LEAST_SQUARES_EXAMPLES[name], names)
    return names


def test_page_on_least_squares_has_its_examples():
    assert set(LEAST_SQUARES_EXAMPLES) == {"bounds", "undetermined", "check"}


def test_example_with_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    fit = run_example_of_least_squares("bounds")["fit"]
    assert fit.success
    np.testing.assert_array_equal(fit.active_mask, [0, 0, -1])
    np.testing.assert_allclose(fit.x, [2.5, 1.4, 0.02], rtol=0.05)
    assert "at its lower bound" in capsys.readouterr().out


def test_example_of_what_is_not_determined(capsys: pytest.CaptureFixture[str]) -> None:
    fit = run_example_of_least_squares("undetermined")["fit"]
    np.testing.assert_array_equal(np.isinf(fit.stderr), [True, False, True])
    assert "x[0], x[2]" in capsys.readouterr().out


def test_example_of_a_wrong_jacobian(capsys: pytest.CaptureFixture[str]) -> None:
    run_example_of_least_squares("check")
    assert "the sign is wrong for x[1]" in capsys.readouterr().out
