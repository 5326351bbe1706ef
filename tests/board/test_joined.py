"""One file on a blank Pico: the boot ROM writes it, the node opens its page, a phone fills it in, and the first reading arrives.

MicroPython itself comes out of the file, too. What is not emulated is the boot ROM's drive: `drag` does what the ROM does with the blocks.
"""

import json
import os
import re

import pytest
from driver_stand import chips_of
from outside import until
from phone import Phone
from pico import contents

from emulator import build
from emulator.emulator import FLASH_BYTES
from tools import mpy, pins
from tools.image import division, image, joined, uf2
from tools.layouts import BLOCK
from tools.models import PICO

NAME = "newcomer"
BOOT_S = 120  # to the page, on a busy machine
FIRST_READING_S = 180


@pytest.fixture(scope="module")
def micropython(firmware, tmp_path_factory):
    """Outpost's own MicroPython, with the heap of a Pico W, as a UF2, which its build does not make without picotool."""
    path = tmp_path_factory.mktemp("micropython") / "firmware.uf2"
    path.write_bytes(uf2.of_bin(build.PICO_W_HEAP.read_bytes(), PICO.family))
    return path


@pytest.fixture
def join(micropython, monkeypatch):
    """join(in_place) -> the joined file; not in place: of a MicroPython that seems to have no ROMFS."""

    def call(in_place):
        files = mpy.compiled()
        if not in_place:
            monkeypatch.setattr(division, "_romfs_of_pico", lambda flash, littlefs: None)
        return joined.join(micropython, PICO, files, image.of(files))

    return call


def drag(file, flash):
    """What the boot ROM does with the blocks of a UF2 (RP2040 data sheet, 2.8.4.2)."""
    there = bytearray(flash.read_bytes())
    erased = set()
    for at, data in uf2.read(file, PICO.family):
        if at // BLOCK not in erased:
            erased.add(at // BLOCK)
            begin = at // BLOCK * BLOCK
            there[begin : begin + BLOCK] = b"\xff" * BLOCK
        there[at : at + len(data)] = data
    flash.write_bytes(there)


class Node:
    """What a Phone wants of the emulated board."""

    def __init__(self, board):
        self.board = board

    @property
    def output(self):
        return self.board.printed()

    def served(self, port, seconds):
        found = []

        def opened():
            found[:] = re.findall(rf"^port {port} is (\d+)$", self.board.events(), re.M)
            return found

        until(opened, BOOT_S, "the page", self.board.printed)
        return int(found[-1])


@pytest.mark.parametrize("in_place", [True, False], ids=["rom0", "slots-a"])
def test_from_a_file_to_the_page_to_a_reading(in_place, boards, join, broker, seen, tmp_path):
    file, slot = join(in_place)
    assert slot == ("rom0" if in_place else "slots/a")
    nothing = tmp_path / "nothing"
    nothing.touch()
    pipes = tmp_path / "pipes"
    pipes.mkdir()
    board = boards(attach=["modem=", f"chips={pipes}"], firmware=nothing)
    board.flash.write_bytes(b"\xff" * FLASH_BYTES if in_place else os.urandom(FLASH_BYTES))
    drag(file, board.flash)
    assert {*contents(board.flash)} == {"boot.py", "main.py", "state/slot", *({slot} - {"rom0"})}

    air = {"name": "air", "type": "bme280", **pins.usual("pico_w", "bme280", "i2c")}
    with chips_of([air], pipes, ahead=False):
        board.start()
        assert board.wait_printed("join the Wi-Fi network outpost-", BOOT_S), board.printed()
        phone = Phone(Node(board))
        page = phone.ask()
        assert "emulated" in page.words and "bme280 address 0x76" in page.words
        phone.submit(
            ssid="emulated",
            key="radio-Secret-1",
            host=broker.host,
            port=str(broker.port),
            name=NAME,
            **{"bme280-0x76": "1"},
        )
        assert "Saved" in phone.result().words
        until(
            lambda: seen.readings("bme280-1", NAME),
            FIRST_READING_S,
            "the first reading",
            board.printed,
        )
        assert seen.readings("bme280-1", NAME)[0]["temperature"] == pytest.approx(21.5, abs=0.1)
        info = json.loads(seen.wait_for(f"{NAME}/info").text)
        assert (info["slot"], info["reset_cause"]) == (slot, "provisioning")
        board.stop()
    assert json.loads(contents(board.flash)["state/slot"]) == {"good": slot}
