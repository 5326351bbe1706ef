"""The fleet's programs with a real broker and collector: a simulated fleet through two cuts, and an alarm of a node that falls silent."""

import json
import subprocess
import sys

import pytest

from station.fleetsim import recording
from station.messages import Reading, State, read
from tools import ROOT

pytestmark = pytest.mark.system


def test_what_the_nodes_of_a_fleet_say_is_what_a_node_says():
    recorded = recording.load()
    for each in recorded.once:
        found = read("outpost", f"outpost/attic/{each.topic}", each.payload.encode(), True, 0)
        assert isinstance(found, State)
    kinds = [
        read("outpost", f"outpost/attic/{each.topic}", each.payload.encode(), False, 0)
        for each in recorded.each
    ]
    assert [type(each) for each in kinds].count(Reading) == 8
    assert [type(each) for each in kinds].count(State) == 1


def test_a_fleet_through_a_restart_of_the_broker_and_a_death_of_the_collector():
    words = ["fleet-sim", "--nodes", "60", "--seconds", "9", "--pace", "40", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "station", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["lost"], found["twice"], found["untrue_nodes"]) == (0, 0, 0)
    assert found["taken"] == found["rows"] > 500
    assert found["back_after_restart"] == 60
