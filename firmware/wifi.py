"""The Wi-Fi station: joins the configured networks in order of preference, notices a loss, recovers.

Never blocks for long and never raises for what the radio does. What the drivers say about themselves is only good for the log (ESP32 keeps
the last attempt's status, Pico reports "connecting" when nothing connects), so success is `connected()` and failure is our own deadline.

One attempt: leave, wait a second, join, poll. A round tries every network once. Rounds are spaced by a growing, jittered
back-off; every third round the radio is switched off and on; when the radio itself keeps refusing calls `dead` says that
only a reset of the board can help. An access point that is merely absent never leads to that.

`uptime` is Clock.uptime_ms(): a network may hold for weeks before it is lost.
"""

import os

from micropython import const

from firmware.log import reason

_OFF = const(0)
_SETTLE = const(1)  # radio told to leave or switched off; waiting for it to have done so
_JOINING = const(2)
_UP = const(3)
_WAITING = const(4)  # between rounds

_SETTLE_MS = const(1000)
_TRUST_FAILURE_MS = const(5000)  # a failure reported earlier than this may be the last attempt's
_JOIN_MS = const(30000)
_POLL_MS = const(250)
_BACKOFF_MS = const(2000)
_BACKOFF_MAX_MS = const(60000)
_ROUNDS_A_CYCLE = const(3)
_DEAD_AFTER = const(10)  # radio calls refused in a row


def _hostname(name):
    """Return a node's name as the drivers take it: letters, digits and -, at most 32."""
    return "".join([c if c.isalpha() or c.isdigit() else "-" for c in name if ord(c) < 128])[:32]


def begin(radio, settings, hostname):
    """For boot.py: start joining the preferred network; a Wifi made later goes on from there. settings: unchecked."""
    network = settings["networks"][0]
    hostname = settings.get("hostname") or _hostname(hostname)
    radio.on(hostname, settings.get("country"), settings.get("power_save", False))
    if not radio.connected() or radio.ssid() != network["ssid"]:
        radio.leave()
        radio.join(network["ssid"], network.get("password"), network.get("static"))
    radio.joining = network["ssid"]


class Wifi:
    def __init__(self, radio, settings, hostname, log):
        """settings: the `wifi` part; hostname: used when the settings have none."""
        self.radio = radio
        self.networks = settings["networks"]
        self.hostname = settings["hostname"] or _hostname(hostname)
        self.country = settings["country"]
        self.power_save = settings["power_save"]
        self.log = log
        self.up = False
        self.joins = 0  # times the network was joined
        self.ssid = None
        self.failures = 0  # attempts in a row
        self.fault = None  # why the last one failed
        self._state = _OFF
        self._since = 0
        self._wait = 0
        self._next = 0  # index of the network to try
        self._rounds = 0  # that failed, since the last success
        self._refused = 0  # radio calls in a row
        self._cycle = False  # switch the radio off before the next attempt
        self._static = False  # the radio was given a fixed address

    @property
    def dead(self):
        return self._refused >= _DEAD_AFTER

    def cycle(self):
        """Switch the radio off and on: for a link that says it is up and passes nothing."""
        if self._state == _UP:
            self.log.warning("wifi: nothing gets through, starting the radio again")
            self._cycle = True
            self._lost()

    def due(self, uptime):
        """Return ms until step() wants to be called."""
        return (
            _POLL_MS
            if self._state in (_JOINING, _UP)
            else max(0, self._wait - (uptime - self._since))
        )

    def step(self, uptime):
        try:
            self._step(uptime)
        except OSError as e:
            self._refused += 1
            if self._refused == 1 or self.dead:
                self.log.warning("wifi: the radio refused: %s" % reason(e))
            self._cycle = True
            self.fault = "the radio refused: %s" % reason(e)
            self._attempt_failed(uptime)

    def _step(self, uptime):
        elapsed = uptime - self._since
        if self._state == _UP:
            if not self.radio.connected():
                self.log.warning("wifi: lost %s" % self.ssid)
                self._lost()
        elif self._state == _JOINING:
            self._poll(uptime, elapsed)
        elif self._state == _OFF:
            self._adopt(uptime)
        elif elapsed >= self._wait:
            if self._state == _SETTLE:
                self._join(uptime)
            else:
                self._leave(uptime)

    def _enter(self, state, uptime, wait=0):
        self._state = state
        self._since = uptime
        self._wait = wait

    def _adopt(self, uptime):
        """First step. The station outlives a soft reset, and boot.py may have begun to join."""
        if self.radio.joining == self.networks[0]["ssid"]:
            self.ssid = self.radio.joining
            self.radio.joining = None
            self._enter(_JOINING, uptime)
        else:
            self.radio.on(self.hostname, self.country, self.power_save)
            self._leave(uptime)

    def _leave(self, uptime):
        self._enter(_SETTLE, uptime, _SETTLE_MS)
        if self._cycle:
            self.radio.off(deep=True)
        else:
            self.radio.leave()

    def _join(self, uptime):
        network = self.networks[self._next]
        self.ssid = network["ssid"]
        self._enter(_JOINING, uptime)
        if self._cycle:
            self._cycle = False
            self.radio.on(self.hostname, self.country, self.power_save)
        static = network.get("static")
        self.radio.join(
            self.ssid, network.get("password"), static or (False if self._static else None)
        )
        self._static = bool(static)
        self._refused = 0

    def _poll(self, uptime, elapsed):
        if self.radio.connected():
            self.up = True
            self.joins += 1
            self._rounds = self.failures = 0
            self._enter(_UP, uptime)
            self.log.info("wifi: joined %s, address %s" % (self.ssid, self.radio.address()))
        elif elapsed >= _JOIN_MS or (elapsed >= _TRUST_FAILURE_MS and self.radio.failed()):
            self.fault = self.radio.state()
            self.log.warning("wifi: %s: %s" % (self.ssid, self.fault))
            self._attempt_failed(uptime)

    def _lost(self):
        self.up = False
        # The network that was lost first, at once: an access point that restarts is the common case.
        self._enter(_WAITING, self._since, 0)

    def _attempt_failed(self, uptime):
        self.up = False
        self.failures += 1
        self._next += 1
        wait = 0
        if self._next >= len(self.networks):
            self._next = 0
            self._rounds += 1
            if self._rounds % _ROUNDS_A_CYCLE == 0:
                self._cycle = True
            wait = min(_BACKOFF_MS << min(self._rounds - 1, 6), _BACKOFF_MAX_MS)
            wait += wait * os.urandom(1)[0] >> 9  # up to half more
        self._enter(_WAITING, uptime, wait)
