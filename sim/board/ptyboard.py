"""A board on a serial port, as far as a host tool can tell: the console of MicroPython with its flash.

Run by the unix port, whose own console has no raw REPL: `PTYBOARD='{"flash": …}' micropython ptyboard.py`. Bytes come in on
stdin and go out on stdout, Ctrl-C comes as SIGINT; `tests/host/ptyhost.py` puts a pseudo-terminal in front.
The flash is a file with a real VfsLfs2 in the geometry of the board, mounted on `/`. With `fakes` the modules of this folder are
the hardware, and a node runs.

What it does is what `shared/runtime/pyexec.c` and the ports' `main.c` do: `boot.py`, `main.py` unless boot raised, then
the prompt; raw REPL with raw paste; a soft reset from raw REPL does not run `main.py`. Every reset ends this process, with
an exit status that says which; the host starts it again, so the heap and the sockets of one life never reach the next.

Not the board's own REPL: no line editing, no multi-line input, no `mpremote mount`.
"""

import io
import json
import sys

import ffi
import micropython
import uctypes
import uos as os  # the fakes' `os` comes later
import vfs

# How this life ended. The fakes' machine.reset() has a status of its own; to the host, any other is a hard reset.
HARD, POWER_CUT, BOOTLOADER = 30, 31, 32
SOFT = 150  # plus 1 into the raw REPL, plus twice the seconds the watchdog has left: it outlives a soft reset
READY = b"\xff"  # first byte of a life: from here on Ctrl-C is an interrupt, not the end of the process

BLOCK = 4096
GEOMETRY = {
    "esp32": (512, 32),
    "pico_w": (212, 256),
}  # blocks, programming size (ports' _boot.py, vfs set-up)
NAMES = {  # sys.platform, sys.implementation._machine, its _build
    "esp32": ("esp32", "Generic ESP32 module with ESP32", "ESP32_GENERIC"),
    "pico_w": ("rp2", "Raspberry Pi Pico W with RP2040", "RPI_PICO_W"),
}
PASTE_WINDOW = 128

libc = ffi.open(None)
stop_now = libc.func("v", "_exit", "i")
alarm = libc.func("I", "alarm", "I")
mmap = libc.func("P", "mmap", "PLiiil")
signal = libc.func("P", "signal", "iP")
INTERRUPT, IGNORED = 2, 1  # of `signal`


class Flash:
    """Block device over a file. `cut` counts down the writes left before the power fails."""

    def __init__(self, file, blocks, cut):
        self.file = file
        self.blocks = blocks
        self.cut = cut

    def readblocks(self, block, buf, offset=0):
        self.file.seek(block * BLOCK + offset)
        self.file.readinto(buf)

    def wear(self):
        """Called before each write: the power may fail."""
        if self.cut is not None:
            if self.cut == 0:
                stop_now(POWER_CUT)
            self.cut -= 1

    def writeblocks(self, block, buf, offset=0):
        self.wear()
        self.file.seek(block * BLOCK + offset)
        self.file.write(buf)

    def ioctl(self, op, arg):
        if op == 4:
            return self.blocks
        if op == 5:
            return BLOCK
        return 0  # init, sync; erasing needs no work here


class Vfs:
    """`vfs` of a MicroPython with a ROMFS partition, as the ESP32 port has it: mapped, erased and programmed by rom_ioctl."""

    def __init__(self, file, size, flash):
        self.rom = uctypes.bytearray_at(mmap(0, size, 3, 1, file.fileno(), 0), size)
        self.flash = flash

    def __getattr__(self, name):
        return getattr(vfs, name)

    def rom_ioctl(self, op, *args):
        if op == 2:
            return memoryview(self.rom)
        if op == 5:
            return 0
        self.flash.wear()
        if op == 3:
            _, at, size = args
            for i in range(at, at + size):
                self.rom[i] = 255
        elif op == 4:
            _, at, data = args
            for i in range(len(data)):
                self.rom[at + i] &= data[i]  # flash clears bits, an erase sets them
        else:
            raise ValueError("rom_ioctl %d is not simulated" % op)
        return 0


class Machine:
    """The little of `machine` a board without fakes needs: resets and the watchdog."""

    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = range(1, 6)

    def reset_cause(self):
        return self._cause

    def reset(self):
        stop_now(HARD)

    def bootloader(self, timeout=0):
        stop_now(BOOTLOADER)

    def soft_reset(self):
        raise SystemExit

    def __init__(self, board_id, cause):
        self._id = board_id
        self._cause = getattr(self, cause + "_RESET")

    def unique_id(self):
        return self._id

    class WDT:
        def __init__(self, id=0, timeout=5000):
            self.seconds = max(1, timeout // 1000)
            self.feed()

        def feed(self):
            alarm(self.seconds)  # SIGALRM ends the process: no Python runs, nothing is flushed


class Sys:
    """`sys` of the board: who it says it is. All else is the real one's."""

    def __init__(self, platform, machine, build, version):
        self.platform = platform
        self.version = "3.4.0; MicroPython v%d.%d.%d" % version
        self.implementation = Implementation(machine, build, version)

    def __getattr__(self, name):
        return getattr(sys, name)


class Micropython:
    """`micropython` of the board: a Ctrl-C that is switched off is lost; the unix port's would end the process."""

    @staticmethod
    def kbd_intr(char):
        if char == 3:
            micropython.kbd_intr(char)
        else:
            signal(INTERRUPT, IGNORED)

    def __getattr__(self, name):
        return getattr(micropython, name)


class Implementation:
    def __init__(self, machine, build, version):
        self.name = "micropython"
        self.version = version + ("",)
        self._machine = machine
        self._build = build
        self._mpy = sys.implementation._mpy


class SoftReset(Exception):
    pass


class Console:
    def __init__(self, banner):
        self.banner = banner
        self.namespace = {"__name__": "__main__"}
        self.stdin = sys.stdin.buffer
        self.stdout = sys.stdout.buffer

    def put(self, text):
        self.stdout.write(text if isinstance(text, bytes) else text.encode())

    def get(self):
        byte = self.stdin.read(1)
        if not byte:
            stop_now(HARD)  # the host is gone
        return byte

    def execute(self, source, name):
        """Run source as the board does. Returns the traceback, empty if there was none."""
        trace = io.BytesIO()
        try:
            exec(compile(source, name, "exec"), self.namespace)
        except SystemExit:
            raise SoftReset
        except BaseException as error:
            sys.print_exception(error, trace)
        return trace.getvalue()

    def file(self, name):
        """Run a file of the flash if it is there. False: it raised."""
        try:
            with open(name) as file:
                source = file.read()
        except OSError:
            return True
        trace = self.execute(source, name)
        self.put(trace)
        return not trace

    def raw(self):
        """Raw REPL, until Ctrl-B."""
        self.put("raw REPL; CTRL-B to exit\n>")
        line = b""
        while True:
            try:
                byte = self.get()
                if byte == b"\x01":
                    self.put("raw REPL; CTRL-B to exit\n>")
                    line = b""
                elif byte == b"\x02":
                    self.put("\n")
                    return
                elif byte == b"\x04" and line == b"\x05A\x01":
                    line = b""
                elif byte == b"\x04" and not line:
                    self.put("OK\n")
                    raise SoftReset
                elif byte == b"\x04":
                    self.put("OK")
                    self.answer(line)
                    line = b""
                else:
                    line += byte
                    if line == b"\x05A\x01":
                        self.answer(self.paste())
                        line = b""
            except KeyboardInterrupt:
                line = b""

    def paste(self):
        """Raw paste: the sender may be a window ahead, and no more."""
        self.put(b"R\x01" + bytes((PASTE_WINDOW, 0)) + b"\x01")
        source = bytearray()
        while True:
            byte = self.get()
            if byte == b"\x04":
                self.put(b"\x04")
                return source
            source += byte
            if len(source) % PASTE_WINDOW == 0:
                self.put(b"\x01")

    def answer(self, source):
        trace = self.execute(source, "<stdin>")
        self.put(b"\x04" + trace + b"\x04>")

    def friendly(self):
        """The prompt, until Ctrl-A. One line at a time, echoed."""
        line = b""
        self.put(self.banner + "\n>>> ")
        while True:
            try:
                byte = self.get()
                if byte == b"\x01":
                    return
                if byte == b"\x04" and not line:
                    self.put("\n")
                    raise SoftReset
                if byte == b"\r":
                    self.put("\n")
                    self.put(self.execute(line, "<stdin>"))
                    self.put(">>> ")
                    line = b""
                elif byte >= b" ":
                    self.put(byte)
                    line += byte
            except KeyboardInterrupt:
                self.put("\n>>> ")
                line = b""


def start(setup):
    """Become the board: its flash on `/`, its `sys`, its `machine`; return the console."""
    board = setup["board"]
    blocks, programming = GEOMETRY[board]
    flash = Flash(open(setup["flash"], "r+b"), setup["blocks"] or blocks, setup["cut"])
    if setup["rom"]:
        sys.modules["vfs"] = Vfs(open(setup["rom"], "r+b"), os.stat(setup["rom"])[6], flash)
    vfs.umount("/")
    try:
        filesystem = vfs.VfsLfs2(flash, progsize=programming)
    except OSError:  # a new one
        vfs.VfsLfs2.mkfs(flash, progsize=programming)
        filesystem = vfs.VfsLfs2(flash, progsize=programming)
    vfs.mount(filesystem, "/")
    os.chdir("/")
    platform, name, build = NAMES[board]
    name = setup["name"] or name
    version = tuple(setup["version"])
    sys.path[:] = ["", ".frozen", "/lib"]
    if setup["fakes"]:
        simulate(setup["fakes"])
    else:
        sys.modules["machine"] = Machine(bytes.fromhex(setup["id"]), setup["cause"])
        if setup["radio"]:
            sys.modules["network"] = object()
    sys.modules["sys"] = Sys(platform, name, build, version)
    sys.modules["micropython"] = Micropython()
    return Console(
        'MicroPython v%d.%d.%d on 2025-04-15; %s\nType "help()" for more information.'
        % (version + (name,))
    )


def simulate(fakes):
    """Bring in the simulated hardware, as boardrun.py does; the file system stays the real littlefs."""
    vfs.mount(vfs.VfsPosix(fakes), "/board")
    vfs.mount(vfs.VfsPosix(), "/outside")  # for what a board retains over a reset
    sys.path.insert(0, "/board")
    import os as fake

    import stand

    fake.statvfs = os.statvfs
    stand._load()
    if os.getenv("OUTPOST_SCENARIO"):
        with open(os.getenv("OUTPOST_SCENARIO")) as f:
            stand.scenario(json.load(f))
    stand.the_world().start()


def main():
    setup = json.loads(os.getenv("PTYBOARD"))
    raw = setup["start"] == "raw"
    alarm(setup["watchdog"])
    console = start(setup)
    console.put(READY)
    try:
        try:
            if console.file("boot.py") and not raw:
                console.file("main.py")
        except KeyboardInterrupt:
            pass  # between two files
        while True:
            if raw:
                console.raw()
            raw = False
            console.friendly()
            raw = True
    except SoftReset:
        print("MPY: soft reboot")
        stop_now(SOFT + raw + 2 * min(alarm(0), 50))


main()
