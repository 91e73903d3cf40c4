"""How Sphinx makes the documentation of these pages; ./tools/build-docs runs it."""

import re
import shutil
import warnings
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

import pyminpack

project = "pyminpack"
author = "the pyminpack authors"
copyright = author
version = release = pyminpack.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
]
root_doc = "index"
exclude_patterns = ["gallery"]
default_role = "autolink"
nitpicky = False
suppress_warnings = ["config.cache"]  # the gallery's order is a function, and so the configuration is read anew

# Pages are markdown, with the anchors that GitHub makes of headings.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "dollarmath"]
html_math_renderer = "mathml"

# Signatures without types: docstrings have these in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
add_module_names = False


def take_pictures(block: Any, variables: dict[str, Any], gallery: dict[str, Any], **options: Any) -> str:
    """Show the pictures that a part of a script has saved."""
    taken = []
    for picture in sorted(Path(variables["src_file"]).parent.glob("*.png")):
        taken.append(next(variables["image_path_iterator"]))
        shutil.move(picture, taken[-1])
    return figure_rst(taken, gallery["src_dir"]) if taken else ""


def begin(gallery: dict[str, Any], name: str) -> None:
    """Begin each script with matplotlib's defaults, but for more pixels; warnings don't tell where it lies."""
    import matplotlib as mpl

    warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {message}\n"  # type: ignore[assignment]
    mpl.rcdefaults()
    mpl.rcParams["savefig.dpi"] = 160


sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["examples"],
    "filename_pattern": r"/plot_",
    "subsection_order": [f"gallery/{folder}" for folder in ("curves", "errors", "trouble", "large")],
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,  # times say more of the machine than of the example
    "abort_on_example_error": True,
    "plot_gallery": True,
    "matplotlib_animations": False,
    "image_scrapers": [take_pictures],
    "reset_modules": (begin,),
    "write_computation_times": False,
    "remove_config_comments": True,
}

templates_path = ["templates"]
html_theme = "pydata_sphinx_theme"
html_title = "pyminpack"
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_sidebars = {"index": []}
html_show_copyright = False
html_copy_source = False
html_theme_options = {
    "navigation_depth": 2,
    "show_nav_level": 1,
    "collapse_navigation": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "footer_start": ["sphinx-version"],
    "footer_end": [],
    "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

# In the source, pages link to files that lie elsewhere in the repository; here these are pages beside the others.
ELSEWHERE = {
    "](../minpack/README.md": "](core.md",
    "](../CONTRIBUTING.md": "](contributing.md",
    "](../docs/": "](",
    "](docs/": "](",
    "](minpack/README.md": "](core.md",
}


def link_to_copies(app: Sphinx, docname: str, source: list[str]) -> None:
    """Have links lead to the copies of files from elsewhere in the repository."""
    text = re.sub(r"^# example: \w+\n", "", source[0], flags=re.MULTILINE)  # names, for the tests
    text = re.sub(r'<a id="([\w-]+)"></a>', r"[]{#\1}", text)  # anchors that pages may link to
    text = re.sub(r"\]\(gallery/(\w+/\w+)\.py\)", r"](examples/\1.rst)", text)
    text = text.replace("](gallery/GALLERY_HEADER.rst)", "](examples/index.rst)")
    for there, here in ELSEWHERE.items():
        text = text.replace(there, here)
    source[0] = text


def without_constructors(app: Sphinx, what: str, name: str, *_: Any) -> tuple[str, None] | None:
    """Leave out how to make an object that only fits make."""
    is_made_by_fits = what == "class" and name != "pyminpack.LevenbergMarquardt"
    return ("", None) if is_made_by_fits else None


def write_math(translator: Any, node: Any) -> None:
    """Write a formula as MathML, which browsers draw without a script."""
    is_block = isinstance(node, nodes.math_block)
    mathml = latex2mathml.tex2mathml(node.astext(), as_block=is_block)
    translator.body.append(f'<div class="math">{mathml}</div>' if is_block else mathml)
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Add what Sphinx doesn't have."""
    app.connect("source-read", link_to_copies)
    app.connect("autodoc-process-signature", without_constructors)
    app.add_html_math_renderer("mathml", (write_math, None), (write_math, None))
