"""No QoS 1 reading is lost, whatever happens between the node and its broker."""

import itertools
import json
import time

from outside import KEEPALIVE_S, NAME, OTHER, complete, settings, stream, until

from sim.proxy import Proxy


def streaming(nodes, port, board="esp32", name=NAME, sensors=None, **changes):
    """A node that publishes 20 readings a second."""
    changes["node"] = {"name": name}
    config = settings([port], board, sensors=sensors or stream(board), **changes)
    return nodes(config, board).start()


def two_nodes(nodes, port):
    """A node on each kind of board, at one broker."""
    return [
        streaming(nodes, port, "esp32", NAME),
        streaming(nodes, port, "pico_w", OTHER),
    ]


def survive(seen, harm, seconds, heal, back_s, names=(NAME,)):
    """Let something happen to the streams, for a time; every reading arrives, in order."""
    for name in names:
        seen.wait_live("fast", name=name)
    harm()
    time.sleep(seconds)
    heal()
    for name in names:
        seen.wait_live("fast", back_s, name)
        seen.wait_whole("fast", name=name)
        readings = complete(seen.readings("fast", name), first=1)
        # taken all the while: sampling never waits for the network
        steps = [b["ts"] - a["ts"] for a, b in itertools.pairwise(readings)]
        assert max(steps) < 1000, max(steps)
        until(lambda name=name: seen.texts(f"{name}/status")[-1] == "online", 5, "online again")


def test_the_broker_is_away_for_10_s(broker, nodes, seen):
    two_nodes(nodes, broker.port)
    survive(seen, broker.stop, 10, broker.start, 25, (NAME, OTHER))


def test_a_black_hole(broker, proxy, nodes, seen):
    streaming(nodes, proxy.port)
    survive(seen, proxy.swallow, 8, proxy.heal, 20)
    assert proxy.connections > 1


def test_half_open(broker, nodes, seen):
    """One way of one connection is lost: the node must notice by itself."""
    with Proxy(broker.port) as up, Proxy(broker.port) as down:
        for name, proxy in ((NAME, up), (OTHER, down)):
            streaming(nodes, proxy.port, name=name)
            seen.wait_live("fast", name=name)
            assert proxy.connections == 1
        up.lose("up")
        down.lose("down")
        for name, proxy in ((NAME, up), (OTHER, down)):
            until(lambda proxy=proxy: proxy.connections > 1, 2 * KEEPALIVE_S, "a new connection")
            seen.wait_live("fast", name=name)
            complete(seen.readings("fast", name), first=1)


def test_a_pause_is_no_reason_to_connect_anew(proxy, nodes, seen):
    streaming(nodes, proxy.port)
    survive(seen, proxy.hold, 2, proxy.heal, 10)
    assert proxy.connections == 1


def test_connections_reset_in_the_middle_of_a_packet(proxy, nodes, seen):
    streaming(nodes, proxy.port)
    seen.wait_live("fast")
    for count, way in ((130, "up"), (7, "down"), (251, "up")):
        before = proxy.connections
        proxy.after(count, way, "reset")
        until(lambda before=before: proxy.connections > before, 20, "a new connection")
    seen.wait_live("fast")
    complete(seen.readings("fast"), first=1)


def test_a_connection_cut_while_it_is_made(proxy, nodes, seen):
    """Half a CONNACK, half a CONNECT: the session goes on."""
    streaming(nodes, proxy.port)
    seen.wait_live("fast")
    before = proxy.connections
    proxy.close()
    proxy.after(3, "down", "close")
    until(lambda: proxy.connections > before, 20, "a new connection")
    proxy.after(20, "up", "reset")
    until(lambda: proxy.connections > before + 2, 20, "two more")
    seen.wait_live("fast", 20)
    complete(seen.readings("fast"), first=1)


def test_a_byte_at_a_time_over_a_slow_link(proxy, nodes, seen):
    proxy.pieces()
    proxy.delay(0.2)
    streaming(nodes, proxy.port, sensors=stream(interval_s=0.5))
    seen.wait_readings("fast", 8, 30)
    complete(seen.readings("fast"), first=1)
    assert proxy.connections == 1


def test_nobody_is_there_at_first(broker, nodes, seen):
    with Proxy(broker.port) as refusing, Proxy(broker.port) as silent:
        refusing.refuse()
        silent.ignore()
        for name, proxy in ((NAME, refusing), (OTHER, silent)):
            streaming(nodes, proxy.port, name=name).wait_for("clock: set", 10)
        time.sleep(3)
        assert not seen.messages
        for name, proxy in ((NAME, refusing), (OTHER, silent)):
            proxy.heal()
            seen.wait_live("fast", 30, name)
            complete(seen.readings("fast", name), first=1)


def test_the_access_point_goes_and_comes(broker, nodes, seen):
    boards = two_nodes(nodes, broker.port)
    survive(
        seen,
        lambda: [board.do("wifi_off") for board in boards],
        4,
        lambda: [board.do("wifi_on") for board in boards],
        30,
        (NAME, OTHER),
    )


def test_the_access_point_forgets_the_node(broker, nodes, seen):
    """The link looks fine and nothing passes: only the broker's silence shows it."""
    boards = two_nodes(nodes, broker.port)
    survive(
        seen,
        lambda: [board.do("zombie", on=True) for board in boards],
        8,
        lambda: [board.do("zombie", on=False) for board in boards],
        30,
        (NAME, OTHER),
    )


def test_many_breaks(proxy, nodes, seen):
    """Whatever the moment: a connection lives for some packets."""
    streaming(nodes, proxy.port)
    seen.wait_live("fast")
    end = time.monotonic() + 5
    count = 0
    while time.monotonic() < end:
        count += 1
        proxy.after(40 + count * 37 % 400, "up" if count % 3 else "down", "reset")
        time.sleep(0.15)
    proxy.heal()
    seen.wait_live("fast", 30)
    seen.wait_whole("fast")  # new readings do not wait for the late ones
    complete(seen.readings("fast"), first=1)


def test_at_qos_2_each_reading_arrives_once(broker, proxy, nodes, seen):
    streaming(nodes, proxy.port, sensors=stream(qos=2, interval_s=0.2))
    seen.wait_live("fast")
    for count, way in ((130, "up"), (6, "down")):
        before = proxy.connections
        proxy.after(count, way, "reset")
        until(lambda before=before: proxy.connections > before, 20, "a new connection")
    survive(seen, broker.stop, 2, broker.start, 25)
    messages = seen.messages_of(f"{NAME}/reading/fast")
    assert {message.qos for message in messages} == {2}
    assert len(messages) == len({message.text for message in messages})


def test_the_next_broker(brokers, nodes, listen):
    first, second = brokers(), brokers()
    here, there = listen(first), listen(second, name="there")
    nodes(settings([first.port, second.port], sensors=stream())).start()
    here.wait_live("fast")
    assert not there.messages
    first.stop()
    there.wait_for(f"{NAME}/status", "online", 10)
    there.wait_live("fast")
    # What the first broker took it still has for its subscriber, what it did not went to the second.
    known = len(here.messages)
    first.start()
    until(lambda: here.connects > 1, 10, "the first broker's subscriber is back")
    time.sleep(1)
    assert len(here.messages) >= known
    readings = here.readings("fast") + there.readings("fast")
    complete(sorted(readings, key=lambda reading: reading["seq"]), first=1)


def test_late_readings_are_history(broker, nodes, seen):
    """Dashboards that stamp on arrival must not take an old reading for now."""
    streaming(nodes, broker.port, publish={"live_s": 2})
    survive(seen, broker.stop, 5, broker.start, 25)
    late, live = seen.messages_of(f"{NAME}/history/fast"), seen.messages_of(f"{NAME}/reading/fast")
    assert len(late) > 40
    assert all(m.qos == 1 and not m.retain for m in late)
    # in one row: live, late, live; before, what was taken until the node had found broker and time may be late, too
    order = sorted(
        {json.loads(m.text)["seq"]: "/history/" in m.topic for m in late + live}.items()
    )
    order = list(itertools.dropwhile(lambda each: each[1], order))
    changes = [seq for (_, was), (seq, is_late) in itertools.pairwise(order) if was != is_late]
    assert len(changes) == 2, changes
    # the last of them may be younger, and overtaken
    age = late[0].at + newest_offset() - json.loads(late[0].text)["ts"] / 1000
    assert age > 1.9


def newest_offset():
    """time.time() less time.monotonic()."""
    return time.time() - time.monotonic()


def test_when_the_outbox_is_full_the_oldest_go_and_are_counted(broker, nodes, seen):
    """Of the stream all that is not there was counted: before the first connection and without a broker."""
    small = {"bytes": 8192, "ram_bytes": 2048}
    streaming(nodes, broker.port, outbox=small, mqtt={"window": 4})
    seen.wait_live("fast")
    broker.stop()
    time.sleep(10)
    broker.start()
    seen.wait_live("fast", 25)
    known = len(seen.messages_of(f"{NAME}/health"))
    health = json.loads(seen.wait_for(f"{NAME}/health", times=known + 1).text)
    seqs = sorted({reading["seq"] for reading in seen.readings("fast")})
    gaps = [(a, b) for a, b in itertools.pairwise([0, *seqs]) if b - a > 1]
    assert health["dropped"] == sum(b - a - 1 for a, b in gaps) > 40
    assert gaps[-1][1] < seqs[-1] - 10  # the oldest went, not the newest


def test_power_fails_and_the_broker_says_so(broker, nodes, seen):
    """The will comes 1.5 keepalives after the last sign of life; then the node starts anew."""
    node = streaming(nodes, broker.port, sensors=stream(interval_s=1))
    seen.wait_readings("fast", 2)
    node.kill(silent=True)
    # When is the broker's business: some mosquittos look once a second, others every six. The node's is what it asked for.
    assert f" as {NAME} (p2, c0, k{KEEPALIVE_S}, " in broker.log.read_text()
    assert seen.wait_for(f"{NAME}/status", "offline", 1.5 * KEEPALIVE_S + 20).qos == 1
    node.start()
    seen.wait_for(f"{NAME}/status", "online", times=2)
    until(lambda: len(seen.boots("fast")) == 2, 10, "the second boot")
    last = seen.boots("fast")[-1]
    second = [reading for reading in seen.readings("fast") if reading["boot"] == last]
    assert second[0]["seq"] == 1
    complete(second)


def test_the_process_is_killed(broker, nodes, seen):
    node = streaming(nodes, broker.port)
    seen.wait_readings("fast", 5)
    node.kill()
    seen.wait_for(f"{NAME}/status", "offline", 2)


def test_two_nodes_do_not_disturb_each_other(broker, nodes, seen):
    for name in (NAME, OTHER):
        streaming(nodes, broker.port, name=name, sensors=stream(interval_s=0.2))
    for name in (NAME, OTHER):
        seen.wait_readings("fast", 20, name=name)
        complete(seen.readings("fast", name), first=1)
        assert seen.texts(f"{name}/status") == ["online"]
