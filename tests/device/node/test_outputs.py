"""Outputs: what the pin does at boot and for every payload, what goes out, who controls them and for how long."""

import json

import sim
from firmware.control import outputs
from firmware.hardware.board import Board
from firmware.settings import config
from firmware.topics import Topics

BOARDS = ("esp32", "pico_w")

PIN = 15
TOPICS = Topics("outpost", "Küche")


def setting(kind, **changes):
    base = {
        "name": "lamp",
        "type": kind,
        "pin": PIN,
        "invert": False,
        "freq": 1000,
        "safe": 0,
        "loss_s": 300,
        "button": "",
    }
    base.update(changes)
    return base


def make(kind, **changes):
    return outputs.load(setting(kind, **changes), Board())


def level():
    return sim.pin(PIN).out


def duty():
    return sim.pin(PIN).duty


def refused(output, payload):
    """The payload is not understood, and nothing has moved. Return what would be right."""
    before = output.state(), level(), duty()
    try:
        output.command(payload)
    except ValueError as e:
        assert (output.state(), level(), duty()) == before, payload
        return str(e)
    raise AssertionError("%s was taken: %s" % (payload[:60], output.state()))


# What nobody can have meant, for any kind. Above 500 bytes the client hands over a bytearray.
ODD = (
    b"",
    b" ",
    b"\xff\xfe",
    b"O\x00N",
    b"ONE",
    b"null",
    b"[]",
    b"[" * 300,
    b'{"state":["ON"]}',
    b'{"state":{}}',
    b'{"a":' * 80 + b"1" + b"}" * 80,
    b"nan",
    b"-1",
    bytearray(b" " * 505 + b"maybe"),
)


class Levels:
    """Every level a pin was driven to."""

    def __init__(self):
        self.seen = []
        wire = sim.pin(PIN)
        moved = wire.moved

        def note(before):
            self.seen.append(wire.out)
            moved(before)

        wire.moved = note


def test_a_switch_starts_at_its_safe_level_and_touches_no_other():
    for invert in (False, True):
        for safe in (0, 100):
            levels = Levels()
            output = make("switch", invert=invert, safe=safe)
            assert set(levels.seen) == {int(bool(safe)) ^ invert}, (invert, safe, levels.seen)
            assert output.state() == (b'{"state":"ON"}' if safe else b'{"state":"OFF"}')


def test_a_pwm_starts_at_its_safe_level():
    for kind in ("light", "number"):
        for invert in (False, True):
            for safe in (0, 100):
                make(kind, invert=invert, safe=safe)
                assert duty() == (65535 if bool(safe) ^ invert else 0), (kind, invert, safe)


def test_an_inverted_light_never_flashes_at_boot():
    first = []
    board = Board()
    pwm = board.pwm

    def spy(pin, freq, value):
        first.append((freq, value))
        return pwm(pin, freq, value)

    board.pwm = spy
    outputs.load(setting("light", invert=True, freq=200), board)
    outputs.load(setting("light"), board)
    assert first == [(200, 65535), (1000, 0)]


def test_a_switch_does_what_it_is_told():
    for invert in (False, True):
        output = make("switch", invert=invert)
        for payload, on in (
            (b"ON", 1),
            (b"ON", 1),
            (b"TOGGLE", 0),
            (b"toggle\n", 1),
            (b" off ", 0),
            (bytearray(b"ON"), 1),
            (bytearray(b" " * 505 + b"OFF"), 0),
            # as Node-RED, ioBroker, a shell and Home Assistant's own payloads have it
            (b"true", 1),
            (b"False", 0),
            (b"1", 1),
            (b"0", 0),
            (b'"ON"', 1),
            (b'{"state":"OFF"}', 0),
            (b'{"state":"on"}', 1),
            (b'{"state":false}', 0),
            (b' {"state": 1, "transition": 2}', 1),
            (b'{"state":"toggle"}', 0),
        ):
            output.changed = False
            output.command(payload)
            assert level() == on ^ invert
            assert output.state() == b'{"state":"%s"}' % (b"ON" if on else b"OFF")
            assert output.changed
        for payload in ODD + (
            b"2",
            b"yes",
            b'{"state":2}',
            b"{}",
            b'{"value":1}',
        ):
            assert refused(output, payload) == "send ON, OFF or TOGGLE"


def test_a_light_shines_as_the_eye_sees():
    """Half the brightness is a quarter of the power; 1 is not dark, 255 is all there is."""
    for invert in (False, True):
        output = make("light", invert=invert)
        for brightness, power in ((255, 65535), (128, 16512), (1, 1), (2, 4)):
            output.command(b'{"state":"ON","brightness":%d}' % brightness)
            assert duty() == (65535 - power if invert else power)
            assert json.loads(output.state()) == {
                "state": "ON",
                "brightness": brightness,
                "color_mode": "brightness",
            }


def test_a_light_remembers_how_bright_it_was():
    output = make("light")
    output.command(b"ON")
    assert duty() == 65535, "at first all"
    told = []
    for payload in (
        b'{"brightness": 51}',  # on, and so bright
        b'{"state":"OFF"}',
        b"ON",
        b'{"state":"TOGGLE"}',
        b'{"state":"OFF","brightness":102}',
        b"TOGGLE",
        b"false",
        b'{"state":1}',
        b'{"state":"ON","brightness":0}',  # off
        b'{"state":"ON","brightness":null,"transition":2}',
    ):
        output.command(payload)
        state = json.loads(output.state())
        told.append((state["state"], state["brightness"]))
        lit = state["brightness"] if state["state"] == "ON" else 0
        assert duty() == lit * lit * 65535 // 65025
    assert told == [
        ("ON", 51),
        ("OFF", 51),
        ("ON", 51),
        ("OFF", 51),
        ("OFF", 102),
        ("ON", 102),
        ("OFF", 102),
        ("ON", 102),
        ("OFF", 102),
        ("ON", 102),
    ]


def test_a_light_refuses_the_rest():
    output = make("light")
    output.command(b'{"brightness":7}')
    for payload in ODD + (
        b"{}",
        b'{"transition":2}',
        b'{"brightness":256}',
        b'{"brightness":-1}',
        b'{"brightness":12.5}',
        b'{"brightness":"12"}',
        b'{"brightness":true}',
        b'{"brightness":[1]}',
        b'{"brightness":[1],"state":"ON"}',
        b'{"brightness":1e999}',
        b'{"brightness":1%s}' % (b"0" * 400),
        b'{"state":"BLINK","brightness":9}',
        b'{"state":null}',
        b'{[1]:2,"state":"ON"}',
        b'{"state":"\xff"}',
        b"128",
    ):
        refused(output, payload)
    for payload in (b"ONE", b"{}"):
        assert "ON, OFF, TOGGLE" in refused(output, payload)


def test_a_light_at_its_safe_brightness():
    for safe, brightness in ((1, 2), (50, 127), (99, 252), (100, 255)):
        output = make("light", safe=safe)
        assert json.loads(output.state())["brightness"] == brightness
        assert duty() == brightness * brightness * 65535 // 65025 > 0


def test_a_number_is_a_share_of_the_time():
    for invert in (False, True):
        output = make("number", invert=invert)
        for payload, value in (
            (b"0", 0),
            (b"1", 1),
            (b"42", 42),
            (b"42.0", 42),
            (b"42.4", 42),
            (b"42.5", 43),
            (b" 99.6\n", 100),
            (b"1e2", 100),
            (b"-0", 0),
            (bytearray(b"0" * 505 + b"7"), 7),
            (b'{"value":42}', 42),
            (b'{"value":"42.5"}', 43),
        ):
            output.command(payload)
            assert output.state() == b'{"value":%d}' % value
            power = value * 65535 // 100
            assert duty() == (65535 - power if invert else power)


def test_a_number_refuses_what_is_none_and_what_is_beyond():
    """Not clamped: 255 is another scale's full, and a valve does not open all the way by a guess."""
    output = make("number", safe=30)
    for payload in ODD + (
        b"-0.1",
        b"100.1",
        b"255",
        b"inf",
        b"-inf",
        b"1e999",
        b"9" * 500,
        b"ON",
        b"42 %",
        b"4,2",
        b"true",
        b'{"value":101}',
        b'{"value":true}',
        b'{"value":1%s}' % (b"0" * 400),
        b"{}",
    ):
        assert refused(output, payload) == "send a number from 0 to 100"


def test_a_button_switches_each_kind():
    for kind, first, second in (
        ("switch", b'{"state":"ON"}', b'{"state":"OFF"}'),
        ("number", b'{"value":100}', b'{"value":0}'),
    ):
        output = make(kind)
        output.press()
        assert output.state() == first
        output.press()
        assert output.state() == second
    light = make("light")
    light.command(b'{"state":"OFF","brightness":102}')
    light.press()
    assert json.loads(light.state())["brightness"] == 102 and duty() > 0
    light.press()
    assert duty() == 0


# Who controls it.


def ticks(seconds):
    """A time near the end of the ticks, so that it wraps on the way."""
    return (0x3FFFFFFF - 5000 + int(seconds * 1000)) & 0x3FFFFFFF


def test_without_control_it_becomes_safe_once():
    output = make("switch", loss_s=10)
    output.step(ticks(0), True)
    output.command(b"ON")
    output.step(ticks(1), False)
    output.step(ticks(10.9), False)
    assert level() == 1
    output.changed = False
    output.step(ticks(11), False)
    assert level() == 0 and output.changed
    output.press()  # somebody is there, and wants it on
    for s in range(12, 400, 9):
        output.step(ticks(s), False)
        assert level() == 1
    # the next loss counts anew
    output.step(ticks(400), True)
    output.step(ticks(401), False)
    output.step(ticks(411), False)
    assert level() == 0


def test_a_press_while_the_broker_is_away_is_control():
    output = make("switch", loss_s=10, safe=100)
    output.step(ticks(0), True)
    output.step(ticks(1), False)
    output.press()
    for s in range(2, 60):
        output.step(ticks(s), False)
        assert level() == 0, "not taken from the hand that switched it"


def test_a_press_while_the_broker_is_there_does_not_outlive_it():
    output = make("switch", loss_s=10)
    output.step(ticks(0), True)
    output.press()
    output.step(ticks(1), False)
    output.step(ticks(11), False)
    assert level() == 0


def test_a_broker_that_comes_back_in_time():
    output = make("switch", loss_s=10)
    output.command(b"ON")
    for s in range(0, 60, 5):
        output.step(ticks(s), s % 10 == 0)
    assert level() == 1


def test_loss_s_0_is_never():
    output = make("switch", loss_s=0)
    output.command(b"ON")
    for s in range(0, 200000, 40000):
        output.step(ticks(s), False)
    assert level() == 1


# The panel: all outputs of a node.


class Uplink:
    connected = True

    def __init__(self):
        self.told = []

    def introduce(self, topic, payload):
        self.told.append((topic.decode(), payload))


class Log:
    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(text)


class Rig:
    """A node's panel of three, whose names begin alike."""

    def __init__(self):
        board = Board()
        settings = (
            setting("switch", name="lamp", pin=PIN, button="door"),
            setting("number", name="lamp2", pin=2),
            setting("switch", name="Lämpchen", pin=4, button="door"),
        )
        self.log = Log()
        self.uplink = Uplink()
        self.outputs = [outputs.load(each, board) for each in settings]
        self.panel = outputs.Panel(self.outputs, TOPICS, self.log)

    def step(self):
        self.uplink.told.clear()
        self.panel.step(0, self.uplink)
        return self.uplink.told


def test_all_are_told_at_each_connection_and_then_what_changed():
    rig = Rig()
    everything = [
        ("outpost/Küche/output/lamp", b'{"state":"OFF"}'),
        ("outpost/Küche/output/lamp2", b'{"value":0}'),
        ("outpost/Küche/output/Lämpchen", b'{"state":"OFF"}'),
    ]
    rig.uplink.connected = False
    assert rig.step() == []
    rig.uplink.connected = True
    assert rig.step() == everything
    assert rig.step() == []
    rig.panel.set("outpost/Küche/output/lamp2/set", b"7")
    assert rig.step() == [("outpost/Küche/output/lamp2", b'{"value":7}')]
    rig.panel.introduce()
    assert len(rig.step()) == 3


def test_a_command_reaches_the_output_it_names():
    rig = Rig()
    rig.step()
    rig.panel.set("outpost/Küche/output/Lämpchen/set", b"ON")
    assert rig.step() == [("outpost/Küche/output/Lämpchen", b'{"state":"ON"}')]
    assert level() == 0 and sim.pin(4).out == 1
    for name in ("output/lam", "output/lamp22", "output/", "lamp"):
        rig.panel.set("outpost/Küche/" + name + "/set", b"ON")
    assert rig.step() == []
    assert (
        len(rig.log.lines) == 4
        and rig.log.lines[0] == "outputs: there is no outpost/Küche/output/lam/set"
    )


def test_who_is_not_understood_sees_what_it_is():
    rig = Rig()
    rig.step()
    for payload in ODD + (b"{",):
        rig.panel.set("outpost/Küche/output/lamp/set", payload)
        assert rig.step() == [("outpost/Küche/output/lamp", b'{"state":"OFF"}')], payload
    assert rig.log.lines[-1] == "outputs: lamp: not understood, send ON, OFF or TOGGLE"
    assert len(rig.log.lines) == len(ODD) + 1


def test_a_payload_there_is_no_memory_for_ends_nothing():
    class Json:
        def loads(self, data):
            raise MemoryError("no room")

    outputs.json = Json()
    log = Log()
    panel = outputs.Panel([make("light")], TOPICS, log)
    panel.set("outpost/Küche/output/lamp/set", b'{"state":"ON"}')
    assert log.lines == ["outputs: lamp: not understood, no room"]


def test_what_changed_while_the_broker_was_away_is_told_later():
    rig = Rig()
    rig.step()
    rig.uplink.connected = False
    rig.panel.pressed("door", False)
    rig.panel.pressed("door", True)
    assert rig.step() == []
    rig.uplink.connected = True
    assert rig.step() == [
        ("outpost/Küche/output/lamp", b'{"state":"ON"}'),
        ("outpost/Küche/output/Lämpchen", b'{"state":"ON"}'),
    ]


def test_a_button_switches_when_it_goes_down():
    rig = Rig()
    seen = []
    for name, pressed in (
        ("door", True),  # it was held, or stuck, at power-on: nobody pressed it
        ("door", True),
        ("door", False),
        ("door", False),
        ("other", False),
        ("other", True),
        ("door", True),
        ("door", True),  # a regular reading
        ("door", False),
        ("door", True),
    ):
        rig.panel.pressed(name, pressed)
        seen.append(level())
    assert seen == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0]


# The check says beforehand what the boards' PWM cannot do: at the start it would be an exception, or one output driving two pins.


def dimmed(model, *wanted):
    """Return the faults of lights at these pins with these frequencies."""
    raw = {
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": "192.0.2.1"}]},
        "outputs": [
            {"name": "l%d" % i, "type": "light", "pin": pin, "freq": freq}
            for i, (pin, freq) in enumerate(wanted)
        ],
    }
    raw["outputs"].append({"name": "s", "type": "switch", "pin": 21, "freq": 10})
    return config.check(raw, {}, model)[1]


def test_a_pico_has_one_pwm_for_two_pins():
    assert dimmed("pico_w", (0, 100), (1, 100), (2, 200), (19, 200)) == []
    twin = "outputs[1].pin: GP16 has the PWM of outputs[0], give another pin, not 16 from it"
    assert dimmed("pico_w", (0, 100), (16, 100)) == [twin]
    pair = "differs from that of outputs[0], whose pin has the same PWM, give both the same"
    for pins in ((0, 1), (1, 0), (3, 18)):
        assert dimmed("pico2_w", (pins[0], 100), (pins[1], 200)) == ["outputs[1].freq: " + pair]


def test_an_esp32_has_so_many_pwms():
    assert dimmed("esp32", (0, 100), (16, 100), (17, 200)) == []
    pins = (0, 1, 2, 3, 4, 5, 6)
    full = ["outputs[6]: this board has no PWM left, leave it out, or make it a switch"]
    assert dimmed("esp32c6", *[(pin, 100) for pin in pins[:6]]) == []
    assert dimmed("esp32c6", *[(pin, 100) for pin in pins]) == full
    many = ["outputs[4].freq: is one too many for this board, give one of the others'"]
    assert dimmed("esp32s3", *[(pin, 100 + pin) for pin in pins[:4]]) == []
    assert dimmed("esp32s3", *[(pin, 100 + pin) for pin in pins[:5]]) == many
    assert dimmed(None, *[(pin, 100 + pin) for pin in pins]) == []
