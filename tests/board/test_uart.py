"""How the true port reads a serial port that is opened as `firmware/hardware/board.py` does it, with timeout=0."""

import os

import emulator
from tools.boards.serialboard import Link

# The chip of `stream.mjs`, as `--attach` names one: from where the emulator's own are.
_STREAM = os.path.relpath(
    os.path.join(os.path.dirname(__file__), "stream"), os.path.dirname(emulator.__file__)
)

# Times of calls while a sensor sends bursts of 40 bytes at 9600 baud, in emulated µs: (bytes, µs).
_CALLS = """
import machine, time
uart = machine.UART(1, baudrate=9600, rxbuf=256, timeout=0, tx=machine.Pin(4), rx=machine.Pin(5))
buf = bytearray(32)

def call(*limit):
    begun = time.ticks_us()
    n = uart.readinto(buf, *limit)
    print("@" + repr((n, time.ticks_diff(time.ticks_us(), begun))))

def middle():  # of a burst
    while uart.any():
        uart.read(uart.any())
    while uart.any() < 2:
        pass

middle()
call()
middle()
call(uart.any())
"""


def test_readinto_waits_for_bytes_that_are_on_their_way_unless_it_is_told_how_many(boards):
    board = boards(attach=[f"{_STREAM}=40"])
    board.start()
    with Link(board.url) as link:
        link.enter()
        whole, waiting = link.answers(_CALLS)
    # A character takes 1042 µs, and the port waits for each next one twice as long, whatever `timeout` says.
    assert whole[0] == 32 and whole[1] > 25_000
    assert waiting[0] >= 2 and waiting[1] < 1000
