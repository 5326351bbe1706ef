"""CRC-8 with the polynomial 0x31, bit 7 first: Sensirion and Aosong (init 0xFF), SHT2x, HTU21D and Si7021 (init 0)."""


def crc8(data, crc=0xFF):
    """Return the checksum; over data and its checksum it is 0."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x131 if crc & 0x80 else crc << 1) & 0xFF
    return crc
