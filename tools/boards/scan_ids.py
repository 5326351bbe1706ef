"""What chips say of themselves, by which `scan` tells them apart.

Which types can be at an address stands in `firmware/sensors/types.py`; a type that is in no row here is taken for what is
there. The order is that of the questions: what one chip is asked for may be a command to another, so those come first
that no other heeds. Sources: the data sheets, as in the drivers.
"""


def register(number, size):
    return bytes((number,)), None, size


def command(digits, wait_ms, size):
    return bytes.fromhex(digits), wait_ms, size


def one_of(*words):
    """The proof is a number among these, most significant byte first."""
    return lambda data: int.from_bytes(data, "big") in words


def crc8(data, crc=0xFF):
    """CRC-8 of polynomial 0x31, as Sensirion's chips make it."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x31 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def _words(data):
    """Sensirion: two bytes and their CRC, repeated."""
    return all(crc8(data[at : at + 2]) == data[at + 2] for at in range(0, len(data), 3))


def _clock(data):
    """DS3231: it is a time, and the bits that are always 0 are."""
    return (
        all(byte & 15 < 10 for byte in data[:7])
        and data[0] < 0x60
        and data[1] < 0x60
        and 1 <= data[3] <= 7
        and data[0x0F] & 0x70 == 0
        and data[0x12] & 0x3F == 0
    )


_BOSCH = register(0xD0, 1)
_MAKER, _DIE = register(0xFE, 2), register(0xFF, 2)

# If the proof fails: it is not that one, or it may be all the same.
NOT, PERHAPS = False, True

# type, or the name of a chip that has no driver; (question, proof), …; what it means if a proof fails
IDS = (
    ("bme280", ((_BOSCH, one_of(0x60)),), NOT),
    ("bmp280", ((_BOSCH, one_of(0x58, 0x57, 0x56)),), NOT),
    ("bme680", ((_BOSCH, one_of(0x61)),), NOT),
    ("bmp180", ((_BOSCH, one_of(0x55)),), NOT),
    ("BMP388", ((register(0x00, 1), one_of(0x50, 0x60)),), NOT),
    ("ltr390", ((register(0x06, 1), lambda data: data[0] >> 4 == 0xB),), NOT),
    ("ADXL345", ((register(0x00, 1), one_of(0xE5)),), NOT),
    ("ENS160", ((register(0x00, 2), one_of(0x6001)),), NOT),
    ("veml7700", ((register(0x07, 2), lambda data: data[0] == 0x81),), NOT),
    ("VEML6075", ((register(0x0C, 2), one_of(0x2600)),), NOT),
    (
        "mcp9808",
        ((register(0x06, 2), one_of(0x0054)), (register(0x07, 2), lambda data: data[0] == 0x04)),
        NOT,
    ),
    ("LIS3DH", ((register(0x0F, 1), one_of(0x33)),), NOT),
    ("max17048", ((register(0x08, 2), lambda data: data[0] == 0 and data[1] >> 4 == 1),), NOT),
    ("MPU6050", ((register(0x75, 1), one_of(0x68, 0x70, 0x71, 0x72, 0x98)),), NOT),
    ("ds3231", ((register(0x00, 19), _clock),), NOT),
    ("scd4x", ((command("e4b8", 2, 3), _words),), NOT),
    ("sht3x", ((command("3780", 5, 6), _words),), NOT),
    ("sht4x", ((command("89", 10, 6), _words),), NOT),
    (
        "shtc3",
        (
            (
                command("efc8", 1, 3),
                lambda data: _words(data) and data[0] & 8 and data[1] & 63 == 7,
            ),
        ),
        NOT,
    ),
    # A measurement of Si7021, HTU21D and SHT2x alike, with a CRC of which the beginning is 0.
    ("si7021", ((command("f3", 90, 3), lambda data: any(data) and crc8(data, 0) == 0),), NOT),
    # Only read: a write would switch the outputs of a PCF8574A. The last measurement's CRC, which an AHT10 has not.
    ("aht20", ((command("", 0, 7), lambda data: data[0] & 8 and crc8(data) == 0),), PERHAPS),
    ("aht10", ((command("", 0, 1), lambda data: data[0] & 0x78 == 8),), PERHAPS),
    ("tmp117", ((register(0x0F, 2), lambda data: data[0] & 15 == 1 and data[1] == 0x17),), NOT),
    # The limits of the comparator, which nobody sets.
    ("ads1115", ((register(2, 2), one_of(0x8000)), (register(3, 2), one_of(0x7FFF))), PERHAPS),
    ("LM75", ((register(2, 2), one_of(0x4B00)), (register(3, 2), one_of(0x5000))), NOT),
    ("ina226", ((_MAKER, one_of(0x5449)), (_DIE, one_of(0x2260))), NOT),
    ("HDC1080", ((_MAKER, one_of(0x5449)), (_DIE, one_of(0x1050))), NOT),
    # It has no id; this is its configuration until somebody sets it.
    ("ina219", ((register(0, 2), one_of(0x399F)),), PERHAPS),
)

# Chips of IDS that have no driver: where they may be.
STRANGERS = {
    "ADXL345": (0x53,),
    "BMP388": (0x76, 0x77),
    "ENS160": (0x52, 0x53),
    "HDC1080": (0x40,),
    "LIS3DH": (0x18, 0x19),
    "LM75": tuple(range(0x48, 0x50)),
    "MPU6050": (0x68, 0x69),
    "VEML6075": (0x10,),
}

# What else is often there and cannot be told by asking: first and last address, what it may be.
OFTEN = (
    (0x0D, 0x0D, "QMC5883L"),
    (0x1E, 0x1E, "HMC5883L"),
    (0x20, 0x27, "PCF8574 or MCP23017 (outputs, text displays)"),
    (0x29, 0x29, "VL53L0X or TSL2591"),
    (0x38, 0x3B, "PCF8574A (outputs)"),
    (0x3C, 0x3D, "an OLED display"),
    (0x3E, 0x3F, "PCF8574A (outputs, text displays)"),
    (0x50, 0x57, "an EEPROM"),
    (0x58, 0x58, "SGP30"),
    (0x59, 0x59, "SGP40"),
    (0x5A, 0x5A, "CCS811 or MLX90614"),
    (0x5B, 0x5B, "CCS811"),
    (0x61, 0x61, "SCD30"),
    (0x68, 0x68, "another clock (DS1307, PCF8523)"),
    (0x70, 0x70, "TCA9548A or HT16K33 (displays)"),
)

# 1-Wire: first byte of the ROM: the chip, and its type if it has a driver
FAMILIES = {
    0x28: ("DS18B20", "ds18b20"),
    0x22: ("DS1822", "ds18b20"),
    0x10: ("DS18S20", "ds18b20"),
    0x3B: ("DS1825 or MAX31850", "ds18b20"),
    0x26: ("DS2438", None),
    0x3A: ("DS2413", None),
    0x01: ("DS2401", None),
}


def identify(candidates, address, ask):
    """Return (names in question, the first the likeliest; True if it is proved; True if it has a driver).

    candidates: types that can be at this address; ask(question) → bytes, or None if there was no answer.
    """
    left = list(candidates)
    for name, tests, otherwise in IDS:
        if name in left or address in STRANGERS.get(name, ()):
            if all((data := ask(question)) and proof(data) for question, proof in tests):
                return [name], True, name in left
            if name in left and not otherwise:
                left.remove(name)
    if left:
        order = [row[0] for row in IDS]
        left.sort(key=lambda name: order.index(name) if name in order else -1)
        return left, False, True
    return [text for first, last, text in OFTEN if first <= address <= last], False, False


def family(rom):
    """Return (the chip's name, its type or None) of a ROM's hex digits."""
    code = int(rom[:2], 16)
    return FAMILIES.get(code, (f"family 0x{code:02x}", None))


def rom_is_sound(rom):
    """Is the checksum right? Eight zero bytes have the right one, and are a line held low."""
    crc = 0
    for byte in bytes.fromhex(rom):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc == 0 and any(bytes.fromhex(rom))
