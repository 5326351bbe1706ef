"""Twelve sensors on one simulated board, as README has it: all of them publish, and one is unplugged for a while."""

import json
import re
import subprocess
import sys

import pytest

from tools import ROOT

pytestmark = pytest.mark.xdist_group("twelve")  # one run for all of them

EXAMPLES = ROOT / "docs" / "examples"
# Away it is for longer than from one health to the next (15 s), and the readings between (5 s): one of them tells.
SECONDS = 50
# channel: {quantity: from, to} of a house in the first minute after ten in the morning, and what the chips add to it
PLAUSIBLE = {
    "air": {
        "temperature": (20, 21),
        "humidity": (49, 52),
        "pressure": (987, 989),
        "dew_point": (9.3, 10.3),
        "sea_level_pressure": (1017, 1019),
    },
    "outside": {"temperature": (11.8, 12.6), "humidity": (76, 80)},
    "light": {"illuminance": (180, 240)},
    "co2": {"co2": (550, 590), "temperature": (20, 21), "humidity": (49, 52)},
    "solar": {"voltage": (4.7, 4.9), "current": (150, 220), "power": (0.7, 1.1)},
    "tank-pressure": {"voltage": (1.60, 1.64)},
    "soil": {"moisture": (39, 41), "voltage": (1.9, 2.1)},
    "battery": {"voltage": (3.95, 4.01), "battery": (75, 85)},
    "bed-1": {"temperature": (11, 12.5)},
    "level": {"distance": (158, 164)},
    "door": {"open": (False, True)},
    "wind": {"count": (0, 400), "rate": (2, 7)},
}


@pytest.fixture(scope="module")
def readings(tmp_path_factory):
    """{channel, or health: its readings and failures, in order}, of one run."""
    folder = tmp_path_factory.mktemp("twelve")
    command = [sys.executable, "-m", "tools", "run", "--seconds", str(SECONDS), "--folder", folder]
    command += ["--config", EXAMPLES / "twelve.json", "--scenario", EXAMPLES / "unplug.json"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS + 60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for name, text in re.findall(
        r"^outpost/greenhouse/(?:reading/)?(\S+) (\{.*\})$", done.stdout, re.M
    ):
        found.setdefault(name, []).append(json.loads(text))
    return found


def names():
    return [s["name"] for s in json.loads((EXAMPLES / "twelve.json").read_text())["sensors"]]


def test_there_are_twelve():
    assert len(names()) == 12


def test_it_is_away_for_long_enough_to_be_in_health():
    away, back = (event["at_s"] for event in json.loads((EXAMPLES / "unplug.json").read_text()))
    settings = json.loads((EXAMPLES / "twelve.json").read_text())
    assert back - away > settings["publish"]["health_s"] + settings["sensors"][0]["interval_s"]
    assert back + 10 < SECONDS


@pytest.mark.parametrize("name", names())
def test_each_publishes_what_is_plausible_and_moves(readings, name):
    values = [r for r in readings[name] if "error" not in r]
    assert len(values) >= 2, readings[name]
    for reading in values:
        assert reading.keys() - {"ts", "boot", "seq"} == PLAUSIBLE[name].keys()
        for quantity, (low, high) in PLAUSIBLE[name].items():
            assert low <= reading[quantity] <= high, (name, quantity, reading)
    shown = [{k: v for k, v in r.items() if k not in ("ts", "boot", "seq")} for r in values]
    assert any(each != shown[0] for each in shown), shown


def test_what_is_unplugged_says_so_and_comes_back(readings):
    failed = ["error" in r for r in readings["air"]]
    first = failed.index(True)
    assert not any(failed[:first]) and not failed[-1]
    assert readings["air"][first]["error"] == "no answer on the bus"
    failing = [r.get("failing") for r in readings["health"]]
    assert any(text and text.startswith("air: ") for text in failing), failing


def test_the_others_did_not_notice(readings):
    for name in set(names()) - {"air"}:
        assert not [r for r in readings[name] if "error" in r], readings[name]
