"""The sensors that are read on the emulated Pico and over sim/board, and what happens to them meanwhile.

A case: the entry of `sensors`, without the pins, and steps: READ, WATCH (until it changes), REST (until the channel wants to be called again), PAUSE
(until a chip that starts has ears), a of sim/board/sim.py, or what buslog.py does besides.
"""

READ = "read"
WATCH = "watch"
REST = "rest"
PAUSE = "pause"
NAME = "probe"


def world(**values):
    return {"do": "set", "name": NAME, **values}


def chip(**attributes):
    return {"do": "chip", **attributes}


UNPLUG = {"do": "unplug", "name": NAME}
REPLUG = {"do": "replug", "name": NAME}
POWER_LOST = {"do": "power_lost"}

# Out of the bus and back: nobody acknowledges, then the driver is built anew.
GONE_AND_BACK = [UNPLUG, READ, REPLUG, REST, READ]
# The chip forgets its settings, in the middle of it all.
FORGETFUL = [POWER_LOST, PAUSE, READ, REST, READ]

# Something holds the clock low; then a chip that was cut off in mid-byte holds the data line until it is clocked on.
BUS_HELD = [
    {"do": "bus_stuck", "pin": 5},
    READ,
    {"do": "bus_stuck", "pin": 5, "on": False},
    REST,
    READ,
    {"do": "sda_held", "sda": 4, "scl": 5},
    READ,
    REST,
    READ,
]

AIR = [
    READ,
    world(temperature=-12.34, humidity=99.1),
    READ,
    world(temperature=38.125, humidity=3.7),
    READ,
]
WARM_AIR = [READ, world(temperature=54.5, humidity=80.1), READ, world(temperature=-9.5), READ]
LIGHT = [
    READ,
    world(illuminance=0.0),
    READ,
    world(illuminance=3.4),
    READ,
    world(illuminance=41234.5),
    READ,
]
TEMPERATURE = [
    READ,
    world(temperature=-0.0625),
    READ,
    world(temperature=-17.77),
    READ,
    world(temperature=83.21),
    READ,
]
CURRENT = [READ, world(current=-0.1234), READ, world(current=1.777, battery=4.105), READ]
VOLTAGE = [READ, world(battery=3.0123), READ, world(battery=3.333), READ]


def spoilt(count=4, attribute="spoiled"):
    """So many wrong checksums, and back to good ones."""
    return [chip(**{attribute: count}), READ, chip(**{attribute: 0}), REST, READ]


def stuck():
    """It never gets done; then it does."""
    return [chip(stuck=True), READ, chip(stuck=False), REST, READ]


def case(sensor, *parts, **settings):
    return {"type": sensor, **settings}, [step for part in parts for step in part]


I2C = {
    "ads1115": case(
        "ads1115", VOLTAGE, [chip(raw=0x7FFF), READ, chip(raw=None), REST, READ], GONE_AND_BACK
    ),
    "ads1115-difference": case(
        "ads1115", VOLTAGE, FORGETFUL, input="0-1", range_v="2.048", r1=10, r2=3.3
    ),
    "aht10": case("aht10", AIR, stuck(), GONE_AND_BACK, address="0x39"),
    "aht20": case("aht20", AIR, spoilt(), FORGETFUL, GONE_AND_BACK, dew_point=True),
    "bh1750": case("bh1750", LIGHT, FORGETFUL, GONE_AND_BACK),
    "bh1750-fine": case("bh1750", LIGHT[:-2], sensitivity=254, address="0x5c"),
    "bme280": case("bme280", AIR, stuck(), FORGETFUL, GONE_AND_BACK, altitude_m=1234),
    "bme680": case("bme680", AIR, stuck(), FORGETFUL, GONE_AND_BACK, absolute_humidity=True),
    "bme680-cold": case(
        "bme680", AIR, [world(pressure=31000.0), READ], heater_c=0, address="0x77"
    ),
    "bmp180": case("bmp180", AIR, stuck(), FORGETFUL, GONE_AND_BACK),
    "bmp280": case(
        "bmp280", AIR, [world(pressure=108_765.4), READ], stuck(), GONE_AND_BACK, address="0x77"
    ),
    "bmp280-held": case("bmp280", [READ], BUS_HELD, freq=400_000),
    "ds3231": case("ds3231", TEMPERATURE, stuck(), FORGETFUL, GONE_AND_BACK),
    "ina219": case("ina219", CURRENT, stuck(), FORGETFUL, GONE_AND_BACK),
    "ina226": case(
        "ina226", CURRENT, stuck(), FORGETFUL, GONE_AND_BACK, shunt_ohm=0.01, address="0x4f"
    ),
    "ltr390": case("ltr390", LIGHT, [world(uv=11.3), READ], stuck(), FORGETFUL, GONE_AND_BACK),
    "max17048": case("max17048", VOLTAGE, FORGETFUL, GONE_AND_BACK),
    "mcp9808": case("mcp9808", TEMPERATURE, FORGETFUL, GONE_AND_BACK, address="0x1f"),
    "scd4x": case("scd4x", WARM_AIR, [world(co2=1999.0), READ], GONE_AND_BACK, height_m=512),
    "sht3x": case("sht3x", AIR, spoilt(), stuck(), FORGETFUL, GONE_AND_BACK, dew_point=True),
    "sht4x": case("sht4x", AIR, spoilt(), stuck(), FORGETFUL, GONE_AND_BACK),
    "shtc3": case("shtc3", AIR, spoilt(), stuck(), FORGETFUL, GONE_AND_BACK),
    "si7021": case("si7021", AIR, spoilt(), stuck(), FORGETFUL, GONE_AND_BACK),
    "tmp117": case("tmp117", TEMPERATURE, stuck(), FORGETFUL, GONE_AND_BACK, address="0x4b"),
    "veml7700": case("veml7700", LIGHT, FORGETFUL, GONE_AND_BACK),
}

ADC = {
    "adc": case("adc", VOLTAGE, r1=100, r2=220),
    "adc-ends": case("adc", [world(battery=0.0), READ, world(battery=4.0), READ]),
    "battery": case("battery", VOLTAGE, [world(battery=0.2), READ, REST, READ], r1=100, r2=100),
    "ntc": case("ntc", TEMPERATURE, [world(temperature=-39.5), READ]),
    "ntc-supply": case("ntc", TEMPERATURE, side="supply", beta=3435, r25_ohm=47000),
    "soil": case("soil", [READ, world(moisture=0.0), READ, world(moisture=0.875), READ]),
}

# 30 s in which the fan settles, a minute in which the other warms up
UART = {
    "pms5003": case(
        "pms5003", [READ, world(pm=133.0), REST, READ], [chip(spoil=2), REST, READ], [UNPLUG, READ]
    ),
    "mhz19": case(
        "mhz19",
        [READ, REST, READ, REST, READ, REST, READ],
        [world(co2=1234.0), REST, READ, UNPLUG, REST, READ],
    ),
}

# Bits by the length of pulses
LINE = {
    "dht11": case(
        "dht11", [READ, world(temperature=-7.6, humidity=61.0), READ, READ], [UNPLUG, READ]
    ),
    "dht22": case(
        "dht22",
        [READ, world(temperature=-12.3, humidity=99.9), READ, READ],
        [chip(answer="0x0102030400"), READ, chip(answer=None), REST, READ],
        GONE_AND_BACK,
        absolute_humidity=True,
    ),
    "ds18b20": case(
        "ds18b20",
        TEMPERATURE,
        [chip(frame="0x500505ffff000010ff"), READ, chip(frame=None), REST, READ],
        GONE_AND_BACK,
    ),
    "ds18b20-address": case("ds18b20", TEMPERATURE, address="28ff641e8216c328"),
}

DOOR = {"do": "door", "name": NAME, "opened": True}
SHUT = {"do": "door", "name": NAME, "opened": False}

# Pins that move by themselves, with bounce; the pulse of an echo
PIN = {
    "hcsr04": case(
        "hcsr04",
        [
            READ,
            world(distance=2.5),
            READ,
            world(distance=399.0),
            READ,
            world(distance=420.0),
            READ,
        ],
        [chip(hangs=True), REST, READ, chip(hangs=False), world(distance=77.7), REST, READ],
        [UNPLUG, READ],
    ),
    "input": case("input", [READ, DOOR, WATCH, SHUT, WATCH, DOOR, WATCH, READ], kind="button"),
    "input-reed": case("input", [READ, DOOR, WATCH, SHUT, WATCH], kind="reed", pull="down"),
    "input-pir": case("input", [READ, READ, DOOR, WATCH], kind="pir", warmup_s=10),
    "pulse": case(
        "pulse",
        [READ, {"do": "tip", "name": NAME, "n": 7}, REST, READ, REST, READ],
        [{"do": "tip", "name": NAME}, REST, READ],
        per_pulse=0.2794,
        unit="mm/h",
    ),
    "pulse-fast": case(
        "pulse",
        [READ, {"do": "tip", "name": NAME, "n": 100}, REST, READ],
        debounce_ms=0,
        pull="down",
        keep=False,
    ),
}

ALL = I2C | ADC | UART | LINE | PIN
