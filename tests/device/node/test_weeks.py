"""Nodes that have run for up to sixty days: whatever is lost comes back, at every phase of the ticks' wrap (12.4 days).

From day 6.2 to 12.4 ticks_diff takes an old stamp for one of the future; a few seconds without Wi-Fi then lasted days.
"""

from test_app import Run

HEAP = "900k"
TIMEOUT = 60
HOUR = 3600000
# Undisturbed for so long: before, in and after each half of the wrap, up to the fifth.
DAYS = (1, 7, 12, 13, 19, 26, 32, 44, 57, 60)
TOPIC = "outpost/esp32-a1b2c3/"


def pass_days(r, days):
    """Let time pass in strides, each far below what ticks can tell; the node sees it as a sleep in its loop."""
    for _ in range(days):
        r.run(24 * HOUR, 4 * HOUR)
        r.client.sent.clear()


def nodes(**options):
    """Yield nodes that were well for each of DAYS, and how many those were."""
    for days in DAYS:
        r = Run(**options)
        r.run(30000)
        assert r.node.uplink.ready
        pass_days(r, days)
        yield r, days
        assert r.node.delivery.outbox.dropped == 0, days


def assert_back(r, days, ms):
    seq = r.node.seq
    r.client.sent.clear()
    r.run(ms)
    assert r.node.uplink.ready, "day %d: not back" % days
    got = r.readings()
    assert got and got[-1]["seq"] > seq, "day %d: nothing came" % days


def test_two_seconds_without_wifi_last_seconds():
    for r, days in nodes():
        r.board.radio.up = False
        r.run(2000)
        assert not r.node.wifi.up
        r.board.radio.up = True
        assert_back(r, days, 20000)


def test_a_zombie_link_is_started_again_at_once():
    for r, days in nodes():
        r.node.wifi.cycle()
        assert_back(r, days, 20000)


def test_a_broker_that_restarts_is_met_at_once():
    for r, days in nodes():
        r.client.reachable = False
        r.run(2000)
        r.client.reachable = True
        assert_back(r, days, 20000)


def test_wifi_that_was_away_for_days():
    for days in DAYS:
        r = Run()
        r.run(30000)
        r.board.radio.up = False
        pass_days(r, days)
        r.board.radio.up = True
        assert_back(r, days, 120000)


def test_a_broker_that_was_away_for_days_and_the_health_it_gets():
    for days in DAYS:
        r = Run()
        r.run(30000)
        r.client.reachable = False
        pass_days(r, days)
        r.client.reachable = True
        assert_back(r, days, 60000)
        assert r.client.on(TOPIC + "health"), days


def test_no_time_server_for_days():
    for r, days in nodes(trusted=False):
        assert_back(r, days, 20000)


def test_a_time_server_that_comes_after_days():
    for r, days in nodes(trusted=False):
        r.sync = True
        assert_back(r, days, 20000)
        assert "ts" in r.readings()[-1]


def test_silence_puts_the_link_in_doubt():
    for r, days in nodes(outbox_bytes=65536):
        asked = []
        r.node.wifi.cycle = lambda asked=asked: asked.append(1)
        r.client.reachable = False
        r.run(300000, 1000)
        assert asked, days


def test_what_is_dropped_is_told():
    for days in DAYS:
        r = Run(outbox_bytes=8192)
        r.node.log.level = 1
        for _ in range(2):
            r.client.reachable = False
            r.run(200000, 1000)
            assert r.node.delivery.outbox.dropped
            r.client.reachable = True
            r.client.sent.clear()
            r.run(120000, 1000)
            lines = [message[1] for message in r.client.on(TOPIC + "log")]
            assert any(b"readings dropped" in line for line in lines), days
            pass_days(r, days)
            r.node.log.waiting.clear()


def test_how_long_it_ran_is_known_at_its_end():
    r = Run()
    r.run(30000)
    pass_days(r, 11)

    def bug(now):
        raise KeyError("bug")

    r.node.step = bug
    try:
        r.node.run()
    except KeyError:
        pass
    assert r.board.guard.uptime_s == 11 * 86400 + 30


def test_a_heartbeat_comes_however_long_the_sensor_said_nothing():
    from firmware.sensors.change import Change

    for days in DAYS:
        change = Change([0.5], 24 * HOUR)
        assert change.passes(1000, (20.0,))
        change.delivered(1000, (20.0,))
        assert not change.passes(2000, (20.1,))
        assert change.passes(1000 + days * 24 * HOUR, (20.1,)), days


def test_an_announcement_that_was_put_off_is_made_after_a_long_outage():
    from test_discovery import Rig

    for days in DAYS:
        rig = Rig()
        for _ in range(5):
            rig.discovery.begin(rig.now)
            rig.run(1000, acknowledge=False)
            rig.discovery.lost(rig.now)
        rig.client.sent.clear()
        rig.now += days * 24 * HOUR
        rig.discovery.begin(rig.now)
        rig.run(60000)
        assert rig.done == 1, days
