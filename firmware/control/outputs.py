"""Outputs: what a node switches or dims. Each starts in its safe state and returns to it when nobody can control it.

switch   a relay or LED, on or off          `ON`, `OFF`, `TOGGLE`, {"state":"ON"}          {"state":"ON"}
light    a LED dimmed by PWM                the same, {"state":"ON","brightness":128}      {"state":"ON","brightness":128,…}
number   a fan, a valve: 0 to 100 %         `42`, {"value":42}                             {"value":42}

`1` and `true` are ON, `0` and `false` OFF, in small letters or large. What comes by `output/<name>/set` and what goes out on
`output/<name>` are Home Assistant's payloads for the platforms of these names.
"""

import json
import time

from micropython import const

_FULL = const(65535)


def load(setting, board):
    """Return the Output of a checked setting; from now on its pin is driven."""
    kind = _KINDS[setting["type"]]
    if issubclass(kind, Switch):
        low = bool(setting["invert"])
        pin = board.output(setting["pin"], low ^ (setting["safe"] > 0))

        def drive(value):
            pin.value(bool(value) ^ low)
    else:
        pwm = board.pwm(setting["pin"], setting["freq"], _FULL if setting["invert"] else 0)

        def drive(value):
            pwm.duty_u16(_FULL - value if setting["invert"] else value)

    return kind(setting, drive)


class Panel:
    """The outputs of a node: what the node publishes of them, and who presses which button."""

    def __init__(self, outputs, topics, log):
        self.outputs = outputs
        self.topics = topics
        self.log = log
        self._pressed = {}  # button: is it pressed?

    def introduce(self):
        """A connection came up, or somebody asks: say what they are."""
        for output in self.outputs:
            output.changed = True

    def step(self, now, uplink):
        for output in self.outputs:
            output.step(now, uplink.connected)
            if output.changed and uplink.connected:
                output.changed = False
                uplink.introduce(self.topics.output(output.name)[0], output.state())

    def pressed(self, name, pressed):
        """A button was read: when it goes down, it switches what it is for."""
        before = self._pressed.get(name)
        self._pressed[name] = pressed
        if pressed and before is False:
            for output in self.outputs:
                if output.button == name:
                    output.press()

    def set(self, topic, data):
        """A message came to `output/<name>/set`."""
        for output in self.outputs:
            if self.topics.output(output.name)[1] == topic.encode():
                try:
                    output.command(data)
                except (ValueError, MemoryError) as e:
                    output.changed = True  # who sent it sees what it is
                    self.log.warning("outputs: %s: not understood, %s" % (output.name, e))
                return
        self.log.warning("outputs: there is no %s" % topic)


class Output:
    def __init__(self, setting, drive):
        """drive: called with 0 to 65535, for a switch 0 is off."""
        self.name = setting["name"]
        self.kind = setting["type"]
        self.button = setting["button"]
        self.changed = True  # since it was last told
        self._safe = setting["safe"]
        self._loss_ms = setting["loss_s"] * 1000
        self._lost_at = None  # ticks
        self._drive = drive
        self.set_percent(self._safe)

    def step(self, now, controlled):
        """controlled: is there a broker by which a command could come?"""
        if controlled or not self._loss_ms:
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = time.ticks_add(now, self._loss_ms)
        elif self._lost_at is not False and time.ticks_diff(now, self._lost_at) >= 0:
            self._lost_at = False  # once: a button may still switch it
            self.set_percent(self._safe)

    def press(self):
        """Somebody pressed its button: it is under control, broker or not."""
        if self._lost_at is not None:
            self._lost_at = False
        self.toggle()

    def _apply(self, value):
        self.changed = True
        self._drive(value)


class Switch(Output):
    def set_percent(self, percent):
        self.on = percent > 0
        self._apply(_FULL if self.on else 0)

    def toggle(self):
        self.set_percent(not self.on)

    def command(self, payload):
        """Do what a payload of `set` says. ValueError: what would be right."""
        word = _word(_wanted(payload).get("state"))
        if word is None:
            raise ValueError("send ON, OFF or TOGGLE")
        self.set_percent(not self.on if word == "TOGGLE" else word == "ON")

    def state(self):
        return _STATE % (b"ON" if self.on else b"OFF")


class Light(Output):
    brightness = 255

    def set_percent(self, percent):
        self.on = percent > 0
        if self.on:
            self.brightness = max(1, 255 * percent // 100)
        self._shine()

    def _shine(self):
        # The eye sees the root of the power.
        self._apply(self.brightness * self.brightness * _FULL // 65025 if self.on else 0)

    def toggle(self):
        self.on = not self.on
        self._shine()

    def command(self, payload):
        """Do what a payload of `set` says. ValueError: what would be right."""
        wanted = _wanted(payload)
        brightness = wanted.get("brightness")
        word = _word(wanted.get("state", None if brightness is None else "ON"))
        if word is None or not (
            brightness is None or (type(brightness) is int and 0 <= brightness <= 255)
        ):
            raise ValueError('send ON, OFF, TOGGLE or {"state":"ON","brightness":128}, of 255')
        self.on = not self.on if word == "TOGGLE" else word == "ON" and brightness != 0
        if brightness:
            self.brightness = brightness
        self._shine()

    def state(self):
        state = b'{"state":"%s","brightness":%d,"color_mode":"brightness"}'
        return state % (b"ON" if self.on else b"OFF", self.brightness)


class Number(Output):
    def set_percent(self, percent):
        self.value = percent
        self._apply(percent * _FULL // 100)

    def toggle(self):
        self.set_percent(0 if self.value else 100)

    def command(self, payload):
        """Do what a payload of `set` says. ValueError: what would be right."""
        wanted = _wanted(payload)
        value = wanted.get("value", wanted.get("state"))
        try:
            value = float(value) if type(value) in (str, int, float) else -1
        except (ValueError, OverflowError):
            value = -1
        if not 0 <= value <= 100:  # nor is NaN
            raise ValueError("send a number from 0 to 100")
        self.set_percent(int(value + 0.5))

    def state(self):
        return b'{"value":%d}' % self.value


_KINDS = {"switch": Switch, "light": Light, "number": Number}
_STATE = b'{"state":"%s"}'
# What tools send for each.
_WORDS = {
    "ON": "ON",
    "TRUE": "ON",
    "1": "ON",
    "OFF": "OFF",
    "FALSE": "OFF",
    "0": "OFF",
    "TOGGLE": "TOGGLE",
}


def _wanted(payload):
    """Return the JSON object of a payload, {} if it is none; a plain word or number is its `state`."""
    try:
        text = payload.decode().strip()
        return json.loads(text) if text[:1] == "{" else {"state": text}
    except ValueError:  # nor UTF-8
        return {}


def _word(state):
    """Return ON, OFF or TOGGLE, or None."""
    return _WORDS.get(str(state).strip('" ').upper()) if type(state) in (str, int, bool) else None
