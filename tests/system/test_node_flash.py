"""What the node keeps on its flash, a real littlefs: over a power cut, and when there is no room."""

import json
import time

import pytest
from outside import NAME, complete, settings, stream, until


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
def test_an_outage_and_a_power_cut_in_it(broker, nodes, seen, board):
    """All of the outage arrives, but for what is younger than sync_s."""
    config = settings([broker.port], board, sensors=stream(board, interval_s=0.2))
    config["outbox"] = {"sync_s": 2}
    node = nodes(config, board, image=True).start()
    seen.wait_live("fast")
    broker.stop()
    time.sleep(8)
    node.kill()
    cut = time.time()
    broker.start()
    node.start()
    until(lambda: len(seen.boots("fast")) == 2, 25, "the second boot")
    seen.wait_live("fast")
    one, two = seen.boots("fast")
    first = [reading for reading in seen.readings("fast") if reading["boot"] == one]
    complete(first, first=1)
    assert cut - max(reading["ts"] for reading in first) / 1000 < 2 + 1
    assert two == one + 1
    complete([reading for reading in seen.readings("fast") if reading["boot"] == two], first=1)
    health = json.loads(seen.wait_for(f"{NAME}/health").text)
    assert (health["dropped"], health["corrupt"]) == (0, 0)


def test_a_full_flash_stops_nothing(broker, nodes, seen):
    """Readings wait in RAM; health says why; when there is room they are on flash again."""
    config = settings([broker.port], sensors=stream(interval_s=0.5), outbox={"sync_s": 1})
    node = nodes(config, image=True).start()
    seen.wait_live("fast")
    node.do("flash_fills", on=True)
    broker.stop()
    time.sleep(6)
    broker.start()
    seen.wait_live("fast", 25)
    seen.wait_whole("fast")
    complete(seen.readings("fast"), first=1)
    known = len(seen.messages_of(f"{NAME}/health"))
    health = json.loads(seen.wait_for(f"{NAME}/health", times=known + 1).text)
    assert health["outbox_errors"] > 0 and health["dropped"] == 0
    node.do("flash_fills", on=False)
    broker.stop()
    time.sleep(13)  # it is tried again every 10 s
    node.kill()
    broker.start()
    node.start()
    until(lambda: len(seen.boots("fast")) == 2, 25, "the second boot")
    seen.wait_live("fast")
    one, _ = seen.boots("fast")
    first = [reading for reading in seen.readings("fast") if reading["boot"] == one]
    complete(first, first=1)
    assert len(first) > 12 + 20
