"""The benchmarks run: each says how, and the smallest entry of `./tools/bench` gives a ratio and a picture."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
SINGLE = sorted(path.name for path in BENCHMARKS.glob("bench_*.py"))
NEEDS_COMPILER = {"bench_blocks.py", "bench_compiled.py"}


def output(*command: object) -> str:
    """What a command prints, which must succeed."""
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def module(path: Path) -> Any:
    """A file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.slow
@pytest.mark.scipy
@pytest.mark.parametrize("name", SINGLE)
def test_each_benchmark_says_how_it_is_run(name: str) -> None:
    if name in NEEDS_COMPILER and shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    assert f"python benchmarks/{name}" in output(sys.executable, BENCHMARKS / name, "--help")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize("name", ["bench", "fitbenchmarking"])
def test_tools_say_how_they_are_run_without_setting_up(name: str) -> None:
    assert output("bash", ROOT / "tools" / name, "--help").startswith(f"usage: tools/{name} ")


@pytest.mark.slow
@pytest.mark.scipy
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_smallest_entry_gives_a_ratio_and_a_picture(tmp_path: Path) -> None:
    entry = "decay 20 x 2, lambda, list"
    suite = (sys.executable, BENCHMARKS / "suite", "--quick", "--entry", entry, "--out", tmp_path, "leastsq")
    assert entry in output(*suite)
    (record,) = json.loads((tmp_path / "ratios.json").read_text())
    assert (record["section"], record["name"], record["peer"]) == ("leastsq", entry, "SciPy")
    assert min(record["ratios"]) > 0
    if importlib.util.find_spec("matplotlib"):
        assert (tmp_path / "ratios.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.scipy
def test_history_has_fits_by_both_packages() -> None:
    code = "import fits; print([len(c.params[0]) * len(c.params[1]) for c in (fits.Leastsq, fits.LeastSquares)])"
    folder = str(BENCHMARKS / "history")
    counts = json.loads(output(sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r}); {code}"))
    assert min(counts) >= 12


def test_ranks_of_equals_are_the_mean_of_their_places() -> None:
    ranks = module(BENCHMARKS / "fitbench" / "run.py").ranks
    assert ranks([3.0, 1.0, 1.0 + 1e-9, 7.0], 1e-6) == [3.0, 1.5, 1.5, 4.0]
    assert ranks([float("inf"), 0.0, float("inf")], 1e-6) == [2.5, 1.0, 2.5]
