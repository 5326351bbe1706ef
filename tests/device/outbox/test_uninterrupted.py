"""lib/flashfile.py: on a Pico no Ctrl-C comes while files are changed, and after that one does, whatever happened."""

import os
from errno import EIO

import flashfile
from flashfile import uninterrupted
from outbox_flash import FOLDER, Flash, deliver, put, segments

from outbox import Outbox

HEAP = "2m"
BOARDS = ("pico_w",)
CTRL_C = 3
OFF = -1


class Keyboard:
    """micropython.kbd_intr."""

    char = CTRL_C

    def __call__(self, char):
        self.char = char


class WatchedFlash(Flash):
    """Each block that is written or erased, is so without Ctrl-C."""

    def __init__(self, **settings):
        self.keyboard = flashfile.kbd_intr = Keyboard()
        self.heard = 0  # writes that a Ctrl-C could have interrupted
        super().__init__(**settings)
        self.heard = 0  # mkfs
        self.written()

    def _count(self, block, offset, data):
        super()._count(block, offset, data)
        self.heard += self.keyboard.char != OFF

    def is_safe(self):
        """Was something written, all of it without Ctrl-C, which is heard again?"""
        return self.written() > 0 and not self.heard and self.keyboard.char == CTRL_C


def test_what_is_not_guarded_is_seen():
    flash = WatchedFlash()
    with open("/flash/a", "wb") as f:
        f.write(b"a")
    assert not flash.is_safe()


def test_a_file_is_written():
    flash = WatchedFlash()
    for content in ("text", b"x" * 9000, lambda f: f.write(b"pieces")):
        flashfile.write("/flash/state/note", content)
        assert flash.is_safe()


def test_an_outbox_lives():
    flash = WatchedFlash(limit=8192)
    for n in range(0, 900, 15):
        put(flash.box, *range(n, n + 15), now=n)
        assert flash.box.sync(n) and flash.is_safe()
    assert flash.box.dropped  # segments were removed
    put(flash.box, 1, latest=True, qos=2)
    assert deliver(flash.box) and flash.box.sync(1000)
    assert segments() == [] and flash.is_safe()
    flash.restart()
    assert not flash.heard


def test_a_strange_file_in_place_of_the_folder():
    flash = WatchedFlash()
    flash.end()
    flash = WatchedFlash()
    for name in os.listdir(FOLDER):
        os.remove(FOLDER + "/" + name)
    os.rmdir(FOLDER)
    with open(FOLDER, "w") as f:
        f.write("not ours")
    flash.heard = 0
    flash.written()
    put(Outbox(FOLDER), 1)
    assert "outbox.bad" in os.listdir("/flash")
    assert flash.is_safe()


def test_the_node_s_own_files():
    flash = WatchedFlash()
    os.chdir("/flash")
    try:
        from firmware import files
        from firmware.discovery import message
        from firmware.readings import aside
        from firmware.settings import keeping
        from firmware.upkeep import cause, safemode

        class Board:
            def reset_cause(self):
                return "power on"

        files.make_folder()
        assert flash.is_safe()
        files.note_reset("watchdog")
        assert flash.is_safe()
        assert cause.find(Board()) == "watchdog"
        assert flash.is_safe()
        assert safemode.crashes("watchdog") == 1
        assert flash.is_safe()
        assert safemode.crashes("power on") == 0
        assert flash.is_safe()
        keeping.put({"sensors": []}, "config.json")
        assert flash.is_safe()
        keeping.copy("config.json", "config.bak")
        assert flash.is_safe()
        message.whole([b"x" * 500] * 5, None).source.close()
        assert flash.is_safe()
        flashfile.write(aside.SUM, "7")
        aside.forget_sum()
        assert flash.is_safe()
    finally:
        os.chdir("/")


def test_after_an_error_ctrl_c_is_heard_again():
    flash = WatchedFlash()

    def ends(error):
        def end(f):
            f.write(b"x" * 5000)
            raise error

        return end

    for error in (MemoryError(), OSError(EIO), ValueError(), KeyboardInterrupt()):
        try:
            flashfile.write("/flash/state/note", ends(error))
            raise AssertionError
        except BaseException as e:
            assert e is error
        assert flash.is_safe()
    flash.fill()
    flash.heard = 0
    put(flash.box, *range(50))
    assert not flash.box.sync(0)
    assert not flash.heard and flash.keyboard.char == CTRL_C and flashfile.depth == 0


def test_one_in_another():
    keyboard = flashfile.kbd_intr = Keyboard()
    with uninterrupted:
        with uninterrupted:
            try:
                with uninterrupted:
                    raise OSError(EIO)
            except OSError:
                pass
            assert keyboard.char == OFF
        assert keyboard.char == OFF
    assert keyboard.char == CTRL_C and flashfile.depth == 0


def test_nothing_is_allocated():
    import micropython

    flashfile.kbd_intr = abs
    with uninterrupted:
        pass
    micropython.heap_lock()
    try:
        for _ in range(3):
            with uninterrupted:
                with uninterrupted:
                    pass
    finally:
        micropython.heap_unlock()


def test_another_board_needs_none_of_it():
    assert flashfile.kbd_intr is int
