"""What happens in one story, drawn from its seed: the world, the node's settings, and in each of its lives the faults.

A story is a board that is switched on again and again, and in the end is left alone in a world without faults until all that
it owes has arrived.
"""

import socket

import stage
import stand
import wires
from chipset import World
from modelbroker import Broker
from norram import HOW, Flash
from prng import Random
from rival import Rival
from swarm import Swarm
from truth import Life, Truth

import sim

A, B, NTP, ROUTER = "192.0.2.10", "192.0.2.20", "192.0.2.123", "192.168.1.1"
NAMES = ("attic", "cellar", "roof", "shed")
ADDRESSES = ("0x48", "0x49", "0x4a", "0x4b")
NODES = ("", "north", "south")
_DAY = 86_400_000
_BLOCKS = 48

STATE = (
    "boot",
    "boots",
    "times",
    "crashes",
    "crash.txt",
    "reset",
    "discovery",
    "config.json",
    "dropped",
)
GARBAGE = (
    b"",
    b"0",
    b"-1",
    b"null",
    b"[]",
    b"{}",
    b'{"1":[]}',
    b'{"1":1e999}',
    b'{"a":{"b":[null]}}',
    b"[[1],[2,3],{}]",
    b"99999999999999999999",
    b"1e9",
    b'"text"',
    b"{",
    b"\xff\xfe",
)

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

# Topics that MQTT forbids, and lenient brokers pass on [MQTT-1.5.3-1], [MQTT-1.5.3-2], [MQTT-3.3.2-2].
POISON = (b"\xff\xfe", b"a\0b", b"+", b"x/#", b"\xed\xa0\x80")
_SKEW_MS = 200 * _DAY

# Ends of a life, each with the number out of a hundred below which it is drawn; the last is a theme's only (swarm.py).
ENDS = (
    ("cut", 30),
    ("restart", 42),
    ("heap", 54),
    ("hang", 60),
    ("power", 100),
    ("heap_of_files", 100),
)


class Story:
    def __init__(self, seed, without=()):
        """without: names of faults that are left out."""
        self.seed = seed
        self.random = random = Random(seed)
        self.may_bite = False  # is there a reason for the watchdog?
        self.without = without
        self.truth = Truth()
        self.flash = Flash(random.fork(), _BLOCKS)
        self.urandom = random.fork()
        self.world = World(self.truth.measured)
        self.mac = random.bytes(3)
        self.lives = 0
        self.swarm = Swarm(seed, without)
        self.planned = random.between(*self.swarm.lives)
        self.first_tick = 0
        self.timers = []
        self.sick_reads = 0  # of the flash, from power-on to EIO
        self.spoil = []  # (name, content) of files of state/ that somebody spoils
        self.names = set()  # under which this flash has been at the brokers
        self.healed = False  # are the faults over?
        self.misled = None  # is the first time of the last life wrong, and which way?
        self.ill = self.swarm.name == "ill"  # was anything ill for minutes?
        self.steady = False  # are there no faults after which readings may come twice?
        self.rival = None  # another board of the same name
        self.exact = True  # do sessions persist, and so each reading of QoS 2 arrives once?
        self.lowered = (
            False  # has a sensor's QoS been lowered from 2? A session begins anew for that
        )
        self.plain = Random(
            seed * seed + 7
        )  # a stream of its own: in one story of six the node publishes bare numbers, too
        self.has_plain = self.plain.chance(17)
        sim.seed(random(1 << 20))
        self._make_network()
        self.config = self._draw_config()
        stage.on_online = self._said_online

    def may(self, fault, percent):
        """Draw whether something happens; what is left out draws the same numbers."""
        percent = self.swarm.percent.get(fault, percent)
        happens = self.random.chance(percent) and fault not in self.without
        return happens and not (self.steady and fault in ("replaced", "broker_forgets"))

    # the world

    def _make_network(self):
        random = self.random
        truth = self.truth
        wires.latency_ms = random.choice((1, 5, 40))
        self.two = self.may("two", 25)
        steady = self.swarm.get("steady", 0)
        self.steady = bool(steady) and not self.two and random.chance(steady)
        self.brokers = [Broker("A", truth)]
        if self.two:
            self.brokers.append(Broker("B", truth))
        for broker in self.brokers:
            self._draw_ways(broker)
        wires.servers.clear()
        wires.servers[A] = self.brokers[0]
        if self.two:
            wires.servers[B] = self.brokers[1]
        self.ntp = wires.TimeServer()
        wires.time_servers.clear()
        wires.time_servers[NTP] = self.ntp
        if self.ill and "ntp_corrected" in self.swarm.ills:
            self.misled = random.choice((None, None, None, "behind", "behind", "ahead"))
            if self.misled == "behind":
                self.ntp.mode = "silent"  # whoever has known a time believes none before it
        sim.hosts.clear()
        sim.hosts.update({"a.lan": A, "b.lan": B, "pool.ntp.org": NTP, "ntp.lan": NTP})
        sim._air = [stand.AccessPoint("home", "secret12")]
        for broker in self.brokers:
            if "forgetful" in broker.ways or self.two:
                self.exact = False
            if [
                way
                for way in broker.ways
                if way.startswith("qos2") or "_close" in way or "_silent" in way
            ]:
                self.exact = False
            names = ", ".join(sorted(broker.ways)) or "sound"
            stage.tell("world", "broker %s: %s" % (broker.name, names))

    def _draw_ways(self, broker):
        """Draw what it does for good."""
        random = self.random
        if random.chance(30):
            broker.ways.add("early")
        if random.chance(20):
            broker.max_inflight = 4  # which mqtt.window2 has to say
        way = random.choice(WAYS)
        if self.may("ways", 33) and way not in self.without:
            broker.ways.add(way)
        if self.ill and "ping_silent" in self.swarm.ills and random.chance(25):
            broker.ways.add("ping_silent")

    def _draw_config(self):
        random = self.random
        swarm = self.swarm
        self.named = named = random.chance(50)
        hosts = [("a.lan", A), ("b.lan", B)][: len(self.brokers)]
        config = {
            "node": {"name": random.choice(NODES[swarm.get("named", 0) :])},
            "wifi": {"networks": [{"ssid": "home", "password": "secret12"}]},
            "mqtt": {
                "brokers": [{"host": pair[0 if named else 1]} for pair in hosts],
                "window2": min([broker.max_inflight for broker in self.brokers]),
                "keepalive_s": random.choice((10, 30)),
                "clean_session": self.may("clean", 8),
            },
            "publish": {
                "qos": random.choice((1, 2)),
                "live_s": random.choice((5, 30)),
                "health_s": random.choice(swarm.get("health_s", (5, 20))),
                "plain": self.has_plain and self.plain.chance(80),
            },
            "outbox": {
                "bytes": 8192 if self.may("small", 33) else 65536,
                "sync_s": random.choice((0, 5, 5)),
                "ram_bytes": 4096,
            },
            "ntp": {
                "host": random.choice(("pool.ntp.org", NTP)),
                "interval_s": swarm.get("ntp_s", 3600),
            },
            "watchdog": {"arm_after_s": 5, "timeout_s": 8},
            "discovery": random.chance(15),
            "log": {"level": "debug"},
            "sensors": [],
        }
        for i in range(random.between(1, 3)):
            config["sensors"].append(self._draw_sensor(NAMES[i], ADDRESSES[i]))
        if config["mqtt"]["clean_session"] or self.ill:
            self.exact = False  # what a broker is taken for meanwhile may lower the QoS
        return config

    def _draw_sensor(self, name, address):
        random = self.random
        pins = {"sda": 21, "scl": 22} if sim.ESP32 else {"sda": 4, "scl": 5}
        sensor = {
            "name": name,
            "type": random.choice(("tmp117", "ads1115")),
            "address": address,
            "interval_s": random.choice(self.swarm.get("interval_s", (0.5, 1, 2, 5))),
            "qos": random.choice(self.swarm.get("qos", (1, 1, 2, 2, 0))),
            "delivery": "latest" if self.may("latest", 12) else "all",
        }
        sensor.update(pins)
        return sensor

    # between two lives

    def between(self):
        """What somebody does while the board has no power. Return how long it lasts, ms."""
        random = self.random
        if self.may("replaced", 4):
            self.mac = random.bytes(3)
            self.flash = Flash(random.fork(), _BLOCKS)
            self.truth.erased()
            self.names.clear()
            self.exact = False
            stage.tell("person", "another board in its place")
        elif self.may("erased", 3):
            self.flash = Flash(random.fork(), _BLOCKS)
            self.truth.erased()
            self.names.clear()
            self.exact = False
            stage.tell("person", "erases the flash")
        if self.may("config", 15):
            self._change_config()
        if self.may("broker_restarts", 10):
            broker = random.choice(self.brokers)
            broker.stop()
            broker.start()
            stage.tell("world", "broker %s restarts" % broker.name)
        if self.may("broker_forgets", 5):
            self._forgets(random.choice(self.brokers))
        if self.may("spoil", 6):
            self.truth.spoiled = True
            self.exact = False
            for _ in range(random.between(1, 3)):
                self.spoil.append((random.choice(STATE), self._garbage()))
            stage.tell("person", "spoils %s" % ", ".join([each[0] for each in self.spoil]))
        return random.choice((50, 500, 3000, 20_000, 3_600_000))

    def _garbage(self):
        random = self.random
        kind = random(4)
        if kind == 0:
            return random.bytes(random.between(1, 300))
        return random.choice(GARBAGE)

    def _change_config(self):
        random = self.random
        sensors = self.config["sensors"]
        exactly_once = [sensor["name"] for sensor in sensors if sensor["qos"] == 2]
        what = random(6)
        if self.swarm.name not in (None, "people"):
            what = 1  # a theme needs the rest as it is
        elif self.swarm.name and random.chance(40):
            what = 0
        if what == 0:
            self.config["node"]["name"] = random.choice(NODES)
            self.exact = False
        elif what == 1:
            for sensor in sensors:
                if random.chance(60):
                    sensor["qos"] = random.choice((0, 1, 1, 2))
        elif what == 2:
            i = random(len(sensors))
            sensors[i] = self._draw_sensor(sensors[i]["name"], sensors[i]["address"])
        elif what == 3 and len(sensors) < 3:
            free = [n for n in NAMES if n not in [s["name"] for s in sensors]]
            used = [s["address"] for s in sensors]
            address = next(a for a in ADDRESSES if a not in used)
            sensors.append(self._draw_sensor(random.choice(free), address))
        elif what == 4 and len(sensors) > 1:
            sensors.pop(random(len(sensors)))
        else:
            self.config["outbox"]["sync_s"] = random.choice((0, 5))
            if random.chance(10):
                self.config["mqtt"]["clean_session"] = True
                self.exact = False
        if [sensor for sensor in sensors if sensor["name"] in exactly_once and sensor["qos"] < 2]:
            self.lowered = True
        stage.tell("person", "changes the settings: %d" % what)

    # a life

    def take_name(self):
        """The board's file system is there: under which name does it live?"""
        life = self.truth.life
        try:
            with open("state/alias") as f:
                held = f.read().rpartition(" ")[0]
        except (OSError, UnicodeError):
            return
        if held == life.node and not self.truth.spoiled:
            life.node = "%s-%s" % (held, self.board_id()[-6:])
            self.names.add(life.node)

    def begin_life(self, last, cold):
        """Draw what happens to the board from its power-on; last: nothing, any more; cold: its clock has stopped."""
        random = self.random
        self.lives += 1
        node = self.config["node"]["name"] or self.board_name()
        life = Life(self.lives, _copy(self.config), node)
        life.cold = cold
        self.truth.begin(life)
        if self.flash.filled:
            life.flash_at, life.flash_until = sim.now(), 1 << 60
        self.first_tick = random.choice((0, 0, 0, (1 << 29) - 20_000, (1 << 30) - 30_000))
        self.names.add(node)
        stage.tell("board", "power on, life %d, node %s" % (self.lives, node))
        self.sick_reads = 0
        self.may_bite = False
        if last:
            self._draw_last(life)
            return
        if self.may("ntp", 10):
            how, n = random(8), random(400)
            ms = 30_000
            if self.swarm.name == "outage":
                how, ms = 0, random.choice((4000, 8000, 12_000))
            self._at(1, lambda: self._trouble(life, "ntp", ms, self.brokers[0], n, how))
        if self.may("rival", 0) and not self.rival:
            self._at(random(20_000), self._begin_rival)
        if self.may("read", 8):
            self.sick_reads = random.between(1, 80)
        if self.swarm.get("away", False):
            self._draw_outage()
        length = random.choice(self.swarm.get("length", (300, 3000, 8000, 15_000, 25_000, 40_000)))
        length = random.between(length // 3, length)
        if self.ill and random.chance(50):
            self._draw_ill(random(length))
        for _ in range(self.swarm.get("traps", 0)):
            self._at(random(length), self._trouble_of(life, "trap"))
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            self._at(random(length), self._draw_trouble(life))
        self._draw_end(life, length)

    def _draw_last(self, life):
        """In every other story the last life has troubles first, in its old age: it has to recover without a restart."""
        random = self.random
        if self.ill and not self.healed:
            self._draw_ills()
            return
        if self.healed or not self.may("old", 50):
            self.heal()
            return
        age, first = random(8), 8000
        if self.swarm.get("ages", False):  # in an outage
            age, first = random.between(3, 7), random.choice((8000, 16_000, 20_000))
            kind = random.choice(self.swarm.kinds)
            self._at(first, self._trouble_of(life, kind, 30_000))
        for i in range(age):
            self._at(first + 1000 + 1500 * i, lambda: self._jump(19 * _DAY // 10))
        at = first + 1000 + 1500 * age
        for _ in range(random.between(1, 3)):
            at += random(3000)
            self._at(at, self._draw_trouble(life))
        self._at(at + random(20_000), self.heal)

    def _draw_ills(self):
        """One to three that last for 1 to 15 minutes each, one after the other, or while the last still lasts."""
        random = self.random
        at, over = random(120_000), 0
        if self.misled:
            ms = random.between(60_000, 600_000)
            self._ntp_corrected(ms, random.chance(60))
            over = ms + 400_000
        for _ in range(random.choice((1, 1, 2, 3))):
            over = max(over, self._draw_ill(at))
            at += random.between(60_000, 1_000_000)
            if random.chance(20):
                self._at(at, self._draw_trouble(self.truth.life))
                over = max(over, at)
        self._at(over + 1, self.heal)

    def _draw_ill(self, at):
        """Return when it ends, as `at` is given: ms from now."""
        random = self.random
        kind = random.choice(self.swarm.ills)
        ms = random.between(60_000, 900_000)
        n = random(1000)
        if kind == "ntp_corrected":  # that is at a power-on
            return at
        self._at(at, lambda: self._ill(kind, ms, n))
        return at + (1000 if kind == "poison" else ms)

    def _ill(self, kind, ms, n):
        stage.tell("fault", "%s for %d ms (%d)" % (kind, ms, n))
        broker = self.brokers[0]
        if kind == "poison":
            topic = b"outpost/all/cmd/" + POISON[n % len(POISON)]
            for session in broker.sessions.values():
                if session.filters:
                    broker.give(session, topic, b"{}", 1, 0)
            return
        broker.ill.add(kind)
        broker.deaf = bool(n & 1)
        broker.lateness = Random(n)
        self._later(ms, broker.ill.discard, kind)

    def _ntp_corrected(self, ms, away):
        """The first time of a start is wrong, after readings without one, and is corrected.

        away: only then the broker is there, so nothing may come with the wrong one.
        """
        stage.tell("fault", "ntp_corrected in %d ms" % ms)
        ntp, broker = self.ntp, self.brokers[0]
        ntp.mode = "silent"
        self.truth.life.misled = True

        def wrong():
            ntp.skew_ms = _SKEW_MS if self.misled == "ahead" else -_SKEW_MS
            ntp.wrong = 1 << 20
            ntp.mode = "wrong"

        self._at(ms // 4, wrong)
        self._at(ms, self._ntp_well)
        if self.misled == "ahead":  # a newest time is given up when two say so
            self._at(ms, lambda: wires.time_servers.update({ROUTER: wires.TimeServer()}))
        if away:
            broker.stop()
            # asked again every five minutes, and three times
            self._at(ms + 400_000, broker.start)

    def board_id(self):
        unique = sim.mac() if sim.ESP32 else b"\xe6\x61\x64\x08\x43" + sim.mac()[3:]
        return unique.hex()

    def board_name(self):
        return ("esp32-" if sim.ESP32 else "picow-") + self.board_id()[-6:]

    def _at(self, ms, function):
        if function:
            self.timers.append(sim.after(ms, function))

    def power_off(self):
        """The board has ended: nothing more of what was drawn for this life."""
        for timer in self.timers:
            sim.cancel(timer)
        self.timers.clear()

    def _draw_outage(self):
        """Brokers go away for this life, come back in it, or are there."""
        random = self.random
        how = random(4)
        if self.lives == 1:
            self.away = random.choice((None, None, 0, 1))  # the same in all lives
        how = how if self.away is None else self.away
        for broker in self.brokers:
            if how < 3:
                broker.stop("silent" if how == 1 else "down")
            else:
                broker.start()
        if how == 2:
            self._at(random(15_000), lambda: [broker.start() for broker in self.brokers])

    def _draw_end(self, life, length):
        random = self.random
        kind = random(100)
        self._at(length, lambda: stage.die("power"))
        end = next(name for name, below in ENDS if kind < below)
        if self.swarm.ends:
            end = random.choice(self.swarm.ends)
        if end in self.without:
            return
        at = random(length)
        if end == "cut":
            operations, how = random.between(1, 40), random.choice(HOW)
            self._at(at, lambda: self.flash.fail(operations, how))
        elif end == "restart":
            self._at(at, self._restart)
        elif end == "heap":
            after, times = random.between(1, 60), random.choice((1, 1, 2, 5))
            self._at(at, lambda: self._heap(life, after, times, None))
        elif end == "heap_of_files":
            after = random.between(1, 24)
            self._at(at, lambda: self._heap(life, after, 1, "file"))
        elif end == "hang":
            self._at(at, lambda: self._hang(life, 60_000))

    def _begin_rival(self):
        self.exact = False
        self.rival = Rival(self.brokers[0], self.truth.life.node, "0a0b0c0d0e0f")

    def _restart(self):
        topic = "outpost/%s/cmd/restart" % self.truth.life.node
        for broker in self.brokers:
            broker.route(topic, b"{}", 1)

    def _heap(self, life, after, times, where):
        life.heap_at = sim.now()
        self.truth.heap_faults = True
        stage.heap_full(after, times, where)

    def _hang(self, life, ms):
        life.interrupted = True
        stage.tell("fault", "the program hangs")
        self.may_bite = True
        began = sim.now()
        try:
            stand.hang(ms)
        finally:  # the board may come to its end meanwhile
            self.truth.hung(sim.now() - began)

    def _draw_trouble(self, life):
        """Return a function that begins something for a while, or None."""
        return self._trouble_of(life, self.random.choice(self.swarm.kinds))

    def _trouble_of(self, life, kind, least_ms=0):
        random = self.random
        ms = max(least_ms, random.choice((200, 2000, 6000, 15_000, 40_000)))
        broker = random.choice(self.brokers)
        n = random.between(1, 400)
        how = random(8)
        if kind in self.without:
            return None
        return lambda: self._trouble(life, kind, ms, broker, n, how)

    def _trouble(self, life, kind, ms, broker, n, how):
        stage.tell("fault", "%s for %d ms (%s, %d, %d)" % (kind, ms, broker.name, n, how))
        getattr(self, "_" + kind)(life, ms, broker, n, how)

    def _later(self, ms, function, *args):
        """It ends by itself, also when the board has been restarted meanwhile."""
        sim.after(ms, lambda: function(*args))

    def _wifi(self, life, ms, broker, n, how):
        stand.wifi_off()
        self._later(ms, stand.wifi_on)

    def _zombie(self, life, ms, broker, n, how):
        stand.zombie()
        self.truth.stuck(True)
        self._later(ms, self._not_zombie)

    def _not_zombie(self):
        stand.zombie(False)
        self.truth.stuck(False)

    def _kick(self, life, ms, broker, n, how):
        stand.kick()

    def _broker(self, life, ms, broker, n, how):
        broker.stop()
        self._later(ms, broker.start)

    def _silent(self, life, ms, broker, n, how):
        broker.stop("silent")
        self._later(ms, broker.start)

    def _slow(self, life, ms, broker, n, how):
        broker.delay_ms = how * 400
        stage.slowest_ms = max(stage.slowest_ms, how * 400)
        self._later(ms, setattr, broker, "delay_ms", 0)

    def _cut(self, life, ms, broker, n, how):
        for conn in broker.conns:
            if how == 0:
                conn.wire.cut()
            elif how < 5:
                conn.wire.up_left = n
            else:
                conn.wire.down_left = n % 60 + 1
            break

    def _trap(self, life, ms, broker, n, how):
        """Something happens at a certain packet of those to come: it is lost, or was the last."""
        kind = ("PUBREC", "PUBREL", "PUBREL", "PUBREL", "PUBCOMP", "PUBLISH", "CONNECT")[n % 7]
        action = ("cut", "power", "away", "forget", "away", "power", "forget", "away")[how]

        def spring():
            stage.tell("fault", "%s at %s" % (action, kind))
            if action == "cut":
                for conn in broker.conns[:]:
                    conn.wire.cut()
            elif action == "power" or self.steady:
                stage.end("power")
            elif action == "away":
                broker.stop()
                self._later(max(ms, 6000), broker.start)
            else:
                self._forgets(broker)
                # and the power fails before the first message is there again
                broker.trap = ["PUBLISH", 0, True, lambda: stage.end("power")]

        broker.trap = [kind, n // 7 % 6, n & 1, spring]

    def _forgets(self, broker):
        self.exact = False
        forgetful = "forgetful" in broker.ways
        broker.ways.add("forgetful")
        broker.stop()
        broker.start()
        if not forgetful:
            broker.ways.discard("forgetful")
        stage.tell("world", "broker %s forgets everything" % broker.name)

    def _pieces(self, life, ms, broker, n, how):
        for conn in broker.conns:
            conn.wire.piece = n % 7 + 1

    def _command(self, life, ms, broker, n, how):
        name = ("identify", "nonsense", "identify", "x" * 60)[how % 4]
        id = b"x" * (n * 3 if how & 1 else 8)
        payload = (b'{"id":"%s"}' % id, b"{}", b"", b"[1", b'{"id":{"a":1},"seconds":1e9}')[n % 5]
        broker.route("outpost/%s/cmd/%s" % (life.node, name), payload, how & 1)

    def _mute(self, life, ms, broker, n, how):
        broker.mute = True
        self._later(ms, setattr, broker, "mute", False)

    def _refuses(self, life, ms, broker, n, how):
        broker.refuses = 2 + how % 4
        self._later(ms, setattr, broker, "refuses", 0)

    def _dns(self, life, ms, broker, n, how):
        mode = ("fail", "silent", "slow", "slow")[how % 4]
        # README: a Pico W restarts when the name server is away and the broker is a name
        self.may_bite = self.may_bite or (not sim.ESP32 and self.named)
        if mode == "slow":
            socket.dns_ms = n * 20
            self._later(ms, setattr, socket, "dns_ms", 0)
        else:
            sim.dns_mode = mode
            self._later(ms, setattr, sim, "dns_mode", "ok")

    def _ntp(self, life, ms, broker, n, how):
        none = ("short", "kiss", "unsynchronised", "zero")[n % 4]
        modes = ("silent", "wrong", none, "looked_late", "other", "stranger", "late", "stranger")
        mode = modes[how]
        self.ntp.skew_ms = -631_152_000_000 if n % 3 == 0 else 631_152_000_000
        self.ntp.lie_ms = 3_600_000 if n & 1 else -3_600_000
        if mode == "late":
            self.ntp.delay_ms = n * 20
            mode = "ok"
        elif mode == "looked_late":
            self.ntp.asked = lambda: self._hang(self.truth.life, 5400 + n * 4)
            mode = "ok"
        # Two faults in a row tell no more lies than one: who tells three is believed.
        self.ntp.wrong = 1 + n % 2 - self.ntp.lies
        self.ntp.mode = "silent" if mode == "wrong" and self.ntp.wrong <= 0 else mode
        self._later(ms, self._ntp_well)

    def _ntp_well(self):
        self.ntp.mode = "ok"
        self.ntp.delay_ms = 0
        self.ntp.asked = None

    def _read(self, life, ms, broker, n, how):
        self.flash.sick("read", n % 20 + 1)

    def _write(self, life, ms, broker, n, how):
        self.exact = False
        self.flash.sick("write", n % 4 + 1)

    def _full(self, life, ms, broker, n, how):
        self.exact = False
        if life.flash_at is None:
            life.flash_at = sim.now()
        life.flash_until = 1 << 60
        self.truth.full = True
        self.flash.fill()
        self._later(ms, self._not_full)

    def _not_full(self):
        self.flash.drain()
        self.truth.life.flash_until = sim.now()

    def _sensor(self, life, ms, broker, n, how):
        self.truth.sensor_faults = True
        life.interrupted = True
        name = life.config["sensors"][0]["name"]
        stand.unplug(name)
        self._later(ms, stand.replug, name)

    def _leap(self, life, ms, broker, n, how):
        """Hours in which nothing happens are over at once, a few times."""
        for i in range(how + 1):
            self._at(1 + i * 4000, lambda: self.healed or self._jump(n * _DAY // 200))

    def _jump(self, ms):
        stage.tell("world", "%d ms later" % ms)
        sim._up += ms
        sim._bites += ms
        for event in sim._events:  # what is to come keeps its distance
            event[0] += ms
        for broker in self.brokers:
            broker.lift(ms)
        self.truth.jumped(ms)

    def ghosts(self):
        """Return what sound brokers keep of a node that has another name now, and has been there since."""
        truth = self.truth
        now = truth.life.node
        rival = self.rival and self.rival.name  # what is kept of this one is the other board's
        mine = self.board_id().encode()
        if truth.spoiled or any(life.flash_at is not None for life in truth.lives):
            return []  # it may have forgotten where it was
        return [
            topic
            for broker in self.brokers
            if not broker.ways - {"early"} and broker.knows(now)
            for topic in sorted(broker.retained)
            for name in sorted(self.names)
            if name not in (now, rival) and topic.startswith("outpost/%s/" % name)
            # else it is of the board that stood here before, which this one has never stood in for
            # nor does anybody take back a will that comes behind
            if topic not in broker.by_will or "outpost/%s/info" % name in broker.retained
            if self.board_id() in broker.retained.get("outpost/%s/info" % name, mine).decode()
        ]

    def unmet(self):
        """Return what is not as it was before something was ill, as texts."""
        truth = self.truth
        broker = self.brokers[0]
        told = truth.told
        texts = []
        if truth.health_at is None or sim.now() - truth.health_at > 60_000:
            return ["no health any more"]
        if told["dropped"]:
            texts.append("%d readings dropped" % told["dropped"])
        if told["set_aside"]:
            texts.append("%d set aside: %s" % (told["set_aside"], told.get("set_aside_why")))
        limits = told.get("broker_limits")
        if limits and not ("ping_silent" in broker.ways and "PING" in limits.upper()):
            texts.append("broker_limits says: %s" % limits)
        status = broker.retained.get("outpost/%s/status" % truth.life.node)
        if status != b"online":
            texts.append("status is %r" % status)
        if any(session.waiting for session in broker.sessions.values()):
            texts.append("a message is never acknowledged")
        return texts

    def _said_online(self, topic):
        """The node says that a broker has accepted what introduces it."""
        brokers = self.brokers
        if self.rival or any(broker.ways - {"early", "ping_silent"} for broker in brokers):
            return
        if not any(topic in broker.online for broker in brokers):
            stage.on_online = None  # once is enough
            stage.found("it says that it is online, and no broker was told on this connection")

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
            self._jump(_DAY + 3_600_000)
        return relented

    def heal(self):
        """The faults end."""
        stand.wifi_on()
        self._not_zombie()
        for broker in self.brokers:
            broker.start()
            broker.mute = False
            broker.trap = None
            broker.ill.clear()
            broker.refuses = broker.delay_ms = 0
        sim.dns_mode = "ok"
        socket.dns_ms = 0
        self._ntp_well()
        self.flash.drain()
        self.flash.well()
        sim.unplugged.clear()
        self.healed = True
        stage.tell("world", "all faults are over")


def _copy(config):
    import json

    return json.loads(json.dumps(config))
