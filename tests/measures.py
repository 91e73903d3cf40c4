"""How much memory a process holds, by how much that grows from fit to fit; and a clock that tests move on."""

import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STATM = Path("/proc/self/statm")
needs_proc = pytest.mark.skipif(not STATM.exists(), reason="no /proc here, which tells what memory a process holds")

# Whatever grows with the number of fits is a leak. What grows for another reason doesn't go on growing: caches and
# free lists fill up, an allocator maps another arena (256 KiB to 1 MiB at once), the test run itself notes things;
# a few blocks and pages, as seen. The smallest leak there can be is one object per fit, which is 5 000 blocks in
# the shortest run; or the data of one array of 100 numbers, which Python's allocator doesn't count as blocks:
# 4 MB there.
BLOCKS_ALLOWED = 500
BYTES_ALLOWED = 1 << 20


@dataclass(frozen=True)
class Growth:
    """By how much the process has grown."""

    blocks: int  # of Python's own allocator
    size: int  # bytes of memory in use, whoever allocated them

    @property
    def is_a_leak(self) -> bool:
        return self.blocks > BLOCKS_ALLOWED or self.size > BYTES_ALLOWED


def memory() -> tuple[int, int]:
    """Blocks of Python's allocator, and bytes in use."""
    gc.collect()
    resident_pages = int(STATM.read_text().split()[1])
    return sys.getallocatedblocks(), resident_pages * os.sysconf("SC_PAGE_SIZE")


def growth(job: Callable[[], Any], times: int) -> Growth:
    """Measure over so many jobs, after some that fill caches and free lists."""
    for _ in range(times // 10):
        job()
    before = memory()
    for _ in range(times):
        job()
    after = memory()
    return Growth(*(b - a for a, b in zip(before, after, strict=True)))


class Clock:
    """The package's time, which goes on by one second with every call of a function that is timed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        modules = [module for name, module in sys.modules.items() if name.startswith("pyminpack.")]
        looking = [module for module in modules if getattr(module, "monotonic", None) is time.monotonic]
        assert looking, "nothing in pyminpack looks at the clock by this name"
        for module in looking:
            monkeypatch.setattr(module, "monotonic", lambda: self.now)

    def timed(self, function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        def call(x: np.ndarray) -> np.ndarray:
            self.now += 1
            return function(x)

        return call
