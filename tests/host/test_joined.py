"""One file of MicroPython and Outpost: what is in it, that nothing of an older node is left, what is refused, and when `flash` takes it.

The MicroPythons here are made up: what a real one says of itself, at the places where it says it, and nothing that runs.
"""

import json
import os
import re
import struct

import pytest
from littlefs import LittleFS, UserContext

from tests.host.ptyhost import PtyBoard
from tools import CommandError, mpy
from tools.__main__ import main
from tools.boards import detect, flash
from tools.image import filesystem, image, joined, micropython, uf2
from tools.layouts import BLOCK, LAYOUTS, Place
from tools.models import BOARDS, PICO

SIZE = 300_032  # bytes of a Pico's MicroPython, whole pages
SAYS = b"\0003.4.0; MicroPython v1.28.0 on 2026-04-06\0"
FILES = {"boot.py": b"# boot\n" * 900, "main.py": b"# main\n" * 300}
ESP32S = [name for name in LAYOUTS if not name.startswith("pico")]
PICO_W, PICO2_W, ESP32 = BOARDS["pico_w"], BOARDS["pico2_w"], BOARDS["esp32"]
ABSOLUTE = 0xE48BFF57  # the family of an RP2350's first block, by its erratum E10


def pico(board, own=False, says=SAYS, size=SIZE, littlefs=None):
    """A MicroPython for a Pico as a UF2. own: with a ROMFS."""
    layout = LAYOUTS[board.name]
    place = littlefs or (layout.littlefs if own else layout.stock)
    data = bytearray(b"\x5a" * size)

    def put(at, *pieces):
        piece = b"".join(pieces)
        data[at : at + len(piece)] = piece

    put(0x4000, b"[CYW43] STALL(%u)\0", says, f"; Pico with {board.chip}\0".encode())
    # binary info: kind, tag, name, address, size
    put(0x8000, struct.pack("<H2sIII", 7, b"MP", 0x10001234, uf2.XIP + place.offset, place.size))
    kind = 0x10005678
    if own:
        put(0x9000, struct.pack("<III", kind, layout.romfs.offset, layout.romfs.size))
    put(0x900C, struct.pack("<III", kind, place.offset, place.size))
    made = uf2.write({0: bytes(data)}, board.family)
    if board.chip == "RP2350":
        made = uf2.write({0xFFFF00: b"\xef" * 256}, ABSOLUTE) + made
    return made


def table(places):
    entries = [
        struct.pack(
            "<2sBBII16sI", b"\xaa\x50", 1, 0x81, place.offset, place.size, name.encode(), 0
        )
        for name, place in places.items()
    ]
    return b"".join(entries) + b"\xeb\xeb".ljust(16, b"\xff") + bytes(16)


def esp32(board, own=False, places=None, says=SAYS, size=1_600_000):
    """A MicroPython for an ESP32 as a .bin. own: with a ROMFS; places: its partitions, if not those."""
    layout = LAYOUTS[board.name]
    if places is None:
        ours = {"romfs": layout.romfs, "vfs": layout.littlefs}
        places = {"nvs": Place(0x9000, 0x6000), "factory": layout.firmware}
        places |= ours if own else {"vfs": layout.stock}
    data = bytearray(b"\xff" * size)
    struct.pack_into("<BBBBIBBBBH", data, 0, 0xE9, 3, 2, 0x20, 1, 0xEE, 0, 0, 0, board.chip_id)
    at = 0x8000 - board.offset
    data[at : at + 0xC00] = table(places).ljust(0xC00, b"\xff") if places else b"\xff" * 0xC00
    text = says + f"\0Generic module with {board.chip}\0".encode()
    at = 0x12000 - board.offset
    data[at : at + len(text)] = text
    return bytes(data)


def mp(board, **options):
    return pico(board, **options) if board.family else esp32(board, **options)


@pytest.fixture(scope="module")
def small():
    return image.pack({"firmware/a.mpy": b"M\x06" + bytes(range(256)) * 40}, "9.9.9")


@pytest.fixture
def file(tmp_path):
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
    found = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder}/{name}".lstrip("/")
            with fs.open(path, "rb") as opened:
                found[path] = opened.read()
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
}


@pytest.mark.parametrize("what", WRONG)
def test_what_nothing_can_be_joined_to_is_refused(what, file, small):
    board, data, text = WRONG[what]
    with pytest.raises(CommandError, match=re.escape(text)) as error:
        joined.join(file(data), board, FILES, small)
    assert error.value.code == micropython.BAD_IMAGE
    assert "\n" not in str(error.value)


def test_an_image_that_does_not_fit(file):
    room = LAYOUTS["pico_w"].slot
    large = image.pack({"firmware/a.mpy": b"M\x06" + bytes(room)}, "1")
    path = file(pico(PICO_W, own=True))
    with pytest.raises(CommandError, match=f"and a slot of pico_w {room:,}: .* official") as error:
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


# ---- the commands


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
