"""The name server of the access point: one answer to every plain question, silence for anything else."""

import sim
from firmware.provisioning import dns

HERE = b"\xc0\xa8\x04\x01"
# RFC 1035, 4.1: id 0x1234, recursion desired, one question: captive.apple.com, A, IN
NAME = b"\7captive\5apple\3com\0"
ASKED = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + NAME + b"\0\1\0\1"


def test_an_address_is_ours():
    # the id; an answer, authoritative, recursion was desired; one question, one answer; the question; a pointer to
    # its name at 12, A, IN, ttl, 4 bytes
    assert dns.answer(ASKED, HERE) == (
        b"\x12\x34\x85\0\0\1\0\1\0\0\0\0"
        + NAME
        + b"\0\1\0\1"
        + b"\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\xc0\xa8\4\1"
    )


def test_any_is_answered_too():
    query = ASKED[:-4] + b"\0\xff\0\1"
    assert dns.answer(query, HERE)[-4:] == HERE


def test_other_types_have_no_answer():
    for kind in (28, 65, 5, 16):  # AAAA, HTTPS, CNAME, TXT
        query = ASKED[:-4] + bytes((0, kind, 0, 1))
        got = dns.answer(query, HERE)
        assert got == b"\x12\x34\x85\0\0\1\0\0\0\0\0\0" + query[12:], got


def test_additional_records_of_the_query_are_left_out():
    # EDNS (RFC 6891): one additional record, OPT
    query = ASKED[:10] + b"\0\1" + ASKED[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
    assert dns.answer(query, HERE) == dns.answer(ASKED, HERE)


def test_the_root_and_the_longest_name():
    assert dns.answer(ASKED[:12] + b"\0\0\1\0\1", HERE)
    longest = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(longest) == 255
    assert dns.answer(ASKED[:12] + longest + b"\0\1\0\1", HERE)
    over = (b"\x3f" + b"a" * 63) * 4 + b"\0"
    assert dns.answer(ASKED[:12] + over + b"\0\1\0\1", HERE) is None


def test_what_is_no_question():
    for at, value in (
        (2, 0x81),  # an answer
        (2, 0x29),  # an update
        (5, 0),  # no question
        (5, 2),  # two
        (7, 1),  # an answer in a question
        (12, 0xC0),  # a pointer
        (12, 200),  # a label that leads out
        (len(ASKED) - 1, 3),  # CHAOS
    ):
        packet = bytearray(ASKED)
        packet[at] = value
        assert dns.answer(bytes(packet), HERE) is None, (at, value)


def test_every_truncation_and_every_byte():
    for n in range(len(ASKED)):
        assert dns.answer(ASKED[:n], HERE) is None, n
    for i in range(len(ASKED)):
        for value in range(0, 256, 5):
            packet = bytearray(ASKED)
            packet[i] = value
            got = dns.answer(bytes(packet), HERE)
            assert got is None or len(got) <= len(ASKED) + 16


def ask(port, packet):
    client = sim.usocket.socket(sim.usocket.AF_INET, sim.usocket.SOCK_DGRAM)
    client.setblocking(False)
    client.sendto(packet, sim.usocket.getaddrinfo("127.0.0.1", port)[0][-1])
    return client


def test_on_a_socket_it_never_waits():
    import network
    import servers

    network.WLAN(network.AP_IF).active(True)
    server = dns.NameServer("192.168.4.1")
    port = servers.bound_port(server.sock._s)
    server.step()
    good = ask(port, ASKED)
    bad = ask(port, b"\xff" * 300)
    big = ask(port, b"\0" * 1400)
    again = ask(port, ASKED)
    server.step()
    for client in (good, again):
        assert client.recv(500)[-4:] == HERE
    for client in (bad, big):
        try:
            raise AssertionError(client.recv(500))
        except OSError:
            pass
    flood = [ask(port, ASKED) for _ in range(20)]
    server.step()  # not all of them at once
    try:
        raise AssertionError(flood[-1].recv(500))
    except OSError:
        pass
    server.step()
    server.step()
    assert flood[-1].recv(500)[-4:] == HERE
    server.close()
    assert sim.sockets == []
