"""docs/config.schema.json: the settings as a JSON Schema, with which editors complete and check a config.json.

What may be there several times, what stands within it, and each type of sensor is defined once, under `$defs`, and referred to. A config
that the check takes is valid, and one that it refuses is not, but for what is in BEYOND: tests/host/test_schema.py.
"""

from firmware.settings.tables import SETTINGS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVERY = "every-sensor"  # the definition of what all types of sensors have in common

# What the check finds and no JSON Schema can say: pattern of the fault, and the words of docs/config.md. A table:
# fmt: off
BEYOND = (
    (r"GPIO\d+ is ",                              "a pin that two settings use"),
    (r"\.freq: differs|\.address: does not tell", "sensors on one bus with different `freq` or the same `address`"),
    (r"\.name: is that of ",                      "a name that two sensors or outputs share"),
    (r"\.button: is no sensor",                   "an output's `button` that names no sensor of type `input`"),
    (r"\.ram_bytes: \d+ is too much",             "`outbox.ram_bytes` above half of `outbox.bytes`"),
    (r"\.min: is above max",                      "a filter's `min` above its `max`"),
    (r"\.points: is not in order",                "calibration points whose `reads` do not rise"),
    (r"\.static\.\w+: ",                          "a fixed address that does not fit its network"),
    (r"\.address: (has a wrong|is in|is of)",     "a wrong digit in a 1-Wire address"),
    (r": is too long",                            "a text that is too long because letters beyond ASCII take several bytes"),
    (r": has a noncharacter",                     "a noncharacter of Unicode above U+FFFF"),
    (r": is not a whole|: is a number, give one", "`60.0` where a whole number belongs"),
)
# fmt: on

# Of the noncharacters the first 34: the others are two units to a regular expression that is not told of Unicode.
_CONTROL = r"\u0000-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}"
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# What ends in a number is an address, or nothing: firmware/settings/kinds.py.
_NUMBER = "([0-9]+|0[xX][0-9A-Fa-f]*)"

# One definition for each of these kinds of settings, whatever their limits.
KINDS = {
    "pin": {"type": "integer", "minimum": 0, "maximum": 48},
    "text": {"type": "string", "pattern": f"^[^{_CONTROL}]*$"},
    "levels": {
        "type": "string",
        "maxLength": 64,
        "pattern": f"^[^+#/${_CONTROL}]+(/[^+#/${_CONTROL}]+)*$",
    },
    "level": {"type": "string", "maxLength": 64, "pattern": f"^[^+#/${_CONTROL}]*$"},
    "host": {
        "type": "string",
        "pattern": rf"^({_IPV4}|(?=.{{1,253}}$)(?!(.*\.)?{_NUMBER}$){_LABEL}(\.{_LABEL})*)$",
    },
    "hostname": {
        "type": "string",
        "pattern": rf"^(?!{_NUMBER}$)[A-Za-z0-9]([A-Za-z0-9-]{{0,30}}[A-Za-z0-9])?$",
    },
    "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
    "ipv4": {"type": "string", "pattern": f"^{_IPV4}$"},
    "rom": {"type": "string", "pattern": "^(28|10|22|3[Bb])[0-9A-Fa-f]{14}$"},
}
_FILLED = {"minLength": 1}


def _needs(key, value, other, right):
    """The rule that a setting of a value asks for another one."""
    return {
        "if": {"properties": {key: value}, "required": [key]},
        "then": {"properties": {other: right}, "required": [other]},
    }


# What the check finds in several settings at once, or in one by its name: of which definition, and the rules.
_TOGETHER = {
    "network": [
        {
            "properties": {
                "password": {
                    "anyOf": [
                        {"maxLength": 0},
                        {"minLength": 8, "maxLength": 63},
                        {"pattern": "^[0-9A-Fa-f]{64}$"},
                    ]
                }
            }
        }
    ],
    "broker": [_needs("password", _FILLED, "user", _FILLED)],
    "tls": [_needs("cert", _FILLED, "key", _FILLED), _needs("key", _FILLED, "cert", _FILLED)],
    "sensor": [_needs("deadband", {"type": "object"}, "delivery", {"const": "change"})],
    "calibrate": [{"properties": {"points": {"not": {"minItems": 1, "maxItems": 1}}}}],
}


def schema(types):
    """Return the JSON Schema of a config, as a dict."""
    return _Schema(types).whole(SETTINGS)


class _Schema:
    def __init__(self, types):
        self.types = types
        self.defs = {}  # name → schema

    def whole(self, rows):
        return {
            "$schema": DIALECT,
            "title": "Outpost config.json",
            **self.object(rows),
            "$defs": dict(sorted(self.defs.items())),
        }

    def defined(self, name, make, *args):
        """Return a reference to a definition, which is made when it is first referred to."""
        if name not in self.defs:
            self.defs[name] = make(*args)
            if name in _TOGETHER:
                self.defs[name].setdefault("allOf", []).extend(_TOGETHER[name])
        return _reference(name)

    def object(self, rows):
        return _closed({row[0]: self.setting(row) for row in rows}, rows)

    def setting(self, row):
        """Return the schema of one setting, with its description and default."""
        key, kind, default, limit, text = row
        result = self.value(key, kind, default, limit)
        if default is None and None not in result.get("enum", ()):
            result = {"anyOf": [result, {"type": "null"}]}
        elif default not in (..., (), None):
            result = result | {"default": default}
        return ({"description": text} if text else {}) | result

    def value(self, key, kind, default, limit):
        if kind in ("text", "secret", "path"):
            least, most = (1, 128) if kind == "path" else limit
            least = 0 if default == "" else least
            return self.kind("text") | {"minLength": least, "maxLength": most}
        if kind == "level":
            taken = {"not": {"enum": limit.split()}} if limit else {}
            return self.kind(kind) | {"minLength": int(default != "")} | taken
        if kind in KINDS:
            found = self.kind(kind)
            return {"anyOf": [found, {"const": ""}]} if default == "" else found
        return getattr(self, "_" + kind)(key, limit)

    def kind(self, name):
        return self.defined(name, dict, KINDS[name])

    def _bool(self, key, limit):
        return {"type": "boolean"}

    def _int(self, key, limit):
        return {"type": "integer", "minimum": limit[0], "maximum": limit[1]}

    def _number(self, key, limit):
        return {"type": "number", "minimum": limit[0], "maximum": limit[1]}

    def _choice(self, key, limit):
        return {"enum": list(limit)}

    def _object(self, key, limit):
        found = self.defined(key, self.object, limit)
        return {"anyOf": [found, {"type": "boolean"}]} if limit[0][0] == "enabled" else found

    def _list(self, key, limit):
        return _list(limit, self.defined(key.removesuffix("s"), self.object, limit[2]))

    def _sensors(self, key, limit):
        return _list(limit, self.defined("sensor", self.sensor, limit[2]))

    def _quantities(self, key, limit):
        return {"type": "object", "additionalProperties": self.setting((key, *limit, ""))}

    def sensor(self, rows):
        """Return the schema of a sensor: one branch a type, by `if`, so that an editor speaks of the type that was meant."""
        names = sorted(name for kind in self.types for name in names_of(kind))
        self.defs[EVERY] = {"properties": {row[0]: self.setting(row) for row in rows}}
        self.defs[EVERY]["properties"]["type"] |= {"enum": names}
        branches = [
            {
                "if": {"properties": {"type": {"enum": names_of(kind)}}, "required": ["type"]},
                "then": self.defined(f"{kind}-sensor", self.type, rows, row),
            }
            for kind, row in sorted(self.types.items())
        ]
        kind = _reference(f"{EVERY}/properties/type")
        return {
            "type": "object",
            "properties": {"type": kind},
            "required": ["type"],
            "allOf": branches,
        }

    def type(self, common, row):
        """Return the schema of a sensor of one type: the common settings, of which its own may replace some, and its own."""
        _, _, own, quantities = row
        if isinstance(quantities[-1], dict):
            quantities = sum(quantities[-1].values(), ())
        names = {"propertyNames": {"enum": sorted(set(quantities))}}
        rows = rows_of(common, own)
        settings = {row[0]: self.setting(row) for row in own}
        for key, kind, *_ in common:
            shared = _reference(f"{EVERY}/properties/{key}")
            settings.setdefault(key, shared | (names if kind == "quantities" else {}))
        return _closed({row[0]: settings[row[0]] for row in rows}, rows)


def _reference(name):
    return {"$ref": f"#/$defs/{name}"}


def _closed(properties, rows):
    """An object of these settings and no others; which of them it must have, its rows say."""
    result = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [row[0] for row in rows if row[2] is ...]
    return result | ({"required": required} if required else {})


def _list(limit, items):
    return {"type": "array", "minItems": limit[0], "maxItems": limit[1], "items": items}


def names_of(kind):
    """A sensor type, and what else it is called."""
    from firmware.settings.partnames import SYNONYMS

    return [kind] + [name for name, meant in SYNONYMS.items() if meant == kind]


def rows_of(common, own):
    """The rows of a sensor of one type: the common ones, and its own, which may replace some."""
    replaced = {row[0] for row in own}
    return [row for row in common if row[0] not in replaced] + list(own)
