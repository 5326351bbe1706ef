"""The password of the page's access point: the same at each start. Loaded for that only."""

import os

from firmware import forget
from firmware.files import write

_PATH = "state/portal"
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, without those that look alike: five bits each


def password():
    """Return the access point's, ten letters and a hyphen: 50 bits, which is too many to try out of the air.

    A password that cannot be read is not written over: somebody has noted it.
    """
    kept = None
    try:
        from firmware import reading

        kept = reading.whole(_PATH, 12) or b""
        if len(kept) == 11 and all(chr(c) in _LETTERS or c == 45 for c in kept):
            return kept.decode()
    except OSError:
        pass  # another one until the next start
    finally:
        forget("", "reading")
    letters = "".join([_LETTERS[byte & 31] for byte in os.urandom(10)])
    made = letters[:5] + "-" + letters[5:]
    try:
        if kept is not None:
            write(_PATH, made)
    except OSError:
        pass  # a full flash: another one next time
    return made
