"""Runs each function `test_*` of tests/device/*/test_*.py in a MicroPython process of its own.

The files are parsed, never imported by CPython. A test passes when its function returns. A module may set

    HEAP = "64k"                     # the size of the heap, else 160k
    BOARDS = ("esp32", "pico_w")     # run each test on each of these personalities, else on esp32
    TIMEOUT = 60                     # seconds of processor a test may take, else 20: the same on a busy machine
    SLOW = True                      # leave the file out of `make check`
    MPY = True                       # test the compiled modules: a board has no compiler to find memory for
    SLOT = "rom"                     # test those of an image: "rom", in place; "file", see below

The current directory is an empty folder, as a node's flash is before its first start. `sys.path` is sim/board,
the test's own folder and tests/device/shared in one, the repository's root and its lib, then what is frozen. With `--image` the device
modules are those of an image, mounted in place as a board with a ROMFS partition does. With SLOT they are always; in place
the names of boards/common/names.py are there already, as they are in our own MicroPython. An image that is a file is `bootimage.PATH`;
the test mounts it, with `bootimage.ImageFile`, which is boot.py's: it may count what that takes. All else is reached by links: MicroPython keeps the path of every module on the heap, and a test is not to have
more or less of it by the name of the folder that the repository is in.
"""

import ast
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tools import ROOT, CommandError, mpy, toolchain
from tools.image import image
from tools.image.names import FILE as NAMES_FILE

HERE = Path(__file__).resolve().parent
SETTINGS = {
    "HEAP": "160k",
    "BOARDS": ("esp32",),
    "TIMEOUT": 20,
    "SLOW": False,
    "MPY": False,
    "SLOT": None,
}
WAITED = 20  # times TIMEOUT: seconds by the clock, for a test that sleeps and for one that waits for its turn
LIMITED = ("sh", "-c", 'ulimit -t "$0" && exec "$@"')
SHOWN = 8000  # characters of a failed test's output

# Printed when the test function has returned: a process that ended earlier (a reset, sys.exit) has proved nothing.
DONE = "-- returned --"
PROGRAM = """\
import sys
sys.path[:] = {path}
{names}import {module} as tests
tests.{function}()
print({done!r})
"""

# Mapped, as flash is: nothing of it is on the heap.
MOUNT = """\
import ffi, uctypes, vfs
with open({path!r}, "rb") as f:
    at = ffi.open(None).func("P", "mmap", "PLiiil")(0, {size}, 1, 1, f.fileno(), 0)
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(at, {size})), "/app")
del ffi, uctypes, vfs, f, at
"""

# Its names stay when it is gone.
NAMES = """\
import names
del sys.modules["names"], names
"""

_compiled = pytest.StashKey()
_image = pytest.StashKey()


def pytest_pycollect_makemodule(module_path, parent):
    return DeviceFile.from_parent(parent, path=module_path)


def device_root(config, compiled):
    """The folder whose modules are under test: the repository, or a compiled copy made once a session."""
    if not compiled:
        return ROOT
    if _compiled not in config.stash:
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        mpy.compile_tree(Path(folder.name))
        config.stash[_compiled] = Path(folder.name)
    return config.stash[_compiled]


def image_file(config):
    """The image of the repository, made once a session."""
    if _image not in config.stash:
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        path = Path(folder.name) / "image"
        path.write_bytes(image.build().data)
        config.stash[_image] = path
    return config.stash[_image]


def boot_image():
    """The source of what boot.py mounts a file with. boot.py itself would start the node's Wi-Fi."""
    text = (ROOT / "boot.py").read_text()
    parts = {node.name: node for node in ast.parse(text).body if hasattr(node, "name")}
    return "\n\n".join(
        ast.get_source_segment(text, parts[name]) for name in ("number", "ImageFile")
    )


class DeviceFile(pytest.File):
    def collect(self):
        body = ast.parse(self.path.read_bytes(), str(self.path)).body
        settings = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in SETTINGS
        }
        several = "BOARDS" in settings
        settings = SETTINGS | settings
        if settings["SLOW"]:
            self.add_marker("slow")
            self.add_marker("work")
        self.add_marker(pytest.mark.timeout(WAITED * settings["TIMEOUT"] + 20))
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                for board in settings["BOARDS"]:
                    name = f"{node.name}[{board}]" if several else node.name
                    yield DeviceTest.from_parent(
                        self, name=name, node=node, board=board, settings=settings
                    )


class DeviceTest(pytest.Item):
    def __init__(self, node, board, settings, **rest):
        super().__init__(**rest)
        self.called = node.name
        self.line = node.lineno - 1
        self.board = board
        self.settings = settings

    def reportinfo(self):
        return self.path, self.line, self.name

    def runtest(self):
        root = device_root(self.config, self.settings["MPY"])
        seconds = self.settings["TIMEOUT"]
        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            folder = Path(name)
            self.links = {"board": ROOT / "sim" / "board", "repo": root}
            # In one folder, for what stands in sys.path is on the heap; and tests/device itself would hide lib/drivers.
            (folder / "tests").mkdir()
            for source in (*(HERE / "shared").glob("*.py"), *self.path.parent.glob("*.py")):
                self.links[f"tests/{source.name}"] = source
            for link, target in self.links.items():
                (folder / link).symlink_to(target)
            flash = folder / "flash"
            flash.mkdir()
            path = [f"{folder}/{place}" for place in ("board", "tests", "repo", "repo/lib")]
            mount = ""
            slot = self.settings["SLOT"] or ("rom" if self.config.getoption("image") else None)
            if slot:
                path[2:] = ["/app", "/app/lib"]
            if slot == "rom":
                mapped = image_file(self.config)
                mount = MOUNT.format(path=str(mapped), size=mapped.stat().st_size)
            elif slot == "file":
                (folder / "tests" / "bootimage.py").write_text(
                    f"{boot_image()}\n\nPATH = {str(image_file(self.config))!r}\n"
                )
            names = ""
            if self.settings["SLOT"] == "rom":
                (folder / "tests" / "names.py").symlink_to(NAMES_FILE)
                names = NAMES
            program = mount + PROGRAM.format(
                path=[*path, ".frozen"],
                names=names,
                module=self.path.stem,
                function=self.called,
                done=DONE,
            )
            words = [*toolchain.micropython(self.settings["HEAP"]), "-c", program]
            try:
                done = subprocess.run(
                    [*LIMITED, str(seconds), *words],
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=flash,
                    # nothing of the developer's environment, so that a test sees the same everywhere
                    env={"OUTPOST_BOARD": self.board, "PATH": os.defpath, "TZ": "UTC"},
                    timeout=WAITED * seconds,
                )
            except subprocess.TimeoutExpired as e:
                raise self.failure(
                    folder, f"not done in {WAITED * seconds} s", e.output or b""
                ) from None
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            raise self.failure(folder, f"not done in {seconds} s of processor", done.stdout)
        if done.returncode:
            raise self.failure(folder, f"exit code {done.returncode}", done.stdout)
        if not done.stdout.rstrip().endswith(DONE.encode()):
            raise self.failure(folder, "the process ended before the test returned", done.stdout)

    def failure(self, folder, text, output):
        """A Failure whose traceback names the files, not the links."""
        for link, target in self.links.items():
            output = output.replace(f"{folder}/{link}".encode(), str(target).encode())
        return Failure(text, output)

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, (Failure, CommandError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class Failure(Exception):
    def __init__(self, text, output):
        output = output.decode(errors="replace").strip()
        if len(output) > SHOWN:
            output = f"… {len(output) - SHOWN} characters more\n{output[-SHOWN:]}"
        super().__init__(f"{output}\n{text}".strip())
