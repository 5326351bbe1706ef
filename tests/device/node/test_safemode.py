"""Crashes in a row end in safe mode, and anything else ends the row."""

import os
import sys

HEAP = "2m"
TIMEOUT = 60


class Board:
    def __init__(self, cause="power on"):
        self.cause = cause

    def reset_cause(self):
        return self.cause


def start(cause, note=None):
    """One start of the node; what it is preceded by."""
    from firmware import files
    from firmware.upkeep import safemode
    from firmware.upkeep.cause import find

    if note:
        files.note_reset(note)
    return safemode.crashes(find(Board(cause)))


def safe(crashes):
    from firmware.upkeep import safemode

    return safemode.is_on(crashes)


def test_four_crashes_in_a_row_are_too_many():
    assert [start("reset", "unforeseen error") for _ in range(3)] == [1, 2, 3]
    assert not safe(3)
    assert start("watchdog") == 4 and safe(4)
    assert start("watchdog") == 0, "it was not the sensors"


def test_a_full_flash_counts_too():
    """It is one of the reasons of a crash."""
    from outbox_flash import Flash

    flash = Flash(blocks=64)
    os.chdir("/flash")
    try:
        assert start("power on") == 0
        flash.fill()
        stuff("state")
        assert [start("watchdog") for _ in range(4)] == [1, 2, 3, 4]
        assert safe(4)
    finally:
        os.chdir("/")
        flash.end()


def stuff(folder):
    """Leave no room in this folder of a full flash, as it is with many files in it."""
    from firmware import files

    n = 0
    while True:
        try:
            files.write("%s/%d" % (folder, n), "x" * 40)
        except OSError:
            return n
        n += 1


def test_a_reset_on_purpose_loses_nothing_on_a_full_flash():
    """It has a block in reserve."""
    from outbox_flash import Flash
    from test_app import Run, everything

    from firmware.upkeep import safemode

    flash = Flash(blocks=32)
    os.chdir("/flash")
    try:
        r = Run()
        safemode.crashes("power on")  # a start: makes the reserve
        r.client.reachable = False
        r.run(10000)
        flash.fill()
        r.run(20000)
        assert not r.node.delivery.outbox.sync(r.now)
        r.node.reset("told to")
        after = Run()
        after.run(8000)
        old = sorted(seq for boot, seq in everything(after) if boot == r.node.delivery.boot)
        assert old == list(range(1, r.node.seq + 1))
    finally:
        os.chdir("/")
        flash.end()


def test_any_other_start_counts_anew():
    for cause, note in (("power on", None), ("reset", None), ("reset", "told to")):
        for _ in range(3):
            start("watchdog")
        assert start(cause, note) == 0
    assert start("watchdog") == 1


class Bites(Exception):
    pass


def test_a_start_that_hangs_is_counted_whatever_it_came_from():
    """The note of a reset was still there when the watchdog bit: each bite was taken for that reset, for ever."""
    from firmware import files, start

    loads = start._load_settings
    safe = []

    def hangs(board, is_safe):
        safe.append(is_safe)
        raise Bites

    start._load_settings = hangs
    try:
        for note in ("told to", "safe mode is over"):
            safe.clear()
            files.note_reset(note)
            for cause in ("reset", "watchdog", "watchdog", "watchdog", "watchdog"):
                try:
                    start.run(Board(cause))
                except Bites:
                    pass
            assert safe.count(True) == 1, (note, safe)
    finally:
        start._load_settings = loads


def test_a_note_that_cannot_be_read_is_not_the_next_start_s_either():
    from firmware import files
    from firmware.upkeep import cause

    files.note_reset("told to")
    read, cause.read = cause.read, lambda path: None
    assert cause.find(Board("reset")) == "reset"
    cause.read = read
    assert cause.find(Board("watchdog")) == "watchdog"


def test_safe_mode_that_crashes_was_not_needed():
    """The network, say: without the sensors it is no better, and with them there are readings."""
    with_sensors = [not safe(start("watchdog")) for _ in range(100)]
    assert with_sensors.count(True) == 80
    for i in range(4, 100, 5):
        assert with_sensors[i - 4 : i + 1] == [True, True, True, False, True]


def test_after_safe_mode_one_more_crash_is_enough():
    for _ in range(4):
        start("watchdog")
    n = start("reset", "safe mode is over")
    assert n and not safe(n)
    assert safe(start("watchdog"))


def test_nothing_is_written_for_a_node_that_does_not_crash():
    start("power on")
    start("reset", "told to")
    try:
        assert "crashes" not in os.listdir("state")
    except OSError:
        pass  # not even that


def test_a_damaged_count_is_none():
    from firmware import files

    for text in ("", "x", "-", "-1", "-3", "5", "99999999999999999999"):
        files.write("state/crashes", text)
        assert start("watchdog") == 1, text


def test_a_reserve_is_kept_as_it_is_and_one_of_another_size_replaced():
    from outbox_flash import Flash

    flash = Flash(blocks=64)
    os.chdir("/flash")
    try:
        start("power on")
        size = os.stat("state/reserve")[6]
        assert size > 512  # what is smaller takes no block of its own
        flash.written()
        start("power on")
        assert not flash.written()
        for other in (0, size - 1):
            with open("state/reserve", "w") as f:
                f.write("x" * other)
            start("power on")
            assert os.stat("state/reserve")[6] == size
    finally:
        os.chdir("/")
        flash.end()


class Node:
    """What safemode knows of one."""

    def __init__(self, crashes):
        self.crashes = crashes
        self.safe = safe(crashes)
        self.resets = []

    def reset(self, why):
        self.resets.append(why)


def test_a_node_with_its_sensors_counts_anew_after_ten_minutes():
    from firmware import files
    from firmware.upkeep import safemode

    node = Node([start("watchdog") for _ in range(3)][-1])
    safemode.settle(node, 599999)
    assert node.crashes == 3 and files.read("state/crashes") == "3"
    safemode.settle(node, 600000)
    assert node.crashes == 0 and files.read("state/crashes") is None
    assert "firmware.upkeep.safemode" not in sys.modules, "what is over takes no memory"
    assert not node.resets
    assert start("watchdog") == 1


def test_safe_mode_ends_after_a_quarter_of_an_hour():
    from firmware.upkeep import safemode

    node = Node([start("watchdog") for _ in range(4)][-1])
    for uptime in (0, 600000, 899999):
        safemode.settle(node, uptime)
    assert not node.resets and node.crashes == 4
    safemode.settle(node, 900000)
    assert node.resets == ["safe mode is over"]
