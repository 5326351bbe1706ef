"""What a broker sends as soon as a connection is up ends it, each time. Loaded when one ended at what is no MQTT."""

from micropython import const
from mqtt_client import ProtocolError

# Connections in a row that ended so, before the broker's session begins anew; again after so many
_GARBLED = const(3)
_GARBLED_AGAIN = const(64)
_AT_ONCE_MS = const(10000)


def is_kept(brokers, error, ms):
    """Is it kept in the session, so that it would end each connection for ever? Then the session begins anew."""
    uplink, limits = brokers.uplink, brokers.limits
    greeted = isinstance(error, ProtocolError) and not uplink.client.turned_away
    if not greeted or (ms or 0) >= _AT_ONCE_MS:
        if ms is not None:
            brokers.garbled = 0
        return False
    brokers.garbled += 1
    clean = uplink.clean_session or (limits and limits.connects.clean)
    if clean or brokers.garbled % _GARBLED_AGAIN != _GARBLED:
        return False
    uplink.begin_anew()
    uplink.log.warning(
        "mqtt: what %s keeps for this node ends each connection: its session begins anew"
        % uplink.broker
    )
    return True
