"""firmware/sensors/named.py: the check of config.json says the same with the types that are named as with all."""

import gc
import sys

from firmware import sensors
from firmware.sensors.named import types
from firmware.settings import config

HEAP = "320k"


def raw(*entries):
    return {
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": "192.168.1.5"}]},
        "sensors": list(entries),
    }


def test_only_what_is_named_has_its_rows():
    found = types(raw({"type": "bme280"}, {"type": "adc"}, {"type": "bme280"}))
    assert sorted(found) == sorted(sensors.TYPES)
    assert sorted([kind for kind in found if found[kind]]) == ["adc", "bme280"]
    assert found["adc"] == sensors.TYPES["adc"]


def test_a_synonym_names_its_type():
    found = types(raw({"type": "dht20"}, {"type": "nothing of the kind"}))
    assert [kind for kind in found if found[kind]] == ["aht20"]


def test_whatever_stands_there_is_no_type():
    for given in (
        None,
        [],
        "text",
        {},
        {"sensors": 1},
        {"sensors": {"type": "adc"}},
        raw(1, None, [], {}),
    ):
        assert not any(types(given).values()), given
    assert not any(types(raw({"type": 7}, {"type": ["adc"]}, {"type": None})).values())


def test_the_check_says_the_same_with_them_as_with_all():
    pins = {"sda": 21, "scl": 22}
    for entries in (
        [dict(pins, name="a", type="bme280", dew_point=True)],
        [dict(pins, name="a", type="dht20")],
        [dict(pins, name="a", type="bme28O"), {"name": "b", "type": "adc", "pin": 34}],
        [
            dict(pins, name="a", type="nothing"),
            {"name": "b", "type": "nothing else"},
            {"name": "c"},
        ],
        [{"type": ["adc"]}, {"type": "adc", "pin": 99, "r1": "x"}, 7],
        [{"name": "a", "type": "ds18b20", "pin": 4, "address": "28-0316a2795aff"}],
    ):
        given = raw(*entries)
        every = config.check(given, sensors.TYPES, "esp32")
        assert config.check(given, types(given), "esp32") == every, entries


def test_the_others_are_let_go_of():
    given = raw({"name": "a", "type": "adc", "pin": 34})
    sensors.drop()
    types(given)
    gc.collect()
    before = gc.mem_alloc()
    found = types(given)
    gc.collect()
    assert found and gc.mem_alloc() - before < 3000, gc.mem_alloc() - before
    for module in ("types", "options"):
        assert "firmware.sensors." + module not in sys.modules
