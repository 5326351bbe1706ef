"""NOR flash in RAM beneath MicroPython's own littlefs, with what goes wrong on it.

`fail` cuts the power at a block write or erase; from then on a copy is written to, which nobody will see. `sick` lets
operations return EIO.
"""

import os

import stage
import vfs
from micropython import const

import sim

_BLOCK = const(4096)
_EIO = const(-5)
_ENOSPC = const(28)
_FILLER = "/flash/filler"
PROG = 32 if sim.ESP32 else 256
_open = open  # the node's own may fail
_ERASED = memoryview(b"\xff" * _BLOCK)
HOW = ("lost", "half", "garbage", "after")


class Flash:
    def __init__(self, random, blocks):
        self.random = random
        self.count = blocks
        self.blocks = {}
        self._after = None  # what is written when there is no power any more
        self._left = 0  # operations until the power fails; 0: it does not
        self._how = None
        self._sick = {"read": 0, "write": 0}  # operations until EIO
        self._mounted = False
        self.filled = False  # has it no free block?
        self.failed = 0  # operations that have returned EIO
        self.writes = self.erases = 0
        vfs.VfsLfs2.mkfs(self, progsize=PROG)

    def mount(self):
        self._after = None
        self._left = 0
        self.recover()
        vfs.mount(vfs.VfsLfs2(self, progsize=PROG), "/flash")
        self._mounted = True
        if not self.filled:
            self._empty()

    def unmount(self):
        self._mounted = False
        vfs.umount("/flash")

    def put(self, name, text):
        """Have a file: somebody puts it there, who gets his way."""
        try:
            with _open(name) as f:
                if f.read() == text:
                    return
        except OSError:
            pass  # not there yet
        self._empty()
        with _open(name, "w") as f:
            f.write(text)
        if self.filled:
            self.fill()

    def spoil(self, folder, name, content):
        """Put something else into a file of a folder that may not be there yet."""
        try:
            with _open(folder + "/" + name, "wb") as f:
                f.write(content)
        except OSError:
            pass  # no folder yet, or no room

    def fill(self):
        """Leave no free block."""
        self.filled = True
        sick, self._sick = self._sick, {"read": 0, "write": 0}
        piece = b"x" * 4080  # the rest of a block points to others
        for name, size in (_FILLER, 4080), (_FILLER, 1024), (_FILLER + "2", 1024):
            try:
                while True:
                    with _open(name, "ab") as f:
                        f.write(piece[:size])
            except OSError as e:
                if e.errno != _ENOSPC:
                    raise
        self._sick = sick

    def drain(self):
        """Give back what fill() took, now or when there is power again."""
        self.filled = False
        if self._mounted and not stage.dead:
            self._empty()

    def _empty(self):
        sick, self._sick = self._sick, {"read": 0, "write": 0}
        for name in _FILLER, _FILLER + "2":
            try:
                os.remove(name)
            except OSError:
                pass  # not there
        self._sick = sick

    def fail(self, operations, how):
        self._left = operations
        self._how = how

    def sick(self, what, operations):
        """The read or write so many operations from now returns EIO, once."""
        self._sick[what] = operations

    def recover(self):
        self._sick["read"] = self._sick["write"] = 0

    def readblocks(self, n, buf, off=0):
        # littlefs itself loses files if it cannot read in the middle of writing a directory.
        if self._sick["read"] and not stage.writing and self._is_sick("read"):
            return _EIO
        block = self._after.get(n) if self._after else None
        if block is None:
            block = self.blocks.get(n)
        size = len(buf)
        buf[:] = _ERASED[:size] if block is None else memoryview(block)[off : off + size]
        return 0

    def writeblocks(self, n, buf, off=0):
        if self._sick["write"] and self._is_sick("write"):
            return _EIO
        self.writes += 1
        self._operate(n, off, buf)
        return 0

    def ioctl(self, request, n):
        if request == 4:
            return self.count
        if request == 5:
            return _BLOCK
        if request == 6:
            self.erases += 1
            self._operate(n, 0, None)
        return 0

    def _is_sick(self, what):
        self._sick[what] -= 1
        if self._sick[what] or stage.dead:
            return False
        self.failed += 1
        stage.flash_fails(what)
        return True

    def _operate(self, n, off, buf):
        if stage.dead:
            if self._after is None:
                self._after = {}
            self._put(self._after, n, off, buf, _BLOCK)
            return
        if self._left:
            self._left -= 1
            if not self._left:
                self._last(n, off, buf)
                return
        self._put(self.blocks, n, off, buf, _BLOCK)

    def _put(self, blocks, n, off, buf, size):
        block = blocks.get(n)
        if block is None:
            block = blocks[n] = bytearray(self.blocks.get(n) or _ERASED)
        if buf is None:
            block[:size] = _ERASED[:size]
        else:
            block[off : off + min(size, len(buf))] = memoryview(buf)[:size]

    def _last(self, n, off, buf):
        """The operation in which the power fails."""
        how = self._how
        stage.tell("fault", "flash: the power fails, " + how)
        stage.end("power")
        size = _BLOCK if buf is None else len(buf)
        done = 0 if how == "lost" else size
        if how in ("half", "garbage"):
            done = size // 2 // PROG * PROG
        if done:
            self._put(self.blocks, n, off, buf, done)
        if how == "garbage":
            rest = (self.random.bytes(64) * (size // 64 + 1))[: size - done]
            self._put(self.blocks, n, off + done, rest, size)
