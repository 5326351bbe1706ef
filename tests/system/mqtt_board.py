"""A MicroPython process with lib/mqtt in it, for the tests that talk to real brokers.

The program is the text of a function body with `args`, `Client`, `ticks_ms`, `sleep_ms`, `say(value)`; what it says comes back
as JSON, one value a line. No fakes: the unix port's own sockets and TLS.
"""

import json
import subprocess
import textwrap
import threading
import time

import paho.mqtt.client as paho

from tools import ROOT, toolchain

HEAD = """\
import sys
sys.path[:] = [{lib!r}, ".frozen"]
import json, gc
from time import sleep_ms, ticks_ms, ticks_diff
from mqtt import Client, ProtocolError, Refused
from mqtt.stream import Stream

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

def bring_up(client, **options):
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


# Numbers at QoS `qos`, one every `every` ms, whatever happens to the connection. Says "ten" when ten are acknowledged and,
# with `hold`, sends no more until it is let go.
SENDER = """
    c = Client("sender", "127.0.0.1", args["port"], keepalive=10, timeout=3)
    todo = list(range(args["count"]))
    acked = 0
    connects = 0
    begin = ticks_ms()
    due = 0
    while acked < args["count"] and ticks_diff(ticks_ms(), begin) < 40000:
        try:
            if c.sock is None:
                c.start(ticks_ms())
            acked += len(c.step(ticks_ms())[0])
            held = args.get("hold") and not connects and len(todo) <= args["count"] - 10
            if not held and c.connected and todo and ticks_diff(ticks_ms(), begin) >= due:
                if c.send(b"t", b"%d" % todo[0], qos=args["qos"]) is not None:
                    todo.pop(0)
                    due += args.get("every", 50)
            if acked >= 10 and connects == 0:
                connects = 1
                say("ten")
                if args.get("hold"):
                    sys.stdin.readline()
                    due = ticks_diff(ticks_ms(), begin)
        except OSError as e:
            sleep_ms(200)
            continue
        sleep_ms(2)
    say([acked, c.pending, c.resent])
    c.disconnect()
"""


class Listener:
    """A subscriber with a session that outlives the broker's restarts."""

    def __init__(self, port, topic="#", qos=2, **login):
        self.messages = []
        self.ready = threading.Event()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False
        )
        if login:
            self.client.username_pw_set(login["user"], login["password"])
        self.client.reconnect_delay_set(1, 1)
        self.client.max_inflight_messages_set(1000)
        self.client.on_message = lambda c, u, message: self.messages.append(message)
        self.client.on_connect = lambda *_: self.client.subscribe(topic, qos)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.ready.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.client.disconnect()
        self.client.loop_stop()

    def back(self, timeout=60):
        """Wait until it has subscribed once more; `ready` was cleared before the connection broke."""
        assert self.ready.wait(timeout)

    def until(self, condition, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, [m.payload for m in self.messages]
            time.sleep(0.02)

    def wait(self, count, timeout=60):
        deadline = time.monotonic() + timeout
        while len(self.messages) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)  # one too many would come now
        return [message.payload for message in self.messages]
