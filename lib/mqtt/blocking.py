"""umqtt's calls, over the client that never blocks: for programs that were written for umqtt.simple or umqtt.robust."""

import select
from errno import ENOTCONN
from time import ticks_add, ticks_diff, ticks_ms

from micropython import const
from umqtt.robust import MQTTClient
from umqtt.simple import MQTTException

import mqtt.client
from mqtt.disconnect import disconnect
from mqtt.packets import ProtocolError, refusal

_IN = const(1)  # POLLIN
_OUT = const(4)  # POLLOUT
_ATTEMPTS = const(3)  # reconnections in one call, after which its error is the caller's


Refused = refusal(MQTTException)


class Client(mqtt.client.Client, MQTTClient):
    """umqtt's calls, each of which waits for its answer, and for no longer than the deadlines allow.
    As in umqtt.robust, publish(), subscribe(), wait_msg() and check_msg() reconnect when the link fails; when that
    fails, too, the error is raised.
    """

    reconnect_timeout = 60  # s that reconnect() tries
    callback_details = False
    cb = None
    _poller = _polled = None
    Refused = Refused

    def set_callback(self, f, details=False):
        """f(topic, msg), or with details f(topic, msg, retained, qos)."""
        self.cb, self.callback_details = f, details

    def connect(self, clean_session=True, timeout=None):
        """Connect. Return whether the broker had kept the session. timeout: s, in place of connect_timeout."""
        usual = self.deadlines.connect_ms
        if timeout is not None:
            self.deadlines.connect_ms = int(timeout * 1000)
        try:
            self.start(ticks_ms(), clean_session)
            while not self.connected:
                self._turn()
        finally:
            self.deadlines.connect_ms = usual
        return self.session_present

    def reconnect(self):
        """Connect to the kept session, again and again for reconnect_timeout. Return as connect() does."""
        end = ticks_add(ticks_ms(), self.reconnect_timeout * 1000)
        attempt = 0
        while True:
            try:
                return self.connect(False)
            except (OSError, ProtocolError) as e:
                self.log(True, e)
                attempt += 1
                if ticks_diff(end, ticks_ms()) <= self.DELAY * 1000:
                    raise
            self.delay(attempt)

    def disconnect(self):
        """Send what is waiting, DISCONNECT (the broker drops the will), close."""
        disconnect(self, self._turn)

    def publish(self, topic, msg, retain=False, qos=0):
        """Publish; at QoS 1 and 2 return when the broker has acknowledged it.
        When this raises, a message of QoS 1 is the caller's again. One of QoS 2 stays in flight: do not publish it again.
        """
        out = self._out
        pid = None
        failures = 0
        self.deadlines.now = ticks_ms()  # that of the last step may be hours old
        while True:
            try:
                if pid is None:
                    pid = self.send(topic, msg, retain, qos)
                if pid is not None and (pid not in out.pids if qos else not out.waiting()):
                    break
                self._turn()
            except (OSError, ProtocolError) as e:
                failures += 1
                if qos == 0:
                    pid = None  # it went with the connection
                try:
                    if hasattr(msg, "broken") and msg.broken:
                        raise e
                    self._mend(e, failures)
                except (OSError, ProtocolError, Refused):
                    if qos == 1:
                        out.forget(pid)
                    raise
        acked = self._result[0]
        if qos and pid in acked:
            acked.remove(pid)

    def subscribe(self, topic, qos=0):
        """Subscribe, now and after every reconnection that finds the session gone. Refused: the broker will not."""
        entry = self._ensure_subscriptions().want(topic, qos)
        self._until(lambda: entry.done)
        if entry.pattern in self.refused:
            raise Refused(0x80)

    def unsubscribe(self, topic):
        """Take a subscription back."""
        entry = self._ensure_subscriptions().want(topic, None)
        self._until(lambda: entry.done)

    def wait_msg(self):
        """Wait until a message has come and was given to the callback. Without keepalive that may take for ever."""
        self._until(self._turn)

    def check_msg(self):
        """Give what has come to the callback; do not wait."""
        try:
            self._turn(False)
        except (OSError, ProtocolError) as e:
            self._mend(e, 1)

    def _until(self, done):
        failures = 0
        while True:
            try:
                while not done():
                    if done != self._turn:
                        self._turn()
                return
            except (OSError, ProtocolError) as e:
                failures += 1
                self._mend(e, failures)

    def _mend(self, error, failures):
        """The link failed: reconnect, or give up. failures: how many times in this call it has failed."""
        if failures > _ATTEMPTS:
            raise error
        self.log(False, error)
        self.reconnect()

    def _turn(self, wait=True):
        """Wait until there is something to do, do it. Return how many messages were given to the callback."""
        if self.sock is None:
            error = self._error or OSError(ENOTCONN, "not connected")
            self.close()
            raise error
        ms = self.poll_ms(ticks_ms())
        if wait and ms:
            self._poll(ms)
        self._advance(ticks_ms())
        arrived = self._result[1]
        if not arrived:
            return 0
        n = 0
        while arrived:
            message = arrived.pop(0)
            n += 1
            if self.cb:
                self.cb(*(message if self.callback_details else message[:2]))
        self._push()  # the acknowledgements, now that the callback has seen the messages
        return n

    def _poll(self, ms):
        """Wait until the socket has, or takes, something."""
        flags = _IN if self.deadlines.stall is None and not self._out.first else _IN | _OUT
        if self.sock is not self._polled or flags != self._flags:
            self._polled = self.sock
            self._flags = flags
            self._poller = select.poll()
            self._poller.register(self.sock, flags)  # type: ignore[attr-defined]  # the line above made it
        # unlike poll() it allocates nothing
        for _ in self._poller.ipoll(ms):  # type: ignore[attr-defined]  # as above
            pass
