"""The functions of compiled_functions.c, built with whatever C compiler is here; the decay of models.py by them."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import T, Y
from pyminpack import compiled_jacobian, compiled_residuals

SOURCE = Path(__file__).resolve().parent / "compiled_functions.c"
DATA = np.concatenate([T, Y])


@cache
def library() -> ctypes.CDLL | None:
    """Build and load them; None without a C compiler."""
    if shutil.which("cc") is None:
        return None
    target = Path(tempfile.mkdtemp()) / "compiled_functions.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", target, SOURCE, "-lm"], check=True)
    return ctypes.CDLL(str(target))


needs_compiler = pytest.mark.skipif(library() is None, reason="no C compiler here")


def c_function(name: str) -> Any:
    return getattr(library(), name)


def c_residuals(data: Any = DATA, m: int = T.size) -> Any:
    return compiled_residuals(c_function("residuals"), m, data=data, signature="residuals")


def c_jacobian(layout: Any = "C", data: Any = DATA, m: int = T.size) -> Any:
    name = {"C": "jacobian_rows", "F": "jacobian_columns"}[layout]
    return compiled_jacobian(c_function(name), m, 2, data=data, layout=layout)
