"""ADS1115 over the simulated I2C bus: one chip, several sensors."""

import time

import chips as fakes
import chipstand
import machine
import stand
from chips import ads1115 as chips
from chipstand import failure, measure, nearly

import sim
from drivers.ads1115 import ADS1115
from firmware.sensors.channel import Channel

BOARDS = ("esp32", "pico_w")

near = nearly(0.000126)

FORGOT = "chip does not keep its settings"

VOLTS = [1.0, 0.5, 2.0, 0.25]


class Stand(chipstand.I2C):
    """A chip at 0x48."""

    def __init__(self, bits=16):
        super().__init__(chips.Chip, 0x48, VOLTS, bits)


def test_vectors():
    stand = Stand()
    for range_v, raw, volts in (
        ("2.048", 0x0001, 62.5e-6),
        ("2.048", 0xFFFF, -62.5e-6),  # a little below ground is usual
        ("2.048", 0x7FEF, 2.0469375),
        ("2.048", 0x8001, -2.0479375),
        ("4.096", 0x4000, 2.048),
        ("4.096", 0x0000, 0.0),
        ("6.144", 0x4000, 3.072),
        ("0.256", 0x4000, 0.128),
    ):
        stand.chip.raw = raw
        near(measure(ADS1115(stand.i2c, range_v=range_v)), volts, 1e-9)


def test_what_it_tells_the_chip():
    # c3 83 and so on by the data sheet; 93: the comparator's mode, which is off
    stand = Stand()
    written = []
    write = stand.chip.write
    stand.chip.write = lambda data: (written.append(bytes(data).hex()), write(data))[1]
    for input, range_v, config in (
        ("0", "4.096", "c393"),
        ("1", "4.096", "d393"),
        ("2", "4.096", "e393"),
        ("3", "4.096", "f393"),
        ("0-1", "6.144", "8193"),
        ("0-3", "2.048", "9593"),
        ("1-3", "1.024", "a793"),
        ("2-3", "0.512", "b993"),
        ("0", "0.256", "cb93"),
    ):
        driver = ADS1115(stand.i2c, input=input, range_v=range_v)
        written.clear()
        stand.chip.raw = 0x1234
        measure(driver)
        assert written[0] == "01" + config, written
        assert [data for data in written if len(data) > 2] == written[:1], written


def test_every_input():
    stand = Stand()
    for input, volts in (
        ("0", 1.0),
        ("1", 0.5),
        ("2", 2.0),
        ("3", 0.25),
        ("0-1", 0.5),
        ("0-3", 0.75),
        ("1-3", 0.25),
        ("2-3", 1.75),
    ):
        near(measure(ADS1115(stand.i2c, input=input)), volts)
    stand.truth[0] = 0.0
    near(measure(ADS1115(stand.i2c, input="0-1")), -0.5)


def test_the_divider():
    stand = Stand()
    near(measure(ADS1115(stand.i2c, r1=100, r2=10)), 11.0, 0.0014)
    near(measure(ADS1115(stand.i2c, r1=0, r2=1)), 1.0)


def test_beyond_the_range():
    stand = Stand()
    for input, volts in (("0", 2.05), ("0-1", 3.0), ("0", 5.0)):
        stand.truth = [volts, 0.0, 0.0, 0.0]
        driver = ADS1115(stand.i2c, input=input, range_v="2.048")
        assert failure(measure, driver) == "voltage beyond range_v", volts
    driver = ADS1115(stand.i2c, input="0-1", range_v="2.048")
    stand.truth = [0.0, 2.1, 0.0, 0.0]
    assert failure(measure, driver) == "voltage beyond range_v"
    for raw in (0x7FFF, 0x7FF0, 0x8000):
        stand.chip.raw = raw
        assert failure(measure, driver) == "voltage beyond range_v", raw


def test_an_ads1015_will_do():
    stand = Stand(12)
    driver = ADS1115(stand.i2c)
    near(measure(driver), 1.0, 0.0021)
    stand.truth[0] = -0.001
    near(measure(driver), -0.002, 1e-9)
    stand.truth[0] = 4.2
    assert failure(measure, driver) == "voltage beyond range_v"


def test_drivers_of_one_chip_do_not_disturb_each_other():
    stand = Stand()
    drivers = [ADS1115(stand.i2c, input=input) for input in ("0", "1", "2-3")]
    for driver in drivers:
        driver.start()
    for _ in range(2):
        for driver, volts in zip(drivers, (1.0, 0.5, 1.75)):
            near(driver.read(), volts)


def test_it_takes_10_ms():
    stand = Stand()
    driver = ADS1115(stand.i2c)
    began = sim.now()
    stand.truth[0] = 2.5
    near(measure(driver), 2.5)
    assert 9 <= sim.now() - began <= 10


def test_one_that_another_program_left_converting():
    stand = Stand()
    stand.i2c.writeto_mem(0x48, 1, b"\x42\x83")  # continuous
    sim.advance(3)
    began = sim.now()
    driver = ADS1115(stand.i2c, input="1")
    assert sim.now() - began <= 10
    near(measure(driver), 0.5)


def test_a_chip_that_restarts_while_it_converts_is_no_value():
    # Between inputs 0 and 1 up to 2.048 V: what a chip is set to when it starts.
    stand = Stand()
    for input, range_v in (("0", "4.096"), ("0-1", "2.048")):
        driver = ADS1115(stand.i2c, input=input, range_v=range_v)
        measure(driver)
        sim.after(5, stand.chip.reset)
        assert failure(measure, driver) == FORGOT
        assert stand.shows(0) == "0000" and stand.shows(1) == "8583"
        near(measure(driver), 1.0 if input == "0" else 0.5)


def test_another_chip():
    stand = Stand()
    for data in (b"\0\0", b"\xff\xff", b"\x43\x83", b"\x4b\x00"):
        stand.chip.read = lambda n: data
        assert failure(ADS1115, stand.i2c) == FORGOT, data


def test_data_lines_held_later_are_no_value():
    stand = Stand()
    driver = ADS1115(stand.i2c)
    for data in (b"\0\0", b"\xff\xff"):
        stand.chip.read = lambda n: data
        assert failure(measure, driver) == FORGOT, data


def test_sensors_with_the_same_address_are_one_chip():
    sim.no_stand()
    sim.virtual()
    world = stand.the_world()
    settings = [
        {"name": name, "type": "ads1115", "sda": 4, "scl": 5, "address": address, "input": input}
        for name, address, input in (
            ("a", "0x48", "0"),
            ("b", "0x48", "1"),
            ("d", "0x48", "2-3"),
            ("other", "0x49", "0"),
        )
    ]
    settings[1].update(r1=3, r2=1)
    for setting, volts in zip(settings, (1.5, 12.0, 0.75, 2.25)):
        world.set(setting["name"], {"battery": volts})
        fakes.attach(setting, world, sim)
    assert len(sim.i2c_devices) == 2
    i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))
    channels = []
    for setting in settings:
        more = {key: setting[key] for key in ("input", "r1", "r2") if key in setting}
        address = int(setting["address"], 16)
        channels.append(
            Channel(
                setting["name"],
                lambda stuck, address=address, more=more: ADS1115(i2c, address, **more),
                (),
                1000,
            )
        )
    results = {}

    def run_all(ms):
        results.clear()
        end = sim.now() + ms
        while sim.now() < end:
            for channel in channels:
                result = channel.step(time.ticks_ms())
                if result is not None:
                    results.setdefault(channel.name, []).append(result)
            sim.advance(10)

    def all_good():
        for setting, volts in zip(settings, (1.5, 12.0, 0.75, 2.25)):
            near(results[setting["name"]][-1], volts, 0.0006)

    run_all(3500)
    all_good()
    assert all(len(results[name]) == 4 for name in results), results
    sim.unplugged.add("b")  # any of its names
    run_all(3000)
    for name in ("a", "b", "d"):
        assert set(results[name]) == {"no answer on the bus"}, results
    assert len(results["other"]) == 3
    sim.unplugged.clear()
    run_all(3000)
    all_good()
