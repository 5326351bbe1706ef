"""Which serial port a board is on, and the exit codes of the commands that talk to one."""

import contextlib
import os
import re
import shlex
import stat
import sys
from pathlib import Path

from serial.tools import list_ports

from tools import CommandError

NO_BOARD, MANY_BOARDS, BUSY, UNSUITABLE, LOST = 3, 4, 5, 6, 9

EXIT_CODES = f"""\
exit codes:
  {NO_BOARD}  no board found
  {MANY_BOARDS}  several boards found
  {BUSY}  the port is in use, or you may not use it
  {UNSUITABLE}  no MicroPython that Outpost runs on
"""

RASPBERRY_PI, ESPRESSIF, MICROPYTHON = 0x2E8A, 0x303A, 0xF055
OWN_USB = (RASPBERRY_PI, ESPRESSIF, MICROPYTHON)
# Of the boards' own USB, and of the chips that make USB of a serial line.
VENDORS = {
    RASPBERRY_PI: "Raspberry Pi",
    ESPRESSIF: "Espressif",
    0x10C4: "CP210x",
    0x1A86: "CH340",
    0x0403: "FTDI",
    MICROPYTHON: "MicroPython",
}


def mpremote(port, *words):
    """A command line of mpremote, for people."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), "-m", "mpremote", "connect", port, *words])


def boards():
    """Serial ports that may be boards, sorted."""
    return sorted(
        (port for port in list_ports.comports() if port.vid in VENDORS),
        key=lambda port: port.device,
    )


def identity(board):
    """The USB serial number of a board that has one of its own, whatever its port is called; None: its USB chip's says little."""
    return board.serial_number if board.vid in OWN_USB else None


def add_port(parser, several=False):
    more = "; several with commas between, or all" if several else ""
    parser.add_argument(
        "--port",
        help=f"the board's port, or id: and its USB serial number{more} (default: the one board there is)",
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
    if "," in port:
        raise CommandError(f"one board at a time: {port.split(',')[0]}, say", 2)
    if "://" in port:
        return port
    if port.startswith("id:"):
        matching = [board.device for board in found if board.serial_number == port[3:]]
        if matching:
            return matching[0]
    elif exists(port):
        if os.path.exists(port) and not stat.S_ISCHR(os.stat(port).st_mode):
            raise CommandError(no_port(port), NO_BOARD)
        return port
    in_dev = f"/dev/{port}"
    if os.path.exists(in_dev) and port.startswith("tty"):
        raise CommandError(f"{port} is not there, did you mean {in_dev}?", NO_BOARD)
    others = f"; there is\n{_listing(found)}" if found else ", and no other board either"
    raise CommandError(f"{port} is not there{others}", NO_BOARD)


def no_port(port):
    what = "a folder" if os.path.isdir(port) else "no serial port"
    return f"{port} is {what}: give the board's, as PORT=/dev/ttyUSB0, or leave PORT= out"


def no_answer(url):
    """What to say of a URL that cannot be opened."""
    if re.fullmatch(r"(socket|rfc2217)://[^/:]+:\d+", url):
        return f"nothing answers at {url}: is the board on (`make board`), and the port right?"
    return f"{url} is no port: give one such as socket://127.0.0.1:2040, or /dev/ttyUSB0"


def is_terminal(port):
    """False for a device that is surely no serial port, as /dev/null. It is opened for that."""
    try:
        file = os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, AttributeError):  # somebody has it; Windows has no such flags
        return True
    try:
        return os.isatty(file)
    finally:
        os.close(file)


def exists(port):
    """Whether there is such a port. Windows' are no files: COM3."""
    return os.path.exists(port) or any(port == each.device for each in list_ports.comports())


def find_all(port=None):
    """Paths of the ports asked for: `all` there are, several with commas between, else as `find`. Each once, sorted if `all`."""
    if port == "all":
        found = [board.device for board in boards()]
        if not found:
            find(None)
        return found
    names = [one.strip() for one in port.split(",")] if port else [None]
    if not any(names) and port:
        raise CommandError("PORT= names no port: give one, several with commas between, or all", 2)
    return list(dict.fromkeys(find(one) for one in names if one != ""))


def _listing(found):
    return "\n".join(
        f"  {port.device}  {port.product or VENDORS[port.vid]}"
        + (f"  id:{port.serial_number}" if port.serial_number else "")
        for port in found
    )


def is_pico(port):
    """True if the USB device on a port says it is one of Raspberry Pi's."""
    return any(board.device == port and board.vid == RASPBERRY_PI for board in boards())


def user_of(port):
    """Who has a port open, as " by name (process 123)", or nothing where that cannot be told."""
    real = os.path.realpath(port)
    with contextlib.suppress(OSError):  # processes come and go
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                process = link.parts[2]
                if os.readlink(link) == real and process != str(os.getpid()):
                    return f" by {Path('/proc', process, 'comm').read_text().strip()} (process {process})"
    return ""
