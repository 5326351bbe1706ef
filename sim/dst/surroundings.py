"""What surrounds the board in a story: access point, brokers with ways of their own, name and time servers, the passing of time."""

import stage
import stand
import wires
from modelbroker import Broker
from rival import Rival

import sim

A, B, NTP, ROUTER = "192.0.2.10", "192.0.2.20", "192.0.2.123", "192.168.1.1"
DAY_MS = 86_400_000

# Ways of a broker that stay: one in three has one.
WAYS = (
    "qos2_close",
    "qos2_puback",
    "qos2_silent",
    "history_close",
    "history_silent",
    "retain_close",
    "will_close",
    "sub_close",
    "sub_refuse",
    "pubrel_close",
    "forgetful",
    "crowd_close",
)


class Surroundings:
    def __init__(self, chance, truth):
        """Draw them."""
        self.chance = chance
        self.truth = truth
        self.rival = None  # another board of the same name
        self.misled = None  # is the first time of the last life wrong, and which way?
        random = chance.random
        wires.latency_ms = random.choice((1, 5, 40))
        two = chance.strikes("two", 25)
        steady = chance.swarm.get("steady", 0)
        chance.steady = bool(steady) and not two and random.chance(steady)
        self.brokers = [Broker("A", truth)]
        if two:
            self.brokers.append(Broker("B", truth))
        for broker in self.brokers:
            self._draw_ways(broker)
        wires.servers.clear()
        wires.servers[A] = self.brokers[0]
        if two:
            wires.servers[B] = self.brokers[1]
        self.ntp = wires.TimeServer()
        wires.time_servers.clear()
        wires.time_servers[NTP] = self.ntp
        if chance.ill and "ntp_corrected" in chance.swarm.ills:
            self.misled = random.choice((None, None, None, "behind", "behind", "ahead"))
            if self.misled == "behind":
                self.ntp.mode = "silent"  # whoever has known a time believes none before it
        sim.hosts.clear()
        sim.hosts.update({"a.lan": A, "b.lan": B, "pool.ntp.org": NTP, "ntp.lan": NTP})
        sim._air = [stand.AccessPoint("home", "secret12")]
        for broker in self.brokers:
            if "forgetful" in broker.ways or two:
                truth.exact = False
            if [
                way
                for way in broker.ways
                if way.startswith("qos2") or "_close" in way or "_silent" in way
            ]:
                truth.exact = False
            names = ", ".join(sorted(broker.ways)) or "sound"
            stage.tell("world", "broker %s: %s" % (broker.name, names))
        stage.on_online = self._said_online
        stage.on_limit = self._said_limit

    def _draw_ways(self, broker):
        """Draw what it does for good."""
        chance, random = self.chance, self.chance.random
        if random.chance(30):
            broker.ways.add("early")
        if random.chance(20):
            broker.max_inflight = 4  # which mqtt.window2 has to say
        way = random.choice(WAYS)
        if chance.strikes("ways", 33) and way not in chance.without:
            broker.ways.add(way)
        if chance.ill and "ping_silent" in chance.swarm.ills and random.chance(25):
            broker.ways.add("ping_silent")

    def _said_online(self, topic):
        """The node says that a broker has accepted what introduces it."""
        brokers = self.brokers
        if self.rival or any(broker.ways - {"early", "ping_silent"} for broker in brokers):
            return
        if not any(topic in broker.online for broker in brokers):
            stage.on_online = None  # once is enough
            stage.found("it says that it is online, and no broker was told on this connection")

    def _said_limit(self, line):
        """The node says that a broker will not have something. It tries that again, so the last judgement does not see it."""
        if any("publish_close" in broker.ill for broker in self.brokers):
            stage.found("it takes an ill broker for one that forbids: %s" % line)

    def begin_rival(self):
        """Another board of the node's name comes to the first broker."""
        self.truth.exact = False
        self.rival = Rival(self.brokers[0], self.truth.life.node, "0a0b0c0d0e0f")

    def forget(self, broker):
        """A broker loses all that it keeps."""
        self.truth.exact = False
        forgetful = "forgetful" in broker.ways
        broker.ways.add("forgetful")
        broker.stop()
        broker.start()
        if not forgetful:
            broker.ways.discard("forgetful")
        stage.tell("world", "broker %s forgets everything" % broker.name)

    def relent(self):
        """Brokers that would not have a topic will have it a day later. Was there any?"""
        relented = False
        for broker in self.brokers:
            for way in ("history_close", "history_silent"):
                if way in broker.ways:
                    broker.ways.discard(way)
                    relented = True
        if relented:
            stage.tell("world", "the brokers take what they would not have")
            self.jump(DAY_MS + 3_600_000)
        return relented

    def jump(self, ms):
        """So much time passes at once, in which nothing happens."""
        stage.tell("world", "%d ms later" % ms)
        sim._up += ms
        sim._bites += ms
        for event in sim._events:  # what is to come keeps its distance
            event[0] += ms
        for broker in self.brokers:
            broker.lift(ms)
        self.truth.jumped(ms)

    def right_time(self):
        """The time server is as it should be."""
        self.ntp.mode = "ok"
        self.ntp.delay_ms = 0
        self.ntp.asked = None
