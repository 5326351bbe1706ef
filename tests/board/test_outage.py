"""A Pico without a network samples on, keeps its readings on its own littlefs over a power cut, and delivers them when there is one.

The transport is the emulated board's modem, to a real mosquitto: its access point is in reach while a file exists.
"""

import json
import time
from collections import Counter

import pytest
from outside import until
from pico import CONFIG, contents, put

from sim.ntp import TimeServer

NAME = "emulated"
BOOT_S = 90  # to have loaded everything and looked for its network, on a busy machine


@pytest.fixture
def clock():
    with TimeServer() as clock:
        yield clock


def taken(seen, channel):
    return [(reading["boot"], reading["seq"]) for reading in seen.readings(channel, NAME)]


def twice(seen, channel):
    """Those that have come more than once."""
    return {number for number, n in Counter(taken(seen, channel)).items() if n > 1}


def counted(seen):
    """How many readings of each boot have come, when none is missing between them."""

    def numbers():
        return {*taken(seen, "volts"), *taken(seen, "exact")}

    def boots():
        return Counter(boot for boot, _ in numbers())

    def whole():
        return len(numbers()) == sum(max(s for b, s in numbers() if b == boot) for boot in boots())

    until(whole, 30, "every reading", lambda: str(sorted(numbers())))
    return boots()


def wait_drained(seen, board):
    """Until a report that is still to come says that nothing waits."""
    known = len(seen.messages_of(f"{NAME}/health"))

    def drained():
        reports = seen.messages_of(f"{NAME}/health")[known:]
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
        "sensors": [
            {"name": "volts", "type": "adc", "pin": 26, "r1": 1, "interval_s": 1},
            {"name": "exact", "type": "adc", "pin": 27, "r1": 1, "interval_s": 1, "qos": 2},
        ],
    }
    # A time of today is believed at once. Else three answers must agree, and on a busy machine the board's clock is slow.
    known = {"state/time": b"%d" % time.time()}
    put(board.flash, {"config.json": json.dumps(config).encode()} | known)

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
    counts = counted(seen)
    one, two = sorted(counts)
    assert counts[one] >= 10 and counts[two] >= 10
    for channel in ("volts", "exact"):
        assert not twice(seen, channel)
    readings = seen.readings("volts", NAME) + seen.readings("exact", NAME)
    first = [reading for reading in readings if reading["boot"] == one]
    second = [reading for reading in readings if reading["boot"] == two]
    # nobody knows when the first boot was; of the second all is known, from its first reading on
    assert not any("ts" in reading for reading in first)
    times = [reading["ts"] for reading in sorted(second, key=lambda reading: reading["seq"])]
    assert times == sorted(times) and 0 < time.time() - times[0] / 1000 < 600
    assert all(reading["voltage"] == 0 for reading in readings), "nothing is at its pin"

    in_reach.unlink()
    assert board.wait_printed("wifi: lost", BOOT_S), board.printed()[-2000:]
    on_its_way = set(taken(seen, "volts")[-3:])
    time.sleep(10)
    in_reach.touch()
    wait_drained(seen, board)
    assert counted(seen)[two] > counts[two]
    assert not twice(seen, "exact")
    # At QoS 1 what was on its way when the link was lost may come once more.
    assert twice(seen, "volts") <= on_its_way
    health = json.loads(seen.messages_of(f"{NAME}/health")[-1].text)
    assert (health["dropped"], health["corrupt"], health["outbox_errors"]) == (0, 0, 0)
