"""A simulated board lives, dies and comes back as hardware does."""

import os
import re
import socket
import ssl
import threading
import time

import pytest

from sim.certificates import Authority
from sim.simboard import BOARDS, SimBoard

pytestmark = pytest.mark.slow

FAST = 60  # seconds that nothing here comes near, on a busy machine neither


both = pytest.mark.parametrize("board", BOARDS)


@pytest.fixture
def board():
    return "esp32"


@pytest.fixture
def made(tmp_path, board):
    """make(main, boot) -> a started SimBoard with these programs; all are stopped in the end."""
    boards = []

    def make(main="", boot=None, **options):
        flash = tmp_path / f"flash{len(boards)}"
        flash.mkdir()
        (flash / "main.py").write_text(main)
        if boot is not None:
            (flash / "boot.py").write_text(boot)
        boards.append(SimBoard(flash, board, **options))
        return boards[-1].start()

    yield make
    for each in boards:
        each.stop()


def ends_at_the_prompt(simulated):
    deadline = time.monotonic() + FAST
    while simulated.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not simulated.alive
    assert simulated.dead == 93
    return simulated.output


@both
def test_boot_then_main(made, board):
    output = ends_at_the_prompt(made("print('main', __name__)", "print('boot')"))
    assert output.splitlines()[:2] == ["boot", "main __main__"]


@both
def test_no_two_boards_have_one_address(made, board):
    program = "import machine, network; print('id', machine.unique_id().hex(), network.WLAN(0).config('mac').hex())"
    said = [
        re.search("id ([0-9a-f]+) ([0-9a-f]+)", ends_at_the_prompt(made(program))) for _ in "12"
    ]
    assert said[0][1] != said[1][1] and said[0][2] != said[1][2]


def test_a_broken_boot_skips_main(made):
    output = ends_at_the_prompt(made("print('in main')", "1/0"))
    assert "ZeroDivisionError" in output
    assert "in main" not in output


def test_a_broken_main_is_a_dead_board(made):
    simulated = made("print('x')\nraise ValueError('oh')")
    assert "ValueError: oh" in ends_at_the_prompt(simulated)
    assert simulated.resets == ["power"]


def test_a_board_without_programs_waits_at_the_prompt(made):
    simulated = made()
    (simulated.flash / "main.py").unlink()
    ends_at_the_prompt(simulated)


def test_sys_path_is_a_boards(made):
    output = ends_at_the_prompt(made("import sys\nprint(sys.path[1:])"))
    assert output.startswith("['', '.frozen', 'lib']")


@both
def test_a_reset_starts_it_again(made, board):
    simulated = made(
        "import machine\n"
        "print('cause', machine.reset_cause())\n"
        "try:\n"
        "    if machine.reset_cause() == 1: machine.reset()\n"
        "finally:\n"
        "    print('finally', machine.reset_cause())\n"
    )
    output = ends_at_the_prompt(simulated)
    assert simulated.resets == ["power", "reset"]
    again = 2 if board == "esp32" else 3
    assert f"cause 1\ncause {again}\nfinally {again}\n" in output


@both
def test_the_watchdog_ends_a_blocked_program(made, board):
    simulated = made(
        "import machine\n"
        "print('cause', machine.reset_cause())\n"
        "if machine.reset_cause() == 1:\n"
        "    machine.WDT(timeout=300)\n"
        "    while True: pass\n"
    )
    assert "cause 1\ncause 3\n" in ends_at_the_prompt(simulated)
    assert simulated.resets == ["power", "wdt"]


def test_the_watchdog_bites_at_the_prompt(made):
    simulated = made(
        "import machine\nif machine.reset_cause() == 1:\n    machine.WDT(timeout=300)\n    1/0\n"
    )
    ends_at_the_prompt(simulated)
    assert simulated.resets == ["power", "wdt"]


def test_the_fed_watchdog_does_not_bite(made):
    simulated = made(
        "import machine, time\n"
        "dog = machine.WDT(timeout=1000)\n"
        "for i in range(15):\n"
        "    time.sleep(0.1)\n"
        "    dog.feed()\n"
        "print('fed')\n"
        "while True:\n"
        "    time.sleep(0.1)\n"
        "    dog.feed()\n"
    )
    simulated.wait_for("fed", FAST)
    assert simulated.alive
    assert simulated.resets == ["power"]


@both
def test_deep_sleep_takes_its_time_and_ends_in_a_reset(made, board):
    simulated = made(
        "import machine\n"
        "print('cause', machine.reset_cause())\n"
        "if machine.reset_cause() == 1: machine.deepsleep(600)\n"
    )
    began = time.monotonic()
    output = ends_at_the_prompt(simulated)
    assert time.monotonic() - began > 0.6
    assert simulated.resets == ["power", "deepsleep"]
    assert f"cause {4 if board == 'esp32' else 3}\n" in output


def test_sys_exit_is_a_soft_reset(made):
    simulated = made(
        "import sys, os\n"
        "import counted\n"
        "if 'again' in os.listdir(): 1/0\n"
        "open('again', 'w').close()\n"
        "sys.exit()\n"
    )
    (simulated.flash / "counted.py").write_text("print('imported')\n")
    output = ends_at_the_prompt(simulated)
    assert output.count("imported") in (0, 2)  # modules do not outlive it
    assert simulated.resets == ["power"]


def test_retained_memory_outlives_resets_but_not_the_power(made):
    simulated = made(
        "import machine, time\n"
        "memory = machine.RTC().memory()\n"
        "print('memory', memory)\n"
        "machine.RTC().memory(b'kept')\n"
        "if machine.reset_cause() == 1: machine.reset()\n"
        "print('ready')\n"
        "while True: time.sleep(1)\n"
    )
    simulated.wait_for("ready", FAST)
    simulated.kill()
    assert not simulated.alive
    simulated.start()
    output = simulated.wait_for("ready", FAST, times=2)
    seen = [line for line in output.splitlines() if line.startswith("memory")]
    assert seen == ["memory b''", "memory b'kept'", "memory b''", "memory b'kept'"]
    assert simulated.resets == ["power", "reset"] * 2


@both
def test_the_clock_over_a_reset(made, board):
    simulated = made(
        "import machine, time\n"
        "print('year', time.gmtime()[0])\n"
        "machine.RTC().datetime((2026, 11, 20, 4, 12, 0, 0, 0))\n"
        "if machine.reset_cause() == 1: machine.reset()\n"
    )
    output = ends_at_the_prompt(simulated)
    if board == "esp32":
        assert "year 2000\nyear 2026\n" in output
    else:
        assert "year 2021\nyear 2021\n" in output


def test_a_power_cut_loses_what_was_not_flushed(made):
    simulated = made(
        "import time\n"
        "f = open('a', 'w')\n"
        "f.write('flushed')\n"
        "f.flush()\n"
        "f.write('lost')\n"
        "print('ready')\n"
        "while True: time.sleep(1)\n"
    )
    simulated.wait_for("ready", FAST)
    simulated.kill()
    assert (simulated.flash / "a").read_text() == "flushed"


def test_a_reset_loses_it_too(made):
    simulated = made(
        "import machine\n"
        "if machine.reset_cause() == 1:\n"
        "    f = open('a', 'w')\n"
        "    f.write('lost')\n"
        "    machine.reset()\n"
    )
    ends_at_the_prompt(simulated)
    assert not (simulated.flash / "a").exists()


def test_a_scenario_runs(made):
    simulated = made(
        "import time\nwhile True: time.sleep(0.05)\n",
        scenario=[
            {"at_s": 0.2, "do": "wifi_off"},
            {"at_s": 0.4, "do": "set", "name": "a", "co2": 1},
        ],
    )
    simulated.wait_for("stand: set", FAST)
    assert "stand: wifi_off" in simulated.output


def test_a_scenario_that_is_none_stops_the_board(made):
    simulated = made("print('in main')", scenario=[{"do": "nonsense"}])
    while simulated.alive:
        time.sleep(0.01)
    assert simulated.dead == 1
    assert "nothing is called nonsense" in simulated.output


def test_calls_reach_the_running_board(made):
    simulated = made(
        "import machine, time\n"
        "pin = machine.Pin(14, machine.Pin.IN, machine.Pin.PULL_UP)\n"
        "pin.irq(lambda p: print('pressed'), machine.Pin.IRQ_FALLING)\n"
        "print('ready')\n"
        "while True: time.sleep(5)\n"
    )
    simulated.wait_for("ready", FAST)
    simulated.do("press", pin=14, level=0)
    simulated.wait_for("pressed", FAST)
    simulated.do("reset")
    simulated.wait_for("ready", FAST, times=2)
    simulated.do("reset", how="power")
    simulated.wait_for("ready", FAST, times=3)
    assert simulated.resets == ["power", "reset", "power"]
    simulated.do("nonsense")
    simulated.wait_for("not understood", FAST)


ALONE = """\
import network, time
wlan = network.WLAN()
wlan.active(True)
wlan.connect("home", "secret")
while True:
    time.sleep(0.05)
    print("joined" if wlan.isconnected() else "alone")
"""


@pytest.mark.slow
def test_the_world_does_not_reset_with_the_board(made):
    quick = {"do": "switch", "first_join_fails": False, "ip_ms": [10, 20]}
    simulated = made(ALONE, scenario=[quick, {"at_s": 100, "do": "wifi_on"}])
    simulated.wait_for("joined", FAST)
    simulated.do("wifi_off")
    for how in ("reset", "power"):
        lives = len(simulated.resets)
        simulated.do("reset", how=how)
        simulated.wait_resets(lives + 1)
        joined = simulated.output.count("joined")
        time.sleep(2)
        assert simulated.output.count("joined") == joined
    assert simulated.resets == ["power", "reset", "power"]
    simulated.do("wifi_on")
    simulated.kill()
    simulated.start()
    simulated.wait_for("joined", FAST, times=joined + 1)


def test_what_is_prepared_happens_once_at_the_next_start(made):
    began = time.time()
    simulated = made("print('ready')\nimport time\nwhile True: time.sleep(0.05)\n")
    simulated.wait_for("ready", FAST)
    simulated.prepare("kick")
    for times in (2, 3):
        simulated.stop()
        simulated.start()
        simulated.wait_for("ready", FAST, times)
    assert simulated.output.split() == ["ready", "stand:", "kick", "ready", "ready"]
    simulated.stop()
    assert len(simulated.lives) == len(simulated.resets) == 3
    for life in simulated.lives:
        assert began <= life[0] < life[1] <= time.time()


def test_stop_leaves_no_process_and_keeps_the_log(made, tmp_path):
    simulated = made("print('hello')\nwhile True: pass\n", log=tmp_path / "console")
    simulated.wait_for("hello", FAST)
    pid = simulated.pid
    simulated.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert "hello" in (tmp_path / "console").read_text()
    simulated.stop()


def test_an_unknown_board():
    with pytest.raises(ValueError, match="esp32 or pico_w"):
        SimBoard(".", "esp8266")


JOIN = """\
import network, time
wlan = network.WLAN()
wlan.active(True)
wlan.connect("home", "secret")
while not wlan.isconnected(): time.sleep(0.05)
"""
QUICK = [{"do": "switch", "first_join_fails": False, "ip_ms": [10, 20]}]

CLIENT = """\
import socket
s = socket.socket()
s.settimeout(3)
s.connect(("127.0.0.1", {port}))
s.write(b"hello")
print("ready")
while True: time.sleep(1)
"""


def listener():
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(FAST)
    return server, server.getsockname()[1]


@both
@pytest.mark.parametrize("silent", [True, False])
def test_a_silent_power_cut_tells_the_peer_nothing(made, silent, board):
    server, port = listener()
    simulated = made(JOIN + CLIENT.format(port=port), scenario=QUICK)
    peer, _ = server.accept()
    peer.settimeout(FAST)
    simulated.wait_for("ready", FAST)
    assert peer.recv(10) == b"hello"
    simulated.kill(silent=silent)
    assert not simulated.alive
    peer.settimeout(0.3)
    if silent:
        with pytest.raises(TimeoutError):
            peer.recv(10)
        simulated.start()  # the network may find out now
        peer.settimeout(FAST)
    assert not peer.recv(10)


TLS = """\
import machine, select, socket, ssl, tls, time
s = socket.socket()
s.settimeout(5)
s.connect(("127.0.0.1", {port}))
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
with open("ca.der", "rb") as f: context.load_verify_locations(f.read())
try:
    context.wrap_socket(s, server_hostname="localhost")
except ValueError as e:
    print(e)
machine.RTC().datetime(({year}, 6, 1, 0, 12, 0, 0, 0))
t = context.wrap_socket(s, server_hostname="{name}")
print(hasattr(t, "settimeout"))
t.write(b"hello")
print("got", t.read(5))
t.setblocking(False)
print("nothing", t.read(5))
poll = select.poll()
poll.register(t, select.POLLIN)
t.write(b"more")
print("polled", poll.poll(3000)[0][1])
print("got", t.read(3), t.read(1), poll.poll(0))
t.setblocking(True)
s.settimeout(0.3)
try:
    t.read(5)
except OSError as e:
    print("timeout", e)
try:
    t.write(b"latched")
    print("wrote")
except OSError as e:
    print("latched", e)
print(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).verify_mode)
"""


def tls_run(made, tmp_path, name):
    authority = Authority(tmp_path / "ca")
    files = authority.issue("server", hosts=("localhost",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    server, port = listener()
    heard = []

    def serve():
        try:
            peer = context.wrap_socket(server.accept()[0], server_side=True)
            heard.append(peer.recv(5))
            peer.send(b"world")
            heard.append(peer.recv(4))
            peer.send(b"more")
            heard.append(peer.recv(10))
        except OSError as e:
            heard.append(e)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    wait = "import os\nwhile 'tls_main.py' not in os.listdir(): time.sleep(0.02)\n"
    simulated = made(JOIN + wait + "import tls_main\n", scenario=QUICK)
    (simulated.flash / "ca.der").write_bytes(ssl.PEM_cert_to_DER_cert(authority.ca.read_text()))
    year = time.gmtime().tm_year + 1
    (simulated.flash / "new").write_text(TLS.format(port=port, name=name, year=year))
    (simulated.flash / "new").rename(simulated.flash / "tls_main.py")
    output = ends_at_the_prompt(simulated)
    server.close()
    thread.join(FAST)
    return output, heard


@both
def test_tls(made, tmp_path, board):
    output, heard = tls_run(made, tmp_path, "localhost")
    assert heard[:2] == [b"hello", b"more"], output
    lines = [line for line in output.splitlines() if not line.startswith("stand: ")]
    assert lines[0] == "The certificate validity starts in the future"
    assert lines[1] == "False"
    assert lines[2:6] == ["got b'world'", "nothing None", "polled 1", "got b'mor' b'e' []"]
    assert lines[6].startswith("timeout ")
    assert lines[7].startswith("latched ")
    assert lines[8] == "0"


def test_tls_with_the_wrong_name(made, tmp_path):
    output, _ = tls_run(made, tmp_path, "elsewhere")
    assert "ValueError" in output


RAM = """\
import gc, esp32
def told(name):
    print(name, sum(region[1] for region in esp32.idf_heap_info(esp32.HEAP_DATA)), gc.mem_free())
told("empty")
kept = []
try:
    while True:
        kept.append(bytearray(1000))
        for _ in range(100): pass
        if len(kept) == 70: told("seventy")
except MemoryError:
    n = len(kept)
    kept = None
    print("kept", n)
"""


def test_an_esp32_without_psram_grows_its_heap_until_there_is_no_more(tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(RAM)
    with SimBoard(flash, heap="300k").without_psram() as simulated:
        output = ends_at_the_prompt(simulated)
    numbers = {line.split()[0]: line.split()[1:] for line in output.splitlines()}
    assert 150_000 < int(numbers["empty"][0]) < 152_000
    # As the port counts: with the largest piece of IDF's. 9 KB are for a node's names.
    assert 152_000 < int(numbers["empty"][1]) < 162_000
    assert int(numbers["seventy"][0]) == int(numbers["empty"][0]) - 57_344
    # Both heaps, less the collector's tables.
    assert 185 < int(numbers["kept"][0]) < 210


def test_how_much_it_has_is_in_one_piece(tmp_path):
    """Of 79 KB a part was in holes among the fakes, so that a node without sensors found no 5 KB for its client."""
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text("print(len(bytearray(68_000)))")  # 9 KB are for a node's names
    with SimBoard(flash, heap="79k") as simulated:
        assert "68000" in ends_at_the_prompt(simulated).splitlines()
