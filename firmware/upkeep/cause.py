"""Finds why the board started. Loaded for that, first of all, then let go of."""

import os

from flashfile import uninterrupted
from micropython import const

from firmware.files import NOTE, read

_LONGEST = const(80)  # characters


def find(board):
    """Return why: as the node noted before it reset the board, or else as the board says. Call it once in a start.

    A note is for one reset: if the next start hangs and the watchdog bites, the note must not explain that.
    """
    why = read(NOTE)
    try:
        with uninterrupted:
            os.remove(NOTE)
    except OSError as e:
        if why:
            print("health: the note of the reset cannot be removed: %s" % e)
    return why[:_LONGEST] if why else board.reset_cause()
