"""The same program with a sensor, run twice: over tests/fakes, and on the emulated Pico with its true I2C, ADC and UART.

Both print what went over the buses and what was read (buslog.py, driver_script.py); a Run has both. The chips are the
same in both: those of tests/fakes, which the emulated Pico reaches through tools/rp2040/chips.mjs and chipserver.py.
"""

import errno
import json
import os
import struct
import subprocess
import time
from pathlib import Path

from littlefs import LittleFS

from tools import ROOT, processes, toolchain
from tools.serialboard import BoardError

HERE = Path(__file__).resolve().parent
FAKES = ROOT / "tests" / "fakes"
SCRIPT = HERE / "driver_script.py"

_HEAP = "2m"  # of the fakes' process: it is not what is measured here
_LONGEST_S = 60

# Where the file system of a RPI_PICO is in its flash.
_FLASH, _BLOCK, _BLOCKS = 2 << 20, 4096, 352

_OVER_FAKES = """\
import sys
sys.path[:] = {path}
import json
import buslog
case = json.loads({case!r})
buslog.attach(case["setting"])
import driver_script
driver_script.run(case)
"""


class Run:
    """readings: what driver_script printed. traffic: what buslog did, {step: [events]} in order."""

    def __init__(self, lines):
        self.readings = []
        self.traffic = {}
        step = self.traffic.setdefault("", [])
        for kind, *words in lines:
            if kind == "step":
                step = self.traffic.setdefault(words[0], [])
            elif kind in ("i2c", "adc", "uart"):
                step.append((kind, *words))
            else:
                self.readings.append((kind, *words))


def flash_image(path, tree):
    """Write an image of a Pico's flash that holds a folder."""
    fs = LittleFS(block_size=_BLOCK, block_count=_BLOCKS, disk_version=0x00020000)
    for source in sorted(Path(tree).rglob("*")):
        name = "/" + source.relative_to(tree).as_posix()
        if source.is_dir():
            fs.mkdir(name)
        else:
            with fs.open(name, "wb") as file:
                file.write(source.read_bytes())
    buffer = bytes(fs.context.buffer)
    path.write_bytes(b"\xff" * (_FLASH - len(buffer)) + buffer)


def over_fakes(case, tree, flash):
    """Run a case over tests/fakes, with the compiled modules of `tree`; `flash`: an empty folder."""
    path = [str(FAKES), str(HERE), str(tree), str(tree / "lib"), ".frozen"]
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
    for name in ("requests", "answers"):  # new ones: who is at the others' ends may not have noticed yet
        (pipes / name).unlink(missing_ok=True)
        os.mkfifo(pipes / name)
    (pipes / "setting.json").write_text(json.dumps(case["setting"]))
    server = processes.start(
        [*toolchain.micropython(_HEAP), HERE / "chipserver.py", FAKES, pipes],
        cwd=pipes,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    listening = _reader_of(pipes / "requests", server)
    code = f"{SCRIPT.read_text()}\nrun(json.loads({json.dumps(case)!r}))\n"
    try:
        printed = list(link.stream(code, _LONGEST_S))
    except BoardError as error:
        printed = [str(error)]
    finally:
        os.close(listening)
        processes.stop(server)
        recorded = server.stdout.read()
        server.stdout.close()
    return Run(_lines(printed + recorded.splitlines()))


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
                raise RuntimeError(f"the chips' process ended: {process.stdout.read()}") from None
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


def number(value):
    """A value of a reading: int, bool, or a float from its eight bytes."""
    return struct.unpack("<d", bytes.fromhex(value))[0] if isinstance(value, str) else value
