"""The packets of MQTT 3.1.1 that a node of the simulated fleet writes and reads: QoS 0 and 1, a thousand connections in one process."""

import struct

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 0x20, 0x30, 0x40, 0x90, 0xD0
PINGREQ, DISCONNECT = b"\xc0\x00", b"\xe0\x00"
_WILL, _RETAIN = 0x04, 0x20
_WILL_QOS1, _DUP = 0x08, 0x08


def connect(client_id: str, keepalive_s: int, will: tuple[str, bytes]) -> bytes:
    """A session that the broker keeps, and a retained last will of QoS 1: (topic, payload)."""
    flags = _WILL | _WILL_QOS1 | _RETAIN
    body = b"\x00\x04MQTT\x04" + struct.pack("!BH", flags, keepalive_s)
    return _packet(0x10, body + _text(client_id) + _text(will[0]) + _bytes(will[1]))


def publish(
    topic: str, payload: bytes, mid: int = 0, retain: bool = False, again: bool = False
) -> bytes:
    """mid: packet id of QoS 1; 0: QoS 0. again: it was sent before."""
    kind = PUBLISH | (0x02 if mid else 0) | retain | (_DUP if again else 0)
    return _packet(kind, _text(topic) + (struct.pack("!H", mid) if mid else b"") + payload)


def subscribe(mid: int, topics: list[str]) -> bytes:
    return _packet(
        0x82, struct.pack("!H", mid) + b"".join(_text(topic) + b"\x01" for topic in topics)
    )


def puback(mid: int) -> bytes:
    return struct.pack("!BBH", PUBACK, 2, mid)


def _packet(kind: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


def _text(text: str) -> bytes:
    return _bytes(text.encode())


def _bytes(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


class Splitter:
    """Cuts what comes into packets."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return (first byte, body) of each packet that is whole. ValueError: it is no MQTT."""
        held = self._held + data
        found: list[tuple[int, bytes]] = []
        at = 0
        while True:
            whole = _whole(held, at)
            if whole is None:
                self._held = held[at:]
                return found
            begin, end = whole
            found.append((held[at], held[begin:end]))
            at = end


def _whole(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends, None: it is not whole."""
    size = shift = 0
    for place in range(at + 1, min(len(data), at + 5)):
        size |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            end = place + 1 + size
            return (place + 1, end) if end <= len(data) else None
    if len(data) - at > 5:
        raise ValueError("a length of more than four bytes")
    return None
