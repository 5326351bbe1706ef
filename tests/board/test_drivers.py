"""Every sensor type on the emulated Pico's true I2C, ADC, UART and pins: the fakes' traffic byte for byte, and their readings.

The channel is the one that a node loads, over `firmware.hardware.board.Board`, from compiled modules. What may differ is how often a chip
that is not done is asked, and the last bits of a float: MicroPython's are double precision where the fakes run, single on
a Pico.
"""

import errno
import json
import struct
import subprocess
import sys

import driver_cases
import pytest
from driver_cases import ALL as CASES
from driver_stand import chips_of, number, on_pico, over_fakes, transactions
from pico import put

from emulator import emulator
from firmware import sensors
from firmware.settings import config
from tools import ROOT, mpy
from tools.boards.serialboard import BoardError, Link

PINS = {
    "i2c": {"sda": 4, "scl": 5},
    "adc": {"pin": 26},
    "uart": {"tx": 0, "rx": 1},
    "onewire": {"pin": 22},
    "dht": {"pin": 22},
    "echo": {"trigger": 14, "echo": 15},
    "input": {"pin": 15},
}
BUS = "from machine import I2C, Pin\ni2c = I2C(0, sda=Pin(4), scl=Pin(5))"
SILENT = ("echo", "input")  # pins that move, without a byte

# What rounding in single precision may do, in units of the last decimal that is published.
TOLERANCE = 0.05
# A rate is taken over a time, which passes a little faster for the fakes.
RATE_TOLERANCE = 0.005


class Stand:
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
        modules = {path: path.relative_to(self.tree) for path in self.tree.rglob("*.mpy")}
        put(
            self.pico.flash,
            {name.as_posix(): path.read_bytes() for path, name in modules.items()},
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

    def on_fakes_and_pico(self, name):
        """Run a case over the fakes and on the Pico."""
        flash = self.folder / name
        flash.mkdir()
        case = {"setting": setting(name), "steps": CASES[name][1]}
        return over_fakes(case, self.tree, flash), self.on_pico(case)

    def on_pico(self, case):
        return self._linked(lambda link: on_pico(case, link, self.pipes))

    def run_with(self, name, code):
        """Run code on the Pico with the chip of a case; its bus is `i2c`. Returns what it printed."""
        with chips_of([setting(name)], self.pipes):
            return self._linked(lambda link: link.run(f"{BUS}\n{code}"))

    def _linked(self, use):
        if not self.link:
            self._start()
        try:
            return use(self.link)
        except Exception:
            self.stop()  # the next one finds it fresh
            raise


@pytest.fixture(scope="module")
def stand(tmp_path_factory, firmware):
    made = Stand(tmp_path_factory.mktemp("drivers"))
    yield made
    made.stop()


def setting(name):
    """The entry of `sensors` of a case with its defaults, as a node's configuration has it."""
    entry, _ = CASES[name]
    bus = sensors.TYPES[entry["type"]][1]
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
    assert {entry["type"] for entry, _ in CASES.values()} == set(sensors.TYPES)


def test_a_chip_is_awake_when_it_is_asked_first(tmp_path):
    """A DHT is silent in its first second, and how much of that is over differed."""
    tree, flash = tmp_path / "tree", tmp_path / "flash"
    mpy.compile_tree(tree)
    flash.mkdir()
    for name in ("dht11", "dht22"):
        case = {"setting": setting(name), "steps": ["read"]}
        events = over_fakes(case, tree, flash).traffic["0"]
        assert len(events) == 2 and ("dht", "frame", None) not in events, events


@pytest.mark.parametrize("name", CASES)
def test_same_traffic_and_readings(stand, name):
    fakes, pico = stand.on_fakes_and_pico(name)
    assert {step: transactions(events) for step, events in pico.traffic.items()} == {
        step: transactions(events) for step, events in fakes.traffic.items()
    }
    entry, steps = CASES[name]
    assert any(fakes.traffic.values()) != (sensors.TYPES[entry["type"]][1] in SILENT)

    assert (
        len(pico.readings)
        == len(fakes.readings)
        == sum(steps.count(way) for way in ("read", "watch"))
    )
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
        if quantity == "rate":
            assert number(value) == pytest.approx(number(wanted), rel=RATE_TOLERANCE)
            continue
        step = 10 ** -max(sensors.QUANTITIES[quantity][2], 1)
        assert abs(number(value) - number(wanted)) <= TOLERANCE * step, quantity
        # A value at a tie may be published as the one or the other.
        assert abs(published[quantity] - expected_published[quantity]) <= 1.01 * step, quantity


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


@pytest.mark.parametrize(("freq", "name"), [(100_000, "tmp117"), (400_000, "bmp280-held")])
def test_the_clock_of_the_bus_is_that_of_the_setting(stand, freq, name):
    assert setting(name)["freq"] == freq
    run = stand.on_pico({"setting": setting(name), "steps": [driver_cases.READ]})
    (clock,) = run.clocks["4,5"]
    assert 0.99 * freq < clock < 1.005 * freq


SCANNED = {
    "sht3x": ("--sda", "4", "--scl", "5"),
    "bme280": ("--sda", "4", "--scl", "5"),
    "scd4x": ("--sda", "4", "--scl", "5"),
    "ds18b20": ("--onewire", "22"),
}


@pytest.mark.parametrize("name", SCANNED)
def test_scan_finds_it(stand, name):
    with chips_of([setting(name)], stand.pipes):
        stand.stop()
        stand.pico.start()
        done = subprocess.run(
            [sys.executable, "-m", "tools", "scan", stand.pico.url, "--json", *SCANNED[name]],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=100,
        )
        stand.pico.stop()  # the scan has restarted it
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads(done.stdout)
    wanted = setting(name)
    assert entry["type"] == name
    for pin in ("sda", "scl", "pin"):
        assert entry.get(pin) == wanted.get(pin)


def test_the_controller_scans(stand):
    assert json.loads(stand.run_with("tmp117", "print(i2c.scan())")) == [0x4B]


def test_a_byte_that_a_chip_refuses_is_no_error(stand):
    # It knows no such command, which it says by not acknowledging the second byte. As in test_fakes_board.py.
    assert stand.run_with("sht3x", "print(i2c.writeto(0x44, b'\\x12\\x34'))").strip() == "1"
    stand.run_with("sht3x", "i2c.writeto_mem(0x44, 0x12, b'\\x34')")
    with pytest.raises(BoardError) as raised:
        stand.run_with("sht3x", "i2c.writeto(0x45, b'\\x12\\x34')")
    assert raised.value.errno == errno.EIO
