"""`make image BOARD=` says what it made and what that does; `make flash` takes it where nothing is lost by it."""

import hashlib
import json

import pytest
from fakemicropython import BOARDS, ESP32, FILES, PICO_W, esp32, mp, pico, small_image

from tests.host.ptyhost import PtyBoard
from tools import mpy, toolchain
from tools.__main__ import main
from tools.boards import detect, flash
from tools.image import image, joined, micropython


@pytest.fixture(scope="module")
def small():
    return small_image()


@pytest.fixture
def file(tmp_path):
    """file(data, name) -> the path of a file."""

    def write(data, name="mp.uf2"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture
def call(capsys):
    def run(*words):
        status = main([str(word) for word in words])
        return status, "".join(capsys.readouterr())

    return run


@pytest.fixture
def compiled(monkeypatch):
    """Nothing is compiled, and the image is a small one."""
    files = FILES | {"firmware/a.mpy": b"M\x06abc"}
    monkeypatch.setattr(mpy, "compiled", lambda: files)


def test_the_command_says_what_it_made_and_what_it_does(call, compiled, file, tmp_path):
    path = file(pico(PICO_W))
    words = ("image", "--board", "pico_w", "--micropython", path, "--out", tmp_path)
    status, said = call(*words)
    made = tmp_path / f"outpost-{image.version()}-pico_w.uf2"
    assert status == 0 and made.exists()
    for text in (
        "MicroPython v1.28.0 on 2026-04-06; Pico with RP2040 (without a ROMFS)",
        f"{made}: {made.stat().st_size:,} bytes, with Outpost {image.version()} in slots/a",
        "hold BOOTSEL while you plug the board in, and copy it to the drive RPI-RP2",
        "settings and readings that are there are lost",
    ):
        assert text in said
    path = file(esp32(ESP32, own=True), "mp.bin")
    status, said = call("image", "--board", "esp32", "--micropython", path, "--out", tmp_path)
    made = tmp_path / f"outpost-{image.version()}-esp32.bin"
    assert status == 0 and "(Outpost's own, with a ROMFS)" in said and "in rom0" in said
    assert f"esptool --chip esp32 write-flash 0x1000 {made}" in said


@pytest.fixture
def esptool_js(tmp_path, monkeypatch):
    """What the set-up brings for the page."""
    folder = tmp_path / "toolchain"
    folder.mkdir()
    monkeypatch.setattr(toolchain, "PAGE", folder)
    for name in (toolchain.ESPTOOL_JS, "esptool-js.txt", "pako.txt", "stamp"):
        (folder / name).write_text(f"this is {name}")


@pytest.mark.parametrize("own", [False, True])
def test_a_page_is_a_folder_beside_it(own, call, compiled, esptool_js, file, tmp_path):
    path = file(esp32(BOARDS["esp32s3"], own=own), "mp.bin")
    words = ("image", "--board", "esp32s3", "--micropython", path, "--out", tmp_path)
    status, said = call(*words)
    assert status == 0 and "PAGE=1 makes a page, too" in said
    status, said = call(*words, "--page")
    assert status == 0, said
    made = tmp_path / f"outpost-{image.version()}-esp32s3.bin"
    folder = tmp_path / f"outpost-{image.version()}-esp32s3-page"
    assert f"{folder}: a page that writes it from Chrome or Edge" in said
    assert f"--bind 127.0.0.1 --directory {folder}, then open http://localhost:8000/" in said
    assert "PAGE=1" not in said
    data = made.read_bytes()
    names = {made.name, toolchain.ESPTOOL_JS, "firmware.json", "flash.js", "index.html", "port.js"}
    assert {each.name for each in folder.iterdir()} == names | {"licenses.txt"}
    assert (folder / made.name).read_bytes() == data
    assert json.loads((folder / "firmware.json").read_text()) == {
        "version": image.version(),
        "micropython": "MicroPython v1.28.0",
        "chip": "ESP32-S3",
        "flash": (4 if own else 8) * 1024 * 1024,
        "psram": not own,
        "file": made.name,
        "offset": 0,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "md5": hashlib.md5(data).hexdigest(),
    }
    assert len(data) % 4 == 0  # else esptool-js would write some bytes more, which the MD5 has not
    licenses = (folder / "licenses.txt").read_text()
    for text in ("MIT License", "this is esptool-js.txt", "pako, in esptool-js.js"):
        assert text in licenses


def test_a_page_for_what_needs_none(call, esptool_js, file, tmp_path):
    path = file(pico(PICO_W))
    status, said = call("image", "--board", "pico_w", "--micropython", path, "--page")
    assert status == 2 and "a Pico needs none: its drive RPI-RP2 takes the .uf2" in said
    status, said = call("image", "--page")
    assert status == 2 and "one file for a board needs both" in said


def test_a_page_without_esptool_js(call, compiled, file, tmp_path, monkeypatch):
    monkeypatch.setattr(toolchain, "PAGE", tmp_path / "nothing")
    path = file(esp32(ESP32), "mp.bin")
    status, said = call("image", "--board", "esp32", "--micropython", path, "--page")
    assert status == 1 and "esptool-js is not there yet: run `make setup PAGE=1`" in said


def test_half_of_what_it_takes(call, tmp_path):
    for words in (("--board", "pico_w"), ("--micropython", "x")):
        status, said = call("image", *words)
        assert status == 2 and "make image BOARD=pico_w MICROPYTHON=file" in said
    status, said = call("image", "--board", "pico_w", "--micropython", tmp_path / "none")
    assert (status, said) == (micropython.NO_IMAGE, f"error: there is no {tmp_path}/none\n")


@pytest.fixture
def made(tmp_path, monkeypatch, file, small):
    """made(board) -> the joined file where `flash` looks for it."""
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    monkeypatch.setattr(detect, "DRIVES", (f"{tmp_path}/drive*",))
    monkeypatch.setattr(
        flash, "download", lambda board: file(mp(board), f"official{board.suffix}")
    )
    (tmp_path / ".build").mkdir()

    def make(board):
        data, _ = joined.join(file(mp(board), f"mp{board.suffix}"), board, FILES, small)
        path = tmp_path / ".build" / joined.name(image.version(), board)
        path.write_bytes(data)
        return path

    return make


def dragged(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir(exist_ok=True)
    (folder / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n")
    return folder


def test_flash_takes_a_joined_file_that_is_named(call, made, tmp_path):
    path = made(PICO_W)
    drive = dragged(tmp_path)
    status, said = call("flash", "--board", "pico_w", "--firmware", path)
    assert status == 0, said
    assert (drive / path.name).read_bytes() == path.read_bytes()
    assert "is MicroPython and Outpost 9.9.9: it replaces all on the board" in said
    assert "settings and readings on the board are lost" in said
    assert "files on the board stay" not in said and "with a phone" in said


def test_flash_does_not_write_over_what_it_cannot_see(call, made, tmp_path):
    path = made(PICO_W)
    drive = dragged(tmp_path)
    status, said = call("flash", "--board", "pico_w")
    assert status == 0, said
    assert f"{path} is not taken" in said and f"make flash FIRMWARE={path} takes it" in said
    assert [each.name for each in drive.glob("*.uf2")] == ["official.uf2"]
    assert "files on the board stay" in said


@pytest.mark.parametrize(
    ("files", "taken"),
    [({}, True), ({"boot.py": b"#"}, True), ({"config.json": b"{}"}, False), ({"x": b""}, False)],
)
def test_flash_asks_the_board_whether_something_is_on_it(files, taken, call, made, tmp_path):
    path = made(ESP32)
    with PtyBoard(tmp_path) as board:
        board.power_off()
        board.put(files)
        board.power_on()
        words = ("flash", "--board", "esp32", "--port", board.port, "--dry-run")
        status, said = call(*words)
        assert status == 0, said
        assert (f"{path} is MicroPython and Outpost" in said) == taken
        assert (f"{path} is not taken" in said) == (not taken)
        status, said = call(*words, "--erase")
        assert status == 0 and f"{path} is MicroPython and Outpost" in said


def test_flash_with_nothing_joined_is_as_ever(call, made, tmp_path):
    dragged(tmp_path)
    status, said = call("flash", "--board", "pico_w")
    assert status == 0, said
    assert "Outpost" not in said and "files on the board stay" in said
