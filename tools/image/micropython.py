"""A MicroPython image: is it one, and is it for this board? These checks run before anything is written.

Sources: esp_image_format.h of ESP-IDF (header of an image); the UF2 specification; RP2350 data sheet, erratum E10.
"""

import re
import struct

from tools import CommandError, unreadable
from tools.models import BOARDS, MICROPYTHON

BAD_IMAGE, NO_IMAGE = 7, 8  # exit codes

_SMALLEST = 200_000  # bytes; half a download, or an error page: MicroPython with Wi-Fi is larger
_UF2_BLOCK = 512
_UF2, _ESP = b"UF2\n", b"\xe9"  # what they begin with


def version(path):
    """MicroPython's version in the name of a release, as in RPI_PICO_W-20250415-v1.25.0.uf2; () if there is none."""
    found = re.search(r"v(\d+)\.(\d+)(?:\.(\d+))?", path.name)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


def read(path):
    """Return what is in a file, and refuse one that is an image for no board at all."""
    try:
        image = path.read_bytes()
    except OSError as e:
        raise CommandError(unreadable(path, e), NO_IMAGE) from None
    if image[:4] != _UF2 and image[:1] != _ESP:
        wrong = "is no image of MicroPython" if image else "is empty"
        raise CommandError(
            f"{path} {wrong}; give a .bin (ESP32 family) or a .uf2 (Pico) of micropython.org/download",
            BAD_IMAGE,
        )
    return image


def check(path, board):
    """Refuse a file that is not MicroPython for this board."""
    wrong = _fault(read(path), board)
    if path.suffix == ".app-bin":
        wrong = "is the application without boot loader, for updates over the air"
    if not wrong and () < version(path) < MICROPYTHON:
        wrong = f"is older than {'.'.join(map(str, MICROPYTHON))}, which Outpost needs"
    if wrong:
        raise CommandError(
            f"{path} {wrong}; BOARD={board.name} takes {board.release}",
            BAD_IMAGE,
        )


def _fault(image, board):
    """What is wrong with an image for a board, None if nothing is."""
    is_uf2 = image[:4] == _UF2
    if board.family and not is_uf2:
        return "is not a UF2"
    if not board.family and is_uf2:
        return "is a UF2, for another kind of board"
    if len(image) < _SMALLEST:
        return f"is too small ({len(image):,} bytes) to be MicroPython"
    return _uf2_fault(image, board) if is_uf2 else _esp_fault(image, board)


def _esp_fault(image, board):
    """An ESP32 image begins with the boot loader: 0xE9, segments, mode, size, entry (4), …, chip id at 12 (2)."""
    (chip_id,) = struct.unpack_from("<H", image, 12)
    if chip_id != board.chip_id:
        other = next(
            (model.chip for model in BOARDS.values() if model.chip_id == chip_id), "another chip"
        )
        return f"is for {other}"


def _uf2_fault(image, board):
    """Blocks of 512: two magics, flags, address, length of the data, number, count, family, data (476), magic."""
    families, payload = set(), bytearray()
    if len(image) % _UF2_BLOCK:
        return "is cut off"
    for at in range(0, len(image), _UF2_BLOCK):
        first, second, flags, _, length, _, _, family = struct.unpack_from("<8I", image, at)
        (last,) = struct.unpack_from("<I", image, at + _UF2_BLOCK - 4)
        if (first, second, last) != (0x0A324655, 0x9E5D5157, 0x0AB16F30) or length > 476:
            return f"is damaged at byte {at}"
        if flags & 0x2000:
            families.add(family)
        payload += image[at + 32 : at + 32 + length]
    # an RP2350 image may begin with a block of family "absolute" (erratum E10): one right family is enough
    if board.family not in families:
        other = next(
            (model.chip for model in BOARDS.values() if model.family in families), "another chip"
        )
        return f"is for {other}"
    if (
        board.radio and b"CYW43" not in payload.upper()
    ):  # the radio's driver names itself in its messages
        return "has no Wi-Fi driver: it is for a Pico without W"
