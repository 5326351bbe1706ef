"""Outpost: the application. What knows what a sensor node is."""

import sys

VERSION = "0.1.0"


def forget(room, *modules):
    """Let go of modules of a room, such as "link", that are in memory; of the package's own if it is "". An import brings them back."""
    room = "firmware." + room if room else "firmware"
    for module in modules:
        sys.modules.pop(room + "." + module, None)
        if hasattr(sys.modules.get(room), module):
            delattr(sys.modules[room], module)
