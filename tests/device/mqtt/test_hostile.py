"""Whatever comes from the peer ends in a value, a ProtocolError or "need more": no other exception, no hang, no
memory beyond the bounds."""

import gc

from mqtt_peer import publish

from mqtt.incoming import Incoming
from mqtt.packets import ProtocolError, packet

TIMEOUT = 120

PACKETS = (
    b"\x20\x02\x00\x00",
    b"\x20\x02\x01\x00",
    b"\x40\x02\x12\x34",
    b"\x50\x02\x12\x34",
    b"\x62\x02\x12\x34",
    b"\x70\x02\x12\x34",
    b"\x90\x03\x12\x34\x01",
    b"\xb0\x02\x12\x34",
    b"\xd0\x00",
    publish(b"a/b", b"21.5"),
    publish(b"a/b", b"21.5", 1, 7, retain=True),
    publish(b"a/b", b"21.5", 2, 65535, dup=True),
    publish(b"a/b", b""),
    publish(b"a/b", b"x" * 130, 1, 1),
    publish(b"t" * 100, b"x" * 600, 1, 9),
    publish(b"t" * 500, b"x" * 9, 2, 9),
    publish(b"t" * 600, b"x" * 5000, 2, 9),
)


class Feed:
    """A socket that has these bytes, and then nothing."""

    def __init__(self, data, gives=512):
        self.data = data
        self.at = 0
        self.gives = gives

    def readinto(self, buf):
        n = min(len(buf), len(self.data) - self.at, self.gives)
        if not n:
            return None
        memoryview(buf)[:n] = memoryview(self.data)[self.at : self.at + n]
        self.at += n
        return n


def half(inc):
    """Whether a packet has begun and not ended."""
    return inc.start < inc.end or inc.large


def decode(data, gives=512, max_packet=4096):
    """Return the packets' first bytes, then "more", "whole" or "error"."""
    inc = Incoming(max_packet)
    feed = Feed(data, gives)
    got = []
    for _ in range(len(data) * 3 + 10):
        try:
            kind = inc.next()
        except ProtocolError:
            return got, "error"
        if kind:
            got.append((kind, inc.topic, inc.payload and bytes(inc.payload), inc.pid, inc.code))
        elif not inc.fill(feed):
            return got, "more" if half(inc) else "whole"
    raise RuntimeError("no end to it")


def test_every_packet_in_pieces_of_any_size():
    for data in PACKETS:
        whole = decode(data)
        assert len(whole[0]) == 1 and whole[1] == "whole", data
        for gives in (1, 2, 3, 7, 100):
            assert decode(data, gives) == whole


def test_every_truncation_needs_more():
    for data in PACKETS:
        for n in range(len(data)):
            got, end = decode(data[:n])
            assert got == [] and end == ("more" if n else "whole"), (data, n)


def test_packets_behind_each_other():
    data = b"".join(PACKETS)
    kinds = [first[0] for first in PACKETS]
    for gives in (1, 13, 512):
        got, end = decode(data, gives)
        assert [kind for kind, *rest in got] == kinds and end == "whole"


def test_every_change_of_one_byte():
    seen = set()
    for data in PACKETS:
        for i in range(min(len(data), 20)):
            for value in range(256):
                changed = bytearray(data)
                changed[i] = value
                seen.add(decode(bytes(changed))[1])
    assert seen == {"more", "whole", "error"}


def xorshift(seed):
    while True:
        seed ^= seed << 13 & 0xFFFFFFFF
        seed ^= seed >> 17
        seed ^= seed << 5 & 0xFFFFFFFF
        yield seed


def test_ten_thousand_random_inputs():
    random = xorshift(20251120)
    ends = {}
    for _ in range(10000):
        n = next(random) % 40
        data = bytes(next(random) >> 8 & 255 for _ in range(n))
        if next(random) & 1:  # half of them begin like a packet
            data = PACKETS[next(random) % len(PACKETS)][:6] + data
        end = decode(data)[1]
        ends[end] = ends.get(end, 0) + 1
    assert all(ends.get(end, 0) > 100 for end in ("more", "whole", "error")), ends


def test_forbidden_packets_are_refused_at_their_first_bytes():
    for data in (
        b"\x00\x00",  # reserved types
        b"\xf0\x00",
        b"\x10\x0c",  # what only a client sends
        b"\x82\x08",
        b"\xa2\x08",
        b"\xc0\x00",
        b"\xe0\x00",
        b"\x21\x02",  # flags [MQTT-2.2.2-2]
        b"\x41\x02",
        b"\x60\x02",
        b"\x92\x03",
        b"\x40\x03",  # lengths
        b"\x20\xff\xff\xff\x7f",
        b"\x90\x04",
        b"\xd0\x01",
        b"\x40\x02\x00\x00",  # packet id 0 [MQTT-2.3.1-1]
        b"\x36\x07\x00\x01a\x00\x01",  # QoS 3 [MQTT-3.3.1-4]
        b"\x38\x07\x00\x01a",  # DUP at QoS 0 [MQTT-3.3.1-2]
        b"\x30\x05\x00\x04abc",  # topic longer than the packet
        b"\x32\x05\x00\x02ab\x01",
        b"\x32\x05\x00\x01a\x00\x00",
        b"\x30\xff\xff\xff\xff",  # five bytes of length
        b"\x30\x80\x80\x80\x80\x01",
    ):
        assert decode(data) == ([], "error"), data


def test_a_topic_that_is_none_is_skipped_and_can_be_acknowledged():
    # It ended the connection: from a session that the broker keeps it came again with each, for ever.
    for topic in (b"", b"#", b"a+", b"a\0b", b"\xc3\x28", b"cmd/\xff\xfe"):
        for size in (0, 1, 600, 5000):
            for gives in (1, 13, 512):
                data = publish(topic, b"x" * size, 1, 5) + publish(b"a", b"y")
                got, end = decode(data, gives)
                assert [each[2] for each in got] == [None, b"y"], (topic, size, gives)
                assert got[0][3] == 5 and end == "whole"


def test_what_is_announced_is_not_allocated():
    gc.collect()
    before = gc.mem_free()
    for announced in (b"\xff\xff\xff\x7f", b"\x80\x80\x80\x64"):  # 268 MB, 200 MB
        got, end = decode(b"\x30" + announced + b"\x00\x01a" + b"x" * 5000)
        assert got == [] and end == "more"
    gc.collect()
    assert before - gc.mem_free() < 8000


def test_large_messages():
    for size in (505, 506, 507, 508, 509, 513, 4096):
        (got,), end = decode(publish(b"a/b", b"x" * size, 1, 5))
        assert got[1:4] == (b"a/b", b"x" * size, 5) and end == "whole"
    (got,), end = decode(publish(b"a/b", b"x" * 4097, 1, 5))
    assert got[2] is None and got[3] == 5 and end == "whole"  # skipped, its id known


def test_sink():
    class Sink:
        size = 0

        def write(self, data):
            self.size += len(data)
            if self.size > 3000:
                raise OSError(28)

    asked = []

    def choose(topic, size, retained, qos):
        asked.append((topic, size, retained, qos))
        return Sink() if topic != b"no" else None

    inc = Incoming(1000)
    inc.sink = choose
    feed = Feed(
        publish(b"a", b"x" * 2000, 2, 1, retain=True)
        + publish(b"no", b"x" * 2000)
        + publish(b"full", b"x" * 5000, 1, 2)
        + publish(b"small", b"x")
    )
    got = []
    while feed.at < len(feed.data) or half(inc):
        kind = inc.next()
        if kind:
            got.append((kind, inc.pid, inc.payload))
        else:
            inc.fill(feed)
    assert [kind for kind, pid, payload in got] == [0x35, 0x30, 0x32, 0x30]
    assert got[0][2].size == 2000 and got[1][2] is None and got[2][2] is None and got[3][2] == b"x"
    assert inc.skipped == 2
    assert asked == [(b"a", 2000, True, 2), (b"no", 2000, False, 0), (b"full", 5000, False, 1)]


def test_no_memory_for_a_message_skips_it():
    inc = Incoming(1 << 20)
    feed = Feed(publish(b"a", b"x" * 100) + packet(0x30, 1, b"a", b"y" * 6000), 100)
    hog = []
    try:
        while True:
            hog.append(bytearray(1000))
    except MemoryError:
        del hog[-4:]
    got = []
    for _ in range(1000):
        kind = inc.next()
        if kind:
            got.append(inc.payload)
        else:
            inc.fill(feed)
    assert got == [b"x" * 100, None] and inc.skipped == 1
