"""A board with a name of its own, since another has the node's: its readings wait until the broker is known to let it in."""

import json

from mqtt_peer import publish
from test_limits import SUBSCRIBE, Channel, Rig

from firmware.files import write

HEAP = "700k"
TIMEOUT = 60


class Alias(Rig):
    """The broker hands on to the node what it has subscribed to."""

    name = "esp32-a1b2c3-a1b2c3"

    def __init__(self, **options):
        if self.name != "esp32-a1b2c3":
            write("state/alias", "esp32-a1b2c3 bbbbbb")
        super().__init__(Channel("one", 1), **options)
        self.status = self.node.topics.status
        assert self.status.decode() == "outpost/%s/status" % self.name
        self.sound = self.broker.publish
        self.broker.publish = self._hand_on

    def _hand_on(self, message):
        topic, payload = message[:2]
        answer = self.sound(message)
        if topic in self.broker.filters and topic not in self.broker.refuse:
            answer.append(publish(topic, payload))
        return answer

    def came(self):
        """Numbers of the readings that were handed on."""
        return sorted(
            json.loads(payload)["seq"]
            for topic, payload in self.broker.seen
            if topic in self.node.topics.channel("one")
        )

    def all_there(self):
        taken = self.channels[0].taken
        return taken and self.came() == list(range(1, taken + 1)) and not self.waiting()


class Own(Alias):
    name = "esp32-a1b2c3"


def reconnects(kind=Alias, **options):
    rig = kind(**options)
    rig.run(60, rig.all_there)
    for _ in range(5):
        rig.broker.session = False
        rig.broker.filters.clear()
        rig.broker.wire.ended = True
        rig.run(60)
        rig.run(15, rig.all_there)
        assert rig.all_there() and rig.channels[0].taken > 5, (rig.came(), rig.waiting())
        rig.run(30)
        assert rig.health()["access"] is None


def test_at_a_broker_that_keeps_no_session_they_go_out_at_each_connection():
    """After the third that it ends subscriptions go one at a time: `online` had gone before, and its return was awaited for ever."""
    reconnects()


def test_in_clean_sessions_they_go_out_at_each_connection():
    reconnects(clean_session=True)


def test_under_the_node_s_own_name_no_permission_is_missed_either():
    """Log and `health` said so, for the rest of the connection."""
    reconnects(Own)


def test_where_the_broker_closes_at_the_subscription_they_go_out_after_a_minute():
    """It closes at what it forbids. They waited for ever, and nothing said so."""
    rig = Alias()
    rig.broker.refuses = lambda first, body, message: first == SUBSCRIBE and rig.status in body
    rig.run(300)
    connects = rig.uplink.connects
    rig.run(120)
    rig.run(10, rig.all_there)
    assert rig.all_there(), (rig.came(), rig.waiting())
    assert rig.uplink.connects == connects and rig.health()["access"] is None


def test_where_the_subscription_is_refused_they_wait_and_health_says_why():
    """Such a broker may acknowledge and drop what comes under a name that it does not know."""
    rig = Alias()
    rig.broker.refuse = (rig.status,)
    rig.run(300)
    assert rig.came() == [] and rig.waiting() >= 59
    assert rig.health()["access"] == "the broker refuses a subscription: " + rig.status.decode()
    rig.broker.refuse = ()
    rig.broker.session = False
    rig.broker.wire.ended = True
    rig.run(60)
    rig.run(10, rig.all_there)
    assert rig.all_there(), (rig.came(), rig.waiting())
