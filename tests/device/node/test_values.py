"""Bare numbers: the newest reading of each channel, and nothing that is no more so."""

import os

from test_app import Channel, Run, settings

from firmware import forget, payload
from firmware.readings.pace import Pace
from firmware.readings.values import Values
from firmware.topics import Topics

HEAP = "400k"

FIELDS = (("temperature", 2), ("humidity", 1))
DOOR = (("open", 0),)


class Sensor:
    def __init__(self, name, fields):
        self.name = name
        self.fields = fields


class Uplink:
    ready = retain = True
    connects = 1
    room = 99

    def __init__(self):
        self.sent = []

    def publish(self, topic, payload, retain=False, qos=0):
        if len(self.sent) >= self.room:
            return False
        assert qos == 0 and retain == self.retain
        self.sent.append((topic.decode(), payload))
        return True


class Stand:
    def __init__(self, pace=None):
        self.air, self.door = Sensor("air", FIELDS), Sensor("door", DOOR)
        self.values = Values((self.air, self.door), Topics("home/ground", "attic"), pace)
        self.uplink = Uplink()
        self.uptime = 0

    def take(self, sensor, *values):
        self.values.take(sensor, payload.body(sensor.fields, values))

    def step(self, ms=100):
        """Return what was sent, below the node's values."""
        self.uplink.sent.clear()
        self.uptime += ms
        self.values.step(self.uplink, self.uptime)
        prefix = "home/ground/attic/value/"
        assert all(topic.startswith(prefix) for topic, _ in self.uplink.sent)
        return [(topic[len(prefix) :], text) for topic, text in self.uplink.sent]


def test_each_quantity_is_a_number():
    stand = Stand()
    assert stand.step() == []
    stand.take(stand.air, 21.0, -3.5)
    stand.take(stand.door, True)
    assert stand.step() == [
        ("air/temperature", b"21.00"),
        ("air/humidity", b"-3.5"),
        ("door/open", b"1"),
    ]
    assert stand.step() == []
    stand.take(stand.door, False)
    stand.take(stand.air, 21, 48.0)
    assert stand.step() == [
        ("air/temperature", b"21"),
        ("air/humidity", b"48.0"),
        ("door/open", b"0"),
    ]


def test_what_failed_is_taken_back_once():
    stand = Stand()
    gone = [("air/temperature", b""), ("air/humidity", b"")]
    stand.values.take(stand.air, payload.error('no "temperature":7,'))
    assert stand.step() == gone, "there may be one from before the start"
    stand.take(stand.air, 21.0, 48.0)
    stand.step()
    for text in ("no answer", "bad checksum"):
        stand.values.take(stand.air, payload.error(text))
    assert stand.step() == gone
    stand.values.take(stand.air, payload.error("no answer"))
    assert stand.step() == []
    stand.take(stand.air, 20.0, None)
    assert stand.step() == [("air/temperature", b"20.00"), ("air/humidity", b"")]


def test_only_the_newest_goes_when_there_is_room():
    stand = Stand()
    stand.uplink.room = 1
    stand.take(stand.air, 1.0, 2.0)
    stand.take(stand.door, True)
    assert stand.step() == [("air/temperature", b"1.00")] and stand.values.due() < 100
    stand.uplink.ready = False
    assert stand.step() == [] and stand.values.due() > 1000, "it waits for a connection"
    stand.take(stand.air, 3.0, 4.0)
    stand.uplink.ready, stand.uplink.room = True, 99
    assert stand.step() == [
        ("air/temperature", b"3.00"),
        ("air/humidity", b"4.0"),
        ("door/open", b"1"),
    ]
    assert stand.values.due() > 1000


def test_each_connection_has_all_of_them():
    stand = Stand()
    stand.take(stand.door, True)
    stand.step()
    stand.uplink.connects += 1
    assert stand.step() == [("door/open", b"1")]


def test_a_broker_that_keeps_nothing():
    stand = Stand()
    stand.uplink.retain = False
    stand.take(stand.door, True)
    assert stand.step() == [("door/open", b"1")]


def test_they_have_a_rate_of_their_own():
    stand = Stand(Pace(10))
    for _ in range(10):
        stand.take(stand.air, 1.0, 2.0)
        assert len(stand.step()) == 1, "one in a tenth of a second"
    assert stand.values.due() < 100


class Live(Run):
    """A node with `plain`."""

    def __init__(self):
        import test_app

        chosen = settings()
        chosen["publish"]["plain"] = True
        test_app.settings = lambda: chosen
        super().__init__()
        test_app.settings = settings

    def value(self):
        return [message[1:] for message in self.client.on(TOPIC)]


TOPIC = "outpost/esp32-a1b2c3/value/climate/temperature"


def test_a_node_publishes_them_beside_its_readings():
    r = Live()
    r.run(5000)
    readings = r.readings()
    assert set(r.value()) == {(b"20.00", True, 0)}
    assert 2 < len(r.value()) <= len(readings), "of those before the connection only the newest"
    first = [message[0] for message in r.client.sent].index(TOPIC)
    assert first > 1, "who it is comes first"
    r.channel.value = "no answer"
    r.run(5000)
    assert r.value()[-1] == (b"", True, 0) and r.value()[-2] == (b"20.00", True, 0)
    assert r.readings()[-1]["error"] == "no answer"


def test_what_waited_does_not_come_as_a_value():
    r = Live()
    r.run(3000)
    r.client.reachable = False
    for n in range(120):
        r.channel.value = 100.0 + n
        r.run(1000)
    r.client.sent.clear()
    r.client.reachable = True
    r.channel.value = 7.0
    r.run(60000)
    late = r.readings("outpost/esp32-a1b2c3/history/climate")
    assert len(late) > 60
    values = [value for value, _, _ in r.value()]
    assert values[0] in (b"219.00", b"7.00"), "that of the outage's end, at most"
    assert values[1:] == [b"7.00"] * (len(values) - 1)


def test_without_it_nothing_of_it_is_there():
    import sys

    forget("readings", "values")
    r = Run()
    r.run(5000)
    assert "firmware.readings.values" not in sys.modules
    assert not r.client.on(TOPIC)


def test_the_broker_forgets_them_with_the_setting():
    r = Live()
    r.run(5000)
    r.client.sent.clear()
    del r
    now = Run()
    now.run(5000)
    assert (TOPIC, b"", True, 1) in now.client.sent
    assert TOPIC in [pattern.decode() for pattern, qos in now.client.wanted if qos == 0]
    now.node.control.arrived(TOPIC.encode(), b"", False, 0)
    now.client.sent.clear()
    later = Run()
    later.run(5000)
    assert not later.client.on(TOPIC) and os.stat("state/retained")
