"""`flash`: what it refuses, what it would run. Nothing here touches hardware or the internet."""

import os
import pty
import struct
import subprocess
import sys
from types import SimpleNamespace

import pytest
from esprom import EspRom
from esptool import CHIP_DEFS

from tests.host.ptyhost import PtyBoard
from tools import models
from tools.__main__ import main
from tools.boards import detect, flash, ports
from tools.image import micropython

SIZE = 300_000
RP2040, RP2350, ABSOLUTE = 0xE48BFF56, 0xE48BFF59, 0xE48BFF57


def esp_image(chip_id, size=SIZE):
    return struct.pack("<BBBBIBBBBH", 0xE9, 3, 2, 0x20, 0x40081234, 0xEE, 0, 0, 0, chip_id).ljust(
        size, b"\xff"
    )


def uf2(family, text=b"[CYW43] STALL(%u)", size=SIZE, first=None):
    count = size // 512
    blocks = []
    for number in range(count):
        data = (text if number == count // 2 else b"").ljust(256, b"\0")
        of = first if first and number == 0 else family
        head = struct.pack(
            "<8I",
            0x0A324655,
            0x9E5D5157,
            0x2000,
            0x10000000 + 256 * number,
            256,
            number,
            count,
            of,
        )
        blocks.append(head + data.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30))
    return b"".join(blocks)


@pytest.fixture
def call(capsys):
    def run(*words):
        status = main(["flash", *(str(word) for word in words)])
        return status, "".join(capsys.readouterr())

    return run


@pytest.fixture
def tty(tmp_path):
    """A serial port nothing answers on."""
    master, slave = pty.openpty()
    path = tmp_path / "tty"
    path.symlink_to(os.ttyname(slave))
    yield path
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("board", "chip_id", "place"),
    [
        ("esp32", 0, "0x1000"),
        ("esp32s2", 2, "0x1000"),
        ("esp32s3", 9, "0x0"),
        ("esp32c3", 5, "0x0"),
        ("esp32c6", 13, "0x0"),
    ],
)
@pytest.mark.parametrize("erase", [(), ("--erase",)])
def test_what_esptool_is_told(board, chip_id, place, erase, call, tty, tmp_path, monkeypatch):
    image = tmp_path / "fw.bin"
    image.write_bytes(esp_image(chip_id))
    called = []
    monkeypatch.setattr(subprocess, "call", lambda words: called.append(words) or 0)
    status, said = call("--board", board, "--port", tty, "--firmware", image, *erase, "--dry-run")
    assert (status, called) == (0, [])
    words = [
        "--chip",
        board,
        "--port",
        str(tty),
        "--baud",
        "460800",
        "write-flash",
        *(["--erase-all"] if erase else []),
        place,
        str(image),
    ]
    assert "esptool " + " ".join(words) in said
    assert f"files on the board {'are erased' if erase else 'stay'}" in said
    assert call("--board", board, "--port", tty, "--firmware", image, *erase)[0] == 0
    assert called == [[sys.executable, "-m", "esptool", *words]]


def test_esptool_knows_these_words():
    """Its own parser accepts them: no chip answers on a port that does not exist."""
    words = flash.esptool_words("fw.bin", flash.BOARDS["esp32c3"], "/dev/ttyNOT0", erase=True)
    done = subprocess.run(
        [sys.executable, "-m", "esptool", *words[:-1], __file__],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Could not open /dev/ttyNOT0" in done.stdout + done.stderr


def test_esptool_fails(call, tty, tmp_path, monkeypatch):
    image = tmp_path / "fw.bin"
    image.write_bytes(esp_image(0))
    monkeypatch.setattr(subprocess, "call", lambda words: 2)
    status, said = call("--board", "esp32", "--port", tty, "--firmware", image)
    assert status == flash.FAILED
    assert "BOOT button" in said


@pytest.mark.parametrize(
    ("board", "name", "data", "text"),
    [
        ("esp32", "fw.bin", esp_image(9), "is for ESP32S3"),
        ("esp32c3", "fw.bin", esp_image(0), "is for ESP32;"),
        ("esp32", "fw.bin", esp_image(0, 5000), "is too small"),
        ("esp32", "fw.bin", b"<html>".ljust(SIZE), "is no image of MicroPython"),
        ("esp32", "fw.bin", b"", "is empty"),
        ("esp32", "fw.app-bin", esp_image(0), "without boot loader"),
        ("esp32", "fw.bin", uf2(RP2040), "is a UF2, for another kind of board"),
        ("esp32", "ESP32_GENERIC-20241129-v1.24.1.bin", esp_image(0), "is older than 1.25"),
        ("pico_w", "fw.uf2", esp_image(0), "is not a UF2"),
        ("pico_w", "fw.uf2", uf2(RP2350), "is for RP2350"),
        ("pico2_w", "fw.uf2", uf2(RP2040), "is for RP2040"),
        ("pico_w", "fw.uf2", uf2(0xDEADBEEF), "is for another chip"),
        ("pico_w", "fw.uf2", uf2(RP2040, text=b""), "has no Wi-Fi driver"),
        ("pico_w", "fw.uf2", uf2(RP2040, size=5120), "is too small"),
        ("pico_w", "fw.uf2", uf2(RP2040)[:-100], "is cut off"),
        ("pico_w", "fw.uf2", uf2(RP2040)[:-4] + b"\0\0\0\0", "is damaged at byte 299008"),
    ],
)
def test_a_wrong_image_is_refused(board, name, data, text, call, tty, tmp_path):
    image = tmp_path / name
    image.write_bytes(data)
    status, said = call("--board", board, "--port", tty, "--firmware", image)
    assert status == micropython.BAD_IMAGE
    assert text in said


@pytest.mark.parametrize("board", [("--board", "esp32"), ("--board", "pico_w"), ()])
def test_what_is_given_is_looked_at_first(board, call, tty, tmp_path, monkeypatch):
    """Before a board is asked what it is, and before anything is downloaded for it."""
    monkeypatch.setattr(ports.list_ports, "comports", list)
    monkeypatch.setattr(detect, "DRIVES", ())
    for function in ("download", "cached"):
        monkeypatch.setattr(flash, function, lambda board: pytest.fail("it was fetched"))
    monkeypatch.setattr(detect, "by_port", lambda port: pytest.fail("it was asked"))
    page, empty = tmp_path / "page.bin", tmp_path / "empty.bin"
    page.write_bytes(b"<html>".ljust(SIZE))
    empty.touch()
    for firmware, code, text in (
        (tmp_path / "none.bin", micropython.NO_IMAGE, f"there is no {tmp_path}/none.bin"),
        (tmp_path, micropython.NO_IMAGE, f"{tmp_path} is a folder, give a file"),
        (page, micropython.BAD_IMAGE, "is no image of MicroPython; give a .bin"),
        (empty, micropython.BAD_IMAGE, "is empty; give a .bin"),
    ):
        status, said = call(*board, "--port", tty, "--firmware", firmware)
        assert (status, text in said) == (code, True), said
    for port, text in (
        ("/dev/ttyNOT0", "/dev/ttyNOT0 is not there"),
        (page, f"{page} is no serial port: give the board's, as PORT=/dev/ttyUSB0"),
        (tmp_path, f"{tmp_path} is a folder: give the board's"),
    ):
        for dry in ((), ("--dry-run",)):
            status, said = call(*board, "--port", port, *dry)
            assert (status, text in said) == (ports.NO_BOARD, True), said
    status, said = call(*board)
    assert (status, "no board found" in said) == (ports.NO_BOARD, True), said


def test_download_without_internet_uses_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: None)
    with pytest.raises(flash.CommandError, match=r"micropython\.org/download") as error:
        flash.download(flash.BOARDS["pico_w"])
    assert error.value.code == micropython.NO_IMAGE
    folder = tmp_path / ".build/micropython/rp2"
    folder.mkdir()
    for name in (
        "RPI_PICO_W-v1.9.0.uf2",
        "RPI_PICO_W-v1.28.0.uf2",
        "RPI_PICO_W-v1.29.0.bin",
        "RPI_PICO-v1.30.0.uf2",
    ):
        (folder / name).touch()
    assert flash.download(flash.BOARDS["pico_w"]).name == "RPI_PICO_W-v1.28.0.uf2"


@pytest.fixture
def drive(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text(
        "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
    )
    return folder


def test_uf2_goes_to_the_drive(call, drive, tmp_path, monkeypatch):
    monkeypatch.setattr(detect, "DRIVES", (f"{tmp_path}/*",))
    image = tmp_path / "fw.uf2"
    image.write_bytes(uf2(RP2040))
    assert call("--board", "pico_w", "--firmware", image, "--dry-run")[0] == 0
    assert not (drive / "fw.uf2").exists()
    status, said = call("--board", "pico_w", "--firmware", image)
    assert status == 0
    assert "files on the board stay" in said
    assert (drive / "fw.uf2").read_bytes() == image.read_bytes()


def test_the_drive_of_another_board(call, drive, tmp_path):
    image = tmp_path / "fw.uf2"
    image.write_bytes(uf2(RP2350, first=ABSOLUTE))
    status, said = call("--board", "pico2_w", "--firmware", image, "--drive", drive)
    assert status == ports.UNSUITABLE
    assert "RPI-RP2, not of a RP2350" in said
    status, said = call("--board", "pico2_w", "--firmware", image, "--drive", tmp_path)
    assert status == ports.NO_BOARD
    assert "no INFO_UF2.TXT" in said


def test_a_full_drive(call, drive, tmp_path, monkeypatch):
    image = tmp_path / "fw.uf2"
    image.write_bytes(uf2(RP2040))
    (drive / "fw.uf2").symlink_to("/dev/full")
    monkeypatch.setattr(flash, "_GONE_S", 0)
    status, said = call("--board", "pico_w", "--firmware", image, "--drive", drive)
    assert status == flash.FAILED
    assert "No space left" in said


def test_a_running_pico_is_sent_to_its_boot_loader(call, drive, tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "_DRIVE_S", 5)
    image = tmp_path / "fw.uf2"
    image.write_bytes(uf2(RP2040))
    hidden = drive.rename(tmp_path / "not-yet")
    monkeypatch.setattr(detect, "DRIVES", (str(drive),))
    find_drive = detect.find_drive

    def found(board):
        if "bootloader" in pico.starts and hidden.exists():
            hidden.rename(drive)
        return find_drive(board)

    monkeypatch.setattr(detect, "find_drive", found)
    with PtyBoard(tmp_path, board="pico_w", usb=True) as pico:
        status, said = call("--board", "pico_w", "--port", pico.port, "--firmware", image)
    assert status == 0, said
    assert (drive / "fw.uf2").exists()


def test_no_pico(call, tmp_path, monkeypatch):
    monkeypatch.setattr(detect, "DRIVES", ())
    monkeypatch.setattr(ports.list_ports, "comports", list)
    image = tmp_path / "fw.uf2"
    image.write_bytes(uf2(RP2040))
    status, said = call("--board", "pico_w", "--firmware", image)
    assert status == ports.NO_BOARD
    assert "hold BOOTSEL" in said


def test_erasing_a_pico_is_not_for_its_boot_loader(call):
    status, said = call("--board", "pico_w", "--erase")
    assert status == 2
    assert "flash_nuke.uf2" in said


def test_a_pico_given_as_esp32(call, tty, tmp_path, monkeypatch):
    pico = SimpleNamespace(
        device=str(tty), vid=ports.RASPBERRY_PI, serial_number="1", product="Board in FS mode"
    )
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [pico])
    image = tmp_path / "fw.bin"
    image.write_bytes(esp_image(0))
    status, said = call("--board", "esp32", "--port", tty, "--firmware", image)
    assert status == ports.UNSUITABLE
    assert "BOARD=pico_w" in said


# ---- which board is it?

ESP = {"ESP32": "esp32", "ESP32S2": "esp32s2", "ESP32S3": "esp32s3"}
ESP |= {"ESP32C3": "esp32c3", "ESP32C6": "esp32c6"}


@pytest.mark.parametrize("chip", ESP)
def test_offsets_and_chip_ids_are_those_esptool_knows(chip):
    known, model = CHIP_DEFS[ESP[chip]], models.BOARDS[ESP[chip]]
    assert model.offset == known.BOOTLOADER_FLASH_OFFSET
    assert model.chip_id == known.IMAGE_CHIP_ID
    assert known.CHIP_NAME.replace("-", "") == model.chip


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(detect, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(detect, "_ATTEMPTS", 1)


@pytest.mark.slow
@pytest.mark.parametrize("chip", ESP)
def test_a_bare_chip_says_what_it_is(chip, call, tmp_path, impatient, monkeypatch):
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    with EspRom(tmp_path, chip) as rom:
        status, said = call("--port", rom.port, "--dry-run")
    assert status == 0, said
    model = models.BOARDS[ESP[chip]]
    assert f"{model.build}-<date>-v<version>.bin" in said
    assert f"--chip {ESP[chip]} " in said
    assert f"write-flash {model.offset:#x} " in said
    assert "WARNING" not in said
    assert not rom.stub


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chip", "text"),
    [
        ("ESP32C5", "ESP32C5, which Outpost does not know; it runs on ESP32, ESP32S2"),
        ("ESP32H2", "ESP32H2, which Outpost does not know and has no Wi-Fi of its own"),
    ],
)
def test_a_chip_outpost_does_not_know(chip, text, call, tmp_path, impatient):
    with EspRom(tmp_path, chip) as rom:
        status, said = call("--port", rom.port, "--dry-run")
    assert status == ports.UNSUITABLE
    assert text in said


@pytest.mark.slow
def test_nothing_says_what_it_is(call, tty, impatient):
    status, said = call("--port", tty, "--dry-run")
    assert status == ports.UNSUITABLE
    assert "or say BOARD=" in said


@pytest.mark.slow
@pytest.mark.parametrize(("erase", "before"), [((), b"\x17"), (("--erase",), b"\xff")])
def test_esptool_writes_the_image_where_it_belongs(erase, before, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if erase:
        (tmp_path / "config.json").write_text("{}")
    image = tmp_path / "fw.bin"
    data = esp_image(0) + os.urandom(100_000)
    image.write_bytes(data)
    with EspRom(tmp_path, "ESP32") as rom:
        rom.flash[:0x1000] = b"\x17" * 0x1000
        status, said = call("--board", "esp32", "--port", rom.port, "--firmware", image, *erase)
        assert status == 0, said
    assert rom.flash[0x1000 : 0x1000 + len(data)] == data
    assert rom.flash[:0x1000] == before * 0x1000
    following = "deploy" if erase else "config BOARD=esp32"
    assert f"done. Next: make {following}\n" in said


@pytest.mark.slow
def test_an_image_for_another_chip_than_is_there(call, tmp_path, impatient):
    image = tmp_path / "fw.bin"
    image.write_bytes(esp_image(0))
    with EspRom(tmp_path, "ESP32C3") as rom:
        status, said = call("--port", rom.port, "--firmware", image)
    assert status == micropython.BAD_IMAGE
    assert "is for ESP32; BOARD=esp32c3 takes ESP32_GENERIC_C3-<date>-v<version>.bin" in said
    assert not any(rom.flash[0:0x1000].strip(b"\xff"))


MACHINES = {
    "Generic ESP32 module with ESP32": "esp32",
    "Generic ESP32S2 module with ESP32S2": "esp32s2",
    "Generic ESP32S3 module with Octal-SPIRAM with ESP32S3": "esp32s3",
    "ESP32C3 module with ESP32C3": "esp32c3",
    "ESP32C6 module with ESP32C6": "esp32c6",
    "Raspberry Pi Pico W with RP2040": "pico_w",
    "Raspberry Pi Pico 2 W with RP2350": "pico2_w",
}


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_micropython_says_what_the_board_is(machine, call, tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    with PtyBoard(tmp_path, name=machine) as board:
        status, said = call("--port", board.port, "--dry-run")
    assert status == 0, said
    model = models.BOARDS[MACHINES[machine]]
    assert f"{board.port}: {machine}\n" in said
    assert model.release in said
    assert "without W" not in said


@pytest.mark.slow
def test_a_pico_without_w(call, tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    with PtyBoard(tmp_path, "pico_w", name="Raspberry Pi Pico with RP2040") as board:
        status, said = call("--port", board.port, "--dry-run")
    assert status == 0
    assert "that of a Pico without W, on which Outpost does not run" in said
    assert "RPI_PICO_W-<date>-v<version>.uf2" in said


@pytest.mark.parametrize(("name", "model"), [("RPI-RP2", "pico_w"), ("RP2350", "pico2_w")])
def test_the_drive_says_what_the_board_is(name, model, call, drive, tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "ROOT", tmp_path)
    monkeypatch.setattr(detect, "DRIVES", (f"{tmp_path}/*",))
    monkeypatch.setattr(ports.list_ports, "comports", list)
    (drive / "INFO_UF2.TXT").write_text(f"UF2 Bootloader\nBoard-ID: {name}\n")
    status, said = call("--dry-run")
    assert status == 0, said
    assert f"taken for a {models.BOARDS[model].title}" in said
    assert models.BOARDS[model].release in said


def test_a_drive_of_something_else(call, drive):
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader\nBoard-ID: SAMD51\n")
    status, said = call("--drive", drive)
    assert status == ports.UNSUITABLE
    assert "SAMD51, which Outpost does not know" in said


def test_a_drive_and_a_port(call, drive, tmp_path, monkeypatch):
    monkeypatch.setattr(detect, "DRIVES", (f"{tmp_path}/*",))
    port = SimpleNamespace(device="/dev/ttyUSB7", vid=0x10C4, serial_number="1", product="x")
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [port])
    status, said = call()
    assert status == ports.MANY_BOARDS
    assert f"{drive}, /dev/ttyUSB7" in said


def test_no_board_at_all(call, monkeypatch):
    monkeypatch.setattr(detect, "DRIVES", ())
    monkeypatch.setattr(ports.list_ports, "comports", list)
    status, said = call()
    assert status == ports.NO_BOARD
    assert "no board found" in said


def test_stopped_by_the_user(call, tty, tmp_path, monkeypatch):
    image = tmp_path / "fw.bin"
    image.write_bytes(esp_image(0))

    def stop(words):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "call", stop)
    status, said = call("--board", "esp32", "--port", tty, "--firmware", image)
    assert status == 130
    assert "run it again" in said
