"""Whatever is in a file of the node's, or in its place, the node starts and publishes: each file that the code names, on both boards."""

import ast
import functools
import re
import shutil
import subprocess

import pytest

from tools import ROOT, mpy, toolchain

DEVICE = ROOT / "tests" / "device"
# What the code names by a part only: a folder, a beginning.
WHOLE = {
    "state/outbox": ("state/outbox", "state/outbox/state", "state/outbox/00000001"),
    "state/aside": ("state/aside", "state/aside/state", "state/aside/00000001"),
    "state/count-": ("state/count-rain",),
}


def named():
    """The files that the device's code names."""
    names = {"config.json", "state"}
    for source in mpy.sources():
        for node in ast.walk(ast.parse((ROOT / source).read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and text.startswith("state/") and " " not in text:
                names.update(WHOLE.get(text, (text,)))
    return sorted(names)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What a board holds: a start takes a third of the time that it takes from the sources."""
    folder = tmp_path_factory.mktemp("compiled")
    mpy.compile_tree(folder)
    return folder


def run(root, folder, board, *words):
    own = [str(ROOT / "sim" / "board"), str(DEVICE / "node"), str(DEVICE / "shared")]
    path = [*own, str(root), str(root / "lib"), ".frozen"]
    program = (
        f"import sys; sys.path[:] = {path}\nimport statefiles\nstatefiles.main({list(words)})"
    )
    done = subprocess.run(
        [*toolchain.micropython("4m"), "-c", program],
        env={"OUTPOST_BOARD": board},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def lived(compiled, tmp_path_factory):
    """Return a function that gives the folder of a board's node that has lived, and the files it left."""

    @functools.cache
    def folder(board):
        made = tmp_path_factory.mktemp(board)
        return made, run(compiled, made, board, "prepare").split()

    return folder


def test_the_code_names_what_a_node_leaves(lived):
    _, names = lived("esp32")
    left = {re.sub("/[0-9a-f]{8}$", "/00000001", name) for name in names}
    assert len(left) > 12
    assert left <= set(named()), left - set(named())


@pytest.mark.slow
@pytest.mark.work
@pytest.mark.parametrize("board", ["esp32", "pico_w"])
@pytest.mark.parametrize("name", named())
def test_any_content_lets_the_node_start(compiled, lived, tmp_path, name, board):
    shutil.copytree(lived(board)[0], tmp_path, dirs_exist_ok=True)
    assert "started" in run(compiled, tmp_path, board, name)
