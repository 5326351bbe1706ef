"""TYPES and QUANTITIES: what can be measured, and with what.

A new sensor is a driver in `lib/drivers/`, a row here and a test. `docs/sensors.md` is made from these tables
(`python -m tools.sensor_reference`); the node drops them once its sensors are loaded, help texts and all.

A row of TYPES: `driver, bus, settings, quantities`. driver: "module.Class" in `lib/drivers`. bus: what it is
wired to, a method of Board. settings: rows as in `firmware/settings.py`; the bus takes the pins, the class the others,
by name. quantities: in the order of what `read()` returns; `(setting, {value: quantities})` if a setting decides.

A row of QUANTITIES: `unit, device class, decimals`. unit: empty for a yes or no, None if a setting of the sensor
says it. device class: Home Assistant's, or None. decimals: as many as the sensor can tell apart.
"""

_I2C = (
    ("sda", "pin", ..., "sda", "data pin"),
    ("scl", "pin", ..., "scl", "clock pin"),
    ("freq", "int", 100000, (10000, 400000), "Hz; lower for long wires"),
)

_BME280 = _I2C + (
    ("address", "choice", "0x76", ("0x76", "0x77"), "0x77 if SDO is wired to 3.3 V"),
)

_DS18B20 = (
    ("pin", "pin", ..., "onewire", "data pin, 4.7 kΩ to 3.3 V; several sensors may share it"),
    ("address", "rom", "", None, "16 hexadecimal digits; empty: the only one on the wire"),
    ("interval_s", "number", 60, (1, 86400), "time from one reading to the next"),
)

_DHT22 = (
    ("pin", "pin", ..., "output", "data pin, 4.7 to 10 kΩ to 3.3 V"),
    ("interval_s", "number", 60, (3, 86400), "time from one reading to the next"),
)

_ADC = (
    ("pin", "pin", ..., "adc", "pin, in the middle of the divider if there is one"),
    ("r1", "number", 0, (0, 100000000), "resistor from the voltage to the pin; 0: none"),
    ("r2", "number", 1, (0.001, 100000000), "resistor from the pin to ground, in the unit of r1"),
)

_PULL = ("pull", "choice", "up", ("up", "down", None), "resistor inside; down: it switches 3.3 V")

_KINDS = ("button", "reed", "contact", "pir")

_INPUT = (
    ("pin", "pin", ..., "input", "pin of the contact, or of the PIR sensor's output"),
    ("kind", "choice", "button", _KINDS, "what is there; names the quantity"),
    _PULL,
    ("invert", "bool", False, None, "report the opposite"),
    ("debounce_ms", "int", 30, (0, 5000), "changes this soon after one are bounce"),
    ("warmup_s", "int", None, (0, 600), "nothing is reported so long; left out: PIR 60, else 0"),
    ("interval_s", "number", 60, (1, 86400), "reported on every change, and this often besides"),
)

_SAYS = {"button": ("pressed",), "reed": ("open",), "contact": ("closed",), "pir": ("motion",)}

_UNITS = ("1/s", "1/min", "1/h", "mm/h", "m/s", "km/h", "L/min", "L/h", "W")

_PULSE = (
    ("pin", "pin", ..., "input", "pin of the contact"),
    _PULL,
    ("debounce_ms", "int", 50, (0, 1000), "longer than the contact is closed; 0: no contact"),
    ("per_pulse", "number", 1, (0.000001, 1000000), "what a pulse is, as 0.2794 (mm of rain)"),
    ("unit", "choice", "1/min", _UNITS, "of the rate; says what per_pulse counts (W: Wh)"),
    (
        "interval_s",
        "number",
        60,
        (1, 86400),
        "time between readings, over which the rate is taken",
    ),
)

TYPES = {
    "adc": ("analog.Voltage", "adc", _ADC, ("voltage",)),
    "battery": ("analog.Battery", "adc", _ADC, ("voltage", "battery")),
    "bme280": ("bme280.BME280", "i2c", _BME280, ("temperature", "humidity", "pressure")),
    "bmp280": ("bme280.BMP280", "i2c", _BME280, ("temperature", "pressure")),
    "dht22": ("dht22.DHT22", "dht", _DHT22, ("temperature", "humidity")),
    "ds18b20": ("ds18b20.DS18B20", "onewire", _DS18B20, ("temperature",)),
    "input": ("input.Input", "input", _INPUT, ("kind", _SAYS)),
    "pulse": ("pulse.Pulse", "input", _PULSE, ("count", "rate")),
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
