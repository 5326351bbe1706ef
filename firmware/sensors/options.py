"""The settings of the sensor types: rows as in `firmware/settings/tables.py`, put together in `types.py`.

The bus takes the pins, the channel what is derived (AIR, BAROMETER), the driver the others, by name.
"""

# Tables, one setting a row:
# fmt: off
I2C = (
    ("sda",  "pin", ...,    "sda",           "data pin"),
    ("scl",  "pin", ...,    "scl",           "clock pin"),
    ("freq", "int", 100000, (10000, 400000), "Hz; lower for long wires"),
)

# Derived by the channel from what the sensor measures.
AIR = (
    ("dew_point",         "bool", False, None, "publish the dew point, too"),
    ("absolute_humidity", "bool", False, None, "publish the grams of water in a cubic metre, too"),
)
BAROMETER = (
    ("altitude_m", "int", None, (-430, 9000), "height above the sea: publish the pressure at sea level, too"),
)


def i2c_at(addresses, text):
    return I2C + (("address", "choice", addresses[0], addresses, text),)


BMX280 = i2c_at(("0x76", "0x77"), "0x77 if SDO is wired to 3.3 V") + BAROMETER
_STRAPS = ("0x48", "0x49", "0x4a", "0x4b")
ONE = "the only one it has"

AHT10 = i2c_at(("0x38", "0x39"), "0x39 if A0 is wired to 3.3 V") + AIR
SHT3X = i2c_at(("0x44", "0x45"), "0x45 if ADDR is wired to 3.3 V") + AIR
SHT4X = i2c_at(("0x44", "0x45", "0x46"), "fixed; the letter in the part's name says it") + AIR
MCP9808 = i2c_at(tuple("0x1" + digit for digit in "89abcdef"), "A0, A1, A2 to ground: 0x18")
TMP117 = i2c_at(_STRAPS, "ADD0 to ground, 3.3 V, SDA, SCL")

BME680 = BMX280 + AIR + (
    ("heater_c", "choice", 320, (0, 200, 250, 300, 320, 350, 400), "temperature at which the gas is measured; 0: no gas, less current"),
)
GASES = {
    heat: ("temperature", "humidity", "pressure") + (("gas_resistance",) if heat else ())
    for heat in BME680[-1][3]
}

SCD4X = i2c_at(("0x62",), ONE) + AIR + (
    ("height_m",         "int",    0,    (0, 3000),  "height above the sea, by which the CO2 is corrected"),
    ("self_calibration", "bool",   True, None,       "takes the least of a week for fresh air; false where there never is any"),
    ("interval_s",       "number", 60,   (5, 86400), "time from one reading to the next"),
)

INA = i2c_at(tuple("0x4" + digit for digit in "0123456789abcdef"), "A0 and A1 to ground: 0x40") + (
    ("shunt_ohm", "number", 0.1, (0.0001, 100), "the resistor on the module; R100 is 0.1"),
)

ADS1115 = i2c_at(_STRAPS, "ADDR to ground, 3.3 V, SDA, SCL") + (
    ("input",   "choice", "0",     ("0", "1", "2", "3", "0-1", "0-3", "1-3", "2-3"),       "input against ground, or the difference of two"),
    ("range_v", "choice", "4.096", ("6.144", "4.096", "2.048", "1.024", "0.512", "0.256"), "largest voltage that is measured; no input may exceed the supply"),
    ("r1",      "number", 0,       (0, 100000000),                                         "resistor from the voltage to the input; 0: none"),
    ("r2",      "number", 1,       (0.001, 100000000),                                     "resistor from the input to ground, in the unit of r1"),
)

BH1750 = i2c_at(("0x23", "0x5c"), "0x5c if ADDR is wired to 3.3 V") + (
    ("sensitivity", "int", 69, (31, 254), "69 as usual: up to 54,600 lx; 31: up to 121,000; 254: dim light, in finer steps"),
)

DS18B20 = (
    ("pin",        "pin",    ..., "onewire",  "data pin, 4.7 kΩ to 3.3 V; several sensors may share it"),
    ("address",    "rom",    "",  None,       "16 hexadecimal digits, those of the family first; empty: the only one on the wire"),
    ("interval_s", "number", 60,  (1, 86400), "time from one reading to the next"),
)

DHT = (
    ("pin",        "pin",    ..., "output",   "data pin, 4.7 to 10 kΩ to 3.3 V"),
    ("interval_s", "number", 60,  (3, 86400), "time from one reading to the next"),
) + AIR

_PIN_ADC = ("pin", "pin", ..., "adc", "pin, in the middle of the divider if there is one")

ADC = (
    _PIN_ADC,
    ("r1", "number", 0, (0, 100000000),     "resistor from the voltage to the pin; 0: none"),
    ("r2", "number", 1, (0.001, 100000000), "resistor from the pin to ground, in the unit of r1"),
)

NTC = (
    _PIN_ADC,
    ("supply_v",   "number", 3.3,      (1, 5.5),             "voltage of the divider, as measured"),
    ("series_ohm", "number", 10000,    (1, 10000000),        "the other resistor of the divider"),
    ("r25_ohm",    "number", 10000,    (1, 10000000),        "of the thermistor at 25 °C"),
    ("beta",       "number", 3950,     (500, 10000),         "of the thermistor, in K: its B value"),
    ("side",       "choice", "ground", ("ground", "supply"), "where the thermistor's other end is"),
)

SOIL = (
    _PIN_ADC,
    ("dry_v", "number", 2.5, (0, 3.6), "voltage in dry air: read it from `voltage` and put it here"),
    ("wet_v", "number", 1.2, (0, 3.6), "voltage in water; may be above dry_v"),
)

HCSR04 = (
    ("trigger",    "pin",    ..., "output",     "pin of TRIG"),
    ("echo",       "pin",    ..., "input",      "pin of ECHO, through a divider: it gives 5 V"),
    ("air_c",      "number", 20,  (-40, 80),    "temperature of the air, by which sound travels"),
    ("interval_s", "number", 60,  (0.2, 86400), "time from one reading to the next"),
)

UART = (
    ("tx", "pin", ..., "tx", "pin to the sensor's RX"),
    ("rx", "pin", ..., "rx", "pin to the sensor's TX"),
)

PMS5003 = UART + (
    ("sleeps",     "bool",   False, None,       "fan and laser rest between readings, and run 30 s for each: they last 8,000 h"),
    ("interval_s", "number", 60,    (1, 86400), "time from one reading to the next; with `sleeps` from 60"),
)

MHZ19 = UART + (
    ("self_calibration", "bool",   True, None,       "takes the least of a day for fresh air; false where there never is any"),
    ("interval_s",       "number", 60,   (2, 86400), "time from one reading to the next"),
)

PULL = ("pull", "choice", "up", ("up", "down", None), "resistor inside; down: it switches 3.3 V")

KINDS = ("button", "reed", "contact", "pir")

INPUT = (
    ("pin",         "pin",    ...,      "input",    "pin of the contact, or of the PIR sensor's output"),
    ("kind",        "choice", "button", KINDS,      "what is there; names the quantity"),
    PULL,
    ("invert",      "bool",   False,    None,       "report the opposite"),
    ("debounce_ms", "int",    30,       (0, 5000),  "changes this soon after one are bounce"),
    ("warmup_s",    "int",    None,     (0, 600),   "nothing is reported so long; left out: PIR 60, else 0"),
    ("interval_s",  "number", 60,       (1, 86400), "reported on every change, and this often besides"),
)

SAYS = {"button": ("pressed",), "reed": ("open",), "contact": ("closed",), "pir": ("motion",)}

# unit of the rate: its device class, and the unit and class of the total
PULSES = {
    "1/s":   (None,),
    "1/min": (None,),
    "1/h":   (None,),
    "m/s":   ("wind_speed",),
    "km/h":  ("wind_speed",),
    "mm/h":  ("precipitation_intensity", "mm",  "precipitation"),
    "L/min": (None,                      "L",   None),
    "L/h":   (None,                      "L",   None),
    "W":     ("power",                   "kWh", "energy"),
}
COUNTS = {
    unit: ("count", "total", "rate") if row[1:] else ("count", "rate")
    for unit, row in PULSES.items()
}

PULSE = (
    ("pin",         "pin",    ...,     "input",             "pin of the contact"),
    PULL,
    ("debounce_ms", "int",    50,      (0, 1000),           "longer than the contact is closed; 0: no contact"),
    ("per_pulse",   "number", 1,       (0.000001, 1000000), "what a pulse is, as 0.2794 (mm of rain)"),
    ("unit",        "choice", "1/min", tuple(PULSES),       "of the rate; says what per_pulse counts (W: Wh)"),
    ("keep",        "bool",   True,    None,                "the count is on flash before it is published, and goes on after a reset"),
    ("interval_s",  "number", 60,      (1, 86400),          "time between readings, over which the rate is taken"),
)
