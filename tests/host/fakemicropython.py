"""MicroPythons that are made up: what a real one says of itself, at the places where it says it, and nothing that runs."""

import struct

from tools.image import image, uf2
from tools.layouts import LAYOUTS, Place
from tools.models import BOARDS

SIZE = 300_032  # bytes of a Pico's MicroPython, whole pages
SAYS = b"\0003.4.0; MicroPython v1.28.0 on 2026-04-06\0"
FILES = {"boot.py": b"# boot\n" * 900, "main.py": b"# main\n" * 300}
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


def small_image():
    return image.pack({"firmware/a.mpy": b"M\x06" + bytes(range(256)) * 40}, "9.9.9")
