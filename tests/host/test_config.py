"""The settings tables, what is made from them, and config.json as CPython reads it."""

import json
import random
import re

import pytest
from configs import (
    EVERYTHING,
    OTHER_VALUES,
    TYPES,
    changed,
    config,
    jsonfault,
    places,
    with_everything,
    with_the_rest,
)

from firmware.settings import kinds
from firmware.settings.tables import SETTINGS
from tools import CommandError
from tools.reference import reference


def rows_of(rows, place=""):
    """Every row of a table and of the tables within it."""
    for row in rows:
        yield f"{place}{row[0]}", row
        if row[1] == "object":
            yield from rows_of(row[3], f"{place}{row[0]}.")
        elif row[1] in ("list", "sensors"):
            yield from rows_of(row[3][2], f"{place}{row[0]}[].")
        elif row[1] == "quantities" and row[3][0] == "object":
            yield from rows_of(row[3][2], f"{place}{row[0]}.<quantity>.")


def all_rows():
    yield from rows_of(SETTINGS)
    for name, (_, _, own, _) in TYPES.items():
        yield from rows_of(own, f"{name}: ")


@pytest.mark.parametrize(("place", "row"), list(all_rows()), ids=lambda value: str(value)[:40])
def test_a_row_says_all_there_is_to_say(place, row):
    key, kind, default, limit, text = row
    assert re.fullmatch("[a-z][a-z0-9_]*", key.removeprefix("$"))
    assert kind in kinds._TYPES or kind in kinds._CHECKS
    assert 5 < len(text) < 100 and not text.endswith(".")
    if default is not None and kind not in ("object", "list", "sensors"):
        assert kinds.accepted(kind, limit)
    if default not in (..., None, ()):
        assert kinds.wrong(kind, default, limit, default) is None
    if kind in ("int", "number"):
        assert limit[0] < limit[1]


def test_digits_are_those_that_a_board_takes_for_digits():
    """As in tests/device/settings/test_config_names.py, which MicroPython runs."""
    for host in ("192.168.1.\xb2", "\xb2", "1.2.3.\uff15"):
        assert kinds.wrong("host", host, None) == "is no name of a host"
    assert kinds.wrong("host", "192.168.1.300", None) == "is no IPv4 address"


def test_no_key_twice():
    tables = [SETTINGS, *(own for _, _, own, _ in TYPES.values())]
    tables += [row[3] for _, row in all_rows() if row[1] == "object"]
    tables += [row[3][2] for _, row in all_rows() if row[1] in ("list", "sensors")]
    for rows in tables:
        keys = [row[0] for row in rows]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "name",
    ["config.json.example", "docs/config.md", "docs/config.schema.json", "docs/sensors.md"],
)
def test_what_is_made_from_the_tables_is_up_to_date(name):
    made = reference.generate()
    assert len(made) == 4
    assert (reference.ROOT / name).read_text() == made[name], "run `python -m tools reference`"


def test_the_check_of_what_is_made_can_fail(tmp_path, monkeypatch):
    class Args:
        check = True

    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    with pytest.raises(CommandError, match=r"config\.json\.example, docs/config\.md"):
        reference.run(Args)
    assert not list(tmp_path.glob("*.*"))
    Args.check = False
    assert reference.run(Args) == 0
    Args.check = True
    assert reference.run(Args) == 0


def test_every_setting_is_in_the_reference():
    text = reference.generate()["docs/config.md"]
    for place, row in all_rows():
        assert f"| `{row[0]}` |" in text or f"## `{row[0]}`" in text, place
        assert row[4] in text, place


def test_the_example_runs_as_it_is():
    raw = json.loads((reference.ROOT / "config.json.example").read_text())
    settings, faults = config.check(raw, TYPES, "esp32")
    assert not faults
    assert len(settings["sensors"]) > 5


def test_the_example_notices_what_is_wrong_in_it(monkeypatch):
    monkeypatch.setitem(reference.EXAMPLE["sensors"][0], "sda", 1)
    with pytest.raises(CommandError, match="GPIO1 is the serial console"):
        reference.example(config, TYPES)


def on_one_bus(*sensors):
    """The faults of sensors on the same two pins."""
    sensors = [
        {"name": f"s{i}", "sda": 4, "scl": 5} | settings for i, settings in enumerate(sensors)
    ]
    return config.check(with_the_rest({"sensors": sensors}), TYPES, "pico_w")[1]


def refused(i, other=0):
    return [
        f"sensors[{i}].address: does not tell it from sensors[{other}] on the same bus, give each its own"
    ]


def test_the_inputs_of_one_chip_are_several_sensors():
    ads1115 = {"type": "ads1115", "address": "0x48"}
    inputs = ("0", "1", "2", "3", "0-1", "0-3", "1-3", "2-3")
    assert not on_one_bus(*(ads1115 | {"input": n} for n in inputs))
    assert not on_one_bus(ads1115, ads1115 | {"input": "1", "range_v": "6.144", "r1": 10})
    assert not on_one_bus(ads1115, ads1115 | {"address": "0x49"})
    assert on_one_bus(ads1115, ads1115 | {"input": "0", "range_v": "6.144"}) == refused(1)
    assert on_one_bus(ads1115 | {"input": "2"}, ads1115 | {"input": "2"}) == refused(1)
    three = [ads1115 | {"input": n} for n in ("0", "1", "1")]
    assert on_one_bus(*three) == refused(2, 1)


@pytest.mark.parametrize("turned", [False, True])
def test_one_address_is_no_two_types(turned):
    for one, other in (
        ({"type": "ads1115", "address": "0x48"}, {"type": "tmp117", "address": "0x48"}),
        ({"type": "ina219"}, {"type": "ina226"}),
        ({"type": "ina219"}, {"type": "si7021"}),
        ({"type": "ina219"}, {"type": "ina219"}),
    ):
        pair = (other, one) if turned else (one, other)
        assert on_one_bus(*pair) == refused(1), pair


# JSON as the node reads it, against CPython's parser

TEXT = """{
  "wifi": {"networks": [{"ssid": "K\\u00fcche", "password": "a\\\\b\\"c"}], "power_save": false},
  "mqtt": {"brokers": [{"host": "b", "port": 1883, "tls": null}], "window": 1e1},
  "x": [-0.5, 0, true, [], {}, ""]
}"""


def agrees(text):
    """Does `fault` accept what json.loads accepts? Returns whether both do."""

    def once(pairs):
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    def refuse(name):
        raise ValueError(name)

    try:
        json.loads(text, object_pairs_hook=once, parse_constant=refuse)
        good = True
    except (ValueError, RecursionError):
        good = False
    fault = jsonfault.fault(text)
    if good and fault:  # stricter on purpose
        assert re.search("more than|half a character", fault), (text, fault)
        return False
    assert (fault is None) == good, (text, fault)
    return good


def test_every_change_of_a_character_is_judged_as_cpython_does():
    accepted = 0
    for i in range(len(TEXT)):
        for new in (
            "",
            "x",
            "0",
            '"',
            ",",
            ":",
            "{",
            "]",
            "\\",
            " ",
            "-",
            ".",
            "e",
            "é",
            "\n",
            "\t",
        ):
            accepted += agrees(TEXT[:i] + new + TEXT[i + 1 :])
    assert accepted > 1000


def test_random_pieces_of_json_are_judged_as_cpython_does():
    chance = random.Random(1)
    pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"a"',
        '"b"',
        "1",
        "-1.5e+3",
        "true",
        "null",
        " ",
        "\\",
        '"',
    ]
    accepted = 0
    for _ in range(30000):
        accepted += agrees("".join(chance.choices(pieces, k=chance.randrange(1, 8))))
    assert accepted > 100


# whatever stands in config.json, the check says what is wrong with it or takes it


def is_judged(raw, model):
    """The check names faults, or takes it and would take what it made of it. Returns whether it did."""
    settings, faults = config.check(raw, TYPES, model)
    assert (settings is None) == bool(faults)
    for fault in faults:
        assert re.fullmatch(r"[$a-z][^ ]*: [^:]+(: .+)?, .+", fault, re.DOTALL), fault
    if settings:
        assert config.check(settings, TYPES, model) == (settings, [])
    return settings is not None


def test_everything_is_right():
    assert config.check(EVERYTHING, TYPES, "pico_w")[1] == []
    for kind in TYPES:
        raw = EVERYTHING | {"sensors": [*EVERYTHING["sensors"], with_everything(kind, "s")]}
        assert config.check(raw, TYPES, "pico_w")[1] == [], kind


@pytest.mark.parametrize("model", ["esp32", "pico_w", None])
def test_every_wrong_value_of_every_setting_is_judged(model):
    taken = 0
    for place in places(EVERYTHING):
        for value in (*OTHER_VALUES, ...):
            if place or value is not ...:
                taken += is_judged(changed(EVERYTHING, place, value), model)
    assert taken > 100


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_every_wrong_value_of_every_setting_of_a_sensor_is_judged(kind):
    pair = [with_everything(kind, "a"), with_everything(kind, "b")]
    own = {row[0] for row in TYPES[kind][2]}
    for place in places(pair):
        # what all have in common is tried with one of them
        if kind == "bme680" or (len(place) > 1 and place[1] in own):
            for value in (*OTHER_VALUES, ...):
                if place or value is not ...:
                    is_judged(with_the_rest({"sensors": changed(pair, place, value)}), "pico_w")


def test_several_wrong_values_at_once_are_judged():
    chance = random.Random(1)
    kinds_of_sensor = sorted(TYPES)
    for _ in range(3000):
        sensors = [with_everything(chance.choice(kinds_of_sensor), name) for name in "ab"]
        raw = EVERYTHING | {"sensors": EVERYTHING["sensors"] + sensors}
        for _ in range(3):
            place = chance.choice(list(places(raw))[1:])
            raw = changed(raw, place, chance.choice((*OTHER_VALUES, ...)))
        is_judged(raw, chance.choice(("esp32", "esp32c3", "pico_w", None)))
