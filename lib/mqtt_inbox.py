"""Messages that came: each handed over once, acknowledged as its QoS demands."""

from micropython import const
from mqtt_packets import ProtocolError

_PUBACK = const(0x40)
_PUBREC = const(0x50)
_PUBCOMP = const(0x70)

_RECEIVED = const(256)  # QoS 2 messages that the broker may leave unfinished


class Inbox:
    def __init__(self):
        self.arrived = []  # (topic, payload, retained, qos), for the caller
        self.received = []  # ids of QoS 2 messages that were handed over and whose PUBREL has not come

    def publish(self, kind, inc, out):
        """Take a PUBLISH [4.3]. What was skipped is acknowledged, too: else it would come again for ever.

        state       PUBLISH at QoS 2               PUBREL
        unknown id  handed over, PUBREC            1. PUBCOMP
        received    2. PUBREC, not handed over     PUBCOMP, id forgotten

        1. The broker did not see our PUBCOMP before the connection was lost: without it, it would ask for ever.
        2. The broker did not see our PUBREC: the same message again.
        """
        qos = kind >> 1 & 3
        payload, inc.payload = inc.payload, None
        if qos == 2:
            out.answer(_PUBREC, inc.pid)
            if inc.pid in self.received:
                return
            if len(self.received) >= _RECEIVED:
                raise ProtocolError("too many unfinished QoS 2 messages")
            self.received.append(inc.pid)
        elif qos:
            out.answer(_PUBACK, inc.pid)
        if payload is not None:
            self.arrived.append((inc.topic, payload, bool(kind & 1), qos))

    def release(self, pid, out):
        """Take a PUBREL."""
        if pid in self.received:
            self.received.remove(pid)
        out.answer(_PUBCOMP, pid)
