"""Every device module imports on both personalities in a 64 KB heap of 32-bit objects, as it is deployed: from .mpy."""

import subprocess

import pytest

from tools import ROOT, mpy, toolchain

MODULES = sorted(
    str(path.with_suffix("")).removeprefix("lib/").replace("/", ".").removesuffix(".__init__")
    for path in mpy.sources()
    if path.parent.name
)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    mpy.compile_tree(folder)
    for fake in (ROOT / "tests/fakes").glob(
        "*.py"
    ):  # a board has them built in: they must not need the heap to compile
        mpy.compile_file(fake.relative_to(ROOT), folder / "fakes" / fake.with_suffix(".mpy").name)
    return folder


def load(compiled, tmp_path, board, statement):
    path = [str(compiled / "fakes"), str(compiled), str(compiled / "lib"), ".frozen"]
    return subprocess.run(
        [*toolchain.micropython("64k"), "-c", f"import sys; sys.path[:] = {path}\n{statement}"],
        env={"OUTPOST_BOARD": board},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize("board", ["esp32", "pico_w"])
@pytest.mark.parametrize("module", MODULES)
def test_imports_in_64_kilobytes_and_does_nothing(compiled, tmp_path, module, board):
    done = load(compiled, tmp_path, board, f"import {module}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "", "importing a module does nothing"


def test_a_module_that_does_not_import_fails(compiled, tmp_path):
    assert load(compiled, tmp_path, "esp32", "import firmware.nothing").returncode == 1


def test_there_are_modules():
    assert {"firmware.app", "firmware.board", "mqtt", "umqtt.robust"} <= set(MODULES)
