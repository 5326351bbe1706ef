"""For a setting in the wrong place the check names the right one; for a type that is none, the one that was meant."""

import re

import pytest

from tools.settings import judge, meant

_, TYPES = judge.node()

CHIP = {"name": "x", "type": "bme280", "sda": 21, "scl": 22}
ALL = "unknown, known: adc, ads1015, "


def faults(raw):
    settings, found = judge.judge(raw, None)
    assert settings is None
    return found


def with_rest(**part):
    rest = {"wifi": {"networks": [{"ssid": "attic"}]}, "mqtt": {"brokers": [{"host": "broker"}]}}
    return {key: rest.get(key, {}) | value for key, value in part.items()} | {
        key: value for key, value in rest.items() if key not in part
    }


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (with_rest(mqtt={"host": "x"}), "mqtt.host: unknown, belongs in mqtt.brokers[0]"),
        (with_rest(wifi={"ssid": "x"}), "wifi.ssid: unknown, belongs in wifi.networks[0]"),
        (
            with_rest(node={"qos": 1}),
            "node.qos: unknown, known here: name, base, led; qos belongs in publish or in sensors[0]",
        ),
        (with_rest(wifi={"ntp": {}}), "wifi.ntp: unknown, belongs at the top level"),
        # The check took it for qos_max.
        (with_rest(mqtt={"qos": 1}), "mqtt.qos: unknown, belongs in publish or in sensors[0]"),
        # A beginning that is known here is what was meant, though another section has a `host`.
        (with_rest(wifi={"host": "x"}), "wifi.host: unknown, did you mean hostname?"),
    ],
)
def test_a_setting_is_told_where_it_belongs(raw, told):
    assert faults(raw) == [told]


def test_other_names_of_a_setting():
    """For `psk` and `ssl` the check named nothing, for `bssid` it named ssid."""
    networks = [{"ssid": "attic", "psk": "x"}, {"ssid": "b", "bssid": "00:11:22:33:44:55"}]
    raw = with_rest(wifi={"networks": networks}, mqtt={"brokers": [{"host": "b", "ssl": True}]})
    assert faults(raw) == [
        "wifi.networks[0].psk: unknown, did you mean password?",
        "wifi.networks[1].bssid: unknown, the Wi-Fi driver chooses the access point of a network: leave it out",
        "mqtt.brokers[0].ssl: unknown, did you mean tls?",
    ]
    assert faults(with_rest(mqtt={"ssl": True})) == [
        "mqtt.ssl: unknown, belongs in mqtt.brokers[0] as tls"
    ]


def test_every_other_name_is_of_a_setting():
    known = {key for _, key in meant.places(TYPES)}
    for other, ours in meant._SETTINGS.items():
        assert ours in known and other not in known
    assert not known & set(meant._NO_SETTING)


def test_the_types_are_listed_once():
    """Also where the host explains the first unknown one, and the board does not."""
    sensors = [{"name": name, "type": name} for name in ("door", "xyz", "bmp388")] + [
        {"name": "n"}
    ]
    first, second, third, fourth = faults(with_rest() | {"sensors": sensors})
    assert first == 'sensors[0].type: unknown, did you mean "type": "input", "kind": "reed"?'
    assert second.startswith("sensors[1].type: " + ALL) and second.endswith(", veml7700")
    assert third == "sensors[2].type: unknown, known: those at sensors[1].type"
    assert fourth == "sensors[3].type: missing, give one of those at sensors[1].type"


def test_a_sensor_without_a_type():
    """It ended in a KeyError."""
    assert faults(with_rest() | {"sensors": [{"name": "x"}]})[0].startswith(
        "sensors[0].type: missing, give one of adc, "
    )


def test_beside_what_is_at_fault_it_keeps_its_entry():
    brokers = [{"host": "a"}, {"host": "b", "ca": "ca.pem", "keepalive_s": 60}]
    assert faults(with_rest(mqtt={"brokers": brokers})) == [
        "mqtt.brokers[1].ca: unknown, belongs in mqtt.brokers[1].tls",
        "mqtt.brokers[1].keepalive_s: unknown, belongs in mqtt",
    ]


def test_what_another_type_of_sensor_has_is_not_sent_elsewhere():
    """A dht22 has no address; the one of wifi.networks[0].static is no place for it."""
    sensor = {"name": "x", "type": "dht22", "pin": 4, "address": "0x76"}
    (found,) = faults(with_rest() | {"sensors": [sensor]})
    assert found.startswith("sensors[0].address: unknown, known here: ")
    assert "belongs" not in found


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        (True, 'tls: is true or false, give an object, {"ca": "ca.pem"}'),
        ("ca.pem", 'tls: is text, give an object, {"ca": "ca.pem"}'),
        ({}, 'tls.ca: missing, give the name of a file on the board, "ca": "ca.pem"'),
        (
            {"ca": "ca.pem", "cert": 1, "key": "key.pem"},
            'tls.cert: is a number, give the name of a file on the board, "cert": "cert.pem"',
        ),
    ],
)
def test_tls_is_spelt_out(tls, told):
    brokers = [{"host": "broker", "tls": tls}]
    assert faults(with_rest(mqtt={"brokers": brokers})) == ["mqtt.brokers[0]." + told]


@pytest.mark.parametrize("port", [70000, -1, "1883"])
def test_a_port_begins_at_1(port):
    """0 stands for the usual ones; nobody has to give it. Of other numbers the least is one."""
    brokers = [{"host": "broker", "port": port}]
    port_fault, publish = faults(with_rest(mqtt={"brokers": brokers}, publish={"live_s": 0}))
    assert port_fault.startswith("mqtt.brokers[0].port: ")
    assert port_fault.endswith(", give a whole number from 1 to 65535, or leave it out")
    assert publish.endswith(", give a whole number from 1 to 86400")


def test_a_list_is_told_with_what_has_to_be_in_an_entry():
    assert faults({"wifi": {}, "sensors": {}, "mqtt": {"brokers": []}, "outputs": 1}) == [
        'wifi.networks: missing, give a list of 1 to 8, [{"ssid": …}]',
        'mqtt.brokers: has 0 entries, give a list of 1 to 8, [{"host": …}]',
        'sensors: is an object, give a list of 0 to 32, [{"name": …, "type": …}]',
        'outputs: is a number, give a list of 0 to 16, [{"name": …, "pin": …}]',
    ]


def test_an_object_is_told_with_what_has_to_be_in_it():
    assert faults([]) == ['config: is a list, give an object, {"wifi": …, "mqtt": …}']
    assert faults({"wifi": [], "mqtt": {"brokers": ["broker"]}, "node": 1}) == [
        "node: is a number, give an object, { … }",
        'wifi: is a list, give an object, {"networks": …}',
        'mqtt.brokers[0]: is text, give an object, {"host": …}',
    ]


def example(part):
    """A value at a part of a path: (key, value that has room for more, the object in it)."""
    inside = dict(CHIP) if part == "sensors[]" else {}
    key = "temperature" if part == "<quantity>" else part.removesuffix("[]")
    return key, [inside] if part.endswith("[]") else inside, inside


@pytest.mark.parametrize(
    ("path", "key"), [(path, key) for path, key in meant.places(TYPES) if path]
)
def test_every_setting_one_level_too_high(path, key):
    known_there = {name for place, name in meant.places(TYPES) if place == path[:-1]}
    if key in known_there:
        return
    raw = here = {}
    for part in path[:-1]:
        name, value, inside = example(part)
        here[name] = value
        here = inside
    here[key] = 1
    (found,) = [fault for fault in faults(raw) if re.match(rf"(.*\.)?{key}: unknown", fault)]
    right = ".".join(path).replace("[]", "[0]")
    if "<quantity>" in path[:-1]:
        right = right.replace("<quantity>", "temperature")
    told = re.split(" or ", found.partition(" belongs ")[2])
    assert f"in {right}" in told, found


def of_type(name, part="sensors"):
    (found,) = faults(with_rest() | {part: [{"name": "x", "type": name, "pin": 4}]})
    return found.removeprefix(f"{part}[0].type: ")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("bme28O", "bme280"),
        ("8me280", "bme280"),
        ("ltr39o", "ltr390"),
        ("dht23", "dht22"),
        ("ds18b21", "ds18b20"),
        ("bme", "bme280 or bme680"),
        ("SHT", "sht3x, sht4x or shtc3"),
        ("pir", '"type": "input", "kind": "pir"'),
        ("motion", '"type": "input", "kind": "pir"'),
        ("HC-SR501", '"type": "input", "kind": "pir"'),
        ("door", '"type": "input", "kind": "reed"'),
        ("rain", '"type": "pulse"'),
        ("distance", '"type": "hcsr04"'),
    ],
)
def test_the_type_that_was_meant(name, right):
    assert of_type(name) == f"unknown, did you mean {right}?"


@pytest.mark.parametrize("name", ["relay", "switch", "Relay", "light", "led"])
def test_an_output_among_the_sensors(name):
    kind = "light" if name in ("light", "led") else "switch"
    told = f'is an output, give it in "outputs": [{{"name": …, "type": "{kind}", "pin": …}}]'
    assert of_type(name) == told


def test_a_sensor_among_the_outputs():
    assert of_type("dht22", "outputs").startswith('is a sensor, give it in "sensors": [')
    assert of_type("relay", "outputs") == 'unknown, did you mean "switch"?'


def test_what_is_measured_is_no_sensor():
    assert of_type("co2") == "is what a sensor measures, give the sensor: mhz19 or scd4x"


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_no_chip_is_taken_for_another(kind):
    """Whatever its last digit: a tmp116 is no tmp117. Of some no other chip is made, and of them one is meant.

    The check finds a wrong letter all the same: aht11 is a dht11.
    """
    if not kind[-1].isdigit():
        return
    for digit in "0123456789":
        name = kind[:-1] + digit
        if name in meant.every(TYPES):
            continue
        told = of_type(name)
        near = re.fullmatch(r"unknown, did you mean (\w+)\?", told)
        if near and re.sub(r"\D", "", near[1]) == re.sub(r"\D", "", name):
            continue
        if kind[:-1] in ("bme28", "bme68", "dht2", "ds18b2", "veml770"):
            assert told == f"unknown, did you mean {kind}?"
        else:
            assert told.startswith(ALL), told


@pytest.mark.parametrize(
    "name",
    [
        "bmp388",
        "bmp390",
        "bme690",
        "bmp581",
        "am2320",
        "dht12",
        "ina228",
        "ina260",
        "ina3221",
        "scd30",
        "scd43",
        "mcp9800",
        "max17043",
        "veml6075",
        "tmp102",
        "lm75",
        "ltr329",
        "ads1114",
        "ads1256",
        "pms3003",
        "ds2438",
        "ds1307",
        "sht85",
        "hdc1080",
        "mhz14",
        "bh1745",
        "max6675",
        "max31865",
        "sgp30",
        "ccs811",
        "tsl2561",
        "xyz",
    ],
)
def test_a_chip_without_a_driver_is_not_taken_for_another(name):
    assert of_type(name).startswith(ALL)
