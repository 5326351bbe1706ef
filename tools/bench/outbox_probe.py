"""Run by MicroPython for tools/bench/outbox.py: `BOARD MEASURE`, prints numbers. lib/outbox on a littlefs in RAM.

A reading is what the node appends for one: a key of 6 bytes, data of 96. Time is an argument: an hour of readings takes a second.
"""

import gc
import sys
from time import ticks_diff, ticks_us

import vfs

BOARD, MEASURE = sys.argv[1:]
# ports/esp32/modules/inisetup.py, ports/rp2/modules/_boot.py: a file system of 2 MiB, of 848 KiB
BLOCKS, PROG = {"esp32": (512, 32), "pico_w": (212, 256)}[BOARD]
BLOCK = 4096
FOLDER = "/flash/outbox"
DATA = b"h" * 25 + b'"temperature":21.37,"humidity":45.2,"pressure":1013.25,"dew_point":8.9 '


class Chip:
    """NOR flash that counts."""

    def __init__(self):
        self.view = memoryview(bytearray(BLOCKS * BLOCK))
        self.zero()
        for n in range(BLOCKS):
            self.ioctl(6, n)

    def zero(self):
        self.writes = self.bytes = self.erases = self.reads = self.read = 0

    def readblocks(self, n, buf, off=0):
        at = n * BLOCK + off
        self.reads += 1
        self.read += len(buf)
        buf[:] = self.view[at : at + len(buf)]

    def writeblocks(self, n, buf, off=0):
        at = n * BLOCK + off
        self.writes += 1
        self.bytes += len(buf)
        self.view[at : at + len(buf)] = buf

    def ioctl(self, request, n):
        if request == 4:
            return BLOCKS
        if request == 5:
            return BLOCK
        if request == 6:
            self.erases += 1
            self.view[n * BLOCK : n * BLOCK + BLOCK] = b"\xff" * BLOCK
        return 0


def flash():
    chip = Chip()
    vfs.VfsLfs2.mkfs(chip, progsize=PROG)
    vfs.mount(vfs.VfsLfs2(chip, progsize=PROG), "/flash")
    return chip


def readings(count, every, act, at_once=1, data=DATA, **settings):
    """Take readings, let act(outbox, now) send what it may. Prints writes, bytes and erases of `count` of them."""
    from outbox import Outbox

    chip = flash()
    outbox = Outbox(FOLDER, **settings)
    qos = 2 if act is exactly_once else 1
    now = 0
    for i in range(2 * count):
        if i == count:  # the first half is there to fill what is bounded
            chip.zero()
        outbox.append(b"inside", data, now, qos)
        act(outbox, now)
        if i % at_once == at_once - 1:
            for _ in range(10):
                now += every * at_once // 10
                outbox.step(now)
    print(chip.writes, chip.bytes, chip.erases, count)


def offline(outbox, now):
    pass


def online(outbox, now):
    record = outbox.peek(now)
    outbox.take(record, now)
    outbox.drop(record, now + 100)


def exactly_once(outbox, now):
    record = outbox.peek(now)
    outbox.take(record, now)
    outbox.release((record,), now + 50)
    outbox.drop(record, now + 100)


def drain(count, qos):
    """Prints the same of a backlog that is delivered in two seconds."""
    from outbox import Outbox

    chip = flash()
    outbox = Outbox(FOLDER)
    for _ in range(count):
        outbox.append(b"inside", DATA, 0, qos)
    outbox.sync(0)
    outbox = Outbox(FOLDER)
    chip.zero()
    for i in range(0, count, 20):
        now = i * 2000 // count
        window = []
        for _ in range(20):
            record = outbox.peek(now)
            outbox.take(record, now)
            window.append(record)
        if qos == 2:
            outbox.release(window, now)
        for record in window:
            outbox.drop(record, now)
        outbox.step(now)
    outbox.step(now + 5000)
    print(chip.writes, chip.bytes, chip.erases, count)


def ram():
    """Prints heap of an open outbox that is empty, of one with a full backlog, and of a record in RAM."""
    chip = flash()
    from outbox import Outbox

    Outbox(FOLDER)
    gc.collect()
    before = gc.mem_alloc()
    outbox = Outbox(FOLDER)
    gc.collect()
    empty = gc.mem_alloc() - before
    for _ in range(20):
        outbox.append(b"inside", bytes(DATA), 0)
    gc.collect()
    record = (gc.mem_alloc() - before - empty) // 20
    fill(outbox)
    outbox = None
    gc.collect()
    before = gc.mem_alloc()
    outbox = Outbox(FOLDER)
    gc.collect()
    print(empty, gc.mem_alloc() - before, record)
    return chip


def fill(outbox):
    now = 0
    while not outbox.dropped:
        now += 1000
        outbox.append(b"inside", DATA, now)
        outbox.step(now)
    outbox.sync(now)


def start(limit):
    """Prints records, us, read calls and bytes to open a full outbox; us, read calls and bytes to read its files plainly."""
    import os

    from outbox import Outbox

    chip = flash()
    fill(Outbox(FOLDER, limit))
    vfs.umount("/flash")
    vfs.mount(vfs.VfsLfs2(chip, progsize=PROG), "/flash")
    buf = bytearray(1024)
    gc.collect()
    chip.zero()
    began = ticks_us()
    outbox = Outbox(FOLDER, limit)
    opened = ticks_diff(ticks_us(), began), chip.reads, chip.read
    gc.collect()
    chip.zero()
    began = ticks_us()
    for name in os.listdir(FOLDER):
        with open(FOLDER + "/" + name, "rb") as f:
            while f.readinto(buf):
                pass
    print(len(outbox), *opened, ticks_diff(ticks_us(), began), chip.reads, chip.read)


MEASURES = {
    "online": lambda: readings(1000, 1000, online),
    "online-2": lambda: readings(1000, 1000, exactly_once),
    "online-2-long": lambda: readings(1000, 1000, exactly_once, data=bytes(150)),
    "online-0": lambda: readings(1000, 1000, online, sync_ms=0),
    "offline": lambda: readings(2500, 1000, offline),
    "offline-8": lambda: readings(2500, 7500, offline),
    "offline-8-at-once": lambda: readings(2400, 7500, offline, 8),
    "offline-60": lambda: readings(2500, 1000, offline, sync_ms=60000, ram=20000),
    "offline-0": lambda: readings(2500, 1000, offline, sync_ms=0),
    "drain": lambda: drain(1000, 1),
    "drain-2": lambda: drain(1000, 2),
    "ram": ram,
    "start-128": lambda: start(131072),
    "start-1024": lambda: start(1048576),
}
MEASURES[MEASURE]()
