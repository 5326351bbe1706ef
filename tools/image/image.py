"""Makes the image: `firmware/` and `lib/`, compiled, as one ROMFS. A board runs it from its flash, in place or out of a file (boot.py).

The same sources give the same bytes. Its first record is the file `index`. It begins with a line:

    outpost 0.1.0 6 5b0e…      version, version of .mpy, SHA-256 of all that follows the index

Then seven bytes for each folder and file, least significant first: four are the CRC-32 of its path, three where it begins, counted from the
end of the index; 0 for a folder. By them boot.py finds a file in a kilobyte of RAM, without reading the image's tree.
"""

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Any

from mpremote.romfs import VfsRomWriter

from tools import ROOT, CommandError, mpy
from tools.image import romfs
from tools.layouts import LAYOUTS

MOST = max(layout.romfs.size for layout in LAYOUTS.values())  # bytes; some boards have less
NAME = "outpost"
INDEX = "index"
_VERSION = re.compile(r'^VERSION = "([^"]+)"', re.M)


@dataclass(frozen=True)
class Image:
    data: bytes
    version: str
    mpy: int  # version of the .mpy files in it
    digest: str  # SHA-256 of what follows the index, in hex

    @property
    def name(self):
        return f"{NAME}-{self.version}.romfs"


def build():
    """Compile the firmware and return its Image."""
    return of(mpy.compiled())


def of(files):
    """Return the Image of the firmware as {path on the board: bytes}."""
    return pack({path: files[path] for path in files if path not in mpy.STARTED}, version())


def version():
    """The firmware's, as its package says it."""
    (found,) = _VERSION.findall((ROOT / "firmware" / "__init__.py").read_text())
    return found


def partition(image):
    """Return a ROMFS partition with the image at its beginning."""
    return image.data.ljust(MOST, b"\xff")


def pack(files, version):
    """Return the Image of {path: bytes}; paths with / between folders, contents as mpy-cross writes them."""
    tree: dict[str, Any] = {}
    for path, data in files.items():
        *folders, name = path.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[name] = data
    kind = next(iter(files.values()))[1]
    bare = _romfs(tree, b"")
    (_, start, _), *rest = romfs.entries(bare)
    digest = hashlib.sha256(bare[start:]).hexdigest()
    about = f"{NAME} {version} {kind} {digest}\n"
    data = _romfs(tree, about.encode() + _index(rest, start))
    if len(data) > MOST:
        raise CommandError(f"the image has {len(data):,} bytes, and a board {MOST:,}")
    return Image(data, version, kind, digest)


def _index(entries, start):
    """Return the records of the index for entries of a ROMFS."""
    found = {}
    for path, at, size in entries:
        key = zlib.crc32(path.encode())
        if key in found:
            raise CommandError(f"{path} and another path have one CRC-32: rename it")
        found[key] = 0 if size is None else at - start
    return b"".join(
        key.to_bytes(4, "little") + at.to_bytes(3, "little") for key, at in found.items()
    )


def _romfs(tree, index):
    writer = VfsRomWriter()
    writer.mkfile(INDEX, index)
    _write(writer, tree)
    return writer.finalise()


def _write(writer, tree):
    for name, what in sorted(tree.items()):
        if isinstance(what, dict):
            writer.opendir(name)
            _write(writer, what)
            writer.closedir()
        else:
            writer.mkfile(name, what)
