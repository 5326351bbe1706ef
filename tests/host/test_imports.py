"""Every device module imports on both personalities in a 64 KB heap of 32-bit objects, as it is deployed: from .mpy.

The fakes are there first, with a heap of their own: what they are on a board is silicon and flash.
"""

import subprocess
import tempfile
from pathlib import Path

import pytest

from tools import ROOT, mpy, toolchain

MODULES = sorted(
    str(path.with_suffix("")).removeprefix("lib/").replace("/", ".").removesuffix(".__init__")
    for path in mpy.sources()
    if path.parent.name
)


@pytest.fixture(scope="session")
def compiled():
    # not below pytest's own folder, which has the user's name in its path: paths of modules are on the heap
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield made(Path(name))


def made(folder):
    mpy.compile_tree(folder)
    for fake in (ROOT / "sim/board").glob(
        "*.py"
    ):  # a board has them built in: they must not need the heap to compile
        mpy.compile_file(fake.relative_to(ROOT), folder / "fakes" / fake.with_suffix(".mpy").name)
    return folder


FAKES = "import time, socket, select, errno, os, machine, network"


def load(compiled, tmp_path, board, statement, heap):
    path = [str(compiled / "fakes"), str(compiled), str(compiled / "lib"), ".frozen"]
    program = f"import sys; sys.path[:] = {path}\n{FAKES}\n{statement}"
    return subprocess.run(
        [*toolchain.micropython(f"{heap}k"), "-c", program],
        env={"OUTPOST_BOARD": board},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.fixture(scope="session")
def heap(compiled, tmp_path_factory):
    """KB for the node's 64 and the fakes."""
    count = "import gc; gc.collect(); print(gc.mem_alloc())"
    done = load(compiled, tmp_path_factory.mktemp("flash"), "esp32", count, 500)
    return 64 + int(done.stdout) // 1024


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
@pytest.mark.parametrize("module", MODULES)
def test_imports_in_64_kilobytes_and_does_nothing(compiled, tmp_path, heap, module, board):
    done = load(compiled, tmp_path, board, f"import {module}", heap)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "", "importing a module does nothing"


def test_the_whole_node_imports_in_80_kilobytes(compiled, tmp_path, heap):
    """Above the goal of 64: client and outbox are 45 of them."""
    done = load(compiled, tmp_path, "pico_w", "import firmware.app, outbox", heap + 80 - 64)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_node_does_without_umqtt(compiled, tmp_path):
    """Its calls block, and take 8 KB."""
    node = (
        "import firmware.app, firmware.parts, firmware.provisioning.trial, mqtt.disconnect, outbox"
    )
    say = "print([name for name in sys.modules if name == 'mqtt.blocking' or 'umqtt' in name])"
    done = load(compiled, tmp_path, "pico_w", f"{node}; {say}", 200)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_it_fails_when_there_is_no_such_module_or_not_the_memory(compiled, tmp_path, heap):
    assert load(compiled, tmp_path, "esp32", "import firmware.nothing", heap).returncode == 1
    much = load(compiled, tmp_path, "esp32", "x = bytearray(60000); import firmware.app", heap)
    assert "MemoryError" in much.stderr


def test_there_are_modules():
    assert {"firmware.app", "firmware.hardware.board", "mqtt", "umqtt.robust"} <= set(MODULES)
