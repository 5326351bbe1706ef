"""PINS: which pins each board has, and what a sensor can do with them.

Written like the data sheets do, as ranges. `input` pins can be read and raise interrupts, `output`
pins can also be driven (I2C, 1-Wire and DHT need that), `pull` pins have a pull resistor inside,
`adc` pins measure a voltage while Wi-Fi is on. `why` says why the others are not there; the first
range that holds a pin counts. `uarts`: serial ports beside the console, 2 where it is not said.

Sources: ESP-IDF programming guide, GPIO summary of each chip; data sheets, strapping pins;
ESP32 errata 3.11; Pico W and Pico 2 W data sheets, section 2 (pins of the wireless chip).
"""

_ADC2 = "is on ADC2, which does not work while Wi-Fi is on"
_FLASH = "is wired to the flash chip"
_CONSOLE = "is the serial console"
_USB = "is the USB port"
_INPUT = "can only be read, not driven"
_RADIO = "is wired to the radio"

_PICO = {
    "input": "0-22 26-28",
    "output": "0-22 26-28",
    "pull": "0-22 26-28",
    "adc": "26-28",
    "why": (("23-25 29", _RADIO), ("0-22", "has no ADC")),
}

PINS = {
    "esp32": {
        "input": "0 2 4-5 13-19 21-23 25-27 32-35 37-38",
        "output": "0 2 4-5 13-19 21-23 25-27 32-33",
        "pull": "0 2 4-5 13-19 21-23 25-27 32-33",
        "adc": "32-39",
        "why": (
            ("6-11", _FLASH),
            ("1 3", _CONSOLE),
            ("12", "decides the flash voltage at power-on: pulled up, the chip does not start"),
            ("36 39", "sees false edges while Wi-Fi or the ADC is in use, and cannot be driven"),
            ("34-35 37-38", _INPUT),
            ("0 2 4 13-15 25-27", _ADC2),
            ("5 16-19 21-23", "has no ADC"),
        ),
    },
    "esp32s2": {
        "input": "0-18 21 33-42 46",
        "output": "0-18 21 33-42",
        "pull": "0-18 21 33-42",
        "adc": "1-10",
        "uarts": 1,
        "why": (
            ("26-32", _FLASH),
            ("43-44", _CONSOLE),
            ("19-20", _USB),
            ("45", "decides the flash voltage at power-on: pulled up, the chip does not start"),
            ("46", _INPUT),
            ("11-18", _ADC2),
            ("0 21 33-42", "has no ADC"),
        ),
    },
    "esp32s3": {
        "input": "0-18 21 33-34 38-42 46-48",
        "output": "0-18 21 33-34 38-42 46-48",
        "pull": "0-18 21 33-34 38-42 46-48",
        "adc": "1-10",
        "why": (
            ("26-32", _FLASH),
            ("35-37", "is wired to the PSRAM of many modules"),
            ("43-44", _CONSOLE),
            ("19-20", _USB),
            ("45", "decides the flash voltage at power-on: pulled up, the chip does not start"),
            ("11-18", _ADC2),
            ("0 21 33-34 38-42 46-48", "has no ADC"),
        ),
    },
    "esp32c3": {
        "input": "0-10",
        "output": "0-10",
        "pull": "0-10",
        "adc": "0-4",
        "uarts": 1,
        "why": (
            ("11-17", _FLASH),
            ("18-19", _USB),
            ("20-21", _CONSOLE),
            ("5", _ADC2),
            ("6-10", "has no ADC"),
        ),
    },
    "esp32c6": {
        "input": "0-11 14-15 18-23",
        "output": "0-11 14-15 18-23",
        "pull": "0-11 14-15 18-23",
        "adc": "0-6",
        "uarts": 1,
        "why": (
            ("24-30", _FLASH),
            ("12-13", _USB),
            ("16-17", _CONSOLE),
            ("7-11 14-15 18-23", "has no ADC"),
        ),
    },
    "pico_w": _PICO,
    "pico2_w": _PICO,
}
