"""Names and addresses as people and other programs write them: sensor types, 1-Wire addresses, hosts, IPv4, JSON escapes."""

import json
import sys

from firmware import sensors
from firmware.settings import config

BOARDS = ("esp32", "pico_w")
ROM = "28ff641e0f160390"
FAMILIES = "where a DS18B20 or its like has 28, 10, 22, 3b"


def check(host="broker", **sensor):
    raw = {
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": host}]},
        "sensors": [dict(name="x", **sensor)] if sensor else [],
    }
    return config.check(raw, sensors.TYPES, None)


def fault(**given):
    """The only fault there is, without its path."""
    settings, faults = check(**given)
    assert settings is None and len(faults) == 1, faults
    return faults[0].split(": ", 1)[1]


def pins(kind):
    return {row[0]: 4 + i for i, row in enumerate(sensors.TYPES[kind][2]) if row[2] is ...}


def test_other_names_of_a_type_are_the_type():
    from firmware.settings.partnames import SYNONYMS

    for name in ("am2302", "htu21d", "sht20", "bme688", "dht20", "ds18s20", "sht31", "scd41"):
        assert name in SYNONYMS, name
    for name, kind in SYNONYMS.items():
        assert name not in sensors.TYPES and kind in sensors.TYPES, name
        settings, faults = check(type=name, **pins(kind))
        assert not faults, (name, faults)
        assert settings["sensors"][0]["type"] == kind


def test_a_name_that_was_misspelt():
    for name, meant in (
        ("bme28", "bme280"),
        ("BME280", "bme280"),
        ("bme820", "bme280"),
        ("bmf280", "bme280 bmp280"),  # either: the check names none
        ("hc-sr04", "hcsr04"),
        ("DHT 22", "dht22"),
        ("ds18b2", "ds18b20"),
        ("mh-z19", "mhz19"),
        ("MH-Z19B", "mhz19b"),
        ("scd4", "scd4x"),
        ("sht3", "sht3x shtc3"),
        ("batttery", "battery"),
        ("AM2302", "am2302"),
        ("tmp1177", "tmp117"),
    ):
        text = fault(type=name)
        if " " in meant:
            assert text.startswith("unknown, known: adc, "), (name, text)
        else:
            assert text == "unknown, did you mean %s?" % meant, (name, text)


def test_a_chip_without_a_driver_is_not_taken_for_another():
    for name in (
        "bmp388 bmp390 bme690 bmp581 am2320 dht12 ina228 ina260 ina3221 scd30 scd43 mcp9800 max17043 "
        "veml6075 tmp102 lm75 ltr329 ads1114 ads1256 pms3003 ds2438 ds1307 sht85 hdc1080 mhz14 bh1745 xyz"
    ).split():
        text = fault(type=name)
        known = text.split(": ")[1].split(", ")
        assert text.startswith("unknown, known: adc, ads1015, ads1115, "), (name, text)
        # Those that are printed on a chip, too, each once and in order.
        assert {"am2302", "htu21d", "sht20", "bmp280"} <= set(known), known
        assert sorted(set(known)) == known


def test_1_wire_addresses_in_other_forms():
    for given, said in (
        ("9003160f1e64ff28", "is in ESPHome's order: it is " + ROM),
        ("0x9003160f1e64ff28", "is in ESPHome's order: it is " + ROM),
        (
            "03160F1E64FF",
            "lacks family and checksum: it may be %s (Tasmota's form)" % ROM,
        ),
        # Without the sign after the family nobody knows which it is.
        (
            "2803160f1e64ff",
            "lacks two digits: it may be %s (Linux's form) or 2803160f1e64ffd7 (owfs's)" % ROM,
        ),
        ("2903160f1e64ff", "is of a chip of family 29 (a DS2408), " + FAMILIES),
        ("28-03160f1e64ff", "is in Linux's form: it is " + ROM),
        ("10-03160f1e64ff", "is in Linux's form: it is 10ff641e0f160375"),
        ("28.FF641E0F1603", "is in owfs's form: it is " + ROM),
        ("28:ff:64:1e:0f:16:03:90", "has more than its digits in it: it is " + ROM),
        ("0x28ff641e0f160390", "has more than its digits in it: it is " + ROM),
        ("28ff641e0f160391", "has a wrong checksum: a digit is not right"),
        ("28ff641e0f160309", "has a wrong checksum: a digit is not right"),
        ("0000000000000000", "is of a chip of family 00, " + FAMILIES),
        ("29-03160f1e64ff", "is of a chip of family 29 (a DS2408), " + FAMILIES),
        ("28ff", "is no 1-Wire address"),
        ("28ff641e0f16039z", "is no 1-Wire address"),
        ("kitchen", "is no 1-Wire address"),
    ):
        text = fault(type="ds18b20", pin=4, address=given)
        assert text == said + ", give 16 hexadecimal digits", (given, text)
        for right in said.split():
            if len(right) == 16 and right[:2] in ("28", "10"):
                assert check(type="ds18b20", pin=4, address=right)[1] == [], (given, right)
    for given in (ROM, ROM.upper(), "10ff641e0f160375", ""):
        assert check(type="ds18b20", pin=4, address=given)[1] == [], given


def test_the_types_are_listed_once():
    """Each unknown one brought all of them: 600 bytes a sensor."""
    raw = {
        "wifi": {"networks": [{"ssid": "attic"}]},
        "mqtt": {"brokers": [{"host": "broker"}]},
        "sensors": [
            {"name": "a", "type": "bme28"},  # of which the check says what it is
            {"name": "b", "type": "xyz"},
            {"name": "c", "type": "zyx"},
            {"name": "d"},
        ],
    }
    faults = config.check(raw, sensors.TYPES, None)[1]
    assert faults[0] == "sensors[0].type: unknown, did you mean bme280?"
    assert faults[1].startswith("sensors[1].type: unknown, known: adc, ads1015, ")
    assert faults[2:] == [
        "sensors[2].type: unknown, known: those at sensors[1].type",
        "sensors[3].type: missing, give one of those at sensors[1].type",
    ]


def test_the_right_form_is_what_the_driver_takes():
    import machine
    import onewire

    import sim
    from drivers.ds18b20 import DS18B20

    sim.no_stand()
    wire = onewire.OneWire(machine.Pin(4))
    for address in (ROM, "10ff641e0f160375"):
        assert DS18B20(wire, address).rom == bytes.fromhex(address)


def test_hosts_with_an_underscore():
    for host in ("my_broker", "core_mosquitto.local", "_mqtt.example", "a_"):
        assert check(host)[1] == [], host
    for host in ("my broker", "my!broker", "-a.b"):
        assert "is no name of a host" in fault(host=host), host


def test_numbers_of_an_address_have_no_zeros_before():
    # lwIP reads 010 as 8: the node would ask 192.168.1.8.
    for host, plain in (
        ("192.168.001.010", "192.168.1.10"),
        ("192.168.1.09", "192.168.1.9"),
        ("00.0.0.0", "0.0.0.0"),
    ):
        text = fault(host=host)
        assert text.startswith("has zeros before a number: without them it is %s, give" % plain), (
            text
        )
    for host in ("192.168.1.10", "10.0.0.0", "100.200.30.40"):
        assert check(host)[1] == [], host


def test_an_address_is_four_numbers():
    # inet_aton, lwIP's too, knows other forms: the node would ask an address that nobody reads in them.
    for host in (
        "0x7f.1",
        "0x7F000001",
        "127.1",
        "2130706433",
        "192.168.1.0x10",
        "1.2.3",
        "0x",
        "broker.1",
    ):
        text = fault(host=host)
        assert text.startswith("is no IPv4 address"), (host, text)
    # Digits to CPython, and not to MicroPython: both say the same.
    for host in ("192.168.1.\xb2", "\xb2", "1.2.3.\uff15"):
        text = fault(host=host)
        assert text.startswith("is no name of a host"), (host, text)
    for host in ("0x7f.example", "x1", "fe.ed", "1and1.example"):
        assert check(host)[1] == [], host


def test_characters_of_two_escapes():
    house = "\U0001f3e0"
    for text, meant in (
        ('{"a": "\\ud83c\\udfe0"}', house),
        ('{"a": "x\\uD83C\\uDFE0y\\ud83c\\udfe0"}', "x" + house + "y" + house),
        ('{"a": "\\u00e9\\\\ud83c \\\\\\ud83c\\udfe0"}', "\xe9\\ud83c \\" + house),
        ('{"a": "\\udbff\\udfff"}', "\U0010ffff"),
    ):
        got = config.parse(text)["a"]
        assert got == meant and got.encode() == meant.encode(), (text, got.encode())
    assert "jsonpairs" not in sys.modules and "jsonfault" not in sys.modules


def test_a_command_with_such_a_character():
    from firmware.control.commands import run

    for data, mark in (
        (b'{"id": "\\ud83c\\udfe0"}', "\U0001f3e0"),
        (b'{"id": "\\\\ud83c"}', "\\ud83c"),
        (b'{"id": "\\ud83c"}', None),  # half of one is no JSON
    ):
        reply = run(None, "nonsense", data)
        assert json.loads(reply.decode()).get("id") == mark, reply
