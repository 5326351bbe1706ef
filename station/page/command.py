"""`make page`: the web server, until Ctrl-C."""

import getpass
import ipaddress
import socket
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from firmware import VERSION
from station import access
from station.page import users
from station.page.app import Page
from station.page.link import Link
from station.page.logins import Logins
from station.page.server import Server
from station.page.source import Gone, Source
from tools import CommandError
from tools.numbers import whole
from tools.settings import units

LOOPBACK = "127.0.0.1"
PORT = 8040


def add_arguments(parser):
    access.add_arguments(parser)
    parser.add_argument(
        "--store",
        default="readings.sqlite",
        help="SQLite file of make collect, or postgresql://user@host/database (%(default)s)",
    )
    parser.add_argument(
        "--listen",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0: all, which wants --users (%(default)s)",
    )
    parser.add_argument(
        "--port", type=whole(0, 65535), default=PORT, help="0: any that is free (%(default)s)"
    )
    parser.add_argument(
        "--host",
        metavar="NAMES",
        help="further names by which browsers reach this computer, with commas",
    )
    parser.add_argument(
        "--users", metavar="FILE", help="who may log in; without it nobody has to, on loopback"
    )
    parser.add_argument(
        "--add-user", metavar="NAME", help="ask for a password, put the user into that file, end"
    )
    parser.add_argument(
        "--no-broker", action="store_true", help="show the store alone: no commands, outputs, log"
    )


def run(args):
    if args.add_user:
        return _add_user(args)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        known = users.Users(args.users) if args.users else None
        sock = stack.enter_context(_listening(args, known))
        source = Source(args.store)
        try:
            base = source.base()
        except Gone as e:
            raise CommandError(str(e)) from None
        link = Link(_brokers(args, source, base, home), base)
        names = [name for name in (args.host or "").split(",") if name]
        page = Page(source, link, Logins(known), units.described(), VERSION, names)
        host, port = sock.getsockname()[:2]
        if ipaddress.ip_address(host).is_unspecified:  # all of this computer's
            host = socket.gethostname()
        shown = f"[{host}]" if ":" in host else host
        print(f"page: http://{shown}:{port}", flush=True)
        if link.why:
            print(f"  {link.why}: no commands, outputs and log lines")
        Server(page).run([sock])
        if page.failure:
            raise page.failure
    return 0


def _brokers(args, source, base, home):
    """The brokers that the options mean; none, if there is no word of any."""
    if args.no_broker:
        return []
    if not (args.broker or args.config or Path("config.json").exists()):
        return []
    theirs, brokers = access.chosen(args, home)
    if theirs != base:
        raise CommandError(
            f"{source.place} has the readings below {base}/, not {theirs}/: give the STORE= of that base, or BASE={base}"
        )
    return brokers


def _listening(args, known):
    """A socket that listens. CommandError: not there."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if args.listen == "localhost" else args.listen)
    except ValueError:
        raise CommandError(
            f"LISTEN={args.listen} is no address: give one of this computer's, or 0.0.0.0 for all"
        ) from None
    if not address.is_loopback and known is None:
        raise CommandError(
            f"LISTEN={args.listen}: everybody on the network could see and command your nodes: give USERS=file,"
            " too (make page ADD_USER=name USERS=file makes it)"
        )
    if known is not None and not known:
        raise CommandError(
            f"{args.users} has no user: make page ADD_USER=name USERS={args.users} makes one"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((str(address), args.port))
        found.listen()  # who reads the address may use it at once
    except OSError as e:
        found.close()
        raise CommandError(
            f"{args.listen}:{args.port}: {(e.strerror or str(e)).lower()}: give another PORT= or LISTEN="
        ) from None
    return found


def _add_user(args):
    if not args.users:
        raise CommandError("ADD_USER= puts a user into a file: give USERS=file, too")
    if sys.stdin.isatty():
        password = getpass.getpass(f"password of {args.add_user}: ")
        if getpass.getpass("once more: ") != password:
            raise CommandError("these were two different passwords: nothing is changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    was_there = users.add(Path(args.users), args.add_user, password)
    print(f"{args.users}: {args.add_user} {'has a new password' if was_there else 'may log in'}")
    return 0
