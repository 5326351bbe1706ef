"""The deterministic simulator: a handful of stories, and that a seed is the same story whenever and wherever it runs."""

import signal
import subprocess
import sys

import pytest

from tools import ROOT, mpy
from tools.torture import dst

ESP32 = (1, 3, 5, 7)
PICO_W = (2, 4, 6, 16)


@pytest.fixture(scope="session")
def device(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    mpy.compile_tree(folder)
    return folder


@pytest.mark.parametrize("seeds", [ESP32, PICO_W], ids=["esp32", "pico_w"])
def test_nothing_is_lost_and_nothing_invented(device, seeds):
    results = list(dst.play(device, seeds))
    assert [result.faults for result in results] == [[]] * len(seeds)
    assert sum(result.lives for result in results) > 20
    assert sum(result.arrivals for result in results) > 500


ILL_ESP32 = (39, 49, 67, 69, 91000227, 91000603, 91000611, 91000925)
ILL_PICO_W = (54, 64, 94)


@pytest.mark.parametrize("seeds", [ILL_ESP32, ILL_PICO_W], ids=["esp32", "pico_w"])
def test_what_is_ill_for_minutes_leaves_nothing_behind(device, seeds):
    results = list(dst.play(device, seeds))
    assert [result.faults for result in results] == [[]] * len(seeds)
    assert {result.theme for result in results} == {"ill"}


def test_a_seed_replays_exactly(device):
    *_, after_another = dst.play(device, (3, 1))
    (alone,) = dst.play(device, (1,))
    assert alone == after_another
    assert alone.trace != next(dst.play(device, (3,))).trace


def test_a_story_ends_with_the_commit_it_is_of(device, capsys):
    assert dst.tell(device, 1, "-") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"commit {dst._commit()}: seed 1 (")


def test_a_story_that_is_stopped_is_told_no_further():
    words = [sys.executable, "-m", "tools", "dst", "--story"]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\nstopped\n")
    assert "Traceback" not in out and "commit" not in out


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("ways,leapp", "leapp is no fault: did you mean leap?\n"),
        ("leap,nonsense", "nonsense is no fault: give some of ack_late, "),
        ("outbox", "outbox is no fault: give some of "),  # a word of the story's, too
    ],
)
def test_a_misspelt_fault_is_told(without, told):
    words = [sys.executable, "-m", "tools", "dst", "--lives", "1", "--without", without]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and f"error: {told}" in done.stderr


def test_every_fault_can_be_left_out():
    """Of each table, and what is drawn by name."""
    for fault in ("leap", "qos2_close", "cut", "heap_of_files", "power", "spoil", "two", "rival"):
        assert fault in dst.faults()
    assert dst.faults().isdisjoint(
        ("outage", "people", "steady", "early", "north", "identify", "ill")
    )
