"""Real signals at moments that nobody chooses: Ctrl-C by a timer, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from rough.hostile import ROUND

MOMENTS = 300

# What the process does. The timer is set for a moment within the time that such a fit takes, or a little later; what is
# asserted holds for every moment.
_CODE = f"""
import faulthandler, pickle, random, signal, sys, time
faulthandler.dump_traceback_later(30, exit=True)
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from rough.fits import CALLS, KINDS, assert_is_of_one_point, assert_same, assert_same_end, begin

armed = False

def interrupt(*_):
    "As Python's own, but for a signal that comes when the fits are over."
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
seed = int(sys.argv[1])
chance = random.Random(seed)
kinds = [kind for kind in KINDS if kind != "threads"]  # Python's own pool of threads is not made for it
expected = {{kind: begin(kind).run() for kind in kinds}}
answers = {{name: call() for name, call in CALLS.items()}}
interrupted = 0
for moment in range({MOMENTS}):
    kind = kinds[moment % len(kinds)]
    name = list(CALLS)[moment % len(CALLS)]
    fit = begin(kind)
    began = time.perf_counter()
    begin(kind).run(); CALLS[name]()
    takes = time.perf_counter() - began
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, chance.uniform(0, takes)))
        fit.run()
        CALLS[name]()
        armed = False
    except KeyboardInterrupt:
        interrupted += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        assert_is_of_one_point(kind, fit)
        assert_is_of_one_point(kind, pickle.loads(pickle.dumps(fit)))
        assert_same_end(fit.run(), expected[kind])
        assert_same(CALLS[name](), answers[name])
    except Exception as error:
        error.add_note(f"moment {{moment}} of seed {{seed}}: {{kind}}, {{name}}")
        raise
print(interrupted)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no timers that send signals here")
def test_signals_at_random_moments_leave_every_fit_whole() -> None:
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-c", _CODE, str(ROUND or 0)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0  # some did come
