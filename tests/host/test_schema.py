"""docs/config.schema.json against the check: one takes what the other takes, but for what a JSON Schema cannot say."""

import json
import re

import jsonschema
import pytest
from configs import (
    EVERYTHING,
    OTHER_VALUES,
    TYPES,
    changed,
    config,
    places,
    with_everything,
    with_the_rest,
)
from hypothesis import given, settings
from hypothesis import strategies as some

from firmware.settings import kinds
from firmware.settings.tables import SETTINGS
from tools import ROOT
from tools.reference import schema as made


def pattern(validator, rule, value, schema):
    """As ECMA 262 has it, which is JSON Schema's, and editors': a `$` at the end is not before a newline."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", rule), value):
        yield jsonschema.ValidationError(f"{value!r} does not match {rule!r}")


SCHEMA = json.loads((ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern})
WHOLE = VALIDATOR(SCHEMA)
BEYOND = [re.compile(text) for text, _ in made.BEYOND]


def is_valid(raw):
    """Is it valid, and do schema and check agree?"""
    _, faults = config.check(raw, TYPES, None)
    errors = [f"{error.json_path}: {error.message}" for error in WHOLE.iter_errors(raw)]
    if errors:
        assert faults, errors
    else:
        assert not [fault for fault in faults if not is_beyond(fault, raw)], "the schema takes it"
    return not errors


def is_beyond(fault, raw):
    """Is a fault of a config what a schema cannot say?"""
    path, _, wrong = fault.partition(": ")
    if wrong.startswith("is too long"):
        return not value_at(raw, path).isascii()
    if wrong.startswith("has a noncharacter"):
        return max(value_at(raw, path)) > "\uffff"
    if wrong.startswith(("is not a whole", "is a number")):
        return value_at(raw, path).is_integer()
    return any(text.search(fault) for text in BEYOND)


def value_at(raw, path):
    for key in re.findall(r"[^.\[\]]+", path):
        raw = raw[int(key) if isinstance(raw, list) else key]
    return raw


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_each_definition_is_referred_to_and_is_there():
    text = json.dumps(SCHEMA)
    named = set(re.findall(r'"\$ref": "#/\$defs/([\w-]+)', text))
    assert named == set(SCHEMA["$defs"])
    for name in (
        "network",
        "broker",
        "output",
        "sensor",
        "calibrate",
        *(f"{kind}-sensor" for kind in TYPES),
    ):
        assert name in named


# what the pages show


def shown():
    """Yield (where it stands, config) of each config, part of one, and entry of a sensor that a page shows."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    files = [ROOT / "config.json.example", *sorted((ROOT / "docs" / "examples").glob("*.json"))]
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in files]
    for path in pages:
        blocks = re.findall(r"```json\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
        texts += [(f"{path.name} {number}", block) for number, block in enumerate(blocks)]
    for title, text in texts:
        try:
            raw = json.loads(text)
        except ValueError:
            continue
        if isinstance(raw, dict) and {"name", "type"} <= set(raw):
            raw = {"sensors": [raw]}
        if isinstance(raw, dict) and set(raw) <= set(SCHEMA["properties"]):
            yield pytest.param(with_the_rest(raw), id=title)


@pytest.mark.parametrize("raw", list(shown()))
def test_what_the_pages_show_is_valid(raw):
    assert is_valid(raw)


def test_the_pages_show_many():
    assert len(list(shown())) > 2 * len(TYPES)


# each setting at its bounds and over them, and what belongs nowhere

TEXTS = (
    *("", "a", "a b", "é", "a\n", "\n", "a\x7f", "a\x85", "a/b", "a+", "#", "$"),
    *(
        "\ufdcf",
        "a\ufdd0",
        "\ufdef",
        "\ufdf0",
        "\ufffd",
        "\ufffe",
        "\uffffa",
        "\U0001fffd",
        "\U0010ffff",
    ),
    *("home/ground", "home/", "/home", "home//ground", "home/+", "home/" + "a" * 60),
    *("status", "all", "DE", "de", "ABC", "node-1", "n.1", "n_1", "Broker_1.local"),
    *(
        "-a",
        "a-",
        "a..b",
        "a.",
        "a.-b",
        "mqtt://b",
        "b:1883",
        "me@b",
        "1",
        "1.2",
        "0x7f.1",
        "a.0x",
    ),
    *("1.2.3.4", "01.2.3.4", "1.2.3.256", "1.2.3.4.", "a.1.2.3.4", "255.255.255.0", "1.2.3"),
    *("28ff641e8d163ca1", "28FF641E8D163CA1", "2844aef100000001", "28-0316a2795aff", "0" * 16),
    *(
        "f" * 64,
        "a." + "b" * 63,
        "a." + "b" * 64,
        ".".join(["b" * 50] * 5),
        ".".join(["b" * 50] * 6),
    ),
    *("x" * length for length in (7, 8, 32, 33, 63, 64, 65, 128, 129, 256, 257)),
)


def edges(kind, limit):
    """Yield values of a kind of setting, at its limits and beyond."""
    if kind in ("int", "number"):
        least, most = limit
        yield from (least, most, least - 1, most + 1, (least + most) // 2, float(most), most + 0.5)
    elif kind == "pin":
        yield from (0, 48, 49, -1, 2.0, 3.5)
    elif kind == "choice":
        yield from (*limit, "other", 99, 1.0)
    elif kind in ("bool", "object", "list", "sensors", "quantities"):
        yield from (True, False)
    else:
        yield from TEXTS


def rows_in(rows, value, place=()):
    """Yield (place, row) of each setting that a config has a value for."""
    for row in rows:
        key, kind, _, limit, _ = row
        here = (*place, key)
        if key not in value:
            continue
        yield here, row
        inner = value[key]
        if kind == "object" and inner:
            yield from rows_in(limit, inner, here)
        elif kind == "list":
            for number, entry in enumerate(inner):
                yield from rows_in(limit[2], entry, (*here, number))
        elif kind == "sensors":
            for number, entry in enumerate(inner):
                rows = made.rows_of(limit[2], TYPES[entry["type"]][2])
                yield from rows_in(rows, entry, (*here, number))
        elif kind == "quantities":
            for name in inner:
                yield from rows_in(((name, *limit, ""),), inner, here)


def odd(raw, is_tried):
    """Yield copies of a config with one value at, over or beside its limits. is_tried: of a place, is it to be changed?"""
    for place, (_, kind, _, limit, _) in rows_in(SETTINGS, raw):
        for value in edges(kind, limit) if is_tried(place) else ():
            yield changed(raw, place, value)
    for place in places(raw):
        for value in (*OTHER_VALUES, ...) if place and is_tried(place) else ():
            yield changed(raw, place, value)


def test_all_there_is_to_set_is_valid_and_each_setting_is_there():
    assert is_valid(EVERYTHING)
    there = {place[-1] for place, _ in rows_in(SETTINGS, EVERYTHING)}
    assert there >= set(SCHEMA["properties"]) - {"provisioning"}
    for name in ("node", "wifi", "mqtt", "network", "broker", "tls", "static", "output"):
        assert there >= set(SCHEMA["$defs"][name]["properties"]), name


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.parametrize("part", EVERYTHING)
def test_each_setting_at_its_bounds_and_with_what_is_none(part):
    raw = with_the_rest({part: EVERYTHING[part]})
    if part == "outputs":  # a button
        raw["sensors"] = EVERYTHING["sensors"]
    results = [is_valid(each) for each in odd(raw, lambda place: place[0] == part)]
    assert True in results and False in results


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_each_setting_of_a_sensor_at_its_bounds_and_with_what_is_none(kind):
    sensor = with_everything(kind, "s")
    for key in ("deadband", "calibrate", "filter"):  # of one quantity
        sensor[key] = dict([sensor[key].popitem()])
    raw = with_the_rest({"sensors": [sensor]})
    # what all have is tried with one of them
    own = set(sensor) if kind == "bme680" else {row[0] for row in TYPES[kind][2]}
    results = [is_valid(each) for each in odd(raw, lambda place: own & set(place[2:3]))]
    assert True in results and False in results


@pytest.mark.parametrize(
    ("place", "most"),
    [
        (("sensors",), 32),
        (("outputs",), 16),
        (("wifi", "networks"), 8),
        (("mqtt", "brokers"), 8),
    ],
    ids=str,
)
def test_a_list_at_its_bounds(place, most):
    output = {"name": "o", "pin": 0}
    raw = with_the_rest({"sensors": [output | {"type": "adc"}], "outputs": [output]})
    least = len(place) - 1
    for count in {0, least, most, most + 1}:
        *inside, key = place
        entry = raw[inside[0]][key][0] if inside else raw[key][0]
        entries = [
            entry | ({} if inside else {"name": f"n{n}", "pin": n + 1}) for n in range(count)
        ]
        other = changed(raw, place, entries)
        assert is_valid(other) == (least <= count <= most), count


ADC = {"name": "a", "type": "adc", "pin": 34}
WIRE = {"type": "ds18b20", "pin": 4}
# One for each row of BEYOND, in its order.
REFUSED = (
    {"sensors": [ADC, ADC | {"name": "b"}]},
    {"sensors": [WIRE | {"name": "a"}, WIRE | {"name": "b"}]},
    {"sensors": [ADC, ADC | {"pin": 35}]},
    {"outputs": [{"name": "a", "pin": 4, "button": "b"}]},
    {"outbox": {"bytes": 8192, "ram_bytes": 8192}},
    {"sensors": [ADC | {"filter": {"voltage": {"min": 2, "max": 1}}}]},
    {"sensors": [ADC | {"calibrate": {"voltage": {"points": [{"reads": 1, "is": 0}] * 2}}}]},
    changed(
        {"wifi": EVERYTHING["wifi"]}, ("wifi", "networks", 0, "static", "gateway"), "10.0.0.2"
    ),
    {"sensors": [WIRE | {"name": "a", "address": "28ff641e8d163ca0"}]},
    {"node": {"name": "é" * 40}},
    {"node": {"name": "\U0001fffe"}},
    {"publish": {"live_s": 60.0}},
)


@pytest.mark.parametrize(("raw", "row"), list(zip(REFUSED, made.BEYOND, strict=True)), ids=str)
def test_what_is_beyond_a_schema(raw, row):
    raw = with_the_rest(raw)
    (fault,) = config.check(raw, TYPES, None)[1]
    assert re.search(row[0], fault)
    assert is_valid(raw)


def test_a_schema_that_says_less_or_more_is_found(monkeypatch):
    raw = changed(EVERYTHING, ("mqtt", "brokers", 0, "tls", "key"), ...)
    assert not is_valid(raw)
    less = changed(SCHEMA, ("$defs", "tls", "allOf"), ...)
    monkeypatch.setitem(globals(), "WHOLE", VALIDATOR(less))
    with pytest.raises(AssertionError, match="the schema takes it"):
        is_valid(raw)
    more = changed(SCHEMA, ("required",), ["node"])
    monkeypatch.setitem(globals(), "WHOLE", VALIDATOR(more))
    with pytest.raises(AssertionError, match="'node' is a required property"):
        is_valid(with_the_rest({}))


# whatever it is

WHATEVER = settings(derandomize=True, database=None, deadline=None)
LIMITS = {"text": (0, 64), "level": ""}
DEFINED = {
    name: VALIDATOR({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})
    for name in made.KINDS
    if name != "pin"
}


@pytest.mark.parametrize("kind", sorted(DEFINED))
@WHATEVER
@given(some.text("abDZ0129.-_xX/:@+#$é \n\x7f\x85", min_size=1, max_size=20))
def test_any_text(kind, value):
    wrong = kinds.wrong(kind, value, LIMITS.get(kind))
    assert DEFINED[kind].is_valid(value) == (wrong is None) or any(
        text.search(f".address: {wrong}") for text in BEYOND
    )


PARTS = [
    *[
        "0",
        "1",
        "9",
        "01",
        "10",
        "99",
        "100",
        "199",
        "249",
        "250",
        "255",
        "256",
        "300",
        "999",
        "a",
        "A",
        "-",
        "_",
        "a-",
        "-a",
        "a_",
        "0x",
        "0x1f",
        "0Xg",
        "1a",
        "é",
    ],
    *("", "b" * 31, "b" * 32, "b" * 33, "b" * 62, "b" * 63, "b" * 64),
]


@WHATEVER
@given(some.lists(some.sampled_from(PARTS), min_size=1, max_size=6))
def test_any_parts_with_points_between(parts):
    value = ".".join(parts)
    for kind in ("ipv4", "host", "hostname") if value else ():
        assert DEFINED[kind].is_valid(value) == (kinds.wrong(kind, value, None) is None), kind


@WHATEVER
@given(some.data())
def test_several_changes_at_once(data):
    names = data.draw(some.lists(some.sampled_from(sorted(TYPES)), max_size=2))
    sensors = [with_everything(kind, f"s{n}") for n, kind in enumerate(names)]
    raw = EVERYTHING | {"sensors": EVERYTHING["sensors"] + sensors}
    for _ in range(data.draw(some.integers(0, 3))):
        place = data.draw(some.sampled_from(sorted(set(places(raw)) - {()}, key=str)))
        raw = changed(raw, place, data.draw(some.sampled_from((*OTHER_VALUES, ...))))
    is_valid(raw)
