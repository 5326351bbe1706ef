"""Why the board started. Loaded for that, first of all, then let go of."""

import os

from micropython import const

from firmware.files import NOTE, read

_LONGEST = const(80)  # characters


def find(board):
    """Return why, as the node has noted before it reset the board, or else as the board says. To be called once in a start.

    What is noted is of one reset: a start that hangs must not be told by it when the watchdog has bitten.
    """
    why = read(NOTE)
    try:
        os.remove(NOTE)
    except OSError as e:
        if why:
            print("health: the note of the reset cannot be removed: %s" % e)
    return why[:_LONGEST] if why else board.reset_cause()
