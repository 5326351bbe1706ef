"""The end of a connection to a broker, or of an attempt: who is at fault, and when to try again. Loaded when there is one.

A refusal proves that the network works; silence from every broker puts the link itself in doubt.
"""

import errno
import os
from errno import ECONNREFUSED, ECONNRESET, ENOMEM

from micropython import const
from mqtt_client import ProtocolError, Refused

from firmware.log import reason

_BACKOFF_MS = const(1000)
_BACKOFF_MAX_MS = const(30000)
_ROUNDS = const(8)  # before the pause doubles: most outages are a restart of the broker
_REFUSED_MS = const(30000)  # wrong credentials do not mend in a second
_SILENT_ATTEMPTS = const(4)  # attempts without any answer, after which the link itself is in doubt
_DOUBT_MS = const(60000)  # not more often than this, doubling
_DOUBT_MAX_MS = const(3600000)
_ALIVE = ((ECONNRESET,), (ECONNREFUSED,))  # signs of a peer

# What a connection that ended counts: the oldest message in flight is the same as before,
_FRUITLESS = const(4)
_FRUITFUL = const(1)  # or another: messages pass, and it may be the network
_ENDED = const(12)  # of these together in a row, before the broker's limits are looked for
_ID_REJECTED = const(
    2
)  # CONNACK of a broker that will not have the client id, or not for a session that lasts
_SHUT = const(3)  # attempts that were closed at CONNECT, before that
_HELD_MS = const(600000)  # one that held so long is not one of them
_LAST = const(8)  # of what was sent last so many are remembered
_IN_VAIN = const(20)  # connections in a row that acknowledged nothing: another broker's turn
_ETIMEDOUT = getattr(errno, "ETIMEDOUT", 110)  # what the client says of a silent broker
# How a port says that the peer closed: ECONNRESET, EPIPE, ECONNABORTED and ENOTCONN of Linux and of lwIP.
_CLOSED = (ECONNRESET, 32, 103, 113, 107, 128)


def lose(uplink, uptime, error):
    """Say what has ended, and have the Uplink wait for as long as is right."""
    name, brokers = uplink.broker, uplink.brokers
    if isinstance(error, Refused) and not error.code:
        brokers.limits.connects.probed()
        uplink.wait = 0
        return
    what = "lost" if uplink.connected else "cannot reach"
    uplink.log.warning("mqtt: %s %s: %s" % (what, name, reason(error)))
    try:
        if _is_the_broker(
            brokers, error, uptime, uptime - uplink.since if uplink.connected else None
        ):
            uplink.take_back()
    except MemoryError:
        uplink.log.error("mqtt: not enough memory to find what the broker will not have")
    if uplink.connected and not uplink.failures:
        wait = 0  # it had held: the broker may only have restarted, or the access point
    elif isinstance(error, Refused):
        wait = _REFUSED_MS
    else:
        doubled = uplink.failures // len(brokers.all) // _ROUNDS
        wait = min(_BACKOFF_MS << min(doubled, 5), _BACKOFF_MAX_MS)
    if not uplink.connected:
        if not brokers.move_on():
            wait = 0  # a pause only after every broker was tried
        _doubt(uplink, uptime, error)
    else:
        brokers.vain += 1
        if brokers.vain >= _IN_VAIN and len(brokers.all) > 1:
            brokers.move_on()
            uplink.log.warning("mqtt: %s takes nothing: on to %s" % (name, brokers.name))
    uplink.failures += 1
    uplink.failures_of_memory = uplink.failures_of_memory + 1 if error.args[:1] == (ENOMEM,) else 0
    # Up to half more: a fleet must not come back as one.
    uplink.wait = wait + (wait * os.urandom(1)[0] >> 9)


def _doubt(uplink, uptime, error):
    if isinstance(error, (ProtocolError, Refused)) or error.args[:1] in _ALIVE:
        uplink.silent = 0
        return
    uplink.silent += 1
    wait = uplink.doubt_ms or _DOUBT_MS
    if uplink.silent >= _SILENT_ATTEMPTS and uptime - uplink.doubt_since >= wait:
        uplink.doubt_since = uptime
        uplink.doubt_ms = min(wait * 2, _DOUBT_MAX_MS)
        uplink.link_in_doubt = True


def _is_the_broker(brokers, error, uptime, ms):
    """A connection failed that had been up for so many ms, None: never. Return whether it is the broker, time after time."""
    client, limits = brokers.uplink.client, brokers.limits
    code = error.args[0] if isinstance(error, OSError) and error.args else 0
    closed = code in _CLOSED
    if ms is None:
        if closed and client.turned_away:
            brokers.shut += 1
            if limits or brokers.shut >= _SHUT:
                brokers.learnt().connects.shut(uptime)
        elif isinstance(error, Refused) and error.code == _ID_REJECTED:
            if not brokers.uplink.clean_session:
                brokers.learnt().connects.rejected(uptime)
        return False
    # A ProtocolError: what it sent is no MQTT.
    closed = closed or not isinstance(error, OSError)
    known = client.last in brokers.last  # what comes rarely may end each connection all the same
    if closed or code == _ETIMEDOUT:
        _remember_last(brokers.last, client, ms >= _HELD_MS and not known)
    if limits:
        limits.lost(closed, code == _ETIMEDOUT, uptime)
    if closed or code == _ETIMEDOUT:
        oldest = client.in_flight[0] if client.in_flight else 0
        if ms >= _HELD_MS and not known:
            brokers.ended = 0
        if oldest == brokers.oldest:
            brokers.ended += _FRUITLESS
        else:
            brokers.ended += _FRUITFUL
            brokers.uplink.hurry(1)
        brokers.oldest = oldest
    if brokers.ended < _ENDED and not (limits and limits.suspects):
        return False
    brokers.learnt().suspect(client.exactly_once)
    return True


def _remember_last(last, client, anew):
    if anew:
        last.clear()
    for each in [client.last] + list(client.unanswered):
        if each is not None and each not in last and len(last) < _LAST:
            last.append(each)
