"""The Wi-Fi station: joins the configured networks in order of preference, notices a loss, recovers.

It never blocks for long, and never raises for what the radio does. Between rounds of attempts (joining.py) it waits, longer each
time, with jitter. Every third round it switches the radio off and on. When the radio itself keeps refusing calls, `dead` says that
only a reset of the board can help. An access point that is merely absent never leads to that.

`uptime` is Clock.uptime_ms(): a network may hold for weeks before it is lost.
"""

from micropython import const

from firmware import forget

_WAITING = const(0)  # for the next round

_POLL_MS = const(250)
_DEAD_AFTER = const(10)  # radio calls refused in a row


class Wifi:
    def __init__(self, radio, settings, name, log):
        """settings: the `wifi` part; name: the hostname when the settings have none."""
        self.radio = radio
        self.settings = settings
        self.networks = settings["networks"]
        self.name = name
        self.log = log
        self.up = False
        self.joins = 0  # times the network was joined
        self.ssid = None
        self.failures = 0  # attempts in a row
        self.fault = None  # why the last one failed
        # joining.py uses the following, too.
        self.state = None
        self.since = 0
        self.wait = 0
        self.next = 0  # index of the network to try
        self.rounds = 0  # that failed, since the last success
        self.refused = 0  # radio calls in a row
        self.cycling = False  # switch the radio off before the next attempt
        self.static = False  # the radio was given a fixed address

    @property
    def dead(self):
        return self.refused >= _DEAD_AFTER

    def cycle(self):
        """Switch the radio off and on: the link says that it is up, and passes nothing."""
        if self.up:
            self.log.warning("wifi: nothing gets through, starting the radio again")
            self.cycling = True
            self.up = False

    def due(self, uptime):
        """Return ms until step() wants to be called."""
        return _POLL_MS if self.up else max(0, self.wait - (uptime - self.since))

    def step(self, uptime):
        elapsed = uptime - self.since
        try:
            if self.up:
                if not self.radio.connected():
                    self.log.warning("wifi: lost %s" % self.ssid)
                    self.up = False
            elif elapsed >= self.wait:
                self._join(uptime)
        except OSError as e:
            self._join(uptime, e)

    def _join(self, uptime, error=None):
        """Go on with joining a network, or begin anew after an error of the radio."""
        try:
            from firmware.link import joining

            if error:
                joining.refused(self, uptime, error)
            else:
                joining.step(self, uptime)
            if self.up or self.state == _WAITING:
                forget("link", "joining")
        except MemoryError:
            forget("link", "joining")  # it may be half loaded
            self.wait = uptime - self.since + _POLL_MS

    def enter(self, state, uptime, wait=0):
        self.state = state
        self.since = uptime
        self.wait = wait
