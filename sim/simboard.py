"""A simulated board: MicroPython on the host with sim/board in front, and what hardware does around it.

    board = SimBoard("flash", board="pico_w")
    board.start()                       # power on: boot.py, main.py
    board.wait_for("online", 10)
    board.do("wifi_off")                # a call of sim/board/sim.py, in the running board
    board.kill()                        # the power fails; nothing is flushed, retained memory is gone
    board.start()
    board.stop()

With `image=True` the flash is a real littlefs, in a file that outlives every life: after a kill it holds what was written and
no more, and `board.do("power_fails", writes=7, how="half")` lets the power fail in the middle of a block write.

After machine.reset(), the watchdog and deep sleep the process ends and is started again, as often as it takes; a board
that ended at its prompt stays there, powered and dead. Runs in a thread; stop() or the context manager ends it.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tools import ROOT, processes, toolchain

BOARDS = ("esp32", "pico_w")
HEAP = "160k"  # for the node
# room beside it for the modules, chips and world that a board has in silicon and flash
_FAKES_KB = 640

# How a life ends, by exit code: sim/board/sim.py EXIT. The watchdog in real time is a SIGALRM (a shell between
# reports 128 + 14).
_ENDINGS = {
    90: "reset",
    91: "wdt",
    -signal.SIGALRM: "wdt",
    128 + signal.SIGALRM: "wdt",
    92: "deepsleep",
    94: "power",
}
# Over when it is over; the rest is a state that the world keeps over a reset.
_MOMENTARY = ("kick", "tip", "hang", "storm", "reset", "power_fails", "flash_counts")
_BOOT_S = 0.2  # from a reset to boot.py


def serial(flash):
    """The end of the board's address and id: its own, and the same each time, as its flash is."""
    return hashlib.sha256(str(flash.absolute()).encode()).hexdigest()[:6]


class SimBoard:
    def __init__(
        self,
        flash,
        board="esp32",
        heap=HEAP,
        scenario=None,
        log=None,
        seed=1,
        image=None,
        rom=None,
    ):
        """flash: the folder that is the board's file system.

        image: the file that is it instead (True: beside the folder, with .lfs at its end). Made at the first start from the folder,
        of which later only config.json counts. Delete it and the board is new.
        rom: the file that is its ROMFS partition, if its MicroPython has one.
        heap: what the node has, as "160k". The fakes have theirs beside it.
        scenario: list of events, or the path of a JSON file of them; `at_s` counts from the first start(). log: file the console is appended to.
        """
        if board not in BOARDS:
            raise ValueError(f"board: {' or '.join(BOARDS)}, not {board}")
        self.flash = Path(flash)
        self.board = board
        self.resets = []  # why each life began: "power", "reset", "wdt", "deepsleep"
        self.lives = []  # [began, ended] of each, by time.time()
        self.dead = None  # exit code of the life that ended at the prompt, or crashed
        self.image = self.flash.with_name(self.flash.name + ".lfs") if image is True else image
        kilobytes = int(heap[:-1])
        self._momentary = _MOMENTARY + (("flash_fills",) if image else ())  # an image stays full
        self._command = [
            *toolchain.micropython(f"{kilobytes + _FAKES_KB}k"),
            str(ROOT / "sim" / "board" / "boardrun.py"),
        ]
        # What is neither flash nor console; gone with this object.
        self._folder = tempfile.TemporaryDirectory(prefix="simboard-")
        self._own = Path(self._folder.name)
        self._retained = self._own / "retained"
        if isinstance(scenario, (str, Path)):
            scenario = json.loads(Path(scenario).read_text())
        self._scenario = list(scenario or ())
        self._next = []  # what the next life begins with
        self._began = None  # when the power was first switched on
        self.log = Path(log) if log else self._own / "console"
        self._environment = {
            "PATH": os.defpath,
            "TZ": "UTC",
            "OUTPOST_BOARD": board,
            "OUTPOST_RETAINED": str(self._retained),
            "OUTPOST_CONTROL": "1",
            "OUTPOST_AP": "127.0.0.1",
            "OUTPOST_SCENARIO": str(self._own / "scenario.json"),
            "OUTPOST_SEED": str(seed),
            "OUTPOST_SERIAL": serial(self.flash),
            "OUTPOST_HEAP": str(kilobytes * toolchain.bits() // 32),
        }
        if self.image:
            self._environment["OUTPOST_FLASH"] = str(Path(self.image).absolute())
        if rom:
            self._environment["OUTPOST_ROM"] = str(Path(rom).absolute())
        self._thread = None
        self._process = None
        self._off = threading.Event()
        self._lock = threading.Lock()
        self._frozen = []  # processes that hold the connections of a board without power

    def without_psram(self):
        """Be an ESP32 whose RAM Python shares with Wi-Fi, sockets and TLS (sim/board/_idf.py), from the next start on."""
        self._environment["OUTPOST_IDF"] = "1"
        return self

    # -- power

    def start(self):
        """Power on. Returns at once."""
        if self._thread:
            raise RuntimeError("the board is on")
        self._bury()
        self._off.clear()
        self.dead = None
        self._forget()
        self._thread = threading.Thread(target=self._lives, daemon=True)
        self._thread.start()
        return self

    power_on = start

    def kill(self, silent=False):
        """The power fails.

        silent: as on the air, nothing tells the broker. (The host closes the connections of a process that ends, so
        this one is stopped in mid-stride, and ended at the next start() or stop().)
        """
        self._end(signal.SIGSTOP if silent else signal.SIGKILL)

    def stop(self):
        """Switch off, and let go of the connections of a silent kill()."""
        self._end(signal.SIGKILL)
        self._bury()

    def __enter__(self):
        return self.start() if self._thread is None else self

    def __exit__(self, *exception):
        self.stop()

    # -- what it does

    @property
    def alive(self):
        """True while a program runs (between a reset and the next life too)."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def pid(self):
        return self._process.pid if self._process else None

    @property
    def output(self):
        """What the console has shown so far."""
        try:
            return self.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def do(self, call, **arguments):
        """Let something happen to the running board: a call named in sim/board/sim.py."""
        event = {"do": call, **arguments}
        line = json.dumps(event) + "\n"
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError("the board is off, or between two lives")
            try:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except BrokenPipeError:
                raise RuntimeError("the board has just been reset") from None
            self._scenario.append({"at_s": time.monotonic() - self._began, **event})

    def prepare(self, call, **arguments):
        """Let something happen at the very beginning of the next life."""
        self._next.append({"do": call, **arguments})

    def wait_for(self, text, timeout=10, times=1):
        """Wait until the console has shown text (so many times). TimeoutError with its last lines otherwise."""
        deadline = time.monotonic() + timeout
        while self.output.count(text) < times:
            if time.monotonic() > deadline:
                tail = "\n".join(self.output.splitlines()[-20:])
                raise TimeoutError(f"the console did not show {text!r} in {timeout} s:\n{tail}")
            time.sleep(0.02)
        return self.output

    def wait_resets(self, count, timeout=10):
        """Wait until the board has begun `count` lives since it was made."""
        deadline = time.monotonic() + timeout
        while len(self.resets) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{len(self.resets)} of {count} lives in {timeout} s: {self.resets}"
                )
            time.sleep(0.02)
        return self.resets

    def served(self, port, timeout=10):
        """Return the host's port on loopback behind which the board serves this one of its own, below 1024."""
        told = rf"stand: port {port} is 127\.0\.0\.1:(\d+)"
        self.wait_for(f"stand: port {port} is ", timeout)
        return int(re.findall(told, self.output)[-1])

    # -- lives

    def _lives(self):
        cause = "power"
        while not self._off.is_set():
            with self._lock:
                if self._off.is_set():
                    return
                self.resets.append(cause)
                self._world_goes_on()
                with open(self.log, "ab") as console:
                    self._process = processes.start(
                        self._command,
                        cwd=self.flash,
                        env=self._environment,
                        stdin=subprocess.PIPE,
                        stdout=console,
                        stderr=subprocess.STDOUT,
                    )
                self.lives.append([time.time(), None])
            process = self._process
            while process.poll() is None and process not in self._frozen:
                self._off.wait(0.01) if not self._off.is_set() else time.sleep(0.01)
            self.lives[-1][1] = time.time()
            if self._off.is_set():
                return
            process.stdin.close()
            cause = _ENDINGS.get(process.returncode)
            if cause == "power":
                self._forget()
            if cause is None:
                self.dead = process.returncode
                return
            self._off.wait(_BOOT_S + (self._sleep_s() if cause == "deepsleep" else 0))

    def _world_goes_on(self):
        """A reset is the board's: what was done to its surroundings stays done, what is to come is nearer."""
        if self._began is None:
            self._began = time.monotonic()
        elapsed = time.monotonic() - self._began
        events = []
        for event in self._scenario:
            at = event.get("at_s", 0) - elapsed
            if at > 0 or event["do"] not in self._momentary or len(self.resets) == 1:
                events.append(event | {"at_s": max(at, 0)})
        (self._own / "scenario.json").write_text(json.dumps(events + self._next))
        self._next.clear()
        self._environment["OUTPOST_ELAPSED"] = str(int(elapsed * 1000))

    def _forget(self):
        """What is retained over resets goes with the power; NVS is flash and stays."""
        for file in self._own.glob("retained*"):
            if "-nvs-" not in file.name:
                file.unlink()

    def _sleep_s(self):
        try:
            return json.loads(self._retained.read_text())["sleep_ms"] / 1000
        except (OSError, ValueError, KeyError):
            return 0

    def _end(self, number):
        with self._lock:
            self._off.set()
            process = self._process
            if process and process.poll() is None:
                os.kill(process.pid, number)
                if number == signal.SIGSTOP:
                    self._frozen.append(process)
                else:
                    process.wait()
        if self._thread:
            self._thread.join()
        self._thread = self._process = None

    def _bury(self):
        while self._frozen:
            processes.kill(self._frozen.pop())


def make_board(folder, board, config, stack):
    """A board, off, with a littlefs of its own and a radio that joins at once; folder/flash has the node's files."""
    (folder / "flash" / "config.json").write_text(json.dumps(config))
    quick = {"do": "switch", "first_join_fails": False, "ip_ms": [1, 2]}
    made = SimBoard(folder / "flash", board, image=True, scenario=[quick], log=folder / "console")
    stack.callback(made.stop)
    return made


def until(test, seconds, each_s=0.01):
    """Wait for a test to become true, and look each `each_s`. False: it did not."""
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            return False
        time.sleep(each_s)
    return True
