"""The node: the loop, and the only place where the parts meet.

Every pass advances every part by a step that does not wait: sampling goes on whatever the network does. Between passes the loop
sleeps until the next part is due or the broker sends something. The watchdog is fed by passes that sampled, never by a timer.
"""

import gc
import os
import select
import sys
import time
from errno import ENOMEM

from flashfile import uninterrupted
from micropython import const

from firmware import forget, payload
from firmware.files import IMAGE, RESERVE, note_reset

_SYNC_WAIT_MS = const(15000)  # once online, readings wait so long for the time
_LONGEST_SLEEP_MS = const(1000)
_TRIAL_MS = const(600000)  # an image on trial that was not online for so long is given back


class Node:
    def __init__(self, board, settings, source, faults, channels, outputs, cause, crashes=0):
        """settings: as config.load() returns them, with source and faults; channels, outputs: what they name.

        cause: why the board started; crashes: how many starts in a row were; with too many of them there are no channels (safemode.py).
        """
        from firmware import parts

        self.board = board
        self.source = source
        self.reset_cause = cause
        self.faults = faults
        self.crashes = crashes
        self.channels = channels
        self.health_ms = settings["publish"]["health_s"] * 1000
        self.watchdog = settings["watchdog"]
        self.heap_low = None  # bytes that were free after a collection
        self.trial = IMAGE in sys.path  # is it to be settled whether the image that runs stays?
        self.namesake = None  # while it is not clear whose name this is
        parts.make(self, settings, outputs)
        parts.drop()
        self.seq = 0
        self._armed = False
        self._unnamed = False  # must it still ask for the name on this connection,
        self.unsaid = False  # or publish it?
        # Has a broker acknowledged that it is online? False: not yet on this connection.
        self.announced = None
        self._online_since = None
        self._connected_at = 0  # uptime
        self._health_since = 0
        self.health_wait = 0
        self._poller = None
        self._polled = None

    def run(self):
        """Loop for ever. Ends by an exception only."""
        try:
            while True:
                now = time.ticks_ms()
                self.step(now)
                self._sleep(self.due(time.ticks_ms()))
        except MemoryError:
            self._let_go()
            raise
        finally:
            self.board.guard.uptime_s = self.log.uptime_s  # after days ticks would be wrong
            self._keep()
            self.uplink.stop(self.topics.status, b"offline")
            self._keep()

    def _let_go(self):
        """Free memory, of which none is left: keep only what brings the readings to safety."""
        self.channels = ()
        self.panel = self.discovery = None
        gc.collect()

    def _keep(self):
        """Write every reading and the pulse counters to flash: whatever comes next may take what is in RAM."""
        if not self.delivery.outbox.sync(time.ticks_ms()):
            self.log.error("outbox: the last readings cannot be written")
        pulse = sys.modules.get("drivers.pulse")
        if pulse:
            pulse.keep()

    def step(self, now):
        """One pass over every part."""
        uptime = self.clock.uptime_ms(now)
        self.log.uptime_s = uptime // 1000
        self._sample(now, uptime)
        self._feed(uptime)
        if self.crashes:
            from firmware.upkeep import safemode

            safemode.settle(self, uptime)
        if self.trial and (self.announced or uptime >= _TRIAL_MS):
            from firmware.upkeep import slot

            slot.settle(self)
        self._network(now, uptime)
        if self.panel:
            self.panel.step(now, self.uplink)
        if self.control.step(now):
            self.reset("told to")
        self.delivery.step(now, uptime)
        if self.uplink.ready:
            self._drain(now, uptime)
            self._report(uptime)
        self._feed(uptime)

    def due(self, now):
        """Return ms until the next step."""
        uptime = self.clock.uptime_ms(now)
        wait = min(self.wifi.due(uptime), self.delivery.due(now), self.control.due(now))
        if self.wifi.up:
            wait = min(wait, self.clock.due(uptime), self.uplink.due(now, uptime))
        if self.discovery and self.uplink.connected:
            wait = min(wait, self.discovery.due(uptime))
        for channel in self.channels:
            wait = min(wait, channel.due(now))
        return min(max(wait, 0), _LONGEST_SLEEP_MS)

    def _sample(self, now, uptime):
        for channel in self.channels:
            try:
                result = channel.step(now)
            except MemoryError:
                # The node ends here, and the log says that it had a reading in hand.
                self._let_go()
                self._take(channel, "not enough memory", uptime)
                raise
            if result is None:
                continue
            if self.panel and channel.fields[0][1] == "" and not isinstance(result, str):
                self.panel.pressed(channel.name, result[0])
            if channel.worth(uptime, result) and self._take(channel, result, uptime):
                channel.delivered(uptime, result)

    def _take(self, channel, result, uptime):
        """Number a result and keep it: from here on it is not lost. Return False if there was no room, or it could not be sent."""
        self.seq += 1
        try:
            return self._hand_over(channel, result, uptime)
        except MemoryError:
            # The node ends here; the reading in hand is kept.
            self._let_go()
            try:
                self._hand_over(channel, result, uptime)
            except MemoryError:
                self.delivery.lost()
            raise

    def _hand_over(self, channel, result, uptime):
        if isinstance(result, str):
            members = payload.error(result)
        else:
            try:
                members = payload.body(channel.fields, result)
            except ValueError as e:
                members = payload.error(str(e))
        if self.delivery.values:
            self.delivery.values.take(channel, members)
        if channel.qos:
            return self.delivery.take(channel, uptime, self.seq, members)
        # At QoS 0 nothing is kept for later.
        return self.uplink.ready and self.delivery.send_now(channel, uptime, self.seq, members)

    # network

    def _network(self, now, uptime):
        self.wifi.step(uptime)
        online = self.wifi.up
        if online and self._online_since is None:
            self._online_since = uptime
        if self.clock.step(uptime, online):
            self.delivery.time_known(uptime)
        if self.uplink.step(now, uptime, online, self.clock.trusted):
            self.clock.broker = self.uplink.client.server
            self._unnamed = self.uplink.held = True
            self.unsaid = False
        try:
            self._introduce(uptime)
        except MemoryError:
            # Tried again on another connection; after a few a restart may help.
            forget("link", "namesake")  # they may be half loaded
            forget("upkeep", "info", "document", "slot")
            self.uplink.lose(uptime, OSError(ENOMEM))
        if self.announced is False and self.uplink.acknowledged():
            self.announced = True
            # `make deploy` waits for this line.
            self.log.info("node: %s online" % self.topics.status.decode())
        if self.discovery:
            self.discovery.announce(self, now, uptime)
        if self.uplink.link_in_doubt:
            self.uplink.link_in_doubt = False
            self.wifi.cycle()
        if self.wifi.dead:
            self.reset("the Wi-Fi radio does not answer")
        if self.uplink.connected:
            self._connected_at = uptime
        elif uptime - self._connected_at > self.delivery.live_ms or self.uplink.failures_of_memory:
            outbox = self.delivery.outbox
            outbox.spare(now)  # in an outage memory is scarce, and what is on flash will be late
            if self.uplink.starved(uptime) and outbox.sync(now):
                self.reset("no memory for a connection, time after time")

    def _introduce(self, uptime):
        """On a new connection ask whose the name is, then publish who is there. MemoryError: it did not."""
        connected = self.uplink.connected
        if self._unnamed and connected:
            from firmware.link import namesake

            self.namesake = namesake.begin(self, uptime)
            self._unnamed = False
        if self.namesake and self.namesake.step(uptime):
            self.unsaid = True
        if not (self.unsaid and connected):
            return
        from firmware.upkeep import info

        info.introduce(self, uptime)
        forget("upkeep", "info", "document", "slot")

    def acknowledged(self, pids, now):
        """The broker has these."""
        self.delivery.acknowledged(pids, now)
        self.control.acknowledged(pids)
        if self.discovery:
            self.discovery.acknowledged(pids)

    def _drain(self, now, uptime):
        if self.taken and not self.control.heard:
            return  # the broker may acknowledge and drop what comes under a name that it does not know
        if self.clock.trusted or uptime - self._online_since >= _SYNC_WAIT_MS:
            self.delivery.drain(uptime, now)

    def _report(self, uptime):
        log = self.log.waiting
        while log and self.uplink.publish(self.topics.own("log"), log[0].encode()):
            log.pop(0)
        if uptime - self._health_since >= self.health_wait:
            self._health_since = uptime
            self.health_wait = self.health_ms
            try:
                from firmware.upkeep import health

                health.publish(self, uptime)
            except MemoryError:  # a minute without
                self.log.error("node: not enough memory for `health`")
            forget("upkeep", "health", "document")

    # staying alive

    def _feed(self, uptime):
        """Called only where the loop and the sampler have advanced."""
        if self._armed:
            self.board.feed()
        elif uptime >= self.watchdog["arm_after_s"] * 1000:
            self._armed = True
            if self.watchdog["enabled"]:
                self.board.arm_watchdog(self.watchdog["timeout_s"])
                self.log.debug("node: watchdog armed")
            self.board.guard.end()

    def reset(self, why):
        """Bring every reading to safety, note why, and reset the board."""
        self.log.error("node: resetting the board: " + why)
        try:
            if not self.delivery.outbox.sync(time.ticks_ms()):
                with uninterrupted:
                    os.remove(RESERVE)
        except OSError:
            pass  # there is none
        self._keep()
        try:
            note_reset(why)
        except (OSError, MemoryError):
            pass  # it must not stop the reset
        self.board.reset()

    def _sleep(self, wait):
        """Wait until something is due or the broker sends something."""
        sock = self.uplink.client.sock
        if sock is None:
            time.sleep_ms(wait)
            return
        if sock is not self._polled:
            self._polled = sock
            self._poller = select.poll()
            self._poller.register(sock, select.POLLIN)
        for _ in self._poller.ipoll(wait):
            pass
