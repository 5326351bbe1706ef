"""`deploy --loose` against a real MicroPython with a real littlefs behind a pseudo-terminal."""

import json
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest
from deploying import CONFIG, ONLINE, answer, code, settings_file

from sim import certificates
from tests.host.ptyhost import PtyBoard
from tools import ROOT, CommandError, mpy
from tools.__main__ import main
from tools.boards import boardfiles, deploy, online, ports, serialboard

# A small firmware, so that a test takes a second: names and order are what counts.
NEW = {
    "boot.py": b"",
    "firmware/__init__.mpy": code(0, 50),
    "firmware/app.mpy": code(1, 5000),
    "firmware/sensors/__init__.mpy": code(2, 900),
    "lib/drivers/bme280.mpy": code(3, 2000),
    "lib/mqtt.mpy": code(4, 4200),
    "main.py": ONLINE,
}
# What an older version left, and what is the node's own.
OLD = {
    "boot.py": b"",
    "firmware/__init__.mpy": code(0, 50),
    "firmware/app.py": b"raise Exception('the new one is hidden behind me')",
    "firmware/app.mpy.new": code(5, 600),
    "firmware/gone/deep/x.mpy": code(6, 600),
    "lib/mqtt.mpy": code(7, 4000),
    "lib/urllib.py": b"import nothing",
    "main.py": ONLINE.replace(b"wifi: joined home", b"old version"),
    "main.py.new": b"half a fi",
}
OWN = {
    "config.json": b"{}",
    "notes.txt": b"mine",
    "state/boot": b"17",
    "state/config.json": b'{"last": "good"}',
}


@pytest.fixture
def config(tmp_path):
    return settings_file(tmp_path)


@pytest.fixture
def call(config, capsys, monkeypatch):
    """Run `deploy`: (exit code, what it said). Whatever it says, no secret is in it."""
    monkeypatch.setattr(deploy, "build", lambda: dict(NEW))
    monkeypatch.setattr(serialboard, "_ABSENT_S", 3)

    def run(board, *words):
        port = ("--port", board.port) if board else ()
        return answer(capsys, *port, "--config", str(config), "--wait", "60", "--loose", *words)

    return run


def wanted(config, files=NEW):
    return {**files, "config.json": config.read_bytes()}


def test_empty_board_then_again_then_one_change(tmp_path, call, config, monkeypatch):
    with PtyBoard(tmp_path) as board:
        status, said = call(board)
        assert status == 0
        assert "Generic ESP32 module with ESP32, micropython 1.25.0" in said
        assert "copied 8 files" in said
        assert "outpost/esp32-a1b2c3 is online" in said
        assert (
            "mosquitto_sub -h 192.0.2.1 -p 1883 -u node -P PASSWORD -v -t 'outpost/esp32-a1b2c3/#'"
            in said
        )

        status, said = call(board)
        assert status == 0
        assert "nothing to copy" in said
        assert "is online" in said

        changed = {**NEW, "lib/mqtt.mpy": code(8, 4300)}
        monkeypatch.setattr(deploy, "build", lambda: changed)
        status, said = call(board)
        assert status == 0
        assert "copied 1 files, 4,302 bytes" in said
        assert "lib/mqtt.mpy" in said
    assert board.files() == wanted(config, changed)


@pytest.mark.slow
def test_a_pico_whose_port_goes_away_at_each_reset(tmp_path, call, config):
    with PtyBoard(tmp_path, board="pico_w", usb=True) as board:
        status, said = call(board)
        assert status == 0
        assert "Pico W with RP2040" in said
    assert board.files() == wanted(config)


@pytest.mark.slow
def test_leftovers_go_and_what_is_the_nodes_own_stays(tmp_path, call, config):
    board = PtyBoard(tmp_path)
    board.put({**OLD, **OWN})
    with board:
        status, said = call(board, "--dry-run")
        assert status == 0
        assert "would remove  firmware/app.py" in said
        board.wait_until_said(b"status online")  # the node must run again after a dry run
    assert board.files() == {**OLD, **OWN}

    with board:
        status, said = call(board)
        assert status == 0
        assert "remove  lib/urllib.py" in said
    assert board.files() == {**OWN, **wanted(config)}


@pytest.mark.slow
def test_a_port_that_comes_back_under_another_name(tmp_path, call, monkeypatch):
    with PtyBoard(tmp_path, board="pico_w", usb=True) as board:
        board.renumber = True
        first = board.port
        monkeypatch.setattr(ports.list_ports, "comports", lambda: [port(board.port, "AB12")])
        status, said = call(None)
        assert status == 0, said
        assert "is online" in said
        assert board.port != first


@pytest.mark.slow
def test_a_boot_py_that_never_ends(tmp_path, call, config, monkeypatch):
    monkeypatch.setattr(serialboard, "_PATIENCE_S", (1, 2, 2))
    board = PtyBoard(tmp_path)
    board.put({"boot.py": b"import time\nwhile True:\n    time.sleep(1)\n"})
    with board:
        assert call(board)[0] == 0
    assert board.files() == wanted(config)


def check_whole(files, config):
    """After any interruption: each file is wholly of one version, and the node's own are untouched."""
    new = wanted(config)
    for path, data in files.items():
        if not path.endswith(".new"):
            assert data in (new.get(path), OLD.get(path), OWN.get(path)), path
    for path in {**OLD, **OWN}:
        assert path in files or (
            path in new or path.startswith(("firmware/", "lib/")) or path.endswith(".new")
        ), path
    if files["main.py"] == new["main.py"]:  # the last thing done
        assert {path: data for path, data in files.items() if path in new} == new
        assert not [
            path for path in files if path.startswith(("firmware/", "lib/")) and path not in new
        ]


def heal(board, call, config):
    with board:
        status, _ = call(board)
        assert status == 0
    assert board.files() == {**OWN, **wanted(config)}


@pytest.fixture(scope="module")
def bytes_sent(tmp_path_factory):
    """Bytes the host sends in a deploy from OLD to NEW that nothing interrupts."""
    folder = tmp_path_factory.mktemp("measured")
    settings_file(folder)
    board = PtyBoard(folder)
    board.put({**OLD, **OWN})
    with board, pytest.MonkeyPatch.context() as patch:
        patch.setattr(deploy, "build", lambda: dict(NEW))
        words = ("--config", str(folder / "config.json"), "--wait", "0", "--loose")
        assert main(["deploy", "--port", board.port, *words]) == 0
    return board.heard


# Before the prompt, in the listing, while staging (most of it), in the command that switches.
@pytest.mark.slow
@pytest.mark.parametrize("percent", [0, 1, 15, 18, 30, 45, 60, 75, 90, 97, 98, 99])
def test_unplugged(percent, bytes_sent, tmp_path, call, config):
    board = PtyBoard(tmp_path)
    board.put({**OLD, **OWN})
    board.cut_bytes = 1 + bytes_sent * percent // 100
    with board:
        status, said = call(board)
    assert status == ports.LOST, said
    assert "run it again" in said
    check_whole(board.files(), config)
    board.cut_bytes = None
    heal(board, call, config)


# Of some 132 block writes the last 20 are those of the switch.
@pytest.mark.slow
@pytest.mark.parametrize("writes", [0, 5, 30, 60, 100, 112, 115, 118, 121, 124, 127, 130])
def test_power_fails_in_a_flash_write(writes, tmp_path, call, config):
    board = PtyBoard(tmp_path)
    board.put({**OLD, **OWN})
    board.cut_writes = writes
    with board:
        status, said = call(board)
    assert status == ports.LOST, said
    check_whole(board.files(), config)
    board.cut_writes = None
    heal(board, call, config)


@pytest.mark.slow
@pytest.mark.parametrize("usb", [False, True])
def test_watchdog_bites_in_mid_copy(usb, tmp_path, call, config):
    board = PtyBoard(tmp_path, usb=usb)
    board.put({**OLD, **OWN})
    board.reset_bytes = 9000
    with board:
        status, said = call(board)
        assert status == 0, said
        assert "going on" in said
    assert board.files() == {**OWN, **wanted(config)}
    assert board.starts.count("hard") == 3  # power-on, the watchdog, ours


@pytest.mark.slow
@pytest.mark.parametrize("every", [10_900, 12_300])
def test_system_messages_in_between(every, tmp_path, call, config):
    board = PtyBoard(tmp_path)
    board.put({**OLD, **OWN})
    board.noise_bytes = every
    with board:
        status, said = call(board)
        assert status == 0, said
    assert b"wifi: sta is connecting" in board.said
    assert board.files() == {**OWN, **wanted(config)}


@pytest.mark.slow
def test_what_was_staged_is_not_sent_again(tmp_path, call):
    board = PtyBoard(tmp_path)
    board.put(OLD)
    board.cut_bytes = 17000
    with board:
        call(board)
    board.cut_bytes = None
    with board:
        status, said = call(board)
        assert status == 0
    assert "files are there from the last attempt" in said
    assert "firmware/app.mpy  5,002" not in said


@pytest.mark.slow
def test_an_armed_watchdog_is_fed(tmp_path, call, config):
    board = PtyBoard(tmp_path)
    board.put(
        {
            "main.py": b"import machine, time\nw = machine.WDT(timeout=1500)\nprint('armed')\nwhile True:\n    w.feed()\n    time.sleep(0.1)\n"
        }
    )
    with board:
        board.wait_until_said(b"armed")
        status, _ = call(board)
        assert status == 0
    assert board.starts.count("hard") == 2  # it did not bite


@pytest.mark.slow
@pytest.mark.parametrize("check", [True, False])
def test_no_room(check, tmp_path, call, config, monkeypatch):
    board = PtyBoard(tmp_path, blocks=64)
    board.put({**OLD, **OWN, "data.bin": bytes(185_000)})
    before = board.files()
    if not check:  # the estimate was wrong: the flash itself says so
        monkeypatch.setattr(boardfiles.Plan, "blocks", lambda plan, size: 0)
    with board:
        status, said = call(board)
        assert status == boardfiles.NO_SPACE, said
        assert "not enough room" in said
        assert "KB free" in said
        board.wait_for(lambda: board.starts[-1] == "hard" and b"old version" in board.said)
    leftovers = [path for path in before if path.endswith(".new")]
    assert board.files() == {path: data for path, data in before.items() if path not in leftovers}
    assert board.starts[-1] == "hard"
    assert b"old version" in board.said


def big(number):
    """A version of which the flash of a small board holds one, and not two."""
    modules = {f"lib/m{i}.mpy": code(number + i, 4100) for i in range(12)}
    return {"boot.py": b"", **modules, "main.py": ONLINE}


@pytest.mark.slow
@pytest.mark.parametrize("last", [b"", b"# new\n"])
@pytest.mark.parametrize("cut_bytes", [None, 9000, 30_000, 66_000])
def test_room_for_one_version_only(last, cut_bytes, tmp_path, call, config, monkeypatch):
    """What is cut short starts nothing, and is healed by the next attempt."""
    board = PtyBoard(tmp_path, blocks=64)
    old, new = big(1), big(50) | {"main.py": ONLINE + last}
    board.put({**old, **OWN, "lib/gone.mpy": code(3, 600)})
    monkeypatch.setattr(deploy, "build", lambda: new)
    board.cut_bytes = cut_bytes
    with board:
        status, said = call(board)
        assert "one is replaced after the other" in said
    if cut_bytes:
        assert status == ports.LOST, said
        there = board.files()
        whole = all(there.get(path) in (old.get(path), data) for path, data in new.items())
        assert "main.py" not in there or whole
        board.cut_bytes = None
        with board:
            status, said = call(board)
    assert status == 0, said
    assert board.files() == {**OWN, **wanted(config, new)}


def version(words, files):
    """A small firmware whose main.py says by what `queue` it runs."""
    main_py = b"import queue\n" + ONLINE.replace(b'"0 info wifi: joined home"', b"queue.VERSION")
    return big(len(words)) | files | {"main.py": main_py}


AS_MODULE = version("a module", {"lib/queue.py": b"VERSION = 'a module'\n"})
AS_PACKAGE = version(
    "a package",
    {
        "lib/queue/__init__.py": b"from queue.version import VERSION\n",
        "lib/queue/version.py": b"VERSION = 'a package'\n",
    },
)


@pytest.mark.slow
@pytest.mark.parametrize("cut_bytes", [9000, 30_000, 66_000])
@pytest.mark.parametrize("blocks", [0, 64])
def test_a_module_becomes_a_package(cut_bytes, blocks, tmp_path, call, config, monkeypatch):
    """A folder of its name, were it empty, is imported in its place: cut short while it was staged, no version ran."""
    board = PtyBoard(tmp_path, blocks=blocks)
    board.put({**AS_MODULE, **OWN})
    monkeypatch.setattr(deploy, "build", lambda: AS_PACKAGE)
    board.cut_bytes = cut_bytes
    with board:
        status, said = call(board)
    assert status == ports.LOST, said
    one_by_one = "one is replaced after the other" in said
    assert one_by_one == bool(blocks), said
    board.cut_bytes = None
    board.said.clear()
    with board:
        if "main.py" in board.files():
            board.wait_until_said(b"status online")
            assert b"a module" in board.said
        else:
            assert one_by_one
        status, said = call(board)
        assert status == 0, said
        assert b"a package" in board.said
    assert board.files() == {**OWN, **wanted(config, AS_PACKAGE)}


@pytest.mark.slow
def test_a_package_becomes_a_module_again(tmp_path, call, config, monkeypatch):
    """What was staged for the package, and its folder, go."""
    board = PtyBoard(tmp_path)
    board.put({**AS_MODULE, **OWN, "lib/queue.new/version.py": b"half a fi"})
    monkeypatch.setattr(deploy, "build", lambda: AS_MODULE)
    with board:
        assert call(board)[0] == 0
        monkeypatch.setattr(deploy, "build", lambda: AS_PACKAGE)
        assert call(board)[0] == 0
        monkeypatch.setattr(deploy, "build", lambda: AS_MODULE)
        assert call(board)[0] == 0
    assert board.files() == {**OWN, **wanted(config, AS_MODULE)}


def test_no_board(call, monkeypatch):
    monkeypatch.setattr(ports.list_ports, "comports", list)
    status, said = call(None)
    assert status == ports.NO_BOARD
    assert "no board found" in said
    status, said = call(SimpleNamespace(port="/dev/ttyNOT0"))
    assert status == ports.NO_BOARD
    assert "/dev/ttyNOT0 is not there" in said


def test_settings_are_looked_at_before_a_board_is(call, monkeypatch, config):
    monkeypatch.setattr(ports.list_ports, "comports", list)
    config.write_text((ROOT / "config.json.example").read_text())
    status, said = call(None)
    assert status == deploy.BAD_CONFIG
    assert 'is still the example\'s "your network"' in said and "no board" not in said


def port(device, serial_number, vid=0x2E8A):
    return SimpleNamespace(
        device=device, serial_number=serial_number, vid=vid, product="Board in FS mode"
    )


@pytest.mark.slow
def test_two_boards(tmp_path, call, monkeypatch):
    with PtyBoard(tmp_path) as board:
        two = [
            port("/dev/ttyACM7", "AB12"),
            port(board.port, "CD34"),
            port("/dev/ttyS0", None, vid=None),
        ]
        monkeypatch.setattr(ports.list_ports, "comports", lambda: two)
        status, said = call(None)
        assert status == ports.MANY_BOARDS
        assert "2 boards found" in said
        assert "id:AB12" in said
        assert board.heard == 0
        assert call(SimpleNamespace(port="id:CD34"))[0] == 0


def test_busy_port_names_who_has_it(tmp_path, call):
    with PtyBoard(tmp_path) as board:
        program = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); sys.stdin.read()"
        holder = subprocess.Popen(
            [sys.executable, "-c", program, board.port],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            holder.stdout.readline()
            status, said = call(board)
        finally:
            holder.communicate()
        assert status == ports.BUSY
        assert f"(process {holder.pid})" in said
        assert board.heard == 0


@pytest.mark.slow
def test_nothing_answers(tmp_path, call, monkeypatch):
    monkeypatch.setattr(serialboard, "_PATIENCE_S", (0.2, 0.2))
    master, slave = pty.openpty()
    (tmp_path / "tty").symlink_to(os.ttyname(slave))
    try:
        status, said = call(SimpleNamespace(port=str(tmp_path / "tty")))
    finally:
        os.close(master)
        os.close(slave)
    assert status == ports.UNSUITABLE
    assert f"make flash PORT={tmp_path / 'tty'}" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ({"version": (1, 24, 1)}, "MicroPython is 1.24.1, Outpost needs 1.25 or newer"),
        ({"board": "pico_w", "radio": False}, "has no Wi-Fi"),
        (
            {"board": "pico_w", "radio": False, "name": "Raspberry Pi Pico with RP2040"},
            "that of a Pico without W: if this is a Pico W, flash pico_w's",
        ),
    ],
)
def test_unsuitable_micropython(kind, text, tmp_path, call):
    board = PtyBoard(tmp_path, **kind)
    board.put(OLD)
    with board:
        status, said = call(board)
        assert status == ports.UNSUITABLE
        assert text in said
        assert f"make flash PORT={board.port} BOARD=" in said
        board.wait_until_said(b"status online")  # the node must run again
    assert board.files() == OLD


@pytest.mark.slow
def test_a_chip_outpost_does_not_know(tmp_path, call):
    """Its pins would be taken for those of an ESP32."""
    with PtyBoard(tmp_path, name="Generic ESP32C5 module with ESP32C5") as board:
        status, said = call(board)
    assert status == ports.UNSUITABLE
    assert "the board's chip is ESP32C5, which Outpost does not know; it runs on ESP32," in said


@pytest.mark.slow
def test_a_board_of_which_no_wifi_is_expected(tmp_path, call, config):
    with PtyBoard(tmp_path, board="pico_w", radio=False) as board:
        status, said = call(board, "--without-wifi")
        assert status == 0, said
    assert board.files() == wanted(config)


@pytest.mark.slow
def test_other_mpy_version(tmp_path, call, monkeypatch):
    monkeypatch.setattr(deploy, "build", lambda: {"lib/mqtt.mpy": b"M\x07..."})
    with PtyBoard(tmp_path) as board:
        status, said = call(board)
    assert status == ports.UNSUITABLE
    assert "version 6" in said


def test_bad_config_leaves_the_node_alone(tmp_path, call, config):
    config.write_text(json.dumps({**CONFIG, "sensor": [], "log": {"level": "loud"}}))
    with PtyBoard(tmp_path) as board:
        status, said = call(board)
        assert status == deploy.BAD_CONFIG
        assert "sensor: " in said
        assert "log.level: " in said
        config.write_text("{")
        assert call(board)[0] == deploy.BAD_CONFIG
        config.unlink()
        status, said = call(board)
        assert status == deploy.BAD_CONFIG
        assert "config.json writes one for such a board" in said
        assert board.heard == 0


@pytest.mark.slow
def test_config_is_checked_against_the_board(tmp_path, call, config):
    config.write_text(
        json.dumps({**CONFIG, "sensors": [{"name": "door", "type": "input", "pin": 34}]})
    )
    board = PtyBoard(tmp_path, board="pico_w")
    with board:
        status, said = call(board)
    assert status == deploy.BAD_CONFIG
    assert "sensors[0].pin" in said
    assert board.files() == {}


@pytest.fixture
def certificate(tmp_path):
    return certificates.Authority(tmp_path / "authority").ca.read_bytes()


def tls(ca):
    return {**CONFIG, "mqtt": {"brokers": [{"host": "192.0.2.1", "tls": {"ca": ca}}]}}


@pytest.mark.slow
def test_files_that_the_config_names_go_along(tmp_path, call, config, certificate):
    config.write_text(json.dumps(tls("certs/ca.der")))
    with PtyBoard(tmp_path) as board:
        status, said = call(board)
        assert status == deploy.BAD_CONFIG
        assert "mqtt.brokers[0].tls.ca: there is no certs/ca.der beside config.json" in said
        (tmp_path / "certs").mkdir()
        (tmp_path / "certs/ca.der").write_bytes(b"certificate")
        status, said = call(board)
        assert status == deploy.BAD_CONFIG and "tls.ca: is no certificate" in said
        (tmp_path / "certs/ca.der").write_bytes(certificate)
        assert call(board)[0] == 0
        status, said = call(board)
        assert "nothing to copy" in said
    assert board.files() == {**wanted(config), "certs/ca.der": certificate}


@pytest.mark.slow
def test_a_file_beside_a_folder_of_ours(tmp_path, call, config, certificate):
    config.write_text(json.dumps(tls("library-ca.der")))
    (tmp_path / "library-ca.der").write_bytes(certificate)
    with PtyBoard(tmp_path) as board:
        assert call(board)[0] == 0
        assert "nothing to copy" in call(board)[1]


@pytest.mark.parametrize("name", ["../ca.der", "main.py", "lib/ca.der"])
def test_a_named_file_may_not_be_just_anywhere(name, call, config, tmp_path):
    config.write_text(json.dumps(tls(name)))
    status, said = call(SimpleNamespace(port=str(tmp_path)))
    assert status == deploy.BAD_CONFIG
    assert "mqtt.brokers[0].tls.ca" in said


@pytest.mark.slow
def test_not_online(tmp_path, call, monkeypatch):
    main_py = (
        b"import time\nprint('0 info wifi: home: wrong password geheimgeheim')\ntime.sleep(60)\n"
    )
    monkeypatch.setattr(deploy, "build", lambda: {**NEW, "main.py": main_py})
    with PtyBoard(tmp_path) as board:
        status, said = call(board, "--wait", "1")
    assert status == deploy.OFFLINE
    assert "wifi: home: wrong password ***" in said
    assert "mqtt.brokers (192.0.2.1:1883)" in said


@pytest.mark.slow
def test_a_node_that_logs_little_is_not_waited_for(tmp_path, call, config):
    config.write_text(json.dumps({**CONFIG, "log": {"level": "warning"}}))
    with PtyBoard(tmp_path) as board:
        status, said = call(board)
    assert status == 0
    assert "make watch" in said


@pytest.mark.slow
def test_node_that_stops_is_not_waited_for(tmp_path, call, monkeypatch):
    monkeypatch.setattr(deploy, "build", lambda: {**NEW, "main.py": b"1 / 0\n"})
    with PtyBoard(tmp_path) as board:
        status, said = call(board, "--wait", "60")
    assert status == deploy.OFFLINE
    assert "ZeroDivisionError" in said


def test_a_node_that_is_not_online_names_the_port_to_look_at():
    """`make logs` alone finds no board behind a URL, and not this one of several."""
    link = SimpleNamespace(port="socket://127.0.0.1:2040", lines=lambda seconds: iter(["boot"]))
    line = SimpleNamespace(say=lambda text: None, doing=lambda text: None)
    settings = {"wifi": {"networks": []}, "mqtt": {"brokers": []}}
    with pytest.raises(CommandError, match=f"make logs PORT={link.port}"):
        online.wait(link, 1, settings, line)


@pytest.mark.slow
def test_interrupted_by_the_user(tmp_path, call, config, monkeypatch):
    def stop(link, path, plan, line):
        raise KeyboardInterrupt

    board = PtyBoard(tmp_path)
    board.put(OLD)
    monkeypatch.setattr(boardfiles, "_stage_file", stop)
    with board:
        status, said = call(board)
        assert status == 130
        assert said.count("stopped") == 1 and "Run it again to go on" in said
        board.wait_for(lambda: board.lives == ["hard", "raw", "hard"])
        board.wait_until_said(b"status online")


@pytest.mark.slow
def test_the_whole_firmware(tmp_path, call, config, monkeypatch):
    """What is compiled loads on the board: its modules are those of the repository."""
    monkeypatch.undo()
    with PtyBoard(tmp_path) as board:
        words = ("--config", str(config), "--wait", "0", "--loose")
        assert main(["deploy", "--port", board.port, *words]) == 0
    files = board.files()
    assert {
        path.with_suffix(".mpy").as_posix()
        for path in mpy.sources()
        if path.parts[0] in mpy.PACKAGES
    } < set(files)
    assert files["main.py"] == (ROOT / "main.py").read_bytes()
    assert not [path for path in files if path.endswith(".new")]
