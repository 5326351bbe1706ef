"""firmware/readings/aside.py: what a broker will not have is there, once, or counted, and told; whatever the flash does."""

import builtins
import os

from flashfile import is_nothing
from test_delivery import Rig as Delivering
from unreadable import unreadable

import outbox
from firmware import forget
from firmware.files import make_folder
from firmware.parts import _exists
from firmware.readings import halfway
from firmware.readings.aside import Aside
from firmware.upkeep import health

HEAP = "600k"
WHY = "192.0.2.1:1883 closes at outpost/attic/reading/room"
FULL = OSError(28)


class Brokers:
    barred = True

    def bars(self):
        return self.barred


class Rig(Delivering):
    """The broker will have no reading until `bar(False)`. Each is another start of the node."""

    starts = 6

    def __init__(self, sync_ms=0):
        Rig.starts += 1
        super().__init__(sync_ms=sync_ms, boot=Rig.starts)
        make_folder()
        self.delivery.log.level = 2
        uplink = self.delivery.uplink
        uplink.brokers = Brokers()
        uplink.why = WHY
        self.bar(True)
        if _exists("state/aside"):
            self.delivery.aside = Aside(self.delivery.log)
            halfway.begin(self.delivery, self.uptime, 0)  # as parts.py does
        self.connect()

    def bar(self, barred):
        uplink = self.delivery.uplink
        uplink.brokers.barred = barred
        uplink.send = (lambda *message: -1) if barred else self.client.send

    def take(self, n=1):
        for _ in range(n):
            super().take()
            self.run()

    def health(self):
        return dict(health.delivery(self.delivery, self.uptime))

    def told(self, words):
        return [line for line in self.delivery.log.waiting if words in line]

    def numbers(self):
        self.run()
        return [seq for _, seq in self.seen()]


def refuses(rig, n):
    """The broker will not have the next n messages. The client takes none after them."""
    left = [n]

    def send(*message):
        left[0] -= 1
        return -1 if left[0] >= 0 else None

    rig.delivery.uplink.send = send


class failing:
    """The flash takes no file of a folder, while it is `on`. `writes`: of any file, that were tried."""

    def __init__(self, folder):
        self.folder = folder
        self.open = builtins.open
        self.on = True
        self.writes = 0
        builtins.open = self._open

    def _open(self, path, mode="r"):
        self.writes += mode[0] in "wa"
        if self.on and path.startswith(self.folder) and mode[0] in "wa":
            raise FULL
        return self.open(path, mode)

    def end(self):
        self.on = False
        builtins.open = self.open


def exists(path):
    try:
        os.stat(path)
        return True
    except OSError as e:
        assert is_nothing(e)
        return False


def test_what_is_set_aside_comes_back_once_and_leaves_nothing():
    rig = Rig()
    rig.take(5)
    health = rig.health()
    assert health["set_aside"] == 5 and health["outbox"] == 0 and health["dropped"] == 0
    assert health["set_aside_why"] == WHY and rig.told("set aside: room: " + WHY)
    rig.bar(False)
    found = rig.numbers() + rig.numbers() + rig.numbers()
    assert found == [1, 2, 3, 4, 5], found
    health = rig.health()
    assert health["set_aside"] == 0 and health["set_aside_why"] is None
    assert not exists("state/aside") and rig.delivery.aside is None


def test_on_a_busy_node_it_comes_back_too():
    """At a slow broker a reading is always on its way: they were never tried again."""
    rig = Rig()
    rig.take(5)
    rig.bar(False)
    answers = []

    def slowly(first, pid, answer):
        answers.extend(answer)
        return []

    rig.broker.hear = slowly
    for _ in range(12):
        now, answers = answers, []
        for packet in now:
            rig.broker.say(packet)
        Delivering.take(rig)
        rig.run()
        assert len(rig.outbox) > 0, "never idle"
    assert set(range(1, 6)) <= {seq for _, seq in rig.seen()}
    assert rig.health()["set_aside"] == 0


def test_without_memory_they_come_back_later():
    # The node ended, or they came twice.
    for method in ("append", "sync"):
        rig = Rig()
        rig.take(3)
        rig.bar(False)
        real = getattr(rig.outbox, method)
        setattr(rig.outbox, method, starved)
        assert rig.numbers() == [] and rig.health()["set_aside"] == 3
        setattr(rig.outbox, method, real)
        rig.wait(10)
        assert sorted(rig.numbers() + rig.numbers()) == list(range(1, 4)), method


def test_the_reason_outlives_a_restart():
    Rig().take(3)
    rig = Rig()
    assert rig.health()["set_aside"] == 3 and rig.health()["set_aside_why"] == WHY
    os.remove("state/aside/why")
    assert Rig().health()["set_aside_why"] == "before this start"
    os.mkdir("state/aside/why.new")  # it cannot be written: that is no reason to stop
    rig = Rig()
    rig.take()
    assert rig.health()["set_aside"] == 4 and rig.health()["set_aside_why"] == WHY
    assert rig.told("aside/why cannot be written")


def test_a_reason_of_any_length_fits_into_health():
    Rig().take()
    with open("state/aside/why", "w") as f:
        f.write("x" * 5000)
    assert len(Rig().health()["set_aside_why"]) <= 240


def fill(rig):
    """More than there is room for. Return how many are there, and how many were dropped."""
    while not rig.health()["dropped"]:
        rig.take(100)
    rig.take(100)
    health = rig.health()
    assert health["set_aside"] + health["dropped"] == rig.seq
    return health["set_aside"], health["dropped"]


def test_what_finds_no_room_is_counted_and_told_for_ever():
    rig = Rig()
    kept, lost = fill(rig)
    assert kept > 300 and lost > 10
    assert 1 <= len(rig.told("no more room for what is set aside")) < 8
    rig = Rig()
    assert rig.health()["dropped"] == lost and rig.health()["set_aside"] == kept
    rig.bar(False)
    found = []
    for _ in range(kept):
        found += rig.numbers()
    assert found == list(range(lost + 1, lost + kept + 1)), (len(found), kept)
    for _ in range(2):
        assert rig.health()["dropped"] == lost and rig.health()["set_aside"] == 0
        assert not exists("state/aside")
        rig = Rig()


def test_the_count_goes_on_only_when_the_flash_has_it():
    rig = Rig()
    rig.take(2)
    rig.delivery.aside.outbox.dropped = 7
    rig.delivery.aside.outbox.sync(0)
    rig.bar(False)
    full = failing("state/aside/")
    full.folder = "box/state"
    found = rig.numbers() + rig.numbers() + rig.numbers()
    assert set(found) == {1, 2} and rig.health()["dropped"] == 7 and exists("state/aside")
    full.end()
    rig.wait(10)
    rig.run()
    assert rig.health()["dropped"] == 7 and not exists("state/aside")
    assert Rig().health()["dropped"] == 7


def test_a_file_that_cannot_be_read_is_left_where_it_is():
    rig = Rig()
    rig.take(5)
    (name,) = [name for name in os.listdir("state/aside") if name.startswith("0")]
    fault = unreadable("state/aside/" + name)
    rig = Rig()
    assert rig.told("cannot be read")
    rig.bar(False)
    for _ in range(3):
        assert rig.numbers() == []
        rig.wait(10)
    assert exists("state/aside/" + name) and rig.delivery.aside is not None
    fault.end()
    found = []
    for _ in range(5):
        rig.wait(10)
        found += rig.numbers()
    assert found == [1, 2, 3, 4, 5] and not exists("state/aside"), found


def test_what_could_not_be_read_comes_back_after_a_week_without_network():
    """Ticks wrap: what has not been looked at for a week would be in the future."""
    rig = Rig()
    rig.take(5)
    (name,) = [name for name in os.listdir("state/aside") if name.startswith("0")]
    fault = unreadable("state/aside/" + name)
    rig = Rig()
    rig.bar(False)
    assert rig.numbers() == []
    fault.end()
    rig.client.close()
    for _ in range(24 * 7):
        rig.wait(3600)
    rig.connect()
    found = rig.numbers()
    for _ in range(5):
        rig.wait(60)
        found += rig.numbers()
    assert found == [1, 2, 3, 4, 5]


def test_files_that_do_not_show_are_not_removed():
    """littlefs may list an old folder after an error."""
    rig = Rig()
    rig.take(1)
    rig.bar(False)
    with open("state/aside/00000099", "wb") as f:
        f.write(b"\xb5")
    assert rig.numbers() == [1]
    rig.run()
    assert rig.delivery.aside is None and exists("state/aside/00000099")


def test_while_the_flash_takes_nothing_a_reading_waits_where_it_is():
    for folder in ("state/aside/", "box/"):
        rig = Rig(5000)
        rig.take(3)
        full = failing(folder)
        if folder == "box/":
            rig.bar(False)
            before = rig.numbers()
            assert before == [] and rig.health()["set_aside"] == 3
            rig.bar(True)
        else:
            rig.take(2)
            for _ in range(20):
                rig.run()
            assert rig.health()["set_aside"] == 3 and rig.health()["outbox"] == 2
            assert rig.health()["dropped"] == 0, "none was"
        full.end()
        rig.wait(11)
        rig.bar(False)
        found = []
        for _ in range(6):
            found += rig.numbers()
        assert sorted(found) == list(range(1, rig.seq + 1)), (folder, found)
        assert rig.health()["set_aside"] == rig.health()["dropped"] == 0


def worn(folder, prepare):
    """Return how often a flash that takes no file of a folder was written in ten seconds, and then in ten more."""
    rig = Rig(sync_ms=5000)
    rig.take(2)
    prepare(rig)
    full = failing(folder)
    counts = []
    for _ in range(2):
        before = full.writes
        for _ in range(20):
            rig.run()
        counts.append(full.writes - before)
        rig.wait(10)
    full.end()
    rig.bar(False)
    for _ in range(6):
        rig.run()
        rig.wait(10)
    health = rig.health()
    assert health["set_aside"] == health["outbox"] == 0 and rig.delivery.aside is None
    return counts


def test_a_flash_that_takes_nothing_is_not_written_in_each_pass():
    """It was in each, for as long as that lasted: a hundred times a second."""

    def set_aside(rig):
        Delivering.take(rig)

    def come_back(rig):
        rig.bar(False)

    def count(rig):
        aside = rig.delivery.aside.outbox
        aside.dropped = 7
        while len(aside):
            aside.drop(aside.peek(0), 0)
        assert aside.sync(0)
        rig.bar(False)

    for folder, prepare in (
        ("state/aside/", set_aside),
        ("box/", come_back),
        ("box/state", count),
    ):
        first, second = worn(folder, prepare)
        assert 1 <= first <= 3 and 1 <= second <= 3, (folder, first, second)


def test_while_nothing_tells_that_one_is_gone_none_comes_back():
    """All did, or later one did, and came once more after a power cut."""
    for cut in (False, True):
        rig = Rig()
        rig.channel.qos = 2
        rig.take(5)
        rig.bar(False)
        full = failing("state/aside/")
        found = []
        for _ in range(4):
            found += rig.numbers()
            rig.wait(10)
        assert found == [] and rig.health()["set_aside"] == 4, found
        assert rig.health()["outbox"] == rig.health()["in_flight"] + 1 == 1
        full.end()
        if cut:
            rig = Rig()
            rig.channel.qos = 2
            rig.bar(False)
        for _ in range(6):
            rig.wait(10)
            found += rig.numbers()
        assert sorted(found) == [1, 2, 3, 4, 5], (cut, found)
        assert rig.health()["set_aside"] == rig.health()["outbox"] == 0


def test_one_that_waits_for_that_is_no_message_in_flight():
    """All that is on its way is taken back meanwhile, and the link dies: it goes once all the same."""
    for meanwhile in (Delivering.lose, lambda rig: rig.delivery.take_back()):
        rig = Rig()
        rig.take(5)
        rig.bar(False)
        rig.delivery.uplink.brokers.limits = Limits
        full = failing("state/aside/")
        assert rig.numbers() == []
        meanwhile(rig)
        rig.wait(10)
        full.end()
        if not rig.client.connected:
            rig.connect()
        found = []
        for _ in range(6):
            rig.wait(10)
            found += rig.numbers()
        assert sorted(found) == [1, 2, 3, 4, 5], found
        assert rig.delivery.aside is None and rig.health()["outbox"] == 0


class Limits:
    abandoned = False


def test_without_memory_for_it_the_reading_waits():
    rig = Rig()
    outbox.Outbox, made = starved, outbox.Outbox
    forget("readings", "aside")  # and so is whoever imports it again
    rig.take(2)
    assert rig.delivery.aside is None and rig.health()["outbox"] == 2
    outbox.Outbox = made
    rig.run()
    assert rig.health()["set_aside"] == 2 and rig.health()["outbox"] == 0


def starved(*args):
    raise MemoryError


def test_what_has_no_room_there_stays_where_it_is():
    rig = Rig()
    rig.take(1)
    rig.delivery.aside.outbox.limit = 1  # and nothing that can be given up
    rig.delivery.aside.outbox.drop_newest = True
    rig.take(1)
    health = rig.health()
    assert health["set_aside"] == 1 and health["outbox"] == 1 and health["dropped"] == 0
