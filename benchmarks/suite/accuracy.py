"""NIST's data sets by every solver that is here: where fits end, and how long they take, all in turns.

Every solver has its default settings, takes differences, and begins at both of NIST's starts. A fit that is right to 6
digits counts as one at the certified minimum, whatever the judge of bench_trust says: the residuals of Lanczos1 are so
small that it may call such an end none.
"""

import math
import statistics
import time
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

import bench_trust
import solvers
import trust_tables
from problems import strd
from solvers import ALL, Task

SIX_DIGITS = 6
AT_THE_MINIMUM = {"is_minimum": True, "is_settled": True, "is_known": True}


def seconds(name: str, task: Task) -> float:
    """The time of a fit, which may fail."""
    begin = time.thread_time()
    with suppress(Exception):  # peers raise what they like
        ALL[name](task, task.fun, None)
    return time.thread_time() - begin


def in_turns(set_name: str, start: int, names: Iterable[str], rounds: int) -> dict[str, float]:
    """The median time of each solver from a start; all take turns."""
    data = strd.load(set_name)
    task = Task(data.residuals, data.starts[start - 1].copy(), deviation=data.rsd)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        times = [{name: seconds(name, task) for name in names} for _ in range(rounds)]
    return {name: statistics.median(turn[name] for turn in times) for name in names}


def record(job: trust_tables.Job) -> dict[str, Any]:
    """What bench_trust knows of a fit."""
    row = vars(trust_tables.fit(job))
    return row | AT_THE_MINIMUM if row["digits"] >= SIX_DIGITS else row


def measure(rounds: int) -> list[dict[str, Any]]:
    """A record of each fit: the row of bench_trust, with the time and the level of difficulty."""
    jobs = [job for job in trust_tables.nist(quick=False) if job.group == "differences"]
    fits = {(job.problem, job.solver): record(job) for job in jobs}
    names = list(dict.fromkeys(job.solver for job in jobs))
    records = []
    for problem in dict.fromkeys(job.problem for job in jobs):
        set_name, start = problem.split("/")
        times = in_turns(set_name, int(start), names, rounds)
        level = strd.load(set_name).level
        records += [fits[problem, name] | {"seconds": times[name], "level": level} for name in names]
    return records


def rows_of(records: list[dict[str, Any]]) -> list[trust_tables.Row]:
    """The rows of bench_trust."""
    extra = ("seconds", "level")
    return [trust_tables.Row(**{key: value for key, value in r.items() if key not in extra}) for r in records]


def report(records: list[dict[str, Any]]) -> None:
    """Print the table of bench_trust, and beside it how long the fits take."""
    bench_trust.report("nist", rows_of(records))
    ours = {r["problem"]: r["seconds"] for r in records if r["solver"] == "least_squares"}
    print()
    bench_trust.print_line("NIST StRD: least_squares' time over theirs", "median", "all 54")
    for name in solvers.ALL:
        if theirs := {r["problem"]: r["seconds"] for r in records if r["solver"] == name}:
            ratio = statistics.median(ours[problem] / theirs[problem] for problem in theirs)
            whole = math.fsum(ours.values()) / math.fsum(theirs.values())
            bench_trust.print_line(name, f"{ratio:.3f}", f"{whole:.3f}")
