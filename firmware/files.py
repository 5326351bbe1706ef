"""The node's own small files in `state/`: read() whatever is in them, write() them whole."""

import os

from flashfile import uninterrupted, write

from firmware import forget

IMAGE = "/app"  # where boot.py mounts the image that runs; not in sys.path: loose files do
CRASH = "state/crash.txt"  # the last unforeseen exception, bounded
RESERVE = "state/reserve"  # a block that is given up when the flash is full: for the count of crashes, or the last readings
SESSION = "state/session"  # whose exchanges the client has in flight
TIME = "state/time"  # the newest time that was believed without doubt
NOTE = "state/reset"  # why the node reset the board on purpose: a Pico cannot tell its own reset from the watchdog's


def read(path):
    """Return the beginning of a file as text, or None: it is not there, or cannot be read, which the console shows."""
    try:
        from firmware.reading import text

        return text(path)
    finally:
        forget("", "reading")


def make_folder():
    """Have the folder `state`, if the flash takes one."""
    try:
        with uninterrupted:
            os.mkdir("state")
    except OSError:
        pass  # it is there


def note_reset(why):
    """Say why the node is about to reset the board."""
    write(NOTE, why)
