"""The day with the real MQTT client, from an image in place, in NODE_KB: all that a node of one channel takes, its board's code included."""

from day import CODE, Days
from day_network import Broker, Socket

HEAP = "192k"  # of which the node gets NODE_KB, as in test_day.py
# The budget. With 60 five of five passed, with 58 one of two; below that 1,148 bytes in a row are lacking, for a file.
NODE_KB = 64
BOARDS = ("pico_w",)
SLOT = "rom"
TIMEOUT = 300
SLOW = True


def test_a_day_with_outages():
    broker = Broker()
    Days(NODE_KB, broker, Socket(broker), code=CODE).with_outages()
    assert broker.connects > 30, broker.connects
