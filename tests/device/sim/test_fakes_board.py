"""The simulated machine: what is absent, what ends it, what its pins, buses and clock do."""

import errno as errnos  # `errno.X` would be folded to the host's number when it is compiled
import os
import sys
import time

import machine
import stand
from raising import raises

import sim

BOARDS = ("esp32", "pico_w")


def number(call, *args, **kwargs):
    return raises(OSError, call, *args, **kwargs).errno


class Register:
    """An I2C chip of 4 registers with a pointer."""

    def __init__(self):
        self.memory = bytearray(b"\x60\x11\x22\x33")
        self.at = 0
        self.log = []
        self.busy = False
        self.refused = None  # what it does not want to hear

    def write(self, data):
        if self.busy or data == self.refused:
            return False
        self.log.append(bytes(data))
        if data:
            self.at = data[0]
            for byte in data[1:]:
                self.memory[self.at] = byte
                self.at += 1

    def read(self, n):
        if self.busy:
            return None
        return bytes(self.memory[self.at : self.at + n])

    def stop(self):
        self.log.append("stop")


class Rom:
    """A 1-Wire chip that echoes."""

    def __init__(self, rom):
        self.rom = rom
        self.said = b""
        self.resets = 0

    def reset(self):
        self.resets += 1

    def write_byte(self, byte):
        self.said += bytes((byte,))

    def read_byte(self):
        return self.said[-1] if self.said else 0xFF


# ---- what is there ----------------------------------------------------------------------------------------------


def test_what_a_port_lacks_is_absent():
    only_esp32 = ("HARD_RESET", "DEEPSLEEP_RESET", "SOFT_RESET", "wake_reason")
    for name in only_esp32:
        assert hasattr(machine, name) == sim.ESP32, name
    for owner, name in ((machine.RTC, "memory"), (machine.ADC, "read_uv"), (machine.ADC, "atten")):
        assert hasattr(owner, name) == sim.ESP32, name
    assert hasattr(machine.ADC, "CORE_TEMP") != sim.ESP32
    assert not hasattr(machine, "mem_backup")
    assert not hasattr(os, "getenv") and not hasattr(os, "system")
    assert hasattr(os, "sync")


def test_which_family_it_is():
    for name, there in (("esp32", sim.ESP32), ("rp2", not sim.ESP32)):
        try:
            __import__(name)
            assert there
        except ImportError:
            assert not there
    assert ("ESP32" if sim.ESP32 else "RP2040") in os.uname().machine
    assert len(machine.unique_id()) == (6 if sim.ESP32 else 8)


def test_from_import_of_what_loads_late():
    from socket import getaddrinfo, socket

    from machine import ADC, I2C, Pin, Timer
    from network import WLAN


# ---- endings ----------------------------------------------------------------------------------------------------


def test_a_reset_does_not_return_and_runs_nothing():
    sim.catch_resets()
    try:
        try:
            machine.reset()
        except Exception:
            raise AssertionError("an `except Exception` must not see it")
    except sim.Reset as e:
        assert e.args[0] == "reset"


def test_power_on_is_the_first_cause():
    assert machine.reset_cause() == machine.PWRON_RESET


def test_the_watchdog_in_virtual_time():
    sim.virtual()
    sim.catch_resets()
    dog = machine.WDT(timeout=5000)
    for _ in range(10):
        time.sleep(4)
        dog.feed()
    began = sim.now()
    assert raises(sim.Reset, time.sleep, 60).args[0] == "wdt"
    assert sim.now() - began == 5000


def test_a_second_watchdog_rearms():
    sim.virtual()
    sim.catch_resets()
    machine.WDT(timeout=1000)
    machine.WDT(timeout=8000)
    time.sleep(7)
    raises(sim.Reset, time.sleep, 2)


def test_watchdog_limits():
    raises(ValueError, machine.WDT, timeout=0)
    raises(ValueError, machine.WDT, id=1)
    if sim.ESP32:
        machine.WDT(timeout=60_000)
    else:
        assert raises(ValueError, machine.WDT, timeout=8389).args[0] == "timeout exceeds 8388"
        machine.WDT(timeout=8388)


def test_retained_memory():
    if not sim.ESP32:
        sim.mem_backup = True  # from v1.29
        words = machine.mem_backup()
        words[3] = 0xDEADBEEF
        assert machine.mem_backup()[3] == 0xDEADBEEF
        assert len(machine.mem_backup(-1)) == 2
        return
    rtc = machine.RTC()
    assert rtc.memory() == b""
    rtc.memory(b"kept" * 512)
    assert rtc.memory() == b"kept" * 512
    assert raises(ValueError, rtc.memory, bytes(2049)).args[0] == "buffer too long"


def test_light_sleep():
    import network

    sim.virtual()
    began = sim.now()
    machine.lightsleep(1000)
    assert sim.now() - began == 1000
    network.WLAN().active(True)
    if not sim.ESP32:
        slept = []
        for _ in range(5):
            began = sim.now()
            machine.lightsleep(1000)
            slept.append(sim.now() - began)
        assert min(slept) < 1000
        raises(ValueError, machine.lightsleep, 4_300_000)


def test_deep_sleep_is_a_reset():
    sim.catch_resets()
    assert raises(sim.Reset, machine.deepsleep, 1000).args[0] == "deepsleep"


# ---- time -------------------------------------------------------------------------------------------------------


def test_the_clock_starts_wrong():
    assert time.gmtime(0)[0] == (2000 if sim.ESP32 else 1970)
    assert time.gmtime()[:3] == ((2000 if sim.ESP32 else 2021), 1, 1)
    assert isinstance(time.time(), int)
    assert len(time.gmtime()) == 8 and time.localtime()[:4] == time.gmtime()[:4]


def test_mktime():
    for t in ((2024, 2, 29, 12, 30, 15), (2026, 11, 20, 0, 0, 0), (2000, 1, 1, 0, 0, 0)):
        assert time.gmtime(time.mktime(t + (0, 0)))[:6] == t
    assert time.mktime((2000, 1, 1, 0, 0, 0, 0, 0)) == (0 if sim.ESP32 else 946_684_800)


def test_setting_the_clock():
    machine.RTC().datetime((2026, 11, 20, 4, 12, 30, 15, 0))
    assert time.gmtime()[:5] == (2026, 11, 20, 12, 30)
    assert machine.RTC().datetime()[:4] == (2026, 11, 20, 4)


def test_ticks_wrap_after_20_seconds():
    sim.virtual()
    began = time.ticks_ms()
    assert began > 2**30 - 20_001
    time.sleep(30)
    assert time.ticks_ms() < 11_000
    assert time.ticks_diff(time.ticks_ms(), began) == 30_000
    assert time.ticks_add(began, 30_000) == time.ticks_ms()


def test_virtual_time():
    sim.virtual()
    began = sim.utime.ticks_ms()
    time.sleep(86_400)
    assert sim.utime.ticks_diff(sim.utime.ticks_ms(), began) < 5000
    us = time.ticks_us()
    time.sleep_us(1500)
    assert time.ticks_diff(time.ticks_us(), us) == 1500


def test_a_timer():
    sim.virtual()
    runs = []
    timer = machine.Timer(0 if sim.ESP32 else -1)
    timer.init(period=100, callback=lambda t: runs.append(sim.now()))
    time.sleep_ms(1050)
    assert len(runs) == 10
    timer.deinit()
    time.sleep_ms(1000)
    assert len(runs) == 10
    if not sim.ESP32:
        raises(ValueError, machine.Timer, 0)


def test_a_callback_that_raises_is_never_called_again():
    sim.virtual()
    runs = []

    def bad(_):
        runs.append(1)
        raise ValueError("in a callback")

    machine.Timer(-1).init(period=100, callback=bad)
    pin = machine.Pin(14, machine.Pin.IN)
    pin.irq(bad, machine.Pin.IRQ_RISING)
    for level in (1, 0, 1, 0):
        sim.pin(14).drive(level)
        time.sleep_ms(200)
    assert len(runs) == 2


# ---- pins -------------------------------------------------------------------------------------------------------


def test_invalid_pins():
    for n in (-1, 99, 6 if sim.ESP32 else 30):
        assert raises(ValueError, machine.Pin, n).args[0] == "invalid pin"
    if sim.ESP32:
        raises(ValueError, machine.Pin, "LED")
        raises(ValueError, machine.Pin, 34, machine.Pin.OUT)
    else:
        led = machine.Pin("LED", machine.Pin.OUT)
        led.on()
        assert led.value() == 1
        raises(ValueError, led.irq, lambda p: None)
        raises(ValueError, machine.Pin, "LED", machine.Pin.IN, machine.Pin.PULL_UP)
        assert machine.Pin("GP5") is machine.Pin(5)


def test_pulls_and_drivers():
    pin = machine.Pin(14, machine.Pin.IN, machine.Pin.PULL_UP)
    assert pin.value() == 1
    sim.pin(14).drive(0)
    assert pin() == 0
    sim.pin(14).drive(None)
    assert pin() == 1
    stand.bus_stuck(14)
    assert pin() == 0


def test_esp32_pins_34_to_39_have_no_pull():
    if sim.ESP32:
        assert machine.Pin(35, machine.Pin.IN, machine.Pin.PULL_UP).value() == 0


def test_interrupts():
    seen = []
    pin = machine.Pin(14, machine.Pin.IN, machine.Pin.PULL_UP)
    pin.irq(lambda p: seen.append(p.value()), machine.Pin.IRQ_FALLING)
    sim.pin(14).drive(0)
    sim.pin(14).drive(1)
    sim.pin(14).drive(1)
    sim.pin(14).drive(0)
    time.sleep_ms(10)
    assert len(seen) == 2
    pin.irq(None)
    sim.pin(14).drive(1)
    sim.pin(14).drive(0)
    time.sleep_ms(10)
    assert len(seen) == 2
    if sim.ESP32:
        raises(TypeError, pin.irq, print, hard=True)


# ---- buses ------------------------------------------------------------------------------------------------------


def i2c(**chips):
    sim.no_stand()
    chip = Register()
    sim.i2c_attach(4, 5, 0x76, chip, "room")
    return machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5), freq=100_000), chip


def test_i2c():
    bus, chip = i2c()
    assert bus.scan() == [0x76]
    chip.log.clear()
    assert bus.readfrom_mem(0x76, 1, 2) == b"\x11\x22"
    assert chip.log == [b"\x01", "stop"]  # a repeated start between
    bus.writeto_mem(0x76, 2, b"\xaa\xbb")
    assert chip.memory[2:] == b"\xaa\xbb"
    buf = bytearray(3)
    bus.writeto(0x76, b"\x00")
    bus.readfrom_into(0x76, buf)
    assert buf == b"\x60\x11\xaa"
    bus.readfrom_mem_into(0x76, 0, buf)
    assert buf[0] == 0x60


def test_nobody_there():
    bus, chip = i2c()
    nack = 19 if sim.ESP32 else 5
    assert number(bus.readfrom, 0x40, 1) == nack
    chip.busy = True
    assert number(bus.readfrom, 0x76, 1) == nack
    assert number(bus.writeto, 0x76, b"\0") == nack
    chip.busy = False
    stand.unplug("room")
    assert number(bus.readfrom_mem, 0x76, 0, 1) == nack
    stand.replug("room")
    assert bus.readfrom_mem(0x76, 0, 1) == b"\x60"
    soft = machine.SoftI2C(sda=machine.Pin(4), scl=machine.Pin(5))
    assert number(soft.readfrom, 0x40, 1) == 19
    assert soft.readfrom_mem(0x76, 0, 1) == b"\x60"


def test_a_byte_that_is_refused():
    bus, chip = i2c()
    chip.refused = b"\x02\xaa\xbb"
    if sim.ESP32:
        assert number(bus.writeto, 0x76, chip.refused) == 19
        assert number(bus.writeto_mem, 0x76, 2, b"\xaa\xbb") == 19
    else:
        assert bus.writeto(0x76, chip.refused) == 2  # so many were acknowledged
        bus.writeto_mem(0x76, 2, b"\xaa\xbb")  # and it raises nothing
    assert chip.memory[2:] != b"\xaa\xbb"
    soft = machine.SoftI2C(sda=machine.Pin(4), scl=machine.Pin(5))
    assert soft.writeto(0x76, chip.refused) == 2  # on an ESP32, too
    assert soft.writeto(0x76, b"\x00") == 1


def test_a_bus_held_low():
    bus, _chip = i2c()
    stand.bus_stuck(4)
    assert number(bus.readfrom, 0x76, 1) == getattr(errnos, "ETIMEDOUT")
    stand.bus_stuck(4, False)
    bus.readfrom(0x76, 1)


def test_a_chip_cut_off_in_mid_byte_lets_go_when_clocked():
    _bus, _chip = i2c()
    stand.sda_held(4, 5, pulses=3)
    assert machine.Pin(4, machine.Pin.IN, machine.Pin.PULL_UP).value() == 0
    scl = machine.Pin(5, machine.Pin.OPEN_DRAIN, machine.Pin.PULL_UP, value=1)
    for _ in range(3):
        scl(0)
        scl(1)
    assert machine.Pin(4).value() == 1


def test_i2c_pins():
    if sim.ESP32:
        raises(ValueError, machine.I2C, 0, sda=21, scl=22)  # not Pin objects
        raises(ValueError, machine.I2C, 0, sda=machine.Pin(34), scl=machine.Pin(22))
    else:
        assert raises(ValueError, machine.I2C, 0, sda=4, scl=7).args[0] == "bad SCL pin"
        assert raises(ValueError, machine.I2C, 0, sda=2, scl=5).args[0] == "bad SDA pin"
        machine.I2C(1, sda=2, scl=3)
    raises(ValueError, machine.I2C, 2)


def test_there_are_two_controllers_only():
    sim.no_stand()
    sim.i2c_attach(4, 5, 0x76, Register(), "a")
    sim.i2c_attach(12, 13, 0x77, Register(), "b")
    first = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))
    again = machine.I2C(0, sda=machine.Pin(12), scl=machine.Pin(13))
    assert first is again  # the same one, on other pins now
    assert first.scan() == [0x77]


def test_onewire_search_and_match():
    import onewire

    sim.no_stand()
    roms = [bytes((0x28, i * 37 & 0xFF, i, 0, 0, 0, 0)) for i in (1, 2, 5, 9)]
    bus = onewire.OneWire(machine.Pin(15))
    roms = [rom + bytes((bus.crc8(rom),)) for rom in roms]
    chips = [Rom(rom) for rom in roms]
    assert not bus.reset() and bus.scan() == []
    raises(onewire.OneWireError, bus.reset, True)
    for i, chip in enumerate(chips):
        sim.onewire_attach(15, chip, "t%d" % i)
    assert bus.reset()
    assert sorted(bytes(rom) for rom in bus.scan()) == sorted(roms)
    bus.select_rom(roms[2])
    bus.writebyte(0x5A)
    assert bus.readbyte() == 0x5A
    assert [chip.said for chip in chips] == [b"", b"", b"\x5a", b""]
    stand.unplug("t2")
    bus.select_rom(roms[2])
    assert bus.readbyte() == 0xFF  # nobody pulls the line
    assert len(bus.scan()) == 3


def test_onewire_short_circuit():
    import onewire

    sim.no_stand()
    sim.onewire_attach(15, Rom(b"\x28\0\0\0\0\0\0\x1e"), "t")
    bus = onewire.OneWire(machine.Pin(15))
    stand.bus_stuck(15)
    assert bus.reset()  # looks like a presence pulse
    assert bus.readbyte() == 0  # and nine zeros have a good CRC


def test_dht():
    import dht

    sim.no_stand()
    sim.virtual()

    class Chip:
        answer = b"\x02\x8c\x81\x5f\x6e"

        def frame(self):
            return self.answer

    chip = Chip()
    sensor = dht.DHT22(machine.Pin(15))
    assert number(sensor.measure) == getattr(errnos, "ETIMEDOUT")
    sim.dht_attach(15, chip, "attic")
    began = sim.now()
    sensor.measure()
    assert sim.now() - began == 250
    assert sensor.buf == chip.answer
    assert round(sensor.temperature() * 10) == -351 and round(sensor.humidity() * 10) == 652
    chip.answer = b"\x02\x8c\x81\x5f\x6f"
    assert type(raises(Exception, sensor.measure)) is Exception


def test_adc():
    sim.no_stand()
    level = [1_000_000]
    n = 34 if sim.ESP32 else 26
    sim.adc_attach(n, lambda: level[0], "battery")
    if sim.ESP32:
        adc = machine.ADC(machine.Pin(n), atten=machine.ADC.ATTN_11DB)
        values = [adc.read_uv() for _ in range(20)]
        assert len(set(values)) > 1  # noise
        assert all(abs(v - 1_000_000) < 20_000 for v in values)
        level[0] = 50_000
        assert adc.read_uv() == 142_000  # below that it does not go
        assert machine.ADC(machine.Pin(n)).read_uv() <= 75_000  # another range
    else:
        adc = machine.ADC(n)
        values = [adc.read_u16() for _ in range(20)]
        assert len(set(values)) > 1
        assert all(abs(v * 3.3 / 65535 - 1) < 0.02 for v in values)
        assert machine.ADC(0).read_u16() > 0  # by channel
        raises(ValueError, machine.ADC, 5)
    level[0] = 9_000_000
    assert adc.read_u16() == 65535
    level[0] = 0
    assert adc.read_u16() == 0


def test_esp32_adc2_while_the_radio_is_on():
    import network

    if sim.ESP32:
        adc = machine.ADC(machine.Pin(25))
        adc.read_u16()
        network.WLAN().active(True)
        assert number(adc.read_u16) == 116
        machine.ADC(machine.Pin(36)).read_u16()
        raises(ValueError, machine.ADC, machine.Pin(5))


def test_uart():
    class Echo:
        sent = b""

        def write(self, data):
            self.sent += data

        def read(self):
            data, self.sent = self.sent, b""
            return data

    sim.no_stand()
    sim.uart_attach(4, 5, Echo(), "dust")
    uart = machine.UART(1, 9600, tx=machine.Pin(4), rx=machine.Pin(5))
    assert uart.read() is None and not uart.any()
    uart.write(b"hello")
    assert uart.any() == 5
    assert uart.read(2) == b"he" and uart.read() == b"llo"
    uart.write(bytes(600))
    assert uart.any() == 256  # the rest is lost


# ---- the stand --------------------------------------------------------------------------------------------------


def test_a_configured_sensor_has_its_chip():
    with open("config.json", "w") as f:
        f.write(
            '{"sensors": [{"name": "boiler", "type": "ds18b20", "pin": 15}, 7, {"type": "?"}]}'
        )
    import onewire

    assert len(onewire.OneWire(machine.Pin(15)).scan()) == 1


def test_a_broken_configuration_has_no_chips():
    with open("config.json", "w") as f:
        f.write('{"sensors": {')
    import onewire

    assert onewire.OneWire(machine.Pin(15)).scan() == []


def test_the_world_stands_still_in_a_test():
    sim.virtual()
    world = stand.the_world()
    before = world.get("temperature", "a")
    time.sleep(3600)
    assert world.get("temperature", "a") == before == 21.5
    stand.set("a", temperature=-5)
    assert world.get("temperature", "a") == -5 and world.get("temperature", "b") == 21.5
    stand.set("*", temperature=3)
    assert world.get("temperature", "a") == -5 and world.get("temperature", "b") == 3
    stand.set("a", temperature=None)
    assert world.get("temperature", "a") == 3
    raises(ValueError, stand.set, "a", warmth=3)


def live(seed, minutes):
    """Let a new world live. Return it, with `seen`: when its door and its rain gauge moved."""
    sim.seed(seed)
    start = sim.now()
    world = sys.modules["world"].World()
    world.seen = []
    world.on_door("d", lambda opened: world.seen.append((sim.now() - start, opened)))
    world.start()
    world.on_tip("r", lambda: world.seen.append(sim.now() - start), lambda: 120)
    time.sleep(minutes * 60)
    sim._events.clear()
    return world


def test_a_living_world_is_the_same_for_the_same_seed():
    sim.virtual()
    stand.the_world()
    one, again, other = live(7, 60), live(7, 60), live(8, 60)
    doors = [
        [event for event in world.seen if isinstance(event, tuple)]
        for world in (one, again, other)
    ]
    assert doors[0] == doors[1] != doors[2]
    assert len(one.seen) - len(doors[0]) == 120
    # It begins shut, somebody comes in soon, and then not too often.
    assert doors[0][0] == (0, False) and doors[0][1][1] and 4000 <= doors[0][1][0] <= 9000
    for i in range(2, len(doors[0])):
        (before, was), (at, opened) = doors[0][i - 1 : i + 1]
        assert opened is not was
        assert (5000 if was else 60_000) <= at - before <= (20_000 if was else 300_000)
    assert len(doors[0]) > 20


def test_a_door_that_an_event_moved_stays_so():
    """The house closed the door of a scenario's example again, some seconds later."""
    sim.virtual()
    world = stand.the_world()
    seen = []
    world.on_door("d", seen.append)
    world.start()
    stand.door("d", True)
    time.sleep(3600)
    assert seen == [False, True]
    stand.door("d", False)
    assert seen == [False, True, False]


def test_a_rain_gauge_tips_as_fast_as_it_rains():
    sim.virtual()
    setting = {"name": "rain", "type": "pulse", "pin": 18, "per_pulse": 0.2794, "unit": "mm/h"}
    sim.no_stand()
    world = stand.the_world()
    import chips

    chips.attach(setting, world, sim)
    tips = []
    bucket = world._tips["rain"]
    tip = bucket.tip
    bucket.tip = lambda: (tips.append(sim.now()), tip())
    time.sleep(3600)
    assert not tips, "it stands still"
    world.start()
    for mm_h, count in ((0, 0), (0.2794 * 12, 12), (28, 100), (0, 0)):
        tips.clear()
        stand.set("rain", rain=mm_h)
        time.sleep(3600)
        assert abs(len(tips) - count) <= 1, (mm_h, tips)


def test_a_scenario():
    sim.virtual()
    stand.scenario(
        [
            {"at_s": 10, "do": "set", "name": "x", "temperature": 1},
            {"at_s": 5, "do": "dns", "how": "fail"},
        ]
    )
    time.sleep(6)
    assert sim.dns_mode == "fail" and stand.the_world().get("temperature", "x") == 21.5
    time.sleep(5)
    assert stand.the_world().get("temperature", "x") == 1
    raises(ValueError, stand.scenario, [{"do": "nonsense"}])


def test_a_hang_lets_the_watchdog_bite():
    sim.virtual()
    sim.catch_resets()
    machine.WDT(timeout=3000)
    stand.hang(2000)
    raises(sim.Reset, stand.hang, 2000)


def test_a_storm_of_interrupts_falls_between_bytecodes():
    count = [0, 0]

    def interrupt():
        count[0] += 1

    stand.storm(interrupt)
    for _ in range(100):
        before = count[0]
        for _ in range(5):
            pass
        count[1] += count[0] > before
    stand.storm(None)
    assert count[1] > 90
    after = count[0]
    for _ in range(100):
        pass
    assert count[0] == after


def test_asyncio():
    import asyncio

    sim.host_ticks()

    async def main():
        for _ in range(3):
            await asyncio.sleep_ms(20)
        return 7

    began = sim.now()
    assert asyncio.run(main()) == 7
    assert 60 <= sim.now() - began < 2000


# ---- the flash --------------------------------------------------------------------------------------------------


def contents(path):
    with sim.host_open(path) as f:
        return f.read()


def test_what_is_not_flushed_is_not_there():
    import flash

    flash.install()
    f = open("a", "w")
    f.write("old")
    f.close()
    f = open("a", "w")
    f.write("new and longer")
    assert contents("a") == "old"
    f.flush()
    assert contents("a") == "new and longer"
    f.write("!")
    assert contents("a") == "new and longer"
    f.close()
    assert contents("a") == "new and longer!"
    with open("a", "ab") as f:
        f.write(b"?")
        assert contents("a") == "new and longer!"
    assert open("a").read() == "new and longer!?"
    assert os.listdir() == ["a"]


def test_what_is_written_takes_nothing_of_the_heap():
    # What waited for flush() was on it: MemoryError in a write, which no board has.
    import flash
    import micropython

    flash.install()
    data = bytearray(700)
    for mode in ("wb", "ab"):
        with open("a", mode) as f:
            micropython.heap_lock()
            try:
                written = f.write(data) + f.write(data)
            finally:
                micropython.heap_unlock()
            assert written == 1400
            f.flush()
            f.write(b"more")
    assert contents("a") == "\0" * 1400 + "more" + "\0" * 1400 + "more"


def test_c_code_writes_to_such_files_too():
    import json

    import flash

    flash.install()
    with open("a", "w") as f:
        json.dump({"k": [1, 2]}, f)
        print("x", file=f)
        try:
            1 / 0
        except ZeroDivisionError as e:
            sys.print_exception(e, f)
    text = contents("a")
    assert text.startswith('{"k": [1, 2]}x\n') and "ZeroDivisionError" in text


def test_a_full_flash():
    import flash

    flash.install()
    with open("a", "w") as f:
        f.write("old")
    stand.flash_fills()
    f = open("a", "w")
    f.write("new")
    assert number(f.flush) == 28
    f.close()  # says nothing
    assert contents("a") == ""  # and both are gone
    stand.flash_fills(False)
    assert raises(OSError, open, "no/such/file", "w").errno == 2
    assert os.statvfs("/")[2] == (512 if sim.ESP32 else 212)
