"""The kinds of settings: what is wrong with a value, and what would be right.

The texts never contain the value of a text: it may be a secret in the wrong place.
"""

LEVEL_BYTES = 64  # DNS and most brokers would take more; it keeps a topic within one small packet

_TYPES = {
    "bool": (bool,),
    "int": (int,),
    "number": (int, float),
    "pin": (int,),
    "choice": (str, int, type(None)),
    "object": (dict,),
    "quantities": (dict,),
    "list": (list,),
    "sensors": (list,),
}
_IS = {
    bool: "is true or false",
    int: "is a number",
    float: "is a number",
    str: "is text",
    list: "is a list",
    dict: "is an object",
}
_HEX = "0123456789abcdefABCDEF"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HOST = _LETTERS + "0123456789-._"
_RIGHT = {
    "bool": "true or false",
    "host": "a name such as broker.local or an address such as 192.168.1.5, without scheme and port",
    "hostname": "at most 32 letters, digits and -",
    "country": "two capital letters, such as DE",
    "ipv4": "an address such as 192.168.1.5",
    "path": "the name of a file on the board",
    "rom": "16 hexadecimal digits",
    "pin": "the number of a pin",
    "object": "an object, { … }",
    "quantities": "an object by quantity, { … }",
}


def right(kind, limit, default=...):
    """Return what a setting of this kind accepts, as the end of a sentence that starts with "give"."""
    if kind in ("int", "number"):
        return "%s from %s to %s" % (
            "a whole number" if kind == "int" else "a number",
            limit[0],
            limit[1],
        )
    if kind == "choice":
        return "one of " + ", ".join([quoted(value) for value in limit])
    if kind in ("text", "secret"):
        return "text of %d to %d bytes" % limit
    if kind == "level":
        return "text of %d to %d bytes without + # / $" % (default != "", LEVEL_BYTES)
    if kind == "levels":
        return "levels such as home/ground, at most %d bytes without + # $" % LEVEL_BYTES
    if kind in ("list", "sensors"):
        return "a list of %d to %d, [ … ]" % limit[:2]
    return _RIGHT[kind]


def wrong(kind, value, limit, default=...):
    """Return what is wrong with a value, or None."""
    if type(value) not in _TYPES.get(kind, (str,)):
        if kind in ("int", "pin") and type(value) is float:
            return "is not a whole number"
        return "is null" if value is None else _IS[type(value)]
    # [MQTT-1.5.3-2], and useless elsewhere
    if type(value) is str and any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in value):
        return "has a control character"
    if value == "" and default == "":
        return None
    if kind in ("int", "number") and not limit[0] <= value <= limit[1]:
        return "%s is out of range" % value
    if kind == "choice" and value not in limit:
        near = nearest(value, limit) if type(value) is str else None
        return "is none of them" if near is None else "is none of them (did you mean %s?)" % near
    if kind in ("list", "sensors") and not limit[0] <= len(value) <= limit[1]:
        return "has %d entries" % len(value)
    check = _CHECKS.get(kind)
    return check(value, limit) if check else None


def _text(value, limit):
    length = len(value.encode())
    if length < limit[0]:
        return "is empty" if length == 0 else "is too short"
    return "is too long" if length > limit[1] else None


def _level(value, limit):
    if any(character in "+#/$" for character in value):
        return "has one of + # / $"
    if value in limit.split():
        return "is taken by the node itself"
    return _text(value, (1, LEVEL_BYTES))


def _levels(value, _):
    if any(character in "+#$" for character in value):
        return "has one of + # $"
    if value and "" in value.split("/"):
        return "has an empty level"
    return _text(value, (1, LEVEL_BYTES))


def _host(value, _):
    if "/" in value or ":" in value or "@" in value:
        return "has more than a name in it"
    # What ends in a number is an address to lwIP, too, if it is written as C writes numbers: 0x7f.1 is 127.0.0.1.
    last = value.rstrip(".").rsplit(".", 1)[-1].lower()
    if last.isdigit() or (
        last.startswith("0x") and all(c in "0123456789abcdef" for c in last[2:])
    ):
        return _ipv4(value, _)
    if len(value) > 253 or any(character not in _HOST for character in value):
        return "is no name of a host"
    # RFC 1123, 2.1; a _ is not in it, and in many a network
    if any(
        not 1 <= len(part) <= 63 or part[0] == "-" or part[-1] == "-" for part in value.split(".")
    ):
        return "is no name of a host"
    return None


def _hostname(value, _):
    if len(value) > 32 or "." in value or "_" in value:  # network.hostname() takes 32
        return "is too long or has a dot or _"
    return _host(value, _)


def _country(value, _):
    return (
        None
        if len(value) == 2 and all(c in _LETTERS[26:] for c in value)
        else "is no country code"
    )


def _ipv4(value, _):
    if address(value) is None:
        return "is no IPv4 address"
    # lwIP, as C, reads such a number as octal: 010 is 8.
    plain = ".".join([str(int(part)) for part in value.split(".")])
    return None if plain == value else "has zeros before a number: without them it is " + plain


def _path(value, _):
    return _text(value, (1, 128))


def _rom(value, _):
    from firmware.settings.roms import wrong

    return wrong(value)


_CHECKS = {
    "text": _text,
    "secret": _text,
    "level": _level,
    "levels": _levels,
    "host": _host,
    "hostname": _hostname,
    "country": _country,
    "ipv4": _ipv4,
    "path": _path,
    "rom": _rom,
}


def is_hex(text, digits):
    return len(text) == digits and all(c in _HEX for c in text)


def address(text):
    """Return an IPv4 address as a number, or None."""
    parts = text.split(".")
    if len(parts) != 4 or any(c not in "0123456789." for c in text):
        return None
    number = 0
    for part in parts:
        if not 1 <= len(part) <= 3 or int(part) > 255:
            return None
        number = number << 8 | int(part)
    return number


def quoted(value):
    """Return a value as it stands in JSON."""
    if type(value) is str:
        return '"%s"' % value
    if type(value) is bool:
        return "true" if value else "false"
    return "null" if value is None else str(value)


def nearest(word, words):
    """Return the one of words that was probably meant, or None."""
    word = word.lower()
    best, least = None, max(2, len(word) // 3 + 1)
    for candidate in sorted([text for text in words if type(text) is str]):
        distance = _distance(word, candidate.lower())
        # A beginning ("interval", "username") and swapped letters ("inof") are nearer than they count.
        if len(word) > 2 and (candidate.startswith(word) or word.startswith(candidate)):
            distance = min(distance, 1)
        if sorted(word) == sorted(candidate):
            distance = min(distance, 1)
        if distance < least:
            best, least = candidate, distance
    return best


def _distance(a, b):
    """Letters to change, add or take away to make one word of the other (Levenshtein)."""
    a = a[:32]
    row = list(range(len(b) + 1))
    for i in range(len(a)):
        corner = i
        row[0] = i + 1
        for j in range(len(b)):
            corner, row[j + 1] = (
                row[j + 1],
                min(row[j] + 1, row[j + 1] + 1, corner + (a[i] != b[j])),
            )
    return row[-1]
