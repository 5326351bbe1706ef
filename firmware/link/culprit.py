"""Finds why connections to a broker keep ending: because of what it was sent, or of what it keeps for the node? Loaded when one ended
that was up, or that the broker refused.
"""

import errno
from errno import ECONNRESET

from micropython import const

from firmware import forget
from mqtt.client import ProtocolError, Refused

# What an ended connection counts: the oldest message in flight is the same as before,
_FRUITLESS = const(4)
_FRUITFUL = const(1)  # or another: messages pass, and it may be the network
_VAIN = const(3)  # connections in a row on which nothing was acknowledged: their pauses grow
_ENDED = const(12)  # the sum at which the search for the broker's limits begins
# CONNACK of a broker that will not have the client id, or not for a session that lasts
_ID_REJECTED = const(2)
_SHUT = const(3)  # attempts that were closed at CONNECT, before that
_HELD_MS = const(600000)  # a connection that held so long does not count
_LAST = const(8)  # how many of the messages sent last are remembered
_ETIMEDOUT = getattr(errno, "ETIMEDOUT", 110)  # what the client says of a silent broker
# How a port says that the peer closed: ECONNRESET, EPIPE, ECONNABORTED and ENOTCONN of Linux and of lwIP.
_CLOSED = (ECONNRESET, 32, 103, 113, 107, 128)


def is_the_broker(brokers, error, uptime, ms):
    """A connection failed that had been up for so many ms, None: never. Return whether the broker keeps ending them."""
    client, limits = brokers.uplink.client, brokers.limits
    if isinstance(error, ProtocolError):
        from firmware.link import garbled

        anew = garbled.is_kept(brokers, ms)
        forget("link", "garbled")
        if anew:
            return False
    code = error.args[0] if isinstance(error, OSError) and error.args else 0
    closed = code in _CLOSED
    if ms is None:
        _shut_out(brokers, error, closed and client.turned_away, uptime)
        return False
    # A ProtocolError: the broker sent invalid MQTT.
    closed = closed or not isinstance(error, OSError)
    known = client.last in brokers.last  # what comes rarely may end each connection all the same
    if closed or code == _ETIMEDOUT:
        _remember_last(brokers.last, client, ms >= _HELD_MS and not known)
    if limits:
        limits.lost(closed, code == _ETIMEDOUT, uptime)
    if closed or code == _ETIMEDOUT:
        _count(brokers, client, ms >= _HELD_MS and not known)
    if brokers.ended < _ENDED and not (limits and limits.suspects):
        return False
    # A broker with too many at once closes; silence has other causes.
    brokers.learnt().suspect(client.exactly_once if closed else 0)
    return True


def _shut_out(brokers, error, closed, uptime):
    """The connection never came up. closed: at CONNECT."""
    if closed:
        brokers.shut += 1
        if brokers.limits or brokers.shut >= _SHUT:
            brokers.learnt().connects.shut(uptime)
    elif isinstance(error, Refused) and error.code == _ID_REJECTED:
        if not brokers.uplink.clean_session:
            brokers.learnt().connects.rejected(uptime)


def _count(brokers, client, anew):
    """Count one more that has ended; after one that held, begin anew."""
    oldest = client.in_flight[0] if client.in_flight else 0
    if anew:
        brokers.ended = 0
    if oldest == brokers.oldest:
        brokers.ended += _FRUITLESS
    else:
        brokers.ended += _FRUITFUL
        if brokers.vain < _VAIN:
            brokers.uplink.hurry(1)
    brokers.oldest = oldest


def _remember_last(last, client, anew):
    if anew:
        last.clear()
    for each in [client.last] + list(client.unanswered):
        if each is not None and each not in last and len(last) < _LAST:
            last.append(each)
