"""How the node ends a connection. Loaded for that only."""

import time

from mqtt.client import ProtocolError, Refused


def leave(uplink, topic, payload, timeout_ms):
    """Leave cleanly: say so (DISCONNECT suppresses the will), wait a little for the acknowledgement, close."""
    try:
        if not uplink.held:
            uplink.introduce(topic, payload)
        begin = time.ticks_ms()
        while (
            any(each[2] != -1 for each in uplink.documents)
            and time.ticks_diff(time.ticks_ms(), begin) < timeout_ms
        ):
            uplink.advance(time.ticks_ms(), uplink.since)  # nothing of this will matter later
            time.sleep_ms(10)
        uplink.client.disconnect()
    except (OSError, ProtocolError, Refused):
        uplink.client.close()
