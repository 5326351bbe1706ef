"""A MicroPython board on a serial port: which port, what is on it, and code run there.

The protocol is mpremote's (`SerialTransport`: raw REPL, raw paste). Here is what a tool needs around it: one board found or a
clear word why not, no wait without an end, and a board that went away told apart from a board that said no.
"""

import ast
import contextlib
import io
import os
import re
import struct
import termios
import time
from base64 import b64encode
from pathlib import Path

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport
from serial.tools import list_ports

from tools import CommandError

NO_BOARD, MANY_BOARDS, BUSY, UNSUITABLE = 3, 4, 5, 6  # exit codes: which port, and what is on it
LOST = 9  # the board went away in the middle

EXIT_CODES = """\
exit codes:
  3  no board found         5  port busy, or not allowed
  4  several boards found   6  no MicroPython that Outpost runs on
"""

VENDORS = {
    0x2E8A: "Raspberry Pi",
    0x303A: "Espressif",
    0x10C4: "CP210x",
    0x1A86: "CH340",
    0x0403: "FTDI",
    0xF055: "MicroPython",
}

_ANSWER_S = 10  # a board that says nothing for so long is gone; erasing flash or a look-up takes a few seconds
_PATIENCE_S = (5, 5, 10)  # to reach the prompt, attempt by attempt
_NOISE = (
    200  # bytes a running command may be interrupted by: an IDF log line; a boot log is longer
)
_CHUNK = 1024  # bytes of a file in one command: four times as much is needed of the board's heap for a moment
_ABSENT_S = 15  # a native USB port is away for a second or two during a reset

_LINK_ERRORS = (
    OSError,
    TransportError,
    struct.error,
    termios.error,
)  # what mpremote raises when the line is cut


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


def boards():
    """Serial ports that may be boards, sorted."""
    return sorted(
        (port for port in list_ports.comports() if port.vid in VENDORS),
        key=lambda port: port.device,
    )


def add_port(parser):
    parser.add_argument(
        "--port",
        help="the board's port, or id: and its USB serial number (default: the one board there is)",
    )


def find(port=None):
    """Path of a board's port: the one asked for (a path, `id:` and a USB serial number, a pyserial URL), else the only one."""
    found = boards()
    if port is None:
        if len(found) == 1:
            return found[0].device
        if found:
            raise CommandError(
                f"{len(found)} boards found, choose one with PORT=:\n{_listing(found)}",
                MANY_BOARDS,
            )
        raise CommandError(
            "no board found: plug one in with a USB cable that carries data; "
            "for one that is not recognised give its port: PORT=/dev/ttyUSB0",
            NO_BOARD,
        )
    if "://" in port:
        return port
    if port.startswith("id:"):
        matching = [board.device for board in found if board.serial_number == port[3:]]
        if matching:
            return matching[0]
    elif os.path.exists(port):
        return port
    others = f"; there is\n{_listing(found)}" if found else ", and no other board either"
    raise CommandError(f"{port} is not there{others}", NO_BOARD)


def _listing(found):
    return "\n".join(
        f"  {port.device}  {port.product or VENDORS[port.vid]}"
        + (f"  id:{port.serial_number}" if port.serial_number else "")
        for port in found
    )


def _user_of(port):
    """Who has the port open, as " by name (process 123)", or nothing if it cannot be told."""
    real = os.path.realpath(port)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(link) == real and link.parts[2] != str(os.getpid()):
                return f" by {Path('/proc', link.parts[2], 'comm').read_text().strip()} (process {link.parts[2]})"
    return ""


class Link:
    """An open port. As a context manager it closes at the end; nothing is sent before `enter` or `run`."""

    def __init__(self, port):
        self.port = port
        self.identity = next(
            (p.serial_number for p in boards() if p.device == port and p.serial_number), None
        )
        self._repl = None
        self._open()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _open(self):
        try:
            self._repl = SerialTransport(self.port, timeout=2)
            self._repl.serial.write_timeout = 5
        except (*_LINK_ERRORS, ValueError):  # ValueError: a URL pyserial does not know
            if "://" in self.port or not os.path.exists(self.port):
                raise CommandError(f"{self.port} cannot be opened", NO_BOARD) from None
            if not os.access(self.port, os.R_OK | os.W_OK):
                raise CommandError(
                    f"no permission for {self.port}: sudo usermod -aG dialout $USER, then log in again",
                    BUSY,
                ) from None
            raise CommandError(
                f"{self.port} is in use{_user_of(self.port)}: close that first", BUSY
            ) from None

    def close(self):
        if self._repl:
            with contextlib.suppress(*_LINK_ERRORS):
                self._repl.close()  # may fail half-way on a port that is gone
            with contextlib.suppress(*_LINK_ERRORS):
                self._repl.serial.close()
            self._repl = None

    @contextlib.contextmanager
    def _cut_is_lost(self):
        """What a cut line raises becomes LinkLost. Its text stays unsaid: it may hold a part of what was being sent."""
        if self._repl is None:
            raise LinkLost(f"lost the board on {self.port}")
        try:
            with contextlib.redirect_stdout(
                io.StringIO()
            ) as self._told:  # mpremote prints what it did not expect
                yield
        except _LINK_ERRORS:
            raise LinkLost(f"lost the board on {self.port}") from None

    def enter(self):
        """Stop what runs and get the raw REPL, after a soft reset if it can be had: `boot.py` ran, `main.py` did not."""
        for attempt, patience in enumerate(_PATIENCE_S):
            try:
                with self._cut_is_lost():
                    # Case 1: a program runs, or none: interrupt, soft reset, a clean heap.
                    # Case 2: boot.py never ends: a soft reset leads into it again, an interrupt out of it.
                    self._repl.enter_raw_repl(soft_reset=attempt != 1, timeout_overall=patience)
                    return
            except LinkLost:
                if not self._present():
                    raise
        if "appears to be corrupted" in self._told.getvalue():
            raise CommandError(
                "the board's flash holds no file system: run `make flash` with ERASE=1", UNSUITABLE
            )
        raise CommandError(
            f"no MicroPython answers on {self.port}: press the board's reset button and try again, "
            "or put MicroPython on it with `make flash`",
            UNSUITABLE,
        )

    def _present(self):
        try:
            self._repl.serial.in_waiting  # noqa: B018 - asks the driver
            return True
        except _LINK_ERRORS:
            return False

    def run(self, code, timeout=_ANSWER_S, most=_NOISE):
        """Run code on the board; return what it printed, at most so many bytes.

        LinkLost: no answer, or more than that: it started anew and talks of something else. BoardError: the code raised.
        """
        printed = bytearray()
        deadline = time.monotonic() + timeout

        def take(byte):
            printed.extend(byte)
            if len(printed) > most or time.monotonic() > deadline:
                raise TransportError("not an answer")

        with self._cut_is_lost():
            self._repl.exec_raw_no_follow(code)
            _, trace = self._repl.follow(timeout, take)
        if trace:
            raise BoardError(trace.decode(errors="replace"))
        return printed.rstrip(b"\x04").decode(errors="replace")

    def ask(self, code, timeout=_ANSWER_S, most=1000):
        """Run code that prints one literal a line; return them."""
        lines = self.run(code, timeout, most).splitlines()
        try:
            return [ast.literal_eval(line) for line in lines if line]
        except (ValueError, SyntaxError):  # a message of the system came between
            raise LinkLost(f"the board on {self.port} does not talk sense") from None

    def send(self, write, data):
        """Hand data to a function on the board, chunk by chunk, in base 64."""
        for at in range(0, len(data), _CHUNK):
            self.run(f"{write}('{b64encode(data[at : at + _CHUNK]).decode()}')")

    def reset(self):
        """Reset the board as its button would. `lines` shows what it says then."""
        with self._cut_is_lost():
            # a moment later, so that the answer to the command still gets out
            self._repl.exec_raw_no_follow(
                "import time, machine\ntime.sleep_ms(100)\nmachine.reset()"
            )

    def lines(self, seconds=None):
        """Yield what the board prints, line by line, and `""` when it was silent for a while. Outlasts resets.

        Ends after so many seconds. LinkLost: the port went away and stayed away.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        rest = b""
        while deadline is None or time.monotonic() < deadline:
            try:
                port = self._repl.serial
                port.timeout = 0.2
                data = port.read(max(1, port.in_waiting))
            except _LINK_ERRORS:
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
            for board in boards():
                if self.identity and board.serial_number == self.identity:
                    self.port = board.device
            if "://" in self.port or os.path.exists(self.port):
                with contextlib.suppress(
                    CommandError
                ):  # not ours yet: udev gives the permissions a moment later
                    self._open()
                    return
            time.sleep(0.05)
        raise LinkLost(f"the board on {self.port} went away and did not come back")

    def restart(self):
        """Ask for a reset, whatever the board is at, and do not wait for an answer."""
        with contextlib.suppress(LinkLost), self._cut_is_lost():
            self._repl.serial.write(b"\r\x03")
            time.sleep(0.1)  # what is typed before the interrupt took effect is lost
            self._repl.serial.write(b"\r\x01import machine\nmachine.reset()\x04")
            self._repl.serial.flush()

    def awaited(self):
        """After a LinkLost: wait for the board to start anew, and open the port again. False: it is gone."""
        self.close()
        time.sleep(0.2)  # a native USB port needs a moment to go away
        try:
            self._reopen()
        except LinkLost:
            return False
        return True
