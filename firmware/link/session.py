"""Reads whose the unfinished exchanges of QoS 2 from before this start are. Loaded for the first connection."""

from micropython import const

from firmware import forget, reading
from firmware.files import SESSION
from firmware.upkeep.log import reason

_READ_MS = const(10000)  # once online, a connection waits so long for a file that cannot be read
_LONGEST = const(1100)  # bytes of it


def read(uplink, uptime):
    """Read whose they are. Return False: the file cannot be read yet."""
    try:
        uplink.session = (reading.whole(SESSION, _LONGEST) or b"").decode() or None
    except UnicodeError:  # not ours any more
        uplink.session = None
    except OSError as e:
        if uptime - uplink.online_since < _READ_MS:
            return False
        uplink.session = None
        uplink.log.error(
            "mqtt: %s cannot be read: %s; readings of QoS 2 may come twice" % (SESSION, reason(e))
        )
    finally:
        forget("", "reading")
    return True
