"""Brokers as a service, with all their rules together as their documentation gives them: docs/mqtt.md, Brokers.

AWS IoT Core: developer guide, "MQTT" and "AWS IoT Core message broker and protocol limits and quotas". Azure Event Grid: "MQTT
features supported by Azure Event Grid's MQTT broker feature".
"""

import random
import time

from mqtt_peer import Broker
from test_limits import PUBLISH, SUBSCRIBE, Channel, Rig, delivers, numbers

HEAP = "700k"
TIMEOUT = 60


def aws(first, body, message):
    """It closes at QoS 2; its policy allows the node's own topics, nothing retained, and no command to all nodes."""
    if first == 0x10:
        return body[7] & 0x20  # a retained will
    if first == SUBSCRIBE:
        return b"/all/" in body
    return bool(message) and (message[2] == 2 or first & 1)


def azure(first, body, message):
    """No QoS 2, nothing retained, no retained will."""
    if first == 0x10:
        return body[7] & 0x20
    return bool(message) and (message[2] == 2 or first & 1)


def served(rules):
    rig = Rig(Channel("one", 2), Channel("other", 1), Channel("kept", 1, retain=True))
    rig.broker.refuses = rules
    delivers(rig, 300)
    topics = {topic for topic, _ in rig.broker.seen}
    assert {b"outpost/esp32-a1b2c3/" + name for name in (b"status", b"reading/kept")} <= topics
    assert rig.health()["set_aside"] == rig.health()["dropped"] == 0
    return set(rig.health()["broker_limits"].split("; "))


def test_all_the_rules_of_aws_iot():
    for seed in range(4):  # of the pauses between connections
        random.seed(seed)
        assert served(aws) == {
            "no QoS 2",
            "nothing retained",
            "no retained will",
            "not outpost/all/cmd/+",
        }


def test_all_the_rules_of_azure_event_grid():
    for seed in range(4):
        random.seed(seed)
        assert served(azure) == {"no QoS 2", "nothing retained", "no retained will"}


class Hasty(Broker):
    """Of more than a hundred PUBLISH in a second it drops the rest, and says nothing."""

    def __init__(self, rig):
        Broker.__init__(self)
        self.rig = rig
        self.came = []
        self.discarded = 0

    def publish(self, message):
        now = self.rig.now
        self.came = [at for at in self.came if time.ticks_diff(now, at) < 1000] + [now]
        if len(self.came) > 100:
            self.discarded += 1
            return []
        return Broker.publish(self, message)


def drained(**options):
    """What two channels took in ten minutes waits, then goes to a broker that wants no more than a hundred a second."""
    rig = Rig(Channel("one", 1), Channel("other", 1), **options)
    rig.broker.mute = True
    rig.run(600)
    rig.hosts["192.0.2.1"] = rig.broker = Hasty(rig)
    rig.run(120, lambda: not rig.waiting())
    rig.run(30)
    for channel in rig.channels:
        assert sorted(set(rig.seen(channel))) == numbers(rig, channel)
    return rig


def test_a_hundred_a_second():
    # Readings are not all: a status, lines of log and what else waited go beside them.
    assert drained(rate=60).broker.discarded == 0


def test_a_hundred_a_second_without_the_setting():
    rig = drained()
    assert rig.broker.discarded > 0 and rig.health()["dropped"] == 0, "they go again, and arrive"


def test_a_session_that_has_expired():
    # AWS IoT keeps one for an hour.
    rig = Rig(Channel("one", 1), Channel("other", 1))
    rig.run(30)
    rig.broker.mute = True
    rig.broker.cut()
    rig.run(300)
    rig.broker.session = False
    rig.broker.filters.clear()
    rig.broker.mute = False
    delivers(rig, 300)
    assert b"outpost/esp32-a1b2c3/cmd/+" in rig.broker.filters, "it is subscribed anew"
