"""The faults of a story that last for minutes: see swarm.ILLS."""

import agenda
import stage
import wires
from prng import Random
from surroundings import DAY_MS, ROUTER

# Topics that MQTT forbids, and lenient brokers pass on [MQTT-1.5.3-1], [MQTT-1.5.3-2], [MQTT-3.3.2-2].
POISON = (b"\xff\xfe", b"a\0b", b"+", b"x/#", b"\xed\xa0\x80")
_SKEW_MS = 200 * DAY_MS


class Ills:
    def __init__(self, chance, surroundings, troubles, truth):
        self.chance = chance
        self.surroundings = surroundings
        self.troubles = troubles
        self.truth = truth

    def draw_all(self):
        """One to three that last for 1 to 15 minutes each, one after the other, or while the last still lasts; then all is healed."""
        random = self.chance.random
        at, over = random(120_000), 0
        if self.surroundings.misled:
            ms = random.between(60_000, 600_000)
            self._correct_the_time(ms, random.chance(60))
            over = ms + 400_000
        for _ in range(random.choice((1, 1, 2, 3))):
            over = max(over, self.draw(at))
            at += random.between(60_000, 1_000_000)
            if random.chance(20):
                agenda.plan(at, self.troubles.draw(self.truth.life))
                over = max(over, at)
        agenda.plan(over + 1, self.troubles.heal)

    def draw(self, at):
        """Return when it ends, as `at` is given: ms from now."""
        random = self.chance.random
        kind = random.choice(self.chance.swarm.ills)
        ms = random.between(60_000, 900_000)
        n = random(1000)
        if kind == "ntp_corrected":  # that is at a power-on
            return at
        agenda.plan(at, lambda: self._begin(kind, ms, n))
        return at + (1000 if kind == "poison" else ms)

    def _begin(self, kind, ms, n):
        stage.tell("fault", "%s for %d ms (%d)" % (kind, ms, n))
        broker = self.surroundings.brokers[0]
        if kind == "poison":
            topic = b"outpost/all/cmd/" + POISON[n % len(POISON)]
            for session in broker.sessions.values():
                if session.filters:
                    broker.give(session, topic, b"{}", 1, 0)
            return
        broker.ill.add(kind)
        broker.deaf = bool(n & 1)
        broker.lateness = Random(n)
        agenda.later(ms, broker.ill.discard, kind)

    def _correct_the_time(self, ms, away):
        """The first time of a start is wrong, after readings without one, and is corrected.

        away: only then the broker is there, so nothing may come with the wrong one.
        """
        stage.tell("fault", "ntp_corrected in %d ms" % ms)
        ntp, broker = self.surroundings.ntp, self.surroundings.brokers[0]
        ahead = self.surroundings.misled == "ahead"
        ntp.mode = "silent"
        self.truth.life.misled = True

        def wrong():
            ntp.skew_ms = _SKEW_MS if ahead else -_SKEW_MS
            ntp.wrong = 1 << 20
            ntp.mode = "wrong"

        agenda.plan(ms // 4, wrong)
        agenda.plan(ms, self.surroundings.right_time)
        if ahead:  # a newest time is given up when two say so
            agenda.plan(ms, lambda: wires.time_servers.update({ROUTER: wires.TimeServer()}))
        if away:
            broker.stop()
            # asked again every five minutes, and three times
            agenda.plan(ms + 400_000, broker.start)
