"""A MicroPython process with lib/mqtt.py in it, for the tests that talk to real brokers.

The program is the text of a function body with `args`, `Client`, `ticks_ms`, `sleep_ms`, `say(value)`; what it says comes back
as JSON, one value a line. No fakes: the unix port's own sockets and TLS.
"""

import json
import subprocess
import textwrap
import threading

from tools import ROOT, toolchain

HEAD = """\
import sys
sys.path[:] = [{lib!r}, ".frozen"]
import json, gc
from time import sleep_ms, ticks_ms, ticks_diff
from mqtt import Client, ProtocolError, Refused
from mqtt_stream import Stream

def say(value):
    print(json.dumps(value))

def advance(client, ms, until=None):
    # Step for ms at most, or until(): acked ids and messages.
    ids, messages = [], []
    begin = ticks_ms()
    while ticks_diff(ticks_ms(), begin) < ms:
        acked, arrived = client.step(ticks_ms())
        ids += acked
        messages += arrived
        if until and until():
            break
        if client.sock is not None and not acked and not arrived:
            client._poll(min(20, client.poll_ms(ticks_ms())))
    return ids, messages

def up(client, **options):
    client.start(ticks_ms(), **options)
    advance(client, 15000, lambda: client.connected)
    return client

def main(args):
"""


class Board:
    """A process that runs `body` with the dict `args`."""

    def __init__(self, body, heap="160k", lib=None, **args):
        lines = HEAD.format(lib=str(lib or ROOT / "lib")) + textwrap.indent(
            textwrap.dedent(body), "    "
        )
        program = f"{lines}\n\nmain(json.loads({json.dumps(args)!r}))\n"
        self.process = subprocess.Popen(
            [*toolchain.micropython(heap), "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.timer = None

    def hear(self, timeout=30):
        """Return the next value it says."""
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise AssertionError(self.process.stderr.read() or "it ended, or said nothing in time")
        return json.loads(line)

    def tell(self, line=""):
        """Give it a line on its standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.communicate()


def run(body, timeout=30, **args):
    """Run it to its end. Return all it said."""
    with Board(body, **args) as board:
        out, err = board.process.communicate(timeout=timeout)
        assert board.process.returncode == 0, out + err
        return [json.loads(line) for line in out.splitlines()]
