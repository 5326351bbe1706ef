"""The day with the real MQTT client, from an image that is a file, in NODE_KB: what test_day_in_place.py says, on an official MicroPython."""

from bootimage import PATH, ImageFile
from day import CODE, Days
from day_network import Broker, Socket

HEAP = "256k"  # of which the node gets NODE_KB, as in test_day.py
# 108 are live. With 122 one connection lacked memory, with 120 the node did not come back.
NODE_KB = 130
BOARDS = ("pico_w",)
SLOT = "file"
TIMEOUT = 300
SLOW = True


def mount():
    import os

    import vfs

    os.mkdir("slots")
    with open(PATH, "rb") as image, open("slots/a", "wb") as f:
        piece = image.read(1024)
        while piece:
            f.write(piece)
            piece = image.read(1024)
    vfs.mount(ImageFile("slots/a"), "/app")


def test_a_day_with_outages():
    broker = Broker()
    Days(NODE_KB, broker, Socket(broker), code=CODE, begin=mount).with_outages()
    assert broker.connects > 30, broker.connects
