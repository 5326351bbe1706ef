"""Configs with all there is to set, and the ways to change them."""

from tools.settings.judge import node

config, TYPES = node()

import jsonfault  # noqa: E402, F401  (node() puts lib on the path)

EVERYTHING = {
    "$schema": "./docs/config.schema.json",
    "node": {"name": "n", "base": "o", "led": 2},
    "wifi": {
        "networks": [
            {
                "ssid": "a",
                "password": "12345678",
                "static": {
                    "address": "10.0.0.2",
                    "netmask": "255.0.0.0",
                    "gateway": "10.0.0.1",
                    "dns": "1.1.1.1",
                },
            }
        ],
        "hostname": "h",
        "country": "DE",
        "power_save": False,
    },
    "mqtt": {
        "brokers": [
            {
                "host": "b",
                "port": 1883,
                "user": "u",
                "password": "p",
                "tls": {"ca": "a", "cert": "c", "key": "k", "server_name": "s"},
            }
        ],
        "client_id": "c",
        "keepalive_s": 60,
        "clean_session": False,
        "window": 3,
        "window2": 1,
        "qos_max": 2,
        "retain": True,
        "rate": None,
    },
    "publish": {"qos": 1, "live_s": 3, "health_s": 60, "plain": True},
    "outbox": {"bytes": 8192, "sync_s": 5, "when_full": "drop-oldest", "ram_bytes": 4096},
    "ntp": {"host": "h", "port": 123, "interval_s": 60},
    "sensors": [{"name": "wall", "type": "input", "pin": 14, "pull": None}],
    "outputs": [
        {
            "name": "fan",
            "type": "light",
            "pin": 13,
            "invert": False,
            "freq": 1000,
            "safe": 0,
            "loss_s": 0,
            "button": "wall",
        },
        {"name": "lamp", "pin": 21},
    ],
    "discovery": {"enabled": True, "prefix": "h", "per_entity": False, "retain": True},
    "watchdog": {"enabled": True, "timeout_s": 8, "arm_after_s": 1},
    "log": {"level": "info"},
}
WIRES = {"sda": 4, "scl": 5, "onewire": 15, "input": 18, "output": 19, "tx": 16, "rx": 17}
OTHER_VALUES = (
    *(None, True, False, 0, 1, -1, 34, 10**30, 1.5, 1e300),
    *("", "x", "a/b", "0x76", "x" * 300, "\0", "é"),
    *([], [1], [None], [{}], [[]], {}, {"a": 1}, {"enabled": {}}, {"points": [{"reads": "x"}]}),
)


def with_everything(kind, name):
    """A sensor with all there is to set of its type, as a Pico has it."""
    _, _, rows, quantities = TYPES[kind]
    if isinstance(quantities[-1], dict):
        quantities = sorted(set(sum(quantities[-1].values(), ())))
    line = [{"reads": 0, "is": 1}, {"reads": 1.5, "is": 2}]
    calibration = {"points": line, "scale": 2, "offset": 1}
    limits = {"median": 3, "average": 3, "min": 0, "max": 1}
    sensor = {
        "name": name,
        "type": kind,
        "interval_s": 60,
        "qos": 1,
        "retain": False,
        "delivery": "change",
        "heartbeat_s": 5,
        "deadband": dict.fromkeys(quantities, 1),
        "calibrate": dict.fromkeys(quantities, calibration),
        "filter": dict.fromkeys(quantities, limits),
    }
    for key, _, default, limit, _ in rows:
        value = WIRES.get(limit, 26) if default is ... else default
        sensor[key] = limit[0] if value is None and limit else value
    return sensor


def places(value, place=()):
    yield place
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*place, key))


def changed(value, place, new):
    """A copy with another value at a place; `...` leaves it out."""
    if not place:
        return new
    copy = value.copy()
    key, *rest = place
    if new is ... and not rest:
        del copy[key]
    else:
        copy[key] = changed(value[key], rest, new)
    return copy


def with_the_rest(part):
    raw = {"wifi": {"networks": [{"ssid": "a"}]}, "mqtt": {"brokers": [{"host": "b"}]}}
    return raw | part
