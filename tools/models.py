"""BOARDS: the boards Outpost runs on, as the host sees them. One row a board model (the names are those of firmware/hardware/pins.py).

Offsets: `flash_offset` in MicroPython's ports/esp32/boards/*/board.json. Chip ids: esp_image_format.h of ESP-IDF.
UF2 families: uf2families.json of the UF2 specification.
"""

from dataclasses import dataclass

MICROPYTHON = (1, 25)  # the oldest that will do


@dataclass(frozen=True)
class Model:
    name: str
    build: str  # MicroPython's board id, for the download
    chip: str  # as sys.implementation._machine ends, "… with ESP32S3"
    offset: int | None = None  # ESP32 family: where the image goes
    chip_id: int | None = None  # ESP32 family: in the image's header
    family: int | None = None  # Pico: in each block of the UF2
    drive: str = ""  # Pico: what INFO_UF2.TXT of its boot loader calls it
    title: str = ""  # Pico: as people call it
    radio: bool = True

    @property
    def suffix(self) -> str:
        return ".uf2" if self.family else ".bin"

    @property
    def release(self) -> str:
        """How MicroPython's downloads for it are called."""
        return f"{self.build}-<date>-v<version>{self.suffix}"


BOARDS = {
    model.name: model
    for model in (
        Model("esp32", "ESP32_GENERIC", "ESP32", offset=0x1000, chip_id=0),
        Model("esp32s2", "ESP32_GENERIC_S2", "ESP32S2", offset=0x1000, chip_id=2),
        Model("esp32s3", "ESP32_GENERIC_S3", "ESP32S3", offset=0, chip_id=9),
        Model("esp32c3", "ESP32_GENERIC_C3", "ESP32C3", offset=0, chip_id=5),
        Model("esp32c6", "ESP32_GENERIC_C6", "ESP32C6", offset=0, chip_id=13),
        Model(
            "pico_w", "RPI_PICO_W", "RP2040", family=0xE48BFF56, drive="RPI-RP2", title="Pico W"
        ),
        Model(
            "pico2_w", "RPI_PICO2_W", "RP2350", family=0xE48BFF59, drive="RP2350", title="Pico 2 W"
        ),
    )
}


# What `make board` emulates. No row of BOARDS: a Pico on a table has no Wi-Fi.
PICO = Model("pico", "RPI_PICO", "RP2040", family=0xE48BFF56, drive="RPI-RP2", radio=False)

CHIPS = ", ".join(model.chip for model in BOARDS.values())

# Chips that run MicroPython and have no Wi-Fi that it could use.
_NO_WIFI = ("ESP32H2", "ESP32H21", "ESP32H4", "ESP32P4")


def unknown_chip(chip: str) -> str:
    """What to say of a chip that is not in the table, as sys.implementation._machine or esptool name it."""
    chip = chip.upper().replace("-", "")
    without = " and has no Wi-Fi of its own" if chip in _NO_WIFI else ""
    return f"the board's chip is {chip}, which Outpost does not know{without}; it runs on {CHIPS}"


def model_of(machine: str) -> str | None:
    """Name of the model whose sys.implementation._machine this is, None if it is not in the table."""
    chip = machine.rpartition(" with ")[2]
    return next((model.name for model in BOARDS.values() if model.chip == chip), None)
