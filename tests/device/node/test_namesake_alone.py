"""firmware/link/namesake.py by itself, to the millisecond: what it waits for, what it counts, and what it takes for an id."""

import sys

from raising import raises

from firmware import files
from firmware.link import namesake
from firmware.topics import Topics

HEALTH_MS = 300000
OTHER = b'{"version":"0.1.0","id":"bbbbbb"}'


class Brokers:
    ended = 5


class Uplink:
    """Stands in for the client, too, and for its subscriptions."""

    connected = held = asks = False

    def __init__(self):
        self.brokers = Brokers()
        self.client = self.subscriptions = self
        self.goodbyes = 0

    def waiting(self):
        return self.asks

    def disconnect(self):
        self.goodbyes += 1


class Control:
    introduced = False

    def __init__(self):
        self.watched = {}
        self.heard = []

    def watch(self, topic, take):
        self.watched.pop(topic.decode(), None)
        if take:
            self.watched[topic.decode()] = take

    def hear(self, data, retained, uptime):
        self.heard.append((data, retained))


class Wifi:
    up = True


class Board:
    name = "pico_w-03e7452d2f"
    id = "e6614103e7452d2f"


class Node:
    """What a Namesake sees of a Node, which asks it on each connection. The time is the test's."""

    def __init__(self, taken=None):
        self.board = Board()
        self.name, self.taken = "attic", taken
        if taken:
            self.name += "-452d2f"
        self.topics = Topics("outpost", self.name)
        self.uplink = Uplink()
        self.control = Control()
        self.wifi = Wifi()
        self.health_ms = 60000
        self.namesake = None
        self.lines = []
        self.log = self
        self.resets = []
        self.uptime = 7000

    def warning(self, text):
        self.lines.append(text)

    error = warning

    def reset(self, why):
        assert self.uplink.goodbyes, "the will goes out"
        self.resets.append(why)

    def connect(self):
        self.uplink.connected = True
        self.namesake = namesake.begin(self, self.uptime)
        return self

    def after(self, ms):
        """Is the node to introduce itself after some time more?"""
        self.uptime += ms
        return self.namesake.step(self.uptime)

    def lose(self, ms):
        """The connection ends after so long."""
        assert not self.after(ms)
        self.uplink.connected = False
        assert not self.after(0)

    def comes(self, name, data, retained=False):
        self.control.watched["outpost/attic/" + name](data, retained, self.uptime)

    def watched(self):
        return sorted([topic.rpartition("/")[2] for topic in self.control.watched])


def rival(status=None):
    """A node that learns on its connection that the name is another board's."""
    node = Node().connect()
    node.comes("info", OTHER, True)
    if status:
        node.comes("status", status, True)
    return node


def alias():
    return files.read("state/alias")


def test_the_name_is_the_settings_or_the_boards_and_of_the_id_the_end_tells_two_apart():
    assert namesake.name({"name": ""}, Board) == (Board.name, None)
    assert namesake.name({"name": "attic"}, Board) == ("attic", None)
    files.make_folder()
    files.write("state/alias", "attic bbbbbb")
    assert namesake.name({"name": "attic"}, Board) == ("attic-452d2f", ("attic", "bbbbbb"))
    assert namesake.name({"name": "cellar"}, Board) == ("cellar", None)


def test_alone_it_waits_half_a_second_and_listens_a_minute():
    node = Node().connect()
    assert "firmware.link.namesake" not in sys.modules, "it is let go of"
    assert node.watched() == ["info"] and node.uplink.held
    assert not node.after(499) and node.uplink.held
    assert node.after(1) and node.control.introduced and not node.uplink.held
    assert node.lines == []
    assert not node.after(59499) and node.namesake
    assert not node.after(1)
    assert node.namesake is None and node.watched() == ["status"]
    assert node.control.watched["outpost/attic/status"] == node.control.hear


def test_the_half_second_begins_with_the_answer_to_the_subscription():
    node = Node().connect()
    node.uplink.asks = True
    assert not node.after(20000)
    node.uplink.asks = False
    assert not node.after(499)
    assert node.after(1)


def test_on_the_next_connection_it_asks_again():
    node = Node().connect()
    assert node.after(500)
    node.lose(1000)
    node.connect()
    assert node.uplink.held and not node.after(499)
    assert node.after(1)


def test_its_own_info_makes_it_sure():
    node = Node().connect()
    node.comes("info", b'{"id":"%s"}' % Board.id, True)
    assert node.after(0) and node.control.introduced
    assert not node.after(0) and node.namesake, "what it says now has not come back"
    node.comes("info", b"{}")
    assert not node.after(0) and node.namesake is None and node.lines == []
    node = rival()
    node.comes("info", b'{"id":"%s"}' % Board.id, True)
    assert node.after(0) and len(node.lines) == 1, "nobody is gone"


def test_an_info_without_id_that_comes_first_is_no_other_board():
    for info in b'{"version":"0.0.9"}', b"":
        node = Node().connect()
        node.comes("info", info, True)
        assert node.namesake.other is None and not node.after(499)
        assert node.after(1)


def test_of_another_nothing_is_heard_for_a_minute_and_a_half():
    node = rival(b"offline")
    node.health_ms = HEALTH_MS
    assert node.watched() == ["health", "info", "status"]
    assert node.lines == ["node: board bbbbbb is called attic, too"]
    assert not node.after(89999) and node.uplink.held
    assert node.after(1) and not node.uplink.held
    assert node.lines[1:] == ["node: board bbbbbb is gone: this one stands in for it"]
    assert node.namesake.other is None and node.control.introduced


def test_while_its_status_is_online_health_is_waited_for_half_as_long_again():
    for health_ms, ms in ((HEALTH_MS, 450000), (61000, 91500), (40000, 90000)):
        node = rival(b"online")
        node.health_ms = health_ms
        assert not node.after(ms - 1)
        assert node.after(1)


def test_earlier_connections_count_but_for_what_was_before_another_board_came():
    node = rival()
    node.lose(10000)
    node.connect()
    node.lose(20000)
    node.connect()
    assert not node.after(59999)
    node.comes("info", OTHER.replace(b"b", b"c"), True)
    assert not node.after(89999)
    assert node.after(1) and node.lines[-1].startswith("node: board cccccc")


def test_an_end_within_ten_seconds_counts_twice_where_the_status_is_online():
    node = rival(b"online")
    node.lose(9999)
    assert node.uplink.brokers.ended == 0, "nothing was sent that a broker could not bear"
    assert not node.after(100) and node.resets == []
    node.connect()
    node.comes("status", b"online", True)
    node.lose(10000)
    node.connect()
    node.comes("status", b"online", True)
    assert node.resets == []
    node.lose(9999)
    assert node.resets == ["board bbbbbb is called attic, too: give one of them another node.name"]
    assert alias() == "attic bbbbbb" and node.uplink.goodbyes == 1


def test_where_it_is_not_online_six_times():
    # It was on the connection before, and nothing of the kind has come on this one.
    node = rival(b"online")
    for _ in range(5):
        node.lose(100)
        node.connect()
        assert node.resets == []
        node.comes("status", b"online")  # not retained: it may be this board's own
    node.lose(100)
    assert len(node.resets) == 1 and node.control.heard == [(b"online", True)] + 5 * [
        (b"online", False)
    ]


def test_an_end_without_wifi_or_without_another_board_is_none():
    node = rival(b"online")
    node.wifi.up = False
    for _ in range(4):
        node.lose(100)
        node.connect()
        node.comes("status", b"online", True)
    assert node.resets == [] and not node.after(89599)
    assert node.after(1)
    node = Node().connect()
    for _ in range(9):
        node.lose(100)
        node.connect()
    assert node.resets == [] and node.uplink.brokers.ended == 5


def test_a_board_of_before_is_another_once_this_one_has_said_its_id():
    # It has taken over one connection already.
    for status, ends in ((b"online", 1), (b"offline", 5)):
        node = Node().connect()
        assert node.after(500)
        node.comes("info", b'{"version":"0.0.9"}')  # not retained: nobody has kept it
        assert node.namesake.other is None
        for _ in range(ends):
            assert node.resets == []
            node.connect()
            node.comes("info", b'{"version":"0.0.9"}', True)
            node.comes("status", status, True)
            assert node.namesake.other == "without-id"
            node.lose(100)
        assert len(node.resets) == 1 and alias() == "attic without-id"


def test_another_that_comes_later_silences_the_node_again():
    node = Node().connect()
    assert node.after(500)
    node.comes("info", OTHER, True)
    assert node.uplink.held and not node.after(89999)
    assert node.after(1)


def test_health_is_the_others_when_it_cannot_be_this_boards():
    node = rival()
    node.comes("health", b"{}", True)
    assert node.resets == []
    node.comes("health", b"{}")
    assert len(node.resets) == 1
    node = rival()
    node.control.introduced = True  # on a connection before
    assert not node.after(9999)
    node.comes("health", b"{}")
    assert node.resets == [] and not node.after(1)
    node.comes("health", b"{}")
    assert len(node.resets) == 1


def test_a_new_info_says_that_the_other_is_alive():
    node = rival()
    node.comes("info", OTHER, True)
    assert node.resets == []
    node.comes("info", OTHER)
    assert len(node.resets) == 1


def test_on_a_full_flash_it_goes_on_as_if_nothing_had_ended():
    def full(path, text):
        raise OSError(28)

    write, namesake.write = namesake.write, full
    node = rival()
    node.lose(80000)
    node.connect()
    node.comes("info", OTHER)
    assert node.resets == [] and node.uplink.goodbyes == 0
    assert not node.after(89999), "it is alive all the same"
    node.comes("health", b"{}")
    for _ in range(5):
        node.lose(100)
        node.connect()
    namesake.write = write
    assert node.resets == []
    node.lose(100)
    assert len(node.resets) == 1


def under_its_own_name():
    files.make_folder()
    files.write("state/alias", "attic bbbbbb")
    node = Node(("attic", "bbbbbb"))
    node.uplink.held = True
    node.connect()
    assert not node.uplink.held and node.watched() == ["info", "status"]
    assert node.after(0) and not node.after(0), "it introduces itself once a connection"
    return node


def test_under_a_name_of_its_own_it_asks_again_when_the_others_info_is_taken_back():
    node = under_its_own_name()
    node.comes("info", OTHER, True)
    assert not node.after(1000) and node.resets == []
    node.comes("info", b"")
    node.after(0)
    assert node.resets == ["the name attic may be free"] and alias() is None


def test_without_memory_to_say_goodbye_it_asks_again_a_moment_later():
    # The alias was removed by then; that it was not there kept the node from ever starting again.
    def scarce():
        raise MemoryError

    node = under_its_own_name()
    goodbye, node.uplink.disconnect = node.uplink.disconnect, scarce
    node.comes("info", b"")
    raises(MemoryError, node.after, 0)
    assert node.resets == []
    node.uplink.disconnect = goodbye
    node.after(0)
    assert node.resets == ["the name attic may be free"] and alias() is None


def test_where_the_alias_cannot_be_removed_it_keeps_it():
    def broken(path):
        raise OSError(5)

    class Os:
        remove = staticmethod(broken)

    node = under_its_own_name()
    os, namesake.os = namesake.os, Os
    node.comes("info", b"")
    node.after(0)
    assert node.resets == [] and node.uplink.goodbyes == 0
    namesake.os = os
    node.after(0)
    assert node.resets == ["the name attic may be free"]


def test_and_when_the_other_was_not_online_for_an_hour():
    node = under_its_own_name()
    node.comes("status", b"online")
    node.after(4000000)
    node.comes("status", b"offline")
    node.after(1000000)
    node.comes("status", b"offline", True)
    node.connect()
    assert node.after(0), "it introduces itself again"
    node.after(2599999)
    assert node.resets == []
    node.after(1)
    assert node.resets == ["the name attic may be free"]
    node = under_its_own_name()
    node.after(3599999)
    assert node.resets == []
    node.after(1)
    assert node.resets == ["the name attic may be free"]


def test_what_is_an_id():
    for text in "0", "9", "a", "f", "0123456789abcdef" * 2:
        assert namesake._id(b'"id":"%s","version":"0.1.0"' % text) == text
    for text in "", "/", ":", "`", "g", "A", "0" * 33:
        assert namesake._id(b'{"id":"%s"}' % text) is None, text
    for info in b"", b'12345abc"', b'{"id":"abc', b'{"id":"':
        assert namesake._id(info) is None, info
