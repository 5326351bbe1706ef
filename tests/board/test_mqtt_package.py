"""What `from mqtt import …` loads on the true firmware: a module's `__getattr__` is an option of MicroPython's builds."""

from tools.boards.serialboard import Link

_NODES = """
import gc, sys
for name in list(sys.modules):
    if name.partition(".")[0] in ("mqtt", "umqtt"):
        del sys.modules[name]  # a node may have come so far
gc.collect()
before = gc.mem_free()
from mqtt.client import Client, ProtocolError, Refused
gc.collect()
print("@" + repr((before - gc.mem_free(), [name for name in sys.modules if "umqtt" in name or name == "mqtt.blocking"])))
"""
_UMQTTS = """
from mqtt import Client, Refused, Stream
from umqtt.robust import MQTTClient
from umqtt.simple import MQTTException
print("@" + repr((issubclass(Client, MQTTClient), issubclass(Refused, MQTTException), len(Stream([], 5)))))
"""


def test_umqtts_calls_come_when_they_are_asked_for(board):
    board.start()
    with Link(board.url) as link:
        link.enter()
        size, loaded = link.answer(_NODES)
        assert 10_000 < size < 25_000 and loaded == []
        assert link.answer(_UMQTTS) == (True, True, 5)
