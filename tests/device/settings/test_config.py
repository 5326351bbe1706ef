"""config.json: what the check accepts, what it says about the rest, what a node runs on."""

import gc
import json
import os
import sys

import config_checks
from config_checks import TYPES, faults, least, only_fault

from firmware.settings import config

HEAP = "192k"  # the checks, and beside them these tests, uncompiled, and their texts


def sensors(*entries, model="esp32"):
    """Faults of sensors given as (type, settings)."""
    listed = []
    for i, (kind, settings) in enumerate(entries):
        entry = {"name": "s%d" % i, "type": kind}
        entry.update(settings)
        listed.append(entry)
    return faults(least(sensors=listed), model)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def test_the_shortest_config_gets_every_default():
    settings, found = config.check(least(), TYPES, "esp32")
    assert not found
    assert settings["$schema"] == ""
    assert settings["node"] == {"name": "", "base": "outpost", "led": None}
    assert settings["wifi"] == {
        "networks": [{"ssid": "attic", "password": "", "static": None}],
        "hostname": "",
        "country": "",
        "power_save": False,
    }
    assert settings["mqtt"] == {
        "brokers": [
            {"host": "192.168.1.5", "port": 1883, "user": "", "password": "", "tls": None}
        ],
        "client_id": "",
        "keepalive_s": 60,
        "clean_session": False,
        "window": 32,
        "window2": 1,
        "qos_max": 2,
        "retain": True,
        "rate": None,
    }
    assert settings["publish"] == {"qos": 1, "live_s": 30, "health_s": 60, "plain": False}
    assert settings["outbox"] == {
        "bytes": 131072,
        "sync_s": 5,
        "when_full": "drop-oldest",
        "ram_bytes": 4096,
    }
    assert settings["ntp"] == {"host": "pool.ntp.org", "port": 123, "interval_s": 21600}
    assert settings["sensors"] == [] and settings["outputs"] == []
    assert settings["discovery"] == {
        "enabled": True,
        "prefix": "homeassistant",
        "per_entity": False,
        "retain": True,
    }
    assert settings["watchdog"] == {"enabled": True, "timeout_s": None, "arm_after_s": 20}
    assert settings["log"] == {"level": "info"}


def test_checked_settings_pass_the_check_unchanged():
    raw = least(
        sensors=[{"name": "attic", "type": "bme280", "sda": 21, "scl": 22}],
        publish={"qos": 0},
    )
    raw["mqtt"]["brokers"].append({"host": "b", "tls": {"ca": "ca.pem"}})
    settings, found = config.check(raw, TYPES, "esp32")
    assert not found
    assert config.check(settings, TYPES, "esp32") == (settings, [])


def test_a_sensor_gets_the_defaults_of_its_type_and_the_common_qos():
    entries = [
        {"name": "a", "type": "bme280", "sda": 21, "scl": 22},
        {"name": "b", "type": "dht22", "pin": 4, "qos": 0},
    ]
    settings, found = config.check(least(sensors=entries), TYPES, "esp32")
    assert not found
    assert settings["sensors"][0] == {
        "name": "a",
        "type": "bme280",
        "interval_s": 60,
        "qos": 1,
        "retain": False,
        "delivery": "all",
        "deadband": None,
        "heartbeat_s": 3600,
        "calibrate": None,
        "filter": None,
        "sda": 21,
        "scl": 22,
        "freq": 100000,
        "address": 118,
    }
    assert settings["sensors"][1]["qos"] == 0
    settings, _ = config.check(least(sensors=entries, publish={"qos": 0}), TYPES, "esp32")
    assert settings["sensors"][0]["qos"] == 0


def test_every_fault_at_once_in_the_order_of_the_table():
    raw = {
        "logs": 1,
        "log": {"level": "inof"},
        "mqtt": {"brokers": [{"port": "1883"}], "keepalive": 5, "keepalive_s": 3},
        "node": {"name": "a/b"},
        "wifi": {"networks": [{"ssid": "", "password": 1}]},
        "sensors": [{"type": "bme208"}, {"name": "x", "type": "adc", "pin": 25}],
    }
    expected = [
        "node.name: has one of + # / $, give text of 0 to 64 bytes without + # / $",
        "wifi.networks[0].ssid: is empty, give text of 1 to 32 bytes",
        "wifi.networks[0].password: is a number, give text of 0 to 64 bytes",
        "mqtt.brokers[0].host: missing, give a name such as broker.local or an address such as 192.168.1.5, without scheme and port",
        "mqtt.brokers[0].port: is text, give a whole number from 0 to 65535",
        "mqtt.keepalive_s: 3 is out of range, give a whole number from 5 to 1200",
        "mqtt.keepalive: unknown, did you mean keepalive_s?",
        "sensors[0].type: unknown, did you mean bme280?",
        "sensors[1].pin: GPIO25 is on ADC2, which does not work while Wi-Fi is on, give one of 32-39",
        'log.level: is none of them (did you mean info?), give one of "debug", "info", "warning", "error"',
        "logs: unknown, did you mean log?",
    ]
    assert faults(raw) == expected, faults(raw)


def test_an_unknown_setting_near_nothing_lists_the_known_ones():
    only_fault(faults(least(log={"xyzzyx": 1})), "log.xyzzyx", "unknown", "known here: level")


def test_the_nearest_setting_is_found():
    for wrong, right in (
        ("keepalive", "keepalive_s"),  # its beginning
        ("client_di", "client_id"),  # swapped letters
        ("broker", "brokers"),
        ("Client_ID", "client_id"),
    ):
        raw = least()
        raw["mqtt"][wrong] = 1
        only_fault(faults(raw), "mqtt." + wrong, "did you mean %s?" % right)


def test_what_is_not_an_object():
    only_fault(faults([]), "config", "is a list", "give an object")
    only_fault(faults(None), "config", "is null")
    only_fault(faults(least(publish=[])), "publish", "is a list")
    found = faults({"wifi": {"networks": {}}, "mqtt": {"brokers": [1]}})
    assert found[0].startswith("wifi.networks: is an object, give a list of 1 to 8"), found
    assert found[1].startswith("mqtt.brokers[0]: is a number, give an object"), found


def test_a_number_is_no_text_and_true_is_no_number():
    for value, said in (
        (True, "is true or false"),
        ("60", "is text"),
        (60.5, "is not a whole number"),
        (None, "is null"),
        ([60], "is a list"),
    ):
        only_fault(faults(least(ntp={"interval_s": value})), "ntp.interval_s", said)
    for value in (0, 1, "true", None):
        only_fault(
            faults(least(watchdog={"enabled": value})), "watchdog.enabled", "give true or false"
        )
    only_fault(
        faults(least(publish={"qos": True})), "publish.qos", "is true or false", "one of 0, 1, 2"
    )
    only_fault(faults(least(publish={"qos": 3})), "publish.qos", "one of 0, 1, 2")


def test_a_number_may_be_whole_or_decimal():
    for interval_s in (1, 0.05, 86400, 2.5):
        assert not sensors(("gpio", {"pin": 4, "interval_s": interval_s}))
    for interval_s in (0, 0.049, -1, 86401, 1e30):
        only_fault(
            sensors(("gpio", {"pin": 4, "interval_s": interval_s})),
            "sensors[0].interval_s",
            "is out of range, give a number from 0.05 to 86400",
        )


def test_the_limits_are_inclusive():
    for section, key, low, high in (
        ("publish", "live_s", 1, 86400),
        ("publish", "health_s", 5, 86400),
        ("outbox", "bytes", 8192, 1048576),
        ("outbox", "ram_bytes", 2048, 65536),
        ("outbox", "sync_s", 0, 3600),
        ("ntp", "port", 1, 65535),
        ("watchdog", "timeout_s", 2, 60),
        ("watchdog", "arm_after_s", 0, 600),
    ):
        for value in (low, high):
            assert not faults(least(**{section: {key: value}})), (key, value)
        for value in (low - 1, high + 1):
            only_fault(
                faults(least(**{section: {key: value}})), section + "." + key, "out of range"
            )


def test_a_setting_of_the_type_replaces_the_common_one():
    assert not sensors(("dht22", {"pin": 4, "interval_s": 2}))
    only_fault(
        sensors(("dht22", {"pin": 4, "interval_s": 1.9})), "sensors[0].interval_s", "from 2 to"
    )
    only_fault(
        sensors(("dht22", {"pin": 4, "interval_s": 0})), "sensors[0].interval_s", "from 2 to"
    )


def test_deadbands_are_of_the_sensors_own_quantities():
    pins = {"sda": 21, "scl": 22, "delivery": "change"}
    assert not sensors(("bme280", dict(pins, deadband={"temperature": 0.2, "pressure": 1})))
    assert not sensors(("gpio", {"pin": 4, "delivery": "change", "deadband": {"pressed": 0}}))
    only_fault(
        sensors(("bme280", dict(pins, deadband={"temp": 0.2}))),
        "sensors[0].deadband.temp",
        "did you mean temperature?",
    )
    only_fault(
        sensors(("bme280", dict(pins, deadband={"temperature": -1}))),
        "sensors[0].deadband.temperature",
        "out of range",
    )
    only_fault(
        sensors(("bme280", dict(pins, delivery="all", deadband={"temperature": 1}))),
        "sensors[0].deadband",
        "has no effect",
    )
    only_fault(
        sensors(("bme280", dict(pins, delivery="last"))), "sensors[0].delivery", "is none of them"
    )


def test_a_topic_level():
    assert not faults(least(node={"name": "Küche 2"}))
    assert not faults(least(node={"name": "a" * 64}))
    for bad in ("a/b", "+", "a#", "$SYS", "a\x00b", "a\nb", "\x7f", "a" * 65, "é" * 33):
        found = faults(least(node={"name": bad}))
        only_fault(found, "node.name", "give text of 0 to 64 bytes")
    for good in ("\ufdcf", "\ufdf0", "\ufffd", "\U0001fffd", "\U0001f3e0"):
        assert not faults(least(node={"name": good}))
    # mosquitto closes the connection at them.
    for bad in ("\ufdd0", "\ufdef", "\ufffe", "a\uffff", "\U0001fffe", "\U0010ffff"):
        only_fault(faults(least(node={"name": bad})), "node.name", "has a noncharacter of Unicode")
        found = faults(least(node={"base": "home/" + bad}))
        only_fault(found, "node.base", "has a noncharacter of Unicode")
        for key in ("user", "password"):
            broker = {"host": "broker", "user": "u"}
            broker[key] = bad
            found = faults(least(mqtt={"brokers": [broker]}))
            only_fault(found, "mqtt.brokers[0]." + key, "has a noncharacter of Unicode")
    only_fault(faults(least(node={"base": ""})), "node.base", "is empty")
    # <base>/all/cmd/… is for every node
    only_fault(faults(least(node={"name": "all"})), "node.name", "is taken by the node itself")
    # Channels have branches of their own.
    for name in ("status", "cmd", "all", "reading"):
        assert not sensors(("gpio", {"pin": 4, "name": name}))


def test_the_base_may_have_several_levels():
    for good in ("home", "home/ground", "a/b/c", "é" * 15 + "/" + "é" * 16, "all/" * 15 + "four"):
        assert not faults(least(node={"base": good})), good
    for bad, wrong in (
        ("", "is empty"),
        ("/home", "has an empty level"),
        ("home/", "has an empty level"),
        ("home//ground", "has an empty level"),
        ("/", "has an empty level"),
        ("home/+", "has one of + # $"),
        ("home/#", "has one of + # $"),
        ("$SYS/home", "has one of + # $"),
        ("home/a\nb", "has a control character"),
        ("home/" + "a" * 60, "is too long"),
        ("é" * 33, "is too long"),
        (7, "is a number"),
    ):
        right = "give levels such as home/ground, at most 64 bytes without + # $"
        only_fault(faults(least(node={"base": bad})), "node.base", wrong + ", " + right)


def test_two_sensors_with_one_name():
    entry = {"name": "door", "type": "gpio"}
    found = faults(least(sensors=[dict(entry, pin=4), dict(entry, pin=5), dict(entry, pin=2)]))
    assert [fault.split(",")[0] for fault in found] == [
        "sensors[1].name: is that of sensors[0].name too",
        "sensors[2].name: is that of sensors[0].name too",
    ], found


def test_hosts():
    for good in (
        "broker",
        "broker.local",
        "192.168.1.5",
        "a-b.c1",
        "10.0.0.1",
        "xn--bcher-kva.de",
    ):
        assert not faults(least(ntp={"host": good})), good
    for bad in (
        "mqtt://broker",
        "broker:1883",
        "user:hunter22@broker",
        "bro ker",
        "-a",
        "a-",
        "a..b",
        "a" * 64,
        "192.168.1",
        "192.168.1.256",
        "1.2.3.4.5",
        "bücher.de",
        "",
    ):
        found = faults(least(ntp={"host": bad}))
        only_fault(found, "ntp.host", "give a name such as broker.local")
        assert "hunter22" not in found[0]


def test_wifi_networks():
    def network(**settings):
        return faults(least(wifi={"networks": [settings]}))

    for good in ("", "12345678", "x" * 63, "0123456789abcdef" * 4):
        assert not network(ssid="attic", password=good), good
    for bad in ("1234567", "x" * 64, "x" * 65):
        only_fault(network(ssid="attic", password=bad), "wifi.networks[0].password", "give")
    only_fault(network(ssid="é" * 17), "wifi.networks[0].ssid", "is too long")
    static = {"address": "192.168.1.7", "gateway": "192.168.1.1", "dns": "9.9.9.9"}
    assert not network(ssid="attic", static=static)
    assert not network(ssid="attic", static=None)
    only_fault(
        network(ssid="attic", static=dict(static, gateway="192.168.2.1")),
        "wifi.networks[0].static.gateway",
        "cannot be reached",
    )
    assert not network(
        ssid="attic", static=dict(static, gateway="192.168.2.1", netmask="255.255.0.0")
    )
    for given, key, wrong in (
        ({"netmask": "255.0.255.0"}, "netmask", "is that of no network"),
        ({"netmask": "0.0.0.0"}, "netmask", "is that of no network"),
        ({"netmask": "255.255.255.255"}, "netmask", "is that of no network"),
        ({"netmask": "255.255.255.254"}, "netmask", "is that of no network"),
        ({"netmask": "0.0.0.255"}, "netmask", "is that of no network"),
        ({"address": "192.168.1.255"}, "address", "is the broadcast address of the network"),
        ({"address": "192.168.1.0"}, "address", "is the address of the network itself"),
        ({"address": "127.0.0.1"}, "address", "is the node itself"),
        ({"address": "224.0.0.1"}, "address", "is no address of one computer"),
        ({"gateway": "192.168.1.7"}, "gateway", "is the node's own address"),
        ({"gateway": "192.168.1.255"}, "gateway", "is the broadcast address of the network"),
        ({"gateway": "192.168.1.0"}, "gateway", "is the address of the network itself"),
        ({"gateway": "0.0.0.0"}, "gateway", "is the node itself"),
        ({"dns": "0.0.0.0"}, "dns", "is the node itself"),
        ({"dns": "127.0.0.1"}, "dns", "is the node itself"),
        ({"dns": "192.168.1.7"}, "dns", "is the node's own address"),
        ({"dns": "192.168.1.255"}, "dns", "is the broadcast address of the network"),
        ({"dns": "255.255.255.255"}, "dns", "is no address of one computer"),
    ):
        found = network(ssid="attic", static=dict(static, **given))
        only_fault(found, "wifi.networks[0].static." + key, wrong, "give ")
    for given in (
        {"netmask": "255.255.255.252", "address": "192.168.1.2"},
        {"netmask": "255.255.0.0", "address": "192.168.1.255"},
        {"netmask": "255.0.0.0", "address": "10.0.1.0", "gateway": "10.255.255.254"},
        {"dns": "192.168.1.1"},
        {"dns": "9.9.9.0"},  # in a network that the node knows nothing of
    ):
        assert not network(ssid="attic", static=dict(static, **given)), given
    only_fault(
        network(ssid="attic", static=dict(static, dns="9.9.9")),
        "wifi.networks[0].static.dns",
        "IPv4",
    )
    found = network(ssid="attic", static={})
    assert [fault.split(":")[0] for fault in found] == [
        "wifi.networks[0].static." + key for key in ("address", "gateway", "dns")
    ]
    only_fault(faults(least(wifi={"networks": []})), "wifi.networks", "has 0 entries")
    many = [{"ssid": "n%d" % i} for i in range(9)]
    only_fault(faults(least(wifi={"networks": many})), "wifi.networks", "has 9 entries")


def test_country_and_hostname():
    def wifi(key, value):
        return faults(least(wifi={"networks": [{"ssid": "a"}], key: value}))

    assert not wifi("country", "DE") and not wifi("country", "")
    for bad in ("de", "DEU", "D1"):
        only_fault(wifi("country", bad), "wifi.country", "two capital letters")
    assert not wifi("hostname", "attic-1")
    for bad in ("a.b", "a_b", "a" * 33, "-a"):
        only_fault(wifi("hostname", bad), "wifi.hostname", "at most 32")


def test_brokers():
    def brokers(*brokers):
        return config.check(least(mqtt={"brokers": list(brokers)}), TYPES, None)

    tls = {"ca": "ca.pem"}
    settings, found = brokers(
        {"host": "a"}, {"host": "b", "tls": tls}, {"host": "c", "port": 11883, "tls": None}
    )
    assert not found
    assert [broker["port"] for broker in settings["mqtt"]["brokers"]] == [1883, 8883, 11883]
    assert settings["mqtt"]["brokers"][1]["tls"] == {
        "ca": "ca.pem",
        "cert": "",
        "key": "",
        "server_name": "",
    }
    only_fault(
        brokers({"host": "a", "password": "x"})[1], "mqtt.brokers[0].user", "beside a password"
    )
    assert not brokers({"host": "a", "user": "x"})[1]
    only_fault(brokers({"host": "a", "tls": {}})[1], "mqtt.brokers[0].tls.ca", "missing")
    only_fault(
        brokers({"host": "a", "tls": dict(tls, cert="x")})[1],
        "mqtt.brokers[0].tls",
        "cert and key",
    )
    assert not brokers({"host": "a", "tls": dict(tls, cert="x", key="y")})[1]
    only_fault(brokers({"host": "a", "tls": True})[1], "mqtt.brokers[0].tls", "is true or false")
    only_fault(brokers({"host": "a"}, {})[1], "mqtt.brokers[1].host", "missing")


def test_what_waits_has_room():
    only_fault(
        faults(least(outbox={"bytes": 16384, "ram_bytes": 65536})),
        "outbox.ram_bytes",
        "65536 is too much, give at most 8192, half of bytes",
    )
    assert not faults(least(outbox={"bytes": 16384, "ram_bytes": 8192}))
    only_fault(
        faults(least(outbox={"bytes": 8192, "ram_bytes": 4097})), "outbox.ram_bytes", "4096"
    )
    raw = least(outbox={"bytes": 1048576})
    assert not faults(raw, "esp32") and not faults(raw, "pico2_w") and not faults(raw)
    only_fault(faults(raw, "pico_w"), "outbox.bytes", "give at most 524288")
    assert not faults(least(outbox={"bytes": 524288}), "pico_w")


def test_the_watchdog_of_a_pico_ends_at_8_s():
    raw = least(watchdog={"timeout_s": 9})
    assert not faults(raw, "esp32") and not faults(raw, None)
    only_fault(faults(raw, "pico_w"), "watchdog.timeout_s", "a Pico takes 8 at most")
    assert not faults(least(watchdog={"timeout_s": 8}), "pico_w")


def test_pins_of_the_boards():
    for model, kind, pin, said in (
        ("esp32", "gpio", 4, None),
        ("esp32", "gpio", 35, None),
        ("esp32", "gpio", 6, "GPIO6 is wired to the flash chip"),
        ("esp32", "gpio", 1, "console"),
        ("esp32", "gpio", 12, "power-on"),
        ("esp32", "gpio", 36, "false edges"),
        ("esp32", "gpio", 20, "does not exist"),
        ("esp32", "gpio", -1, "does not exist"),
        ("esp32", "gpio", 1 << 40, "does not exist"),
        ("esp32", "dht22", 34, "can only be read"),
        ("esp32", "ds18b20", 39, "cannot be driven"),
        ("esp32", "adc", 36, None),
        ("esp32", "adc", 4, "ADC2"),
        ("esp32", "adc", 21, "has no ADC"),
        ("esp32s2", "gpio", 46, None),
        ("esp32s2", "dht22", 46, "can only be read"),
        ("esp32s2", "adc", 10, None),
        ("esp32s2", "adc", 11, "ADC2"),
        ("esp32s2", "gpio", 22, "does not exist"),
        ("esp32s3", "gpio", 47, None),
        ("esp32s3", "gpio", 30, "flash"),
        ("esp32s3", "gpio", 36, "PSRAM"),
        ("esp32s3", "gpio", 20, "USB"),
        ("esp32c3", "gpio", 10, None),
        ("esp32c3", "gpio", 13, "flash"),
        ("esp32c3", "adc", 5, "ADC2"),
        ("esp32c3", "gpio", 22, "does not exist"),
        ("esp32c6", "adc", 6, None),
        ("esp32c6", "adc", 7, "has no ADC"),
        ("esp32c6", "gpio", 24, "flash"),
        ("pico_w", "gpio", 28, None),
        ("pico_w", "gpio", 23, "GP23 is wired to the radio"),
        ("pico_w", "adc", 29, "radio"),
        ("pico_w", "adc", 22, "GP22 has no ADC"),
        ("pico_w", "adc", 26, None),
        ("pico2_w", "gpio", 25, "radio"),
        ("pico2_w", "gpio", 30, "does not exist"),
        (None, "gpio", 6, None),
        (None, "gpio", 49, "does not exist"),
        ("unknown", "adc", 6, None),
    ):
        settings = {"pin": pin, "pull": None} if kind == "gpio" else {"pin": pin}
        found = sensors((kind, settings), model=model)
        if said is None:
            assert not found, (model, found)
        else:
            only_fault(found, "sensors[0].pin", said, "give one of")


def test_a_pin_without_a_resistor():
    only_fault(
        sensors(("gpio", {"pin": 35})), "sensors[0].pull", "GPIO35 has no resistor", "give null"
    )
    assert not sensors(("gpio", {"pin": 35, "pull": None}))
    assert not sensors(("gpio", {"pin": 35}), model=None)


def test_a_pin_used_twice():
    found = sensors(("gpio", {"pin": 4}), ("dht22", {"pin": 4}), ("gpio", {"pin": 5}))
    only_fault(found, "sensors[1].pin", "GPIO4 is sensors[0].pin already")
    found = sensors(("bme280", {"sda": 4, "scl": 4}))
    only_fault(found, "sensors[0].scl", "GPIO4 is sensors[0].sda already")
    found = sensors(("bme280", {"sda": 4, "scl": 5}), ("ds18b20", {"pin": 5}))
    only_fault(found, "sensors[1].pin", "GPIO5 is sensors[0].scl already")
    # the other way round
    found = sensors(("bme280", {"sda": 4, "scl": 5}), ("bme280", {"sda": 5, "scl": 4}))
    assert found == [
        "sensors[1].sda: GPIO5 is sensors[0].scl already, give a free pin",
        "sensors[1].scl: GPIO4 is sensors[0].sda already, give a free pin",
    ]
    assert sensors(("gpio", {"pin": 4}), ("gpio", {"pin": 4}), model=None)


def test_sensors_on_one_i2c_bus():
    bus = {"sda": 21, "scl": 22}
    assert not sensors(("bme280", bus), ("bme280", dict(bus, address=119)))
    only_fault(
        sensors(("bme280", bus), ("bme280", bus)),
        "sensors[1].address",
        "does not tell it from sensors[0]",
    )
    only_fault(
        sensors(("bme280", bus), ("bme280", dict(bus, address=119, freq=400000))),
        "sensors[1].freq",
        "differs from that of sensors[0]",
    )
    only_fault(
        sensors(("bme280", bus), ("bme280", dict(bus, scl=19, address=119))),
        "sensors[1].sda",
        "GPIO21 is sensors[0].sda already, give the other wire of that bus, too, or a free pin",
    )


def test_a_wire_at_fault_is_told_once():
    """Its bus is not known then: the other wire may be shared all the same."""
    whole = {"sda": 21, "scl": 22, "address": 119}
    for wire, other in (("sda", "scl"), ("scl", "sda")):
        for pin in (6, 99, "21", None, ...):
            broken = {wire: pin, other: whole[other]}
            if pin is ...:
                del broken[wire]
            for n, pair in enumerate(((broken, whole), (whole, broken))):
                found = sensors(("bme280", pair[0]), ("bme280", pair[1]))
                assert len(found) == 1 and found[0].startswith("sensors[%d].%s: " % (n, wire)), (
                    wire,
                    pin,
                    found,
                )


def test_all_pins_at_fault_are_told_at_once():
    def told(*entries, model, **more):
        found = sensors(*entries, model=model, **more)
        return [fault.split(": ")[0] for fault in found]

    bus = {"sda": 21, "scl": 22}
    assert told(("bme280", bus), ("bme280", dict(bus, address=119)), model="pico_w") == [
        "sensors[0].sda",
        "sensors[0].scl",
        "sensors[1].sda",
        "sensors[1].scl",
    ], "each has to be mended"
    entries = [
        ("bme280", {"sda": a, "scl": a + 1, "address": b})
        for a, b in ((4, 118), (8, 118), (8, 119))
    ]
    assert told(*entries, model="pico_w") == ["sensors[1].sda", "sensors[2].sda"]
    bus = ("bme280", {"sda": 4, "scl": 5})
    used = [("gpio", {"pin": 4}), ("gpio", {"pin": 5}), bus]
    assert told(*used, model="esp32") == ["sensors[2].sda", "sensors[2].scl"]
    # An output whose name is at fault has a pin, too.
    raw = least(
        outputs=[
            {"name": "", "type": "switch", "pin": 4},
            {"name": "fan", "type": "switch", "pin": 4},
        ],
        sensors=[{"name": "a", "type": "gpio", "pin": 4}, {"name": "", "type": "gpio", "pin": 4}],
    )
    assert [fault.split(": ")[0] for fault in faults(raw)] == [
        "sensors[1].name",
        "sensors[1].pin",
        "outputs[0].name",
        "outputs[0].pin",
        "outputs[1].pin",
    ]


def test_sensors_on_one_wire():
    rom = "28ff641e0f160390"
    assert not sensors(("ds18b20", {"pin": 4}), ("ds18b20", {"pin": 5}))
    assert not sensors(
        ("ds18b20", {"pin": 4, "address": rom}),
        ("ds18b20", {"pin": 4, "address": "10ff641e0f160375"}),
    )
    only_fault(
        sensors(
            ("ds18b20", {"pin": 4, "address": rom}),
            ("ds18b20", {"pin": 4, "address": rom.upper()}),
        ),
        "sensors[1].address",
        "does not tell it from sensors[0]",
    )
    # Without an address a sensor answers for whatever is on the wire.
    only_fault(
        sensors(("ds18b20", {"pin": 4}), ("ds18b20", {"pin": 4, "address": rom})),
        "sensors[1].address",
        "does not tell it from sensors[0]",
    )
    only_fault(
        sensors(("ds18b20", {"pin": 4, "address": "28ff"})), "sensors[0].address", "16 hexadecimal"
    )


def test_i2c_controllers_of_a_pico():
    def buses(*pairs):
        entries = [("bme280", {"sda": sda, "scl": scl}) for sda, scl in pairs]
        return sensors(*entries, model="pico_w")

    assert not buses((4, 5)) and not buses((4, 5), (6, 7)) and not buses((0, 5))
    only_fault(buses((5, 6))[:1], "sensors[0].sda", "GP5 is an SCL pin")
    only_fault(buses((5, 4))[1:], "sensors[0].scl", "GP4 is an SDA pin", "give an odd one")
    only_fault(buses((5, 7)), "sensors[0].sda", "GP5 is an SCL pin")
    only_fault(buses((4, 7)), "sensors[0].scl", "GP7 is not SCL of I2C0", "1 5 9 13 17 21")
    only_fault(buses((22, 21)), "sensors[0].scl", "GP21 is not SCL of I2C1", "3 7 11 15 19 27")
    for sda, pins in ((4, "1 5 9 13 17 21"), (22, "3 7 11 15 19 27")):
        for scl in pins.split():
            assert not buses((sda, int(scl))), (sda, scl)
    only_fault(buses((4, 6)), "sensors[0].scl", "GP6 is not SCL of I2C0")
    only_fault(
        buses((4, 5), (8, 9)), "sensors[1].sda", "I2C0 is on the pins of sensors[0]", "I2C1"
    )


def test_sensor_entries_that_are_no_sensors():
    found = faults(
        least(sensors=[1, {}, {"type": 3}, {"type": "xyzzyx", "name": "a"}, {"type": "dht22"}])
    )
    assert [fault.split(",")[0] for fault in found] == [
        "sensors[0]: is a number",
        "sensors[1].type: missing",
        "sensors[2].type: is not text",
        "sensors[3].type: unknown",
        "sensors[4].name: missing",
        "sensors[4].pin: missing",
    ], found
    assert "give one of adc, am2301, am2302, bme280, dht21, dht22, ds1820, " in found[1]
    assert found[2].endswith("give one of those at sensors[1].type")
    assert found[3].endswith("known: those at sensors[1].type")


def test_the_number_of_faults_is_bounded():
    found = faults(least(sensors=[{"type": "dht22"} for _ in range(32)]))
    assert len(found) == 41 and found[-1] == "config: 24 more, mend these first", found[-1]


def test_no_secret_in_a_fault():
    secret = "hunter2hunter2"
    places = (
        lambda v: least(wifi={"networks": [{"ssid": "a", "password": v}]}),
        lambda v: least(wifi={"networks": [{"ssid": "a", "passwort": v}]}),
        lambda v: least(wifi={"networks": [{"ssid": "a"}], "password": v}),
        lambda v: least(mqtt={"brokers": [{"host": "a", "password": v}]}),
        lambda v: least(mqtt={"brokers": [{"host": v, "user": v, "port": v}]}),
        lambda v: least(mqtt={"brokers": [v]}),
        lambda v: least(log={"level": v}, node={"name": v}, publish={"qos": v}, sensors=v),
    )
    values = (
        secret,
        secret + "\n",
        secret + "/",
        "user:" + secret + "@host",
        secret * 20,
        [secret],
        {"password": secret},
        {secret[:1]: secret},
    )
    count = 0
    for place in places:
        for value in values:
            for fault in faults(place(value)):
                count += 1
                assert secret not in fault, fault
    assert count > 50, count


def test_broken_json_says_where_and_what():
    for text, place, said in (
        ('{"a": 1, 3}', "line 1, column 10", "name of a setting is missing"),
        ('{"a" 1}', "line 1, column 5", "colon"),
        ('{\n  "a": 1\n  "b": 2\n}', "line 2, column 9", "a comma is missing"),
        ("[1 2]", "line 1, column 3", "a comma is missing"),
        ('{"a": 1,\n}', "line 1, column 8", "no comma after the last"),
        ('{"a": 1} x', "line 1, column 10", "nothing may follow"),
        ("nul", "line 1, column 1", "not a value"),
        ('{"a": None}', "line 1, column 7", "true, false, null"),
        ("{'a': 1}", "line 1, column 2", "double quotes"),
        ("['a']", "line 1, column 2", "double quotes"),
        ('{"a": "x\n"}', "line 1, column 7", "closing quote"),
        ('{"a": "x', "line 1, column 7", "closing quote"),
        ('{"a": "\t"}', "line 1, column 8", "\\t"),
        ('{"a": 0x76}', "line 1, column 7", "not a number"),
        ('{"a": 01}', "line 1, column 7", "not a number"),
        ('{"a": 1.}', "line 1, column 7", "not a number"),
        ('{"a": .5}', "line 1, column 7", "not a number"),
        ('{"a": 1e}', "line 1, column 7", "not a number"),
        ('{"a": --1}', "line 1, column 7", "not a number"),
        ('{"a": %s}' % ("1" * 33), "line 1, column 7", "digits"),
        ("", "line 1, column 1", "ends where a value should be"),
        ('{"a":', "line 1, column 6", "ends where a value should be"),
        ('\n{"a": [1,\n2', "line 2, column 7", "is not closed"),
        ('{"a": [1, 2}', "line 1, column 12", "opened at line 1, column 7"),
        ('{"a": 1} // x', "line 1, column 10", "no comments"),
        ('# x\n{"a": 1}', "line 1, column 1", "no comments"),
        ('{"a": "b"c"}', "line 1, column 10", "before a quote"),
        ('{"é": 1,\n "ü": "\\x"}', "line 2, column 8", "backslash is written twice"),
        ('{"a": "\\u12g4"}', "line 1, column 8", "four hexadecimal"),
        ('{"a": "\\ud83d"}', "line 1, column 8", "write the character itself"),
        ('{"a": "\\ud83d\\n"}', "line 1, column 8", "write the character itself"),
        ('{"a": "\\ud83d\\u0041"}', "line 1, column 8", "write the character itself"),
        ('{"a": "\\ude00\\ud83d"}', "line 1, column 8", "write the character itself"),
        ('{"a": "\\ud83d\\ude0"}', "line 1, column 8", "four hexadecimal"),
        ('{"a": 1, "a": 2}', "line 1, column 10", "twice"),
        ("[" * 9 + "]" * 9, "line 1, column 9", "more than 8 brackets"),
    ):
        try:
            config.parse(text)
        except ValueError as e:
            assert str(e).startswith(place + ": "), (text, str(e))
            assert said in str(e), (text, str(e))
        else:
            raise AssertionError(text + " is accepted")


def test_json_is_read_as_it_is_meant():
    for text in (
        "{}",
        " [ ] ",
        "0",
        "-0.5e+3",
        "1E2",
        '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"',
        "[" * 8 + "]" * 8,
        '{"a": [1, true, false, null, "x", {"é": {}}],\r\n\t"": -1}',
    ):
        assert config.parse(text) == json.loads(text), text


def test_half_a_file_is_a_fault_wherever_it_ends():
    text = '{"wifi": {"networks": [{"ssid": "é\\n", "password": "x"}]}, "n": [-1.5e3, true]}'
    config.parse(text)
    for end in range(len(text)):
        try:
            config.parse(text[:end])
        except ValueError:
            continue
        raise AssertionError(text[:end])


def test_no_secret_in_the_place_of_broken_json():
    # the most likely way: a password with a quote in it
    for text in (
        '{"password": "hunter2"hunter2"}',
        '{"password: "hunter2"}',
        '{"password": hunter2}',
    ):
        try:
            config.parse(text)
            raise AssertionError(text)
        except ValueError as e:
            assert "hunter" not in str(e), str(e)


GOOD = '{"wifi":{"networks":[{"ssid":"attic"}]},"mqtt":{"brokers":[{"host":"b"}]}}'


def test_load_prefers_config_json():
    write("config.json", GOOD)
    write("last.json", GOOD.replace("attic", "cellar"))
    settings, source, found = config.load("config.json", "last.json", TYPES, "esp32")
    assert (source, found) == ("config.json", [])
    assert settings["wifi"]["networks"][0]["ssid"] == "attic"


def test_load_falls_back_on_the_last_good_settings_and_says_why():
    write("last.json", GOOD)
    for text, said in (
        (GOOD[:-1], "config.json: line 1, column 1: the bracket opened here is not closed"),
        (GOOD.replace("ssid", "sid"), "wifi.networks[0].ssid: missing"),
        ('{"a": "%s"}' % ("x" * 16384), "config.json: longer than 16384 bytes"),
    ):
        write("config.json", text)
        settings, source, found = config.load("config.json", "last.json", TYPES, "esp32")
        assert source == "last.json" and settings["mqtt"]["brokers"][0]["host"] == "b"
        assert found[0].startswith(said), found
    with open("config.json", "wb") as f:
        f.write(GOOD.encode().replace(b"attic", b"\xe9"))
    _, source, found = config.load("config.json", "last.json", TYPES, "esp32")
    assert source == "last.json" and found == ["config.json: not UTF-8 text, save it as UTF-8"], (
        found
    )
    os.remove("config.json")
    _, source, found = config.load("config.json", "last.json", TYPES, "esp32")
    assert source == "last.json"
    only_fault(found, "config.json", "is not there, copy config.json.example")


def test_load_with_nothing_usable():
    write("config.json", "{")
    for last in (None, "}", '{"wifi": 3}'):
        if last:
            write("last.json", last)
        settings, source, found = config.load("config.json", "last.json", TYPES, "esp32")
        assert settings is None and source is None
        only_fault(found, "config.json", "is not closed")


def test_load_takes_the_byte_order_mark_of_some_editors():
    write("config.json", "\ufeff" + GOOD)
    settings, _, found = config.load("config.json", "last.json", TYPES, "esp32")
    assert settings and not found


def test_keep_writes_only_what_changed():
    import flashfile

    from firmware.settings import keeping

    settings, _ = config.check(json.loads(GOOD), TYPES, "esp32")
    keeping.keep(settings, "state/config.json")
    kept, source, _ = config.load("none.json", "state/config.json", TYPES, "esp32")
    assert (kept, source) == (settings, "state/config.json")
    assert os.listdir("state") == ["config.json"], os.listdir("state")

    written = []

    def counting(path, mode="r"):
        if "w" in mode:
            written.append(path)
        return open(path, mode)

    flashfile.open = counting
    keeping.keep(settings, "state/config.json")
    assert not written
    settings["node"]["name"] = "attic"
    keeping.keep(settings, "state/config.json")
    assert written == ["state/config.json.new"], written


def test_a_lowered_qos_begins_the_session_anew():
    """What a restart left unfinished of QoS 2 would never end: the reading goes at QoS 1 now."""
    from firmware.settings import keeping

    def kept(*qos):
        entries = [
            {"name": "s%d" % i, "type": "adc", "pin": 32 + i, "qos": n} for i, n in enumerate(qos)
        ]
        settings, found = config.check(least(sensors=entries), TYPES, "esp32")
        assert not found, found
        keeping.keep(settings, "state/config.json")
        return "session" in os.listdir("state")

    kept(2, 1)
    write("state/session", "id attic broker")
    assert kept(2, 1) and kept(2, 2) and kept(2, 2, 1), "nothing is lowered"
    assert kept(2), "what a sensor that is gone has left goes at QoS 2"
    for lowered in (1, 0):
        assert kept(2, 1)
        assert not kept(lowered, 1)
        write("state/session", "id attic broker")
    write("state/config.json", '{"sensors":[{"name":1}]}')
    assert kept(1) and kept(1, 1)


def test_keep_on_a_full_flash_leaves_the_old_settings():
    import flashfile

    from firmware.settings import keeping

    settings, _ = config.check(json.loads(GOOD), TYPES, "esp32")
    keeping.keep(settings, "state/config.json")

    class Full:
        def __init__(self, path):
            open(path, "w").close()

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

        def write(self, data):
            raise OSError(28)

    flashfile.open = lambda path, mode="r": Full(path) if "w" in mode else open(path, mode)
    keeping.json = type("Json", (), {"load": json.load, "dump": lambda value, f: f.write("{")})
    changed = dict(settings, node={"name": "attic", "base": "outpost"})
    try:
        keeping.keep(changed, "state/config.json")
        raise AssertionError("no error")
    except OSError as e:
        assert e.errno == 28
    assert os.listdir("state") == ["config.json"], os.listdir("state")
    with open("state/config.json") as f:
        assert json.load(f) == settings


def test_redact_hides_every_secret_and_keeps_the_rest():
    raw = least()
    raw["wifi"]["networks"].append({"ssid": "b", "password": "hunter2hunter2"})
    raw["mqtt"]["brokers"][0].update({"user": "u", "password": "hunter2"})
    settings, _ = config.check(raw, TYPES, "esp32")
    shown = config.redact(settings)
    assert "hunter2" not in json.dumps(shown)
    assert shown["wifi"]["networks"][1]["password"] == "***"
    assert shown["mqtt"]["brokers"][0]["password"] == "***"
    assert shown["mqtt"]["brokers"][0]["user"] == "u"
    assert shown["wifi"]["networks"][0] == settings["wifi"]["networks"][0]  # an open network
    assert settings["mqtt"]["brokers"][0]["password"] == "hunter2"  # a copy


def test_drop_gives_the_memory_back():
    global config
    write("config.json", GOOD)
    settings, _, _ = config.load("config.json", "last.json", TYPES, "esp32")
    assert settings
    gc.collect()
    before = gc.mem_alloc()
    assert "jsonfault" not in sys.modules
    config.drop()
    config = config_checks.config = None
    gc.collect()
    least = 12000 if "/app" in sys.path else 15000  # the code of an image is not on the heap
    assert before - gc.mem_alloc() > least, before - gc.mem_alloc()
    assert not [name for name in sys.modules if name.startswith("firmware.")]


def test_safe_mode_needs_no_sensors_of_the_settings():
    """Nor what refers to them, nor the table of types: what is wrong with a sensor, or takes its memory, is no matter."""
    raw = {
        "wifi": {"networks": [{"ssid": "attic", "password": "password"}]},
        "mqtt": {"brokers": [{"host": "192.0.2.1"}]},
        "sensors": [{"name": "x", "type": "of no kind"}],
        "outputs": [{"name": "lamp", "type": "switch", "pin": 17, "button": "x"}],
    }
    with open("config.json", "w") as f:
        json.dump(raw, f)
    assert config.load("config.json", "last.json", TYPES, "esp32")[0] is None
    settings, source, faults = config.load("config.json", "last.json", (), "esp32", True)
    assert not faults and source == "config.json", faults
    assert settings["sensors"] == [] and not settings["outputs"][0]["button"]
