"""Pictures of what `./tools/bench` has measured: small multiples on log scales."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

Record = dict[str, Any]
# Colours that a colour-blind reader can tell apart (Okabe and Ito).
COLOURS = {
    "SciPy": "#0072B2",
    "lmfit": "#E69F00",
    "odrpack": "#009E73",
    "iminuit": "#CC79A7",
    "NumbaMinpack": "#D55E00",
    "cminpack-numba": "#56B4E9",
    "MINPACK from C": "#000000",
}
GOOD, FALSE, NONE = "#0072B2", "#D55E00", "#888888"
DPI = 130


def values(records: list[Record], key: str) -> list[Any]:
    """The values of a key, each once, in the order of the records."""
    return list(dict.fromkeys(r[key] for r in records))


def plain(value: float, _: int) -> str:
    """Write a number on a log scale without an exponent."""
    return f"{value:g}"


def save(figure: plt.Figure, path: Path) -> Path:
    """Write a picture to a file."""
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
    return path


def draw_section(axes: Axes, section: str, records: list[Record]) -> None:
    """Draw the medians and quartiles of a section's ratios, a row for each entry."""
    names = values(records, "name")
    for r in records:
        first, median, third = np.quantile(r["ratios"], (0.25, 0.5, 0.75))
        peers = [other["peer"] for other in records if other["name"] == r["name"]]
        row = names.index(r["name"]) + 0.5 * ((peers.index(r["peer"]) + 0.5) / len(peers) - 0.5)
        axes.plot([first, third], [row, row], color=COLOURS[r["peer"]], linewidth=2.5, alpha=0.5)
        axes.plot(median, row, "o", color=COLOURS[r["peer"]], markersize=5)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_title(section, loc="left", fontweight="bold", fontsize=10)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", which="major", alpha=0.4)
    axes.grid(axis="y", alpha=0.15)
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelbottom=True)


def draw_ratios(records: list[Record], out: Path) -> Iterator[Path]:
    """Draw our times over those of the peers, a panel for each section."""
    sections = values(records, "section")
    if not sections:
        return
    by_section = {s: [r for r in records if r["section"] == s] for s in sections}
    counts = [len(values(rows, "name")) for rows in by_section.values()]
    heights = [max(counts[i : i + 2]) + 2 for i in range(0, len(counts), 2)]
    figure, panels = plt.subplots(
        len(heights),
        2,
        figsize=(12, 1.4 + 0.27 * sum(heights)),
        height_ratios=heights,
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (section, rows) in zip(panels.flat, by_section.items(), strict=False):
        draw_section(axes, section, rows)
    for axes in panels.flat[len(sections) :]:
        axes.axis("off")
    figure.suptitle("Our time over theirs: median of the pairs and quartiles; left of the line we are faster")
    marks = [Line2D([], [], color=c, marker="o", linestyle="", label=p) for p, c in COLOURS.items()]
    present = values(records, "peer")
    marks = [mark for mark in marks if mark.get_label() in present]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), frameon=False)
    yield save(figure, out / "ratios.png")


def kind_of(r: Record) -> str:
    """In which column of bench_trust's table a fit counts."""
    if not r["success"]:
        return "none"
    return "false" if not r["is_minimum"] else "true" if r["is_settled"] else "unsettled"


def draw_digits(records: list[Record], out: Path) -> Path:
    """Draw how many digits are right, a panel for each solver and a point for each start."""
    solvers, problems = values(records, "solver"), values(records, "problem")
    columns = 5
    lines = -(-len(solvers) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(14, 1.4 + 2.5 * lines), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    levels = {r["problem"]: r["level"] for r in records}
    edges = [i for i in range(1, len(problems)) if levels[problems[i]] != levels[problems[i - 1]]]
    for axes, solver in zip(panels.flat, solvers, strict=False):
        fits = [r for r in records if r["solver"] == solver]
        kinds = {
            "a success at a minimum": ("true", "o", GOOD, GOOD),
            "a success, but a parameter runs away": ("unsettled", "s", "none", GOOD),
            "a false success": ("false", "X", FALSE, FALSE),
            "not called a success": ("none", "o", "none", NONE),
        }
        for label, (kind, marker, face, edge) in kinds.items():
            some = [r for r in fits if kind_of(r) == kind]
            axes.scatter(
                [problems.index(r["problem"]) for r in some],
                [10.0 ** -r["digits"] for r in some],
                s=26,
                marker=marker,
                facecolors=face,
                edgecolors=edge,
                label=label,
                clip_on=False,
                zorder=3,
            )
        axes.axhline(1e-6, color="black", linewidth=0.8)
        for edge_at in edges:
            axes.axvline(edge_at - 0.5, color="black", alpha=0.25, linewidth=0.8)
        six = sum(r["digits"] >= 6 for r in fits)
        axes.set_title(f"{solver}: {six} of {len(fits)}", loc="left", fontsize=10)
        axes.set_yscale("log")
        axes.grid(axis="y", alpha=0.3)
        axes.set_xticks([])
    for axes in panels.flat[len(solvers) :]:
        axes.axis("off")
    figure.supylabel("relative error of the worst parameter")
    figure.suptitle(
        "NIST StRD with default settings and differences: fits right to 6 digits are below the line\n"
        "One point for each start, two of each set; from the lower level of difficulty to the higher"
    )
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return save(figure, out / "nist_digits.png")


def draw_times(records: list[Record], out: Path) -> Path:
    """Draw how long fits take, a panel for each data set."""
    for r in records:
        r["set"], r["start_number"] = r["problem"].split("/")
    sets, solvers = values(records, "set"), values(records, "solver")
    columns = 6
    lines = -(-len(sets) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(14, 0.8 + 2.1 * lines), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for axes, name in zip(panels.flat, sets, strict=False):
        for r in (r for r in records if r["set"] == name):
            axes.plot(
                1e3 * r["seconds"],
                solvers.index(r["solver"]),
                marker={"1": "o", "2": "^"}[r["start_number"]],
                markersize=5,
                color=GOOD if r["is_known"] else FALSE,
                markerfacecolor=GOOD if r["is_known"] else "none",
            )
        axes.set_title(name, loc="left", fontsize=9)
        axes.set_xscale("log")
        axes.set_yticks(range(len(solvers)), solvers, fontsize=7)
        axes.grid(alpha=0.25)
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
    panels[0, 0].invert_yaxis()
    for axes in panels.flat[len(sets) :]:
        axes.axis("off")
    figure.supxlabel("milliseconds")
    figure.suptitle("NIST StRD: time of a fit from the first start (circle) and the second (triangle)")
    marks = [
        Line2D([], [], linestyle="", marker="s", color=GOOD, label="ends at the certified minimum"),
        Line2D([], [], linestyle="", marker="s", color=FALSE, markerfacecolor="none", label="ends elsewhere"),
    ]
    figure.legend(handles=marks, loc="outside lower right", ncols=2, frameon=False)
    return save(figure, out / "nist_times.png")


def draw_nist(records: list[Record], out: Path) -> Iterator[Path]:
    """Draw digits and times."""
    yield draw_digits(records, out)
    yield draw_times(records, out)
