"""Messages that came: each handed over once, acknowledged as its QoS demands."""

from micropython import const

from mqtt.packets import ProtocolError

_PUBACK = const(0x40)
_PUBREC = const(0x50)

_RECEIVED = const(256)  # QoS 2 messages that the broker may leave unfinished


def arrive(kind, inc, out, received, arrived):
    """Take a PUBLISH [4.3]. What was skipped is acknowledged, too: else it would come again for ever.

    state       PUBLISH at QoS 2               PUBREL
    unknown id  handed over, PUBREC            1. PUBCOMP
    received    2. PUBREC, not handed over     PUBCOMP, id forgotten

    1. The broker did not see our PUBCOMP before the connection was lost: without it, it would ask for ever.
    2. The broker did not see our PUBREL: the same message again.
    """
    qos = kind >> 1 & 3
    pid = inc.pid
    payload, inc.payload = inc.payload, None
    if qos:
        out.answer(_PUBACK if qos == 1 else _PUBREC, pid)
        if qos == 2:
            if pid in received:
                return
            if len(received) >= _RECEIVED:
                raise ProtocolError("too many unfinished QoS 2 messages")
            received.append(pid)
    if payload is not None:
        arrived.append((inc.topic, payload, bool(kind & 1), qos))
