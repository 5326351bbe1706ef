"""Check a config.json with the code the node checks it with, and the files it names."""

import datetime
import sys
from pathlib import Path

from tools import ROOT, CommandError
from tools.boards import BOARDS


def add_arguments(parser):
    parser.add_argument(
        "file", nargs="?", default="config.json", help="what to check, config.json if left out"
    )
    parser.add_argument("--board", choices=BOARDS, help="check the pins against this board")


def run(args):
    path = Path(args.file)
    settings, faults = check(path, args.board)
    for fault in faults:
        print(f"{path}: {fault}")
    if faults:
        print(f"{len(faults)} fault{'s' if len(faults) > 1 else ''}", file=sys.stderr)
        return 1
    for warning in warnings(settings, path.parent):
        print(f"{path}: warning: {warning}")
    print(f"{path}: good" + ("" if args.board else "; to check the pins too, give --board"))
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
    config, types = node()
    try:
        raw = config.parse(path.read_bytes().decode())
    except OSError as e:
        raise CommandError(f"{path}: {e.strerror}") from None
    except UnicodeError:
        return None, ["not UTF-8 text, save it as UTF-8"]
    except ValueError as e:
        return None, [str(e)]
    return config.check(raw, types, model)


def warnings(settings, folder):
    """What will only go wrong on the way to the broker: the files of `tls`, looked for beside the config."""
    for i, broker in enumerate(settings["mqtt"]["brokers"]):
        tls = broker["tls"] or {}
        for key, look in (("ca", _certificate), ("cert", _certificate), ("key", _key)):
            if name := tls.get(key):
                file = folder / name.lstrip("/")
                if not file.is_file():
                    wrong = f"there is no {name} beside the config, put it there"
                else:
                    wrong = look(file.read_bytes())
                if wrong:
                    yield f"mqtt.brokers[{i}].tls.{key}: {wrong}"


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
