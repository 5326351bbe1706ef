"""Packets as exact bytes; topics, filters and who matches what."""

from mqtt.packets import (
    ProtocolError,
    Refused,
    check_filter,
    check_topic,
    connect,
    length_size,
    packet,
    put_length,
)
from mqtt.topics import matches


def test_connect_with_everything():
    will = (b"w/t", b"off", True, 1)
    got = connect("node", 60, False, "user", "pass", will)
    # flags: user 0x80, password 0x40, will retain 0x20, will QoS 1 0x08, will 0x04 = 0xEC
    # length: 10 + (2+4) + (2+3) + (2+3) + (2+4) + (2+4) = 38 = 0x26
    assert got == (
        b"\x10\x26\x00\x04MQTT\x04\xec\x00\x3c"
        b"\x00\x04node\x00\x03w/t\x00\x03off\x00\x04user\x00\x04pass"
    )


def test_connect_bare_and_clean():
    assert (
        connect(b"", 0, True, None, None, None) == b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00"
    )
    # a user without a password is allowed, a password alone is not [MQTT-3.1.2-22]
    assert connect(b"c", 0, True, "u", None, None)[9] == 0x82
    assert connect(b"c", 0, True, None, "p", None)[9] == 0x02


def test_connect_counts_bytes_not_characters():
    got = connect("nœud", 1, False, None, None, None)
    assert got[12:] == b"\x00\x05n\xc5\x93ud"


def test_connect_refuses_what_no_broker_takes():
    for args in (
        ("", 0, False, None, None, None),  # [MQTT-3.1.3-7]
        ("c", 65536, False, None, None, None),
        ("c", 0, False, "u" * 65536, None, None),
    ):
        try:
            connect(*args)
        except ValueError:
            continue
        raise AssertionError(args)


def test_remaining_length_at_every_border():
    buf = bytearray(4)
    for n, wire in (
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16383, b"\xff\x7f"),
        (16384, b"\x80\x80\x01"),
        (2097151, b"\xff\xff\x7f"),
        (2097152, b"\x80\x80\x80\x01"),
        (268435455, b"\xff\xff\xff\x7f"),
    ):
        assert put_length(buf, 0, n) == len(wire) == length_size(n)
        assert buf[: len(wire)] == wire
    try:
        length_size(268435456)
    except ValueError:
        return
    raise AssertionError


def test_subscribe():
    # packet id 10, filter of 3 bytes, QoS 1: 2 + 2 + 3 + 1 = 8
    assert packet(0x82, 10, 3, b"a/#", b"\1") == b"\x82\x08\x00\x0a\x00\x03a/#\x01"


def test_matches_as_the_specification_says():
    for pattern, topic, expected in (
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "sport/tennis", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/uptime", False),  # [MQTT-4.7.2-1]
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("Accounts", "ACCOUNTS", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a//b", "a//b", True),
        ("a/+/b", "a//b", True),
        ("$share/group/a/+", "a/b", True),
        ("$share/group/#", "$SYS/uptime", False),
        ("$share/group/a", "group/a", False),
    ):
        assert matches(pattern, topic) is expected, (pattern, topic)
        assert matches(pattern.encode(), topic.encode()) is expected


def test_filters_and_topics_are_checked():
    for pattern in ("a", "#", "+", "a/#", "+/a/+", "/", "$share/g/a/#", "a b/é"):
        assert check_filter(pattern) == pattern.encode()
    for pattern in (b"", "a#", "a/#/b", "#/", "a+", "+a/b", "a\0"):
        try:
            check_filter(pattern)
        except ValueError:
            continue
        raise AssertionError(pattern)
    assert check_topic("a/é") == b"a/\xc3\xa9"
    for topic in ("", "a/+", "#", "a\0b", b"x" * 65536):
        try:
            check_topic(topic)
        except ValueError:
            continue
        raise AssertionError(topic)


def test_refused_has_a_name():
    assert Refused(4).code == 4 and "password" in str(Refused(4))
    assert "authorised" in str(Refused(5)) and "(99)" in str(Refused(99))
    assert Refused(5).args[0] == 5
    assert not issubclass(ProtocolError, OSError)
