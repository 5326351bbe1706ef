"""The page of `make run`: a collector and `make page` for the simulated node, as processes of their own. Both are programs of `station/`,
which nothing here imports.
"""

import os
import re
import selectors
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from sim.alone import short
from tools import ROOT, processes

_START_S = 30  # for Python to load both, on a slow computer
_STORE = "readings.sqlite"


@contextmanager
def page(folder: Path, broker, base: str):
    """Start both, with a new store in the folder. broker: one of a config's `mqtt.brokers`. Yields a function that waits for the
    address, and returns what to tell of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(_STORE + "*"):
        old.unlink()
    store, log = folder / _STORE, folder / "page.log"
    environment = os.environ | {"OUTPOST_PASSWORD": broker["password"], "PYTHONUNBUFFERED": "1"}
    options = ["--broker", f"{broker['host']}:{broker['port']}", "--account", broker["user"]]
    options += ["--base", base, "--store", store]
    running: list[subprocess.Popen] = []

    with log.open("w", encoding="utf-8") as file:

        def start(command, *more, out):
            words = [sys.executable, "-m", "station", command, *options, *more]
            running.append(
                processes.start(
                    words,
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=file,
                )
            )
            return running[-1]

        def address() -> str:
            deadline = time.monotonic() + _START_S
            while not store.exists() and collector.poll() is None:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            server = start("page", "--port", "0", out=subprocess.PIPE)
            line = _line(server, deadline)
            found = re.match(r"page: (\S+)", line)
            if not found:  # the node runs without it
                return f"there is none: {short(log)} says why"
            return f"{found[1]} shows it in a browser (NOPAGE=1: without)"

        collector = start("collect", out=file)
        try:
            yield address
        finally:
            for process in reversed(running):
                processes.stop(process)


def _line(process: subprocess.Popen, deadline: float) -> str:
    """The first line that a process prints; "" if none comes in time."""
    assert process.stdout
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        ready = waiting.select(max(0, deadline - time.monotonic()))
    return process.stdout.readline().decode(errors="replace") if ready else ""
