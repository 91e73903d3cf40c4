"""Residuals in blocks that can be pickled: what the tests of leastsq_blocks send to other processes."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 4000
ANSWER = np.array([2.5, 1.3, 0.4])
START = (1.0, 1.0, 0.0)


def abscissae(rows: range) -> np.ndarray:
    return np.asarray(rows) * (4.0 / ROWS)


def observed(rows: range) -> np.ndarray:
    """The data of these rows; reproducible, and no model fits them exactly."""
    t = abscissae(rows)
    return ANSWER[0] * np.exp(-ANSWER[1] * t) + ANSWER[2] + 0.05 * np.sin(37 * np.asarray(rows))


def decay(x: np.ndarray, rows: range) -> np.ndarray:
    return x[0] * np.exp(-x[1] * abscissae(rows)) + x[2] - observed(rows)


def decay_jac(x: np.ndarray, rows: range) -> np.ndarray:
    t = abscissae(rows)
    damping = np.exp(-x[1] * t)
    return np.column_stack([damping, -x[0] * t * damping, np.ones_like(t)])


def cut(rows: int = ROWS, size: int = 300) -> list[range]:
    """The rows in blocks, the last of which may be shorter."""
    return [range(i, min(i + size, rows)) for i in range(0, rows, size)]


def of_array(x: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The same for blocks of data: t and y in two columns."""
    return x[0] * np.exp(-x[1] * block[:, 0]) + x[2] - block[:, 1]


def of_file(x: np.ndarray, name: str) -> np.ndarray:
    return of_array(x, np.load(name))


def as_array(rows: range) -> np.ndarray:
    return np.column_stack([abscissae(rows), observed(rows)])


def raises_in_block_3(x: np.ndarray, rows: range) -> np.ndarray:
    if rows.start == 900:
        raise ZeroDivisionError("the model broke")
    return decay(x, rows)


def stops_in_block_3(x: np.ndarray, rows: range) -> np.ndarray:
    if rows.start == 900:
        raise StopIteration("no more")
    return decay(x, rows)


def changes_its_block(x: np.ndarray, block: np.ndarray) -> np.ndarray:
    block[:, 1] += 1
    return of_array(x, block)


def dies_in_block_3(x: np.ndarray, rows: range) -> np.ndarray:
    if rows.start == 900:
        os.kill(os.getpid(), signal.SIGKILL)
    return decay(x, rows)


def fails_once(x: np.ndarray, rows: range, marker: str) -> np.ndarray:
    """Goes wrong the first time that it comes to the block at 900."""
    if rows.start == 900 and not Path(marker).exists():
        Path(marker).touch()
        raise OSError("the network broke")
    return decay(x, rows)


def whereabouts(x: np.ndarray, rows: range, directory: str) -> np.ndarray:
    """Leaves a file named for the process that it ran in."""
    Path(directory, f"{os.getpid()}-{threading.get_ident()}").touch()
    return decay(x, rows)


def same_fit(one: Any, other: Any) -> bool:
    """Whether two results agree to the last bit."""
    return (
        one.x.tobytes() == other.x.tobytes()
        and one.cov_x.tobytes() == other.cov_x.tobytes()
        and (one.cost, one.nfev, one.njev, one.ier, one.m) == (other.cost, other.nfev, other.njev, other.ier, other.m)
    )
