"""A mosquitto: which one, whether it can start, and one that runs in a folder."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tools import CommandError, processes, shell, toolchain

PATIENCE_S = 20  # to start with a large queue on a slow disk
_STOP_S = 60  # it writes down what waits
OLDEST = (2, 0)
# Before it a stranger can crash the broker, CVE-2024-8376; distributions mend older ones without another number.
MENDED = (2, 0, 19)


def on_this_system() -> str | None:
    """Path of the mosquitto that is installed, None: there is none."""
    places = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    return shutil.which("mosquitto", path=places)


def program() -> Path:
    """Path of a mosquitto to start from here: that of the set-up, else the one that is installed. CommandError: there is none, or it is too old."""
    try:
        found = toolchain.mosquitto()
    except CommandError:
        there = on_this_system()
        if not there:
            raise CommandError(
                "mosquitto is not there: run `make setup`, or sudo apt install mosquitto"
            ) from None
        found = Path(there)
    number = version(found)
    if number is None:
        raise CommandError(f"{found} does not say which version of mosquitto it is")
    if number < OLDEST:
        raise CommandError(f"{found} is mosquitto {dotted(number)}; 2.0 or newer is needed")
    return found


def version(path: str | Path) -> tuple[int, ...] | None:
    """Which version a mosquitto is, None: it does not say."""
    try:
        done = subprocess.run(
            [path, "-h"], check=False, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"mosquitto version (\d+(?:\.\d+)+)", done.stdout + done.stderr)
    return tuple(int(number) for number in found[1].split(".")) if found else None


def dotted(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


def doubts(path: str | Path) -> str | None:
    """What is wrong with the mosquitto that is installed, in a sentence; None: nothing that is known."""
    number = version(path)
    if number is None:
        return f"{path} does not say which version of mosquitto it is"
    if number < OLDEST:
        return f"{path} is mosquitto {dotted(number)}: it will not start with these settings, 2.0 or newer is needed"
    if number < MENDED:
        return (
            f"{path} is mosquitto {dotted(number)}: a stranger on the network can crash it (CVE-2024-8376), "
            "unless your distribution has mended it; 2.0.19 has"
        )
    return None


def in_use(address: str, port: int) -> bool:
    """Does another program listen there? CommandError: this computer has no such address, or may not listen there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as mosquitto does
        try:
            tried.bind((address, port))
            tried.listen(1)
        except PermissionError:
            raise CommandError(f"you may not listen on port {port}: give one above 1023") from None
        except (socket.gaierror, UnicodeError):
            raise CommandError(
                f"LISTEN={address} is no address, give one as 192.168.1.10", 2
            ) from None
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return True
            raise CommandError(
                f"LISTEN={address} is not this computer's, give one of `hostname -I`", 2
            ) from None
    return False


class Server:
    """A mosquitto that was started here, in a folder with its settings. What it says is in `log`."""

    def __init__(self, path: Path, folder: Path, conf: str, log: Path) -> None:
        self.path = path
        self.folder = folder
        self.conf = conf
        self.log = log
        self.process: subprocess.Popen | None = None

    def start(self) -> "Server":
        """CommandError: it does not start, with what it says."""
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self._begin = log.tell()
            self.process = processes.start(
                [self.path, "-c", self.conf], cwd=self.folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.alive:
            if re.search(r"mosquitto version \S+ running", self.said()):
                return self
            time.sleep(0.02)
        processes.kill(self.process)
        errors = [line for line in self.said().splitlines() if "Error" in line]
        raise CommandError(f"mosquitto does not start: {'; '.join(errors) or self.log}")

    def stop(self) -> None:
        if self.process:
            processes.stop(self.process, _STOP_S)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """What it has said since its start."""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


def as_root() -> str:
    """The line without which mosquitto becomes the user `mosquitto`, who may not read the folder or not exist; empty for who is not root."""
    return "user root\n" if shell.is_root() else ""


def running(folder: Path) -> int | None:
    """The process id of the broker that runs in a folder, None: none does."""
    try:
        number = int((folder / "data" / "mosquitto.pid").read_text())
        words = Path(f"/proc/{number}/cmdline").read_bytes()
        there = Path(f"/proc/{number}/cwd")
        # A number may be another program's by now. Who is not its user cannot see where it is: its name has to do.
        same = not os.access(there, os.R_OK) or there.resolve() == folder.resolve()
        return number if b"mosquitto" in words and same else None
    except (OSError, ValueError):
        return None


def tell(folder: Path) -> str:
    """Let the broker of a folder read passwords, access list and certificate anew. Returns what came of it, in words.

    It ends the connections of accounts that are gone or have another password; their last will it does not publish.
    """
    number = running(folder)
    if number is None:
        return "no broker runs here; one elsewhere needs `passwords` and `acl`, then: sudo systemctl reload outpost-broker"
    try:
        os.kill(number, signal.SIGHUP)
    except PermissionError:
        return "the broker that runs is another user's: sudo systemctl reload outpost-broker"
    return "the broker that runs knows it"
