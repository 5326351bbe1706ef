"""What starts the node on the emulated Pico, what stops it, and who can reach it meanwhile."""

import itertools
import json
import subprocess
import sys
import time

import pytest
from outside import until
from pico import CONFIG, EIGHT, STARTED, put

from tools.boards.serialboard import Link

NAME = "emulated"
BOOTS = 1000  # starts that the node believes it had
PATIENCE_S = 200  # a start takes 4 s, four crashes 40 s, on a machine with nothing else to do

SENSOR = {"name": "volts", "type": "adc", "pin": 26, "r1": 1, "interval_s": 1}
# What stands in for the driver; `.py` and `.mpy` of it exist together in no case.
HANGS = b"class Voltage:\n    conversion_ms = 0\n    def __init__(self, *a, **k):\n        self.n = 0\n    def start(self):\n        pass\n    def read(self):\n        self.n += 1\n        while self.n > 3:\n            pass\n        return (1.0,)\n"
CRASHES = b"class Voltage:\n    conversion_ms = 0\n    def __init__(self, *a, **k):\n        pass\n    def start(self):\n        pass\n    def read(self):\n        return 1 // 0\n"

# From the second start on; in the first a Pico has no USB yet.
ENDLESS = b"import os, vfs\nbefore = vfs.mount()[0][0]\nwhile 'again' in os.listdir():\n    pass\nopen('again', 'w').close()\n"

# Writes until three Ctrl-C were heard. Says of each whether the file was being written.
WRITES = """
import flashfile, micropython, time
heard = []
def content(f):
    global writing
    writing = True
    for _ in range(8):
        f.write(bytes(1024))
    writing = False
for _ in range(60):
    try:
        writing = False
        print("now")
        try:
            micropython.kbd_intr(3)
            flashfile.write("state/written", content)
            time.sleep_ms(20)
            micropython.kbd_intr(-1)
        except KeyboardInterrupt:
            micropython.kbd_intr(-1)
            heard.append(writing)
    except KeyboardInterrupt:
        pass  # another one, right behind
    if len(heard) == 3:
        break
print(heard)
"""

# A Ctrl-C just before a change, and one in it. Says of each whether the change began, and what it left; then as before.
PRESSES = """
import flashfile, io, os
from flashfile import uninterrupted
class Keyboard(io.IOBase):
    left = 0
    def readinto(self, buf):
        if not self.left:
            return None
        self.left -= 1
        buf[0] = 3
        return 1
    def write(self, buf):
        return len(buf)
    def ioctl(self, op, arg):
        return 0
keyboard = Keyboard()
def before():
    began = False
    try:
        keyboard.left = 1
        os.dupterm_notify(None)
        with uninterrupted:
            began = True
    except KeyboardInterrupt:
        return began, flashfile.depth
def meanwhile():
    try:
        with uninterrupted:
            keyboard.left = 1
            os.dupterm_notify(None)
            return os.listdir() != []
    except KeyboardInterrupt:
        pass
os.dupterm(keyboard)
found = before(), meanwhile(), before()
os.dupterm(None)
print("@" + repr(found))
"""


@pytest.fixture
def configure(node, seen):
    """configure(watchdog={...}) -> settings on the node's flash, with one sensor and a broker."""

    def write(driver=None, **settings):
        config = CONFIG | {
            "node": {"name": NAME},
            "mqtt": {"brokers": [{"host": "127.0.0.1", "port": seen.port}]},
            "sensors": [SENSOR],
            **settings,
        }
        files = {"config.json": json.dumps(config).encode(), "state/boot": b"%d" % BOOTS}
        if driver:
            files |= {"lib/drivers/analog.mpy": None, "lib/drivers/analog.py": driver}
        put(node.flash, files)

    return write


def info(seen, boot, node):
    """The node's `info` of one of its starts after configure(), the first is 1."""

    def found():
        documents = [json.loads(message.text) for message in seen.messages_of(f"{NAME}/info")]
        return next((each for each in documents if each["boot"] == BOOTS + boot), None)

    until(found, PATIENCE_S, f"info of boot {boot}", node.printed)
    return found()


def answers(board, code):
    """What mpremote gets from a board without a soft reset: it only interrupts what runs.

    Like a person it tries again: while the node writes a file, its Ctrl-C does nothing, and what it says then is read later.
    """
    words = [sys.executable, "-m", "mpremote", "connect", board.url, "resume", "exec", code]
    for _ in range(3):
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        if not done.returncode:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_node_starts_when_the_power_comes(node, configure, seen):
    configure()
    node.start()
    first = info(seen, 1, node)
    assert (first["reset_cause"], first["board"]) == ("power on", "pico_w")
    assert "crash" not in first
    assert first["micropython"] == "1.25.0"
    node.kill()
    node.start()
    assert info(seen, 2, node)["reset_cause"] == "power on"


def test_a_node_that_hangs_is_reset_by_its_watchdog(node, configure, seen):
    configure(HANGS, watchdog={"arm_after_s": 0, "timeout_s": 2})
    node.start()
    second = info(seen, 2, node)
    assert "reset by watchdog 1" in node.events()
    assert second["reset_cause"] == "watchdog"
    assert "crash" not in second, "there was nobody to record one"


def test_before_the_watchdog_is_armed_the_board_can_be_held(node, configure):
    configure(watchdog={"arm_after_s": 600, "timeout_s": 2})
    node.start()
    assert node.wait_printed(STARTED, PATIENCE_S), node.printed()
    assert answers(node, "print(6 * 7)") == "42"
    # longer than the watchdog's 2 s, by the board's own clock
    assert answers(node, "import time; time.sleep(4); print('still here')") == "still here"
    assert "reset" not in node.events()


def test_once_it_is_armed_a_held_board_goes_back_to_work(node, configure):
    configure(watchdog={"arm_after_s": 0, "timeout_s": 8})
    node.start()
    assert node.wait_printed(STARTED, PATIENCE_S), node.printed()
    assert answers(node, "print(6 * 7)") == "42"  # it is reached all the same
    assert node.wait_printed(STARTED, PATIENCE_S, count=2), node.printed()
    assert "reset by watchdog 1" in node.events()


def test_deploy_onto_a_node_whose_watchdog_is_armed(node, configure, checkout):
    configure(watchdog={"arm_after_s": 0, "timeout_s": 8})
    node.start()
    assert node.wait_printed(STARTED, PATIENCE_S), node.printed()
    code, said = checkout.deploy(node)
    assert code == 0, said
    assert "copied 1 files" in said  # config.json


def test_a_driver_that_crashes_leads_to_safe_mode_and_a_good_one_out_of_it(
    node, configure, seen, checkout
):
    configure(CRASHES)
    node.start()
    safe = info(seen, 5, node)  # after four crashes
    assert node.events().count("reset by software") == 4
    assert safe["safe_mode"] and "ZeroDivisionError" in safe["crash"]
    assert "safe mode: no sensors" in node.printed()
    assert answers(node, "print(6 * 7)") == "42"

    code, said = checkout.deploy(node, config=["--keep"])
    assert code == 0, said
    good = info(seen, 6, node)
    assert not good["safe_mode"]
    until(lambda: seen.readings("volts", NAME), PATIENCE_S, "a reading", node.printed)


def test_heap_that_a_node_with_eight_sensors_leaves(node, configure, seen):
    """docs/performance.md has the numbers; here is that they do not get much worse."""
    configure(sensors=EIGHT, publish={"health_s": 5})
    node.start()
    until(lambda: len(seen.messages_of(f"{NAME}/health")) >= 3, PATIENCE_S, "health", node.printed)
    last = json.loads(seen.messages_of(f"{NAME}/health")[-1].text)
    assert last["heap_free"] > 95_000, last


def test_littlefs_is_mounted_anew_after_an_interrupt_without_a_soft_reset(board):
    """Ctrl-C takes effect in the middle of littlefs, whose list of free blocks may be half made."""
    put(board.flash, {"boot.py": ENDLESS})
    board.start()
    with Link(board.url) as link:
        link.enter(patience_s=(5, 20))
        assert link.answer(
            "import vfs\nprint('@' + repr(before and vfs.mount()[0][0] is not before))"
        )
        assert link.answer("import os\nprint('@' + repr('main.py' in os.listdir('/')))")


def test_a_ctrl_c_waits_until_a_file_is_written(board):
    """The same the other way round: littlefs is not interrupted while the node's own code changes files."""
    board.start()
    with Link(board.url) as link:
        link.enter()
        said = "now"
        delays = itertools.cycle(n / 100 for n in range(10))
        for said in link.stream(WRITES, 60):
            if said == "now":
                time.sleep(next(delays))
                link._repl.serial.write(b"\x03")
        assert said == "[False, False, False]"


def test_a_ctrl_c_that_came_just_before_is_not_raised_in_littlefs(board):
    board.start()
    with Link(board.url) as link:
        link.enter()
        assert link.answer(PRESSES) == ((False, 0), True, (False, 0))
