"""Characters that a JSON text writes as two \\u escapes, such as "\\ud83c\\udfe0" for a house (RFC 8259, 7).

MicroPython makes of them two characters that are none, in bytes that are no UTF-8. Python's json.dumps writes all beyond
16 bits so.
"""

import json


def loads(data):
    """As json.loads, of bytes. ValueError: no JSON, or half of such a character in it."""
    return json.loads(joined(data))


def joined(data):
    """Return the bytes of a JSON text with such characters as themselves. ValueError: half of one."""
    whole = b""
    begun = at = 0
    while True:
        at = data.find(b"\\", at)
        if at < 0:
            return whole + data[begun:] if begun else data
        code = _code(data, at)
        if code is None or not 0xD800 <= code < 0xE000:
            at += 2  # whatever is escaped
            continue
        low = _code(data, at + 6)
        if code >= 0xDC00 or low is None or not 0xDC00 <= low < 0xE000:
            raise ValueError("half a character")
        whole += data[begun:at] + chr(0x10000 + ((code & 0x3FF) << 10 | low & 0x3FF)).encode()
        begun = at = at + 12


def _code(data, at):
    """The number of the \\u escape at this place, None: there is none."""
    if data[at : at + 2] != b"\\u":
        return None
    try:
        return int(bytes(data[at + 2 : at + 6]).decode(), 16)
    except ValueError:
        return None
