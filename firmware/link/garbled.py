"""Deals with a broker that sends invalid MQTT as soon as a connection is up. Loaded when one ended at that."""

from micropython import const

# Connections in a row that ended so, before the broker's session begins anew; again after so many
_GARBLED = const(3)
_GARBLED_AGAIN = const(64)
_AT_ONCE_MS = const(10000)


def is_kept(brokers, ms):
    """Does the session keep it, so that it would end each connection for ever? Then the session begins anew."""
    uplink, limits = brokers.uplink, brokers.limits
    if uplink.client.turned_away or (ms or 0) >= _AT_ONCE_MS:
        return False
    # In a row: no other connection came up between them. One that ends in the pass in which it comes up does not count as one.
    n, connects = getattr(brokers, "garbled", (0, 0))
    n = n + 1 if connects + (ms is not None) >= uplink.connects else 1
    brokers.garbled = n, uplink.connects
    clean = uplink.clean_session or (limits and limits.connects.clean)
    if clean or n % _GARBLED_AGAIN != _GARBLED:
        return False
    uplink.begin_anew()
    uplink.log.warning(
        "mqtt: what %s keeps for this node ends each connection: its session begins anew"
        % uplink.broker
    )
    return True
