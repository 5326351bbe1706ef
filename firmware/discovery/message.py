"""Makes a message whole before its first byte is sent: an MQTT packet that was begun has to be finished, or the connection ends.

Making the pieces takes memory, which may run out when half of them are sent. So a long message is first written to flash, from
where sending takes none. It stays there: mostly the next one is the same, and costs no write.
"""

from flashfile import uninterrupted
from micropython import const

from firmware.upkeep.log import reason
from mqtt.stream import Stream

PATH = "state/announcement"
_SHORT = const(1024)  # bytes that go through the client's own buffer


def whole(source, log):
    """Return what the client can send: bytes, or a Stream of an open file. source: iterable of bytes, the same each time.

    If the flash takes nothing, the log says so, and the pieces are made while they are sent.
    """
    size = sum(len(piece) for piece in source)
    if size <= _SHORT:
        return b"".join(source)
    try:
        if not _is_there(source):
            with uninterrupted, open(PATH, "wb") as f:
                for piece in source:
                    f.write(piece)
        return Stream(open(PATH, "rb"), size)
    except OSError as e:
        log.warning("discovery: %s: %s" % (PATH, reason(e)))
        return Stream(source, size)


def _is_there(source):
    try:
        with open(PATH, "rb") as f:
            for piece in source:
                if f.read(len(piece)) != piece:
                    return False
            return not f.read(1)
    except OSError:
        return False
