"""Two boards with one name, at one broker: who keeps it, what the other does, and that no reading is ever taken for another's."""

import json
import os

import test_app
from test_app import Run

HEAP = "4m"  # the broker keeps what identifies each reading
TIMEOUT = 60
STEP = 100


class Broker:
    """Retained messages, and one connection a client id, as with a kept session: no will when it is taken over."""

    def __init__(self):
        self.retained = {}
        self.clients = {}
        self.taken_over = 0
        self.readings = []  # (topic, boot, seq)
        self.offline = 0

    def connect(self, client):
        other = self.clients.get(client.client_id)
        if other and other is not client:
            other.connected = False
            other.lost = True
            self.taken_over += 1
        self.clients[client.client_id] = client

    def publish(self, topic, payload, retain):
        self.offline += topic == b"outpost/attic/status" and payload == b"offline"
        if retain and payload:
            self.retained[topic] = payload
        elif retain:
            self.retained.pop(topic, None)
        if b'"seq"' in payload:
            reading = json.loads(payload)
            prefix = topic.decode().rsplit("/", 2)[0]
            self.readings.append((prefix, reading["boot"], reading["seq"]))
        for client in self.clients.values():
            if topic in client.topics and client.connected:
                client.inbox.append((topic, payload, False, 0))

    def dies(self, client):
        """The power of a node fails: some time later comes its will."""
        client.connected = False
        if self.clients.get(client.client_id) is client:
            del self.clients[client.client_id]
            self.publish(client.will[0], client.will[1], True)


class Client(test_app.Client):
    broker = None
    lost = False
    slow = 0  # steps until the broker's answer to a subscription is there

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.topics = []
        self.inbox = []
        self.refused = []
        self.opening = False
        self.subscriptions = self
        self.late = []  # what comes with such an answer

    def waiting(self):
        return bool(self.late)

    def want(self, pattern, qos):
        if qos is None:
            self.topics = [topic for topic in self.topics if topic != pattern]
            return
        self.topics.append(pattern)
        if self.connected and pattern in self.broker.retained:
            self.late.append([self.slow, (pattern, self.broker.retained[pattern], True, 0)])

    def start(self, now, *args, **options):
        self.opening = True
        self.lost = False

    def step(self, now):
        if self.lost:
            raise OSError(104)
        if self.opening:
            self.opening = False
            self.connected = True
            self.broker.connect(self)
        self.inbox += [message for steps, message in self.late if steps <= 0]
        self.late = [[steps - 1, message] for steps, message in self.late if steps > 0]
        arrived, self.inbox = self.inbox, []
        acked, self.unacked = self.unacked, []
        return acked, arrived

    def send(self, topic, payload, retain=False, qos=0, pid=0, dup=False):
        if self.connected:
            self.broker.publish(topic, bytes(payload), retain)
        return super().send(topic, payload, retain, qos, pid, dup)

    def close(self):
        self.connected = False
        self.opening = False

    disconnect = close


class Place:
    """A board with its own flash: what runs on it, over its resets."""

    def __init__(self, broker, id, name="attic", client_id="", base="outpost"):
        self.broker = broker
        self.base = base
        self.client_id = client_id
        self.id = id
        self.name = name
        self.folder = os.getcwd() + "/" + id
        os.mkdir(self.folder)
        self.log = []
        self.start()

    def start(self):
        self._enter()
        Client.broker = self.broker
        test_app.Client = Client
        place = self

        class Board(BOARD):
            id = place.id

        def settings():
            chosen = SETTINGS()
            chosen["mqtt"]["client_id"] = self.client_id
            chosen["node"]["base"] = self.base
            return chosen

        test_app.Board = Board
        test_app.settings = settings
        self.run_ = Run(name=self.name)
        self.node = self.run_.node
        self.node.log.level = 2
        self.client = self.node.uplink.client

    def _enter(self):
        os.chdir(self.folder)

    def turn(self):
        self._enter()
        self.run_.run(STEP, STEP)
        self.client.sent.clear()
        for line in self.node.log.waiting:
            if line not in self.log:
                self.log.append(line)
        if self.run_.board.resets:
            if self.client.connected:
                self.broker.dies(self.client)
            self.start()


BOARD = test_app.Board
SETTINGS = test_app.settings


class Before:
    """A board with earlier firmware: its info has no id, and it comes back whatever happens."""

    client_id = "attic"
    connected = False

    def __init__(self, broker):
        self.broker = broker
        self.topics = []
        self.inbox = []
        self.turns = 0

    def turn(self):
        self.turns += 1
        if not self.connected and self.turns % 20 == 0:
            self.connected = True
            self.broker.connect(self)
            self.broker.publish(b"outpost/attic/status", b"online", True)
            self.broker.publish(b"outpost/attic/info", b'{"version":"0.0.9"}', True)
        if self.connected and self.turns % 600 == 0:
            self.broker.publish(b"outpost/attic/health", b"{}", False)


def live(seconds, *places):
    for _ in range(seconds * 1000 // STEP):
        for place in places:
            place.turn()


def who_holds_the_name(broker, topic=b"outpost/attic/info"):
    return json.loads(broker.retained[topic])["id"]


def alike(broker):
    """How many pairs of readings share an identity."""
    return len(broker.readings) - len(set(broker.readings))


def two_boards():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    second = Place(broker, "bbbbbb")
    live(60, first, second)
    return broker, first, second


def test_the_second_board_takes_a_name_of_its_own_and_says_so():
    # They threw each other out for ever, without a word, and ten of twenty (boot, seq) stood for two readings.
    broker, first, second = two_boards()
    assert second.node.name == "attic-bbbbbb" and first.node.name == "attic"
    assert broker.taken_over <= 5, broker.taken_over
    assert (
        who_holds_the_name(broker) == "aaaaaa"
        and who_holds_the_name(broker, b"outpost/attic-bbbbbb/info") == "bbbbbb"
    )
    info = json.loads(broker.retained[b"outpost/attic-bbbbbb/info"])
    assert info["name_taken"] == "attic is board aaaaaa"
    assert second.client.client_id == "attic-bbbbbb"
    assert second.client.will[0] == b"outpost/attic-bbbbbb/status"
    assert broker.retained[b"outpost/attic/status"] == b"online"
    assert any("attic is board aaaaaa, too" in line for line in second.log), second.log
    assert alike(broker) == 0
    mine = {boot for prefix, boot, _ in broker.readings if prefix == "outpost/attic-bbbbbb"}
    assert mine == {second.node.delivery.boot}
    before = broker.taken_over
    live(4000, first, second)
    assert broker.taken_over == before, "who is online keeps its name"


def test_two_bases_of_several_levels_may_each_have_a_node_of_one_name():
    # The client id was the name alone: they threw each other out for ever.
    broker = Broker()
    first = Place(broker, "aaaaaa", base="home/ground")
    second = Place(broker, "bbbbbb", base="home/first")
    third = Place(broker, "cccccc", base="home/first")
    live(5, first, second)
    live(60, first, second, third)
    assert first.client.client_id == "home/ground/attic"
    assert second.client.client_id == "home/first/attic"
    # In one base it tells them apart as ever.
    assert third.client.client_id == "home/first/attic-cccccc"
    assert first.client.connected and second.client.connected and third.client.connected
    before = broker.taken_over
    live(100, first, second, third)
    assert broker.taken_over == before


def test_the_others_health_says_that_it_is_alive():
    # With a client id each nobody is thrown out: only the other's messages tell.
    broker = Broker()
    first = Place(broker, "aaaaaa", client_id="one")
    live(5, first)
    second = Place(broker, "bbbbbb", client_id="two")
    live(100, first, second)
    assert second.node.name == "attic-bbbbbb" and broker.taken_over == 0
    assert who_holds_the_name(broker) == "aaaaaa" and alike(broker) == 0
    # The second has said goodbye before it left: its will would have called the first offline.
    assert broker.offline == 0 and broker.retained[b"outpost/attic/status"] == b"online"


def test_a_retained_health_says_nothing_of_who_is_alive():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    broker.publish(b"outpost/attic/health", b"{}", True)  # by a bridge that retains everything
    second = Place(broker, "bbbbbb")
    live(100, second)
    assert second.node.name == "attic" and who_holds_the_name(broker) == "bbbbbb"
    assert any("stands in for it" in line for line in second.log), second.log


def test_who_stands_in_does_not_take_its_own_health_for_the_others():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    second = Place(broker, "bbbbbb")
    live(95, second)
    assert who_holds_the_name(broker) == "bbbbbb"
    second.client.lost = True  # it may still hear what it said on the connection before
    live(1, second)
    broker.publish(b"outpost/attic/health", b"{}", False)
    live(300, second)
    assert second.node.name == "attic" and second.run_.board.resets == 0


def test_one_client_id_for_both_is_no_longer_one_when_the_second_has_its_own_name():
    broker = Broker()
    first = Place(broker, "aaaaaa", client_id="one")
    live(5, first)
    second = Place(broker, "bbbbbb", client_id="one")
    live(60, first, second)
    assert second.node.name == "attic-bbbbbb" and second.client.client_id == "one-bbbbbb"
    before = broker.taken_over
    live(600, first, second)
    assert broker.taken_over == before and first.client.connected and second.client.connected


def test_on_a_full_flash_nothing_is_said_under_the_name():
    from firmware import files

    def full(path, text):
        if path == "state/alias" and len(tries) < 2:
            tries.append(path)
            raise OSError(28)
        write(path, text)

    tries = []
    write, files.write = files.write, full
    broker = Broker()
    first = Place(broker, "aaaaaa", client_id="one")
    live(5, first)
    second = Place(broker, "bbbbbb", client_id="two")
    while len(tries) < 2:
        live(10, first, second)
        assert who_holds_the_name(broker) == "aaaaaa"
    assert second.run_.board.resets == 0
    boot = second.node.delivery.boot
    assert not [each for each in broker.readings if each[1] == boot]
    live(90, first, second)
    files.write = write
    assert second.node.name == "attic-bbbbbb"
    assert [each for each in broker.readings if each[1] == boot], "they have waited"
    assert alike(broker) == 0


def test_readings_under_another_name_wait_until_the_broker_lets_them_through():
    # One with rules for `attic` acknowledges what comes from `attic-bbbbbb`, and drops it.
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    second = Place(broker, "bbbbbb")
    forbidden = [True]
    publish = broker.publish

    def rules(topic, payload, retain):
        if not (forbidden[0] and b"attic-bbbbbb" in topic):
            publish(topic, payload, retain)

    broker.publish = rules
    live(60, first, second)
    assert second.node.name == "attic-bbbbbb" and len(second.node.delivery.outbox) >= 40
    forbidden[0] = False
    second.client.lost = True
    live(30, first, second)
    seqs = {seq for _, boot, seq in broker.readings if boot == second.node.delivery.boot}
    assert len(second.node.delivery.outbox) <= 1 and len(seqs) >= second.node.seq - 1


def test_health_that_comes_rarely_is_waited_for():
    # 90 s without a sign were taken for the end of a board that says how it is each five minutes.
    chosen = test_app.settings

    def settings():
        rare = chosen()
        rare["publish"]["health_s"] = 300
        return rare

    globals()["SETTINGS"] = settings
    broker = Broker()
    first = Place(broker, "aaaaaa", client_id="one")
    live(30, first)
    second = Place(broker, "bbbbbb", client_id="two")
    live(500, first, second)
    assert not any("stands in for it" in line for line in second.log), second.log
    assert (first.node.name, second.node.name) == ("attic", "attic-bbbbbb")
    assert who_holds_the_name(broker) == "aaaaaa" and alike(broker) == 0


def test_a_board_that_was_replaced_has_its_successor():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    # The power is gone, and the broker does not know yet: the other's status is still `online`.
    second = Place(broker, "bbbbbb")
    live(100, second)
    assert second.node.name == "attic" and who_holds_the_name(broker) == "bbbbbb"
    assert any("stands in for it" in line for line in second.log), second.log
    boot = second.node.delivery.boot
    seqs = [seq for _, b, seq in broker.readings if b == boot]
    assert sorted(seqs) == list(range(1, second.node.seq + 1)), (
        "what was taken meanwhile has waited"
    )
    assert alike(broker) == 0 and second.run_.board.resets == 0
    live(70, second)
    assert not any("does not come back" in line for line in second.log), second.log
    first.start()  # it is mended, and switched on again
    live(60, first, second)
    assert (first.node.name, second.node.name) == ("attic-aaaaaa", "attic")
    assert who_holds_the_name(broker) == "bbbbbb" and alike(broker) == 0


def breaks(broker, place):
    """The link breaks; the broker notices, and publishes the will."""
    broker.dies(place.client)
    place.client.lost = True
    place.client.in_flight = [len(broker.readings)]  # each time another message was on its way


def test_a_link_that_breaks_is_no_other_board():
    # The predecessor is dead: of it there are info and status. The node was another one for an hour, or said nothing for ever.
    for number, seconds in enumerate((20, 40, 80)):
        os.chdir(START)
        os.mkdir("breaks%d" % number)
        os.chdir("breaks%d" % number)
        broker = Broker()
        first = Place(broker, "aaaaaa")
        live(5, first)
        broker.dies(first.client)
        second = Place(broker, "bbbbbb")
        for _ in range(240 // seconds):
            live(seconds, second)
            breaks(broker, second)
        assert second.node.name == "attic" and second.run_.board.resets == 0, seconds
        assert who_holds_the_name(broker) == "bbbbbb" and alike(broker) == 0
        boot = second.node.delivery.boot
        seqs = {seq for _, b, seq in broker.readings if b == boot}
        assert len(seqs) >= second.node.seq - 3, (len(seqs), second.node.seq)


def test_a_link_that_breaks_three_times_at_once_is_no_other_board():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    broker.dies(first.client)
    second = Place(broker, "bbbbbb")
    for _ in range(3):
        live(4, second)
        breaks(broker, second)
    live(100, second)
    assert second.node.name == "attic" and who_holds_the_name(broker) == "bbbbbb"
    # One that goes on like that is held for the other: nobody can tell.
    os.chdir(START)
    second = Place(broker, "cccccc")
    for _ in range(8):
        live(4, second)
        breaks(broker, second)
    assert second.node.name == "attic-cccccc"


def test_where_the_broker_says_offline_when_a_connection_is_taken_over():
    broker = Broker()
    connect = broker.connect

    def will_too(client):
        other = broker.clients.get(client.client_id)
        if other and other is not client:
            broker.publish(b"outpost/attic/status", b"offline", True)
            other.in_flight = [1 + broker.taken_over]  # each time another message was on its way
        connect(client)

    broker.connect = will_too
    first = Place(broker, "aaaaaa")
    live(5, first)
    second = Place(broker, "bbbbbb")
    live(60, first, second)
    assert (first.node.name, second.node.name) == ("attic", "attic-bbbbbb")
    assert alike(broker) == 0 and who_holds_the_name(broker) == "aaaaaa"


def test_an_info_that_comes_now_says_that_the_other_is_alive():
    # Of two boards in turn: the node was silent for ever.
    broker = Broker()
    broker.publish(b"outpost/attic/info", b'{"id":"deadbeef0001"}', True)
    board = Place(broker, "bbbbbb")
    live(1, board)
    for i in range(20):
        broker.publish(b"outpost/attic/info", b'{"id":"deadbeef000%d"}' % (i % 2), True)
        live(30, board)
    assert board.node.name == "attic-bbbbbb"
    boot = board.node.delivery.boot
    seqs = {seq for _, b, seq in broker.readings if b == boot}
    assert len(seqs) >= board.node.seq - 1 > 400, (len(seqs), board.node.seq)


def test_who_stands_in_hears_what_it_says():
    """The name's status was another's; from now on it is its own, and has to come back."""
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    broker.dies(first.client)
    second = Place(broker, "bbbbbb")
    live(30, second)
    breaks(broker, second)
    live(180, second)
    assert who_holds_the_name(broker) == "bbbbbb" and second.node.control.heard
    assert second.node.namesake is None and second.node.control.fault is None


def test_the_name_comes_back_when_the_others_info_is_taken_back():
    broker, first, second = two_boards()
    broker.dies(first.client)
    broker.publish(b"outpost/attic/info", b"", True)
    live(5, second)
    assert (
        second.node.name == "attic"
        and who_holds_the_name(broker) == "bbbbbb"
        and alike(broker) == 0
    )


def test_the_name_comes_back_when_the_other_has_been_away_for_an_hour():
    broker, first, second = two_boards()
    broker.dies(first.client)
    live(3000, second)
    assert second.node.name == "attic-bbbbbb"
    live(900, second)
    assert (
        second.node.name == "attic"
        and who_holds_the_name(broker) == "bbbbbb"
        and alike(broker) == 0
    )


def test_an_id_that_no_board_has_is_no_other_board():
    # It filled `info` and `health`.
    from firmware.link import namesake

    os.mkdir("state")
    for other, found in (
        ("f" * 32, True),
        ("without-id", True),
        ("f" * 33, False),
        ("f" * 1000, False),
    ):
        with open("state/alias", "w") as f:
            f.write("attic " + other)
        node, taken = namesake.name({"name": "attic"}, BOARD)
        assert (node, taken) == (("attic-a1b2c3", ("attic", other)) if found else ("attic", None))


def test_another_name_in_the_settings_settles_it():
    _, first, second = two_boards()
    second.name = "cellar"
    second.start()
    live(5, first, second)
    assert second.node.name == "cellar" and second.node.taken is None


def test_a_board_of_before_that_has_no_id_is_one_too():
    broker = Broker()
    old = Before(broker)
    live(5, old)
    second = Place(broker, "bbbbbb")
    live(120, old, second)
    assert second.node.name == "attic-bbbbbb" and broker.taken_over <= 8, broker.taken_over
    assert any("another node.name" in line for line in second.log), second.log
    before = broker.taken_over
    live(4000, old, second)
    assert broker.taken_over == before and old.connected


def test_on_a_slow_link_nothing_is_said_before_the_answer():
    # It introduced itself after half a second, over the other's `info`, which came six seconds later.
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    broker.dies(first.client)
    Client.slow = 60
    second = Place(broker, "bbbbbb")
    live(8, second)
    Client.slow = 0
    assert second.node.namesake.other == "aaaaaa" and who_holds_the_name(broker) == "aaaaaa"
    live(90, second)
    assert who_holds_the_name(broker) == "bbbbbb" and second.node.name == "attic"


def test_what_this_board_said_before_it_knew_of_the_other_is_not_the_others():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(5, first)
    second = Place(broker, "bbbbbb", name="other")
    second.client.want = lambda pattern, qos: None  # what it says does not come back, yet
    live(5, second)
    info = broker.retained[b"outpost/attic/info"].replace(b"aaaaaa", b"cccccc")
    second.client.inbox.append((b"outpost/other/info", info, True, 0))
    live(1, second)
    assert second.node.namesake.other == "cccccc" and second.node.control.introduced
    second.client.inbox.append((b"outpost/other/health", b"{}", False, 0))  # its own, from before
    live(15, second)
    assert second.run_.board.resets == 0 and second.node.name == "other"
    second.client.inbox.append((b"outpost/other/health", b"{}", False, 0))
    live(3, second)
    assert second.node.name == "other-bbbbbb"


def test_a_board_alone_waits_half_a_second_and_listens_no_longer():
    broker = Broker()
    first = Place(broker, "aaaaaa")
    live(2, first)
    assert who_holds_the_name(broker) == "aaaaaa"
    live(1, first)
    assert first.node.namesake is None and b"outpost/attic/info" not in first.client.topics


def test_an_info_with_anything_in_it_silences_nobody():
    # Retained, and one byte that is no UTF-8: the connection ended at it, every time. An id with a space: a reset a minute.
    for i, info in enumerate(
        (
            b'{"id":"\xff\xfe"}',
            b'{"id":"a b"}',
            b'{"id":"abc',
            b'{"id":""}',
            b'{"id":"%s"}' % (b"a" * 1000),
        )
    ):
        broker = Broker()
        broker.publish(b"outpost/attic/info", info, True)
        os.chdir(START)
        os.mkdir("%d" % i)
        os.chdir("%d" % i)
        board = Place(broker, "bbbbbb")
        live(3, board)
        broker.publish(b"outpost/attic/health", b"{}", False)
        live(3, board)
        assert board.node.name == "attic" and who_holds_the_name(broker) == "bbbbbb", info
        assert board.run_.board.resets == 0 and len(broker.readings) >= 4, info


START = os.getcwd()
