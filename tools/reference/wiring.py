"""How a sensor is wired, as text: on an ESP32 and on a Pico W."""

from tools import pins

BOARDS = ("esp32", "pico_w")
NAMES = {"esp32": "ESP32", "pico_w": "Pico W"}


def picture(name, bus, rows):
    """Return the text picture for a type on its bus. rows: its own settings."""
    entries = [pins.usual(board, name, bus) for board in BOARDS]

    def at(key):
        return tuple(
            f"{label}{pin[key]}" for label, pin in zip(("GPIO", "GP"), entries, strict=True)
        )

    lines = _BUSES[bus](at, {row[0] for row in rows})
    if name in _FED_OTHERWISE:
        lines = lines[1:]
    width = max(len(text) for text, *ends in lines if ends) + 4
    drawn = [" " * (width + 1) + f"{NAMES['esp32']:<10}{NAMES['pico_w']}"]
    for text, *ends in lines:
        if ends:
            wire = text if text.endswith("-") else text + " "
            drawn.append(f"{wire.ljust(width, '-')} {ends[0]:<10}{ends[1]}")
        else:
            drawn.append(text)
    return "\n".join(drawn)


_FED_OTHERWISE = ("max17048",)  # by what it measures

_GROUND = ("GND", "GND")
_3V3 = ("3V3", "3V3")
_5V = ("5V (VIN)", "VBUS")


# A line is a text and where it ends on either board; a text alone ends nowhere.


def _i2c(at, _):
    return [("VCC", *_3V3), ("SDA", *at("sda")), ("SCL", *at("scl")), ("GND", *_GROUND)]


def _pulled_up(at, _):
    return [
        ("supply ---+-", *_3V3),
        ("        4.7 kΩ",),
        ("data -----+-", *at("pin")),
        ("ground", *_GROUND),
    ]


def _adc(at, settings):
    for setting, above, below in (
        ("r1", "voltage --- r1", "r2"),
        ("series_ohm", "3V3 --- series_ohm", "thermistor"),
    ):
        if setting in settings:
            return [
                (f"{above} ---+-", *at("pin")),
                (" " * (len(above) + 4) + f"{below}, and 100 nF beside it",),
                ("GND ".ljust(len(above) + 4, "-") + "+-", *_GROUND),
            ]
    return [("VCC", *_3V3), ("AOUT", *at("pin")), ("GND", *_GROUND)]


def _input(at, _):
    return [("contact, one end", *at("pin")), ("contact, other end", *_GROUND)]


def _uart(at, _):
    return [("VCC", *_5V), ("RX", *at("tx")), ("TX", *at("rx")), ("GND", *_GROUND)]


def _echo(at, _):
    return [
        ("VCC", *_5V),
        ("TRIG", *at("trigger")),
        ("ECHO --- 1 kΩ ---+-", *at("echo")),
        ("               2 kΩ",),
        ("GND -------------+-", *_GROUND),
    ]


_BUSES = {
    "i2c": _i2c,
    "onewire": _pulled_up,
    "dht": _pulled_up,
    "adc": _adc,
    "input": _input,
    "uart": _uart,
    "echo": _echo,
}
