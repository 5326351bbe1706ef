"""What the node tells Home Assistant, for every type of sensor and output, against Home Assistant's own tables."""

import copy
import json
import re
from types import SimpleNamespace

import home_assistant
import pytest

from tools import ROOT
from tools.settings.judge import node as node_code

config, TYPES = node_code()

from firmware import topics  # noqa: E402
from firmware.discovery import payload as discovery_payload  # noqa: E402
from firmware.identity import unique  # noqa: E402
from firmware.sensors import QUANTITIES, _field  # noqa: E402
from firmware.sensors.options import PULSES  # noqa: E402
from firmware.settings import tables as settings  # noqa: E402

DERIVED = ("dew_point", "absolute_humidity", "sea_level_pressure")


def make(channels=(), outputs=(), name="attic", base="outpost", led=True):
    """A node as firmware/app.py has it."""
    return SimpleNamespace(
        name=name,
        topics=topics.Topics(base, name),
        channels=channels,
        panel=SimpleNamespace(outputs=outputs) if outputs else None,
        control=SimpleNamespace(led=object() if led else None),
        board=SimpleNamespace(
            hardware='Generic ESP32 module with "ESP32"',
            model="esp32",
            micropython="1.26.1",
            radio=SimpleNamespace(mac=lambda: "24:6f:28:a1:b2:c3"),
        ),
        health_ms=60000,
        delivery=SimpleNamespace(live_ms=30000),
    )


def channel(name, *quantities, interval_ms=60000, retain=False, heartbeat_ms=None, unit="1/min"):
    fields = tuple(_field({"unit": unit}, quantity) for quantity in quantities)
    change = heartbeat_ms and SimpleNamespace(heartbeat_ms=heartbeat_ms)
    return SimpleNamespace(
        name=name, fields=fields, interval_ms=interval_ms, retain=retain, change=change, qos=1
    )


def output(name, kind):
    return SimpleNamespace(name=name, kind=kind)


def every_channel():
    """A channel of each type, and of each choice of quantities that a type has."""
    for kind, (_, _, rows, quantities) in TYPES.items():
        choices = quantities[1] if isinstance(quantities[-1], dict) else {"": quantities}
        for choice, names in choices.items():
            unit = choice if kind == "pulse" else "1/min"
            more = tuple(
                name for name in DERIVED if name in {row[0] for row in rows} and name not in names
            )
            yield channel(f"{kind} {choice}".strip().replace("/", "_"), *names, *more, unit=unit)


OUTPUTS = [output("pump", "switch"), output("lamp", "light"), output("fan", "number")]


def device(node, gone=()):
    made = discovery_payload.Config(node)
    payload = b"".join(discovery_payload.Device(made, gone))
    return f"homeassistant/device/{made.id}/config", payload


def entities(node):
    made = discovery_payload.Config(node)
    for platform, key, members in made.entities():
        topic = f"homeassistant/{platform}/{made.id}/{key}/config"
        yield topic, b"".join(discovery_payload.Entity(made, members))


def components(node):
    return json.loads(device(node)[1])["cmps"]


def test_every_type_is_taken():
    for one in every_channel():
        node = make([one], OUTPUTS)
        assert home_assistant.faults(*device(node)) == [], one.name
        assert [fault for m in entities(node) for fault in home_assistant.faults(*m)] == []


def test_all_at_once():
    node = make(list(every_channel()), OUTPUTS)
    assert home_assistant.faults(*device(node)) == []
    quantities = sum(len(one.fields) for one in node.channels)
    assert len(components(node)) == quantities + len(OUTPUTS) + 8 + 2


def test_the_longest_message_of_a_node_is_within_what_aws_iot_takes():
    # 128 KB. 50 channels, one for each type and choice, are more than the 32 that settings may have.
    _, payload = device(make(list(every_channel()), OUTPUTS))
    assert 40_000 < len(payload) < 128 * 1024


def test_every_quantity_and_unit_is_known():
    told = {field[0] for one in every_channel() for field in one.fields}
    assert told >= set(QUANTITIES) - {"sea_level_pressure"}
    units = {field[1] for one in every_channel() for field in one.fields if field[0] == "rate"}
    assert units == set(PULSES)


def test_both_forms_say_the_same():
    node = make([channel("out", "temperature", "humidity"), channel("door", "open")], OUTPUTS)
    root = json.loads(device(node)[1])
    for topic, payload in entities(node):
        _, platform, object_id, key, _ = topic.split("/")
        single = json.loads(payload)
        for shared in ("dev", "o", "avty_t"):
            assert single.pop(shared) == root[shared]
        assert single | {"p": platform} == root["cmps"][key] and object_id == "attic"


def test_a_reading():
    entry = components(make([channel("outside", "temperature", "dew_point")]))[
        "outside-temperature"
    ]
    assert entry == {
        "p": "sensor",
        "uniq_id": "attic.outside-temperature",
        "name": "Outside temperature",
        "qos": 1,
        "stat_t": "outpost/attic/reading/outside",
        "val_tpl": "{% if now().timestamp()*1000-value_json.ts|default(9e15)<60000 %}"
        "{{ value_json.temperature | default(none) }}{% endif %}",
        "exp_aft": 180,
        "dev_cla": "temperature",
        "stat_cla": "measurement",
        "unit_of_meas": "°C",
        "sug_dsp_prc": 2,
    }


def test_yes_or_no():
    entry = components(make([channel("door", "open")]))["door-open"]
    assert entry["p"] == "binary_sensor" and entry["dev_cla"] == "opening"
    assert (entry["pl_on"], entry["pl_off"]) == ("True", "False")
    assert not {"stat_cla", "unit_of_meas", "sug_dsp_prc"} & set(entry)


NOW = 1_795_887_425


@pytest.mark.parametrize(
    ("members", "state"),
    [
        ({"ts": NOW * 1000, "open": True}, "True"),
        ({"ts": NOW * 1000 - 59_000, "open": True}, "True"),
        (
            {"ts": NOW * 1000 - 61_000, "open": True},
            "False",
        ),  # as it was: an automation sees nothing
        ({"ts": NOW * 1000 - 9 * 3600_000, "open": True}, "False"),
        ({"ts": NOW * 1000 - 9 * 3600_000, "error": "EIO"}, "False"),
        ({"ts": NOW * 1000 + 20_000, "open": True}, "True"),  # this clock is behind
        ({"open": True}, "True"),  # the node does not know the time
        ({"ts": NOW * 1000, "error": "EIO"}, None),
    ],
)
def test_an_old_reading_changes_nothing(members, state):
    """What was in flight when the link died is sent again, on the live topic, a night later."""
    payload = json.dumps(members | {"boot": 1, "seq": 2}).encode()
    for form in (components(make([channel("door", "open")]))["door-open"], _single("door-open")):
        assert home_assistant.state(form, payload, "False", NOW) == state
    number = components(make([channel("out", "temperature")]))["out-temperature"]
    payload = payload.replace(b'"open": true', b'"temperature": 21.5')
    expected = {"True": "21.5", "False": "19.0", None: None}[state]
    assert home_assistant.state(number, payload, "19.0", NOW) == expected


def _single(key):
    return {
        m[0].split("/")[3]: json.loads(m[1]) for m in entities(make([channel("door", "open")]))
    }[key]


def test_who_has_readings_retained_wants_the_last_one():
    entry = components(make([channel("door", "open", retain=True)]))["door-open"]
    old = json.dumps({"ts": NOW * 1000 - 9 * 3600_000, "open": True}).encode()
    assert home_assistant.state(entry, old, None, NOW) == "True"


def test_a_light_claims_only_what_it_does():
    lamp = components(make([], OUTPUTS))["lamp-light"]
    assert lamp["flash"] is False and lamp["transition"] is False


def test_what_counts_only_grows():
    entries = components(make([channel("rain", "count", "total", "rate", unit="mm/h")]))
    kinds = {key: entry["stat_cla"] for key, entry in entries.items() if "rain" in key}
    assert kinds == {
        "rain-count": "total_increasing",
        "rain-total": "total_increasing",
        "rain-rate": "measurement",
    }
    assert "unit_of_meas" not in entries["rain-count"]
    assert entries["rain-total"]["unit_of_meas"] == "mm"


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({"interval_ms": 60000}, 180),
        ({"interval_ms": 50}, 30),
        ({"interval_ms": 86400000}, 216030),
        ({"interval_ms": 60000, "heartbeat_ms": 3600000}, 9030),
        ({"interval_ms": 60000, "heartbeat_ms": 1000}, 180),
        ({"interval_ms": 60000, "retain": True}, None),
    ],
)
def test_expiry(options, seconds):
    entry = components(make([channel("out", "temperature", **options)]))["out-temperature"]
    assert entry.get("exp_aft") == seconds


def test_outputs_and_buttons():
    entries = components(make([], [output("garden_pump", "switch"), *OUTPUTS[1:]]))
    pump, lamp, fan = entries["garden_pump-switch"], entries["lamp-light"], entries["fan-number"]
    assert pump["name"] == "Garden pump" and pump["val_tpl"].startswith("{{ value_json.state")
    assert lamp["schema"] == "json" and "val_tpl" not in lamp
    assert fan["min"] == 0 and fan["max"] == 100
    for name, entry in (("garden_pump", pump), ("lamp", lamp), ("fan", fan)):
        assert entry["stat_t"] == f"outpost/attic/output/{name}"
        assert entry["cmd_t"] == f"outpost/attic/output/{name}/set"
        assert "exp_aft" not in entry
    assert entries["restart"]["cmd_t"] == "outpost/attic/cmd/restart"
    assert entries["identify"]["dev_cla"] == "identify"
    assert "identify" not in components(make(led=False))


def test_device():
    root = json.loads(device(make())[1])
    assert root["avty_t"] == "outpost/attic/status"
    assert root["dev"]["ids"] == ["attic"]
    assert root["dev"]["cns"] == [["mac", "24:6f:28:a1:b2:c3"]]
    assert root["dev"]["name"] == "attic" and "MicroPython 1.26.1" in root["dev"]["sw"]


def test_without_a_mac():
    def mac():
        raise OSError(5)

    node = make()
    node.board.radio.mac = mac
    assert "cns" not in json.loads(device(node)[1])["dev"]
    assert home_assistant.faults(*device(node)) == []


@pytest.mark.parametrize(
    ("name", "quantity", "expected"),
    [
        ("outside", "temperature", "Outside temperature"),
        ("outside_north", "sea_level_pressure", "Outside north sea level pressure"),
        ("temperature", "temperature", "Temperature"),
        ("outside_temperature", "temperature", "Outside temperature"),
        ("temperature", "humidity", "Temperature humidity"),
        ("co2", "co2", "CO2"),
        ("room_CO2", "co2", "Room CO2"),
        ("air", "pm25", "Air PM2.5"),
        ("sky", "uv_index", "Sky UV index"),
        ("attic", "temperature", "Temperature"),
        ("attic_north", "temperature", "North temperature"),
        ("attics", "temperature", "Attics temperature"),
        ("Öl_Tank", "distance", "Öl Tank distance"),
        ("gärten", "moisture", "Gärten moisture"),
        ('a"b\\c', "open", 'A"b\\c open'),
        ("attic", "", ""),
        ("pump", "", "Pump"),
    ],
)
def test_names(name, quantity, expected):
    assert discovery_payload.title(name, "attic", quantity) == expected


def test_an_output_that_is_the_device_takes_its_name():
    node = make([], [output("attic", "light")])
    assert components(node)["attic-light"]["name"] is None
    assert home_assistant.faults(*device(node)) == []


def test_names_of_all_kinds():
    names = [
        "Küche",
        "K_che",
        'say "hi"',
        "a b",
        "a_b",
        "日本",
        "x~y",
        "'{{ 1 }}",
        "a\\b",
        "e" * 64,
    ]
    for base in ("outpost", "Haus ü", "home/ground"):
        for name in names:
            node = make(
                [channel(one, "temperature", "open") for one in names],
                [output(one + "o", kind) for one in names for kind in ("switch",)],
                name=name,
                base=base,
            )
            messages = [device(node), *entities(node)]
            assert [fault for m in messages for fault in home_assistant.faults(*m)] == [], name
            assert len(components(node)) == 3 * len(names) + 10


def test_two_names_are_never_one_id():
    names = ["a b", "a_b", "a.b", "ä", "ö", "A b", "a-b", "a  b", "", "_", "日", "本"]
    assert len({discovery_payload.safe(name) for name in names}) == len(names)
    assert discovery_payload.safe("esp32-a1b2c3") == "esp32-a1b2c3"


def test_nodes_of_other_topics_are_other_clients_and_devices():
    """With a - between the levels these were one, and threw each other out."""
    pairs = (
        *(("home/first", "floor-hall"), ("home/first-floor", "hall")),
        ("outpost", "home-first-floor-hall"),
    )
    ids = {unique(topics.Topics(*pair)) for pair in pairs}
    assert len(ids) == len({discovery_payload.safe(each) for each in ids}) == len(pairs)


def test_two_nodes_of_one_name_in_bases_of_several_levels_are_two_devices():
    made = [make(base=base) for base in ("outpost", "home/ground", "home/first")]
    topics, payloads = zip(*map(device, made), strict=True)
    assert topics == (
        "homeassistant/device/attic/config",
        "homeassistant/device/home_ground_attic_ad9ee25b/config",
        "homeassistant/device/home_first_attic_444ad711/config",
    )
    told = [json.loads(payload) for payload in payloads]
    assert [each["dev"]["ids"] for each in told] == [
        ["attic"],
        ["home_ground_attic_ad9ee25b"],
        ["home_first_attic_444ad711"],
    ]
    assert {each["dev"]["name"] for each in told} == {"attic"}
    uniques = [entity["uniq_id"] for each in told for entity in each["cmps"].values()]
    assert len(set(uniques)) == len(uniques)


def test_channel_and_quantity_are_told_apart():
    one = channel("x", "absolute_humidity")
    two = channel("x_absolute", "humidity")
    assert len(components(make([one, two], [output("x-absolute", "switch")]))) == 13


def test_a_sensor_and_an_output_of_one_name():
    entries = components(make([channel("fan", "voltage", "open")], [output("fan", "switch")]))
    assert {"fan-voltage", "fan-open", "fan-switch"} <= set(entries)
    assert entries["fan-voltage"]["stat_t"] != entries["fan-switch"]["stat_t"]


def test_what_is_gone():
    node = make([channel("out", "temperature")])
    gone = {"old-humidity": "sensor", "out-temperature": "binary_sensor"}
    topic, payload = device(node, gone)
    entries = json.loads(payload)["cmps"]
    assert entries["old-humidity"] == {"p": "sensor"}
    assert entries["out-temperature"] == {"p": "binary_sensor"}
    assert home_assistant.faults(topic, payload) == []


def plant(change):
    """The faults of a good message with something changed."""
    topic, payload = device(
        make([channel("out", "temperature"), channel("door", "open")], OUTPUTS)
    )
    root = json.loads(payload)
    before = copy.deepcopy(root)
    change(root)
    assert root != before
    return home_assistant.faults(topic, json.dumps(root).encode())


@pytest.mark.parametrize(
    ("key", "member", "value", "fault"),
    [
        ("out-temperature", "dev_cla", "heat", "is unknown"),
        ("out-temperature", "unit_of_meas", "C", "unit C of a temperature"),
        ("out-temperature", "unit_of_meas", "", "empty unit"),
        ("out-temperature", "stat_cla", "total", "state_class total of a temperature"),
        ("out-temperature", "stat_cla", "measured", "state_class measured"),
        ("out-temperature", "expires_after", 3, "unknown key"),
        ("out-temperature", "expire_after", 3, "twice"),
        ("out-temperature", "exp_aft", 180.5, "expire_after"),
        ("out-temperature", "ent_cat", "config", "entity_category"),
        ("out-temperature", "min", 3, "unknown for a sensor"),
        ("out-temperature", "stat_t", "~/out", "is no topic"),
        ("out-temperature", "uniq_id", "attic.door-open", "not unique"),
        ("out-temperature", "p", "sensors", "is unknown"),
        ("door-open", "dev_cla", "open", "device_class open"),
        ("door-open", "stat_cla", "measurement", "unknown for a binary_sensor"),
        ("lamp-light", "sup_clrm", ["brightness", "rgb"], "colour modes"),
        ("fan-number", "max", 0, "min is not below max"),
        ("restart", "dev_cla", "reset", "device_class reset"),
        ("restart", "name", 5, "name is no text"),
    ],
)
def test_validator_finds_a_planted_member(key, member, value, fault):
    found = plant(lambda root: root["cmps"][key].update({member: value}))
    assert any(fault in one for one in found), found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda root: root.pop("o"), "origin: missing"),
        (lambda root: root.pop("cmps"), "components: missing"),
        (lambda root: root["o"].pop("name"), "without a name"),
        (lambda root: root["dev"].update({"ids": [], "cns": []}), "without identifiers"),
        (lambda root: root["dev"].update({"mdl_id": "x"}), "unknown in device"),
        (lambda root: root["dev"].update({"cns": [["mac", "24:6F:28:A1:B2:C3"]]}), "connection"),
        (lambda root: root.update({"name": "x"}), "not at the root"),
        (lambda root: root.update({"cmp": {}}), "unknown key"),
        (lambda root: root["cmps"]["restart"].pop("cmd_t"), "command_topic: missing"),
        (lambda root: root["cmps"]["restart"].pop("uniq_id"), "unique_id: missing"),
        (lambda root: root["cmps"].update({"a b": {"p": "sensor"}}), "not a key"),
        (lambda root: root["cmps"]["restart"].update({"dev": {}}), "is the root's"),
    ],
)
def test_validator_finds_a_planted_fault(change, fault):
    found = plant(change)
    assert any(fault in one for one in found), found


def test_validator_finds_a_topic_that_is_none():
    _, payload = device(make())
    for topic in ("homeassistant/device/a b/config", "ha/device/attic/config", "homeassistant/x"):
        assert home_assistant.faults(topic, payload)
    with pytest.raises(ValueError, match="twice"):
        home_assistant.faults("homeassistant/device/attic/config", b'{"o":1,"o":2}')


def test_document_says_what_appears():
    text = (ROOT / "docs" / "home-assistant.md").read_text()
    for entry in components(make()).values():
        assert entry["name"] in text, entry["name"]
    for row in next(row for row in settings.SETTINGS if row[0] == "discovery")[3]:
        default = json.dumps(row[2])
        assert f"| `{row[0]}` | `{default}` |" in text, row[0]
    topic, _ = device(make())
    assert f"-t {topic}\n" in text
    for source in ("announce.py", "plan.py"):
        for told in re.findall(
            r'"(discovery: .*?)"', (ROOT / "firmware" / "discovery" / source).read_text()
        ):
            assert told.partition("%s")[0] in text, told
