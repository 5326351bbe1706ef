"""`config`: a config.json to begin with, for each board, with sensors that are asked for or found."""

import errno
import json
import os
from pathlib import Path

import pytest
from configs import TYPES
from deploying import filled_in

from tools import ROOT, pins, wholefile
from tools.__main__ import main
from tools.boards import scan, writeconfig
from tools.models import BOARDS
from tools.settings import judge, newconfig

# Of each use its first type: one of each has room on a board.
OF_EACH_USE = {name if name in pins.USES else row[1]: name for name, row in sorted(TYPES.items())}


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Call `make config` with these words: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTPOST_MAKE", "1")

    def run(*words):
        code = main(["config", *words])
        return code, *capsys.readouterr()

    return run


def sensors(path="config.json"):
    return json.loads(Path(path).read_text(encoding="utf-8"))["sensors"]


@pytest.mark.parametrize("board", BOARDS)
def test_one_for_each_board_passes_the_check(board, call, capsys):
    assert call("--board", board)[0] == 0
    assert call("--board", board, "--sensors", "bme280,ds18b20", "--out", "two.json")[0] == 0
    for name, count in (("config.json", 0), ("two.json", 2)):
        assert len(sensors(name)) == count
        path = Path(name)
        path.write_text(filled_in(path.read_text(encoding="utf-8")), encoding="utf-8")
        assert main(["check-config", name, "--board", board]) == 0
        assert ("sensors: there are none" in capsys.readouterr().out) == (count == 0)


@pytest.mark.parametrize("board", BOARDS)
def test_each_type_has_pins_on_each_board(board):
    for kind in TYPES:
        made = newconfig.entries([kind], board)
        assert [entry["type"] for entry in made] == [kind]
        assert judge.judge(newconfig.whole(made), board)[1] == []
    of_a_kind = [kind for use, kind in OF_EACH_USE.items() if use not in ("uart", "echo")]
    assert len(newconfig.entries(of_a_kind, board)) == len(of_a_kind)


def test_those_on_one_bus_have_addresses_of_their_own():
    made = newconfig.entries(["bme280", "bme280", "sht4x"], "pico_w")
    assert made == [
        {"name": "bme280-1", "type": "bme280", "sda": 4, "scl": 5},
        {"name": "bme280-2", "type": "bme280", "sda": 4, "scl": 5, "address": "0x77"},
        {"name": "sht4x-1", "type": "sht4x", "sda": 4, "scl": 5},
    ]


def test_those_that_share_no_pin_have_the_next_one():
    made = newconfig.entries(["battery", "adc", "adc"], "pico_w")
    assert [(entry["name"], entry["pin"]) for entry in made] == [
        ("battery-1", 27),
        ("voltage-1", 26),
        ("voltage-2", 28),
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("dht22,dht22", "the usual pins of pico_w have no room for dht22 (GP3 is dht22-1.pin "),
        (
            "ds18b20,ds18b20",
            "no room for ds18b20 (it wants its own `address` beside temperature-1)",
        ),
        (
            "bme280,bme680,bmp280",
            "no room for bmp280 (its addresses are those of bme280-1, bme680-1): leave it out",
        ),
        ("bmp820", "SENSORS=bmp820: unknown, did you mean bmp280?"),
        ("door", 'SENSORS=door: unknown, did you mean "type": "input", "kind": "reed"?'),
        ("scan,bme280", "SENSORS=scan finds what is there: give no other type with it"),
    ],
)
def test_what_cannot_be_had(names, said, call):
    code, out, err = call("--board", "pico_w", "--sensors", names)
    assert (code, out) == (1, "")
    assert said in err
    assert not Path("config.json").exists()


def test_other_names_of_a_type(call):
    assert call("--board", "esp32", "--sensors", " SHT31 , dht21,")[0] == 0
    assert [entry["type"] for entry in sensors()] == ["sht3x", "dht22"]


def test_which_board(call):
    code, _, err = call("--sensors", "bme280")
    assert code == 1
    assert "which board is it for? Give BOARD=, one of esp32, " in err


def test_it_says_what_comes_next(call):
    _, out, _ = call("--board", "pico_w", "--sensors", "hcsr04")
    assert out == (
        "wrote config.json\n"
        "  distance-1: hcsr04, trigger 18, echo 19\n"
        "docs/sensors.md shows how they are wired\n"
        "put your network and your broker into it, then make check-config BOARD=pico_w\n"
    )
    _, out, _ = call("--board", "esp32", "--out", "it's.json")
    assert "it has no sensors: add them with SENSORS=" in out
    assert """make check-config CONFIG='it'"'"'s.json' BOARD=esp32\n""" in out


def test_twice_is_once_and_nothing_is_overwritten(call):
    words = ("--board", "pico_w", "--sensors", "bme280")
    assert call(*words)[0] == 0
    first = Path("config.json").read_bytes()
    code, out, _ = call(*words)
    assert code == 0
    assert "config.json is there, and as it would be written\n" in out
    Path("config.json").write_text("mine")
    code, out, err = call(*words)
    assert (code, out) == (1, "")
    assert err == (
        "error: config.json is there, with other settings: OUT=file writes another, REPLACE=1 replaces it\n"
    )
    assert Path("config.json").read_text() == "mine"
    Path("config.json").write_bytes(b"\xff")
    assert call(*words)[0] == 1
    assert call(*words, "--replace")[0] == 0
    assert Path("config.json").read_bytes() == first


def test_printed_it_is_nothing_but_json(call, tmp_path):
    code, out, err = call("--board", "pico_w", "--out", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["sensors"] == []
    assert not list(tmp_path.iterdir())


def test_where_it_cannot_be_written(call, tmp_path):
    (tmp_path / "file").write_text("")
    assert call("--board", "pico_w", "--out", "file/config.json")[::2] == (
        1,
        "error: file/config.json cannot be written: file exists\n",
    )
    (tmp_path / "folder").mkdir()
    assert call("--board", "pico_w", "--out", "folder")[::2] == (
        1,
        "error: folder is a folder, give a file\n",
    )


def test_on_a_full_disk_the_old_one_stays(call, tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text("mine, with passwords")

    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(wholefile.os, "fsync", full)
    assert call("--board", "pico_w", "--replace")[::2] == (
        1,
        "error: config.json cannot be written: no space left on device; it is as it was\n",
    )
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [
        ("config.json", "mine, with passwords")
    ]


def test_a_file_keeps_its_rights_and_a_link_what_it_leads_to(call, tmp_path):
    (tmp_path / "there").mkdir()
    kept = tmp_path / "there" / "mine.json"
    kept.write_text("mine")
    kept.chmod(0o640)
    (tmp_path / "config.json").symlink_to(kept)
    (tmp_path / "there" / "mine.json.new").write_text("of a run that was killed")
    assert call("--board", "pico_w", "--replace")[0] == 0
    assert (tmp_path / "config.json").is_symlink()
    assert sensors(kept) == [] and kept.stat().st_mode & 0o777 == 0o640
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero", "/dev/null"])
def test_a_device_is_no_file(device, call):
    words = ("--board", "pico_w", "--replace", "--out", device)
    assert call(*words)[::2] == (1, f"error: {device} is no file: OUT=- prints it\n")


def test_a_link_that_leads_nowhere_and_a_folder_that_takes_no_file(call, tmp_path):
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "no" / "x")
    for path in ("nowhere.json", "/proc/x.json"):
        assert call("--board", "pico_w", "--replace", "--out", path)[::2] == (
            1,
            f"error: {path} cannot be written: no such file or directory\n",
        )


def test_a_folder_that_is_not_there_is_made(call, tmp_path):
    assert call("--board", "pico_w", "--out", "nodes/attic.json")[0] == 0
    assert json.loads((tmp_path / "nodes/attic.json").read_text())["sensors"] == []


def test_an_editor_finds_the_schema(call, tmp_path, monkeypatch):
    call("--board", "pico_w")
    named = json.loads(Path("config.json").read_text(encoding="utf-8"))["$schema"]
    assert (tmp_path / named).resolve() == ROOT / newconfig.SCHEMA
    monkeypatch.chdir(ROOT)
    assert writeconfig.schema("config.json") == "./docs/config.schema.json"
    assert writeconfig.schema("-") == "./docs/config.schema.json"


@pytest.mark.parametrize(("length", "is_named"), [(120, True), (250, False)])
def test_a_checkout_with_a_long_name(length, is_named, call, monkeypatch):
    """A text that had no room on its line became a list of its letters."""
    monkeypatch.setattr(writeconfig, "ROOT", Path("/") / ("x" * length))
    assert call("--board", "pico_w")[0] == 0
    written = json.loads(Path("config.json").read_text())
    assert ("x" * length in written["$schema"]) if is_named else "$schema" not in written
    _, faults = judge.check(Path("config.json"), "pico_w")
    assert not any("schema" in fault for fault in faults)


def test_those_that_a_board_has(call, monkeypatch):
    entries = [{"name": "attic", "type": "ds18b20", "pin": 2, "address": "28ff641e0f160390"}]
    monkeypatch.setattr(scan, "found", lambda port: (entries, "pico_w"))
    code, out, _ = call("--sensors", "scan")
    assert code == 0
    assert sensors() == entries
    assert "  attic: ds18b20, pin 2\n" in out and "BOARD=pico_w\n" in out
    code, _, err = call("--sensors", "scan", "--board", "esp32", "--out", "other.json")
    assert code == 1
    assert err == "error: the board is pico_w, not esp32: leave BOARD= out\n"


def test_all_that_names_pins_is_told():
    for model in BOARDS:
        for kind, (_, bus, rows, _) in TYPES.items():
            named = {row[0] for row in rows if row[1] == "pin"}
            assert named <= set(writeconfig.PINS), kind
            assert named == set(pins.usual(model, kind, bus)), (model, kind)
