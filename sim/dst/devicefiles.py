"""The compiled firmware as a file system at /device, in RAM: every start loads it, and a module that is loaded takes memory."""

import io
import os

import stage
import vfs

_FILE, _FOLDER = 0x8000, 0x4000


class DeviceFiles:
    def __init__(self, root):
        """root: a folder of the host, read once."""
        self.files = {}
        self.folders = set()
        self._read(root, "")
        vfs.mount(self, "/device")

    def _read(self, root, path):
        self.folders.add(path)
        for entry in os.ilistdir(root + path):
            name = path + "/" + entry[0]
            if entry[1] & _FOLDER:
                self._read(root, name)
            else:
                with open(root + name, "rb") as f:
                    self.files[name] = f.read()

    def text(self, name):
        return self.files["/" + name].decode()

    # what MicroPython asks of a file system

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        if path in self.files:
            return (_FILE, 0, 0, 0, 0, 0, len(self.files[path]), 0, 0, 0)
        if path in self.folders:
            return (_FOLDER, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(2)

    def ilistdir(self, path):
        return iter(
            [
                (name[len(path) + 1 :], kind, 0)
                for kind, names in ((_FILE, self.files), (_FOLDER, self.folders))
                for name in names
                if name.rpartition("/")[0] == path and name
            ]
        )

    def open(self, path, mode):
        stage.allocate()
        if path == "/firmware/provisioning/portal.mpy":
            stage.portal()
        return io.BytesIO(self.files[path])
