"""Settings as they get into a file of the flash: whole, or not at all.

Without the tables of the settings, 27 KB, which need not be in memory for it.
"""

import json
import os

from micropython import const
from outbox_reading import patiently

from firmware.files import SESSION

_PIECE = const(512)


def keep(settings, last_good):
    """Write checked settings to last_good if it holds others. As put(), which see for the errors."""
    try:
        before = patiently(_load, last_good)
        if before == settings:
            return
        if _names(before, (2,)) & _names(settings, (0, 1)):
            # An exchange of QoS 2 would never end, and take one of the broker's few places: the session begins anew.
            os.remove(SESSION)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # there is none, or it is not ours any more
    before = None
    folder = last_good.rpartition("/")[0]
    if folder:
        try:
            os.mkdir(folder)
        except OSError:
            pass  # there already; if not, open() says why
    put(settings, last_good)


def _load(path):
    with open(path) as f:
        return json.load(f)


def put(settings, path):
    """Write settings to path.

    OSError: the flash is full or failed. MemoryError: there is no room for it. The file is then as it was.
    """
    beside = path + ".tmp"
    try:
        with open(beside, "w") as f:
            json.dump(settings, f)
        # Replaces the file in one step: after a power cut it is wholly the old one or wholly the new.
        os.rename(beside, path)
    except (OSError, MemoryError):
        try:
            os.remove(beside)
        except OSError:
            pass
        raise


def copy(source, target):
    """Copy a file. OSError: as put(); then target may be half of it."""
    with open(source, "rb") as old, open(target, "wb") as new:
        piece = old.read(_PIECE)
        while piece:
            new.write(piece)
            piece = old.read(_PIECE)


def _names(settings, qos):
    """Return the names of the sensors that have one of these QoS."""
    return {sensor["name"] for sensor in settings["sensors"] if sensor["qos"] in qos}
