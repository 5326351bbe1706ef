"""DS18B20 over the simulated 1-Wire bus."""

import machine
import onewire
from chips import ds18b20 as chips
from chipstand import NOT_MEASURED, RANGE, failure, measure

import sim
from drivers.ds18b20 import DS18B20

BOARDS = ("esp32", "pico_w")

ROM = bytes.fromhex("28ff641e0f160390")
MARKS = "6a95"  # in the two bytes for an alarm


def rom(n, family=0x28):
    head = bytes((family, n, 0x64, 0x1E, 0x0F, 0x16, 0x03))
    return head + bytes((chips.crc8(head),))


class Stand:
    """One chip on pin 4, or as many as there are roms."""

    def __init__(self, *roms):
        sim.no_stand()
        sim.virtual()
        sim.onewire_devices.clear()
        self.celsius = 21.5
        self.chips = [chips.Chip(sim, lambda: self.celsius, r) for r in roms or (ROM,)]
        self.chip = self.chips[0]
        for i, chip in enumerate(self.chips):
            sim.onewire_attach(4, chip, "chip%d" % i)
        self.wire = onewire.OneWire(machine.Pin(4))


def frame(text):
    """Eight bytes and their checksum, with the driver's marks in place of the data sheet's 4b46."""
    data = bytes.fromhex(text.replace("4b46", MARKS))
    return data + bytes((chips.crc8(data),))


def refused(function, *args):
    """Return the text of the ValueError that it raises."""
    try:
        function(*args)
    except ValueError as e:
        return e.args[-1]
    raise AssertionError("no ValueError")


def test_temperatures_of_the_data_sheet():
    table = (125.0, 85.0, 25.0625, 10.125, 0.5, 0.0, -0.5, -10.125, -25.0625, -55.0)
    stand = Stand()
    driver = DS18B20(stand.wire, ROM.hex())
    for celsius in table:
        stand.celsius = celsius
        assert measure(driver) == (celsius,), celsius


def test_frames():
    stand = Stand()
    driver = DS18B20(stand.wire)
    for text, celsius in (("91014b467fff0f10", 25.0625), ("5eff4b467fff0210", -10.125)):
        stand.chip.frame = frame(text)
        assert measure(driver) == (celsius,)


def test_undefined_bits_are_left_out():
    # One that knows fewer than 12 bits, whatever the driver sets.
    stand = Stand()
    driver = DS18B20(stand.wire)
    for low, config, expected in (
        ("5f01", "1f", 21.5),
        ("5b01", "3f", 21.5),
        ("5901", "5f", 21.5),
        ("5901", "7f", 21.5625),
        ("ffff", "1f", -0.5),
    ):
        stand.chip.frame = frame(low + "4b46" + config + "ff0f10")
        assert measure(driver) == (expected,), (low, config)


def test_the_resolution_that_another_program_set():
    stand = Stand()
    stand.chip.scratchpad[4] = 0x1F
    stand.celsius = 21.5625
    assert measure(DS18B20(stand.wire)) == (21.5625,)
    assert stand.chip.stored == b"\x4b\x46\x7f"  # what it keeps for ever is as it was


def test_start_and_read_do_not_wait():
    stand = Stand()
    driver = DS18B20(stand.wire)
    began = sim.now()
    driver.start()
    assert sim.now() == began
    sim.advance(driver.conversion_ms)
    driver.read()
    assert sim.now() == began + driver.conversion_ms


def test_power_on_value_is_no_reading():
    stand = Stand()
    driver = DS18B20(stand.wire)
    assert failure(driver.read) == NOT_MEASURED
    driver.start()
    sim.advance(749)  # too early by a millisecond
    assert failure(driver.read) == NOT_MEASURED
    sim.advance(1)
    assert driver.read() == (21.5,)
    stand.chip.powered = False
    driver.start()
    sim.advance(750)
    assert failure(driver.read) == NOT_MEASURED


def test_copies_that_lose_their_power_in_a_conversion():
    # What they show then, in bytes as they were seen: never a value, not even one that a room may have.
    for born in (
        "50054b467fff0c10",  # the maker's own
        "500555007fff0c10",
        "500555aa7fffff10",
        "5005ffff7fff1010",  # 85 °C as if it had measured them
        "90014b467fff0010",  # 25 °C
        "00004b467fff1010",
        "f0074b467fff1010",  # 127 °C
    ):
        stand = Stand()
        stand.chip.tells = False
        stand.chip.born = bytes.fromhex(born)
        stand.chip.stored = stand.chip.born[2:5]
        stand.chip.power_on()
        driver = DS18B20(stand.wire)
        stand.chip.powered = False
        assert failure(measure, driver) == NOT_MEASURED, born
        stand.chip.powered = True
        assert measure(driver) == (21.5,), born
        for ms in (1, 400, 749):
            driver.start()
            sim.advance(ms)
            stand.chip.power_on()
            sim.advance(750 - ms)
            assert failure(driver.read) == NOT_MEASURED, (born, ms)


def test_a_conversion_that_was_not_begun():
    # The chip got its marks, and not the command after them.
    for tells, ds18s20 in ((True, False), (False, False), (True, True)):
        stand = Stand(rom(1, 0x10 if ds18s20 else 0x28))
        stand.chip.tells = tells
        driver = DS18B20(stand.wire)
        stand.chip._convert = lambda: None
        assert failure(measure, driver) == NOT_MEASURED


def test_85_degrees():
    stand = Stand()
    stand.celsius = 85.0
    driver = DS18B20(stand.wire)
    assert measure(driver) == (85.0,)
    stand.chip.tells = False  # a copy does not tell it from its start
    stand.chip.scratchpad[6] = 0x0C
    assert failure(measure, driver) == NOT_MEASURED
    stand.celsius = 84.9375
    assert measure(driver) == (84.9375,)


def test_a_ds18s20():
    table = (125.0, 84.9375, 25.0625, 10.125, 0.5, 0.0, -0.5, -10.125, -25.0625, -55.0)
    for family in (0x10, 0x22, 0x3B):
        stand = Stand(rom(1, family))
        driver = DS18B20(stand.wire)
        for stand.celsius in table:
            assert measure(driver) == (stand.celsius,), (family, stand.celsius)
        stand.chip.power_on()
        assert failure(driver.read) == NOT_MEASURED
    stand = Stand(rom(1, 0x10))
    driver = DS18B20(stand.wire)
    stand.chip.frame = frame("32004b46ffff0c10")  # the data sheet's 25 °C
    assert measure(driver) == (25.0,)
    for text in ("32004b46ffff0c00", "32004b46ffff1110"):  # no count, and more than all of it
        stand.chip.frame = frame(text)
        assert failure(measure, driver) == RANGE


def test_a_max31850_is_named():
    stand = Stand(rom(1, 0x3B))
    stand.chip.frame = frame("90014b46f0ffffff")
    assert failure(measure, DS18B20(stand.wire)) == "another chip answers (a MAX31850)"


def test_one_wrong_checksum_is_forgiven():
    stand = Stand()
    driver = DS18B20(stand.wire)
    measure(driver)
    good = bytes(stand.chip.scratchpad) + bytes((chips.crc8(stand.chip.scratchpad),))
    reset = stand.chip.reset
    for bit in range(72):
        spoilt = bytearray(good)
        spoilt[bit >> 3] ^= 1 << (bit & 7)
        answers = [bytes(spoilt), good]

        def answer():
            reset()
            stand.chip.frame = answers.pop(0)

        stand.chip.reset = answer
        assert driver.read() == (21.5,), bit
        assert not answers, bit  # it noticed, and asked again


def test_wrong_checksums():
    stand = Stand()
    driver = DS18B20(stand.wire)
    stand.chip.frame = bytes.fromhex("91014b467fff0f1024")
    assert failure(driver.read) == "checksum"


def test_out_of_range():
    stand = Stand()
    driver = DS18B20(stand.wire)
    for celsius in (125.0625, -55.0625):
        stand.celsius = celsius
        driver.start()
        sim.advance(750)
        assert failure(driver.read) == RANGE


def test_nobody_on_the_wire():
    stand = Stand()
    driver = DS18B20(stand.wire)
    sim.unplugged.add("chip0")
    assert failure(DS18B20, stand.wire) == 19
    assert failure(driver.start) == 19
    assert failure(driver.read) == 19
    sim.unplugged.clear()
    head = b"\x29\x01\x02\x03\x04\x05\x06"
    stand = Stand(head + bytes((chips.crc8(head),)))
    assert failure(DS18B20, stand.wire) == "another chip answers (family 0x29)"


def test_this_one_is_not_on_the_wire():
    stand = Stand()
    driver = DS18B20(stand.wire, rom(9).hex())
    driver.start()
    sim.advance(750)
    assert failure(driver.read) == "others answer on the wire, not this address"


def test_several_on_the_wire_want_an_address():
    roms = [rom(n) for n in (1, 2, 130)]
    stand = Stand(*roms)
    text = refused(DS18B20, stand.wire)
    assert text.startswith("several on the wire, set address to one of "), text
    for r in roms:
        assert r.hex() in text, text


def test_other_families_do_not_count():
    head = b"\x29\x01\x02\x03\x04\x05\x06"
    stand = Stand(ROM, head + bytes((chips.crc8(head),)))
    assert DS18B20(stand.wire).rom == ROM


def test_wrong_addresses():
    stand = Stand()
    wrong = ["28ff641e0f160391", "10ff641e0f160390", "0000000000000000", "28ff"]
    for head in (
        b"\x28",
        b"\x29\xff\x64\x1e\x0f\x16\x03",
    ):  # the length, the family: the checksum is right
        wrong.append((head + bytes((chips.crc8(head),))).hex())
    for address in wrong:
        text = refused(DS18B20, stand.wire, address)
        assert text == address + " is no DS18B20's address", text


def test_two_on_a_wire_do_not_disturb_each_other():
    stand = Stand(rom(1), rom(2))
    one = DS18B20(stand.wire, rom(1).hex())
    two = DS18B20(stand.wire, rom(2).hex())
    stand.celsius = 10.0
    one.start()
    sim.advance(400)
    stand.celsius = 30.0
    two.start()  # in the middle of the other's conversion
    sim.advance(350)
    assert one.read() == (10.0,)
    assert failure(two.read) == NOT_MEASURED
    sim.advance(400)
    assert two.read() == (30.0,)
    assert one.read() == (10.0,)
