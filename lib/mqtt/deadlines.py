"""When a peer has been silent for too long, and when to ask it for a sign of life."""

import errno
from time import ticks_diff

ETIMEDOUT = getattr(errno, "ETIMEDOUT", 110)
LONGEST_MS = 60000  # what nothing-to-wait-for is called

_PINGREQ = b"\xc0\0"


def greeting(client, now):
    """Return ms until the broker must have said welcome. OSError: it has not."""
    wait = client._connect_timeout - ticks_diff(now, client._answer)
    if wait <= 0:
        raise OSError(ETIMEDOUT)  # faults.py has the words
    return wait


def ping(client, now):
    """Send PINGREQ if it is due: three quarters of the keepalive with nothing sent, or nothing heard.

    The broker waits one and a half times the keepalive [MQTT-3.1.2-24]. Return ms until then.
    """
    keepalive = client.keepalive * 750
    if not keepalive or client.pinging:
        return LONGEST_MS
    quiet = max(ticks_diff(now, client._sent_at), ticks_diff(now, client._heard_at))
    if quiet >= keepalive:
        ask(client, now)
    return min(LONGEST_MS, max(0, keepalive - quiet))


def ask(client, now):
    """Ask for a sign of life, unless something else is on its way out."""
    if not client._out.waiting() and client._out.add(_PINGREQ):
        client.pinging = client._changed = True
        client._sent_at = now


def look(client, now, wait):
    """Return ms until the next deadline, at most wait. OSError: one has passed.

    Each time is a `ticks_ms`, or None while there is nothing to wait for. Only what was asked for puts a deadline off: a
    broker that sends messages, or answers pings, and never acknowledges is as dead as a silent one. It is the oldest
    message that has to be acknowledged: one that the broker passes over would else stay in flight for ever.
    """
    out = client._out
    inc = client._in
    oldest = out.pids[0] if out.pids else 0
    # While a stream is being written the broker does not owe an answer yet.
    if not (out.pids or client.pinging or out.reserved) or (out.stream and out.streaming()):
        client._answer = None
    elif client._answer is None or oldest != client._oldest:
        client._answer = now
    client._oldest = oldest
    if client._busy or not (inc.start < inc.end or inc.large):
        client._half = None
    elif client._half is None or inc.progress != client._progress:
        client._half = now
        client._progress = inc.progress
    if client._answer is not None:
        wait = _left(client, now, client._answer, wait, "no answer from the broker")
    if client._stall is not None:
        wait = _left(client, now, client._stall, wait, "the broker takes nothing")
    if client._half is not None:
        wait = _left(client, now, client._half, wait, "half a packet, and no more")
    return wait


def _left(client, now, since, wait, text):
    left = client.timeout_ms - ticks_diff(now, since)
    if left <= 0:
        raise OSError(ETIMEDOUT, text)
    return left if left < wait else wait
