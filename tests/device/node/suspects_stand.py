"""What the tests of firmware/limits/suspects.py stand on: in place of the Limits, the uplink and the broker."""

from binascii import crc32

from firmware.limits.suspects import Suspects

SECOND = 1000
INFO = b"outpost/attic/info"


class Subscriptions:
    def __init__(self, wanted):
        self.wanted = wanted
        self.asked = False

    def filters(self):
        return self.wanted

    def withhold(self, filters, allowed=None):
        self.withheld, self.allowed = list(filters), [each for each in allowed if each != INFO]
        self.at_once = INFO in allowed

    def waiting(self):
        return self.asked


class Client:
    def __init__(self, wanted):
        self.subscriptions = Subscriptions(wanted)
        self.released, self.in_flight, self.sent = [], [], []
        self.unanswered = []  # filters, when the connection ended
        self.pinging = False
        self.pings = 0
        self.full = False

    def ping(self):
        self.pinging = True
        self.pings += 1

    def send(self, topic, payload, retain, qos, pid, dup):
        if self.full:
            return None
        self.sent.append(topic)
        return len(self.sent) if qos else 0


class Stand:
    """Stands for the Limits, the uplink and the broker."""

    def __init__(self, *wanted):
        self.uplink = self.brokers = self.connects = self
        self.will = b"outpost/attic/status"
        self.last = []  # what was sent last when connections ended
        self.held = False  # is nothing to be said yet?
        self.trial = None
        self.known = ()
        self.client = Client(list(wanted))
        self.filters = []
        self.judged, self.let_pass = [], []
        self.unproven = []  # what failed while nothing else passed
        self.answers = self
        self.pings = True
        self.probed = None  # the topic that is tried again
        self.none = None
        self.longer = 0
        self.late = False  # acknowledgements come late
        self.learnt = []
        self.anew = 0
        self.again = None
        self.now = 0
        self.suspects = Suspects(self)

    def identify(self, topic, payload, qos):
        return topic, crc32(payload) if qos else 0

    def are_over(self, ms):
        return ms >= 10 * SECOND

    def judge(self, culprit, crc, how, uptime, proven):
        (self.judged if proven else self.unproven).append((culprit, crc, how))

    def probes(self, culprit, crc=None):
        return culprit is not None and culprit[0] == self.probed

    def takes_nothing(self, how):
        self.none = how

    def may_be_late(self, uptime):
        return self.late

    def wait_longer(self, uptime):
        self.longer += 1
        return self.longer <= 3

    def learn(self, uptime, item, sure=False):
        self.learnt.append((item, sure))

    def had_none(self, topic):
        return topic in self.known

    def passed(self, message, crc, uptime):
        self.let_pass.append(message)

    def begin_anew(self, again, uptime):
        self.anew += 1
        self.again = again

    # what happens

    def connect(self, pings=1):
        """A connection comes up, and so many pings are answered before anything may be sent."""
        self.client.pinging = False
        self.client.pings = 0
        self.suspects.up(self.now)
        for n in range(pings):
            assert self.send(b"early") is None, (n, pings)
            self.step()
            assert self.client.pinging and self.client.pings == n + 1
            self.pong()
        self.step()
        assert not self.client.pinging, "one more than there are to be"

    def step(self, *acked):
        return self.suspects.step(self.now, acked)

    def pong(self):
        self.client.pinging = False
        return self.step()

    def send(self, topic, payload=b"x", retain=False, qos=1):
        return self.suspects.send(topic, payload, retain, qos, 0, False)

    def lost(self, closed=True, silent=False):
        self.suspects.lost(closed, silent, self.now)

    def goes_well(self, topic=b"ok", qos=1):
        pid = self.send(topic, qos=qos)
        assert pid is not None
        self.step(*([pid] if qos else ()))
        self.pong()


def closes_at(stand, topic, times, payload=b"x", qos=1, before=0, others=1):
    """So many connections in a row end at a message, behind another that passes. before: how many have; others: QoS of that, None: none."""
    for n in range(times):
        stand.connect(pings=1 + min(3, before + n))
        if others is not None:
            stand.goes_well(qos=others)
        comes(stand, topic, payload, qos)
        stand.lost()


def comes(stand, topic, payload=b"x", qos=1):
    """A message goes, now or after the others had their time."""
    if stand.send(topic, payload, qos=qos) is None:
        stand.now += SECOND
        stand.step()
        assert stand.send(topic, payload, qos=qos) is not None


def subscribed(stand):
    """The subscription whose turn it is is answered."""
    stand.client.subscriptions.asked = True
    passed = len(stand.let_pass)
    stand.step()
    assert len(stand.let_pass) == passed, "not before it is answered"
    stand.client.subscriptions.asked = False
    return stand.pong()


def freed(*wanted, filters=()):
    """Each kind has passed but for what is wanted."""
    stand = Stand(*filters)
    stand.last += wanted
    stand.connect()
    stand.goes_well()
    for _ in filters:
        stand.now += SECOND
        stand.step()
        subscribed(stand)
    stand.now += SECOND
    assert stand.step() is True and stand.suspects.free
    return stand
