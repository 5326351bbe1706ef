"""What the tests of config.json check it with: a few sensor types, the shortest config, and what the check says about one."""

from firmware.settings import config

TYPES = {
    "bme280": (
        None,
        None,
        (
            ("sda", "pin", ..., "sda", ""),
            ("scl", "pin", ..., "scl", ""),
            ("freq", "int", 100000, (10000, 1000000), ""),
            ("address", "choice", 118, (118, 119), ""),
        ),
        ("temperature", "humidity", "pressure"),
    ),
    "ds18b20": (
        None,
        None,
        (("pin", "pin", ..., "onewire", ""), ("address", "rom", "", None, "")),
        ("temperature",),
    ),
    "dht22": (
        None,
        None,
        (("pin", "pin", ..., "output", ""), ("interval_s", "number", 60, (2, 86400), "")),
        ("temperature", "humidity"),
    ),
    "adc": (None, None, (("pin", "pin", ..., "adc", ""),), ("voltage",)),
    "gpio": (
        None,
        None,
        (("pin", "pin", ..., "input", ""), ("pull", "choice", "up", ("up", "down", None), "")),
        ("pull", {"up": ("pressed",), "down": ("open",), None: ("open",)}),
    ),
}


def least(**more):
    """The shortest config there is, with more."""
    raw = {
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": "192.168.1.5"}]},
    }
    raw.update(more)
    return raw


def faults(raw, model="esp32"):
    settings, found = config.check(raw, TYPES, model)
    assert (settings is None) == bool(found), "either settings or faults"
    return found


def only_fault(found, start, *parts):
    """There is exactly this fault."""
    assert len(found) == 1, found
    assert found[0].startswith(start + ": "), found
    for part in parts:
        assert part in found[0], (part, found)
