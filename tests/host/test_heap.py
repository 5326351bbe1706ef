"""What check-config says of a node's RAM, and whether it is so."""

import json
import re
import time

import pytest

from tools import ROOT
from tools.bench import heap_measure
from tools.settings import heap, judge

TOLERANCE = 0.03  # of what a node keeps: 4 KB

WIFI = {"networks": [{"ssid": "attic", "password": "simulated"}]}
EXAMPLES = {
    name: json.loads((ROOT / path).read_text())["sensors"]
    for name, path in (
        ("eight", "config.json.example"),
        ("twelve", "docs/examples/twelve.json"),
    )
}


def checked(sensors=(), tls=False, **sections):
    broker = {"host": "broker"} | ({"tls": {"ca": "ca.der"}} if tls else {})
    raw = {"wifi": WIFI, "mqtt": {"brokers": [broker]}, "sensors": list(sensors)} | sections
    settings, faults = judge.judge(raw, None)
    assert not faults
    return settings


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.parametrize(
    ("sections"),
    [
        {"discovery": False, "outputs": heap_measure.outputs(2)},
        {"sensors": EXAMPLES["eight"]},
        {"sensors": EXAMPLES["twelve"]},
    ],
    ids=["outputs", "eight", "twelve"],
)
def test_a_whole_node_keeps_what_is_estimated(sections):
    """Has the firmware grown, or shrunk? `python -m tools heap` measures anew."""
    kept = heap_measure.live(sections)
    estimate = heap.estimate(checked(**sections)).kept
    assert abs(kept - estimate) < TOLERANCE * kept, (kept, estimate)


def test_the_page_takes_away_what_home_assistant_is_told_with():
    """With the HEAP= it named the node had 5 KB too many to be short of them."""
    row = re.search(
        r"`discovery: not enough memory.*`make run HEAP=(\d+)`",
        ROOT.joinpath("docs/troubleshooting.md").read_text(),
    )
    estimate = heap.estimate(checked(EXAMPLES["eight"]))
    enough = estimate.kept + estimate.work
    right = range((enough - heap.TELLING) // 1024, enough // 1024 + 1)
    assert int(row[1]) in right, f"HEAP= of {right}, and see that it does"


def test_every_type_of_sensor_is_in_the_table():
    _, types = judge.node()
    costs = heap.costs()
    assert set(costs["types"]) == set(types)
    for modules in costs["types"].values():
        assert all(costs["modules"][name] > 0 for name in modules)


def test_a_driver_counts_once_and_a_channel_each_time():
    def kept(count):
        sensors = [
            {"name": f"s{i}", "type": "ds18b20", "pin": 4, "address": rom}
            for i, rom in enumerate(("28001122334455a6", "28ff641e841604b0")[:count])
        ]
        return heap.estimate(checked(sensors)).kept

    costs = heap.costs()
    assert kept(2) - kept(1) == costs["sensor"]
    assert kept(1) - kept(0) > costs["sensor"] + costs["modules"]["drivers.ds18b20"]


def test_what_else_takes_ram():
    plain = heap.estimate(checked(discovery=False))
    assert heap.estimate(checked()).kept > plain.kept
    more = checked(discovery=False, outbox={"ram_bytes": 65536})
    assert heap.estimate(more).work - plain.work > 65536 - 4096
    assert heap.estimate(checked(tls=True)).tls > plain.tls == 0
    one, two = (
        heap.estimate(checked(EXAMPLES["eight"], publish={"plain": each})).kept
        for each in (False, True)
    )
    assert 1000 < two - one < 5000
    derived = {"name": "air", "type": "bme280", "sda": 21, "scl": 22}
    one, two = (
        heap.estimate(checked([derived | more])).kept for more in ({}, {"dew_point": True})
    )
    assert two - one > 3000


def test_a_warning_says_what_would_be_right(monkeypatch):
    """By a table that does not move with the firmware. Each way that it names is enough, else all of them are."""
    costs = heap.costs() | {"node": 109_500, "sensor": 1000, "discovery": 5000}
    monkeypatch.setattr(heap, "costs", lambda: costs)
    twelve = EXAMPLES["twelve"]
    others = "a pico2_w, or an ESP32 with PSRAM"
    assert heap.warning(checked(twelve), "pico_w") is None
    assert heap.warning(checked(twelve), "pico2_w") is None
    assert heap.warning(checked(twelve, tls=True), "pico2_w") is None
    text = heap.warning(checked(twelve, tls=True), "pico_w")
    assert text.startswith("memory: these settings take about 195 KB")
    assert "a pico_w has 197, too little to spare; it may run out of it: take fewer sen" in text
    assert f'fewer sensors, or "discovery": false, or a broker without TLS, or {others}' in text
    costs["node"] = 119_000
    text = heap.warning(checked(twelve, tls=True), "pico_w")
    assert f"take fewer sensors, or a broker without TLS, or {others}" in text
    text = heap.warning(checked(twelve, outbox={"ram_bytes": 65536}), "pico_w")
    assert f"take outbox.ram_bytes of 4096, or {others}" in text
    text = heap.warning(checked(twelve, tls=True, outbox={"ram_bytes": 65536}), "pico_w")
    assert (
        f'fewer sensors and "discovery": false and a broker without TLS and outbox.ram_bytes of 4096, or {others}'
        in text
    )


@pytest.mark.parametrize("sensors", [0, 1, 12])
def test_advice_that_cannot_be_followed_is_not_given(sensors):
    """The advice for one sensor was to take fewer. No number of them is small enough where the rest alone is too much."""
    for sections in ({}, {"discovery": False}):
        text = heap.warning(checked(EXAMPLES["twelve"][:sensors], **sections), "esp32")
        assert "an esp32 without PSRAM has 112" in text
        assert text.endswith("take a pico_w, or a pico2_w, or an ESP32 with PSRAM"), text


def measured(title):
    """Bytes from a file in a row of the table of docs/performance.md."""
    text = ROOT.joinpath("docs/performance.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| {title}"))
    return int(row.split("|")[4].replace(",", ""))


@pytest.mark.parametrize(
    ("kept", "smallest", "tls"),
    [
        ("the eight of the example", "smallest heap, eight", False),
        ("the eight of the example", "eight, TLS", True),
        ("the twelve of", "twelve, TLS", True),
    ],
)
def test_what_is_taken_for_a_moment_is_what_was_measured(kept, smallest, tls):
    """Not less, and not so much more that a board is warned of which runs."""
    found = heap.estimate(checked(EXAMPLES["eight"], tls=tls))
    assert -2048 < found.work + found.tls - (measured(smallest) - measured(kept)) < 20_000


def test_a_pico_w_that_ran_is_not_warned_of():
    """Twelve sensors over TLS survived six restarts of the broker on its own firmware (docs/performance.md)."""
    assert heap.warning(checked(EXAMPLES["twelve"], tls=True), "pico_w") is None
    more = checked(EXAMPLES["twelve"], tls=True, outbox={"ram_bytes": 16384})
    assert heap.warning(more, "pico_w"), "nor is it said that all do"


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.parametrize("sensors", [0, 1, 8])
def test_a_node_lives_in_the_least_ram_that_is_not_warned_of(sensors):
    """The estimate for one with a sensor was 114 KB, and it needed 124 to be online."""
    sections = {"discovery": False, "sensors": EXAMPLES["eight"][:sensors]}
    settings = checked(**sections)
    least = next(number for number in range(64, 256) if heap.short(settings, number) is None)
    with heap_measure.running(sections, least) as (board, broker):
        for times in (1, 2, 3):
            until_online(board, times)
            broker.restart()
        assert len(board.resets) == 1, board.output


def until_online(board, times):
    end = time.monotonic() + 60
    while board.output.count("node: outpost/node/status online") < times:
        assert time.monotonic() < end, board.output
        time.sleep(0.1)


def test_an_esp32_has_other_ram_for_tls():
    """Which it finds if the node leaves it alone: what that takes is the same."""
    with_tls, without = (heap.told(checked(tls=tls), "esp32") for tls in (True, False))
    assert with_tls == without


def test_what_is_told_without_a_board(monkeypatch):
    costs = heap.costs() | {"node": 92_500, "sensor": 1000, "discovery": 5000}
    monkeypatch.setattr(heap, "costs", lambda: costs)
    text = heap.told(checked(), None)
    assert text == "takes about 115 KB of RAM, which is too much for these without PSRAM: esp32"
    costs["node"] = 56_500
    assert heap.told(checked(), None) == "takes about 80 KB of RAM, which every board has"
    assert heap.told(checked(), "pico_w") == "takes about 80 of the 197 KB of RAM of a pico_w"
