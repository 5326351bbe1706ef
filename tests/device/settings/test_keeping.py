"""firmware/settings/keeping.py on a flash that fails to read for a moment: nothing that could not be read is written over. On MicroPython's own littlefs."""

import io
import json
import os

import flashfile
import vfs
from power import PROG, FailingChip, mount

from firmware.files import SESSION, write
from firmware.settings import keeping

HEAP = "3m"
TIMEOUT = 150
LAST_GOOD = "state/config.json"


def settings(qos, size=600):
    return {"sensors": [{"name": "room", "qos": qos}], "more": "x" * size}


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


def saved():
    with open(LAST_GOOD) as f:
        return json.load(f)


def keep(chip, first, length, size=600):
    """Keep settings in which QoS is lowered. Return whether the session begins anew, and whether they are kept: None, it says they are not."""
    mount(chip)
    os.chdir("/flash")
    chip.fail(first, length)
    said = False
    try:
        keeping.keep(settings(1, size), LAST_GOOD)
    except OSError:
        said = True
    chip.fail(0, 0)
    leave()
    mount(chip)
    os.chdir("/flash")
    anew = SESSION.rpartition("/")[2] not in os.listdir("state")
    there = LAST_GOOD.rpartition("/")[2] in os.listdir("state")
    kept = there and saved() == settings(1, size)
    leave()
    return anew, None if said and not kept else kept


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


def test_what_is_taken_for_kept_is_kept_whatever_read_fails():
    """littlefs may give what the file held before, without a word: that is what is to be kept now."""
    for size in (0, 60, 600):
        for before in (1, 2, 3, 10):
            chip = flash(before)
            mount(chip)
            os.chdir("/flash")
            for qos in (1, 2, 1, 2):  # and so old copies of the directory say, too
                keeping.put(settings(qos, size), LAST_GOOD)
            leave()
            for length in (1, 2, 8):
                for first in range(1, 32):
                    failing = FailingChip(base=chip)
                    kept = keep(failing, first, length, size)[1]
                    assert kept in (True, None), (size, before, first, length)


class Pieces(io.IOBase):
    """A file that takes note of how much is written at once."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.sizes = []

    def write(self, data):
        self.sizes.append(len(data))
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()


def test_settings_are_never_one_text_in_memory():
    opened = []

    def in_pieces(path, mode):
        opened.append(Pieces(path))
        return opened[0]

    flashfile.open = in_pieces
    try:
        keeping.put({"name%d" % i: "x" * 20 for i in range(100)}, "config.json")
    finally:
        del flashfile.open
    sizes = opened[0].sizes
    assert sum(sizes) > 3000 and max(sizes) < 100, max(sizes)
