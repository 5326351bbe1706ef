"""config.json: checked whole, every fault at once, before anything uses it.

A fault is one line, `path: what is wrong, what would be right`. No value of a secret, and no free
text of the file, is ever part of one. Runs under MicroPython and CPython alike; a node calls
`drop()` once it has its settings.
"""

import json
import sys
from errno import ENOMEM

_LONGEST = 16384  # bytes of a config.json: text and parsed settings are in memory together
_MOST_FAULTS = 40
_UNREAD = ": cannot be read: "


def check(raw, types, model):
    """Return (settings, faults): settings with every default filled in, None if there are faults.

    raw: parsed JSON; types: sensor type → (driver, bus, rows of settings, quantities); model: the
    board as in PINS, None (or a board not there) to leave out what depends on it.
    """
    # Not before: of config.json there was a text, then, beside what is in it.
    from firmware.settings.checker import Checker
    from firmware.settings.tables import SETTINGS

    checker = Checker(types, model)
    settings = checker.object("", raw, SETTINGS)
    if settings:
        checker.together(settings)
    faults = checker.faults
    if len(faults) > _MOST_FAULTS:
        faults[_MOST_FAULTS:] = [
            "config: %d more, mend these first" % (len(faults) - _MOST_FAULTS)
        ]
    return (None if faults else settings), faults


def parse(text):
    """Return parsed JSON. ValueError: "line L, column C: what is wrong"."""
    import jsonfault

    text = text.lstrip("\ufeff")  # some editors begin a file with a byte order mark
    fault = jsonfault.fault(text)
    del sys.modules["jsonfault"]  # 5 KB on a node, which does not need it again
    if fault:
        raise ValueError(fault)
    if "\\u" not in text:
        return json.loads(text)
    import jsonpairs

    del sys.modules["jsonpairs"]
    return jsonpairs.loads(text.encode())


def load(path, last_good, types, model, safe=False):
    """Return (settings, source, faults): the settings of path, else of last_good, else None.

    source is the path they came from, faults are those of path. types: as check() has them, or a function that returns them for
    parsed JSON. safe: without sensors, which take most of the memory to check.
    OSError: there are no settings, because one of the files could not be read: it may at the next start, so that this is no
    reason to ask for new ones. After some such starts in a row, in safe mode, it is.
    """
    settings, faults = _read(path, types, model, safe)
    if settings:
        return settings, path, faults
    settings, others = _read(last_good, types, model, safe)
    if not (settings or safe):
        for fault in faults + others:
            if _UNREAD in fault:
                raise OSError(fault)
    return settings, last_good if settings else None, faults


def _read(path, types, model, safe):
    from firmware.reading import whole

    try:
        data = whole(path, _LONGEST + 1)
    except OSError as e:
        why = "not enough memory" if e.errno == ENOMEM else "EIO, the flash fails"
        return None, [path + _UNREAD + why]
    if data is None:
        return None, ["%s: is not there, copy config.json.example and edit it" % path]
    if len(data) > _LONGEST:
        return None, ["%s: longer than %d bytes, leave something out" % (path, _LONGEST)]
    try:
        text = data.decode()
        del data
        raw = parse(text)
        del text
        if safe:
            _without_sensors(raw)
        return check(raw, types(raw) if callable(types) else types, model)
    except UnicodeError:
        return None, ["%s: not UTF-8 text, save it as UTF-8" % path]
    except ValueError as e:
        return None, ["%s: %s" % (path, e)]


def _without_sensors(raw):
    """Also without what names sensors: a button of an output."""
    if type(raw) is dict:
        raw["sensors"] = []
        outputs = raw.get("outputs")
        for output in outputs if type(outputs) is list else ():
            if type(output) is dict:
                output.pop("button", None)


def redact(settings):
    """Return a copy that can be shown: every secret is "***"."""
    from firmware.settings.tables import SETTINGS

    return _redact(settings, _secrets(SETTINGS, set()))


def _secrets(rows, found):
    for key, kind, _, limit, _ in rows:
        if kind == "secret":
            found.add(key)
        elif kind == "object":
            _secrets(limit, found)
        elif kind in ("list", "sensors"):
            _secrets(limit[2], found)
    return found


def _redact(value, secrets):
    if type(value) is dict:
        return {k: "***" if k in secrets and v else _redact(v, secrets) for k, v in value.items()}
    if type(value) is list:
        return [_redact(item, secrets) for item in value]
    return value


def drop():
    """Forget this module and its tables, about 27 KB, to be loaded anew if they are ever needed."""
    from firmware import forget

    forget("settings", "config", "checker", "tables", "entries", "kinds", "wiring")
    forget("settings", "partnames", "roms", "fixed")  # if they were needed
    forget("hardware", "pins")
    forget("", "reading", "settings", "hardware")  # other modules of these rooms stay
