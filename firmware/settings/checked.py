"""Was this very config.json checked before, by this firmware? Then its settings are those in state/config.json, and no check is loaded.

The check takes more memory than anything else of a start. After one that found no fault the node notes what it was about, in
state/checked: a SHA-256 of all that decides it, config.json and state/config.json byte by byte, the model of the board, the code
that checks. A start computes it anew. If that gives anything else, or something cannot be read, config.json is checked: a file that a
power cut left, or that somebody wrote, cannot pass. One hash is over all of it, so that a password cannot be found from the note
without having everything else; whoever has the flash has config.json, too.
"""

import json
import os
import sys
from hashlib import sha256

from flashfile import read
from micropython import const

import firmware
from firmware.files import IMAGE

CHECKED = "state/checked"

# Folders whose files decide what is a fault, and what a default.
_CODE = ("settings", "sensors", "hardware")
_PIECE = const(256)


def load(path, last_good, model):
    """Return the settings of the file at path as they were checked, and kept in last_good; None: they are to be checked."""
    try:
        noted = read(CHECKED, json.load)
        if noted:
            settings, mark = _marked(path, last_good, model)
            if noted == mark:
                return settings
    except (OSError, ValueError, MemoryError):
        pass  # the check tells what is wrong
    return None


def note(settings, path, last_good, model):
    """Note that these settings are those of the file at path, checked, and in last_good. OSError, MemoryError: the note is not written."""
    from firmware.settings.keeping import put

    try:
        kept, mark = _marked(path, last_good, model)
    except ValueError:
        return
    # A number with more digits than MicroPython writes is another one when it is read again.
    if kept == settings:
        put(mark, CHECKED)


def _marked(path, last_good, model):
    """Return what is in last_good, and the hash of everything that decides whether it may be taken. OSError: it cannot be read."""
    mark = sha256(_code())
    mark.update(model.encode() + b"\n")
    # Twice, as the check reads it: an old directory might give what the file held before.
    mark.update(read(path, _hash) or b"")
    with open(last_good, "rb") as f:
        mark.update(_hash(f))
        f.seek(0)
        return json.load(f), mark.digest().hex()


def _code():
    """Return what tells the code that checks from any other. OSError: it cannot be read."""
    if IMAGE in sys.path:
        with open(IMAGE + "/index", "rb") as f:
            return f.readline()  # version, and SHA-256 of the image
    mark = sha256(firmware.VERSION.encode())
    for part in _CODE:
        folder = "%s/%s" % (firmware.__path__, part)
        for name in sorted([entry[0] for entry in os.ilistdir(folder) if entry[1] == 0x8000]):
            with open(folder + "/" + name, "rb") as f:
                mark.update(_hash(f))
    return mark.digest()


def _hash(f):
    """Return the SHA-256 of an open file, read in pieces."""
    hashed = sha256()
    piece = memoryview(bytearray(_PIECE))
    size = f.readinto(piece)
    while size:
        hashed.update(piece[:size])
        size = f.readinto(piece)
    return hashed.digest()
