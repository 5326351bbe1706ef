"""TYPES and QUANTITIES: what can be measured, and with what.

A new sensor is a driver in `lib/drivers/`, a row here, a simulated chip and a test: `docs/add-a-sensor.md`.
`docs/sensors.md` is made from these tables (`python -m tools reference`); the node drops them once its sensors are
loaded, help texts and all.

A row of TYPES: `driver, bus, settings, quantities`. driver: "module.Class" in `lib/drivers`. bus: what it is wired
to, which is a method of Board, see `_WIRES` in `firmware/sensors/__init__.py`. settings: rows as in
`firmware/settings/tables.py`; the bus takes the pins, the channel what is derived, the class the others, by name. quantities:
in the order of what `read()` returns; `(setting, {value: quantities})` if a setting decides.

A row of QUANTITIES: `unit, device class, decimals`. unit: empty for a yes or no, None if a setting of the sensor
says it. device class: Home Assistant's, or None. decimals: as many as the sensor can tell apart.
"""

from firmware.sensors.options import (
    ADC,
    ADS1115,
    AHT10,
    AIR,
    BAROMETER,
    BH1750,
    BME680,
    BMX280,
    COUNTS,
    DHT,
    DS18B20,
    GASES,
    HCSR04,
    INA,
    INPUT,
    MCP9808,
    MHZ19,
    NTC,
    ONE,
    PMS5003,
    PULSE,
    SAYS,
    SCD4X,
    SHT3X,
    SHT4X,
    SOIL,
    TMP117,
    i2c_at,
)

# Tables, one type and one quantity a row:
# fmt: off
TYPES = {
    # type       driver               bus        settings                        quantities
    "adc":      ("analog.Voltage",    "adc",     ADC,                                ("voltage",)),
    "ads1115":  ("ads1115.ADS1115",   "i2c",     ADS1115,                            ("voltage",)),
    "aht10":    ("aht20.AHT10",       "i2c",     AHT10,                              ("temperature", "humidity")),
    "aht20":    ("aht20.AHT20",       "i2c",     i2c_at(("0x38",), ONE) + AIR,       ("temperature", "humidity")),
    "battery":  ("battery.Battery",   "adc",     ADC,                                ("voltage", "battery")),
    "bh1750":   ("bh1750.BH1750",     "i2c",     BH1750,                             ("illuminance",)),
    "bme280":   ("bme280.BME280",     "i2c",     BMX280 + AIR,                       ("temperature", "humidity", "pressure")),
    "bme680":   ("bme680.BME680",     "i2c",     BME680,                             ("heater_c", GASES)),
    "bmp180":   ("bmp180.BMP180",     "i2c",     i2c_at(("0x77",), ONE) + BAROMETER, ("temperature", "pressure")),
    "bmp280":   ("bme280.BMP280",     "i2c",     BMX280,                             ("temperature", "pressure")),
    "dht11":    ("dht22.DHT11",       "dht",     DHT,                                ("temperature", "humidity")),
    "dht22":    ("dht22.DHT22",       "dht",     DHT,                                ("temperature", "humidity")),
    "ds18b20":  ("ds18b20.DS18B20",   "onewire", DS18B20,                            ("temperature",)),
    "ds3231":   ("ds3231.DS3231",     "i2c",     i2c_at(("0x68",), ONE),             ("temperature",)),
    "hcsr04":   ("hcsr04.HCSR04",     "echo",    HCSR04,                             ("distance",)),
    "ina219":   ("ina219.INA219",     "i2c",     INA,                                ("voltage", "current", "power")),
    "ina226":   ("ina226.INA226",     "i2c",     INA,                                ("voltage", "current", "power")),
    "input":    ("input.Input",       "input",   INPUT,                              ("kind", SAYS)),
    "ltr390":   ("ltr390.LTR390",     "i2c",     i2c_at(("0x53",), ONE),             ("illuminance", "uv_index")),
    "max17048": ("max17048.MAX17048", "i2c",     i2c_at(("0x36",), ONE),             ("voltage", "battery")),
    "mcp9808":  ("mcp9808.MCP9808",   "i2c",     MCP9808,                            ("temperature",)),
    "mhz19":    ("mhz19.MHZ19",       "uart",    MHZ19,                              ("co2",)),
    "ntc":      ("ntc.NTC",           "adc",     NTC,                                ("temperature",)),
    "pms5003":  ("pms5003.PMS5003",   "uart",    PMS5003,                            ("pm1", "pm25", "pm10")),
    "pulse":    ("pulse.Pulse",       "input",   PULSE,                              ("unit", COUNTS)),
    "scd4x":    ("scd4x.SCD4X",       "i2c",     SCD4X,                              ("co2", "temperature", "humidity")),
    "sht3x":    ("sht3x.SHT3X",       "i2c",     SHT3X,                              ("temperature", "humidity")),
    "sht4x":    ("sht4x.SHT4X",       "i2c",     SHT4X,                              ("temperature", "humidity")),
    "shtc3":    ("shtc3.SHTC3",       "i2c",     i2c_at(("0x70",), ONE) + AIR,       ("temperature", "humidity")),
    "si7021":   ("si7021.SI7021",     "i2c",     i2c_at(("0x40",), ONE) + AIR,       ("temperature", "humidity")),
    "soil":     ("soil.Soil",         "adc",     SOIL,                               ("moisture", "voltage")),
    "tmp117":   ("tmp117.TMP117",     "i2c",     TMP117,                             ("temperature",)),
    "veml7700": ("veml7700.VEML7700", "i2c",     i2c_at(("0x10",), ONE),             ("illuminance",)),
}

QUANTITIES = {
    # quantity             unit        device class            decimals
    "absolute_humidity":  ("g/m³",     None,                   2),
    "battery":            ("%",        "battery",              0),
    "closed":             ("",         None,                   0),
    "co2":                ("ppm",      "carbon_dioxide",       0),
    "count":              (None,       None,                   0),
    "current":            ("mA",       "current",              1),
    "dew_point":          ("°C",       "temperature",          2),
    "distance":           ("cm",       "distance",             1),
    "gas_resistance":     ("Ω",        None,                   0),
    "humidity":           ("%",        "humidity",             1),
    "illuminance":        ("lx",       "illuminance",          1),
    "moisture":           ("%",        "moisture",             1),
    "motion":             ("",         "motion",               0),
    "open":               ("",         "opening",              0),
    "pm1":                ("µg/m³",    "pm1",                  0),
    "pm10":               ("µg/m³",    "pm10",                 0),
    "pm25":               ("µg/m³",    "pm25",                 0),
    "power":              ("W",        "power",                3),
    "pressed":            ("",         None,                   0),
    "pressure":           ("hPa",      "atmospheric_pressure", 2),
    "rate":               (None,       None,                   3),
    "sea_level_pressure": ("hPa",      "atmospheric_pressure", 2),
    "temperature":        ("°C",       "temperature",          2),
    "total":              (None,       None,                   3),
    "uv_index":           ("UV index", None,                   2),
    "voltage":            ("V",        "voltage",              3),
}
