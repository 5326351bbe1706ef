"""Voltages and batteries, over the simulated ADC and with made-up samples."""

from chipstand import failure

import sim
from drivers.analog import Voltage
from drivers.battery import Battery, percent

BOARDS = ("esp32", "pico_w")


class Samples:
    """An ADC that gives these, again and again."""

    def __init__(self, *samples):
        self.samples = samples
        self.i = 0

    def read_uv(self):
        self.i += 1
        return self.samples[(self.i - 1) % len(self.samples)]

    def read_u16(self):
        return 32768


def test_divider():
    # 1.9 V at the pin, 100 kΩ and 100 kΩ
    assert Battery(Samples(1900000), 100000, 100000).read() == (3.8, 43)
    assert Voltage(Samples(1900000), 100000, 100000).read() == (3.8,)
    assert Voltage(Samples(1900000)).read() == (1.9,)
    assert Voltage(Samples(1000000), 10, 4.7).read() == (14.7 / 4.7,)


def test_lowest_and_highest_are_left_out():
    adc = Samples(*([1000000] * 16 + [3300000, 0]))
    assert Voltage(adc).read() == (1.0,)
    assert adc.i >= 10  # 8 at least are left


def test_mean():
    assert Voltage(Samples(1000000, 2000000)).read() == (1.5,)


def test_unplugged():
    assert (
        failure(Battery(Samples(299999), 100, 100).read) == "under 0.3 V at the pin: no battery?"
    )
    Battery(Samples(300000), 100, 100).read()


def test_an_end_of_the_range_is_no_voltage():
    from firmware.hardware.board import Board

    sim.no_stand()
    sim.virtual()
    pin = 34 if sim.ESP32 else 26
    adc = Board().adc(pin)
    volts = 0.0
    sim.adc_attach(pin, lambda: int(volts * 1000000), "voltage")
    for volts in (3.4, 5.0):
        for driver in (Voltage, Battery):
            assert failure(driver(adc, 100, 100).read) == "voltage above the ADC's range"
    for volts in (0.0, 0.1):
        if sim.ESP32:  # it would show 0.142 V for both
            assert failure(Voltage(adc).read) == "voltage below the ADC's range"
        else:
            assert abs(Voltage(adc).read()[0] - volts) < 0.005
    volts = 3.0
    assert abs(Voltage(adc).read()[0] - volts) < 0.02


def test_curve():
    for millivolts, expected in (
        (5000, 100),
        (4200, 100),
        (4199, 99),
        (4130, 95),
        (4060, 90),
        (3805, 45),
        (3680, 10),
        (3225, 2),
        (3000, 0),
        (2999, 0),
        (0, 0),
    ):
        assert percent(millivolts) == expected, (millivolts, percent(millivolts))
    last = 0
    for millivolts in range(2900, 4300):
        assert percent(millivolts) >= last
        last = percent(millivolts)
        assert type(last) is int


def test_on_the_simulated_board():
    from firmware.hardware.board import Board

    sim.no_stand()
    sim.virtual()
    pin = 34 if sim.ESP32 else 26
    sim.adc_attach(pin, lambda: 1975000, "battery")
    volts, charge = Battery(Board().adc(pin), 100, 100).read()
    assert abs(volts - 3.95) < 0.02, volts
    assert 74 <= charge <= 78, charge


def test_adc_of_a_pin_the_radio_has():
    # ESP32: ADC2 does not work while Wi-Fi is on; the config refuses such pins, and if not:
    if not sim.ESP32:
        return
    import network

    from firmware.hardware.board import Board

    sim.no_stand()
    network.WLAN(network.STA_IF).active(True)
    assert failure(Voltage(Board().adc(25)).read) == 116
