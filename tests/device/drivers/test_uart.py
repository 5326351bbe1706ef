"""Serial ports: which pins the config's check takes, and that the board then gives a port on them."""

import machine

import sim
from firmware import sensors
from firmware.hardware.board import Board
from firmware.settings.wiring import Wiring

BOARDS = ("esp32", "pico_w")


def faults(model, *pairs, others=()):
    """Faults of sensors at these pairs of TX and RX. others: pins that are taken."""
    found = []
    wiring = Wiring(model, lambda *fault: found.append(": ".join(fault)))
    for pin in others:
        wiring.claim("other", pin)
    rows = sensors.TYPES["mhz19"][2]
    for i, (tx, rx) in enumerate(pairs):
        settings = {row[0]: row[2] for row in rows}
        settings.update(type="mhz19", tx=tx, rx=rx)
        path = "sensors[%d]" % i
        # As the checker does: first each pin alone.
        if wiring.pin(path + ".tx", tx, "tx") and wiring.pin(path + ".rx", rx, "rx"):
            wiring.sensor(path, settings, rows)
    return found


def only_fault(found, start, *parts):
    assert len(found) == 1, found
    assert found[0].startswith(start), found
    for part in parts:
        assert part in found[0], (part, found)


def test_a_picos_pins_belong_to_one_port():
    for tx, rx in ((0, 1), (0, 13), (4, 5), (8, 5), (12, 17), (16, 17), (20, 21)):
        assert faults("pico_w", (tx, rx)) == [], (tx, rx)
    for tx in (1, 2, 3, 5, 18):
        only_fault(
            faults("pico_w", (tx, 21)), "sensors[0].tx: GP%d is no TX pin" % tx, "0 4 8 12 16 20"
        )
    found = faults("pico_w", (1, 0))
    assert len(found) == 2, found
    only_fault(found[1:], "sensors[0].rx: GP0 is no RX pin", "the one after tx")
    only_fault(faults("pico_w", (0, 5)), "sensors[0].rx: GP5 is not RX of UART0", "GP1")
    only_fault(faults("pico_w", (4, 1)), "sensors[0].rx: GP1 is not RX of UART1", "GP5")
    only_fault(faults("pico_w", (16, 18)), "sensors[0].rx: GP18 is not RX of UART0", "GP17")


def test_a_pico_has_two_ports():
    assert faults("pico_w", (0, 1), (4, 5)) == []
    only_fault(
        faults("pico_w", (0, 1), (16, 17)), "sensors[1].tx: UART0 is that of sensors[0]", "UART1"
    )
    only_fault(
        faults("pico_w", (4, 5), (8, 9)), "sensors[1].tx: UART1 is that of sensors[0]", "UART0"
    )


def test_an_esp32_has_two_beside_the_console_on_any_pins():
    assert faults("esp32", (16, 17), (25, 35)) == []
    found = faults("esp32", (16, 17), (25, 26), (32, 33))
    only_fault(found, "sensors[2]: this board has no serial port left", "leave it out")
    only_fault(faults("esp32", (35, 16)), "sensors[0].tx: GPIO35 can only be read")
    only_fault(faults("esp32", (1, 3)), "sensors[0].tx: GPIO1 is the serial console")
    for model in ("esp32s2", "esp32c3", "esp32c6"):
        assert faults(model, (4, 5)) == [], model
        only_fault(faults(model, (4, 5), (6, 7)), "sensors[1]: this board has no serial port left")
    assert faults("esp32s3", (4, 5), (6, 7)) == []


def test_a_pin_has_one_user():
    for model in ("esp32", "pico_w"):
        found = faults(model, (16, 17), (16, 17))
        assert len(found) == 2, found
        only_fault(found[:1], "sensors[1].tx: ", "16 is sensors[0].tx already")
        only_fault(found[1:], "sensors[1].rx: ", "17 is sensors[0].rx already")
        only_fault(faults(model, (16, 17), others=(17,)), "sensors[0].rx: ", "17 is other already")
    only_fault(faults("esp32", (16, 16)), "sensors[0].rx: GPIO16 is sensors[0].tx already")


class Echo:
    def __init__(self):
        self.came = b""

    def write(self, data):
        self.came += data

    def read(self):
        came, self.came = self.came, b""
        return came


def test_the_board_gives_the_port_of_the_pins():
    made = []
    uart = machine.UART

    def making(number, **settings):
        made.append((number, settings["baudrate"], settings["timeout"], settings["rxbuf"]))
        return uart(number, **settings)

    machine.UART = making
    sim.no_stand()
    pairs = ((8, 9), (16, 17)) if not sim.ESP32 else ((16, 17), (25, 26))
    assert faults(sim.BOARD, *pairs) == []
    board = Board()
    for i, (tx, rx) in enumerate(pairs):
        sim.uart_attach(tx, rx, Echo(), str(i))
    ports = [board.uart(tx, rx) for tx, rx in pairs]
    # Pico: as the check has it. ESP32: the first is the console's.
    assert [each[0] for each in made] == ([1, 2] if sim.ESP32 else [1, 0]), made
    assert all(each[1:] == (9600, 0, 256) for each in made), made
    assert board.uart(*pairs[0]) is ports[0] and len(made) == 2  # a driver made anew has the same
    buf = bytearray(4)
    for port in ports:
        assert port.readinto(buf) is None  # at once
        port.write(b"abcdef")
        assert port.readinto(buf) == 4 and buf == b"abcd"
        assert port.readinto(memoryview(buf)[1:]) == 2 and buf == b"aefd"


def test_every_pair_the_check_takes_is_a_port():
    if sim.ESP32:
        return
    for tx in range(23):
        for rx in range(23):
            if tx != rx and not faults("pico_w", (tx, rx)):
                assert tx % 4 == 0 and rx % 4 == 1
                # RP2040 data sheet, 1.4.3: UART0 at 0, 1, 12, 13, 16, 17; UART1 at 4, 5, 8, 9, 20, 21
                zero = (0, 1, 12, 13, 16, 17)
                assert (tx in zero) == (rx in zero), (tx, rx)
