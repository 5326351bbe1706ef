"""Whom the clock asks, how often, and for how long it leaves one alone."""

import os

from test_clock import HOST, HOUR, ROUTER, Rig, good

from firmware.link import clock


def test_whose_answers_come_too_late_three_times_is_left_for_the_next_one():
    r = Rig(good, gateway=ROUTER)
    r.net.servers[ROUTER] = good
    r.run(45000, step=3000)
    assert r.net.requests[:6] == 3 * [(HOST, 123)] + 3 * [(ROUTER, 123)], r.net.requests
    assert not r.clock.trusted and len(r.lines) == 1 and "take too long" in r.lines[0], r.lines


def test_of_a_code_only_what_can_be_read_is_logged():
    r = Rig(lambda request, net: good(request, net, head=b"\x24\0", _8=b"aaaa\n \x7fXbbbb"))
    r.run(1000)
    assert "(X)" in r.lines[0], r.lines


def test_a_failure_after_a_success_is_told_again_and_soon_tried_again():
    r = Rig(None, None, None, None, good, None)
    r.run(120000)
    assert r.clock.trusted and len(r.lines) == 2, r.lines
    r.net.requests.clear()
    r.run(6 * HOUR, step=1000)
    assert len(r.lines) == 3 and "no answer" in r.lines[2], r.lines
    assert len(r.net.requests) >= 3


def test_a_fleet_does_not_ask_in_step():
    """A pause is of four seconds at first, of five minutes in the end, and up to a quarter longer."""
    try:
        for byte, first, last in (0, 4000, 300000), (255, 4996, 374707):
            r = Rig(None)
            clock.os = r
            r.urandom = lambda n, byte=byte: bytes((byte,))
            r.run(3000)
            assert r.clock.wait == first
            r.run(1800000, step=500)
            assert r.clock.wait == last, r.clock.wait
    finally:
        clock.os = os


def test_no_way_to_a_server_leaves_no_socket_and_the_next_one_is_asked():
    for call in ("sendto", "recvfrom"):
        r = Rig(None, gateway=ROUTER)
        r.net.broken[HOST] = call
        r.run(100)
        assert [address for address, _ in r.net.requests] == [HOST, ROUTER] and r.net.open == 1
        r.net.servers[ROUTER] = good
        r.run(10000)
        assert r.clock.server == ROUTER and r.net.open == 0


def test_between_two_rounds_the_node_may_sleep():
    r = Rig(good, newest=0)  # asked twice
    r.run(HOUR, online=False, step=1000)
    assert r.clock.due(r.net.up) == 0
    r.run(200)
    due = r.clock.due(r.net.up)
    assert 2000 < due <= 2500
    r.net.pass_ms(1000)
    assert r.clock.due(r.net.up) == due - 1000
    r.net.pass_ms(9000)
    assert r.clock.due(r.net.up) == 0
    r.run(10000)
    due = r.clock.due(r.net.up)
    r.net.pass_ms(HOUR)
    assert r.clock.trusted and r.clock.due(r.net.up) == due - HOUR > 4 * HOUR
