"""Commands: what is one, what is answered, and that a restart comes once. The real client, a scripted broker."""

import json
import sys

from mqtt_peer import Broker, Net, publish

import firmware
import sim
from firmware import control
from firmware.control import blink, commands
from firmware.discovery.announce import Discovery
from firmware.hardware.board import Board
from firmware.topics import Topics
from firmware.upkeep.log import Log
from mqtt.client import Client

BOARDS = ("esp32", "pico_w")
HEAP = "400k"  # both ends of the connection are here

LED = 2
TOPICS = Topics("outpost", "Küche")
CMD = "outpost/Küche/cmd/"
PUBACK, PUBLISH = 0x40, 0x32


class Panel:
    def __init__(self):
        self.got = []

    def set(self, topic, data):
        self.got.append((topic, bytes(data)))


class Uplink:
    def __init__(self, client):
        self.client = client
        self.send = client.send
        self.connects = 0
        self.connected = self.held = False


class Rig:
    """A node's control and client, connected. silent: the broker acknowledges no publication."""

    def __init__(self, panel=True, led=True, window=32):
        self.broker = Broker()
        self.broker.hear = self._hear
        self.silent = False
        self.client = Client("c", "broker", keepalive=60, window=window, net=Net(self.broker))
        self.panel = Panel() if panel else None
        self.log = Log("info")
        led = Board().led(LED) if led else None
        self.control = control.Control(
            self, Uplink(self.client), TOPICS, self.panel, led, self.log
        )
        self.births = 0
        self.pid = 0
        self.now = 0
        self.connect()

    def connect(self):
        self.broker.mute = False
        self.client.start(self.now)
        self.run()

    def _hear(self, first, pid, answer):
        return [] if self.silent and first & 0xF0 == 0x30 else answer

    # The Node's, for commands

    class Channel:
        def __init__(self, name):
            self.name = name
            self.asked = 0

        def soon(self, now):
            self.asked += 1

    channels = ()
    unsaid = False

    def birth(self, now):
        self.births += 1

    def step(self):
        """One pass of the node's loop. Return True: it resets the board."""
        try:
            acked, arrived = self.client.step(self.now)
        except OSError:  # silent for 10 s: the client has given the connection up
            acked, arrived = (), ()
        for topic, data, retained, _ in arrived:
            self.control.arrived(topic, data, retained, self.now)
        if acked:
            self.control.acknowledged(acked)
        return self.control.step(self.now)

    def run(self, seconds=0):
        """Pass by pass, until the board is reset. Return True if so."""
        for _ in range(max(10, seconds * 2)):
            if self.step():
                return True
            self.now += 500 if seconds else 0
        return False

    def tell(self, topic, payload=b"", qos=1):
        """Publish to the node; nothing is stepped."""
        self.pid += 1
        self.broker.give(topic.encode(), payload, qos, self.pid if qos else 0)

    def ask(self, name, payload=b"", base=CMD):
        """Send a command. Return the replies."""
        # as a test has made it
        sys.modules["firmware.control.commands"] = firmware.control.commands = commands
        self.broker.seen.clear()
        self.tell(base + name, payload)
        self.run()
        return self.replies()

    def replies(self):
        return [
            json.loads(data) for topic, data in self.broker.seen if topic == TOPICS.own("reply")
        ]


def lit():
    return sim.pin(LED).out


def test_what_it_listens_to():
    rig = Rig()
    assert [pattern.decode() for pattern in rig.broker.filters] == [
        "outpost/Küche/status",
        "outpost/Küche/cmd/+",
        "outpost/all/cmd/+",
        "outpost/Küche/output/+/set",
    ]
    assert len(Rig(panel=False).broker.filters) == 3


def test_a_command_is_answered_with_its_id():
    rig = Rig()
    assert rig.ask("identify", b'{"id":7,"seconds":1}') == [
        {"id": 7, "cmd": "identify", "ok": True}
    ]
    assert rig.ask("identify", '{"id":"é\\n"}'.encode())[0]["id"] == "é\n"
    assert rig.ask("identify", base="outpost/all/cmd/") == [{"cmd": "identify", "ok": True}]
    assert rig.ask("identify", b'{"id":123456789012345678901234567890}')[0]["ok"]
    assert not rig.client.pending and not rig.broker.out


def test_arguments_are_an_object_or_none():
    """Home Assistant's button sends PRESS."""
    rig = Rig()
    for payload in (
        b"PRESS",
        b"",
        b"null",
        b"[1,2]",
        b'"id"',
        b"12",
        b"nan",
        b"\xff\xfe\x00",
        b'{"id":"\xff"}',
        b"{",
        b"{[1]:2}",
        b"[" * 500,
        b"{1:2}",
        b"{}" + b" " * 508,  # so long the client hands over a bytearray
    ):
        assert rig.ask("identify", payload) == [{"cmd": "identify", "ok": True}], payload


ID = "id: give text or a whole number, of at most 128 bytes"


def test_a_command_of_any_length_has_a_reply_that_fits():
    """One larger than the client's buffer ended the connection, and the broker sent the command again."""
    rig = Rig()
    for mark in (b'"%s"' % (b"x" * 500), b'"%s"' % (b"\\u0001" * 80), b"9" * 500):
        assert rig.ask("identify", b'{"id":%s}' % mark) == [
            {"cmd": "identify", "ok": False, "error": ID}
        ]
    assert rig.ask("identify", b'{"id":"%s"}' % (b"x" * 126))[0]["ok"]
    for name in ("n" * 400, "\x01" * 400, '"' * 400, "\x7f" * 450):
        reply = rig.ask(name, b'{"id":"%s"}' % (b"x" * 126))[0]
        assert not reply["ok"] and reply["cmd"] == name[:32]
    commands.COMMANDS["long"] = lambda control, arguments: (("all", "x" * 6000),)
    reply = rig.ask("long", b'{"id":1}')[0]
    assert reply["id"] == 1 and reply["ok"] and reply["error"].startswith("the reply has 60")
    assert not rig.broker.out and rig.client.connected


def test_a_command_that_fails_is_answered_and_does_not_come_again():
    def broken(control, arguments):
        return {}["wanted"]

    def hungry():
        raise MemoryError

    rig = Rig()
    commands.COMMANDS["broken"] = broken
    assert rig.ask("broken") == [{"cmd": "broken", "ok": False, "error": "KeyError: wanted"}]
    commands.document = type("", (), {"whole": lambda pairs: hungry()})
    assert rig.ask("broken") == [{"ok": False, "error": "not enough memory"}]
    assert not rig.broker.out


def test_an_id_is_text_or_a_number():
    """What json could not write in the reply would end the node, and the broker would send it again."""
    rig = Rig()
    for mark in (b"[" * 240 + b"]" * 240, b'{"a":1}', b"1e999", b"1.5", b"true", b"[]"):
        assert rig.ask("identify", b'{"id":%s}' % mark) == [
            {"cmd": "identify", "ok": False, "error": ID}
        ]
    assert rig.control.blink is None
    assert rig.ask("restart", b'{"id":[]}')[0]["ok"] is False
    assert not rig.run(40), "nor is it done"
    assert rig.ask("identify", b'{"id":null}') == [{"cmd": "identify", "ok": True}]


def test_a_command_without_memory_for_it_is_answered_too():
    """Else it would end the node, unacknowledged, and come again."""

    class Json:
        def loads(self, data):
            raise MemoryError("no room")

    commands.json = Json()
    rig = Rig()
    assert rig.ask("restart", b'{"id":1}') == [{"cmd": "restart", "ok": False, "error": "no room"}]
    assert not rig.broker.out and not rig.control.restart


def test_the_commands_are_let_go_of_once_the_reply_is_there():
    rig = Rig()
    assert len(rig.ask("restart")) == 1
    assert "firmware.control.commands" not in sys.modules


def test_what_is_wrong_is_said():
    rig = Rig()
    known = "unknown, known are announce, identify, read, restart"
    for name in ("reboot", "RESTART", "set", "é", "__init__"):
        assert rig.ask(name, b'{"id":1}') == [{"id": 1, "cmd": name, "ok": False, "error": known}]
    for seconds in (b"0", b"601", b"-1", b"1.5", b'"9"', b"true", b"null", b"[]", b"1e999"):
        reply = rig.ask("identify", b'{"id":2,"seconds":%s}' % seconds)[0]
        assert reply["error"] == "seconds: give a whole number from 1 to 600", seconds
    assert rig.control.blink is None and lit() == 0
    error = Rig(led=False).ask("identify")[0]["error"]
    assert error == "no LED is known: give node.led in config.json"
    assert not rig.control.restart


def test_a_reading_is_asked_for():
    rig = Rig()
    assert rig.ask("read") == [{"cmd": "read", "ok": True, "sensors": 0}]
    assert rig.ask("read", b'{"sensor":"air"}')[0]["error"] == "there are no sensors"
    rig.channels = air, cellar = Rig.Channel("air"), Rig.Channel("cellar")
    assert rig.ask("read") == [{"cmd": "read", "ok": True, "sensors": 2}]
    assert rig.ask("read", b'{"sensor":"air"}') == [{"cmd": "read", "ok": True, "sensors": 1}]
    assert (air.asked, cellar.asked) == (2, 1)
    for name in (b'"attic"', b"7", b"[]", b'{"a":1}'):
        (reply,) = rig.ask("read", b'{"sensor":%s}' % name)
        assert reply["error"] == "sensor: give one of air, cellar", name
    assert (air.asked, cellar.asked) == (2, 1)


def test_it_says_again_who_it_is():
    rig = Rig()
    assert rig.ask("announce") == [{"cmd": "announce", "ok": True}] and rig.unsaid


def test_the_log_has_what_was_commanded():
    rig = Rig()
    rig.ask("identify")
    assert rig.log.waiting[-1].endswith("info control: identify")


def test_what_is_retained_is_no_command():
    rig = Rig()
    for topic in (CMD + "restart", "outpost/all/cmd/identify", "outpost/Küche/output/lamp/set"):
        rig.broker.out[9] = [topic.encode(), b"ON", 1, "sent"]
        rig.broker.say(publish(topic.encode(), b"ON", 1, 9, retain=True))
        rig.run()
        assert rig.log.waiting[-1].endswith("warning control: %s ignored, it is retained" % topic)
        assert not rig.broker.out, "acknowledged: it does not come again"
    assert not (rig.replies() or rig.panel.got or rig.control.restart or rig.control.blink)


def test_what_is_too_long_is_no_command():
    rig = Rig()
    for size in (513, 4000, 5000):  # the last one the client does not even keep
        assert rig.ask("identify", b"x" * size) == []
        assert not rig.broker.out, "acknowledged: it does not come again"
    assert rig.client.skipped == 1
    assert rig.log.waiting[-1].endswith(
        "warning control: %sidentify ignored, it is too long" % CMD
    )
    assert rig.ask("identify", b"x" * 512)[0]["ok"]
    assert rig.ask("x" * 400, b"")[0]["cmd"] == "x" * 32


def test_what_is_for_an_output_goes_there():
    rig = Rig()
    rig.tell("outpost/Küche/output/Lämpchen/set", b"\xff\x00", 0)
    rig.tell("outpost/Küche/output/lamp/set", b" " * 510 + b"ON", 0)
    rig.run()
    assert rig.panel.got == [
        ("outpost/Küche/output/Lämpchen/set", b"\xff\x00"),
        ("outpost/Küche/output/lamp/set", b" " * 510 + b"ON"),
    ]
    rig.tell("outpost/Küche/output/cmd/set", b"ON", 0)
    rig.run()
    assert rig.panel.got[2:] == [("outpost/Küche/output/cmd/set", b"ON")], "nor is it a command"
    rig = Rig(panel=False)  # an old session still brings it
    rig.tell("outpost/Küche/output/lamp/set", b"ON", 0)
    rig.run()
    assert not rig.replies()


def test_home_assistants_birth():
    rig = Rig()
    rig.control.watch(b"homeassistant/status", lambda *message: Discovery.told(rig, *message))
    rig.run()
    assert rig.broker.filters[-1] == b"homeassistant/status"
    for payload, births in ((b"online", 1), (b"offline", 1), (b"", 1), (b"online", 2)):
        rig.tell("homeassistant/status", payload, 0)
        rig.run()
        assert rig.births == births
    rig.broker.say(publish(b"homeassistant/status", b"online", retain=True))
    rig.run()
    assert rig.births == 2, "it says so since before, and got it at the connection"
    assert not rig.log.waiting, "and nobody is warned of it"


# Restart, once.


def test_a_restart_waits_until_the_broker_has_the_reply():
    rig = Rig()
    rig.silent = True
    rig.tell(CMD + "restart", b'{"id":5}')
    assert not rig.run(8)
    sent = [first & 0xF6 for first, _ in rig.broker.log if first & 0xF0 in (0x30, PUBACK)]
    assert sent == [PUBACK, PUBLISH], "the command is acknowledged first"
    assert not rig.broker.out
    rig.broker.say(b"\x40\x02" + bytes((0, rig.client.in_flight[0])))
    assert rig.run()


def test_a_restart_is_answered():
    rig = Rig()
    rig.tell(CMD + "restart", b'{"id":5}')
    assert rig.run()
    assert rig.replies() == [{"id": 5, "cmd": "restart", "ok": True}]
    assert not rig.broker.out, "it would come again after the reset"


def test_a_restart_while_the_window_is_full():
    """As while readings of an outage are delivered: reply and acknowledgement wait, and so does the reset."""
    rig = Rig(window=2)
    rig.silent = True
    first = [rig.client.send(b"outpost/x", b"reading", False, 1) for _ in range(2)]
    rig.tell(CMD + "restart")
    assert not rig.run(8)
    assert not rig.broker.out and not rig.replies()
    rig.silent = False
    rig.broker.say(b"\x40\x02" + bytes((0, first[0])))
    assert rig.run()
    assert rig.replies() == [{"cmd": "restart", "ok": True}]


def test_replies_wait_for_room_and_are_bounded():
    rig = Rig(window=1)
    rig.silent = True
    pid = rig.client.send(b"outpost/x", b"reading", False, 1)
    for i in range(12):
        rig.tell(CMD + "identify", b'{"id":%d}' % i)
        rig.run()
    rig.silent = False
    rig.broker.say(b"\x40\x02" + bytes((0, pid)))
    rig.run()
    assert [reply["id"] for reply in rig.replies()] == [8, 9, 10, 11]


def test_a_restart_over_a_lost_connection():
    """The acknowledgement was lost with it: the broker sends the command again, and has it acknowledged then."""
    rig = Rig()
    rig.silent = True
    rig.broker.hear = lambda first, pid, answer: []
    rig.tell(CMD + "restart")
    rig.broker.out_before = dict(rig.broker.out)
    assert not rig.run(5)
    rig.client.close()
    rig.broker.out = rig.broker.out_before
    for _ in range(10):
        assert not rig.control.step(rig.now), "not while nobody knows whether it would come again"
        rig.now += 1000
    rig.broker.hear = rig._hear
    rig.silent = False
    rig.connect()
    assert rig.run()
    assert not rig.broker.out


def test_a_restart_comes_though_no_broker_ever_answers():
    rig = Rig()
    rig.silent = True
    rig.tell(CMD + "restart")
    assert not rig.run(29)
    assert rig.run(3)


def test_other_commands_do_not_put_a_restart_off():
    rig = Rig()
    rig.silent = True
    rig.tell(CMD + "restart")
    for second in range(30):
        if second < 9:
            rig.tell(CMD + "identify")
        elif second == 20:
            rig.connect()
        assert not rig.step(), second
        rig.now += 1000
    assert rig.step()


# The LED.


def test_it_blinks_for_as_long_as_told_and_ends_dark():
    rig = Rig()
    rig.ask("identify", b'{"seconds":3}')
    seen = []
    while rig.control.blink and rig.now < 10000:
        rig.now += max(1, rig.control.due(rig.now))
        rig.control.step(rig.now)
        seen.append(lit())
    assert seen == [i & 1 for i in range(len(seen))], seen  # the first one came with the command
    assert 2500 < rig.now < 3500 and lit() == 0
    assert rig.control.due(rig.now) == 1000


def test_identify_again_begins_anew():
    rig = Rig()
    for _ in range(5):
        rig.ask("identify", b'{"seconds":1}')
        rig.now += 150
        rig.control.step(rig.now)
    for _ in range(20):
        rig.now += 150
        rig.control.step(rig.now)
    assert lit() == 0 and rig.control.blink is None


def test_blinking_over_the_wrap_of_the_ticks():
    led = Board().led(LED)
    lamp = blink.Blink(led, 1)
    now = 0x3FFFFFFF - 200
    steps = 0
    while lamp.step(now) and steps < 100:
        before = lit()
        assert lamp.step(now) and lit() == before
        assert 0 < lamp.due(now) <= 150
        now = (now + lamp.due(now)) & 0x3FFFFFFF
        steps += 1
    assert steps == 5 and lit() == 0


def test_the_picos_own_led_and_an_esp32_without_one():
    led = Board().led(None)
    if sim.ESP32:
        assert led is None
    else:
        led.value(1)
        assert sim.pin("WL_GPIO0").out == 1
    assert Board().led(LED).value() == 0
