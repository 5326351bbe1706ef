"""docs/architecture.md names each file of the device and each that a node writes, and no other; what it says of Board and Channel is there."""

import ast
import re

import pytest

from tools import ROOT, mpy

PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROWS = re.findall(r"^\| (`[^|]*) \| .* \|$", PAGE, re.MULTILINE)


def named(folder=""):
    """The files of the tables: `firmware/upkeep/health.py` `crash.py` is two of one folder, `lib/mqtt_*.py` is several."""
    for row in ROWS:
        words = re.findall(r"`([\w./*]+\.py)`", row)
        folder = words[0].rpartition("/")[0] if words and "/" in words[0] else ""
        for word in words:
            place = f"{folder}/{word}" if folder and "/" not in word else word
            if "/" in place or place in ("boot.py", "main.py"):
                yield from {str(path.relative_to(ROOT)) for path in ROOT.glob(place)} or {place}
            else:
                yield f"firmware/sensors/{place}"


def test_every_file_of_the_device_has_a_row():
    there = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "firmware/**/*.py", "lib/*.py")
        for path in ROOT.glob(pattern)
    }
    assert set(named()) == there - {"firmware/__init__.py"}


def test_every_file_that_a_node_writes_has_a_row():
    written = set()
    for source in mpy.sources():
        for node in ast.walk(ast.parse((ROOT / source).read_text())):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and text.startswith("state/") and " " not in text:
                written.add(text)
    table = PAGE.partition("\n| file | holds |\n")[2].partition("\n\n")[0]
    told = re.findall(r"`(state/[\w./-]*[\w.-])", table)
    assert sorted(told) == sorted(written)


def methods(file, cls):
    tree = ast.parse((ROOT / file).read_text())
    (found,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls]
    return {
        node.name: [argument.arg for argument in node.args.args[1:]]
        for node in found.body
        if isinstance(node, ast.FunctionDef)
    }


def test_what_the_board_hands_down():
    board = methods("firmware/hardware/board.py", "Board")
    calls = re.findall(r"`board\.(\w+)\((.*?)\)`", PAGE)
    assert len(calls) == 11
    for name, arguments in calls:
        assert board[name] == arguments.split(", "), name


@pytest.mark.parametrize("name", ["step", "due", "soon", "worth", "delivered"])
def test_what_a_channel_can(name):
    section = PAGE.partition("## Sensors")[2].partition("## ")[0]
    (arguments,) = re.findall(rf"^- `{name}\((.*?)\)`", section, re.MULTILINE)
    assert methods("firmware/sensors/channel.py", "Channel")[name] == arguments.split(", ")
