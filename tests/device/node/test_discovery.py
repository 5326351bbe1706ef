"""When the node tells Home Assistant, and what it takes back: every way through an announcement, against a scripted client and a real one."""

import gc
import json
import os

from mqtt_peer import Broker, Net, connect, run
from unreadable import unreadable

from firmware.discovery.announce import Discovery
from firmware.topics import Topics
from firmware.upkeep.log import Log
from mqtt.client import Client

HEAP = "512k"  # the messages, all of them

PATH = "state/discovery"
TOPIC = b"homeassistant/device/attic/config"


class Thing:
    def __init__(self, **members):
        for name, value in members.items():
            setattr(self, name, value)


def field(quantity):
    if quantity == "open":
        return (quantity, "", "opening", 0)
    unit, kind = ("°C", "temperature") if quantity == "temperature" else ("%", "humidity")
    return (quantity, unit, kind, 1)


def channel(name, *quantities):
    fields = tuple([field(quantity) for quantity in quantities])
    return Thing(name=name, fields=fields, interval_ms=60000, retain=False, change=None, qos=1)


def make_node(*channels, name="attic", outputs=(), led=None, base="outpost"):
    radio = Thing(mac=lambda: "24:6f:28:a1:b2:c3")
    board = Thing(hardware="ESP32 module", model="esp32", micropython="1.26.1", radio=radio)
    return Thing(
        name=name,
        topics=Topics(base, name),
        channels=channels,
        panel=Thing(outputs=outputs) if outputs else None,
        control=Thing(led=led),
        board=board,
        health_ms=60000,
        delivery=Thing(live_ms=30000),
    )


class Fake:
    """A client that takes one message at a time, reads a Stream to its end, and acknowledges when a test says so."""

    def __init__(self):
        self.in_flight = []
        self.sent = []  # (topic, payload, retain)
        self.room = True
        self.sock = None
        self.pid = 0
        self.forgotten = []

    def send(self, topic, payload, retain=False, qos=0):
        assert qos == 1 and not self.in_flight
        if not self.room:
            return None
        if type(payload) is not bytes:
            payload = content(payload)
        assert type(payload) is bytes
        self.pid += 1
        self.in_flight.append(self.pid)
        self.sent.append((topic, payload, retain))
        return self.pid

    def forget(self, pid):
        self.forgotten.append(pid)
        if pid in self.in_flight:
            self.in_flight.remove(pid)


def content(stream):
    """All of a stream, as it is sent, and sent again after a lost connection."""
    pieces = Pieces()
    for _ in range(2):
        pieces.taken = []
        stream.rewind(0)
        while not stream.flush(pieces)[0]:
            pass
        whole = b"".join(pieces.taken)
        assert len(whole) == len(stream), (len(whole), len(stream))
    return whole


class Pieces:
    def write(self, buf, off, n):
        assert 0 < n < 700
        self.taken.append(bytes(buf[off : off + n]))
        return n


class Rig:
    def __init__(self, node=None, **settings):
        if not kept_folder():
            os.mkdir("state")
        self.settings = {
            "enabled": True,
            "prefix": "homeassistant",
            "per_entity": False,
            "retain": True,
        }
        self.settings.update(settings)
        self.log = Log("warning")
        self.discovery = Discovery(
            self.settings, node or make_node(channel("out", "temperature", "humidity")), self.log
        )
        self.discovery.settle_ms = 0
        self.client = Fake()
        self.now = 0  # uptime
        self.done = 0

    def acknowledge(self):
        pids = list(self.client.in_flight)
        self.client.in_flight.clear()
        self.discovery.acknowledged(pids)

    def step(self):
        if self.discovery.step(self.now, self.client):
            self.done += 1

    def run(self, ms=0, acknowledge=True):
        """Step as the node's loop does, until so much time is over."""
        end = self.now + ms
        for _ in range(1000):
            self.step()
            if acknowledge:
                self.acknowledge()
            wait = self.discovery.due(self.now)
            assert wait >= 0
            if self.client.in_flight or wait:
                left = end - self.now
                if left <= 0:
                    return
                self.now += max(1, min(wait, left))
        raise AssertionError("never idle")

    def announce(self, ms=10000):
        self.client.sent = []
        self.discovery.begin(self.now)
        self.run(ms)
        sent, self.client.sent = self.client.sent, []
        return sent

    def topics(self):
        return [topic for topic, _, _ in self.client.sent]


def keys(payload):
    return sorted(json.loads(payload)["cmps"])


def kept_folder():
    return "state" in os.listdir()


def kept():
    try:
        with open(PATH, "rb") as f:
            return f.read()
    except OSError:
        return None


def test_announces_once_and_says_so():
    rig = Rig()
    rig.run(5000)
    assert rig.client.sent == [] and rig.done == 0 and rig.discovery.due(rig.now) > 1000
    sent = rig.announce()
    assert [(topic, retain) for topic, _, retain in sent] == [(TOPIC, True)]
    entries = json.loads(sent[0][1])["cmps"]
    assert entries["out-temperature"]["unit_of_meas"] == "°C"
    assert rig.done == 1
    rig.run(100000)
    assert rig.client.sent == [] and rig.done == 1


def test_the_file_comes_after_the_acknowledgement():
    rig = Rig()
    rig.discovery.begin(rig.now)
    rig.run(5000, acknowledge=False)
    assert len(rig.client.sent) == 1 and rig.done == 0 and kept() is None
    rig.acknowledge()
    assert kept() is None  # in an acknowledgement nothing is written
    rig.run()
    assert rig.done == 1
    lines = kept().split(b"\n")
    assert json.loads(lines[0])[:4] == ["homeassistant", "attic", False, True]
    assert lines[1] == b"sensor out-temperature" and b"button restart" in lines
    assert sorted(os.listdir("state")) == ["announcement", "discovery"]


def test_the_file_is_not_written_when_nothing_changed():
    Rig().announce()
    before = kept()
    os.mkdir(PATH + ".new")  # it could not be
    rig = Rig()
    assert len(rig.announce()) == 1 and rig.done == 1
    assert kept() == before and rig.log.waiting == []


def test_not_retained():
    sent = Rig(retain=False).announce()
    assert [retain for _, _, retain in sent] == [False]


def test_names_beyond_ascii():
    node = make_node(channel("Küche", "temperature", "open"), name="Bücher Regal")
    rig = Rig(node)
    sent = rig.announce()
    object_id = sent[0][0].decode().split("/")[2]
    assert object_id.startswith("B_cher_Regal_") and len(object_id) == 21, object_id
    root = json.loads(sent[0][1])
    assert root["dev"]["name"] == "Bücher Regal"
    entry = next(e for e in root["cmps"].values() if e.get("dev_cla") == "temperature")
    assert entry["stat_t"] == "outpost/Bücher Regal/reading/Küche"
    assert entry["name"] == "Küche temperature"
    assert len(Rig(node).announce()) == 1  # and the file is read as it was written


# connections


def test_no_room_at_first():
    rig = Rig()
    rig.client.room = False
    rig.discovery.begin(rig.now)
    rig.run(1000)
    assert rig.client.sent == [] and 0 < rig.discovery.due(rig.now) <= 100
    rig.client.room = True
    rig.run(200)
    assert len(rig.client.sent) == 1 and rig.done == 1


def test_readings_first_and_the_loop_sleeps():
    """What is due and has to wait does not keep the node awake."""
    rig = Rig()
    rig.discovery.begin(rig.now)
    brokers = Thing(cautious=True)
    uplink = Thing(connected=True, ready=True, brokers=brokers, client=rig.client)
    node = Thing(uplink=uplink, channels=())
    rig.discovery.announce(node, rig.now, rig.now)
    assert rig.client.sent == [] and 0 < rig.discovery.due(rig.now) <= 100
    brokers.cautious = False
    rig.discovery.announce(node, rig.now, rig.now)
    assert len(rig.client.sent) == 1
    rig.acknowledge()
    rig.discovery.announce(node, rig.now, rig.now)
    assert rig.discovery.due(rig.now) > 1000


def test_a_connection_that_breaks_at_once_is_not_bothered():
    rig = Rig()
    rig.discovery.settle_ms = Discovery.settle_ms
    for _ in range(20):
        rig.discovery.begin(rig.now)
        rig.run(2500)
        rig.discovery.lost(rig.now)
    assert rig.client.sent == []
    rig.discovery.begin(rig.now)
    rig.run(3500)
    assert len(rig.client.sent) == 1 and rig.done == 1


def test_lost_in_flight_is_forgotten_and_begins_anew():
    rig = Rig()
    rig.discovery.begin(rig.now)
    rig.run(100, acknowledge=False)
    rig.discovery.lost(rig.now)
    assert rig.client.forgotten == [1] and rig.client.in_flight == []
    rig.run(5000, acknowledge=False)
    assert len(rig.client.sent) == 1 and rig.done == 0
    rig.discovery.begin(rig.now)
    rig.run(100)
    assert len(rig.client.sent) == 2 and rig.done == 1


def test_lost_before_anything_was_sent():
    rig = Rig()
    rig.client.room = False
    rig.discovery.begin(rig.now)
    rig.run(500)
    rig.discovery.lost(rig.now)
    rig.client.room = True
    rig.run(5000)
    assert rig.client.sent == []
    rig.discovery.begin(rig.now)
    assert rig.discovery.due(rig.now) == 0
    rig.run()
    assert len(rig.client.sent) == 1 and rig.done == 1


def test_lost_in_the_middle_begins_anew():
    # The next broker may be another one: it has nothing of what the last one acknowledged.
    rig = Rig(per_entity=True)
    whole = [topic for topic, _, _ in rig.announce()]
    rig.discovery.begin(rig.now)
    for _ in range(6):
        rig.step()
        rig.acknowledge()
    rig.step()
    assert rig.topics() == whole[:7]
    rig.discovery.lost(rig.now)
    rig.client.sent.clear()
    rig.discovery.begin(rig.now)
    rig.run(5000)
    assert rig.topics() == whole and rig.done == 2


def test_what_the_client_gave_up_is_sent_again():
    rig = Rig()
    rig.discovery.begin(rig.now)
    rig.run(100, acknowledge=False)
    rig.discovery.lost(rig.now)
    rig.client.in_flight.clear()
    rig.discovery.begin(rig.now)
    rig.run(100)
    assert rig.topics() == [TOPIC, TOPIC] and rig.done == 1


def test_what_ends_every_connection_is_given_up_for_an_hour():
    rig = Rig()
    for n in range(5):
        rig.discovery.begin(rig.now)
        rig.run(1000, acknowledge=False)
        rig.discovery.lost(rig.now)
        rig.discovery.lost(rig.now)  # still
        assert len(rig.client.forgotten) == n + 1
        assert len(rig.log.waiting) == (1 if n == 4 else 0), n
    rig.client.sent.clear()
    rig.discovery.begin(rig.now)
    rig.discovery.birth(rig.now)
    rig.run(3500000)
    rig.discovery.lost(rig.now)
    rig.discovery.begin(rig.now)
    assert rig.client.sent == []
    rig.run(200000)
    assert len(rig.client.sent) == 1 and rig.done == 1
    for _ in range(2):
        rig.now += 4 * 86400000  # half of what ticks can tell, and more
    assert len(rig.announce()) == 1  # all is forgiven


def test_losses_with_an_acknowledgement_between_are_nothing():
    rig = Rig()
    for n in range(8):
        rig.discovery.begin(rig.now)
        rig.run(1000, acknowledge=n == 4)
        rig.discovery.lost(rig.now)
    assert rig.done == 1 and rig.log.waiting == []


# Home Assistant starts


def test_birth_after_a_random_while():
    waits = []
    for _ in range(40):
        rig = Rig()
        rig.announce()
        begin = rig.now
        rig.discovery.birth(rig.now)
        waits.append(rig.discovery.due(rig.now))
        rig.run(waits[-1] - 1)
        assert rig.client.sent == []
        rig.run(1)
        assert len(rig.client.sent) == 1 and rig.done == 2
        assert rig.now - begin == waits[-1]
    assert all(1000 <= wait <= 10000 for wait in waits), waits
    assert len(set(waits)) > 30 and max(waits) - min(waits) > 5000, waits


def test_births_without_end_do_not_put_it_off():
    rig = Rig()
    rig.announce()
    for _ in range(20):
        rig.discovery.birth(rig.now)
        rig.run(500)
    assert 1 <= len(rig.client.sent) <= 7


def test_birth_while_announcing():
    rig = Rig()
    rig.discovery.begin(rig.now)
    rig.run(100, acknowledge=False)
    rig.discovery.birth(rig.now)
    rig.run(20000, acknowledge=False)
    assert len(rig.client.sent) == 1
    rig.run(100)  # Home Assistant may have missed it
    assert len(rig.client.sent) == 2 and rig.done == 2
    rig.run(20000)
    assert len(rig.client.sent) == 2


def test_birth_and_a_new_connection_are_one():
    rig = Rig()
    rig.announce()
    rig.discovery.birth(rig.now)
    rig.discovery.lost(rig.now)
    rig.run(20000)
    assert rig.client.sent == []
    assert len(rig.announce(20000)) == 1 and rig.done == 2


# what is gone


def test_removed_entities():
    Rig(make_node(channel("out", "temperature", "humidity"), channel("door", "open"))).announce()
    rig = Rig(make_node(channel("out", "temperature")))
    stubs, final = [payload for _, payload, _ in rig.announce()]
    stubs, final = json.loads(stubs)["cmps"], json.loads(final)["cmps"]
    assert stubs["out-humidity"] == {"p": "sensor"}
    assert stubs["door-open"] == {"p": "binary_sensor"}
    assert "out-humidity" not in final and "door-open" not in final
    assert (
        len(stubs["out-temperature"]) > 5 and stubs["out-temperature"] == final["out-temperature"]
    )
    assert rig.done == 1 and b"humidity" not in kept()
    assert len(rig.announce()) == 1


def test_removal_cut_short_is_repeated():
    Rig(make_node(channel("out", "temperature", "humidity"))).announce()
    node = make_node(channel("out", "temperature"))
    rig = Rig(node)
    rig.discovery.begin(rig.now)
    rig.step()
    rig.acknowledge()
    rig.step()
    assert len(rig.client.sent) == 2  # and the power fails
    assert len(Rig(node).announce()) == 2


def test_another_platform_of_the_same_name():
    Rig(make_node(channel("out", "open"))).announce()
    text = kept().replace(b"binary_sensor out-open", b"sensor out-open")
    rewrite(text)
    rig = Rig(make_node(channel("out", "open")))
    before = json.loads(text.split(b"\n")[0])
    before[4] = "of an older version"
    rewrite(text.replace(text.split(b"\n")[0], json.dumps(before).encode()))
    stubs, final = [json.loads(payload)["cmps"] for _, payload, _ in rig.announce()]
    assert stubs["out-open"] == {"p": "sensor"}
    assert final["out-open"]["p"] == "binary_sensor"


def rewrite(text):
    """Put this into the file, with a checksum that is right."""
    from hashlib import sha256

    text = text[: text.rindex(b"= ")]
    with open(PATH, "wb") as f:
        f.write(text + b"= " + sha256(text).digest()[:8].hex().encode() + b"\n")


def test_another_prefix():
    Rig().announce()
    rig = Rig(prefix="ha")
    rig.discovery.begin(rig.now)
    rig.run(1900)
    assert rig.client.sent == [(TOPIC, b"", True)]  # Home Assistant is given time to forget it
    rig.run(200)
    assert rig.topics()[1:] == [b"ha/device/attic/config"] and rig.done == 1
    assert len(rig.announce()) == 1


def test_another_name():
    Rig().announce()
    sent = Rig(make_node(channel("out", "temperature"), name="loft")).announce()
    assert [topic for topic, _, _ in sent] == [TOPIC, b"homeassistant/device/loft/config"]


def test_a_base_of_several_levels_is_part_of_the_name():
    Rig().announce()  # as before the update
    long = "é" * 15 + '/"' + "b" * 32
    for base in ("home/ground", long):
        node = make_node(channel("out", "temperature"), name="attic", base=base)
        sent = Rig(node).announce()
        assert len(sent) == 2 and sent[0][1] == b""
        assert len(Rig(node).announce()) == 1  # and the file is read as it was written
        if base != long:
            assert sent[0][0] == TOPIC
            assert sent[1][0] == b"homeassistant/device/home_ground_attic_ad9ee25b/config"
    assert sent[0][1:] == (b"", True) and keys(sent[1][1])


def test_no_longer_retained():
    Rig().announce()
    rig = Rig(retain=False)
    sent = rig.announce()
    assert [(payload == b"", retain) for _, payload, retain in sent] == [
        (True, True),
        (False, False),
    ]
    assert len(Rig(retain=False).announce()) == 1
    assert [retain for _, _, retain in Rig().announce()] == [True]


def test_disabled():
    Rig().announce()
    rig = Rig(enabled=False)
    rig.discovery.begin(rig.now)
    rig.discovery.birth(rig.now)
    rig.run(100, acknowledge=False)
    assert rig.client.sent == [(TOPIC, b"", True)] and kept() is not None
    rig.run(20000)
    assert len(rig.client.sent) == 1 and kept() is None
    assert rig.done == 0  # there is nobody to be told the states
    assert rig.announce() == [] and rig.log.waiting == []


def test_disabled_per_entity():
    whole = Rig(per_entity=True).announce()
    sent = Rig(per_entity=True, enabled=False).announce()
    assert sorted(sent) == sorted([(topic, b"", True) for topic, _, _ in whole])
    assert kept() is None


# a message for each entity


def test_per_entity():
    node = make_node(channel("out", "temperature"), channel("door", "open"))
    rig = Rig(node, per_entity=True)
    sent = rig.announce()
    topics = [topic for topic, _, _ in sent]
    assert topics[:2] == [
        b"homeassistant/sensor/attic/out-temperature/config",
        b"homeassistant/binary_sensor/attic/door-open/config",
    ]
    assert b"homeassistant/button/attic/restart/config" in topics
    for topic, payload, retain in sent:
        entity = json.loads(payload)
        assert entity["dev"]["ids"] == ["attic"] and entity["avty_t"] == "outpost/attic/status"
        assert entity["uniq_id"] == "attic." + topic.decode().split("/")[3] and retain
        assert "p" not in entity and "cmps" not in entity
    assert rig.done == 1
    assert len(rig.announce()) == len(sent)
    sent = Rig(make_node(channel("out", "temperature")), per_entity=True).announce()
    assert sent[0] == (topics[1], b"", True)
    assert [topic for topic, _, _ in sent[1:]] == [topics[0]] + topics[2:]


def test_per_entity_becomes_a_device():
    old = [topic for topic, _, _ in Rig(per_entity=True).announce()]
    rig = Rig()
    sent = rig.announce()
    n = len(old)
    assert sorted(sent[:n]) == sorted(
        [(topic, b'{"migrate_discovery":true}', False) for topic in old]
    )
    assert sent[n][0] == TOPIC and sent[n][2]
    assert sorted(sent[n + 1 : -1]) == sorted([(topic, b"", True) for topic in old])
    assert sent[-1] == sent[n] and rig.done == 1
    assert len(rig.announce()) == 1


def test_a_device_becomes_per_entity():
    Rig().announce()
    rig = Rig(per_entity=True)
    sent = rig.announce()
    assert sent[0] == (TOPIC, b'{"migrate_discovery":true}', False)
    n = (len(sent) - 2) // 2
    assert sent[n + 1] == (TOPIC, b"", True)
    assert sent[1 : n + 1] == sent[n + 2 :] and rig.done == 1
    assert len(rig.announce()) == n


def test_migration_waits_for_home_assistant():
    Rig(per_entity=True).announce()
    rig = Rig()
    rig.discovery.begin(rig.now)
    rig.run(1900)
    assert TOPIC not in rig.topics()
    rig.run(1900)
    assert rig.topics().count(TOPIC) == 1
    rig.run(300)
    assert rig.topics().count(TOPIC) == 2 and rig.done == 1


def test_lost_in_a_pause():
    Rig().announce()
    rig = Rig(prefix="ha")
    rig.discovery.begin(rig.now)
    rig.run(1000)
    rig.discovery.lost(rig.now)
    rig.run(10000)
    assert rig.topics() == [TOPIC]
    rig.discovery.begin(rig.now)
    rig.run(10000)
    assert rig.topics() == [TOPIC, TOPIC, b"ha/device/attic/config"] and rig.done == 1


# the file


def test_damaged_in_every_byte():
    Rig().announce()
    whole = kept()
    rig = Rig(make_node(channel("out", "temperature")))
    for i in range(0, len(whole), 7):
        for text in (whole[:i], whole[:i] + bytes((whole[i] ^ 1,)) + whole[i + 1 :]):
            with open(PATH, "wb") as f:
                f.write(text)
            sent = rig.announce()
            assert [topic for topic, _, _ in sent] == [TOPIC], (i, text)
            assert keys(sent[0][1])
            Rig(make_node(channel("out", "temperature"))).announce()  # and it is whole again
            assert len(kept()) < len(whole)


def test_damaged_and_disabled():
    for text in (b"", b"\xff" * 3000, b"[]\n= \n", b"null\n" * 99, b'["a","b",true'):
        rig = Rig(enabled=False)
        with open(PATH, "wb") as f:
            f.write(text)
        assert rig.announce() == [], text
        assert kept() is None


class Unread(unreadable):
    """The file cannot be read from the n-th look on: the second one is for the entities."""

    def __init__(self, n):
        super().__init__(PATH)
        self.sound = n - 1

    def _open(self, path, mode="r"):
        if path == PATH and self.sound:
            self.sound -= 1
            return self.open(path, mode)
        return super()._open(path, mode)


def announced(options, n=None):
    """Return what a node with one sensor less announces. n: at a first announcement the n-th look at the file failed."""
    Rig().announce()
    rig = Rig(make_node(channel("out", "temperature")), **options)
    if n:
        before = kept()
        fault = Unread(n)
        sent = rig.announce()
        fault.end()
        assert kept() == before and all(payload for _, payload, _ in sent), (options, n, sent)
        assert len(rig.log.waiting) == 1 and "cannot be read: EIO" in rig.log.waiting[0]
    sent = rig.announce()
    if kept():
        os.remove(PATH)
    return sent


def test_what_cannot_be_read_is_not_written_over():
    """It was taken for none: what had been announced elsewhere, or was gone, stayed in Home Assistant for ever."""
    for options in ({}, {"prefix": "ha"}, {"per_entity": True}, {"enabled": False}):
        sound = announced(options)
        for n in (1, 2):
            assert announced(options, n) == sound, (options, n)


def test_a_flash_that_takes_nothing():
    rig = Rig()
    os.mkdir(PATH + ".new")  # cannot be written to
    assert len(rig.announce()) == 1 and rig.done == 1
    assert kept() is None and len(rig.log.waiting) == 1
    assert len(rig.announce()) == 1


def test_the_radio_has_no_address():
    node = make_node(channel("out", "temperature"))

    def mac():
        raise OSError(5)

    node.board.radio.mac = mac
    assert "cns" not in json.loads(Rig(node).announce()[0][1])["dev"]


# with the client


class Acks(Broker):
    """Keeps what was published in `seen`, and says when it was retained."""

    def publish(self, message):
        self.retained = message[5]
        return super().publish(message)


def real(rig, net):
    client = Client("node", "broker", net=net)
    connect(client)
    rig.client = client
    return client


def drive(rig, client, steps=60):
    for _ in range(steps):
        acked, _ = client.step(0)
        rig.discovery.acknowledged(acked)
        rig.step()


def test_streamed_by_the_client():
    rig = Rig(make_node(channel("Küche", "temperature", "humidity"), channel("door", "open")))
    net = Net(Acks())
    client = real(rig, net)
    rig.discovery.begin(rig.now)
    drive(rig, client)
    assert rig.done == 1 and net.broker.retained
    topic, payload = net.broker.seen[0]
    assert topic == TOPIC and len(json.loads(payload)["cmps"]) == 12
    assert client.in_flight == [] and len(net.broker.seen) == 1


def test_cut_at_every_hundredth_byte():
    node = make_node(channel("out", "temperature", "humidity"))
    for budget in range(100, 6000, 100):
        rig = Rig(node)
        net = Net(Acks())
        client = real(rig, net)
        net.broker.budget = budget
        rig.discovery.begin(rig.now)
        try:
            drive(rig, client)
        except OSError:
            rig.discovery.lost(rig.now)
            net.broker.budget = None
            connect(client)
            rig.discovery.begin(rig.now)
            drive(rig, client)
        assert rig.done == 1, budget
        assert 1 <= len(net.broker.seen) <= 2
        for topic, payload in net.broker.seen:
            assert topic == TOPIC and len(json.loads(payload)["cmps"]) == 11


def test_in_memory_only_while_announcing():
    import sys

    from firmware import discovery

    rig = Rig(per_entity=True)
    names = ("plan", "payload")
    for _ in range(3):
        rig.discovery.begin(rig.now)
        rig.step()
        assert all("firmware.discovery." + name in sys.modules for name in names)
        rig.run(1000)
        for name in names:
            assert "firmware.discovery." + name not in sys.modules and not hasattr(discovery, name)
        for name in ("firmware.identity", "mqtt.stream"):
            assert name not in sys.modules


def test_no_memory_to_announce():
    rig = Rig()
    rig.announce()
    rig.client.send, send = no_memory, rig.client.send
    assert rig.announce() == [] and len(rig.log.waiting) == 1
    rig.client.send = send
    rig.discovery.birth(rig.now)
    assert rig.announce(3000000) == []
    rig.run(700000)
    assert len(rig.client.sent) == 1 and rig.done == 2


def no_memory(topic, payload, retain, qos):
    raise MemoryError


class Hungry:
    """The channels of a node: to go through them for the n-th time there is no memory."""

    def __init__(self, channels, n):
        self.channels = channels
        self.n = n

    def __iter__(self):
        self.n -= 1
        for channel in self.channels:
            if not self.n:
                raise MemoryError
            yield channel


def test_a_message_is_begun_only_when_it_can_be_finished():
    """Out of memory in the middle of it ended the connection, and the readings on it."""
    for per_entity in (False, True):
        given_up = 0
        for n in range(1, 12):
            channels = [channel("s%d" % i, "temperature", "humidity") for i in range(6)]
            node = make_node(*channels)
            node.channels = Hungry(channels, n)
            rig = Rig(node, per_entity=per_entity)
            net = Net(Acks())
            client = real(rig, net)
            rig.discovery.begin(rig.now)
            drive(rig, client)
            assert client.connected and len(net.wires) == 1
            client.send(b"reading", b"1", qos=1)
            drive(rig, client)
            for topic, payload in net.broker.seen[:-1]:
                assert json.loads(payload)
            assert net.broker.seen[-1] == (b"reading", b"1") and client.in_flight == []
            given_up += len(rig.log.waiting)
            assert len(rig.log.waiting) + rig.done == 1
            for name in os.listdir("state"):
                os.remove("state/" + name)
        assert given_up >= 3


def test_no_memory_to_begin_to_send_leaves_the_client_whole():
    """Not even for the piece that a file is read by."""
    from mqtt.stream import Stream

    net = Net(Acks())
    client = Client("node", "broker", net=net)
    connect(client)

    class Never:
        def __iter__(self):
            raise MemoryError

    try:
        client.send(b"t", Stream(Never(), 2000), qos=1)
    except MemoryError:
        pass
    assert client.in_flight == []
    client.send(b"reading", b"1", qos=1)
    run(client)
    assert net.broker.seen == [(b"reading", b"1")] and client.connected


def test_the_same_message_is_written_once():
    rig = Rig()
    rig.announce()
    with open("state/announcement", "rb") as f:
        assert json.loads(f.read())["cmps"]
    os.rename("state/announcement", "state/other")
    os.mkdir("state/announcement")  # a write would fail
    assert len(rig.announce()) == 1 and "announcement: " in rig.log.waiting[-1]
    os.rmdir("state/announcement")
    os.rename("state/other", "state/announcement")
    import builtins

    modes = []
    opened = builtins.open
    builtins.open = lambda path, mode="r": modes.append(mode) or opened(path, mode)
    assert len(rig.announce()) == 1 and modes and "wb" not in modes


def test_memory():
    """Twelve sensors of three quantities: what an announcement takes beyond what is there before and after."""
    channels = [
        channel("sensor_number_%d" % i, "temperature", "humidity", "open") for i in range(12)
    ]
    rig = Rig(make_node(*channels))
    peak = [0]

    def measure():
        gc.collect()
        peak[0] = max(peak[0], gc.mem_alloc() - before)

    class File:
        def __init__(self, file):
            self.file = file

        def write(self, piece):
            measure()
            return self.file.write(piece)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            self.file.close()

    import builtins

    opened = builtins.open
    builtins.open = lambda path, mode="r": (
        File(opened(path, mode))
        if path.endswith("announcement") and mode == "wb"
        else opened(path, mode)
    )

    class Meter:
        in_flight = []
        pid = 0
        sock = None

        def write(self, buf, off, n):
            self.size += n
            measure()
            return n

        def send(self, topic, payload, retain=False, qos=0):
            self.size = 0
            payload.rewind(0)
            while not payload.flush(self)[0]:
                pass
            assert self.size == len(payload) > 12000, self.size
            self.pid += 1
            self.in_flight.append(self.pid)
            return self.pid

    rig.client = Meter()
    kept = []
    for n in range(4):
        import firmware.discovery.message
        import firmware.discovery.plan  # they are dropped each time

        gc.collect()
        before = gc.mem_alloc()
        rig.discovery.begin(rig.now)
        for _ in range(4):
            rig.step()
            pids = list(rig.client.in_flight)
            rig.client.in_flight.clear()
            rig.discovery.acknowledged(pids)
            del pids
        assert rig.done == n + 1
        gc.collect()
        kept.append(gc.mem_alloc())
    assert peak[0] < 3072, peak[0]
    assert kept[3] - kept[1] < 100, kept
