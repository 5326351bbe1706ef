"""Says in words what an error means. Loaded for one, then let go of: log.reason()."""

from errno import errorcode

# Words for errors whose names tell a user nothing. By name, because the numbers differ from port to port.
_WORDS = {
    "ECONNREFUSED": "nothing listens on that port",
    "ECONNRESET": "the other side cut the connection",
    "ECONNABORTED": "the connection was given up",
    "EHOSTUNREACH": "no way to that address",
    "ENOMEM": "not enough memory",
    "ETIMEDOUT": "no answer",
    "error 28": "the flash is full",
}


def reason(error):
    """Return an exception as words: an OSError's text if it has one, else what its number means."""
    if not error.args:
        return type(error).__name__
    last = error.args[-1]
    if isinstance(error, OSError) and isinstance(last, int):
        name = errorcode.get(last, "error %d" % last)
        return "%s (%s)" % (_WORDS[name], name) if name in _WORDS else name
    return str(last)
