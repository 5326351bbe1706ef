"""What a node tells Home Assistant about itself, made anew each time, in small pieces. Also under CPython.

`Config` knows the node's entities; `Device` and `Entity` are messages: iterables of bytes for a Stream, since the whole of
15 KB would not find room in a board's memory. Keys of the payload are Home Assistant's abbreviations: docs/home-assistant.md.
"""

import json
from binascii import hexlify
from hashlib import sha256

from firmware import VERSION
from firmware.identity import unique

_SLACK_S = 30  # a connection is lost and found again within it
_SAFE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
_COUNTED = ("count", "total")  # only grow, and begin anew

# Quantities whose title is not their name.
_WORDS = (
    ("co2", "CO2"),
    ("pm1", "PM1"),
    ("pm10", "PM10"),
    ("pm25", "PM2.5"),
    ("uv_index", "UV index"),
)

# From `health`: member, name, unit, device class, shown at once (else the user has to enable it: it changes all the time).
_HEALTH = (
    ("rssi", "Signal strength", "dBm", "signal_strength", True),
    ("uptime_s", "Uptime", "s", "duration", False),
    ("heap_free", "Free memory", "B", "data_size", False),
    ("outbox", "Readings waiting", None, None, True),
    ("sensors_failing", "Failing sensors", None, None, True),
)
# Texts: topic, member, name, what is shown when the member is not there.
_TEXTS = (
    ("health", "failing", "Failures", "'-'"),
    ("info", "reset_cause", "Reset cause", "none"),
    ("info", "ip", "IP address", "none"),
)
_BUTTONS = (("restart", "Restart", "config"), ("identify", "Identify", "diagnostic"))

# Home Assistant assumes features that are not denied, and would use them on a light that lacks them.
_LIGHT = (
    '"schema":"json","brightness":true,"sup_clrm":["brightness"],"flash":false,"transition":false'
)
_SWITCH = '"val_tpl":"{{ value_json.state | default(none) }}"'
_NUMBER = (
    '"val_tpl":"{{ value_json.value | default(none) }}",'
    '"min":0,"max":100,"step":1,"mode":"slider","unit_of_meas":"%"'
)
# Kind of an output, which is the platform, too: what else there is to say of it.
_OUTPUTS = {"switch": _SWITCH, "light": _LIGHT, "number": _NUMBER}


def safe(name):
    """Return a name of [a-zA-Z0-9_-] only. Two names never become the same: a hash stands for what was replaced."""
    text = "".join([c if c in _SAFE else "_" for c in name])
    if text != name:
        text += "_" + hexlify(sha256(name.encode()).digest()[:4]).decode()
    return text


def title(name, device, quantity=""):
    """Return what an entity is called, such as `Outside temperature`; empty: as its device.

    Home Assistant puts the device's name before it, so it does not begin with that.
    """
    words = name.replace("_", " ")
    device = device.replace("_", " ")
    if (words + " ").lower().startswith(device.lower() + " "):
        words = words[len(device) + 1 :]
    plain = what = quantity.replace("_", " ")
    for key, value in _WORDS:
        if key == quantity:
            what = value
    if plain and (" " + words).lower().endswith(" " + plain):
        words = words[: -len(plain)].rstrip()
    text = (words + " " + what).strip()
    return text[:1].upper() + text[1:]


def expire_s(period_ms):
    """Return after how many seconds without a message a value expires: two messages may be late, not three."""
    return period_ms * 5 // 2000 + _SLACK_S


def _text(topic):
    return json.dumps(topic.decode())


class Config:
    def __init__(self, node):
        """node: as in firmware/app.py: name, topics, channels, panel (None, or with outputs), control.led, board, health_ms."""
        self.node = node
        self.id = safe(unique(node.topics))
        self.old_ms = node.delivery.live_ms + _SLACK_S * 1000
        board = node.board
        try:
            mac = '"cns":[["mac","%s"]],' % board.radio.mac()
        except OSError:
            mac = ""
        # `online` and `offline` are mapped by default.
        # Only keys that every version takes stand in `dev`: one that it does not know makes it refuse the whole message.
        self.head = (
            '"dev":{"ids":["%s"],%s"name":%s,"mf":"Outpost","mdl":%s,"hw":%s,"sw":"%s (MicroPython %s)"},'
            '"o":{"name":"Outpost","sw":"%s"},"avty_t":%s'
            % (
                self.id,
                mac,
                json.dumps(node.name),
                json.dumps(board.hardware),
                json.dumps(board.model),
                VERSION,
                board.micropython,
                VERSION,
                _text(node.topics.status),
            )
        ).encode()

    def entities(self):
        """Yield (platform, key, members): the JSON members but the platform.

        A key is `<channel>-<quantity>`, `<output>-<platform>` or one word: as no quantity has a -, it says what it is of.
        """
        node = self.node
        for channel in node.channels:
            key = safe(channel.name)
            for field in channel.fields:
                yield self._reading(channel, key + "-" + field[0], field)
        for output in node.panel.outputs if node.panel else ():
            yield self._output(output)
        for row in _HEALTH:
            yield self._health(*row)
        for document, member, name, other in _TEXTS:
            head = self._state(member, name, node.topics.own(document), other)
            yield "sensor", member, head + ',"ent_cat":"diagnostic"'
        for command, name, category in _BUTTONS:
            if command != "identify" or node.control.led is not None:
                head = self._common(command, name) + ',"dev_cla":"%s","ent_cat":"%s","cmd_t":%s'
                yield (
                    "button",
                    command,
                    head % (command, category, _text(node.topics.commands(command)[0])),
                )

    def _common(self, key, name):
        return '"uniq_id":"%s.%s","name":%s,"qos":1' % (self.id, key, json.dumps(name or None))

    def _state(self, key, name, topic, other="none", member=None, old_ms=0):
        # A failure is published without its quantities: `default` makes that unknown, and no error in the user's log.
        template = "{{ value_json.%s | default(%s) }}" % (member or key, other)
        if old_ms:
            # What was in flight when the link died comes again as it was. The template ignores an old one, and
            # the state stays; without `ts` nobody knows.
            template = (
                "{%% if now().timestamp()*1000-value_json.ts|default(9e15)<%d %%}%s{%% endif %%}"
                % (old_ms, template)
            )
        return self._common(key, name) + ',"stat_t":%s,"val_tpl":"%s"' % (_text(topic), template)

    def _reading(self, channel, key, field):
        quantity, unit, device_class, decimals = field
        node = self.node
        name = title(channel.name, node.name, quantity)
        # The broker sends a retained reading again when Home Assistant starts, and it counts as new, however old it is: who
        # has it retained wants that.
        old_ms = 0 if channel.retain else self.old_ms
        topic = node.topics.channel(channel.name)[0]
        text = self._state(key, name, topic, member=quantity, old_ms=old_ms)
        if not channel.retain:
            period_ms = channel.interval_ms
            if channel.change:
                period_ms = max(period_ms, channel.change.heartbeat_ms)
            text += ',"exp_aft":%d' % expire_s(period_ms)
        if device_class:
            text += ',"dev_cla":"%s"' % device_class
        if unit == "":
            # as the template prints true and false
            return "binary_sensor", key, text + ',"pl_on":"True","pl_off":"False"'
        kind = "total_increasing" if quantity in _COUNTED else "measurement"
        return "sensor", key, text + _number(unit, kind) + ',"sug_dsp_prc":%d' % decimals

    def _health(self, member, name, unit, device_class, shown):
        node = self.node
        text = self._state(member, name, node.topics.own("health")) + _number(unit, "measurement")
        if device_class:
            text += ',"dev_cla":"%s"' % device_class
        if not shown:
            text += ',"en":false'
        text += ',"exp_aft":%d,"ent_cat":"diagnostic"' % expire_s(node.health_ms)
        return "sensor", member, text

    def _output(self, output):
        node = self.node
        state, command = node.topics.output(output.name)
        key = safe(output.name) + "-" + output.kind
        text = self._common(key, title(output.name, node.name))
        text += ',"stat_t":%s,"cmd_t":%s,' % (_text(state), _text(command))
        return output.kind, key, text + _OUTPUTS[output.kind]


def _number(unit, kind):
    text = ',"stat_cla":"%s"' % kind
    if unit:
        text += ',"unit_of_meas":' + json.dumps(unit)
    return text


class Device:
    """The message of a whole device. gone: {key: platform} of what was there, and is to be removed."""

    def __init__(self, config, gone=()):
        self.config = config
        self.gone = gone

    def __iter__(self):
        yield b"{" + self.config.head + b',"cmps":{'
        comma = ""
        for platform, key, members in self.config.entities():
            if key not in self.gone:  # otherwise in the next message: it had another platform
                yield ('%s"%s":{"p":"%s",%s}' % (comma, key, platform, members)).encode()
                comma = ","
        for key in self.gone:
            yield ('%s"%s":{"p":"%s"}' % (comma, key, self.gone[key])).encode()
            comma = ","
        yield b"}}"


class Entity:
    """The message of one entity."""

    def __init__(self, config, members):
        self.head = config.head
        self.members = members

    def __iter__(self):
        yield b"{" + self.head
        yield b"," + self.members.encode() + b"}"
