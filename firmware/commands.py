"""COMMANDS: what a node does when it is told to, on `<base>/<node>/cmd/<command>` or `<base>/all/cmd/<command>`.

The payload is a JSON object of arguments, or anything else for none; an `id` in it comes back in the reply. A command is
a function of the Control and the arguments; it returns pairs for the reply. ValueError: what would be right.
"""

import json

from firmware import payload
from firmware.blink import Blink

_LONGEST_BLINK_S = 600


def restart(control, arguments):
    """Reset the board, once the reply is acknowledged."""
    control.restart = True
    return ()


def identify(control, arguments):
    """Blink the LED. seconds: 10, at most 600."""
    seconds = arguments.get("seconds", 10)
    if type(seconds) is not int or not 1 <= seconds <= _LONGEST_BLINK_S:
        raise ValueError("seconds: give a whole number from 1 to %d" % _LONGEST_BLINK_S)
    if control.led is None:
        raise ValueError("no LED is known: give node.led in config.json")
    control.blink = Blink(control.led, seconds)
    return ()


COMMANDS = {"identify": identify, "restart": restart}


def run(control, name, data):
    """Run a command. Return the reply."""
    arguments = {}
    try:
        given = json.loads(data)
        if type(given) is dict:
            arguments = given
    except ValueError:
        pass  # Home Assistant's PRESS, say
    reply = (("id", arguments.get("id")), ("cmd", name))
    try:
        if name not in COMMANDS:
            raise ValueError("unknown, known are " + ", ".join(sorted(COMMANDS)))
        reply += (("ok", True),) + COMMANDS[name](control, arguments)
    except ValueError as e:
        reply += (("ok", False), ("error", str(e)))
    return payload.document(reply)
