"""LAYOUTS: how Outpost's own MicroPython divides a board's flash. One row a board definition of `boards/`, which a test compares with it.

The ROMFS has two slots, one half each: what runs lies in one of them and is executed there, the other takes the next version. An image that
is larger than a slot takes the whole ROMFS, and the version before is a file on littlefs meanwhile (tools/boards/slots.py).

Source of the rows: MicroPython's ports/rp2/rp2_flash.c puts littlefs at the end of the flash and the ROMFS below it; its
ports/esp32/partitions-4MiB.csv is what `boards/common/partitions-4MiB.csv` changes. `stock` is littlefs under an official image.
"""

from dataclasses import dataclass, replace

KB = 1024
BLOCK = 4 * KB  # of flash: what can be erased, and what littlefs gives a file


@dataclass(frozen=True)
class Place:
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


@dataclass(frozen=True)
class Layout:
    flash: int
    firmware: Place  # the most that MicroPython may have
    romfs: Place
    littlefs: Place
    stock: Place

    @property
    def slot(self) -> int:
        """Bytes of one of the two slots."""
        return self.romfs.size // 2

    @property
    def keeps_files(self) -> bool:
        """True if what an official image has on littlefs is still there under ours."""
        return self.littlefs == self.stock


_ESP32 = Layout(
    flash=4096 * KB,
    firmware=Place(0x010000, 0x1F0000),
    romfs=Place(0x200000, 512 * KB),
    littlefs=Place(0x280000, 1536 * KB),
    stock=Place(0x200000, 2048 * KB),
)

LAYOUTS = {
    "pico": Layout(
        flash=2048 * KB,
        firmware=Place(0, 512 * KB),
        romfs=Place(0x080000, 512 * KB),
        littlefs=Place(0x100000, 1024 * KB),
        stock=Place(0x0A0000, 1408 * KB),
    ),
    "pico_w": Layout(
        flash=2048 * KB,
        firmware=Place(0, 816 * KB),  # 749 KB with MicroPython 1.25
        romfs=Place(0x0CC000, 384 * KB),
        littlefs=Place(0x12C000, 848 * KB),
        stock=Place(0x12C000, 848 * KB),
    ),
    "pico2_w": Layout(
        flash=4096 * KB,
        firmware=Place(0, 1024 * KB),
        romfs=Place(0x100000, 512 * KB),
        littlefs=Place(0x180000, 2560 * KB),
        stock=Place(0x180000, 2560 * KB),
    ),
    "esp32": _ESP32,
    "esp32s2": _ESP32,
    # official images for it are for 8 MB, of which ours uses 4
    "esp32s3": replace(_ESP32, stock=Place(0x200000, 6144 * KB)),
    "esp32c3": _ESP32,
    "esp32c6": _ESP32,
}
