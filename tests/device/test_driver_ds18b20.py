"""DS18B20 over the simulated 1-Wire bus."""

import machine
import onewire
import sim
from chips import ds18b20 as chips

from drivers.ds18b20 import DS18B20

BOARDS = ("esp32", "pico_w")

ROM = bytes.fromhex("28ff641e0f160390")


def rom(n):
    head = bytes((0x28, n, 0x64, 0x1E, 0x0F, 0x16, 0x03))
    return head + bytes((chips.crc8(head),))


class Bench:
    """One chip on pin 4, or as many as there are roms."""

    def __init__(self, *roms):
        sim.no_bench()
        sim.virtual()
        self.celsius = 21.5
        self.chips = [chips.Chip(sim, lambda: self.celsius, r) for r in roms or (ROM,)]
        self.chip = self.chips[0]
        for i, chip in enumerate(self.chips):
            sim.onewire_attach(4, chip, "chip%d" % i)
        self.wire = onewire.OneWire(machine.Pin(4))


def measure(driver):
    driver.start()
    sim.advance(driver.conversion_ms)
    return driver.read()


def failure(kind, function, *args):
    try:
        function(*args)
    except kind as e:
        return e.args[-1]
    raise AssertionError("no " + kind.__name__)


def test_temperatures_of_the_data_sheet():
    table = (125.0, 85.0, 25.0625, 10.125, 0.5, 0.0, -0.5, -10.125, -25.0625, -55.0)
    bench = Bench()
    driver = DS18B20(bench.wire, ROM.hex())
    for celsius in table:
        bench.celsius = celsius
        assert measure(driver) == (celsius,), celsius


def test_frames():
    bench = Bench()
    driver = DS18B20(bench.wire)
    bench.chip.frame = bytes.fromhex("91014b467fff0f1025")
    assert measure(driver) == (25.0625,)
    bench.chip.frame = bytes.fromhex("5eff4b467fff0210b6")
    assert measure(driver) == (-10.125,)


def test_undefined_bits_are_left_out():
    # 21.5625 is 0x159; the chip sets the bits that are undefined.
    bench = Bench()
    bench.celsius = 21.5625
    driver = DS18B20(bench.wire)
    for config, expected in ((0x1F, 21.5), (0x3F, 21.5), (0x5F, 21.5), (0x7F, 21.5625)):
        bench.chip.scratchpad[4] = config
        assert measure(driver) == (expected,), config
    bench.celsius = -0.0625
    bench.chip.scratchpad[4] = 0x1F
    assert measure(driver) == (-0.5,)


def test_start_and_read_do_not_wait():
    bench = Bench()
    driver = DS18B20(bench.wire)
    began = sim.now()
    driver.start()
    assert sim.now() == began
    sim.advance(driver.conversion_ms)
    driver.read()
    assert sim.now() == began + driver.conversion_ms


def test_power_on_value_is_no_reading():
    bench = Bench()
    driver = DS18B20(bench.wire)
    assert failure(OSError, driver.read) == "chip has not measured"
    driver.start()
    sim.advance(749)  # too early by a millisecond
    assert failure(OSError, driver.read) == "chip has not measured"
    sim.advance(1)
    assert driver.read() == (21.5,)
    bench.chip.powered = False
    driver.start()
    sim.advance(750)
    assert failure(OSError, driver.read) == "chip has not measured"


def test_data_line_held_low():
    bench = Bench()
    driver = DS18B20(bench.wire)
    sim.stuck.add(4)
    driver.start()
    assert failure(OSError, driver.read) == "data line held low"


def test_one_wrong_checksum_is_forgiven():
    bench = Bench()
    driver = DS18B20(bench.wire)
    measure(driver)
    good = bytes(bench.chip.scratchpad) + bytes((chips.crc8(bench.chip.scratchpad),))
    reset = bench.chip.reset
    for bit in range(72):
        spoilt = bytearray(good)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        answers = [bytes(spoilt), good]

        def answer():
            reset()
            bench.chip.frame = answers.pop(0)

        bench.chip.reset = answer
        assert driver.read() == (21.5,), bit
        assert not answers, bit  # it noticed, and asked again


def test_wrong_checksums():
    bench = Bench()
    driver = DS18B20(bench.wire)
    bench.chip.frame = bytes.fromhex("91014b467fff0f1024")
    assert failure(OSError, driver.read) == "checksum"


def test_out_of_range():
    bench = Bench()
    driver = DS18B20(bench.wire)
    for celsius in (125.0625, -55.0625):
        bench.celsius = celsius
        driver.start()
        sim.advance(750)
        assert failure(OSError, driver.read) == "reading out of the chip's range"


def test_nobody_on_the_wire():
    bench = Bench()
    driver = DS18B20(bench.wire)
    sim.unplugged.add("chip0")
    assert failure(OSError, DS18B20, bench.wire) == 19
    assert failure(OSError, driver.start) == 19
    assert failure(OSError, driver.read) == 19


def test_this_one_is_not_on_the_wire():
    bench = Bench()
    driver = DS18B20(bench.wire, rom(9).hex())
    driver.start()
    sim.advance(750)
    assert failure(OSError, driver.read) == 19


def test_several_on_the_wire_want_an_address():
    roms = [rom(n) for n in (1, 2, 130)]
    bench = Bench(*roms)
    text = failure(ValueError, DS18B20, bench.wire)
    assert text.startswith("several on the wire, set address to one of "), text
    for r in roms:
        assert r.hex() in text, text


def test_other_families_do_not_count():
    head = b"\x29\x01\x02\x03\x04\x05\x06"
    bench = Bench(ROM, head + bytes((chips.crc8(head),)))
    assert DS18B20(bench.wire).rom == ROM


def test_wrong_addresses():
    bench = Bench()
    wrong = ["28ff641e0f160391", "10ff641e0f160390", "0000000000000000", "28ff"]
    for head in (
        b"\x28",
        b"\x10\xff\x64\x1e\x0f\x16\x03",
    ):  # the length, the family: the checksum is right
        wrong.append((head + bytes((chips.crc8(head),))).hex())
    for address in wrong:
        text = failure(ValueError, DS18B20, bench.wire, address)
        assert text == address + " is no DS18B20's address", text


def test_two_on_a_wire_do_not_disturb_each_other():
    bench = Bench(rom(1), rom(2))
    one = DS18B20(bench.wire, rom(1).hex())
    two = DS18B20(bench.wire, rom(2).hex())
    bench.celsius = 10.0
    one.start()
    sim.advance(400)
    bench.celsius = 30.0
    two.start()  # in the middle of the other's conversion
    sim.advance(350)
    assert one.read() == (10.0,)
    assert failure(OSError, two.read) == "chip has not measured"
    sim.advance(400)
    assert two.read() == (30.0,)
    assert one.read() == (10.0,)
