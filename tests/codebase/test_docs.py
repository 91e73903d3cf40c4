"""The examples of the documentation run as scripts, by themselves, and print what the pages show."""

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

import pyminpack
from pyminpack._report.info import Info, Status, page_on
from snippets import DOCS, MODULES, PICTURES, PRELUDES, examples_of, printed_by, run_file, scripts_of, shown_by, text_of

PAGES = sorted(path.name for path in DOCS.glob("*.md"))
GALLERY = sorted(DOCS.glob("gallery/*/plot_*.py"))
IMPORTS = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
PROGRAMS = re.compile(r'run\(\["(\w+)"|"numpy\.(f2py)"')
WITH_ENGINE = [pytest.mark.slow, pytest.mark.xdist_group("engines")]  # these start processes, and take their time

SCRIPTS = [
    pytest.param(page, name, marks=WITH_ENGINE if {"dask", "ray"} & set(IMPORTS.findall(script)) else [])
    for page in PAGES
    for name, script in scripts_of(page).items()
]


def require_what_it_needs(script: str) -> None:
    """Skip a script whose packages or compilers aren't here."""
    packages = set(IMPORTS.findall(script)) - {*MODULES.values(), "libc"}
    if ".plot" in script:
        packages.add("matplotlib")
    programs = {name for pair in PROGRAMS.findall(script) for name in pair if name}
    if "f2py" in programs:
        programs = programs - {"f2py"} | {"gfortran", "meson", "ninja"}
    absent = [name for name in sorted(packages) if importlib.util.find_spec(name) is None]
    absent += [name for name in sorted(programs) if shutil.which(name) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)}: not installed")


def as_numbers(text: str) -> tuple[str, list[float]]:
    """A text without its numbers, and these. Blanks don't count: a number may have another width."""
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
    return " ".join(re.sub(number, "#", text).split()), [float(each) for each in re.findall(number, text)]


def require_same(printed: str, shown: str) -> None:
    """The same words; the same numbers, but for what another library of elementary functions makes of them."""
    words, numbers = as_numbers(printed)
    expected, known = as_numbers(shown)
    assert words == expected, f"printed:\n{printed}\nshown:\n{shown}"
    np.testing.assert_allclose(numbers, known, rtol=2e-3, atol=1e-9, err_msg=f"printed:\n{printed}\nshown:\n{shown}")


@pytest.mark.parametrize(("page", "name"), SCRIPTS)
def test_example_prints_what_the_page_shows(page: str, name: str, tmp_path: Path) -> None:
    require_what_it_needs(scripts_of(page)[name])
    shown = shown_by(page)
    printed = dict(printed_by(page, tmp_path, name))
    assert set(printed) == ({name} if name else set(shown))
    for example, told in printed.items():
        require_same(told, shown[example])
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures <= {Path(link).name for link in re.findall(r"!\[.*?\]\((.*?)\)", text_of(page))}


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_script_of_the_gallery_draws(script: Path, tmp_path: Path) -> None:
    require_what_it_needs(script.read_text(encoding="utf-8"))
    assert run_file(script, tmp_path)
    for picture in tmp_path.glob("*.png"):
        assert picture.stat().st_size > 5000
    assert list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("page", PAGES)
def test_everything_in_python_is_an_example(page: str) -> None:
    """And so it is run, and every example that prints shows what."""
    fences = re.findall(r"```python\n(.*\n)", text_of(page))
    assert [line for line in fences if not line.startswith("# example: ")] == []
    assert len(fences) == len(examples_of(page))
    runs = {name: code for name, code in examples_of(page).items() if "print(" in code and name != PRELUDES.get(page)}
    shown = shown_by(page)
    assert [name for name in runs if not shown[name] and name != MODULES.get(page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_pictures_of_a_page_are_there_and_drawn_by_its_examples(page: str) -> None:
    text = text_of(page)
    links = re.findall(r"!\[(.*?)\]\((.*?)\)", text)
    for description, link in links:
        assert description
        assert (DOCS / link).is_file()
        assert f'savefig("{Path(link).name}"' in text


def test_no_picture_is_left_over() -> None:
    used = {link for page in PAGES for link in re.findall(r"\]\(pictures/(.*?)\)", text_of(page))}
    assert {path.name for path in PICTURES.glob("*")} == used


def test_index_gets_no_link_into_the_repository() -> None:
    """Links from there lead nowhere: whoever reads the package's description has no files beside it."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (DOCS.parent / project["readme"]).read_text(encoding="utf-8")
    links = re.findall(r"\]\(\s*(.*?)\)|\]:\s*(\S+)|(?:src|href)=\"(.*?)\"", text)
    assert all("".join(link).startswith(("https://", "#")) for link in links)


@pytest.mark.parametrize("page", ["README.md", "src/README.md"])
def test_example_of_the_readme(page: str, tmp_path: Path) -> None:
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "script.py").write_text(example + "print(x.round(6), ier)\n", encoding="utf-8")
    assert run_file("script.py", tmp_path).startswith("[2.5 1.3]")


# ------------------------------------------------------------------------------------ single pages

WATCH = """
import sys

import pyminpack

entered = []


def leastsq(func, x0, **options):
    '''Note which Python functions are entered on the way, but for those of this package before the fit.'''

    def note(frame, event, _):
        if event == "call" and not str(frame.f_globals.get("__name__")).startswith("pyminpack"):
            entered.append(frame.f_code.co_name)

    start = np.array(x0, dtype=float)
    sys.setprofile(note)
    try:
        return pyminpack.leastsq(func, start, **options)
    finally:
        sys.setprofile(None)


"""
COMPILED = sorted(name for name, code in examples_of("compiled.md").items() if "x, ier = leastsq" in code)


@pytest.mark.parametrize("name", [name for name in COMPILED if name in ("address", "ctypes", "numba")])
def test_compiled_example_enters_no_python(name: str, tmp_path: Path) -> None:
    data, example = examples_of("compiled.md")["data"], examples_of("compiled.md")[name]
    require_what_it_needs(data + example)
    (tmp_path / "script.py").write_text(data + WATCH + example + "print(entered)\n", encoding="utf-8")
    entered = run_file("script.py", tmp_path).splitlines()[-1]
    assert ("residuals" in entered) if name == "address" else (entered == "[]")  # Python behind a C function pointer


def test_example_of_declared_data() -> None:
    names: dict[str, object] = {}
    exec(examples_of("compiled.md")["declared"], names)
    for data in (names["as_bytes"], names["as_struct"]):
        assert pyminpack.compiled_residuals(1, 3, data=data, signature="residuals").m == 3


def test_page_on_blocks_has_every_engine() -> None:
    expected = {"decay_model", "builtin", "threads", "processes", "pool", "dask", "dask_files", "ray", "progress"}
    assert set(examples_of("blocks.md")) == expected


def test_api_has_every_public_name() -> None:
    listed = re.findall(r"^   (\w+)$", (DOCS / "api.rst").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(name for name in pyminpack.__all__ if name != "__version__")


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_section(status: Status) -> None:
    """The one that its message names, with its number at the head."""
    anchor = page_on(status).removeprefix("See docs/convergence.md#").removesuffix(".")
    assert re.search(rf'<a id="{anchor}"></a>(\*\*|\n### ){status.value}: ', text_of("convergence.md"))


@pytest.mark.parametrize("ier", [ier for ier in Info if Info.IMPROPER_INPUT <= ier <= Info.GTOL_TOO_SMALL])
def test_each_ier_has_its_section(ier: Info) -> None:
    assert f"ier-{ier.value}" in anchors_of("convergence.md")


def anchors_of(page: str) -> set[str]:
    """What links into a page can point to: its headings, as GitHub names them, and anchors."""
    text = re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings} | set(
        re.findall(r'<a id="(.*?)">', text)
    )


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = " ".join(re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL).split())
    links = re.findall(r"\]\(([\w./]*)(?:#([\w-]+))?\)", text)
    assert [to for to, _ in links if to and not (DOCS / to).is_file()] == []
    inner = [(to or page, anchor) for to, anchor in links if anchor and (to or page) in PAGES]
    assert [f"{to}#{anchor}" for to, anchor in inner if anchor not in anchors_of(to)] == []
