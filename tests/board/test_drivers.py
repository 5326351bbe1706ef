"""Every sensor on I2C, ADC and UART: the emulated Pico's true buses against the fakes', byte for byte and value for value.

The channel is the one that a node loads, over `firmware.board.Board`, from compiled modules. What may differ is how often a chip
that is not done is asked, and the last bits of a float: MicroPython's are double precision where the fakes run, single on
a Pico.
"""

import json
import struct

import driver_cases
import pytest
from driver_bench import number, on_pico, over_fakes, transactions
from pico import put

from firmware import config, sensors
from tools import emulator, mpy
from tools.serialboard import Link

PINS = {
    "i2c": {"sda": 4, "scl": 5},
    "adc": {"pin": 26},
    "uart": {"tx": 0, "rx": 1},
}
CASES = {
    name: (bus, *case)
    for bus, cases in (
        ("i2c", driver_cases.I2C),
        ("adc", driver_cases.ADC),
        ("uart", driver_cases.UART),
    )
    for name, case in cases.items()
}

# What rounding in single precision may do, in units of the last decimal that is published.
TOLERANCE = 0.05


class Bench:
    """A Pico that has the modules on its flash and does not start the node; it runs from the first case on."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / "tree"
        self.pipes = folder / "pipes"
        self.pipes.mkdir()
        mpy.compile_tree(self.tree)
        self.pico = emulator.EmulatedPico(folder / "flash", [f"chips={self.pipes}"])
        self.link = None
        self._start()  # it makes its file system
        self.stop()
        modules = [path for name in mpy.PACKAGES for path in (self.tree / name).rglob("*.mpy")]
        put(
            self.pico.flash,
            {path.relative_to(self.tree).as_posix(): path.read_bytes() for path in modules},
        )

    def _start(self):
        self.pico.start()
        self.link = Link(self.pico.url)
        self.link.enter()

    def stop(self):
        if self.link:
            self.link.close()
            self.link = None
        self.pico.stop()

    def both(self, name):
        """Run a case over the fakes and on the Pico."""
        flash = self.folder / name
        flash.mkdir()
        case = {"setting": setting(name), "steps": CASES[name][2]}
        return over_fakes(case, self.tree, flash), self.on_pico(case)

    def on_pico(self, case):
        if not self.link:
            self._start()
        try:
            return on_pico(case, self.link, self.pipes)
        except Exception:
            self.stop()  # the next case finds a fresh one
            raise


@pytest.fixture(scope="module")
def bench(tmp_path_factory, firmware):
    made = Bench(tmp_path_factory.mktemp("drivers"))
    yield made
    made.stop()


def setting(name):
    """The entry of `sensors` of a case with its defaults, as a node's configuration has it."""
    bus, entry, _ = CASES[name]
    entry = {"name": driver_cases.NAME, "interval_s": 5, **PINS[bus], **entry}
    raw = {
        "wifi": {"networks": [{"ssid": "home"}]},
        "mqtt": {"brokers": [{"host": "broker"}]},
        "sensors": [entry],
    }
    settings, faults = config.check(raw, sensors.TYPES, "pico_w")
    assert not faults
    return settings["sensors"][0]


def test_every_type_is_here():
    wanted = {name for name, row in sensors.TYPES.items() if row[1] in PINS}
    assert {entry["type"] for _, entry, _ in CASES.values()} == wanted


@pytest.mark.parametrize("name", CASES)
def test_same_traffic_and_readings(bench, name):
    fakes, pico = bench.both(name)
    assert {step: transactions(events) for step, events in pico.traffic.items()} == {
        step: transactions(events) for step, events in fakes.traffic.items()
    }
    assert any(fakes.traffic.values())

    _, _, steps = CASES[name]
    assert len(pico.readings) == len(fakes.readings) == steps.count(driver_cases.READ)
    for expected, got in zip(fakes.readings, pico.readings, strict=True):
        if expected[0] == "reading":
            same_reading(expected, got)
        else:
            assert got == expected
    assert any(reading[0] == "reading" for reading in pico.readings)


def same_reading(expected, got):
    kind, expected_values, expected_payload = expected
    assert got[0] == kind
    _, values, payload = got
    expected_published = json.loads(f"{{{expected_payload}}}")
    published = json.loads(f"{{{payload}}}")
    assert list(published) == list(expected_published)
    for quantity, wanted, value in zip(published, expected_values, values, strict=True):
        if not isinstance(wanted, str):
            assert value == wanted, quantity
            continue
        assert number(value) == single(number(value)), f"{quantity} is no single precision float"
        step = 10 ** -max(sensors.QUANTITIES[quantity][2], 1)
        assert abs(number(value) - number(wanted)) <= TOLERANCE * step, quantity
        # A value at a tie may be published as the one or the other.
        assert abs(published[quantity] - expected_published[quantity]) <= 1.01 * step, quantity


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


@pytest.mark.parametrize(("freq", "name"), [(100_000, "tmp117"), (400_000, "bmp280-held")])
def test_the_clock_of_the_bus_is_that_of_the_setting(bench, freq, name):
    assert setting(name)["freq"] == freq
    run = bench.on_pico({"setting": setting(name), "steps": [driver_cases.READ]})
    (clock,) = run.clocks["4,5"]
    assert 0.99 * freq < clock < 1.005 * freq
