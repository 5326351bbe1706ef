"""When a node may restart after a command asked it to. Loaded by that command."""

import time

from micropython import const

_LONGEST_MS = const(30000)  # it waits so long for the broker: over a lost connection
# In place of the packet id of a reply:
_BARRED = const(-1)  # the broker will not have it, as uplink.send() says,
_ASKED = const(-2)  # and was asked for a sign of life instead


def is_due(control, now):
    """Does the broker have the reply, and so the acknowledgement of the command, which went before it?

    Else it would send the command again to the restarted board. Where it will not have the reply, it answers a ping.
    """
    if control.told_at is None:
        control.told_at = now
    client = control.client
    if control.reply == _BARRED and not client.pinging:
        client.ping()
        control.reply = _ASKED if client.pinging else _BARRED
    elif control.reply == _ASKED and client.connected and not client.pinging:
        control.reply = None
    if control.reply is None and not control.replies:
        return True
    return time.ticks_diff(now, control.told_at) >= _LONGEST_MS
