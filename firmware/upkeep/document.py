"""The node's documents: `health`, `info`, replies. Loaded for one, then let go of."""

import json


def whole(pairs):
    """Return (name, value) pairs as a flat JSON object, in their order; pairs with None are left out."""
    # In one buffer: a crowded heap has no room for both the members and the whole text.
    text = bytearray()
    for name, value in pairs:
        if value is not None:
            text += ('%s"%s":' % ("," if text else "{", name)).encode()
            text += json.dumps(value).encode()
    text += b"}" if text else b"{}"
    return text
