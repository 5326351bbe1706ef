"""A real node on a real broker's script, and its files with whatever may be in them: for tests/host/test_state_files.py.

Two lives make the files, with readings that wait and exchanges that are unfinished: `prepare`. Then the node starts once for each content of
one of the files, everything else as it was, and has to publish readings of that start.
"""

import json
import os
import sys
import time

import sim

sim.virtual()

from mqtt_peer import Broker, Net  # noqa: E402
from test_app import Radio  # noqa: E402

from firmware import start  # noqa: E402
from firmware.hardware.board import Board  # noqa: E402
from mqtt import Client  # noqa: E402

DIRECTORY = 0
BESIDE = 1  # where the file that is to replace it would be written
CONTENTS = (
    b"",
    DIRECTORY,
    BESIDE,
    b"\xff\xfe\x80" * 100,
    b"{",
    b"{}",
    b'"text"',
    b'{"1":[]}',
    b'{"1":1e999}',
    b'{"outpost/attic":7,"a":[[]],"":null}',
    b"[1e999,-1e999,NaN]",
    b"-1",
    b"9" * 1000,
    b"1 2 3\n-5 x\n9999999999999 1\n7 - a+b/#\n8 " + b"9" * 400 + b"\n",
    b"[" * 3000,
    b'{"a":' * 1000,
    b"x" * 20000,
    b'["homeassistant","attic",false,true,"0"]\n= 0\n',
)
LONG = 64 * "n"


class Guard:
    def begin(self, seconds=0):
        pass

    end = begin


def config(name="attic"):
    return {
        "node": {"name": name},
        "wifi": {"networks": [{"ssid": "home", "password": "password"}]},
        "mqtt": {"brokers": [{"host": "192.0.2.1"}], "window2": 20},
        "ntp": {"host": "192.0.2.1"},
        "publish": {"qos": 2},
        "watchdog": {"enabled": False},
        "log": {"level": "error"},
        "outputs": [{"name": "lamp", "type": "switch", "pin": 19}],
        "sensors": [
            {"name": "volts", "type": "adc", "pin": 34 if sim.ESP32 else 26, "interval_s": 1},
            {"name": "rain", "type": "pulse", "pin": 18, "interval_s": 2, "keep": True},
        ],
    }


class Life:
    """One start of the node, for so many seconds."""

    def __init__(self, broker, seconds, name="attic"):
        from firmware import app, parts

        if name:
            put("config.json", json.dumps(config(name)).encode())
        broker.session = True
        parts.Client = lambda *args, **options: Client(*args, net=Net(broker), **options)
        self.seconds = seconds
        app.Node.run = lambda node: self._run(node)
        board = Board(Guard())
        board.radio = Radio()
        board.reset = self._reset
        self.node = None
        start.run(board)

    def _run(self, node):
        self.node = node
        node.clock.offset = 1795219200000  # nobody tells the time, and it would be waited for
        for _ in range(self.seconds * 4):
            time.sleep_ms(250)
            node.step(time.ticks_ms())

    def _reset(self):
        raise AssertionError("it resets itself")


def put(path, content):
    folder = path.rpartition("/")[0]
    if folder and not exists(folder):
        put(folder, DIRECTORY)
    if content is DIRECTORY:
        os.mkdir(path)
        return
    with open(path, "wb") as f:
        f.write(content)


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def files(folder=""):
    """Yield (path, content) of all there is."""
    for name, kind, *_ in list(os.ilistdir(folder or ".")):
        path = folder + "/" + name if folder else name
        if kind & 0x4000:
            yield path, DIRECTORY
            yield from files(path)
        else:
            with open(path, "rb") as f:
                yield path, f.read()


def remove(path):
    """Remove a file or a folder, if it is there."""
    if not exists(path):
        return
    if not os.stat(path)[0] & 0x4000:
        os.remove(path)
        return
    for below, content in reversed(list(files(path))):
        (os.rmdir if content is DIRECTORY else os.remove)(below)
    os.rmdir(path)


def restore(kept):
    for path, _ in list(files()):
        remove(path)
    for path, content in kept:
        if not exists(path):
            put(path, content)


def prepare():
    """Leave the files of a node that has lived: a start in which a reading went, and one that the power ended in an outage."""
    Life(Broker(), 10)
    broker = Broker()
    # PUBREC comes, PUBCOMP does not: twenty exchanges are unfinished, with names as long as they may be.
    broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    Life(broker, 25, LONG)
    from firmware import files
    from firmware.provisioning import password as provisioning_password
    from firmware.upkeep import crash

    try:
        raise ValueError("bug")
    except ValueError as e:
        crash.record_crash(e, 1)
    files.note_reset("told to")
    files.write("state/crashes", "2")
    files.write("state/times", '{"1":1795219200000}')
    files.write("state/alias", "another 123456")
    provisioning_password.password()


def starts(path, content, kept):
    """A node starts with this content of a file, and readings of this start are published."""
    restore(kept)
    if path == "state/times":
        os.remove("state/boots")  # only then it is read
    if content is BESIDE:
        put(path + ".new", DIRECTORY)
    else:
        remove(path)
        put(path, content)
    broker = Broker()
    life = Life(broker, 6, None)  # with what it writes after sync_s, which is 5
    boot = b'"boot":%d,' % life.node.delivery.boot
    seen = [payload for topic, payload in broker.seen if b"/volts" in topic and boot in payload]
    assert seen, (path, content if isinstance(content, int) else content[:40], broker.seen[-5:])


def main(names):
    """names: what the code calls its files: try each, where `prepare` was called before. That prints what the node left."""
    if names == ["prepare"]:
        prepare()
    kept = list(files())
    there = [path for path, content in kept if content is not DIRECTORY]
    if names == ["prepare"]:
        print("\n".join(there))
        return
    for path in names:
        if path == "state/outbox/00000001":  # the oldest segment
            path = min(each for each in there if each.startswith("state/outbox/0"))
        for content in CONTENTS:
            starts(path, content, kept)
    print("started", len(names) * len(CONTENTS))


if __name__ == "__main__":
    main(sys.argv[1:])
