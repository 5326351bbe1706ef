"""Payloads that are never in memory as a whole, both ways."""

import io

from mqtt_peer import Broker, Net, connect, greet, published, run, split

from mqtt import Client
from mqtt.stream import Stream


class Image:
    """A file of any size that costs no memory; its bytes tell where they are from."""

    def __init__(self, size):
        self.size = size
        self.at = 0
        self.seeks = 0

    def tell(self):
        return self.at

    def seek(self, at):
        self.seeks += 1
        self.at = at

    def readinto(self, buf):
        n = min(len(buf), self.size - self.at, 300)
        for i in range(n):
            buf[i] = (self.at + i) % 251
        self.at += n
        return n


class Counter(Broker):
    """Checks a PUBLISH as its bytes come, and keeps none of them."""

    size = 0
    wrong = 0
    head = b""
    whole = 0
    head_size = 0

    def written(self, wire):
        if self.mute:
            data = wire.outbox
            wire.outbox = bytearray()
            if len(self.head) < self.head_size:
                n = self.head_size - len(self.head)
                self.head += data[:n]
                data = data[n:]
            for i in range(0, len(data), 97):  # samples
                at = self.size + i
                self.wrong += at < 500000 and data[i] != at % 251
            self.size += len(data)
        else:
            super().written(wire)


def test_half_a_megabyte_from_a_small_heap():
    size = 500000
    broker = Counter()
    net = Net(broker)
    client = Client("c", "broker", net=net)
    connect(client)
    broker.mute = True
    # 2 + 5 + 2 + 500000 = 500009 = 0x1E8AA9? three bytes of length: 1 + 3 + 2 + 5 + 2
    broker.head_size = 1 + 3 + 2 + 5 + 2
    pid = client.send(b"image", Stream(Image(size), size), qos=1)
    assert pid == 1
    assert client.send(b"image", Stream(Image(5), 5)) is None  # one at a time
    assert client.send(b"after", b"it", qos=0) == 0
    now = 0
    while broker.size < size:
        client.step(now)
        now += 9000  # far over any deadline in all, but it moves
    net.broker.mute = False
    assert broker.wrong == 0 and broker.size >= size
    n = 500009
    length = bytes((n & 127 | 128, n >> 7 & 127 | 128, n >> 14))
    assert broker.head == b"\x32" + length + b"\x00\x05image\x00\x01"
    broker.say(b"\x40\x02\x00\x01")
    assert run(client, now)[0] == [1] and client.pending == 0
    assert client.send(b"image", Stream(Image(5), 5)) == 0  # there is room for another


def stream(source, size, qos, budget, takes=None):
    broker = Broker()
    broker.session = True
    net = Net(broker)
    net.setup = lambda wire: setattr(wire, "takes", takes)
    client = Client("c", "broker", net=net)
    connect(client)
    broker.budget = budget
    before = client.send(b"t", b"before", qos=qos)
    pid = client.send(b"t", Stream(source, size), qos=qos)
    after = client.send(b"t", b"after", qos=qos)
    acked = []
    cut = False
    for _ in range(4):
        try:
            for _ in range(400 if takes else 40):
                acked += client.step(0)[0]
            break
        except OSError:
            cut = True
            broker.budget = None
            client.start(0)
    assert sorted(acked) == [before, pid, after] and client.pending == 0
    return [payload for topic, payload in broker.seen], cut


def test_cut_at_every_byte():
    content = b"".join(b"%04d" % i for i in range(150))  # 600 bytes: two pieces
    for qos in (1, 2):
        budget = 0
        while True:
            seen, cut = stream(io.BytesIO(content), len(content), qos, budget)
            if qos == 2:
                assert seen == [b"before", content, b"after"], budget
            assert {b"before", content, b"after"} == set(seen), (budget, len(seen))
            if not cut:
                break
            budget += 1 if budget < 30 or budget > 600 else 37
        assert budget > 620


def test_the_link_dies_while_the_socket_takes_no_more():
    """A socket that took all at once left nothing to go on with: the payload went on behind the next CONNECT."""
    content = b"".join(b"%04d" % i for i in range(150))
    for qos in (1, 2):
        for more in (0, 1, 2):  # messages behind it
            for takes in (1, 2, 5, 20, 100, 400):
                broker = Broker()
                net = Net(broker)
                client = Client("c", "broker", net=net)
                connect(client)
                net.wire.takes = takes
                pid = client.send(b"t", Stream(io.BytesIO(content), len(content)), qos=qos)
                net.wire.takes = 0
                pids = [pid] + [client.send(b"t", b"behind", qos=1) for _ in range(more)]
                for _ in range(2):  # the second time it ends before CONNACK
                    client.close()
                    broker.mute = True
                    client.start(0)
                    for _ in range(3):
                        client.step(0)
                    assert [kind for kind, _ in broker.log[-1:]] == [0x10] and not broker.rest
                client.close()
                broker.mute = False
                broker.seen.clear()
                client.start(0)
                acked = run(client)[0]
                assert sorted(acked) == sorted(pids) and not client.pending, (qos, more, takes)
                payloads = [payload for _, payload in broker.seen]
                assert sorted(payloads) == [content] + [b"behind"] * more


class Prompt(Counter):
    """Acknowledges as soon as all bytes are there."""

    def written(self, wire):
        super().written(wire)
        if self.mute and self.size == self.whole:
            self.whole = 0
            self.say(b"\x40\x02\x00\x01")


def test_the_answer_comes_with_the_last_byte():
    for pieces in (1, 8, 9, 16):  # of 300 bytes, of which a call sends eight
        broker = Prompt()
        broker.whole = size = 300 * pieces
        client = Client("c", "broker", net=Net(broker))
        connect(client)
        broker.mute = True
        broker.head_size = 1 + 2 + 2 + 1 + 2
        client.send(b"t", Stream(Image(size), size), qos=1)
        assert run(client)[0] == [1] and broker.size == size and not broker.wrong, pieces


def test_from_an_iterable():
    for takes in (None, 1):
        seen, _ = stream([b"ab", b"", b"c" * 700, b"d"], 703, 2, None, takes)
        assert seen == [b"before", b"ab" + b"c" * 700 + b"d", b"after"]
    seen, cut = stream([b"ab", b"c" * 700, b"d"], 703, 1, 300)
    assert cut and b"ab" + b"c" * 700 + b"d" in seen  # iterated anew


def test_its_beginning_needs_room_for_the_length_of_it_all():
    net = Net(Broker())
    client = Client("c", "broker", net=net, buffer=64 + 20)
    connect(client)
    net.wire.takes = 0
    assert client.send(b"t", b"x" * 7) == 0  # 12 bytes
    assert client.send(b"t", Stream(Image(500000), 500000), qos=1) is None  # 9
    net.wire.takes = None
    run(client)
    net.wire.takes = 0
    assert client.send(b"t", b"x" * 6) == 0
    assert client.send(b"t", Stream(Image(500000), 500000), qos=1) == 1


def test_its_place_moves_with_what_is_before_it():
    for taken in (0, 3, 8):  # of its beginning
        broker = Broker()
        net = Net(broker)
        client = Client("c", "broker", net=net, buffer=256)
        connect(client)
        broker.hear = lambda first, pid, answer: []
        client.send(b"t", b"1" * 36, qos=1)
        net.wire.takes = 0

        def written(wire, net=net):
            wire.takes -= wire.writes[-1]
            Net.written(net, wire)

        client.send(b"t", Stream(io.BytesIO(b"2" * 600), 600), qos=1)
        if taken:
            net.wire.takes, net.written = taken, written
            client.step(0)
            del net.written
        client.send(b"t", b"3" * 100, qos=1)
        broker.say(b"\x40\x02\x00\x01")
        assert client.step(0)[0] == [1]
        assert client.send(b"t", b"4" * 60, qos=1) == 4  # in the place of the first
        net.wire.takes = None
        run(client)
        sent = [b"1" * 36, b"2" * 600, b"3" * 100, b"4" * 60]
        assert [payload for _, payload in broker.seen] == sent
        client.close()
        broker.hear, broker.seen = None, []
        assert connect(client)[0] == [2, 3, 4]
        assert [payload for _, payload in broker.seen] == sent[1:]


def test_empty():
    assert stream(io.BytesIO(b""), 0, 1, None)[0] == [b"before", b"", b"after"]


def test_begins_where_the_file_is():
    f = io.BytesIO(b"headerbody")
    f.seek(6)
    assert stream(f, 4, 1, 14)[0][-2:] == [b"body", b"after"]


def test_qos_0_goes_with_the_connection():
    net = Net(Broker())
    client = Client("c", "broker", net=net)
    connect(client)
    net.wire.takes = 0
    assert client.send(b"t", Stream(io.BytesIO(b"x" * 600), 600)) == 0
    client.close()
    connect(client)
    run(client)
    assert net.broker.seen == []
    assert client.send(b"t", Stream(io.BytesIO(b"x" * 600), 600)) == 0
    run(client)
    assert net.broker.seen == [(b"t", b"x" * 600)]


def test_one_that_is_given_up_leaves_its_place_to_another():
    net = Net(Broker())
    client = Client("c", "broker", net=net)
    connect(client)
    net.wire.takes = 0
    assert client.send(b"t", Stream(io.BytesIO(b"x" * 600), 600), qos=2) == 1
    client.close()
    client.forget(1)
    connect(client)
    assert client.send(b"t", Stream(io.BytesIO(b"y" * 600), 600), qos=2) == 2
    assert run(client)[0] == [2] and net.broker.seen == [(b"t", b"y" * 600)]


def test_source_that_is_too_short_or_too_long_or_fails():
    class Bad:
        def readinto(self, buf):
            raise OSError(5)

    for source in (io.BytesIO(b"short"), [b"short"], [b"x" * 700], Bad(), (b for b in [b"x"])):
        net = Net(Broker())
        client = Client("c", "broker", net=net)
        connect(client)
        client.send(b"t", Stream(source, 600), qos=1)
        client.send(b"t", b"sound", qos=1)
        try:
            run(client)
            raise AssertionError("nobody noticed")
        except OSError:
            # the broken one is given up
            assert net.open() == 0 and client.in_flight == [2], source
        connect(client)
        run(client)
        assert net.broker.seen == [(b"t", b"sound")]


def test_received_into_a_sink():
    class Sink:
        def __init__(self):
            self.got = 0

        def write(self, data):
            self.got += len(data)

    sinks = []

    def choose(topic, size, retained, qos):
        sinks.append(Sink())
        return sinks[-1]

    net = Net(Broker())
    client = Client("c", "broker", net=net)
    client.set_sink(choose)
    connect(client)
    n = 3 + 2 + 100000
    net.broker.say(
        b"\x34" + bytes((n & 127 | 128, n >> 7 & 127 | 128, n >> 14)) + b"\x00\x01a\x00\x07"
    )
    arrived = []
    for _ in range(100):
        net.broker.say(b"x" * 1000)
        arrived += run(client, steps=3)[1]
    assert sinks[0].got == 100000 and arrived == [(b"a", sinks[0], False, 2)]
    assert (0x50, 7) in net.broker.log


def test_stream_bytes_as_the_broker_reads_them():
    net = Net(None)
    client = Client("c", "broker", net=net)
    greet(net, client)
    client.send("t", Stream([b"ab", b"c"], 3), retain=True, qos=2)
    ((first, body),) = split(net.wire.outbox)[0]
    assert published(first, body) == (b"t", b"abc", 2, 1, False, True)
