"""Check a config.json with the code the node checks it with, and the files it names.

Of a fleet: what `nodes/<name>.json` over config.json makes, of one node or of all.
"""

import datetime
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
    settings, faults = with_files(*changed(*check(path, args.board)), path)
    return tell(path, settings, faults, path.parent, args.board)


def run_overlays(path, args):
    """Check what nodes are given by overlays: the one named, or all."""
    from tools import overlays

    try:
        if args.node == "all":
            found = list(overlays.read_all(path).values())
        else:
            found = [overlays.named(path, args.node)]
    except BadConfig as e:
        return tell(e.title, None, e.faults, path.parent, args.board)
    if not found:
        place = overlays.folder(path)
        raise CommandError(f"there is no {place}/<name>.json; docs/deploy.md shows one")
    status = 0
    for overlay in found:
        title = overlays.title(path, overlay)
        found = changed(*judge(overlays.laid_over(path, overlay), args.board))
        settings, faults = with_files(*found, path)
        status |= tell(title, settings, faults, path.parent, args.board)
    return status


def tell(title, settings, faults, folder, board):
    """Say what a check found. Returns the exit code."""
    for fault in faults:
        print(f"{title}: {fault}")
    if faults:
        print(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}", file=sys.stderr)
        return 1
    found = list(warnings(settings, folder))
    short = board and heap.warning(settings, board)
    if short:
        found.append(short)
    for warning in found:
        print(f"{title}: warning: {warning}")
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


def changed(settings, faults):
    """Return (settings or None, faults) of a check, and whether the example's words are still there: no node can join with them."""
    if faults:
        return settings, faults
    found = [
        f'wifi.networks[{i}].{key}: is still the example\'s "{network[key]}", put in that of your network'
        for i, network in enumerate(settings["wifi"]["networks"])
        for key in ("ssid", "password")
        if network[key] in PLACEHOLDERS
    ]
    return (None, found) if found else (settings, [])


def with_files(settings, faults, path):
    """Return (settings or None, faults) of a check, and of the files it names, which are beside it: as deploy wants them."""
    from tools import nodeconfig

    try:
        if settings:
            nodeconfig.files(path, settings, str(path))
    except BadConfig as e:
        return None, e.faults
    return settings, faults


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


def warnings(settings, folder):
    """What will only go wrong on the way to the broker: an address, the files of `tls`, looked for beside the config."""
    hosts = [(f"mqtt.brokers[{i}]", each) for i, each in enumerate(settings["mqtt"]["brokers"])]
    for section, entry in [*hosts, ("ntp", settings["ntp"])]:
        if _is_itself(entry["host"]):
            yield (
                f"{section}.host: {entry['host']} is the board itself, give the address in your network "
                "(only an emulated board reaches this computer by it)"
            )
        elif _is_many(entry["host"]):
            yield f"{section}.host: {entry['host']} is no address of one computer, give that of yours"
    for i, broker in enumerate(settings["mqtt"]["brokers"]):
        tls = broker["tls"] or {}
        if broker["port"] == (PLAIN if tls else TLS):
            usual = f"with tls, mostly {TLS}" if tls else f"without tls, mostly {PLAIN}"
            right = f'{TLS}, or leave "tls" out' if tls else f"{PLAIN}, or {TLS_ON}, too"
            yield f"mqtt.brokers[{i}].port: is {broker['port']}; {usual}: give {right}"
        for key, look in (("ca", _certificate), ("cert", _certificate), ("key", _key)):
            if name := tls.get(key):
                wrong = look((folder / name.lstrip("/")).read_bytes())
                if wrong:
                    yield f"mqtt.brokers[{i}].tls.{key}: {wrong}"


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
