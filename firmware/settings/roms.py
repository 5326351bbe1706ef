"""Addresses of 1-Wire chips, in the forms other programs print them in. This one's: 8 bytes as on the wire, family first.

Imported for a sensor that has one, and let go of with the other checks.
"""

_HEX = "0123456789abcdefABCDEF"
_FAMILIES = (0x28, 0x10, 0x22, 0x3B)  # as in lib/drivers/ds18b20.py
_OTHERS = {0x26: "DS2438", 0x29: "DS2408", 0x3A: "DS2413", 0x42: "DS28EA00"}


def wrong(text):
    """Return what is wrong with an address, with the right form if it can be known, or None."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    digits = "".join([c for c in digits if c not in "-:. "])
    if not digits or any(c not in _HEX for c in digits):
        return "is no 1-Wire address"
    if len(digits) == 16:
        rom = bytes.fromhex(digits)
        back = bytes(reversed(rom))  # one number, as ESPHome has it
        if _crc8(rom) and _crc8(back):
            return "has a wrong checksum: a digit is not right"
        if _crc8(rom) == 0 and (rom[0] in _FAMILIES or back[0] not in _FAMILIES or _crc8(back)):
            if digits != text and not _family(rom):
                return "has more than its digits in it: it is " + rom.hex()
            return _family(rom)
        return _family(back) or "is in ESPHome's order: it is " + back.hex()
    if len(digits) == 14:
        linux = _whole(digits[:2] + _reversed(digits[2:]).hex())
        owfs = _whole(digits)
        if text[2] == "-":  # 28-0316a2795aff
            return _family(linux) or "is in Linux's form: it is " + linux.hex()
        if text[2] == ".":  # 28.ff95a2160300, in the order of the wire
            return _family(owfs) or "is in owfs's form: it is " + owfs.hex()
        forms = "%s (Linux's form) or %s (owfs's)" % (linux.hex(), owfs.hex())
        return _family(owfs) or "lacks two digits: it may be " + forms
    if len(digits) == 12:
        tasmota = _whole("28" + _reversed(digits).hex())
        return "lacks family and checksum: it may be %s (Tasmota's form)" % tasmota.hex()
    return "is no 1-Wire address"


def _whole(digits):
    rom = bytes.fromhex(digits)
    return rom + bytes((_crc8(rom),))


def _reversed(digits):
    return bytes(reversed(bytes.fromhex(digits)))


def _family(rom):
    if rom[0] in _FAMILIES:
        return None
    is_a = " (a %s)" % _OTHERS[rom[0]] if rom[0] in _OTHERS else ""
    these = ", ".join(["%02x" % family for family in _FAMILIES])
    return "is of a chip of family %02x%s, where a DS18B20 or its like has %s" % (
        rom[0],
        is_a,
        these,
    )


def _crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc
