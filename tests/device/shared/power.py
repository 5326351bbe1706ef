"""The power fails at every moment of a long life of an Outbox, on MicroPython's own littlefs.

    sweep(Life(seed=1, steps=200))

A Life is a seeded script of appends, deliveries, acknowledgements, time, full flash and restarts. It is lived once, on a chip that
records every block write and erase; beside it a Promise is kept of what the outbox owes at each of them. Then the flash of every
moment is made once more, with the operation that was next not done, half done, or done with random bytes, and a new life
begins on it: it must mount, open, and keep the promise.
"""

import os

import vfs

import sim
from outbox import Outbox

BLOCK = 4096
BLOCKS = 512 if sim.ESP32 else 212
PROG = 32 if sim.ESP32 else 256
LIMIT = 8192  # small: rotation, and dropping the oldest, come often
SYNC_MS = 5000
WINDOW = 20
# acknowledged records that may come back: those the state does not know yet, and what a call adds
BACK = 16 + 16
HOW = ("lost", "half", "random")


class Chip:
    """NOR flash of the board's geometry. Blocks are made when they are written; `base` shows through."""

    def __init__(self, base=None, log=None):
        self.blocks = {}
        self.base = base
        self.log = log

    def _block(self, n):
        found = self.blocks.get(n)
        if found is None and self.base:
            found = self.base.blocks.get(n)
        return found

    def readblocks(self, n, buf, off=0):
        found = self._block(n)
        for i in range(0 if found else len(buf)):
            buf[i] = 0xFF
        if found:
            buf[:] = memoryview(found)[off : off + len(buf)]

    def own(self, n):
        if n not in self.blocks:
            self.blocks[n] = bytearray(self._block(n) or b"\xff" * BLOCK)
        return self.blocks[n]

    def writeblocks(self, n, buf, off=0):
        if self.log is not None:
            self.log(n, off, bytes(buf))
        self.own(n)[off : off + len(buf)] = buf

    def ioctl(self, request, n):
        if request == 4:
            return BLOCKS
        if request == 5:
            return BLOCK
        if request == 6:
            if self.log is not None:
                self.log(n, 0, None)
            self.own(n)[:] = b"\xff" * BLOCK
        return 0


class FailingChip(Chip):
    """A flash that fails to read: fail(first, n) is the n reads from the first one on, counted from there."""

    reads = 0
    fails = until = 0

    def fail(self, first, n):
        self.reads = 0
        self.fails, self.until = first, first + n

    def readblocks(self, n, buf, off=0):
        self.reads += 1
        if self.fails <= self.reads < self.until:
            return -5
        super().readblocks(n, buf, off)


def formatted():
    chip = Chip()
    vfs.VfsLfs2.mkfs(chip, progsize=PROG)
    return chip


def mount(chip):
    vfs.mount(vfs.VfsLfs2(chip, progsize=PROG), "/flash")


class Random:
    def __init__(self, seed):
        self.state = seed * 2654435761 & 0x3FFFFFFF or 1

    def __call__(self, n):
        """Return an int below n."""
        self.state = (self.state * 1103515245 + 12345) & 0x3FFFFFFF
        return (self.state >> 8) % n


class Promise:
    """What is owed, by what the outbox's calls have said; ids are those of messages, in the order of append()."""

    def __init__(self):
        self.taken = set()  # append() has returned True, or may do so in the call under way
        self.owed = set()  # on flash for certain, not acknowledged, not given up
        self.ended = {}  # acknowledged: id -> whether that is on flash for certain
        self.released = set()  # release() has returned

    def copy(self):
        other = Promise()
        other.taken = set(self.taken)
        other.owed = set(self.owed)
        other.ended = dict(self.ended)
        other.released = set(self.released)
        return other


class Life:
    def __init__(self, seed, steps, limit=LIMIT, sync_ms=SYNC_MS):
        self.random = Random(seed)
        self.steps = steps
        self.limit = limit
        self.sync_ms = sync_ms
        self.operations = []  # (block, offset, bytes or None for an erase, promise before, promise when its call is done)
        self.promise = Promise()
        self.now = 1000
        self.id = 0
        self.ages = {}  # id -> when it was appended, while that is not known to be on flash
        self.flying = []
        self.restarts = self.given_up = 0

    def live(self):
        self.chip = Chip(base=formatted(), log=self._log)
        mount(self.chip)
        self._call(self._open)
        for _ in range(self.steps):
            self._call(self._something)
        self._call(self._sync)
        vfs.umount("/flash")

    def _log(self, n, off, data):
        self.operations.append([n, off, data, self.before, None])

    def _call(self, call):
        first = len(self.operations)
        self.before = self.promise.copy()
        call()
        after = self.promise.copy()
        for operation in self.operations[first:]:
            operation[4] = after

    def _open(self):
        self.outbox = Outbox("/flash/outbox", self.limit, self.sync_ms, ram=1500)
        self.flying = []

    def _something(self):
        x = self.random(100)
        self.now += self.random(900)
        if x < 45:
            self._append(1 + (x & 1), self.random(6) == 0)
        elif x < 65:
            self._take(1 + self.random(8))
        elif x < 82:
            self._acknowledge(1 + self.random(6))
        elif x < 90:
            self.now += self.random(2 * SYNC_MS)
            self._step()
        elif x < 94:
            self._sync()
        elif x < 96:
            for _ in range(25):  # an outage
                self._append(1, False)
                self.now += 1000
                self._step()
        elif x < 98:
            self._restart()
        self._step()

    def _append(self, qos, latest):
        self.id += 1
        self.promise.taken.add(self.id)
        key = b"k%d" % self.random(2) if latest else b"all"
        data = b"%d %d %s" % (self.id, qos, b"x" * self.random(90))
        if latest:
            for record in self.outbox:  # those that it replaces are not owed any more
                if record.latest and record.key == key and not self._is_flying(record):
                    self._let_go(number(record))
        if self.outbox.append(key, data, self.now, qos, latest):
            self.ages[self.id] = self.now
        self._given_up()

    def _is_flying(self, record):
        return any(number(each) == number(record) for each in self.flying)

    def _let_go(self, id):
        self.promise.owed.discard(id)
        self.ages.pop(id, None)

    def _given_up(self):
        """The oldest may have gone, by the policy: they are counted."""
        if self.outbox.dropped > self.given_up:
            self.given_up = self.outbox.dropped
            there = {number(record) for record in self.outbox}
            for id in list(self.promise.owed) + list(self.ages):
                if id not in there:
                    self._let_go(id)

    def _take(self, n):
        for _ in range(n):
            if len(self.flying) >= WINDOW:
                return
            record = (
                self.random(3) == 0 and self.outbox.fresh(self.now, lambda r: number(r) % 4 == 0)
            ) or self.outbox.peek(self.now)
            if not record:
                return
            if number(record) in self.promise.ended:
                raise ValueError("acknowledged, and handed out again: %d" % number(record))
            if record.qos == 2 or not self.sync_ms:
                if not record.number:
                    raise ValueError("handed out, and not on flash")
                self._safe(number(record))
            self.outbox.take(record, self.now)
            self.flying.append(record)

    def _acknowledge(self, n):
        """As a broker does: mostly in order."""
        for _ in range(min(n, len(self.flying))):
            record = self.flying[self.random(min(3, len(self.flying)))]
            id = number(record)
            if record.qos == 2 and not record.released:
                if not self.outbox.release([record], self.now):
                    raise ValueError("not released")
                self.promise.released.add(id)
                continue
            self.flying.remove(record)
            self.promise.ended[id] = False
            self._let_go(id)
            self.outbox.drop(record, self.now)

    def _safe(self, id):
        if self.ages.pop(id, None) is not None:
            self.promise.owed.add(id)

    def _step(self):
        self.outbox.step(self.now)
        for id in list(self.ages):
            if self.now - self.ages[id] >= self.sync_ms:
                self._safe(id)

    def _sync(self):
        if not self.outbox.sync(self.now):
            raise ValueError("not synced")
        for id in list(self.ages):
            self._safe(id)
        for id in self.promise.ended:
            self.promise.ended[id] = True

    def _restart(self):
        """The power fails between two calls."""
        self.restarts += 1
        vfs.umount("/flash")
        mount(self.chip)
        self._open()
        self.given_up = 0
        self.ages = {}
        keep(self.promise, self.promise, self.outbox, self.limit)
        there = {number(record) for record in self.outbox}
        self.promise.owed |= there  # once seen on flash it is owed; what came back as well
        for id in there:
            self.promise.ended.pop(id, None)
        self.promise.released &= there
        for record in self.outbox.unfinished(self.now):
            self.promise.released.add(number(record))
            self.flying.append(record)


def number(record):
    return int(record.data.split(b" ")[0])


def keep(before, after, outbox, limit):
    """Does an outbox that was just opened keep the promise? before, after: of the call in which the power failed."""
    records = list(outbox)
    ids = [number(record) for record in records]
    log = [number(record) for record in records if not record.latest]
    if log != sorted(log) or len(set(ids)) != len(ids):
        raise ValueError("order: %r" % ids)
    there = set(ids)
    if there - after.taken:
        raise ValueError("invented: %r" % (there - after.taken))
    missing = (before.owed & after.owed) - there
    if missing:
        raise ValueError("lost: %r of %r" % (missing, ids))
    back = [id for id in ids if id in before.ended]
    if len(back) > BACK or any(before.ended[id] for id in back):
        raise ValueError("acknowledged, and back: %r" % back)
    for record in records:
        _, qos, filling = record.data.split(b" ")
        if int(qos) != record.qos or filling.strip(b"x"):
            raise ValueError("changed: %r" % record.data)
    forgotten = (before.released & there) - _released(outbox)
    if forgotten:
        raise ValueError("PUBREL was sent, and PUBLISH would be again: %r" % forgotten)
    size = 0
    for entry in os.ilistdir("/flash/outbox"):
        size += entry[3] if entry[0] != "state" else 0
    if size > limit or outbox.bytes > limit or outbox.corrupt:
        raise ValueError("%d bytes, %d corrupt" % (size, outbox.corrupt))


def _released(outbox):
    numbers = outbox.state.released
    return {
        number(record)
        for record in outbox
        if record.released or (not record.latest and record.number in numbers)
    }


def sweep(life, every=1):
    """Live, then cut the power at every operation. Returns (operations, cuts)."""
    life.live()
    chip = formatted()
    random = Random(7)
    cuts = 0
    for i, (n, off, data, before, after) in enumerate(life.operations):
        for how in HOW if i % every == 0 else ():
            torn = Chip(base=chip)
            _tear(torn, n, off, data, how, random)
            try:
                _begin_again(torn, before, after, life)
            except Exception as e:
                print("cut %d of %d, %s" % (i, len(life.operations), how))
                raise e
            cuts += 1
        if data is None:
            chip.ioctl(6, n)
        else:
            chip.writeblocks(n, data, off)
    return len(life.operations), cuts


def _tear(chip, n, off, data, how, random):
    if how == "lost":
        return
    size = BLOCK if data is None else len(data)
    half = size // 2 // PROG * PROG if how == "half" else 0
    block = chip.own(n)
    block[off : off + half] = (data or b"\xff" * BLOCK)[:half]
    if how == "random":
        block[off : off + size] = bytes([random(256) for _ in range(min(size, 256))]) * (
            size // min(size, 256)
        )


def _begin_again(chip, before, after, life):
    """Mount, open, compare; then go on: what is appended now is there after the next start."""
    mount(chip)
    try:
        outbox = Outbox("/flash/outbox", life.limit, life.sync_ms)
        keep(before, after, outbox, life.limit)
        outbox.append(b"all", b"1000000 1 ", 0)
        if not outbox.sync(0):
            raise ValueError("nothing can be written")
        outbox = Outbox("/flash/outbox", life.limit, life.sync_ms)
        if outbox.corrupt or 1000000 not in [number(record) for record in outbox]:
            raise ValueError("not there after the next start")
    finally:
        vfs.umount("/flash")
