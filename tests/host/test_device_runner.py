"""The runner of the device tests (tests/device/conftest.py), run on tests that pass and tests that must not."""

import re
import shutil
import subprocess
import sys

import pytest

from tools import ROOT


@pytest.fixture
def run(tmp_path):
    """Run a device test file; {name: outcome}, and all the output."""

    def run_file(text, *words):
        folder = tmp_path / "tests" / "device"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
        shutil.copy(ROOT / "tests" / "device" / "conftest.py", folder)
        (folder / "test_planted.py").write_text(text)
        words = [
            "-c",
            ROOT / "pyproject.toml",
            "--rootdir",
            tmp_path,
            "-vv",
            "-ra",
            *words,
            folder,
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
        )
        return dict(re.findall(r"::(\S+) (PASSED|FAILED|ERROR)", done.stdout)), done.stdout

    return run_file


def test_outcomes(run):
    outcomes, out = run(
        "import sys\n"
        "def test_passes(): print('chatter')\n"
        "def test_fails(): assert 1 == 2, 'one is not two'\n"
        "def test_raises(): raise OSError(5)\n"
        "def test_leaves(): sys.exit(0)\n"
        "def test_stops(): raise SystemExit\n"
        "def test_fills_the_heap(): bytearray(170_000)\n"
        "def helper(): raise ValueError\n"
    )
    failing = ("test_fails", "test_raises", "test_leaves", "test_stops", "test_fills_the_heap")
    assert outcomes == {"test_passes": "PASSED"} | dict.fromkeys(failing, "FAILED")
    assert "one is not two" in out
    assert "memory allocation failed, allocating 170000 bytes" in out
    assert "the process ended before the test returned" in out
    assert 'test_planted.py", line 3, in test_fails' in out


def test_a_file_that_does_not_import_fails(run):
    outcomes, out = run("import nonsense\ndef test_a(): pass\n")
    assert outcomes == {"test_a": "FAILED"}
    assert "no module named 'nonsense'" in out


@pytest.mark.slow
def test_a_test_that_hangs_fails(run):
    outcomes, out = run(
        "TIMEOUT = 1\nimport time\ndef test_a():\n    print('here')\n    while True: pass\ndef test_b(): time.sleep(60)\n"
    )
    assert outcomes == {"test_a": "FAILED", "test_b": "FAILED"}
    assert "here\nnot done in 1 s of processor" in out
    assert "not done in 20 s\n" in out


def test_what_waits_for_its_turn_has_its_time(run):
    """Stopped for longer than TIMEOUT, as beside other work: it has used no processor."""
    outcomes, out = run("TIMEOUT = 1\nimport utime\ndef test_a(): utime.sleep(2)\n")
    assert outcomes == {"test_a": "PASSED"}, out


def test_each_test_has_a_process_and_an_empty_folder_of_its_own(run):
    body = "    import sim\n    assert 'x' not in os.listdir() and not hasattr(sim, 'x')\n    open('x', 'w').close(); sim.x = 1\n"
    outcomes, out = run(f"import os\ndef test_a():\n{body}\ndef test_b():\n{body}")
    assert set(outcomes.values()) == {"PASSED"}, out


def test_boards(run):
    outcomes, out = run(
        "BOARDS = ('esp32', 'pico_w')\nimport sim\ndef test_a(): assert sim.BOARD == 'pico_w'\n"
    )
    assert outcomes == {"test_a[esp32]": "FAILED", "test_a[pico_w]": "PASSED"}, out


def test_heap(run):
    outcomes, out = run(
        "HEAP = '64k'\ndef test_a(): bytearray(50_000)\ndef test_b(): bytearray(66_000)\n"
    )
    assert outcomes == {"test_a": "PASSED", "test_b": "FAILED"}, out


def test_slow_files_are_left_out_when_told(run):
    assert run("SLOW = True\ndef test_a(): pass\n", "-m", "not slow")[0] == {}
    assert run("SLOW = True\ndef test_a(): pass\n")[0] == {"test_a": "PASSED"}


def test_device_modules_are_those_of_the_repository(run):
    text = (
        "import firmware, mqtt, sim, sys\n"
        "def test_a(): assert firmware.__file__.endswith('/repo/firmware/__init__.py'), firmware.__file__\n"
        "def test_b(): assert firmware.__file__.endswith('.mpy') and mqtt.__file__.endswith('.mpy')\n"
        "def test_c(): assert sim.__file__.endswith('/board/sim.py'), sim.__file__\n"
    )
    assert run(text)[0] == {"test_a": "PASSED", "test_b": "FAILED", "test_c": "PASSED"}
    assert run(text, "--image")[0] == {"test_a": "FAILED", "test_b": "PASSED", "test_c": "PASSED"}


def test_its_heap_does_not_depend_on_where_the_repository_is(run):
    """Paths of modules are on the heap: they are of one length everywhere."""
    outcomes, out = run(
        "import sys, sim\ndef test_a(): assert len(sim.__file__) == len('/tmp/tmp01234567/board/sim.py'), sim.__file__\n"
    )
    assert outcomes == {"test_a": "PASSED"}, out


IMPORTS = "def test_imports():\n    import outbox\n    assert outbox.__file__ == '/app/lib/outbox/__init__.mpy', outbox.__file__\n"


def test_an_image_in_place(run):
    outcomes, out = run('SLOT = "rom"\n' + IMPORTS)
    assert outcomes == {"test_imports": "PASSED"}, out


def test_an_image_that_is_a_file(run):
    mount = (
        "import vfs\nfrom bootimage import PATH, ImageFile\nvfs.mount(ImageFile(PATH), '/app')\n"
    )
    outcomes, out = run(f'SLOT = "file"\n{mount}{IMPORTS}')
    assert outcomes == {"test_imports": "PASSED"}, out
