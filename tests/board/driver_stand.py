"""The same program with a sensor, run twice: over sim/board, and on the emulated Pico with its true I2C, ADC and UART.

Both print what went over the buses and what was read (buslog.py, sensorscript.py); a Run has both. The chips are the
same in both: those of sim/board, which the emulated Pico reaches through emulator/chips.mjs and chipserver.py.
"""

import errno
import json
import os
import struct
import subprocess
import time
from contextlib import contextmanager

from tools import ROOT, processes, toolchain
from tools.boards.serialboard import BoardError

FAKES = ROOT / "sim" / "board"
SCRIPT = FAKES / "sensorscript.py"

_HEAP = "2m"  # of the fakes' process: it is not what is measured here
_LONGEST_S = 60

_OVER_FAKES = """\
import sys
sys.path[:] = {path}
import json
import buslog
case = json.loads({case!r})
buslog.attach([case["setting"]])
import sensorscript
sensorscript.run(case)
"""


class Run:
    """readings: what sensorscript printed. traffic: what buslog did, {step: [events]} in order.

    clocks: {"4,5": [Hz]}, what the buses' clocks were, on the emulated Pico.
    """

    def __init__(self, lines):
        self.readings = []
        self.traffic = {}
        self.clocks = {}
        step = self.traffic.setdefault("", [])
        for kind, *words in lines:
            if kind == "step":
                step = self.traffic.setdefault(words[0], [])
            elif kind == "clock":
                self.clocks.setdefault(words[0], []).append(words[1])
            elif kind in ("i2c", "adc", "uart", "onewire", "dht"):
                step.append((kind, *words))
            else:
                self.readings.append((kind, *words))


def over_fakes(case, tree, flash):
    """Run a case over sim/board, with the compiled modules of `tree`; `flash`: an empty folder."""
    path = [str(FAKES), str(tree), str(tree / "lib"), ".frozen"]
    program = _OVER_FAKES.format(path=path, case=json.dumps(case))
    done = subprocess.run(
        [*toolchain.micropython(_HEAP), "-c", program],
        check=False,
        capture_output=True,
        text=True,
        cwd=flash,
        env=_environment(),
        timeout=_LONGEST_S,
    )
    if done.returncode:
        raise RuntimeError(f"over the fakes: {done.stdout}{done.stderr}")
    return Run(_lines(done.stdout.splitlines()))


def on_pico(case, link, pipes):
    """Run a case on the emulated Pico: link, an entered Link to it; pipes, the folder its chips are attached by."""
    code = f"{SCRIPT.read_text()}\nrun(json.loads({json.dumps(case)!r}))\n"
    with chips_of([case["setting"]], pipes) as chips:
        try:
            printed = list(link.stream(code, _LONGEST_S))
        except BoardError as error:
            printed = [str(error)]
    return Run(_lines(printed + chips.passed))


@contextmanager
def chips_of(sensors, pipes, ahead=True):
    """Put the chips of entries of `sensors` on the emulated Pico's pins. ahead: its clock may outrun the real one."""
    (pipes / "setting.json").write_text(json.dumps({"sensors": sensors, "ahead": ahead}))
    for name in (
        "requests",
        "answers",
    ):  # new ones: who is at the others' ends may not have noticed yet
        (pipes / name).unlink(missing_ok=True)
        os.mkfifo(pipes / name)
    passed = pipes / "passed"
    with passed.open("wb") as file:
        chips = Chips(
            processes.start(
                [*toolchain.micropython(_HEAP), FAKES / "chipserver.py", pipes],
                cwd=pipes,
                env=_environment() | {"OUTPOST_CONTROL": "1"},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        )
    try:
        listening = _reader_of(pipes / "requests", chips.process)
        try:
            yield chips
        finally:
            os.close(listening)
    finally:
        processes.stop(chips.process)
        chips.passed += passed.read_text(errors="replace").splitlines()


class Chips:
    """passed: the lines that buslog printed, once it is over."""

    def __init__(self, process):
        self.process = process
        self.passed = []

    def do(self, what, **arguments):
        """A call of sim/board/sim.py, heard when a bus is used next."""
        self.process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        self.process.stdin.flush()


def _reader_of(pipe, process):
    """Wait until a process reads a named pipe; returns a descriptor that writes to it."""
    deadline = time.monotonic() + _LONGEST_S
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > deadline:
                raise
            if process.poll() is not None:
                raise RuntimeError("the chips' process ended") from None
        time.sleep(0.002)


def _environment():
    return {"OUTPOST_BOARD": "pico_w", "PATH": os.defpath, "TZ": "UTC"}


def _lines(printed):
    """The JSON lists among the lines that were printed; anything else is a failure."""
    lines = []
    for line in printed:
        if not line.startswith("["):
            raise RuntimeError("\n".join(printed))
        lines.append(json.loads(line))
    return lines


def transactions(events):
    """The traffic of a step as transactions, each up to its end, without the questions of a program that waits.

    How often a chip is asked whether it is done depends on how fast the program is: of the same transaction several times in
    a row the last is kept, with its answer. What comes from a UART's chip by itself is left out; what goes there is one.
    """
    sent = "".join(event[2] for event in events if event[:2] == ("uart", "sent"))
    found = [(("uart", "sent", sent),)] if sent else []
    transaction = []
    for event in events:
        if event[0] == "uart":
            continue
        transaction.append(event)
        if event[0] != "i2c" or event[2] in _ENDS or event[-1] is None:
            found.append(tuple(transaction))
            transaction = []
    if transaction:
        found.append(tuple(transaction))
    kept = []
    for transaction in found:
        if kept and _same_question(kept[-1], transaction):
            del kept[-1]
        kept.append(transaction)
        if kept[-1][0][0] == "i2c" and kept[-4:-2] == kept[-2:]:  # the question is two of them
            del kept[-2:]
    return kept


_ENDS = ("stop", "absent", "deaf")


def _same_question(before, after):
    def asked(transaction):
        return [
            event[:3] if event[2] == "read" else event
            for event in transaction
            if event[2] != "stop"
        ]

    return before[0][0] == "i2c" and asked(before) == asked(after)


def number(value):
    """A value of a reading: int, bool, or a float from its eight bytes."""
    return struct.unpack("<d", bytes.fromhex(value))[0] if isinstance(value, str) else value
