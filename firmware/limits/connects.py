"""What a broker refuses in CONNECT: a retained will, any will, a session that lasts. Loaded with limits.py.

It closes the connection, or rejects the client id, and does not say why. CONNECT goes in lesser forms, one after the other: without the
will's retain flag, without a will, with a clean session. When one went well, the full form has to fail twice more before that is
believed: a broker that is starting closes connections, too. A clean session would end the one that the broker has kept, so it
is tried under another client id, and the connection ends with CONNACK.

A broker that claims to have kept a clean session gets clean ones, too: what it says of sessions cannot be believed. Then each
connection begins a new session, and exchanges of QoS 2 with it, so some readings come twice.

Kept in RAM, over attempts at another broker, and tried again after a day, and after a restart.
"""

from micropython import const

_TIMES = const(2)  # times that it closes at one form, before the next is tried
_AGAIN_MS = const(86400000)

# The forms, in the order in which they are tried.
_WHOLE = const(0)
_UNRETAINED = const(1)
_NO_WILL = const(2)
_CLEAN = const(3)
_CLEAN_NO_WILL = const(4)
# What health says of each, and what is logged.
_TEXTS = (
    ("", ""),
    ("no retained will", "a retained will"),
    ("no will", "a will"),
    ("no session, some readings come twice", "a session that lasts: some readings come twice"),
    ("no session, no will", "a session that lasts, nor a will: some readings come twice"),
)


class Connects:
    def __init__(self, uplink):
        self.uplink = uplink
        self.will = uplink.client.lw_topic
        self._forget()

    def _forget(self):
        self.form = _WHOLE
        self._tried = _WHOLE  # a lesser form that went well
        self._shut = 0  # connections in a row that it closed at CONNECT with this form
        self._learnt_at = None  # uptime

    @property
    def clean(self):
        """Should the session be clean?"""
        return self.form >= _CLEAN

    @property
    def probes(self):
        """Is this only a trial whether the broker takes a clean session?"""
        return self.clean and not self._tried

    def begin(self):
        """Set CONNECT to the current form."""
        self._have(self.form)

    def leave(self):
        """The next connection is another broker's, which gets the full form."""
        self._have(_WHOLE)

    def _have(self, form):
        client = self.uplink.client
        bare = form in (_NO_WILL, _CLEAN_NO_WILL) or (form and self.probes)
        client.lw_topic = None if bare else self.will
        client.lw_retain = self.uplink.settings["retain"] and form != _UNRETAINED

    def up(self):
        """The broker said welcome. Return False: the connection was a trial and is to be closed."""
        self._shut = 0
        if self.form and not self._tried:
            self.probed()
            return False
        if not self.form:
            self._tried = _WHOLE  # it takes the full form: it had been busy with itself
        return True

    def probed(self):
        """A lesser form went well. Is it the full form that it refuses?"""
        self._tried, self.form, self._shut = self.form, _WHOLE, 0

    def shut(self, uptime):
        """The broker closed at CONNECT."""
        self._shut += 1
        if self._shut < _TIMES:
            return
        self._shut = 0
        if self._tried and not self.form:
            self._believe(self._tried, uptime)
        else:
            # If it closes at a probe it is away.
            self.form = _WHOLE if self.probes else (self.form + 1) % len(_TEXTS)
            self._tried = _WHOLE

    def rejected(self, uptime):
        """The broker rejected the client id, or its use for a session that lasts [MQTT-3.1.3-8]."""
        if self._tried == _CLEAN and not self.form:
            self._believe(_CLEAN, uptime)
        else:
            self.form = _WHOLE if self.clean else _CLEAN
            self._tried = _WHOLE

    def lied(self, uptime):
        """The broker claimed to have kept a clean session."""
        self._believe(_CLEAN, uptime)

    def _believe(self, form, uptime):
        self.form = self._tried = form
        self._learnt_at = uptime
        uplink = self.uplink
        if self.clean:
            uplink.begin_anew()  # if ever one lasts again
        uplink.log.warning("mqtt: %s will not have %s" % (uplink.broker, _TEXTS[form][1]))

    def step(self, uptime):
        """A connection is up."""
        if self._learnt_at is not None and uptime - self._learnt_at >= _AGAIN_MS:
            self.uplink.log.info(
                "mqtt: trying again what %s would not have at CONNECT" % self.uplink.broker
            )
            self._forget()
            self.begin()

    def needed(self):
        """Is there anything to remember?"""
        return self.form + self._tried + self._shut > 0

    def text(self):
        """Return what it refuses, for people; None: nothing is known."""
        return _TEXTS[self.form][0] if self.form and self.form == self._tried else None
