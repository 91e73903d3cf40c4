"""Reports as text and as HTML: numbers rounded by their errors, tables, text that a notebook shows as it is."""

from collections.abc import Sequence
from math import floor, isfinite, log10
from typing import Final

_DIGITS: Final = 2  # of an error, as the Guide to the Expression of Uncertainty in Measurement (7.2.6) advises
_WITHOUT_ERROR: Final = 7  # digits of a value that has no error

# The colours are those of the page, so that they suit a light notebook and a dark one; lines are half transparent.
_STYLE: Final = {
    "table": "border-collapse:collapse;margin:.5em 0;color:inherit;background:transparent",
    "th": "text-align:{};padding:.2em .8em;border-bottom:1px solid rgba(128,128,128,.6);color:inherit;"
    "background:transparent",
    "td": "text-align:{};padding:.2em .8em;border-bottom:1px solid rgba(128,128,128,.25);color:inherit;"
    "background:transparent;font-variant-numeric:tabular-nums",
}


class Text(str):
    """Text that shows as it is where its value is shown, as on the last line of a notebook's cell."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# ------------------------------------------------------------------------------------ numbers


def rounded(value: float, error: float) -> tuple[str, str]:
    """A value and its error, both to the last place that the error tells."""
    if not isfinite(value):
        return _plain(value), _plain(error)
    if not isfinite(error) or error <= 0:
        return f"{value:.{_WITHOUT_ERROR}g}", _plain(error)
    digits = f"{error:.{_DIGITS - 1}e}"  # rounded first: 0.0996 is 0.10
    place = int(digits.partition("e")[2]) - (_DIGITS - 1)  # of the last digit
    size = max(abs(value), error)
    top = floor(log10(size))
    if place <= 0 and -5 <= top < 7:
        return f"{value:.{-place}f}", f"{float(digits):.{-place}f}"
    if place > 0 and top < 7:
        step = 10**place
        return f"{round(value / step) * step:d}", f"{round(float(digits) / step) * step:d}"
    shown = f"{value:.{max(0, floor(log10(abs(value))) - place)}e}" if value else "0"
    return shown, digits


def _plain(number: float) -> str:
    if number != number:
        return "-"
    return f"{number:.{_DIGITS}g}".replace("inf", "∞")


# ------------------------------------------------------------------------------------ tables


def table_as_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first and the last column to the left, the others to the right; no empty columns."""
    kept = _filled(head, rows)
    cells = [[row[k] for k in kept] for row in [head, *rows]]
    widths = [max(len(row[k]) for row in cells) for k in range(len(kept))]
    last = len(head) - 1
    lines = []
    for row in cells:
        parts = [
            text.ljust(width) if k in (0, last) else text.rjust(width)
            for k, text, width in zip(kept, row, widths, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def table_as_html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table in HTML."""
    kept, last = _filled(head, rows), len(head) - 1

    def line(tag: str, row: Sequence[str]) -> str:
        cells = []
        for k in kept:
            style = _STYLE[tag].format("left" if k in (0, last) else "right")
            cells.append(f'<{tag} style="{style}">{escape(row[k])}</{tag}>')
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f'<table style="{_STYLE["table"]}"><thead>{line("th", head)}</thead><tbody>{body}</tbody></table>'


def escape(text: str) -> str:
    """Text as HTML has it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def paragraph(text: str, *, strong: bool = False) -> str:
    """A paragraph in HTML; lines stay lines."""
    inner = escape(text).replace("\n", "<br>")
    style = "margin:.4em 0;max-width:60em;text-wrap:pretty"  # no number alone on the last line
    return f'<p style="{style}">{f"<strong>{inner}</strong>" if strong else inner}</p>'


def _filled(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [k for k in range(len(head)) if any(row[k] for row in rows)]
