"""One file of MicroPython and Outpost: what is in it, that nothing of an older node is left, and what is refused."""

import json
import os
import re
import struct

import pytest
from esprom import EspRom
from fakemicropython import (
    ABSOLUTE,
    ESP32,
    FILES,
    PICO2_W,
    PICO_W,
    SAYS,
    SIZE,
    esp32,
    mp,
    pico,
    small_image,
)
from littlefs import LittleFS, UserContext

from tests.host.ptyhost import files_of
from tools import CommandError
from tools.__main__ import main
from tools.image import filesystem, image, joined, micropython, uf2
from tools.layouts import BLOCK, LAYOUTS, Place
from tools.models import BOARDS, PICO


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


def flash_of(data, board, before=None):
    """The flash of a board that had `before` on it and has got a file, as a boot loader or esptool writes it."""
    there = bytearray(before or b"\xff" * LAYOUTS[board.name].stock.end)
    if board.family:
        sectors = set()
        for at, piece in uf2.read(data, board.family):
            if at // BLOCK not in sectors:  # the boot ROM erases it
                sectors.add(at // BLOCK)
                begin = at // BLOCK * BLOCK
                there[begin : begin + BLOCK] = b"\xff" * BLOCK
            there[at : at + len(piece)] = piece
    else:
        there[board.offset : board.offset + len(data)] = data
    return there


def files_on(there, place, board):
    """{path: bytes} on littlefs, as the port mounts it: with all its blocks, whatever is in them."""
    unit = 256 if board.family else 32
    fs = LittleFS(
        context=UserContext(buffer=bytearray(there[place.offset : place.end])),
        block_size=BLOCK,
        block_count=place.size // BLOCK,
        read_size=32,
        prog_size=unit,
        cache_size=4 * unit,
        lookahead_size=32,
        mount=False,
    )
    fs.mount()
    found = files_of(fs)
    # it can be written, too
    fs.makedirs("outbox")
    with fs.open("outbox/1", "wb") as opened:
        opened.write(b"x" * 50_000)
    return found


def older_node(board):
    """A flash with nonsense, and a folder of an older node's in each block of littlefs, of a late revision: wherever one is not written over, it counts."""
    layout = LAYOUTS[board.name]
    there = bytearray(os.urandom(layout.stock.end))
    unit = 256 if board.family else 32
    fs = LittleFS(
        context=UserContext(8 * BLOCK),
        block_size=BLOCK,
        block_count=8,
        read_size=32,
        prog_size=unit,
        cache_size=4 * unit,
        mount=False,
    )
    fs.format()
    fs.mount()
    for number in range(1000):
        with fs.open("old", "wb") as opened:
            opened.write(b"%d" % number * 25)
    fs.unmount()
    folder = max(fs.context.buffer[:BLOCK], fs.context.buffer[BLOCK : 2 * BLOCK])
    assert folder[0] > 8
    for place in {layout.stock, layout.littlefs}:
        there[place.offset : place.end] = folder * (place.size // BLOCK)
    return there


BOTH = [(board, own) for board in (PICO, *BOARDS.values()) for own in (False, True)]
NAMED = [f"{board.name}-{'own' if own else 'official'}" for board, own in BOTH]


@pytest.mark.parametrize(("board", "own"), BOTH, ids=NAMED)
def test_a_board_that_has_it_holds_outpost_and_nothing_else(board, own, file, small):
    alone = mp(board, own=own)
    path = file(alone, f"mp{board.suffix}")
    data, slot = joined.join(path, board, FILES, small)
    assert slot == ("rom0" if own else "slots/a")
    assert joined.join(path, board, FILES, small)[0] == data
    assert joined.version(data, board) == "9.9.9" and joined.version(alone, board) is None

    there = flash_of(data, board, older_node(board))
    expected = FILES | {"state/slot": json.dumps({"good": slot}).encode()}
    layout = LAYOUTS[board.name]
    if own:
        at = layout.romfs.offset
        assert there[at : at + len(small.data)] == small.data
    else:
        expected[slot] = small.data
    assert files_on(there, layout.littlefs if own else layout.stock, board) == expected
    before = flash_of(alone, board)
    end = before.rstrip(b"\xff")
    assert there[board.offset or 0 : len(end)] == end[board.offset or 0 :]
    # only as long as it has to be
    last = max(at for at, _ in uf2.read(data, board.family)) if board.family else len(data)
    place = layout.littlefs if own else layout.stock
    assert last + (board.offset or 0) < place.offset + 20 * BLOCK


@pytest.mark.slow
def test_esptool_writes_it_over_an_older_node(file, small, tmp_path, capsys):
    data, _ = joined.join(file(esp32(ESP32)), ESP32, FILES, small)
    path = file(data, "joined.bin")
    with EspRom(tmp_path, "ESP32") as rom:
        older = older_node(ESP32)
        rom.flash[: len(older)] = older
        words = ["flash", "--board", "esp32", "--port", rom.port, "--firmware", str(path)]
        assert main(words) == 0, capsys.readouterr()
    found = files_on(rom.flash, LAYOUTS["esp32"].stock, ESP32)
    assert found == FILES | {"state/slot": b'{"good": "slots/a"}', "slots/a": small.data}


def test_the_blocks_are_numbered_by_family(file, small):
    data, _ = joined.join(file(pico(PICO2_W)), PICO2_W, FILES, small)
    blocks = [struct.unpack_from("<8I", data, at) for at in range(0, len(data), 512)]
    assert (blocks[0][7], blocks[0][5:7]) == (ABSOLUTE, (0, 1))
    mine = [block for block in blocks if block[7] == PICO2_W.family]
    assert [block[5] for block in mine] == list(range(len(mine)))
    assert {block[6] for block in mine} == {len(mine)}
    addresses = [block[3] for block in mine]
    assert addresses == sorted({*addresses}) and not any(at % 256 for at in addresses)


def test_whole_sectors_are_written(file, small):
    """The boot ROM erases 4 KB: a sector that is half written has lost its other half."""
    data, _ = joined.join(file(pico(PICO_W)), PICO_W, FILES, small)
    pages = {at for at, _ in uf2.read(data, PICO_W.family) if at >= SIZE}
    assert pages == {at // BLOCK * BLOCK + page for at in pages for page in range(0, BLOCK, 256)}


LARGE = LAYOUTS["pico_w"].stock.offset
WRONG = {
    "another chip": (PICO_W, pico(PICO2_W), "is for RP2350"),
    "no radio": (PICO_W, pico(PICO_W).replace(b"CYW43", b"CYW00"), "has no Wi-Fi driver"),
    "a .bin": (PICO_W, esp32(ESP32), "is not a UF2"),
    "a UF2": (ESP32, pico(PICO_W), "is a UF2, for another kind of board"),
    "nonsense": (PICO_W, b"<html>" * 99999, "is no image of MicroPython"),
    "too old": (PICO_W, pico(PICO_W, says=SAYS.replace(b"28", b"24")), "Outpost needs 1.25"),
    "no MicroPython": (PICO_W, pico(PICO_W, says=b""), "does not say which MicroPython it is"),
    "no littlefs": (PICO_W, pico(PICO_W).replace(b"MP", b"XY"), "where its file system is"),
    "too large": (
        PICO_W,
        pico(PICO_W, size=LARGE + 256),
        "is too large: it ends at 0x12c100, and its file system begins at 0x12c000",
    ),
    "into its ROMFS": (
        PICO_W,
        pico(PICO_W, own=True, size=LAYOUTS["pico_w"].romfs.offset + 256),
        "is too large: it ends at 0xcc100",
    ),
    "no table": (ESP32, esp32(ESP32, places={}), "has no partition table at 0x8000"),
    "no vfs": (
        ESP32,
        esp32(ESP32, places={"factory": Place(0x10000, 0x1F0000)}),
        "has no partition `vfs`, but factory",
    ),
    "over vfs": (
        ESP32,
        esp32(ESP32, places={"vfs": Place(0x100000, 0x100000)}),
        "is too large: it ends at 0x187a00, and its file system begins at 0x100000",
    ),
    "another romfs": (
        ESP32,
        esp32(ESP32, places={"romfs": Place(0x200000, BLOCK), "vfs": Place(0x280000, 0x180000)}),
        "has a ROMFS of 4,096 bytes at 0x200000",
    ),
    "half a block": (
        ESP32,
        esp32(ESP32, places={"vfs": Place(0x200000, 0x1FF800)}),
        "is not whole blocks",
    ),
    "beyond all flash": (
        ESP32,
        esp32(ESP32, places={"vfs": Place(0x200000, 0xF0000000)}),
        "is not whole blocks of its flash",
    ),
    "a block beyond all flash": (
        PICO_W,
        pico(PICO_W) + uf2.write({0x0F000000: bytes(uf2.PAGE)}, PICO_W.family),
        "has a block for 0x1f000000, which is no page of flash",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_nothing_can_be_joined_to_is_refused(what, file, small):
    board, data, text = WRONG[what]
    with pytest.raises(CommandError, match=re.escape(text)) as error:
        joined.join(file(data), board, FILES, small)
    assert error.value.code == micropython.BAD_IMAGE
    assert "\n" not in str(error.value)


def test_an_image_that_does_not_fit(file):
    room = LAYOUTS["pico_w"].romfs.size
    path = file(pico(PICO_W, own=True))
    large = image.pack({"firmware/a.mpy": b"M\x06" + bytes(room // 2)}, "1")
    assert joined.join(path, PICO_W, FILES, large)[1] == "rom"
    large = image.pack({"firmware/a.mpy": b"M\x06" + bytes(room)}, "1")
    with pytest.raises(
        CommandError, match=f"and the ROMFS of pico_w {room:,}: .* official"
    ) as error:
        joined.join(path, PICO_W, FILES, large)
    assert error.value.code == micropython.BAD_IMAGE
    assert joined.join(file(pico(PICO_W)), PICO_W, FILES, large)[1] == "slots/a"
    tiny = Place(LAYOUTS["pico_w"].flash - 40 * BLOCK, 40 * BLOCK)
    with pytest.raises(CommandError, match="board that is too small"):
        joined.join(file(pico(PICO_W, littlefs=tiny)), PICO_W, FILES, large)


def test_what_is_joined_already(file, small):
    data, _ = joined.join(file(pico(PICO_W)), PICO_W, FILES, small)
    with pytest.raises(CommandError, match="has Outpost in it already"):
        joined.look(file(data), PICO_W)


def test_littlefs_lies_together():
    """Where it looks for free blocks first is by chance otherwise: a file for esptool would be as long as the flash."""
    files = {"a": bytes(100_000), "b/c": b"x" * 3000, "d": b""}
    made = filesystem.make(files, 512, 32)
    assert len(made) <= 36 * BLOCK
    with pytest.raises(ValueError, match="do not fit 81,920 bytes"):
        filesystem.make(files, 20, 32)
