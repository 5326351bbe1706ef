"""boot.py mounts the image that is to run, counts the starts of a trial before it runs, and comes back to the good one, wherever the power failed.

A good one that ends in a reset at each start gives way to another, on trial.
"""

import io
import json
import os
import sys

import machine  # the board's: boot.py's path has only MicroPython's own
import power
import started
import vfs

import sim

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
        if place != "/app" or not self.mounted:
            raise OSError(22)
        self.mounted = None

    def open(self, path, mode="r"):
        """As the built-in one, but for the index of what is mounted: its text is its hash."""
        if path == "/app/index":
            return io.StringIO("outpost 0.1.0 6 " + self.mounted + "\n")
        return open(path, mode)


def boot(*slots, cause="power", up_ms=200):
    """Run boot.py, after a reset, so long after it. Return what it mounted, or None, and the path of modules that it left."""
    sim.cause = cause
    sim._ticks_zero = sim.now() - up_ms
    real, path = sys.modules.get("vfs"), list(sys.path)
    board = sys.modules["vfs"] = Vfs(*slots)
    sys.path[:] = ["", ".frozen", "/rom", "/rom/lib", "/lib"]
    try:
        exec(started.source("boot.py"), {"__name__": "__main__", "open": board.open})
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


def test_the_main_py_and_the_settings_of_before_come_back_with_what_they_started():
    def written(path, text):
        with open(path, "w") as f:
            f.write(text)

    def read(path):
        with open(path) as f:
            return f.read()

    files = {"main.py": "state/main", "config.json": "state/settings"}
    keep({"good": "rom0", "trial": "rom1"})
    for path, before in files.items():
        written(path, "of the trial")
        written(before, "of before")
    for _ in range(3):
        boot("a", "b")
        assert {read(path) for path in files} == {"of the trial"}
    boot("a", "b")
    assert {read(path) for path in files} == {"of before"} and os.listdir("state") == ["slot"]
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


def starts(count, *slots, **how):
    """Return what so many starts in a row mounted."""
    return "".join([boot(*slots, **how)[0] for _ in range(count)])


def test_a_good_one_that_is_reset_at_each_start_gives_way():
    """A bit of it had flipped: its start hung, boot.py's timer ended that, and so on for ever."""
    for cause in "wdt", "reset":
        for good, other, found in (
            ("rom0", "rom1", "ab"),
            ("rom1", "rom0", "ba"),
        ):
            keep({"good": good})
            for resets in 1, 2, 3, 4:
                assert boot("a", "b", cause=cause)[0] == found[0]
                assert kept() == {"good": good, "starts": resets}
            tried = {
                "good": good,
                "trial": other,
                "image": found[1],
                "why": "%s was not online in 4 starts" % good,
                "tries": 2,
            }
            for start in 1, 2, 3:
                assert boot("a", "b", cause=cause if start == 1 else "power")[0] == found[1]
                tried["starts"] = start
                assert kept() == tried


def test_an_image_that_was_not_online_gives_the_good_one_back():
    """Five resets by chance, and a good image had given way for ever to one that had failed its trial."""
    keep({"good": "rom0", "trial": "rom1"})
    assert starts(4, "a", "b") == "bbba"
    assert starts(5, "a", "b", cause="reset") == "aaaab"
    assert starts(4, "a", "b") == "bbaa"
    assert kept() == {"good": "rom0", "why": "rom1 was not online in 3 starts", "tries": 2}


def test_where_none_is_online_they_change_three_times():
    keep({"good": "rom0"})
    assert starts(28, "a", "b", cause="wdt") == "aaaabbb" + 2 * "aaaaabbb" + "aaaaa"
    state = {"good": "rom0", "why": "rom1 was not online in 3 starts", "tries": 0, "starts": 4}
    assert kept() == state
    os.mkdir("state/slot.new")  # who writes now fails, and runs the other one all the same
    assert starts(9, "a", "b", cause="wdt") == 9 * "a" and kept() == state


def test_the_first_slot_with_an_image_gives_way_where_nothing_says_which_is_good():
    for text in "", "{", "null", "{}", '{"good": "rom9"}', None:
        keep(text or "")
        if text is None:
            os.remove("state/slot")
            os.rmdir("state")
        assert starts(6, "a", "b", cause="wdt") == "aaaabb", text
        assert kept()["good"] == "rom0" and kept()["trial"] == "rom1"


def test_what_lies_in_the_same_place_is_no_other():
    """`rom0` begins where `rom` does: it is the same image once more."""
    large = "x" * HALF
    for slots, good in (((large,), "rom"), (("a", None), "rom0")):
        keep({"good": good, "starts": 4})
        for _ in range(3):
            assert boot(*slots, cause="wdt")[0] == slots[0]
            assert kept() == {"good": good, "starts": 4}, "nor is anything written any more"


def test_starts_that_no_reset_began_are_not_counted():
    for cause in ("power", "deepsleep") if sim.ESP32 else ("power",):
        for state in (
            {"good": "rom0"},
            {"good": "rom0", "starts": 3},
            {"good": "rom0", "starts": 4},
        ):
            keep(state)
            assert boot("a", "b", cause=cause)[0] == "a"
            assert kept() == state


def test_somebody_at_the_board_ends_the_count():
    """Each command of mpremote's begins with a soft reset, and may end with a reset."""
    for state in {"good": "rom0"}, {"good": "rom0", "starts": 3}, {"good": "rom0", "starts": 4}:
        keep(state)
        assert boot("a", "b", cause="soft" if sim.ESP32 else "wdt", up_ms=5001)[0] == "a"
        assert kept() == {"good": "rom0"}


def test_loose_files_are_not_counted():
    for slots, state in (("a", "b"), {"good": "loose"}), ((), {}), ((None, None), {"why": "x"}):
        keep(state)
        for _ in range(6):
            assert boot(*slots, cause="wdt")[0] is None
        assert kept() == state


def test_resets_are_counted_whatever_the_file_holds():
    for good in "rom9", 5, None, [], {}:
        for starts in "x", None, -1, [], 1.5, 99:
            keep({"good": good, "starts": starts, "tries": starts})
            ran = "".join([boot("a", "b", cause="wdt")[0] for _ in range(7)])
            assert ran.strip("a") in ("b", "bb", "bbb"), (good, starts)


def test_a_full_flash_keeps_no_image_from_giving_way():
    real = os.rename

    def full(*names):
        raise OSError(28)

    for starts, found in (0, "a"), (4, "b"):
        keep({"good": "rom0", "starts": starts})
        os.rename = full
        try:
            assert boot("a", "b", cause="wdt")[0] == found
        finally:
            os.rename = real
        assert kept() == {"good": "rom0", "starts": starts}


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


def cut_everywhere(state, life):
    """Live once, then once more for each block write and erase, with the power gone at it; yield after each cut.

    life() runs on a littlefs with this state.
    """
    chip = power.formatted()
    operations = []
    mounted(chip, lambda: keep(state))
    chip.log = lambda n, off, data: operations.append((n, off, data))
    mounted(chip, life)
    assert len(operations) > 8
    flash = power.formatted()
    mounted(flash, lambda: keep(state))
    random = power.Random(3)
    for n, off, data in operations:
        for how in power.HOW:
            torn = power.Chip(base=flash)
            power._tear(torn, n, off, data, how, random)
            yield torn
        if data is None:
            flash.ioctl(6, n)
        else:
            flash.writeblocks(n, data, off)


def mounted(chip, work):
    power.mount(chip)
    os.chdir("/flash")
    try:
        return work()
    finally:
        os.chdir("/")
        vfs.umount("/flash")


def test_the_power_fails_while_it_is_written():
    """At each block write and erase of a trial's starts: always an image, and never more starts than three, and that of the cut."""

    def life():
        for _ in range(4):
            boot("a", "b")

    for torn in cut_everywhere({"good": "rom0", "trial": "rom1"}, life):
        ran = mounted(torn, lambda: [boot("a", "b")[0] for _ in range(5)])
        assert ran[-1] == "a" and ran == sorted(ran, reverse=True), ran


def test_the_power_fails_while_resets_are_counted():
    """Always an image, the broken one in four starts at most, and that of the cut; then the other one in three, and so on."""

    def life():
        for _ in range(9):
            boot("a", "b", cause="wdt")

    def on():
        found = boot("a", "b")[0]  # the power is back
        return found + starts(30, "a", "b", cause="wdt")

    for torn in cut_everywhere({"good": "rom0"}, life):
        ran = mounted(torn, on)
        rows = [len(row) for row in ran.split("b") if row]
        assert max(rows[:-1]) <= 5 and ran.count("b") in (5, 6, 7, 8, 9), ran
        assert "bbbb" not in ran and ran.endswith("aaaa"), ran
        assert mounted(torn, kept)["good"] == "rom0"


def image_file(error):
    """boot.py's file system on an image without modules, which is interrupted when it looks for `second`."""
    names = {"__name__": "boot"}
    text = started.source("boot.py")
    exec(text[: text.index("\nboot()\n")], names)

    class Interrupted(names["ImageFile"]):
        def __init__(self):
            self.error = None

        def find(self, path):
            if path.strip("/").startswith("second"):
                raise error
            raise OSError(2)

    return Interrupted()


def test_what_interrupts_an_import_is_raised():
    """MicroPython takes it for a module that is not there: main.py recorded a crash, and nobody came to the prompt."""
    # Not /app: with `--image` the modules under test are there.
    for error in KeyboardInterrupt(), MemoryError("no room"):
        vfs.mount(image_file(error), "/other")
        sys.path.insert(0, "/other")
        try:
            raised = None
            try:
                import second
            except BaseException as e:
                raised = e
            assert raised is error, raised
            try:
                import third
            except ImportError as e:
                raised = e
            assert raised is not error, "it is raised once"
        finally:
            sys.path.remove("/other")
            vfs.umount("/other")
