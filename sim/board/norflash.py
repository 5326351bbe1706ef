"""The flash as a real littlefs, in an image file of the host: `OUTPOST_FLASH` names it.

A NOR flash chip of the board's size beneath MicroPython's own VfsLfs2, with the arguments that the ports' start-up code gives it
(ports/rp2/modules/_boot.py, ports/esp32/modules/inisetup.py). It is mounted at /flash, the current directory, so
that every relative path of the node is on it. What was written is in the image at once: a process that is killed leaves what a
power cut leaves. An image that is not there is made from the files of the host's current directory, as `make deploy`
would; of an image that is there only `config.json` is brought up to date.

The chip allocates nothing: a file's finaliser writes while the heap is locked.
"""

import builtins

import uos
import vfs
from micropython import const

import sim

_BLOCK = const(4096)
_BLOCKS = 512 if sim.ESP32 else 212
_PROG = 32 if sim.ESP32 else 256
_ENOSPC = const(28)
_ERASED = b"\xff" * _BLOCK
_FILLER = "filler"
# The node's heap is full enough without copies.
_PLENTY = memoryview(_ERASED)[:4080]  # the rest of a block points to others
_SOME = memoryview(_ERASED)[:1024]  # too much for the directory itself
HOW = ("lost", "half", "garbage", "after")

_pread = sim.libc.func("l", "pread", "iPLl")
_pwrite = sim.libc.func("l", "pwrite", "iPLl")
_memcmp = sim.libc.func("i", "memcmp", "PPL")


class Chip:
    """Block device over a file. Programming only clears bits, an erase sets those of a whole block."""

    def __init__(self, file):
        self._file = file  # kept open
        self._fd = file.fileno()
        # as large as littlefs's cache: the most that comes at once
        self._old = bytearray(_PROG * 4)
        self.writes = 0
        self.erases = 0
        self._left = 0  # operations until the power fails; 0: it does not
        self._how = None

    def fail(self, operations, how):
        self._left = operations
        self._how = how

    def counts(self):
        return "%d writes, %d erases" % (self.writes, self.erases)

    def readblocks(self, n, buf, off=0):
        _pread(self._fd, buf, len(buf), n * _BLOCK + off)

    def writeblocks(self, n, buf, off=0):
        self.writes += 1
        if self._left:
            self._toward_the_end(buf, n * _BLOCK + off)
        self._program(buf, len(buf), n * _BLOCK + off)

    def ioctl(self, request, n):
        if request == 4:
            return _BLOCKS
        if request == 5:
            return _BLOCK
        if request == 6:
            self.erases += 1
            if self._left:
                self._toward_the_end(None, n * _BLOCK)
            _pwrite(self._fd, _ERASED, _BLOCK, n * _BLOCK)
        return 0

    def _program(self, buf, size, at):
        old = self._old
        _pread(self._fd, old, size, at)
        if _memcmp(old, _ERASED, size):
            for i in range(size):
                old[i] &= buf[i]
            buf = old
        _pwrite(self._fd, buf, size, at)

    def _toward_the_end(self, buf, at):
        """One operation less to go: a write of buf, or with None an erase. The last is done as far as the power lasts."""
        self._left -= 1
        if self._left:
            return
        size = _BLOCK if buf is None else len(buf)
        done = 0 if self._how == "lost" else size
        if self._how in ("half", "garbage"):
            done = size // 2 // _PROG * _PROG
        if buf is None:
            _pwrite(self._fd, _ERASED, done, at)
        else:
            self._program(buf, done, at)
        if self._how == "garbage":
            rest = bytes(sim.random(0, 255) for _ in range(size - done))
            _pwrite(self._fd, rest, size - done, at + done)
        print("flash: the power fails,", self._how + ";", self.counts())
        sim.reset("power")

    def blank(self):
        """Has it never been written? The ESP32's start-up code looks at the first block."""
        first = bytearray(_BLOCK)
        self.readblocks(0, first)
        return first == _ERASED


def _mounted(chip):
    return vfs.VfsLfs2(chip, progsize=_PROG)


def _format(chip):
    vfs.VfsLfs2.mkfs(chip, progsize=_PROG)
    return _mounted(chip)


def _start(chip):
    """What the port's start-up code does before boot.py."""
    try:
        return _mounted(chip)
    except OSError:
        if sim.ESP32 and not chip.blank():
            print("The filesystem appears to be corrupted.")  # every 3 s, for ever
            sim.end("repl")
        return _format(chip)


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return None


def _copy(source, target):
    for name in uos.listdir(source):
        old, new = source + "/" + name, target + "/" + name
        if uos.stat(old)[0] & 0x4000:
            if name != "__pycache__":
                uos.mkdir(new)
                _copy(old, new)
        else:
            with open(new, "wb") as f:
                f.write(_read(old))


def mount(image):
    """Put the node on a littlefs; the host's current directory gives the files of a new one."""
    host = uos.getcwd()
    try:
        file = builtins.open(image, "r+b")
        new = False
    except OSError:
        file = builtins.open(image + ".new", "w+b")
        for _ in range(_BLOCKS):
            file.write(_ERASED)
        new = True
    chip = Chip(file)
    vfs.mount(_start(chip), "/flash")
    uos.chdir("/flash")
    if new:
        _copy(host, "/flash")
        uos.rename(image + ".new", image)
    config = _read(host + "/config.json")
    if config is not None and config != _read("config.json"):
        with open("config.json", "wb") as f:
            f.write(config)
    chip.writes = chip.erases = 0
    sim.flash = chip


def fill(on):
    """Leave no free block; or give back what was taken."""
    if not on:
        for name in uos.listdir():
            if name.startswith(_FILLER):
                uos.remove(name)
        return
    with open(_FILLER, "ab") as f:
        for _ in range(uos.statvfs("/flash")[3] - 2):
            f.write(_PLENTY)
    _until_full(_FILLER)
    # Appending needs a block for the copy of the last one, which is free again now: it goes to a file of its own.
    _until_full(_FILLER + "2")


def _until_full(name):
    try:
        while True:
            with open(name, "ab") as f:
                f.write(_SOME)
    except OSError as e:
        if e.errno != _ENOSPC:
            raise
