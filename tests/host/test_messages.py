"""What `make run` and `make watch` show on a terminal of what nodes publish."""

import io
import json
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.simulate import messages
from tools.simulate.messages import Messages

SENSORS = [
    {"name": "room", "type": "bme280"},
    {"name": "rain", "type": "pulse", "unit": "mm/h"},
    {"name": "wind", "type": "pulse", "unit": "km/h"},
    {"name": "turns", "type": "pulse"},
]
TS = 1_795_917_130_051
AT = time.strftime("%H:%M:%S", time.localtime(TS // 1000))


@pytest.fixture
def shown(capsys, monkeypatch):
    """Return a function: what is printed of a message, without the time it came if `now` is."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(messages.time, "time", lambda: TS / 1000)

    def show(topic, payload, base="outpost", node="attic"):
        if not isinstance(payload, str):
            payload = json.dumps(payload)
        Messages(base, node, SENSORS).show(f"{topic}\t{payload}\n")
        return capsys.readouterr().out

    return show


def test_a_long_name_leaves_room_for_what_is_told(capsys, monkeypatch):
    """It took the width of all lines after it, and their values were gone."""
    monkeypatch.setenv("COLUMNS", "80")
    messages_ = Messages("outpost", None, SENSORS)
    messages_.show(f"outpost/x/{'y' * 80}\tonline")
    capsys.readouterr()
    messages_.show("\t".join(reading("room", '"temperature":20.50')))
    assert "temperature 20.50 °C" in capsys.readouterr().out


def reading(channel, members, branch="reading"):
    return f"outpost/attic/{branch}/{channel}", f'{{"ts":{TS},"boot":7,"seq":3,{members}}}'


@pytest.mark.parametrize(
    ("channel", "members", "told"),
    [
        (
            "room",
            '"temperature":20.50,"humidity":50.4,"pressure":1017.70',
            "temperature 20.50 °C   humidity 50.4 %   pressure 1017.70 hPa",
        ),
        (
            "rain",
            '"count":25,"total":6.985,"rate":0.000',
            "count 25   total 6.985 mm   rate 0.000 mm/h",
        ),
        ("wind", '"count":25,"rate":12.500', "count 25   rate 12.500 km/h"),
        ("turns", '"count":25,"rate":12.500', "count 25   rate 12.500"),
        ("door", '"open":true', "open yes"),
        ("room", '"error":"no answer on the bus"', "error: no answer on the bus"),
        ("info", '"open":true', "open yes"),  # a sensor may have any name
    ],
)
def test_a_reading_is_a_line_with_its_time_and_units(channel, members, told, shown):
    assert shown(*reading(channel, members)) == f"{AT}  {channel:6}  {told}\n"
    late = shown(*reading(channel, members, "history"))
    assert late == f"{AT}  {channel:6}  late   {told}\n"


def test_without_a_time_none_is_shown(shown):
    """The time it came would be taken for the one at which it was measured."""
    line = shown("outpost/attic/reading/room", {"boot": 7, "seq": 3, "temperature": 20})
    assert line == f"{'':8}  room    temperature 20 °C\n"


@pytest.mark.parametrize("payload", ["online", "offline", "3 info wifi: up", "[1]", "12", ""])
def test_what_is_no_object_is_shown_as_it_is(payload, shown):
    assert shown("outpost/attic/log", payload).rstrip() == f"{AT}  log     {payload}".rstrip()


def test_of_documents_what_a_person_looks_at_and_every_fault(shown):
    health = {
        "uptime_s": 35,
        "heap_free": 64624,
        "heap_low": 59904,
        "rssi": -59,
        "clock": "ntp",
        "failing": "",
        "outbox": 0,
        "dropped": 0,
    }
    usual = "uptime_s 35   heap_free 64624   rssi -59   clock ntp   outbox 0"
    assert shown("outpost/attic/health", health) == f"{AT}  health  {usual}\n"
    bad = health | {"failing": "room: no answer", "dropped": 3}
    assert shown("outpost/attic/health", bad).split() == (
        f"{AT} health {usual} failing room: no answer dropped 3".split()
    )
    info = {"version": "0.1.0", "board": "esp32", "micropython": "1.25.0", "safe_mode": False}
    assert shown("outpost/attic/info", info) == (
        f"{AT}  info    version 0.1.0   board esp32   micropython 1.25.0\n"
    )


def test_of_several_nodes_each_line_has_the_name(shown):
    assert (
        shown("garden/a b/reading/room", "x", base="garden", node=None) == f"{AT}  a b/room  x\n"
    )


def test_a_base_may_have_levels_and_other_topics_are_shown_whole(shown):
    assert "  room    x\n" in shown("home/ground/attic/reading/room", "x", base="home/ground")
    assert shown("elsewhere/room", "x") == "elsewhere/room x\n"
    assert shown("outpost", "x") == "outpost x\n"


def test_long_ones_are_wrapped_below_themselves(shown):
    lines = shown("outpost/attic/log", "word " * 40).splitlines()
    assert len(lines) > 1 and all(line.startswith(" " * 18 + "word") for line in lines[1:])
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize(
    "payload",
    [
        '{"ts":"2024-01-01","seq":1}',
        '{"ts":1.5,"seq":1}',
        '{"ts":1' + "0" * 30 + ',"seq":1}',
        '{"ts":-1,"seq":1}',
        '{"ts":null,"seq":1}',
        '{"a":1' + "0" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
        *('{"a":' * deep + "1" + "}" * deep for deep in (201, 900, 990, 1000)),
    ],
    ids=lambda payload: payload[:30],
)
def test_what_no_node_publishes_is_shown_as_it_is(payload, shown):
    """One such message of somebody ended the command."""
    line = "".join(each.strip() for each in shown("outpost/attic/reading/x", payload).split("\n"))
    assert line.replace(" ", "") == f"{AT}x{payload}"


_ANY = st.text(max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _ANY,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            _ANY | st.sampled_from(("ts", "seq", "error", "version", "failing")), inner, max_size=4
        )
    ),
    max_leaves=8,
).map(json.dumps)


@given(
    st.sampled_from(("reading/x", "history/x", "info", "health", "status")) | _ANY,
    _JSON | _ANY,
)
def test_whatever_comes_is_a_line(topic, payload):
    made = Messages("outpost", None, SENSORS)
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace")  # as main() has it
    made.console.file = out
    made.show(f"outpost/attic/{topic}\t{payload}\n")
    out.flush()
    assert out.buffer.getvalue().endswith(b"\n")


@pytest.mark.parametrize(
    ("raw", "terminal", "wanted"), [(False, True, False), (True, True, True), (False, False, True)]
)
def test_a_program_that_reads_gets_them_as_they_are(raw, terminal, wanted, monkeypatch):
    monkeypatch.setattr(messages.sys.stdout, "isatty", lambda: terminal, raising=False)
    assert messages.wanted_raw(SimpleNamespace(raw=raw)) is wanted
