"""Child processes end when they are told to."""

import os
import sys
import time

from tools import processes


def test_a_process_that_ends_just_when_it_is_asked_to(monkeypatch):
    """Seen once in some thousand runs: between the look whether it runs and the signal, which looks, too."""
    process = processes.start([sys.executable, "-c", "raise SystemExit(7)"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    answers = [None]
    poll = process.poll
    monkeypatch.setattr(process, "poll", lambda: answers.pop() if answers else poll())
    assert processes.stop(process) == 7


def test_a_process_that_does_not_want_to_end_is_made_to():
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = processes.start([sys.executable, "-c", code], stdout=-1)
    process.stdout.readline()
    began = time.monotonic()
    assert processes.stop(process, patience=0.1) == -9
    assert time.monotonic() - began < 30
    process.stdout.close()
