"""Mounts the image that runs as /app, then starts joining Wi-Fi while the application loads. Never raises: main.py would not run.

Never updated over the air, and imports nothing of an image before one is mounted. An image (tools/image) lies in a slot: `rom0` and `rom1`
are the halves of the ROMFS partition, where MicroPython has one, `rom` is the whole of it, and run in place; any other slot is a file.
`state/slot` says which:

    {"good": "rom0"}                                 it was online before
    {"good": "rom0", "trial": "rom1", "image": "5b0e…", "starts": 1}   tried, until it is online or has started three times
    {"good": "rom0", "why": "…"}                     back from a trial
    {"good": "rom0", "starts": 2}                    two resets in a row, and not yet online since
    {"good": "rom0", "trial": "rom1", "image": "5b0e…", "starts": 1, "why": "…", "tries": 2}   rom0 was reset too often: another is tried
    {"good": "rom0", "why": "…", "tries": 2}         back from that. Until one is online, another is tried twice more
    {"good": "loose"}                                the files in /firmware and /lib: a developer's

These files also run where no slot can be mounted.
"""

import sys

import machine

_STATE = "state/slot"
_SLOTS = ("rom0", "rom1", "rom", "slots/a", "slots/b")
# What these were before a trial.
_BEFORE = (("state/main", "main.py"), ("state/settings", "config.json"))
_STARTS = 3  # of a trial
_RESETS = 4  # in a row: after four crashes a node has been without its sensors once, whose fault it might be (upkeep/safemode.py)
_TRIES = 3  # of another image, until one is online: where none is, they would change, and be written down, for ever
_SOFT_MS = 5000  # on a Pico, a soft reset comes later; an ESP32 tells it
_BOOT_S = 60  # what follows takes one
_BITE_MS = 1000


def load():
    """Return the state of the slots, as a dict; empty if nothing is known."""
    import json

    for _ in range(3):  # a flash may fail to read once
        try:
            with open(_STATE) as f:
                state = json.load(f)
            if isinstance(state, dict):
                return state
        except (OSError, ValueError, MemoryError):
            pass
    return {}


def alone(change):
    """Call change() without a Ctrl-C in the middle: as lib/flashfile.py, but that may be in an image."""
    import micropython

    kbd_intr = micropython.kbd_intr if sys.platform == "rp2" else int
    kbd_intr(-1)
    try:
        if change:  # always; at this branch a Ctrl-C that came before is raised
            change()
    finally:
        kbd_intr(3)


def save(state):
    """Replace the state."""
    import json
    import os

    def write():
        if "state" not in os.listdir():
            os.mkdir("state")
        with open(_STATE + ".new", "w") as f:
            json.dump(state, f)
        os.rename(_STATE + ".new", _STATE)

    alone(write)


def put_back():
    """No trial: if a main.py or settings of before one are there, they belong to what runs."""
    import os

    for kept, path in _BEFORE:
        try:
            alone(lambda kept=kept, path=path: os.rename(kept, path))
        except OSError:
            pass  # as a rule there is none


def number_of(state, key, default=0):
    """Return a count in the state; the default where it is none, whatever the file says."""
    found = state.get(key)
    return found if isinstance(found, int) and found >= 0 else default


def begin_trial(state):
    """Mount the image on trial. Return whether it is; OSError: its start cannot be counted, so there is none."""
    starts = number_of(state, "starts") + 1
    why = "was not online in %d starts" % _STARTS
    if starts <= _STARTS:
        state["starts"] = starts
        save(state)
        if mount(state["trial"]):
            return True
        why = "cannot be used"
    print("boot: the image on trial", why)
    state["why"] = "%s %s" % (state["trial"], why) if "tries" in state else why
    for key in ("trial", "image", "starts"):
        state.pop(key, None)
    save(state)
    put_back()
    return False


def fall_back(state, bad):
    """Try another image than that of a slot, which is mounted and does not start any more: on trial, for it may be no better.

    Return whether one is mounted.
    """
    import vfs

    tries = number_of(state, "tries", _TRIES)
    if not tries:
        print("boot:", bad, "does not start, nor was another slot's image online: deploy one")
        return True
    vfs.umount("/app")
    for slot in _SLOTS:
        if slot != bad and {slot, bad} != {"rom", "rom0"} and mount(slot):
            why = "%s was not online in %d starts" % (bad, _RESETS)
            print("boot:", why + ": now", slot)
            state = {"good": bad, "trial": slot, "starts": 1, "why": why, "tries": tries - 1}
            try:
                with open("/app/index") as f:
                    state["image"] = f.readline().split()[-1]
                save(state)
            except (OSError, IndexError, MemoryError) as e:
                print("boot: not noted:", e)
            return True
    print("boot:", bad, "does not start, no other slot holds an image: deploy it again")
    return mount(bad)


def count_reset(state, slot):
    """Count a start of a slot's image that follows a reset: perhaps the start before hung, and the watchdog ended it. The node ends the count.

    Too many, and another one is mounted instead. Return whether one is mounted. OSError: this start is not counted.
    """
    import os
    import time

    resets = number_of(state, "starts")
    cause = machine.reset_cause()
    if (
        time.ticks_ms() > _SOFT_MS
        if os.uname()[0] == "rp2"
        else cause == getattr(machine, "SOFT_RESET", 0)
    ):
        if "starts" in state:  # somebody is at work on the board
            del state["starts"]
            save(state)
    elif cause not in (machine.PWRON_RESET, getattr(machine, "DEEPSLEEP_RESET", 0)):
        if resets >= _RESETS:
            return fall_back(state, slot)
        state["starts"] = resets + 1
        save(state)
    return True


def pick():
    """Mount an image and put it into sys.path. A trial counts its start before anything of it runs, and so does what follows a reset."""
    state = load()
    tried = "trial" in state
    found = False
    if tried:
        try:
            found = begin_trial(state)
        except (OSError, MemoryError) as e:
            print("boot: no trial:", e)
    else:
        put_back()
    good = state.get("good")
    if not found and good != "loose":
        for slot in (good,) + _SLOTS:
            found = slot is not None and mount(slot)
            if found:
                break
        if found and not tried:
            try:
                found = count_reset(state, str(slot))
            except Exception as e:  # whatever it is, an image runs
                print("boot: not counted:", type(e).__name__, e)
    if found:
        at = sys.path.index("") if "" in sys.path else 0
        sys.path[at:at] = ["/app", "/app/lib"]


def mount(slot):
    """Mount the image of a slot. Return whether it could be."""
    import vfs

    try:
        slot = str(slot)  # whatever the file said
        if slot[:3] == "rom":
            rom = memoryview(vfs.rom_ioctl(2, 0))
            if slot[3:]:
                half = len(rom) // 2 & ~4095
                begin = half * int(slot[3:])
                rom = rom[begin : begin + half]
            system = vfs.VfsRom(rom)
        else:
            system = ImageFile(slot)
        vfs.mount(system, "/app")
        return True
    except (
        AttributeError,
        TypeError,
        ValueError,
        OSError,
        MemoryError,
        IndexError,
        OverflowError,
    ):
        return False  # no such slot, or no image in it


def number(data, at):
    """Return a number of a ROMFS, seven bits a byte, and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 127
        at += 1
        if data[at - 1] < 128:
            return value, at


class ImageFile:
    """An image that is a file, for vfs.mount(): by its index a module is found, and MicroPython reads it from there."""

    def __init__(self, path):
        from binascii import crc32

        # Imported in find(), it would be looked for here first, and so on without end.
        self.crc32 = crc32
        self.path = path
        self.error = None
        with open(path, "rb") as f:
            head = f.read(32)
            if head[:3] != b"\xd2\xcd\x31":
                raise ValueError
            length, at = number(head, 3)
            end = at + length
            for _ in range(3):  # the file `index`: kind, length; length of its name
                length, at = number(head, at)
            _, at = number(head, at + length)  # kind of its contents
            self.size, at = number(head, at)
            f.seek(at)
            about = f.readline()
            self.index = f.read(self.size - len(about))
            self.base = at + self.size
            if f.seek(0, 2) < end:
                raise ValueError

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def stat(self, path):
        # An import takes whatever is raised here for "no such file" (extmod/vfs.c, mp_vfs_import_stat): Ctrl-C and a lack of memory wait for open().
        is_file = True
        try:
            is_file = self.error or self.find(path) is not None
        except (KeyboardInterrupt, MemoryError) as e:
            self.error = e
        return (0x8000 if is_file else 0x4000,) + (0,) * 9

    def open(self, path, mode):
        if self.error:
            error, self.error = self.error, None
            raise error
        f = open(self.path, "rb")  # noqa: SIM115 - the caller closes it
        f.seek(self.base + self.find(path))
        return f

    def find(self, path):
        """Where a module begins, or the index; None: a folder. OSError: neither."""
        index = self.index
        path = path.strip("/")
        if path == "index":
            return -self.size
        key = self.crc32(path).to_bytes(4, "little")
        at = index.find(key)
        while at >= 0 and at % 7:  # across two records
            at = index.find(key, at + 1)
        if at < 0:
            raise OSError(2)
        return int.from_bytes(index[at + 4 : at + 7], "little") or None


def tidy_path():
    """MicroPython mounts the whole ROMFS partition by itself; and ESP32 images freeze another umqtt, before which ours must come."""
    import vfs

    for place in ("/rom", "/rom/lib", ".frozen"):
        if place in sys.path:
            sys.path.remove(place)
    sys.path.append(".frozen")
    try:
        vfs.umount("/rom")
    except OSError:
        pass


def join():
    import json

    from firmware.hardware.board import Board
    from firmware.hardware.guard import Guard
    from firmware.link.joining import begin

    # Not checked here: main.py does that, and says what is wrong.
    with open("config.json") as f:
        settings = json.load(f)
    board = Board(Guard())
    name = settings.get("node", {}).get("name") or board.name
    begin(board.radio, settings["wifi"], name)


def bite(timer):
    machine.WDT(timeout=_BITE_MS)  # in an interrupt, which may not allocate


def guard():
    """Return a timer that ends a start in which an image hangs, as firmware/hardware/guard.py, but that may be in the image."""
    import os

    pico = os.uname()[0] == "rp2"
    timer = machine.Timer(-1 if pico else 0)
    once = {"mode": machine.Timer.ONE_SHOT, "period": _BOOT_S * 1000, "callback": bite}
    try:
        timer.init(hard=pico, **once)
    except TypeError:  # an older MicroPython has no such choice
        timer.init(**once)
    return timer


def start():
    try:
        tidy_path()
        pick()
    except Exception as e:
        print("boot: no image:", type(e).__name__, e)
    try:
        join()
    except Exception as e:
        # In pieces: to make one text of them might take memory that is not there.
        print("boot: Wi-Fi is left to main.py:", type(e).__name__, e)


def boot():
    timer = None
    try:
        timer = guard()
    except Exception as e:
        print("boot: no timer:", type(e).__name__, e)
    try:
        start()
    finally:
        if timer:
            timer.deinit()  # after Ctrl-C, too, and when mpremote has come: a soft reset runs this file


boot()
for name in (
    "load",
    "alone",
    "save",
    "put_back",
    "number_of",
    "begin_trial",
    "fall_back",
    "count_reset",
    "pick",
    "mount",
    "number",
    "ImageFile",
    "tidy_path",
    "join",
    "bite",
    "guard",
    "start",
    "boot",
):
    del globals()[name]  # main.py runs in the same name space, and has no use for them
