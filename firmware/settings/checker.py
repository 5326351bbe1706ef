"""Checks a config: each setting by its row, then what only shows when several are seen together."""

from firmware.settings import kinds
from firmware.settings.wiring import Wiring

_PICO_WATCHDOG_S = 8  # its counter ends at 8.388 s
_PICO_OUTBOX = 524288  # bytes: of its file system of 848 KB an image takes 252, and state and other files some more


class Checker:
    def __init__(self, types, model):
        self.types = types
        self.model = model
        self.faults = []
        self.wiring = Wiring(model, self.fault)
        self.listed = None  # path of the sensor whose fault lists the types

    def fault(self, path, wrong, right):
        self.faults.append("%s: %s, %s" % (path, wrong, right))

    def object(self, path, value, rows):
        """Return value with defaults; a faulty setting is None in it."""
        if type(value) is not dict:
            self.fault(
                path or "config",
                kinds.wrong("object", value, None),
                "give " + kinds.accepted("object", None),
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
                self.fault(inside + key, "missing", "give " + kinds.accepted(kind, limit))
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
            if type(value) is bool and limit[0][0] == "enabled":
                value = {"enabled": value}
            return self.object(path, value, limit)
        wrong = kinds.wrong(kind, value, limit, default)
        if wrong:
            self.fault(path, wrong, "give " + kinds.accepted(kind, limit, default))
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
        if type(kind) is str and kind not in self.types:
            from firmware.settings.partnames import SYNONYMS

            if SYNONYMS.get(kind) in self.types:
                kind = SYNONYMS[kind]
                value = dict(value, type=kind)
        if type(kind) is str and kind in self.types:
            own = self.types[kind][2]
            replaced = [row[0] for row in own]
            rows = [row for row in rows if row[0] not in replaced] + list(own)
            rows = [self.by_quantity(row, kind) if row[1] == "quantities" else row for row in rows]
            settings = self.object(path, value, rows)
            if settings["deadband"] and settings["delivery"] in ("all", "latest"):
                self.fault(path + ".deadband", "has no effect", 'give "delivery": "change", too')
            for name, calibration in (settings["calibrate"] or {}).items():
                if calibration:
                    self.calibration("%s.calibrate.%s.points" % (path, name), calibration)
            for name, limits in (settings["filter"] or {}).items():
                if (
                    limits
                    and None not in (limits["min"], limits["max"])
                    and limits["min"] > limits["max"]
                ):
                    self.fault(
                        "%s.filter.%s.min" % (path, name), "is above max", "give one below it"
                    )
            self.wiring.sensor(path, settings, rows)
            return settings
        # Of an entry of unknown type nothing else can be checked.
        from firmware.settings.partnames import nearest

        path_of_type = path + ".type"
        if type(value) is not dict:
            self.object(path, value, ())
        elif type(kind) is str:
            near = nearest(kind, sorted(self.types))
            right = "did you mean %s?" % near if near else "known: " + self.known(path_of_type)
            self.fault(path_of_type, "unknown", right)
        else:
            wrong = "is not text" if kind else "missing"
            self.fault(path_of_type, wrong, "give one of " + self.known(path_of_type))
        return None

    def known(self, path):
        """Return the types that there are, once; then where they stand: the list is long."""
        if self.listed:
            return "those at " + self.listed
        from firmware.settings.partnames import every

        self.listed = path
        return ", ".join(every(self.types))

    def by_quantity(self, row, kind):
        """Return the row with a row for each quantity of a type of sensor in it."""
        quantities = self.types[kind][3]
        if isinstance(quantities[-1], dict):
            quantities = sum(quantities[-1].values(), ())
        rows = [(name,) + row[3] + ("",) for name in sorted(set(quantities))]
        return (row[0], "object", None, rows, row[4])

    def calibration(self, path, settings):
        points = settings["points"] or ()
        if len(points) == 1:
            self.fault(path, "has one point", "give two or more, or an offset")
        reads = [point["reads"] for point in points if point]
        if None not in reads and sorted(set(reads)) != reads:
            self.fault(path, "is not in order", "give points with rising `reads`")

    def together(self, settings):
        """Check what only shows when several settings are seen at once."""
        wifi, mqtt = settings["wifi"] or {}, settings["mqtt"] or {}
        for i, network in enumerate(wifi.get("networks") or ()):
            if network:
                self.network("wifi.networks[%d]" % i, network)
        for i, broker in enumerate(mqtt.get("brokers") or ()):
            if broker:
                self.broker("mqtt.brokers[%d]" % i, broker)
        self.names(settings)
        led = (settings["node"] or {}).get("led")
        if led is not None:
            self.wiring.claim("node.led", led)
        self.outbox(settings["outbox"] or {})
        timeout_s = (settings["watchdog"] or {}).get("timeout_s")
        if timeout_s and timeout_s > _PICO_WATCHDOG_S and (self.model or "").startswith("pico"):
            self.fault(
                "watchdog.timeout_s", "%d is out of range" % timeout_s, "a Pico takes 8 at most"
            )

    def outbox(self, outbox):
        """Check that waiting readings fit on flash, and in memory beside the rest."""
        size, ram = outbox.get("bytes"), outbox.get("ram_bytes")
        if size and ram and ram > size // 2:
            right = "give at most %d, half of bytes" % (size // 2)
            self.fault("outbox.ram_bytes", "%d is too much" % ram, right)
        if size and size > _PICO_OUTBOX and self.model == "pico_w":
            right = "give at most %d: a Pico W has room for no more" % _PICO_OUTBOX
            self.fault("outbox.bytes", "%d is out of range" % size, right)

    def names(self, settings):
        """Check that no two sensors, and no two outputs, have the same name."""
        inputs = []
        for part in ("sensors", "outputs"):
            names = {}
            for i, entry in enumerate(settings[part] or ()):
                if not entry:
                    continue
                place = "%s[%d].name" % (part, i)
                holder = names.setdefault(entry["name"] or place, place)
                if holder != place:
                    self.fault(place, "is that of %s too" % holder, "give each its own")
                if part == "sensors":
                    if entry["type"] == "input" and entry["name"]:
                        inputs.append(entry["name"])
                    if entry["qos"] is None and settings["publish"]:
                        entry["qos"] = settings["publish"]["qos"]
                else:
                    self.output("outputs[%d]" % i, entry, inputs)

    def output(self, path, output, inputs):
        if output["pin"] is not None:
            self.wiring.claim(path + ".pin", output["pin"])
            if output["freq"] is not None and output["type"] in ("light", "number"):
                self.wiring.pwm(path, output["pin"], output["freq"])
        if output["button"] and output["button"] not in inputs:
            right = "give one of " + ", ".join(inputs) if inputs else "add one, or leave it out"
            self.fault(path + ".button", "is no sensor of type input", right)

    def network(self, path, network):
        password = network["password"]
        # IEEE 802.11, annex J.4: 8 to 63 characters of ASCII, or the key itself as 64 hexadecimal digits
        if password and not (8 <= len(password) <= 63 or kinds.is_hex(password, 64)):
            self.fault(path + ".password", "is too short or too long", "give 8 to 63 characters")
        static = network["static"]
        if static and None not in static.values():
            from firmware.settings import fixed

            found = fixed.fault(static)
            if found:
                self.fault(path + ".static." + found[0], found[1], found[2])

    def broker(self, path, broker):
        if broker["password"] and broker["user"] == "":  # [MQTT-3.1.2-22]
            self.fault(path + ".user", "is empty beside a password", "give both")
        tls = broker["tls"]
        if tls and "" in (tls["cert"], tls["key"]) and (tls["cert"] or tls["key"]):
            self.fault(path + ".tls", "has one of cert and key", "give both or none")
        if broker["port"] == 0:
            broker["port"] = 8883 if tls else 1883
