"""config.json: checked whole, every fault at once, before anything uses it.

A fault is one line, `path: what is wrong, what would be right`. No value of a secret, and no free
text of the file, is ever part of one. Runs under MicroPython and CPython alike; a node calls
`drop()` once it has its settings.
"""

import json
import os
import sys

from firmware.checker import Checker
from firmware.settings import SETTINGS

_LONGEST = 16384  # bytes of a config.json: text and parsed settings are in memory together
_MOST_FAULTS = 40
_SESSION = "state/session"  # whose exchanges the broker has, see uplink.py
_UNREAD = "cannot be read: EIO, the flash fails"


def check(raw, types, model):
    """Return (settings, faults): settings with every default filled in, None if there are faults.

    raw: parsed JSON; types: sensor type → (driver, bus, rows of settings, quantities); model: the
    board as in PINS, None (or a board not there) to leave out what depends on it.
    """
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

    source is the path they came from, faults are those of path. safe: without sensors, which take most of the memory to check.
    OSError: there are no settings, because the flash did not give one of the files: it may at the next start, so that this is no
    reason to ask for new ones. After some such starts in a row, in safe mode, it is.
    """
    settings, faults = _read(path, types, model, safe)
    if settings:
        return settings, path, faults
    settings, others = _read(last_good, types, model, safe)
    if not (settings or safe):
        for fault in faults + others:
            if fault.endswith(_UNREAD):
                raise OSError(fault)
    return settings, last_good if settings else None, faults


def _read(path, types, model, safe):
    from outbox_reading import is_nothing

    from firmware.reading import whole

    try:
        data = whole(path, _LONGEST + 1)
    except OSError as e:
        if is_nothing(e):
            return None, ["%s: is not there, copy config.json.example and edit it" % path]
        return None, ["%s: %s" % (path, _UNREAD)]
    if len(data) > _LONGEST:
        return None, ["%s: longer than %d bytes, leave something out" % (path, _LONGEST)]
    try:
        raw = parse(data.decode())
        if safe:
            _without_sensors(raw)
        return check(raw, types, model)
    except UnicodeError:
        return None, ["%s: not UTF-8 text, save it as UTF-8" % path]
    except ValueError as e:
        return None, ["%s: %s" % (path, e)]


def _without_sensors(raw):
    """And without what names them: a button of an output."""
    if type(raw) is dict:
        raw["sensors"] = []
        outputs = raw.get("outputs")
        for output in outputs if type(outputs) is list else ():
            if type(output) is dict:
                output.pop("button", None)


def keep(settings, last_good):
    """Write settings (checked ones, or the raw ones they came from) to last_good if it holds others.

    OSError: the flash is full or failed; last_good is then as it was.
    """
    try:
        with open(last_good) as f:
            before = json.load(f)
        if before == settings:
            return
        if _names(before, (2,)) & _names(settings, (0, 1)):
            # An exchange of QoS 2 would never end, and take one of the broker's few places: the session begins anew.
            os.remove(_SESSION)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # there is none, or it is not ours any more
    folder = last_good.rpartition("/")[0]
    if folder:
        try:
            os.mkdir(folder)
        except OSError:
            pass  # there already; if not, open() says why
    beside = last_good + ".tmp"
    try:
        with open(beside, "w") as f:
            json.dump(settings, f)
        # Replaces last_good in one step: after a power cut it is wholly the old one or wholly the new.
        os.rename(beside, last_good)
    except OSError:
        try:
            os.remove(beside)
        except OSError:
            pass
        raise


def _names(settings, qos):
    """Return the names of the sensors that have one of these QoS."""
    return {sensor["name"] for sensor in settings["sensors"] if sensor["qos"] in qos}


def redact(settings):
    """Return a copy that can be shown: every secret is "***"."""
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

    forget("config", "checker", "settings", "entries", "kinds", "wiring", "pins")
    forget("partnames", "roms", "reading")  # if they were needed
