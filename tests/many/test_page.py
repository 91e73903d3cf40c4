"""The examples of docs/many.md run, one after the other."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "many.md"
EXAMPLES = dict(re.findall(r"```python\n# example: (\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL))
PRINTED = {
    "cube": r"True \(20, 25, 4, 4\) Converged: ",
    "ragged": r"8 26",
    "jacobian": r"\d(\.\d+)?e-(0[7-9]|1\d)",
    "failed": r"-11 ydata\[5\] is nan.*\n\[0\]",
    "threads": "True",
    "xarray": r".*'y': 20, 'x': 25, 'parameter': 4.* True",
}


def test_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert EXAMPLES.keys() == PRINTED.keys()
    names: dict[str, Any] = {}
    for name, text in EXAMPLES.items():
        if name == "xarray" and importlib.util.find_spec("xarray") is None:
            continue
        exec(text, names)
        printed = capsys.readouterr().out
        assert re.fullmatch(PRINTED[name], printed.strip(), re.DOTALL) or re.match(PRINTED[name], printed), printed
