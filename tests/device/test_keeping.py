"""firmware/keeping.py on a flash that fails to read for a moment: nothing that could not be read is written over. On MicroPython's own littlefs."""

import os

import vfs
from power import PROG, FailingChip, mount

from firmware import keeping
from firmware.files import SESSION, write

HEAP = "3m"
TIMEOUT = 150
LAST_GOOD = "state/config.json"


def settings(qos):
    return {"sensors": [{"name": "room", "qos": qos}], "more": "x" * 600}


def flash(before):
    """One that has lived: `before` files were written."""
    chip = FailingChip()
    vfs.VfsLfs2.mkfs(chip, progsize=PROG)
    mount(chip)
    os.chdir("/flash")
    for i in range(before):
        write("state/boot", str(i))
    keeping.keep(settings(2), LAST_GOOD)
    write(SESSION, "board attic 192.0.2.1:1883")
    leave()
    return chip


def leave():
    os.chdir("/")
    vfs.umount("/flash")


def keep(chip, *fails):
    """Keep settings in which QoS is lowered. Return whether the session begins anew, and whether they are kept."""
    mount(chip)
    os.chdir("/flash")
    chip.fail(*fails)
    try:
        keeping.keep(settings(1), LAST_GOOD)
    except OSError:
        pass
    chip.fail(0, 0)
    leave()
    mount(chip)
    os.chdir("/flash")
    anew = SESSION.rpartition("/")[2] not in os.listdir("state")
    kept = keeping._load(LAST_GOOD) == settings(1)
    leave()
    return anew, kept


def test_a_lowered_qos_begins_the_session_anew_whatever_read_fails():
    """Four failing reads in a row, and the old settings made way: nobody knew any more that there had been QoS 2."""
    unread = 0
    for before in (1, 10):
        chip = flash(before)
        for length in (1, 2, 4, 8, 16):
            for first in range(1, 20):
                failing = FailingChip(base=chip)
                anew, kept = keep(failing, first, length)
                assert anew or not kept, (before, first, length)
                unread += not kept
                assert keep(failing, 0, 0) == (True, True), "at the next start"
    assert unread > 5
