"""The flash's file system, in the one thing where the host's is kinder: what was written is there after flush() or
close() and not before, and `open(..., "w")` leaves the old file whole until then (littlefs; docs/library/vfs.rst).

`install()` replaces `open` for modes "w", "a" and "x". A full flash: `sim.flash_full`.
"""

import builtins
import io

import sim
import uos

_open = builtins.open
_TEMPORARY = ".not-flushed"
_ENOSPC = 28


class File(io.IOBase):
    def __init__(self, path, mode):
        self._path = path
        self._binary = "b" in mode
        self._parts = []
        self._fresh = "a" not in mode  # the next flush replaces the file
        self._closed = False
        self._failed = False
        if not self._fresh:
            _open(path, "ab").close()  # ENOENT, EISDIR now and not later
        else:
            parent = path[: path.rfind("/")] if "/" in path else "."
            uos.stat(parent or "/")

    def write(self, data):
        if self._closed:
            raise OSError(22)
        n = len(data)
        self._parts.append(data.encode() if isinstance(data, str) else bytes(data))
        if len(self._parts) > 32:
            self._parts = [b"".join(self._parts)]
        return n

    def flush(self):
        if sim.flash_full and (self._parts or self._fresh):
            self._parts = []
            self._failed = True
            raise OSError(_ENOSPC)
        path = self._path + _TEMPORARY if self._fresh else self._path
        if self._fresh or self._parts:
            with _open(path, "wb" if self._fresh else "ab") as f:
                for part in self._parts:
                    f.write(part)
            if self._fresh:
                uos.rename(path, self._path)
        self._parts = []
        self._fresh = False

    def close(self):
        if self._closed:
            return
        self._closed = True
        if self._failed:  # what could not be written is gone, and close() says nothing
            if self._fresh:
                _open(self._path, "wb").close()
            return
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def tell(self):
        size = 0 if self._fresh else uos.stat(self._path)[6]
        return size + sum(len(part) for part in self._parts)

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
