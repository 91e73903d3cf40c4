"""The report: a verdict in words, values rounded by their errors, remarks; as text and as HTML."""

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from models import T, Y
from problems.puromycin import CONCENTRATION, START, VELOCITY, reaction
from pyminpack import curve_fit, least_squares, leastsq_blocks
from pyminpack._report.text import rounded


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (212.6837, 6.947, ("212.7", "6.9")),
        (0.06412128, 0.00828095, ("0.0641", "0.0083")),
        (0.06412128, 0.0996, ("0.06", "0.10")),
        (123456.7, 3211.0, ("123500", "3200")),
        (5.5015643181e-4, 7.2668688436e-6, ("0.0005502", "0.0000073")),
        (5.5015643181e-7, 7.2668688436e-9, ("5.502e-07", "7.3e-09")),
        (2.3894212918e10, 2.7e7, ("2.3894e+10", "2.7e+07")),
        (-3.0, 0.25, ("-3.00", "0.25")),
        (0.0, 0.25, ("0.00", "0.25")),
        (1.23456789, np.inf, ("1.234568", "∞")),
        (1.23456789, np.nan, ("1.234568", "-")),
        (1.5, 0.0, ("1.5", "0")),
        (99.99, 99.96, ("100", "100")),
        (9.996, 0.0995, ("10.00", "0.10")),
    ],
)
def test_value_is_rounded_by_its_error(value: float, error: float, shown: tuple[str, str]) -> None:
    assert rounded(value, error) == shown


def test_limits_of_intervals_may_be_infinite() -> None:
    assert rounded(-np.inf, 6.947)[0] == "-∞"


REPORT = """\
Converged in 9 steps; cost from 3982.09 to 597.724.
No parameter is at a bound. All free parameters are identifiable.

parameter   value  std. error  relative     95 % interval  start  remark
Vmax        212.7         6.9     3.3 %    197.2 to 228.2    200
Km         0.0641      0.0083      13 %  0.0457 to 0.0826    0.1  skewed

Standard errors: by the linear model at the minimum; the residuals tell the errors of the data.
The errors of Km are skewed, and the intervals above misplaced: interval(method='profile') has better ones.
Sum of squares 1195.45 of 12 residuals with 10 degrees of freedom; \
standard deviation of the residuals 10.93; AICc 98.271.
Correlations above 0.5: Km and Vmax 0.765.
38 evaluations of the model, 10 Jacobians."""


def test_report_of_puromycin() -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    without_counts = r"\d+ (steps|evaluations|Jacobians)"
    assert re.sub(without_counts, "", str(fit)) == re.sub(without_counts, "", REPORT)
    assert repr(fit.report()) == str(fit)  # the last line of a notebook's cell shows text
    assert repr(fit) == "<CurveFit: Vmax = 212.7 ± 6.9; Km = 0.0641 ± 0.0083; chi2 1195.45, 10 degrees of freedom>"


def model(x: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return a * np.exp(-b * x) + c


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"fixed": {"c": 0.0}}, r"c .* 0  fixed"),
        ({"bounds": {"c": (0.5, None)}}, r"c at its lower bound\. All free.*\n[^*]*\nc .* at its lower bound"),
        ({"sigma": 0.1}, "the residuals their size"),
        ({"sigma": 0.05, "absolute_sigma": True}, r"sigma gives the errors of the data\.[^*]*p-value 0\.\d"),
        ({}, r"c .* error larger than the value"),
        ({}, r"R² 0\.9"),
    ],
)
def test_remarks(options: dict[str, Any], told: str) -> None:
    assert re.search(told, str(curve_fit(model, T, Y, **options)))


def test_parameter_that_hardly_moved() -> None:
    fit = curve_fit(lambda x, a, b: a * np.exp(-b * x), T, Y)
    again = curve_fit(lambda x, a, b: a * np.exp(-b * x), T, Y, fit.x)
    assert str(again).count("hardly moved") == 2


class Page(HTMLParser):
    """The tags of a page, and its text; tags must be closed in turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_html_has_what_the_text_has() -> None:
    fit = curve_fit(reaction, CONCENTRATION, VELOCITY, START)
    html = fit._repr_html_()
    page = Page(html)
    for part in re.split(r"\s{2,}|\n", str(fit)):
        assert part in page.text
    assert "script" not in page.tags
    # The page's own colours: readable on white and on black.
    assert not re.search(r"#[0-9a-f]{3}|(?<!-)\b(black|white)\b|(?<![-\w])color:(?!inherit)", html)


def test_html_of_strange_names() -> None:
    fit = curve_fit(lambda x, *p: p[0] * x, T, Y, names=["<b>&"])
    assert "&lt;b&gt;&amp;" in fit._repr_html_()
    assert "<b>&" in Page(fit._repr_html_()).text


def test_results_of_other_fits_show_as_text_and_html() -> None:
    by_least_squares = least_squares(lambda p: model(T, *p) - Y, [1, 1, 1], bounds=([0, 0, 0.5], np.inf))
    by_blocks = leastsq_blocks(lambda p, rows: model(T[rows], *p) - Y[rows], [1, 1, 0], [slice(0, 10), slice(10, 20)])
    for result in (by_least_squares, by_blocks):
        assert repr(result.summary()) == result.summary()
        page = Page(result._repr_html_())
        for part in re.split(r"\s{2,}|\n", result.summary()):
            assert part.strip() in page.text
