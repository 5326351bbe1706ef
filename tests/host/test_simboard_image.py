"""A simulated board whose flash is a real littlefs in an image file."""

import json
import re
import time

import pytest

from sim.simboard import BOARDS, SimBoard
from tools import mpy

pytestmark = pytest.mark.slow

FAST = 60  # seconds that nothing here comes near, on a busy machine neither

both = pytest.mark.parametrize("board", BOARDS)


@pytest.fixture
def board():
    return "esp32"


@pytest.fixture
def made(tmp_path, board):
    """made(main) -> a started SimBoard with this program on its image; all are stopped in the end."""
    boards = []

    def make(main, **options):
        flash = tmp_path / f"flash{len(boards)}"
        flash.mkdir()
        (flash / "main.py").write_text(main)
        boards.append(SimBoard(flash, board, image=True, **options))
        return boards[-1].start()

    yield make
    for each in boards:
        each.stop()


def ended(simulated):
    """What the console shows once the program has returned."""
    deadline = time.monotonic() + FAST
    while simulated.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert simulated.dead == 93, simulated.output
    return simulated.output


def again(simulated):
    simulated.stop()
    return ended(simulated.start())


@both
def test_it_has_the_boards_geometry(made, board):
    output = ended(made("import os\nprint(os.getcwd(), os.statvfs('/')[:3], os.listdir())"))
    blocks = 512 if board == "esp32" else 212
    assert f"/flash (4096, 4096, {blocks}) ['main.py']" in output


@both
def test_a_kill_keeps_what_was_flushed_and_no_more(made, board):
    simulated = made(
        "import os, time\n"
        "if 'a' in os.listdir(): print('found', open('a').read())\n"
        "f = open('a', 'a')\n"
        "f.write('flushed.')\n"
        "f.flush()\n"
        "f.write('lost')\n"
        "print('ready')\n"
        "while True: time.sleep(1)\n"
    )
    simulated.wait_for("ready", FAST)
    simulated.kill()
    simulated.start()
    simulated.wait_for("ready", FAST, times=2)
    assert "found flushed.\n" in simulated.output
    assert [path.name for path in simulated.flash.iterdir()] == ["main.py"]


def test_of_a_made_image_config_json_alone_is_brought_up_to_date(made):
    simulated = made("print(open('config.json').read(), 1)")
    # before boardrun has come so far, or after
    (simulated.flash / "config.json").write_text("new")
    ended(simulated)
    (simulated.flash / "config.json").write_text("newer")
    (simulated.flash / "main.py").write_text("print('never deployed')")
    assert "newer 1\n" in again(simulated)
    simulated.image.unlink()
    assert "never deployed" in again(simulated)


TORN = """\
import os, stand
def read(name):
    return open(name).read() if name in os.listdir() else ""
life = int(read("life") or 0)
log = read("log").split()
print("life", life, "finds", len(log), log == [str(i) for i in range(len(log))])
if life < 24:
    with open("life.new", "w") as f: f.write(str(life + 1))
    os.rename("life.new", "life")
    stand.power_fails(1 + life * 5 % 31, ("lost", "half", "garbage", "after")[life % 4])
    n = len(log)
    with open("log", "a") as f:
        while True:
            f.write("%d " % n)
            f.flush()
            print("flushed", n)
            n += 1
"""


@both
def test_torn_writes_leave_what_was_flushed(made, board):
    simulated = made(TORN)
    output = ended(simulated)
    assert simulated.resets == ["power"] * 25
    flushed = 0
    for line in output.splitlines():
        if line.startswith("flushed"):
            flushed = int(line.split()[1]) + 1
        elif line.startswith("life"):
            found = re.fullmatch(r"life \d+ finds (\d+) True", line)
            assert flushed <= int(found[1]) <= flushed + 1, line
    assert flushed > 24
    for how in ("lost", "half", "garbage", "after"):
        assert output.count(f"flash: the power fails, {how};") == 6


def test_it_counts(made):
    simulated = made(
        "with open('a', 'w') as f: f.write('x' * 5000)\nimport stand\nstand.flash_counts()"
    )
    writes, erases = re.search(r"flash: (\d+) writes, (\d+) erases", ended(simulated)).groups()
    assert 40 <= int(writes) <= 60  # 5000 bytes by 128
    assert 2 <= int(erases) <= 4


FULL = """\
import os, stand
def attempt(name, size):
    try:
        with open(name, "w") as f: f.write("x" * size)
        print("wrote", size)
    except OSError as e:
        print("failed", e.errno, os.stat(name)[6])
stand.flash_fills()
print("free", os.statvfs("/")[3])
attempt("a", 20000)
stand.flash_fills(False)
attempt("a", 20000)
"""


@both
def test_a_full_flash(made, board):
    output = ended(made(FULL))
    assert re.search(r"free [01]\nfailed 28 0\nwrote 20000\n", output), output


@both
def test_an_image_that_is_none(made, board):
    """A Pico's start-up code formats it, an ESP32's stays there and says so."""
    simulated = made("print('hello')")
    ended(simulated)
    simulated.image.write_bytes(bytes(simulated.image.stat().st_size))
    simulated.log.unlink()
    output = again(simulated)
    assert "hello" not in output
    assert ("appears to be corrupted" in output) == (board == "esp32")
    simulated.image.write_bytes(b"\xff" * simulated.image.stat().st_size)
    simulated.log.unlink()
    assert "corrupted" not in again(simulated)  # never used


@both
def test_the_node_runs_from_it(made, board):
    simulated = made("", scenario=[{"do": "switch", "first_join_fails": False, "ip_ms": [10, 20]}])
    simulated.stop()
    simulated.image.unlink(missing_ok=True)
    # As deployed: its sources, compiled in the node's own 160 KB, fit into them or not by the length of this folder's name.
    mpy.compile_tree(simulated.flash)
    config = {
        "wifi": {"networks": [{"ssid": "attic", "password": "secret-1"}]},
        "mqtt": {"brokers": [{"host": "127.0.0.1", "port": 1}]},
        "sensors": [{"name": "a", "type": "adc", "pin": 32 if board == "esp32" else 26, "r1": 1}],
    }
    (simulated.flash / "config.json").write_text(json.dumps(config))
    simulated.start()
    simulated.wait_for("wifi: joined", FAST)
    simulated.do("flash_counts")
    simulated.wait_for("flash: ", FAST)
    assert not list(simulated.flash.glob("state"))
    assert not re.search("Traceback|config:", simulated.output)
