"""The checker: what the chips really had, what arrived, and whether the promise of README's table was kept.

An Event is one conversion that went over the bus to the node. Arrivals are what a subscriber of every broker gets. Checked
at once: that what arrives was true (value, unit, channel, node, time, identity, order). Checked when a story ends: that
nothing is missing, or comes again, beyond what the table allows.
"""

import json

import stage
from events import Event
from micropython import const

import sim

# between a reading's `ts` and the conversion; an RTC that was set before has whole seconds
_CLOCK_MS = const(2300)
_COLD_MS = const(1300)  # the same, where none was set before: half of an answer's travel, at most
_PASS_MS = const(1500)  # a pass of the loop, and the conversion before it
_LIVE_MS = const(3000)  # beside live_s: what a pass and the way take
_BUSY_MS = const(3000)  # between two readings of a sensor, besides its interval
_CRASH_MS = const(7000)  # from an exception to the reset, and the pass before it
_RETRY_MS = const(12000)  # after a write that failed the outbox waits for ten seconds


class Truth:
    def __init__(self):
        self.events = []
        self.life = None
        self.lives = []
        self._known = {}  # (quantity, text) → events
        self._measured = {}  # sensor's name → (quantity, text) of its last conversion
        self.keys = {}  # (node, boot, seq) → Event, or the text of a failure
        self.newest = {}  # live topic → ms of the newest event on it, and when it was heard
        self.numbers = {}  # (broker, topic of a bare number) → ms of its event
        self.exact = True  # do sessions persist, and so each reading of QoS 2 arrives once?
        # has a sensor's QoS been lowered from 2? A session begins anew for that
        self.lowered = False
        self.sensor_faults = False  # readings may be failures
        self.heap_faults = False
        # somebody has spoiled files in state/: times and names may be forgotten
        self.spoiled = False
        self.heard = {}  # (node, boot, seq) → ms at which a broker first heard it
        self.doubled = []
        self._dropped = 0  # what health said last,
        self.told = {}  # and all of it
        self.full = False  # was there no room on the flash? Then the count may be lost, and the log has told it
        self.arrivals = 0
        self._last = {}  # sensor's name → ms of its last conversion
        self.health_at = None
        self._jumps = []  # (when it ended, ms)
        self._hangs = []  # (when it ended, ms) of the program
        self._stuck = []  # [from, to] in which the link passed nothing: what was written then came later
        self._jump = -1_000_000  # ms of the last
        self.newest_came = 0  # ms of the newest conversion that has arrived

    # the chips' side

    def measured(self, name, quantity, text):
        self._measured[name] = (quantity, text)

    def taken(self, name, whole=True):
        """The last conversion of this sensor has gone over the bus. Not whole: the rest has not; the node publishes "not enough memory"."""
        if stage.dead:
            return
        if not whole:
            for event in self.events[-4:]:
                if event.sensor["name"] == name and event.at > sim.now() - 5:
                    event.gone = "no memory to read it"
            return
        quantity, text = self._measured[name]
        for sensor in self.life.config["sensors"]:
            if sensor["name"] == name:
                break
        event = Event(sim.now(), self.life, sensor, quantity, text)
        self._check_pace(event)
        self.events.append(event)
        self._known.setdefault((quantity, text), []).append(event)
        stage.tell("chip", "%s %s=%s" % (name, quantity, text))

    def _check_pace(self, event):
        """Sampling goes on, whatever network and broker do."""
        name = event.sensor["name"]
        before = self._last.get(name)
        self._last[name] = event.at
        if before is None or before < max(self.life.began, self._jump) or self.life.interrupted:
            return
        if event.at - before > 2 * event.sensor["interval_s"] * 1000 + _BUSY_MS:
            stage.found("%s was not read for %d ms" % (name, event.at - before))

    # the subscribers' side

    def arrived(self, broker, topic, payload, qos, heard, dup):
        self.arrivals += 1
        levels = topic.split("/")
        if len(levels) < 3 or levels[0] != "outpost" or not payload:
            return  # without content: what was retained is taken back
        name = levels[2]
        if name == "health":
            self._health(payload)
        elif name == "info":
            self._info(payload)
        elif name in ("reading", "history") and len(levels) == 4:
            self._reading(broker, levels, payload, qos, heard, dup)
        elif name == "value" and len(levels) == 5:
            self._bare_number(broker, levels, payload)
        elif name not in ("status", "log", "reply", "cmd") and levels[1] != "all":
            stage.found("%s: what topic is that" % topic)

    def _health(self, payload):
        told = json.loads(payload)
        self._dropped = told["dropped"]
        self.told = told
        self.health_at = sim.now()

    @property
    def dropped(self):
        """How many readings are known to be given up."""
        return max(self._dropped, stage.dropped) if self.full else self._dropped

    def _info(self, payload):
        told = json.loads(payload)
        for fault in told.get("config_faults") or ():
            if "not kept" not in fault:
                stage.found("info has faults of the config: %s" % fault)

    def _reading(self, broker, levels, payload, qos, heard, dup):
        node, name = levels[1], levels[3]
        topic = "/".join(levels)
        try:
            reading = json.loads(payload)
            boot, seq = reading.pop("boot"), reading.pop("seq")
            ts = reading.pop("ts", None)
            ((quantity, _),) = reading.items()
        except (ValueError, KeyError, TypeError, AttributeError):
            stage.found("no reading: %s %r" % (topic, payload))
            return
        what = "%s boot %d seq %d" % (topic, boot, seq)
        late = levels[2] == "history"
        text = payload.decode().split('"%s":' % quantity)[1][:-1]
        key = (node, boot, seq)
        if quantity == "error":
            self._failure(what, key, text)
            return
        event = self._identify(what, name, quantity, text, ts)
        if event is None:
            return
        self._check_identity(what, key, event, node)
        self._check_time(what, event, ts)
        if not event.came and not late and (not dup or qos < 2):
            self._check_live(what, event, topic, heard)
        if event.came and self._is_exact(event):
            self.doubled.append((what, event, event.came[-1], (sim.now(), broker.name, topic)))
        self.newest_came = max(self.newest_came, event.at)
        event.came.append((sim.now(), broker.name, topic))

    def _bare_number(self, broker, levels, payload):
        """A bare number has no time: it is never older than the one before."""
        topic = "/".join(levels)
        what = "%s %s" % (topic, payload.decode())
        event = self._identify(what, levels[3], levels[4], payload.decode(), None)
        if event is None:
            return
        if levels[1] != event.life.node and not self.spoiled:
            stage.found("%s: was taken under the name %s" % (what, event.life.node))
        place = broker.name, topic
        if event.at < self.numbers.get(place, 0):
            stage.found("%s: came after a newer one" % what)
        self.numbers[place] = event.at

    def forgotten(self, messages):
        """A broker has forgotten exchanges of QoS 2, and the node does not know: the answer to CONNECT was lost, the next says that there
        is a session. It ends what had come to PUBREC, which MQTT does not let it send again.
        """
        for message in messages:
            if message and b'"seq":' in message[1]:
                reading = json.loads(message[1])
                ts = reading.pop("ts", None)
                for name in ("boot", "seq"):
                    reading.pop(name)
                ((quantity, _),) = reading.items()
                if quantity == "error":
                    continue
                text = message[1].decode().split('"%s":' % quantity)[1][:-1]
                event = self._identify(message[0], message[0].split("/")[3], quantity, text, ts)
                if event and not event.came and event.gone is None:
                    event.gone = "forgotten"

    def _is_exact(self, event):
        """Was its channel of QoS 2 all the time? It goes as its channel does today."""
        for life in self.lives[event.life.number - 1 :]:
            for sensor in life.config["sensors"]:
                if sensor["name"] == event.sensor["name"] and sensor["qos"] != 2:
                    return False
        return event.sensor["qos"] == 2

    def _failure(self, what, key, text):
        of_memory = text == '"not enough memory"' and self.heap_faults
        if not (self.sensor_faults or of_memory):
            stage.found("%s: a failure without a fault: %s" % (what, text))
        known = self.keys.get(key)
        if known is None:
            self.keys[key] = text
        elif known != text:
            stage.found("%s stands for two: %s; the failure %s" % (what, known, text))

    def _identify(self, what, name, quantity, text, ts):
        """Return the conversion that a value is of."""
        found = None
        for event in self._known.get((quantity, text), ()):
            if event.sensor["name"] == name:
                found = event
                if ts is None or abs(sim._TRUE_TIME + event.at - ts) < 600_000:
                    break
        if found is None:
            stage.found("%s: no chip ever said %s=%s" % (what, quantity, text))
        return found

    def _check_identity(self, what, key, event, node):
        known = self.keys.get(key)
        if known is None:
            if event.key is not None and event.key != key and not self.spoiled:
                stage.found("%s: came before as %r" % (what, event.key))
            self.keys[key] = event
            event.key = key
        elif known is not event:
            stage.found("%s stands for two: %s; %s" % (what, known, event))
        if node != event.life.node and not self.spoiled:
            stage.found("%s: was taken under the name %s" % (what, event.life.node))
        event.life.boots.add(key[1])

    def _check_time(self, what, event, ts):
        if ts is None:
            known = event.life.clock_at
            ended = event.life.ended
            # What was sent before is sent again as it was.
            sent = self.heard.get(event.key, 0) - 1000 - 2 * stage.slowest_ms
            if known is not None and ended is not None and known < min(ended - 1000, sent):
                # It is written in the pass in which the clock is set, or the next that has the memory.
                unwritten = event.life.heap_times and known > ended - _CRASH_MS
                if not (self.spoiled or unwritten or self._has_flash_failed()):
                    stage.found("%s: has no time, and its boot had" % what)
            return
        off = ts - (sim._TRUE_TIME + event.at)
        for end, ms in self._jumps:
            # A jump in the middle of a pass, which no pass can last: it had looked at the clock before.
            if 0 <= event.at - end < _PASS_MS and abs(off + ms) <= _CLOCK_MS:
                off += ms
        if abs(off) > (_COLD_MS if event.life.cold else _CLOCK_MS):
            if self._is_believed(event):
                return
            stage.found("%s: its ts is %d ms off" % (what, off))
        if event.ts is not None and event.ts != ts:
            stage.found("%s: had another ts before, %d ms away" % (what, ts - event.ts))
        event.ts = ts

    def _is_believed(self, event):
        """Did it go out before its start could know that its time was wrong?"""
        life = event.life
        if not life.misled:
            return False
        at = stage.corrected_at if life is self.life else life.corrected_at
        return at is None or self.heard.get(event.key, 0) < at + _PASS_MS + 2 * stage.slowest_ms

    def _has_flash_failed(self):
        return any(life.flash_at is not None for life in self.lives)

    def _check_live(self, what, event, topic, heard):
        """A message of QoS 2 is handed on at PUBREL, however late: what counts is when the node sent it.

        An exchange of QoS 2 that goes on cannot be taken back.
        """
        live_ms = event.life.config["publish"]["live_s"] * 1000
        age = heard - event.at - self._stood_still(event.at, heard)
        slow = _LIVE_MS + 2 * stage.slowest_ms
        if (
            age > live_ms + slow and heard - self._jump > slow
        ):  # else it was on its way when time jumped
            stage.found("%s: came live after %d ms" % (what, age))
        at, before = self.newest.get(topic, (0, 0))
        if event.at < at and heard > before:
            stage.found("%s: came live after a newer one" % what)
        if event.at > at:
            self.newest[topic] = event.at, heard

    def stuck(self, begins):
        """The link passes nothing, or does again."""
        known = self._stuck
        if known and known[-1][1] is None:
            known[-1][1] = None if begins else sim.now()
        elif begins:
            known.append([sim.now(), None])

    def _stood_still(self, begin, end):
        """Return for how many ms between these the link passed nothing."""
        ms = 0
        for first, last in self._stuck:
            ms += max(0, min(end, end if last is None else last) - max(begin, first))
        return ms

    def jumped(self, ms):
        """Time has made a jump."""
        self._jump = sim.now()
        self._jumps.append((self._jump, ms))

    def hung(self, ms):
        """The program goes on: for so long it could write nothing."""
        self._hangs.append((sim.now(), ms))

    def published(self, broker, topic, payload, qos, dup):
        """A broker has heard a PUBLISH: a new exchange has at most the QoS that its channel has today."""
        if b'"seq":' not in payload:
            return
        levels = topic.split("/")
        key = levels[1], _number(payload, b'"boot":'), _number(payload, b'"seq":')
        known = key in self.heard
        self.heard.setdefault(key, sim.now())
        if known or levels[1] != self.life.node:
            return
        for sensor in self.life.config["sensors"]:
            if sensor["name"] == levels[3] and qos > max(sensor["qos"], 1):
                stage.found("%s: a new exchange of QoS %d: %r" % (topic, qos, payload))

    # lives

    def begin(self, life):
        self.life = life
        self.lives.append(life)

    def ended(self, how):
        life = self.life
        life.end = how
        life.kept = not stage.unkept
        life.put_off = stage.put_off
        life.ended = stage.ended_at or sim.now()
        life.last_pass = stage.last_pass
        life.clock_at = stage.clock_at
        life.corrected_at = stage.corrected_at
        if stage.flash_failed:
            first, last = stage.flash_failed
            life.flash_at = first if life.flash_at is None else min(first, life.flash_at)
            life.flash_until = max(last, life.flash_until)
        if stage.heap_failed:
            life.heap_times = stage.heap_failed

    def erased(self):
        """What is on the flash is no more."""
        for event in self.events:
            if not event.came and event.gone is None:
                event.gone = "the flash was erased"

    def settle(self):
        """Judge what is missing, as far as it is known without the rest."""
        for event in reversed(self.events):
            if event.gone is None and not event.came:
                event.gone = self._excuse(event)

    def missing(self):
        """Return the events that are owed."""
        self.settle()
        return [event for event in self.events if not event.came and event.gone is None]

    def _excuse(self, event):
        """Return why an event need not arrive, or None."""
        life, sensor = event.life, event.sensor
        if sensor["qos"] == 0:
            return "QoS 0"
        if sensor["delivery"] == "latest" and self._is_superseded(event):
            return "superseded"
        if life.end is None:
            return None
        at = self.awake(event.at)
        ram = life.sync_ms + _PASS_MS
        if life.heap_at is not None:
            if life.heap_times > 1 and at > self.awake(life.heap_at) - ram:
                return "no memory"
        if life.flash_at is not None and at > self.awake(life.flash_at) - ram:
            if self.awake(life.ended) < self.awake(life.flash_until) + _RETRY_MS and not (
                life.end == "reset" and life.kept
            ):
                return "the flash took nothing"
        if life.put_off and life.end != "reset":
            first, until = life.put_off
            if at > self.awake(first) - ram and self.awake(life.ended) < self.awake(until):
                return "a flush was put off"
        if life.end != "reset" and at > self.awake(life.last_pass) - ram:
            return "in RAM when the power failed"
        return None

    def awake(self, at):
        """Return a moment without the jumps of time and the hangs before it, in which nothing was done."""
        return at - sum([ms for end, ms in self._jumps + self._hangs if end <= at])

    def _is_superseded(self, event):
        """Is there a newer one that has arrived, or still has to?"""
        for other in reversed(self.events):
            if other is event:
                return False
            if other.sensor["name"] == event.sensor["name"] and (
                other.came or other.gone in (None, "superseded")
            ):
                return True
        return False


def _number(payload, name):
    return int(payload.split(name)[1].split(b",")[0])
