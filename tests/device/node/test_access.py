"""The node says which permission is missing, in either direction. The real client and uplink, a broker with access rules."""

from mqtt_peer import Broker, Net

import sim
from firmware.control import Control
from firmware.link.uplink import Uplink
from firmware.topics import Topics
from firmware.upkeep.log import Log
from mqtt.client import Client

HEAP = "400k"

TOPICS = Topics("outpost", "attic")
HERE = {"host": "a.test", "port": 1883, "user": "", "password": "", "tls": None}


class Strict(Broker):
    """mosquitto's acl_file: a forbidden PUBLISH is acknowledged and dropped, a forbidden SUBSCRIBE is granted and silent."""

    may_write = may_read = True

    def publish(self, message):
        topic, payload = message[:2]
        answer = super().publish(message)
        if self.may_write and self.may_read and topic in self.filters:
            self.give(topic, payload, 0)
        return answer


class Rig:
    def __init__(self, **rules):
        sim.virtual()
        self.broker = Strict()
        for name, value in rules.items():
            setattr(self.broker, name, value)
        client = Client("c", "a.test", keepalive=60, net=Net(self.broker))
        self.log = Log("info")
        settings = {"brokers": (HERE,), "clean_session": False, "qos_max": 2, "retain": True}
        settings = {"brokers": (HERE,), "clean_session": False}
        settings.update({"qos_max": 2, "retain": True, "window2": 20})
        self.uplink = Uplink(client, settings, self.log)
        self.control = Control(None, self.uplink, TOPICS, None, None, self.log)
        self.uplink.arrived = self.control.arrived
        self.uptime = 0

    def run(self, seconds):
        for _ in range(seconds * 2):
            self.uptime += 500
            if self.uplink.step(self.uptime, self.uptime, True, True):
                self.uplink.introduce(TOPICS.status, b"online")
            self.control.step(self.uptime)

    def told(self):
        return [line.split(" ", 1)[1] for line in self.log.waiting if " error " in line]


def test_all_is_allowed():
    rig = Rig()
    rig.run(3600)
    assert rig.told() == [] and rig.control.fault is None and rig.uplink.connected


def test_neither_way_is_silent():
    said = "error mqtt: what this node publishes does not come back: outpost/attic/status; at the broker, let"
    for rules in ({"may_write": False}, {"may_read": False}):
        rig = Rig(**rules)
        rig.run(55)
        assert rig.told() == []
        rig.run(10)
        assert len(rig.told()) == 1 and rig.told()[0].startswith(said)
        assert rig.control.fault.endswith("does not come back: outpost/attic/status")
        rig.run(3600)
        assert len(rig.told()) == 1, "once"
        rig.broker.may_write = rig.broker.may_read = True
        rig.broker.wire.ended = True
        rig.run(65)
        assert rig.control.fault is None
        assert rig.log.waiting[-1].endswith("lets this node write and read its own topics again")


def test_a_permission_that_is_taken_away_is_told_at_the_next_connection():
    rig = Rig()
    rig.run(100)
    rig.broker.may_write = False
    rig.broker.wire.ended = True
    rig.run(70)
    assert len(rig.told()) == 1


def test_a_subscription_that_is_refused_is_named():
    rig = Rig(refuse=(b"outpost/attic/cmd/+",))
    rig.run(65)
    assert len(rig.told()) == 1
    assert "the broker refuses a subscription: outpost/attic/cmd/+; " in rig.told()[0]
    rig.run(3600)
    assert len(rig.told()) == 1 and "cmd/+" in rig.control.fault


def test_what_tells_it_is_not_kept_in_memory():
    import sys

    rig = Rig(may_write=False)
    rig.run(100)
    assert rig.told() and "firmware.control.access" not in sys.modules


def test_a_broker_that_is_away_is_no_missing_permission():
    rig = Rig()
    rig.run(10)
    rig.broker.wire.ended = True
    rig.broker.mute = True
    rig.run(600)
    assert rig.told() == [] and rig.control.fault is None
