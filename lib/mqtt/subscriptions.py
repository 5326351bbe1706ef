"""What the client sends on a new connection, unless the broker knows it: the birth message and the subscriptions."""

from micropython import const

from mqtt.packets import ProtocolError, check_filter, packet

_SUBSCRIBE = const(0x82)
_UNSUBSCRIBE = const(0xA2)

_DUE = const(0)
_DONE = const(-1)  # any other state is the packet id that waits for its answer

UNSUBSCRIBE = b""  # in lists of filters: whatever is taken back


class Subscription:
    def __init__(self, pattern, qos):
        self.pattern = pattern
        self.qos = qos  # None: to be taken back
        self.state = _DUE

    @property
    def key(self):
        return UNSUBSCRIBE if self.qos is None else self.pattern

    @property
    def done(self):
        return self.state == _DONE


class Subscriptions:
    def __init__(self, out, refused):
        self.out = out
        self.birth = None  # (topic, payload, retain, qos)
        self.birth_pid = 0
        self.all = []
        self.refused = refused  # filters the broker refused
        self.withheld = ()  # filters that are not asked for
        self.allowed = None  # with a list, only those in it are
        self.unanswered = ()
        self.due = False  # whether anything may have to be sent
        self._birth_due = False

    def want(self, pattern, qos):
        """Subscribe, or with qos None unsubscribe. Return the Subscription, whose `done` becomes True."""
        pattern = check_filter(pattern)
        if qos not in (None, 0, 1, 2):
            raise ValueError("qos: 0, 1 or 2")
        self.all = [each for each in self.all if each.pattern != pattern or each.state > _DUE]
        if pattern in self.refused:
            self.refused.remove(pattern)
        new = Subscription(pattern, qos)
        self.all.append(new)
        self.due = True
        return new

    def filters(self):
        """Return all that are wanted, and UNSUBSCRIBE if any is to be taken back."""
        return [each.key for each in self.all]

    def withhold(self, filters, allowed=None):
        """Do not ask for these, until it is called without them; with a list `allowed` for none but those in it."""
        self.withheld, self.allowed = filters, allowed
        self.due = True

    def _is_asked_for(self, key):
        return key not in self.withheld and (self.allowed is None or key in self.allowed)

    def waiting(self):
        """Return whether an answer is awaited."""
        return bool(self.out.reserved)

    def lost(self):
        """The connection is gone, and with it the answers that were awaited."""
        self.out.reserved.clear()
        self.unanswered = [each.key for each in self.all if each.state > _DUE]
        for each in self.all:
            each.state = min(each.state, _DUE)

    def resume(self, session_present):
        """CONNACK came: all is to be said again when the broker has forgotten the session."""
        if not session_present:
            for each in self.all:
                each.state = _DUE
        self._birth_due = self.birth is not None
        self.due = True

    def send(self):
        """Append what is due, as far as there is room."""
        if self._birth_due and not self._send_birth():
            return
        for each in self.all:
            if each.state == _DUE and self._is_asked_for(each.key):
                pid = self.out.next_pid()
                topic = each.pattern
                if each.qos is None:
                    data = packet(_UNSUBSCRIBE, pid, len(topic), topic)
                else:
                    data = packet(_SUBSCRIBE, pid, len(topic), topic, bytes((each.qos,)))
                if not self.out.add(data):
                    return
                self.out.pid = pid
                self.out.reserved.append(pid)
                each.state = pid
        self.due = False

    def _send_birth(self):
        out = self.out
        topic, payload, retain, qos = self.birth
        if self.birth_pid not in out.pids:  # else that of the last connection was sent again
            pid = out.next_pid() if qos else 0
            if (qos and len(out.pids) >= out.window) or out.publish(
                topic, payload, retain, qos, pid
            ) < 0:
                return False
            self.birth_pid = pid
        self._birth_due = False
        return True

    def is_birth(self, pid):
        """Return whether the message that was acknowledged is one the caller knows nothing of."""
        if pid != self.birth_pid:
            return False
        self.birth_pid = 0  # the id may be given to another message
        return True

    def answered(self, pid, code):
        """Take SUBACK with its return code, or UNSUBACK (None). Return False when nobody waits for it."""
        if code not in (None, 0, 1, 2, 0x80):
            raise ProtocolError("SUBACK code %d" % code)  # [MQTT-3.9.3-2]
        for each in self.all:
            if each.state == pid and (each.qos is None) == (code is None):
                self.out.reserved.remove(pid)
                each.state = _DONE
                if code == 0x80:
                    self.refused.append(each.pattern)
                if code == 0x80 or code is None:
                    self.all.remove(each)
                return True
        return False
