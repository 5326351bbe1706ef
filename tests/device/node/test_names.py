"""Looking names up: never blocks, believes only answers to its own question, keeps what serves. On the boards' sockets, in virtual time."""

import socket
import sys

import sim
from firmware import files
from firmware.link.lookup import Lookup, _query
from firmware.link.names import Names, is_address

BOARDS = ("esp32", "pico_w")
DNS = "192.168.1.1"
OTHER = "192.168.1.254"


class Radio:
    def __init__(self, gateway=DNS, dns=DNS):
        self.given = gateway, dns

    def servers(self):
        if self.given is None:
            raise OSError("Wifi Not Started")
        return self.given


def setup(**hosts):
    sim.virtual()
    sim.hosts.clear()
    sim.hosts.update({name.replace("_", "."): address for name, address in hosts.items()})


def find(names, host, ms=60000):
    """Ask as the node's loop does. Return what came and how long it took; what a call takes is no time at all."""
    began = sim.now()
    while sim.now() - began < ms:
        before = sim.now()
        try:
            found = names.find(host, sim.now())
        except OSError as e:
            found = e
        assert sim.now() == before, "it waited"
        if found is not None:
            return found, sim.now() - began
        sim.advance(20)
    raise AssertionError("no end")


def test_an_address_needs_no_look_up():
    setup()
    assert find(Names(None), "192.168.1.7") == ("192.168.1.7", 0)
    for name in ("1.2.3", "a.b.c.d", "1.2.3.4.5", "broker.local", "", "1.2.3.x"):
        assert not is_address(name), name


def test_a_name_is_found_and_kept():
    setup(broker_lan="10.1.2.4")
    names = Names(Radio())
    assert find(names, "broker.lan") == ("10.1.2.4", 0)
    names.served("broker.lan")
    sim.dns_mode = "silent"
    for _ in range(3):
        assert find(names, "broker.lan") == ("10.1.2.4", 0)
    assert sim.name_server.questions == 1 and sim.sockets == []
    assert "firmware.link.lookup" not in sys.modules


def test_an_address_that_does_not_serve_is_looked_up_again():
    setup(broker_lan="10.1.2.4")
    names = Names(Radio())
    for _ in range(3):
        find(names, "broker.lan")
    sim.hosts["broker.lan"] = "10.1.2.5"
    assert find(names, "broker.lan") == ("10.1.2.5", 0) and sim.name_server.questions == 2


def test_a_silent_name_server_is_given_up_and_the_last_address_is_tried():
    setup(broker_lan="10.1.2.4")
    names = Names(Radio())
    for _ in range(3):
        find(names, "broker.lan")
    sim.dns_mode = "silent"
    found, ms = find(names, "broker.lan")
    assert found == "10.1.2.4" and 7000 <= ms <= 7100, ms
    error, ms = find(names, "other.lan")
    assert "no name server answers" in str(error) and 7000 <= ms <= 7100
    assert sim.sockets == []


def test_where_a_broker_was_reached_is_known_after_a_restart():
    setup(broker_lan="10.1.2.4", pool_lan="10.9.9.9")
    names = Names(Radio())
    find(names, "pool.lan")
    find(names, "broker.lan")
    assert files.read("state/addresses") is None
    names.served("broker.lan")
    sim.dns_mode = "silent"
    names = Names(Radio())
    found, ms = find(names, "broker.lan")
    assert found == "10.1.2.4" and 7000 <= ms <= 7100, ms
    assert find(names, "broker.lan") == ("10.1.2.4", 0)
    assert isinstance(find(names, "pool.lan")[0], OSError), "it has not served"
    assert "firmware.link.addresses" not in sys.modules


def test_an_address_is_written_when_it_is_news():
    setup(broker_lan="10.1.2.4")
    for _ in range(3):
        names = Names(Radio())
        find(names, "broker.lan")
        names.served("broker.lan")
        names.served("broker.lan")
        assert files.read("state/addresses") == "broker.lan 10.1.2.4"
    sim.hosts["broker.lan"] = "10.1.2.5"
    for i in range(6):
        sim.hosts["b%d.lan" % i] = "10.0.0.%d" % i
    names = Names(Radio())
    for host in ("broker.lan", "b0.lan", "b1.lan", "b2.lan", "b3.lan", "broker.lan"):
        find(names, host)
        names.served(host)
    lines = files.read("state/addresses").split("\n")
    assert lines == ["b0.lan 10.0.0.0", "b1.lan 10.0.0.1", "b2.lan 10.0.0.2", "b3.lan 10.0.0.3"]


def test_any_file_of_addresses_starts():
    setup()
    sim.dns_mode = "fail"
    for text in ("", "broker.lan", "broker.lan x", "broker.lan 1.2.3.4 5", " ", "\n\n", "\0" * 50):
        files.write("state/addresses", text)
        assert isinstance(find(Names(Radio()), "broker.lan")[0], OSError), text
    files.write("state/addresses", "x y\nbroker.lan 10.1.2.4\n")
    assert find(Names(Radio()), "broker.lan")[0] == "10.1.2.4"


def test_no_such_name_is_said_at_once():
    setup()
    error, ms = find(Names(Radio()), "nobody.lan")
    assert "no such name" in str(error) and ms == 0 and sim.sockets == []


def test_a_name_server_that_fails_is_said_to():
    setup()
    sim.dns_mode = "fail"
    error, ms = find(Names(Radio()), "broker.lan")
    assert "error 2" in str(error) and ms >= 7000


def test_a_lost_question_is_asked_again():
    setup(broker_lan="10.1.2.4")
    sim.dns_mode = "silent"
    names = Names(Radio())
    assert names.find("broker.lan", sim.now()) is None
    sim.advance(500)
    sim.dns_mode = "ok"
    found, ms = find(names, "broker.lan")
    assert found == "10.1.2.4" and ms <= 520


def test_two_names_at_once():
    setup(a_lan="10.0.0.1", b_lan="10.0.0.2")
    sim.dns_mode = "silent"
    names = Names(Radio())
    assert names.find("a.lan", sim.now()) is None and names.find("b.lan", sim.now()) is None
    sim.dns_mode = "ok"
    sim.advance(1000)
    assert find(names, "b.lan")[0] == "10.0.0.2" and find(names, "a.lan")[0] == "10.0.0.1"
    assert sim.sockets == []


def test_without_a_network_or_a_name_server():
    setup()
    assert isinstance(find(Names(Radio("0.0.0.0", "0.0.0.0")), "broker.lan")[0], OSError)
    radio = Radio()
    radio.given = None
    names = Names(radio)
    assert isinstance(find(names, "broker.lan")[0], OSError) and names.gateway() is None
    assert Names(Radio("0.0.0.0")).gateway() is None and Names(Radio(OTHER)).gateway() == OTHER
    sim.set_link(sim.DOWN)
    assert isinstance(find(Names(Radio()), "broker.lan")[0], OSError)
    assert sim.sockets == []


def test_a_look_up_that_was_left_for_weeks_goes_on():
    setup(broker_lan="10.1.2.4")
    sim.dns_mode = "silent"
    names = Names(Radio())
    assert names.find("broker.lan", sim.now()) is None
    sim.dns_mode = "ok"
    for _ in range(10):
        sim.advance(86400000)
    assert find(names, "broker.lan") == ("10.1.2.4", 0)


def test_local_names_are_asked_of_all():
    setup(broker_local="192.168.1.50")
    assert find(Names(Radio()), "broker.local") == ("192.168.1.50", 0)
    assert sim.name_server.asked == ("192.168.1.50", 5353)
    error, ms = find(Names(Radio()), "nobody.local")
    assert "no name server answers" in str(error) and ms >= 7000


def test_what_is_no_name():
    setup()
    for name in ("a..b", ".a", "x" * 64 + ".lan"):
        assert "not a host name" in str(find(Names(Radio()), name)[0]), name
    assert sim.sockets == []


def test_the_watchdog_of_a_pico_never_bites():
    """`getaddrinfo` waits 14 s for a silent server, the watchdog 8."""
    setup()
    sim.catch_resets()
    sim.dns_mode = "silent"
    sim.arm(8000)
    names = Names(Radio())
    for _ in range(10):
        assert isinstance(find_fed(names), OSError)
    try:
        socket.getaddrinfo("broker.lan", 1883)
    except sim.Reset:
        return  # what it would be else
    raise AssertionError("a look-up of 14 s does not bite")


def find_fed(names):
    while True:
        sim.feed()
        try:
            names.find("broker.lan", sim.now())
        except OSError as e:
            return e
        sim.advance(50)


# what comes, bit by bit


class Net:
    """A socket whose answers a test makes."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    def sendto(self, packet, peer):
        self.sent.append((packet, peer))

    def recvfrom(self, size):
        if not self.answers:
            raise OSError(11)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, tuple) else (answer, (DNS, 53))

    def close(self):
        pass


def ask(*answers, name="broker.lan", servers=(DNS,)):
    """Return (what was found, the Lookup). answers: functions of the query, or bytes."""
    lookup = Lookup(name, servers)
    lookup._sock.close()
    query = lookup._query
    lookup._sock = Net(*[answer(query) if callable(answer) else answer for answer in answers])
    return lookup.step(0), lookup


RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\1\2\3"


def reply(query, answers=RECORD, count=1, head=b"\x81\x80"):
    return query[:2] + head + b"\0\1" + bytes((0, count)) + b"\0\0\0\0" + query[12:] + answers


def test_the_query():
    query = _query("Broker.lan")
    # id, recursion desired, one question; 6 broker 3 lan 0, A, IN
    assert query[2:] == b"\1\0\0\1\0\0\0\0\0\0\x06broker\x03lan\0\0\1\0\1" and len(query) == 28
    assert len({bytes(_query("a")[:2]) for _ in range(20)}) > 10


def test_an_alias_leads_to_the_address():
    record = b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\6\3abc\xc0\x13"
    found, _ = ask(lambda query: reply(query, record + b"\3abc\xc0\x13" + RECORD[2:], 2))
    assert found == "10.1.2.3"


OTHERS = b"\x04evil\0" + RECORD[2:12] + b"\x06\6\6\6"


def alias(owner, target):
    return owner + b"\0\5\0\1\0\0\0\x3c\0" + bytes((len(target),)) + target


def test_an_address_of_another_name_is_none():
    # broker.lan is evil's in the first record only, or an alias that was not asked for
    for first in (OTHERS, alias(b"\3abc\0", b"\x04evil\0") + OTHERS):
        count = 1 if first is OTHERS else 2
        assert no_such_name(lambda query: reply(query, first, count))
        found, _ = ask(lambda query: reply(query, first + RECORD, count + 1))
        assert found == "10.1.2.3"


def test_aliases_are_followed_in_any_order():
    a, b, ours = b"\1a\0", b"\1B\0", b"\xc0\x0c"
    chain = [alias(ours, a), alias(a, b), b"\1b\0" + RECORD[2:]]
    for records in (chain, chain[::-1], [OTHERS] + chain, [chain[0], OTHERS, chain[2], chain[1]]):
        found, _ = ask(lambda query: reply(query, b"".join(records), len(records)))
        assert found == "10.1.2.3", records
    # one that ends the answer; one that leads back
    assert no_such_name(lambda query: reply(query, alias(ours, a), 1))
    assert no_such_name(lambda query: reply(query, alias(ours, a) + alias(a, ours), 2))


def test_names_whose_pointers_lead_nowhere():
    for owner in (b"\xc0\x1c", b"\xc0\xff", b"\xff\xff", b"\x40a\0", b"\x80a\0", b"\xc0\x1e"):
        assert no_such_name(lambda query: reply(query, owner + RECORD[2:], 1)), owner
    # A label and a pointer back to it: a name without end.
    assert no_such_name(
        lambda query: reply(query, b"\x3f" + b"x" * 63 + b"\xc0\x1c" + RECORD[2:], 255)
    )


def test_an_address_that_leads_nowhere_or_to_many_is_none():
    for address in (
        "0.0.0.0",
        "0.0.0.1",
        "224.0.0.251",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
    ):
        record = RECORD[:12] + bytes([int(part) for part in address.split(".")])
        assert no_such_name(lambda query: reply(query, record)), address
        found, _ = ask(lambda query: reply(query, record + RECORD, 2))
        assert found == "10.1.2.3", address


def test_an_answer_that_is_cut_short():
    cut = b"\x83\x80"
    found, _ = ask(lambda query: reply(query, RECORD, 1, cut))
    assert found == "10.1.2.3", "what there is of it is true"
    found, lookup = ask(lambda query: reply(query, b"", 0, cut), servers=(DNS, OTHER))
    assert found is None and "cut short" in lookup._fault
    net = lookup._sock
    lookup.step(1000)
    assert net.sent[-1][1] == (OTHER, 53), "another one is asked"


def test_capitals_are_nothing():
    found, _ = ask(lambda query: reply(query[:12] + query[12:].upper()[:11] + query[23:]))
    assert found == "10.1.2.3"


def test_what_is_not_an_answer_to_our_question():
    for answer in (
        lambda query: bytes((query[0] ^ 1,)) + reply(query)[1:],  # another id
        lambda query: reply(query, head=b"\1\0"),  # a question
        lambda query: reply(query)[:4] + b"\0\2" + reply(query)[6:],
        lambda query: reply(query[:12] + b"\6bracer" + query[19:]),  # another name
        lambda query: (reply(query), (OTHER, 53)),
        lambda query: (reply(query), (DNS, 54)),
        lambda query: query,
        b"",
        bytes(11),
    ):
        found, _ = ask(answer)
        assert found is None
        found, _ = ask(answer, reply)
        assert found == "10.1.2.3"


def no_such_name(*answers):
    try:
        ask(*answers)
    except OSError as e:
        return "no such name" in str(e)
    return False


def test_no_address_in_it():
    assert no_such_name(lambda query: reply(query, b"", 0))
    assert no_such_name(lambda query: reply(query, b"", 0, b"\x81\x83"))
    # version 6 only
    assert no_such_name(
        lambda query: reply(query, b"\xc0\x0c\0\x1c\0\1\0\0\0\0\0\x10" + bytes(16))
    )


def test_every_truncation_and_every_changed_byte_ends_well():
    query = _query("broker.lan")
    whole = reply(query, RECORD * 2, 2)
    for size in range(len(whole)):
        check(query, whole[:size])
    for i in range(len(whole)):
        for bits in (1, 0x80, 0xFF):
            check(query, whole[:i] + bytes((whole[i] ^ bits,)) + whole[i + 1 :])


def check(query, data):
    lookup = Lookup("broker.lan", (DNS,))
    lookup._sock.close()
    lookup._query = query
    lookup._sock = Net(data)
    try:
        found = lookup.step(0)
    except OSError:
        return
    assert found is None or is_address(found)


def test_servers_are_asked_in_turn():
    lookup = Lookup("broker.lan", (DNS, OTHER))
    lookup._sock.close()
    net = lookup._sock = Net()
    for now in range(0, 7000, 50):
        assert lookup.step(now) is None
    assert [peer[0] for packet, peer in net.sent] == [DNS, OTHER, DNS]
    assert len({packet for packet, peer in net.sent}) == 1, "a late answer to the first counts"
