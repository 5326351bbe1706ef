"""A flash that fails to read some files."""

import builtins


class unreadable:
    """Files whose paths begin so cannot be read, until end()."""

    def __init__(self, path, error=OSError(5)):
        self.path = path
        self.error = error
        self.open = builtins.open
        builtins.open = self._open

    def _open(self, path, mode="r"):
        if path.startswith(self.path) and mode[0] == "r":
            raise self.error
        return self.open(path, mode)

    def end(self):
        builtins.open = self.open
