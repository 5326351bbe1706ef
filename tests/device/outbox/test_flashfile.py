"""lib/flashfile.py on MicroPython's own littlefs: a file holds the old content or the new, and what was read is what is there."""

import errno
import os

import flashfile
import power
import vfs
from flashfile import BESIDE, read, write
from outbox_flash import Flash

HEAP = "2m"
BOARDS = ("esp32", "pico_w")
PATH = "/flash/state/note"


def content(path=PATH):
    with open(path, "rb") as f:
        return f.read()


def fails(act, *args):
    try:
        act(*args)
    except (OSError, MemoryError) as e:
        return e
    raise AssertionError("no error")


def test_a_file_is_replaced_whole_whatever_it_is_made_of():
    Flash()
    for made, expected in (
        ("text, é", "text, é".encode()),
        (b"\0bytes", b"\0bytes"),
        (lambda f: (f.write(b"in "), f.write("pieces")), b"in pieces"),
        (b"", b""),
    ):
        write(PATH, made)
        assert content() == expected
        assert os.listdir("/flash/state") == ["note"]


def test_the_folder_is_made():
    Flash()
    write(PATH, "a")
    assert content() == b"a"
    assert fails(write, "/flash/not/there/note", "a").errno == errno.ENOENT
    os.chdir("/flash")
    try:
        write("note", "a")
        assert content("note") == b"a"
    finally:
        os.chdir("/")


def test_what_cannot_be_written_leaves_the_old_content():
    flash = Flash(blocks=64)
    write(PATH, "old")

    def ends(error):
        def end(f):
            f.write("half")
            raise error

        return end

    for error in (MemoryError(), OSError(errno.EIO)):
        assert fails(write, PATH, ends(error)) is error
        assert content() == b"old"
    flash.fill()
    assert fails(write, PATH, b"x" * 20000).errno == 28
    assert content() == b"old"
    flash.empty()
    write(PATH, "new")
    assert content() == b"new" and "note" + BESIDE not in os.listdir("/flash/state")


def test_the_power_fails_at_every_write():
    operations = []  # (block, offset, data or None: erase, contents that may be there)
    may = [None, None]
    chip = power.Chip(base=power.formatted(), log=lambda *what: operations.append((what, may[:])))
    power.mount(chip)
    for n in range(12):
        may[1] = b"%d " % n * (n * 150)
        write(PATH, may[1])
        may[0] = may[1]
    vfs.umount("/flash")
    assert len(operations) > 40
    random = power.Random(3)
    chip = power.formatted()
    for (n, off, data), may in operations:
        for how in power.HOW:
            torn = power.Chip(base=chip)
            power._tear(torn, n, off, data, how, random)
            power.mount(torn)
            found = read(PATH, lambda f: f.read())
            assert found in may, (how, found, may)
            write(PATH, "again")
            assert content() == b"again"
            vfs.umount("/flash")
        if data is None:
            chip.ioctl(6, n)
        else:
            chip.writeblocks(n, data, off)


class Opens:
    """Stands for open(): an error, or the content that it finds, each time. Then it is the true one again."""

    def __init__(self, *found):
        self.found = list(found)
        flashfile.open = self

    def __call__(self, path, mode):
        if not self.found:
            return open(path, mode)
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        with open("/flash/found", "wb") as f:
            f.write(found)
        return open("/flash/found", mode)


def text(f):
    return f.read().decode()


def test_what_is_read_has_come_twice():
    Flash()
    write(PATH, "new")
    eio, enoent = OSError(errno.EIO), OSError(errno.ENOENT)
    for found in (
        (),
        (b"old",),
        (b"old", b"new", b"old"),
        (eio,),
        (enoent,),
        (eio, enoent),
        (b"old", eio),
        (MemoryError(), eio),
    ):
        opens = Opens(*found)
        assert read(PATH, text) == "new" and not opens.found, found
    del flashfile.open


def test_what_cannot_be_read_is_neither_nothing_nor_old():
    Flash()
    write(PATH, "new")
    eio = OSError(errno.EIO)
    Opens(b"old", b"new", b"old", b"new", b"old", b"new")
    assert fails(read, PATH, text).errno == errno.EIO
    Opens(eio, eio, eio)
    assert fails(read, PATH, text).errno == errno.EIO
    Opens(eio, eio, MemoryError())
    assert fails(read, PATH, text).errno == errno.ENOMEM
    del flashfile.open


def test_nothing_is_there():
    Flash()
    assert read(PATH, text) is None
    os.mkdir("/flash/state")
    assert read(PATH, text) is None
    os.mkdir(PATH)
    assert read(PATH, text) is None
    write("/flash/file", "a")
    assert read("/flash/file/note", text) is None


def test_what_cannot_be_understood_is_told():
    Flash()
    write(PATH, "one")
    try:
        read(PATH, lambda f: int(f.read()))
    except ValueError:
        return
    raise AssertionError("no error")
