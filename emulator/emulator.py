"""`make board`: a Raspberry Pi Pico without the hardware. The true firmware, on an emulated RP2040, its serial port on TCP.

What is emulated, and what is not: docs/architecture.md, "The emulated board". The board itself is `runner.mjs`.
"""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from emulator import build
from sim.alone import locked, own_folder
from tools import ROOT, CommandError, Stopped, processes, said
from tools.numbers import whole

RUNNER = build.RECIPE / "runner.mjs"
FLASH = ROOT / ".sim" / "pico.flash"
FLASH_BYTES = 2 * 1024 * 1024
PORT = 2040

_START_S = 30


def add_arguments(parser):
    parser.add_argument(
        "--flash",
        type=Path,
        default=FLASH,
        help="image of its flash, which stays; made if it is not there (default: .sim/pico.flash)",
    )
    parser.add_argument(
        "--port",
        type=whole(0, 65535),
        default=PORT,
        help="TCP port on 127.0.0.1 (default: %(default)s; 0: a free one)",
    )
    parser.add_argument(
        "--attach",
        action="append",
        default=[],
        metavar="NAME=ARGUMENT",
        help="join emulator/NAME.mjs to the chip (default: modem=, a network that is this machine)",
    )
    parser.add_argument("--build", action="store_true", help="only build what it is made of")


def run(args):
    if args.build:
        build.build()
        return 0
    if args.flash.is_dir():
        raise CommandError(f"{args.flash} is a folder, give a file, as FLASH=.sim/pico.flash")
    if args.flash.exists() and args.flash.stat().st_size != FLASH_BYTES:
        raise CommandError(
            f"{args.flash} is no image of a Pico's flash, which has {FLASH_BYTES:,} bytes: give another, or one to be made"
        )
    flash = args.flash.resolve()  # by one name, whatever links lead to it
    own_folder(flash.parent)
    lock = flash.with_name(flash.name + ".lock")
    with locked(lock, f"a board runs on {args.flash} already: give another, FLASH=file"):
        build.build()
        show(args, flash)


def show(args, flash):
    """Run the board, and show what it prints, until Ctrl-C."""
    board = EmulatedPico(flash, args.attach or ["modem="], console=subprocess.PIPE)
    board.start(args.port)
    try:
        print(f"an emulated Pico runs, its serial port is {board.url}")
        print(said(f"  make deploy PORT={board.url}"))
        print(said(f"  make repl PORT={board.url}"))
        print("Ctrl-C switches it off; what is on its flash stays. It prints:", flush=True)
        screen = Shown(lambda: board.events().count("reset by "))
        served = 0
        for line in board.process.stdout:
            pages = _PAGE.findall(board.events())
            for port in pages[served:]:
                print(
                    f"the page for a phone is http://127.0.0.1:{port}/ on this computer",
                    flush=True,
                )
            served = len(pages)
            shown = screen.without_answers(line)
            if shown is not None:
                sys.stdout.buffer.write(shown)
                sys.stdout.flush()
        code = board.process.wait()
        raise CommandError(f"the emulated Pico ended ({code}): {board.events()}")
    except KeyboardInterrupt:  # the usual way to end it
        raise Stopped from None
    finally:
        board.stop()
        print(f"\nswitched off; its flash is {args.flash}", flush=True)


class Shown:
    """What `make board` shows: all that a board prints, but what it answers to a tool in its raw REPL."""

    def __init__(self, resets):
        """resets(): how often the board has reset itself. After a reset its raw REPL is off."""
        self._resets = resets
        self._since = None  # that number when the raw REPL came on, None: it is off

    def without_answers(self, line):
        """Return what to show of a line, None: nothing."""
        text = shown = line.rstrip(b"\r\n")
        if _IS_OFF.match(text):
            self._since = None
        if self._since is not None:
            shown = _ANSWER.sub(b"", text)
            if self._resets() != self._since:
                # its last answer has no end: a program's first line stands behind it
                self._since = None
            elif shown.startswith(b"@"):  # serialboard.py: Link.answers
                shown = b""
        if shown.endswith(_IS_ON):
            self._since = self._resets()
            shown = shown.removesuffix(_IS_ON)
        if shown == text:
            return line
        return shown + b"\n" if shown else None


_PAGE = re.compile(r"^port 80 is (\d+)$", re.M)
_IS_ON = b"raw REPL; CTRL-B to exit"
_IS_OFF = re.compile(rb">>> |MPY: soft reboot")
_ANSWER = re.compile(rb"^(?:.*[\x00-\x06])?(?:>(?:OK)?)?", re.DOTALL)  # up to the code's own words


class EmulatedPico:
    """An emulated Pico: a process between `start` and `stop` or `kill`, any number of times. As a context manager it runs.

    flash: path of the image of its flash. attach: ["NAME=ARGUMENT"], see runner.mjs. firmware: build.FIRMWARE unless said, or
    build.PICO_W_HEAP. What it printed since its start is in the file `console` (None: goes to our standard output; PIPE:
    process.stdout), what happened to it in `events`; both beside the flash unless said.
    """

    def __init__(self, flash, attach=(), events=None, console="", firmware=None):
        self.flash = Path(flash)
        self.attach = list(attach)
        self.firmware = firmware or build.FIRMWARE
        self._events = events or self.flash.with_name(self.flash.name + ".events")
        self._console = (
            self.flash.with_name(self.flash.name + ".console") if console == "" else console
        )
        self.process = None
        self.port = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop()

    @property
    def url(self):
        """What pyserial, mpremote and our commands call its port."""
        return f"socket://127.0.0.1:{self.port}"

    def start(self, port=0, cut=0):
        """Switch it on; its serial port answers on return. port: 0, a free one. cut: the power fails in that operation of its flash."""
        words = [
            build.node(),
            RUNNER,
            "--rp2040js",
            build.NPM,
            "--flash",
            self.flash,
        ]
        words += ["--firmware", self.firmware, "--port", port, "--cut", cut]
        words += [word for attachment in self.attach for word in ("--attach", attachment)]
        console = self._console.open("wb") if isinstance(self._console, Path) else self._console
        with self._events.open("wb") as events:
            self.process = processes.start(words, stdout=console, stderr=events)
        if isinstance(self._console, Path):
            console.close()
        deadline = time.monotonic() + _START_S
        while "listening on " not in self.events():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                why = self.events().strip().removeprefix("error: ")
                raise CommandError(f"the emulated Pico does not start: {why}")
            time.sleep(0.02)
        self.port = int(self.events().partition("listening on ")[2].split()[0])

    def stop(self):
        """Switch it off, between two operations of its flash."""
        if self.process:
            processes.stop(self.process)

    def kill(self):
        """Cut its power, now."""
        if self.process:
            processes.kill(self.process)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def flash_operations(self):
        """Return how many erases and programs there were since its start."""
        said = self.events().count("flash operations ")
        if self.running:
            self.process.send_signal(signal.SIGUSR2)
        deadline = time.monotonic() + _START_S
        while self.running and self.events().count("flash operations ") == said:
            if time.monotonic() > deadline:
                raise CommandError("the emulated Pico does not answer")
            time.sleep(0.01)
        return int(self.events().rpartition("flash operations ")[2].split()[0])

    def events(self):
        """What happened to it since its start, one event a line: see runner.mjs."""
        return self._events.read_text(errors="replace")

    def printed(self):
        """What it printed since its start, read by a client or not."""
        return self._console.read_text(errors="replace")

    def wait_printed(self, text, seconds=60, count=1):
        """Wait until it has printed a text so many times. Returns whether it has."""
        deadline = time.monotonic() + seconds
        while self.printed().count(text) < count:
            if time.monotonic() > deadline or not self.running:
                return False
            time.sleep(0.05)
        return True
