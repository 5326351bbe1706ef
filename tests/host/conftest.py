"""What several tests of the host's tools stand on."""

import os
import pty
import sys

import pytest
from hypothesis import configuration, settings

from tools import ROOT
from tools import __main__ as tools_main

# The same examples each time and everywhere, and none that depend on how fast this machine is.
settings.register_profile("outpost", derandomize=True, deadline=None, database=None)
settings.load_profile("outpost")
configuration.set_hypothesis_home_dir(ROOT / ".build" / "hypothesis")


@pytest.fixture
def own_signals(monkeypatch):
    """A command sets its own signals: not those of the test run."""
    monkeypatch.setattr(tools_main.signal, "signal", lambda *args: None)


@pytest.fixture
def terminal(monkeypatch):
    """terminal() makes stdout a terminal (in the test itself: pytest has its own before); each further call: what came there."""
    master, slave = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    screen = os.fdopen(slave, "w")

    def read():
        monkeypatch.setattr(sys, "stdout", screen)
        screen.flush()
        os.set_blocking(master, False)
        seen = b""
        while True:
            try:
                seen += os.read(master, 65536)
            except BlockingIOError:
                return seen.decode()

    yield read
    screen.close()
    os.close(master)
