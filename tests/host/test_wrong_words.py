"""What somebody types wrong on a command's line is answered by one line that says what would be right; never a traceback."""

import os

import pytest

from tools import ROOT
from tools import __main__ as main
from tools.boards import ports
from tools.settings import heap


@pytest.fixture
def call(capsys, monkeypatch):
    """Call a command as make does; its exit code and what it said."""
    monkeypatch.setattr(ports.list_ports, "comports", list)
    monkeypatch.setattr(main.signal, "signal", lambda *args: None)

    def call(*words):
        try:
            code = main.main([str(word) for word in words])
        except SystemExit as e:
            code = e.code
        out, err = capsys.readouterr()
        assert code != 0, out
        return out + err

    return call


PORT = {
    "logs": (),
    "scan": (),
    "deploy": ("--keep",),
    "flash": ("--board", "esp32"),
    "provision": ("--answers", "answers.json"),
}


@pytest.fixture
def answers(tmp_path, monkeypatch):
    (tmp_path / "answers.json").write_text('{"ssid": "attic"}')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("command", PORT)
@pytest.mark.usefixtures("answers")
def test_what_is_no_serial_port(command, call, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.boards.flash.download", lambda board: pytest.fail("it was fetched"))
    firmware = ("--firmware", tmp_path / "fw.bin") if command == "flash" else ()
    (tmp_path / "fw.bin").write_bytes(b"\xe9" + bytes(299_999))
    (tmp_path / "text").write_text("x")
    for name, what in ((tmp_path / "text", "no serial port"), (tmp_path, "a folder")):
        told = call(command, "--port", name, *PORT[command])
        assert f"error: {name} is {what}: give the board's, as PORT=/dev/ttyUSB0" in told
    told = call(command, "--port", os.devnull, *firmware, *PORT[command])
    assert f"error: {os.devnull} is no serial port: give the board's" in told


@pytest.mark.parametrize(
    ("port", "told"),
    [
        ("socket://127.0.0.1:1", "nothing answers at socket://127.0.0.1:1: is the board on"),
        ("http://x", "http://x is no port: give one such as socket://127.0.0.1:2040"),
        ("socket://127.0.0.1", "socket://127.0.0.1 is no port: give one such as socket://"),
        ("/dev/ttyNOT0,/dev/ttyNOT1", "one board at a time: /dev/ttyNOT0, say"),
        ("tty", "tty is not there, did you mean /dev/tty?"),
        ("ttyNOT0", "ttyNOT0 is not there, and no other board either"),
    ],
)
def test_a_port_that_is_written_wrong(port, told, call):
    assert f"error: {told}" in call("logs", "--port", port)


@pytest.mark.parametrize("command", ["deploy", "provision"])
@pytest.mark.usefixtures("answers")
def test_no_port_among_commas(command, call):
    told = call(command, "--port", " , ", *PORT[command])
    assert told == "error: PORT= names no port: give one, several with commas between, or all\n"


FILES = [
    ("check-config",),
    ("run", "--config"),
    ("run", "--scenario"),
    ("deploy", "--config"),
    ("watch", "--config"),
    ("provision", "--config"),
    ("provision", "--answers"),
    ("provision", "--csv"),
    ("flash", "--board", "esp32", "--firmware"),
]


@pytest.mark.parametrize("words", FILES, ids=" ".join)
def test_a_file_that_is_none(words, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = call(*words, "none")
    board = "esp32" if words[0] == "run" else "pico_w"
    example = (
        f": make config BOARD={board} OUT=none writes one " if "config" in words[-1] else "\n"
    )
    assert f"error: there is no none{example}" in told, told
    folder = tmp_path / "folder"
    folder.mkdir()
    assert call(*words, folder) == f"error: {folder} is a folder, give a file\n"
    (folder / "config.json").write_text("{}")
    assert call(*words, folder) == (
        f"error: {folder} is a folder, give a file: {folder}/config.json\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
@pytest.mark.parametrize("words", FILES, ids=" ".join)
def test_a_file_that_may_not_be_read(words, call, tmp_path):
    path = tmp_path / "secret"
    path.write_text("{}")
    path.chmod(0)
    told = f"error: you may not read {path}: chmod u+r {path}, if it is yours\n"
    assert call(*words, path) == told


@pytest.mark.parametrize("words", FILES, ids=" ".join)
def test_an_empty_file(words, call, tmp_path):
    path = tmp_path / "empty"
    path.touch()
    told = call(*words, path)
    assert str(path) in told and ("is empty" in told or "no rows" in told), told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("board --port abc", "PORT= give a whole number from 0 to 65535, not 'abc'"),
        ("board --port 70000", "PORT= give a whole number from 0 to 65535, not '70000'"),
        ("board --flash .", ". is a folder, give a file, as FLASH=.sim/pico.flash"),
        ("board --flash README.md", "README.md is no image of a Pico's flash, which has 2,097,"),
        ("scan --sda x", "SDA= give a whole number from 0 on, not 'x'"),
        ("scan --sda -1 --scl 3", "SDA= give a whole number from 0 on, not '-1'"),
        ("scan --sda 1", "each SDA= goes with an SCL=, as SDA=21 SCL=22"),
        ("deploy --wait nan", "WAIT= give seconds as a number from 0 on, not 'nan'"),
        ("provision --wait -1", "WAIT= give seconds as a number from 0 on, not '-1'"),
        ("torture --steps x", "STEPS= give a whole number from 0 on, not 'x'"),
        ("mutate /etc/passwd", "/etc/passwd: is no module of the device; give one, as lib/"),
        ("mutate lib/mqtt/deadlines.py --tests x", "there is no x: TESTS= takes files, as tests/"),
        (
            "mutate lib/drivers/shared/crc8.py --tests tests/host",
            "tests/host is a folder: TESTS= takes files, as",
        ),
    ],
)
def test_an_option_that_cannot_be_meant(words, told, call, monkeypatch):
    monkeypatch.setattr("emulator.build.build", lambda: pytest.fail("it was built"))
    monkeypatch.chdir(ROOT)
    assert f"error: {told}" in call(*words.split())


def test_a_folder_that_can_be_none(call, tmp_path):
    path = tmp_path / "file"
    path.touch()
    for place in (path, path / "beneath"):
        assert f"error: {place} can be no folder for a node: " in call("run", "--folder", place)


def test_too_little_ram_for_a_run_is_told():
    from tools.settings.judge import judge
    from tools.simulate.simulate import HEAP_KB, node_settings

    class Place:
        host, port = "127.0.0.1", 1234

    settings, _ = judge(node_settings("esp32", Place, "secret", Place), "esp32")
    assert heap.short(settings, HEAP_KB) is None
    assert heap.short(settings, 100).endswith("RAM, and with HEAP=100 the node may run out of it")
