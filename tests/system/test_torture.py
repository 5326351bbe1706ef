"""A short torture; `make torture` is the long one."""

import pytest

from tools import CommandError
from tools.torture.torture import schedule, torture


@pytest.mark.parametrize(
    ("board", "seed", "sync_s", "store"),
    [("esp32", 1, 0, "sqlite"), ("pico_w", 2, 5, "timescaledb")],
)
def test_whatever_is_cut_nothing_is_lost(tmp_path, compiled, board, seed, sync_s, store):
    """Node, link, broker, collector and database."""
    try:
        report = torture(tmp_path, schedule(seed, 16), board, sync_s, store, files=compiled)
    except CommandError as e:
        if "setup --databases" not in str(e):
            raise
        pytest.skip(str(e))
    assert report.faults == []
    assert min(report.readings.values()) > 20
    assert report.stored == sum(report.readings.values())
