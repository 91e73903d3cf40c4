"""A process that is forked while other threads are busy with this package can make fits of its own."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from c_library import c_residuals, needs_compiler
from checks import SUCCESS
from models import START, decay, decay_jacobian, jacobian, residuals
from pyminpack import check_jacobian, covariance, least_squares, leastsq, leastsq_blocks

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

SECONDS = 10  # for what takes some milliseconds; a child that hangs is killed by SIGALRM

# Each kind of first use, in a fresh interpreter.
FIRST_USES = {
    "leastsq": "p.leastsq(f, [1, 1], full_output=True)",
    "leastsq of lists": "p.leastsq(lambda x: list(f(x)), [1, 1])",
    "least_squares": "p.least_squares(f, [1, 1], bounds=(0, 9), loss='huber', timeout=9).summary()",
    "statistics": "p.least_squares(f, [1, 1], '3-point').cov",
    "complex steps": "p.least_squares(f, [1, 1], 'cs', callback=bool)",
    "LevenbergMarquardt": "list(p.LevenbergMarquardt(f, [1, 1]))",
    "check_jacobian": "repr(p.check_jacobian(f, lambda x: np.eye(2), [1, 1.1]))",
    "covariance": "p.covariance(np.eye(2))",
    "leastsq_blocks": "p.leastsq_blocks(lambda x, b: f(x)[b], [1, 1], [0, 1])",
    "compiled_residuals": "p.compiled_residuals",
}
CURVE_FIT = "p.curve_fit(lambda x, a, b: a * x + b, [1, 2, 3, 4], [1, 3, 2, 4])"


def in_fresh_interpreter(code: str) -> str:
    source = "import sys\nimport numpy as np\nimport pyminpack as p\nf = lambda x: x - 3\n" + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=6 * SECONDS
    ).stdout


@pytest.mark.parametrize("use", FIRST_USES.values(), ids=FIRST_USES)
def test_first_use_imports_nothing(use: str) -> None:
    """A module that one thread imports is locked for ever in a process that is forked meanwhile."""
    code = f"before = set(sys.modules)\n{use}\nprint(set(sys.modules) - before)"
    assert in_fresh_interpreter(code) == "set()\n"


def test_all_of_curve_fit_is_imported_with_it() -> None:
    ask = f"fit = {CURVE_FIT}; str(fit); fit.interval(method='profile'); fit.curvature"
    code = f"p.curve_fit\nbefore = set(sys.modules)\n{ask}\nprint(set(sys.modules) - before)"
    assert in_fresh_interpreter(code) == "set()\n"


def test_fork_during_the_first_use_in_another_thread() -> None:
    """The other thread is stopped where a module that it imports imports another."""
    code = """
        import os, signal, threading
        go_on, done = threading.Event(), threading.Event()

        imports = []

        def stop_at_second_import(event, args):
            if event == "import" and threading.current_thread() is thread:
                imports.append(args)
                if len(imports) == 2:
                    done.set()
                    go_on.wait()

        def first_use():
            p.least_squares(f, [1, 1])
            done.set()

        thread = threading.Thread(target=first_use)
        sys.addaudithook(stop_at_second_import)
        thread.start()
        done.wait()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            os._exit(0 if p.least_squares(f, [1, 1]).success else 1)
        print(os.waitpid(child, 0)[1])
        go_on.set()
        thread.join()
    """
    assert in_fresh_interpreter(code.replace("SECONDS", str(SECONDS))) == "0\n"


def test_fork_during_the_import_of_curve_fit_in_another_thread() -> None:
    """curve_fit is imported at its first use, and a fork waits for that: the other thread is slow at it."""
    code = """
        import os, signal, threading, time
        imports, begun = [], threading.Event()

        def be_slow(event, args):
            if event == "import" and threading.current_thread() is thread:
                imports.append(args)
                if len(imports) == 2:
                    begun.set()
                    time.sleep(0.5)

        thread = threading.Thread(target=lambda: p.curve_fit)
        sys.addaudithook(be_slow)
        thread.start()
        begun.wait()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            fit = p.curve_fit(lambda x, a: a * x, [1, 2], [1, 3])
            os._exit(0 if fit.result.success else 1)
        print(os.waitpid(child, 0)[1])
        thread.join()
    """
    assert in_fresh_interpreter(code.replace("SECONDS", str(SECONDS))) == "0\n"


def exit_status_of_child(work: Callable[[], bool]) -> int:
    """Whether a forked process does some work: 0 if it gives True, 1 if not, and another number if it is killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fits_of_all_kinds() -> bool:
    blocks = leastsq_blocks(lambda x, rows: decay(x)[rows], START, [slice(0, 5), slice(5, 9)])
    fit = least_squares(residuals, START, jacobian, bounds=(0, 9))
    is_known = np.array_equal(covariance(fit).cov, fit.cov)
    is_right = check_jacobian(decay, decay_jacobian, START)
    return bool(leastsq(decay, START)[1] in SUCCESS and blocks.success and fit.success and is_known and is_right)


def status_while_busy(busy: Callable[[], Any], work: Callable[[], bool]) -> int:
    """The first exit status but 0 of processes that are forked while two threads do something again and again."""
    over = threading.Event()

    def again_and_again() -> None:
        while not over.is_set():
            busy()

    threads = [threading.Thread(target=again_and_again) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        return next(filter(None, (exit_status_of_child(work) for _ in range(20))), 0)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_forks_while_other_threads_fit() -> None:
    assert status_while_busy(fits_of_all_kinds, fits_of_all_kinds) == 0


@needs_compiler
def test_forks_while_other_threads_make_compiled_fits() -> None:
    """Such a thread leaves a mark where it has the GIL between two fits: nobody in the child takes it away."""
    fun = c_residuals()

    def compiled() -> bool:
        return all(leastsq(fun, START)[1] in SUCCESS for _ in range(50))

    assert status_while_busy(compiled, compiled) == 0


@pytest.mark.parametrize("name", ["cov", "rank"])
def test_fork_while_another_thread_is_in_a_statistic(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 has a lock in functools.cached_property: the one of all results, for as long as one is computed."""
    entered, go_on = threading.Event(), threading.Event()

    def show(*_: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            entered.set()
            go_on.wait()

    def fit() -> Any:
        return least_squares(lambda x: np.array([x[0] + x[1] - 1, x[0] + x[1] - 2, x[0] + x[1] - 4]), START)

    first = fit()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        thread = threading.Thread(target=lambda: first.cov)
        thread.start()
        entered.wait()
        status = exit_status_of_child(lambda: getattr(fit(), name) is not None)
        go_on.set()
        thread.join()
    assert status == 0
