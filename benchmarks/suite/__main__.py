"""pyminpack beside SciPy and whichever peers are installed: a table of ratios, accuracy on NIST, and pictures.

Run by hand: ./tools/bench [--quick] [--entry TEXT] [--out FOLDER] [section ...]

A ratio is our time over theirs: the median over pairs, measured in turns in this run; below 1 we are faster. Each line
gives the quartiles too, and the shortest time of either. Times are those of one thread on a processor, but for the
section 'blocks', where threads work side by side. NIST's table is explained by benchmarks/bench_trust.py --help.

Peers: SciPy; the dependency groups 'comparison' (lmfit, odrpack, iminuit) and 'comparison-compiled' (NumbaMinpack,
cminpack-numba); a C program on the original MINPACK where that is installed (Debian: minpack-dev).
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECTIONS = ("leastsq", "least_squares", "curve_fit", "compiled", "tall", "wide", "blocks", "import", "nist")


def arguments() -> argparse.Namespace:
    """Read the command line; nothing slow is imported before."""
    parser = argparse.ArgumentParser(
        prog="tools/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", help=f"the sections to run (default: all): {', '.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and no problem of a million rows")
    parser.add_argument("--entry", metavar="TEXT", default="", help="time only entries whose name contains this")
    parser.add_argument("--out", type=Path, default=HERE.parent / "out", help="the folder for figures and pictures")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw again what is in the folder")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.section if name not in SECTIONS]:
        parser.error(f"no section is called {unknown[0]!r}; there are: {', '.join(SECTIONS)}")
    return chosen


def time_entries(section: str, text: str, is_quick: bool) -> list[dict[str, Any]]:
    """Time the entries of a section, and print a row for each peer."""
    import entries
    from ratio import HEAD, print_row

    effort = entries.QUICK if is_quick else entries.FULL
    print()
    print_row(section, "beside", *(head for head in HEAD if head != "goal"))
    records = []
    for entry in entries.SECTIONS[section](effort):
        if text not in entry.name:
            continue
        for peer, ratio in entry.measure(effort).items():
            median, _, *cells = ratio.cells(None)
            print_row(entry.name, peer, median, *cells)
            records.append({"section": section, "name": entry.name, "peer": peer} | vars(ratio))
    return records


def draw(out: Path) -> None:
    """Draw what is in the folder, where matplotlib is installed."""
    try:
        import pictures
    except ImportError as error:
        print(f"no pictures: {error}")
        return
    for name, picture in (("ratios", pictures.draw_ratios), ("nist", pictures.draw_nist)):
        if (source := out / f"{name}.json").exists():
            for path in picture(json.loads(source.read_text()), out):
                print(f"picture: {path}")


def main() -> None:
    """Measure, print, draw."""
    chosen = arguments()
    sys.path.insert(1, str(HERE.parent))
    begin = time.perf_counter()
    warnings.simplefilter("ignore")
    chosen.out.mkdir(parents=True, exist_ok=True)
    if not chosen.draw:
        sections = chosen.section or SECTIONS
        timed = [name for name in sections if name != "nist"]
        if timed:
            records = [r for name in timed for r in time_entries(name, chosen.entry, chosen.quick)]
            (chosen.out / "ratios.json").write_text(json.dumps(records, indent=0))
        if "nist" in sections:
            import accuracy

            fits = accuracy.measure(rounds=1 if chosen.quick else 7)
            accuracy.report(fits)
            (chosen.out / "nist.json").write_text(json.dumps(fits, indent=0))
        print(f"\n{time.perf_counter() - begin:.0f} s")
    draw(chosen.out)


if __name__ == "__main__":
    main()
