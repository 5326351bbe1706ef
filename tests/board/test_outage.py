"""A Pico without a network samples on, keeps its readings on its own littlefs over a power cut, and delivers them when there is one.

The transport is the emulated board's modem, to a real mosquitto: its access point is in reach while a file exists.
"""

import json
import time

import pytest
from outside import until
from pico import CONFIG, contents, put

from tools.ntp import TimeServer

NAME = "emulated"
BOOT_S = 90  # to have loaded everything and looked for its network, on a busy machine


@pytest.fixture
def clock():
    with TimeServer() as clock:
        yield clock


def complete(readings, boot):
    """The readings of a boot: each is there, once."""
    own = [reading for reading in readings if reading["boot"] == boot]
    numbers = sorted(reading["seq"] for reading in own)
    assert numbers == list(range(1, len(own) + 1))
    return own


def wait_drained(seen, board):
    """Until a report that is still to come says that nothing waits."""
    known = len(seen.of(f"{NAME}/health"))

    def drained():
        reports = seen.of(f"{NAME}/health")[known:]
        return reports and json.loads(reports[-1].text)["outbox"] <= 1

    until(drained, BOOT_S, "an empty outbox", board.printed)


def test_what_is_taken_without_a_network_arrives_when_there_is_one(
    board, broker, clock, seen, tmp_path
):
    in_reach = tmp_path / "in-reach"
    board.attach.append(f"modem={in_reach}")
    config = CONFIG | {
        "node": {"name": NAME},
        "mqtt": {"brokers": [{"host": broker.host, "port": broker.port}]},
        "ntp": {"host": clock.host, "port": clock.port},
        "outbox": {"sync_s": 1},
        "publish": {"health_s": 5},
        "sensors": [{"name": "volts", "type": "adc", "pin": 26, "r1": 1, "interval_s": 1}],
    }
    put(board.flash, {"config.json": json.dumps(config).encode()})

    board.start()
    assert board.wait_printed("network not found", BOOT_S), board.printed()[-2000:]
    time.sleep(10)
    board.kill()
    kept = [data for path, data in contents(board.flash).items() if "outbox/0" in path]
    assert sum(map(len, kept)) > 300, "several readings are on flash"

    board.start()
    assert board.wait_printed("readings of before", BOOT_S), board.printed()[-2000:]
    assert board.wait_printed("network not found", BOOT_S), board.printed()[-2000:]
    in_reach.touch()
    wait_drained(seen, board)
    readings = seen.readings("volts", NAME)
    one, two = sorted({reading["boot"] for reading in readings})
    first, second = complete(readings, one), complete(readings, two)
    assert len(first) >= 5 and len(second) >= 5
    # nobody knows when the first boot was; of the second all is known, from its first reading on
    assert not any("ts" in reading for reading in first)
    times = [reading["ts"] for reading in sorted(second, key=lambda reading: reading["seq"])]
    assert times == sorted(times) and 0 < time.time() - times[0] / 1000 < 600
    assert all(reading["voltage"] == 0 for reading in readings), "nothing is at its pin"

    in_reach.unlink()
    assert board.wait_printed("wifi: lost", BOOT_S), board.printed()[-2000:]
    time.sleep(10)
    in_reach.touch()
    wait_drained(seen, board)
    # What was on its way when the link was lost may come twice, as README says of QoS 1.
    numbered = {(each["boot"], each["seq"]): each for each in seen.readings("volts", NAME)}
    assert len(complete(numbered.values(), two)) > len(second)
    health = json.loads(seen.of(f"{NAME}/health")[-1].text)
    assert (health["dropped"], health["corrupt"], health["outbox_errors"]) == (0, 0, 0)
