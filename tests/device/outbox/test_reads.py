"""The flash fails to read, at any moment, once or for a while: nothing is lost, nothing comes twice, nothing unread is touched.

On MicroPython's own littlefs; the n-th read of a block since the start says EIO, and so many behind it.

littlefs takes the contents of its cache for what it could not read, so that after an error it may find an old directory without any
error. What asks twice is safe from one error and from two; a row of just so many that each answer is an old one is beyond it.
"""

import os

import power
import vfs
from flashfile import settle
from outbox_flash import FOLDER, finish, put, read, send, there

from outbox import Outbox

HEAP = "2m"
TIMEOUT = 60
FOR = (1, 2)  # reads
DONE = (0, 1, 2, 5, 12)
OLD = [n for n in range(30) if n not in DONE] + [50]
NEW = [100, 101, 102]


def made():
    """Return a flash with three segments, some of their records done, one released, and the newest of a key."""
    chip = power.formatted()
    power.mount(chip)
    box = Outbox(FOLDER, limit=8192)
    for i in (0, 10, 20):
        for n in range(i, i + 10):
            box.append(b"k" * 30, b"%d" % n, 0, qos=2)
        assert box.sync(0)
    box.append(b"l", b"50", 0, latest=True)
    records = send(box, 14)
    finish(box, [record for record in records if int(record.data) in DONE])
    assert box.release(records[3:4], 0) and box.sync(0)
    vfs.umount("/flash")
    return chip


def deliver(box, n=10000, now=0):
    """As outbox_flash.deliver(), but a release need not be written."""
    numbers = []
    while len(numbers) < n:
        record = box.peek(now)
        if record is None:
            break
        box.take(record, now)
        if record.qos == 2 and not record.released:
            box.release([record], now)
        box.drop(record, now)
        numbers.append(int(record.data))
    return numbers


def files():
    os.listdir("/flash")  # after an error the first answer may be an old one
    settle(FOLDER)
    return {name: read(name) for name in os.listdir(FOLDER)}


def life(base, first, n):
    """Open an outbox while reading fails, append, mend it, deliver. Return how many reads there were until it was mended."""
    chip = power.FailingChip(base)
    power.mount(chip)
    before = files()
    chip.fail(first, n)
    box = Outbox(FOLDER, limit=8192)
    unread = box.unread
    taken = [m for m in NEW if put(box, m)]
    box.step(6000)
    reads = chip.reads
    found = deliver(box, 3, 6000)  # before it is mended, if something can be read
    chip.fail(0, 0)
    if unread:
        after = files()
        for name in before:
            assert name == "state" or after[name][: len(before[name])] == before[name], name
        if box.state.unread:
            assert after["state"] == before["state"]
    for now in range(20000, 80000, 10000):
        box.step(now)
        found += deliver(box, now=now)
    assert taken == NEW and sorted(found) == OLD + NEW, (first, n, found)
    assert box.unread == 0 and box.sync(80000) and len(box) == 0 and box.corrupt == 0
    vfs.umount("/flash")
    power.mount(chip)
    again = Outbox(FOLDER, limit=8192)
    assert there(again) == [] and again.corrupt == 0
    put(again, 7)
    assert again.sync(0) and there(Outbox(FOLDER)) == [7]
    vfs.umount("/flash")
    return reads


def test_a_read_fails_at_every_moment():
    base = made()
    total = life(base, 0, 0)
    assert total > 20
    for i, n in enumerate(FOR):
        for first in range(1 + i, total + 1, 17):  # each moment would take minutes
            print("read %d, %d of them" % (first, n))  # shown of a test that failed
            life(base, first, n)


def test_a_read_that_fails_before_a_new_file_is_begun_puts_nothing_off():
    """It was written ten seconds later, or never, if the power failed before."""
    for first in range(1, 30):
        chip = power.FailingChip(power.formatted())
        power.mount(chip)
        box = Outbox(FOLDER)
        put(box, *NEW)
        stat = os.stat
        asked = []

        def failing(path):
            asked.append(path)
            if len(asked) == 1:
                chip.fail(first, 1)
            try:
                return stat(path)
            finally:
                chip.fail(0, 0)

        os.stat = failing
        try:
            assert box.sync(0) and there(box) == NEW, first
        finally:
            os.stat = stat
        vfs.umount("/flash")


def test_while_nothing_can_be_read_new_records_go_beside():
    """For so long that they fill a segment, and over a restart."""
    base = made()
    for name in ("state", "00000001", "00000015"):
        chip = power.FailingChip(base)
        power.mount(chip)
        before = files()
        opened = fails(name)
        box = Outbox(FOLDER, limit=65536)
        assert box.unread
        assert put(box, *range(100, 120)) and box.sync(0)
        box = Outbox(FOLDER, limit=65536)
        now = 0
        for now in range(10000, 60000, 10000):
            box.step(now)
        assert files_but(opened, before) and box.unread
        found = deliver(box, now=now)
        opened.mend()
        for now in range(60000, 90000, 10000):
            box.step(now)
            found += deliver(box, now=now)
        assert sorted(found) == OLD + list(range(100, 120)), (name, found)
        assert box.corrupt == 0 and box.sync(now)
        vfs.umount("/flash")


def test_a_read_fails_again_while_it_is_tried_again():
    """First for long, so that nothing is known; then each time that it is looked at once more."""
    base = made()
    for first in range(1, 60, 4):
        for n in FOR:
            print("read %d, %d of them" % (first, n))
            chip = power.FailingChip(base)
            power.mount(chip)
            chip.fail(1, 1 << 20)
            box = Outbox(FOLDER, limit=8192)
            assert box.unread
            put(box, *NEW)
            found = []
            for now in range(10000, 40000, 10000):
                chip.fail(1, n)
                _list()  # what is asked next may be answered with an old folder
                chip.fail(first, n)
                box.step(now)
                found += deliver(box, now=now)
            chip.fail(0, 0)
            for now in range(40000, 100000, 10000):
                box.step(now)
                found += deliver(box, now=now)
            assert sorted(found) == OLD + NEW, (first, n, found)
            assert box.unread == 0 and box.sync(100000) and len(box) == 0
            vfs.umount("/flash")
            power.mount(chip)
            assert there(Outbox(FOLDER, limit=8192)) == []
            vfs.umount("/flash")


def _list():
    try:
        os.listdir(FOLDER)
    except OSError:
        pass


def files_but(opened, before):
    opened.mend()
    after = files()
    opened.again()
    return all(after[name] == before[name] for name in before if name == opened.name)


class fails:
    """`open` of one file of the outbox says EIO."""

    def __init__(self, name):
        import builtins

        self.name = name
        self.builtins = builtins
        self.open = builtins.open
        self.again()

    def again(self):
        self.builtins.open = self._open

    def mend(self):
        self.builtins.open = self.open

    def _open(self, path, mode="r"):
        if path == FOLDER + "/" + self.name and mode == "rb":
            raise OSError(5)
        return self.open(path, mode)


def test_a_full_outbox_gives_up_what_it_can_read():
    base = made()
    chip = power.FailingChip(base)
    power.mount(chip)
    before = files()
    opened = fails("00000001")
    box = Outbox(FOLDER, limit=8192)
    for n in range(100, 400):
        box.append(b"k" * 30, b"%d" % n, 0)
        box.sync(0)
    opened.mend()
    assert box.dropped and read("00000001") == before["00000001"]
    box.step(10000)
    box.step(20000)
    found = deliver(box, now=20000)
    assert [n for n in found if n < 10] == [n for n in OLD if n < 10]
    assert len(found) == len(set(found))
    vfs.umount("/flash")


def test_a_folder_that_cannot_be_listed_is_not_written_to():
    import os

    base = made()
    chip = power.FailingChip(base)
    power.mount(chip)
    listing = os.ilistdir

    def broken(folder):
        raise OSError(5)

    os.ilistdir = broken
    box = Outbox(FOLDER, limit=8192)
    before = files()
    assert box.unread == 1
    assert put(box, *NEW) and not box.sync(0)
    assert files() == before
    os.ilistdir = listing
    found = []
    for now in range(0, 40000, 10000):
        box.step(now)
        found += deliver(box, now=now)
    assert sorted(found) == OLD + NEW
    vfs.umount("/flash")
