"""What every driver of TYPES keeps to, whatever its chip: nobody there, a bus held low, gone and back, a chip that lost
its power. The drivers' own tests are of their chips: vectors, ranges, times, answers that are wrong."""

import time

import stand
from chipstand import (
    NACK,
    NOT_MEASURED,
    TIMED_OUT,
    attach,
    checked,
    chip_of,
    convert,
    detach_all,
    failure,
    forget,
    measure,
    quickly,
    run,
    wait,
)
from world import DEFAULTS

import sim
from firmware import sensors
from firmware.hardware.board import Board

BOARDS = ("esp32", "pico_w")
TIMEOUT = 60
HEAP = "320k"  # the tests load all drivers and chips, as sources; no board does
SENSORS = {kind: row[1] for kind, row in sensors.TYPES.items()}

NOBODY = "no answer on the bus"
NO_DATA = "no data from the sensor"

# What the driver says of a sensor that is not there, where it is not the bus that says it; None: nothing, or by a voltage that
# depends on how it is wired (the drivers' own tests).
ABSENT = {
    "adc": None,
    "battery": None,
    "dht11": "timed out",
    "dht22": "timed out",
    "hcsr04": "no echo",
    "input": None,
    "mhz19": NO_DATA,
    "ntc": None,
    "pms5003": NO_DATA,
    "pulse": None,
    "soil": None,
}
# These set their chip up for each reading, and once more when it shows what it does after a reset.
SET_UP_EACH_TIME = ("ads1115", "bh1750")
DOES_NOT_KEEP = "chip does not keep its settings"
# The constructor says nothing to the chip yet.
SAYS_NOTHING = ("scd4x",)
# Each call of these blocks for as long as the sensor's answer takes.
BLOCKS = ("dht11", "dht22")
# The longest that one look for the end of a measurement may take, where it is not 20 ms.
READY_MS = {"bme680": 0, "bmp180": 0, "mhz19": 1, "pms5003": 1}
# What it says of a chip that is never done, and after how many ms at most.
BUSY = {
    "ads1115": ("chip stays busy", 21),
    "bme280": ("chip stays busy", 50),
    "bme680": ("chip stays busy", 250),
    "bmp180": ("chip stays busy", 110),
    "bmp280": ("chip stays busy", 50),
    "ds3231": ("chip stays busy", 400),
    "ltr390": ("chip stays busy", 400),
    "sht3x": (NACK, 60),
    "sht4x": (NACK, 60),
    "shtc3": (NACK, 60),
    "si7021": (NACK, 150),
    "tmp117": ("chip stays busy", 250),
}
# How long a driver may go on with a chip that has forgotten its settings, besides the time a reading takes.
GIVES_UP_MS = {"bme680": 60, "scd4x": 18_000, "si7021": 130}
# Until the first reading.
WARM_MS = {"mhz19": 180_000, "pms5003": 31_000, "scd4x": 15_000}

HERE = DEFAULTS
THERE = {
    "temperature": 31.5,
    "humidity": 61.0,
    "pressure": 98_765.0,
    "illuminance": 777.0,
    "battery": 3.55,
    "moisture": 0.7,
    "co2": 1010.0,
    "pm": 44.0,
    "gas": 55_000.0,
    "distance": 222.0,
    "current": -0.123,
    "uv": 7.0,
}


def each(*buses):
    """Yield each type of these buses with the setting of one that is attached, alone on the board."""
    for kind in sorted(SENSORS):
        if buses and SENSORS[kind] not in buses:
            continue
        forget("drivers", "chips")  # no board has to hold those of all types
        detach_all()
        setting = checked(type=kind, interval_s=5)
        attach(setting)
        world(HERE)
        sim.advance(1100)  # all have had their power for long enough
        yield kind, setting


def world(values):
    stand.the_world().set("*", values)


def builder(setting):
    """The driver of a setting is built by calling this."""
    channel = sensors.load(setting, Board())
    return channel._build


def close(one, other):
    """Are these readings the same, but for noise?"""
    return len(one) == len(other) and all(
        abs(a - b) <= 0.02 + abs(b) * 0.02 for a, b in zip(one, other)
    )


def test_the_constructor_is_quick():
    for kind, setting in each():
        build = builder(setting)
        began = sim.now()
        build(False)
        assert sim.now() - began <= 20, (kind, sim.now() - began)


def test_a_reading_blocks_nobody():
    for kind, setting in each():
        if kind in BLOCKS:
            continue
        driver = builder(setting)(False)
        for _ in range(2):
            quickly(driver.start)
            sim.advance(driver.conversion_ms)
            wait(driver, READY_MS.get(kind, 20))
            quickly(driver.read)
            sim.advance(2500)


def test_a_busy_chip_is_not_waited_for_for_ever():
    tried = set()
    for kind, setting in each("i2c"):
        if not hasattr(chip_of(kind), "stuck"):
            continue
        tried.add(kind)
        text, most_ms = BUSY.get(kind, ("chip stays busy", 300))
        driver = builder(setting)(False)
        measure(driver)
        chip_of(kind).stuck = True
        began = sim.now()
        assert failure(measure, driver) == text, kind
        assert sim.now() - began < most_ms, (kind, sim.now() - began)
    assert tried >= set(BUSY), "the chips that can be made to stay busy"


def test_nobody_answers_on_the_bus():
    for kind, setting in each("i2c", "onewire"):
        build = builder(setting)
        code = NACK if SENSORS[kind] == "i2c" else 19
        driver = build(False)
        convert(driver)
        sim.unplugged.add(kind)
        if kind not in SAYS_NOTHING:
            assert failure(build, False) == code, kind
        for ready_before in (False, True):
            sim.unplugged.clear()
            driver = build(False)
            sim.advance(1100)
            driver.start()
            sim.advance(driver.conversion_ms)
            if ready_before:
                wait(driver)
            sim.unplugged.add(kind)
            text = outcome(driver)
            # What was fetched before it went is a reading; nothing else is.
            assert text == code or (ready_before and type(text) is tuple), (kind, text)
        text = failure(all_of, driver)
        assert text == code, (kind, text)


def all_of(driver):
    """A reading from its start; a driver that waits for its chip is given the time."""
    measure(driver)


def outcome(driver):
    """The failure of what a started driver does next, or its reading."""
    try:
        wait(driver)
        return driver.read()
    except OSError as e:
        return e.args[-1]


class Stranger:
    """Another chip at this address: it knows it, and refuses every command."""

    def write(self, data):
        return False if data else None

    def read(self, n):
        return None


def test_a_stranger_is_not_nobody():
    for kind, setting in each("i2c"):
        del sim.i2c_devices[:]
        address = int(setting["address"], 16)
        sim.i2c_attach(setting["sda"], setting["scl"], address, Stranger(), kind)
        results = run(sensors.load(setting, Board()), 20_000)
        assert set(results) == {"a chip answers, but not as this type does"}, (kind, results)


def test_bus_held_low():
    for kind, setting in each("i2c"):
        build = builder(setting)
        driver = build(False)
        driver.start()
        sim.advance(driver.conversion_ms)
        sim.stuck.add(4)
        assert failure(wait_and_read, driver) == TIMED_OUT, kind
        assert failure(all_of, driver) == TIMED_OUT, kind
        if kind not in SAYS_NOTHING:
            assert failure(build, False) == TIMED_OUT, kind


def wait_and_read(driver, most_ms=20):
    wait(driver, most_ms)
    return driver.read()


def test_data_line_held_low():
    for kind, setting in each("onewire", "dht"):
        driver = builder(setting)(False)
        sim.stuck.add(setting["pin"])
        driver.start()
        sim.advance(driver.conversion_ms)
        expected = "data line held low" if SENSORS[kind] == "onewire" else TIMED_OUT
        assert failure(wait_and_read, driver, 250 if kind in BLOCKS else 20) == expected, kind


def test_nothing_is_told_before_a_start_nor_twice():
    for kind, setting in each("i2c", "onewire"):
        driver = builder(setting)(False)
        if kind in (
            "ads1115",
            "max17048",
        ):  # read() sends all to the one, the other measures by itself
            continue
        assert failure(driver.read) == NOT_MEASURED, kind
        values = measure(driver)
        if hasattr(driver, "_fresh"):  # the chip has forgotten it, or goes on
            assert failure(driver.read) == NOT_MEASURED, kind
        world(THERE)
        sim.advance(2500)
        driver.start()
        if hasattr(driver, "_fresh"):
            assert failure(driver.read) == NOT_MEASURED, kind
        there = outcome_of_started(driver)
        assert not close(there, values), (kind, values, there)


def outcome_of_started(driver):
    sim.advance(driver.conversion_ms)
    wait(driver)
    return driver.read()


def test_what_was_fetched_before_a_start_is_forgotten():
    for kind, setting in each("i2c"):
        driver = builder(setting)(False)
        here = measure(driver)
        world(HERE)
        convert(driver)
        world(THERE)
        sim.advance(6000)
        there = measure(driver)
        assert not close(here, there), (kind, here, there)


def power_lost(kind):
    chip = chip_of(kind)
    chip.power_on() if hasattr(chip, "power_on") else chip.reset()


def test_no_value_after_a_chip_lost_its_power():
    for kind, setting in each("i2c", "onewire"):
        build = builder(setting)
        driver = build(False)
        here = measure(driver)
        sim.advance(6000)
        began = sim.now()
        measure(driver)
        takes = sim.now() - began
        for moment in {1, takes // 4, takes // 2, takes * 3 // 4, takes - 1}:
            if not 0 < moment < takes:
                continue
            world(HERE)
            driver = build(False)
            measure(driver)
            sim.advance(6000)

            def lose():
                power_lost(kind)
                world(THERE)

            began = sim.now()
            sim.after(moment, lose)
            driver.start()
            sim.advance(driver.conversion_ms)
            said = outcome(driver)
            took = sim.now() - began - takes
            if type(said) is not tuple:
                assert took <= GIVES_UP_MS.get(kind, 35), (kind, moment, took)
            sim.advance(1100)
            there = measure(build(False))
            assert not close(there, here), (kind, there)
            if kind in SET_UP_EACH_TIME and type(said) is tuple:
                assert close(said, there), (kind, moment, said)
            else:
                assert said in (NOT_MEASURED, NACK, DOES_NOT_KEEP), (kind, moment, said)


def test_no_value_of_a_chip_that_is_lost_between_ready_and_read():
    for kind, setting in each("i2c", "onewire"):
        build = builder(setting)
        driver = build(False)
        convert(driver)
        power_lost(kind)
        try:
            values = driver.read()
        except OSError as e:
            assert e.args[-1] in (NOT_MEASURED, NACK), (kind, e)
            continue
        # It was fetched before; or read() is the whole reading, of a chip that needs no more.
        assert hasattr(driver, "_fresh") or kind in ("ads1115", "bmp180"), kind
        sim.advance(1100)
        assert close(values, measure(build(False))), (kind, values)


def test_gone_and_back():
    for kind, setting in each():
        absent = ABSENT.get(kind, NOBODY)
        if absent is None:
            continue
        warm_ms = WARM_MS.get(kind, 1000)
        channel = sensors.load(setting, Board())
        results = run(channel, warm_ms + 12_000)
        assert results and all(type(result) is tuple for result in results), (kind, results)
        here = results[-1]
        sim.unplugged.add(kind)
        results = run(channel, 17_000)
        told = [result for result in results if type(result) is str]
        assert set(told) == {absent}, (kind, results)
        assert len(told) <= 5, (kind, results)  # when it is new, and once an interval
        assert type(results[-1]) is str and results[-len(told) :] == told, (kind, results)
        if chip_of(kind) and SENSORS[kind] != "uart":
            power_lost(kind)
        sim.unplugged.clear()
        results = run(channel, warm_ms + 30_000)
        assert close(results[-1], here), (kind, results)
        assert channel.error is None, kind


def test_a_failure_is_one_message():
    for kind, setting in each():
        absent = ABSENT.get(kind, NOBODY)
        if absent is None:
            continue
        sim.unplugged.add(kind)
        setting["interval_s"] = 60
        channel = sensors.load(setting, Board())
        began = sim.now()
        run(channel, 59_000)
        results = run(channel, 120_000)
        # it is tried much more often
        assert 1 <= results.count(absent) == len(results) <= 3, (kind, results)
        assert channel.errors > len(results) or kind in ("mhz19", "pms5003"), (
            kind,
            channel.errors,
        )
        assert sim.now() - began >= 179_000
        assert channel.due(time.ticks_ms()) >= 0
