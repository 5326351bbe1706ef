"""MQTT 3.1.1 in bytes: what the client sends once per connection, and the exceptions of the whole client.

Pure: no socket, no clock. Paragraphs in brackets are of OASIS MQTT Version 3.1.1.
"""

import errno

from micropython import const

_LONGEST = const(268435455)  # remaining length, four bytes of seven bits [2.2.3]

ETIMEDOUT = getattr(errno, "ETIMEDOUT", 110)  # a deadline has passed

_REASONS = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "client id rejected",
    3: "broker unavailable",
    4: "bad user name or password",
    5: "not authorised",
    0x80: "subscription refused",
}


def refusal(kind):
    """Make the exception for a broker that said no, a kind of Exception."""

    class Refused(kind):  # type: ignore[misc, valid-type]  # made for each kind
        """`code` is CONNACK's return code (1 to 5), or 0x80 for a subscription."""

        def __init__(self, code):
            self.code = code
            super().__init__(code, _REASONS.get(code, "refused"))

        def __str__(self):
            return "%s (%d)" % (self.args[1], self.code)

    return Refused


Refused = refusal(Exception)


class ProtocolError(Exception):
    """The peer sent what MQTT 3.1.1 forbids; the connection was closed."""


def as_bytes(text):
    """Return text as the bytes that go over the wire."""
    return text.encode() if isinstance(text, str) else text


def check_topic(topic):
    """Return a topic name as bytes. ValueError: nothing can be published to it [MQTT-3.3.2-2], [MQTT-4.7.3-1]."""
    topic = as_bytes(topic)
    if not 0 < len(topic) < 65536 or b"\0" in topic or b"+" in topic or b"#" in topic:
        raise ValueError("topic: 1 to 65535 bytes without + # or NUL")
    return topic if type(topic) is bytes else bytes(topic)  # what was checked must not change


def check_filter(pattern):
    """Return a topic filter as bytes. ValueError: `#` not alone at the end, or `+` not a whole level [4.7.1]."""
    pattern = as_bytes(pattern)
    levels = pattern.split(b"/")
    for i, level in enumerate(levels):
        if (b"#" in level and (level != b"#" or i < len(levels) - 1)) or (
            b"+" in level and level != b"+"
        ):
            raise ValueError("filter: + is a whole level, # the whole last one")
    if not 0 < len(pattern) < 65536 or b"\0" in pattern:
        raise ValueError("filter: 1 to 65535 bytes without NUL")
    return pattern


def put_length(buf, i, n):
    """Write a remaining length at buf[i]. Return the index behind it."""
    while n > 127:
        buf[i] = n & 0x7F | 0x80
        n >>= 7
        i += 1
    buf[i] = n
    return i + 1


def length_size(n):
    """Return how many bytes the remaining length n takes."""
    if n > _LONGEST:
        raise ValueError("a packet has at most 268435455 bytes")
    return 1 if n < 128 else 2 if n < 16384 else 3 if n < 2097152 else 4


def packet(kind, *parts):
    """Return a packet: integers become two bytes, bytes go as they are."""
    n = 0
    for part in parts:
        n += 2 if isinstance(part, int) else len(part)
    buf = bytearray(1 + length_size(n) + n)
    buf[0] = kind
    i = put_length(buf, 1, n)
    for part in parts:
        if isinstance(part, int):
            buf[i] = part >> 8
            buf[i + 1] = part & 0xFF
            i += 2
        else:
            buf[i : i + len(part)] = part
            i += len(part)
    return buf


def connect(client_id, keepalive, clean_session, user, password, will):
    """Return CONNECT [3.1]. will: None or (topic, payload, retain, qos)."""
    client_id = as_bytes(client_id)
    flags = 2 if clean_session else 0
    parts = [len(client_id), client_id]
    if will:
        topic, payload, retain, qos = will
        flags |= 4 | qos << 3 | (0x20 if retain else 0)
        parts += [len(topic), topic, len(payload), payload]
    if user is not None:
        user = as_bytes(user)
        flags |= 0x80
        parts += [len(user), user]
        if password is not None:
            password = as_bytes(password)
            flags |= 0x40
            parts += [len(password), password]
    if not client_id and not clean_session:
        raise ValueError("client_id: needed to keep a session")  # [MQTT-3.1.3-7]
    for part in parts:
        if not isinstance(part, int) and len(part) > 65535:
            raise ValueError("client_id, user, password, will: at most 65535 bytes")
    if not 0 <= keepalive < 65536:
        raise ValueError("keepalive: 0 to 65535 seconds")
    return packet(0x10, b"\0\4MQTT\4", bytes((flags,)), keepalive, *parts)
