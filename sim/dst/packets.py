"""MQTT 3.1.1 in bytes, for the model broker: packets, topic filters, and a packet in words.

Paragraphs in brackets are of OASIS MQTT Version 3.1.1.
"""

NAMES = (
    "", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
    "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT",
)  # fmt: skip


def packet(first, body):
    n = len(body)
    head = bytearray((first,))
    while n > 127:
        head.append(n & 127 | 128)
        n >>= 7
    head.append(n)
    return bytes(head) + body


def two(n):
    return bytes((n >> 8, n & 255))


def matches(pattern, topic):
    """Is a topic one of a filter's? [4.7]"""
    pattern, topic = pattern.split("/"), topic.split("/")
    for i, level in enumerate(pattern):
        if level == "#":
            return True
        if i >= len(topic) or (level != "+" and level != topic[i]):
            return False
    return len(pattern) == len(topic)


def _text(data):
    try:
        return data.decode()
    except UnicodeError:
        return repr(data)


def words(first, body):
    """A packet's content for the story."""
    kind = first >> 4
    if kind == 3:
        n = body[0] << 8 | body[1]
        qos = first >> 1 & 3
        i = 2 + n + (2 if qos else 0)
        pid = " id %d" % (body[i - 2] << 8 | body[i - 1]) if qos else ""
        marks = (" DUP" if first & 8 else "") + (" retained" if first & 1 else "")
        return "QoS %d%s%s %s %s" % (qos, pid, marks, _text(body[2 : 2 + n]), _text(body[i:]))
    if kind == 2:
        return "session %s, code %d" % ("present" if body[0] else "new", body[1])
    if 4 <= kind <= 7 or kind in (9, 11):
        return "id %d" % (body[0] << 8 | body[1])
    if kind == 1:
        return "clean" if body[7] & 2 else ""
    return str(bytes(body[4:])) if kind == 8 else ""
