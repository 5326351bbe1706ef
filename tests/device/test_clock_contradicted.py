"""A time that somebody contradicts, and a clock of the board that has to be right all the same."""

import builtins

from test_clock import HOUR, ROUTER, TRUE_MS, Rig, good, off

HEAP = "600k"
TIMEOUT = 60


def test_a_host_that_contradicts_the_newest_time_is_believed_after_a_power_cut():
    r = Rig(good, gateway=ROUTER, newest=TRUE_MS // 1000 + 90 * 86400, host="pool.ntp.org")
    r.net.servers[ROUTER] = off(90 * 24 * HOUR + HOUR)
    r.run(14 * HOUR, step=200)
    assert abs(r.error_ms()) < 5000


def test_a_full_flash_does_not_keep_the_boards_clock_from_being_set():
    """TLS asks it, not the node's."""
    r = Rig(good, newest=0)
    opened = builtins.open

    def full(path, mode="r"):
        if mode[0] in "wa":
            raise OSError(28)
        return opened(path, mode)

    builtins.open = full
    try:
        r.run(60000)
    finally:
        builtins.open = opened
    assert r.clock.trusted and r.board.set
