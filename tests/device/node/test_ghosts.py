"""What is retained at the broker of a node's earlier settings is taken back. The real client and uplink, a broker that keeps messages."""

import json
import os

from mqtt_peer import Broker, Net, publish
from unreadable import unreadable

import sim
from firmware.control import Control
from firmware.link import ghosts
from firmware.link.uplink import Uplink
from firmware.topics import OUTPUT, Topics, below
from firmware.upkeep.log import Log
from mqtt.client import Client

HEAP = "400k"

HERE = {"host": "a.test", "port": 1883, "user": "", "password": "", "tls": None}
PATH = "state/retained"


class Keeper(Broker):
    """Keeps retained messages, and gives them to whom subscribes."""

    def __init__(self):
        super().__init__()
        self.kept = {}
        self.forbidden = ()

    def publish(self, message):
        topic, payload, _, _, _, retain = message
        if topic not in self.forbidden:
            if retain and payload:
                self.kept[topic] = payload
            elif retain:
                self.kept.pop(topic, None)
            if topic in self.filters:
                self.say(publish(topic, payload))
        return super().publish(message)

    def answer(self, kind, pid, body, message):
        answer = super().answer(kind, pid, body, message)
        if kind == 0x80 and body[4:-1] in self.kept:
            topic = bytes(body[4:-1])
            answer.append(publish(topic, self.kept[topic], retain=True))
        if kind == 0xA0:
            self.filters.remove(body[4:])
        return answer


class Thing:
    pass


class Node:
    """From one start to the next: what the parts need of firmware/app.py's."""

    def __init__(
        self, broker, name="attic", outputs=(), id="a1b2c3", base="outpost", more=(), safe=False
    ):
        sim.virtual()
        self.board = Thing()
        self.board.id = id
        self.topics = Topics(base, name)
        self.log = Log("info")
        self.kept = [OUTPUT + name for name in outputs] + list(more)
        client = Client("c", "a.test", keepalive=60, net=Net(broker))
        settings = {"brokers": (HERE,), "clean_session": False}
        settings.update({"qos_max": 2, "retain": True, "window2": 20})
        self.uplink = Uplink(client, settings, self.log)
        self.control = Control(None, self.uplink, self.topics, None, None, self.log)
        self.uplink.arrived = self.control.arrived
        self.ghosts = ghosts.look(self, None if safe else self.kept)
        self.uptime = 0
        self.run()

    def run(self):
        for _ in range(40):
            self.uptime += 100
            if self.uplink.step(self.uptime, self.uptime, True, True):
                self.uplink.introduce(self.topics.status, b"online")
                info = '{"version":"1","id":"%s","boot":7}' % self.board.id
                self.uplink.introduce(self.topics.own("info"), info.encode())
                for name in self.kept:
                    self.uplink.introduce(self.topics.own(name), b'{"state":"ON"}')
                if self.ghosts:
                    self.ghosts.introduce()


def kept(broker):
    return sorted([topic.decode() for topic in broker.kept])


def known():
    with open(PATH) as f:
        return json.load(f)


def test_nothing_changed_costs_nothing():
    broker = Keeper()
    Node(broker, outputs=("lamp",))
    assert known() == {"outpost/attic": ["output/lamp"]}
    node = Node(broker, outputs=("lamp",))
    assert len(set(broker.filters)) == 3, "the commands, and its own status"
    assert list(node.control._watched) == [b"outpost/attic/status"]
    assert kept(broker) == ["outpost/attic/" + name for name in ("info", "output/lamp", "status")]


def test_more_than_is_remembered_is_told():
    broker = Keeper()
    Node(broker, outputs=("lamp",))
    before = known()
    node = Node(broker, outputs=["a-lamp-with-a-long-name-%d" % i for i in range(128)])
    warned = [line for line in node.log.waiting if "too many retained topics" in line]
    assert len(warned) == 1, node.log.waiting
    assert known() == before
    few = Node(broker, outputs=["lamp-%d" % i for i in range(128)])
    assert not any("too many" in line for line in few.log.waiting)
    assert len(known()["outpost/attic"]) == 128


def test_after_a_rename_nothing_of_the_old_name_is_left():
    for name, base in (("cellar", "outpost"), ("attic", "home/sensors")):
        broker = Keeper()
        Node(broker, outputs=("lamp", "fan"))
        assert len(broker.kept) == 4
        node = Node(broker, name, ("lamp",), base=base)
        prefix = base + "/" + name
        assert kept(broker) == [prefix + "/" + name for name in ("info", "output/lamp", "status")]
        assert known() == {prefix: ["output/lamp"]}
        assert len(node.control._watched) == 1 and b"outpost/attic/info" not in broker.filters
        assert node.log.waiting[-1].endswith("nothing is left at the broker of outpost/attic/info")
        os.remove(PATH)


def test_a_list_that_cannot_be_read_is_not_written_over():
    """What is left of the old name would stay at the broker for ever."""
    broker = Keeper()
    Node(broker, outputs=("lamp",))
    fault = unreadable(PATH)
    node = Node(broker, "cellar")
    fault.end()
    assert any("cannot be read: the next start looks again" in line for line in node.log.waiting)
    assert known() == {"outpost/attic": ["output/lamp"]}
    Node(broker, "cellar")
    assert kept(broker) == ["outpost/cellar/info", "outpost/cellar/status"]


def test_an_output_that_is_gone():
    broker = Keeper()
    Node(broker, outputs=("lamp", "fan"))
    Node(broker, outputs=("fan",))
    assert kept(broker) == ["outpost/attic/" + name for name in ("info", "output/fan", "status")]
    assert known() == {"outpost/attic": ["output/fan"]}


def test_in_safe_mode_no_bare_number_is_taken_for_current():
    """It stayed, beside a status `online`, while no sensor was read."""
    more = ("value/air/temperature", "value/air/humidity", "reading/air")
    broker = Keeper()
    Node(broker, outputs=("lamp",), more=more)
    Node(broker, safe=True)
    left = ["info", "output/lamp", "reading/air", "status"]
    assert kept(broker) == ["outpost/attic/" + name for name in left]
    node = Node(broker, outputs=("lamp",), more=more)
    assert sorted(known()["outpost/attic"]) == sorted(("output/lamp",) + more)
    assert not node.ghosts and len(broker.kept) == 6


def test_a_node_updated_from_a_layout_without_branches():
    """Names were right below the prefix: `outpost/attic/lamp`, and so they stand in its file."""
    broker = Keeper()
    for name in ("lamp", "room", "status", "info"):
        broker.kept[b"outpost/attic/" + name.encode()] = b'{"id":"a1b2c3"}'
    os.mkdir("state")
    with open(PATH, "w") as f:
        json.dump({"outpost/attic": ["lamp", "room"]}, f)
    node = Node(broker, outputs=("lamp",))
    assert kept(broker) == ["outpost/attic/" + name for name in ("info", "output/lamp", "status")]
    assert known() == {"outpost/attic": ["output/lamp"]} and not node.ghosts.gone
    assert list(node.control._watched) == [b"outpost/attic/status"]


def test_where_nothing_is_kept_any_more_it_is_forgotten():
    """A sensor that failed had its number taken back before it went."""
    broker = Keeper()
    Node(broker, outputs=("lamp",))
    del broker.kept[below("outpost/attic", "output/lamp")]
    node = Node(broker)
    assert known() == {"outpost/attic": []}
    assert list(node.control._watched) == [b"outpost/attic/status"]


def test_a_hundred_names():
    names = ["value/livingroom-%02d/temperature" % i for i in range(100)]
    broker = Keeper()
    node = Node(broker)
    ghosts.look(node, names)
    assert sorted(known()["outpost/attic"]) == names
    assert sorted(ghosts.look(node, []).gone) == names


def test_while_the_broker_does_not_let_it_each_start_tries_again():
    broker = Keeper()
    Node(broker)
    broker.forbidden = (b"outpost/attic/info", b"outpost/attic/status")
    for _ in range(2):
        Node(broker, "cellar")
        assert len(broker.kept) == 4
    broker.forbidden = ()
    Node(broker, "cellar")
    assert kept(broker) == ["outpost/cellar/info", "outpost/cellar/status"]


def test_renamed_and_renamed_while_the_broker_was_away():
    broker = Keeper()
    Node(broker, outputs=("lamp",))
    broker.mute = True
    Node(broker, "cellar")
    broker.mute = False
    Node(broker, "shed")
    assert kept(broker) == ["outpost/shed/info", "outpost/shed/status"]
    assert known() == {"outpost/shed": []} or known() == {"outpost/shed": [], "outpost/cellar": []}


def test_a_name_that_another_board_has_by_now_is_left_alone():
    broker = Keeper()
    Node(broker)
    os.rename(PATH, "kept")
    Node(broker, id="ffffff")  # stands in for it
    os.rename("kept", PATH)
    Node(broker, "cellar")
    assert len(broker.kept) == 4 and known() == {"outpost/cellar": []}


def test_any_file_lets_it_start():
    os.mkdir("state")
    for text in (
        "",
        "[]",
        "{",
        '{"a":1}',
        '{"a":[1]}',
        '{"a":["+"]}',
        "\xff\x00",
        "[" * 900,
        '{"":[""]}',
        "1e999",
    ):
        with open(PATH, "w") as f:
            f.write(text)
        broker = Keeper()
        Node(broker, outputs=("lamp",))
        assert known() == {"outpost/attic": ["output/lamp"]}, text


def test_a_flash_that_takes_nothing():
    os.mkdir("state")
    os.mkdir(PATH + ".new")
    Node(Keeper(), outputs=("lamp",))
    assert "retained" not in os.listdir("state")
