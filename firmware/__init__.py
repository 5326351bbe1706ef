"""Outpost: the application. What knows what a sensor node is."""

import sys

VERSION = "0.1.0"


def forget(*names):
    """Let go of modules of this package that are in memory; an import brings them back."""
    for name in names:
        sys.modules.pop("firmware." + name, None)
        globals().pop(name, None)
