"""Other names of the sensor types: what is printed on a chip or in a shop, and works by one of TYPES.

Imported when a type is not known, and let go of with the other checks.
"""

SYNONYMS = {
    "ads1015": "ads1115",
    "aht21": "aht20",
    "aht25": "aht20",
    "am2301": "dht22",
    "am2301b": "aht20",
    "am2302": "dht22",
    "bme688": "bme680",
    "bmp085": "bmp180",
    "dht20": "aht20",
    "dht21": "dht22",
    "ds1820": "ds18b20",
    "ds1822": "ds18b20",
    "ds1825": "ds18b20",
    "ds18s20": "ds18b20",
    "htu21d": "si7021",
    "mhz19b": "mhz19",
    "mhz19c": "mhz19",
    "pms7003": "pms5003",
    "pmsa003": "pms5003",
    "scd40": "scd4x",
    "scd41": "scd4x",
    "sht20": "si7021",
    "sht21": "si7021",
    "sht25": "si7021",
    "sht30": "sht3x",
    "sht31": "sht3x",
    "sht35": "sht3x",
    "sht40": "sht4x",
    "sht41": "sht4x",
    "sht45": "sht4x",
}
_DIGITS = "0123456789"


def every(types):
    """Return all names that are taken for one of these types."""
    return sorted(list(types) + [name for name in SYNONYMS if SYNONYMS[name] in types])


def nearest(name, types):
    """Return the type that was probably meant, or None.

    A digit makes another chip of a name (bmp280 and bmp388, bme680 and bme690), so no digit is taken for another one:
    small letters for large ones, signs between, one character too much or too few, a wrong letter, two exchanged (but am2320
    is not am2302, and dht12 not dht21).
    """
    name = "".join([c for c in name.lower() if c not in "-_ /"])
    known = sorted(types) + sorted(SYNONYMS)
    if name in known:
        return name
    near = [candidate for candidate in known if _one_apart(name, candidate)]
    near += [kind for kind in types if _exchanged(name, kind)]
    meant = {SYNONYMS.get(candidate, candidate) for candidate in near}
    if len(meant) != 1:
        return None
    return near[0] if len(near) == 1 else meant.pop()


def _one_apart(a, b):
    if len(a) < len(b):
        a, b = b, a
    i = 0
    while i < len(b) and a[i] == b[i]:
        i += 1
    if len(a) > len(b):
        return a[i + 1 :] == b[i:]
    return a[i + 1 :] == b[i + 1 :] and a[i] not in _DIGITS and b[i] not in _DIGITS


def _exchanged(a, b):
    return len(a) == len(b) and any(
        a[:i] + a[i + 1 : i + 2] + a[i : i + 1] + a[i + 2 :] == b for i in range(len(a) - 1)
    )
