"""`make mutate`: a mutant that a test kills, one that none does, and nothing of the work tree is touched."""

from argparse import Namespace
from pathlib import Path

import pytest

from tools import CommandError, mpy
from tools.torture import mutate

TINY = """\
\"\"\"Tiny.\"\"\"


def fits(size, room):
    spare = room - size
    return spare >= 0


def noted(log):
    log.append(1)
    log = None
"""
TESTS = """\
import tiny

def test_fits():
    assert tiny.fits(3, 3) and tiny.fits(2, 3) and not tiny.fits(4, 3)
    log = []
    tiny.noted(log)
    assert log == [1]
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "tests/device").mkdir(parents=True)
    (tmp_path / "lib/tiny.py").write_text(TINY)
    (tmp_path / "tests/device/test_tiny.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text("import sys\nsys.path.insert(0, 'lib')\n")
    for name in (".venv", ".toolchain"):
        (tmp_path / name).mkdir()
    for module in (mutate, mpy):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def run(**arguments):
    return mutate.run(Namespace(**{"file": Path("lib/tiny.py"), "tests": None} | arguments))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "FILE= is missing, as in FILE=lib/mqtt/deadlines.py"),
        ("lib/tine.py", "no such file; give one, as lib/mqtt/deadlines.py"),
        ("conftest.py", "is no module of the device; give one"),
        ("lib", "is no module of the device; give one"),
    ],
)
def test_what_is_no_module_is_told(checkout, name, told):
    with pytest.raises(CommandError, match=told):
        run(file=Path(name))


def test_what_survives_is_shown_and_what_is_killed_is_not(checkout, capsys):
    assert run() == 1
    said = capsys.readouterr().out
    assert "lib/tiny.py:11 survives\n  -    log = None\n  +    pass" in said
    assert said.count("survives") == 1, said
    assert "1 survive tests/device/test_tiny.py" in said
    assert (checkout / "lib/tiny.py").read_text() == TINY


def test_every_kind_of_change_is_made():
    mutants = [text for _, text in mutate.mutants(TINY)]
    for change in (
        "spare = (room + size)", "return (spare > 0)", "spare >= 1", "spare >= (-1)", "return None", "    pass\n    log",
    ):  # fmt: skip
        assert sum(change in mutant for mutant in mutants) == 1, change
    early = TINY + "\n\ndef nothing():\n    return None\n"
    assert all(mutant != early for _, mutant in mutate.mutants(early))


def test_it_says_what_is_missing(checkout):
    with pytest.raises(CommandError, match="no such file"):
        run(file=checkout / "lib/nothing.py")
    (checkout / "lib/lonely.py").write_text("ROOM = 1\n")
    with pytest.raises(CommandError, match="TESTS="):
        run(file=Path("lib/lonely.py"))
    (checkout / "tests/device/test_tiny.py").write_text(
        "import tiny\n\ndef test_no():\n    assert 0\n"
    )
    with pytest.raises(CommandError, match="without a mutant"):
        run()


def test_the_tests_of_a_module_are_found(checkout):
    """Those that import it or are named after it; else those of what imports it."""
    for name, text in (
        ("lib/part.py", "ROOM = 1\n"),
        ("lib/whole.py", "def room():\n    from part import ROOM\n    return ROOM\n"),
        ("lib/alone.py", "from whole import room\n"),
        ("tests/device/test_alone.py", "HEAP = '64k'\n"),
        ("tests/device/test_whole.py", "import whole\n"),
        ("tests/device/test_more.py", "def test_more():\n    from whole import room\n"),
    ):
        (checkout / name).write_text(text)
    found = {
        name: mutate.found_tests(Path(f"lib/{name}.py")) for name in ("part", "whole", "alone")
    }
    both = ["tests/device/test_more.py", "tests/device/test_whole.py"]
    assert found == {"part": both, "whole": both, "alone": ["tests/device/test_alone.py"]}
