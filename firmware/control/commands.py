"""COMMANDS: what a node does when somebody asks it to, on `<base>/<node>/cmd/<command>` or `<base>/all/cmd/<command>`.

The payload is a JSON object of arguments, or anything else for none; an `id` in it comes back in the reply. A command is
a function of the Node and the arguments; it returns pairs for the reply. ValueError says what would be right. No
exception leaves run(): the command would not be acknowledged, and would come again after the reset.
"""

import json
import time

from micropython import const

from firmware.control.blink import Blink
from firmware.upkeep import document

_LONGEST_BLINK_S = 600
# The client has room for 5 KB, with all that is in flight.
_LONGEST_REPLY = const(2048)  # bytes
_LONGEST_ID = const(128)  # bytes, as JSON
_LONGEST_NAME = const(32)  # characters of an unknown command


def restart(node, arguments):
    """Reset the board, once the reply is acknowledged."""
    node.control.restart = True
    return ()


def identify(node, arguments):
    """Blink the LED. seconds: 10, at most 600."""
    seconds = arguments.get("seconds", 10)
    if type(seconds) is not int or not 1 <= seconds <= _LONGEST_BLINK_S:
        raise ValueError("seconds: give a whole number from 1 to %d" % _LONGEST_BLINK_S)
    led = node.control.led
    if led is None:
        raise ValueError("no LED is known: give node.led in config.json")
    node.control.blink = Blink(led, seconds)
    return ()


def read(node, arguments):
    """Take a reading now, besides the regular ones. sensor: its name; left out: of all."""
    sensor = arguments.get("sensor")
    asked = [channel for channel in node.channels if sensor in (None, channel.name)]
    if sensor is not None and not asked:
        known = ", ".join([channel.name for channel in node.channels])
        raise ValueError("sensor: give one of " + known if known else "there are no sensors")
    for channel in asked:
        channel.soon(time.ticks_ms())
    return (("sensors", len(asked)),)


def announce(node, arguments):
    """Publish `status`, `info`, the outputs and what Home Assistant has to know once more."""
    node.unsaid = True
    return ()


COMMANDS = {
    "announce": announce,
    "identify": identify,
    "read": read,
    "restart": restart,
}


def run(control, name, data):
    """Run a command. Return the reply, at most _LONGEST_REPLY bytes, whatever the command was."""
    mark = None
    try:
        arguments = _arguments(data)
        mark = arguments.get("id")
        if mark is not None and (
            type(mark) not in (str, int) or len(json.dumps(mark)) > _LONGEST_ID
        ):
            mark = None  # nested deep enough, json could not write it
            raise ValueError("id: give text or a whole number, of at most %d bytes" % _LONGEST_ID)
        if name not in COMMANDS:
            name = name[:_LONGEST_NAME]
            raise ValueError("unknown, known are " + ", ".join(sorted(COMMANDS)))
        outcome = (("ok", True),) + COMMANDS[name](control.node, arguments)
    except (ValueError, MemoryError) as e:
        outcome = (("ok", False), ("error", str(e)))
    except Exception as e:  # a reset would have the broker send the command again
        outcome = (("ok", False), ("error", "%s: %s" % (type(e).__name__, e)))
    reply = document.whole((("id", mark), ("cmd", name)) + outcome)
    if len(reply) <= _LONGEST_REPLY:
        return reply
    why = "the reply has %d bytes and was not sent, %d are the most" % (len(reply), _LONGEST_REPLY)
    return document.whole((("id", mark), ("cmd", name), ("ok", outcome[0][1]), ("error", why)))


def _arguments(data):
    try:
        if b"\\u" in data:
            from jsonpairs import loads
        else:
            loads = json.loads
        given = loads(data)
    except ValueError:
        given = None  # Home Assistant's PRESS, say
    return given if type(given) is dict else {}
