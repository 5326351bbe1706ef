"""The journal: PUBREC is written down before PUBREL goes out, whatever happens between; and ids that the caller chooses."""

from mqtt_peer import Broker, Net, connect, run

from mqtt import Client, ProtocolError


def make():
    net = Net(Broker())
    client = Client("c", "broker", net=net)
    entries = []

    def journal(pids):
        # what the broker has seen of PUBREL by now
        entries.append((None if pids is None else list(pids), [0x62 in e for e in net.broker.log]))

    client.set_journal(journal)
    return net, client, entries


def test_pubrec_is_written_down_before_pubrel_goes():
    net, client, entries = make()
    connect(client)
    assert entries == [(None, [False])], "a new session: nothing of an earlier one is known there"
    for i in range(3):
        client.send(b"t", b"%d" % i, qos=2, pid=40000 + i)
    acked = run(client)[0]
    assert acked == [40000, 40001, 40002]
    told = [pid for pids, _ in entries[1:] for pid in pids]
    assert told == acked, "each once"
    assert not any(True in seen for pids, seen in entries if pids and 40000 in pids)
    assert [pid for kind, pid in net.broker.log if kind == 0x62] == acked


def test_the_journal_is_told_though_the_link_fails_in_the_same_moment():
    net, client, entries = make()
    connect(client)
    client.send(b"t", b"x", qos=2, pid=50000)
    net.wire.inbox += b"\x50\x02" + (50000).to_bytes(2, "big") + b"\xff\xff\xff\xff\xff\xff"
    try:
        client.step(1)
        client.step(2)
        raise SystemExit("no error")
    except (OSError, ProtocolError):
        pass
    assert ([50000], [False, False]) in [(pids, seen[:2]) for pids, seen in entries], entries


def test_not_told_twice_and_not_without_qos_2():
    net, client, entries = make()
    connect(client)
    entries.clear()
    client.send(b"t", b"x", qos=1)
    run(client)
    assert entries == []
    client.send(b"t", b"y", qos=2, pid=60000)
    net.broker.say(b"\x50\x02" + (60000).to_bytes(2, "big"))  # a PUBREC too many
    run(client)
    assert [pids for pids, _ in entries] == [[60000]]


def test_a_lost_session_is_told_before_anything_goes_again():
    net, client, entries = make()
    connect(client)
    client.send(b"t", b"x", qos=2, pid=33000)
    net.broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    run(client)
    client.close()
    entries.clear()
    net.broker.hear = None
    net.broker.session = True
    connect(client)
    assert [pids for pids, _ in entries] == [[]], "the session is there"
    entries.clear()
    client.send(b"t", b"z", qos=2, pid=33001)
    client.close()
    net.broker.session, net.broker.log = False, []
    connect(client)
    assert entries[0][0] is None and entries[0][1] == [False], "only CONNECT has been seen by then"


def test_its_own_ids_stay_below_the_callers():
    _, client, _ = make()
    connect(client)
    client.send(b"t", b"x", qos=2, pid=65535)
    assert 1 <= client.send(b"t", b"y", qos=1) <= 32767
    client._out.pid = 32767
    assert client.send(b"t", b"z", qos=1) == 1


def test_what_an_earlier_run_may_have_sent_is_marked():
    net, client, _ = make()
    connect(client)
    net.broker.log = []
    client.send(b"t", b"x", qos=2, pid=34567, dup=True)
    client.send(b"t", b"x", qos=1)
    assert net.broker.log[0] == (0x3C, 34567) and net.broker.log[1][0] == 0x32
