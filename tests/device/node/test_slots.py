"""boot.py mounts the image that is to run, counts the starts of a trial before it runs, and comes back to the good one, wherever the power failed."""

import json
import os
import sys

import power
import started
import vfs

HEAP = "2m"
BOARDS = ("esp32", "pico_w")
HALF = 4096


class Vfs:
    """MicroPython's `vfs` on a board with a ROMFS partition: `slots` are the texts in its halves, None: no image. Without slots it has none.

    A text that is longer than half of it takes all.
    """

    def __init__(self, *slots):
        self.mounted = None
        if slots:
            halves = [b"rom " + text.encode() if text else b"" for text in slots]
            self.rom = b"".join([half + b"\xff" * (HALF - len(half)) for half in halves])
            self.rom_ioctl = self._ioctl

    def _ioctl(self, op, partition):
        if (op, partition) != (2, 0):
            raise AssertionError
        return self.rom

    def VfsRom(self, part):
        text = bytes(part[4:]).rstrip(b"\xff").decode()
        if bytes(part[:4]) != b"rom " or (len(part) == HALF and len(text) == HALF - 4):
            raise OSError(19)
        return text

    def mount(self, system, place):
        if self.mounted or place != "/app":
            raise OSError(1)
        self.mounted = system

    def umount(self, place):
        raise OSError(22)


def boot(*slots):
    """Run boot.py. Return what it mounted, or None, and the path of modules that it left."""
    real, path = sys.modules.get("vfs"), list(sys.path)
    board = sys.modules["vfs"] = Vfs(*slots)
    sys.path[:] = ["", ".frozen", "/rom", "/rom/lib", "/lib"]
    try:
        exec(started.source("boot.py"), {"__name__": "__main__"})
        return board.mounted, list(sys.path)
    finally:
        del sys.modules["vfs"]
        if real:
            sys.modules["vfs"] = real
        sys.path[:] = path


def keep(state):
    if "state" not in os.listdir("."):
        os.mkdir("state")
    with open("state/slot", "w") as f:
        f.write(state if isinstance(state, str) else json.dumps(state))


def kept():
    with open("state/slot") as f:
        return json.load(f)


def test_the_good_one_runs_and_nothing_is_written():
    for good, found in (("rom0", "a"), ("rom1", "b")):
        keep({"good": good})
        mounted, path = boot("a", "b")
        assert mounted == found
        assert path == ["/app", "/app/lib", "", "/lib", ".frozen"]
        assert kept() == {"good": good} and os.listdir("state") == ["slot"]


def test_a_large_one_takes_the_whole_partition():
    large = "x" * HALF
    for state in {"good": "rom"}, {"good": "slots/a", "trial": "rom"}, {"good": "rom0"}, {}:
        keep(state)
        assert boot(large)[0] == large, state
    keep({"good": "slots/a", "trial": "rom", "starts": 3})
    assert boot(large)[0] == large  # there is no such file: better this one than none
    assert kept() == {"good": "slots/a", "why": "was not online in 3 starts"}


def test_without_a_partition_or_an_image_the_loose_files_run():
    for slots in (), (None, None):
        for state in (None, {"good": "rom0"}, {"good": "slots/a", "trial": "rom1"}):
            if state:
                keep(state)
            assert boot(*slots) == (None, ["", "/lib", ".frozen"])


def test_a_developers_files_run_whatever_is_in_the_slots():
    keep({"good": "loose"})
    assert boot("a", "b") == (None, ["", "/lib", ".frozen"])
    keep({"good": "loose", "trial": "rom0"})
    assert [boot("a", None)[0] for _ in range(5)] == ["a", "a", "a", None, None]


def test_a_trial_has_three_starts():
    keep({"good": "rom0", "trial": "rom1"})
    for start in 1, 2, 3:
        assert boot("a", "b")[0] == "b"
        assert kept() == {"good": "rom0", "trial": "rom1", "starts": start}
    for _ in range(2):
        assert boot("a", "b")[0] == "a"
        assert kept() == {"good": "rom0", "why": "was not online in 3 starts"}


def test_the_main_py_of_before_comes_back_with_what_it_started():
    def written(path, text):
        with open(path, "w") as f:
            f.write(text)

    def read(path):
        with open(path) as f:
            return f.read()

    keep({"good": "rom0", "trial": "rom1"})
    written("main.py", "of the trial")
    written("state/main", "of before")
    for _ in range(3):
        boot("a", "b")
        assert read("main.py") == "of the trial"
    boot("a", "b")
    assert read("main.py") == "of before" and os.listdir("state") == ["slot"]
    # a deploy that was cut before it chose, and a node that gave the trial back
    written("state/main", "of before that")
    boot("a", "b")
    assert read("main.py") == "of before that"


def test_a_trial_that_cannot_be_mounted_is_over():
    for trial in "rom1", "rom7", "slots/b", 5, None, [], "", "romx":
        keep({"good": "rom0", "trial": trial})
        assert boot("a", None)[0] == "a"
        assert kept() == {"good": "rom0", "why": "cannot be used"}


def test_whatever_the_file_holds_an_image_runs():
    for text in (
        "",
        "{",
        "[]",
        "null",
        '{"good": 1}',
        '{"good": "rom1"}',
        '{"good": "rom99999999999"}',
        '{"good": "rom9", "trial": {}}',
        '{"trial": "rom0", "starts": "x"}',
        '{"trial": "rom1", "starts": 1e999}',
        "\xff",
        "x" * 5000,
    ):
        keep(text)
        assert boot("a", None)[0] == "a", text


def test_a_start_that_cannot_be_counted_is_none():
    keep({"good": "rom0", "trial": "rom1"})
    real = os.rename

    def full(*names):
        raise OSError(28)

    os.rename = full
    try:
        assert boot("a", "b")[0] == "a"
    finally:
        os.rename = real
    assert kept()["trial"] == "rom1"


class Pico:
    """`sys` and `micropython` of a Pico. `states`: of Ctrl-C, from change to change."""

    platform = "rp2"

    def __init__(self):
        self.states = []

    def kbd_intr(self, char):
        self.states.append(char)

    def __getattr__(self, name):
        return getattr(sys, name)


def test_a_pico_hears_no_ctrl_c_while_it_is_written():
    real = os.rename
    try:
        for error in (None, OSError(28), MemoryError()):
            pico = sys.modules["sys"] = sys.modules["micropython"] = Pico()

            def rename(*names, pico=pico, error=error):
                pico.states.append("rename")
                if error:
                    raise error
                real(*names)

            os.rename = rename
            keep({"good": "rom0", "trial": "rom1"})
            boot("a", "b")
            assert pico.states == [-1, "rename", 3]
    finally:
        os.rename = real
        del sys.modules["micropython"]
        sys.modules["sys"] = sys
    boot("a", "b")  # another board has not even the call


def test_the_power_fails_while_it_is_written():
    """At each block write and erase of a trial's starts: always an image, and never more starts than three, and that of the cut."""
    chip = power.formatted()
    operations = []
    power.mount(chip)
    os.chdir("/flash")
    keep({"good": "rom0", "trial": "rom1"})
    for _ in range(3):
        chip.log = lambda n, off, data: operations.append((n, off, data))
        boot("a", "b")
    boot("a", "b")
    os.chdir("/")
    vfs.umount("/flash")
    assert len(operations) > 8
    flash = power.formatted()
    power.mount(flash)
    os.chdir("/flash")
    keep({"good": "rom0", "trial": "rom1"})
    os.chdir("/")
    vfs.umount("/flash")
    random = power.Random(3)
    for n, off, data in operations:
        for how in power.HOW:
            torn = power.Chip(base=flash)
            power._tear(torn, n, off, data, how, random)
            power.mount(torn)
            os.chdir("/flash")
            ran = [boot("a", "b")[0] for _ in range(5)]
            os.chdir("/")
            vfs.umount("/flash")
            assert ran[-1] == "a" and ran == sorted(ran, reverse=True), ran
        if data is None:
            flash.ioctl(6, n)
        else:
            flash.writeblocks(n, data, off)
