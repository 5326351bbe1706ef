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
# quantity: what the simulated world can be, and a little more
PLAUSIBLE = {
    "temperature": (5, 40),
    "humidity": (10, 80),
    "pressure": (990, 1040),
    "dew_point": (-15, 30),
    "sea_level_pressure": (1010, 1075),
    "illuminance": (0, 1000),
    "co2": (400, 900),
    "voltage": (0.5, 5),
    "current": (100, 600),
    "power": (0.2, 3),
    "moisture": (5, 60),
    "battery": (0, 100),
    "distance": (80, 220),
    "count": (0, 200),
    "total": (0, 60),
    "rate": (0, 3000),
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
        for quantity in reading.keys() - {"ts", "boot", "seq", "open"}:
            low, high = PLAUSIBLE[quantity]
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
