"""What stands around a node in the system tests: the board it runs on, its settings, a subscriber."""

import itertools
import json
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho

from sim.simboard import SimBoard
from tools import ROOT, mpy, pins

NAME, OTHER = "n1", "n2"
KEEPALIVE_S = 5
# a busy machine takes so many times as long; who waits for what comes loses nothing by it
PATIENCE = 3
ONLINE_S = 15  # Wi-Fi takes 1 to 5 s on a board, and its first attempt may fail
NODE, READER = ("node", "node-Secret-1"), ("reader", "reader-Secret-1")
WIFI_PASSWORD = "wifi-Secret-1"
SECRETS = (NODE[1], READER[1], WIFI_PASSWORD)


def sensors(board="esp32", **every):
    """The settings of one sensor of each type, which is its name, too. The board's own pins."""

    def sensor(called, use, **more):
        return {"name": called, "type": called, **more, **pins.usual(board, use, use), **every}

    return [
        sensor("bme280", "i2c"),
        sensor("bmp280", "i2c", address="0x77"),
        sensor("input", "input", kind="reed"),
        sensor("adc", "adc", r1=10, r2=10),
        sensor("battery", "battery", r1=100, r2=100),
        sensor("ds18b20", "onewire"),
        sensor("dht22", "dht"),
        sensor("pulse", "pulse"),
    ]


def stream(board="esp32", **more):
    """One sensor, 20 readings a second."""
    pin = pins.usual(board, "adc", "adc")
    fast = {"name": "fast", "type": "adc", **pin, "r1": 10, "r2": 10, "interval_s": 0.05}
    return [fast | more]


def settings(brokers, board="esp32", **changes):
    """A config.json. brokers: ports, or whole entries. changes: sections."""
    listed = [
        {"host": "127.0.0.1", "port": each, "user": NODE[0], "password": NODE[1]}
        if isinstance(each, int)
        else each
        for each in brokers
    ]
    config = {
        "node": {"name": NAME},
        "wifi": {"networks": [{"ssid": "attic", "password": WIFI_PASSWORD}]},
        "mqtt": {"brokers": listed, "keepalive_s": KEEPALIVE_S},
        "publish": {"health_s": 5},
        "sensors": sensors(board, interval_s=3),
    }
    for section, change in changes.items():
        config[section] = config[section] | change if section in ("mqtt", "publish") else change
    return config


class Node:
    """A simulated board with the node's files on its flash."""

    def __init__(self, folder, config, board, files, scenario=(), quick=True, **options):
        """files: folder that holds boot.py, main.py, firmware and lib. quick: a Pico joins at its first attempt."""
        self.flash = folder / "flash"
        self.flash.mkdir(parents=True)
        for name in (*mpy.STARTED, *mpy.PACKAGES):
            (self.flash / name).symlink_to(files / name)
        self.configure(config)
        if quick:
            scenario = [{"at_s": 0, "do": "switch", "first_join_fails": False}, *scenario]
        self.board = SimBoard(
            self.flash, board, log=folder / "console", scenario=list(scenario), **options
        )

    def configure(self, config):
        text = config if isinstance(config, str) else json.dumps(config)
        (self.flash / "config.json").write_text(text)

    def patch(self, path, old, new):
        """Change one file of the flash, not of the repository: its source stands there from then on, and is taken before the .mpy."""
        place = self.flash / path
        top = self.flash / Path(path).parts[0]
        if top.is_symlink():
            source = top.resolve()
            top.unlink()
            if source.is_dir():
                shutil.copytree(source, top, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, top)
        text = (place if place.exists() else ROOT / path).read_text()
        assert text.count(old) == 1, (path, old)
        place.write_text(text.replace(old, new))

    def __getattr__(self, name):
        return getattr(self.board, name)

    def start(self):
        self.board.start()
        return self

    def wait_for(self, text, timeout=10, times=1):
        return self.board.wait_for(text, PATIENCE * timeout, times)

    def wait_resets(self, count, timeout=10):
        return self.board.wait_resets(count, PATIENCE * timeout)


class Message(NamedTuple):
    at: float  # time.monotonic() of its arrival
    topic: str
    text: str
    qos: int
    retain: bool
    dup: bool


class Reading(dict):
    """A parsed reading. late: it came on the topic for history."""

    def __init__(self, members, late=False):
        super().__init__(members)
        self.late = late


class Seen:
    """What a subscriber with a persistent session received, in order."""

    def __init__(self, port, user=READER, topics="#", name="seen", tls=None, insecure=False):
        self.messages = []
        self.connects = 0
        self.port = port
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, name, clean_session=False, reconnect_on_failure=True
        )
        self.client.reconnect_delay_set(1, 1)
        if user:
            self.client.username_pw_set(*user)
        if tls:
            self.client.tls_set(**tls)
            self.client.tls_insecure_set(insecure)
        self.topics = topics
        self.subscribed = False
        self.client.on_connect = self._connected
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._message

    def start(self):
        self.client.connect("127.0.0.1", self.port, 30)
        self.client.loop_start()
        until(lambda: self.subscribed, 10, "the subscription")
        return self

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()

    def _connected(self, client, data, flags, reason, properties):
        self.connects += 1
        client.subscribe(self.topics, 2)

    def _subscribed(self, client, data, mid, reasons, properties):
        self.subscribed = not any(reason.is_failure for reason in reasons)

    def _message(self, client, data, message):
        m = message
        self.messages.append(
            Message(time.monotonic(), m.topic, m.payload.decode(), m.qos, m.retain, m.dup)
        )

    def messages_of(self, topic):
        """Messages of a topic, below outpost/."""
        return [message for message in list(self.messages) if message.topic == "outpost/" + topic]

    def texts(self, topic):
        return [message.text for message in self.messages_of(topic)]

    def readings(self, channel, name=NAME):
        """Parsed readings of a channel, late ones too, in the order they came."""
        topics = (f"outpost/{name}/reading/{channel}", f"outpost/{name}/history/{channel}")
        return [
            Reading(json.loads(m.text), m.topic == topics[1])
            for m in list(self.messages)
            if m.topic in topics
        ]

    def boots(self, channel, name=NAME):
        """The boots that readings have come of."""
        return sorted({reading["boot"] for reading in self.readings(channel, name)})

    def wait_for(self, topic, text=None, timeout=ONLINE_S, times=1):
        """The last message of a topic, once so many with this text (any, if None) have come."""

        def found():
            return [m for m in self.messages_of(topic) if text is None or m.text == text]

        until(
            lambda: len(found()) >= times,
            timeout,
            f"{topic} {text or ''} x{times}",
            self.last_messages,
        )
        return found()[-1]

    def wait_readings(self, channel, count, timeout=20, name=NAME):
        def enough():
            return len(self.readings(channel, name)) >= count

        until(enough, timeout, f"{count} of {name}/{channel}", self.last_messages)
        return self.readings(channel, name)

    def newest(self, channel, name=NAME):
        """When the newest reading of a channel was taken, as time.time()."""
        return max((reading["ts"] for reading in self.readings(channel, name)), default=0) / 1000

    def wait_live(self, channel, timeout=20, name=NAME):
        """Wait until readings arrive as they are taken: nothing waits in the node any more."""
        start = time.time()

        def live():
            newest = self.newest(channel, name)
            return newest > start + 0.5 and time.time() - newest < 0.7

        until(live, timeout, f"live {name}/{channel}", self.last_messages)

    def wait_whole(self, channel, timeout=20, name=NAME):
        """Wait until nothing is missing: what waited in the node has come, and not only what is new."""

        def whole():
            seen = {(reading["boot"], reading["seq"]) for reading in self.readings(channel, name)}
            return len(seen) == max(seq for _, seq in seen) - min(seq for _, seq in seen) + 1

        until(whole, timeout, f"all of {name}/{channel}", self.last_messages)

    def last_messages(self):
        return "\n".join(f"{m.topic} {m.text[:200]}" for m in list(self.messages)[-30:])


def until(test, timeout, what, told=lambda: ""):
    """Wait for a test to become true."""
    deadline = time.monotonic() + PATIENCE * timeout
    while not test():
        assert time.monotonic() < deadline, f"not in {PATIENCE * timeout} s: {what}\n{told()}"
        time.sleep(0.02)


def complete(readings, first=None, last=None):
    """Assert that a stream has every seq, each topic in order, each reading the same each time it came.

    Returns it without repeats, in the order taken.
    """
    once = {}
    for reading in readings:
        key = (reading["boot"], reading["seq"])
        assert once.setdefault(key, reading) == reading
    for late in (False, True):
        keys = [key for key, reading in once.items() if reading.late == late]
        back = [(a, b) for a, b in itertools.pairwise(keys) if b < a]
        assert not back, f"out of order, {'history' if late else 'live'}: {back}"
    keys = sorted(once)
    seqs = [seq for _, seq in keys]
    assert len({boot for boot, _ in keys}) == 1
    missing = set(range(seqs[0], seqs[-1] + 1)) - set(seqs)
    assert not missing, f"lost: {sorted(missing)}"
    assert first is None or seqs[0] <= first
    assert last is None or seqs[-1] >= last
    return [once[key] for key in keys]


def own_topics(name):
    """The rules for one node: what it needs and no more."""
    return (
        f"readwrite outpost/{name}/#",
        "read outpost/all/cmd/#",
        f"write homeassistant/device/{name}/config",
        "read homeassistant/status",
    )
