"""`make bench-outbox`: what it counts, and the goals that docs/performance.md says are met."""

from pathlib import Path

import pytest

from tools import mpy
from tools.bench import outbox


def test_years():
    # 256 free blocks * 100,000 / (0.5 * 86,400 * 365) = 25,600,000 / 15,768,000
    assert outbox.years(512, 0.5, 86_400) == pytest.approx(1.6235, abs=0.0001)


def test_numbers():
    assert [outbox.shown(n) for n in (0, 0.0012, 0.1, 12.345)] == [
        "0",
        "0.001",
        "0.10",
        "12.35",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    mpy.compile_tree(folder)
    source = Path("tools/bench", outbox.PROBE + ".py")
    mpy.compile_file(source, folder / "lib" / (outbox.PROBE + ".mpy"))
    return folder


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.parametrize("board", outbox.BOARDS)
def test_the_goals_that_are_met(folder, board):
    assert outbox.probe(folder, board, "online") == [0, 0, 0, 1000]
    _, _, erases, readings = outbox.probe(folder, board, "offline")
    assert 0.1 < erases / readings < 0.3  # a fifth, and what the directory takes
    writes, _, erases, readings = outbox.probe(folder, board, "drain")
    assert writes / readings < 0.1 and erases / readings < 0.01


@pytest.mark.slow
@pytest.mark.work
def test_every_row_can_be_measured(folder):
    measures = {measure for measure, _ in outbox.ROWS}
    assert {measure for measure, _, _ in outbox.LIVES} <= measures
    modules, flash, *heap = outbox.memory(folder)
    assert [row[0].partition(":")[0] for row in (modules, flash)] == ["modules"] * 2
    assert len(heap) == len(outbox.probe(folder, "esp32", "ram")) == 3
    assert len(outbox.probe(folder, "pico_w", "start-128")) == 7
    with pytest.raises(outbox.CommandError, match="nonsense on esp32"):
        outbox.probe(folder, "esp32", "nonsense")
