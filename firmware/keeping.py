"""Settings as they get into a file of the flash: whole, or not at all.

Without the tables of the settings, 27 KB, which need not be in memory for it.
"""

import json
import os
from errno import EIO

from micropython import const
from outbox_reading import is_nothing, patiently, settle

from firmware.files import SESSION

_PIECE = const(512)


def keep(settings, last_good):
    """Write checked settings to last_good if it holds others. As put(), and OSError: it cannot be read, and is as it was."""

    def holds(path):
        """Said twice: after an error littlefs may give what the file held before, or damage, without a word."""
        return _load(path) == settings and settle(path) and _load(path) == settings

    if _read(holds, last_good):
        return
    if _read(_said_twice, last_good) & _names(settings, (0, 1)):
        # An exchange of QoS 2 would never end, and take one of the broker's few places: the session begins anew.
        _read(os.remove, SESSION)
    folder = last_good.rpartition("/")[0]
    if folder:
        try:
            os.mkdir(folder)
        except OSError:
            pass  # there already; if not, open() says why
    put(settings, last_good)


def _read(read, path):
    """Return read(path), or nothing, if there is nothing. OSError: nobody knows, so that it is found out at the next start."""
    try:
        return patiently(read, path)
    except OSError as e:
        if not is_nothing(e):
            raise
        return set()


def _load(path):
    """Return the settings in a file, None: it is not ours any more."""
    try:
        with open(path) as f:
            return json.load(f)
    except ValueError:
        return None


def _said_twice(path):
    """Return the names of the sensors of QoS 2."""
    found = _had_qos_2(path)
    if settle(path) and _had_qos_2(path) == found:
        return found
    raise OSError(EIO)


def _had_qos_2(path):
    try:
        return _names(_load(path), (2,))
    except (TypeError, KeyError, AttributeError):
        return set()


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
