"""The examples of the documentation run, and fit."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import numpy as np
import pytest

import pyminpack
from pyminpack._report.info import Info, Status, page_on

DOCS = Path(__file__).resolve().parents[2] / "docs"


def examples_of(page: str) -> dict[str, str]:
    """The examples of a page by name."""
    return dict(re.findall(r"```python\n# example: (\w+)\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))


EXAMPLES = examples_of("compiled.md")
BLOCK_EXAMPLES = examples_of("blocks.md")
LEAST_SQUARES_EXAMPLES = examples_of("least_squares.md")
CONVERGENCE_EXAMPLES = examples_of("convergence.md")
KINDS = {"numba", "ctypes", "cffi", "cython", "scipy", "f2py", "address"}
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
    assert set(EXAMPLES) == {"data", *KINDS, "declared", "status"}


def test_example_of_declared_data() -> None:
    names: dict[str, Any] = {}
    exec(EXAMPLES["declared"], names)
    for data in (names["as_bytes"], names["as_struct"]):
        assert pyminpack.compiled_residuals(1, 3, data=data, signature="residuals").m == 3


def test_example_of_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    require("numba")
    names: dict[str, Any] = {}
    exec(EXAMPLES["data"], names)
    exec(EXAMPLES["status"], names)
    assert names["fit"].status == -2
    assert "17" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(KINDS))
def test_example_fits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    require(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    entered: list[str] = []

    def leastsq(func: Any, x0: Any, **options: Any) -> Any:
        """Note which Python functions are entered on the way, but for those of this package before the fit."""

        def note(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and not str(frame.f_globals.get("__name__")).startswith("pyminpack"):
                entered.append(frame.f_code.co_name)

        start = np.array(x0, dtype=float)
        sys.setprofile(note)
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
        assert entered == []


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


ENGINES = {"dask": "distributed", "dask_files": "distributed", "ray": "ray"}
WITH_ENGINE = [pytest.mark.slow, pytest.mark.xdist_group("engines")]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=WITH_ENGINE if name in ENGINES else [])
        for name in sorted(set(BLOCK_EXAMPLES) - {"decay_model"})
    ],
)
def test_example_with_blocks_fits_as_a_script(
    name: str, decay_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that start processes once did so again in each of these, without an end."""
    engine = ENGINES.get(name)
    if engine is not None and importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")
    monkeypatch.setenv("PYTHONPATH", str(decay_model))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    end = 'if __name__ == "__main__":\n    print("fitted", fit.success, fit.m, *fit.x)\n'
    (tmp_path / "example.py").write_text(BLOCK_EXAMPLES[name] + end)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    success, m, *x = done.stdout.partition("fitted ")[2].split()
    assert success == "True" or name == "progress"
    assert m == "100000"
    np.testing.assert_allclose(np.array(x, float), [2.5, 1.3], rtol=1e-3)


# ----------------------------------------------------------------------------- least_squares.md

Run: TypeAlias = Callable[[str], dict[str, Any]]

DECAY = [2.503507, 1.302341]  # the fit to the data with their ripple


@pytest.fixture(scope="module")
def decay_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the module that the examples share."""
    directory = tmp_path_factory.mktemp("least_squares")
    (directory / "decay_data.py").write_text(LEAST_SQUARES_EXAMPLES["decay_data"])
    return directory


@pytest.fixture
def run(decay_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run an example by its name, for the names that it leaves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(decay_data))

    def run(name: str) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(LEAST_SQUARES_EXAMPLES[name], names)
        return names

    return run


def test_page_on_least_squares_has_its_examples():
    expected = {"bounds", "scipy", "undetermined", "decay_data", "outliers", "jacobians", "noisy", "workers", "check"}
    expected |= {"disagreement", "watching", "limits", "steps", "resume", "interrupted", "valley", "goes_on"}
    assert set(LEAST_SQUARES_EXAMPLES) == expected


def test_example_with_bounds(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    fit = run("bounds")["fit"]
    assert fit.success
    np.testing.assert_array_equal(fit.active_mask, [0, 0, -1])
    np.testing.assert_allclose(fit.x, [2.5, 1.4, 0.02], rtol=0.05)
    assert "at its lower bound" in capsys.readouterr().out


@pytest.mark.scipy
def test_example_beside_scipy(run: Run) -> None:
    names = run("scipy")
    theirs, ours = names["theirs"], names["ours"]
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-7)
    assert (ours.status, ours.nfev) == (theirs.status, theirs.nfev)
    assert set(theirs) < set(ours)


def test_example_of_what_is_not_determined(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    fit = run("undetermined")["fit"]
    np.testing.assert_array_equal(np.isinf(fit.stderr), [True, False, True])
    assert "x[0], x[2]" in capsys.readouterr().out


def test_example_with_outliers(run: Run) -> None:
    fits = list(run("outliers")["fits"].values())
    assert all(fit.success for fit in fits)
    plain, *robust = fits
    assert abs(plain.x[1] - 1.3) > 0.2
    for fit in robust:
        np.testing.assert_allclose(fit.x, [2.5, 1.3], rtol=0.01)
        assert (fit.stderr < plain.stderr).all()


def test_example_with_every_kind_of_jacobian(run: Run) -> None:
    fits = run("jacobians")["fits"]
    assert len(fits) == 5
    for fit in fits:
        np.testing.assert_allclose(fit.x, DECAY, rtol=1e-6)


def test_example_with_noisy_residuals(run: Run) -> None:
    fit = run("noisy")["fit"]
    assert fit.success
    np.testing.assert_allclose(fit.x, DECAY, rtol=1e-4)


def test_example_with_workers(run: Run) -> None:
    names = run("workers")
    alone = pyminpack.least_squares(names["residuals"], [1, 1])
    for how in ("threads", "processes"):
        np.testing.assert_array_equal(names[how].x, alone.x)


def test_example_of_a_wrong_jacobian(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("check")
    assert "the sign is wrong for x[1]" in capsys.readouterr().out


def test_example_of_a_fit_with_a_wrong_jacobian(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("disagreement")["fit"].status == -7
    page = " ".join((DOCS / "least_squares.md").read_text().split())
    told = capsys.readouterr().out.partition("Stopped: the Jacobian disagrees")
    assert "".join(told[1:]).strip() in page


def test_example_of_watching(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    names = run("watching")
    whole, early = names["whole"], names["early"]
    assert whole.success
    assert len(names["path"]) == whole.nit > early.nit
    np.testing.assert_array_equal(names["path"][-1], whole.x)
    assert early.status == -2
    assert early.cost < 0.01
    printed = capsys.readouterr().out
    assert "cosine" in printed
    assert "Stopped by the callback" in printed


def test_example_of_limits(run: Run) -> None:
    names = run("limits")
    assert (names["short"].status, names["short"].nfev) == (0, 3)
    assert names["late"].status == -3


def test_example_step_by_step(run: Run) -> None:
    names = run("steps")
    np.testing.assert_allclose(names["result"].x, DECAY, rtol=1e-5)
    assert names["result"].nit == names["state"].nit > 1


def test_example_that_resumes(run: Run) -> None:
    assert run("resume")["whole"].success


def test_example_that_is_interrupted(run: Run) -> None:
    names = run("interrupted")
    assert names["calls"] > 8
    assert names["result"].success
    np.testing.assert_allclose(names["result"].x, DECAY, rtol=1e-6)


def test_example_of_a_curved_valley(run: Run) -> None:
    names = run("valley")
    plain, fit = names["plain"], names["fit"]
    assert plain.success
    assert fit.success
    assert (plain.nit, fit.nit) == pytest.approx((68, 16), abs=6)
    np.testing.assert_allclose(fit.x, plain.x, rtol=1e-6)


def test_example_that_goes_on(run: Run) -> None:
    names = run("goes_on")
    assert names["x"][1] < -14
    assert names["fit"].success
    np.testing.assert_allclose(names["fit"].x, DECAY, rtol=1e-6)


# ------------------------------------------------------------------------------ convergence.md


def shown_by(page: str) -> dict[str, str]:
    """What the examples of a page print, as it shows it."""
    block = r"# example: (\w+)\n(?:(?!```).)*```\n\n```text\n(.*?)```"
    return dict(re.findall(block, (DOCS / page).read_text(), re.DOTALL))


def anchors_of(page: str) -> set[str]:
    """What links into a page can point to: its headings, as GitHub names them, and anchors."""
    text = re.sub(r"```.*?```", "", (DOCS / page).read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings} | set(
        re.findall(r'<a id="(.*?)">', text)
    )


def test_examples_on_convergence_show_what_they_print() -> None:
    assert set(shown_by("convergence.md")) == set(CONVERGENCE_EXAMPLES) - {"data"}
    assert len(CONVERGENCE_EXAMPLES) > 15


@pytest.mark.filterwarnings("ignore::pyminpack.UnidentifiableWarning")
@pytest.mark.parametrize("name", sorted(set(CONVERGENCE_EXAMPLES) - {"data"}))
def test_example_on_convergence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(CONVERGENCE_EXAMPLES["data"], names)
    exec(CONVERGENCE_EXAMPLES[name], names)
    assert capsys.readouterr().out == shown_by("convergence.md")[name]


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_section(status: Status) -> None:
    """The one that its message names, with its number at the head."""
    anchor = page_on(status).removeprefix("See docs/convergence.md#").removesuffix(".")
    page = (DOCS / "convergence.md").read_text()
    assert re.search(rf'<a id="{anchor}"></a>(\*\*|\n### ){status.value}: ', page)


@pytest.mark.parametrize("ier", [ier for ier in Info if Info.IMPROPER_INPUT <= ier <= Info.GTOL_TOO_SMALL])
def test_each_ier_has_its_section(ier: Info) -> None:
    assert f"ier-{ier.value}" in anchors_of("convergence.md")


@pytest.mark.parametrize("page", ["convergence.md", "least_squares.md", "curve_fit.md", "libraries.md"])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([\w.]*)#([\w-]+)\)", " ".join((DOCS / page).read_text().split()))
    assert [f"{to}#{anchor}" for to, anchor in links if anchor not in anchors_of(to or page)] == []


# ------------------------------------------------------------------------------- curve_fit.md

CURVE_EXAMPLES = examples_of("curve_fit.md")


def test_examples_of_curves_show_what_they_print(capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as a reader runs them."""
    shown = shown_by("curve_fit.md")
    assert list(shown) == list(CURVE_EXAMPLES)
    names: dict[str, Any] = {}
    for name, example in CURVE_EXAMPLES.items():
        exec(example, names)
        assert capsys.readouterr().out == shown[name], name


# -------------------------------------------------------------------------------- libraries.md

LIBRARY_EXAMPLES = examples_of("libraries.md")


def test_examples_for_libraries_show_what_they_print(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, without those whose library isn't here."""
    shown = shown_by("libraries.md")
    assert list(shown) == list(LIBRARY_EXAMPLES)
    absent = set()
    if importlib.util.find_spec("scipy") is None:
        absent = {"swapped", "adapter"}
    elif importlib.util.find_spec("lmfit") is None:
        absent = {"swapped"}
    else:
        minimizer = importlib.import_module("lmfit.minimizer")
        for name in ("scipy_leastsq", "least_squares"):  # which the example replaces, and the test puts back
            monkeypatch.setattr(minimizer, name, getattr(minimizer, name))
    names: dict[str, Any] = {}
    for name, example in LIBRARY_EXAMPLES.items():
        if name not in absent:
            exec(example, names)
            assert capsys.readouterr().out == shown[name], name
