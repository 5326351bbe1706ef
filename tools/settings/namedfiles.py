"""The files that a config names: certificates and keys, which lie beside it."""

import os
from pathlib import PurePosixPath

from tools import mpy
from tools.settings import tlsfiles
from tools.settings.values import of_kind


def file_faults(path, raw):
    """Yield a fault for each file that a config names, and that is not beside it, may not be, or is not what it is for.

    raw: parsed JSON, or settings.
    """
    there = {}
    for setting, name in of_kind(("path",), raw):
        place = beside(name)
        if (
            not place.parts
            or ".." in place.parts
            or place.parts[0] in mpy.PACKAGES
            or str(place) in mpy.STARTED
        ):
            yield f"{setting}: is no place for a file of yours, give one such as certs/ca.der"
        elif os.path.isdir(path.parent / place):
            yield f"{setting}: {place} is a folder, give a file in it"
        elif not os.path.isfile(path.parent / place):
            yield f"{setting}: there is no {place} beside {path.name}, put it there"
        else:
            there[setting] = path.parent / place
    for setting, wrong in tlsfiles.faults(there):
        yield f"{setting}: {wrong}"


def beside(name):
    """The path of a file beside the config, by the name that the config has for it."""
    return PurePosixPath(name.lstrip("/"))
