"""TYPES and QUANTITIES: what can be measured, and with what.

A new sensor is a driver in `lib/drivers/`, a row here and a test. `docs/sensors.md` is made from these tables
(`python -m tools sensors`); the node drops them once its sensors are loaded, help texts and all.

A row of TYPES: `driver, bus, settings, quantities`. driver: "module.Class" in `lib/drivers`. bus: what Board gives it
(see `open_bus`). settings: rows as in `firmware/settings.py`; those that are not the bus's are handed to the class by
name. quantities: in the order of what `read()` returns; where they depend on a setting, `(setting, {value: quantities})`.

A row of QUANTITIES: `unit, device class, decimals`. unit: empty for a yes or no, None if a setting of the sensor
says it. device class: Home Assistant's, or None. decimals: as many as the sensor can tell apart.
"""

_I2C = (
    ("sda", "pin", ..., "sda", "data pin"),
    ("scl", "pin", ..., "scl", "clock pin"),
    ("freq", "int", 100000, (10000, 400000), "Hz; lower for long wires"),
)

_BME280 = (("address", "choice", "0x76", ("0x76", "0x77"), "0x77 if SDO is wired high"),) + _I2C

_DIVIDER = (
    ("pin", "pin", ..., "adc", "pin in the middle of the divider"),
    ("r1", "number", 0, (0, 100000000), "resistor from the voltage to the pin; 0: none"),
    (
        "r2",
        "number",
        1,
        (0.001, 100000000),
        "resistor from the pin to ground, in the same unit as r1",
    ),
)

_PULL = (
    "pull",
    "choice",
    "up",
    ("up", "down", None),
    "the pin's own resistor; down if it switches 3.3 V",
)

TYPES = {
    "bme280": ("bme280.BME280", "i2c", _BME280, ("temperature", "humidity", "pressure")),
    "bmp280": ("bme280.BMP280", "i2c", _BME280, ("temperature", "pressure")),
    "ds18b20": (
        "ds18b20.DS18B20",
        "onewire",
        (
            (
                "pin",
                "pin",
                ...,
                "onewire",
                "data pin, 4.7 kΩ to 3.3 V; several sensors may share it",
            ),
            ("address", "rom", "", None, "16 hexadecimal digits; empty: the only one on the wire"),
            ("interval_s", "number", 60, (1, 86400), "time from one reading to the next"),
        ),
        ("temperature",),
    ),
    "dht22": (
        "dht22.DHT22",
        "dht",
        (
            ("pin", "pin", ..., "output", "data pin, 4.7 to 10 kΩ to 3.3 V"),
            ("interval_s", "number", 60, (3, 86400), "time from one reading to the next"),
        ),
        ("temperature", "humidity"),
    ),
    "adc": ("analog.Voltage", "adc", _DIVIDER, ("voltage",)),
    "battery": ("analog.Battery", "adc", _DIVIDER, ("voltage", "battery")),
    "input": (
        "input.Input",
        "input",
        (
            ("pin", "pin", ..., "input", "pin of the contact or of the PIR sensor's output"),
            (
                "kind",
                "choice",
                "button",
                ("button", "reed", "contact", "pir"),
                "what is there; names the quantity",
            ),
            _PULL,
            ("invert", "bool", False, None, "report the opposite"),
            ("debounce_ms", "int", 30, (0, 5000), "changes this soon after one are bounce"),
            (
                "warmup_s",
                "int",
                None,
                (0, 600),
                "nothing is reported so long; left out: 60 for a PIR sensor, else 0",
            ),
            (
                "interval_s",
                "number",
                60,
                (1, 86400),
                "reported on every change and this often besides",
            ),
        ),
        (
            "kind",
            {
                "button": ("pressed",),
                "reed": ("open",),
                "contact": ("closed",),
                "pir": ("motion",),
            },
        ),
    ),
    "pulse": (
        "pulse.Pulse",
        "input",
        (
            ("pin", "pin", ..., "input", "pin of the contact"),
            _PULL,
            (
                "debounce_ms",
                "int",
                50,
                (0, 1000),
                "longer than a contact stays closed, bounce and all; 0: an electronic output",
            ),
            (
                "per_pulse",
                "number",
                1,
                (0.000001, 1000000),
                "what one pulse stands for, as 0.2794 (mm of rain)",
            ),
            (
                "unit",
                "choice",
                "1/min",
                ("1/s", "1/min", "1/h", "mm/h", "m/s", "km/h", "L/min", "L/h", "W"),
                "of the rate; says what per_pulse counts (W: Wh)",
            ),
            (
                "interval_s",
                "number",
                60,
                (1, 86400),
                "time from one reading to the next, over which the rate is taken",
            ),
        ),
        ("count", "rate"),
    ),
}

QUANTITIES = {
    "battery": ("%", "battery", 0),
    "closed": ("", None, 0),
    "count": (None, None, 0),
    "humidity": ("%", "humidity", 1),
    "motion": ("", "motion", 0),
    "open": ("", "opening", 0),
    "pressed": ("", None, 0),
    "pressure": ("hPa", "atmospheric_pressure", 2),
    "rate": (None, None, 3),
    "temperature": ("°C", "temperature", 2),
    "voltage": ("V", "voltage", 3),
}
