"""What holds for every input, tried with those that hypothesis thinks of: forms that are read back, and what nothing may break."""

import copy
import json
import math

import on_cpython
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from tools import ROOT
from tools.settings import judge, overlays

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # Cs: half a character
NUMBERS = st.integers(-(10**15), 10**15) | st.floats(
    allow_nan=False, allow_infinity=False, width=32
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def device():
    """A function: a module of the device, by its name."""
    with on_cpython.micropython() as load:
        yield load


# --- JSON


@given(JSON)
@example("\U0001f3e0 \\ud83c \\")
def test_characters_of_two_escapes_are_read_back(device, value):
    text = json.dumps(value)
    joined = device("jsonpairs").joined(text.encode())
    assert json.loads(joined) == value
    assert device("jsonpairs").joined(joined) == joined


def strict(text):
    """Parse JSON as RFC 8259 has it. ValueError: it is none, or parsers read it differently."""

    def once(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    def refused(word):
        raise ValueError(word)

    value = json.loads(text, object_pairs_hook=once, parse_constant=refused)
    json.dumps(value, ensure_ascii=False).encode()  # half a character
    return value


def depth(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0


def judged_alike(device, text):
    try:
        good = depth(strict(text)) <= 8
    except ValueError:
        good = False
    said = device("jsonfault").fault(text)
    assert (said is None) == good, (text, said)
    assert said is None or said.startswith("line ")


TYPED = ["", '"', ",", ":", "{", "}", "[", "]", "\\", "\\ud83c", "0", "-", ".", "e", "x", "\n"]


@settings(max_examples=200)
@given(JSON, st.booleans(), st.sampled_from(TYPED), st.data())
def test_a_typing_error_is_found_where_there_is_one(device, value, ascii_only, typed, data):
    text = json.dumps(value, ensure_ascii=ascii_only)
    judged_alike(device, text)
    at = data.draw(st.integers(0, len(text)))
    judged_alike(device, text[:at] + typed + text[at + data.draw(st.integers(0, 1)) :])


@settings(max_examples=200)
@given(st.text("0123-+.eE", min_size=1, max_size=6))
@example("01")
def test_what_is_a_number(device, text):
    judged_alike(device, text)


# --- what the node sends


FIELDS = st.lists(
    st.tuples(
        st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=20),
        st.integers(0, 3),
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
)
COUNTS = st.integers(0, 2**32 - 1)
UPTIMES = st.integers(0, 2**63 - 1)


@given(FIELDS, st.none() | st.integers(0, 2**42), COUNTS, COUNTS)
def test_a_reading_is_read_back(device, rows, ts, boot, seq):
    """Each quantity with the decimals of its row, and what was measured as a float comes back as one."""
    payload = device("firmware.payload")
    fields = [(name, "unit", None, decimals) for name, decimals, _ in rows]
    members = payload.body(fields, [value for _, _, value in rows])
    if not members:
        return  # nothing was measured: there is no reading
    read = json.loads(payload.reading(ts, boot, seq, members))
    assert read.pop("ts", None) == ts
    assert (read.pop("boot"), read.pop("seq")) == (boot, seq)
    assert list(read) == [name for name, _, value in rows if value is not None]
    for name, decimals, value in rows:
        if value is not None:
            assert type(read[name]) is type(value)
            assert math.isclose(read[name], value, abs_tol=0.5001 * 10 ** -max(decimals, 1))


@given(st.text(max_size=170), TEXTS, COUNTS, COUNTS, UPTIMES, UPTIMES)
@example("é" * 200, "attic", 1, 1, 1, 1)
def test_a_record_is_read_back(device, text, name, boot, seq, at, ts):
    """Whatever a failure says: its reading is JSON, and what the outbox keeps of it is what went in."""
    payload = device("firmware.payload")
    members = payload.error(text)
    assert json.loads(payload.reading(None, boot, seq, members))["error"] == text[:160]
    key = name.encode()
    data = payload.record(3, boot, seq, at, ts, members)
    record = device("outbox.log").Record(bytes((len(key),)) + key + data, 1)
    assert payload.is_reading(record)
    assert payload.head(record) == (True, boot, seq, at, ts)
    assert record.key == key and payload.members(record) == members


# --- the outbox


RECORDS = st.lists(st.binary(max_size=300), min_size=1, max_size=20)


def fill(outbox, folder, contents):
    box = outbox(str(folder), sync_ms=0)
    for data in contents:
        assert box.append(b"k", data, 0)
    assert box.sync(0)
    return box


def drained(box):
    found = []
    while record := box.peek(0):
        found.append(record.data)
        box.take(record, 0)
        box.drop(record, 0)
    return found


@given(st.lists(st.tuples(RECORDS, st.integers(0, 30)), min_size=1, max_size=4))
@settings(max_examples=50)
def test_what_is_in_the_outbox_comes_out_once_and_in_order(device, tmp_path_factory, lives):
    """Over restarts, whatever was acknowledged before each."""
    outbox = device("outbox").Outbox
    folder = tmp_path_factory.mktemp("outbox") / "box"
    owed = []
    for contents, acknowledged in lives:
        box = fill(outbox, folder, contents)
        owed += contents
        for data in owed[:acknowledged]:
            record = box.peek(0)
            assert record.data == data
            box.take(record, 0)
            box.drop(record, 0)
        del owed[:acknowledged]
        assert box.sync(0)
        assert len(box) == len(owed)
    assert drained(outbox(str(folder))) == owed


@given(RECORDS, st.data())
@settings(max_examples=100)
def test_a_damaged_byte_takes_one_record_with_it_and_invents_none(
    device, tmp_path_factory, contents, data
):
    outbox = device("outbox").Outbox
    folder = tmp_path_factory.mktemp("outbox") / "box"
    fill(outbox, folder, contents)
    (segment,) = folder.glob("[0-9a-f]" * 8)
    content = bytearray(segment.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    segment.write_bytes(content)
    found = drained(outbox(str(folder)))
    assert found in [contents[:lost] + contents[lost + 1 :] for lost in range(len(contents))]


# --- names and addresses


LEVEL = st.sampled_from(["a", "b", "", "$SYS", "ä"])
TOPICS = st.lists(LEVEL, min_size=1, max_size=4)


@settings(max_examples=400)
@given(
    TOPICS, st.lists(st.booleans(), min_size=4, max_size=4), st.sampled_from([[], ["#"]]), TOPICS
)
def test_a_filter_takes_what_other_clients_say_it_does(device, levels, any_level, rest, topic):
    """A filter that was made of this topic, or of another."""
    for base in (levels, topic):
        pattern = ["+" if wild else level for level, wild in zip(base, any_level, strict=False)]
        pattern, name = "/".join(pattern + rest), "/".join(topic)
        if name:
            device("mqtt.packets").check_filter(pattern or "+")
            device("mqtt.packets").check_topic(name)
            matches = device("mqtt.topics").matches(pattern or "+", name)
            assert matches == topic_matches_sub(pattern or "+", name)


@given(st.sampled_from([0x28, 0x10, 0x22, 0x3B]), st.binary(min_size=6, max_size=6), st.data())
def test_an_address_in_another_form_is_told_in_the_right_one(device, family, number, data):
    roms = device("firmware.settings.roms")
    rom = roms._whole((bytes((family,)) + number).hex())
    right = rom.hex()
    assert roms.wrong(right) is None
    back = number[::-1].hex()
    assert roms.wrong(f"{family:02x}-{back}") == f"is in Linux's form: it is {right}"
    assert roms.wrong(f"{family:02x}.{number.hex()}") == f"is in owfs's form: it is {right}"
    assert roms.wrong(f"0x{right}").endswith(f": it is {right}")
    assert f"{right} (owfs's)" in roms.wrong(right[:-2])
    if family == 0x28:
        assert roms.wrong(back).endswith(f": it may be {right} (Tasmota's form)")
    if rom[-1] != family:  # else it may be read from either end
        assert roms.wrong(rom[::-1].hex()) in (f"is in ESPHome's order: it is {right}", None)
    at = data.draw(st.integers(0, 15))
    other = data.draw(st.sampled_from("0123456789abcdef").filter(lambda digit: digit != right[at]))
    assert roms.wrong(right[:at] + other + right[at + 1 :]), "one digit is wrong"


# --- settings


EXAMPLE = json.loads((ROOT / "docs/examples/twelve.json").read_text())


def paths(value, before=()):
    yield before
    for key in (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    ):
        yield from paths(value[key], (*before, key))


def replaced(tree, path, value):
    if not path:
        return value
    tree = copy.deepcopy(tree)
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return tree


@settings(max_examples=200)
@given(st.sampled_from(list(paths(EXAMPLE))), JSON, st.sampled_from([None, "esp32", "pico_w"]))
def test_whatever_a_config_holds_it_is_judged(path, value, model):
    """Anything anywhere in a good config: faults in words, or settings that are good when they are judged again."""
    checked, faults = judge.judge(replaced(EXAMPLE, path, value), model)
    assert (checked is None) == bool(faults)
    for fault in faults:
        place, colon, words = fault.partition(": ")
        assert colon and place and words, fault
    if checked:
        assert judge.judge(checked, model) == (checked, [])


KEYED = st.recursive(
    st.none() | st.integers(0, 2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


def nulls(value):
    return isinstance(value, dict) and any(v is None or nulls(v) for v in value.values())


@given(KEYED, KEYED, KEYED)
def test_overlays_are_merge_patches(target, patch, other):
    merged = overlays.merge(target, patch)
    assert overlays.merge(merged, patch) == merged, "once is enough"
    assert not nulls(overlays.merge({}, patch)), "null removes a key"
    assert overlays.merge(target, {}) == (target if isinstance(target, dict) else {})
    if isinstance(patch, dict) and isinstance(other, dict) and not patch.keys() & other.keys():
        both = overlays.merge(overlays.merge(target, patch), other)
        assert both == overlays.merge(overlays.merge(target, other), patch)
