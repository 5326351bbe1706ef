"""Check a config.json with the code the node checks it with, and the files it names.

Of a fleet: what `nodes/<name>.json` over config.json makes, of one node or of all.
"""

import datetime
import os
import shlex
import sys
import threading
from pathlib import Path

from tools import ROOT, CommandError, heap, said, unreadable
from tools.boards import BOARDS

_lock = (
    threading.Lock()
)  # the node's code unloads what it needs once, and may be asked by several threads
# What config.json.example says where you are to say something else.
PLACEHOLDERS = ("your network", "your password")
PLAIN, TLS = 1883, 8883  # the ports that brokers have, and that settings without one stand for
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
    found = list(warnings(raw, path.parent))
    short = settings and board and heap.warning(settings, board)
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
    """What will only go wrong on the way to the broker: an address, the files of `tls`, looked for beside the config.

    raw: parsed JSON, or settings. What is at fault in it a check says.
    """
    from tools import nodeconfig

    for setting, host in nodeconfig.of_kind(("host",), raw):
        if not setting.endswith(".host"):
            continue  # a name in a certificate
        if _is_itself(host):
            yield (
                f"{setting}: {host} is the board itself, give the address in your network "
                "(only an emulated board reaches this computer by it)"
            )
        elif _is_many(host):
            yield f"{setting}: {host} is no address of one computer, give that of yours"
    for setting, port, tls in _brokers(raw):
        if port == (PLAIN if tls else TLS):
            usual = f"with tls, mostly {TLS}" if tls else f"without tls, mostly {PLAIN}"
            right = f'{TLS}, or leave "tls" out' if tls else f"{PLAIN}, or {TLS_ON}, too"
            yield f"{setting}: is {port}; {usual}: give {right}"
    for setting, name in nodeconfig.of_kind(("path",), raw):
        look = _key if setting.endswith(".key") else _certificate
        file = folder / name.lstrip("/")
        wrong = os.path.isfile(file) and look(file.read_bytes())
        if wrong:
            yield f"{setting}: {wrong}"


def _brokers(raw):
    """Yield (setting, port, tls) of each broker that has a port."""
    section = raw.get("mqtt") if isinstance(raw, dict) else None
    brokers = section.get("brokers") if isinstance(section, dict) else None
    for i, broker in enumerate(brokers if isinstance(brokers, list) else ()):
        if isinstance(broker, dict) and "port" in broker:
            yield f"mqtt.brokers[{i}].port", broker["port"], broker.get("tls")


def _is_itself(host):
    return host.lower().rstrip(".") in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")


def _is_many(host):
    """Broadcast, multicast, or reserved."""
    first = host.split(".")[0]
    return host.count(".") == 3 and first.isdigit() and int(first) >= 224


def _certificate(data):
    from cryptography import x509

    try:
        load = x509.load_pem_x509_certificate if _is_pem(data) else x509.load_der_x509_certificate
        end = load(data).not_valid_after_utc
    except ValueError:
        return "is no certificate, give a PEM or DER file"
    if end < datetime.datetime.now(datetime.UTC):
        return f"expired on {end:%Y-%m-%d}, get a new one"
    return None


def _key(data):
    from cryptography.hazmat.primitives import serialization

    load = (
        serialization.load_pem_private_key if _is_pem(data) else serialization.load_der_private_key
    )
    try:
        load(data, None)
    except TypeError:
        return "is encrypted, give one that is not: nobody types a password on a board"
    except ValueError:
        return "is no private key, give a PEM or DER file"
    return None


def _is_pem(data):
    return b"-----BEGIN " in data
