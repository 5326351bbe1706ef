"""Outpost's own MicroPython on the emulated Pico: a ROMFS with two slots, whose modules are executed where they lie."""

import re
from binascii import b2a_base64
from contextlib import contextmanager

import pytest
from mpremote.romfs import make_romfs

from emulator import build
from tools import mpy
from tools.boards.serialboard import Link
from tools.layouts import BLOCK, LAYOUTS

LAYOUT = LAYOUTS["pico"]
SLOT_BLOCKS = LAYOUT.slot // BLOCK

# Something large enough to show where its code is.
LARGE = [path for path in mpy.sources() if path.parts[:2] == ("lib", "outbox")]
LARGE += [path for path in mpy.sources() if path.name == "flashfile.py"]

_BEGIN = f"""
import gc, os, sys, vfs
from binascii import a2b_base64
rom = vfs.rom_ioctl(2, 0)
there = memoryview(rom)

def slot(n):
    return vfs.VfsRom(there[n * {LAYOUT.slot}:(n + 1) * {LAYOUT.slot}])
"""
_IS_AN_IMAGE = """
def is_image(n):
    try:
        return bool(slot(n))
    except OSError:
        return False
print("@" + repr((is_image(0), is_image(1))))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """image(version) -> a ROMFS image with the outbox, and a module `which` that knows its version."""

    def make(version):
        folder = tmp_path_factory.mktemp("image")
        for source in LARGE:
            mpy.compile_file(source, folder / source.relative_to("lib").with_suffix(".mpy"))
        text = f"VERSION = {version}\ndef twice(text):\n    return text + text\n"
        source = folder.with_suffix(".py")
        source.write_text(text)
        mpy.compile_file(source, folder / "which.mpy")
        return make_romfs(str(folder), mpy_cross=False)

    return make


def write(link, slot, image):
    """As a deploy does: the slot's first block is erased, and written last."""
    first = slot * SLOT_BLOCKS
    link.run(f"rom.ioctl(6, {first})")
    numbers = range(-(-len(image) // BLOCK))
    for number in [*numbers[1:], 0]:
        data = image[number * BLOCK : (number + 1) * BLOCK].ljust(BLOCK, b"\xff")
        code = b2a_base64(data, newline=False).decode()
        link.run(f"rom.writeblocks({first + number}, a2b_base64('{code}'))")


@contextmanager
def prompt(board):
    """The board's prompt, with what the tests use there."""
    with Link(board.url) as link:
        link.enter()
        link.run(_BEGIN)
        yield link


def test_what_this_micropython_has(boards):
    board = boards()
    board.start()
    with prompt(board) as link:
        found = link.answer(
            'print("@" + repr((vfs.rom_ioctl(1), len(there), os.statvfs("/")[:3])))'
        )
        blocks = LAYOUT.littlefs.size // BLOCK
        assert found == (1, LAYOUT.romfs.size, (BLOCK, BLOCK, blocks))
        assert link.answer(_IS_AN_IMAGE) == (False, False)
        # names of pins are in a table of upstream's board
        named = '"LED" in dir(Pin.board), sys.implementation._build'
        found = link.answer(f'from machine import Pin\nprint("@" + repr(({named})))')
        assert found == (True, "pico")
    assert build.FIRMWARE.stat().st_size <= LAYOUT.firmware.size


def test_one_slot_runs_while_the_other_is_written(boards, image):
    board = boards()
    board.start()
    with prompt(board) as link:
        write(link, 0, image(1))
        assert link.answer(_IS_AN_IMAGE) == (True, False)
        link.run("vfs.mount(slot(0), '/a')\nsys.path.insert(0, '/a')\nimport which as one")
        says = 'print("@" + repr((one.VERSION, one.twice("a"), one.__file__)))'
        assert link.answer(says) == (1, "aa", "/a/which.mpy")

        new = image(2)
        for number in range(1, -(-len(new) // BLOCK)):
            link.run(f"rom.writeblocks({SLOT_BLOCKS + number}, bytes({BLOCK}))")
        assert link.answer(_IS_AN_IMAGE) == (True, False), (
            "a slot is none before its first block is there"
        )
        write(link, 1, new)
        assert link.answer(_IS_AN_IMAGE) == (True, True)
        assert link.answer(says) == (1, "aa", "/a/which.mpy")
    board.kill()

    board.start()  # the power came back
    with prompt(board) as link:
        found = link.answer(
            "vfs.mount(slot(1), '/b')\nsys.path.insert(0, '/b')\nimport which\n"
            'print("@" + repr((which.VERSION, which.__file__)))'
        )
        assert found == (2, "/b/which.mpy")


_COPY = """
vfs.mount(slot(0), "/slot")
os.mkdir("/files")
os.mkdir("/files/outbox")
for folder in ("", "/outbox"):
    for name in os.listdir("/slot" + folder):
        if name != "outbox":
            with open("/slot%s/%s" % (folder, name), "rb") as old:
                with open("/files%s/%s" % (folder, name), "wb") as new:
                    new.write(old.read())
"""
_TAKES = """
sys.path[:] = [{place!r}]
gc.collect()
before = gc.mem_free()
import outbox, outbox.log, outbox.again, outbox.opening, outbox.backlog
gc.collect()
print("@" + repr(before - gc.mem_free()))
sys.modules.clear()
del outbox
"""


def test_its_names_lie_in_the_firmware(boards, image):
    board = boards()
    board.start()
    with prompt(board) as link:
        write(link, 0, image(1))
        link.run("import micropython\nvfs.mount(slot(0), '/slot')\nsys.path[:] = ['/slot']")
        before = in_ram(link)
        link.run("import outbox, outbox.log, outbox.again, outbox.opening, outbox.backlog")
        # of 300: paths, and names with a dot
        assert in_ram(link) - before < 30


def in_ram(link):
    """How many names the interpreter keeps in RAM."""
    return int(re.search(r"n_qstr=(\d+)", link.run("micropython.qstr_info()"))[1])


def test_modules_of_a_slot_take_less_than_half_the_heap(boards, image):
    board = boards()
    board.start()
    with prompt(board) as link:
        write(link, 0, image(1))
        link.run(_COPY)
        in_place = link.answer(_TAKES.format(place="/slot"))
        from_files = link.answer(_TAKES.format(place="/files"))
    assert 0 < in_place < from_files / 2, (in_place, from_files)
