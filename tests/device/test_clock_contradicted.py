"""A time that somebody contradicts, and a clock of the board that has to be right all the same."""

import builtins

from test_clock import HOUR, ROUTER, TRUE_MS, Rig, good, off

DAY = 24 * HOUR


def live(rig, ms):
    """Advance by ms, a pass whenever the clock wants one: months take a second."""
    end = rig.net.up + ms
    while rig.net.up < end:
        rig.net.pass_ms(min(max(rig.clock.due(rig.net.up), 20), HOUR))
        rig.clock.step(rig.clock.uptime_ms(rig.net.now), True)
        rig.net.requests.clear()


def test_a_host_that_contradicts_the_newest_time_is_believed_after_a_power_cut():
    r = Rig(good, gateway=ROUTER, newest=TRUE_MS // 1000 + 90 * 86400, host="pool.ntp.org")
    r.net.servers[ROUTER] = off(90 * DAY + HOUR)
    live(r, 14 * HOUR)
    assert abs(r.error_ms()) < 5000


def test_a_host_that_comes_after_a_wrong_router_is_believed():
    for host in ("192.0.2.10", "pool.ntp.org"):
        r = Rig(None, gateway=ROUTER, host=host)
        r.net.servers[ROUTER] = off(90 * DAY)
        live(r, 60000)
        assert r.clock.server == ROUTER and r.error_ms() > 89 * DAY, "it is alone"
        r.answers = [good]
        live(r, DAY)
        assert abs(r.error_ms()) < 5000, (host, r.error_ms())


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
