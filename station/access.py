"""Whom the collector connects to, and as whom: the broker of a config.json, or the one that is named; a password never on a command line."""

import os
import re
import ssl
from pathlib import Path
from typing import Any

from tools import CommandError, unreadable
from tools.simulate import greeting, watch

PASSWORD = "OUTPOST_PASSWORD"
_PORTS = {False: 1883, True: 8883}
_FILES = {"ca": "", "cert": "", "key": ""}
_BROKER = re.compile(r"(?:(mqtts?)://)?(\[[0-9a-fA-F:]+\]|[^\s:/@\[\]]+)(?::(\d{1,5}))?/?")


class Access:
    """One broker. broker: as of config.json's `mqtt.brokers`; files: {"ca", "cert", "key": path} of PEM files, of TLS."""

    def __init__(self, broker: dict[str, Any], files: dict[str, Path]) -> None:
        self.broker = broker
        self.files = files
        self.place = f"{broker['host']}:{broker['port']}"
        self.context = _context(broker, files) if broker["tls"] is not None else None

    def fault(self) -> str | None:
        """Ask the broker once more, and say in words what is wrong. None: nothing, or nobody knows."""
        if self.broker["tls"] is not None and "ca" not in self.files:
            return None
        return greeting.fault(self.broker, self.files)


def add_arguments(parser):
    parser.add_argument(
        "--config", help="take broker, account and base from a node's settings (config.json)"
    )
    parser.add_argument("--broker", help="host, host:port, or mqtts://host:port for TLS")
    parser.add_argument("--ca", help="file of the authority that signed the broker's certificate")
    parser.add_argument("--cert", help="file of our own certificate, where the broker wants one")
    parser.add_argument("--key", help="file of its key")
    parser.add_argument(
        "--server-name", help="the name in that certificate, if it is not the host"
    )
    parser.add_argument("--account", help="the broker's user; by default that of the settings")
    parser.add_argument(
        "--password-file", help=f"file with its password, which may also be in ${PASSWORD}"
    )
    parser.add_argument("--base", help="first level, or levels, of the topics (outpost)")


def chosen(args, home: Path) -> tuple[str, list[Access]]:
    """Return the base and the brokers that the options mean. home: folder for files that TLS needs. CommandError: what is wrong."""
    if args.broker:
        base, brokers, folder = "outpost", [_named(args)], Path()
    else:
        path = Path(args.config or "config.json")
        if not args.config and not path.exists():
            raise CommandError(
                "there is no config.json with a broker: name one, as BROKER=192.168.1.10, or give CONFIG=file"
            )
        settings = watch.read(path)
        base, brokers, folder = settings["node"]["base"], settings["mqtt"]["brokers"], path.parent
    if args.account:
        account = {"user": args.account, "password": _password(args)}
        brokers = [broker | account for broker in brokers]
    elif args.password_file:
        raise CommandError("PASSWORD_FILE= is the password of an ACCOUNT=: give that, too")
    found = []
    for number, broker in enumerate(brokers):
        place = home / str(number)
        place.mkdir()
        tls = broker["tls"]
        files = watch.pem_files(_FILES | tls, folder, place) if tls else {}
        files |= {name: Path(path) for name, path in _given(args).items()}
        found.append(Access(broker if broker["tls"] else broker | {"tls": None}, files))
    return _base(args.base or base), found


def _given(args) -> dict[str, str]:
    """The files of TLS that options name."""
    given = {name: getattr(args, name) for name in _FILES if getattr(args, name)}
    if ("cert" in given) != ("key" in given):
        raise CommandError("CERT= and KEY= belong together: give both")
    return given


def _named(args) -> dict[str, Any]:
    parts = _BROKER.fullmatch(args.broker)
    if not parts or (parts[3] and not 0 < int(parts[3]) < 65536):
        raise CommandError(
            f"BROKER={args.broker} is no broker: give host, host:port or mqtts://host:port"
        )
    secure = parts[1] == "mqtts" or bool(_given(args))
    if parts[1] == "mqtt" and secure:
        raise CommandError("CA=, CERT= and KEY= are for TLS: give BROKER=mqtts://host")
    return {
        "host": parts[2].strip("[]"),
        "port": int(parts[3] or _PORTS[secure]),
        "user": "",
        "password": "",
        "tls": {"server_name": args.server_name} if secure else None,
    }


def _password(args) -> str:
    if not args.password_file:
        password = os.environ.get(PASSWORD)
        if password is None:
            raise CommandError(
                f"ACCOUNT={args.account} has no password: put it into a file, PASSWORD_FILE=file, or into ${PASSWORD}"
            )
        return password
    try:
        text = Path(args.password_file).read_text(encoding="utf-8")
    except OSError as e:
        raise CommandError(unreadable(args.password_file, e)) from None
    except UnicodeDecodeError:
        raise CommandError(f"{args.password_file} is no text in UTF-8") from None
    password = text.rstrip("\r\n")
    if not password or "\n" in password:
        raise CommandError(f"{args.password_file} has to be one line: the password alone")
    return password


def _base(base: str) -> str:
    if not base or re.search(r"[+#$\0]|^/|/$|//", base):
        raise CommandError(
            f"BASE={base} is no base of topics: give one, as outpost or home/ground"
        )
    return base


def _context(broker: dict[str, Any], files: dict[str, Path]) -> ssl.SSLContext:
    try:
        if "ca" in files:
            return greeting.context(broker, files)
        context = ssl.create_default_context()
        if "cert" in files:
            context.load_cert_chain(files["cert"], files["key"])
        return context
    except OSError as e:  # ssl.SSLError is one
        for name in files.values():
            if not name.is_file():
                raise CommandError(unreadable(name, FileNotFoundError())) from None
        names = " and ".join(map(str, files.values()))
        raise CommandError(f"{names} have to be PEM files that fit each other: {e}") from None
