"""Twenty exchanges of QoS 2 that PUBREC had come for, under names as long as they may be: the next start ends each, once."""

import json
import os

import sim

sim.virtual()

from mqtt_peer import Broker  # noqa: E402
from statefiles import LONG, Life  # noqa: E402

from firmware import payload  # noqa: E402
from outbox import Outbox  # noqa: E402

HEAP = "4m"
TIMEOUT = 60


class Forgetful(Broker):
    """Whatever a Life says, it has no earlier session."""

    session = property(lambda self: False, lambda self, present: None)


class Deaf(Forgetful):
    """And the power fails before a reading reaches it."""

    def publish(self, message):
        return [] if message[2] == 2 else super().publish(message)


def numbers(broker, life):
    """The seq of what was handed on of a life's readings."""
    boot = life.node.delivery.boot
    readings = [json.loads(payload) for _, payload in broker.seen if b'"seq":' in payload]
    return sorted(reading["seq"] for reading in readings if reading["boot"] == boot)


def without_pubcomp():
    """Live with a broker that never ends an exchange."""
    broker = Broker()
    broker.hear = lambda first, pid, answer: [] if first == 0x62 else answer
    life = Life(broker, 25, LONG)
    assert life.node.delivery.outbox.sync(0)
    assert numbers(broker, life) == list(range(1, 21)), "handed on with the PUBREL, at the latest"
    return broker, life


def test_all_of_them_are_restored_and_end():
    broker, before = without_pubcomp()
    broker.hear = None
    restored = []
    run = Life._run

    def look(life, node):
        restored.extend(node.delivery.restored)
        assert not node.delivery.again, "of none the message is needed"
        run(life, node)

    Life._run = look
    after = Life(broker, 15, LONG)
    assert len(restored) == len(set(restored)) == 20, restored
    seqs = numbers(broker, before)
    assert seqs == list(range(1, before.node.seq + 1)), seqs
    assert len(after.node.delivery.outbox) <= 2 and not after.node.delivery.restored


def test_a_broker_that_has_forgotten_them_gets_their_readings_again():
    _, before = without_pubcomp()
    broker = Forgetful()
    Life(broker, 25, LONG)
    assert numbers(broker, before) == list(range(1, before.node.seq + 1))


def test_they_begin_anew_though_the_power_fails_when_the_broker_has_just_forgotten_them():
    # The next start would send PUBREL only, and a broker that has no message for it answers PUBCOMP.
    _, before = without_pubcomp()
    deaf = Deaf()
    Life(deaf, 5, LONG)
    sent = [pid for first, pid in deaf.log if first & 0xF6 == 0x34]
    assert sent, "they have begun anew"
    broker = Broker()
    Life(broker, 40, LONG)
    assert numbers(broker, before) == list(range(1, before.node.seq + 1))


def test_more_of_them_than_the_client_has_room_for():
    """A state that is sound but of nobody's: the start ends with as many as there is room for, the others go anew."""
    os.mkdir("state")
    box = Outbox("state/outbox")
    for seq in range(1, 1201):
        data = payload.record(0, 5, seq, 1000, 1795219200000, b'"volts":1.0')
        assert box.append(b"volts", data, 0, qos=2)
        if seq % 20 == 0:
            box.sync(0)
    assert box.release(list(box), 0) and box.dropped == 0
    restored = []

    def look(life, node):
        restored.append((len(node.delivery.restored), len(node.delivery.again)))
        life.node = node

    run, Life._run = Life._run, look
    try:
        Life(Broker(), 0)
    finally:
        Life._run = run
    (found,) = restored
    assert sum(found) == 1200 and found[0] > 100, found
