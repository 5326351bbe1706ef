"""config.json: checked whole, every fault at once, before anything uses it.

A fault is one line, `path: what is wrong, what would be right`. No value of a secret, and no free
text of the file, is ever part of one. Runs under MicroPython and CPython alike; a node calls
`drop()` once it has its settings.
"""

import json
import os
import sys

from firmware import kinds
from firmware.settings import SETTINGS
from firmware.wiring import Wiring

_LONGEST = 16384  # bytes of a config.json: text and parsed settings are in memory together
_MOST_FAULTS = 40
_PICO_WATCHDOG_S = 8  # its counter ends at 8.388 s


def check(raw, types, model):
    """Return (settings, faults): settings with every default filled in, None if there are faults.

    raw: parsed JSON; types: sensor type → (driver, bus, rows of settings, quantities); model: the
    board as in PINS, None (or a board not there) to leave out what depends on it.
    """
    checker = _Checker(types, model)
    settings = checker.object("", raw, SETTINGS)
    if settings:
        checker.together(settings)
    faults = checker.faults
    if len(faults) > _MOST_FAULTS:
        faults[_MOST_FAULTS:] = [
            "config: %d more, mend these first" % (len(faults) - _MOST_FAULTS)
        ]
    return (None if faults else settings), faults


class _Checker:
    def __init__(self, types, model):
        self.types = types
        self.model = model
        self.faults = []
        self.wiring = Wiring(model, self.fault)

    def fault(self, path, wrong, right):
        self.faults.append("%s: %s, %s" % (path, wrong, right))

    def object(self, path, value, rows):
        """Return value with defaults; a setting at fault is None in it."""
        if type(value) is not dict:
            self.fault(
                path or "config",
                kinds.wrong("object", value, None),
                "give " + kinds.right("object", None),
            )
            return None
        inside = path + "." if path else ""
        result = {}
        for row in rows:
            key, kind, default, limit, _ = row
            if key in value:
                result[key] = self.value(inside + key, value[key], row)
            elif default is None:
                result[key] = None
            elif kind == "object":
                result[key] = self.object(inside + key, {}, limit)
            elif default is ...:
                self.fault(inside + key, "missing", "give " + kinds.right(kind, limit))
                result[key] = None
            else:
                result[key] = [] if default == () else default
        for key in sorted(value):
            if key not in result:
                near = kinds.nearest(key, result)
                known = ", ".join([row[0] for row in rows])
                self.fault(
                    inside + key,
                    "unknown",
                    "did you mean %s?" % near if near else "known here: " + known,
                )
        return result

    def value(self, path, value, row):
        _, kind, default, limit, _ = row
        if value is None and default is None:
            return None
        if kind == "object":
            return self.object(path, value, limit)
        wrong = kinds.wrong(kind, value, limit, default)
        if wrong:
            self.fault(path, wrong, "give " + kinds.right(kind, limit, default))
            return None
        if kind == "pin" and not self.wiring.pin(path, value, limit):
            return None
        if kind == "sensors":
            return [
                self.sensor("%s[%d]" % (path, i), value[i], limit[2]) for i in range(len(value))
            ]
        if kind == "list":
            return [
                self.object("%s[%d]" % (path, i), value[i], limit[2]) for i in range(len(value))
            ]
        return value

    def sensor(self, path, value, rows):
        kind = value.get("type") if type(value) is dict else None
        if type(kind) is str and kind in self.types:
            own = self.types[kind][2]
            replaced = [row[0] for row in own]
            rows = [row for row in rows if row[0] not in replaced] + list(own)
            rows = [self.deadbands(row, kind) if row[1] == "deadbands" else row for row in rows]
            settings = self.object(path, value, rows)
            if settings["deadband"] and settings["delivery"] in ("all", "latest"):
                self.fault(path + ".deadband", "has no effect", 'give "delivery": "change", too')
            self.wiring.sensor(path, settings, rows)
            return settings
        # Of an unknown type only the type can be said to be wrong.
        known = sorted(self.types)
        if type(kind) is str:
            near = kinds.nearest(kind, known)
            self.fault(
                path + ".type",
                "unknown",
                "did you mean %s?" % near if near else "known: " + ", ".join(known),
            )
        elif type(value) is not dict:
            self.object(path, value, ())
        else:
            self.fault(
                path + ".type",
                "is not text" if kind else "missing",
                "give one of " + ", ".join(known),
            )
        return None

    def deadbands(self, row, kind):
        """Return the row with the quantities of a type of sensor in it."""
        quantities = self.types[kind][3]
        if isinstance(quantities[-1], dict):
            quantities = sum(quantities[-1].values(), ())
        rows = [(name, "number", 0, (0, 1000000), "") for name in sorted(set(quantities))]
        return (row[0], "object", None, rows, row[4])

    def together(self, settings):
        """Check what only shows when several settings are seen at once."""
        wifi, mqtt = settings["wifi"] or {}, settings["mqtt"] or {}
        for i, network in enumerate(wifi.get("networks") or ()):
            if network:
                self.network("wifi.networks[%d]" % i, network)
        for i, broker in enumerate(mqtt.get("brokers") or ()):
            if broker:
                self.broker("mqtt.brokers[%d]" % i, broker)
        names = {}
        for i, sensor in enumerate(settings["sensors"] or ()):
            if sensor and sensor["name"]:
                place = "sensors[%d].name" % i
                if names.setdefault(sensor["name"], place) != place:
                    self.fault(
                        place, "is that of %s too" % names[sensor["name"]], "give each its own"
                    )
                if sensor["qos"] is None and settings["publish"]:
                    sensor["qos"] = settings["publish"]["qos"]
        timeout_s = (settings["watchdog"] or {}).get("timeout_s")
        if timeout_s and timeout_s > _PICO_WATCHDOG_S and (self.model or "").startswith("pico"):
            self.fault(
                "watchdog.timeout_s", "%d is out of range" % timeout_s, "a Pico takes 8 at most"
            )

    def network(self, path, network):
        password = network["password"]
        # IEEE 802.11, annex J.4: 8 to 63 characters of ASCII, or the key itself as 64 hexadecimal digits
        if password and not (8 <= len(password) <= 63 or kinds.is_hex(password, 64)):
            self.fault(path + ".password", "is too short or too long", "give 8 to 63 characters")
        static = network["static"]
        if static and None not in static.values():
            address, mask, gateway = [
                kinds.address(static[key]) for key in ("address", "netmask", "gateway")
            ]
            if (address ^ gateway) & mask:
                right = "give the address of a router within address and netmask"
                self.fault(path + ".static.gateway", "cannot be reached from address", right)

    def broker(self, path, broker):
        if broker["password"] and broker["user"] == "":  # [MQTT-3.1.2-22]
            self.fault(path + ".user", "is empty beside a password", "give both")
        tls = broker["tls"]
        if tls and "" in (tls["cert"], tls["key"]) and (tls["cert"] or tls["key"]):
            self.fault(path + ".tls", "has one of cert and key", "give both or none")
        if broker["port"] == 0:
            broker["port"] = 8883 if tls else 1883


def parse(text):
    """Return parsed JSON. ValueError: "line L, column C: what is wrong"."""
    import jsonfault

    text = text.lstrip("\ufeff")  # some editors begin a file with a byte order mark
    fault = jsonfault.fault(text)
    del sys.modules["jsonfault"]  # 5 KB on a node, which does not need it again
    if fault:
        raise ValueError(fault)
    return json.loads(text)


def load(path, last_good, types, model):
    """Return (settings, source, faults): the settings of path, else of last_good, else None.

    source is the path they came from, faults are those of path.
    """
    settings, faults = _read(path, types, model)
    if settings:
        return settings, path, faults
    settings, _ = _read(last_good, types, model)
    return settings, last_good if settings else None, faults


def _read(path, types, model):
    try:
        if os.stat(path)[6] > _LONGEST:
            return None, ["%s: longer than %d bytes, leave something out" % (path, _LONGEST)]
        with open(path, "rb") as f:
            data = f.read()
        return check(parse(data.decode()), types, model)
    except OSError:
        return None, ["%s: cannot be read, copy config.json.example and edit it" % path]
    except UnicodeError:
        return None, ["%s: not UTF-8 text, save it as UTF-8" % path]
    except ValueError as e:
        return None, ["%s: %s" % (path, e)]


def keep(settings, last_good):
    """Write settings (checked ones, or the raw ones they came from) to last_good if it holds others.

    OSError: the flash is full or failed; last_good is then as it was.
    """
    try:
        with open(last_good) as f:
            if json.load(f) == settings:
                return
    except (OSError, ValueError):
        pass
    folder = last_good.rpartition("/")[0]
    if folder:
        try:
            os.mkdir(folder)
        except OSError:
            pass  # there already; if not, open() says why
    beside = last_good + ".tmp"
    try:
        with open(beside, "w") as f:
            json.dump(settings, f)
        # Replaces last_good in one step: after a power cut it is wholly the old one or wholly the new.
        os.rename(beside, last_good)
    except OSError:
        try:
            os.remove(beside)
        except OSError:
            pass
        raise


def redact(settings):
    """Return a copy that can be shown: every secret is "***"."""
    return _redact(settings, _secrets(SETTINGS, set()))


def _secrets(rows, found):
    for key, kind, _, limit, _ in rows:
        if kind == "secret":
            found.add(key)
        elif kind == "object":
            _secrets(limit, found)
        elif kind in ("list", "sensors"):
            _secrets(limit[2], found)
    return found


def _redact(value, secrets):
    if type(value) is dict:
        return {k: "***" if k in secrets and v else _redact(v, secrets) for k, v in value.items()}
    if type(value) is list:
        return [_redact(item, secrets) for item in value]
    return value


def drop():
    """Forget this module and its tables, about 27 KB, to be loaded anew if they are ever needed."""
    import firmware

    for name in ("config", "settings", "kinds", "wiring", "pins"):
        sys.modules.pop("firmware." + name, None)
        if hasattr(firmware, name):
            delattr(firmware, name)
