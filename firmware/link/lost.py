"""A connection to a broker, or an attempt, has ended: logs it, and says when to try again. Loaded for that.

A refusal proves that the network works; silence from every broker puts the link itself in doubt.
"""

import os
from errno import ECONNREFUSED, ECONNRESET, ENOMEM

from micropython import const

from firmware import forget
from firmware.upkeep.log import reason
from mqtt.client import ProtocolError, Refused

_BACKOFF_MS = const(1000)
_BACKOFF_MAX_MS = const(30000)
_ROUNDS = const(8)  # before the pause doubles: most outages are a restart of the broker
_REFUSED_MS = const(30000)  # wrong credentials are not corrected within a second
_SILENT_ATTEMPTS = const(4)  # attempts without any answer, after which the link itself is in doubt
_DOUBT_MS = const(60000)  # not more often than this, doubling
_DOUBT_MAX_MS = const(3600000)
_ALIVE = ((ECONNRESET,), (ECONNREFUSED,))  # signs of a peer

_IN_VAIN = const(20)  # connections in a row that acknowledged nothing: another broker's turn


def lose(uplink, uptime, error):
    """Log what has ended, and let the Uplink wait as long as is right."""
    name, brokers = uplink.broker, uplink.brokers
    if isinstance(error, Refused) and not error.code:
        brokers.limits.connects.probed()
        uplink.wait = 0
        return
    what = "lost" if uplink.connected else "cannot reach"
    uplink.log.warning("mqtt: %s %s: %s" % (what, name, reason(error)))
    try:
        answered = isinstance(error, (ProtocolError, Refused))
        if uplink.connected or uplink.client.turned_away or answered:
            from firmware.link import culprit

            ms = uptime - uplink.since if uplink.connected else None
            if culprit.is_the_broker(brokers, error, uptime, ms):
                uplink.take_back()
    except MemoryError:
        uplink.log.error("mqtt: not enough memory to find what the broker will not have")
    forget("link", "culprit")
    if uplink.connected and not uplink.failures:
        wait = 0  # it had held: perhaps only the broker or the access point restarted
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
