"""The serial port in front of `sim/board/ptyboard.py`: a pseudo-terminal, and the hand on its plug.

A `PtyBoard` looks to host tools like a board on `board.port`. It starts MicroPython again after each reset, as
hardware would, and does to it what happens to boards: the cable comes out, the power fails in mid-write.
"""

import itertools
import json
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path

from littlefs import LittleFS
from littlefs.context import UserContext

from tools import ROOT, processes, toolchain

SCRIPT = ROOT / "sim/board/ptyboard.py"
FAKES = ROOT / "sim/board"
BLOCK = 4096
BLOCKS = {"esp32": 512, "pico_w": 212}
READY = b"\xff"
NOISE = b"E (2031) wifi: sta is connecting, return error\n"
POWER_CUT, BOOTLOADER, SOFT = 31, 32, 150  # ends of ptyboard.py; any other is a hard reset


class _PowerGone(Exception):
    """The cable came out, or the power failed."""


class PtyBoard:
    """A board. `port` is the path host tools are given.

    usb: the port is the chip's own USB: it goes away during a reset and comes back.
    name, board_id: what it says it is, as "Raspberry Pi Pico with RP2040", and its machine.unique_id() in hex.
    rom: bytes of a ROMFS partition, if it has one: the file `rom.img`.
    fakes: run with the simulated hardware of sim/board, as a node needs; `env` for its settings.

    What may go wrong, set before power-on or while it runs:
    renumber: a port that was away comes back under another name, as when its old one was still in use.
    cut_bytes: after so many bytes from the host the cable comes out, and with it the power.
    reset_bytes: after so many bytes from the host the board resets by itself, as by its watchdog.
    noise_bytes: each time the host has sent so many, the system says something of its own.
    cut_writes: after so many block writes the power fails (counted from the next reset on).
    """

    def __init__(
        self,
        folder,
        board="esp32",
        *,
        usb=False,
        version=(1, 25, 0),
        blocks=0,
        radio=True,
        rom=0,
        fakes=False,
        env=None,
        name="",
        board_id="240ac4a1b2c3",
    ):
        self.board = board
        self.usb = usb
        self.blocks = blocks or BLOCKS[board]
        self.port = str(Path(folder) / "tty-board")
        self.flash = Path(folder) / "flash.img"
        self.setup = {
            "board": board,
            "blocks": self.blocks,
            "version": version,
            "radio": radio,
            "name": name,
            "id": board_id,
            "flash": str(self.flash),
            "rom": str(Path(folder) / "rom.img") if rom else "",
            "fakes": str(FAKES) if fakes else "",
        }
        self.env = {"OUTPOST_BOARD": board, "PATH": os.environ["PATH"], **(env or {})}
        if fakes:
            self.env["OUTPOST_RETAINED"] = f"/outside{folder}/retained"
        self.renumber = False
        self.cut_bytes = None
        self.reset_bytes = None
        self.noise_bytes = None
        self.cut_writes = None
        self.said = bytearray()  # all the board ever printed
        self.heard = 0  # bytes from the host
        self.starts = []  # how each of its lives began
        self.ready = False  # it listens
        self.master = self.slave = None
        self.child = None
        self.running = False
        self.thread = None
        self.lock = threading.Lock()
        for path, size in ((self.flash, self.blocks * BLOCK), (Path(folder) / "rom.img", rom)):
            if size and not path.exists():
                path.write_bytes(b"\xff" * size)

    def __enter__(self):
        self.power_on()
        return self

    def __exit__(self, *error):
        self.power_off()

    # the plug

    def power_on(self):
        self.running = True
        self._plug()
        self.thread = threading.Thread(target=self._relay, daemon=True)
        self.thread.start()

    def power_off(self):
        """Take the cable out, which powers the board."""
        self.running = False
        if self.thread and self.thread is not threading.current_thread():
            self.thread.join()
        self._kill()
        self._unplug()

    def _plug(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        os.symlink(os.ttyname(self.slave), self.port)

    def _unplug(self):
        with self.lock:
            if self.master is not None:
                os.unlink(self.port)
                os.close(self.slave)
                os.close(self.master)
                self.master = None

    def _start(self, how, watchdog=0, cause="HARD"):
        self.starts.append(how)
        self.ready = False
        setup = dict(self.setup, start=how, cause=cause, cut=self.cut_writes, watchdog=watchdog)
        self.child = processes.start(
            [
                *toolchain.micropython("288k" if self.setup["fakes"] else "160k"),
                str(SCRIPT),
            ],
            stdin=self.stdin[0],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.env | {"PTYBOARD": json.dumps(setup)},  # an argument may have 255 bytes only
        )

    def _kill(self):
        if self.child:
            processes.kill(self.child)
            self.child.stdout.close()
            self.child = None

    # who watches

    @property
    def lives(self):
        """How its lives began, without repeats: a tool that got no answer in seconds, on a busy machine, resets into the raw REPL again."""
        return [how for how, _ in itertools.groupby(self.starts)]

    def wait_for(self, condition):
        """Wait until condition() holds. AssertionError: it does not within a minute, which is long on a busy machine, too."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, (self.starts, bytes(self.said[-500:]))
            time.sleep(0.01)

    def wait_until_said(self, text):
        """Wait until what the board has said ends with a line."""
        self.wait_for(lambda: self.said.endswith(text + b"\r\n"))

    # the wire

    def _relay(self):
        self.stdin = os.pipe()  # of all lives: a soft reset does not lose what was typed ahead
        try:
            self._start("hard", cause="PWRON")
            while self.running:
                self._pass_on()
        except _PowerGone:
            pass
        finally:
            for end in self.stdin:
                os.close(end)
            if self.running:
                self.running = False
                self._kill()
                self._unplug()

    def _pass_on(self):
        output = self.child.stdout.fileno()
        inputs = [self.master, output] if self.ready else [output]
        ready, _, _ = select.select(inputs, [], [], 0.05)
        if output in ready:
            data = os.read(output, 4096)
            if not data:
                return self._ended()
            if not self.ready:
                before, mark, after = data.partition(READY)  # before it the stand may complain
                self.ready = bool(mark)
                data = before + after
            self._say(data)
        if self.master in ready:
            data = os.read(self.master, 256)
            if self.cut_bytes is not None:
                data = data[: self.cut_bytes]
                self.cut_bytes -= len(data)
            self._hear(data)
            if self.noise_bytes and self.heard % self.noise_bytes + len(data) >= self.noise_bytes:
                self._say(NOISE)
            self.heard += len(data)
            if self.cut_bytes == 0:
                raise _PowerGone
            if self.reset_bytes is not None and self.heard >= self.reset_bytes:
                self.reset_bytes = None
                self.child.kill()

    def _hear(self, data):
        """Bytes to the board; each Ctrl-C among them is an interrupt."""
        parts = data.split(b"\x03")
        for number, part in enumerate(parts):
            if number:
                self._interrupt()
            if part:
                os.write(self.stdin[1], part)

    def _interrupt(self):
        """Ctrl-C. The unix port raises KeyboardInterrupt out of whatever it is at, were it in the middle of littlefs: wait
        until it sleeps or reads. A board raises it between two bytecodes."""
        for _ in range(500):
            if (
                Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()[0]
                == "S"
            ):
                break
            time.sleep(0.001)
        self.child.send_signal(signal.SIGINT)
        time.sleep(0.05)  # a second one before the first was seen would end the process

    def _say(self, data):
        data = data.replace(b"\n", b"\r\n")
        self.said += data
        while data:
            _, writable, _ = select.select([], [self.master], [], 0.2)
            if not writable:
                return  # nobody reads: lost, as on a real line
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                return

    def _ended(self):
        status = self.child.wait()
        self._kill()
        if (
            status == POWER_CUT or not self.ready
        ):  # the latter is a fault of ours: do not go round for ever
            raise _PowerGone
        if status >= SOFT:
            how = "raw" if status & 1 else "soft"
            return self._start(how, watchdog=(status - SOFT) // 2, cause="SOFT")
        if self.usb:
            self._unplug()
            time.sleep(0.3)
            if self.renumber:
                self.port += "x"
            self._plug()
        how = "bootloader" if status == BOOTLOADER else "hard"
        self._start(how, cause="WDT" if status == -signal.SIGALRM else "HARD")

    # its flash, while the power is off

    def _filesystem(self):
        size = {"esp32": 32, "pico_w": 256}[self.board]
        filesystem = LittleFS(
            context=UserContext(self.blocks * BLOCK),
            block_size=BLOCK,
            block_count=self.blocks,
            read_size=size,
            prog_size=size,
            cache_size=4 * size,
            lookahead_size=32,
            mount=False,
        )
        filesystem.context.buffer = bytearray(self.flash.read_bytes())
        return filesystem

    def _blank(self):
        return not self.flash.read_bytes()[:BLOCK].strip(b"\xff")

    def files(self):
        """Everything on it: {path: bytes}. Nothing is on one that is still blank."""
        if self._blank():
            return {}
        filesystem = self._filesystem()
        filesystem.mount()
        return files_of(filesystem)

    def put(self, files):
        """Write files to it, {path: bytes}; a flash that is still blank is formatted."""
        filesystem = self._filesystem()
        if self._blank():
            filesystem.format()
        filesystem.mount()
        for path, data in files.items():
            folder = path.rpartition("/")[0]
            if folder:
                filesystem.makedirs(folder, exist_ok=True)
            with filesystem.open(path, "wb") as file:
                file.write(data)
        filesystem.unmount()
        self.flash.write_bytes(filesystem.context.buffer)


def files_of(filesystem):
    """{path: bytes} of the files on a littlefs that is mounted."""
    found = {}
    for folder, _, names in filesystem.walk("/"):
        for name in names:
            path = f"{folder}/{name}".lstrip("/")
            with filesystem.open(path, "rb") as file:
                found[path] = file.read()
    return found


class Bridge:
    """A context manager: `url` is where a PtyBoard's port is, one connection at a time."""

    def __init__(self, board):
        self.board = board

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.1)
        self.url = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"
        self.running = True
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        self.thread.join()
        self.listener.close()

    def _serve(self):
        line = os.open(self.board.port, os.O_RDWR | os.O_NOCTTY)
        while self.running:
            try:
                client, _ = self.listener.accept()
            except TimeoutError:
                continue
            with client:
                self._relay(client, line)
        os.close(line)

    def _relay(self, client, line):
        while self.running:
            for ready in select.select([client, line], [], [], 0.05)[0]:
                if ready is line:
                    client.sendall(os.read(line, 4096))
                else:
                    data = client.recv(4096)
                    if not data:
                        return
                    os.write(line, data)
