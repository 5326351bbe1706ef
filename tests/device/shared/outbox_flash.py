"""A littlefs in RAM with an outbox on it, for the tests of lib/outbox: counts what is written, fails at will."""

import os

import power
import vfs

from outbox import Outbox

FOLDER = "/flash/outbox"


class Flash:
    """`box` is the Outbox; restart() is a power cut between two calls."""

    def __init__(self, blocks=None, **settings):
        if blocks:
            power.BLOCKS = blocks
        self.settings = settings
        self._written = 0
        self.chip = power.Chip(log=self._count)
        vfs.VfsLfs2.mkfs(self.chip, progsize=power.PROG)
        power.mount(self.chip)
        self.start()

    def _count(self, block, offset, data):
        self._written += 1

    def start(self):
        self.box = Outbox(FOLDER, **self.settings)
        self._written = 0
        return self.box

    def end(self):
        vfs.umount("/flash")

    def restart(self):
        self.end()
        power.mount(self.chip)
        return self.start()

    def written(self):
        """Return the block writes and erases since the start, or since the last call."""
        n = self._written
        self._written = 0
        return n

    def fill(self):
        """Leave no room: neither a block, nor in the directories for more than a few bytes."""
        size = 4080  # the rest of a block points to others
        while size:
            try:
                with open("/flash/filler", "ab") as f:
                    f.write(bytes(size))
            except OSError:
                size //= 2

    def empty(self):
        os.remove("/flash/filler")


def put(box, *numbers, now=0, **settings):
    """Append records whose data are these numbers. Return whether all were taken."""
    taken = True
    for n in numbers:
        taken = box.append(b"k", b"%d" % n, now, **settings) and taken
    return taken


def there(box):
    return [int(record.data) for record in box]


def send(box, n=10000, now=0):
    """Take up to n records. Return them."""
    records = []
    while len(records) < n:
        record = box.peek(now)
        if record is None:
            break
        box.take(record, now)
        records.append(record)
    return records


def finish(box, records, now=0):
    """The broker acknowledges. Return the numbers."""
    for record in records:
        if record.qos == 2 and not record.released:
            assert box.release([record], now)
        box.drop(record, now)
    return [_number(record) for record in records]


def _number(record):
    """Without a copy, for which a crowded heap may have no room."""
    return int(memoryview(record.body)[1 + record.body[0] :])


def deliver(box, n=10000, now=0):
    """Deliver up to n records, one at a time. Return their numbers."""
    numbers = []
    while len(numbers) < n:
        records = send(box, 1, now)
        if not records:
            break
        numbers += finish(box, records, now)
    return numbers


def segments():
    """Return the names of the segments, oldest first."""
    return sorted(name for name in os.listdir(FOLDER) if name != "state")


def read(name):
    with open(FOLDER + "/" + name, "rb") as f:
        return f.read()


def write(name, data):
    with open(FOLDER + "/" + name, "wb") as f:
        f.write(data)


def changed(data, i, bits):
    data = bytearray(data)
    data[i] ^= bits
    return data


def frames(data):
    """Return (start, end) of each frame, by the format's own words: length in bytes 2 and 3, 12 bytes before the body."""
    found = []
    at = 0
    while at < len(data):
        end = at + 12 + data[at + 2] + 256 * data[at + 3]
        found.append((at, end))
        at = end
    return found


def ends_well(box):
    """All is delivered: nothing is left, and a new record is as safe as ever."""
    assert len(box) == 0 and there(box) == [] and box.sync(0)
    assert segments() == [], segments()
    put(box, 77)
    assert box.sync(0)
    again = Outbox(FOLDER)
    assert there(again) == [77] and again.corrupt == 0
    assert deliver(again) == [77] and again.sync(0)


def three_segments(flash):
    """Return the names of three segments: 0 to 9, 10 to 19, 20 to 29."""
    for i in (0, 10, 20):
        for n in range(i, i + 10):
            flash.box.append(b"k" * 30, b"%d" % n, 0)
        assert flash.box.sync(0)
    names = segments()
    assert len(names) == 3
    return names


def all_but(i):
    return [n for n in range(30) if n // 10 != i]
