"""Outpost: the application. What knows what a sensor node is."""

import sys

VERSION = "0.1.0"


def forget(room, *modules):
    """Let go of modules of a room, such as "link", that are in memory; of the package's own if it is "". An import brings them back."""
    let_go("firmware." + room if room else "firmware", *modules)


def let_go(package, *modules):
    """The same for modules of any package, by its whole name."""
    for module in modules:
        sys.modules.pop(package + "." + module, None)
        if hasattr(sys.modules.get(package), module):
            delattr(sys.modules[package], module)
