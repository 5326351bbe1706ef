"""A short torture; `make torture` is the long one."""

import pytest

from tools.torture.torture import schedule, torture


@pytest.mark.parametrize(("board", "seed", "sync_s"), [("esp32", 1, 0), ("pico_w", 2, 5)])
def test_whatever_is_cut_nothing_is_lost(tmp_path, compiled, board, seed, sync_s):
    report = torture(tmp_path, schedule(seed, 12), board, sync_s, files=compiled)
    assert report.faults == []
    assert min(report.readings.values()) > 20
