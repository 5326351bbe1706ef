"""A flash that fails to read some files."""

import builtins


class unreadable:
    """Files whose paths begin so cannot be read, until end()."""

    def __init__(self, path):
        self.path = path
        self.open = builtins.open
        builtins.open = self._open

    def _open(self, path, mode="r"):
        if path.startswith(self.path) and mode[0] == "r":
            raise OSError(5)
        return self.open(path, mode)

    def end(self):
        builtins.open = self.open
