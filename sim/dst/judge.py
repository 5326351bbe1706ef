"""The last judgement of a story: a board that is left alone has to owe nothing in the end, and to be as it was before the faults."""

import os

import agenda
import stage

import sim

_ALIVE_MS = 400_000  # after the faults' end a reading must have come
_SAFE_MS = 1_000_000  # besides, for a node in safe mode
# For each channel at whose history a broker is silent: twelve connections of fifteen seconds. Only then it has a change of mind,
# else the node would believe for a day what it saw before.
_SEARCH_MS = 200_000
_DONE_MS = 900_000  # after that, everything
_ILL_MS = 1_800_000  # after something was ill for minutes: until all is as before,
_SOON_MS = 120_000  # which is not looked at before
_LOOK_MS = 5_000
_STATE_BYTES = 24_576  # of all files in state/ but the outbox's


class Judge:
    """Looks at a node that is left alone, until it owes nothing, or too much time has passed."""

    def __init__(self, story, collect):
        """collect(): the garbage collector of this process."""
        self.story = story
        self.truth = story.truth
        self.surroundings = story.surroundings
        self.collect = collect
        self.looks = 0
        self.began = None
        self.alive_at = None

    def look(self):
        truth = self.truth
        if not self.story.troubles.healed:
            agenda.plan(_LOOK_MS, self.look)
            return
        if self.began is None:
            self.began = truth.awake(sim.now())
        ms = truth.awake(sim.now()) - self.began
        self.looks += 1
        if self.looks % 32 == 0:
            self.collect()  # before the heap is full of small holes
        if self.alive_at is None and truth.awake(truth.newest_came) > self.began:
            self.alive_at = sim.now()
            stage.tell("judge", "alive after %d ms" % ms)
        if self.story.chance.ill:
            self._look_at_ill(ms)
        elif self.alive_at is None:
            bound = _ALIVE_MS + (_SAFE_MS if stage.safe_mode else 0)
            if ms > bound:
                stage.found("no reading for %d ms, without any fault" % ms)
                stage.die("power")
        else:
            search = 30_000
            if any("history_silent" in broker.ways for broker in self.surroundings.brokers):
                search += _SEARCH_MS * len(self.story.people.config["sensors"])
            if sim.now() - self.alive_at > search and self.surroundings.relent():
                self.began = truth.awake(sim.now())
                self.alive_at = sim.now()
                ms = 0
            old = sim.now() - 15_000
            owed = [event for event in truth.missing() if event.at < old]
            if sim.now() - self.alive_at > 30_000 and (
                len(owed) <= truth.dropped or ms > _ALIVE_MS + _SAFE_MS + _DONE_MS
            ):
                self._verdict(owed)
                stage.die("power")
        agenda.plan(_LOOK_MS, self.look)

    def _look_at_ill(self, ms):
        """Something was ill for minutes: is all as it was before?"""
        if ms < _SOON_MS:
            return
        old = sim.now() - 30_000
        owed = [event for event in self.truth.missing() if event.at < old]
        unmet = self._unmet()
        if not owed and not unmet:
            self._verdict(owed)
            stage.die("power")
        if ms > _ILL_MS:
            for text in unmet:
                stage.found("%d min after the faults: %s" % (ms // 60_000, text))
            if owed:
                stage.found(
                    "%d min after the faults: %d readings are not there: %s"
                    % (ms // 60_000, len(owed), owed[0])
                )
            stage.die("power")

    def _verdict(self, owed):
        truth = self.truth
        if len(owed) > truth.dropped:
            stage.found("%d lost, %d told: %s" % (len(owed), truth.dropped, owed[0]))
            for event in owed[1:]:
                stage.tell("judge", "lost: %s" % event)
        # README: readings that were given up before the broker was reached, or a lowered QoS, have the session begin anew.
        anew = any(broker.forgot for broker in self.surroundings.brokers)
        # A state that is written by half is written again at once, if there is the memory.
        torn = any(life.heap_times > 1 for life in truth.lives)
        if truth.exact and not (torn or (anew and (truth.dropped or truth.lowered))):
            for what, event, first, second in truth.doubled:
                stage.found("%s: twice at QoS 2: %s; %r, %r" % (what, event, first, second))
        rival = self.surroundings.rival
        if rival and rival.name == truth.life.node:
            stage.found("two boards are called %s" % rival.name)
        for topic in self._ghosts():
            stage.found("a ghost: %s is kept of an earlier name" % topic)
        silent = truth.health_at is None or sim.now() - truth.health_at > 60_000
        if silent and not any(broker.ways - {"early"} for broker in self.surroundings.brokers):
            stage.found("no health any more")
        size = 0
        for entry in os.ilistdir("state"):
            size += entry[3] if entry[1] == 0x8000 else 0
        if size > _STATE_BYTES:
            stage.found("%d bytes in state/" % size)

    def _ghosts(self):
        """Return what sound brokers keep of a node that has another name now, and has been there since."""
        truth = self.truth
        now = truth.life.node
        # what is kept of this one is the other board's
        rival = self.surroundings.rival and self.surroundings.rival.name
        board = self.story.board
        mine = board.id().encode()
        if truth.spoiled or any(life.flash_at is not None for life in truth.lives):
            return []  # it may have forgotten where it was
        return [
            topic
            for broker in self.surroundings.brokers
            if not broker.ways - {"early"} and broker.knows(now)
            for topic in sorted(broker.retained)
            for name in sorted(board.names)
            if name not in (now, rival) and topic.startswith("outpost/%s/" % name)
            # else it is of the board that stood here before, which this one has never stood in for
            # nor does anybody take back a will that comes behind
            if topic not in broker.by_will or "outpost/%s/info" % name in broker.retained
            if board.id() in broker.retained.get("outpost/%s/info" % name, mine).decode()
        ]

    def _unmet(self):
        """Return what is not as it was before something was ill, as texts."""
        truth = self.truth
        broker = self.surroundings.brokers[0]
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
