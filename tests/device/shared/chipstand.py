"""What the tests of drivers and sensor types stand on: simulated chips on their buses, and the ways to a reading."""

import gc
import sys
import time

import machine
import stand

import sim

# Pins that both boards have, by their use. (I2C0 of a Pico: 4, 5.)
PINS = {"sda": 4, "scl": 5, "onewire": 15, "input": 18, "output": 19, "tx": 16, "rx": 17}
PINS["adc"] = 34 if sim.ESP32 else 26

NACK = 19 if sim.ESP32 else 5  # what an I2C bus says if nobody acknowledges
TIMED_OUT = 116 if sim.ESP32 else 110  # and if a line is held low
RANGE = "reading out of the chip's range"
NOT_MEASURED = "chip has not measured"

_BLOCKS_MS = 20  # the longest that a call may take


class I2C:
    """A chip on I2C, made with what it measures: `truth`, which can be moved."""

    def __init__(self, chip, address, truth, *args):
        sim.no_stand()
        sim.i2c_devices.clear()
        sim.virtual()
        self.address = address
        self.truth = truth
        self.chip = chip(sim, self._measure, *args)
        sim.i2c_attach(4, 5, address, self.chip, "chip")
        self.i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))

    def _measure(self, *which):
        return self.truth[which[0]] if which else self.truth

    def shows(self, register, n=2):
        return self.i2c.readfrom_mem(self.address, register, n).hex()


class Uart:
    """A chip at a serial port, likewise."""

    def __init__(self, chip, truth, *args):
        from firmware.hardware.board import Board

        sim.no_stand()
        sim.uart_devices.clear()
        sim.virtual()
        self.truth = truth
        self.chip = chip(sim, lambda: self.truth, *args)
        sim.uart_attach(PINS["tx"], PINS["rx"], self.chip, "chip")
        self.uart = Board().uart(PINS["tx"], PINS["rx"])


class Level:
    """An ADC that gives this voltage."""

    def __init__(self, volts):
        self.uv = int(volts * 1000000 + 0.5)

    def read_uv(self):
        return self.uv


def volts(raw):
    """Of a Pico's read_u16()."""
    return raw * 3.3 / 65535


def quickly(function, most_ms=_BLOCKS_MS):
    """Call it. No call may block for long."""
    began = sim.now()
    result = function()
    assert sim.now() - began <= most_ms, sim.now() - began
    return result


def wait(driver, most_ms=_BLOCKS_MS):
    """Wait until it is ready to be read."""
    ready = getattr(driver, "ready", None)
    ms = ready and quickly(ready, most_ms)
    while ms:
        sim.advance(ms)
        ms = quickly(ready, most_ms)


def finish(driver):
    wait(driver)
    return driver.read()


def convert(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    wait(driver)


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    return finish(driver)


def failure(function, *args):
    """Return the last argument of the OSError that it raises: a text, or a number."""
    try:
        function(*args)
    except OSError as e:
        return e.args[-1]
    raise AssertionError("no OSError")


def nearly(*usual):
    """Return near(values, expected): are these floats what they should be? usual: tolerances, of each or one of all."""

    def near(values, expected, tolerances=usual):
        if not isinstance(expected, tuple):
            expected = (expected,)
        if not isinstance(tolerances, tuple):
            tolerances = (tolerances,)
        assert len(values) == len(expected), values
        for i, value in enumerate(values):
            tolerance = tolerances[min(i, len(tolerances) - 1)]
            assert type(value) is float, values
            assert abs(value - expected[i]) <= tolerance, (values, expected)

    return near


def run(channel, ms):
    """Run a channel for so long. Return its results."""
    results = []
    end = sim.now() + ms
    while sim.now() < end:
        result = channel.step(time.ticks_ms())
        if result is not None:
            results.append(result)
        sim.advance(max(min(channel.due(time.ticks_ms()), end - sim.now()), 1))
    return results


def first(channel, ms=70_000):
    """Run the channel until it has a result."""
    end = sim.now() + ms
    while sim.now() < end:
        result = channel.step(time.ticks_ms())
        if result is not None:
            return result
        sim.advance(max(channel.due(time.ticks_ms()), 1))


# Types by their tables


def config(*sensor_settings):
    return {
        "wifi": {"networks": [{"ssid": "home"}]},
        "mqtt": {"brokers": [{"host": "192.0.2.1"}]},
        "sensors": list(sensor_settings),
    }


def checked(**setting):
    """Return the checked settings of one sensor, given no more than what has no default.

    A voltage gets a divider besides: the world's battery has more volts than a pin may have.
    """
    from firmware import sensors
    from firmware.settings import config as checker

    rows = sensors.TYPES[setting["type"]][2]
    for key, kind, default, limit, _ in rows:
        if default is ... and key not in setting:
            assert kind == "pin", key
            setting[key] = PINS[limit]
    setting.setdefault("name", setting["type"])
    if setting["type"] in ("adc", "battery"):
        setting.setdefault("r1", 1)
    settings, faults = checker.check(config(setting), sensors.TYPES, sim.BOARD)
    assert not faults, faults
    return settings["sensors"][0]


def attach(setting):
    import chips

    sim.no_stand()
    sim.virtual()
    chips.attach(setting, stand.the_world(), sim)


def detach_all():
    for devices in (
        sim.i2c_devices,
        sim.onewire_devices,
        sim.dht_devices,
        sim.adc_devices,
        sim.uart_devices,
        sim.echo_devices,
    ):
        devices.clear()
    sim.unplugged.clear()
    sim.stuck.clear()


def chip_of(name):
    """The simulated chip of the sensor of this name; None: it has none that could be reset, as a voltage."""
    for devices, at in ((sim.i2c_devices, 3), (sim.onewire_devices, 1), (sim.uart_devices, 2)):
        for device in devices:
            if device[-1] == name:
                return device[at]


def forget(*packages):
    """Unload the modules within packages, as if they had never been imported."""
    for name in list(sys.modules):
        package, _, module = name.rpartition(".")
        if package in packages:
            parent = sys.modules.get(package)
            if hasattr(parent, module):
                delattr(parent, module)
            del sys.modules[name]
    gc.collect()
