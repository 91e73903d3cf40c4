"""The functions of compiled_functions.c, built with whatever C compiler is here."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "compiled_functions.c"


@cache
def library() -> ctypes.CDLL | None:
    """Build and load them; None without a C compiler."""
    if shutil.which("cc") is None:
        return None
    target = Path(tempfile.mkdtemp()) / "compiled_functions.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", target, SOURCE, "-lm"], check=True)
    return ctypes.CDLL(str(target))
