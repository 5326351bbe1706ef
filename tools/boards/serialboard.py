"""A MicroPython board on a serial port: code run there, and what it prints.

The protocol is mpremote's (`SerialTransport`: raw REPL, raw paste). Here is what a tool needs around it: no wait without an end,
and a board that went away told apart from a board that said no.
"""

import ast
import contextlib
import os
import re
import struct
import time
from base64 import b64encode

from mpremote import transport_serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from tools import CommandError
from tools.boards import ports
from tools.boards.ports import BUSY, LOST, NO_BOARD, UNSUITABLE

# What mpremote raises when the line is cut.
_LINK_ERRORS: tuple[type[Exception], ...] = (OSError, TransportError, struct.error)
try:
    import termios
except ImportError:
    pass  # Windows
else:
    _LINK_ERRORS += (termios.error,)

_ANSWER_S = 10  # a board that says nothing for so long is gone; erasing flash takes a second
_PATIENCE_S = (5, 5, 10)  # to reach the prompt, attempt by attempt
_NOISE = 200  # bytes of foreign text that may come during a command: a system message; a boot log is longer
_CHUNK = 1024  # bytes of a file in one command, which takes four times as much of the board's heap for a moment
_STARTED = re.compile(rb"\brst:0x|^MPY: soft reboot")  # first words of a board that starts
# On a Pico a Ctrl-C takes effect in the middle of littlefs, too (ports/rp2/rp2_flash.c, rp2_flash_readblocks). What littlefs then knows of
# the flash is half of it: it may give a new file blocks that others have. A soft reset mounts it anew; where there was none, this does.
_REMOUNT = """
import vfs
try:
    from rp2 import Flash
except ImportError:
    pass
else:
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(Flash(), progsize=256), "/")
"""
_ABSENT_S = 15  # a native USB port is away for a second or two during a reset


class LinkLost(CommandError):
    """The board does not answer any more. Trying again may help."""

    def __init__(self, text):
        super().__init__(text, LOST)


class BoardError(CommandError):
    """Code on the board raised. `errno` if it was an OSError."""

    def __init__(self, trace):
        last = trace.strip().rpartition("\n")[2].strip()
        super().__init__(f"the board says: {last}")
        number = re.match(r"OSError: (?:\[Errno )?(\d+)", last)
        self.errno = int(number[1]) if number else None


class _Repl(SerialTransport):
    """mpremote's, which keeps what the board said last."""

    heard = b""

    def read_until(self, *args, **options):
        self.heard = super().read_until(*args, **options)
        return self.heard


# It prints what it did not expect: that is for us to judge, and several boards may be talked to at once.
transport_serial.print = lambda *values: None


class Link:
    """An open port. As a context manager it closes at the end; nothing is sent before `enter` or `run`.

    stopped: a threading.Event; once it is set, what is under way ends in a KeyboardInterrupt (in a thread Ctrl-C does not).
    """

    def __init__(self, port, stopped=None):
        self.port = port
        self.stopped = stopped
        self.identity = next(
            (p.serial_number for p in ports.boards() if p.device == port and p.serial_number), None
        )
        self._repl: _Repl | None = None
        self._loaded: set[str] = set()
        self._open()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _open(self):
        try:
            self._repl = _Repl(self.port, timeout=2)
            self._repl.serial.write_timeout = 5
        except _LINK_ERRORS + (ValueError,):  # noqa: RUF005 - mypy; ValueError: a URL pyserial does not know
            if "://" in self.port:
                raise CommandError(ports.no_answer(self.port), NO_BOARD) from None
            if not ports.exists(self.port):
                raise CommandError(f"{self.port} cannot be opened", NO_BOARD) from None
            if os.path.exists(self.port) and not os.access(self.port, os.R_OK | os.W_OK):
                raise CommandError(
                    f"no permission for {self.port}: sudo usermod -aG dialout $USER, then log in again",
                    BUSY,
                ) from None
            if not ports.is_terminal(self.port):
                raise CommandError(ports.no_port(self.port), NO_BOARD) from None
            raise CommandError(
                f"{self.port} is in use{ports.user_of(self.port)}: close that first", BUSY
            ) from None

    def close(self):
        if self._repl:
            with contextlib.suppress(*_LINK_ERRORS):
                self._repl.close()  # may fail half-way on a port that is gone
            with contextlib.suppress(*_LINK_ERRORS):
                self._repl.serial.close()
            self._repl = None

    @contextlib.contextmanager
    def _line(self):
        """The open line. What a cut one raises becomes LinkLost. Its text stays unsaid: it may hold a part of what was being sent."""
        if self._repl is None:
            raise LinkLost(f"lost the board on {self.port}")
        try:
            yield self._repl
        except _LINK_ERRORS:
            raise LinkLost(f"lost the board on {self.port}") from None

    def _go_on(self):
        if self.stopped and self.stopped.is_set():
            raise KeyboardInterrupt

    def enter(self, patience_s=None):
        """Stop what runs and get the raw REPL, after a soft reset if it can be had: `boot.py` ran, `main.py` did not."""
        self._loaded.clear()
        for attempt, patience in enumerate(patience_s or _PATIENCE_S):
            self._go_on()
            try:
                with self._line() as repl:
                    # Case 1: a program runs, or none: interrupt, soft reset, a clean heap.
                    # Case 2: boot.py never ends: a soft reset leads into it again, an interrupt out of it; what the
                    # interrupt makes the board say must be past before mpremote asks.
                    if attempt == 1:
                        repl.serial.write(b"\r\x03")
                        time.sleep(0.5)
                    repl.enter_raw_repl(soft_reset=attempt != 1, timeout_overall=patience)
                if attempt == 1:
                    self.run(_REMOUNT)
                return
            except LinkLost:
                if not self._present():
                    raise
        if self._repl and b"appears to be corrupted" in self._repl.heard:
            raise CommandError(
                f"the board's flash holds no file system: run `make flash PORT={self.port}` with ERASE=1",
                UNSUITABLE,
            )
        raise CommandError(
            f"no MicroPython answers on {self.port}: press the board's reset button and try again, "
            f"or put MicroPython on it with `make flash PORT={self.port}`",
            UNSUITABLE,
        )

    def _present(self):
        try:
            with self._line() as repl:
                repl.serial.in_waiting  # noqa: B018 - asks the driver
            return True
        except LinkLost:
            return False

    def run(self, code, timeout=_ANSWER_S, most=_NOISE):
        """Run code on the board; return what it printed, at most so many bytes.

        LinkLost: no answer, or more than that: it started anew and talks of something else. BoardError: the code raised.
        """
        self._go_on()
        printed = bytearray()
        deadline = time.monotonic() + timeout

        def take(byte):
            printed.extend(byte)
            if len(printed) > most or time.monotonic() > deadline:
                raise TransportError("not an answer")

        with self._line() as repl:
            repl.exec_raw_no_follow(code)
            _, trace = repl.follow(timeout, take)
        if trace:
            raise BoardError(trace.decode(errors="replace"))
        return printed.rstrip(b"\x04").decode(errors="replace")

    def load(self, code):
        """Run code that defines what other code uses, once in a raw REPL."""
        if code not in self._loaded:
            self.run(code)
            self._loaded.add(code)

    def stream(self, code, seconds):
        """Run code that takes so many seconds at most; yield each line it prints, as it comes.

        LinkLost: the board started anew, or took longer. BoardError: the code raised.
        """
        self._go_on()
        deadline = time.monotonic() + seconds
        rest = b""
        with self._line() as repl:
            repl.exec_raw_no_follow(code)
        while not rest.endswith(b"\x04"):  # byte by byte: what is behind it is the next command's
            self._go_on()
            with self._line() as repl:
                rest += repl.serial.read(1)
            if time.monotonic() > deadline or _STARTED.search(rest):
                raise LinkLost(f"the board on {self.port} restarted, or took too long")
            if rest.endswith(b"\n"):
                yield rest.decode(errors="replace").rstrip("\r\n")
                rest = b""
        with self._line() as repl:
            trace = repl.read_until(1, b"\x04", timeout=_ANSWER_S)
        if trace != b"\x04":
            raise BoardError(trace.rstrip(b"\x04").decode(errors="replace"))

    def answers(self, code, timeout=_ANSWER_S, most=1000):
        """Run code that prints lines of "@" and a literal; return the literals. Between them the system may talk."""
        lines = self.run(code, timeout, most).splitlines()
        try:
            return [ast.literal_eval(line.partition("@")[2]) for line in lines if "@" in line]
        except (ValueError, SyntaxError):
            raise LinkLost(f"the board on {self.port} does not talk sense") from None

    def answer(self, code):
        """Run code that prints one such line; return its literal."""
        answers = self.answers(code)
        if len(answers) != 1:
            raise LinkLost(f"the board on {self.port} does not talk sense")
        return answers[0]

    def send(self, write, data, moved=lambda size: None):
        """Hand data to a function on the board, chunk by chunk, in base 64; `moved` hears of each."""
        for at in range(0, len(data), _CHUNK):
            chunk = data[at : at + _CHUNK]
            self.run(f"{write}('{b64encode(chunk).decode()}')")
            moved(len(chunk))

    def reset(self):
        """Reset the board as its button would. `lines` shows what it says then."""
        self._end("reset")

    def start_boot_loader(self):
        """Leave MicroPython: a Pico becomes a drive."""
        self._end("bootloader")

    def _end(self, how):
        with self._line() as repl:
            # a moment later, so that the answer to the command still gets out
            repl.exec_raw_no_follow(f"import time, machine\ntime.sleep_ms(100)\nmachine.{how}()")

    def lines(self, seconds=None):
        """Yield what the board prints, line by line, and `""` when it was silent for a while. Outlasts resets.

        Ends after so many seconds. LinkLost: the port went away and stayed away.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        rest = b""
        while deadline is None or time.monotonic() < deadline:
            self._go_on()
            try:
                with self._line() as repl:
                    repl.serial.timeout = 0.2
                    data = repl.serial.read(max(1, repl.serial.in_waiting))
            except LinkLost:
                self.close()
                self._reopen()
                rest = b""
                continue
            *complete, rest = (rest + data).split(b"\n")
            if rest.endswith(b">>> "):  # a prompt has no end of line
                complete.append(rest)
                rest = b""
            for line in complete:
                yield line.decode(errors="replace").rstrip("\r")
            if not data:
                yield ""

    def _reopen(self):
        """Wait for the port to come back, perhaps under another name (Linux numbers them as they come)."""
        deadline = time.monotonic() + _ABSENT_S
        while time.monotonic() < deadline:
            self._go_on()
            for board in ports.boards():
                if self.identity and board.serial_number == self.identity:
                    self.port = board.device
            if "://" in self.port or ports.exists(self.port):
                # not ours yet: udev gives the permissions a moment later
                with contextlib.suppress(CommandError):
                    self._open()
                    return
            time.sleep(0.05)
        raise LinkLost(f"the board on {self.port} went away and did not come back")

    def restart(self, first=""):
        """Ask for a reset, whatever the board is at, after code that may come first and change files. Do not wait for an answer."""
        first = first and _REMOUNT + first
        with contextlib.suppress(LinkLost), self._line() as repl:
            repl.serial.write(b"\r\x03")
            time.sleep(0.1)  # what is typed before the interrupt took effect is lost
            repl.serial.write(f"\r\x01{first}\nimport machine\nmachine.reset()\x04".encode())
            repl.serial.flush()

    def awaited(self):
        """After a LinkLost: wait for the board to start anew, and open the port again. False: it is gone."""
        self.close()
        time.sleep(0.2)  # a native USB port needs a moment to go away
        try:
            self._reopen()
        except LinkLost:
            return False
        return True
