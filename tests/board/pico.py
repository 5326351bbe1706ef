"""What the tests on the emulated Pico have in common: its flash seen from outside, a checkout to deploy from, the command."""

import hashlib
import json
import shutil
import struct
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import PurePosixPath

from littlefs import LittleFS

from emulator.emulator import FLASH_BYTES
from tests.host.ptyhost import files_of
from tools import ROOT
from tools.image import division
from tools.layouts import BLOCK, LAYOUTS

# The file system of the emulated board, as MicroPython 1.25 writes it.
_START = LAYOUTS["pico"].littlefs.offset
_BLOCK = BLOCK
_BLOCKS = LAYOUTS["pico"].littlefs.size // BLOCK
_DISK_VERSION = 0x00020001

# what `python -m tools deploy` needs of a checkout
_DEPLOYED = ("boot.py", "main.py", "emulator", "firmware", "lib", "sim", "tools")

# The modem's access point is there, no broker is.
CONFIG = {
    "wifi": {"networks": [{"ssid": "emulated", "password": "radio-Secret-1"}]},
    "mqtt": {"brokers": [{"host": "127.0.0.1"}]},
    "sensors": [],
}
STARTED = "wifi: joined emulated"  # the node runs

# One of each of the example's; nothing is on their pins.
EIGHT = [
    {"name": "bme280", "type": "bme280", "sda": 4, "scl": 5},
    {"name": "bmp280", "type": "bmp280", "sda": 4, "scl": 5, "address": "0x77"},
    {"name": "input", "type": "input", "kind": "reed", "pin": 14},
    {"name": "adc", "type": "adc", "pin": 26, "r1": 10, "r2": 10},
    {"name": "battery", "type": "battery", "pin": 27, "r1": 100, "r2": 100},
    {"name": "ds18b20", "type": "ds18b20", "pin": 2},
    {"name": "dht22", "type": "dht22", "pin": 3},
    {"name": "pulse", "type": "pulse", "pin": 15},
]
TWELVE = [
    *EIGHT,
    {"name": "sht4x", "type": "sht4x", "sda": 4, "scl": 5},
    {"name": "bh1750", "type": "bh1750", "sda": 4, "scl": 5},
    {"name": "scd4x", "type": "scd4x", "sda": 4, "scl": 5},
    {"name": "hcsr04", "type": "hcsr04", "trigger": 6, "echo": 7},
]


@contextmanager
def filesystem(flash):
    """The littlefs in an image of a Pico's flash, mounted; what is changed is written back."""
    fs = LittleFS(block_size=_BLOCK, block_count=_BLOCKS, disk_version=_DISK_VERSION, mount=False)
    image = bytearray(flash.read_bytes())
    fs.context.buffer = image[_START:]
    fs.mount()
    before = bytes(fs.context.buffer)
    yield fs
    fs.unmount()
    if fs.context.buffer != before:
        image[_START:] = fs.context.buffer
        flash.write_bytes(image)


def contents(flash):
    """{path: bytes} of the files on a flash."""
    with filesystem(flash) as fs:
        return files_of(fs)


def put(flash, files):
    """Write {path: bytes} to a flash; None removes a file."""
    with filesystem(flash) as fs:
        for path, data in files.items():
            if data is None:
                fs.remove(path)
                continue
            fs.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            with fs.open(path, "wb") as file:
                file.write(data)


def fill(flash, path, leave):
    """Write a file that leaves so many blocks free."""
    with filesystem(flash) as fs:
        free = _BLOCKS - fs.used_block_count
        # a big file has some pointers in each block
        with fs.open(path, "wb") as file:
            file.write(b"u" * ((free - leave) * (_BLOCK - 12)))
        return _BLOCKS - fs.used_block_count


def put_in_slot(flash, image, slot=0):
    """Write a ROMFS image into a slot of a flash."""
    layout = LAYOUTS["pico"]
    with flash.open("r+b") as file:
        file.seek(layout.romfs.offset + slot * layout.slot)
        file.write(image.ljust(layout.slot, b"\xff"))


def slot(flash, number):
    """What is in a slot of a flash, all of it."""
    layout = LAYOUTS["pico"]
    begin = layout.romfs.offset + number * layout.slot
    return flash.read_bytes()[begin : begin + layout.slot]


def romfs_of(firmware, size):
    """Return a Pico's MicroPython whose ROMFS has another size, and ends where it did: directly below littlefs."""
    found = division.of_pico(firmware.ljust(FLASH_BYTES, b"\xff")).romfs
    place = struct.pack("<II", found.offset, found.size)
    assert firmware.count(place) == 1
    return firmware.replace(place, struct.pack("<II", found.end - size, size))


class Checkout:
    """A copy of this checkout that tests may change, and its `deploy`."""

    def __init__(self, folder):
        self.folder = folder
        self._expected = None

    @classmethod
    def copied(cls, folder, source=ROOT):
        """Made from another one. It appears whole or not at all."""
        new = folder.with_name(folder.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for name in _DEPLOYED:
            if (source / name).is_dir():
                skipped = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source / name, new / name, ignore=skipped)
            else:
                shutil.copy(source / name, new)
        (new / "config.json").write_text(json.dumps(CONFIG))
        new.rename(folder)
        return cls(folder)

    def configure(self, config):
        (self.folder / "config.json").write_text(json.dumps(config))

    def append(self, path, text):
        with (self.folder / path).open("a") as file:
            file.write(text)

    def python(self, *words, **options):
        """Popen of a Python program in the checkout."""
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **{"text": True, **options},
        )

    def begin_deploy(self, board, config=("--config", "config.json"), wait=0, loose=True):
        """Start to deploy. config: which settings; wait: so many seconds for the node to be online; loose: files, no image."""
        words = ["-m", "tools", "deploy", "--port", board.url, *config, "--wait", str(wait)]
        words += ["--loose"] if loose else []
        return self.python("-u", *words)

    def deploy(self, board, **options):
        """Deploy. Returns (exit code, all it said)."""
        with self.begin_deploy(board, **options) as process:
            try:
                said, _ = process.communicate(timeout=300)
            finally:
                process.kill()
        return process.returncode, said

    def expected(self):
        """{path on the board: SHA-256 in hex} of what is to be there."""
        if self._expected is None:
            code = (
                "import hashlib, json; from tools.boards import deploy\n"
                "files = {path: hashlib.sha256(data).hexdigest() for path, data in deploy.build().items()}\n"
                "print(json.dumps(files))"
            )
            with self.python("-c", code) as process:
                said, _ = process.communicate(timeout=60)
            self._expected = json.loads(said.splitlines()[-1])
            self._expected["config.json"] = sha256((self.folder / "config.json").read_bytes())
        return self._expected


def said_by(process, text, seconds=60):
    """Read what a deploy says up to a line with a text. Returns the line, "" if it did not come."""
    deadline = time.monotonic() + seconds
    for line in process.stdout:
        if text in line:
            return line
        if time.monotonic() > deadline:
            break
    return ""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def ours(files):
    """Of {path: bytes}, what a deploy answers for: {path: SHA-256 in hex}."""
    mine = ("firmware/", "lib/", "boot.py", "main.py", "config.json")
    return {path: sha256(data) for path, data in files.items() if path.startswith(mine)}
