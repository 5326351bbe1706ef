"""Writes settings to a file on flash: whole, or not at all.

It does without the tables of the settings, 27 KB, which need not be in memory for it.
"""

import json
import os

from flashfile import BESIDE, is_nothing, patiently, read, uninterrupted, write
from micropython import const

from firmware.files import SESSION

_PIECE = const(512)


def keep(settings, last_good):
    """Write checked settings to last_good if it holds others. Errors as put(); OSError also: last_good cannot be read, and is as it was."""
    if read(last_good, lambda f: _load(f) == settings):
        return
    had_qos_2 = read(last_good, _names_of_qos_2)
    if had_qos_2 and had_qos_2 & _names(settings, (0, 1)):
        # An exchange of QoS 2 would never end, and take one of the broker's few places: the session begins anew.
        try:
            with uninterrupted:
                patiently(os.remove, SESSION)
        except OSError as e:
            if not is_nothing(e):
                raise  # nobody knows: the next start finds out
    put(settings, last_good)


def _load(f):
    """Return the settings in an open file; None: we did not write it."""
    try:
        return json.load(f)
    except ValueError:
        return None


def _names_of_qos_2(f):
    try:
        return _names(_load(f), (2,))
    except (TypeError, KeyError, AttributeError):
        return set()


def put(settings, path):
    """Write settings to path.

    OSError: the flash is full or failed. MemoryError: there is no room for it. The file is then as it was.
    """
    try:
        write(path, lambda f: json.dump(settings, f))  # in pieces: never as one text in memory
    except (OSError, MemoryError):
        try:
            with uninterrupted:
                os.remove(path + BESIDE)  # half a file would take room
        except OSError:
            pass
        raise


def copy(source, target):
    """Copy a file. OSError: as put(); then target may be half of it."""
    with uninterrupted, open(source, "rb") as old, open(target, "wb") as new:
        piece = old.read(_PIECE)
        while piece:
            new.write(piece)
            piece = old.read(_PIECE)


def _names(settings, qos):
    """Return the names of the sensors that have one of these QoS."""
    return {sensor["name"] for sensor in settings["sensors"] if sensor["qos"] in qos}
