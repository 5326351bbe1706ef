"""The flash's file system, in the one thing where the host's is kinder: what was written is there after flush() or
close() and not before, and `open(..., "w")` leaves the old file whole until then (littlefs; docs/library/vfs.rst).

`install()` replaces `open` for modes "w", "a" and "x". A full flash: `sim.flash_full`. What is written and not flushed yet
waits outside of the heap, which is the node's: a write allocates nothing, as on a board.
"""

import builtins
import io

import uos
from micropython import const

import sim

_open = builtins.open
_TEMPORARY = ".not-flushed"
_ENOSPC = const(28)
_CLOEXEC = const(1)

# a file without a name, gone when it is closed
_memfd_create = sim.libc.func("i", "memfd_create", "sI")
_piece = bytearray(512)


class File(io.IOBase):
    def __init__(self, path, mode):
        self._path = path
        self._fresh = "a" not in mode  # the next flush replaces the file
        self._closed = False
        self._failed = False
        if not self._fresh:
            _open(path, "ab").close()  # ENOENT, EISDIR now and not later
        else:
            parent = path[: path.rfind("/")] if "/" in path else "."
            uos.stat(parent or "/")
        self._waiting = _open(_memfd_create("flash", _CLOEXEC), "r+b")
        self._size = 0  # bytes that wait

    def write(self, data):
        if self._closed:
            raise OSError(22)
        n = self._waiting.write(data)
        self._size += n
        return n

    def flush(self):
        size = self._size
        self._size = 0
        self._waiting.seek(0)
        if sim.flash_full and (size or self._fresh):
            self._failed = True
            raise OSError(_ENOSPC)
        path = self._path + _TEMPORARY if self._fresh else self._path
        if self._fresh or size:
            with _open(path, "wb" if self._fresh else "ab") as f:
                while size > 0:
                    self._waiting.readinto(_piece)
                    f.write(_piece, min(size, len(_piece)))
                    size -= len(_piece)
            self._waiting.seek(0)
            if self._fresh:
                uos.rename(path, self._path)
        self._fresh = False

    def close(self):
        if self._closed:
            return
        self._closed = True
        try:
            if not self._failed:
                self.flush()
            elif self._fresh:  # what could not be written is gone, and close() says nothing
                _open(self._path, "wb").close()
        finally:
            self._waiting.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def tell(self):
        return self._size + (0 if self._fresh else uos.stat(self._path)[6])

    def ioctl(self, request, arg):
        if request == 1:
            self.flush()
        elif request == 4:
            self.close()
        return 0


def _flash_open(path, mode="r", *args, **kwargs):
    if "+" not in mode and ("w" in mode or "a" in mode):
        return File(path, mode)
    if "x" in mode:
        try:
            uos.stat(path)
        except OSError:
            return File(path, mode)
        raise OSError(17)
    return _open(path, mode, *args, **kwargs)


def install():
    builtins.open = _flash_open
