"""Check a config.json with the code the node checks it with, and the files it names.

Of a fleet: what `nodes/<name>.json` over config.json makes, of one node or of all.
"""

import os
import shlex
import sys
import threading
from pathlib import Path

from tools import ROOT, CommandError, heap, said, tlsfiles, unreadable
from tools.boards import BOARDS

_lock = (
    threading.Lock()
)  # the node's code unloads what it needs once, and may be asked by several threads
# What config.json.example says where you are to say something else.
PLACEHOLDERS = ("your network", "your password")
PLAIN, TLS = 1883, 8883  # the ports that brokers have, and that settings without one stand for
LOCAL = ("localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback")
TLS_ON = '"tls": {"ca": "ca.pem"}'
BAD_CONFIG = 7  # exit code of the commands that want a config for something


class BadConfig(CommandError):
    """A config cannot be used: the faults of all of it."""

    def __init__(self, title, faults):
        lines = "\n".join("  " + fault for fault in faults)
        super().__init__(f"{title} cannot be used:\n{lines}", BAD_CONFIG)
        self.title = title
        self.faults = faults


def add_arguments(parser):
    parser.add_argument(
        "file", nargs="?", default="config.json", help="what to check, config.json if left out"
    )
    parser.add_argument("--board", choices=BOARDS, help="check the pins against this board")
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="check nodes/NAME.json laid over the file; all: every one there is",
    )


def run(args):
    path = Path(args.file)
    if args.node:
        return run_overlays(path, args)
    try:
        raw = parse(path)
    except BadConfig as e:
        return tell(path, e.faults)
    return look(path, raw, path, args.board)


def run_overlays(path, args):
    """Check what nodes are given by overlays: the one named, or all."""
    from tools import overlays

    if args.node == "all":
        found = overlays.each(path)
    else:
        try:
            overlay = overlays.named(path, args.node)
        except BadConfig as e:
            return tell(e.title, e.faults)
        found = [(overlay.path, overlay, [])]
    if not found:
        place = overlays.folder(path)
        raise CommandError(f"there is no {place}/<name>.json; docs/deploy.md shows one")
    bad = 0
    for place, overlay, faults in found:
        if faults:
            bad += tell(place, faults)
        else:
            title = overlays.title(path, overlay)
            bad += look(title, overlays.laid_over(path, overlay), path, args.board)
    if bad and found[1:]:
        print(f"{bad} of {len(found)} cannot be used", file=sys.stderr)
    return 1 if bad else 0


def tell(title, faults):
    """Say what is at fault. Returns the exit code."""
    for fault in faults:
        print(f"{title}: {fault}")
    print(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}", file=sys.stderr)
    return 1


def look(title, raw, path, board):
    """Check parsed JSON, and say what is found, whatever it is. path: what lies beside it. Returns the exit code."""
    settings, faults = for_use(raw, board, path)
    found = warnings(raw, path.parent)
    short = board and heap.warning(settings or _but_for_faults(raw, board), board)
    if short:
        found.append(short)
    for warning in found:
        print(f"{title}: warning: {warning}")
    if faults:
        return tell(title, faults)
    good = "can be used, but look at what is warned of" if found else "good"
    if not short:
        print(f"{title}: {heap.told(settings, board)}")
    print(said(f"{title}: {good}" + ("" if board else "; to check the pins too, give BOARD=")))
    return 0


def _but_for_faults(raw, model):
    """The part of parsed JSON that is not at fault, as far as an estimate of its memory needs it. At most that is too little."""
    _, types = node()
    from firmware.checker import Checker
    from firmware.settings import SETTINGS

    with _lock:
        found = Checker(types, model).object("", raw, SETTINGS) or {}
    parts = {key: found.get(key) or {} for key in ("mqtt", "outbox", "discovery")}

    def entries(value):
        return [entry for entry in value or () if entry]

    return {
        "sensors": entries(found.get("sensors")),
        "outputs": entries(found.get("outputs")),
        "mqtt": {"brokers": entries(parts["mqtt"].get("brokers"))},
        "outbox": {"ram_bytes": parts["outbox"].get("ram_bytes") or 0},
        "discovery": {"enabled": bool(parts["discovery"].get("enabled"))},
    }


def node():
    """Return (firmware.config, TYPES): the node's own code."""
    # lib is a folder of modules on a board, not a package
    sys.path += [folder for folder in (str(ROOT), str(ROOT / "lib")) if folder not in sys.path]
    from firmware import config
    from firmware.sensors import TYPES

    return config, TYPES


def check(path, model):
    """Return (settings with defaults or None, faults) of a file."""
    try:
        return judge(parse(path), model)
    except BadConfig as e:
        return None, e.faults


def judge(raw, model):
    """Return (settings with defaults or None, faults) of parsed JSON; the pins only for a model."""
    config, types = node()
    from tools import meant

    with _lock:
        settings, faults = config.check(raw, types, model)
    return settings, meant.explained(raw, faults, types)


def for_use(raw, model, path=None):
    """Return (settings or None, faults) of parsed JSON that a node is to use: a check, whether the example's words are still there,
    and whether the files that it names are beside path (None: nobody wants them). All of it is said at once.
    """
    from tools import nodeconfig

    settings, faults = judge(raw, model)
    told = {fault.partition(":")[0] for fault in faults}
    more = [*_unchanged(raw), *(nodeconfig.file_faults(path, raw) if path else ())]
    faults = faults + [fault for fault in more if fault.partition(":")[0] not in told]
    return (None if faults else settings), faults


def _unchanged(raw):
    """The example's words, with which no node can join a network."""
    from tools import nodeconfig

    for setting, value in nodeconfig.of_kind(("text", "secret"), raw):
        if setting.startswith("wifi.networks") and value in PLACEHOLDERS:
            yield f'{setting}: is still the example\'s "{value}", put in that of your network'


def missing(path):
    return (
        f"there is no {path}: cp config.json.example {shlex.quote(str(path))}, "
        "then edit wifi.networks, mqtt.brokers and sensors in it"
    )


def parse(path):
    """Return the JSON of a config. BadConfig: it is none; CommandError: it cannot be read."""
    if not path.exists():
        raise CommandError(missing(path))
    return parse_file(path)


def parse_file(path):
    """Return the JSON of a file, of whatever. BadConfig: it is none; CommandError: it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as e:
        raise CommandError(unreadable(path, e)) from None
    return parse_bytes(data, path)


def parse_bytes(data, title):
    """Return the JSON in what a file holds. BadConfig: it is none."""
    config, _ = node()
    if not data.strip():
        raise BadConfig(title, ["is empty"])
    try:
        with _lock:
            return config.parse(data.decode())
    except UnicodeError:
        raise BadConfig(title, ["not UTF-8 text, save it as UTF-8"]) from None
    except ValueError as e:
        raise BadConfig(title, [str(e)]) from None


def warnings(raw, folder):
    """What will only go wrong on the way to the broker: an address, a port, a certificate beside the config; and what is of little use.

    raw: parsed JSON, or settings. What is at fault in it a check says. What is told of several settings is told once.
    """
    told = {}
    for setting, wrong in _warnings(raw, folder):
        told.setdefault(wrong, []).append(setting)
    return [f"{', '.join(settings)}: {wrong}" for wrong, settings in told.items()]


def _warnings(raw, folder):
    """Yield (setting, what is wrong with it)."""
    from tools import nodeconfig

    if isinstance(raw, dict) and not (raw.get("sensors") or raw.get("outputs")):
        yield "sensors", "there are none: the node publishes only its own state"
    for setting, host in nodeconfig.of_kind(("host",), raw):
        if not setting.endswith(".host"):
            continue  # a name in a certificate
        if _is_itself(host):
            right = "give the address in your network (only an emulated board reaches this computer by it)"
            yield setting, f"{host} is the board itself, {right}"
        elif _is_many(host):
            yield setting, f"{host} is no address of one computer, give that of yours"
    for setting, port, tls in _brokers(raw):
        if port == (PLAIN if tls else TLS):
            usual = f"with tls, mostly {TLS}" if tls else f"without tls, mostly {PLAIN}"
            right = f'{TLS}, or leave "tls" out' if tls else f"{PLAIN}, or {TLS_ON}, too"
            yield setting, f"is {port}; {usual}: give {right}"
    for setting, name in nodeconfig.of_kind(("path",), raw):
        file = folder / name.lstrip("/")
        wrong = not setting.endswith(".key") and os.path.isfile(file) and tlsfiles.expired(file)
        if wrong:
            yield setting, wrong


def _brokers(raw):
    """Yield (setting, port, tls) of each broker that has a port."""
    section = raw.get("mqtt") if isinstance(raw, dict) else None
    brokers = section.get("brokers") if isinstance(section, dict) else None
    for i, broker in enumerate(brokers if isinstance(brokers, list) else ()):
        if isinstance(broker, dict) and "port" in broker:
            yield f"mqtt.brokers[{i}].port", broker["port"], broker.get("tls")


def _is_itself(host):
    name = host.lower().rstrip(".")
    # RFC 6761, 6.3; the others are in the hosts files of Linux distributions.
    by_name = name.split(".")[0] in LOCAL or name.endswith(".localhost") or name == "::1"
    return by_name or _first(name) in (0, 127)


def _is_many(host):
    """Broadcast, multicast, or reserved."""
    return _first(host) >= 224


def _first(host):
    """The first number of an IPv4 address, -1: it is none."""
    from firmware import kinds

    address = kinds.address(host)
    return -1 if address is None else address >> 24
