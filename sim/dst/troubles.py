"""The faults of a story that begin and end by themselves within seconds: each kind of swarm.KINDS is a method."""

import socket

import agenda
import stage
import stand
from surroundings import DAY_MS

import sim


class Troubles:
    def __init__(self, chance, surroundings, board, truth):
        self.chance = chance
        self.surroundings = surroundings
        self.board = board
        self.truth = truth
        self.healed = False  # are the faults over?

    def draw(self, life):
        """Return a function that begins something for a while, or None."""
        return self.draw_of(life, self.chance.random.choice(self.chance.swarm.kinds))

    def draw_of(self, life, kind, least_ms=0):
        """Return one that begins something of this kind."""
        random = self.chance.random
        ms = max(least_ms, random.choice((200, 2000, 6000, 15_000, 40_000)))
        broker = random.choice(self.surroundings.brokers)
        n = random.between(1, 400)
        how = random(8)
        if kind in self.chance.without:
            return None
        return lambda: self.begin(life, kind, ms, broker, n, how)

    def begin(self, life, kind, ms, broker, n, how):
        """Begin one. n: 1 to 400, how: 0 to 7, for what the kind has to choose."""
        stage.tell("fault", "%s for %d ms (%s, %d, %d)" % (kind, ms, broker.name, n, how))
        getattr(self, "_" + kind)(life, ms, broker, n, how)

    def heal(self):
        """The faults end."""
        stand.wifi_on()
        self._not_zombie()
        for broker in self.surroundings.brokers:
            broker.start()
            broker.mute = False
            broker.trap = None
            broker.ill.clear()
            broker.refuses = broker.delay_ms = 0
        sim.dns_mode = "ok"
        socket.dns_ms = 0
        self.surroundings.right_time()
        self.board.flash.drain()
        self.board.flash.recover()
        sim.unplugged.clear()
        self.healed = True
        stage.tell("world", "all faults are over")

    def hang(self, life, ms):
        """The program hangs, perhaps until the watchdog bites."""
        life.interrupted = True
        stage.tell("fault", "the program hangs")
        life.may_bite = True
        began = sim.now()
        try:
            stand.hang(ms)
        finally:  # the board may come to its end meanwhile
            self.truth.hung(sim.now() - began)

    # the kinds

    def _wifi(self, life, ms, broker, n, how):
        stand.wifi_off()
        agenda.later(ms, stand.wifi_on)

    def _zombie(self, life, ms, broker, n, how):
        stand.zombie()
        self.truth.stuck(True)
        agenda.later(ms, self._not_zombie)

    def _not_zombie(self):
        stand.zombie(False)
        self.truth.stuck(False)

    def _kick(self, life, ms, broker, n, how):
        stand.kick()

    def _broker(self, life, ms, broker, n, how):
        broker.stop()
        agenda.later(ms, broker.start)

    def _silent(self, life, ms, broker, n, how):
        broker.stop("silent")
        agenda.later(ms, broker.start)

    def _slow(self, life, ms, broker, n, how):
        broker.delay_ms = how * 400
        stage.slowest_ms = max(stage.slowest_ms, how * 400)
        agenda.later(ms, setattr, broker, "delay_ms", 0)

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
            elif action == "power" or self.chance.steady:
                stage.end("power")
            elif action == "away":
                broker.stop()
                agenda.later(max(ms, 6000), broker.start)
            else:
                self.surroundings.forget(broker)
                # and the power fails before the first message is there again
                broker.trap = ["PUBLISH", 0, True, lambda: stage.end("power")]

        broker.trap = [kind, n // 7 % 6, n & 1, spring]

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
        agenda.later(ms, setattr, broker, "mute", False)

    def _refuses(self, life, ms, broker, n, how):
        broker.refuses = 2 + how % 4
        agenda.later(ms, setattr, broker, "refuses", 0)

    def _dns(self, life, ms, broker, n, how):
        mode = ("fail", "silent", "slow", "slow")[how % 4]
        # README: a Pico W restarts when the name server is away and the broker is a name
        named = life.config["mqtt"]["brokers"][0]["host"] in sim.hosts
        life.may_bite = life.may_bite or (not sim.ESP32 and named)
        if mode == "slow":
            socket.dns_ms = n * 20
            agenda.later(ms, setattr, socket, "dns_ms", 0)
        else:
            sim.dns_mode = mode
            agenda.later(ms, setattr, sim, "dns_mode", "ok")

    def _ntp(self, life, ms, broker, n, how):
        ntp = self.surroundings.ntp
        none = ("short", "kiss", "unsynchronised", "zero")[n % 4]
        modes = ("silent", "wrong", none, "looked_late", "other", "stranger", "late", "stranger")
        mode = modes[how]
        ntp.skew_ms = -631_152_000_000 if n % 3 == 0 else 631_152_000_000
        ntp.lie_ms = 3_600_000 if n & 1 else -3_600_000
        if mode == "late":
            ntp.delay_ms = n * 20
            mode = "ok"
        elif mode == "looked_late":
            ntp.asked = lambda: self.hang(self.truth.life, 5400 + n * 4)
            mode = "ok"
        # Two faults in a row tell no more lies than one: who tells three is believed.
        ntp.wrong = 1 + n % 2 - ntp.lies
        ntp.mode = "silent" if mode == "wrong" and ntp.wrong <= 0 else mode
        agenda.later(ms, self.surroundings.right_time)

    def _read(self, life, ms, broker, n, how):
        self.board.flash.sick("read", n % 20 + 1)

    def _write(self, life, ms, broker, n, how):
        self.truth.exact = False
        self.board.flash.sick("write", n % 4 + 1)

    def _full(self, life, ms, broker, n, how):
        self.truth.exact = False
        if life.flash_at is None:
            life.flash_at = sim.now()
        life.flash_until = 1 << 60
        self.truth.full = True
        self.board.flash.fill()
        agenda.later(ms, self._not_full)

    def _not_full(self):
        self.board.flash.drain()
        self.truth.life.flash_until = sim.now()

    def _sensor(self, life, ms, broker, n, how):
        self.truth.sensor_faults = True
        life.interrupted = True
        name = life.config["sensors"][0]["name"]
        stand.unplug(name)
        agenda.later(ms, stand.replug, name)

    def _leap(self, life, ms, broker, n, how):
        """Hours in which nothing happens are over at once, a few times."""
        for i in range(how + 1):
            agenda.plan(
                1 + i * 4000,
                lambda: self.healed or self.surroundings.jump(n * DAY_MS // 200),
            )
